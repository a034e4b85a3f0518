// A fat tree behind topology.h: counts, names, bisection. Its paths: tree_routes.c.
#include <math.h>
#include <stdio.h>

#include "base/wide.h"
#include "cluster/bundle.h"
#include "cluster/clustercheck.h"
#include "cluster/tree_fabric.h"

// building

static void tree_from_spec(const ClusterSpec *spec, FatTree *tree) {
    tree->ntiers = spec->ntiers;
    tree->ntrees = spec->wiring == WIRING_RAIL_ONLY ? spec->gpus_per_node : 1;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        tree->children[t] = spec->tier[t - 1].children;
        tree->parents[t] = spec->tier[t - 1].parents;
        tree->lanes[t] = spec->tier[t - 1].lanes;
    }
}

static void set_latencies(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    int64_t climb_ps = spec->nic.latency_ps;
    for (int32_t l = 1; l <= spec->ntiers; l++) {
        climb_ps += 2 * spec->tier[l - 1].cable_ps;
        cluster->latency_ps[l] = climb_ps + spec->tier[l - 1].switch_spec.latency_ps;
        climb_ps += 2 * spec->tier[l - 1].switch_spec.latency_ps;
    }
}

static double ports_in_use(const Cluster *cluster, int32_t level) {
    const ClusterSpec *spec = &cluster->spec;
    double used = 0;
    for (int32_t t = level; t <= level + 1 && t <= spec->ntiers; t++)
        used += (double)(t == 1 ? cluster->ngpus * cluster->nic_ports : cluster->ncables[t]) /
                (double)(spec->tier[level - 1].switch_spec.port_Bps / spec->tier[t - 1].link_Bps);
    return used;
}

static Status create(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    FatTree *tree = &cluster->tree;
    tree_from_spec(spec, tree);
    REQUIRE(fattree_init(tree, spec->installed), STATUS_RANGE,
            "the fabric has more than 2^48 endpoints, switches or links in a tier, or a switch "
            "more than %d ports",
            DIVIDER_MAX);
    TRY(clustercheck_room(cluster));
    if (spec->wiring == WIRING_RAIL_ONLY)
        cluster->by_unit = divider_make(tree->subtrees[0] / tree->ntrees);
    cluster->nic_ports = tree->ports[1];
    cluster->bundled = routing_is_spread(cluster);
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        cluster->nswitches[t] = fattree_nnodes(tree, t);
        cluster->ncables[t] = fattree_ncables(tree, t);
        cluster->uplinks[t] = fattree_subtree_links(tree, t);
        cluster->ports[t][0] = clustercheck_ports_down(spec, t);
        cluster->ports[t][1] = clustercheck_ports_up(spec, t);
    }
    for (int32_t t = 1; t <= spec->ntiers; t++) cluster->ports_in_use[t] = ports_in_use(cluster, t);
    set_latencies(cluster);
    return status_ok();
}

/// A route must fit in ROUTE_USES_MAX uses.
static Status check_classes(const Cluster *cluster) {
    int64_t uses = 2 + (cluster_nics_loaded(cluster) ? 2 : 0);
    for (int32_t t = 1; t <= cluster->tree.ntiers; t++)
        uses += 2 * (cluster_tier_bundled(cluster, t) ? cluster->faults.nclasses[t] : 1);
    REQUIRE(uses <= ROUTE_USES_MAX, STATUS_RANGE,
            "%d link faults split the bundles of a message into %lld parts; at most %d are "
            "supported with spray "
            "and adaptive routing",
            cluster->faults.nfaults, (long long)uses, ROUTE_USES_MAX);
    return status_ok();
}

static bool tier_is_healthy(const Cluster *cluster, int32_t tier) {
    for (int32_t k = 0; k < cluster->faults.nfaults; k++)
        if (cluster->faults.fault[k].tier == tier) return false;
    return true;
}

/// See cluster_can_bind. Faults below only make it truer.
static void find_binding_tiers(Cluster *cluster) {
    for (int32_t t = 0; t <= cluster->spec.ntiers; t++)
        cluster->binds[t] =
            t < 2 || !cluster_tier_bundled(cluster, t) || !tier_is_healthy(cluster, t) ||
            cluster_tier_up_Bps(cluster, t) <
                (Wide)cluster->tree.children[t - 1] * cluster_tier_up_Bps(cluster, t - 1);
}

static Status take_faults(Cluster *cluster) {
    linkfault_place(&cluster->faults, &cluster->tree);
    troubles_find_best(cluster);
    cluster->split = cluster->bundled ? troubles_split(cluster) : 1;
    if (cluster->bundled) TRY(check_classes(cluster));
    find_binding_tiers(cluster);
    return status_ok();
}

static void learned(Cluster *cluster) { (void)cluster; }

static void destroy(Cluster *cluster) { (void)cluster; }

// bisection

