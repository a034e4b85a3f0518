// Placement is a bijection between job ranks and GPUs, for every kind and size.

#include "claims.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/placement.h"
#include "shapes.h"

enum { GPUS_PER_NODE = 4 };

static Cluster *machine(int64_t nodes) {
    const Tier tier[] = {{(int32_t)nodes * GPUS_PER_NODE, 1, 1}};
    const ClusterSpec spec = shape_spec(nodes, GPUS_PER_NODE, WIRING_PLAIN, 1, tier);
    Cluster *cluster;
    const Status status = cluster_create(&spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

/// Forward and back for each rank, each GPU taken once, the rest -1, slots kept within the node.
static void check_bijection(const Placement *placement, int64_t job_gpus, int64_t ngpus) {
    char *taken = test_calloc((size_t)ngpus, 1);
    for (int64_t job_rank = 0; job_rank < job_gpus; job_rank++) {
        const GpuId gpu = placement_gpu(placement, job_rank);
        assert_in_range(gpu, 0, ngpus - 1);
        assert_int_equal(taken[gpu], 0);
        taken[gpu] = 1;
        assert_int_equal(gpu % GPUS_PER_NODE, job_rank % GPUS_PER_NODE);
        assert_int_equal(placement_job_rank(placement, gpu), job_rank);
    }
    int64_t spares = 0;
    for (GpuId gpu = 0; gpu < ngpus; gpu++) {
        if (taken[gpu]) continue;
        spares++;
        assert_int_equal(placement_job_rank(placement, gpu), -1);
    }
    assert_int_equal(spares, ngpus - job_gpus);
    test_free(taken);
}

static void every_kind_is_a_bijection_with_spares(void **state) {
    (void)state;
    static const int64_t sizes[] = {1,  2,  3,  4,  5,   7,   8,   13,  16, 17,
                                    31, 64, 65, 97, 100, 127, 256, 257, 499};
    static const int64_t strides[] = {1, 2, 3, 5, 8, 64, 97, 499};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int64_t ngpus = sizes[k] * GPUS_PER_NODE;
        const int64_t jobs[] = {1, ngpus / 2, ngpus - 1, ngpus};
        Cluster *cluster = machine(sizes[k]);
        for (size_t j = 0; j < 4; j++) {
            Placement placement;
            PlacementSpec spec = {.kind = PLACEMENT_CONTIGUOUS};
            assert_int_equal(
                placement_init(&placement, &spec, cluster_spec(cluster), jobs[j], 1).code,
                STATUS_OK);
            check_bijection(&placement, jobs[j], ngpus);
            for (spec.seed = 1; spec.seed <= 3; spec.seed++) {
                spec.kind = PLACEMENT_RANDOM;
                assert_int_equal(
                    placement_init(&placement, &spec, cluster_spec(cluster), jobs[j], 1).code,
                    STATUS_OK);
                check_bijection(&placement, jobs[j], ngpus);
            }
            spec.kind = PLACEMENT_STRIDED;
            for (size_t s = 0; s < sizeof strides / sizeof strides[0] && strides[s] <= sizes[k];
                 s++) {
                spec.stride = strides[s];
                assert_int_equal(
                    placement_init(&placement, &spec, cluster_spec(cluster), jobs[j], 1).code,
                    STATUS_OK);
                check_bijection(&placement, jobs[j], ngpus);
            }
        }
        cluster_destroy(cluster);
    }
}

// Jobs use 3 of the 5 nodes of each domain: every kind deals these among them, and whole groups of 12 ranks share a domain.
static void spares_of_domains_stay_free(void **state) {
    (void)state;
    enum { DOMAIN_NODES = 5, USED_NODES = 3, TOGETHER = 12 };
    static const int64_t sizes[] = {1, 3, 4, 5, 8, 25, 103};
    static const PlacementKind kinds[] = {PLACEMENT_CONTIGUOUS, PLACEMENT_RANDOM, PLACEMENT_STRIDED,
                                          PLACEMENT_SPREAD};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        Cluster *cluster = machine(sizes[k]);
        ClusterSpec used = *cluster_spec(cluster);
        used.scale_up.gpus = DOMAIN_NODES * GPUS_PER_NODE;
        used.scale_up.used = USED_NODES * GPUS_PER_NODE;
        const int64_t rest = sizes[k] % DOMAIN_NODES;
        const int64_t usable =
            sizes[k] / DOMAIN_NODES * USED_NODES + (rest < USED_NODES ? rest : USED_NODES);
        assert_int_equal(placement_usable(&used), usable);
        for (int kind = 0; kind < 4; kind++) {
            const int32_t together = usable % USED_NODES == 0 ? TOGETHER : 1;
            const PlacementSpec spec = {.kind = kinds[kind], .stride = 1, .seed = 3};
            Placement placement;
            assert_int_equal(
                placement_init(&placement, &spec, &used, usable * GPUS_PER_NODE, together).code,
                STATUS_OK);
            check_bijection(&placement, usable * GPUS_PER_NODE, sizes[k] * GPUS_PER_NODE);
            for (int64_t rank = 0; rank < usable * GPUS_PER_NODE; rank++) {
                const GpuId gpu = placement_gpu(&placement, rank);
                assert_true(gpu % used.scale_up.gpus < used.scale_up.used);
                if (together == 1) continue;
                const GpuId first = placement_gpu(&placement, rank / TOGETHER * TOGETHER);
                assert_int_equal(gpu / used.scale_up.gpus, first / used.scale_up.gpus);
            }
            assert_int_equal(
                placement_init(&placement, &spec, &used, usable * GPUS_PER_NODE + 1, 1).code,
                STATUS_RANGE);
        }
        cluster_destroy(cluster);
    }
}

