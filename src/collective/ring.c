/// ring.c: member i sends to member i + 1, round after round, all edges at once: one coupled phase.
///
/// Idea.    Reduce-scatter and all-gather take n - 1 rounds of bytes / n; all-reduce does both. Among D
///          domains there are C channels, as many as the fewest members of any domain (domains.h):
///          each is a ring through all members, with a C-th of the bytes, and enters and leaves
///          domains by ports of its own:
///              domain 0 (forward)    >k ... k-1       head k of channel k, and tail k - 1 before it;
///              domain 1 (backward)   k ... k-1<       so all hops but the last of an odd D stay on
///              domain 2 (forward)    >k ... k-1       their rails
///          So an edge carries P (n - 1) / n * bytes / C on every channel that uses it: across domains
///          one, inside all but the channel that ends there. Each member sends P (n - 1) / n * bytes.
///          With one channel (or one domain) it is the plain ring of all members.
///          Members of a domain follow each other, so only some hops leave it: a piece that travels
///          R = P (n - 1) hops around D domains, the largest of p members, waits for the slowest
///          such walk, P * D - max(0, P + 1 - p) hops between domains, the others inside
///          (p = 1: all hops; else the walk leaves out hops inside a domain where it can).
/// Source.  Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
///          workstations", JPDC 2009. Channels: NCCL's rings over all NICs of a node
///          (src/graph/rings.cc); hops between nodes are told apart as in its tuning model
///          (src/graph/tuning.cc), which counts P * (D - 1) of them.
#include "collective/algorithm.h"

static bool is_plain(const CollectivePlan *plan) {
    return plan->domains->n == 1 || plan->domains->least == 1;
}

static int64_t ring_channels(const CollectivePlan *plan) {
    return is_plain(plan) ? 1 : plan->domains->least;
}

static Status ring_plan(CollectivePlan *plan) {
    REQUIRE(ring_channels(plan) * plan->n <= INT64_MAX / plan->n, STATUS_RANGE,
            "%lld members are too many for a ring", (long long)plan->n);
    plan->nphases = 1;
    return status_ok();
}

static Phase ring_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const int64_t rounds = collective_passes(plan->spec.kind) * (plan->n - 1);
    const int64_t channels = ring_channels(plan);
    const int64_t nedges =
        is_plain(plan) ? plan->n : collective_inside_edges(plan) + plan->domains->n * channels;
    const int64_t bytes = collective_share_bytes(plan->spec.bytes, rounds, plan->n * channels);
    return collective_tuned_phase(plan, nedges, bytes, rounds);
}

/// By all channels but the one whose head `next` is.
static PhaseEdge edge_inside(const CollectivePlan *plan, int64_t i) {
    const Domains *domains = plan->domains;
    const InsideEdge at = collective_inside_edge(plan, i);
    const int64_t first = domains_first(domains, at.d);
    const bool forward = at.d % 2 == 0;
    return (PhaseEdge){
        .src = first + (forward ? at.r : at.next),
        .dst = first + (forward ? at.next : at.r),
        .weight = (int32_t)(domains->least - domains_channels_at(domains, at.d, at.next))};
}

/// Where channel k enters (or else leaves) domain d: its head, or the member before that.
static int64_t end_of(const CollectivePlan *plan, int64_t d, int64_t k, bool enters) {
    const Domains *domains = plan->domains;
    const int64_t head = domains_port(domains, d, k), first = domains_first(domains, d);
    if ((d % 2 == 0) == enters) return head;
    return head > first ? head - 1 : first + domains_size(domains, d) - 1;
}

static PhaseEdge ring_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    if (is_plain(plan))
        return (PhaseEdge){.src = i, .dst = i + 1 < plan->n ? i + 1 : 0, .weight = 1};
    const Domains *domains = plan->domains;
    const int64_t inside = collective_inside_edges(plan);
    if (i < inside) return edge_inside(plan, i);
    const int64_t d = (i - inside) / domains->least, k = (i - inside) % domains->least;
    return (PhaseEdge){.src = end_of(plan, d, k, false),
                       .dst = end_of(plan, d + 1 < domains->n ? d + 1 : 0, k, true),
                       .weight = 1,
                       .own_nic = true};
}

static int64_t ring_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    return plan->n * ring_channels(plan);
}

const CollectiveMethod collective_ring = {
    .plan = ring_plan,
    .phase = ring_phase,
    .edge = ring_edge,
    .phase_weight = ring_phase_weight,
};
