// Paths in a graph of cables: always shortest ones (graph.h), over what routing believes alive.
//   ecmp, dor        a path for each queue pair, chosen at each switch: by hash of all cables that lead on, or of those of the
//                    lowest tier alone. The queue pairs take the ports of their NIC in turn.
//   spray, adaptive  a message is cut into pieces (GRAPH_PIECES for a queue pair), which each switch divides over all cables
//                    that lead on, evenly or by their live capacity; whom a rest goes to is hashed.
// A message has at most ROUTE_USES_MAX uses: over long paths fewer paths are told apart.
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cluster/graph_fabric.h"
#include "cluster/path_hash.h"

enum { USES_SPARE = 8 };

/// The live ports of the receiving NIC, and how far all switches are from them.
typedef struct Target {
    bool live;
    int32_t n;
    int32_t vertex[GRAPH_PORTS_MAX], port[GRAPH_PORTS_MAX];
    const uint16_t *distance[GRAPH_PORTS_MAX];
} Target;

/// A walk under way, or pieces: what is known of the message, and the links so far.
typedef struct Walk {
    const Cluster *cluster;
    const Graph *graph;
    const Message *message;
    Target target;
    LinkUse *uses; ///< sorted by link
    int32_t nuses;
    LinkId *path; ///< if not NULL: cables in the order they are crossed, instead of uses
    int32_t npath;
} Walk;

/// Cables that lead on from a switch, or ports.
typedef struct Choices {
    int32_t n;
    int32_t at[GRAPH_DEGREE_MAX]; ///< arcs or ports
} Choices;

static bool nic_dead(const Cluster *cluster, bool live, GpuId gpu, int32_t port) {
    if (!live || cluster->faults.nfaults == 0) return false;
    const LinkFault *fault = linkfault_find(&cluster->faults, 1, gpu * cluster->nic_ports + port);
    return fault != NULL && fault->dead;
}

static void find_target(const Cluster *cluster, GpuId dst, bool live, Target *target) {
    target->live = live;
    target->n = 0;
    for (int32_t p = 0; p < cluster->nic_ports; p++) {
        if (nic_dead(cluster, live, dst, p)) continue;
        const int32_t vertex = cluster->graph->attach[dst * cluster->nic_ports + p];
        target->vertex[target->n] = vertex;
        target->port[target->n] = p;
        target->distance[target->n++] = graph_distances(cluster->graph, live, vertex);
    }
}

static int32_t distance_to(const Target *target, int32_t vertex) {
    int32_t least = GRAPH_UNREACHED;
    for (int32_t k = 0; k < target->n; k++)
        if (target->distance[k][vertex] < least) least = target->distance[k][vertex];
    return least;
}

/// Ports of the sender that a shortest path begins at; returns its length between switches, GRAPH_UNREACHED if there is none.
static int32_t first_ports(const Cluster *cluster, const Target *target, GpuId sender,
                           Choices *ports) {
    int32_t least = GRAPH_UNREACHED;
    ports->n = 0;
    for (int32_t p = 0; p < cluster->nic_ports; p++) {
        if (nic_dead(cluster, target->live, sender, p)) continue;
        const int32_t own =
            distance_to(target, cluster->graph->attach[sender * cluster->nic_ports + p]);
        if (own == GRAPH_UNREACHED || own > least) continue;
        if (own < least) ports->n = 0;
        least = own;
        ports->at[ports->n++] = p;
    }
    return least;
}

/// Arcs from a switch that shortest paths take, by rising cable: hence by rising tier.
static void next_arcs(const Graph *graph, const Target *target, int32_t vertex, Choices *arcs) {
    const int32_t left = distance_to(target, vertex);
    arcs->n = 0;
    for (int32_t i = graph->arc_first[vertex]; i < graph->arc_first[vertex + 1]; i++) {
        const GraphArc *arc = &graph->arc[i];
        if (target->live && graph->dead[arc->cable]) continue;
        const int32_t length = graph->length[graph->cable[arc->cable].tier];
        if (distance_to(target, arc->to) + length == left) arcs->at[arcs->n++] = i;
    }
}

