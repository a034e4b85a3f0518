/// algorithm.h: the table of collective algorithms: how each turns a collective into phases of
/// edges; inside collective/ only.
///
/// Idea.    An algorithm is four functions, one file and one line of the table in collective.c;
///          ring.c is the one to copy. Phases and edges are arithmetic over (plan, phase, edge
///          index); nothing is kept.
///          All byte counts are rounded up: bytes of a weight-1 edge are the least integer not
///          below the algebra, so that no member ever sends less than the algebra says and at most
///          `weight` bytes more per edge and phase.
#ifndef COLOSSIM_COLLECTIVE_ALGORITHM_H
#define COLOSSIM_COLLECTIVE_ALGORITHM_H

#include <stdbool.h>

#include "collective/collective.h"

typedef struct CollectiveMethod {
    /// Set plan->nphases for n >= 2 members.  Fails: STATUS_RANGE.
    Status (*plan)(CollectivePlan *plan);
    Phase (*phase)(const CollectivePlan *plan, int32_t phase);
    /// Ends are positions, see domains.h.
    PhaseEdge (*edge)(const CollectivePlan *plan, int32_t phase, int64_t i);
    /// Sum over the edges of one phase of their weights.
    int64_t (*phase_weight)(const CollectivePlan *plan, int32_t phase);
} CollectiveMethod;

/// Tree and nvls_tree, nvls and sharp are one method each, which asks the plan where switches reduce.
extern const CollectiveMethod collective_ring, collective_tree, collective_pat, collective_nvls,
    collective_direct, collective_halving_doubling, collective_hierarchical;

/// ceil(bytes * numerator / denominator), exact in 128 bits; CHECK that it fits.
int64_t collective_share_bytes(int64_t bytes, int64_t numerator, int64_t denominator);

/// A phase of an algorithm that tuning.h prices. The engine knows one latency for all rounds: the mean, rounded down; what
/// is left over is serial.
Phase collective_tuned_phase(const CollectivePlan *plan, int64_t nedges, int64_t bytes,
                             int64_t rounds);

/// Edges of rings inside domains, one from each member that is not alone in its domain: the i-th goes from place r to
/// `next` of the p places of domain d.
typedef struct InsideEdge {
    int64_t d, p, r, next;
} InsideEdge;
int64_t collective_inside_edges(const CollectivePlan *plan);
InsideEdge collective_inside_edge(const CollectivePlan *plan, int64_t i);
/// Where switches of a domain of p members reduce: weight of each such edge in a vector of so many units, and the sum of
/// all.
int64_t collective_switched(int64_t units, int64_t p);
int64_t collective_switched_weight(const CollectivePlan *plan, int64_t units);

#endif
