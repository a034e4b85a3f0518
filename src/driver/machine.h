/// machine.h: the state of one MPI rank that plays a training job; shared by the files of the driver.
///
/// Idea.    unit.c moves the cursors of local units through their programs; done.c keeps what an operation leaves to
///          those that wait for it; in network.c members meet in collectives, and what is sent turns
///          into transfers and completions back into finished operations; player.h is the loop. Where replicas share no
///          link that binds, they are played as islands, divided over the ranks (island.h), by the same units. What
///          cannot be cut is played by one rank: exact sharing of links is one system, and to divide or to replicate its
///          solution was measured to cost the ranks more than it saved.
///          What a rank keeps of each unit bounds the machine that fits. What the units of a stage or the members of a
///          group have in common is kept once, what follows from a unit's number is computed:
///
///              bytes a unit                              424: Unit, its StepResult; 32 more where it exchanges or shards in groups
///              bytes an operation waited for in its unit  56: Done; at most one a unit in the main job
///              bytes a collective waited for              40: Clocks, for all members of a group
///              bytes a group of w rails                  184 + 16 w: GroupState, Rail
///
///          A unit is tp * cp * ep GPUs: in the main job (tp 8) 52.5 bytes a GPU, and 7 for what is waited for. Arrays that have
///          become large keep up to a sixteenth more room. Not counted: programs, islands, engines.
/// Limits.  A training job of a fabric (fabric.h).
#ifndef COLOSSIM_DRIVER_MACHINE_H
#define COLOSSIM_DRIVER_MACHINE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/heap.h"
#include "collective/collective.h"
#include "collective/spread.h"
#include "driver/account.h"
#include "driver/fabric.h"
#include "driver/layout.h"
#include "driver/path_log.h"
#include "driver/run_spec.h"
#include "driver/shares.h"
#include "driver/timeline.h"
#include "engine/engine.h"
#include "par/comm.h"
#include "program/program.h"
#include "workload/exchange_plan.h"

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

/// Whose units a player moves.
typedef struct Scope {
    StepCount *count;
    DonePool *done;
    int64_t nunits; ///< that finish a step together
} Scope;

typedef enum ChannelSide { CHANNEL_FROM_PREV, CHANNEL_FROM_NEXT, CHANNEL_SIDES } ChannelSide;

/// What takes a share of a unit's GPUs meanwhile, as bits: a collective inside their scale-up domain, or over the network
/// (one at most: collectives of a unit are in order), and an exchange.
typedef enum Sharing {
    SHARING_SCALE_UP = 1,
    SHARING_NETWORK = 2,
    SHARING_EXCHANGE = 4,
    SHARING_ACROSS = 8,
    SHARING_ALL = 16
} Sharing;

/// Streams whose clocks a unit keeps, those that few jobs have apart (Machine.more). A message begins and ends at once for
/// both its ends, so those of a send are its receiver's.
enum { FREE_COMPUTE, FREE_RECV_PREV, FREE_RECV_NEXT, FREE_DP, FREE_N };
/// The first stream that few jobs have.
enum { STREAM_MORE = STREAM_EP };

/// GPUs that exchange in every layer (workload/units.h), and how far they have come.
typedef struct Unit {
    int32_t id;
    int32_t stage, step;
    int32_t first_done;     ///< in the pool, -1: none
    int32_t done[STREAM_N]; ///< operations of this step
    uint8_t sharing;        ///< Sharing, as bits: under way on its GPUs
    uint8_t busy;           ///< streams, as bits: one more operation is under way
    // Where the sends of a neighbour meet the receives of this unit: sides, as bits. At most one of both waits, since
    // streams are in order.
    uint8_t posted, ready;
    uint8_t kinds;  ///< of its GPUs, as bits
    uint8_t role;   ///< of its replica (shares.h)
    uint16_t noted; ///< place in the timeline, from 1 (timeline.h); 0: none
    int64_t factor; ///< this step's time multiplier, the largest over its GPUs
    int64_t step_start_ps;
    int64_t compute_end_ps; ///< of the operation under way, or the last
    NominalClocks free
        [FREE_N]; ///< when the last operation of a stream ended, see unit_free; of a message under way: began
    Clocks met[CHANNEL_SIDES];  ///< since when who waits there does
    int64_t part_ps[ACCOUNT_N]; ///< of this step so far
} Unit;

