/// island.h: dataflow first: replicas that share no link are played one after the other, each far ahead of the others.
///
/// Idea.    The units of one replica talk to each other all the time, to other replicas through collectives only. Where
///          the links their messages use and that can bind (cluster_can_bind) are theirs alone, a replica is an island: its next milliseconds depend on
///          nothing but itself and the collectives under way on its GPUs. A collective progresses at the rate of its
///          slowest link, and the replicas that hold it back are many: its rate hardly ever moves. So
///            - a window of time is played island by island, with the rates of collectives as they are. A message
///              alone on its links costs two comparisons; others are solved with those they share links with, the
///              collectives being users with a cap at their present level;
///            - after the window, all ranks look at what the islands say: would a collective have had to give way
///              (its level was a cap too high), or was there a moment at which nothing held it (a level too low), or did
///              one begin? The earliest such moment ends the window; islands that went past it return to their
///              snapshot and play again up to it;
///            - at that moment the rates of all collectives are solved anew, exactly (rings.h).
///          A window is right because levels are unique: if every link agrees with the assumed levels at all times of
///          the window, they are the max-min levels. So the result is that of the event-driven engine to the bit.
///          Ranks meet once a window, not once a lookahead; an island fits in the cache while it is played.
/// Limits.  Flow engine; up to ISLAND_STAGES_MAX stages; links of messages that can bind used by one replica only, and
///          their first GPU played by its rank; control_delay not above the latency of a message; no tied embeddings over
///          stages. Where this does not hold, event_player.h plays the job, on one rank.
/// Source.  Windows with return to a snapshot: Jefferson, Virtual Time (1985), bounded as in Sokol et al., MTW (1988).
#ifndef COLOSSIM_PLAYER_ISLAND_H
#define COLOSSIM_PLAYER_ISLAND_H

#include "driver/player.h"
#include "engine/flow/shared.h"

enum {
    ISLAND_STAGES_MAX = 32,
    ISLAND_CHANNELS_MAX = ISLAND_STAGES_MAX * CHANNEL_SIDES,
    ISLAND_LANES_MAX = UINT16_MAX - 1
};

/// `weight` bytes on a lane per unit of progress of a channel's message.
typedef struct ChannelUse {
    int32_t lane, weight;
} ChannelUse;

/// A message between two stages, whenever it is sent.
typedef struct ChannelShape {
    int64_t cap, alone_ps; ///< price.h
    Wide work;             ///< of the whole message
    int64_t level_work, latency_ps;
    uint64_t
        neighbours; ///< channels that use one of its lanes, itself included; 0: no such message in the program
    int32_t first_use, nuses;
    int32_t sender;    ///< stage
    int32_t unused[3]; ///< shapes are compared as bytes
} ChannelShape;

/// A link as an island sees it.
typedef struct LaneShape {
    int64_t capacity;  ///< rate units
    int64_t order;     ///< of its link among those of the island
    uint64_t channels; ///< that use it
    int32_t first_use, nuses;
} LaneShape;

/// What islands have in common: most replicas are wired alike. Channel stage * CHANNEL_SIDES + side is received there.
typedef struct IslandShape {
    int32_t nlanes, nuses;
    ChannelShape channel[ISLAND_CHANNELS_MAX];
    ChannelUse *use;     ///< [nuses] by channel
    LaneShape *lane;     ///< [nlanes]
    ChannelUse *by_lane; ///< [nuses] the same uses by lane; `lane` holds the channel
} IslandShape;

typedef enum MessageState {
    MESSAGE_NONE,
    MESSAGE_WAITING,
    MESSAGE_RUNNING,
    MESSAGE_GHOST
} MessageState;

/// The message of a channel, or what others still feel of it.
typedef struct IslandMessage {
    LooseWide remaining; ///< work at settled_ps
    int64_t start_ps, settled_ps, level;
    int64_t pending_ps;    ///< of a ghost: start of the next message, -1: none yet
    int64_t slow_since_ps; ///< below its cap: since when; -1: it is not
    int64_t sampled_bytes; ///< progress already in finished sampling intervals
    int64_t period_bytes;  ///< of messages of this channel, not yet entered
    int64_t step_bytes[2]; ///< the same of finished ones, by parity of the step
    int32_t lane;          ///< that holds it at its level, -1: its cap does
    uint32_t step : 29;
    MessageState state : 3;
} IslandMessage;

_Static_assert(sizeof(IslandMessage) <= 96, "bytes a message");

/// A lane that has held the collectives on it at `level` since some time.
typedef struct BoundLane {
    int64_t level, since_ps;
    int32_t lane;
} BoundLane;