/// Positions among the target's ports that are at a switch.
static void last_ports(const Target *target, int32_t vertex, Choices *ports) {
    ports->n = 0;
    for (int32_t k = 0; k < target->n; k++)
        if (target->vertex[k] == vertex) ports->at[ports->n++] = k;
}

// uses

static void use_link(Walk *walk, LinkId link, int32_t weight) {
    if (walk->path != NULL) {
        walk->path[walk->npath++] = link;
        return;
    }
    int32_t low = 0, high = walk->nuses;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (walk->uses[middle].link < link)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < walk->nuses && walk->uses[low].link == link) {
        walk->uses[low].weight += weight;
        return;
    }
    memmove(&walk->uses[low + 1], &walk->uses[low],
            (size_t)(walk->nuses - low) * sizeof *walk->uses);
    walk->uses[low] = (LinkUse){.link = link, .weight = weight};
    walk->nuses++;
}

static LinkId nic_link(const Cluster *cluster, GpuId gpu, int32_t port, LinkDirection direction) {
    return cluster->first_link[1][direction] + gpu * cluster->nic_ports + port;
}

static LinkId arc_link(const Cluster *cluster, int32_t arc) {
    const GraphArc *own = &cluster->graph->arc[arc];
    const int32_t tier = cluster->graph->cable[own->cable].tier;
    return cluster->first_link[tier][own->down ? LINK_DOWN : LINK_UP] + own->cable -
           cluster->graph->first_cable[tier];
}

static void use_nic(Walk *walk, GpuId gpu, int32_t port, LinkDirection direction, int32_t weight) {
    const Cluster *cluster = walk->cluster;
    use_link(walk, nic_link(cluster, gpu, port, direction), weight);
    if (cluster_nics_loaded(cluster) && walk->path == NULL)
        use_link(walk, cluster->first_link[cluster->ntiers - 1][direction] + gpu, weight);
}

static void use_arc(Walk *walk, int32_t arc, int32_t weight) {
    use_link(walk, arc_link(walk->cluster, arc), weight);
}

// choices

static uint64_t path_key(const Message *message, int32_t queue_pair) {
    return path_hash(message->src, message->dst, message->flow_key, queue_pair);
}

/// Hash of a switch by its vertex; -1: of the NIC.
static uint64_t hash_at(const Cluster *cluster, uint64_t key, int32_t place) {
    return (uint64_t)switch_hash(cluster, key, 0, (int64_t)place + 1);
}

/// Only arcs of the tier of the first one are left.
static void keep_lowest_tier(const Graph *graph, Choices *arcs) {
    const int32_t lowest = graph->cable[graph->arc[arcs->at[0]].cable].tier;
    int32_t n = 1;
    while (n < arcs->n && graph->cable[graph->arc[arcs->at[n]].cable].tier == lowest) n++;
    arcs->n = n;
}

/// One path, whose links get `weight` each.
static void walk_path(Walk *walk, int32_t queue_pair, int32_t weight) {
    const Cluster *cluster = walk->cluster;
    const Graph *graph = walk->graph;
    const uint64_t key = path_key(walk->message, queue_pair);
    const uint64_t first = hash_at(cluster, path_key(walk->message, 0), -1);
    Choices choices;
    first_ports(cluster, &walk->target, walk->message->sender, &choices);
    const int32_t port = choices.at[(first + (uint64_t)queue_pair) % (uint64_t)choices.n];
    use_nic(walk, walk->message->sender, port, LINK_UP, weight);
    int32_t vertex = graph->attach[walk->message->sender * cluster->nic_ports + port];
    while (distance_to(&walk->target, vertex) > 0) {
        next_arcs(graph, &walk->target, vertex, &choices);
        if (cluster->spec.routing == ROUTING_DOR) keep_lowest_tier(graph, &choices);
        const int32_t arc = choices.at[hash_at(cluster, key, vertex) % (uint64_t)choices.n];
        use_arc(walk, arc, weight);
        vertex = graph->arc[arc].to;
    }
    last_ports(&walk->target, vertex, &choices);
    const int32_t k = choices.at[hash_at(cluster, key, vertex) % (uint64_t)choices.n];
    use_nic(walk, walk->message->dst, walk->target.port[k], LINK_DOWN, weight);
}