/// When a compute operation began and ended, and how long its unit had waited before for nothing that moves: in the bubble,
/// for slower GPUs.
typedef struct OpSpan {
    int64_t begin_ps, end_ps, still_ps;
} OpSpan;

/// Replicas whose operations are noted: every `stride`-th, from the first on. Without noise all do the same, as far as links
/// let them, and one is enough; else as many as there is room for: 2 bytes a GPU, or a little more where there are few.
enum { NOTED_REPLICAS = 4, NOTED_BYTES = 1 << 18, NOTED_GPU_BYTES = 2 };
typedef struct Noted {
    int64_t stride;
    int64_t first, n; ///< of them, those on this rank, counted over all ranks
    int64_t nspans;   ///< of one of them in a step, at most
    /// [n][2 by parity of the step][stages] compute operations, and behind them the begin of the step
    OpSpan *span;
} Noted;

/// What a unit's last finished step was.
typedef struct StepResult {
    int64_t end_ps;
    int64_t part_ps[ACCOUNT_N];
} StepResult;

_Static_assert(sizeof(Unit) + sizeof(StepResult) <= 424 && sizeof(Done) <= 56,
               "bytes a unit, see above");

/// A group that meets, and the collective that members come to or that is under way, on all ranks alike: one at a time, since
/// DP streams are in order.
typedef struct GroupState {
    Spread *spread;  ///< where its members are; NULL: not yet asked
    int64_t arrived; ///< members; 0: none, or all, and it is under way
    OpKind kind;
    int32_t step, rails_left;
    int32_t last_rail;   ///< that a phase of has ended
    Clocks begin;        ///< last arrival
    CollectivePlan plan; ///< no phases: it is too small to load a link
    int64_t start_ps;    ///< first byte of the first phase
    int64_t bytes;       ///< per member GPU
    int64_t alone_ps; ///< from the last arrival to the end, had it been alone; largest over rails
} GroupState;

/// One rail of a collective under way.
typedef struct Rail {
    int64_t alone_ps; ///< of the finished phases, gaps included
    int32_t phase;
} Rail;

_Static_assert(sizeof(GroupState) <= 184 && sizeof(Rail) <= 16 && sizeof(Clocks) <= 40,
               "bytes a group, see above");

/// What the edges of a transfer of the job are computed from while an engine is handed it.
typedef struct JobEdges {
    const struct Machine *machine;
    const CollectivePlan *plan; ///< of a phase of a collective, and ...
    int64_t group;
    int32_t rail, phase;
    int64_t from, to; ///< units, of a message between two stages; of an exchange the same
} JobEdges;

/// Members that come to a collective.
typedef struct Meeting {
    int64_t group;
    int32_t step;
    int32_t sequence; ///< in its stream, which is the same in all roles of a stage
    OpKind kind;
    Clocks at; ///< the latest of them
} Meeting;

/// A finished collective, for the trace.
typedef struct CollectiveRow {
    int32_t step;
    OpKind kind;
    int64_t group, bytes, start_ps, end_ps, alone_ps;
} CollectiveRow;

/// From the end of one norm of gradients, when nothing is under way, to that of the next.
typedef struct Cycle {
    Clocks begin;      ///< what the norm before left; 0: there was none
    int64_t period_ps; ///< length of the one before
    bool ended;        ///< at this moment
    int32_t nquiet;    ///< ends in a row at which engines and islands were at rest
} Cycle;

