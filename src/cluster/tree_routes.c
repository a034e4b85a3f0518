// Paths in a fat tree, as arithmetic: routing.h says what they are.
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "cluster/bundle.h"
#include "cluster/path_hash.h"
#include "cluster/tree_fabric.h"

/// A message as the tree sees it.
typedef struct PathEnds {
    GpuId src, dst;            ///< as asked for
    GpuId sender;              ///< whose NIC sends
    int32_t level;             ///< of the lowest common subtree of the two NICs
    int64_t a[FATTREE_LEVELS]; ///< [0] endpoint of the sending NIC; [1 .. level] subtrees around it
    int64_t b[FATTREE_LEVELS]; ///< same for the receiving NIC
} PathEnds;

/// Cables of one path: [tier] 1 .. level.
typedef struct Path {
    int64_t up[FATTREE_LEVELS], down[FATTREE_LEVELS];
} Path;

// choices at one switch

/// Preferred up port of node (level - 1) of a tier, and preferred down lane at the switch of level
/// `tier`.
static inline int32_t prefer_port(const Cluster *cluster, uint64_t key, int32_t tier, int64_t node,
                                  int64_t digits) {
    const int32_t ports = cluster->tree.ports[tier];
    if (ports == 1) return 0;
    if (cluster->spec.routing == ROUTING_DMODK)
        return (int32_t)divider_rest(&cluster->tree.by_ports[tier], digits);
    return (int32_t)divider_rest(&cluster->tree.by_ports[tier],
                                 switch_hash(cluster, key, tier - 1, node));
}

static inline int32_t prefer_lane(const Cluster *cluster, uint64_t key, int32_t tier, int64_t node,
                                  int32_t port) {
    const int32_t lanes = cluster->tree.lanes[tier];
    if (lanes == 1) return 0;
    // A queue pair is bound to a port of either NIC, the same.
    if (tier == 1 || cluster->spec.routing == ROUTING_DMODK)
        return port / cluster->tree.parents[tier];
    return (int32_t)divider_rest(&cluster->tree.by_lanes[tier],
                                 switch_hash(cluster, key, tier, node));
}

// paths that avoid dead cables

static bool cable_dead(const ActiveFaults *active, int32_t side, int32_t tier, int64_t index,
                       int32_t port) {
    for (int32_t k = 0; k < active->n; k++) {
        const LinkFault *fault = active->item[k].fault;
        if (fault->dead && active->item[k].side == side && fault->tier == tier &&
            fault->index == index && fault->port == port)
            return true;
    }
    return false;
}

static bool trunk_open(const FatTree *tree, const ActiveFaults *active, int32_t side, int32_t tier,
                       int64_t index, int32_t parent) {
    for (int32_t lane = 0; lane < tree->lanes[tier]; lane++)
        if (!cable_dead(active, side, tier, index, parent + tree->parents[tier] * lane))
            return true;
    return false;
}

/// True if some path leads on from index `index` of level `tier - 1` up to level `level` and down
/// the other side.
static bool leads_on(const FatTree *tree, const ActiveFaults *active, int32_t tier, int64_t index,
                     int32_t level) {
    if (tier > level || tier >= FATTREE_LEVELS) return true;
    for (int32_t parent = 0; parent < tree->parents[tier]; parent++)
        if (trunk_open(tree, active, 0, tier, index, parent) &&
            trunk_open(tree, active, 1, tier, index, parent) &&
            leads_on(tree, active, tier + 1, index + tree->indices[tier - 1] * parent, level))
            return true;
    return false;
}

static bool port_open(const FatTree *tree, const ActiveFaults *active, int32_t tier, int64_t index,
                      int32_t port, int32_t level) {
    const int32_t parent = port % tree->parents[tier];
    return !cable_dead(active, 0, tier, index, port) &&
           trunk_open(tree, active, 1, tier, index, parent) &&
           leads_on(tree, active, tier + 1, index + tree->indices[tier - 1] * parent, level);
}

