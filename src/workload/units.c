#include "workload/units.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL_RAILS "workload.rails"

/// Those of a layer's experts follow each other, and hold them all once.
static Rails make_expert_rails(const Units *units) {
    Rails rails = {.n = (int32_t)parallel_expert_span(units->parallel)};
    rails.each = units->width / rails.n;
    rails.gpu = memory_alloc(LABEL_RAILS, sizeof(int32_t) * (size_t)units->width);
    for (int32_t rail = 0; rail < rails.n; rail++)
        for (int32_t i = 0; i < rails.each; i++)
            rails.gpu[rail * rails.each + i] = i * rails.n + rail;
    return rails;
}

/// Rails of a kind of groups: GPUs of a unit apart from each other along its dimensions.
static Rails make_rails(const Units *units, GroupKind kind) {
    if (GROUPS[kind].experts) return make_expert_rails(units);
    ParallelSpec unit = *units->parallel;
    unit.size[DIM_DP] = unit.size[DIM_PP] = 1;
    const DimensionSet along = GROUPS[kind].dimensions & DIM_UNIT;
    Rails rails = {.n = (int32_t)parallel_ngroups(&unit, along),
                   .each = (int32_t)parallel_group_size(&unit, along)};
    rails.gpu = memory_alloc(LABEL_RAILS, sizeof(int32_t) * (size_t)units->width);
    for (int32_t rail = 0; rail < rails.n; rail++)
        for (int32_t i = 0; i < rails.each; i++)
            rails.gpu[rail * rails.each + i] = (int32_t)parallel_member(&unit, rail, along, i);
    return rails;
}

static ReplicaPart make_part(const Units *units, GroupKind kind) {
    const int64_t replicas = units->grid.size[DIM_DP], shard = units->shard;
    if (GROUPS[kind].part == PART_ALL || shard == 0) return (ReplicaPart){replicas, 1, 1};
    if (GROUPS[kind].part == PART_SHARD) return (ReplicaPart){shard, 1, replicas / shard};
    return (ReplicaPart){replicas / shard, shard, shard};
}

/// Count the groups of a kind; `experts` are held by other GPUs than the rest.
static int64_t count_groups(const Units *units, GroupKind kind, bool experts) {
    if (GROUPS[kind].ends_only && units->stages == 1) return 0;
    if (GROUPS[kind].experts && !experts) return 0;
    if (GROUPS[kind].part != PART_ALL && units->shard == 0) return 0;
    return parallel_ngroups(&units->grid, GROUPS[kind].dimensions) * units->part[kind].count;
}

void units_init(Units *units, const ParallelSpec *parallel, const ModelSpec *model) {
    *units = (Units){.parallel = parallel,
                     .grid = *parallel,
                     .width = (int32_t)parallel_group_size(parallel, DIM_UNIT),
                     .stages = parallel->size[DIM_PP],
                     .consecutive = parallel_units_are_consecutive(parallel)};
    for (int d = 0; d < DIM_N; d++)
        if (DIM_UNIT >> d & 1) units->grid.size[d] = 1;
    units->n = parallel_nranks(&units->grid);
    units->stage_stride = parallel_group(&units->grid, 0, DIM_BIT(DIM_PP)).stride;
    if (parallel_is_hybrid(parallel)) units->shard = parallel->shard_group / parallel->size[DIM_EP];
    for (int kind = 0; kind < GROUP_KIND_N; kind++) {
        units->rails[kind] = make_rails(units, (GroupKind)kind);
        units->part[kind] = make_part(units, (GroupKind)kind);
        units->first_group[kind + 1] =
            units->first_group[kind] +
            count_groups(units, (GroupKind)kind, parallel_experts_apart(parallel, model));
    }
    units->nidle = model->tied_embeddings ? 0 : units_ngroups_of(units, GROUP_EMBEDDING);
}

void units_fini(Units *units) {
    for (int kind = 0; kind < GROUP_KIND_N; kind++) {
        memory_free(LABEL_RAILS, units->rails[kind].gpu, sizeof(int32_t) * (size_t)units->width);
        units->rails[kind].gpu = NULL;
    }
}

int64_t units_job_rank(const Units *units, int64_t unit, int32_t member) {
    if (units->consecutive) return unit * units->width + member;
    return parallel_member(units->parallel, unit, DIM_UNIT, member);
}

int64_t units_of_rank(const Units *units, int64_t job_rank) {
    if (units->consecutive) return job_rank / units->width;
    return parallel_group_index(units->parallel, job_rank, DIM_UNIT);
}

int64_t units_member(const Units *units, int64_t job_rank) {
    if (units->consecutive) return job_rank % units->width;
    return parallel_group_index(units->parallel, job_rank, ~DIM_UNIT);
}