typedef struct Machine {
    const RunSpec *run;
    const JobSpec *job;
    Cluster *cluster; ///< as it is at the moment
    Comm *comm;
    int rank, nranks;
    Layout layout;
    StepCost cost;                          ///< nominal, machine_nominal_kind
    StepCost *of_kind;                      ///< [kinds of GPUs - 1] on the others that the job has
    int64_t gpus_of[CLUSTER_GPU_KINDS_MAX]; ///< GPUs of the job
    int64_t speed[CLUSTER_GPU_KINDS_MAX][SHARING_ALL]; ///< of compute beside that, in 2^-20
    Shares shares;
    Program *program; ///< [roles][stages]
    Fabric *fabric;
    int32_t number; ///< of the job among those on the fabric
    Heap heap;
    Arena *arena,
        *dealt; ///< of what the job has; of units here, and what follows from where they are
    NominalWork *
        work; ///< [1 + kinds][roles][stages] of a step, once units are dealt: nominal, then on each kind
    Unit *unit;         ///< [layout.nslots]
    StepResult *result; ///< [layout.nslots]
    /// [layout.nslots] as Unit.free, of exchanges and of reductions across shard groups; NULL: the stream has no operations
    NominalClocks *more[STREAM_N];
    ExchangePlan exchange_plan;
    Noted noted;
    Timeline timeline;
    PathLog *path_log; ///< NULL: none is wanted
    DonePool done;
    Outcomes outcomes;
    const struct PlayerOps *player; ///< player.h, once the engine is open ...
    void *playing;                  ///< ... and its state
    Scope scope;
    GroupState *group; ///< [units_nmeeting], by units_meeting_index
    Rail *rail;        ///< [units_nmeeting * width]
    ARRAY_OF(CollectiveRow) row;
    StepCount count; ///< of local units (of islands: what their own counts were gathered into)
    int32_t steps;   ///< wanted
    Cycle cycle;
    int64_t
        later_ps; ///< by which each step that follows is the last again (repeat.h); 0: it is played
    JobEdges described; ///< of the transfer that was described last
    Status failure;
    int64_t failed_ps, failed_tag; ///< when it was met, by what
} Machine;

/// machine.c. Build all of it for job `number` of the run, but for units, which have no place until they are dealt; the
/// fabric is borrowed.
///   MPI: collective over the fabric's communicator.
///   Fails: STATUS_RANGE (layout, cost, memory, schedule); *machine must then still be destroyed.
Status machine_create(Fabric *fabric, int32_t number, Machine **machine);
/// Do steps differ by how full experts are?
bool machine_routing_is_drawn(const Machine *machine);
/// Do all GPUs always work at nominal speed, and alike?
bool machine_is_even(const Machine *machine);
/// Let the first `nranks` ranks have the units, which have not begun, and place them; the same where they are dealt
/// already.  MPI: local.
void machine_deal(Machine *machine, int nranks);
void machine_place(Machine *machine);
void machine_destroy(Machine *machine);
/// stuck.c: say who waits for what, when nothing is under way any more.  MPI: collective.
Status machine_stuck(Machine *machine);
/// The norm of a step is over, and all that happens at this moment: sampling intervals begin anew. `quiet`: nothing is
/// under way.  MPI: local.
void machine_begin_cycle(Machine *machine, int64_t now_ps, bool quiet);

/// What is nominal for the job: kind 0, or where it has no GPUs of that, the first of which it has.
int32_t machine_nominal_kind(const Machine *machine);
/// What the job costs on GPUs of a kind; of kind 0 the nominal.
static inline const StepCost *machine_cost(const Machine *machine, int32_t kind) {
    return kind == 0 ? &machine->cost : &machine->of_kind[kind - 1];
}

/// What replicas of a role do at a stage, and the nominal work of it.
static inline const Program *machine_program(const Machine *machine, int32_t role, int32_t stage) {
    return &machine->program[role * machine->cost.pp + stage];
}
static inline NominalWork machine_work(const Machine *machine, int32_t role, int32_t stage) {
    return machine->work[role * machine->cost.pp + stage];
}
/// The same work on GPUs of a kind.
static inline NominalWork machine_work_on(const Machine *machine, int32_t kind, int32_t role,
                                          int32_t stage) {
    const int32_t stages = machine->cost.pp, roles = machine->shares.nroles;
    return machine->work[((1 + kind) * roles + role) * stages + stage];
}
/// Of the units of a replica.
static inline int32_t machine_role(const Machine *machine, int64_t replica) {
    return shares_role(&machine->shares, replica);
}

