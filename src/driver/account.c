#include "driver/account.h"

static int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

Clocks clocks_max(Clocks a, Clocks b) {
    return (Clocks){.actual_ps = max_of(a.actual_ps, b.actual_ps),
                    .alone_ps = max_of(a.alone_ps, b.alone_ps),
                    .ideal_ps = max_of(a.ideal_ps, b.ideal_ps)};
}

Clocks account_wait(int64_t parts[TRACE_PART_N], Clocks before, const Release release[], int32_t n,
                    int64_t now_ps) {
    Clocks after = before;
    TracePart kind = TRACE_PART_BUBBLE;
    int64_t slowed_ps = 0, last_ps = before.actual_ps, last_alone_ps = INT64_MIN;
    for (int32_t i = 0; i < n; i++) {
        if (release[i].at.alone_ps > last_alone_ps && release[i].kind != TRACE_PART_COMPUTE) {
            last_alone_ps = release[i].at.alone_ps;
            kind = release[i].kind;
        }
        if (release[i].at.actual_ps > last_ps) {
            last_ps = release[i].at.actual_ps;
            slowed_ps = release[i].slowed_ps;
        }
        after = clocks_max(after, release[i].at);
    }
    after.actual_ps = now_ps;
    int64_t ideal_ps = after.ideal_ps - before.ideal_ps;
    int64_t alone_ps = after.alone_ps - before.alone_ps;
    int64_t actual_ps = now_ps - before.actual_ps;
    int64_t contention_ps = slowed_ps < actual_ps ? slowed_ps : actual_ps;
    parts[TRACE_PART_BUBBLE] += ideal_ps;
    parts[kind] += alone_ps - ideal_ps;
    parts[TRACE_PART_CONTENTION] += contention_ps;
    parts[TRACE_PART_STRAGGLER] += actual_ps - alone_ps - contention_ps;
    return after;
}