/// What returns to the snapshot besides units and records of finished operations; times[] follow.
typedef struct IslandState {
    uint64_t present; ///< channels whose message runs or is a ghost
    StepCount count;
    int32_t nbound;
    IslandMessage message[ISLAND_CHANNELS_MAX]; ///< only as many as there are channels
} IslandState;

typedef struct Island {
    Unit *unit;         ///< [stages]
    IslandState *state; ///< then times[stages + channels]: next event of each unit and channel
    int64_t *time_ps;
    ARRAY_OF(BoundLane) bound; ///< [state->nbound]
    DonePool done;
    const IslandShape *shape;
    int32_t *slot;          ///< [nlanes] of the ledger
    int32_t *route;         ///< [channels] of the ledger, -1: no such message
    uint16_t *ring_lanes;   ///< [channels] of its lanes, those with collectives
    uint64_t ring_channels; ///< channels with ring_lanes > 0
    uint64_t changed;       ///< channels to be solved at this moment
    int64_t last_ps;        ///< latest event played in this window
    int32_t leader;         ///< island that is played for this one; itself, if it is played
    int32_t nlike;          ///< islands a leader is played for, itself included
    int32_t next_like;      ///< chain of these, from the leader; -1 ends
    bool echoes_all;        ///< totals of the first after the leader stand for all others
    int32_t next_event;     ///< unit, or stages + channel, that next_ps is the time of; -1: several
    int32_t round;          ///< plays of windows; what an undone round logged is void
    int64_t window;         ///< number of the window it was last played in ...
    int64_t undo_first, undo_end; ///< ... and what it changed then
    uint64_t kept_messages;       ///< that stand in the undo log already
    uint32_t kept_units;
    bool kept_bound;
} Island;

/// What an entry of the undo log holds the old bytes of.
typedef enum UndoPart {
    UNDO_UNITS,
    UNDO_STATE,
    UNDO_BOUND,
    UNDO_DONE,
    UNDO_POOL, ///< n and free of the pool
} UndoPart;

/// Behind the old bytes, so that the log is read backwards.
typedef struct UndoEntry {
    UndoPart part;
    int32_t bytes;
    int64_t offset;
} UndoEntry;

/// A stretch in which a link held transfers of a step back.
typedef struct SlowSpan {
    Wide delay; ///< price_delay
    int64_t from_ps, to_ps;
    int32_t slot, step;
    int32_t island, round; ///< island -1: settled
} SlowSpan;

/// A stretch in which a lane held collectives at `level`.
typedef struct BindSpan {
    int64_t level, from_ps, to_ps;
    int32_t island, round, lane;
    int32_t next; ///< of the same slot, + 1
} BindSpan;

/// A unit that came to a collective.
typedef struct IslandArrival {
    Clocks at;
    int64_t group;
    int32_t op, kind, step;
    int32_t island, round;
} IslandArrival;

enum { SLOT_BOUND = 1, SLOT_BIND = 2 };

/// Where a link belongs.
typedef struct SlotLane {
    int32_t island; ///< -1: no island's
    uint16_t lane;
    uint16_t bound; ///< place in the island's `bound`, + 1; 0: none
} SlotLane;

typedef struct Islands {
    Machine *machine;
    Engine *ledger;
    const LinkOwner *own; ///< the links that this rank keeps of a collective, NULL: all
    LinkOwner below;      ///< that of several ranks: links go with what is below them
    struct Rings *rings;
    int64_t **
        work_ps; ///< [stages][compute operations + 1] least time of all compute before each operation
    Island *at; ///< [n]
    int64_t n;
    int32_t stages, channels;
    size_t state_bytes;
    int64_t *next_ps; ///< [n] earliest event of each
    int32_t *steps;   ///< [n] that each has finished
    Island *current;  ///< being played
    ARRAY_OF(IslandShape *) shape;
    ARRAY_OF(SlotLane) slot_lane; ///< by slot
    ARRAY_OF(uint8_t) slot_notes; ///< by slot: does its `bound` or slot_bind have something?
    ARRAY_OF(int32_t) slot_bind;  ///< by slot: last entry of the log of this window, + 1
    ARRAY_OF(char) undo;          ///< of this window
    bool undoable;                ///< what is played now can be undone
    // The log of a window.
    ARRAY_OF(SlowSpan) slow;
    ARRAY_OF(BindSpan) bind;
    ARRAY_OF(IslandArrival) arrival;
    int64_t window_ps;    ///< its begin
    int64_t violation_ps; ///< earliest time at which a collective had to give way
    struct Filling *filling;
    int32_t recorded;         ///< steps in the trace
    int64_t windows, replays; ///< counters; windows begin with 1
} Islands;

