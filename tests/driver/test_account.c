// Where a step goes: waits are charged to the clock on which they arise, and the parts sum to the step.
#include "claims.h"
#include "draws.h"
#include "driver/account.h"
#include "observe/parts.h"
#include "observe/record.h"

// A stream is free at 100 on all clocks. A receive released it: ideally at 110, alone at 140; a neighbour whose GPU
// communication had slowed made it 143, its transfer was slowed to 150, and its GPU was slow to 155. So it waits 55: 10 of
// bubble, 30 of the pipeline's, 3 of sharing, 7 of contention, 5 for a straggler.
static void a_wait_is_charged_by_its_clocks(void **state) {
    (void)state;
    int64_t parts[ACCOUNT_N] = {0};
    Clocks begin = {100, {100, 100, 100, 100}};
    Release release = {
        .at = {155, {.slowed_ps = 150, .shared_ps = 143, .alone_ps = 140, .ideal_ps = 110}},
        .kind = ACCOUNT_PP_EXPOSED};
    account_wait(parts, &begin, &release, 1, 155);
    assert_memory_equal(&begin, &release.at, sizeof begin);
    assert_int_equal(parts[ACCOUNT_BUBBLE], 10);
    assert_int_equal(parts[ACCOUNT_PP_EXPOSED], 30);
    assert_int_equal(parts[ACCOUNT_SHARING], 3);
    assert_int_equal(parts[ACCOUNT_CONTENTION], 7);
    assert_int_equal(parts[ACCOUNT_STRAGGLER], 5);
}

// Of two releases each clock has its own last one; what communication adds is charged to the last on the alone clock.
static void each_clock_waits_for_its_own_last(void **state) {
    (void)state;
    int64_t parts[ACCOUNT_N] = {0};
    Release release[] = {
        {.at = {150, {.slowed_ps = 140, .shared_ps = 120, .alone_ps = 120, .ideal_ps = 110}},
         .kind = ACCOUNT_PP_EXPOSED},
        {.at = {145, {.slowed_ps = 145, .shared_ps = 130, .alone_ps = 125, .ideal_ps = 100}},
         .kind = ACCOUNT_DP_EXPOSED}};
    account_wait(parts, &(Clocks){100, {100, 100, 100, 100}}, release, 2, 150);
    assert_int_equal(parts[ACCOUNT_BUBBLE], 10);
    assert_int_equal(parts[ACCOUNT_PP_EXPOSED], 0);
    assert_int_equal(parts[ACCOUNT_DP_EXPOSED], 15);
    assert_int_equal(parts[ACCOUNT_SHARING], 5);
    assert_int_equal(parts[ACCOUNT_CONTENTION], 15);
    assert_int_equal(parts[ACCOUNT_STRAGGLER], 5);
}

enum { SPAN_PS = 1000 };

typedef struct Draws {
    uint64_t seed, n;
} Draws;

static int64_t draw(Draws *draws, int64_t below) {
    return rng_below(14, RNG_TEST, draws->seed, draws->n++, below);
}

/// What an operation that ended not long after `now` leaves.
static Release draw_release(Draws *draws, Clocks now) {
    static const AccountPart KINDS[] = {ACCOUNT_BUBBLE, ACCOUNT_PP_EXPOSED, ACCOUNT_DP_EXPOSED};
    NominalClocks at = now.nominal;
    Clocks end = {.actual_ps = now.actual_ps + draw(draws, SPAN_PS),
                  .nominal = {.slowed_ps = at.slowed_ps + draw(draws, SPAN_PS),
                              .shared_ps = at.shared_ps + draw(draws, SPAN_PS),
                              .alone_ps = at.alone_ps + draw(draws, SPAN_PS),
                              .ideal_ps = at.ideal_ps + draw(draws, SPAN_PS)}};
    return (Release){.at = end, .kind = KINDS[draw(draws, 3)]};
}

// Law: whatever releases its waits, the parts of a step sum to what it lasted; and what is told of each is all of them.
static void parts_sum_to_the_step(void **state) {
    (void)state;
    enum { STEPS = 200, WAITS = 4, RELEASES = 2 };
    for (uint64_t step = 0; step < STEPS; step++) {
        Draws draws = {.seed = step};
        int64_t parts[ACCOUNT_N] = {0}, told_ps = 0;
        NominalWork work = {.compute_ps = draw(&draws, SPAN_PS),
                            .tp_ps = draw(&draws, SPAN_PS),
                            .ep_ps = draw(&draws, SPAN_PS),
                            .sharing_ps = draw(&draws, SPAN_PS)};
        Clocks now = {0};
        for (int wait = 0; wait < WAITS; wait++) {
            Release release[RELEASES];
            int64_t go_on_ps = now.actual_ps;
            for (int i = 0; i < RELEASES; i++) {
                release[i] = draw_release(&draws, now);
                int64_t at_ps = release[i].at.actual_ps;
                if (at_ps > go_on_ps) go_on_ps = at_ps;
            }
            account_wait(parts, &now, release, RELEASES, go_on_ps);
        }
        for (int part = 0; part < TRACE_PART_N; part++)
            told_ps += record_part_ps(parts, work, (TracePart)part);
        assert_int_equal(
            told_ps, now.actual_ps + work.compute_ps + nominal_exposed_ps(work) + work.sharing_ps);
        assert_int_equal(account_sum_ps(parts, work), told_ps);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_charged_by_its_clocks),
        cmocka_unit_test(each_clock_waits_for_its_own_last),
        cmocka_unit_test(parts_sum_to_the_step),
    };
    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