/// Up port: the preferred one if it leads to the destination; else ecmp hashes again over those
/// that do, and dmodk takes the next. Flows that do not meet a fault keep their path.
static int32_t open_port(const Cluster *cluster, const ActiveFaults *active, const PathEnds *pair,
                         int32_t tier, int64_t index, int32_t preferred, uint64_t key) {
    const FatTree *tree = &cluster->tree;
    const int32_t ports = tree->ports[tier];
    if (port_open(tree, active, tier, index, preferred, pair->level)) return preferred;
    int32_t skip = 0;
    if (cluster->spec.routing != ROUTING_DMODK) {
        int32_t nopen = 0;
        for (int32_t port = 0; port < ports; port++)
            nopen += port_open(tree, active, tier, index, port, pair->level);
        CHECK(nopen > 0, "no open port at tier %d although a path exists", tier);
        skip = (int32_t)(rng_mix(key, (uint64_t)tier) % (uint64_t)nopen);
    }
    for (int32_t port = preferred;; skip--) {
        do port = port + 1 < ports ? port + 1 : 0;
        while (!port_open(tree, active, tier, index, port, pair->level));
        if (skip == 0) return port;
    }
}

static int32_t open_lane(const Cluster *cluster, const ActiveFaults *active, int32_t tier,
                         int64_t index, int32_t parent, int32_t preferred, uint64_t key) {
    const FatTree *tree = &cluster->tree;
    const int32_t lanes = tree->lanes[tier], step = tree->parents[tier];
    if (!cable_dead(active, 1, tier, index, parent + step * preferred)) return preferred;
    int32_t nopen = 0;
    for (int32_t lane = 0; lane < lanes; lane++)
        nopen += !cable_dead(active, 1, tier, index, parent + step * lane);
    int32_t skip = cluster->spec.routing == ROUTING_DMODK
                       ? 0
                       : (int32_t)(rng_mix(key, (uint64_t)tier) % (uint64_t)nopen);
    for (int32_t lane = preferred;; skip--) {
        do lane = lane + 1 < lanes ? lane + 1 : 0;
        while (cable_dead(active, 1, tier, index, parent + step * lane));
        if (skip == 0) return lane;
    }
}

// one path

/// Up port of the NIC: its queue pairs take the ports in turn, the first by its own hash.
static inline int32_t prefer_nic_port(const Cluster *cluster, const PathEnds *pair,
                                      uint64_t flow_key, int32_t queue_pair) {
    const int32_t ports = cluster->tree.ports[1];
    if (ports == 1) return 0;
    const uint64_t first = path_hash(pair->src, pair->dst, flow_key, 0);
    return (prefer_port(cluster, first, 1, pair->a[0], pair->b[0]) + queue_pair) % ports;
}

/// Walk both sides up together: they pass through the same index at each level. `active` is NULL if
/// no fault is near.
static inline void choose_path(const Cluster *cluster, const PathEnds *pair, uint64_t flow_key,
                               int32_t queue_pair, const ActiveFaults *active, Path *path) {
    const uint64_t key = path_hash(pair->src, pair->dst, flow_key, queue_pair);
    const FatTree *tree = &cluster->tree;
    int64_t index = 0, digits = pair->b[0];
    for (int32_t t = 1; t <= pair->level; t++) {
        const int64_t width = tree->indices[t - 1];
        const int64_t node_a = pair->a[t - 1] * width + index,
                      node_b = pair->b[t - 1] * width + index;
        int32_t port = t == 1 ? prefer_nic_port(cluster, pair, flow_key, queue_pair)
                              : prefer_port(cluster, key, t, node_a, digits);
        if (active != NULL) port = open_port(cluster, active, pair, t, index, port, key);
        const int32_t parent =
            tree->lanes[t] == 1 ? port : (int32_t)divider_rest(&tree->by_parents[t], port);
        const int64_t upper = index + width * parent;
        int32_t lane = prefer_lane(cluster, key, t, pair->b[t] * tree->indices[t] + upper, port);
        if (active != NULL) lane = open_lane(cluster, active, t, index, parent, lane, key);
        path->up[t] = cluster->first_link[t][LINK_UP] + node_a * tree->ports[t] + port;
        path->down[t] = cluster->first_link[t][LINK_DOWN] + node_b * tree->ports[t] + parent +
                        tree->parents[t] * lane;
        digits = divider_quotient(&tree->by_parents[t], digits);
        index = upper;
    }
}

/// Merge the links that `n` paths cross at one tier and direction; n <= QUEUE_PAIRS_MAX, so
/// insertion is enough.
static int32_t merge_links(LinkId link[], int32_t n, LinkUse uses[]) {
    for (int32_t i = 1; i < n; i++) {
        const LinkId own = link[i];
        int32_t k = i;
        for (; k > 0 && link[k - 1] > own; k--) link[k] = link[k - 1];
        link[k] = own;
    }
    int32_t nuses = 0;
    for (int32_t i = 0; i < n; i++) {
        if (nuses > 0 && uses[nuses - 1].link == link[i])
            uses[nuses - 1].weight++;
        else
            uses[nuses++] = (LinkUse){.link = link[i], .weight = 1};
    }
    return nuses;
}

