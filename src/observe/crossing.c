#include "observe/crossing.h"

#include "base/memory.h"
#include "base/table.h"
#include "base/wide.h"
#include "driver/machine.h"
#include "player/traffic_run.h"

/// Walking edges over a set of hot links.
typedef struct EdgeWalk {
    const Cluster *cluster;
    TraceHotLink *hot;
    Table index;  ///< of hot links by id
    bool at_gpus; ///< all are links of a GPU ...
    Table gpus;   ///< ... of one of these: other edges need not be routed
} EdgeWalk;

static EdgeWalk walk_begin(const Cluster *cluster, TraceHotLink hot[], int32_t n) {
    EdgeWalk walk = {.cluster = cluster, .hot = hot, .at_gpus = true};
    for (int32_t i = 0; i < n; i++) {
        table_insert(&walk.index, hot[i].link, i);
        table_insert(&walk.gpus, cluster_first_gpu_below(cluster, hot[i].link), 1);
        walk.at_gpus =
            walk.at_gpus && (hot[i].tier < 2 || hot[i].tier > cluster_spec(cluster)->ntiers);
    }
    return walk;
}

static void walk_end(EdgeWalk *walk) {
    table_free(&walk->index);
    table_free(&walk->gpus);
}

static bool may_cross(const EdgeWalk *walk, const Edge *edge) {
    return !walk->at_gpus || table_find(&walk->gpus, edge->src) ||
           table_find(&walk->gpus, edge->dst) ||
           table_find(&walk->gpus, edge_sender(walk->cluster, edge));
}

/// Keep the largest users, most bytes first; of equals the first walked.
static void add_user(TraceHotLink *hot, const TraceLinkUser *user) {
    int32_t i = hot->nusers < TRACE_USERS ? hot->nusers++ : TRACE_USERS;
    for (; i > 0 && hot->user[i - 1].bytes < user->bytes; i--)
        if (i < TRACE_USERS) hot->user[i] = hot->user[i - 1];
    if (i < TRACE_USERS) hot->user[i] = *user;
}

/// An edge that carries `bytes` per unit of its weight in all.
static void walk_edge(EdgeWalk *walk, const Transfer *of, TraceTraffic traffic, Edge edge,
                      int64_t bytes) {
    int32_t nuses = 0;
    LinkUse uses[ROUTE_USES_MAX];
    if (!may_cross(walk, &edge)) return;
    Status status = routing_route_by(walk->cluster, edge.src, edge_sender(walk->cluster, &edge),
                                     edge.dst, of->connection, of->queue_pairs, uses, &nuses);
    if (!status_is_ok(&status)) return;
    int64_t unit = routing_unit_bytes(walk->cluster, of->queue_pairs);
    for (int32_t i = 0; i < nuses; i++) {
        const int64_t *at = table_find(&walk->index, uses[i].link);
        if (!at) continue;
        TraceHotLink *hot = &walk->hot[*at];
        int64_t share = (int64_t)((Wide)bytes * edge.weight * uses[i].weight / unit);
        hot->traffic_bytes[traffic] += share;
        add_user(
            hot,
            &(TraceLinkUser){
                .traffic = traffic, .source = edge.src, .destination = edge.dst, .bytes = share});
    }
}

/// The edges of of[n], which have as many: the first of each, the second of each, ...
static void walk_edges(EdgeWalk *walk, const Transfer of[], int32_t n, TraceTraffic traffic,
                       int64_t bytes) {
    for (int64_t i = 0; i < of->edges.nedges; i++)
        for (int32_t k = 0; k < n; k++)
            walk_edge(walk, &of[k], traffic, of[k].edges.edge(of[k].edges.context, i), bytes);
}

static const Program *program_of(const Machine *machine, int64_t unit) {
    const Units *units = &machine->layout.units;
    return machine_program(machine, machine_role(machine, units_replica(units, unit)),
                           units_stage(units, unit));
}

static void walk_messages(EdgeWalk *walk, const Machine *machine) {
    const Layout *layout = &machine->layout;
    for (int64_t id = 0; id < layout->units.n * CHANNEL_SIDES; id++) {
        Stream stream =
            id % CHANNEL_SIDES == CHANNEL_FROM_PREV ? STREAM_RECV_PREV : STREAM_RECV_NEXT;
        int64_t messages = program_of(machine, id / CHANNEL_SIDES)->stream_nops[stream];
        if (messages == 0) continue;
        JobEdges edges;
        const Transfer transfer = network_message(machine, id, &edges);
        walk_edges(walk, &transfer, 1, TRACE_TRAFFIC_PP, messages * transfer.bytes);
    }
}

