#include "player/traffic_graph.h"

#include "base/heap.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/units.h"
#include "collective/spread.h"
#include "workload/operations_csv.h"

#define LABEL "traffic.operations"

/// Times are from the begin of the step; -1: not yet.
typedef struct GraphOp {
    int64_t begin_ps, end_ps;
    int32_t left; ///< what it waits for
    int32_t next; ///< that wants the same resource; -1: the last
} GraphOp;

typedef struct GraphJoint {
    int64_t begin_ps, end_ps, alone_ps;
    int64_t phase_begin_ps;
    int32_t absent; ///< members that have not begun
    int32_t plan;   ///< of a collective
    int32_t phase;
} GraphJoint;

/// Of all collectives of a group that are alike.
typedef struct GraphPlan {
    int32_t group, next; ///< of the same group; -1: the last
    CollectivePlan plan;
} GraphPlan;

typedef struct GraphGroup {
    const TrafficRun *traffic;
    int32_t number, first_plan; ///< -1: none
    Spread spread;
} GraphGroup;

/// Who has it; who wants it, longest first; -1: nobody.
typedef struct GraphResource {
    int32_t holder, first, last;
} GraphResource;

typedef struct OpGraph {
    Operations operations;
    ARRAY_OF(GraphOp) op;
    ARRAY_OF(GraphJoint) joint;
    ARRAY_OF(GraphPlan) plan;
    ARRAY_OF(GraphGroup) group;
    ARRAY_OF(GraphResource) resource;
    Heap ready; ///< operations that wait for nothing but their resource, by when that was
    Heap
        events; ///< operations whose computation ends; behind them joints of one member, which do nothing
    int64_t nleft;
    int32_t nphases; ///< the most of any plan, at least 1
} OpGraph;

static OpGraph *graph_of(const TrafficRun *traffic) { return traffic->moves; }

// Transfers: number = phase * joints + joint.

static Edge message_edge(const void *context, int64_t i) {
    const TrafficEdges *edges = context;
    const TrafficRun *traffic = edges->traffic;
    const Operations *operations = &graph_of(traffic)->operations;
    (void)i;
    const Operation *send = joint_operation(operations, &operations->joint.at[edges->number], 0);
    return traffic_edge(traffic, (Edge){.src = placement_gpu(&traffic->placement, send->rank),
                                        .dst = placement_gpu(&traffic->placement, send->with),
                                        .weight = 1});
}

static GpuId member_gpu(const void *context, int64_t member) {
    const GraphGroup *group = context;
    const TrafficRun *traffic = group->traffic;
    return placement_gpu(&traffic->placement, operations_group_rank(&graph_of(traffic)->operations,
                                                                    group->number, member));
}

static Edge phase_edge(const void *context, int64_t i) {
    const TrafficEdges *edges = context;
    const OpGraph *graph = graph_of(edges->traffic);
    const int64_t njoints = graph->joint.n;
    const GraphPlan *plan = &graph->plan.at[graph->joint.at[edges->number % njoints].plan];
    const GraphGroup *group = &graph->group.at[plan->group];
    PhaseEdge edge = collective_edge(&plan->plan, (int32_t)(edges->number / njoints), i);
    return traffic_edge(edges->traffic, (Edge){.src = member_gpu(group, edge.src),
                                               .dst = member_gpu(group, edge.dst),
                                               .weight = edge.weight,
                                               .own_nic = edge.own_nic});
}

/// Messages between the same ends use the same queue pairs.
static void fill_message(const TrafficRun *traffic, const Operation *send, int64_t begin_ps,
                         Transfer *transfer) {
    const uint64_t ends =
        rng_mix(rng_mix(UINT64_C(1) << 32, (uint64_t)send->rank), (uint64_t)send->with);
    transfer->edges.nedges = 1;
    transfer->edges.edge = message_edge;
    transfer->edges.key = fabric_key(traffic->number, ends);
    transfer->queue_pairs = traffic->job->traffic.queue_pairs;
    transfer->queue_key = transfer->edges.key;
    transfer->bytes = send->amount;
    transfer->rounds = 1;
    transfer->start_ps = begin_ps + traffic_latency_ps(traffic, &transfer->edges);
}

