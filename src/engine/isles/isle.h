/// isle.h: what the parts of isles share: channels and lanes, the log of a window, rings.
///
/// Idea.    isles.h. A lane is a link as an isle sees it, a shape all that isles wired alike have in common. Of what isles
///          do in a window a log is kept, in which what was undone is void (`round`), and which is for good when the window
///          has ended.
/// Limits.  Internal to engine/isles.
#ifndef COLOSSIM_ENGINE_ISLES_ISLE_H
#define COLOSSIM_ENGINE_ISLES_ISLE_H

#include "engine/flow/ledger.h"
#include "engine/isles.h"

#define ISLES_LABEL "isles"
#define ISLES_LABEL_SHAPES "isles.shapes"
#define ISLES_LABEL_SLOTS "isles.slots"
#define ISLES_LABEL_WINDOW "isles.window"

enum { ISLE_LANES_MAX = UINT16_MAX - 1 };

/// `weight` bytes on a lane per unit of progress of a channel's transfer.
typedef struct ChannelUse {
    int32_t lane, weight;
} ChannelUse;

typedef struct ChannelShape {
    int64_t cap, alone_ps; ///< price.h
    Wide work;             ///< of the whole transfer
    int64_t level_work, latency_ps, bytes;
    uint64_t
        neighbours; ///< channels that use one of its lanes, itself included; 0: it carries nothing
    int32_t first_use, nuses;
    int64_t unused; ///< shapes are compared as bytes
} ChannelShape;

typedef struct LaneShape {
    int64_t capacity;  ///< rate units
    int64_t order;     ///< of its link among those of the isle
    uint64_t channels; ///< that use it
    int32_t first_use, nuses;
} LaneShape;

/// What isles have in common: most are wired alike.
typedef struct IsleShape {
    int32_t nlanes, nuses;
    ChannelShape channel[ISLE_CHANNELS_MAX];
    ChannelUse *use;     ///< [nuses] by channel
    LaneShape *lane;     ///< [nlanes]
    ChannelUse *by_lane; ///< [nuses] the same uses by lane; `lane` holds the channel
} IsleShape;

typedef enum MessageState {
    MESSAGE_NONE,
    MESSAGE_WAITING,
    MESSAGE_RUNNING,
    MESSAGE_GHOST
} MessageState;

/// The transfer of a channel, or what others still feel of it.
typedef struct IsleMessage {
    LooseWide remaining; ///< work at settled_ps
    int64_t start_ps, settled_ps, level;
    int64_t pending_ps;    ///< of a ghost: start of the next, -1: none yet
    int64_t slow_since_ps; ///< below its cap: since when; -1: it is not
    int64_t sampled_bytes; ///< progress already in finished sampling intervals
    int64_t period_bytes;  ///< of this channel, not yet entered
    int64_t step_bytes[2]; ///< the same of those that have ended, by parity of the step
    int64_t slow_ps;       ///< below its cap, up to slow_since_ps ...
    int32_t slow_lane;     ///< ... held by this lane, of several one that did for half of it
    int32_t lane;          ///< that holds it at its level, -1: its cap does
    uint32_t step : 29;
    MessageState state : 3;
} IsleMessage;

_Static_assert(sizeof(IsleMessage) <= 112, "bytes a message");

/// Lanes in a row, of the same channels as the rails of a node are, that have held the rings on them at `level` since some
/// time; n = 0: none.
typedef struct BoundLanes {
    int64_t level, since_ps;
    int32_t first, n;
} BoundLanes;

typedef ARRAY_OF(BoundLanes) BoundRuns;

/// What returns.
typedef struct IsleState {
    uint64_t present; ///< channels whose transfer runs or is a ghost
    int32_t nbound;
    IsleMessage message[]; ///< [channels]
} IsleState;

typedef struct Isle {
    IsleState *state;
    int64_t *time_ps; ///< [channels]
    BoundRuns bound;  ///< [state->nbound]
    const IsleShape *shape;
    int32_t *slot;          ///< [nlanes] of the engine
    int32_t *route;         ///< [channels] of the engine, -1: it carries nothing
    uint16_t *ring_lanes;   ///< [channels] of its lanes, those with rings
    uint64_t ring_channels; ///< channels with ring_lanes > 0
    uint64_t changed;       ///< channels to be solved at this moment
    int32_t leader;         ///< isle that is played for this one; itself, if it is played
    int32_t nlike;          ///< isles a leader is played for, itself and what is not kept included
    int32_t next_like;      ///< chain of those that are kept, from the leader; -1 ends
    bool kept_bound;        ///< what stands in the undo log already
    uint64_t kept_messages;
    int32_t round; ///< plays of windows; what an undone round logged is void
} Isle;

