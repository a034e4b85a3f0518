// Law: on the race scenarios of SimGrid 3.32 (see race.h) the flow engine ends within 1e-9 s of
// SimGrid's answers.
#include "race.h"

#include "base/memory.h"
#include "claims.h"

typedef struct Answer {
    RaceKind kind;
    int64_t nhosts;
    double last_s, mean_s; // as SimGrid prints them; mean 0: not listed
} Answer;

static const Answer ANSWERS[] = {
    {RACE_SHIFT, 16, 0.02, 0.02},
    {RACE_SHIFT, 128, 0.02, 0.02},
    {RACE_SHIFT, 1024, 0.02, 0.02},
    {RACE_RING, 16, 0.02, 0.02},
    {RACE_RING, 128, 0.02, 0.02},
    {RACE_RING, 1024, 0.02, 0.02},
    {RACE_PERM, 16, 0.04, 0.022666667},
    {RACE_PERM, 128, 0.08, 0.034488189},
    {RACE_PERM, 1024, 0.12, 0.038828125},
    {RACE_PERMVAR, 16, 0.07125, 0.033916667},
    {RACE_PERMVAR, 128, 0.1075, 0.049675197},
    {RACE_PERMVAR, 1024, 0.17375, 0.053674316},
    {RACE_A2A8, 16, 0.03390625, 0.025703125},
    {RACE_A2A8, 128, 0.03875, 0.029375},
    {RACE_A2A8, 1024, 0.03875, 0.029375},
    {RACE_INCAST, 16, 0.3, 0},
    {RACE_INCAST, 128, 0.32, 0},
    {RACE_INCAST, 1024, 0.32, 0},
};

enum { FLOWS_MAX = 8 * 1024 };

static void play_all(bool full_solve, int64_t nhosts_max) {
    RaceFlow *flows = memory_alloc("test", FLOWS_MAX * sizeof *flows);
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
        const Answer *answer = &ANSWERS[i];
        if (answer->nhosts > nhosts_max) continue;
        Cluster *cluster = race_cluster(answer->nhosts);
        Flow *flow = flow_create(cluster, &(EngineSpec){0});
        flow_tune(flow, (FlowTuning){.full_solve = full_solve});
        int64_t nflows = race_flows(answer->kind, answer->nhosts, flows);
        RaceResult result = race_play(flow, flows, nflows);
        assert_int_equal(result.ncompleted, nflows);
        assert_close(result.last_s, answer->last_s, 1e-9);
        if (answer->mean_s > 0) assert_close(result.mean_s, answer->mean_s, 1e-9);
        flow_destroy(flow);
        cluster_destroy(cluster);
    }
    memory_free("test", flows, FLOWS_MAX * sizeof *flows);
}

static void flow_ends_the_races_at_the_listed_times(void **state) {
    (void)state;
    play_all(false, 1024);
}

static void full_solution_ends_the_races_at_the_listed_times(void **state) {
    (void)state;
    play_all(true, 128);
}

static void flow_plays_the_bulk_synchronous_ring_in_the_listed_time(void **state) {
    (void)state;
    const struct {
        int64_t nhosts;
        double last_s;
    } rings[] = {{128, 0.0396875}, {1024, 0.039960917}};
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        Cluster *cluster = race_cluster(rings[i].nhosts);
        Flow *flow = flow_create(cluster, &(EngineSpec){0});
        assert_close(race_ring_allreduce_s(flow, rings[i].nhosts), rings[i].last_s, 1e-9);
        flow_destroy(flow);
        cluster_destroy(cluster);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_ends_the_races_at_the_listed_times),
        cmocka_unit_test(full_solution_ends_the_races_at_the_listed_times),
        cmocka_unit_test(flow_plays_the_bulk_synchronous_ring_in_the_listed_time),
    };
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