static void walk_exchanges(EdgeWalk *walk, const Machine *machine) {
    const Layout *layout = &machine->layout;
    for (int64_t unit = 0; unit < layout->units.n && machine->more[STREAM_EP]; unit++) {
        const Program *program = program_of(machine, unit);
        int64_t bytes = 0;
        for (int32_t i = 0; i < program->stream_nops[STREAM_EP]; i++)
            bytes += machine->exchange_plan
                         .bytes[program->op[program->stream_op[STREAM_EP][i]].kind == OP_COMBINE];
        JobEdges edges;
        const Transfer transfer = network_exchange(machine, unit, EXCHANGE_DISPATCH, &edges);
        walk_edges(walk, &transfer, 1, TRACE_TRAFFIC_EP, bytes);
    }
}

/// Bytes per GPU of all collectives of one kind that a stage runs in a step and that load links: the same in all roles.
static int64_t stage_bytes(const Machine *machine, int32_t stage, OpKind kind) {
    int64_t sum = 0;
    const Program *program = machine_program(machine, 0, stage);
    for (int32_t i = 0; i < program->nops; i++) {
        const Op *op = &program->op[i];
        if (op->kind != kind) continue;
        int64_t bytes = step_cost_bytes(&machine->cost, stage, op);
        if (bytes > machine->job->network.eager_bytes) sum += bytes;
    }
    return sum;
}

/// One plan for gathers and reductions of a group where both use the same edges with the same weights.
static void walk_plan(EdgeWalk *walk, const Machine *machine, int64_t group,
                      const CollectivePlan *plan, const CollectivePlan *same_edges) {
    const int32_t n = units_rails(&machine->layout.units, group)->n;
    const size_t bytes_of_edges = sizeof(JobEdges) * (size_t)n,
                 bytes_of_rails = sizeof(Transfer) * (size_t)n;
    JobEdges *edges = memory_alloc("crossing", bytes_of_edges);
    Transfer *rail = memory_alloc("crossing", bytes_of_rails);
    for (int32_t p = 0; p < plan->nphases; p++) {
        for (int32_t r = 0; r < n; r++) {
            edges[r] =
                (JobEdges){.machine = machine, .plan = plan, .group = group, .rail = r, .phase = p};
            rail[r] = network_phase(machine, &edges[r], 0);
        }
        int64_t more = same_edges ? collective_phase(same_edges, p).bytes : 0;
        walk_edges(walk, rail, n, TRACE_TRAFFIC_DP, rail->bytes + more);
    }
    memory_free("crossing", edges, bytes_of_edges);
    memory_free("crossing", rail, bytes_of_rails);
}

static void walk_group(EdgeWalk *walk, const Machine *machine, int64_t group) {
    GroupKind among = units_group_kind(&machine->layout.units, group);
    Group units = units_group(&machine->layout.units, group);
    if (units_rail_size(&machine->layout.units, group) == 1) return;
    int32_t stage = units_stage(&machine->layout.units, units.first), n = 0;
    CollectivePlan plan[OP_KIND_N];
    for (int kind = OP_KIND_N - 1; kind >= 0; kind--) {
        if (OP_KINDS[kind].group != among) continue;
        int64_t bytes = stage_bytes(machine, stage, (OpKind)kind);
        if (bytes == 0) continue;
        Status status = network_plan(machine, group, (OpKind)kind, bytes, &plan[n]);
        n += status_is_ok(&status);
    }
    bool merge = n == 2 && collective_same_edges(&plan[0], &plan[1]);
    for (int k = 0; k < (merge ? 1 : n); k++)
        walk_plan(walk, machine, group, &plan[k], merge ? &plan[1] : NULL);
}

// Every step of a job sends the same.
void crossing_of_training(const void *context, TraceHotLink hot[], int32_t n) {
    if (n == 0) return;
    const Machine *machine = context;
    EdgeWalk walk = walk_begin(machine->cluster, hot, n);
    walk_messages(&walk, machine);
    walk_exchanges(&walk, machine);
    for (int64_t group = 0; group < units_ngroups(&machine->layout.units); group++)
        if (group_is_of_stage(units_group_kind(&machine->layout.units, group)))
            walk_group(&walk, machine, group);
    walk_end(&walk);
}

void crossing_of_traffic(const void *context, TraceHotLink hot[], int32_t n) {
    if (n == 0) return;
    const TrafficRun *traffic = context;
    EdgeWalk walk = walk_begin(traffic->cluster, hot, n);
    for (int64_t i = 0; i < traffic_ntransfers(traffic); i++) {
        TrafficEdges edges;
        const Transfer transfer = traffic_transfer(traffic, i, &edges);
        walk_edges(&walk, &transfer, 1, TRACE_TRAFFIC_FLOW, transfer.bytes);
    }
    walk_end(&walk);
}
