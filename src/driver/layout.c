#include "driver/layout.h"

#include "base/check.h"
#include "base/memory.h"

static Status check_shape(const Layout *layout, const ParallelSpec *parallel) {
    REQUIRE(parallel->size[DIM_TP] == 1 || parallel->order[0] == DIM_TP, STATUS_RANGE,
            "parallel.order must begin with tp: tensor-parallel ranks share a scale-up domain");
    const int32_t domain = cluster_spec(layout->cluster)->scale_up.gpus;
    REQUIRE(domain % layout->width == 0, STATUS_RANGE,
            "tp = %d does not divide the %d GPUs of a scale-up domain", layout->width, domain);
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

/// Replicas count along all dimensions of the rank order but tp and pp.
static int64_t dp_stride(const ParallelSpec *parallel) {
    int64_t stride = 1;
    for (int i = 0; parallel->order[i] != DIM_DP; i++)
        if (parallel->order[i] != DIM_TP && parallel->order[i] != DIM_PP)
            stride *= parallel->size[parallel->order[i]];
    return stride;
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
    layout->stage_stride = parallel_group(parallel, 0, DIM_PP).stride / layout->width;
    int64_t job_gpus = parallel_nranks(parallel);
    TRY(placement_init(&layout->placement, &job->placement, spec, job_gpus, layout->width));
    if (job->placement.kind == PLACEMENT_RANDOM) list_blocks(layout);
    layout->nunits = job_gpus / layout->width;
    layout->dp_stride = dp_stride(parallel);
    layout_deal(layout, 0, 1);
    int64_t replicas = layout->nunits / layout->stages;
    int64_t count[GROUP_KIND_N] = {
        [GROUP_DP] = layout->nunits / parallel->size[DIM_DP],
        [GROUP_EMBEDDING] = layout->stages > 1 ? replicas : 0,
        [GROUP_ALL] = 1,
    };
    for (int kind = 0; kind < GROUP_KIND_N; kind++)
        layout->first_group[kind + 1] = layout->first_group[kind] + count[kind];
    layout->nidle = job->model.tied_embeddings ? 0 : count[GROUP_EMBEDDING];
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

/// Dense index of a unit's DP group: the groups of member 0 of all units of one DP coordinate.
static int64_t dp_group(const Layout *layout, int64_t unit) {
    int64_t index = parallel_group_index(layout->parallel, unit * layout->width, DIM_DP);
    return index / layout->width;
}

int64_t layout_group_of(const Layout *layout, int64_t unit, GroupKind kind) {
    int64_t first = layout->first_group[kind];
    if (kind == GROUP_ALL) return first;
    if (kind == GROUP_DP) return first + dp_group(layout, unit);
    int32_t stage = layout_stage(layout, unit);
    bool in_pair = layout->stages > 1 && (stage == 0 || stage == layout->stages - 1);
    return in_pair ? first + replica_of(layout, unit) : -1;
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

/// Group number `index` along a dimension: walk the other dimensions of the rank order, skipping this one.
static Group group_at(const Layout *layout, int64_t index, Dimension dimension) {
    const ParallelSpec *parallel = layout->parallel;
    int64_t first = 0, stride = 1, own_stride = 1;
    for (int i = 0; i < DIM_N; i++) {
        int64_t size = parallel->size[parallel->order[i]];
        if (parallel->order[i] == dimension) {
            own_stride = stride;
        } else {
            first += index % size * stride;
            index /= size;
        }
        stride *= size;
    }
    return (Group){.first = first / layout->width,
                   .n = parallel->size[dimension],
                   .stride = own_stride / layout->width};
}

Group layout_group_units(const Layout *layout, int64_t group) {
    GroupKind kind = layout_group_kind(layout, group);
    int64_t index = group - layout->first_group[kind];
    if (kind == GROUP_ALL) return (Group){.first = 0, .n = layout->nunits, .stride = 1};
    if (kind == GROUP_DP) return group_at(layout, index * layout->width, DIM_DP);
    Group stages = group_at(layout, index * layout->width, DIM_PP);
    return (Group){.first = stages.first, .n = 2, .stride = (stages.n - 1) * stages.stride};
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
    int64_t nreplicas = layout->nslots / layout->stages;
    if (kind == GROUP_ALL) return (Group){.n = layout->nslots, .stride = 1};
    int64_t first_unit = layout_group_units(layout, group).first;
    Group replicas = {.first = replica_of(layout, first_unit),
                      .n = kind == GROUP_DP ? layout->parallel->size[DIM_DP] : 1,
                      .stride = kind == GROUP_DP ? layout->dp_stride : 1};
    replicas = cut(replicas, layout->first_replica, nreplicas);
    int64_t first = (replicas.first - layout->first_replica) * layout->stages;
    if (replicas.n == 0) return replicas;
    if (kind == GROUP_DP)
        return (Group){.first = first + layout_stage(layout, first_unit),
                       .n = replicas.n,
                       .stride = replicas.stride * layout->stages};
    return (Group){.first = first, .n = 2, .stride = layout->stages - 1};
}
