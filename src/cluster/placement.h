/// placement.h: which GPU carries which rank of a job: a bijection by arithmetic, no table.
///
/// Idea.    Placement moves whole nodes, or blocks of nodes of one scale-up domain where ranks that
///          must share one (a tensor-parallel group) need several: job rank = job block * GPUs of a
///          block + slot. Contiguous takes blocks in order, strided takes every stride-th block from
///          0 on, then every stride-th from 1 on, and so on; random uses a keyed permutation (a
///          Feistel network with cycle walking) so that both directions are O(1). The job takes the
///          first blocks of that order; blocks left over are spares. Spread leaves equal gaps between
///          its blocks. All this happens among the nodes that the job may have: all, or every k-th of a
///          range, so that several jobs divide a cluster. Where jobs use a part of each scale-up domain (16 of the 18 trays
///          of a rack), those are the nodes, numbered without the spares. Where nodes have different counts of GPUs
///          (node_runs.h), blocks have as many as the largest takes, one big node or several small ones, and go on from run
///          to run.
/// Limits.  A job that does not fill its last block leaves the rest of that block idle. Nodes that
///          do not fill a block are used by contiguous alone, and where they are the last of their job's.
/// Source.  Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (cycle
///          walking).
#ifndef COLOSSIM_CLUSTER_PLACEMENT_H
#define COLOSSIM_CLUSTER_PLACEMENT_H

#include "cluster/node_runs.h"

typedef enum PlacementKind {
    PLACEMENT_CONTIGUOUS,
    PLACEMENT_STRIDED,
    PLACEMENT_RANDOM,
    PLACEMENT_SPREAD
} PlacementKind;

extern const char *const PLACEMENT_NAMES[]; ///< then NULL

enum { PLACEMENT_NODES_BYTES = 48 };

typedef struct PlacementSpec {
    PlacementKind kind;
    int64_t stride;                    ///< nodes, for strided; rounded up to whole blocks
    uint64_t seed;                     ///< for random
    char nodes[PLACEMENT_NODES_BYTES]; ///< as written: "all", "0-511", "1-1023/2"; not looked at
    int64_t first_node, node_count;    ///< that it may have; count 0: all behind the first
    int64_t node_step;                 ///< every so many; 0 and 1: each
} PlacementSpec;

/// The nodes of a run that the job may have.
typedef struct PlacementRun {
    AlikeNodes run;
    int64_t first_usable; ///< among those of the run that jobs use
    int64_t nodes;        ///< that the job may have
    int64_t first_block;  ///< of theirs
} PlacementRun;

typedef struct Placement {
    PlacementSpec spec;
    int64_t blocks;     ///< of the nodes it may have
    int64_t job_blocks; ///< of the job, <= blocks
    int64_t job_gpus;   ///< of the job
    int64_t block_gpus; ///< GPUs of a block
    int64_t stride;     ///< blocks
    int64_t grain;      ///< GPUs that divide all nodes of the cluster: blocks begin at multiples
    int32_t nruns;
    PlacementRun run[CLUSTER_GPU_KINDS_MAX];
    int32_t half_bits; ///< computed: Feistel halves
} Placement;

/// Nodes of a cluster without the spares of its domains, and those of them that a job may have.
int64_t placement_usable(const ClusterSpec *machine);
int64_t placement_nodes(const PlacementSpec *spec, const ClusterSpec *machine);
/// Runs of nodes with nodes that a job may have, which are counted; returns how many.
int32_t placement_runs(const PlacementSpec *spec, const ClusterSpec *machine,
                       PlacementRun run[CLUSTER_GPU_KINDS_MAX]);
/// GPUs of all of them, and the most that divide them all: where nodes are alike, those of a node.
int64_t placement_room(const PlacementSpec *spec, const ClusterSpec *machine);
int32_t placement_common(const PlacementSpec *spec, const ClusterSpec *machine);
/// `together` consecutive job ranks share a scale-up domain, which they divide; 1: no matter.
///   MPI: local.  Fails: STATUS_RANGE if the job needs more GPUs than the cluster has, or no GPU, or
///   the stride is not in 1 .. nodes.
Status placement_init(Placement *placement, const PlacementSpec *spec, const ClusterSpec *machine,
                      int64_t job_gpus, int32_t together);
/// GPU of a job rank 0 .. job_gpus - 1.   Cost: O(1), random: under 4 passes of the network on
/// average.
GpuId placement_gpu(const Placement *placement, int64_t job_rank);
/// How many of a job's GPUs are of each kind.   Cost: O(job_gpus) where there are several.
///   gpus  out
void placement_count_kinds(const Placement *placement, const ClusterSpec *machine,
                           int64_t gpus[CLUSTER_GPU_KINDS_MAX]);
/// Job rank on a GPU, or -1 for a spare.
int64_t placement_job_rank(const Placement *placement, GpuId gpu);

#endif
