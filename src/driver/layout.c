#include "driver/layout.h"

#include "base/check.h"
#include "base/memory.h"

#define LABEL_FOLD "driver.fold"

/// Units divide scale-up domains, or fill whole ones: then where their GPUs are is the same for all.
static Status check_shape(const JobSpec *job, const ClusterSpec *cluster) {
    Parts parts;
    for (int d = 0; d < DIM_N; d++)
        if (DIM_UNIT >> d & 1) TRY(run_spec_parts(job, cluster, (Dimension)d, &parts));
    return status_ok();
}

static void list_blocks(Layout *layout) {
    const Placement *placement = &layout->placement;
    layout->block =
        memory_alloc("driver.nodes", sizeof *layout->block * (size_t)placement->job_blocks);
    for (int64_t n = 0; n < placement->job_blocks; n++)
        layout->block[n] =
            (uint32_t)(placement_gpu(placement, n * placement->block_gpus) / placement->grain);
}

Status layout_init(Layout *layout, const Cluster *cluster, const JobSpec *job) {
    const ClusterSpec *spec = cluster_spec(cluster);
    *layout = (Layout){.cluster = cluster};
    TRY(check_shape(job, spec));
    TRY(run_spec_placement(job, spec, &layout->placement));
    if (job->placement.kind == PLACEMENT_RANDOM) list_blocks(layout);
    units_init(&layout->units, &job->parallel, &job->model);
    layout_deal(layout, 0, 1);
    return status_ok();
}

static void unfold(Layout *layout) {
    LayoutFold *fold = &layout->fold;
    const size_t all = sizeof(int32_t) * (size_t)layout->nreplicas;
    memory_free(LABEL_FOLD, fold->kept, sizeof(int32_t) * (size_t)fold->n);
    memory_free(LABEL_FOLD, fold->player, all);
    memory_free(LABEL_FOLD, fold->first, sizeof(int32_t) * (size_t)(fold->n + 1));
    memory_free(LABEL_FOLD, fold->alike, all);
    *fold = (LayoutFold){0};
}

void layout_fini(Layout *layout) {
    memory_free("driver.nodes", layout->block,
                sizeof *layout->block * (size_t)layout->placement.job_blocks);
    layout->block = NULL;
    unfold(layout);
    units_fini(&layout->units);
}

void layout_deal(Layout *layout, int rank, int nranks) {
    const Units *units = &layout->units;
    unfold(layout);
    layout->replicas = partition_make(units->n / units->stages, 1, nranks);
    bool dealt = rank < nranks;
    layout->first_replica = dealt ? partition_first(&layout->replicas, rank) : 0;
    layout->nreplicas = dealt ? partition_count(&layout->replicas, rank) : 0;
    layout->nslots = layout->nreplicas * units->stages;
}

/// List replicas by who is played for them.
static void list_alike(LayoutFold *fold, int64_t nreplicas) {
    for (int64_t i = 0; i < nreplicas; i++) fold->first[fold->player[i] + 1]++;
    for (int64_t k = 0; k < fold->n; k++) fold->first[k + 1] += fold->first[k];
    for (int64_t i = 0; i < nreplicas; i++)
        fold->alike[fold->first[fold->player[i]]++] = (int32_t)i;
    for (int64_t k = fold->n; k > 0; k--) fold->first[k] = fold->first[k - 1];
    fold->first[0] = 0;
}

void layout_fold(Layout *layout, const int32_t leader[], const bool kept[]) {
    LayoutFold *fold = &layout->fold;
    const int64_t n = layout->nreplicas;
    unfold(layout);
    for (int64_t i = 0; i < n; i++) fold->n += kept[i];
    fold->kept = memory_alloc(LABEL_FOLD, sizeof(int32_t) * (size_t)fold->n);
    fold->player = memory_alloc(LABEL_FOLD, sizeof(int32_t) * (size_t)n);
    fold->first = memory_alloc(LABEL_FOLD, sizeof(int32_t) * (size_t)(fold->n + 1));
    fold->alike = memory_alloc(LABEL_FOLD, sizeof(int32_t) * (size_t)n);
    int32_t place = 0; // a leader comes before those it is played for
    for (int64_t i = 0; i < n; i++) {
        fold->player[i] = leader[i] == i ? place : fold->player[leader[i]];
        if (kept[i]) fold->kept[place++] = (int32_t)i;
    }
    list_alike(fold, n);
    layout->nslots = fold->n * layout->units.stages;
}

int64_t layout_played_slot(const Layout *layout, int64_t i) {
    return (layout->fold.kept ? layout->fold.player[i] : i) * layout->units.stages;
}

int64_t layout_replica_at(const Layout *layout, int64_t slot) {
    const int64_t place = slot / layout->units.stages;
    return layout->first_replica + (layout->fold.kept ? layout->fold.kept[place] : place);
}

