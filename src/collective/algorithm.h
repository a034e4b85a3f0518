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
    bool does_all_to_all; ///< also that which neither reduces nor gathers
    /// Set plan->nphases for n >= 2 members.  Fails: STATUS_RANGE.
    Status (*plan)(CollectivePlan *plan);
    Phase (*phase)(const CollectivePlan *plan, int32_t phase);
    /// Ends are positions, see domains.h.
    PhaseEdge (*edge)(const CollectivePlan *plan, int32_t phase, int64_t i);
    /// Sum over the edges of one phase of their weights.
    int64_t (*phase_weight)(const CollectivePlan *plan, int32_t phase);
} CollectiveMethod;

extern const CollectiveMethod collective_ring, collective_halving_doubling, collective_direct,
    collective_hierarchical;

/// ceil(bytes * numerator / denominator), exact in 128 bits; CHECK that it fits.
int64_t collective_share_bytes(int64_t bytes, int64_t numerator, int64_t denominator);

/// How often the vector goes around: 2 for all-reduce (reduce-scatter, then all-gather), else 1.
int64_t collective_passes(CollectiveKind kind);

/// Latency of a round in which every member talks to members anywhere.
int64_t collective_any_latency_ps(const CollectivePlan *plan);

#endif
