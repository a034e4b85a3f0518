#include "cluster/cluster.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/wide.h"
#include "cluster/bundle.h"
#include "cluster/cluster_parts.h"
#include "cluster/clustercheck.h"
#include "cluster/routing.h"

static const char *const MEMORY_LABEL = "cluster";
#define UPLINKS_BPS_MAX (INT64_C(1) << 60)

// building

static void tree_from_spec(const ClusterSpec *spec, FatTree *tree) {
    tree->ntiers = spec->ntiers;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        tree->children[t] = spec->tier[t - 1].children;
        tree->parents[t] = spec->tier[t - 1].parents;
        tree->lanes[t] = spec->tier[t - 1].lanes;
    }
}

/// Payload bytes are what engines count, on every cable of the fabric.
static int64_t link_goodput_Bps(const ClusterSpec *spec, int32_t tier) {
    if (tier == 0) return spec->scale_up.goodput_Bps;
    if (tier > spec->ntiers) return spec->nic.goodput_Bps;
    return (int64_t)((Wide)spec->tier[tier - 1].link_Bps * spec->nic.goodput_Bps /
                     spec->nic.line_Bps);
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

static void number_links(Cluster *cluster) {
    LinkId next = 0;
    for (int32_t t = 0; t < cluster->ntiers; t++)
        for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
            cluster->first_link[t][d] = next;
            next += cluster_tier_links(cluster, t);
        }
    cluster->nlinks = next;
    for (int32_t t = 0; t < cluster->ntiers; t++)
        for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
            cluster->first_bundle[t][d] = next;
            if (cluster_tier_bundled(cluster, t))
                next += cluster->tree.subtrees[t - 1] * cluster->faults.nclasses[t];
        }
    cluster->nresources = next;
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

/// Every link carries something, and bundles of them can be counted.
static Status check_rates(const Cluster *cluster) {
    for (int32_t t = 1; t <= cluster->spec.ntiers; t++) {
        const char *name = cluster->spec.tier[t - 1].name;
        REQUIRE(cluster->link_Bps[t] > 0, STATUS_RANGE,
                "links of tier %d (%s) have less than 1 B/s of goodput", t, name);
        REQUIRE(
            (Wide)fattree_subtree_links(&cluster->tree, t) * cluster->link_Bps[t] < UPLINKS_BPS_MAX,
            STATUS_RANGE, "links of tier %d (%s) carry more than 2^60 B/s together", t, name);
    }
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
            cluster_uplinks_Bps(cluster, t) <
                (Wide)cluster->tree.children[t - 1] * cluster_uplinks_Bps(cluster, t - 1);
}

static Status build(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    TRY(clustercheck_spec(spec));
    tree_from_spec(spec, &cluster->tree);
    REQUIRE(fattree_init(&cluster->tree, spec->installed), STATUS_RANGE,
            "the fabric has more than 2^48 endpoints, switches or links in a tier, or a switch "
            "more than %d ports",
            DIVIDER_MAX);
    TRY(clustercheck_room(spec, &cluster->tree));
    cluster->by_rails = divider_make(spec->gpus_per_node);
    cluster->by_domain = divider_make(spec->scale_up.gpus);
    cluster->by_leaf = divider_make(spec->tier[0].children);
    cluster->ecmp_key = rng_mix(spec->ecmp_seed, RNG_ECMP);
    cluster->ngpus = spec->nodes * spec->gpus_per_node;
    cluster->bundled = spec->routing == ROUTING_SPRAY || spec->routing == ROUTING_ADAPTIVE;
    cluster->ntiers = spec->ntiers + 1 + cluster_nics_loaded(cluster);
    for (int32_t t = 0; t < cluster->ntiers; t++) cluster->link_Bps[t] = link_goodput_Bps(spec, t);
    set_latencies(cluster);
    TRY(check_rates(cluster));
    TRY(troubles_take(cluster));
    cluster->split = cluster->bundled ? troubles_split(cluster) : 1;
    if (cluster->bundled) TRY(check_classes(cluster));
    number_links(cluster);
    REQUIRE(cluster->nresources < INT32_MAX, STATUS_RANGE,
            "the fabric has room for %lld links; at most 2^31 are supported",
            (long long)cluster->nresources);
    find_binding_tiers(cluster);
    return status_ok();
}

