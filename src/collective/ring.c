/// ring.c: member i sends to member i + 1, round after round, all edges at once: one coupled phase.
///
/// Idea.    Reduce-scatter and all-gather take n - 1 rounds of bytes / n; all-reduce does both. An
///          edge carries passes * (n - 1) / n * bytes. Members of a domain follow each other, so
///          only some hops leave it: a piece that travels R = passes * (n - 1) hops around D
///          domains, the largest of p members, waits for the slowest such walk,
///              passes * D - max(0, passes + 1 - p) hops between domains, the others inside,
///          (p = 1: all hops; else the walk leaves out hops inside a domain where it can).
/// Limits.  One ring: between domains it uses one port per domain and direction. Rails side by side
///          are `hierarchical`.
/// Source.  Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
///          workstations", JPDC 2009. Hops between nodes are told apart as in NCCL's tuning model
///          (src/graph/tuning.cc), which counts passes * (D - 1) of them.
#include "collective/algorithm.h"

static Status ring_plan(CollectivePlan *plan) {
    plan->nphases = 1;
    return status_ok();
}

static int64_t ring_hops_between_domains(const CollectivePlan *plan) {
    if (collective_in_one_domain(plan)) return 0;
    int64_t passes = collective_passes(plan->spec.kind);
    int64_t left_out = passes + 1 - plan->domains->most;
    return passes * plan->domains->n - (left_out > 0 ? left_out : 0);
}

/// The engine knows one latency for all rounds: the mean, rounded down; what is left over is
/// serial.
static Phase ring_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const CollectiveSpec *spec = &plan->spec;
    int64_t passes = collective_passes(spec->kind), rounds = passes * (plan->n - 1);
    int64_t outside = ring_hops_between_domains(plan);
    if (outside > rounds) outside = rounds;
    int64_t latency_ps =
        outside * spec->round_latency_ps + (rounds - outside) * spec->domain_latency_ps;
    return (Phase){
        .nedges = plan->n,
        .bytes = collective_share_bytes(spec->bytes, rounds, plan->n),
        .rounds = rounds,
        .round_latency_ps = latency_ps / rounds,
        .fill_ps = spec->base_ps + latency_ps % rounds,
    };
}

static PhaseEdge ring_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    return (PhaseEdge){.src = i, .dst = i + 1 < plan->n ? i + 1 : 0, .weight = 1};
}

static int64_t ring_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    return plan->n;
}

const CollectiveMethod collective_ring = {
    .plan = ring_plan,
    .phase = ring_phase,
    .edge = ring_edge,
    .phase_weight = ring_phase_weight,
};
