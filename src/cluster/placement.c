#include "cluster/placement.h"

#include <stddef.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/wide.h"

const char *const PLACEMENT_NAMES[] = {[PLACEMENT_CONTIGUOUS] = "contiguous",
                                       [PLACEMENT_STRIDED] = "strided",
                                       [PLACEMENT_RANDOM] = "random",
                                       [PLACEMENT_SPREAD] = "spread",
                                       NULL};

/// Luby and Rackoff need 4 rounds for a strong permutation; 2 more because small halves mix poorly.
enum { FEISTEL_ROUNDS = 6 };

/// Halves just wide enough: 4^half_bits >= blocks, so that fewer than 4 numbers in a row leave the
/// range on average.
static int32_t feistel_half_bits(int64_t blocks) {
    int32_t half_bits = 1;
    while ((INT64_C(1) << (2 * half_bits)) < blocks) half_bits++;
    return half_bits;
}

static uint64_t feistel_round(const Placement *placement, int32_t round, uint64_t half) {
    const uint64_t key =
        rng_mix(placement->spec.seed, ((uint64_t)RNG_PLACEMENT << 32) + (uint64_t)round);
    return rng_mix(key, half) & ((UINT64_C(1) << placement->half_bits) - 1);
}

static uint64_t feistel_forward(const Placement *placement, uint64_t x) {
    const uint64_t mask = (UINT64_C(1) << placement->half_bits) - 1;
    uint64_t left = x >> placement->half_bits, right = x & mask;
    for (int32_t round = 0; round < FEISTEL_ROUNDS; round++) {
        const uint64_t next = left ^ feistel_round(placement, round, right);
        left = right;
        right = next;
    }
    return left << placement->half_bits | right;
}

static uint64_t feistel_backward(const Placement *placement, uint64_t x) {
    const uint64_t mask = (UINT64_C(1) << placement->half_bits) - 1;
    uint64_t left = x >> placement->half_bits, right = x & mask;
    for (int32_t round = FEISTEL_ROUNDS - 1; round >= 0; round--) {
        const uint64_t before = right ^ feistel_round(placement, round, left);
        right = left;
        left = before;
    }
    return left << placement->half_bits | right;
}

static int64_t random_block(const Placement *placement, int64_t place) {
    uint64_t x = (uint64_t)place;
    do x = feistel_forward(placement, x);
    while (x >= (uint64_t)placement->blocks);
    return (int64_t)x;
}

static int64_t random_place(const Placement *placement, int64_t block) {
    uint64_t x = (uint64_t)block;
    do x = feistel_backward(placement, x);
    while (x >= (uint64_t)placement->blocks);
    return (int64_t)x;
}

// Strided: column c holds the blocks c, c + stride, c + 2 stride, ...; the first `blocks mod stride`
// columns are one longer.

static int64_t strided_block(const Placement *placement, int64_t place) {
    const int64_t stride = placement->stride;
    const int64_t rows = placement->blocks / stride, longer = placement->blocks % stride;
    const int64_t in_longer = longer * (rows + 1);
    if (place < in_longer) return place / (rows + 1) + place % (rows + 1) * stride;
    return longer + (place - in_longer) / rows + (place - in_longer) % rows * stride;
}

static int64_t strided_place(const Placement *placement, int64_t block) {
    const int64_t stride = placement->stride;
    const int64_t rows = placement->blocks / stride, longer = placement->blocks % stride;
    const int64_t column = block % stride;
    return column * rows + (column < longer ? column : longer) + block / stride;
}

/// Least number of GPUs that is whole nodes and whole groups of `together`.
static int64_t block_of(int64_t per_node, int64_t together) {
    int64_t block = per_node;
    while (block % together != 0) block += per_node;
    return block;
}

static int64_t step_of(const PlacementSpec *spec) {
    return spec->node_step > 1 ? spec->node_step : 1;
}

static bool has_spares(const AlikeNodes *run) { return run->used < run->domain; }

