/// hierarchical.c: a ring inside each scale-up domain, and rings side by side across the domains.
///
/// Idea.    n members in D domains, p_d of them in domain d; C channels, as many as the fewest
///          members of any domain (domains.h). Pipelined, all moves at once, so it is one phase
///          with two kinds of edges: a ring inside each domain, and for each channel a ring across,
///          through one member a domain.
///              channel 0  o--o--o--o   across (network)
///                         |  |  |  |
///              channel 1  o--o--o--o   inside (scale-up domain), one column a domain
///          All-gather of B bytes, B / n from each member: across, from domain d to d + 1, goes all
///          that members of d + 1 do not bring themselves, an equal part on each channel; inside,
///          from place r to r + 1, all but what r + 1 brings or gets from its c(r + 1) = 0 or 1
///          channels:
///              across  (n - p_{d+1}) / n * B / C
///              inside  (p_d - 1) / n * B  +  (1 - c(r + 1) / C) (n - p_d) / n * B
///          so each member receives (n - 1) / n * B. Reduce-scatter is that backwards: p_d for
///          p_{d+1} and c(r) for c(r + 1), and each member sends (n - 1) / n * B. All-reduce is both,
///          edge by edge. Times C n / B these are whole numbers; divided by the greatest number g
///          that divides them all they are the weights, and a unit of progress is B g / (C n).
///          With p members in every domain, P passes (all-reduce 2, else 1):
///              inside  P (p - 1) / p * B          across  P (D - 1) / D * B / p
///          p = 1 and D = 1 leave one kind of edges with weight 1: a plain ring.
///          The bound. What the smallest domain does not bring must come in by the ports of its p
///          members: (n - p) / n * B / p on each takes as long as it does here, where each is the
///          port of one channel. So a domain that lacks one of 8 members costs all 8/7, and one
///          member alone in its domain makes all wait for its port; more channels would not help.
///          Rounds are those of the rings across; the P (p - 1) rounds inside the largest domain
///          fill the pipeline and are serial.
/// Limits.  Filling is latency only: the first slice is taken as small. An all-reduce could let a
///          small domain hang from another (send and receive B, not 2 (D - 1) / D * B): not done,
///          nor by NCCL's rings. Domains with more members than C leave ports to others.
/// Source.  Cho et al., "BlueConnect", MLSys 2019; NCCL's rings over all NICs of a node move the
///          same bytes per port.
#include "base/wide.h"
#include "collective/algorithm.h"

static bool gathers(const CollectivePlan *plan) {
    return plan->spec.kind != COLLECTIVE_REDUCE_SCATTER;
}

static bool scatters(const CollectivePlan *plan) {
    return plan->spec.kind != COLLECTIVE_ALL_GATHER;
}

static int64_t next_of(int64_t i, int64_t n) { return i + 1 < n ? i + 1 : 0; }

/// C n / B times what an edge of a channel from domain d carries.
static int64_t across_parts(const CollectivePlan *plan, int64_t d) {
    const Domains *domains = plan->domains;
    int64_t to = plan->n - domains_size(domains, next_of(d, domains->n));
    int64_t from = plan->n - domains_size(domains, d);
    return gathers(plan) * to + scatters(plan) * from;
}

/// The same inside domain d of p members, if channels meet `met` ends that count.
static int64_t inside_parts(const CollectivePlan *plan, int64_t p, int64_t met) {
    int64_t passes = collective_passes(plan->spec.kind), channels = plan->domains->least;
    return passes * channels * (p - 1) + (passes * channels - met) * (plan->n - p);
}

/// g, or a divisor of it: where channels use only some members of a domain, there are edges that
/// meet one end more than others, which differ by n - p.
static int64_t common_divisor(const CollectivePlan *plan) {
    const Domains *domains = plan->domains;
    int64_t divisor = 0, passes = collective_passes(plan->spec.kind);
    int64_t different = domains->each > 0 ? 1 : domains->n; // of equal ones, one says all
    for (int64_t d = 0; d < different; d++) {
        int64_t p = domains_size(domains, d);
        if (domains->n > 1) divisor = (int64_t)wide_gcd(across_parts(plan, d), divisor);
        if (p > 1) divisor = (int64_t)wide_gcd(inside_parts(plan, p, passes), divisor);
        if (p > domains->least) divisor = (int64_t)wide_gcd(plan->n - p, divisor);
    }
    return divisor;
}

static Status hierarchical_plan(CollectivePlan *plan) {
    int64_t passes = collective_passes(plan->spec.kind);
    plan->divisor = common_divisor(plan);
    REQUIRE(passes * plan->domains->least * plan->n / plan->divisor <= INT32_MAX, STATUS_RANGE,
            "%lld members are too many for a hierarchical collective", (long long)plan->n);
    plan->nphases = 1;
    return status_ok();
}

static int64_t edges_across(const CollectivePlan *plan) {
    return plan->domains->n > 1 ? plan->domains->n * plan->domains->least : 0;
}

static Phase hierarchical_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const CollectiveSpec *spec = &plan->spec;
    const Domains *domains = plan->domains;
    int64_t passes = collective_passes(spec->kind);
    int64_t rounds_inside = passes * (domains->most - 1), rounds_across = passes * (domains->n - 1);
    Phase result = {
        .nedges = collective_inside_edges(plan) + edges_across(plan),
        .bytes = collective_share_bytes(spec->bytes, plan->divisor, domains->least * plan->n),
        .rounds = rounds_across,
        .round_latency_ps = spec->round_latency_ps,
        .fill_ps = spec->base_ps + rounds_inside * spec->domain_latency_ps,
    };
    if (domains->n > 1) return result;
    result.rounds = rounds_inside;
    result.round_latency_ps = spec->domain_latency_ps;
    result.fill_ps = spec->base_ps;
    return result;
}

static PhaseEdge edge_inside(const CollectivePlan *plan, int64_t i) {
    const Domains *domains = plan->domains;
    InsideEdge at = collective_inside_edge(plan, i);
    int64_t met = gathers(plan) * domains_channels_at(domains, at.d, at.next) +
                  scatters(plan) * domains_channels_at(domains, at.d, at.r);
    int64_t first = domains_first(domains, at.d);
    return (PhaseEdge){.src = first + at.r,
                       .dst = first + at.next,
                       .weight = (int32_t)(inside_parts(plan, at.p, met) / plan->divisor)};
}

/// First the edges inside domains, then those across.
static PhaseEdge hierarchical_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    const Domains *domains = plan->domains;
    int64_t inside = collective_inside_edges(plan);
    if (i < inside) return edge_inside(plan, i);
    int64_t d = (i - inside) / domains->least, k = (i - inside) % domains->least;
    return (PhaseEdge){.src = domains_port(domains, d, k),
                       .dst = domains_port(domains, next_of(d, domains->n), k),
                       .weight = (int32_t)(across_parts(plan, d) / plan->divisor),
                       .own_nic = true}; // by another it might meet the channel of that port
}

/// All members together receive (or send) P (n - 1) B, see above.
static int64_t hierarchical_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    int64_t passes = collective_passes(plan->spec.kind);
    Wide parts = (Wide)passes * plan->domains->least * plan->n;
    return (int64_t)(parts * (plan->n - 1) / plan->divisor);
}

const CollectiveMethod collective_hierarchical = {
    .plan = hierarchical_plan,
    .phase = hierarchical_phase,
    .edge = hierarchical_edge,
    .phase_weight = hierarchical_phase_weight,
};