Status cluster_create(const ClusterSpec *spec, Cluster **cluster) {
    *cluster = memory_alloc(MEMORY_LABEL, sizeof **cluster);
    (*cluster)->spec = *spec;
    (*cluster)->troubles = memory_alloc(MEMORY_LABEL, sizeof *(*cluster)->troubles);
    const Status status = build(*cluster);
    if (!status_is_ok(&status)) {
        cluster_destroy(*cluster);
        *cluster = NULL;
    }
    return status;
}

void cluster_destroy(Cluster *cluster) {
    if (!cluster) return;
    array_free(&cluster->troubles->cable);
    memory_free(MEMORY_LABEL, cluster->troubles, sizeof *cluster->troubles);
    memory_free(MEMORY_LABEL, cluster, sizeof *cluster);
}

int32_t cluster_ngpu_kinds(const ClusterSpec *spec) { return 1 + spec->nothers; }

const GpuSpec *cluster_gpu_of_kind(const ClusterSpec *spec, int32_t kind) {
    return kind == 0 ? &spec->gpu : &spec->other[kind - 1].gpu;
}

int32_t cluster_gpu_kind(const ClusterSpec *spec, GpuId gpu) {
    int32_t kind = spec->nothers;
    while (kind > 0 && gpu < spec->other[kind - 1].from * spec->gpus_per_node) kind--;
    return kind;
}

const ClusterSpec *cluster_spec(const Cluster *cluster) { return &cluster->spec; }

int64_t cluster_ngpus(const Cluster *cluster) { return cluster->ngpus; }

// counts

int64_t cluster_nswitches(const Cluster *cluster, int32_t level) {
    return fattree_nnodes(&cluster->tree, level);
}

int64_t cluster_ncables(const Cluster *cluster, int32_t tier) {
    return tier == 1 ? cluster->ngpus * cluster->tree.ports[1]
                     : fattree_ncables(&cluster->tree, tier);
}

/// GPUs below each of the first subtrees of a level that have any: all alike but for the last unit of leaves, whose fill
/// depends on the wiring.
static int64_t gpus_below(const Cluster *cluster, int32_t level, int64_t subtree) {
    const FatTree *tree = &cluster->tree;
    const int64_t begin = subtree * tree->below[level], end = begin + tree->below[level];
    if (cluster->spec.wiring == WIRING_PLAIN) {
        const int64_t last = end < cluster->ngpus ? end : cluster->ngpus;
        return last > begin ? last - begin : 0;
    }
    const int64_t in_leaf = tree->children[1], rails = cluster->spec.gpus_per_node;
    const int64_t whole_leaves = cluster->spec.nodes / in_leaf * rails;
    int64_t gpus = 0, leaf = begin / in_leaf;
    const int64_t last_leaf = end / in_leaf;
    if (leaf < whole_leaves) {
        const int64_t full = last_leaf < whole_leaves ? last_leaf : whole_leaves;
        gpus = (full - leaf) * in_leaf;
        leaf = full;
    }
    const int64_t filled = last_leaf < whole_leaves + rails ? last_leaf : whole_leaves + rails;
    if (leaf < filled) gpus += (filled - leaf) * (cluster->spec.nodes % in_leaf);
    return gpus;
}

/// What a NIC sends by all its ports.
static double nic_rate_Bps(const Cluster *cluster) {
    return fmin((double)cluster_uplinks_Bps(cluster, 1), (double)cluster->spec.nic.goodput_Bps);
}

