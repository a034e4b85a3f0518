/// rings.h: the collectives under way, for islands: rates solved together at the moments at which they change.
///
/// Idea.    All ranks hold all collectives, and play them alike. Between two moments their levels stand still; the islands
///          report what would move them. At a moment the levels are those of the max-min definition (maxmin.h) over the
///          collectives, the messages that touch their links, and what touches these. Over ranks: each rank fills its
///          own links; the least level of any collective on any rank is right, since below it all water rises alike;
///          it is fixed, and the rest filled again: as many rounds as there are different levels.
///          What holds a collective: of all links at its level, the one with the least id, at each time; islands say
///          when their links were at it, and these stretches are laid over the window in the order of link ids.
/// Limits.  Windows in which the set of collectives or their levels change end there.
#ifndef COLOSSIM_PLAYER_RINGS_H
#define COLOSSIM_PLAYER_RINGS_H

#include "engine/runs.h"
#include "player/island.h"
#include "player/ring_limits.h"

typedef enum RingState { RING_FREE, RING_WAITING, RING_RUNNING, RING_GHOST } RingState;

/// A rail of a collective: one transfer.
typedef struct Ring {
    LooseWide remaining; ///< work at settled_ps
    int64_t tag, bytes, sampled_bytes;
    int64_t start_ps, end_ps, settled_ps; ///< end: of a ghost, until when it is felt
    int64_t alone_ps, cap, level;
    int64_t static_link; ///< least link that collectives alone bring to its level; INT64_MAX: none
    int32_t static_use;  ///< of the route; -1: none
    int32_t route, step;
    int32_t first_use; ///< on its links: run of RingUse, in the order of the route's uses
    RingState state;
} Ring;

/// A collective on a link.
typedef struct RingUse {
    int32_t ring, weight;
    int32_t next, previous; ///< of the same link, -1 ends; the latest comes first
} RingUse;

/// A link to collectives.
typedef struct RingSlot {
    int32_t first;       ///< RingUse, -1: none
    int32_t left : 31;   ///< were each at its cap; negative: two or more could fill it
    uint32_t listed : 1; ///< in Rings.contended
} RingSlot;

/// A stretch in which a link held a collective back.
typedef struct RingSpan {
    int64_t from_ps, to_ps;
    int64_t link;
    int32_t ring;
} RingSpan;

typedef ARRAY_OF(RingSpan) RingSpans;

typedef struct Rings {
    Islands *islands;
    Engine *ledger;
    ARRAY_OF(Ring) ring;
    ARRAY_OF(RingSlot) slot; ///< by slot
    Runs uses;               ///< of RingUse
    ARRAY_OF(int32_t)
    contended;         ///< slots that two or more collectives alone could fill; may hold others
    RingLimits limits; ///< what they say, of all ranks
    ARRAY_OF(Completion) done;
    RingSpans span; ///< of the window
    bool changed;   ///< the set, since levels were solved
} Rings;

Rings *rings_create(Islands *islands);
void rings_destroy(Rings *rings);
/// Fails: STATUS_NO_PATH.
Status rings_submit(Rings *rings, const Transfer *transfer);
/// Earliest start, end, or end of a ghost.
int64_t rings_next_ps(const Rings *rings);
/// Apply what starts, ends and vanishes now; completions are kept.
void rings_due(Rings *rings, int64_t now_ps);
/// By index; NULL for -1.
static inline RingUse *ring_use(const Rings *rings, int32_t use) {
    return use < 0 ? NULL : (RingUse *)(void *)rings->uses.at + use;
}
/// Latest collective on a slot, NULL: none; then ring_use(rings, use->next).
static inline const RingUse *rings_first_use(const Rings *rings, int32_t slot) {
    return slot < rings->slot.n ? ring_use(rings, rings->slot.at[slot].first) : NULL;
}
/// ring_links.c. Put a collective on the links of its route, or take it off.
void ring_attach(Rings *rings, int32_t ring);
void ring_detach(Rings *rings, int32_t ring);
/// Forget slots that collectives can no longer fill.
void rings_tidy_contended(Rings *rings);
/// Does a collective use its links now?
static inline bool ring_on_links(const Ring *ring) {
    return ring->bytes > 0 && (ring->state == RING_RUNNING || ring->state == RING_GHOST);
}
/// Are there any on links?
bool rings_any(const Rings *rings);
/// Bring all levels to the definition; returns whether one moved.  MPI: collective.
bool rings_solve(Rings *rings, int64_t now_ps);
/// ring_lay.c. Earliest moment of the window [from, to) at which nothing held a collective below its cap at its level, or to_ps; what
/// held them before is kept in `span`.  MPI: collective.
int64_t rings_lay(Rings *rings, int64_t from_ps, int64_t to_ps);
/// Index of a link among the uses of a collective's route, -1: another rank's.
int32_t rings_find_use(const Rings *rings, int32_t ring, int64_t link);
/// Hand over completions, ordered by tag; borrowed until rings_due.
const Completion *rings_take_done(Rings *rings, int64_t *n);
/// Bytes moved until now into the ledger (end of a sampling interval).
void rings_sample(Rings *rings, int64_t now_ps);

#endif
