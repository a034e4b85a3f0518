#include "cluster/placement.h"

#include "base/check.h"
#include "base/rng.h"

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

Status placement_init(Placement *placement, const PlacementSpec *spec, const ClusterSpec *machine,
                      int64_t job_gpus, int32_t together) {
    const int64_t ngpus = machine->nodes * machine->gpus_per_node;
    REQUIRE(job_gpus >= 1, STATUS_RANGE, "the job asks for %lld GPUs; wanted at least 1",
            (long long)job_gpus);
    REQUIRE(job_gpus <= ngpus, STATUS_RANGE, "the job needs %lld GPUs but the cluster has %lld",
            (long long)job_gpus, (long long)ngpus);
    REQUIRE(
        spec->kind != PLACEMENT_STRIDED || (spec->stride >= 1 && spec->stride <= machine->nodes),
        STATUS_RANGE, "placement stride is %lld nodes; wanted 1 to %lld, the nodes of the cluster",
        (long long)spec->stride, (long long)machine->nodes);
    const int64_t block = block_of(machine->gpus_per_node, together);
    const int64_t nodes = block / machine->gpus_per_node;
    *placement = (Placement){
        .spec = *spec,
        .blocks = spec->kind == PLACEMENT_CONTIGUOUS ? (machine->nodes + nodes - 1) / nodes
                                                     : machine->nodes / nodes,
        .job_blocks = (job_gpus + block - 1) / block,
        .job_gpus = job_gpus,
        .block_gpus = block,
        .stride = (spec->stride + nodes - 1) / nodes,
    };
    placement->half_bits = feistel_half_bits(placement->blocks);
    REQUIRE(placement->job_blocks <= placement->blocks, STATUS_RANGE,
            "the job needs %lld blocks of %lld GPUs (whole nodes that hold its tensor-parallel "
            "groups), but the cluster has %lld",
            (long long)placement->job_blocks, (long long)block, (long long)placement->blocks);
    if (placement->stride > placement->blocks) placement->stride = placement->blocks;
    return status_ok();
}

GpuId placement_gpu(const Placement *placement, int64_t job_rank) {
    CHECK(job_rank >= 0 && job_rank < placement->job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)placement->job_gpus);
    const int64_t place = job_rank / placement->block_gpus;
    int64_t block = place;
    if (placement->spec.kind == PLACEMENT_STRIDED) block = strided_block(placement, place);
    if (placement->spec.kind == PLACEMENT_RANDOM) block = random_block(placement, place);
    return block * placement->block_gpus + job_rank % placement->block_gpus;
}

int64_t placement_job_rank(const Placement *placement, GpuId gpu) {
    const int64_t block = gpu / placement->block_gpus;
    if (gpu < 0 || block >= placement->blocks) return -1;
    int64_t place = block;
    if (placement->spec.kind == PLACEMENT_STRIDED) place = strided_place(placement, block);
    if (placement->spec.kind == PLACEMENT_RANDOM) place = random_place(placement, block);
    if (place >= placement->job_blocks) return -1;
    const int64_t job_rank = place * placement->block_gpus + gpu % placement->block_gpus;
    return job_rank < placement->job_gpus ? job_rank : -1;
}