int64_t layout_nalike(const Layout *layout, int64_t slot) {
    const LayoutFold *fold = &layout->fold;
    const int64_t place = slot / layout->units.stages;
    return fold->kept ? fold->first[place + 1] - fold->first[place] : 1;
}

int64_t layout_alike(const Layout *layout, int64_t slot, int64_t i) {
    const LayoutFold *fold = &layout->fold;
    const int64_t place = slot / layout->units.stages, stage = slot % layout->units.stages;
    const int64_t replica = fold->kept ? fold->alike[fold->first[place] + i] : place;
    return units_at(&layout->units, layout->first_replica + replica, stage);
}

static GpuId gpu_of(const Layout *layout, int64_t job_rank) {
    if (!layout->block) return placement_gpu(&layout->placement, job_rank);
    CHECK(job_rank >= 0 && job_rank < layout->placement.job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)layout->placement.job_gpus);
    int64_t block_gpus = layout->placement.block_gpus;
    return layout->block[job_rank / block_gpus] * layout->placement.grain + job_rank % block_gpus;
}

GpuId layout_gpu(const Layout *layout, int64_t unit, int32_t member) {
    return gpu_of(layout, units_job_rank(&layout->units, unit, member));
}

GpuId layout_rail_gpu(const Layout *layout, int64_t group, int32_t rail, int64_t i) {
    return gpu_of(layout, units_rail_job_rank(&layout->units, group, rail, i));
}

/// Of a job rank.
static int64_t replica_of(const Layout *layout, int64_t job_rank) {
    return units_replica(&layout->units, units_of_rank(&layout->units, job_rank));
}

int layout_owner_of_gpu(const Layout *layout, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank < 0 ? 0 : partition_owner(&layout->replicas, replica_of(layout, job_rank));
}

int64_t layout_place(const Layout *layout, int64_t unit) {
    const Units *units = &layout->units;
    return units_replica(units, unit) * units->stages + units_stage(units, unit);
}

/// Place of a replica of this rank among those that have slots, -1: it has none.
static int64_t find_kept(const LayoutFold *fold, int64_t replica) {
    int64_t low = 0, high = fold->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (fold->kept[middle] < replica)
            low = middle + 1;
        else
            high = middle;
    }
    return low < fold->n && fold->kept[low] == replica ? low : -1;
}

int64_t layout_slot(const Layout *layout, int64_t unit) {
    const Units *units = &layout->units;
    int64_t replica = units_replica(units, unit) - layout->first_replica;
    if (replica < 0 || replica >= layout->nreplicas) return -1;
    if (layout->fold.kept) replica = find_kept(&layout->fold, replica);
    return replica < 0 ? -1 : replica * units->stages + units_stage(units, unit);
}

int64_t layout_unit_at(const Layout *layout, int64_t slot) {
    return units_at(&layout->units, layout_replica_at(layout, slot), slot % layout->units.stages);
}

bool layout_on_rail(const Layout *layout, int64_t group, int32_t rail, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank >= 0 && units_on_rail(&layout->units, group, rail, job_rank);
}

bool layout_same_pipeline(const Layout *layout, int64_t unit, int32_t member, GpuId gpu) {
    int64_t job_rank = placement_job_rank(&layout->placement, gpu);
    return job_rank >= 0 && units_member(&layout->units, job_rank) == member &&
           replica_of(layout, job_rank) == units_replica(&layout->units, unit);
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
    const Units *units = &layout->units;
    const int32_t stages = units->stages;
    const GroupKind kind = units_group_kind(units, group);
    const bool several = GROUPS[kind].dimensions >> DIM_DP & 1;
    const int64_t first_unit = units_group(units, group).first;
    if (layout->fold.kept) {
        const bool all = GROUPS[kind].ends_only || GROUPS[kind].dimensions & DIM_BIT(DIM_PP);
        return all ? (Group){0, layout->nslots, 1}
                   : (Group){units_stage(units, first_unit), layout->fold.n, stages};
    }
    Group replicas = {.first = units_replica(units, first_unit),
                      .n = several ? units->part[kind].n : 1,
                      .stride = units->part[kind].stride};
    replicas = cut(replicas, layout->first_replica, layout->nreplicas);
    if (replicas.n == 0) return replicas;
    int64_t first = (replicas.first - layout->first_replica) * stages;
    if (GROUPS[kind].ends_only) return (Group){first, 2, stages - 1};
    if (GROUPS[kind].dimensions & DIM_BIT(DIM_PP)) return (Group){first, replicas.n * stages, 1};
    return (Group){.first = first + units_stage(units, first_unit),
                   .n = replicas.n,
                   .stride = replicas.stride * stages};
}
