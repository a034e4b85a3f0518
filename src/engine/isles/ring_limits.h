/// ring_limits.h: the links that rings alone could fill, of all ranks, each kind once.
///
/// Idea.    Rings of one job cross thousands of links together, but in few combinations: a link says no more than
///          another of the same capacity with the same users. So each rank lists its links by content, and all ranks
///          share the lists when the set of rings changes; between changes every rank solves with all of them and
///          needs no talk about them.
/// Limits.  Users of a link are listed latest first (as rings.h attaches them), on all ranks alike.
#ifndef COLOSSIM_ENGINE_ISLES_RING_LIMITS_H
#define COLOSSIM_ENGINE_ISLES_RING_LIMITS_H

#include "base/array.h"
#include "base/table.h"
#include "par/comm.h"

typedef struct LimitUse {
    int32_t ring, weight;
} LimitUse;

/// All links of one kind.
typedef struct RingLimit {
    int64_t capacity;
    int64_t link;     ///< the least of them
    int64_t first, n; ///< uses
} RingLimit;

/// Zero-initialise to use.
typedef struct RingLimits {
    ARRAY_OF(RingLimit) at;
    ARRAY_OF(LimitUse) use;
    Table by_content;
} RingLimits;

void limits_clear(RingLimits *limits);
void limits_free(RingLimits *limits);
/// Take a link in.
void limits_add(RingLimits *limits, int64_t capacity, int64_t link, const LimitUse use[],
                int64_t n);
/// Join the lists of all ranks.  MPI: collective.
void limits_share(RingLimits *limits, const Comm *comm);

#endif
