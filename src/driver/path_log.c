#include "driver/path_log.h"

#include "base/memory.h"
#include "driver/player.h"

static const char LABEL[] = "driver.path";

PathLog *path_log_open(const Machine *machine, int32_t step) {
    const Layout *layout = &machine->layout;
    const int64_t n = layout->nslots;
    PathLog *log = memory_alloc(LABEL, sizeof *log);
    *log = (PathLog){.step = step, .nslots = n};
    log->first = memory_alloc(LABEL, (size_t)(n + 1) * sizeof *log->first);
    for (int64_t slot = 0; slot < n; slot++)
        log->first[slot + 1] = log->first[slot] + unit_program(machine, &machine->unit[slot])->nops;
    log->begin_ps = memory_alloc(LABEL, (size_t)n * sizeof *log->begin_ps);
    for (int64_t slot = 0; slot < n; slot++) log->begin_ps[slot] = -1;
    log->end_ps = memory_alloc(LABEL, (size_t)log->first[n] * sizeof *log->end_ps);
    log->slowed_at = memory_alloc(LABEL, (size_t)log->first[n] * sizeof *log->slowed_at);
    log->nrails = units_nmeeting(&layout->units) * layout->units.width;
    log->rail = memory_alloc(LABEL, (size_t)log->nrails * sizeof *log->rail);
    log->slowed.label = log->meeting.label = LABEL;
    return log;
}

void path_log_close(PathLog *log) {
    if (!log) return;
    const size_t n = (size_t)log->nslots, nops = (size_t)log->first[n];
    array_free(&log->slowed);
    array_free(&log->meeting);
    memory_free(LABEL, log->rail, (size_t)log->nrails * sizeof *log->rail);
    memory_free(LABEL, log->slowed_at, nops * sizeof *log->slowed_at);
    memory_free(LABEL, log->end_ps, nops * sizeof *log->end_ps);
    memory_free(LABEL, log->begin_ps, n * sizeof *log->begin_ps);
    memory_free(LABEL, log->first, (n + 1) * sizeof *log->first);
    memory_free(LABEL, log, sizeof *log);
}

void path_log_slowed(PathLog *log, int64_t slot, int32_t op, const Slowed *slowed) {
    int32_t *at = &log->slowed_at[log->first[slot] + op];
    if (slowed->longest_ps == 0 && *at == 0) return;
    if (*at == 0) {
        array_resize(&log->slowed, log->slowed.n + 1);
        *at = (int32_t)log->slowed.n;
    }
    log->slowed.at[*at - 1] = *slowed;
}

void path_log_add(Slowed *sum, const Slowed *slowed) {
    for (int t = 0; t < ENGINE_TIERS_MAX; t++) sum->tier_ps[t] += slowed->tier_ps[t];
    if (slowed->longest_ps <= sum->longest_ps) return;
    sum->longest_ps = slowed->longest_ps;
    sum->link = slowed->link;
}
