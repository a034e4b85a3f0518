/// layout.h: who is where: units of a training job, their GPUs, their groups, their MPI ranks; arithmetic.
///
/// Idea.    A unit is the GPUs that exchange in every layer, which therefore move as one: `width` = TP * CP * EP of them.
///          Units are numbered like job ranks, without these dimensions; where they run fastest in the order, as mostly,
///          unit u holds job ranks u * width .. u * width + width - 1. A replica (of units: EP of the model's) is the
///          units of all stages that hand work to each
///          other; replicas are dealt to MPI ranks in order, wherever their GPUs are, and the units of a rank stand
///          replica by replica, stage by stage: slot = (replica - first_replica) * stages + stage.
///          Groups of units stand in program/kinds.h. The members of a group that a rank has are evenly spaced slots.
///          A collective of a group runs on rails side by side. Those GPUs of a unit are on one rail of a kind of groups
///          that differ along the dimensions of the kind alone (what they hold is the same): for gradients with tp 2
///          and cp 4 GPUs 0, 2, 4, 6 on rail 0, and 1, 3, 5, 7 on rail 1.
#ifndef COLOSSIM_DRIVER_LAYOUT_H
#define COLOSSIM_DRIVER_LAYOUT_H

#include "cluster/cluster.h"
#include "cluster/placement.h"
#include "driver/run_spec.h"
#include "par/partition.h"

/// How the GPUs of a unit are on the rails of a kind of groups.
typedef struct Rails {
    int32_t n, each; ///< rails, GPUs of a unit on each
    int32_t *gpu;    ///< [n * each] rail by rail
} Rails;

typedef struct Layout {
    const Cluster *cluster;
    const ParallelSpec *parallel;
    ParallelSpec units; ///< the same with one rank a unit
    Placement placement;
    uint32_t *
        block; ///< [placement.job_blocks] where they are, if that is random: it is asked several times a message
    Partition replicas; ///< over MPI ranks
    int rank;
    int32_t width;    ///< GPUs per unit
    int64_t shard;    ///< units of a shard group; 0: sharding is not hybrid
    bool consecutive; ///< job ranks of a unit
    Rails rails[GROUP_KIND_N];
    int32_t gpus_per_node;
    int32_t stages;
    int64_t stage_stride; ///< units from one stage to the next
    int64_t nunits;
    int64_t first_replica;
    int64_t nslots; ///< units on this MPI rank
    int64_t first_group[GROUP_KIND_N + 1];
    int64_t
        nidle; ///< groups that never meet: EMBEDDING ones, unless embeddings are tied over stages
} Layout;

/// All units on one rank, until they are dealt.
///   MPI: local.  Fails: STATUS_RANGE (a unit neither divides nor fills scale-up domains, job too large).
Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job);
void layout_fini(Layout *layout);
/// Deal the replicas to the first `nranks` ranks; `rank` gets none if it is not among them.
void layout_deal(Layout *layout, int rank, int nranks);

/// Job rank of a unit's GPU number `member`, 0 <= member < width, and the unit of a job rank.
int64_t layout_job_rank(const Layout *layout, int64_t unit, int32_t member);
int64_t layout_unit_of(const Layout *layout, int64_t job_rank);
GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t member);
/// How the GPUs of a group's units are on its rails; GPUs on each, and GPU number i of them, unit by unit.
const Rails *layout_rails(const Layout *layout, int64_t group);
int64_t layout_rail_size(const Layout *layout, int64_t group);
int64_t layout_rail_job_rank(const Layout *layout, int64_t group, int32_t rail, int64_t i);
GpuId layout_rail_gpu(const Layout *layout, int64_t group, int32_t rail, int64_t i);
/// MPI rank that plays what is on a GPU; 0 for one that the job leaves idle.
int layout_owner_of_gpu(const Layout *layout, GpuId gpu);
/// Place of a unit on this MPI rank (0 .. nslots-1), or -1 if it lives elsewhere; among all units; and back.
int64_t layout_slot(const Layout *layout, int64_t unit);
int64_t layout_place(const Layout *layout, int64_t unit);
int64_t layout_unit_at(const Layout *layout, int64_t slot);

int32_t layout_stage(const Layout *layout, int64_t unit);
/// The unit of the same replica `distance` stages on, cyclically.
int64_t layout_stage_neighbour(const Layout *layout, int64_t unit, int32_t distance);

/// Group of a unit, or -1 if it is in none of that kind; members as unit numbers; kind of a group.
int64_t layout_group_of(const Layout *layout, int64_t unit, GroupKind kind);
Group layout_group_units(const Layout *layout, int64_t group);
GroupKind layout_group_kind(const Layout *layout, int64_t group);
/// Whether a GPU is on a rail of the group; is GPU number `member` of a unit of the same replica as `unit`.
bool layout_on_rail(const Layout *layout, int64_t group, int32_t rail, GpuId gpu);
bool layout_same_pipeline(const Layout *layout, int64_t unit, int32_t member, GpuId gpu);
/// Slots of the members of a group on this MPI rank; n may be 0.
Group layout_group_slots(const Layout *layout, int64_t group);
int64_t layout_ngroups(const Layout *layout);
int64_t layout_ngroups_of(const Layout *layout, GroupKind kind);
/// Groups that meet, numbered densely in the order of groups.
int64_t layout_nmeeting(const Layout *layout);
int64_t layout_meeting_index(const Layout *layout, int64_t group);
int64_t layout_meeting_group(const Layout *layout, int64_t index);

#endif