/// All collectives of a communicator follow each other.
static void fill_phase(const TrafficRun *traffic, const GraphJoint *joint, int32_t number,
                       int64_t tag, Transfer *transfer) {
    const GraphPlan *plan = &graph_of(traffic)->plan.at[joint->plan];
    const uint64_t group = (uint64_t)plan->group + 1;
    if (number >= plan->plan.nphases) return;
    const Phase phase = collective_phase(&plan->plan, number);
    transfer->edges.nedges = phase.nedges;
    transfer->edges.edge = phase_edge;
    transfer->queue_pairs = traffic->job->network.queue_pairs;
    transfer->queue_key =
        fabric_key(traffic->number, tag == 0 ? group : rng_mix(group, (uint64_t)tag));
    transfer->bytes = phase.bytes;
    transfer->rounds = phase.rounds;
    transfer->round_latency_ps = phase.round_latency_ps;
    transfer->start_ps = traffic->now.begin_ps + joint->phase_begin_ps + phase.fill_ps;
}

static void fill(const TrafficRun *traffic, int64_t number, Transfer *transfer) {
    const OpGraph *graph = graph_of(traffic);
    const int64_t at = number % graph->joint.n, phase = number / graph->joint.n;
    const Joint *joint = &graph->operations.joint.at[at];
    const GraphJoint *state = &graph->joint.at[at];
    const Operation *first = joint_operation(&graph->operations, joint, 0);
    if (joint->group >= 0)
        fill_phase(traffic, state, (int32_t)phase, first->tag, transfer);
    else if (phase == 0)
        fill_message(traffic, first, traffic->now.begin_ps + state->begin_ps, transfer);
}

// What there is to do

static Status plan_collective(TrafficRun *traffic, const Joint *joint, GraphGroup *group,
                              CollectivePlan *plan) {
    if (group->first_plan < 0)
        group->spread = spread_make(
            traffic->cluster, operations_group_size(&graph_of(traffic)->operations, group->number),
            member_gpu, group);
    const Spread *spread = &group->spread;
    const int64_t extra_ps = traffic->job->traffic.latency_ps;
    CollectiveSpec wanted = {.kind = (CollectiveKind)joint->kind,
                             .algorithm = traffic->job->collective.algorithm,
                             .bytes = joint->bytes};
    if (extra_ps < 0) // no latency at all, as for flows
        return collective_plan(plan, &wanted, NULL, &spread->domains);
    wanted.round_latency_ps = extra_ps;
    return run_spec_plan(plan, traffic->job, cluster_spec(traffic->cluster), &wanted, spread->kind,
                         spread->latency_ps, &spread->domains);
}

/// The plan of a collective, which others of its group may have.
static Status find_plan(TrafficRun *traffic, const Joint *joint, int32_t *number) {
    OpGraph *graph = graph_of(traffic);
    GraphGroup *group = &graph->group.at[joint->group];
    for (int32_t p = group->first_plan; p >= 0; p = graph->plan.at[p].next) {
        const CollectiveSpec *spec = &graph->plan.at[p].plan.spec;
        *number = p;
        if ((int)spec->kind == joint->kind && spec->bytes == joint->bytes) return status_ok();
    }
    GraphPlan made = {.group = joint->group, .next = group->first_plan};
    TRY(plan_collective(traffic, joint, group, &made.plan));
    *number = group->first_plan = (int32_t)graph->plan.n;
    if (made.plan.nphases > graph->nphases) graph->nphases = made.plan.nphases;
    array_push(&graph->plan, made);
    return status_ok();
}

static Status make_joints(TrafficRun *traffic) {
    OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    array_resize(&graph->group, operations->group.n);
    for (int32_t g = 0; g < operations->group.n; g++)
        graph->group.at[g] = (GraphGroup){.traffic = traffic, .number = g, .first_plan = -1};
    array_resize(&graph->joint, operations->joint.n);
    graph->nphases = 1;
    for (int64_t j = 0; j < operations->joint.n; j++) {
        graph->joint.at[j] = (GraphJoint){.plan = -1};
        if (operations->joint.at[j].group >= 0)
            TRY(find_plan(traffic, &operations->joint.at[j], &graph->joint.at[j].plan));
    }
    return status_ok();
}

