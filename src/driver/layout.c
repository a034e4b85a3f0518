#include "driver/layout.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL_RAILS "driver.rails"

/// Units divide scale-up domains, or fill whole ones: then where their GPUs are is the same for all.
static Status check_shape(const Layout *layout) {
    const int32_t domain = scale_up_used(&cluster_spec(layout->cluster)->scale_up);
    Parts parts;
    for (int d = 0; d < DIM_N; d++)
        if (DIM_UNIT >> d & 1) TRY(parallel_parts(layout->parallel, (Dimension)d, domain, &parts));
    return status_ok();
}

static void list_blocks(Layout *layout) {
    const Placement *placement = &layout->placement;
    layout->block =
        memory_alloc("driver.nodes", sizeof *layout->block * (size_t)placement->job_blocks);
    for (int64_t n = 0; n < placement->job_blocks; n++)
        layout->block[n] =
            (uint32_t)(placement_gpu(placement, n * placement->block_gpus) / placement->per_node);
}

void layout_fini(Layout *layout) {
    memory_free("driver.nodes", layout->block,
                sizeof *layout->block * (size_t)layout->placement.job_blocks);
    layout->block = NULL;
    for (int kind = 0; kind < GROUP_KIND_N; kind++) {
        memory_free(LABEL_RAILS, layout->rails[kind].gpu, sizeof(int32_t) * (size_t)layout->width);
        layout->rails[kind].gpu = NULL;
    }
}

void layout_deal(Layout *layout, int rank, int nranks) {
    layout->rank = rank;
    layout->replicas = partition_make(layout->nunits / layout->stages, 1, nranks);
    bool dealt = rank < nranks;
    layout->first_replica = dealt ? partition_first(&layout->replicas, rank) : 0;
    layout->nslots = dealt ? partition_count(&layout->replicas, rank) * layout->stages : 0;
}

/// Groups of a kind in each product of its dimensions, whose members follow each other or are so far apart.
static int64_t parts_of(const Layout *layout, GroupKind kind) {
    switch (GROUPS[kind].part) {
        case PART_ALL: break;
        case PART_SHARD: return layout->units.size[DIM_DP] / layout->shard;
        case PART_ACROSS: return layout->shard;
    }
    return 1;
}

/// Part of a product that its member number i is in.
static int64_t part_of(const Layout *layout, GroupKind kind, int64_t i) {
    switch (GROUPS[kind].part) {
        case PART_ALL: break;
        case PART_SHARD: return i / layout->shard;
        case PART_ACROSS: return i % layout->shard;
    }
    return 0;
}

/// Members of a part, by number in the product.
static Group part_members(const Layout *layout, GroupKind kind, int64_t part, int64_t n) {
    switch (GROUPS[kind].part) {
        case PART_ALL: break;
        case PART_SHARD: return (Group){part * layout->shard, layout->shard, 1};
        case PART_ACROSS: return (Group){part, n / layout->shard, layout->shard};
    }
    return (Group){.first = 0, .n = n, .stride = 1};
}

/// Count the groups of a kind; `experts` are held by other GPUs than the rest.
static int64_t count_groups(const Layout *layout, GroupKind kind, bool experts) {
    if (GROUPS[kind].ends_only && layout->stages == 1) return 0;
    if (GROUPS[kind].experts && !experts) return 0;
    if (GROUPS[kind].part != PART_ALL && layout->shard == 0) return 0;
    return parallel_ngroups(&layout->units, GROUPS[kind].dimensions) * parts_of(layout, kind);
}

/// Those of a layer's experts follow each other, and hold them all once.
static Rails make_expert_rails(const Layout *layout) {
    Rails rails = {.n = (int32_t)parallel_expert_span(layout->parallel)};
    rails.each = layout->width / rails.n;
    rails.gpu = memory_alloc(LABEL_RAILS, sizeof(int32_t) * (size_t)layout->width);
    for (int32_t rail = 0; rail < rails.n; rail++)
        for (int32_t i = 0; i < rails.each; i++)
            rails.gpu[rail * rails.each + i] = i * rails.n + rail;
    return rails;
}