int32_t units_stage(const Units *units, int64_t unit) {
    return (int32_t)(unit / units->stage_stride % units->stages);
}

// The pipeline-parallel peers of a unit are stage_stride apart: take the stage out of its number.
int64_t units_replica(const Units *units, int64_t unit) {
    int64_t round = units->stage_stride * units->stages;
    return unit / round * units->stage_stride + unit % units->stage_stride;
}

int64_t units_at(const Units *units, int64_t replica, int64_t stage) {
    int64_t stride = units->stage_stride;
    return (replica / stride * units->stages + stage) * stride + replica % stride;
}

int64_t units_stage_neighbour(const Units *units, int64_t unit, int32_t distance) {
    int32_t stage = units_stage(units, unit);
    int32_t to = (stage + distance + units->stages) % units->stages;
    return unit + (to - stage) * units->stage_stride;
}

static bool at_an_end(const Units *units, int64_t unit) {
    int32_t stage = units_stage(units, unit);
    return units->stages > 1 && (stage == 0 || stage == units->stages - 1);
}

int64_t units_group_of(const Units *units, int64_t unit, GroupKind kind) {
    if (GROUPS[kind].ends_only && !at_an_end(units, unit)) return -1;
    int64_t whole = parallel_group_index(&units->grid, unit, GROUPS[kind].dimensions);
    if (GROUPS[kind].part == PART_ALL) return units->first_group[kind] + whole;
    if (units->shard == 0) return -1;
    const ReplicaPart part = units->part[kind];
    const int64_t i = parallel_coordinate(&units->grid, unit, DIM_DP);
    return units->first_group[kind] + whole * part.count +
           i / (part.n * part.stride) * part.stride + i % part.stride;
}

GroupKind units_group_kind(const Units *units, int64_t group) {
    CHECK(group >= 0 && group < units_ngroups(units), "group %lld", (long long)group);
    int kind = 0;
    while (group >= units->first_group[kind + 1]) kind++;
    return (GroupKind)kind;
}

Group units_group(const Units *units, int64_t group) {
    GroupKind kind = units_group_kind(units, group);
    const ReplicaPart part = units->part[kind];
    const int64_t index = group - units->first_group[kind], p = index % part.count;
    Group all = parallel_group_at(&units->grid, index / part.count, GROUPS[kind].dimensions);
    if (GROUPS[kind].part != PART_ALL) {
        int64_t first = p / part.stride * part.n * part.stride + p % part.stride;
        all = (Group){all.first + first * all.stride, part.n, part.stride * all.stride};
    }
    if (!GROUPS[kind].ends_only) return all;
    return (Group){.first = all.first, .n = 2, .stride = (all.n - 1) * all.stride};
}

int64_t units_ngroups(const Units *units) { return units->first_group[GROUP_KIND_N]; }

int64_t units_ngroups_of(const Units *units, GroupKind kind) {
    return units->first_group[kind + 1] - units->first_group[kind];
}

int64_t units_nmeeting(const Units *units) { return units_ngroups(units) - units->nidle; }

int64_t units_meeting_index(const Units *units, int64_t group) {
    const int64_t *first = units->first_group;
    if (group < first[GROUP_EMBEDDING]) return group;
    CHECK(units->nidle == 0 || group >= first[GROUP_EMBEDDING + 1], "group %lld never meets",
          (long long)group);
    return group - units->nidle;
}

int64_t units_meeting_group(const Units *units, int64_t index) {
    return index < units->first_group[GROUP_EMBEDDING] ? index : index + units->nidle;
}

const Rails *units_rails(const Units *units, int64_t group) {
    return &units->rails[units_group_kind(units, group)];
}

int64_t units_rail_size(const Units *units, int64_t group) {
    return units_group(units, group).n * units_rails(units, group)->each;
}

int64_t units_rail_job_rank(const Units *units, int64_t group, int32_t rail, int64_t i) {
    Group members = units_group(units, group);
    const Rails *rails = units_rails(units, group);
    return units_job_rank(units, members.first + i / rails->each * members.stride,
                          rails->gpu[rail * rails->each + i % rails->each]);
}

bool units_on_rail(const Units *units, int64_t group, int32_t rail, int64_t job_rank) {
    const int64_t unit = units_of_rank(units, job_rank), member = units_member(units, job_rank);
    const Rails *rails = units_rails(units, group);
    bool on = false;
    for (int32_t i = 0; i < rails->each && !on; i++)
        on = rails->gpu[rail * rails->each + i] == member;
    return on && units_group_of(units, unit, units_group_kind(units, group)) == group;
}
