/// island.h: dataflow first: replicas that share no link are played one after the other, each far ahead of the others.
///
/// Idea.    The units of one replica talk to each other all the time, to other replicas through collectives only. Where
///          the links of their messages are theirs alone as far as they can bind, a replica is an island: its units, and an
///          isle of the engine (engine/isles.h), whose channels carry what they send each other; collectives are rings. A
///          window of time is played island by island, until a collective begins, ends, or has to change its rate; islands
///          that went past that moment return, and play again up to it. So ranks meet once a window, not once a
///          lookahead, and an island fits in the cache while it is played. The result is that of the event player to the
///          bit.
///
///              a window of three islands, * their events       what ends it: a collective has to give way at |
///
///              island 0   --*---*-*-----*--|.......            returns to its begin, is played again up to |
///              island 1   -*--*------*-----|                   had come that far
///              island 2   ----*--*----*--*-|..*...             returns, is played again
///                         ^ begin          ^ end: here rings are solved anew, and what is due is played
///
/// Limits.  An engine that is `apart`; up to ISLAND_STAGES_MAX stages; links of messages that can bind used by one replica
///          only, and owned by its rank; control_delay not above the latency of a message; no tied embeddings over
///          stages. Where this does not hold, event_player.c plays the job, on one rank.
/// Source.  Windows with return to a snapshot: Jefferson, Virtual Time (1985), bounded as in Sokol et al., MTW (1988).
#ifndef COLOSSIM_PLAYER_ISLAND_H
#define COLOSSIM_PLAYER_ISLAND_H

#include "driver/player.h"
#include "engine/isles.h"

/// Of comparisons that do not wait for each other, see island_find_next.
enum { CHAINS = 3 };
enum { ISLAND_STAGES_MAX = ISLE_CHANNELS_MAX / CHANNEL_SIDES };

/// What returns besides units, records of finished operations and the isle.
typedef struct IslandState {
    StepCount count;
    int64_t
        time_ps[]; ///< [ntimes] next event of each unit and channel; never, of what is only room
} IslandState;

/// Channel stage * CHANNEL_SIDES + side of its isle is received there; exchanges follow messages.
typedef struct Island {
    Unit *unit; ///< [stages]
    IslandState *state;
    DonePool done;
    int64_t last_ps;    ///< latest event played in this window
    int32_t next_event; ///< unit, or stages + channel, that next_ps is the time of; -1: several
    int32_t round;      ///< plays of windows; what an undone round logged is void
    int64_t window;     ///< number of the window it was last played in ...
    int64_t undo_first, undo_end; ///< ... and what it changed then
    uint32_t kept_units;          ///< that stand in the undo log already
} Island;

/// A unit that came to a collective.
typedef struct IslandArrival {
    Meeting meeting;
    int32_t island, round;
} IslandArrival;

/// What members of a group have said: plain 64-bit integers, as ranks merge them.
typedef struct GroupNews {
    int64_t count; ///< members that have come to the collective
    Clocks at;
    int64_t sequence, kind, step;
} GroupNews;

/// An island with messages that ended at this moment.
typedef struct IslandDue {
    int32_t island;
    uint64_t ended;
} IslandDue;