/// GPUs of a stretch at its endpoints before one.
static int64_t gpus_of_first(const Cluster *cluster, const NodeStretch *stretch, int64_t endpoint) {
    const int64_t rails = stretch->rails, all = stretch->nodes, in_unit = cluster->by_unit.divisor;
    if (cluster->spec.wiring == WIRING_PLAIN)
        return endpoint < all * rails ? endpoint : all * rails;
    const int64_t before = endpoint / in_unit, unit = before / rails; // rails, whole units
    int64_t nodes = all - unit * in_unit;                             // of the unit it is in
    if (nodes < 0) return all * rails;
    if (nodes > in_unit) nodes = in_unit;
    const int64_t rest = endpoint % in_unit;
    return unit * in_unit * rails + before % rails * nodes + (rest < nodes ? rest : nodes);
}

/// GPUs at endpoints before one.
static int64_t gpus_before(const Cluster *cluster, int64_t endpoint) {
    int64_t sum = 0;
    for (int32_t s = 0; s < cluster->nstretches; s++) {
        const int64_t own = endpoint - cluster->stretch[s].first_endpoint;
        if (own > 0) sum += gpus_of_first(cluster, &cluster->stretch[s], own);
    }
    return sum;
}

/// What a NIC sends by all its ports.
static double nic_rate_Bps(const Cluster *cluster) {
    return fmin((double)cluster_tier_up_Bps(cluster, 1), (double)cluster->spec.nic.goodput_Bps);
}

/// What can leave all subtrees of a level that have GPUs; 0 where only one has any, and nothing crosses.
static double uplinks_Bps(const Cluster *cluster, int32_t level) {
    const FatTree *tree = &cluster->tree;
    const double up_Bps = (double)cluster_tier_up_Bps(cluster, level + 1),
                 nic_Bps = nic_rate_Bps(cluster);
    double sum_Bps = 0;
    int64_t before = 0, users = 0;
    for (int64_t subtree = 0; subtree < tree->subtrees[level]; subtree++) {
        const int64_t end = gpus_before(cluster, (subtree + 1) * tree->below[level]);
        users += end > before;
        sum_Bps += fmin((double)(end - before) * nic_Bps, up_Bps);
        before = end;
    }
    return users > 1 ? sum_Bps : 0;
}

static double bisection_Bps(const Cluster *cluster) {
    if (cluster->ngpus < 2) return 0;
    double least_Bps = (double)cluster->ngpus * nic_rate_Bps(cluster);
    for (int32_t level = 1; level < cluster->tree.ntiers; level++) {
        const double up_Bps = uplinks_Bps(cluster, level);
        if (up_Bps > 0) least_Bps = fmin(least_Bps, up_Bps);
    }
    return least_Bps / 2;
}

// cables

static Status fault_cable(const Cluster *cluster, const LinkFaultSpec *fault, int64_t *cable) {
    const FatTree *tree = &cluster->tree;
    const int32_t t = fault->tier;
    const int64_t lower = t == 1 ? cluster_nic_endpoint(cluster, fault->lower) : fault->lower;
    REQUIRE(lower >= 0 && lower < fattree_nnodes(tree, t - 1), STATUS_RANGE,
            "link fault at tier %d below node %lld, but level %d has %lld nodes", t,
            (long long)lower, t - 1, (long long)fattree_nnodes(tree, t - 1));
    REQUIRE(fault->port >= 0 && fault->port < tree->ports[t], STATUS_RANGE,
            "link fault at tier %d, node %lld, port %d, but the node has %d up ports", t,
            (long long)lower, fault->port, tree->ports[t]);
    *cable = lower * tree->ports[t] + fault->port;
    return status_ok();
}

static int64_t nic_cable(const Cluster *cluster, GpuId gpu) {
    return cluster_nic_endpoint(cluster, gpu) * cluster->tree.ports[1];
}

static int32_t nports_up(const Cluster *cluster, int32_t level, SwitchId id) {
    (void)id;
    return level < cluster->tree.ntiers ? cluster->tree.ports[level + 1] : 0;
}

static CableRef cable_up(const Cluster *cluster, int32_t level, SwitchId id, int32_t port) {
    return (CableRef){level + 1, id * cluster->tree.ports[level + 1] + port};
}

static int32_t cables_of(const Cluster *cluster, int32_t level, SwitchId id, int32_t room,
                         CableRef cable[]) {
    const FatTree *tree = &cluster->tree;
    const int64_t subtree = id / tree->indices[level], index = id % tree->indices[level];
    const int64_t lower = index % tree->indices[level - 1],
                  parent = index / tree->indices[level - 1];
    int32_t n = 0;
    for (int64_t child = 0; child < tree->children[level]; child++) {
        const int64_t node =
            (subtree * tree->children[level] + child) * tree->indices[level - 1] + lower;
        if (node >= fattree_nnodes(tree, level - 1)) break;
        if (level == 1 && cluster_gpu_at(cluster, node) < 0) continue;
        for (int32_t lane = 0; lane < tree->lanes[level] && n < room; lane++)
            cable[n++] = (CableRef){
                level, node * tree->ports[level] + parent + (int64_t)tree->parents[level] * lane};
    }
    for (int32_t port = 0; port < nports_up(cluster, level, id) && n < room; port++)
        cable[n++] = cable_up(cluster, level, id, port);
    return n;
}

