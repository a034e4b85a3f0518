#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "draws.h"
#include "published.h"

static ParallelSpec shape(int32_t tp, int32_t pp, int32_t dp, const Dimension order[DIM_N]) {
    ParallelSpec parallel = {
        .size = {[DIM_TP] = tp, [DIM_CP] = 1, [DIM_EP] = 1, [DIM_DP] = dp, [DIM_PP] = pp},
        .ep = 1,
        .expert_tp = 1,
        .chunks = 1,
        .schedule = pp > 1 ? SCHEDULE_1F1B : SCHEDULE_NONE,
        .microbatch = 1,
        .microbatches = pp};
    memcpy(parallel.order, order, DIM_N * sizeof order[0]);
    return parallel;
}

static const Dimension ORDERS[][DIM_N] = {{DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
                                          {DIM_TP, DIM_CP, DIM_PP, DIM_EP, DIM_DP},
                                          {DIM_PP, DIM_DP, DIM_TP, DIM_CP, DIM_EP}};
enum { NORDERS = sizeof ORDERS / sizeof ORDERS[0] };

// The members of the group of a rank along d have its coordinates in all dimensions but d, and
// there 0 .. n-1.
static void group_members_differ_in_one_coordinate_only(void **state) {
    (void)state;
    for (int o = 0; o < NORDERS; ++o) {
        const ParallelSpec p = shape(4, 3, 5, ORDERS[o]);
        for (int64_t rank = 0; rank < parallel_nranks(&p); ++rank)
            for (int d = 0; d < DIM_N; ++d) {
                const Group g = parallel_group(&p, rank, DIM_BIT(d));
                assert_int_equal(g.n, p.size[d]);
                for (int64_t i = 0; i < g.n; ++i)
                    for (int e = 0; e < DIM_N; ++e) {
                        const int32_t expected =
                            e == d ? (int32_t)i : parallel_coordinate(&p, rank, (Dimension)e);
                        assert_int_equal(
                            parallel_coordinate(&p, g.first + i * g.stride, (Dimension)e),
                            expected);
                    }
            }
    }
}

// Groups are a partition: index is 0 .. ngroups-1, equal inside a group, each index taken by n
// ranks.
static void groups_along_a_dimension_partition_the_ranks(void **state) {
    (void)state;
    for (int o = 0; o < NORDERS; ++o) {
        const ParallelSpec p = shape(4, 3, 5, ORDERS[o]);
        for (int d = 0; d < DIM_N; ++d) {
            int64_t members[60] = {0};
            const int64_t ngroups = parallel_ngroups(&p, DIM_BIT(d));
            assert_int_equal(ngroups * p.size[d], 60);
            for (int64_t rank = 0; rank < 60; ++rank) {
                const int64_t index = parallel_group_index(&p, rank, DIM_BIT(d));
                assert_in_range(index, 0, ngroups - 1);
                const Group g = parallel_group(&p, rank, DIM_BIT(d));
                assert_int_equal(parallel_group_index(&p, g.first, DIM_BIT(d)), index);
                ++members[index];
            }
            for (int64_t i = 0; i < ngroups; ++i) assert_int_equal(members[i], p.size[d]);
        }
    }
}

static int32_t below(uint64_t *draws, int32_t n) {
    return (int32_t)rng_below(9, RNG_TEST, 0, (*draws)++, n);
}

/// Equal coordinates in all dimensions but those of a set?
static bool same_beside(const ParallelSpec *p, int64_t a, int64_t b, DimensionSet set) {
    for (int d = 0; d < DIM_N; ++d)
        if (!(set & DIM_BIT(d)) &&
            parallel_coordinate(p, a, (Dimension)d) != parallel_coordinate(p, b, (Dimension)d))
            return false;
    return true;
}

/// As members that are looked for one by one tell it.
static bool is_evenly_spaced(const ParallelSpec *p, DimensionSet set) {
    int64_t last = 0, gap = 0;
    for (int64_t rank = 1; rank < parallel_nranks(p); ++rank) {
        if (!same_beside(p, rank, 0, set)) continue;
        if (gap > 0 && rank - last != gap) return false;
        gap = rank - last;
        last = rank;
    }
    return true;
}

// The same for any set of dimensions that stand side by side in the order, on random sizes and orders: groups are a
// partition, members differ in the coordinates of these alone, `at` undoes `index`; and the sets that do not stand side
// by side are told.
static void products_of_dimensions_partition_the_ranks(void **state) {
    (void)state;
    uint64_t draws = 0;
    for (int round = 0; round < 300; ++round) {
        ParallelSpec p = shape(1, 1, 1, ORDERS[round % NORDERS]);
        for (int d = 0; d < DIM_N; ++d) p.size[d] = 1 + below(&draws, 3);
        for (int i = 0; i < DIM_N; ++i) {
            const int j = below(&draws, DIM_N);
            const Dimension kept = p.order[i];
            p.order[i] = p.order[j];
            p.order[j] = kept;
        }
        const DimensionSet set = (DimensionSet)below(&draws, 1 << DIM_N);
        const int64_t size = parallel_group_size(&p, set), n = parallel_nranks(&p);
        assert_int_equal(size * parallel_ngroups(&p, set), n);
        int64_t met[243] = {0};
        for (int64_t rank = 0; rank < n; ++rank) {
            const int64_t index = parallel_group_index(&p, rank, set);
            assert_in_range(index, 0, parallel_ngroups(&p, set) - 1);
            met[index]++;
            if (!parallel_group_is_even(&p, set)) continue;
            const Group g = parallel_group_at(&p, index, set);
            assert_true(g.n == size && (rank - g.first) % g.stride == 0);
            assert_in_range((rank - g.first) / g.stride, 0, size - 1);
            assert_true(same_beside(&p, rank, g.first, set));
        }
        for (int64_t i = 0; i < parallel_ngroups(&p, set); ++i) assert_int_equal(met[i], size);
        assert_int_equal(parallel_group_is_even(&p, set), is_evenly_spaced(&p, set));
    }
}

// Experts multiply no ranks: a plan that can be dealt keeps its ranks and replicas, its groups of ep * expert_tp GPUs are
// whole parts or whole numbers of replicas, and dealing it once more changes nothing; one that cannot is refused with a
// number of replicas that can.
static void experts_are_dealt_over_replicas(void **state) {
    (void)state;
    uint64_t draws = 0;
    int32_t dealt = 0, refused = 0;
    for (int round = 0; round < 400; ++round) {
        ParallelSpec p = shape(1 << below(&draws, 4), 1 + below(&draws, 3), 1 + below(&draws, 24),
                               ORDERS[round % NORDERS]);
        p.size[DIM_CP] = 1 + below(&draws, 3);
        p.ep = 1 << below(&draws, 6);
        p.expert_tp = 1 + below(&draws, 2);
        const int64_t ranks = parallel_nranks(&p), replicas = parallel_replicas(&p);
        const int64_t one = (int64_t)p.size[DIM_TP] * p.size[DIM_CP];
        const int64_t span = (int64_t)p.ep * p.expert_tp;
        Status status = parallel_deal_experts(&p);
        dealt += status_is_ok(&status);
        refused += !status_is_ok(&status);
        if (one % span != 0 && span % one != 0) {
            assert_non_null(strstr(status.text, "one must divide the other"));
            continue;
        }
        if (!status_is_ok(&status)) {
            int wanted = 0;
            assert_int_equal(sscanf(strrchr(status.text, '=') + 1, "%d", &wanted), 1);
            assert_true(wanted > replicas && wanted < replicas + span / one);
            p.size[DIM_DP] = wanted;
            status = parallel_deal_experts(&p);
            assert_true(status_is_ok(&status));
            continue;
        }
        const ParallelSpec once = p;
        assert_int_equal(parallel_nranks(&p), ranks);
        assert_int_equal(parallel_replicas(&p), replicas);
        assert_int_equal(parallel_holders(&p), replicas * p.size[DIM_CP]);
        const int64_t held = one * p.size[DIM_EP];
        assert_true(span > one ? held == span : p.size[DIM_EP] == 1 && one % span == 0);
        status = parallel_deal_experts(&p);
        assert_true(status_is_ok(&status) && memcmp(&p, &once, sizeof p) == 0);
    }
    assert_true(dealt > 50 && refused > 50);
}

// tp-cp-pp-dp of Llama 3: neighbours in rank share a TP group of 8, replicas are 128 ranks apart.
static void the_first_dimension_of_the_order_runs_fastest(void **state) {
    (void)state;
    const PublishedRun run = published_p1();
    assert_int_equal(parallel_nranks(&run.parallel), 8192);
    assert_int_equal(parallel_group(&run.parallel, 13, DIM_BIT(DIM_TP)).first, 8);
    assert_int_equal(parallel_group(&run.parallel, 13, DIM_BIT(DIM_TP)).stride, 1);
    assert_int_equal(parallel_group(&run.parallel, 13, DIM_BIT(DIM_PP)).stride, 8);
    assert_int_equal(parallel_group(&run.parallel, 13, DIM_BIT(DIM_DP)).stride, 128);
}

static void virtual_stages_hold_every_layer_once(void **state) {
    (void)state;
    const PublishedRun runs[] = {published_q(), published_c07(), published_p1()};
    for (int i = 0; i < 3; ++i) {
        const int32_t n = runs[i].parallel.size[DIM_PP] * runs[i].parallel.chunks;
        int32_t sum = 0;
        for (int32_t v = 0; v < n; ++v)
            sum += parallel_layers(&runs[i].parallel, &runs[i].model, v);
        assert_int_equal(sum, runs[i].model.layers);
    }
    // Embedding and head stand for a layer each: the first and last of 128 virtual stages hold no
    // other.
    assert_int_equal(parallel_layers(&runs[2].parallel, &runs[2].model, 0), 0);
    assert_int_equal(parallel_layers(&runs[2].parallel, &runs[2].model, 127), 0);
    assert_int_equal(parallel_layers(&runs[2].parallel, &runs[2].model, 64), 1);
}

// Dealt without being asked: all layers, and no two virtual stages, nor the sums of two stages, differ by more than one,
// embedding and head counted where they are to be; the last has no more than any.
static void layers_that_do_not_divide_are_dealt_evenly(void **state) {
    (void)state;
    for (int32_t layers = 8; layers <= 130; layers += 7)
        for (int32_t pp = 1; pp <= 8; pp++)
            for (int32_t chunks = 1; pp * chunks <= layers && chunks <= 5; chunks++)
                for (int32_t ends = 0; ends < 2; ends++) {
                    PublishedRun run = published_q();
                    run.model.layers = layers;
                    run.parallel.size[DIM_PP] = pp;
                    run.parallel.chunks = chunks;
                    run.parallel.embedding_as_layer = ends;
                    const int32_t n = pp * chunks;
                    int32_t sum = 0, least = INT32_MAX, most = 0, stage[8] = {0}, last = 0;
                    for (int32_t v = 0; v < n; ++v) {
                        last = parallel_layers(&run.parallel, &run.model, v);
                        sum += last;
                        last += ends * ((v == 0) + (v == n - 1));
                        least = last < least ? last : least;
                        most = last > most ? last : most;
                        stage[v % pp] += last;
                    }
                    assert_int_equal(sum, layers);
                    assert_true(most - least <= 1);
                    assert_int_equal(last, least);
                    for (int32_t s = 1; s < pp; ++s) assert_true(abs(stage[s] - stage[0]) <= 1);
                }
}

static void given_layers_are_taken_as_they_are(void **state) {
    (void)state;
    PublishedRun run = published_q();
    run.parallel.nlayers = 24;
    for (int v = 0; v < 24; ++v) run.parallel.layers[v] = 4;
    run.parallel.layers[0] = 3;
    run.parallel.layers[23] = 5;
    assert_int_equal(parallel_validate(&run.parallel, &run.model, &run.training).code, STATUS_OK);
    assert_int_equal(parallel_layers(&run.parallel, &run.model, 23), 5);
}

static void published_plans_are_valid(void **state) {
    (void)state;
    const PublishedRun runs[] = {published_q(), published_c07(), published_p1(),
                                 published_colossus()};
    for (int i = 0; i < 4; ++i)
        assert_int_equal(
            parallel_validate(&runs[i].parallel, &runs[i].model, &runs[i].training).code,
            STATUS_OK);
}

static void expect_refusal(const PublishedRun *run, const char *part) {
    const Status status = parallel_validate(&run->parallel, &run->model, &run->training);
    assert_int_equal(status.code, STATUS_RANGE);
    if (!strstr(status.text, part)) fail_msg("'%s' does not contain '%s'", status.text, part);
}

/// Every virtual stage of the 24 holds `each` layers, but number 7.
static void give_layers(ParallelSpec *parallel, int32_t each, int32_t seventh) {
    parallel->nlayers = 24;
    for (int v = 0; v < 24; ++v) parallel->layers[v] = v == 7 ? seventh : each;
}

#define REFUSES(change, part)             \
    do {                                  \
        PublishedRun run = published_q(); \
        change;                           \
        expect_refusal(&run, part);       \
    } while (0)

static void impossible_plans_are_refused_with_both_numbers(void **state) {
    (void)state;
    REFUSES(run.parallel.size[DIM_TP] = 7, "heads = 96 does not divide by tp = 7");
    REFUSES(run.model.ffn = 49151, "ffn = 49151 does not divide by tp = 8");
    REFUSES(run.model.kv_heads = 12, "kv_heads = 12 and tp = 8");
    REFUSES(run.model.kv_heads = 7, "does not divide by kv_heads = 7");
    REFUSES(run.parallel.chunks = 13, "96 layers are too few for pp * chunks = 8 * 13");
    REFUSES((run.parallel.chunks = 13, run.parallel.embedding_as_layer = true),
            "98 layers (embedding and head counted) are too few");
    REFUSES(run.parallel.microbatches = 63, "63 % 8 = 7");
    REFUSES(run.parallel.chunks = 1, "chunks >= 2");
    REFUSES(run.parallel.schedule = SCHEDULE_1F1B, "chunks = 3 needs schedule interleaved");
    REFUSES(run.parallel.schedule = SCHEDULE_NONE, "needs pp = 1, but pp = 8");
    REFUSES(run.parallel.size[DIM_CP] = 3, "sequence = 2048 tokens does not divide by 2 * cp = 6");
    REFUSES((run.parallel.size[DIM_CP] = 8, run.parallel.cp_algorithm = CP_ALL_TO_ALL),
            "heads / tp = 12 of a GPU do not divide by cp = 8");
    REFUSES(run.parallel.ep = 0, "ep = 0 and expert_tp = 1");
    REFUSES(run.parallel.ep = 64, "ep = 64: the experts of a layer are not dealt");
    REFUSES(run.parallel.size[DIM_DP] = 0, "dp = 0");
    REFUSES(run.parallel.zero = 4, "zero = 4");
    REFUSES(run.parallel.order[0] = DIM_PP, "order must name each");
    REFUSES(run.parallel.microbatch = 0, "microbatch = 0");
    REFUSES(run.training.sequence = 2047, "2047 tokens of a microbatch do not divide by tp = 8");
    REFUSES(give_layers(&run.parallel, 4, 5),
            "hold 97 layers by layers or layout, but the model has 96");
    REFUSES(give_layers(&run.parallel, 4, 0), "virtual stage 7 = 0");
    REFUSES(run.parallel.nlayers = 23, "list 23 virtual stages");
    REFUSES(run.parallel.chunks = 200, "at most 1024 virtual stages");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_members_differ_in_one_coordinate_only),
        cmocka_unit_test(groups_along_a_dimension_partition_the_ranks),
        cmocka_unit_test(products_of_dimensions_partition_the_ranks),
        cmocka_unit_test(experts_are_dealt_over_replicas),
        cmocka_unit_test(the_first_dimension_of_the_order_runs_fastest),
        cmocka_unit_test(virtual_stages_hold_every_layer_once),
        cmocka_unit_test(given_layers_are_taken_as_they_are),
        cmocka_unit_test(layers_that_do_not_divide_are_dealt_evenly),
        cmocka_unit_test(published_plans_are_valid),
        cmocka_unit_test(impossible_plans_are_refused_with_both_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