/// Nodes of a run without the spares of its domains.
static int64_t usable_of(const AlikeNodes *run) {
    if (!has_spares(run)) return run->nodes;
    const int64_t whole = run->domain / run->gpus, used = run->used / run->gpus;
    const int64_t rest = run->nodes % whole;
    return run->nodes / whole * used + (rest < used ? rest : used);
}

int64_t placement_usable(const ClusterSpec *machine) {
    const NodeRuns runs = node_runs(machine);
    int64_t sum = 0;
    for (int32_t r = 0; r < runs.n; r++) sum += usable_of(&runs.run[r]);
    return sum;
}

int64_t placement_nodes(const PlacementSpec *spec, const ClusterSpec *machine) {
    if (spec->node_count > 0) return spec->node_count;
    const int64_t behind = placement_usable(machine) - spec->first_node;
    return behind > 0 ? (behind + step_of(spec) - 1) / step_of(spec) : 0;
}

int32_t placement_runs(const PlacementSpec *spec, const ClusterSpec *machine,
                       PlacementRun run[CLUSTER_GPU_KINDS_MAX]) {
    const NodeRuns runs = node_runs(machine);
    int64_t next = spec->first_node, left = placement_nodes(spec, machine), before = 0;
    int32_t n = 0;
    for (int32_t r = 0; r < runs.n && left > 0; r++) {
        const int64_t usable = usable_of(&runs.run[r]), own = next - before;
        before += usable;
        if (own >= usable) continue;
        const int64_t all = (usable - own + step_of(spec) - 1) / step_of(spec);
        run[n] = (PlacementRun){
            .run = runs.run[r], .first_usable = own, .nodes = all < left ? all : left};
        left -= run[n].nodes;
        next += run[n++].nodes * step_of(spec);
    }
    return n;
}

int64_t placement_room(const PlacementSpec *spec, const ClusterSpec *machine) {
    PlacementRun run[CLUSTER_GPU_KINDS_MAX];
    int64_t sum = 0;
    for (int32_t r = placement_runs(spec, machine, run) - 1; r >= 0; r--)
        sum += run[r].nodes * run[r].run.gpus;
    return sum;
}