static int64_t joint_estimate_ps(const TrafficRun *traffic, int64_t number) {
    const OpGraph *graph = graph_of(traffic);
    const Joint *joint = &graph->operations.joint.at[number];
    if (joint->group < 0) return traffic_busy_ps(traffic, joint->bytes);
    const CollectivePlan *plan = &graph->plan.at[graph->joint.at[number].plan].plan;
    return traffic_busy_ps(traffic, collective_total_bytes(plan) / plan->n);
}

/// An operation begins when those that it waits for have; it ends, or what it has a part in does.
static void estimate_operation(const TrafficRun *traffic, int32_t number) {
    const OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    const Operation *op = &operations->op.at[number];
    GraphOp *state = &graph->op.at[number];
    state->begin_ps = 0;
    for (int32_t w = 0; w < op->nwaits; w++) {
        const OperationWait *wait = &operations->wait.at[op->first_wait + w];
        const GraphOp *on = &graph->op.at[wait->on];
        const int64_t at_ps = wait->begin ? on->begin_ps : on->end_ps;
        if (at_ps > state->begin_ps) state->begin_ps = at_ps;
    }
    if (state->begin_ps > TIME_END_PS / 2) state->begin_ps = TIME_END_PS / 2; // no run comes so far
    state->end_ps = state->begin_ps + (op->joint < 0 ? op->amount : 0);
    if (op->joint < 0) return;
    const Joint *joint = &operations->joint.at[op->joint];
    GraphJoint *of = &graph->joint.at[op->joint];
    if (state->begin_ps > of->begin_ps) of->begin_ps = state->begin_ps;
    if (--of->absent > 0) return;
    of->end_ps = of->begin_ps + joint_estimate_ps(traffic, op->joint);
    for (int32_t i = 0; i < joint->n; i++)
        graph->op.at[operations->member.at[joint->first + i]].end_ps = of->end_ps;
}

/// The longest path, and what computes longest.
static int64_t estimate_ps(const TrafficRun *traffic) {
    const OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    ARRAY_OF(int64_t) busy_ps = {0};
    array_resize(&busy_ps, operations->nresources);
    for (int64_t r = 0; r < busy_ps.n; r++) busy_ps.at[r] = 0;
    for (int64_t j = 0; j < graph->joint.n; j++)
        graph->joint.at[j].absent = operations->joint.at[j].n;
    int64_t longest_ps = 0;
    for (int64_t i = 0; i < operations->order.n; i++) {
        const int32_t number = operations->order.at[i];
        const Operation *op = &operations->op.at[number];
        estimate_operation(traffic, number);
        if (op->joint < 0 && op->resource >= 0 && busy_ps.at[op->resource] < TIME_END_PS / 2)
            busy_ps.at[op->resource] += op->amount;
    }
    for (int64_t i = 0; i < graph->op.n; i++)
        if (graph->op.at[i].end_ps > longest_ps) longest_ps = graph->op.at[i].end_ps;
    for (int64_t r = 0; r < busy_ps.n; r++)
        if (busy_ps.at[r] > longest_ps) longest_ps = busy_ps.at[r];
    array_free(&busy_ps);
    return longest_ps;
}

/// One collective among all ranks.
static void list_collective(const TrafficRun *traffic, Operations *operations) {
    const CollectiveSpec *spec = &traffic->job->collective;
    bool found;
    Csv nothing_wrong = csv_open("", "");
    operations->nranks = traffic->ranks;
    const int32_t all = operations_group(operations, "all", 3, &found);
    for (int64_t rank = 0; rank < traffic->ranks; rank++)
        operations_add(operations, (Operation){.amount = spec->bytes,
                                               .rank = (int32_t)rank,
                                               .with = all,
                                               .resource = -1,
                                               .what = OPERATION_COLLECTIVE,
                                               .kind = (int8_t)spec->kind});
    operations_finish(operations, 0, &nothing_wrong);
}