/// What can leave all subtrees of a level that have GPUs; 0 where only one has any, and nothing crosses.
static double uplinks_Bps(const Cluster *cluster, int32_t level) {
    const FatTree *tree = &cluster->tree;
    const double up_Bps = (double)cluster_uplinks_Bps(cluster, level + 1),
                 nic_Bps = nic_rate_Bps(cluster);
    // The first ones are full: as many as all but the last unit surely fill.
    const int64_t last_unit = cluster->spec.gpus_per_node * (int64_t)tree->children[1];
    int64_t subtree =
        cluster->ngpus > last_unit ? (cluster->ngpus - last_unit) / tree->below[level] : 0;
    int64_t gpus = subtree * tree->below[level];
    double sum_Bps = (double)subtree * fmin((double)tree->below[level] * nic_Bps, up_Bps);
    for (; gpus < cluster->ngpus; subtree++) {
        const int64_t own = gpus_below(cluster, level, subtree);
        gpus += own;
        sum_Bps += fmin((double)own * nic_Bps, up_Bps);
    }
    return subtree > 1 ? sum_Bps : 0;
}

double cluster_bisection_Bps(const Cluster *cluster) {
    if (cluster->ngpus < 2) return 0;
    double least_Bps = (double)cluster->ngpus * nic_rate_Bps(cluster);
    for (int32_t level = 1; level < cluster->tree.ntiers; level++) {
        const double up_Bps = uplinks_Bps(cluster, level);
        if (up_Bps > 0) least_Bps = fmin(least_Bps, up_Bps);
    }
    return least_Bps / 2;
}

// links and bundles

int64_t cluster_nlinks(const Cluster *cluster) { return cluster->nlinks; }

int64_t cluster_nresources(const Cluster *cluster) { return cluster->nresources; }

LinkId cluster_first_link(const Cluster *cluster, int32_t tier, LinkDirection direction) {
    return cluster->first_link[tier][direction];
}

int32_t cluster_ntiers(const Cluster *cluster) { return cluster->ntiers; }

const char *cluster_tier_name(const Cluster *cluster, int32_t tier) {
    if (tier == 0) return "scale-up";
    return cluster_tier_in_tree(cluster, tier) ? cluster->spec.tier[tier - 1].name : "nic";
}

int64_t cluster_tier_links(const Cluster *cluster, int32_t tier) {
    return cluster_tier_in_tree(cluster, tier) ? fattree_ncables(&cluster->tree, tier)
                                               : cluster->ngpus;
}

int32_t cluster_link_tier(const Cluster *cluster, LinkId link) {
    return cluster_range_of(cluster, link) / 2;
}

LinkDirection cluster_link_direction(const Cluster *cluster, LinkId link) {
    return (LinkDirection)(cluster_range_of(cluster, link) % 2);
}

/// A physical link of the tree taken apart.
static FatTreeCable cable_of(const Cluster *cluster, LinkId link, int32_t range) {
    return fattree_cable(&cluster->tree, range / 2,
                         link - cluster->first_link[range / 2][range % 2]);
}

/// Of the cable that a link is in; NULL: none.
static const LinkFault *fault_of(const Cluster *cluster, LinkId link) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_tree(cluster, tier) || cluster->faults.nfaults == 0) return NULL;
    const FatTreeCable end = cable_of(cluster, link, range);
    return linkfault_find(&cluster->faults, tier, end.lower, end.port);
}

int64_t cluster_capacity_Bps(const Cluster *cluster, LinkId link) {
    if (cluster_is_bundle(cluster, link)) {
        const Bundle bundle = bundle_from_id(cluster, link);
        return bundle_capacity_Bps(cluster, &bundle);
    }
    const LinkFault *fault = fault_of(cluster, link);
    return linkfault_left_Bps(fault ? fault->fraction : 1,
                              cluster->link_Bps[cluster_range_of(cluster, link) / 2]);
}

