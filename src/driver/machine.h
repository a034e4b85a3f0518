/// machine.h: the state of one MPI rank that plays a training job; shared by the files of the driver.
///
/// Idea.    unit.c moves the cursors of local units through their programs; done.c keeps what an operation leaves to
///          those that wait for it; match.c lets sends meet receives and members (members.c) meet in collectives;
///          network.c turns them into transfers and completions back into finished operations; quiet.c says how long a
///          rank concerns nobody else; step_dist.c is the loop over time windows and ranks. Where replicas share no
///          link, they are played as islands instead (island.h), by the same units. What leaves a rank is a Wire. Each
///          rank plays the programs of its own units. Messages on links of one rank stay private to its engine;
///          collectives, messages between ranks, and what comes to share links with them are announced to the engines
///          of all ranks, so that rates agree to the bit.
///          What a rank keeps of each unit bounds the machine that fits. What the units of a stage or the members of a
///          group have in common is kept once, what follows from a unit's number is computed:
///
///              bytes a unit                              404: Unit, its StepResult, its place among its group's members
///              bytes an operation waited for in its unit  56: Done; at most one a unit in the main job
///              bytes a collective waited for              40: Clocks, for all members of a group
///              bytes a group of w rails                  248 + 16 w: GroupState, Rail
///
///          A unit is tp GPUs: in the main job (tp 8) 50.5 bytes a GPU, and 7 for what is waited for. Arrays that have
///          become large keep up to a sixteenth more room. Not counted: programs, islands, engines.
/// Limits.  Announced transfers are replicated: that part of the engine's work does not shrink with the ranks.
#ifndef COLOSSIM_DRIVER_MACHINE_H
#define COLOSSIM_DRIVER_MACHINE_H

#include <stdbool.h>

#include "base/array.h"
#include "base/heap.h"
#include "collective/collective.h"
#include "driver/account.h"
#include "driver/layout.h"
#include "driver/load.h"
#include "driver/run_spec.h"
#include "engine/engine.h"
#include "engine/engine_ops.h"
#include "engine/intervals.h"
#include "par/comm.h"
#include "par/exchange.h"
#include "program/program.h"
#include "trace/trace.h"
#include "workload/cost.h"

/// A finished operation that operations of other streams of its unit still wait for.
typedef struct Done {
    Clocks at;
    int32_t op;
    int32_t next;    ///< in the unit's list or the free list; -1 ends
    int32_t waiters; ///< not yet served
} Done;

/// Records of finished operations of some units.
typedef struct DonePool {
    ARRAY_OF(Done) at;
    int32_t free; ///< chained through `next`; -1: none
} DonePool;

/// What collectives of DP groups have left to members here, see done.c.
typedef struct Outcomes {
    Clocks *at;
    int64_t *first;  ///< [DP groups + 1] in `at`
    int32_t **place; ///< [stages][operations of the DP stream + 1] how many are waited for before
} Outcomes;

/// How far some units have come.
typedef struct StepCount {
    int32_t steps;           ///< that all of them have finished
    int64_t units;           ///< that have finished the step after
    uint64_t fingerprint[2]; ///< of the steps `steps` and `steps` + 1, by parity
    uint64_t begins[2]; ///< sum over units: how they began these and the step after, see repeat.h
} StepCount;

/// A step has been told.
static inline void step_forget(StepCount *count, int32_t step) {
    count->fingerprint[step & 1] = count->begins[step & 1] = 0;
}

typedef enum ChannelSide { CHANNEL_FROM_PREV, CHANNEL_FROM_NEXT, CHANNEL_SIDES } ChannelSide;

/// What takes a share of a unit's GPUs meanwhile: a collective inside their scale-up domain, or over the network. There
/// is one at most: collectives of a unit are in order.
typedef enum Sharing { SHARING_NONE, SHARING_SCALE_UP, SHARING_NETWORK } Sharing;

/// Streams whose clocks a unit keeps. A message begins and ends at once for both its ends, so those of a send are its
/// receiver's.
enum { FREE_COMPUTE, FREE_RECV_PREV, FREE_RECV_NEXT, FREE_DP, FREE_N };

/// A tensor-parallel group of GPUs and how far it has come.
typedef struct Unit {
    int32_t id; ///< -1: a spare
    int32_t stage, step;
    int32_t first_done;     ///< in the pool, -1: none
    int32_t done[STREAM_N]; ///< operations of this step
    uint8_t sharing;        ///< Sharing: the collective under way on its GPUs
    uint8_t busy;           ///< streams, as bits: one more operation is under way
    // Where the sends of a neighbour meet the receives of this unit: sides, as bits. At most one of both waits, since
    // streams are in order.
    uint8_t posted, ready;
    int64_t factor; ///< this step's time multiplier, the largest over its GPUs
    int64_t step_start_ps;
    int64_t compute_end_ps; ///< of the operation under way, or the last
    NominalClocks free
        [FREE_N]; ///< when the last operation of a stream ended, see unit_free; of a message under way: began
    Clocks met[CHANNEL_SIDES];  ///< since when who waits there does
    int64_t part_ps[ACCOUNT_N]; ///< of this step so far
} Unit;

