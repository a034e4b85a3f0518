/// halving_doubling.c: partners at distance n/2, n/4, ..., 1 exchange half of what is left; then
/// back.
///
/// Idea.    Reduce-scatter by recursive halving: in phase k members whose numbers differ by d = n /
///          2^(k+1) exchange bytes * d / n. All-gather by recursive doubling is the same backwards.
///          One phase is n edges and one round:
///          log2 n phases each, bytes * (n - 1) / n per member in all.
/// Limits.  n a power of two. Phases follow each other: nothing is pipelined.
/// Source.  Thakur, Rabenseifner, Gropp, IJHPCA 2005, sections 3 and 4.
#include "collective/algorithm.h"

static int32_t log2_of(int64_t n) {
    int32_t log = 0;
    while (INT64_C(1) << (log + 1) <= n) log++;
    return log;
}

static Status halving_doubling_plan(CollectivePlan *plan) {
    REQUIRE((plan->n & (plan->n - 1)) == 0, STATUS_RANGE,
            "halving/doubling needs a power of two of members, not %lld", (long long)plan->n);
    plan->nphases = (int32_t)collective_passes(plan->spec.kind) * log2_of(plan->n);
    return status_ok();
}

/// Distance of the partners: halving goes down from n/2, doubling up to it.
static int64_t halving_doubling_distance(const CollectivePlan *plan, int32_t phase) {
    int32_t log = log2_of(plan->n);
    bool doubling = plan->spec.kind == COLLECTIVE_ALL_GATHER || phase >= log;
    return INT64_C(1) << (doubling ? phase % log : log - 1 - phase);
}

static Phase halving_doubling_phase(const CollectivePlan *plan, int32_t phase) {
    const CollectiveSpec *spec = &plan->spec;
    int64_t distance = halving_doubling_distance(plan, phase);
    // Partners are together if all domains begin at multiples of twice their distance.
    bool inside = plan->domains->common % (2 * distance) == 0;
    return (Phase){
        .nedges = plan->n,
        .bytes = collective_share_bytes(spec->bytes, distance, plan->n),
        .rounds = 1,
        .round_latency_ps = inside ? spec->domain_latency_ps : spec->round_latency_ps,
        .fill_ps = phase == 0 ? spec->base_ps : 0,
    };
}

static PhaseEdge halving_doubling_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    return (PhaseEdge){.src = i, .dst = i ^ halving_doubling_distance(plan, phase), .weight = 1};
}

static int64_t halving_doubling_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    return plan->n;
}

const CollectiveMethod collective_halving_doubling = {
    .plan = halving_doubling_plan,
    .phase = halving_doubling_phase,
    .edge = halving_doubling_edge,
    .phase_weight = halving_doubling_phase_weight,
};
