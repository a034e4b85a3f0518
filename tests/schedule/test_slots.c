// Laws: every stage runs each (chunk, microbatch) once forward and once backward, forward first;
// all stages share one sequence of forwards and one of backwards; the order is that of the
// published schedules.
#include <stdio.h>
#include <string.h>

#include "claims.h"
#include "draws.h"
#include "schedule/schedule.h"
#include "workload/memory_use.h"

enum { SLOTS_MAX = 4096 };

static int32_t slots_of(Schedule kind, int32_t pp, int32_t chunks, int32_t m, int32_t stage,
                        Slot slots[]) {
    ScheduleSpec spec = {.kind = kind, .pp = pp, .chunks = chunks, .microbatches = m};
    assert_true(schedule_most_slots(&spec) <= SLOTS_MAX);
    int64_t n = 0;
    Status status = schedule_slots(&spec, stage, slots, &n);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return (int32_t)n;
}

/// As in the figures: forwards 1, 2, 3, backwards -1, -2, -3 (microbatches from 1), chunk as a
/// letter; of inputs alone =1, of weights w1; & beside the next.
static void assert_order(Schedule kind, int32_t pp, int32_t chunks, int32_t m, int32_t stage,
                         const char *expected) {
    static Slot slots[SLOTS_MAX];
    char text[1000] = "", one[16];
    int32_t n = slots_of(kind, pp, chunks, m, stage, slots);
    static const char *const SIGNS[] = {"-", "=", "w"};
    for (int32_t i = 0; i < n; i++) {
        snprintf(one, sizeof one, "%s%s%d%c%s", i ? " " : "",
                 slots[i].backward ? SIGNS[slots[i].gradients] : "", (int)slots[i].microbatch + 1,
                 'a' + slots[i].chunk, slots[i].with_next ? "&" : "");
        strcat(text, one);
    }
    assert_string_equal(text, expected);
}

// arXiv:1811.06965, figure 2c.
static void gpipe_runs_backwards_in_reverse(void **state) {
    (void)state;
    for (int32_t stage = 0; stage < 4; stage++) {
        assert_order(SCHEDULE_GPIPE, 4, 1, 4, stage, "1a 2a 3a 4a -4a -3a -2a -1a");
    }
}

// Narayanan et al., SC'21, figure 4, upper half: four devices, eight microbatches.
static void one_f_one_b_is_the_published_figure(void **state) {
    (void)state;
    assert_order(SCHEDULE_1F1B, 4, 1, 8, 0,
                 "1a 2a 3a 4a -1a 5a -2a 6a -3a 7a -4a 8a -5a -6a -7a -8a");
    assert_order(SCHEDULE_1F1B, 4, 1, 8, 2,
                 "1a 2a -1a 3a -2a 4a -3a 5a -4a 6a -5a 7a -6a 8a -7a -8a");
    assert_order(SCHEDULE_1F1B, 4, 1, 8, 3,
                 "1a -1a 2a -2a 3a -3a 4a -4a 5a -5a 6a -6a 7a -7a 8a -8a");
    assert_order(SCHEDULE_1F1B, 4, 1, 2, 0, "1a 2a -1a -2a");
}

// Megatron-LM, core/pipeline_parallel/schedules.py: 2 (pp - s - 1) + (chunks - 1) pp forwards of
// warm-up, here 10 on the first device and 4 on the last, in groups of pp microbatches per chunk.
static void interleaved_is_the_order_of_megatron(void **state) {
    (void)state;
    assert_order(SCHEDULE_INTERLEAVED, 4, 2, 8, 0,
                 "1a 2a 3a 4a 1b 2b 3b 4b 5a 6a 7a -1b 8a -2b 5b -3b 6b -4b 7b -1a 8b -2a "
                 "-3a -4a -5b -6b -7b -8b -5a -6a -7a -8a");
    assert_order(SCHEDULE_INTERLEAVED, 4, 2, 8, 3,
                 "1a 2a 3a 4a 1b -1b 2b -2b 3b -3b 4b -4b 5a -1a 6a -2a 7a -3a 8a -4a "
                 "5b -5b 6b -6b 7b -7b 8b -8b -5a -6a -7a -8a");
}

// Qi et al., figure 3: gradients of weights come one microbatch later with each stage.
static void zero_bubble_is_the_published_figure(void **state) {
    (void)state;
    assert_order(SCHEDULE_ZERO_BUBBLE, 4, 1, 5, 0,
                 "1a 2a 3a 4a =1a w1a 5a =2a w2a =3a w3a =4a w4a =5a w5a");
    assert_order(SCHEDULE_ZERO_BUBBLE, 4, 1, 5, 3,
                 "1a =1a 2a =2a 3a =3a 4a =4a w1a 5a =5a w2a w3a w4a w5a");
}