/// The NICs of both ends, where they are loaded apart from their ports.
static int32_t use_nics(const Cluster *cluster, const PathEnds *pair, int32_t unit,
                        LinkUse uses[]) {
    if (!cluster_nics_loaded(cluster)) return 0;
    const LinkId *first = cluster->first_link[cluster->ntiers - 1];
    uses[0] = (LinkUse){.link = first[LINK_UP] + pair->sender, .weight = unit};
    uses[1] = (LinkUse){.link = first[LINK_DOWN] + pair->dst, .weight = unit};
    return 2;
}

static int32_t route_many(const Cluster *cluster, const PathEnds *pair, uint64_t flow_key,
                          int32_t queue_pairs, const ActiveFaults *active, LinkUse uses[]) {
    LinkId up[FATTREE_LEVELS][QUEUE_PAIRS_MAX], down[FATTREE_LEVELS][QUEUE_PAIRS_MAX];
    for (int32_t q = 0; q < queue_pairs; q++) {
        Path path;
        choose_path(cluster, pair, flow_key, q, active, &path);
        for (int32_t t = 1; t <= pair->level; t++) {
            up[t][q] = path.up[t];
            down[t][q] = path.down[t];
        }
    }
    int32_t nuses = 0;
    for (int32_t t = 1; t <= pair->level; t++) {
        nuses += merge_links(up[t], queue_pairs, &uses[nuses]);
        nuses += merge_links(down[t], queue_pairs, &uses[nuses]);
    }
    return nuses + use_nics(cluster, pair, queue_pairs, &uses[nuses]);
}

/// Links by path: all parts of the message on one path (dmodk, or one queue pair), or a path each.
static int32_t route_paths(const Cluster *cluster, const PathEnds *pair, uint64_t flow_key,
                           int32_t queue_pairs, const ActiveFaults *active, LinkUse uses[]) {
    if (queue_pairs > 1 && (cluster->spec.routing != ROUTING_DMODK || cluster_nics_loaded(cluster)))
        return route_many(cluster, pair, flow_key, queue_pairs, active, uses);
    Path path;
    choose_path(cluster, pair, flow_key, 0, active, &path);
    int32_t nuses = 0;
    for (int32_t t = 1; t <= pair->level; t++) {
        uses[nuses++] = (LinkUse){.link = path.up[t], .weight = queue_pairs};
        uses[nuses++] = (LinkUse){.link = path.down[t], .weight = queue_pairs};
    }
    return nuses + use_nics(cluster, pair, queue_pairs, &uses[nuses]);
}

// bundles

static int32_t use_bundles(const Cluster *cluster, int32_t tier, LinkDirection direction,
                           int64_t subtree, const int32_t weight[], LinkUse uses[]) {
    int32_t nuses = 0;
    for (int32_t c = 0; c < cluster->faults.nclasses[tier]; c++)
        if (weight[c] > 0)
            uses[nuses++] = (LinkUse){.link = bundle_id(cluster, tier, direction, subtree, c),
                                      .weight = weight[c]};
    return nuses;
}

/// Bundles of a message by class weights [tier][class]; the only link of a subtree stands for
/// itself, and comes first because ids of links lie below those of bundles.
static int32_t route_bundles(const Cluster *cluster, const PathEnds *pair, int32_t unit,
                             const int32_t weight[FATTREE_LEVELS][PATH_CLASSES_MAX],
                             LinkUse uses[]) {
    int32_t nuses = 0;
    for (int32_t t = 1; t <= pair->level; t++) {
        if (cluster_tier_bundled(cluster, t)) continue;
        uses[nuses++] =
            (LinkUse){.link = cluster->first_link[t][LINK_UP] + pair->a[t - 1], .weight = unit};
        uses[nuses++] =
            (LinkUse){.link = cluster->first_link[t][LINK_DOWN] + pair->b[t - 1], .weight = unit};
    }
    nuses += use_nics(cluster, pair, unit, &uses[nuses]);
    for (int32_t t = 1; t <= pair->level; t++) {
        if (!cluster_tier_bundled(cluster, t)) continue;
        nuses += use_bundles(cluster, t, LINK_UP, pair->a[t - 1], weight[t], &uses[nuses]);
        nuses += use_bundles(cluster, t, LINK_DOWN, pair->b[t - 1], weight[t], &uses[nuses]);
    }
    return nuses;
}

