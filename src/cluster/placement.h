/// placement.h: which GPU carries which rank of a job: a bijection by arithmetic, no table.
///
/// Idea.    Placement moves whole nodes: job rank = job node * gpus_per_node + slot. Contiguous
///          takes nodes in order, strided takes every stride-th node from 0 on, then every
///          stride-th from 1 on, and so on; random uses a keyed permutation (a Feistel network with
///          cycle walking) so that both directions are O(1). The job takes the first nodes of that
///          order; nodes left over are spares.
/// Limits.  A job that does not fill its last node leaves the rest of that node idle.
/// Source.  Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (cycle
///          walking).
#ifndef COLOSSIM_CLUSTER_PLACEMENT_H
#define COLOSSIM_CLUSTER_PLACEMENT_H

#include "cluster/cluster.h"

typedef enum PlacementKind {
    PLACEMENT_CONTIGUOUS,
    PLACEMENT_STRIDED,
    PLACEMENT_RANDOM
} PlacementKind;

typedef struct PlacementSpec {
    PlacementKind kind;
    int64_t stride; ///< nodes, for strided
    uint64_t seed;  ///< for random
} PlacementSpec;

typedef struct Placement {
    PlacementSpec spec;
    int64_t nodes;     ///< of the cluster
    int64_t job_nodes; ///< of the job, <= nodes
    int64_t job_gpus;  ///< of the job
    int32_t gpus_per_node;
    int32_t half_bits; ///< computed: Feistel halves
} Placement;

/// MPI: local.  Fails: STATUS_RANGE if the job needs more GPUs than the cluster has, or no GPU, or
/// the stride is not in 1 .. nodes.
Status placement_init(Placement *placement, const PlacementSpec *spec, const Cluster *cluster,
                      int64_t job_gpus);
/// GPU of a job rank 0 .. job_gpus - 1.   Cost: O(1), random: under 4 passes of the network on
/// average.
GpuId placement_gpu(const Placement *placement, int64_t job_rank);
/// Job rank on a GPU, or -1 for a spare.
int64_t placement_job_rank(const Placement *placement, GpuId gpu);

#endif