// DeepSeek-V3, figure 5, whose eight devices have ten microbatches from each end; here four and eight, on the first device
// and on one of the middle.
static void dualpipe_goes_both_ways(void **state) {
    (void)state;
    assert_order(SCHEDULE_DUALPIPE, 4, 2, 4, 0,
                 "1a 2a 3a 1b =1b w1b 2b 4a& -2b 3b& -1a -3b 4b& -2a -4b =3a w3a =4a w4a");
    assert_order(SCHEDULE_DUALPIPE, 4, 2, 4, 1,
                 "1a 1b 2a 2b 3a -1b 3b& -1a 4a& -2b 4b& -2a -3b -3a =4b =4a w4b w4a");
}

static void no_schedule_accumulates_gradients(void **state) {
    (void)state;
    assert_order(SCHEDULE_NONE, 1, 2, 2, 0, "1a 1b -1b -1a 2a 2b -2b -2a");
}

/// k-th forward (backward, as far as it goes on to another stage) of a stage, or of one of its chunks, as one number.
static int32_t sequence_of(const Slot slots[], int32_t n, bool backward, int32_t chunks,
                           int32_t chunk, int32_t out[]) {
    int32_t count = 0;
    for (int32_t i = 0; i < n; i++) {
        if (slots[i].backward == backward && slots[i].gradients != GRADIENTS_WEIGHT &&
            (chunk < 0 || slots[i].chunk == chunk))
            out[count++] = slots[i].microbatch * chunks + slots[i].chunk;
    }
    return count;
}

static void check_stage(Schedule kind, int32_t pp, int32_t chunks, int32_t m, int32_t stage) {
    static Slot slots[SLOTS_MAX], first[SLOTS_MAX];
    static int32_t mine[SLOTS_MAX], theirs[SLOTS_MAX];
    int32_t n = slots_of(kind, pp, chunks, m, stage, slots);
    int32_t nfirst = slots_of(kind, pp, chunks, m, 0, first);
    enum { FORWARD, INPUT, WEIGHT, ALL };
    static bool seen[ALL][SLOTS_MAX];
    memset(seen, 0, sizeof seen);
    for (int32_t i = 0; i < n; i++) {
        assert_in_range(slots[i].chunk, 0, chunks - 1);
        assert_in_range(slots[i].microbatch, 0, m - 1);
        int32_t key = slots[i].microbatch * chunks + slots[i].chunk;
        for (int what = FORWARD; what < ALL; what++) {
            bool does = slots[i].backward != (what == FORWARD) &&
                        (what == FORWARD || slots[i].gradients == GRADIENTS_ALL ||
                         (slots[i].gradients == GRADIENTS_WEIGHT) == (what == WEIGHT));
            if (!does) continue;
            assert_false(seen[what][key]);
            if (what > FORWARD) assert_true(seen[what - 1][key]);
            seen[what][key] = true;
        }
    }
    for (int what = FORWARD; what < ALL; what++)
        for (int32_t key = 0; key < chunks * m; key++) assert_true(seen[what][key]);
    bool apart = kind == SCHEDULE_DUALPIPE; // chunks of one direction each
    for (int backward = 0; backward < 2; backward++)
        for (int32_t chunk = apart ? 0 : -1; chunk < (apart ? chunks : 0); chunk++) {
            int32_t count = sequence_of(slots, n, backward, chunks, chunk, mine);
            assert_int_equal(count, apart ? m : chunks * m);
            assert_int_equal(sequence_of(first, nfirst, backward, chunks, chunk, theirs), count);
            assert_memory_equal(mine, theirs, (size_t)count * sizeof mine[0]);
        }
}

static void slots_cover_each_microbatch_once_in_one_order(void **state) {
    (void)state;
    for (int32_t pp = 1; pp <= 9; pp++) {
        for (int32_t m = 1; m <= 18; m++) {
            for (int32_t stage = 0; stage < pp; stage++) {
                check_stage(SCHEDULE_GPIPE, pp, 1, m, stage);
                check_stage(SCHEDULE_1F1B, pp, 1, m, stage);
                check_stage(SCHEDULE_ZERO_BUBBLE, pp, 1, m, stage);
                if (pp % 2 == 0 && m >= pp) check_stage(SCHEDULE_DUALPIPE, pp, 2, m, stage);
                if (m % pp) continue;
                for (int32_t chunks = 2; chunks <= 8; chunks += 3) {
                    check_stage(SCHEDULE_INTERLEAVED, pp, chunks, m, stage);
                }
            }
        }
    }
}