/// Without faults near any message the one class of each tier takes the whole unit.
static bool route_spread(const Cluster *cluster, const PathEnds *pair, int32_t queue_pairs,
                         const ActiveFaults *active, LinkUse uses[], int32_t *nuses) {
    const int32_t unit = (int32_t)(queue_pairs * cluster->split);
    int32_t weight[FATTREE_LEVELS][PATH_CLASSES_MAX];
    if (active == NULL && cluster->faults.nclasses[pair->level] == 1) {
        for (int32_t t = 1; t <= pair->level; t++) weight[t][0] = unit;
    } else {
        ActiveFaults none;
        none.n = 0;
        if (!bundle_weights(&cluster->tree, &cluster->faults, cluster->spec.routing, pair->level,
                            active == NULL ? &none : active, unit, weight))
            return false;
    }
    *nuses = route_bundles(cluster, pair, unit, weight, uses);
    return true;
}

// messages

static inline void make_pair(const Cluster *cluster, GpuId src, GpuId dst, GpuId relay,
                             PathEnds *pair) {
    pair->src = src;
    pair->dst = dst;
    pair->sender = relay;
    int64_t a = cluster_nic_endpoint(cluster, relay), b = cluster_nic_endpoint(cluster, dst);
    int32_t level = 0;
    pair->a[0] = a;
    pair->b[0] = b;
    while (a != b) {
        level++;
        pair->a[level] = a = divider_quotient(&cluster->tree.by_children[level], a);
        pair->b[level] = b = divider_quotient(&cluster->tree.by_children[level], b);
    }
    pair->level = level;
}

/// The lowest tier up to which no path is open.
static int32_t dead_tier(const Cluster *cluster, const ActiveFaults *active, int32_t level) {
    int32_t tier = 1;
    while (tier < level && leads_on(&cluster->tree, active, 1, 0, tier)) tier++;
    return tier;
}

/// Route over the fabric near faults; returns the dead tier, or 0.
static int32_t route_around(const Cluster *cluster, const PathEnds *pair, uint64_t flow_key,
                            int32_t queue_pairs, LinkUse uses[], int32_t *nuses) {
    ActiveFaults active;
    linkfault_collect(&cluster->faults, &cluster->tree, pair->a[0], pair->b[0], pair->level,
                      &active);
    const ActiveFaults *near = active.n > 0 ? &active : NULL;
    if (near != NULL && !leads_on(&cluster->tree, near, 1, 0, pair->level))
        return dead_tier(cluster, near, pair->level);
    if (!cluster->bundled)
        *nuses = route_paths(cluster, pair, flow_key, queue_pairs, near, uses);
    else if (!route_spread(cluster, pair, queue_pairs, near, uses, nuses))
        CHECK(false, "a path is open but has no worth");
    return 0;
}

/// As if there were no faults.
static int32_t route_healthy(const Cluster *cluster, const PathEnds *pair, uint64_t flow_key,
                             int32_t queue_pairs, LinkUse uses[], int32_t *nuses) {
    if (cluster->bundled)
        route_spread(cluster, pair, queue_pairs, NULL, uses, nuses);
    else
        *nuses = route_paths(cluster, pair, flow_key, queue_pairs, NULL, uses);
    return 0;
}

Status tree_route(const Cluster *cluster, const Message *message, bool healthy, LinkUse uses[],
                  int32_t *nuses, int32_t *dead_tier) {
    PathEnds pair;
    make_pair(cluster, message->src, message->dst, message->sender, &pair);
    *dead_tier =
        !healthy && cluster->faults.nfaults > 0
            ? route_around(cluster, &pair, message->flow_key, message->queue_pairs, uses, nuses)
            : route_healthy(cluster, &pair, message->flow_key, message->queue_pairs, uses, nuses);
    return status_ok();
}

// packets

/// Faults that a packet can meet between an endpoint below a place and another; NULL: none.
static const ActiveFaults *faults_near(const Cluster *cluster, int64_t from, int64_t to,
                                       int32_t level, ActiveFaults *active) {
    if (cluster->faults.nfaults == 0) return NULL;
    linkfault_collect(&cluster->faults, &cluster->tree, from, to, level, active);
    return active->n > 0 ? active : NULL;
}