typedef struct Islands {
    Arena *arena, *quiet; ///< of this and what it has; of quiet.c
    Machine *machine;
    Isles *isles;
    LinkOwner below; ///< of several ranks: links go with what is below them
    int64_t **
        work_ps; ///< [roles][stages][compute operations + 1] least time of all compute before each operation
    Island *at; ///< [n]
    int64_t n;
    int32_t stages, messages, channels; ///< channels that are messages; and exchanges
    int32_t timers;   ///< place of the first unit's exchange among times, where these are timed
    int32_t ntimes;   ///< stages + channels, whole chains of them
    int64_t *next_ps; ///< [n] earliest event of each
    int32_t *steps;   ///< [n] that each has finished
    Island *current;  ///< being played
    UndoLog undo;     ///< of this window; on while what is played can return
    ARRAY_OF(IslandArrival) arrival; ///< of this window
    JobEdges edges;                  ///< of the channel that the engine has asked for last
    int64_t violation_ps;            ///< earliest time at which a collective had to give way
    int64_t windows, replays;        ///< counters; windows begin with 1
    // The loop over windows, on all ranks alike.
    int64_t now_ps, width_ps;
    int64_t first_ps;        ///< earliest event of any island of any rank
    int64_t quiet_ps;        ///< no collective can begin before
    bool moved;              ///< levels of collectives must be solved at now_ps
    bool arrivals;           ///< there may be some: false in windows in which no rank has any
    int64_t ngroups;         ///< units_nmeeting
    GroupNews *news;         ///< [ngroups]
    ARRAY_OF(IslandDue) due; ///< at this moment
    int64_t idle;            ///< moments in a row that did not move time
} Islands;

static inline Islands *islands_of(const Machine *machine) { return machine->playing; }
/// island.c. Is the job such that islands can be tried?
bool islands_possible(const Machine *machine);
/// Cut a job, whose replicas have been dealt, into islands, and place its units; NULL where that cannot be.
///   MPI: collective.
Islands *islands_create(Machine *machine);
void islands_destroy(Islands *islands);
static inline int64_t island_index(const Islands *islands, const Island *island) {
    return island - islands->at;
}
/// What is moved now is an island's.
static inline void islands_enter(Islands *islands, Island *island) {
    islands->current = island;
    islands->machine->scope =
        (Scope){.count = &island->state->count, .done = &island->done, .nunits = islands->stages};
}
static inline bool island_leads(const Islands *islands, int64_t island) {
    return isle_leader(islands->isles, island) == island;
}
/// island_meet.c. Earliest time at which a collective that begins before end_ps can be felt.  MPI: collective.
int64_t islands_first_begin_ps(Islands *islands, int64_t end_ps);
/// Members that came before end_ps are there for good; groups that are complete begin.  MPI: collective.
void islands_meet(Islands *islands, int64_t end_ps);
/// quiet.c. How long units need at least to come to a collective.
void quiet_prepare(Islands *islands);
int64_t quiet_unit_ps(const Islands *islands, const Unit *unit, int64_t now_ps);
/// island_fold.c. Without noise replicas do the same at the same times: one of each kind, its leader, is played for all,
/// and what it says of is kept of few of them. Folds the layout; the engine has no routes yet.
///   isles  of all replicas of this rank
void islands_fold(Islands *islands, const IslesSpec *isles);
/// Sum of fingerprints over all that the current island is played for, of a unit's step (side -1) or of the message it
/// received.
uint64_t island_fingerprint(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps);

/// island_play.c. Begin to play an island in this window, so that it can return to what it is now.
void island_keep(Islands *islands, Island *island);
/// Undo what was played since island_keep.
void island_return(Islands *islands, Island *island);
/// Find the next event.
void island_find_next(Islands *islands, Island *island);
/// Called by units, as in driver/player.h.
void island_compute(Machine *machine, const Unit *unit);
int64_t island_message(Machine *machine, const Unit *receiver, ChannelSide side, int64_t met_ps);
void island_exchange(Machine *machine, const Unit *unit, Exchange which, int64_t start_ps);
void island_touch(Machine *machine, const Unit *unit);
void island_arrive(Machine *machine, const Meeting *meeting);
void island_done_changes(Machine *machine, int32_t index);
Unit *island_next_member(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps);
/// Play up to end_ps, exclusive. False: a collective had to give way, see islands->violation_ps.
bool island_play(Islands *islands, Island *island, int64_t end_ps);
/// One moment in parts: messages of now_ps begin, end and vanish, and those that ended are returned; units learn of ended
/// messages; computing of now_ps ends.
uint64_t island_messages_due(Islands *islands, Island *island, int64_t now_ps);
void island_complete(Islands *islands, Island *island, uint64_t ended, int64_t now_ps);
void island_compute_due(Islands *islands, Island *island, int64_t now_ps);

#endif
