// Where a GPU is, and which one is there.
#include "cluster/cluster.h"
#include "cluster/cluster_parts.h"

int64_t cluster_domain_of(const Cluster *cluster, GpuId gpu) {
    return divider_quotient(&cluster->by_domain, gpu);
}

int64_t cluster_endpoint_of(const Cluster *cluster, GpuId gpu) {
    return cluster_nic_endpoint(cluster, gpu);
}

GpuId cluster_gpu_at(const Cluster *cluster, int64_t endpoint) {
    const int64_t rails = cluster->spec.gpus_per_node;
    GpuId gpu = endpoint;
    if (cluster->spec.wiring != WIRING_PLAIN) {
        const int64_t in_unit = cluster->by_unit.divisor, rail = endpoint / in_unit;
        const NodeId node = rail / rails * in_unit + endpoint % in_unit;
        gpu = node * rails + rail % rails;
    }
    return gpu < cluster->ngpus ? gpu : -1;
}
