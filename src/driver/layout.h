/// layout.h: who is where: GPUs and MPI ranks of the units of a training job (workload/units.h).
///
/// Idea.    Replicas are dealt to MPI ranks in order, wherever their GPUs are, and the units of a rank stand
///          replica by replica, stage by stage: slot = (replica - first_replica) * stages + stage. The members of a group
///          that a rank has are evenly spaced slots. Where some replicas do what others do (layout_fold), they have no
///          slots: those of the others follow each other.
#ifndef COLOSSIM_DRIVER_LAYOUT_H
#define COLOSSIM_DRIVER_LAYOUT_H

#include "cluster/cluster.h"
#include "cluster/placement.h"
#include "driver/run_spec.h"
#include "par/partition.h"
#include "workload/units.h"

/// Replicas of a rank that others are played for, all counted from its first.
typedef struct LayoutFold {
    int64_t n;       ///< that have slots ...
    int32_t *kept;   ///< [n] ... in their order; NULL: all have, and each is played for itself
    int32_t *player; ///< [nreplicas] place among `kept` of the one that is played for each
    int32_t *first,
        *alike; ///< [n + 1], [nreplicas] those that each is played for: alike[first[k] .. first[k + 1])
} LayoutFold;

typedef struct Layout {
    const Cluster *cluster;
    Units units;
    Placement placement;
    /// [placement.job_blocks] where they are, if that is random: it is asked several times a message
    uint32_t *block;
    Partition replicas;               ///< over MPI ranks
    int64_t first_replica, nreplicas; ///< of this MPI rank
    int64_t nslots;                   ///< units on this MPI rank
    LayoutFold fold;
} Layout;

/// All units on one rank, until they are dealt.
///   MPI: local.  Fails: STATUS_RANGE (a unit neither divides nor fills scale-up domains, job too large).
Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job);
void layout_fini(Layout *layout);
/// Deal the replicas to the first `nranks` ranks; `rank` gets none if it is not among them.
void layout_deal(Layout *layout, int rank, int nranks);
/// Of the replicas dealt to this rank those that are not `kept` get no slots.
///   leader[nreplicas]  the one that is played for each, which is kept; kept[nreplicas]
void layout_fold(Layout *layout, const int32_t leader[], const bool kept[]);
/// Slot of the first unit that is played for replica i of this rank; replica of a slot.
int64_t layout_played_slot(const Layout *layout, int64_t i);
int64_t layout_replica_at(const Layout *layout, int64_t slot);
/// How many units a slot's is played for, itself included, and the i-th of them.
int64_t layout_nalike(const Layout *layout, int64_t slot);
int64_t layout_alike(const Layout *layout, int64_t slot, int64_t i);

/// GPU of a unit's member; number i of those of a rail of a group.
GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t member);
GpuId layout_rail_gpu(const Layout *layout, int64_t group, int32_t rail, int64_t i);
/// MPI rank that plays what is on a GPU; 0 for one that the job leaves idle.
int layout_owner_of_gpu(const Layout *layout, GpuId gpu);
/// Place of a unit on this MPI rank (0 .. nslots-1), or -1 if it lives elsewhere, or another is played for it; among all
/// units; and back from a slot.
int64_t layout_slot(const Layout *layout, int64_t unit);
int64_t layout_place(const Layout *layout, int64_t unit);
int64_t layout_unit_at(const Layout *layout, int64_t slot);
/// Whether a GPU is on a rail of the group; is GPU number `member` of a unit of the same replica as `unit`.
bool layout_on_rail(const Layout *layout, int64_t group, int32_t rail, GpuId gpu);
bool layout_same_pipeline(const Layout *layout, int64_t unit, int32_t member, GpuId gpu);
/// Slots of the members of a group on this MPI rank; n may be 0. Folded: those of its stage, of any group.
Group layout_group_slots(const Layout *layout, int64_t group);

#endif