/// What is nominal for replicas of a role: where shares go by the speed of GPUs, that of theirs; else that of kind 0.
static inline const StepCost *machine_nominal(const Machine *machine, int32_t role) {
    const bool uneven = machine->shares.uneven;
    return machine_cost(machine, uneven ? machine->shares.role[role].kind : 0);
}

static inline const Program *unit_program(const Machine *machine, const Unit *unit) {
    return machine_program(machine, unit->role, unit->stage);
}

static inline int32_t machine_noted_role(const Machine *machine, int64_t i) {
    return machine_role(machine, (machine->noted.first + i) * machine->noted.stride);
}
/// Where operations of a stage of noted replica i on this rank are noted.
static inline OpSpan *machine_spans(const Machine *machine, int64_t i, int32_t stage,
                                    int32_t step) {
    const Program *program = machine_program(machine, machine_noted_role(machine, i), 0);
    OpSpan *span = machine->noted.span + machine->noted.nspans * (2 * i + (step & 1));
    for (int32_t s = 0; s < stage; s++) span += program[s].stream_nops[STREAM_COMPUTE] + 1;
    return span;
}

/// The next local member of a group in the order of slots, NULL: no more. *cursor begins with 0.
static inline Unit *members_next(Machine *machine, int64_t group, int64_t *cursor) {
    const Layout *layout = &machine->layout;
    const Group slots = layout_group_slots(layout, group);
    while (*cursor < slots.n) {
        Unit *unit = &machine->unit[slots.first + (*cursor)++ * slots.stride];
        if (!layout->fold.kept) return unit;
        const GroupKind kind = units_group_kind(&layout->units, group);
        if (units_group_of(&layout->units, unit->id, kind) == group) return unit;
    }
    return NULL;
}

/// done.c. Keep what an operation leaves to those that wait for it.
void done_keep(Machine *machine, Unit *unit, int32_t op, Clocks end);
/// Take what the operations that `op` waits for have left; returns how many. What the last has taken is gone.
int32_t done_take(Machine *machine, Unit *unit, const Op *op, Release release[PROGRAM_WAITS]);
/// Room for what collectives leave.
void done_open(Machine *machine);

/// NULL for a stream of sends.
static inline NominalClocks *unit_free(const Machine *machine, Unit *unit, Stream stream) {
    static const int8_t PLACE[STREAM_N] = {[STREAM_COMPUTE] = FREE_COMPUTE,
                                           [STREAM_RECV_PREV] = FREE_RECV_PREV,
                                           [STREAM_RECV_NEXT] = FREE_RECV_NEXT,
                                           [STREAM_SEND_NEXT] = -1,
                                           [STREAM_SEND_PREV] = -1,
                                           [STREAM_DP] = FREE_DP,
                                           [STREAM_EP] = -1,
                                           [STREAM_ACROSS] = -1};
    if (PLACE[stream] >= 0) return &unit->free[PLACE[stream]];
    return machine->more[stream] ? &machine->more[stream][unit - machine->unit] : NULL;
}
/// Clocks of the message under way on a side of its receiver.
static inline NominalClocks *unit_received(Unit *unit, ChannelSide side) {
    return &unit->free[side == CHANNEL_FROM_PREV ? FREE_RECV_PREV : FREE_RECV_NEXT];
}
/// The unit of the same replica so many stages on (1 or -1), cyclically: slots of a replica follow each other.
static inline Unit *unit_neighbour(const Machine *machine, Unit *unit, int32_t distance) {
    const int32_t stages = machine->layout.units.stages, to = unit->stage + distance;
    return unit + distance + (to < 0 ? stages : to >= stages ? -stages : 0);
}
/// unit.c: the first step begins; a step begins: issue what can be issued.
void unit_start(Machine *machine, Unit *unit, int64_t now_ps);
void unit_begin(Machine *machine, Unit *unit, int64_t now_ps);
void unit_finish_op(Machine *machine, Unit *unit, int32_t op, NominalClocks end, int64_t now_ps);
void unit_compute_due(Machine *machine, Unit *unit, int64_t now_ps);
/// Of an operation on the slowest of GPUs of some kinds, as bits.
NominalWork unit_work(const Machine *machine, int32_t kinds, int32_t stage, const Op *op);
/// How much slower than nominal, in 2^-20, a unit computes in a step that begins now: its slowest GPU; and, times that, what
/// its experts have more to do than in the mean.
int64_t unit_slow_factor(const Machine *machine, int64_t unit, int32_t step, int64_t now_ps);
int64_t unit_routing_factor(const Machine *machine, int64_t unit, int32_t step);
/// The speed of GPUs may have changed: re-time what a unit computes.
void unit_retime(Machine *machine, Unit *unit, int64_t now_ps);
/// What is named begins, or ends.
void unit_share(Machine *machine, Unit *unit, int sharing, bool begins, int64_t now_ps);
Unit *machine_unit(Machine *machine, int64_t unit); ///< NULL if not local
static inline bool unit_is_busy(const Unit *unit, Stream stream) {
    return unit->busy >> stream & 1;
}
/// How many operations of a stream have been issued.
static inline int32_t unit_issued(const Unit *unit, Stream stream) {
    return unit->done[stream] + unit_is_busy(unit, stream);
}
/// Index of the operation a busy stream works on.
static inline int32_t unit_current_op(const Machine *machine, const Unit *unit, Stream stream) {
    return unit_program(machine, unit)->stream_op[stream][unit->done[stream]];
}