Status tree_path(const Cluster *cluster, const Message *message, int32_t queue_pair, bool healthy,
                 LinkId path[], int32_t *n, int32_t *dead) {
    PathEnds pair;
    ActiveFaults active;
    Path cables;
    make_pair(cluster, message->src, message->dst, message->sender, &pair);
    const ActiveFaults *near =
        healthy ? NULL : faults_near(cluster, pair.a[0], pair.b[0], pair.level, &active);
    *dead = near != NULL && !leads_on(&cluster->tree, near, 1, 0, pair.level)
                ? dead_tier(cluster, near, pair.level)
                : 0;
    if (*dead > 0) return status_ok();
    choose_path(cluster, &pair, message->flow_key, queue_pair, near, &cables);
    for (int32_t t = 1; t <= pair.level; t++) path[(*n)++] = cables.up[t];
    for (int32_t t = pair.level; t >= 1; t--) path[(*n)++] = cables.down[t];
    return status_ok();
}

void tree_place(const Cluster *cluster, FabricPlace *place) {
    const int64_t width = cluster->tree.indices[place->level];
    place->subtree = place->number / width;
    place->index = place->number % width;
}

/// Level of the lowest common subtree of a place and an endpoint.
static int32_t level_above(const FatTree *tree, const FabricPlace *place, int64_t endpoint) {
    int32_t level = place->level;
    int64_t own = place->subtree, other = endpoint / tree->below[level];
    for (; own != other; level++) {
        own = divider_quotient(&tree->by_children[level + 1], own);
        other = divider_quotient(&tree->by_children[level + 1], other);
    }
    return level;
}

/// Ports upwards that lead to the endpoint past faults.
static void open_ports_up(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                          Onward *onward) {
    const FatTree *tree = &cluster->tree;
    const int32_t level = level_above(tree, place, endpoint), tier = place->level + 1;
    ActiveFaults active;
    const ActiveFaults *near =
        faults_near(cluster, place->subtree * tree->below[place->level], endpoint, level, &active);
    if (near == NULL) return;
    const int32_t ports = onward->n;
    onward->listed = true;
    onward->n = 0;
    for (int32_t port = 0; port < ports && onward->n < ONWARD_MAX; port++)
        if (port_open(tree, near, tier, place->index, port, level))
            onward->list[onward->n++] = onward->first + port;
}

/// Lanes down to the endpoint that are not dead.
static void open_lanes_down(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                            Onward *onward) {
    const FatTree *tree = &cluster->tree;
    const int32_t tier = place->level, lanes = onward->n;
    ActiveFaults active;
    const ActiveFaults *near = faults_near(cluster, endpoint, endpoint, tier, &active);
    if (near == NULL) return;
    const int64_t index = place->index % tree->indices[tier - 1];
    const int32_t parent = (int32_t)(place->index / tree->indices[tier - 1]);
    onward->listed = true;
    onward->n = 0;
    for (int32_t lane = 0; lane < lanes && onward->n < ONWARD_MAX; lane++)
        if (!cable_dead(near, 1, tier, index, parent + tree->parents[tier] * lane))
            onward->list[onward->n++] = onward->first + lane * onward->step;
}

void tree_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                 Onward *onward) {
    const FatTree *tree = &cluster->tree;
    const int32_t l = place->level;
    onward->listed = false;
    if (l > 0 && (uint64_t)endpoint / (uint64_t)tree->below[l] == (uint64_t)place->subtree) {
        const int64_t width = tree->indices[l - 1], parent = place->index / width;
        const int64_t child = endpoint / tree->below[l - 1] * width + place->index - parent * width;
        onward->first = cluster->first_link[l][LINK_DOWN] + child * tree->ports[l] + parent;
        onward->step = tree->parents[l];
        onward->n = tree->lanes[l];
        if (cluster->faults.nfaults > 0) open_lanes_down(cluster, place, endpoint, onward);
        return;
    }
    onward->first = cluster->first_link[l + 1][LINK_UP] + place->number * tree->ports[l + 1];
    onward->step = 1;
    onward->n = tree->ports[l + 1];
    if (cluster->faults.nfaults > 0) open_ports_up(cluster, place, endpoint, onward);
}

// lengths

static int32_t meeting_level(const Cluster *cluster, GpuId sender, GpuId dst) {
    PathEnds pair;
    make_pair(cluster, sender, dst, sender, &pair);
    return pair.level;
}

int64_t tree_latency_ps(const Cluster *cluster, GpuId sender, GpuId dst) {
    return cluster->latency_ps[meeting_level(cluster, sender, dst)];
}

