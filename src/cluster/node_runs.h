/// node_runs.h: how GPUs, nodes, scale-up domains and racks are numbered where nodes are not all alike.
///
/// Idea.    A cluster is a row of *runs*: nodes of as many GPUs (and NICs, and rails) each, in scale-up domains of one
///          size. Numbers go on from run to run, and a run begins with a node, a domain and a rack of its own (and where
///          NICs are wired by rails, with leaves of its own): within a run everything is a division, and which run a number
///          is in is told by comparing it with the first of each. What else nodes may differ in, GPUs and what their domain
///          carries, is a matter of kinds (cluster.h): several kinds may be in one run.
///              GPU    = first_gpu + (node - first_node) * gpus + slot
///              domain = first_domain + (gpu - first_gpu) / domain
/// Limits.  As many runs as there are kinds.
#ifndef COLOSSIM_CLUSTER_NODE_RUNS_H
#define COLOSSIM_CLUSTER_NODE_RUNS_H

#include "cluster/cluster.h"

typedef struct AlikeNodes {
    NodeId first_node;
    int64_t nodes;        ///< >= 1
    int32_t gpus;         ///< of a node
    int32_t domain, used; ///< GPUs of a scale-up domain, and of it those that jobs use
    GpuId first_gpu;
    int64_t first_domain;
    int64_t first_rack,
        rack_gpus; ///< of a rack: see cluster_rack_gpus; the last of a run may have fewer
} AlikeNodes;

typedef struct NodeRuns {
    int32_t n;
    AlikeNodes run[CLUSTER_GPU_KINDS_MAX];
} NodeRuns;

/// Of a spec, which need not be good.   Cost: O(1).
NodeRuns node_runs(const ClusterSpec *spec);
/// Are nodes of two kinds that follow each other in one run?
bool node_runs_alike(const ClusterSpec *spec, int32_t a, int32_t b);

/// The most GPUs that a node, a scale-up domain, a rack of a spec has.
typedef struct MostGpus {
    int32_t node, domain;
    int64_t rack;
} MostGpus;
MostGpus node_runs_most(const ClusterSpec *spec);

static inline int64_t node_run_ngpus(const AlikeNodes *run) { return run->nodes * run->gpus; }

/// The run of a GPU, of a node.
static inline const AlikeNodes *node_run_of_gpu(const NodeRuns *runs, GpuId gpu) {
    const AlikeNodes *run = &runs->run[runs->n - 1];
    while (gpu < run->first_gpu) run--;
    return run;
}
static inline const AlikeNodes *node_run_of_node(const NodeRuns *runs, NodeId node) {
    const AlikeNodes *run = &runs->run[runs->n - 1];
    while (node < run->first_node) run--;
    return run;
}
static inline NodeId node_run_node(const AlikeNodes *run, GpuId gpu) {
    return run->first_node + (gpu - run->first_gpu) / run->gpus;
}
static inline GpuId node_run_gpu(const AlikeNodes *run, NodeId node) {
    return run->first_gpu + (node - run->first_node) * run->gpus;
}

/// GPUs of all nodes.
int64_t node_runs_ngpus(const NodeRuns *runs);
/// Racks, and the number of the one a GPU is in.
int64_t node_runs_nracks(const NodeRuns *runs);
int64_t node_runs_rack(const NodeRuns *runs, GpuId gpu);
GpuId node_runs_rack_gpu(const NodeRuns *runs, int64_t rack); ///< the first of it

#endif