/// What a unit's last finished step was.
typedef struct StepResult {
    int64_t end_ps;
    int64_t part_ps[ACCOUNT_N];
} StepResult;

_Static_assert(sizeof(Unit) + sizeof(StepResult) + sizeof(int32_t) <= 404 && sizeof(Done) <= 56,
               "bytes a unit, see above");

/// Local members of a group that have arrived, and, at the group's home rank, those of other ranks.
typedef struct Arrival {
    int64_t local_count, count;
    Clocks local_at, at;
    int32_t kind; ///< OpKind of the members that have arrived
} Arrival;

/// A collective of a group under way, on all ranks alike; one per group, since DP streams are in order.
typedef struct Active {
    CollectivePlan plan;
    OpKind kind;
    int32_t step, rails_left;
    Clocks begin;     ///< last arrival
    int64_t start_ps; ///< first byte of the first phase
    int64_t bytes;    ///< per member GPU
    int64_t alone_ps; ///< from the last arrival to the end, had it been alone; largest over rails
} Active;

/// A group that meets.
typedef struct GroupState {
    Arrival arrival; ///< the part of other ranks only at the group's home rank
    Active active;
    int64_t latency_ps; ///< mean edge latency of the ring, -1: not yet computed
} GroupState;

/// One rail of a collective under way.
typedef struct Rail {
    int64_t alone_ps; ///< of the finished phases, gaps included
    int32_t phase;
} Rail;

_Static_assert(sizeof(GroupState) <= 248 && sizeof(Rail) <= 16 && sizeof(Clocks) <= 40,
               "bytes a group, see above");

/// What the edges of a message between two stages, and those of a phase of a collective, are computed from while an
/// engine is handed the transfer.
typedef struct HopEdges {
    const struct Machine *machine;
    int64_t from, to; ///< units
} HopEdges;

typedef struct RailEdges {
    const struct Machine *machine;
    int64_t group;
    int32_t rail, phase;
} RailEdges;

typedef enum WireType {
    WIRE_READY,
    WIRE_MESSAGE,
    WIRE_ARRIVAL,
    WIRE_COLLECTIVE,
    WIRE_EXPOSED
} WireType;

/// What ranks tell each other; 64 bytes. An EXPOSED wire is followed by the TransferState of its message.
typedef struct Wire {
    int32_t type, step;
    int64_t id; ///< READY, MESSAGE, EXPOSED: receiving unit * CHANNEL_SIDES + side; else the group
    int64_t count; ///< ARRIVAL: members
    Clocks at;     ///< READY: send posted; MESSAGE: begin; ARRIVAL, COLLECTIVE: latest arrival
    int32_t op, kind;
    int64_t bytes;
} Wire;

/// A finished collective, for the trace.
typedef struct CollectiveRow {
    int32_t step;
    OpKind kind;
    Group units;
    int64_t group, bytes, start_ps, end_ps, alone_ps;
} CollectiveRow;

/// From the end of one norm of gradients, when nothing is under way, to that of the next.
typedef struct Cycle {
    Clocks begin;      ///< what the norm before left; 0: there was none
    int64_t period_ps; ///< length of the one before
    bool ended;        ///< at this moment
    int32_t nquiet;    ///< ends in a row at which engines and islands were at rest
} Cycle;

/// Steps that are told from the one before: repeat.h.
typedef struct Repeat {
    int32_t from;      ///< the last that was played
    int64_t period_ps; ///< by which each is later than the one before; 0: steps are played
    int32_t nsteps;    ///< told so far
} Repeat;

