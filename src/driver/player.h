/// player.h: who moves the units of a job through their programs: one table a player.
///
/// Idea.    unit.c knows when an operation can begin and what its end sets free; a player knows what the next moment is.
///          The units tell it what they wait for (a computation that ends, a neighbour, the members of a collective), and
///          it comes back with unit_compute_due, network_end_message and network_complete. Before it moves units it says
///          in machine->scope whose they are: all of this rank, or those of an island.
///
///              unit  --message, arrive, compute------->   player  --submit-->  engine
///                ^------compute_due, end_message---------'   ^-----complete-------'
///
///          The life of a collective, here of two rails and two phases (network.c):
///
///              members arrive   *   *      *
///              rail 0                      |-fill-|== phase 0 ==|-fill-|==== phase 1 ====|
///              rail 1                      |-fill-|==== phase 0 ====|-fill-|==== phase 1 ====|
///                                        begin  start: takes a share of members' GPUs      end: all members go on
///
///          Each == is a transfer of the engine. One of no more than `network.eager` bytes loads no link: it ends
///          when all that its plan waits for is over. A message is shorter: begin where both its ends are there, start a
///          latency later, end with the transfer.
///
///          A player plays on all ranks of machine->comm; how the units are divided is its own affair. Which one plays a
///          job changes no result: it is chosen by cost (player/players.h).
/// Terms.   unit         GPUs that exchange in every layer, which move as one; workload/units.h says which are on which rail
///          replica      the units of all pipeline stages that hand work to each other (workload/units.h)
///          channel      what one unit receives from one neighbour: receiving unit * CHANNEL_SIDES + side
///          group        units that meet in collectives (program/kinds.h); meeting: they have all come to one
///          step         of a unit, from optimizer to optimizer; of a job, when all units have ended theirs
///          cycle        from one norm of gradients, behind which nothing is under way, to the next
///          moment       all that happens at one picosecond
///          island       a replica whose links are its own; window: how far islands are played ahead (player/island.h)
/// Limits.  One player a job, from its beginning to its end.
#ifndef COLOSSIM_DRIVER_PLAYER_H
#define COLOSSIM_DRIVER_PLAYER_H

#include "driver/machine.h"

/// What a player has to say of itself; this rank's part.
typedef struct PlayerStats {
    int64_t islands, islands_played; ///< replicas that are apart; that are played themselves
    int64_t windows, replays;
    int64_t transfers; ///< that it holds itself, beside those of the engine
} PlayerStats;

typedef struct PlayerOps {
    /// Several ranks have units, and loads of links.
    bool divides;
    /// Both ends of a message are there at met_ps; returns how much later its first byte goes.  MPI: local, as all but the
    /// last three.
    int64_t (*message)(Machine *machine, const Unit *receiver, ChannelSide side, int64_t met_ps);
    /// The first byte of an exchange among a unit's GPUs goes at start_ps; one that is timed ends then.
    void (*exchange)(Machine *machine, const Unit *unit, Exchange which, int64_t start_ps);
    /// A unit has come to a collective of a group of two or more.
    void (*arrive)(Machine *machine, const Meeting *meeting);
    /// Call unit_compute_due at unit->compute_end_ps; what was asked before of this unit is void.
    void (*compute)(Machine *machine, const Unit *unit);
    /// A phase of a collective.  Fails: as the engine's submit.
    Status (*submit)(Machine *machine, const Transfer *transfer);
    /// As members_next, of those that are played themselves; machine->scope is theirs.
    Unit *(*next_member)(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps);
    /// A unit other than the one that is moved, a record of machine->scope.done is about to change; NULL: nobody wants to
    /// know.
    void (*touch)(Machine *machine, const Unit *unit);
    void (*touch_done)(Machine *machine, int32_t index);
    /// Of a unit's step (side -1), or of the message that it received: summed over all units that it stands for.
    uint64_t (*fingerprint)(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps);
    PlayerStats (*stats)(const Machine *machine); ///< NULL: nothing
    /// Play all steps; each is told to the fabric's listener when all units have ended it (results in machine->result).
    /// The fabric's `stop` is polled (fabric.h): a step under way is left where rank 0 sees STOP_NOW, or where it is played
    /// by several any of them, and the run ends after the step in which any rank sees it set.
    ///   MPI: collective over machine->comm.
    ///   Fails: STATUS_STUCK saying who waits for what; STATUS_NO_PATH; what the listener returns; STATUS_STOPPED.
    Status (*play)(Machine *machine);
    void (*destroy)(Machine *machine); ///< NULL: nothing to do
} PlayerOps;

#endif