// pieces

/// Pieces at switches that are equally far from the target; FRONTS of them are under way at a time.
typedef struct Front {
    int32_t n;
    int32_t vertex[GRAPH_PIECES], pieces[GRAPH_PIECES];
} Front;

enum { FRONTS = GRAPH_LENGTH_MAX + 1 };

static Front *front_at(Front front[FRONTS], int32_t distance) { return &front[distance % FRONTS]; }

static void add_pieces(Front *front, int32_t vertex, int32_t pieces) {
    int32_t k = 0;
    while (k < front->n && front->vertex[k] != vertex) k++;
    if (k == front->n) {
        front->vertex[front->n++] = vertex;
        front->pieces[k] = 0;
    }
    front->pieces[k] += pieces;
}

/// How many of `pieces` go to choice i, whose worth ends at `end` of `total` and begins at `begin`.
static int32_t dealt(int32_t pieces, int64_t begin, int64_t end, int64_t total, int64_t offset) {
    return (int32_t)((end * pieces + offset) / total - (begin * pieces + offset) / total);
}

/// Worth of an arc: with adaptive routing what is left of its cable, in 1/1000.
static int32_t worth_of(const Walk *walk, int32_t arc) {
    const Cluster *cluster = walk->cluster;
    if (cluster->spec.routing != ROUTING_ADAPTIVE || !walk->target.live ||
        cluster->faults.nfaults == 0)
        return FAULT_SHARE_WHOLE;
    const int32_t cable = walk->graph->arc[arc].cable, tier = walk->graph->cable[cable].tier;
    const LinkFault *fault =
        linkfault_find(&cluster->faults, tier, cable - walk->graph->first_cable[tier]);
    return fault ? fault->share : FAULT_SHARE_WHOLE;
}

static void deal_onward(Walk *walk, int32_t vertex, int32_t pieces, int32_t weight, uint64_t key,
                        Front front[FRONTS]) {
    Choices arcs;
    next_arcs(walk->graph, &walk->target, vertex, &arcs);
    int64_t total = 0, begin = 0;
    for (int32_t i = 0; i < arcs.n; i++) total += worth_of(walk, arcs.at[i]);
    const int64_t offset = (int64_t)(hash_at(walk->cluster, key, vertex) % (uint64_t)total);
    for (int32_t i = 0; i < arcs.n; i++) {
        const int64_t end = begin + worth_of(walk, arcs.at[i]);
        const int32_t own = dealt(pieces, begin, end, total, offset);
        begin = end;
        if (own == 0) continue;
        use_arc(walk, arcs.at[i], own * weight);
        const int32_t to = walk->graph->arc[arcs.at[i]].to;
        add_pieces(front_at(front, distance_to(&walk->target, to)), to, own);
    }
}

static void deal_ports(Walk *walk, const Choices *ports, int32_t pieces, int32_t weight,
                       uint64_t key, int32_t place, Front *next) {
    const Cluster *cluster = walk->cluster;
    const Message *message = walk->message;
    const int64_t offset = (int64_t)(hash_at(cluster, key, place) % (uint64_t)ports->n);
    for (int32_t i = 0; i < ports->n; i++) {
        const int32_t own = dealt(pieces, i, i + 1, ports->n, offset);
        if (own == 0) continue;
        if (next == NULL) {
            use_nic(walk, message->dst, walk->target.port[ports->at[i]], LINK_DOWN, own * weight);
            continue;
        }
        use_nic(walk, message->sender, ports->at[i], LINK_UP, own * weight);
        add_pieces(next, walk->graph->attach[message->sender * cluster->nic_ports + ports->at[i]],
                   own);
    }
}