static Status list_operations(const TrafficRun *traffic, Operations *operations) {
    const TrafficSpec *spec = &traffic->job->traffic;
    if (spec->pattern == TRAFFIC_COLLECTIVE) {
        list_collective(traffic, operations);
        return status_ok();
    }
    return operations_csv_parse(spec->file, run_spec_text(traffic->fabric->run, spec->file),
                                traffic->ranks, spec->eager_bytes, operations);
}

static Status load(TrafficRun *traffic) {
    OpGraph *graph = traffic->moves = memory_alloc(LABEL, sizeof *graph);
    *graph = (OpGraph){.op.label = LABEL, .joint.label = LABEL};
    TRY(list_operations(traffic, &graph->operations));
    array_resize(&graph->op, graph->operations.op.n);
    array_resize(&graph->resource, graph->operations.nresources);
    TRY(make_joints(traffic));
    traffic->estimate_ps = estimate_ps(traffic);
    return status_ok();
}

static void unload(TrafficRun *traffic) {
    OpGraph *graph = graph_of(traffic);
    for (int64_t g = 0; g < graph->group.n; g++)
        if (graph->group.at[g].first_plan >= 0) spread_free(&graph->group.at[g].spread);
    operations_free(&graph->operations);
    array_free(&graph->op);
    array_free(&graph->joint);
    array_free(&graph->plan);
    array_free(&graph->group);
    array_free(&graph->resource);
    heap_free(&graph->ready);
    heap_free(&graph->events);
    memory_free(LABEL, graph, sizeof *graph);
}

// A step

static void make_ready(OpGraph *graph, int32_t op, int64_t at_ps) {
    heap_push(&graph->ready, (HeapItem){.time_ps = at_ps, .order = (uint64_t)op, .item = op});
}

/// Those that waited for its end, or begin.
static void release(OpGraph *graph, int32_t op, bool begin, int64_t at_ps) {
    const int32_t *first = &graph->operations.waiter_first.at[op];
    for (int32_t w = first[0]; w < first[1]; w++) {
        const OperationWait *waiter = &graph->operations.waiter.at[w];
        if (waiter->begin == begin && --graph->op.at[waiter->on].left == 0)
            make_ready(graph, waiter->on, at_ps);
    }
}

/// Its resource goes to who has waited longest for it.
static void end_operation(OpGraph *graph, int32_t number, int64_t at_ps) {
    const Operation *op = &graph->operations.op.at[number];
    graph->op.at[number].end_ps = at_ps;
    graph->nleft--;
    release(graph, number, false, at_ps);
    if (op->resource < 0) return;
    GraphResource *resource = &graph->resource.at[op->resource];
    resource->holder = resource->first;
    if (resource->holder < 0) return;
    resource->first = graph->op.at[resource->holder].next;
    make_ready(graph, resource->holder, at_ps);
}

/// Has it what it needs? Else it waits for that.
static bool take_resource(OpGraph *graph, int32_t number) {
    const Operation *op = &graph->operations.op.at[number];
    if (op->resource < 0) return true;
    GraphResource *resource = &graph->resource.at[op->resource];
    if (resource->holder < 0) resource->holder = number;
    if (resource->holder == number) return true;
    graph->op.at[number].next = -1;
    if (resource->first < 0)
        resource->first = number;
    else
        graph->op.at[resource->last].next = number;
    resource->last = number;
    return false;
}

/// Of its members those end that have come.
static void end_joint(OpGraph *graph, int32_t number, int64_t at_ps) {
    const Joint *joint = &graph->operations.joint.at[number];
    graph->joint.at[number].end_ps = at_ps;
    for (int32_t i = 0; i < joint->n; i++) {
        const int32_t op = graph->operations.member.at[joint->first + i];
        if (graph->op.at[op].begin_ps >= 0 && graph->op.at[op].end_ps < 0)
            end_operation(graph, op, at_ps);
    }
}

static void schedule(OpGraph *graph, int64_t at_ps, int64_t item) {
    heap_push(&graph->events, (HeapItem){.time_ps = at_ps, .order = (uint64_t)item, .item = item});
}

