/// rings.h: transfers that cross isles: levels solved together at the moments at which they change.
///
/// Idea.    All ranks hold all rings, and play them alike. Between two moments their levels stand still; the isles report
///          what would move them. At a moment the levels are those of the max-min definition (maxmin.h) over the rings, the
///          transfers of channels that touch their links, and what touches these. Over ranks: each rank fills its
///          own links; the least level of any ring on any rank is right, since below it all water rises alike;
///          it is fixed, and the rest filled again: as many rounds as there are different levels.
///          What holds a ring: of all links at its level, the one with the least id, at each time; isles say
///          when their links were at it, and these stretches are laid over the window in the order of link ids.
///          A link of a ring costs 8 bytes, in all rings that use it; 24 more each where its rings are listed, that is on
///          lanes and on links that rings alone could fill: few of the millions that a large collective crosses.
/// Limits.  Windows in which the set of rings or their levels change end there.
#ifndef COLOSSIM_ENGINE_ISLES_RINGS_H
#define COLOSSIM_ENGINE_ISLES_RINGS_H

#include "engine/isles/isle.h"
#include "engine/isles/ring_limits.h"
#include "engine/runs.h"

typedef enum RingState { RING_FREE, RING_WAITING, RING_RUNNING, RING_GHOST } RingState;

typedef struct Ring {
    LooseWide remaining; ///< work at settled_ps
    int64_t tag, bytes, sampled_bytes;
    int64_t start_ps, end_ps, settled_ps; ///< end: of a ghost, until when it is felt
    int64_t alone_ps, cap, level;
    int64_t static_link; ///< least link that rings alone bring to its level; INT64_MAX: none
    int32_t static_use;  ///< of the route; -1: none
    int32_t route, step;
    int32_t transfer;         ///< of the draft, if drafted says so too
    int32_t first_use, nuses; ///< run of RingUse: of its links that were listed when it came
    int32_t more_uses;        ///< of those listed since, chained through `more`; -1 ends
    RingState state;
    Slowed slowed; ///< by this rank's links
} Ring;

/// A ring on a link that is listed.
typedef struct RingUse {
    int32_t ring, weight, slot;
    int32_t next, previous; ///< of the same link, -1 ends; the latest comes first
    int32_t more;           ///< see Ring.more_uses
} RingUse;

enum { RINGS_UNLISTED = -2 };

/// A link to rings.
typedef struct RingSlot {
    int32_t first;          ///< RingUse; -1: none; RINGS_UNLISTED: nobody has asked for its rings
    int32_t left : 31;      ///< were each at its cap; negative: two or more could fill it
    uint32_t contended : 1; ///< in Rings.contended
} RingSlot;

/// A stretch in which a link held a ring back.
typedef struct RingSpan {
    int64_t from_ps, to_ps;
    int64_t link;
    int32_t ring;
} RingSpan;

typedef ARRAY_OF(RingSpan) RingSpans;

typedef struct Rings {
    Isles *isles;
    Engine *ledger;
    ARRAY_OF(Ring) ring;
    ARRAY_OF(RingSlot) slot;  ///< by slot
    Runs uses;                ///< of RingUse
    ARRAY_OF(int32_t) listed; ///< scratch of ring_attach
    ARRAY_OF(int32_t)
    contended;         ///< slots that two or more rings alone could fill; may hold others
    RingLimits limits; ///< what they say, of all ranks
    ARRAY_OF(Completion) done;
    RingSpans span; ///< of the window
    bool changed;   ///< the set, since levels were solved
} Rings;

Rings *rings_create(Isles *isles);
void rings_destroy(Rings *rings);
/// By index; NULL for -1.
static inline RingUse *ring_use(const Rings *rings, int32_t use) {
    return use < 0 ? NULL : (RingUse *)(void *)rings->uses.at + use;
}
/// Latest ring on a lane or a contended slot, NULL: none; then ring_use(rings, use->next).
static inline const RingUse *rings_first_use(const Rings *rings, int32_t slot) {
    return slot < rings->slot.n ? ring_use(rings, rings->slot.at[slot].first) : NULL;
}
/// Does a ring use its links now?
static inline bool ring_on_links(const Ring *ring) {
    return ring->bytes > 0 && (ring->state == RING_RUNNING || ring->state == RING_GHOST);
}
/// ring_links.c. Put a ring on the links of its route, or take it off.
void ring_attach(Rings *rings, int32_t ring);
void ring_detach(Rings *rings, int32_t ring);
/// Forget slots that rings can no longer fill, and list the rings of the others.
void rings_review_contended(Rings *rings);
/// Use of a link of a ring's route, uses being sorted by link; -1: it is another rank's, or not on it.
int32_t ring_find_use(const Rings *rings, int32_t ring, int64_t link);
/// Begin a draft; a transfer of it for a ring, or for a channel (ring -1); a slot as a link of it with its rings: are
/// there any?
void rings_begin_draft(Rings *rings);
int32_t rings_draft_transfer(Rings *rings, int32_t ring, int64_t cap);
bool rings_draft_slot(Rings *rings, int32_t slot);
/// ring_lay.c. What held rings in the window [from, to) into `span`; the first moment at which nothing held one of them.
///   MPI: collective.
int64_t rings_lay(Rings *rings, int64_t from_ps, int64_t to_ps);
/// What has just been laid, up to to_ps, into the log.
void rings_log(Rings *rings, int64_t to_ps);
/// Bytes moved until now into the ledger (end of a sampling interval).
void rings_sample(Rings *rings, int64_t now_ps);

#endif