// Contiguous is the identity; stride 3 over 7 nodes visits 0 3 6, 1 4, 2 5.
static void contiguous_and_strided_visit_nodes_in_the_stated_order(void **state) {
    (void)state;
    static const NodeId strided[] = {0, 3, 6, 1, 4, 2, 5};
    Cluster *cluster = machine(7);
    Placement placement;
    PlacementSpec spec = {.kind = PLACEMENT_CONTIGUOUS};
    placement_init(&placement, &spec, cluster_spec(cluster), 28, 1);
    for (int64_t job_rank = 0; job_rank < 28; job_rank++)
        assert_int_equal(placement_gpu(&placement, job_rank), job_rank);
    spec = (PlacementSpec){.kind = PLACEMENT_STRIDED, .stride = 3};
    placement_init(&placement, &spec, cluster_spec(cluster), 28, 1);
    for (int64_t k = 0; k < 7; k++)
        assert_int_equal(placement_gpu(&placement, k * GPUS_PER_NODE), strided[k] * GPUS_PER_NODE);
    cluster_destroy(cluster);
}

// Two seeds agree on about one place (the mean number of fixed points of a random permutation is
// 1).
static void random_placements_of_two_seeds_differ(void **state) {
    (void)state;
    Cluster *cluster = machine(499);
    for (uint64_t seed = 1; seed < 20; seed++) {
        Placement one, two;
        placement_init(&one, &(PlacementSpec){.kind = PLACEMENT_RANDOM, .seed = seed},
                       cluster_spec(cluster), 1996, 1);
        placement_init(&two, &(PlacementSpec){.kind = PLACEMENT_RANDOM, .seed = seed + 1},
                       cluster_spec(cluster), 1996, 1);
        int32_t same = 0;
        for (int64_t k = 0; k < 499; k++)
            same += placement_gpu(&one, k * 4) == placement_gpu(&two, k * 4);
        assert_in_range(same, 0, 8);
    }
    cluster_destroy(cluster);
}

