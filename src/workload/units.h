/// units.h: units of a training job, their replicas, groups and rails: arithmetic over job ranks.
///
/// Idea.    A unit is the GPUs that exchange in every layer, which therefore move as one: `width` = TP * CP * EP of them.
///          Units are numbered like job ranks, without these dimensions; where they run fastest in the order, as mostly,
///          unit u holds job ranks u * width .. u * width + width - 1. A replica (of units: EP of the model's) is the
///          units of all stages that hand work to each other.
///          Groups of units stand in program/kinds.h. A collective of a group runs on rails side by side. Those GPUs of a
///          unit are on one rail of a kind of groups that differ along the dimensions of the kind alone (what they hold is
///          the same): for gradients with tp 2 and cp 4 GPUs 0, 2, 4, 6 on rail 0, and 1, 3, 5, 7 on rail 1.
#ifndef COLOSSIM_WORKLOAD_UNITS_H
#define COLOSSIM_WORKLOAD_UNITS_H

#include "program/kinds.h"
#include "workload/model.h"

/// How the GPUs of a unit are on the rails of a kind of groups.
typedef struct Rails {
    int32_t n, each; ///< rails, GPUs of a unit on each
    int32_t *gpu;    ///< [n * each] rail by rail
} Rails;

/// Replicas that meet in a kind of groups: each `stride`-th, `n` of them, so that a product of its dimensions falls into
/// `count` groups.
typedef struct ReplicaPart {
    int64_t n, stride, count;
} ReplicaPart;

typedef struct Units {
    const ParallelSpec *parallel;
    ParallelSpec grid; ///< the same with one rank a unit
    int32_t width;     ///< GPUs per unit
    int64_t n;
    int32_t stages;
    int64_t stage_stride; ///< units from one stage to the next
    int64_t shard;        ///< units of a shard group; 0: sharding is not hybrid
    bool consecutive;     ///< job ranks of a unit
    Rails rails[GROUP_KIND_N];
    ReplicaPart part[GROUP_KIND_N];
    int64_t first_group[GROUP_KIND_N + 1];
    /// groups that never meet: EMBEDDING ones, unless embeddings are tied over stages
    int64_t nidle;
} Units;

/// `parallel` is borrowed.
void units_init(Units *units, const ParallelSpec *parallel, const ModelSpec *model);
void units_fini(Units *units);

/// Job rank of a unit's GPU number `member`, 0 <= member < width; the unit of a job rank, and its number there.
int64_t units_job_rank(const Units *units, int64_t unit, int32_t member);
int64_t units_of_rank(const Units *units, int64_t job_rank);
int64_t units_member(const Units *units, int64_t job_rank);

int32_t units_stage(const Units *units, int64_t unit);
int64_t units_replica(const Units *units, int64_t unit);
int64_t units_at(const Units *units, int64_t replica, int64_t stage);
/// The unit of the same replica `distance` stages on, cyclically.
int64_t units_stage_neighbour(const Units *units, int64_t unit, int32_t distance);

/// Group of a unit, or -1 if it is in none of that kind; members as unit numbers; kind of a group.
int64_t units_group_of(const Units *units, int64_t unit, GroupKind kind);
Group units_group(const Units *units, int64_t group);
GroupKind units_group_kind(const Units *units, int64_t group);
int64_t units_ngroups(const Units *units);
int64_t units_ngroups_of(const Units *units, GroupKind kind);
/// Groups that meet, numbered densely in the order of groups.
int64_t units_nmeeting(const Units *units);
int64_t units_meeting_index(const Units *units, int64_t group);
int64_t units_meeting_group(const Units *units, int64_t index);

/// How the GPUs of a group's units are on its rails; GPUs on each, and job rank number i of them, unit by unit.
const Rails *units_rails(const Units *units, int64_t group);
int64_t units_rail_size(const Units *units, int64_t group);
int64_t units_rail_job_rank(const Units *units, int64_t group, int32_t rail, int64_t i);
/// Whether a job rank is on a rail of the group.
bool units_on_rail(const Units *units, int64_t group, int32_t rail, int64_t job_rank);

#endif