/// A stretch in which a link held transfers of a step back.
typedef struct SlowSpan {
    Wide delay; ///< price_delay
    int64_t from_ps, to_ps;
    int32_t slot, step;
    int32_t isle, round; ///< isle -1: for good
} SlowSpan;

/// A stretch in which a lane held rings at `level`.
typedef struct BindSpan {
    int64_t level, from_ps, to_ps;
    int32_t isle, round, lane;
    int32_t next; ///< of the same slot, + 1
} BindSpan;

enum { SLOT_BOUND = 1, SLOT_BIND = 2 };

/// Where a link belongs.
typedef struct SlotLane {
    int32_t isle; ///< -1: no isle's
    uint16_t lane;
    uint16_t bound; ///< place in the isle's `bound`, + 1; 0: none
} SlotLane;

/// A lane that was solved.
typedef struct SolvedLane {
    int64_t link_level; ///< LEVEL_NONE: it holds nobody
    int64_t level;      ///< the same if it has rings, and that is not known yet; else LEVEL_NONE
    int32_t lane, link; ///< link of the draft
    bool rings;
} SolvedLane;

struct Isles {
    Engine *ledger;
    IslesSpec spec;
    struct Rings *rings;
    UndoLog *undo;
    Isle *at; ///< [n]
    int64_t n;
    int32_t channels;
    ARRAY_OF(IsleShape *) shape;
    ARRAY_OF(SlotLane) slot_lane; ///< by slot
    ARRAY_OF(uint8_t) slot_notes; ///< by slot: does its `bound` or slot_bind have something?
    ARRAY_OF(int32_t) slot_bind;  ///< by slot: last entry of `bind`, + 1
    // The log of the window.
    ARRAY_OF(SlowSpan) slow;
    int64_t slow_before; ///< entries of windows before
    ARRAY_OF(BindSpan) bind;
    // What is being solved.
    MaxminDraft draft;
    ARRAY_OF(int32_t) drafted; ///< by transfer of the draft: ring; -1: of a channel
    ARRAY_OF(SolvedLane) solved;
    ARRAY_OF(int32_t) place; ///< by lane: index + 1 in `solved`, if it is there
    BoundRuns rebound;       ///< scratch
};

static inline uint64_t channel_bit(int32_t channel) { return UINT64_C(1) << channel; }
static inline int64_t isle_index(const Isles *isles, const Isle *isle) { return isle - isles->at; }
/// Was what a round of an isle noted undone since? -1: what no isle did stays.
static inline bool isle_undid(const Isles *isles, int32_t isle, int32_t round) {
    return isle >= 0 && isles->at[isle].round != round;
}
static inline void isle_touch_message(Isles *isles, Isle *isle, int32_t channel) {
    if (!isles->undo->on || (isle->kept_messages >> channel & 1)) return;
    isle->kept_messages |= channel_bit(channel);
    undo_keep(isles->undo, &isle->state->message[channel], sizeof(IsleMessage));
}
/// `channels`, and all present ones that they bear on by way of lanes they share.
static inline uint64_t isle_reach(const Isle *isle, uint64_t channels) {
    uint64_t present = isle->state->present, seen = 0, all = channels;
    for (uint64_t left; (left = all & ~seen) != 0;) {
        int32_t c = __builtin_ctzll(left);
        seen |= channel_bit(c);
        all |= isle->shape->channel[c].neighbours & present;
    }
    return all;
}
/// play.c. Log what is slow until now as if it began anew; and enter the bytes of an isle.
void isle_cut_slow(Isles *isles, Isle *isle, int64_t now_ps);
void isle_enter_bytes(Isles *isles, Isle *isle, int64_t now_ps, int32_t step, bool sample);
/// water.c. Put the transfers of `channels`, a closed set of present ones, into the draft, in their order, with the lanes
/// that could bind (or all of them) and the rings on these.
void isle_draft(Isles *isles, const Isle *isle, uint64_t channels, bool all);
/// Levels of the transfers of `channels` among rings whose levels stand. False: a ring has to give way.
bool isle_fill(Isles *isles, const Isle *isle, uint64_t channels);
/// Lane of the least link that holds transfer `transfer` of the draft, which is channel `c`, below its cap; -1: none.
int32_t isle_binding(const Isles *isles, const Isle *isle, int32_t c, int64_t transfer);
/// A lane as it was solved this time; NULL: it was not.
SolvedLane *isle_solved(const Isles *isles, int32_t lane);
/// Note in slot_lane where the bound lanes of an isle stand, or forget it.
void isle_mark_bound(Isles *isles, const Isle *isle, bool bound);
#endif
