/// hierarchical.c: reduce-scatter in each domain, one ring per slot across the domains, all-gather
/// in each domain.
///
/// Idea.    p members per domain, D domains. Pipelined, all three move at once, so it is one phase
///          with two kinds of edges: a ring inside each domain, and a ring of the members of equal
///          slot. With P passes (all-reduce 2, else 1) and bytes B they carry
///              inside  P (p - 1) / p * B          across  P (D - 1) / D * B / p
///          whose ratio is (p - 1) D : (D - 1). gcd(D, D - 1) = 1, so with g = gcd(p - 1, D - 1)
///          the weights are
///              inside  (p - 1) D / g              across  (D - 1) / g
///          and a unit of progress is P B g / (p D) bytes.
///              slot 0  o--o--o--o   across (network)
///                      |  |  |  |
///              slot 1  o--o--o--o   inside (scale-up domain), one column a domain
///          Rounds are those of the rings across; the P (p - 1) rounds inside fill the pipeline and
///          are serial.
///          p = 1 and D = 1 leave one kind of edges with weight 1: a plain ring.
/// Limits.  Every domain has p members. Filling is latency only: the first slice is taken as small.
/// Source.  Cho et al., "BlueConnect", MLSys 2019; NCCL's rings over all NICs of a node move the
///          same bytes per port.
#include "collective/algorithm.h"

typedef struct HierarchicalShape {
    int64_t p, domains;
    int64_t inside, across; ///< weights; 0: no such edges
    int64_t numerator;      ///< unit = bytes * numerator / (p * domains)
} HierarchicalShape;

static int64_t gcd_of(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static HierarchicalShape hierarchical_shape(const CollectivePlan *plan) {
    HierarchicalShape shape = {.p = plan->per_domain, .domains = plan->n / plan->per_domain};
    int64_t inside = (shape.p - 1) * shape.domains, across = shape.domains - 1;
    int64_t divisor = gcd_of(inside, across);
    shape.inside = inside / divisor;
    shape.across = across / divisor;
    shape.numerator = collective_passes(plan->spec.kind) * divisor;
    return shape;
}

static Status hierarchical_plan(CollectivePlan *plan) {
    TRY(collective_refuse_all_to_all(plan));
    if (plan->per_domain > plan->n) plan->per_domain = (int32_t)plan->n;
    REQUIRE(plan->n % plan->per_domain == 0, STATUS_RANGE,
            "hierarchical needs domains filled evenly, but %lld members are not a multiple of %d",
            (long long)plan->n, (int)plan->per_domain);
    REQUIRE(hierarchical_shape(plan).inside <= INT32_MAX, STATUS_RANGE,
            "%lld members are too many for a hierarchical collective", (long long)plan->n);
    plan->nphases = 1;
    return status_ok();
}

static Phase hierarchical_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const CollectiveSpec *spec = &plan->spec;
    HierarchicalShape shape = hierarchical_shape(plan);
    int64_t passes = collective_passes(spec->kind);
    int64_t rounds_inside = passes * (shape.p - 1), rounds_across = passes * (shape.domains - 1);
    Phase result = {
        .nedges = plan->n * ((shape.inside > 0) + (shape.across > 0)),
        .bytes = collective_share_bytes(spec->bytes, shape.numerator, plan->n),
        .rounds = rounds_across,
        .round_latency_ps = spec->round_latency_ps,
        .fill_ps = spec->base_ps + rounds_inside * spec->domain_latency_ps,
    };
    if (shape.across > 0) return result;
    result.rounds = rounds_inside;
    result.round_latency_ps = spec->domain_latency_ps;
    result.fill_ps = spec->base_ps;
    return result;
}

/// First the n edges inside the domains (if there are any), then the n edges across.
static PhaseEdge hierarchical_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    HierarchicalShape shape = hierarchical_shape(plan);
    if (shape.inside > 0 && i < plan->n) {
        int64_t slot = i % shape.p, next = slot + 1 < shape.p ? slot + 1 : 0;
        return (PhaseEdge){.src = i, .dst = i - slot + next, .weight = (int32_t)shape.inside};
    }
    int64_t src = shape.inside > 0 ? i - plan->n : i, dst = src + shape.p;
    return (PhaseEdge){
        .src = src, .dst = dst < plan->n ? dst : dst - plan->n, .weight = (int32_t)shape.across};
}

static int64_t hierarchical_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    HierarchicalShape shape = hierarchical_shape(plan);
    return plan->n * (shape.inside + shape.across);
}

const CollectiveMethod collective_hierarchical = {
    .name = "hierarchical",
    .plan = hierarchical_plan,
    .phase = hierarchical_phase,
    .edge = hierarchical_edge,
    .phase_weight = hierarchical_phase_weight,
};
