#include "driver/layout.h"

#include "base/check.h"
#include "base/memory.h"

/// Nodes are cut at leaf units when every rank can have one, else anywhere.
static int64_t node_block(const ClusterSpec *spec, int nranks) {
    int64_t block = spec->wiring == WIRING_RAIL ? spec->tier[0].children
                                                : spec->tier[0].children / spec->gpus_per_node;
    if (block < 1 || (spec->nodes + block - 1) / block < nranks) return 1;
    return block;
}

static Status check_shape(const Layout *layout, const ParallelSpec *parallel) {
    REQUIRE(parallel->size[DIM_TP] == 1 || parallel->order[0] == DIM_TP, STATUS_RANGE,
            "parallel.order must begin with tp: tensor-parallel ranks share a node");
    REQUIRE(layout->gpus_per_node % layout->width == 0, STATUS_RANGE,
            "tp = %d does not divide the %d GPUs of a node", layout->width, layout->gpus_per_node);
    return status_ok();
}

static void list_nodes(Layout *layout) {
    const Placement *placement = &layout->placement;
    layout->node =
        memory_alloc("driver.nodes", sizeof *layout->node * (size_t)placement->job_nodes);
    for (int64_t n = 0; n < placement->job_nodes; n++)
        layout->node[n] =
            (uint32_t)(placement_gpu(placement, n * layout->gpus_per_node) / layout->gpus_per_node);
}

void layout_fini(Layout *layout) {
    memory_free("driver.nodes", layout->node,
                sizeof *layout->node * (size_t)layout->placement.job_nodes);
    layout->node = NULL;
}

Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job, int rank,
                   int nranks) {
    const ClusterSpec *spec = cluster_spec(cluster);
    const ParallelSpec *parallel = &job->parallel;
    *layout = (Layout){.cluster = cluster,
                       .parallel = parallel,
                       .rank = rank,
                       .width = parallel->size[DIM_TP],
                       .gpus_per_node = spec->gpus_per_node,
                       .stages = parallel->size[DIM_PP]};
    TRY(check_shape(layout, parallel));
    layout->stage_stride = parallel_group(parallel, 0, DIM_PP).stride / layout->width;
    int64_t job_gpus = parallel_nranks(parallel);
    TRY(placement_init(&layout->placement, &job->placement, cluster, job_gpus));
    if (job->placement.kind == PLACEMENT_RANDOM) list_nodes(layout);
    layout->nunits = job_gpus / layout->width;
    layout->nodes = partition_make(spec->nodes, node_block(spec, nranks), nranks);
    layout->first_gpu = partition_first(&layout->nodes, rank) * spec->gpus_per_node;
    layout->nslots = partition_count(&layout->nodes, rank) * spec->gpus_per_node / layout->width;
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
    if (!layout->node) return placement_gpu(&layout->placement, job_rank);
    CHECK(job_rank >= 0 && job_rank < layout->placement.job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)layout->placement.job_gpus);
    return (int64_t)layout->node[job_rank / layout->gpus_per_node] * layout->gpus_per_node +
           job_rank % layout->gpus_per_node;
}

int layout_owner_of_gpu(const Layout *layout, GpuId gpu) {
    return partition_owner(&layout->nodes, gpu / layout->gpus_per_node);
}

int layout_owner(const Layout *layout, int64_t unit) {
    return layout_owner_of_gpu(layout, layout_gpu(layout, unit, 0));
}

int64_t layout_slot(const Layout *layout, int64_t unit) {
    int64_t from = layout_gpu(layout, unit, 0) - layout->first_gpu, slot = from / layout->width;
    bool mine = from >= 0 && slot < layout->nslots;
    return mine ? slot : -1;
}

int64_t layout_unit_at(const Layout *layout, int64_t slot) {
    GpuId gpu = layout->first_gpu + slot * layout->width;
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank < 0 ? -1 : job_rank / layout->width;
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

static int64_t replica_of(const Layout *layout, int64_t unit) {
    return parallel_group_index(layout->parallel, unit * layout->width, DIM_PP) / layout->width;
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
