// What a cluster must be for packets, found without building it.
#include "base/memory.h"
#include "cluster/node_runs.h"
#include "engine/packet/net.h"

static int64_t count_hubs(const Cluster *cluster) {
    int64_t n = 2 * cluster_ngpus(cluster) + cluster_domain_of(cluster, cluster_ngpus(cluster) - 1);
    for (int32_t level = 1; level <= cluster_spec(cluster)->ntiers; level++)
        n += cluster_nswitches(cluster, level);
    return n;
}

static Status check_sizes(const Cluster *cluster) {
    const int64_t nlinks = cluster_nlinks(cluster), nhubs = count_hubs(cluster);
    const int64_t gpus = node_runs_most(cluster_spec(cluster)).domain;
    REQUIRE(nlinks + cluster_ngpus(cluster) <= NET_WIRES_MOST, STATUS_RANGE,
            "%lld links are too many for packets", (long long)nlinks);
    REQUIRE(nhubs <= NET_WIRES_MOST, STATUS_RANGE,
            "%lld switches and GPUs are too many for packets", (long long)nhubs);
    REQUIRE(gpus <= NET_DEGREE_MOST, STATUS_RANGE,
            "packets pass switches of %d links at most, but a scale-up domain has %lld GPUs",
            NET_DEGREE_MOST, (long long)gpus);
    return status_ok();
}

/// The links of tiers 1 and up that have all there is: of a tree, where those of a tier are alike, the first of each.
typedef struct LinkWalk {
    int32_t tier;
    int64_t link, n; ///< of the tier, both directions
    bool tree;
} LinkWalk;

static bool next_link(const Cluster *cluster, LinkWalk *walk, LinkId *link) {
    while (walk->link == walk->n) {
        if (walk->tier == cluster_spec(cluster)->ntiers) return false;
        walk->tier++;
        walk->link = 0;
        walk->n = 2 * (walk->tree ? 1 : cluster_tier_links(cluster, walk->tier));
    }
    const int64_t k = walk->link++;
    *link = cluster_first_link(cluster, walk->tier, k % 2 ? LINK_DOWN : LINK_UP) + k / 2;
    return true;
}

static Status check_times(const Cluster *cluster) {
    const ClusterSpec *spec = cluster_spec(cluster);
    LinkWalk walk = {.tree = spec->fabric == FABRIC_TREE};
    for (LinkId link; next_link(cluster, &walk, &link);) {
        FabricPlace from, to;
        routing_link_places(cluster, link, &from, &to);
        REQUIRE(net_link_delay_ps(spec, walk.tier, to.level) > 0, STATUS_RANGE,
                "packets want cables and switches that take time; those of tier %s take none",
                spec->tier[walk.tier - 1].name);
    }
    return status_ok();
}

/// Of a tree: links of a switch one way.
static int64_t tree_degree(const ClusterSpec *spec, int32_t level) {
    const TierSpec *tier = &spec->tier[level - 1];
    const int64_t below = (int64_t)tier->children * tier->lanes;
    return level < spec->ntiers ? below + (int64_t)tier[1].parents * tier[1].lanes : below;
}

/// Of a graph: how many of the walk lead to each switch; the most of all.
static int64_t graph_degree(const Cluster *cluster) {
    const ClusterSpec *spec = cluster_spec(cluster);
    int64_t first[FABRIC_TIERS_MAX + 1] = {0}, n = 0, most = 0;
    for (int32_t level = 1; level <= spec->ntiers; level++) {
        first[level] = n;
        n += cluster_nswitches(cluster, level);
    }
    int32_t *count = memory_alloc("packet.degrees", (size_t)n * sizeof *count);
    LinkWalk walk = {.tree = false};
    for (LinkId link; next_link(cluster, &walk, &link);) {
        FabricPlace from, to;
        routing_link_places(cluster, link, &from, &to);
        if (to.level == 0) continue;
        const int32_t degree = ++count[first[to.level] + to.number];
        if (degree > most) most = degree;
    }
    memory_free("packet.degrees", count, (size_t)n * sizeof *count);
    return most;
}

static Status check_degrees(const Cluster *cluster) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const bool tree = spec->fabric == FABRIC_TREE;
    int64_t most = tree ? 0 : graph_degree(cluster);
    for (int32_t level = 1; tree && level <= spec->ntiers; level++)
        if (tree_degree(spec, level) > most) most = tree_degree(spec, level);
    REQUIRE(most <= NET_DEGREE_MOST, STATUS_RANGE,
            "packets pass switches of %d links at most, one has %lld", NET_DEGREE_MOST,
            (long long)most);
    return status_ok();
}

Status net_check(const Cluster *cluster) {
    TRY(check_sizes(cluster));
    TRY(check_times(cluster));
    return check_degrees(cluster);
}