static void assert_refused(Schedule kind, int32_t pp, int32_t chunks, int32_t m,
                           const char *expected) {
    ScheduleSpec spec = {.kind = kind, .pp = pp, .chunks = chunks, .microbatches = m};
    Slot slots[64];
    int64_t n;
    Status status = schedule_slots(&spec, 0, slots, &n);
    assert_int_equal(status.code, STATUS_RANGE);
    if (!strstr(status.text, expected)) fail_msg("'%s' does not say '%s'", status.text, expected);
    Program program;
    status = schedule_program(&spec, 0, &program);
    assert_int_equal(status.code, STATUS_RANGE);
    program_fini(&program);
}

static void impossible_schedules_are_refused(void **state) {
    (void)state;
    assert_refused(SCHEDULE_INTERLEAVED, 4, 2, 6, "6 is not one of 4");
    assert_refused(SCHEDULE_INTERLEAVED, 4, 1, 8, "at least 2 chunks");
    assert_refused(SCHEDULE_GPIPE, 4, 2, 8, "one chunk per stage, not 2");
    assert_refused(SCHEDULE_1F1B, 4, 2, 8, "one chunk per stage, not 2");
    assert_refused(SCHEDULE_ZERO_BUBBLE, 4, 2, 8, "one chunk per stage, not 2");
    assert_refused(SCHEDULE_DUALPIPE, 3, 2, 8, "even number of stages");
    assert_refused(SCHEDULE_DUALPIPE, 4, 1, 8, "two parts of the model, not pp = 4 with 1");
    assert_refused(SCHEDULE_DUALPIPE, 4, 2, 3, "two microbatches for each stage: 8, not 6");
    assert_refused(SCHEDULE_NONE, 4, 1, 8, "pp = 4 needs a schedule");
    assert_refused(SCHEDULE_1F1B, 4, 1, 0, "at least 1");
    assert_refused(SCHEDULE_INTERLEAVED, 1, 1 << 20, 1 << 20, "too many operations");
}

/// Most bytes that are live at once when a stage goes through its slots.
static double played_in_flight(const ParallelSpec *parallel, int32_t stage, const double bytes[]) {
    static Slot slots[SLOTS_MAX];
    const int32_t n =
        slots_of(parallel->schedule, parallel->size[DIM_PP], parallel_stage_chunks(parallel),
                 parallel->microbatches / parallel_copies(parallel), stage, slots);
    double live = 0, most = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!slots[i].backward) live += bytes[slots[i].chunk];
        if (slots[i].backward && slots[i].gradients != GRADIENTS_INPUT)
            live -= bytes[slots[i].chunk];
        most = live > most ? live : most;
    }
    assert_true(live == 0);
    return most;
}

// Memory is asked for what the schedule keeps: the activations of a chunk from its forward to its backward, however
// unlike the chunks are.
static void memory_in_flight_is_that_of_the_slots(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 400; draw++) {
        ParallelSpec parallel = {.chunks = 1};
        for (int d = 0; d < DIM_N; d++) parallel.size[d] = 1;
        parallel.schedule = (Schedule)(draw % 6);
        int32_t pp = parallel.schedule == SCHEDULE_NONE
                         ? 1
                         : 1 + (int32_t)rng_below(5, RNG_TEST, draw, 0, 8);
        if (parallel.schedule == SCHEDULE_DUALPIPE) pp = 2 * (pp / 2 + 1);
        parallel.size[DIM_PP] = pp;
        parallel.microbatches = 1 + (int32_t)rng_below(5, RNG_TEST, draw, 1, 12);
        if (parallel.schedule == SCHEDULE_INTERLEAVED) {
            parallel.chunks = 2 + (int32_t)rng_below(5, RNG_TEST, draw, 2, 5);
            parallel.microbatches *= pp;
        }
        if (parallel.schedule == SCHEDULE_DUALPIPE)
            parallel.microbatches = 2 * (parallel.microbatches + pp);
        double bytes[8];
        for (uint64_t c = 0; c < 8; c++)
            bytes[c] = (double)rng_below(5, RNG_TEST, draw, 3 + c, 100);
        for (int32_t stage = 0; stage < pp; stage++)
            assert_close(memory_in_flight(&parallel, stage, bytes),
                         played_in_flight(&parallel, stage, bytes), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpipe_runs_backwards_in_reverse),
        cmocka_unit_test(one_f_one_b_is_the_published_figure),
        cmocka_unit_test(interleaved_is_the_order_of_megatron),
        cmocka_unit_test(zero_bubble_is_the_published_figure),
        cmocka_unit_test(dualpipe_goes_both_ways),
        cmocka_unit_test(no_schedule_accumulates_gradients),
        cmocka_unit_test(slots_cover_each_microbatch_once_in_one_order),
        cmocka_unit_test(impossible_schedules_are_refused),
        cmocka_unit_test(memory_in_flight_is_that_of_the_slots),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
