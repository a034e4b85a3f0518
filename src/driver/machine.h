/// machine.h: the state of one MPI rank that plays a training job; shared by the files of the driver.
///
/// Idea.    unit.c moves the cursors of local units through their programs; match.c lets sends meet receives and
///          members meet in collectives; network.c turns them into transfers and completions back into finished
///          operations; quiet.c says how long a rank concerns nobody else; step_dist.c is the loop over time windows
///          and ranks. Where replicas share no link, they are played as islands instead (island.h), by the same
///          units. What leaves a rank is a Wire. Each rank plays the programs of its own units. Messages on links
///          of one rank stay private to its engine; collectives, messages between ranks, and what comes to share
///          links with them are announced to the engines of all ranks, so that rates agree to the bit.
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

/// A finished operation that operations of other streams of its unit still wait for: its Release, packed.
typedef struct Done {
    Clocks at;
    int64_t slowed_ps;
    int32_t op;
    int32_t next;          ///< in the unit's list or the free list; -1 ends
    uint32_t waiters : 24; ///< not yet served
    uint32_t kind : 8;     ///< TracePart
} Done;

/// Records of finished operations of some units.
typedef struct DonePool {
    ARRAY_OF(Done) at;
    int32_t free; ///< chained through `next`; -1: none
} DonePool;

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

typedef struct StreamState {
    int32_t issued, done; ///< operations of this step; the stream is busy while issued > done
    Clocks
        free; ///< when its last operation ended; of a message under way: begin, and what its shadows were
} StreamState;

typedef enum ChannelSide { CHANNEL_FROM_PREV, CHANNEL_FROM_NEXT, CHANNEL_SIDES } ChannelSide;

/// Where the sends of a neighbour meet the receives of a unit: at most one of both waits, since streams are in order.
typedef struct Channel {
    bool posted, ready; ///< who waits
    Clocks at;          ///< since when
} Channel;

typedef struct Unit {
    int64_t id;
    const Program *program;
    int32_t stage, step;
    StreamState stream[STREAM_N];
    Channel channel[CHANNEL_SIDES];
    int32_t first_done;
    int32_t sharing; ///< network collectives under way on its GPUs
    bool computing;
    int64_t compute_end_ps;
    int64_t sharing_ps; ///< slowdown of the current operation by sharing
    int64_t factor;     ///< this step's time multiplier, the largest over its GPUs
    int64_t step_start_ps;
    int64_t part_ps[TRACE_PART_N]; ///< of this step so far
} Unit;

/// What a unit's last finished step was.
typedef struct StepResult {
    int64_t start_ps, end_ps;
    int64_t part_ps[TRACE_PART_N];
} StepResult;

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

/// One rail of a collective under way: its phase, and what its edges are computed from.
typedef struct Rail {
    const struct Machine *machine;
    int64_t group;
    int32_t rail, phase;
    int64_t alone_ps; ///< of the finished phases, gaps included
} Rail;

/// The rails of a message between two stages.
typedef struct HopEdges {
    const struct Machine *machine;
    int64_t from, to; ///< units
} HopEdges;

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
    Unit *unit;         ///< [layout.nslots]; id -1 for a spare
    StepResult *result; ///< [layout.nslots]
    int64_t nlocal;     ///< units here
    DonePool done;
    struct Islands *islands;   ///< island.h; NULL: units are played event by event
    Arrival *arrival;          ///< [ngroups]; the part of other ranks only at the group's home rank
    int64_t *group_latency_ps; ///< [ngroups] mean edge latency of the ring, -1: not yet computed
    int64_t *member_first;     ///< [ngroups + 1] local members of each group ...
    int64_t *member_slot;      ///< ... as slots
    Active *active;            ///< [ngroups]
    Rail *rail;                ///< [ngroups * width]
    HopEdges *hop;             ///< [nunits * CHANNEL_SIDES] by channel id
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
    int64_t interval_ps, collect_after_ps;
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

/// unit.c. A send (or a receive) comes to a channel. True if the other is there: *at becomes the later of both.
bool channel_meet(Channel *channel, bool is_send, int64_t unit, Clocks *at);
/// Clocks of the message under way, at its receiver or its sender, on a side of the receiver.
static inline Clocks *unit_received(Unit *unit, ChannelSide side) {
    return &unit->stream[side == CHANNEL_FROM_PREV ? STREAM_RECV_PREV : STREAM_RECV_NEXT].free;
}
static inline Clocks *unit_sent(Unit *unit, ChannelSide side) {
    return &unit->stream[side == CHANNEL_FROM_PREV ? STREAM_SEND_NEXT : STREAM_SEND_PREV].free;
}
/// unit.c: issue what can be issued.
void unit_begin(Machine *machine, Unit *unit, int64_t now_ps);
void unit_finish_op(Machine *machine, Unit *unit, int32_t op, Clocks end, int64_t slowed_ps,
                    int64_t now_ps);
void unit_compute_due(Machine *machine, Unit *unit, int64_t now_ps);
void unit_share(Machine *machine, Unit *unit, int32_t change, int64_t now_ps);
Unit *machine_unit(Machine *machine, int64_t unit); ///< NULL if not local
/// Nominal compute and exposed tensor-parallel time of a compute operation of a stage.
void unit_nominal(const Machine *machine, int32_t stage, const Op *op, int64_t *compute_ps,
                  int64_t *tp_ps);
/// Index of the operation a busy stream works on.
int32_t unit_current_op(const Unit *unit, Stream stream);

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
/// Transfer of the phase that a rail of machine->active[group] is at.
Transfer network_phase(const Machine *machine, Rail *rail, int64_t after_ps);
void network_complete(Machine *machine, const Completion *completion);
/// The failure of the run: the first in simulated time on any rank, the same text on all.  MPI: collective.
Status network_agree_failure(const Machine *machine);
/// The message of a wire as the engine takes it.
Transfer network_transfer(Machine *machine, const Wire *wire);
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