// Over many seeds each (place, node) is hit equally often: chi-square of 53 x 53 cells, and of the
// step from one place to the next, within 5 deviations. 53 nodes: a prime, with cycle walking in a
// range of 64.
static void random_placement_is_uniform(void **state) {
    (void)state;
    enum { NODES = 53, SEEDS = 4000 };
    Cluster *cluster = machine(NODES);
    int32_t(*hits)[NODES] = test_calloc(NODES, sizeof *hits), steps[NODES] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        Placement placement;
        placement_init(&placement, &(PlacementSpec){.kind = PLACEMENT_RANDOM, .seed = seed},
                       cluster_spec(cluster), NODES * 4, 1);
        NodeId last = 0;
        for (int64_t k = 0; k < NODES; k++) {
            const NodeId node = placement_gpu(&placement, k * 4) / 4;
            hits[k][node]++;
            if (k > 0) steps[(node - last + NODES) % NODES]++;
            last = node;
        }
    }
    double chi = 0.0, chi_steps = 0.0;
    const double mean = (double)SEEDS / NODES,
                 mean_step = (double)SEEDS * (NODES - 1) / (NODES - 1);
    for (int32_t k = 0; k < NODES; k++)
        for (int32_t n = 0; n < NODES; n++) chi += (hits[k][n] - mean) * (hits[k][n] - mean) / mean;
    for (int32_t n = 1; n < NODES; n++)
        chi_steps += (steps[n] - mean_step) * (steps[n] - mean_step) / mean_step;
    assert_int_equal(steps[0], 0);
    const double freedom = (NODES - 1) * (NODES - 1);
    assert_true(fabs(chi - freedom) < 5.0 * sqrt(2.0 * freedom));
    assert_true(fabs(chi_steps - (NODES - 2)) < 5.0 * sqrt(2.0 * (NODES - 2)));
    test_free(hits);
    cluster_destroy(cluster);
}

static void impossible_placements_are_refused(void **state) {
    (void)state;
    Cluster *cluster = machine(8);
    Placement placement;
    PlacementSpec spec = {.kind = PLACEMENT_CONTIGUOUS};
    const Status big = placement_init(&placement, &spec, cluster_spec(cluster), 33, 1);
    assert_int_equal(big.code, STATUS_RANGE);
    assert_non_null(strstr(big.text, "33"));
    assert_non_null(strstr(big.text, "32"));
    assert_int_equal(placement_init(&placement, &spec, cluster_spec(cluster), 0, 1).code,
                     STATUS_RANGE);
    spec = (PlacementSpec){.kind = PLACEMENT_STRIDED, .stride = 0};
    assert_int_equal(placement_init(&placement, &spec, cluster_spec(cluster), 8, 1).code,
                     STATUS_RANGE);
    spec.stride = 9;
    assert_int_equal(placement_init(&placement, &spec, cluster_spec(cluster), 8, 1).code,
                     STATUS_RANGE);
    cluster_destroy(cluster);
}

// Nodes have the GPUs of the last entry that begins at or before them, and a job those of its GPUs.
static void kinds_begin_at_their_nodes(void **state) {
    (void)state;
    Cluster *cluster = machine(8);
    ClusterSpec spec = *cluster_spec(cluster);
    spec.nothers = 2;
    spec.other[0].from = 2;
    spec.other[1].from = 5;
    int64_t all[CLUSTER_GPU_KINDS_MAX] = {0};
    for (int64_t node = 0; node < spec.nodes; node++)
        for (int32_t slot = 0; slot < spec.gpus_per_node; slot++) {
            const int32_t kind = cluster_gpu_kind(&spec, node * spec.gpus_per_node + slot);
            assert_int_equal(kind, (node >= 2) + (node >= 5));
            all[kind]++;
        }
    int64_t gpus[CLUSTER_GPU_KINDS_MAX];
    Placement placement;
    PlacementSpec random = {.kind = PLACEMENT_RANDOM, .seed = 3};
    Status status = placement_init(&placement, &random, &spec, spec.nodes * spec.gpus_per_node, 1);
    assert_int_equal(status.code, STATUS_OK);
    placement_count_kinds(&placement, &spec, gpus);
    for (int kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++)
        assert_int_equal(gpus[kind], all[kind]);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_a_bijection_with_spares),
        cmocka_unit_test(spares_of_domains_stay_free),
        cmocka_unit_test(contiguous_and_strided_visit_nodes_in_the_stated_order),
        cmocka_unit_test(random_placements_of_two_seeds_differ),
        cmocka_unit_test(random_placement_is_uniform),
        cmocka_unit_test(impossible_placements_are_refused),
        cmocka_unit_test(kinds_begin_at_their_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