int32_t tree_nswitches(const Cluster *cluster, GpuId sender, GpuId dst) {
    return 2 * meeting_level(cluster, sender, dst) - 1;
}

static bool level_used(const Cluster *cluster, int32_t level) {
    const FatTree *tree = &cluster->tree;
    const GpuId border = cluster->runs.run[0].domain; // between the first two domains
    if (border < cluster->ngpus && routing_nswitches(cluster, border - 1, border) == 2 * level - 1)
        return true;
    for (int32_t child = 1; child < tree->children[level]; child++) {
        const GpuId gpu = cluster_gpu_at(cluster, child * tree->below[level - 1]);
        if (gpu > 0 && routing_nswitches(cluster, 0, gpu) == 2 * level - 1) return true;
    }
    return false;
}

bool tree_distance(const Cluster *cluster, int32_t k, Distance *distance) {
    const int32_t level = k + 1;
    if (level > cluster->tree.ntiers) return false;
    const char *name = cluster->spec.tier[level - 1].name;
    *distance = (Distance){.used = level_used(cluster, level),
                           .switches = 2 * level - 1,
                           .cables = 2 * level,
                           .latency_ps = cluster->latency_ps[level]};
    snprintf(distance->label, sizeof distance->label, "through one %s",
             name[0] != '\0' ? name : "switch");
    return true;
}

/// Least latency from a node to GPUs first .. end - 1. Of the node's GPUs, beside the one of the receiver's slot those at
/// the borders of the node and of a domain are nearest to what lies beyond.
static int64_t least_latency_to(const Cluster *cluster, NodeId node, GpuId first, GpuId end) {
    const AlikeNodes *run = node_run_of_node(&cluster->runs, node);
    const int64_t gpus = run->gpus, domain = run->domain;
    int64_t least_ps = TIME_NEVER_PS;
    for (GpuId dst = first; dst < end; dst++) {
        const int64_t slots[] = {cluster_slot_of(cluster, dst), 0, gpus - 1,
                                 domain < gpus ? domain - 1 : 0};
        for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
            const GpuId src = node_run_gpu(run, node) + slots[i];
            if (src == dst || slots[i] >= gpus) continue;
            const int64_t latency_ps = routing_latency_ps(cluster, src, dst);
            if (latency_ps < least_ps) least_ps = latency_ps;
        }
    }
    return least_ps;
}

/// From a node to the next; TIME_NEVER_PS if there is none.
static int64_t latency_to_next_ps(const Cluster *cluster, NodeId node) {
    if (node + 1 >= cluster->spec.nodes) return TIME_NEVER_PS;
    const AlikeNodes *run = node_run_of_node(&cluster->runs, node + 1);
    const GpuId first = node_run_gpu(run, node + 1);
    return least_latency_to(cluster, node, first, first + run->gpus);
}

/// Among the nodes from one on that stand side by side. Both wirings put the first two as near to each other as any two
/// nodes of a domain are, and the last node of a domain and the one behind it as near as any two of different domains.
static int64_t least_from_ps(const Cluster *cluster, NodeId first) {
    const AlikeNodes *run = node_run_of_node(&cluster->runs, first);
    const int64_t nodes = run->domain / run->gpus;
    const int64_t inside_ps = latency_to_next_ps(cluster, first);
    if (nodes <= 1) return inside_ps;
    const NodeId last = first - (first - run->first_node) % nodes + nodes - 1;
    const int64_t across_ps = latency_to_next_ps(cluster, last);
    return inside_ps < across_ps ? inside_ps : across_ps;
}

int64_t tree_least_latency_ps(const Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    int64_t least_ps = least_from_ps(cluster, 0), first = 0;
    for (int32_t i = 0; i < spec->nfilled; first += spec->filled[i++]) {
        const int64_t own_ps = spec->filled[i] > 0 ? least_from_ps(cluster, first) : TIME_NEVER_PS;
        if (own_ps < least_ps) least_ps = own_ps;
    }
    for (int32_t r = 1; r < cluster->runs.n; r++) { // and over the seam to the run before
        const NodeId own = cluster->runs.run[r].first_node;
        const int64_t own_ps = least_from_ps(cluster, own),
                      seam_ps = latency_to_next_ps(cluster, own - 1);
        if (own_ps < least_ps) least_ps = own_ps;
        if (seam_ps < least_ps) least_ps = seam_ps;
    }
    return least_ps;
}