static int64_t common_divisor(int64_t a, int64_t b) {
    while (b > 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int32_t placement_common(const PlacementSpec *spec, const ClusterSpec *machine) {
    PlacementRun run[CLUSTER_GPU_KINDS_MAX];
    const int32_t n = placement_runs(spec, machine, run);
    int64_t common = n > 0 ? 0 : machine->gpus_per_node;
    for (int32_t r = 0; r < n; r++) common = common_divisor(run[r].run.gpus, common);
    return (int32_t)common;
}

/// The set of nodes is there.
static Status check_nodes(const PlacementSpec *spec, const ClusterSpec *machine) {
    const int64_t nodes = placement_nodes(spec, machine),
                  last = spec->first_node + (nodes - 1) * step_of(spec);
    REQUIRE(spec->first_node >= 0 && nodes >= 1 && last < placement_usable(machine), STATUS_RANGE,
            "the job may have nodes %lld to %lld, but the cluster has %lld",
            (long long)spec->first_node, (long long)last, (long long)placement_usable(machine));
    return status_ok();
}

static Status check_sizes(const PlacementSpec *spec, const ClusterSpec *machine, int64_t job_gpus) {
    const int64_t ngpus = placement_room(spec, machine);
    REQUIRE(job_gpus >= 1, STATUS_RANGE, "the job asks for %lld GPUs; wanted at least 1",
            (long long)job_gpus);
    REQUIRE(job_gpus <= ngpus, STATUS_RANGE, "the job needs %lld GPUs but %s %lld",
            (long long)job_gpus,
            placement_nodes(spec, machine) < machine->nodes ? "the nodes it may have hold"
                                                            : "the cluster has",
            (long long)ngpus);
    REQUIRE(
        spec->kind != PLACEMENT_STRIDED || (spec->stride >= 1 && spec->stride <= machine->nodes),
        STATUS_RANGE, "placement stride is %lld nodes; wanted 1 to %lld, the nodes of the cluster",
        (long long)spec->stride, (long long)machine->nodes);
    return status_ok();
}

/// As many GPUs in all runs: whole nodes that hold whole groups of `together`.
static Status find_block(Placement *placement, int64_t together) {
    int64_t block = 0;
    for (int32_t r = 0; r < placement->nruns; r++) {
        const int64_t own = block_of(placement->run[r].run.gpus, together);
        if (own > block) block = own;
    }
    for (int32_t r = 0; r < placement->nruns; r++) {
        const AlikeNodes *run = &placement->run[r].run;
        REQUIRE(block % run->gpus == 0, STATUS_RANGE,
                "the job's nodes have different counts of GPUs: %lld, what blocks of ranks are "
                "dealt in, is not whole nodes of %d",
                (long long)block, run->gpus);
    }
    placement->block_gpus = block;
    return status_ok();
}

/// Whole blocks are in one domain, where they are several nodes.
static Status check_blocks(const Placement *placement) {
    const PlacementSpec *spec = &placement->spec;
    for (int32_t r = 0; r < placement->nruns; r++) {
        const PlacementRun *own = &placement->run[r];
        const int64_t nodes = placement->block_gpus / own->run.gpus;
        REQUIRE(nodes == 1 || (step_of(spec) == 1 && own->first_usable % nodes == 0), STATUS_RANGE,
                "tensor-parallel groups need %lld nodes of one scale-up domain: the job's nodes "
                "must follow each other, from a multiple of that on",
                (long long)nodes);
    }
    return status_ok();
}

/// A last block that lacks nodes is one for contiguous alone.
static void count_blocks(Placement *placement) {
    for (int32_t r = 0; r < placement->nruns; r++) {
        PlacementRun *own = &placement->run[r];
        const int64_t nodes = placement->block_gpus / own->run.gpus;
        const bool partial =
            placement->spec.kind == PLACEMENT_CONTIGUOUS && r + 1 == placement->nruns;
        own->first_block = placement->blocks;
        placement->blocks += (own->nodes + (partial ? nodes - 1 : 0)) / nodes;
    }
}

Status placement_init(Placement *placement, const PlacementSpec *spec, const ClusterSpec *machine,
                      int64_t job_gpus, int32_t together) {
    TRY(check_sizes(spec, machine, job_gpus));
    TRY(check_nodes(spec, machine));
    const PlacementSpec every = {0};
    *placement = (Placement){
        .spec = *spec, .job_gpus = job_gpus, .grain = placement_common(&every, machine)};
    placement->nruns = placement_runs(spec, machine, placement->run);
    TRY(find_block(placement, together));
    TRY(check_blocks(placement));
    count_blocks(placement);
    const int64_t block = placement->block_gpus, first = block / placement->run[0].run.gpus;
    placement->job_blocks = (job_gpus + block - 1) / block;
    placement->stride = (spec->stride + first - 1) / first;
    placement->half_bits = feistel_half_bits(placement->blocks);
    REQUIRE(placement->job_blocks <= placement->blocks, STATUS_RANGE,
            "the job needs %lld blocks of %lld GPUs (whole nodes that hold its tensor-parallel "
            "groups), but the cluster has %lld",
            (long long)placement->job_blocks, (long long)block, (long long)placement->blocks);
    if (placement->stride > placement->blocks) placement->stride = placement->blocks;
    return status_ok();
}

// Spread: equal gaps, as far as blocks divide.

static int64_t spread_block(const Placement *placement, int64_t place) {
    return (int64_t)((Wide)place * placement->blocks / placement->job_blocks);
}

static int64_t spread_place(const Placement *placement, int64_t block) {
    const Wide wide = (Wide)block * placement->job_blocks;
    const int64_t place = (int64_t)((wide + placement->blocks - 1) / placement->blocks);
    return place < placement->job_blocks && spread_block(placement, place) == block
               ? place
               : placement->job_blocks;
}

// From the GPUs of a run that the job may have to those that jobs use, to those of the cluster, and back.

static GpuId over_spares(const AlikeNodes *run, int64_t gpu) {
    if (!has_spares(run)) return gpu;
    return gpu / run->used * run->domain + gpu % run->used;
}

static int64_t without_spares(const AlikeNodes *run, GpuId gpu) {
    if (!has_spares(run)) return gpu;
    const int64_t slot = gpu % run->domain;
    return slot < run->used ? gpu / run->domain * run->used + slot : -1;
}

static GpuId to_usable(const PlacementSpec *spec, const PlacementRun *own, int64_t gpu) {
    const int64_t gpus = own->run.gpus;
    if (spec->node_step <= 1) return gpu + own->first_usable * gpus;
    const int64_t node = own->first_usable + gpu / gpus * spec->node_step;
    return node * gpus + gpu % gpus;
}

static int64_t from_usable(const PlacementSpec *spec, const PlacementRun *own, GpuId gpu) {
    const int64_t gpus = own->run.gpus, behind = gpu - own->first_usable * gpus;
    if (behind < 0 || spec->node_step <= 1) return behind;
    const int64_t node = behind / gpus;
    if (node % spec->node_step != 0) return -1;
    return node / spec->node_step * gpus + behind % gpus;
}

/// GPU of a block.
static GpuId block_gpu(const Placement *placement, int64_t block, int64_t slot) {
    const PlacementRun *own = &placement->run[placement->nruns - 1];
    while (block < own->first_block) own--;
    const int64_t gpu = (block - own->first_block) * placement->block_gpus + slot;
    return own->run.first_gpu + over_spares(&own->run, to_usable(&placement->spec, own, gpu));
}

GpuId placement_gpu(const Placement *placement, int64_t job_rank) {
    CHECK(job_rank >= 0 && job_rank < placement->job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)placement->job_gpus);
    const int64_t place = job_rank / placement->block_gpus;
    int64_t block = place;
    if (placement->spec.kind == PLACEMENT_STRIDED) block = strided_block(placement, place);
    if (placement->spec.kind == PLACEMENT_RANDOM) block = random_block(placement, place);
    if (placement->spec.kind == PLACEMENT_SPREAD) block = spread_block(placement, place);
    return block_gpu(placement, block, job_rank % placement->block_gpus);
}

void placement_count_kinds(const Placement *placement, const ClusterSpec *machine,
                           int64_t gpus[CLUSTER_GPU_KINDS_MAX]) {
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++) gpus[kind] = 0;
    if (machine->nothers == 0)
        gpus[0] = placement->job_gpus;
    else
        for (int64_t rank = 0; rank < placement->job_gpus; rank++)
            gpus[cluster_gpu_kind(machine, placement_gpu(placement, rank))]++;
}