/// network.c: transfers; *edges are filled in and borrowed. A message to a unit from a side (channel: unit * CHANNEL_SIDES +
/// side), and an exchange; step 0, and start_ps is how much later than the moment at which it can begin.
Transfer network_message(const Machine *machine, int64_t channel, JobEdges *edges);
Transfer network_exchange(const Machine *machine, int64_t unit, Exchange which, JobEdges *edges);
/// `count` members have come to a collective. True if all have: then `meeting` holds when the last did.
bool network_meet(Machine *machine, Meeting *meeting, int64_t count);
void network_collective(Machine *machine, const Meeting *meeting);
/// A phase of a collective that *edges name.
Transfer network_phase(const Machine *machine, const JobEdges *edges, int64_t after_ps);
/// A transfer under way, by the job's own tag (fabric.h), once more; until the next is asked for.
Transfer network_describe(Machine *machine, int64_t tag);
/// By the job's own tag.
void network_complete(Machine *machine, const Completion *completion);
/// A message ends.
void network_end_message(Machine *machine, const Completion *done, Unit *receiver,
                         ChannelSide side);
/// Heap events of collectives: shares begin; small ones end.
void network_share_due(Machine *machine, int64_t group, int64_t now_ps);
void network_end_collective(Machine *machine, int64_t group, int64_t now_ps);
/// What passes at least from the last arrival to the first byte of a collective.
int64_t network_least_base_ps(const Machine *machine);
/// Bytes per GPU of a collective of a group, by its place in its stream; where a group is of several stages its kind says it.
int64_t network_bytes(const Machine *machine, int64_t group, OpKind kind, int32_t sequence);
/// Plan of a data-parallel collective of `bytes` per GPU.  Fails as collective_plan.
Status network_plan(const Machine *machine, int64_t group, OpKind kind, int64_t bytes,
                    CollectivePlan *plan);
/// Give back what is known of where the members of a group are.
void network_forget(GroupState *group);
/// `now_ps`: the moment at which the transfer is known to begin.
void network_submit(Machine *machine, const Transfer *transfer, int64_t now_ps);
/// An exchange ends, and one that is timed.
void network_end_exchange(Machine *machine, const Completion *done, Unit *unit, Exchange which);
void network_exchange_due(Machine *machine, Unit *unit, int64_t now_ps);

/// Heap items: (index << 2) | event. What happens at one moment happens in the order of `order`.
typedef enum Event { EVENT_SHARE, EVENT_SMALL, EVENT_EXCHANGE } Event;
void machine_schedule(Machine *machine, int64_t time_ps, Event event, int64_t index,
                      uint64_t order);
/// Of what a unit does, and of groups, which are behind all units.
static inline uint64_t unit_order(int64_t unit) { return (uint64_t)unit; }
static inline uint64_t group_order(int64_t group) { return UINT64_C(1) << 48 | (uint64_t)group; }

#endif