typedef struct Machine {
    const RunSpec *run;
    const JobSpec *job;
    const Cluster *cluster;
    Comm *comm;
    int rank, nranks;
    Exchange *exchange;
    Layout layout;
    StepCost cost;
    Program *program; ///< [stages]
    const EngineOps *ops;
    Engine *engine;
    Heap heap;
    NominalWork *work;  ///< [stages] of a step, once the engine is open
    Unit *unit;         ///< [layout.nslots]
    StepResult *result; ///< [layout.nslots]
    int64_t nlocal;     ///< units here
    DonePool done;
    Outcomes outcomes;
    struct Islands *islands; ///< island.h; NULL: units are played event by event
    GroupState *group;       ///< [layout_nmeeting], see machine_group
    Rail *rail;              ///< [layout_nmeeting * width]
    int32_t *member_first;   ///< [DP groups + 1] local members of each DP group ...
    int32_t *member_slot;    ///< ... as slots
    ARRAY_OF(CollectiveRow) row;
    int64_t sent;         ///< wires put since the last exchange
    int64_t lookahead_ps; ///< network_lookahead_ps
    LoadOwner owner;      ///< which links are this rank's
    bool all_known;       ///< most messages here are far: every rank is told of all
    bool far_messages; ///< a unit here has a neighbour, or a path to one, that is not this rank's
    int64_t **
        work_ps; ///< [stages][compute operations + 1] least time of all compute before each operation
    int64_t promised_ps;    ///< what the others were told: nothing here concerns them before
    int64_t quiet_until_ps; ///< no unit here can concern another rank before this time
    int64_t scan_after_ps;  ///< when it is worth asking again
    StepCount count; ///< of local units (of islands: what their own counts were gathered into)
    int32_t steps;   ///< wanted
    void (*collect)(void *context); ///< called now and then
    /// A step is over for the network: before its sampling interval is cut short.
    void (*cut)(void *context, int64_t now_ps);
    void *collector; ///< context of both
    int64_t collect_after_ps;
    Intervals intervals;
    Cycle cycle;
    Repeat repeat;
    Status failure;
    int64_t failed_ps, failed_tag; ///< when it was met, by what
} Machine;

/// machine.c. Build all of it for run->job[0].  MPI: collective over `comm`, which is borrowed.
///   Fails: STATUS_RANGE (layout, cost, memory, schedule); *machine must then still be destroyed.
Status machine_create(const RunSpec *run, const Cluster *cluster, Comm *comm, Machine **machine);
/// The engine, once the sampling interval is known.  MPI: local.
void machine_open_engine(Machine *machine, int64_t interval_ps);
void machine_destroy(Machine *machine);
/// The norm of a step is over, and all that happens at this moment: sampling intervals begin anew. `quiet`: nothing is
/// under way.  MPI: local.
void machine_begin_cycle(Machine *machine, int64_t now_ps, bool quiet);

static inline GroupState *machine_group(const Machine *machine, int64_t group) {
    return &machine->group[layout_meeting_index(&machine->layout, group)];
}
static inline const Program *unit_program(const Machine *machine, const Unit *unit) {
    return &machine->program[unit->stage];
}

/// members.c. List the local members of groups.
void members_list(Machine *machine);
void members_release(Machine *machine);
int64_t members_count(const Machine *machine, int64_t group);
/// The next local member of a group in the order of slots, NULL: no more. *cursor begins with 0.
Unit *members_next(Machine *machine, int64_t group, int64_t *cursor);

/// done.c. Keep what an operation leaves to those that wait for it; once more: instead of what was kept.
void done_keep(Machine *machine, Unit *unit, int32_t op, Clocks end);
/// What was kept of an operation so far.
Clocks done_kept(Machine *machine, const Unit *unit, int32_t op);
/// Take what the operations that `op` waits for have left; returns how many. What the last has taken is gone.
int32_t done_take(Machine *machine, Unit *unit, const Op *op, Release release[PROGRAM_WAITS]);
/// Room for what collectives leave.
void done_open(Machine *machine);
void done_close(Machine *machine);

/// unit.c. A send (or a receive) comes to a channel. True if the other is there: *at becomes the later of both.
bool channel_meet(Unit *receiver, ChannelSide side, bool is_send, Clocks *at);
/// NULL for a stream of sends.
static inline NominalClocks *unit_free(Unit *unit, Stream stream) {
    static const int8_t PLACE[STREAM_N] = {[STREAM_COMPUTE] = FREE_COMPUTE,
                                           [STREAM_RECV_PREV] = FREE_RECV_PREV,
                                           [STREAM_RECV_NEXT] = FREE_RECV_NEXT,
                                           [STREAM_SEND_NEXT] = -1,
                                           [STREAM_SEND_PREV] = -1,
                                           [STREAM_DP] = FREE_DP};
    return PLACE[stream] < 0 ? NULL : &unit->free[PLACE[stream]];
}
/// Clocks of the message under way on a side of its receiver.
static inline NominalClocks *unit_received(Unit *unit, ChannelSide side) {
    return &unit->free[side == CHANNEL_FROM_PREV ? FREE_RECV_PREV : FREE_RECV_NEXT];
}
static inline Stream channel_sends(ChannelSide side) {
    return side == CHANNEL_FROM_PREV ? STREAM_SEND_NEXT : STREAM_SEND_PREV;
}
/// unit.c: issue what can be issued.
void unit_begin(Machine *machine, Unit *unit, int64_t now_ps);
void unit_finish_op(Machine *machine, Unit *unit, int32_t op, NominalClocks end, int64_t now_ps);
void unit_compute_due(Machine *machine, Unit *unit, int64_t now_ps);
void unit_share(Machine *machine, Unit *unit, Sharing sharing, int64_t now_ps);
Unit *machine_unit(Machine *machine, int64_t unit); ///< NULL if not local
/// Nominal work of a compute operation of a stage.
NominalWork unit_work(const Machine *machine, int32_t stage, const Op *op);
static inline bool unit_is_busy(const Unit *unit, Stream stream) {
    return unit->busy >> stream & 1;
}
/// How many operations of a stream have been issued.
static inline int32_t unit_issued(const Unit *unit, Stream stream) {
    return unit->done[stream] + unit_is_busy(unit, stream);
}
/// Index of the operation a busy stream works on.
int32_t unit_current_op(const Machine *machine, const Unit *unit, Stream stream);

