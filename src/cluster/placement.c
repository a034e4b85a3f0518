#include "cluster/placement.h"

#include "base/check.h"
#include "base/rng.h"

/// Luby and Rackoff need 4 rounds for a strong permutation; 2 more because small halves mix poorly.
enum { FEISTEL_ROUNDS = 6 };

/// Halves just wide enough: 4^half_bits >= nodes, so that fewer than 4 numbers in a row leave the
/// range on average.
static int32_t feistel_half_bits(int64_t nodes) {
    int32_t half_bits = 1;
    while ((INT64_C(1) << (2 * half_bits)) < nodes) half_bits++;
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

static NodeId random_node(const Placement *placement, int64_t place) {
    uint64_t x = (uint64_t)place;
    do x = feistel_forward(placement, x);
    while (x >= (uint64_t)placement->nodes);
    return (NodeId)x;
}

static int64_t random_place(const Placement *placement, NodeId node) {
    uint64_t x = (uint64_t)node;
    do x = feistel_backward(placement, x);
    while (x >= (uint64_t)placement->nodes);
    return (int64_t)x;
}

// Strided: column c holds the nodes c, c + stride, c + 2 stride, ...; the first `nodes mod stride`
// columns are one longer.

static NodeId strided_node(const Placement *placement, int64_t place) {
    const int64_t stride = placement->spec.stride;
    const int64_t rows = placement->nodes / stride, longer = placement->nodes % stride;
    const int64_t in_longer = longer * (rows + 1);
    if (place < in_longer) return place / (rows + 1) + place % (rows + 1) * stride;
    return longer + (place - in_longer) / rows + (place - in_longer) % rows * stride;
}

static int64_t strided_place(const Placement *placement, NodeId node) {
    const int64_t stride = placement->spec.stride;
    const int64_t rows = placement->nodes / stride, longer = placement->nodes % stride;
    const int64_t column = node % stride;
    return column * rows + (column < longer ? column : longer) + node / stride;
}

Status placement_init(Placement *placement, const PlacementSpec *spec, const Cluster *cluster,
                      int64_t job_gpus) {
    const ClusterSpec *machine = cluster_spec(cluster);
    REQUIRE(job_gpus >= 1, STATUS_RANGE, "the job asks for %lld GPUs; wanted at least 1",
            (long long)job_gpus);
    REQUIRE(job_gpus <= cluster_ngpus(cluster), STATUS_RANGE,
            "the job needs %lld GPUs but the cluster has %lld", (long long)job_gpus,
            (long long)cluster_ngpus(cluster));
    REQUIRE(
        spec->kind != PLACEMENT_STRIDED || (spec->stride >= 1 && spec->stride <= machine->nodes),
        STATUS_RANGE, "placement stride is %lld nodes; wanted 1 to %lld, the nodes of the cluster",
        (long long)spec->stride, (long long)machine->nodes);
    *placement = (Placement){
        .spec = *spec,
        .nodes = machine->nodes,
        .job_nodes = (job_gpus + machine->gpus_per_node - 1) / machine->gpus_per_node,
        .job_gpus = job_gpus,
        .gpus_per_node = machine->gpus_per_node,
        .half_bits = feistel_half_bits(machine->nodes),
    };
    return status_ok();
}

GpuId placement_gpu(const Placement *placement, int64_t job_rank) {
    CHECK(job_rank >= 0 && job_rank < placement->job_gpus, "job rank %lld of %lld",
          (long long)job_rank, (long long)placement->job_gpus);
    const int64_t place = job_rank / placement->gpus_per_node;
    NodeId node = place;
    if (placement->spec.kind == PLACEMENT_STRIDED) node = strided_node(placement, place);
    if (placement->spec.kind == PLACEMENT_RANDOM) node = random_node(placement, place);
    return node * placement->gpus_per_node + job_rank % placement->gpus_per_node;
}

int64_t placement_job_rank(const Placement *placement, GpuId gpu) {
    const NodeId node = gpu / placement->gpus_per_node;
    if (node < 0 || node >= placement->nodes) return -1;
    int64_t place = node;
    if (placement->spec.kind == PLACEMENT_STRIDED) place = strided_place(placement, node);
    if (placement->spec.kind == PLACEMENT_RANDOM) place = random_place(placement, node);
    if (place >= placement->job_nodes) return -1;
    const int64_t job_rank = place * placement->gpus_per_node + gpu % placement->gpus_per_node;
    return job_rank < placement->job_gpus ? job_rank : -1;
}