/// Block of a GPU and its slot there, -1: of none.
static int64_t block_of_gpu(const Placement *placement, GpuId gpu, int64_t *slot) {
    const PlacementRun *own = &placement->run[placement->nruns - 1];
    while (own > placement->run && gpu < own->run.first_gpu) own--;
    if (gpu < own->run.first_gpu || gpu >= own->run.first_gpu + node_run_ngpus(&own->run))
        return -1;
    const int64_t usable = without_spares(&own->run, gpu - own->run.first_gpu);
    const int64_t mine = usable < 0 ? -1 : from_usable(&placement->spec, own, usable);
    if (mine < 0) return -1;
    const bool last = own == &placement->run[placement->nruns - 1];
    const int64_t block = own->first_block + mine / placement->block_gpus;
    *slot = mine % placement->block_gpus;
    return block < (last ? placement->blocks : own[1].first_block) ? block : -1;
}

int64_t placement_job_rank(const Placement *placement, GpuId gpu) {
    int64_t slot;
    const int64_t block = block_of_gpu(placement, gpu, &slot);
    if (block < 0) return -1;
    int64_t place = block;
    if (placement->spec.kind == PLACEMENT_STRIDED) place = strided_place(placement, block);
    if (placement->spec.kind == PLACEMENT_RANDOM) place = random_place(placement, block);
    if (placement->spec.kind == PLACEMENT_SPREAD) place = spread_place(placement, block);
    if (place >= placement->job_blocks) return -1;
    const int64_t job_rank = place * placement->block_gpus + slot;
    return job_rank < placement->job_gpus ? job_rank : -1;
}