/// `pieces` of `weight` bytes for each of progress, all together.
static void deal_pieces(Walk *walk, int32_t pieces, int32_t weight) {
    const uint64_t key = path_key(walk->message, 0);
    Choices ports;
    Front front[FRONTS];
    for (int32_t k = 0; k < FRONTS; k++) front[k].n = 0;
    int32_t left = first_ports(walk->cluster, &walk->target, walk->message->sender, &ports);
    deal_ports(walk, &ports, pieces, weight, key, -1, front_at(front, left));
    for (; left > 0; left--) {
        Front *own = front_at(front, left);
        for (int32_t k = 0; k < own->n; k++)
            deal_onward(walk, own->vertex[k], own->pieces[k], weight, key, front);
        own->n = 0;
    }
    for (int32_t k = 0; k < front[0].n; k++) {
        last_ports(&walk->target, front[0].vertex[k], &ports);
        deal_ports(walk, &ports, front[0].pieces[k], weight, key, front[0].vertex[k], NULL);
    }
}

// messages

/// Paths that there is room to tell apart.
static Status count_paths(int32_t length, int32_t *most) {
    *most = (ROUTE_USES_MAX - USES_SPARE) / (length + 2);
    REQUIRE(*most >= 1, STATUS_RANGE, "a path of %d cables; at most %d are supported", length + 2,
            ROUTE_USES_MAX - USES_SPARE);
    return status_ok();
}

static void walk_paths(Walk *walk, int32_t most) {
    const int32_t queue_pairs = walk->message->queue_pairs;
    const int32_t apart = queue_pairs < most ? queue_pairs : most;
    for (int32_t q = 0; q < apart; q++)
        walk_path(walk, q, queue_pairs / apart + (q < queue_pairs % apart));
}

static void walk_pieces(Walk *walk, int32_t most) {
    int32_t pieces = GRAPH_PIECES;
    while (pieces > most) pieces /= 2;
    deal_pieces(walk, pieces, GRAPH_PIECES / pieces * walk->message->queue_pairs);
}

/// Set out: the length of the way between switches, or where it is cut.
static int32_t set_out(Walk *walk, bool healthy, int32_t *dead_tier) {
    const Cluster *cluster = walk->cluster;
    Choices ports;
    find_target(cluster, walk->message->dst, !healthy, &walk->target);
    const int32_t length = first_ports(cluster, &walk->target, walk->message->sender, &ports);
    *dead_tier = 0;
    if (length != GRAPH_UNREACHED) return length;
    bool sends = false;
    for (int32_t p = 0; p < cluster->nic_ports; p++)
        sends = sends || !nic_dead(cluster, !healthy, walk->message->sender, p);
    *dead_tier = !sends || walk->target.n == 0 || cluster->spec.ntiers == 1 ? 1 : 2;
    return length;
}

Status graph_route(const Cluster *cluster, const Message *message, bool healthy, LinkUse uses[],
                   int32_t *nuses, int32_t *dead_tier) {
    Walk walk = {.cluster = cluster, .graph = cluster->graph, .message = message, .uses = uses};
    int32_t most;
    const int32_t length = set_out(&walk, healthy, dead_tier);
    *nuses = 0;
    if (*dead_tier > 0) return status_ok();
    TRY(count_paths(length, &most));
    if (cluster->split > 1)
        walk_pieces(&walk, most);
    else
        walk_paths(&walk, most);
    *nuses = walk.nuses;
    return status_ok();
}

// packets

Status graph_path(const Cluster *cluster, const Message *message, int32_t queue_pair, bool healthy,
                  LinkId path[], int32_t *n, int32_t *dead_tier) {
    Walk walk = {
        .cluster = cluster, .graph = cluster->graph, .message = message, .path = path, .npath = *n};
    const int32_t length = set_out(&walk, healthy, dead_tier);
    if (*dead_tier > 0) return status_ok();
    REQUIRE(walk.npath + length + 2 <= ROUTE_HOPS_MAX, STATUS_RANGE,
            "a path of %d cables; packets can cross %d", length + 2, ROUTE_HOPS_MAX);
    walk_path(&walk, queue_pair, 1);
    *n = walk.npath;
    return status_ok();
}

