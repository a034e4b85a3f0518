#include "observe/crossing.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/order.h"
#include "base/table.h"
#include "base/wide.h"
#include "driver/machine.h"
#include "player/traffic_run.h"

/// Walking edges over a set of links.
typedef struct EdgeWalk {
    const Cluster *cluster;
    TraceLinkUsers *users;
    Table index;  ///< of links by id
    bool at_gpus; ///< all are links of a GPU ...
    Table gpus;   ///< ... of one of these: other edges need not be routed
} EdgeWalk;

static EdgeWalk walk_begin(const Cluster *cluster, const LinkId link[], TraceLinkUsers users[],
                           int32_t n) {
    EdgeWalk walk = {.cluster = cluster, .users = users, .at_gpus = true};
    for (int32_t i = 0; i < n; i++) {
        const int32_t tier = cluster_link_tier(cluster, link[i]);
        table_insert(&walk.index, link[i], i);
        table_insert(&walk.gpus, cluster_first_gpu_below(cluster, link[i]), 1);
        walk.at_gpus = walk.at_gpus && (tier < 2 || tier > cluster_spec(cluster)->ntiers);
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
static void add_user(TraceLinkUsers *of, const TraceLinkUser *user) {
    int32_t i = of->n < TRACE_USERS ? of->n++ : TRACE_USERS;
    for (; i > 0 && of->user[i - 1].bytes < user->bytes; i--)
        if (i < TRACE_USERS) of->user[i] = of->user[i - 1];
    if (i < TRACE_USERS) of->user[i] = *user;
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
        TraceLinkUsers *users = &walk->users[*at];
        int64_t share = (int64_t)((Wide)bytes * edge.weight * uses[i].weight / unit);
        users->traffic_bytes[traffic] += share;
        add_user(
            users,
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
    for (int64_t unit = 0; unit < layout->units.n && machine->exchange_plan.groups > 0; unit++) {
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

/// Collectives of one kind and size that a group runs in a step, all by one plan.
typedef struct Alike {
    CollectivePlan plan;
    int64_t times;
} Alike;

/// One more of `bytes`; of other kinds or sizes than those of alike[n] it gets a plan of its own. Returns how many there are.
static int32_t add_alike(const Machine *machine, int64_t group, OpKind kind, int64_t bytes,
                         Alike alike[], int32_t n) {
    const CollectiveKind does = OP_KINDS[kind].collective[machine->job->parallel.zero > 0];
    for (int32_t i = 0; i < n; i++)
        if (alike[i].plan.spec.bytes == bytes && alike[i].plan.spec.kind == does) {
            alike[i].times++;
            return n;
        }
    Status status = network_plan(machine, group, kind, bytes, &alike[n].plan);
    alike[n].times = 1;
    return n + status_is_ok(&status);
}

/// A phase of of[0], and of all behind it that have the same edges with the same weights: these are walked once.
static void walk_phase(EdgeWalk *walk, const Machine *machine, int64_t group, int32_t phase,
                       const Alike of[], int32_t n) {
    const int32_t nrails = units_rails(&machine->layout.units, group)->n;
    const size_t bytes_of_edges = sizeof(JobEdges) * (size_t)nrails,
                 bytes_of_rails = sizeof(Transfer) * (size_t)nrails;
    JobEdges *edges = memory_alloc("crossing", bytes_of_edges);
    Transfer *rail = memory_alloc("crossing", bytes_of_rails);
    for (int32_t r = 0; r < nrails; r++) {
        edges[r] = (JobEdges){
            .machine = machine, .plan = &of->plan, .group = group, .rail = r, .phase = phase};
        rail[r] = network_phase(machine, &edges[r], 0);
    }
    int64_t bytes = of->times * collective_phase(&of->plan, phase).bytes;
    for (int32_t i = 1; i < n; i++)
        if (collective_same_edges(&of->plan, &of[i].plan))
            bytes += of[i].times * collective_phase(&of[i].plan, phase).bytes;
    walk_edges(walk, rail, nrails, TRACE_TRAFFIC_DP, bytes);
    memory_free("crossing", edges, bytes_of_edges);
    memory_free("crossing", rail, bytes_of_rails);
}

static bool walked_before(const Alike alike[], int32_t i) {
    for (int32_t k = 0; k < i; k++)
        if (collective_same_edges(&alike[k].plan, &alike[i].plan)) return true;
    return false;
}

/// Members of several stages run one kind of collective each, which stands in the programs of all: it is looked for in that of
/// the first. All roles run the same.
static void walk_group(EdgeWalk *walk, const Machine *machine, int64_t group) {
    const Units *units = &machine->layout.units;
    if (units_rail_size(units, group) == 1) return;
    const GroupKind among = units_group_kind(units, group);
    const int32_t stage = units_stage(units, units_group(units, group).first);
    const Program *program = machine_program(machine, 0, stage);
    const size_t bytes_of_alike = sizeof(Alike) * (size_t)program->nops;
    Alike *alike = memory_alloc("crossing", bytes_of_alike);
    int32_t n = 0;
    for (int32_t i = 0; i < program->nops; i++) {
        const Op *op = &program->op[i];
        if (OP_KINDS[op->kind].group != among) continue;
        const int64_t bytes = step_cost_bytes(&machine->cost, stage, op);
        if (bytes > machine->job->network.eager_bytes)
            n = add_alike(machine, group, op->kind, bytes, alike, n);
    }
    for (int32_t i = 0; i < n; i++)
        for (int32_t p = 0; p < alike[i].plan.nphases && !walked_before(alike, i); p++)
            walk_phase(walk, machine, group, p, &alike[i], n - i);
    memory_free("crossing", alike, bytes_of_alike);
}

// Every step of a job sends the same.
void crossing_of_training(const void *context, const LinkId link[], TraceLinkUsers users[],
                          int32_t n) {
    if (n == 0) return;
    const Machine *machine = context;
    EdgeWalk walk = walk_begin(machine->cluster, link, users, n);
    walk_messages(&walk, machine);
    walk_exchanges(&walk, machine);
    for (int64_t group = 0; group < units_ngroups(&machine->layout.units); group++)
        walk_group(&walk, machine, group);
    walk_end(&walk);
}

void crossing_of_traffic(const void *context, const LinkId link[], TraceLinkUsers users[],
                         int32_t n) {
    if (n == 0) return;
    const TrafficRun *traffic = context;
    EdgeWalk walk = walk_begin(traffic->cluster, link, users, n);
    for (int64_t i = 0; i < traffic->ops->ntransfers(traffic); i++) {
        TrafficEdges edges;
        const Transfer transfer = traffic_transfer(traffic, i, &edges);
        walk_edges(&walk, &transfer, 1, TRACE_TRAFFIC_FLOW, transfer.bytes);
    }
    walk_end(&walk);
}

/// The part of a chosen link in what crosses its bundle.
static void add_part(const ChosenUse *use, const TraceLinkUsers *all, TraceLinkUsers *part) {
    for (int t = 0; t < TRACE_TRAFFIC_N; t++)
        part->traffic_bytes[t] += wide_part(all->traffic_bytes[t], use->k, use->width);
    for (int32_t u = 0; u < all->n; u++) {
        TraceLinkUser user = all->user[u];
        user.bytes = wide_part(user.bytes, use->k, use->width);
        add_user(part, &user);
    }
}

static const TraceLinkUsers *find_users(const LinkId link[], const TraceLinkUsers users[],
                                        int64_t n, LinkId wanted) {
    const LinkId *at = bsearch(&wanted, link, (size_t)n, sizeof wanted, order_i64);
    return &users[at - link];
}

void crossing_name(Crossing crossing, const void *context, TraceHotLink hot[], int32_t nhot,
                   const ChosenLinks *chosen, TraceLinkUsers users[]) {
    const int64_t nuses = users ? chosen->nuses : 0;
    const size_t most = (size_t)(nhot + nuses);
    LinkId *link = memory_alloc("crossing", most * sizeof *link);
    TraceLinkUsers *all = memory_alloc("crossing", most * sizeof *all);
    for (int32_t i = 0; i < nhot; i++) link[i] = hot[i].link;
    for (int64_t i = 0; i < nuses; i++) link[nhot + i] = chosen->use[i].resource;
    const int64_t n = order_unique_i64(link, (int64_t)most);
    crossing(context, link, all, (int32_t)n);
    for (int32_t i = 0; i < nhot; i++) hot[i].users = *find_users(link, all, n, hot[i].link);
    for (int64_t i = 0; i < nuses; i++) {
        const ChosenUse *use = &chosen->use[i];
        add_part(use, find_users(link, all, n, use->resource), &users[use->place]);
    }
    memory_free("crossing", all, most * sizeof *all);
    memory_free("crossing", link, most * sizeof *link);
}