int64_t cluster_best_Bps(const Cluster *cluster, LinkId link) {
    if (cluster_is_bundle(cluster, link)) {
        const Bundle bundle = bundle_from_id(cluster, link);
        return bundle_best_Bps(cluster, &bundle);
    }
    const LinkFault *fault = fault_of(cluster, link);
    return linkfault_left_Bps(fault ? fault->best : 1,
                              cluster->link_Bps[cluster_range_of(cluster, link) / 2]);
}

int64_t cluster_healthy_Bps(const Cluster *cluster, int32_t tier) {
    return cluster->link_Bps[tier];
}

int64_t cluster_uplinks_Bps(const Cluster *cluster, int32_t tier) {
    return fattree_subtree_links(&cluster->tree, tier) * cluster->link_Bps[tier];
}

bool cluster_can_bind(const Cluster *cluster, LinkId link) {
    return !cluster_is_bundle(cluster, link) || cluster->binds[cluster_range_of(cluster, link) / 2];
}

int64_t cluster_resource_width(const Cluster *cluster, LinkId link) {
    if (!cluster_is_bundle(cluster, link)) return 1;
    const Bundle bundle = bundle_from_id(cluster, link);
    return bundle_width(cluster, &bundle);
}

LinkId cluster_resource_link(const Cluster *cluster, LinkId resource, int64_t i) {
    if (!cluster_is_bundle(cluster, resource)) return resource;
    const Bundle bundle = bundle_from_id(cluster, resource);
    return bundle_link(cluster, &bundle, i);
}

GpuId cluster_first_gpu_below(const Cluster *cluster, LinkId link) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_tree(cluster, tier)) return link - cluster->first_link[tier][range % 2];
    const int64_t subtree = cluster_is_bundle(cluster, link)
                                ? bundle_from_id(cluster, link).subtree
                                : cable_of(cluster, link, range).subtree;
    const GpuId gpu = cluster_gpu_at(cluster, subtree * cluster->tree.below[tier - 1]);
    return gpu >= 0 ? gpu : cluster->ngpus - 1;
}

void cluster_link_ends(const Cluster *cluster, LinkId link, int64_t *lower, SwitchId *upper) {
    CHECK(!cluster_is_bundle(cluster, link), "resource %lld is a bundle: it has no two ends",
          (long long)link);
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (!cluster_tier_in_tree(cluster, tier)) {
        *lower = link - cluster->first_link[tier][range % 2];
        *upper =
            tier == 0 ? cluster_domain_of(cluster, *lower) : cluster_endpoint_of(cluster, *lower);
        return;
    }
    const FatTreeCable end = cable_of(cluster, link, range);
    *lower = end.lower;
    *upper = end.upper;
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

static void name_link(const Cluster *cluster, LinkId link, int32_t range,
                      char text[CLUSTER_NAME_BYTES]) {
    const int32_t tier = range / 2;
    const FatTreeCable end = cable_of(cluster, link, range);
    char level[HARDWARE_NAME_BYTES], lower[CLUSTER_NAME_BYTES];
    name_lower(cluster, tier, end.lower, end.port, lower);
    const char *upper = level_name(cluster, tier, level);
    if (range % 2 == LINK_UP)
        snprintf(text, CLUSTER_NAME_BYTES, "%.48s -> %.24s %lld", lower, upper,
                 (long long)end.upper);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "%.24s %lld -> %.48s", upper, (long long)end.upper,
                 lower);
}

static void name_bundle(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]) {
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

const char *cluster_link_name(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]) {
    const int32_t range = cluster_range_of(cluster, link), tier = range / 2;
    if (cluster_is_bundle(cluster, link))
        name_bundle(cluster, link, text);
    else if (cluster_tier_in_tree(cluster, tier))
        name_link(cluster, link, range, text);
    else
        snprintf(text, CLUSTER_NAME_BYTES, "gpu %lld %s %s",
                 (long long)(link - cluster->first_link[tier][range % 2]),
                 cluster_tier_name(cluster, tier), range % 2 == LINK_UP ? "->" : "<-");
    return text;
}
