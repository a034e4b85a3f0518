#include "base/timers.h"

#include <stdbool.h>

#include "base/memory.h"

#define LABEL "timers"

/// Without a branch on times: they cannot be predicted.
static int32_t earlier(const Timers *timers, int32_t a, int32_t b) {
    const int64_t at_a = timers->time_ps[a], at_b = timers->time_ps[b];
    const bool is_b = (at_b < at_a) | ((at_b == at_a) & (b < a));
    return is_b ? b : a;
}

void timers_init(Timers *timers, int64_t n) {
    *timers = (Timers){.n = n};
    timers->time_ps = memory_alloc(LABEL, (size_t)n * sizeof *timers->time_ps);
    timers->winner = memory_alloc(LABEL, (size_t)(2 * n) * sizeof *timers->winner);
    for (int64_t i = 0; i < n; i++) {
        timers->time_ps[i] = TIME_NEVER_PS;
        timers->winner[n + i] = (int32_t)i;
    }
    for (int64_t m = n - 1; m > 0; m--)
        timers->winner[m] = earlier(timers, timers->winner[2 * m], timers->winner[2 * m + 1]);
}

void timers_fini(Timers *timers) {
    memory_free(LABEL, timers->time_ps, (size_t)timers->n * sizeof *timers->time_ps);
    memory_free(LABEL, timers->winner, (size_t)(2 * timers->n) * sizeof *timers->winner);
    *timers = (Timers){0};
}

void timers_set(Timers *timers, int64_t timer, int64_t time_ps) {
    int32_t *winner = timers->winner;
    timers->time_ps[timer] = time_ps;
    for (int64_t m = (timers->n + timer) / 2; m > 0; m /= 2) {
        const int32_t wins = earlier(timers, winner[2 * m], winner[2 * m + 1]);
        if (wins == winner[m] && wins != timer) return;
        winner[m] = wins;
    }
}
