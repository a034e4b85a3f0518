// Where a GPU is, and which one is there.
#include "cluster/address.h"

int64_t cluster_domain_of(const Cluster *cluster, GpuId gpu) {
    return cluster_domain_number(cluster, gpu);
}

int64_t cluster_endpoint_of(const Cluster *cluster, GpuId gpu) {
    return cluster_nic_endpoint(cluster, gpu);
}

// stretches

/// Endpoints that nodes take, whole units of rails where they begin one.
static int64_t endpoints_of(const Cluster *cluster, int64_t nodes, int64_t rails) {
    const int64_t in_unit = cluster->by_unit.divisor;
    if (cluster->spec.wiring == WIRING_PLAIN || rails == 1) return nodes * rails;
    return (nodes + in_unit - 1) / in_unit * rails * in_unit;
}

static void add_stretch(Cluster *cluster, const AlikeNodes *run, NodeId first, int64_t nodes,
                        int64_t first_endpoint) {
    cluster->stretch[cluster->nstretches++] = (NodeStretch){.first_gpu = node_run_gpu(run, first),
                                                            .nodes = nodes,
                                                            .rails = run->gpus,
                                                            .first_endpoint = first_endpoint,
                                                            .by_rails = divider_make(run->gpus)};
    cluster->end_endpoint = first_endpoint + endpoints_of(cluster, nodes, run->gpus);
}

/// Nodes from one on, run behind run; wired by rails a run begins with leaves of its own.
static void lay_out_nodes(Cluster *cluster, NodeId first, int64_t nodes, int64_t first_endpoint) {
    const int64_t in_leaf = cluster->spec.tier[0].children;
    cluster->end_endpoint = first_endpoint;
    while (nodes > 0) {
        const AlikeNodes *run = node_run_of_node(&cluster->runs, first);
        const int64_t left = run->first_node + run->nodes - first,
                      own = nodes < left ? nodes : left;
        int64_t begin = cluster->end_endpoint;
        if (cluster->spec.wiring != WIRING_PLAIN) begin = (begin + in_leaf - 1) / in_leaf * in_leaf;
        add_stretch(cluster, run, first, own, begin);
        first += own;
        nodes -= own;
    }
}

/// Children of the top level that are filled in part.
static Status lay_out_filled(Cluster *cluster) {
    const ClusterSpec *spec = &cluster->spec;
    int64_t below = 1;
    for (int32_t t = 1; t < spec->ntiers; t++) below *= spec->tier[t - 1].children;
    NodeId first = 0;
    for (int32_t child = 0; child < spec->nfilled; first += spec->filled[child++]) {
        lay_out_nodes(cluster, first, spec->filled[child], child * below);
        REQUIRE(
            cluster->runs.n == 1 || cluster->end_endpoint <= (child + 1) * below, STATUS_RANGE,
            "filled gives child %d of the top tier %lld nodes of different counts of GPUs, which "
            "take %lld NIC ports, but it has %lld",
            child, (long long)spec->filled[child],
            (long long)(cluster->end_endpoint - child * below), (long long)below);
    }
    return status_ok();
}

Status address_lay_out(Cluster *cluster) {
    cluster->runs = node_runs(&cluster->spec);
    for (int32_t r = 0; r < cluster->runs.n; r++) {
        cluster->by_rails[r] = divider_make(cluster->runs.run[r].gpus);
        cluster->by_domain[r] = divider_make(cluster->runs.run[r].domain);
    }
    cluster->ngpus = node_runs_ngpus(&cluster->runs);
    cluster->by_unit = divider_make(cluster->spec.tier[0].children);
    cluster->nstretches = 0;
    cluster->end_endpoint = 0;
    if (cluster->spec.nfilled > 0) return lay_out_filled(cluster);
    lay_out_nodes(cluster, 0, cluster->spec.nodes, 0);
    return status_ok();
}

GpuId cluster_gpu_at(const Cluster *cluster, int64_t endpoint) {
    const NodeStretch *stretch = &cluster->stretch[cluster->nstretches - 1];
    while (stretch > cluster->stretch && endpoint < stretch->first_endpoint) stretch--;
    const int64_t rails = stretch->rails, own = endpoint - stretch->first_endpoint;
    int64_t node = own / rails, slot = own % rails;
    if (cluster->spec.wiring != WIRING_PLAIN) {
        const int64_t in_unit = cluster->by_unit.divisor, rail = own / in_unit;
        node = rail / rails * in_unit + own % in_unit;
        slot = rail % rails;
    }
    return own < 0 || node >= stretch->nodes ? -1 : stretch->first_gpu + node * rails + slot;
}
