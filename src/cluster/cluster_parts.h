/// cluster_parts.h: the inside of Cluster, for the files of this folder alone.
///
/// Idea.    The spec, the fabric, the faults, and the first id of each (tier, direction) of links and
///          bundles. Everything else is computed from these on demand.
#ifndef COLOSSIM_CLUSTER_CLUSTER_PARTS_H
#define COLOSSIM_CLUSTER_CLUSTER_PARTS_H

#include "base/check.h"
#include "cluster/cluster.h"
#include "cluster/fattree.h"
#include "cluster/linkfault.h"
#include "cluster/node_runs.h"
#include "cluster/topology.h"
#include "cluster/trouble.h"

enum { LINK_TIERS = FATTREE_LEVELS + 1 }; ///< those of the tree, and NICs

/// Nodes of a run that stand side by side: all, or where children of the top level are filled in part, those below one.
typedef struct NodeStretch {
    GpuId first_gpu;
    int64_t nodes, rails;
    int64_t first_endpoint;
    Divider by_rails;
} NodeStretch;

enum { STRETCHES_MAX = CLUSTER_FILLED_MAX + CLUSTER_GPU_KINDS_MAX };

struct Cluster {
    ClusterSpec spec;
    NodeRuns runs;
    Divider by_rails[CLUSTER_GPU_KINDS_MAX],
        by_domain[CLUSTER_GPU_KINDS_MAX]; ///< of each run: GPUs of a node, of a scale-up domain
    int32_t nstretches;
    NodeStretch stretch[STRETCHES_MAX];
    int64_t end_endpoint; ///< behind the last that a GPU has
    const Topology *topology;
    FatTree tree;                                               ///< of tree_fabric
    struct Graph *graph;                                        ///< of graph_fabric
    int64_t nswitches[FATTREE_LEVELS], ncables[FATTREE_LEVELS]; ///< by level, by tier
    int64_t
        uplinks[FATTREE_LEVELS]; ///< links of a tier up from one subtree, see cluster_uplinks_Bps
    int32_t nic_ports;
    int64_t ports[FATTREE_LEVELS][2]; ///< cluster_switch_ports, by level
    double ports_in_use[FATTREE_LEVELS];
    LinkFaults faults; ///< as they are at the moment
    Troubles *troubles;
    bool patient; ///< something will still change: who finds no path waits on the one that is dead
    Divider by_unit;   ///< nodes of a unit of rails
    uint64_t ecmp_key; ///< of the seed
    int64_t ngpus;
    int64_t nlinks, nresources;
    int32_t ntiers;                     ///< of links, cluster_ntiers
    LinkId first_link[LINK_TIERS][2];   ///< [tier][direction], tier 0 the scale-up domain
    LinkId first_bundle[LINK_TIERS][2]; ///< after all links; empty ranges unless spray or adaptive
    int64_t link_Bps[LINK_TIERS];       ///< goodput of a healthy link
    int64_t latency_ps[FATTREE_LEVELS]; ///< of a tree: one way, by common level 1 .. ntiers
    bool bundled;                       ///< a tree with spray or adaptive
    bool binds[FATTREE_LEVELS];         ///< cluster_can_bind, by tier
    int64_t
        split; ///< parts a unit of progress is cut into; of a tree 1 unless faults split bundles
};

/// True if links of a tier are cables of the fabric: not inside a domain or a NIC.
static inline bool cluster_tier_in_fabric(const Cluster *cluster, int32_t tier) {
    return tier >= 1 && tier <= cluster->spec.ntiers;
}

/// cluster_uplinks_Bps, for files below.
static inline int64_t cluster_tier_up_Bps(const Cluster *cluster, int32_t tier) {
    return cluster->uplinks[tier] * cluster->link_Bps[tier];
}

/// True if messages load bundles rather than links on this tier.
static inline bool cluster_tier_bundled(const Cluster *cluster, int32_t tier) {
    return cluster->bundled && cluster_tier_in_fabric(cluster, tier) && cluster->uplinks[tier] > 1;
}

/// True if NICs have several ports: then messages load the NIC as well, the last tier.
static inline bool cluster_nics_loaded(const Cluster *cluster) { return cluster->nic_ports > 1; }

/// An id of a bundle, not of a link.
static inline bool cluster_is_bundle(const Cluster *cluster, LinkId link) {
    return link >= cluster->nlinks;
}

/// Tier and direction as tier * 2 + direction: the last range that begins at or before the id.
static inline int32_t cluster_range_of(const Cluster *cluster, LinkId link) {
    DCHECK(link >= 0 && link < cluster->nresources, "link %lld of %lld", (long long)link,
           (long long)cluster->nresources);
    const LinkId(*first)[2] =
        cluster_is_bundle(cluster, link) ? cluster->first_bundle : cluster->first_link;
    int32_t range = 2 * cluster->ntiers - 1;
    while (first[range / 2][range % 2] > link) range--;
    return range;
}

/// The cable of a physical link of the fabric, whose cluster_range_of is known.
static inline CableRef cluster_cable_of(const Cluster *cluster, LinkId link, int32_t range) {
    return (CableRef){range / 2, link - cluster->first_link[range / 2][range % 2]};
}

/// The run of a GPU, its slot in its node, its scale-up domain.
static inline int32_t cluster_run_of(const Cluster *cluster, GpuId gpu) {
    int32_t r = cluster->runs.n - 1;
    while (gpu < cluster->runs.run[r].first_gpu) r--;
    return r;
}
static inline int64_t cluster_slot_of(const Cluster *cluster, GpuId gpu) {
    const int32_t r = cluster_run_of(cluster, gpu);
    return divider_rest(&cluster->by_rails[r], gpu - cluster->runs.run[r].first_gpu);
}
static inline int64_t cluster_domain_number(const Cluster *cluster, GpuId gpu) {
    const int32_t r = cluster_run_of(cluster, gpu);
    const AlikeNodes *run = &cluster->runs.run[r];
    return run->first_domain + divider_quotient(&cluster->by_domain[r], gpu - run->first_gpu);
}

/// cluster_endpoint_of, for hot paths.
static inline int64_t cluster_nic_endpoint(const Cluster *cluster, GpuId gpu) {
    const NodeStretch *stretch = &cluster->stretch[cluster->nstretches - 1];
    while (gpu < stretch->first_gpu) stretch--;
    const int64_t own = gpu - stretch->first_gpu;
    if (cluster->spec.wiring == WIRING_PLAIN) return stretch->first_endpoint + own;
    const int64_t rails = stretch->rails, in_unit = cluster->by_unit.divisor;
    const NodeId node = divider_quotient(&stretch->by_rails, own);
    const int64_t slot = own - node * rails, unit = divider_quotient(&cluster->by_unit, node);
    return stretch->first_endpoint + (unit * rails + slot) * in_unit + node - unit * in_unit;
}

#endif