static Status begin_phase(TrafficRun *traffic, int32_t number) {
    const OpGraph *graph = graph_of(traffic);
    GraphJoint *joint = &graph->joint.at[number];
    const CollectivePlan *plan = &graph->plan.at[joint->plan].plan;
    joint->alone_ps += collective_phase(plan, joint->phase).fill_ps;
    return traffic_submit(traffic, joint->phase * graph->joint.n + number);
}

static Status begin_joint(TrafficRun *traffic, int32_t number, int64_t at_ps) {
    OpGraph *graph = graph_of(traffic);
    GraphJoint *joint = &graph->joint.at[number];
    joint->begin_ps = joint->phase_begin_ps = at_ps;
    if (graph->operations.joint.at[number].group < 0) return traffic_submit(traffic, number);
    if (graph->plan.at[joint->plan].plan.nphases > 0) return begin_phase(traffic, number);
    schedule(graph, at_ps, graph->op.n + number);
    return status_ok();
}

static Status begin_operation(TrafficRun *traffic, int32_t number, int64_t at_ps) {
    OpGraph *graph = graph_of(traffic);
    const Operation *op = &graph->operations.op.at[number];
    graph->op.at[number].begin_ps = at_ps;
    release(graph, number, true, at_ps);
    if (op->joint < 0) {
        schedule(graph, at_ps + op->amount, number);
        return status_ok();
    }
    const bool eager = graph->operations.joint.at[op->joint].eager;
    GraphJoint *joint = &graph->joint.at[op->joint];
    joint->absent--;
    if (eager && op->what == OPERATION_SEND) {
        end_operation(graph, number, at_ps);
        return begin_joint(traffic, op->joint, at_ps);
    }
    if (joint->end_ps >= 0) end_operation(graph, number, at_ps);
    return !eager && joint->absent == 0 ? begin_joint(traffic, op->joint, at_ps) : status_ok();
}

/// All that begins and ends at a moment.
static Status play_moment(TrafficRun *traffic, int64_t at_ps) {
    OpGraph *graph = graph_of(traffic);
    while (true) {
        while (heap_next_ps(&graph->events) <= at_ps) {
            const int64_t item = heap_pop(&graph->events).item;
            if (item < graph->op.n)
                end_operation(graph, (int32_t)item, at_ps);
            else
                end_joint(graph, (int32_t)(item - graph->op.n), at_ps);
        }
        if (graph->ready.n == 0) return status_ok();
        const int32_t op = (int32_t)heap_pop(&graph->ready).item;
        if (take_resource(graph, op)) TRY(begin_operation(traffic, op, at_ps));
    }
}

static Status begin(TrafficRun *traffic) {
    OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    graph->nleft = operations->op.n;
    for (int64_t r = 0; r < graph->resource.n; r++)
        graph->resource.at[r] = (GraphResource){-1, -1, -1};
    for (int64_t j = 0; j < graph->joint.n; j++)
        graph->joint.at[j] = (GraphJoint){.plan = graph->joint.at[j].plan,
                                          .absent = operations->joint.at[j].n,
                                          .begin_ps = -1,
                                          .end_ps = -1};
    for (int32_t i = 0; i < graph->op.n; i++) {
        graph->op.at[i] = (GraphOp){-1, -1, operations->op.at[i].nwaits, -1};
        if (graph->op.at[i].left == 0) make_ready(graph, i, 0);
    }
    return play_moment(traffic, 0);
}

static int64_t next_ps(const TrafficRun *traffic) {
    const int64_t next_ps = heap_next_ps(&graph_of(traffic)->events);
    return next_ps == TIME_NEVER_PS ? next_ps : traffic->now.begin_ps + next_ps;
}

static Status due(TrafficRun *traffic, int64_t now_ps) {
    const int64_t left = graph_of(traffic)->nleft;
    TRY(play_moment(traffic, now_ps - traffic->now.begin_ps));
    if (graph_of(traffic)->nleft < left) traffic->now.end_ps = now_ps;
    return status_ok();
}

