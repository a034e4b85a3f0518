/// direct.c: every member sends to every other: one phase of n (n - 1) edges.
///
/// Idea.    An edge carries bytes / n: a shard (reduce-scatter, all-gather) or what one member has
///          for another (all-to-all, where bytes / n of each member stay at home). All-reduce does
///          it twice.
/// Limits.  All edges progress together, at the pace of the slowest. For an all-to-all in a
///          congested fabric use the traffic pattern, whose flows are independent.
/// Source.  Thakur, Rabenseifner, Gropp, IJHPCA 2005, section 3 (pairwise exchange).
#include "collective/algorithm.h"

enum { DIRECT_MEMBERS_MAX = 4096 }; ///< 2^24 edges

static Status direct_plan(CollectivePlan *plan) {
    REQUIRE(
        plan->n <= DIRECT_MEMBERS_MAX, STATUS_RANGE,
        "%lld members are too many for a direct collective, which joins each with each: at most %d",
        (long long)plan->n, DIRECT_MEMBERS_MAX);
    plan->nphases = 1;
    return status_ok();
}

static Phase direct_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    int64_t passes = collective_passes(plan->spec.kind);
    return collective_tuned_phase(plan, plan->n * (plan->n - 1),
                                  collective_share_bytes(plan->spec.bytes, passes, plan->n),
                                  passes);
}

static PhaseEdge direct_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    int64_t src = i / (plan->n - 1), ahead = 1 + i % (plan->n - 1);
    return (PhaseEdge){.src = src, .dst = (src + ahead) % plan->n, .weight = 1};
}

static int64_t direct_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    return plan->n * (plan->n - 1);
}

const CollectiveMethod collective_direct = {
    .plan = direct_plan,
    .phase = direct_phase,
    .edge = direct_edge,
    .phase_weight = direct_phase_weight,
};