static inline Islands *islands_of(const Machine *machine) { return machine->playing; }
/// island.c. Is the job such that islands can be tried?
bool islands_possible(const Machine *machine);
/// Cut a job, whose replicas have been dealt, into islands; NULL where that cannot be.
///   MPI: collective.
Islands *islands_create(Machine *machine);
void islands_destroy(Islands *islands);
/// What is moved now is an island's.
static inline void islands_enter(Islands *islands, Island *island) {
    islands->current = island;
    islands->machine->scope =
        (Scope){.count = &island->state->count, .done = &island->done, .nunits = islands->stages};
}
/// quiet.c. How long units need at least to come to a collective.
void quiet_prepare(Islands *islands);
void quiet_release(Islands *islands);
int64_t quiet_unit_ps(const Islands *islands, const Unit *unit, int64_t now_ps);
/// island_fold.c. Without noise replicas do the same at the same times: play one of each kind, its leader, for all.
void islands_fold(Islands *islands);
/// Is the unit in a slot played itself?
static inline bool island_is_played(const Islands *islands, int64_t slot) {
    int32_t island = (int32_t)(slot / islands->stages);
    return islands->at[island].leader == island;
}
/// The next island that totals are kept for, after `like` of a chain; -1 ends.
static inline int32_t island_next_kept(const Islands *islands, const Island *leader, int32_t like) {
    if (leader->echoes_all && like != leader->leader) return -1;
    return islands->at[like].next_like;
}
/// Sum of fingerprints over all that the current island is played for, of a unit's step (side -1) or of the message it
/// received.
uint64_t island_fingerprint(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps);
/// What leaders have found, to all they were played for.
void islands_copy_results(Islands *islands);
/// island_state.c. Begin to play an island in this window, so that it can return to what it is now.
void island_keep(Islands *islands, Island *island);
/// Undo what was played since island_keep.
void island_return(Islands *islands, Island *island);
static inline bool island_is_kept(const Islands *islands, const Island *island) {
    return island->window == islands->windows;
}
/// Was what a round of an island noted undone since? -1: what no island did stays.
static inline bool island_undid(const Islands *islands, int32_t island, int32_t round) {
    return island >= 0 && islands->at[island].round != round;
}
/// Note in slot_lane where the bound lanes of an island stand, or forget it.
void islands_mark_bound(Islands *islands, const Island *island, bool bound);
/// Keep the old bytes of what is about to change.
void island_touch(Islands *islands, Island *island, UndoPart part, size_t offset, size_t bytes);
static inline void island_touch_unit(Islands *islands, Island *island, int32_t stage) {
    if (!islands->undoable || (island->kept_units >> stage & 1)) return;
    island->kept_units |= UINT32_C(1) << stage;
    island_touch(islands, island, UNDO_UNITS, sizeof(Unit) * (size_t)stage, sizeof(Unit));
}
static inline void island_touch_message(Islands *islands, Island *island, int32_t channel) {
    if (!islands->undoable || (island->kept_messages >> channel & 1)) return;
    island->kept_messages |= UINT64_C(1) << channel;
    island_touch(islands, island, UNDO_STATE,
                 offsetof(IslandState, message) + sizeof(IslandMessage) * (size_t)channel,
                 sizeof(IslandMessage));
}
/// Find the next event.
void island_find_next(Islands *islands, Island *island);
/// `channels`, and all present ones that they bear on by way of lanes they share.
uint64_t island_reach(const Island *island, uint64_t channels);
static inline int64_t island_index(const Islands *islands, const Island *island) {
    return island - islands->at;
}

/// island_play.c. Called by units, as in player.h.
void island_compute(Machine *machine, const Unit *unit);
void island_send(Machine *machine, Unit *unit, const Op *op, Clocks at);
void island_receive(Machine *machine, Unit *unit, ChannelSide side, Clocks at);
void island_arrive(Machine *machine, const Unit *unit, const Meeting *meeting);
void island_done_changes(Machine *machine, int32_t index);
Unit *island_next_member(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps);
/// Play up to end_ps, exclusive. False: a collective had to give way, see islands->violation_ps.
bool island_play(Islands *islands, Island *island, int64_t end_ps);
/// One moment in parts: messages of now_ps begin, end and vanish, and those that ended are returned; levels of
/// `changed` channels (false as above); units learn of ended messages; computing of now_ps ends.
uint64_t island_messages_due(Islands *islands, Island *island, int64_t now_ps);
bool island_solve(Islands *islands, Island *island, int64_t now_ps);
void island_complete(Islands *islands, Island *island, uint64_t ended, int64_t now_ps);
void island_compute_due(Islands *islands, Island *island, int64_t now_ps);
/// Log what is slow until now as if it began anew.
void island_cut_slow(Islands *islands, Island *island, int64_t now_ps);
/// Enter bytes into the ledger; `sample`: also of running messages, at the end of an interval.
void island_enter_bytes(Islands *islands, Island *island, int64_t now_ps, bool sample);

#endif