/// Rails of a kind of groups: GPUs of a unit apart from each other along its dimensions.
static Rails make_rails(const Layout *layout, GroupKind kind) {
    if (GROUPS[kind].experts) return make_expert_rails(layout);
    ParallelSpec unit = *layout->parallel;
    unit.size[DIM_DP] = unit.size[DIM_PP] = 1;
    const DimensionSet along = GROUPS[kind].dimensions & DIM_UNIT;
    Rails rails = {.n = (int32_t)parallel_ngroups(&unit, along),
                   .each = (int32_t)parallel_group_size(&unit, along)};
    rails.gpu = memory_alloc(LABEL_RAILS, sizeof(int32_t) * (size_t)layout->width);
    for (int32_t rail = 0; rail < rails.n; rail++)
        for (int32_t i = 0; i < rails.each; i++)
            rails.gpu[rail * rails.each + i] = (int32_t)parallel_member(&unit, rail, along, i);
    return rails;
}

Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const ParallelSpec *parallel = &job->parallel;
    *layout = (Layout){.cluster = cluster,
                       .parallel = parallel,
                       .units = *parallel,
                       .width = (int32_t)parallel_group_size(parallel, DIM_UNIT),
                       .consecutive = parallel_units_are_consecutive(parallel),
                       .gpus_per_node = spec->gpus_per_node,
                       .stages = parallel->size[DIM_PP]};
    for (int d = 0; d < DIM_N; d++)
        if (DIM_UNIT >> d & 1) layout->units.size[d] = 1;
    TRY(check_shape(layout));
    layout->stage_stride = parallel_group(&layout->units, 0, DIM_BIT(DIM_PP)).stride;
    int64_t job_gpus = parallel_nranks(parallel);
    TRY(placement_init(&layout->placement, &job->placement, spec, job_gpus,
                       parallel_together(parallel, scale_up_used(&spec->scale_up))));
    if (job->placement.kind == PLACEMENT_RANDOM) list_blocks(layout);
    layout->nunits = job_gpus / layout->width;
    if (parallel_is_hybrid(parallel))
        layout->shard = parallel->shard_group / parallel->size[DIM_EP];
    layout_deal(layout, 0, 1);
    for (int kind = 0; kind < GROUP_KIND_N; kind++) {
        layout->rails[kind] = make_rails(layout, (GroupKind)kind);
        layout->first_group[kind + 1] =
            layout->first_group[kind] +
            count_groups(layout, (GroupKind)kind, parallel_experts_apart(parallel, &job->model));
    }
    layout->nidle = job->model.tied_embeddings ? 0 : layout_ngroups_of(layout, GROUP_EMBEDDING);
    return status_ok();
}

int64_t layout_job_rank(const Layout *layout, int64_t unit, int32_t member) {
    if (layout->consecutive) return unit * layout->width + member;
    return parallel_member(layout->parallel, unit, DIM_UNIT, member);
}

int64_t layout_unit_of(const Layout *layout, int64_t job_rank) {
    if (layout->consecutive) return job_rank / layout->width;
    return parallel_group_index(layout->parallel, job_rank, DIM_UNIT);
}

static int64_t member_of(const Layout *layout, int64_t job_rank) {
    if (layout->consecutive) return job_rank % layout->width;
    return parallel_group_index(layout->parallel, job_rank, ~DIM_UNIT);
}

static GpuId gpu_of(const Layout *layout, int64_t job_rank) {
    if (!layout->block) return placement_gpu(&layout->placement, job_rank);
    CHECK(job_rank >= 0 && job_rank < layout->placement.job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)layout->placement.job_gpus);
    int64_t block_gpus = layout->placement.block_gpus;
    return layout->block[job_rank / block_gpus] * layout->placement.per_node +
           job_rank % block_gpus;
}

GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t member) {
    return gpu_of(layout, layout_job_rank(layout, unit, member));
}

/// The pipeline-parallel peers of a unit are stage_stride apart: take the stage out of its number.
static int64_t replica_of(const Layout *layout, int64_t unit) {
    int64_t round = layout->stage_stride * layout->stages;
    return unit / round * layout->stage_stride + unit % layout->stage_stride;
}

static int64_t unit_of(const Layout *layout, int64_t replica, int64_t stage) {
    int64_t stride = layout->stage_stride;
    return (replica / stride * layout->stages + stage) * stride + replica % stride;
}

int layout_owner_of_gpu(const Layout *layout, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    if (job_rank < 0) return 0;
    return partition_owner(&layout->replicas, replica_of(layout, layout_unit_of(layout, job_rank)));
}

int64_t layout_place(const Layout *layout, int64_t unit) {
    return replica_of(layout, unit) * layout->stages + layout_stage(layout, unit);
}

int64_t layout_slot(const Layout *layout, int64_t unit) {
    int64_t slot = layout_place(layout, unit) - layout->first_replica * layout->stages;
    return slot >= 0 && slot < layout->nslots ? slot : -1;
}

int64_t layout_unit_at(const Layout *layout, int64_t slot) {
    return unit_of(layout, layout->first_replica + slot / layout->stages, slot % layout->stages);
}

int32_t layout_stage(const Layout *layout, int64_t unit) {
    return (int32_t)(unit / layout->stage_stride % layout->stages);
}

int64_t layout_stage_neighbour(const Layout *layout, int64_t unit, int32_t distance) {
    int32_t stage = layout_stage(layout, unit);
    int32_t to = (stage + distance + layout->stages) % layout->stages;
    return unit + (to - stage) * layout->stage_stride;
}

static bool at_an_end(const Layout *layout, int64_t unit) {
    int32_t stage = layout_stage(layout, unit);
    return layout->stages > 1 && (stage == 0 || stage == layout->stages - 1);
}

int64_t layout_group_of(const Layout *layout, int64_t unit, GroupKind kind) {
    if (GROUPS[kind].ends_only && !at_an_end(layout, unit)) return -1;
    const DimensionSet dimensions = GROUPS[kind].dimensions;
    int64_t whole = parallel_group_index(&layout->units, unit, dimensions);
    if (GROUPS[kind].part == PART_ALL) return layout->first_group[kind] + whole;
    if (layout->shard == 0) return -1;
    int64_t i = parallel_coordinate(&layout->units, unit, DIM_DP);
    return layout->first_group[kind] + whole * parts_of(layout, kind) + part_of(layout, kind, i);
}

GroupKind layout_group_kind(const Layout *layout, int64_t group) {
    CHECK(group >= 0 && group < layout_ngroups(layout), "group %lld", (long long)group);
    int kind = 0;
    while (group >= layout->first_group[kind + 1]) kind++;
    return (GroupKind)kind;
}

int64_t layout_ngroups(const Layout *layout) { return layout->first_group[GROUP_KIND_N]; }

int64_t layout_ngroups_of(const Layout *layout, GroupKind kind) {
    return layout->first_group[kind + 1] - layout->first_group[kind];
}

int64_t layout_nmeeting(const Layout *layout) { return layout_ngroups(layout) - layout->nidle; }

int64_t layout_meeting_index(const Layout *layout, int64_t group) {
    const int64_t *first = layout->first_group;
    if (group < first[GROUP_EMBEDDING]) return group;
    CHECK(layout->nidle == 0 || group >= first[GROUP_EMBEDDING + 1], "group %lld never meets",
          (long long)group);
    return group - layout->nidle;
}

int64_t layout_meeting_group(const Layout *layout, int64_t index) {
    return index < layout->first_group[GROUP_EMBEDDING] ? index : index + layout->nidle;
}

