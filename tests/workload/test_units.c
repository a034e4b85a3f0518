// Units, their groups and rails, held to their definitions on random shapes.
#include <string.h>

#include "claims.h"
#include "draws.h"
#include "workload/units.h"

enum { SHAPES = 300, RANKS_MAX = 4096 };

typedef struct Shape {
    uint64_t seed, draws;
    ParallelSpec parallel;
    ModelSpec model;
    Units units;
} Shape;

static int32_t power(Shape *shape, int32_t most) {
    return 1 << rng_below(15, RNG_TEST, shape->seed, shape->draws++, most + 1);
}

static void draw_shape(Shape *shape, uint64_t seed) {
    static const Dimension ORDERS[][DIM_N] = {{DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
                                              {DIM_TP, DIM_CP, DIM_PP, DIM_EP, DIM_DP},
                                              {DIM_PP, DIM_DP, DIM_TP, DIM_CP, DIM_EP}};
    memset(shape, 0, sizeof *shape);
    shape->seed = seed;
    ParallelSpec *parallel = &shape->parallel;
    memcpy(parallel->order, ORDERS[seed % 3], sizeof parallel->order);
    parallel->size[DIM_TP] = power(shape, 2);
    parallel->size[DIM_CP] = power(shape, 1);
    parallel->size[DIM_PP] = power(shape, 2);
    parallel->size[DIM_EP] = 1;
    parallel->size[DIM_DP] = power(shape, 4);
    parallel->chunks = 1;
    parallel->expert_tp = seed % 2 ? parallel->size[DIM_TP] : 1;
    parallel->ep = power(shape, 2);
    shape->model.experts = seed % 4 ? 64 : 0;
    shape->model.tied_embeddings = seed % 5 == 0;
    Status status = parallel_deal_experts(parallel);
    if (!status_is_ok(&status)) {
        parallel->ep = parallel->expert_tp = 1;
        status = parallel_deal_experts(parallel);
    }
    assert_true(status_is_ok(&status));
    if (seed % 3 == 0 && parallel->size[DIM_DP] > 1) {
        parallel->zero = 3;
        parallel->shard_group = parallel->size[DIM_DP] / 2 * parallel->size[DIM_EP];
    }
    units_init(&shape->units, parallel, &shape->model);
    assert_true(parallel_nranks(parallel) <= RANKS_MAX);
}

// Law: job ranks are the members of units, each once, and units those of replicas and stages.
static void ranks_are_members_of_units(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SHAPES; seed++) {
        Shape shape;
        draw_shape(&shape, seed);
        const Units *units = &shape.units;
        assert_int_equal(units->n * units->width, parallel_nranks(&shape.parallel));
        for (int64_t unit = 0; unit < units->n; unit++) {
            for (int32_t member = 0; member < units->width; member++) {
                const int64_t rank = units_job_rank(units, unit, member);
                assert_int_equal(units_of_rank(units, rank), unit);
                assert_int_equal(units_member(units, rank), member);
                assert_int_equal(parallel_coordinate(&shape.parallel, rank, DIM_PP),
                                 units_stage(units, unit));
            }
            const int32_t stage = units_stage(units, unit);
            assert_int_equal(units_at(units, units_replica(units, unit), stage), unit);
            const int64_t next = units_stage_neighbour(units, unit, 1);
            assert_int_equal(units_stage(units, next), (stage + 1) % units->stages);
            assert_int_equal(units_replica(units, next), units_replica(units, unit));
            assert_int_equal(units_stage_neighbour(units, next, -1), unit);
        }
        units_fini(&shape.units);
    }
}

