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

int64_t placement_usable(const ClusterSpec *machine) {
    const ScaleUpSpec *domain = &machine->scale_up;
    if (scale_up_used(domain) == domain->gpus) return machine->nodes;
    const int64_t whole = domain->gpus / machine->gpus_per_node,
                  used = domain->used / machine->gpus_per_node;
    const int64_t rest = machine->nodes % whole;
    return machine->nodes / whole * used + (rest < used ? rest : used);
}

int64_t placement_nodes(const PlacementSpec *spec, const ClusterSpec *machine) {
    if (spec->node_count > 0) return spec->node_count;
    const int64_t behind = placement_usable(machine) - spec->first_node;
    return behind > 0 ? (behind + step_of(spec) - 1) / step_of(spec) : 0;
}

/// The set of nodes is there, and whole blocks of it are in one domain.
static Status check_nodes(const PlacementSpec *spec, const ClusterSpec *machine, int64_t nodes,
                          int64_t block_nodes) {
    const int64_t last = spec->first_node + (nodes - 1) * step_of(spec);
    REQUIRE(spec->first_node >= 0 && nodes >= 1 && last < placement_usable(machine), STATUS_RANGE,
            "the job may have nodes %lld to %lld, but the cluster has %lld",
            (long long)spec->first_node, (long long)last, (long long)placement_usable(machine));
    REQUIRE(block_nodes == 1 || (step_of(spec) == 1 && spec->first_node % block_nodes == 0),
            STATUS_RANGE,
            "tensor-parallel groups need %lld nodes of one scale-up domain: the job's nodes must "
            "follow each other, from a multiple of that on",
            (long long)block_nodes);
    return status_ok();
}

Status placement_init(Placement *placement, const PlacementSpec *spec, const ClusterSpec *machine,
                      int64_t job_gpus, int32_t together) {
    const int64_t own_nodes = placement_nodes(spec, machine);
    const int64_t ngpus = own_nodes * machine->gpus_per_node;
    REQUIRE(job_gpus >= 1, STATUS_RANGE, "the job asks for %lld GPUs; wanted at least 1",
            (long long)job_gpus);
    REQUIRE(job_gpus <= ngpus, STATUS_RANGE, "the job needs %lld GPUs but %s %lld",
            (long long)job_gpus,
            own_nodes < machine->nodes ? "the nodes it may have hold" : "the cluster has",
            (long long)ngpus);
    REQUIRE(
        spec->kind != PLACEMENT_STRIDED || (spec->stride >= 1 && spec->stride <= machine->nodes),
        STATUS_RANGE, "placement stride is %lld nodes; wanted 1 to %lld, the nodes of the cluster",
        (long long)spec->stride, (long long)machine->nodes);
    const int64_t block = block_of(machine->gpus_per_node, together);
    const int64_t nodes = block / machine->gpus_per_node;
    TRY(check_nodes(spec, machine, own_nodes, nodes));
    *placement = (Placement){
        .spec = *spec,
        .blocks = spec->kind == PLACEMENT_CONTIGUOUS ? (own_nodes + nodes - 1) / nodes
                                                     : own_nodes / nodes,
        .job_blocks = (job_gpus + block - 1) / block,
        .job_gpus = job_gpus,
        .block_gpus = block,
        .stride = (spec->stride + nodes - 1) / nodes,
        .per_node = machine->gpus_per_node,
        .domain = machine->scale_up.gpus,
        .used = scale_up_used(&machine->scale_up),
    };
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

// From the nodes that the job may have to those that jobs use, to those of the cluster, and back.

static GpuId over_spares(const Placement *placement, int64_t gpu) {
    if (placement->used == placement->domain) return gpu;
    return gpu / placement->used * placement->domain + gpu % placement->used;
}

static int64_t without_spares(const Placement *placement, GpuId gpu) {
    if (placement->used == placement->domain) return gpu;
    const int64_t slot = gpu % placement->domain;
    return slot < placement->used ? gpu / placement->domain * placement->used + slot : -1;
}

static GpuId to_usable(const Placement *placement, int64_t gpu) {
    const PlacementSpec *spec = &placement->spec;
    if (spec->node_step <= 1) return gpu + spec->first_node * placement->per_node;
    const int64_t node = spec->first_node + gpu / placement->per_node * spec->node_step;
    return node * placement->per_node + gpu % placement->per_node;
}

static int64_t from_usable(const Placement *placement, GpuId gpu) {
    const PlacementSpec *spec = &placement->spec;
    const int64_t own = gpu - spec->first_node * placement->per_node;
    if (own < 0 || spec->node_step <= 1) return own;
    const int64_t node = own / placement->per_node;
    if (node % spec->node_step != 0) return -1;
    return node / spec->node_step * placement->per_node + own % placement->per_node;
}

GpuId placement_gpu(const Placement *placement, int64_t job_rank) {
    CHECK(job_rank >= 0 && job_rank < placement->job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)placement->job_gpus);
    const int64_t place = job_rank / placement->block_gpus;
    int64_t block = place;
    if (placement->spec.kind == PLACEMENT_STRIDED) block = strided_block(placement, place);
    if (placement->spec.kind == PLACEMENT_RANDOM) block = random_block(placement, place);
    if (placement->spec.kind == PLACEMENT_SPREAD) block = spread_block(placement, place);
    return over_spares(placement, to_usable(placement, block * placement->block_gpus +
                                                           job_rank % placement->block_gpus));
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

int64_t placement_job_rank(const Placement *placement, GpuId gpu) {
    const int64_t usable = without_spares(placement, gpu);
    const int64_t own = usable < 0 ? -1 : from_usable(placement, usable);
    const int64_t block = own / placement->block_gpus;
    if (own < 0 || block >= placement->blocks) return -1;
    int64_t place = block;
    if (placement->spec.kind == PLACEMENT_STRIDED) place = strided_place(placement, block);
    if (placement->spec.kind == PLACEMENT_RANDOM) place = random_place(placement, block);
    if (placement->spec.kind == PLACEMENT_SPREAD) place = spread_place(placement, block);
    if (place >= placement->job_blocks) return -1;
    const int64_t job_rank = place * placement->block_gpus + own % placement->block_gpus;
    return job_rank < placement->job_gpus ? job_rank : -1;
}