static GpuId first_gpu_below(const Cluster *cluster, CableRef ref) {
    const FatTreeCable end = fattree_cable(&cluster->tree, ref.tier, ref.cable);
    return tree_first_gpu(cluster, ref.tier, end.subtree);
}

GpuId tree_first_gpu(const Cluster *cluster, int32_t tier, int64_t subtree) {
    const GpuId gpu = cluster_gpu_at(cluster, subtree * cluster->tree.below[tier - 1]);
    return gpu >= 0 ? gpu : cluster->ngpus - 1;
}

static void ends(const Cluster *cluster, CableRef ref, CableEnd end[2]) {
    const FatTreeCable cable = fattree_cable(&cluster->tree, ref.tier, ref.cable);
    end[0] = (CableEnd){ref.tier - 1, cable.lower};
    end[1] = (CableEnd){ref.tier, cable.upper};
}

// names

/// Name of a level: of its tier in the spec, or "level 2" where the spec has none.
static const char *level_name(const Cluster *cluster, int32_t level,
                              char text[HARDWARE_NAME_BYTES]) {
    const char *name = cluster->spec.tier[level - 1].name;
    if (name[0] != '\0') return name;
    snprintf(text, HARDWARE_NAME_BYTES, "level-%d", level);
    return text;
}

/// "gpu 17 nic", "leaf 1203 port 17", or for a bundle "leaf 1203" and "spine group 3".
static void name_lower(const Cluster *cluster, int32_t tier, int64_t lower, int32_t port,
                       char text[CLUSTER_NAME_BYTES]) {
    char level[HARDWARE_NAME_BYTES], suffix[24] = "";
    if (port >= 0 && cluster->tree.ports[tier] > 1)
        snprintf(suffix, sizeof suffix, " port %d", port);
    if (tier > 1) {
        const char *group = port < 0 && cluster->tree.indices[tier - 1] > 1 ? " group" : "";
        snprintf(text, CLUSTER_NAME_BYTES, "%.24s%s %lld%s", level_name(cluster, tier - 1, level),
                 group, (long long)lower, suffix);
        return;
    }
    const GpuId gpu = cluster_gpu_at(cluster, lower);
    if (gpu >= 0)
        snprintf(text, CLUSTER_NAME_BYTES, "gpu %lld nic%s", (long long)gpu, suffix);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "empty endpoint %lld%s", (long long)lower, suffix);
}

static void name_ends(const Cluster *cluster, CableRef ref, char lower[CLUSTER_NAME_BYTES],
                      char upper[CLUSTER_NAME_BYTES]) {
    const FatTreeCable end = fattree_cable(&cluster->tree, ref.tier, ref.cable);
    char level[HARDWARE_NAME_BYTES];
    name_lower(cluster, ref.tier, end.lower, end.port, lower);
    snprintf(upper, CLUSTER_NAME_BYTES, "%.24s %lld", level_name(cluster, ref.tier, level),
             (long long)end.upper);
}

void tree_name_bundle(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]) {
    const Bundle bundle = bundle_from_id(cluster, link);
    char level[HARDWARE_NAME_BYTES], lower[CLUSTER_NAME_BYTES], suffix[24] = "";
    name_lower(cluster, bundle.tier, bundle.subtree, -1, lower);
    if (bundle.path_class > 0) snprintf(suffix, sizeof suffix, ", class %d", bundle.path_class);
    const char *upper = level_name(cluster, bundle.tier, level);
    if (bundle.direction == LINK_UP)
        snprintf(text, CLUSTER_NAME_BYTES, "%.40s -> %.24s *%s", lower, upper, suffix);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "%.24s * -> %.40s%s", upper, lower, suffix);
}

const Topology tree_fabric = {
    .create = create,
    .take_faults = take_faults,
    .learned = learned,
    .destroy = destroy,
    .route = tree_route,
    .path = tree_path,
    .place = tree_place,
    .onward = tree_onward,
    .latency_ps = tree_latency_ps,
    .nswitches = tree_nswitches,
    .distance = tree_distance,
    .least_latency_ps = tree_least_latency_ps,
    .bisection_Bps = bisection_Bps,
    .fault_cable = fault_cable,
    .nic_cable = nic_cable,
    .nports_up = nports_up,
    .cable_up = cable_up,
    .cables_of = cables_of,
    .first_gpu_below = first_gpu_below,
    .ends = ends,
    .name_ends = name_ends,
};