// Law: the groups of a kind hold each unit that is in one once; those that meet are numbered without gaps.
static void groups_of_a_kind_partition_their_units(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SHAPES; seed++) {
        Shape shape;
        draw_shape(&shape, seed);
        const Units *units = &shape.units;
        int64_t held[GROUP_KIND_N] = {0}, wanted[GROUP_KIND_N] = {0};
        for (int64_t group = 0; group < units_ngroups(units); group++) {
            const GroupKind kind = units_group_kind(units, group);
            const Group members = units_group(units, group);
            for (int64_t i = 0; i < members.n; i++) {
                const int64_t unit = members.first + i * members.stride;
                assert_int_equal(units_group_of(units, unit, kind), group);
            }
            held[kind] += members.n;
        }
        for (int kind = 0; kind < GROUP_KIND_N; kind++) {
            const bool any = units_ngroups_of(units, (GroupKind)kind) > 0;
            for (int64_t unit = 0; unit < units->n && any; unit++)
                wanted[kind] += units_group_of(units, unit, (GroupKind)kind) >= 0;
            assert_int_equal(held[kind], wanted[kind]);
        }
        for (int64_t index = 0; index < units_nmeeting(units); index++) {
            const int64_t group = units_meeting_group(units, index);
            assert_int_equal(units_meeting_index(units, group), index);
            assert_true(shape.model.tied_embeddings ||
                        units_group_kind(units, group) != GROUP_EMBEDDING);
        }
        units_fini(&shape.units);
    }
}

/// The part of a layer's experts that a GPU of a unit holds: GPUs that follow each other hold all of them, each its part.
static int64_t part_of_experts(const Units *units, int64_t rank) {
    return units_member(units, rank) % (units->parallel->ep * units->parallel->expert_tp);
}

// Law: the rails of a group hold the GPUs of its units, each once; GPUs of one rail differ along the dimensions of the kind
// alone, or hold the same part of the experts.
static void rails_hold_the_gpus_of_a_group(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SHAPES; seed++) {
        Shape shape;
        draw_shape(&shape, seed);
        const Units *units = &shape.units;
        for (int64_t group = 0; group < units_ngroups(units); group++) {
            const GroupKind kind = units_group_kind(units, group);
            const int64_t n = units_rail_size(units, group);
            const Rails *rails = units_rails(units, group);
            bool seen[RANKS_MAX] = {false};
            assert_int_equal(rails->n * n, units_group(units, group).n * units->width);
            for (int32_t rail = 0; rail < rails->n; rail++)
                for (int64_t i = 0; i < n; i++) {
                    const int64_t rank = units_rail_job_rank(units, group, rail, i);
                    assert_false(seen[rank]);
                    seen[rank] = true;
                    assert_true(units_on_rail(units, group, rail, rank));
                    const int64_t first = units_rail_job_rank(units, group, rail, 0);
                    if (GROUPS[kind].experts)
                        assert_int_equal(part_of_experts(units, rank),
                                         part_of_experts(units, first));
                    for (int d = 0; d < DIM_N && !GROUPS[kind].experts; d++)
                        assert_true(GROUPS[kind].dimensions >> d & 1 ||
                                    parallel_coordinate(&shape.parallel, rank, (Dimension)d) ==
                                        parallel_coordinate(&shape.parallel, first, (Dimension)d));
                }
        }
        units_fini(&shape.units);
    }
}

// Numbers: tp 2 and cp 4: gradients go by two rails of four GPUs of a unit.
static void gpus_that_hold_the_same_are_on_one_rail(void **state) {
    (void)state;
    ParallelSpec parallel = {
        .size = {[DIM_TP] = 2, [DIM_CP] = 4, [DIM_EP] = 1, [DIM_DP] = 3, [DIM_PP] = 1},
        .order = {DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
        .ep = 1,
        .expert_tp = 2};
    Units units;
    units_init(&units, &parallel, &(ModelSpec){0});
    const Rails *rails = units_rails(&units, units_group_of(&units, 0, GROUP_DP));
    static const int32_t WANTED[] = {0, 2, 4, 6, 1, 3, 5, 7};
    assert_int_equal(rails->n, 2);
    assert_memory_equal(rails->gpu, WANTED, sizeof WANTED);
    units_fini(&units);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_members_of_units),
        cmocka_unit_test(groups_of_a_kind_partition_their_units),
        cmocka_unit_test(rails_hold_the_gpus_of_a_group),
        cmocka_unit_test(gpus_that_hold_the_same_are_on_one_rail),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
