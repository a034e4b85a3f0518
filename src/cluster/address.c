// Where a GPU is, and which one is there.
#include "cluster/cluster.h"
#include "cluster/cluster_parts.h"

int64_t cluster_domain_of(const Cluster *cluster, GpuId gpu) {
    return divider_quotient(&cluster->by_domain, gpu);
}

int64_t cluster_endpoint_of(const Cluster *cluster, GpuId gpu) {
    return cluster_nic_endpoint(cluster, gpu);
}

/// The node at a place, -1: none.
static NodeId node_at(const Cluster *cluster, int64_t place) {
    const ClusterSpec *spec = &cluster->spec;
    if (spec->nfilled == 0) return place < spec->nodes ? place : -1;
    const int64_t child = place / cluster->child_places, own = place % cluster->child_places;
    if (child >= spec->nfilled || own >= spec->filled[child]) return -1;
    NodeId node = own;
    for (int64_t before = 0; before < child; before++) node += spec->filled[before];
    return node;
}

GpuId cluster_gpu_at(const Cluster *cluster, int64_t endpoint) {
    const int64_t rails = cluster->spec.gpus_per_node;
    int64_t place = endpoint / rails, slot = endpoint % rails;
    if (cluster->spec.wiring != WIRING_PLAIN) {
        const int64_t in_unit = cluster->by_unit.divisor, rail = endpoint / in_unit;
        place = rail / rails * in_unit + endpoint % in_unit;
        slot = rail % rails;
    }
    const NodeId node = node_at(cluster, place);
    return node < 0 ? -1 : node * rails + slot;
}
