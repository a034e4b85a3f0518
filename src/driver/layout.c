#include "driver/layout.h"

#include "base/check.h"
#include "base/memory.h"

static Status check_shape(const Layout *layout, const ParallelSpec *parallel) {
    REQUIRE(parallel->size[DIM_TP] == 1 || parallel->order[0] == DIM_TP, STATUS_RANGE,
            "parallel.order must begin with tp: tensor-parallel ranks share a scale-up domain");
    const int32_t domain = cluster_spec(layout->cluster)->scale_up.gpus;
    REQUIRE(domain % layout->width == 0, STATUS_RANGE,
            "tp = %d does not divide the %d GPUs of a scale-up domain", layout->width, domain);
    for (int kind = 0; kind < GROUP_KIND_N; kind++)
        REQUIRE(parallel_group_is_even(parallel, GROUPS[kind].dimensions), STATUS_RANGE,
                "parallel.order must keep the dimensions of replicas side by side");
    return status_ok();
}

static void list_blocks(Layout *layout) {
    const Placement *placement = &layout->placement;
    layout->block =
        memory_alloc("driver.nodes", sizeof *layout->block * (size_t)placement->job_blocks);
    for (int64_t n = 0; n < placement->job_blocks; n++)
        layout->block[n] =
            (uint32_t)(placement_gpu(placement, n * placement->block_gpus) / placement->block_gpus);
}

void layout_fini(Layout *layout) {
    memory_free("driver.nodes", layout->block,
                sizeof *layout->block * (size_t)layout->placement.job_blocks);
    layout->block = NULL;
}

void layout_deal(Layout *layout, int rank, int nranks) {
    layout->rank = rank;
    layout->replicas = partition_make(layout->nunits / layout->stages, 1, nranks);
    bool dealt = rank < nranks;
    layout->first_replica = dealt ? partition_first(&layout->replicas, rank) : 0;
    layout->nslots = dealt ? partition_count(&layout->replicas, rank) * layout->stages : 0;
}

/// Count the groups of a kind, and where in the job they are: replicas count along all dimensions but tp and pp.
static int64_t set_up_group(Layout *layout, GroupKind kind) {
    const ParallelSpec *parallel = layout->parallel;
    const DimensionSet pipeline = DIM_BIT(DIM_TP) | DIM_BIT(DIM_PP);
    DimensionSet outside = GROUPS[kind].dimensions & ~pipeline;
    int64_t stride = 1;
    for (int i = 0; i < DIM_N && !(outside >> parallel->order[i] & 1); i++)
        if (!(pipeline >> parallel->order[i] & 1)) stride *= parallel->size[parallel->order[i]];
    layout->group_replicas[kind] = parallel_group_size(parallel, outside);
    layout->replica_stride[kind] = layout->group_replicas[kind] > 1 ? stride : 1;
    if (GROUPS[kind].ends_only && layout->stages == 1) return 0;
    return parallel_ngroups(parallel, GROUPS[kind].dimensions) / layout->width;
}

Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const ParallelSpec *parallel = &job->parallel;
    *layout = (Layout){.cluster = cluster,
                       .parallel = parallel,
                       .width = parallel->size[DIM_TP],
                       .gpus_per_node = spec->gpus_per_node,
                       .stages = parallel->size[DIM_PP]};
    TRY(check_shape(layout, parallel));
    layout->stage_stride = parallel_group(parallel, 0, DIM_BIT(DIM_PP)).stride / layout->width;
    int64_t job_gpus = parallel_nranks(parallel);
    TRY(placement_init(&layout->placement, &job->placement, spec, job_gpus, layout->width));
    if (job->placement.kind == PLACEMENT_RANDOM) list_blocks(layout);
    layout->nunits = job_gpus / layout->width;
    layout_deal(layout, 0, 1);
    for (int kind = 0; kind < GROUP_KIND_N; kind++)
        layout->first_group[kind + 1] =
            layout->first_group[kind] + set_up_group(layout, (GroupKind)kind);
    layout->nidle = job->model.tied_embeddings ? 0 : layout_ngroups_of(layout, GROUP_EMBEDDING);
    return status_ok();
}

GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t rail) {
    int64_t job_rank = unit * layout->width + rail;
    if (!layout->block) return placement_gpu(&layout->placement, job_rank);
    CHECK(job_rank >= 0 && job_rank < layout->placement.job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)layout->placement.job_gpus);
    int64_t block_gpus = layout->placement.block_gpus;
    return (int64_t)layout->block[job_rank / block_gpus] * block_gpus + job_rank % block_gpus;
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
    return partition_owner(&layout->replicas, replica_of(layout, job_rank / layout->width));
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
    // Members 0 of all units: tp, the fastest of the dimensions, is in no group.
    return layout->first_group[kind] +
           parallel_group_index(layout->parallel, unit * layout->width, GROUPS[kind].dimensions) /
               layout->width;
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
    int64_t index = (group - layout->first_group[kind]) * layout->width;
    Group gpus = parallel_group_at(layout->parallel, index, GROUPS[kind].dimensions);
    Group units = {gpus.first / layout->width, gpus.n, gpus.stride / layout->width};
    if (!GROUPS[kind].ends_only) return units;
    return (Group){.first = units.first, .n = 2, .stride = (units.n - 1) * units.stride};
}

/// The unit whose member `rail` a GPU is, or -1.
static int64_t unit_of_gpu(const Layout *layout, int32_t rail, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank >= 0 && job_rank % layout->width == rail ? job_rank / layout->width : -1;
}

bool layout_in_group(const Layout *layout, int64_t group, int32_t rail, GpuId gpu) {
    int64_t unit = unit_of_gpu(layout, rail, gpu);
    return unit >= 0 && layout_group_of(layout, unit, layout_group_kind(layout, group)) == group;
}

bool layout_same_pipeline(const Layout *layout, int64_t unit, int32_t rail, GpuId gpu) {
    int64_t other = unit_of_gpu(layout, rail, gpu);
    return other >= 0 && replica_of(layout, other) == replica_of(layout, unit);
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
    Group replicas = {.first = replica_of(layout, first_unit),
                      .n = layout->group_replicas[kind],
                      .stride = layout->replica_stride[kind]};
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