/// match.c: sends meet receives, members meet.
void match_send(Machine *machine, Unit *unit, const Op *op, Clocks at);
void match_receive(Machine *machine, Unit *unit, const Op *op, Clocks at);
void match_arrive(Machine *machine, Unit *unit, int32_t op, Clocks at);
/// Apply a wire from another rank (or our own).
void match_apply(Machine *machine, const Wire *wire);
/// Tell all ranks of private messages that have come to share links with announced transfers.
void match_expose(Machine *machine);

/// network.c: transfers.
/// `announced`: all ranks do the same; else this rank's engine alone has it.
void network_message(Machine *machine, const Wire *wire, bool announced);
/// May the message of this wire stay private to this rank?
bool network_is_private(Machine *machine, const Wire *wire);
/// Take in a message that another rank has exposed.
void network_adopt(Machine *machine, const Wire *wire, const TransferState *state);
void network_collective(Machine *machine, const Wire *wire);
/// Transfer of a phase of the collective that a group is at; *edges, which name it, are borrowed.
Transfer network_phase(const Machine *machine, const RailEdges *edges, int64_t after_ps);
void network_complete(Machine *machine, const Completion *completion);
/// The failure of the run: the first in simulated time on any rank, the same text on all.  MPI: collective.
Status network_agree_failure(const Machine *machine);
/// The message of a wire as the engine takes it; *edges are filled in and borrowed.
Transfer network_transfer(const Machine *machine, const Wire *wire, HopEdges *edges);
/// Its end, for those of its units that are here (else NULL).
void network_end_message(Machine *machine, const Completion *done, Unit *receiver, Unit *sender,
                         StepCount *count);
/// Heap events of collectives: shares begin; small ones end.
void network_share_due(Machine *machine, int64_t group, int64_t now_ps);
void network_small_due(Machine *machine, int64_t group, int64_t now_ps);
/// Mean latency between a member and the next that is not on its node (`together` consecutive members share one): what a
/// chunk that travels around the ring waits for paths, per round.
int64_t network_ring_latency_ps(const Cluster *cluster, const Members *members, int32_t together);
/// Plan of a data-parallel collective of `bytes` per GPU.  Fails as collective_plan.
Status network_plan(const Machine *machine, int64_t group, OpKind kind, int64_t bytes,
                    CollectivePlan *plan);
/// Transfer.connection of messages between stages, and of a rail of a group.
enum { CONNECTION_MESSAGES = 1 };
uint64_t network_connection(const Machine *machine, int64_t group, int32_t rail);
/// quiet.c. Find out, after the engine is open, whether messages leave this rank.
void quiet_prepare(Machine *machine);
void quiet_release(Machine *machine);
/// Least time at which a unit can reach a collective.
int64_t quiet_unit_ps(const Machine *machine, const Unit *unit, int64_t now_ps);
/// Nothing that this rank does before this time concerns another rank.
int64_t quiet_next_ps(Machine *machine, int64_t next_event_ps);
/// Least time between an event on one rank and anything it can cause on another.
int64_t network_lookahead_ps(const Machine *machine);
/// One-way time before the first byte of a message between two units.
int64_t network_message_latency_ps(const Machine *machine, int64_t from, int64_t to);
/// The unit that feeds a channel.
int64_t network_sender(const Machine *machine, int64_t channel);

/// Heap items: (index << 2) | event.
typedef enum Event { EVENT_COMPUTE, EVENT_SHARE, EVENT_SMALL } Event;
void machine_schedule(Machine *machine, int64_t time_ps, Event event, int64_t index,
                      uint64_t order);

#endif
