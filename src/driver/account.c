#include "driver/account.h"

static int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

Clocks clocks_max(Clocks a, Clocks b) {
    return (Clocks){.actual_ps = max_of(a.actual_ps, b.actual_ps),
                    .alone_ps = max_of(a.alone_ps, b.alone_ps),
                    .ideal_ps = max_of(a.ideal_ps, b.ideal_ps)};
}

int64_t account_part_ps(const int64_t parts[ACCOUNT_N], NominalWork work, TracePart part) {
    switch (part) {
        case TRACE_PART_COMPUTE: return work.compute_ps;
        case TRACE_PART_TP_EXPOSED: return work.tp_ps;
        case TRACE_PART_OWN_SLOW: return parts[ACCOUNT_OWN_SLOW];
        case TRACE_PART_SHARING: return parts[ACCOUNT_SHARING];
        case TRACE_PART_BUBBLE: return parts[ACCOUNT_BUBBLE];
        case TRACE_PART_PP_EXPOSED: return parts[ACCOUNT_PP_EXPOSED];
        case TRACE_PART_DP_EXPOSED: return parts[ACCOUNT_DP_EXPOSED];
        case TRACE_PART_CONTENTION: return parts[ACCOUNT_CONTENTION];
        case TRACE_PART_STRAGGLER: return parts[ACCOUNT_STRAGGLER];
        case TRACE_PART_CP_EXPOSED: // neither is played
        case TRACE_PART_EP_EXPOSED:
        case TRACE_PART_N: break;
    }
    return 0;
}

int64_t account_sum_ps(const int64_t parts[ACCOUNT_N], NominalWork work) {
    int64_t sum_ps = work.compute_ps + work.tp_ps;
    for (int part = 0; part < ACCOUNT_N; part++) sum_ps += parts[part];
    return sum_ps;
}

Clocks account_wait(int64_t parts[ACCOUNT_N], Clocks before, const Release release[], int32_t n,
                    int64_t now_ps) {
    Clocks after = before;
    AccountPart kind = ACCOUNT_BUBBLE;
    int64_t slowed_ps = 0, last_ps = before.actual_ps, last_alone_ps = INT64_MIN;
    for (int32_t i = 0; i < n; i++) {
        const Outcome *outcome = &release[i].outcome;
        if (outcome->at.alone_ps > last_alone_ps && release[i].kind != ACCOUNT_BUBBLE) {
            last_alone_ps = outcome->at.alone_ps;
            kind = release[i].kind;
        }
        if (outcome->at.actual_ps > last_ps) {
            last_ps = outcome->at.actual_ps;
            slowed_ps = outcome->slowed_ps;
        }
        after = clocks_max(after, outcome->at);
    }
    after.actual_ps = now_ps;
    int64_t ideal_ps = after.ideal_ps - before.ideal_ps;
    int64_t alone_ps = after.alone_ps - before.alone_ps;
    int64_t actual_ps = now_ps - before.actual_ps;
    int64_t contention_ps = slowed_ps < actual_ps ? slowed_ps : actual_ps;
    parts[ACCOUNT_BUBBLE] += ideal_ps;
    parts[kind] += alone_ps - ideal_ps;
    parts[ACCOUNT_CONTENTION] += contention_ps;
    parts[ACCOUNT_STRAGGLER] += actual_ps - alone_ps - contention_ps;
    return after;
}