void graph_place(const Cluster *cluster, FabricPlace *place) {
    if (place->level > 0) place->index = cluster->graph->first_switch[place->level] + place->number;
}

static void list_link(Onward *onward, LinkId link) {
    if (onward->n < ONWARD_MAX) onward->list[onward->n++] = link;
}

void graph_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                  Onward *onward) {
    Target target;
    Choices choices;
    onward->listed = true;
    onward->n = 0;
    find_target(cluster, endpoint, true, &target);
    if (target.n == 0) return;
    if (place->level == 0) {
        if (first_ports(cluster, &target, place->number, &choices) == GRAPH_UNREACHED) return;
        for (int32_t i = 0; i < choices.n; i++)
            list_link(onward, nic_link(cluster, place->number, choices.at[i], LINK_UP));
        return;
    }
    const int32_t vertex = (int32_t)place->index, left = distance_to(&target, vertex);
    if (left == GRAPH_UNREACHED) return;
    if (left == 0) {
        last_ports(&target, vertex, &choices);
        for (int32_t i = 0; i < choices.n; i++)
            list_link(onward, nic_link(cluster, endpoint, target.port[choices.at[i]], LINK_DOWN));
        return;
    }
    next_arcs(cluster->graph, &target, vertex, &choices);
    for (int32_t i = 0; i < choices.n; i++) list_link(onward, arc_link(cluster, choices.at[i]));
}

// lengths

/// A path as if nothing were dead, since lengths of a cluster do not change; the same both ways: to the GPU of the lower
/// number, by the first of all cables that lead on.
typedef struct Length {
    int32_t nswitches;
    int64_t latency_ps;
} Length;

static Length path_length(const Cluster *cluster, GpuId sender, GpuId dst) {
    const GpuId from = sender > dst ? sender : dst, to = sender > dst ? dst : sender;
    const Graph *graph = cluster->graph;
    const TierSpec *tier = cluster->spec.tier;
    Target target;
    Choices choices;
    Length length = {.latency_ps = cluster->spec.nic.latency_ps + 2 * tier[0].cable_ps};
    find_target(cluster, to, false, &target);
    first_ports(cluster, &target, from, &choices);
    int32_t vertex = graph->attach[from * cluster->nic_ports + choices.at[0]];
    for (;;) {
        length.nswitches++;
        length.latency_ps += tier[graph_level(graph, vertex) - 1].switch_spec.latency_ps;
        if (distance_to(&target, vertex) == 0) return length;
        next_arcs(graph, &target, vertex, &choices);
        const GraphArc *arc = &graph->arc[choices.at[0]];
        length.latency_ps += tier[graph->cable[arc->cable].tier - 1].cable_ps;
        vertex = arc->to;
    }
}

int64_t graph_latency_ps(const Cluster *cluster, GpuId sender, GpuId dst) {
    return path_length(cluster, sender, dst).latency_ps;
}

int32_t graph_nswitches(const Cluster *cluster, GpuId sender, GpuId dst) {
    return path_length(cluster, sender, dst).nswitches;
}

bool graph_distance(const Cluster *cluster, int32_t k, Distance *distance) {
    *distance = (Distance){.switches = k + 1, .cables = k + 2};
    snprintf(distance->label, sizeof distance->label, "gpu 0 over %d switch%s", k + 1,
             k > 0 ? "es" : "");
    bool farther = false;
    for (GpuId gpu = cluster->spec.scale_up.gpus; gpu < cluster->ngpus && !distance->used; gpu++) {
        const Length length = path_length(cluster, 0, gpu);
        farther = farther || length.nswitches > k + 1;
        distance->used = length.nswitches == k + 1;
        distance->latency_ps = length.latency_ps;
    }
    return distance->used || farther;
}
