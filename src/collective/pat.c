/// pat.c: parallel aggregated trees: a gather or reduce-scatter in log2 n hops, among members that are alone
/// in their domains.
///
/// Idea.    The shard of each member goes to all others along a binomial tree of its own, all of them alike and
///          aggregated: member i sends to i + 2^j what the trees of all hand over at that distance. The
///          place at distance r from a root hangs from the one at r less its lowest bit: as many of the n - 1
///          as have 2^j for that are the weight, in shards of bytes / n; the sum is n - 1. A reduce-scatter is
///          that backwards.
/// Limits.  Steps are pipelined: one phase.
/// Source.  Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at scale",
///          arXiv:2506.20252.
#include "collective/algorithm.h"

static int64_t distances(int64_t n) {
    int64_t log = 0;
    while (INT64_C(1) << log < n) log++;
    return log;
}

static Status pat_plan(CollectivePlan *plan) {
    plan->nphases = 1;
    return status_ok();
}

static Phase pat_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const int64_t hops = distances(plan->n);
    return collective_tuned_phase(plan, plan->n * hops,
                                  collective_share_bytes(plan->spec.bytes, 1, plan->n), hops);
}

static PhaseEdge pat_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    const int64_t n = plan->n, j = i / n, from = i % n, to = (from + (INT64_C(1) << j)) % n;
    const bool back = plan->spec.kind == COLLECTIVE_REDUCE_SCATTER;
    return (PhaseEdge){.src = back ? to : from,
                       .dst = back ? from : to,
                       .weight = (int32_t)(((n - 1) >> j) - ((n - 1) >> (j + 1)))};
}

static int64_t pat_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    return plan->n * (plan->n - 1);
}

const CollectiveMethod collective_pat = {
    .plan = pat_plan,
    .phase = pat_phase,
    .edge = pat_edge,
    .phase_weight = pat_phase_weight,
};