static Status complete(TrafficRun *traffic, const Completion *done) {
    OpGraph *graph = graph_of(traffic);
    const int32_t number = (int32_t)(done->tag % graph->joint.n);
    GraphJoint *joint = &graph->joint.at[number];
    const int64_t end_ps = done->end_ps - traffic->now.begin_ps;
    joint->alone_ps += done->alone_ps;
    if (graph->operations.joint.at[number].group >= 0) {
        joint->phase_begin_ps = end_ps;
        if (++joint->phase < graph->plan.at[joint->plan].plan.nphases)
            return begin_phase(traffic, number);
    } else {
        joint->alone_ps += done->start_ps - traffic->now.begin_ps - joint->begin_ps;
    }
    end_joint(graph, number, end_ps);
    return status_ok();
}

static int64_t nleft(const TrafficRun *traffic) { return graph_of(traffic)->nleft; }

static int64_t ntransfers(const TrafficRun *traffic) {
    return graph_of(traffic)->nphases * graph_of(traffic)->joint.n;
}

// What it was

static int64_t njoints(const TrafficRun *traffic) { return graph_of(traffic)->joint.n; }

static TrafficMove move(const TrafficRun *traffic, int64_t i) {
    const OpGraph *graph = graph_of(traffic);
    const Joint *joint = &graph->operations.joint.at[i];
    const GraphJoint *state = &graph->joint.at[i];
    return (TrafficMove){
        .source = joint_operation(&graph->operations, joint, 0)->rank,
        .destination = joint_operation(&graph->operations, joint, joint->n - 1)->rank,
        .bytes = joint->bytes,
        .begin_ps = state->begin_ps,
        .end_ps = state->end_ps,
        .alone_ps = state->alone_ps,
        .collective = joint->group >= 0};
}

const Operations *traffic_operations(const TrafficRun *traffic) {
    return traffic->moves && traffic->ops == &TRAFFIC_GRAPH_OPS ? &graph_of(traffic)->operations
                                                                : NULL;
}

OperationSpan traffic_operation_span(const TrafficRun *traffic, int64_t op) {
    const GraphOp *state = &graph_of(traffic)->op.at[op];
    return (OperationSpan){state->begin_ps, state->end_ps};
}

static bool collective(const TrafficRun *traffic, TrafficCollective *of) {
    const OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    if (operations->joint.n != 1 || operations->joint.at[0].n != operations->op.n ||
        operations->joint.at[0].group < 0)
        return false;
    const CollectivePlan *plan = &graph->plan.at[graph->joint.at[0].plan].plan;
    *of = (TrafficCollective){plan->spec, plan->n};
    return true;
}

/// The first operation that has not ended, and why.
static Status stuck(const TrafficRun *traffic) {
    const OpGraph *graph = graph_of(traffic);
    const Operations *operations = &graph->operations;
    int32_t i = 0;
    while (graph->op.at[i].end_ps >= 0) i++;
    char name[80], other[80] = "";
    const Operation *op = &operations->op.at[i];
    operations_name(operations, i, name, sizeof name);
    if (graph->op.at[i].begin_ps >= 0)
        FAIL(STATUS_STUCK, "the run cannot go on: %lld operations cannot end, the first %s",
             (long long)graph->nleft, name);
    const int32_t holder = op->resource < 0 ? -1 : graph->resource.at[op->resource].holder;
    if (graph->op.at[i].left == 0 && holder >= 0)
        operations_name(operations, holder, other, sizeof other);
    FAIL(STATUS_STUCK,
         "the run cannot go on: %lld operations cannot end; the first, %s, waits for %s%s",
         (long long)graph->nleft, name, other[0] ? "the resource of " : "others", other);
}

const TrafficOps TRAFFIC_GRAPH_OPS = {
    .load = load,
    .unload = unload,
    .begin = begin,
    .next_ps = next_ps,
    .due = due,
    .complete = complete,
    .nleft = nleft,
    .ntransfers = ntransfers,
    .fill = fill,
    .nmoves = njoints,
    .move = move,
    .collective = collective,
    .stuck = stuck,
};
