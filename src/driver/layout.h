/// layout.h: who is where: units of a training job, their GPUs, their groups, their MPI ranks; arithmetic.
///
/// Idea.    A unit is a tensor-parallel group: `width` consecutive job ranks on one node that move as one. Unit u holds
///          job ranks u * width .. u * width + width - 1. Nodes are dealt to MPI ranks by whole rail units of the fabric
///          (all nodes of a leaf) where there are enough of them, else node by node; a unit lives where its node lives.
///          Groups of units: DP (same stage), EMBEDDING (first and last stage of a replica), ALL.
/// Limits.  Tensor parallelism runs fastest in the rank order and stays inside one node.
#ifndef COLOSSIM_DRIVER_LAYOUT_H
#define COLOSSIM_DRIVER_LAYOUT_H

#include "cluster/cluster.h"
#include "cluster/placement.h"
#include "driver/run_spec.h"
#include "par/partition.h"

typedef enum GroupKind { GROUP_DP, GROUP_EMBEDDING, GROUP_ALL, GROUP_KIND_N } GroupKind;

typedef struct Layout {
    const Cluster *cluster;
    const ParallelSpec *parallel;
    Placement placement;
    uint32_t *
        node; ///< [nodes of the job] where they are, if that is random: it is asked several times a message
    Partition nodes; ///< over MPI ranks
    int rank;
    int32_t width; ///< GPUs per unit
    int32_t gpus_per_node;
    int32_t stages;
    int64_t stage_stride; ///< units from one stage to the next
    int64_t nunits;
    GpuId first_gpu; ///< of this MPI rank
    int64_t nslots;  ///< unit places on this MPI rank, spares included
    int64_t first_group[GROUP_KIND_N + 1];
    int64_t
        nidle; ///< groups that never meet: EMBEDDING ones, unless embeddings are tied over stages
} Layout;

/// MPI: local.  Fails: STATUS_RANGE (order does not begin with tp, width does not divide a node, job too large).
Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job, int rank,
                   int nranks);
void layout_fini(Layout *layout);

/// GPU of a unit's member `rail`, 0 <= rail < width.
GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t rail);
/// MPI rank that owns a GPU or a unit.
int layout_owner_of_gpu(const Layout *layout, GpuId gpu);
int layout_owner(const Layout *layout, int64_t unit);
/// Place of a unit on this MPI rank (0 .. nslots-1), or -1 if it lives elsewhere.
int64_t layout_slot(const Layout *layout, int64_t unit);
/// Unit in a place of this MPI rank, or -1 for a spare.
int64_t layout_unit_at(const Layout *layout, int64_t slot);

int32_t layout_stage(const Layout *layout, int64_t unit);
/// The unit of the same replica `distance` stages on, cyclically.
int64_t layout_stage_neighbour(const Layout *layout, int64_t unit, int32_t distance);

/// Group of a unit, or -1 if it is in none of that kind; members as unit numbers; kind of a group.
int64_t layout_group_of(const Layout *layout, int64_t unit, GroupKind kind);
Group layout_group_units(const Layout *layout, int64_t group);
GroupKind layout_group_kind(const Layout *layout, int64_t group);
int64_t layout_ngroups(const Layout *layout);
int64_t layout_ngroups_of(const Layout *layout, GroupKind kind);
/// Groups that meet, numbered densely in the order of groups.
int64_t layout_nmeeting(const Layout *layout);
int64_t layout_meeting_index(const Layout *layout, int64_t group);
int64_t layout_meeting_group(const Layout *layout, int64_t index);

#endif