Group layout_group_units(const Layout *layout, int64_t group) {
    GroupKind kind = layout_group_kind(layout, group);
    int64_t index = group - layout->first_group[kind], parts = parts_of(layout, kind);
    Group units = parallel_group_at(&layout->units, index / parts, GROUPS[kind].dimensions);
    if (GROUPS[kind].part != PART_ALL) {
        Group members = part_members(layout, kind, index % parts, units.n);
        units = (Group){.first = units.first + members.first * units.stride,
                        .n = members.n,
                        .stride = members.stride * units.stride};
    }
    if (!GROUPS[kind].ends_only) return units;
    return (Group){.first = units.first, .n = 2, .stride = (units.n - 1) * units.stride};
}

const Rails *layout_rails(const Layout *layout, int64_t group) {
    return &layout->rails[layout_group_kind(layout, group)];
}

int64_t layout_rail_size(const Layout *layout, int64_t group) {
    return layout_group_units(layout, group).n * layout_rails(layout, group)->each;
}

int64_t layout_rail_job_rank(const Layout *layout, int64_t group, int32_t rail, int64_t i) {
    Group units = layout_group_units(layout, group);
    const Rails *rails = layout_rails(layout, group);
    return layout_job_rank(layout, units.first + i / rails->each * units.stride,
                           rails->gpu[rail * rails->each + i % rails->each]);
}

GpuId layout_rail_gpu(const Layout *layout, int64_t group, int32_t rail, int64_t i) {
    return gpu_of(layout, layout_rail_job_rank(layout, group, rail, i));
}

bool layout_on_rail(const Layout *layout, int64_t group, int32_t rail, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    if (job_rank < 0) return false;
    int64_t unit = layout_unit_of(layout, job_rank), member = member_of(layout, job_rank);
    const Rails *rails = layout_rails(layout, group);
    bool on = false;
    for (int32_t i = 0; i < rails->each && !on; i++)
        on = rails->gpu[rail * rails->each + i] == member;
    return on && layout_group_of(layout, unit, layout_group_kind(layout, group)) == group;
}

bool layout_same_pipeline(const Layout *layout, int64_t unit, int32_t member, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank >= 0 && member_of(layout, job_rank) == member &&
           replica_of(layout, layout_unit_of(layout, job_rank)) == replica_of(layout, unit);
}

/// Members with numbers first, first + stride, ... (n of them) that lie in [from, from + count).
static Group cut(Group all, int64_t from, int64_t count) {
    int64_t before = from > all.first ? (from - all.first + all.stride - 1) / all.stride : 0;
    int64_t end =
        from + count > all.first ? (from + count - all.first + all.stride - 1) / all.stride : 0;
    if (end > all.n) end = all.n;
    if (end <= before) return (Group){.stride = 1};
    return (Group){
        .first = all.first + before * all.stride, .n = end - before, .stride = all.stride};
}

Group layout_group_slots(const Layout *layout, int64_t group) {
    GroupKind kind = layout_group_kind(layout, group);
    int64_t first_unit = layout_group_units(layout, group).first;
    const bool all = GROUPS[kind].dimensions >> DIM_DP & 1;
    Group replicas = part_members(layout, kind, 0, all ? layout->nunits / layout->stages : 1);
    replicas.first = replica_of(layout, first_unit);
    replicas = cut(replicas, layout->first_replica, layout->nslots / layout->stages);
    if (replicas.n == 0) return replicas;
    int64_t first = (replicas.first - layout->first_replica) * layout->stages;
    if (GROUPS[kind].ends_only) return (Group){first, 2, layout->stages - 1};
    if (GROUPS[kind].dimensions & DIM_BIT(DIM_PP))
        return (Group){first, replicas.n * layout->stages, 1};
    return (Group){.first = first + layout_stage(layout, first_unit),
                   .n = replicas.n,
                   .stride = replicas.stride * layout->stages};
}
