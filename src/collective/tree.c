/// tree.c: an all-reduce up and down two binary trees of the domains at once.
///
/// Idea.    Each tree has half of the bytes, on every channel (domains.h); who is in the middle of one is
///          a leaf of the other, so that every domain sends about as much: up once, down twice half.
///          Domain r of a tree hangs from the domain whose number differs in its lowest bit:
///              0 -- 4 -- 2 -- 1, 3     (8 domains; the second tree has them mirrored, D even, or
///                    `-- 6 -- 5, 7      shifted by one, D odd)
///          Inside a domain a channel adds up along a chain to its port and comes back (tree), or the
///          switches do it (nvls_tree: (1 + 1 / p) of the vector out of each member).
///          A unit of progress is bytes / (2 C).
/// Limits.  Levels are pipelined: one phase. Chains inside domains of several channels only (tuning_offers).
/// Source.  Sanders, Speck, Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and
///          scan", Parallel Computing 2009; NCCL src/graph/trees.cc.
#include "collective/algorithm.h"

enum { TREES = 2, WAYS = 2 }; // up and down

static bool by_switches(const CollectivePlan *plan) {
    return plan->spec.algorithm == ALGORITHM_NVLS_TREE;
}

static Status tree_plan(CollectivePlan *plan) {
    plan->nphases = 1;
    return status_ok();
}

/// The number above r > 0 in a tree of n.
static int64_t above(int64_t r, int64_t n) {
    const int64_t bit = r & -r, up = (r ^ bit) | bit << 1;
    return up < n ? up : r ^ bit;
}

/// Which domain is number r of a tree.
static int64_t domain_at(int64_t r, int32_t tree, int64_t n) {
    if (tree == 0) return r;
    return n % 2 == 0 ? n - 1 - r : (r + 1) % n;
}

/// Of each edge inside a domain, in both directions of a chain or one of the switches' ring.
static int64_t inside_ways(const CollectivePlan *plan) { return by_switches(plan) ? 1 : WAYS; }

/// No chain joins a port to the member before it; where there are chains, there are several.
static int64_t inside_weight(const CollectivePlan *plan, const InsideEdge *at) {
    const int64_t units = TREES * plan->domains->least;
    if (by_switches(plan)) return collective_switched(units, at->p);
    return units - TREES * domains_channels_at(plan->domains, at->d, at->next);
}

static int64_t edges_inside(const CollectivePlan *plan) {
    return inside_ways(plan) * collective_inside_edges(plan);
}

static Phase tree_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const Domains *domains = plan->domains;
    const CollectiveShape shape = {.n = plan->n, .domains = domains->n, .most = domains->most};
    const CollectiveHops hops = tuning_hops(&shape, plan->spec.algorithm);
    const int64_t across = TREES * WAYS * (domains->n - 1) * domains->least;
    return collective_tuned_phase(
        plan, edges_inside(plan) + across,
        collective_share_bytes(plan->spec.bytes, 1, TREES * domains->least),
        hops.inside + hops.outside);
}

static PhaseEdge edge_inside(const CollectivePlan *plan, int64_t i) {
    const InsideEdge at = collective_inside_edge(plan, i / inside_ways(plan));
    const int64_t first = domains_first(plan->domains, at.d);
    const bool back = i % inside_ways(plan) != 0;
    return (PhaseEdge){.src = first + (back ? at.next : at.r),
                       .dst = first + (back ? at.r : at.next),
                       .weight = (int32_t)inside_weight(plan, &at)};
}

static PhaseEdge tree_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    const Domains *domains = plan->domains;
    const int64_t inside = edges_inside(plan);
    if (i < inside) return edge_inside(plan, i);
    i -= inside;
    const bool down = i % WAYS != 0;
    const int32_t tree = (int32_t)(i / WAYS % TREES);
    const int64_t k = i / (WAYS * TREES) % domains->least,
                  r = 1 + i / (WAYS * TREES) / domains->least;
    const int64_t low = domains_port(domains, domain_at(r, tree, domains->n), k),
                  high =
                      domains_port(domains, domain_at(above(r, domains->n), tree, domains->n), k);
    return (PhaseEdge){.src = down ? high : low,
                       .dst = down ? low : high,
                       .weight = 1,
                       .own_nic = domains->least > 1};
}

static int64_t tree_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const Domains *domains = plan->domains;
    const int64_t across = TREES * WAYS * (domains->n - 1) * domains->least;
    if (!by_switches(plan)) return across + TREES * WAYS * (plan->n - domains->n) * domains->least;
    return across + collective_switched_weight(plan, TREES * domains->least);
}

const CollectiveMethod collective_tree = {
    .plan = tree_plan,
    .phase = tree_phase,
    .edge = tree_edge,
    .phase_weight = tree_phase_weight,
};
