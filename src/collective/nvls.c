/// nvls.c: reductions in switches: of a scale-up domain (nvls), or of domain and fabric (sharp).
///
/// Idea.    Every member of a domain of p sends its vector of S bytes up, an n-th to each reduction, and
///          sends the p-th that it has reduced to all: S (1 + 1 / p) out of it and as much into it. The
///          links of a domain have no switch at their end, so an edge to the next member stands for it.
///              sharp   the switches of the fabric add up what ports send, S / C on each of C channels, and
///                      give back the sum: an edge to the port of the next domain
/// Limits.  What switches of the fabric send each other, which is no more, is not on the links.
/// Source.  Klenk et al., "An in-network architecture for accelerating shared-memory multiprocessor
///          collectives", ISCA 2020; Graham et al., "Scalable hierarchical aggregation protocol", 2016.
#include "collective/algorithm.h"

static Status one_phase(CollectivePlan *plan) {
    plan->nphases = 1;
    return status_ok();
}

/// Units of which the vector has so many.
static int64_t units_of(const CollectivePlan *plan) {
    return plan->domains->n == 1 ? plan->n : plan->domains->least;
}

static Phase switched_phase(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const Domains *domains = plan->domains;
    const bool apart = domains->n > 1;
    const int64_t across = apart ? domains->n * domains->least : 0;
    return collective_tuned_phase(plan, collective_inside_edges(plan) + across,
                                  collective_share_bytes(plan->spec.bytes, 1, units_of(plan)),
                                  apart ? 2 : 1);
}

static PhaseEdge switched_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    (void)phase;
    const Domains *domains = plan->domains;
    const int64_t inside = collective_inside_edges(plan);
    if (i < inside) {
        const InsideEdge at = collective_inside_edge(plan, i);
        const int64_t first = domains_first(domains, at.d);
        return (PhaseEdge){.src = first + at.r,
                           .dst = first + at.next,
                           .weight = (int32_t)collective_switched(units_of(plan), at.p)};
    }
    const int64_t d = (i - inside) / domains->least, k = (i - inside) % domains->least;
    return (PhaseEdge){.src = domains_port(domains, d, k),
                       .dst = domains_port(domains, d + 1 < domains->n ? d + 1 : 0, k),
                       .weight = 1,
                       .own_nic = true};
}

static int64_t switched_phase_weight(const CollectivePlan *plan, int32_t phase) {
    (void)phase;
    const Domains *domains = plan->domains;
    const int64_t across = domains->n > 1 ? domains->n * domains->least : 0;
    return across + collective_switched_weight(plan, units_of(plan));
}

const CollectiveMethod collective_nvls = {
    .plan = one_phase,
    .phase = switched_phase,
    .edge = switched_edge,
    .phase_weight = switched_phase_weight,
};
