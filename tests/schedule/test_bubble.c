// Laws, with free transfers, equal stages, forward 1 and backward 2 per chunk:
//   gpipe, 1f1b   step = (m + pp - 1) * 3                   bubble (pp - 1) / m
//   interleaved   step = (m * chunks + pp - 1) * 3          bubble (pp - 1) / (m * chunks)
//   activations   gpipe m, 1f1b min(pp - s, m) microbatches; interleaved warm-up + 1 chunks
// (Narayanan et al., SC'21, 2.2.1 and 2.2.2);
// and no schedule, whatever its overlaps, ever stands still.
#include "claims.h"
#include "play.h"

static const int32_t buckets[] = {2, 1, 3, 4, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4, 2, 1, 3, 2,
                                  4, 1, 2, 3, 4, 3, 2, 1, 3, 4, 2, 3, 1, 2, 3, 4, 1, 2,
                                  3, 4, 2, 1, 3, 2, 4, 1, 2, 3, 4, 3, 2, 1, 3, 4, 2, 3,
                                  1, 2, 3, 4, 1, 2, 3, 4, 2, 1, 3, 2, 4, 1, 2, 3, 4, 3};

static const PlayCosts unit_costs = {.forward = PLAY_UNIT, .backward = 2 * PLAY_UNIT};

static ScheduleSpec make_spec(Schedule kind, int32_t pp, int32_t chunks, int32_t microbatches,
                              bool overlap) {
    return (ScheduleSpec){
        .kind = kind,
        .pp = pp,
        .chunks = chunks,
        .microbatches = microbatches,
        .grad_overlap = overlap,
        .param_overlap = overlap,
        .pp_overlap = overlap,
        .gathers = true,
        .zero = 1,
        .data_parallel = true,
        .tied_embeddings = true,
        .buckets = buckets,
    };
}

static void assert_step(const ScheduleSpec *spec) {
    int64_t slots = (int64_t)spec->microbatches * spec->chunks;
    int64_t expected = 3 * PLAY_UNIT * (slots + spec->pp - 1);
    for (int flush = 0; flush < 2; flush++) {
        ScheduleSpec one = *spec;
        one.pp_overlap_flush = flush;
        Play play = play_schedule(&one, unit_costs);
        if (play.compute_end != expected) {
            fail_msg(
                "pp %d chunks %d microbatches %d overlap %d flush %d: %lld ticks, closed form "
                "%lld",
                (int)spec->pp, (int)spec->chunks, (int)spec->microbatches, spec->pp_overlap, flush,
                (long long)play.compute_end, (long long)expected);
        }
    }
}

static void bubble_of_gpipe_and_1f1b_is_pp_minus_one_over_m(void **state) {
    (void)state;
    for (int32_t pp = 1; pp <= 12; pp++) {
        for (int32_t m = 1; m <= 20; m++) {
            for (int overlap = 0; overlap < 2; overlap++) {
                ScheduleSpec spec = make_spec(SCHEDULE_GPIPE, pp, 1, m, overlap);
                assert_step(&spec);
                spec.kind = SCHEDULE_1F1B;
                assert_step(&spec);
            }
        }
    }
}

static void bubble_of_interleaved_is_divided_by_the_chunks(void **state) {
    (void)state;
    for (int32_t pp = 1; pp <= 8; pp++) {
        for (int32_t chunks = 2; chunks <= 5; chunks++) {
            for (int32_t m = pp; m <= 4 * pp; m += pp) {
                for (int overlap = 0; overlap < 2; overlap++) {
                    ScheduleSpec spec = make_spec(SCHEDULE_INTERLEAVED, pp, chunks, m, overlap);
                    assert_step(&spec);
                }
            }
        }
    }
}

// Llama 3.1 405B, pp 16 with 8 chunks: 32 microbatches a replica as published, and 16.
static void bubble_of_the_llama_shape_is_closed(void **state) {
    (void)state;
    for (int32_t m = 16; m <= 32; m += 16) {
        for (int overlap = 0; overlap < 2; overlap++) {
            ScheduleSpec spec = make_spec(SCHEDULE_INTERLEAVED, 16, 8, m, overlap);
            spec.data_parallel = false;
            assert_step(&spec);
        }
    }
}

static void bubble_is_zero_without_a_pipeline(void **state) {
    (void)state;
    for (int32_t chunks = 1; chunks <= 4; chunks++) {
        ScheduleSpec spec = make_spec(SCHEDULE_NONE, 1, chunks, 5, false);
        assert_step(&spec);
    }
}

enum { LAYERS = 4, STAGES_MOST = 18 };

/// ZeRO-3: every chunk is LAYERS segments that are sharded.
static ScheduleSpec make_sharded(Schedule kind, int32_t pp, int32_t chunks, int32_t m,
                                 int32_t prefetch) {
    static int32_t first[STAGES_MOST + 1];
    static ScheduleSegment segment[STAGES_MOST * LAYERS];
    for (int32_t v = 0; v <= STAGES_MOST; v++) first[v] = v * LAYERS;
    for (int32_t i = 0; i < STAGES_MOST * LAYERS; i++)
        segment[i] = (ScheduleSegment){.sharded = true};
    ScheduleSpec spec = make_spec(kind, pp, chunks, m, true);
    spec.zero = 3;
    spec.tied_embeddings = false;
    spec.first_segment = first;
    spec.segment = segment;
    spec.prefetch = spec.prefetch_backward = prefetch;
    return spec;
}

// Every combination of keys over small shapes, with transfers that cost something: it must end.
static void schedules_never_stand_still(void **state) {
    (void)state;
    PlayCosts costs = {.forward = 12,
                       .backward = 24,
                       .transfer = 5,
                       .gather = 7,
                       .reduce = 11,
                       .weight = 8,
                       .segments = LAYERS};
    for (int32_t keys = 0; keys < 1 << 7; keys++) {
        for (int32_t pp = 1; pp <= 6; pp++) {
            for (int32_t chunks = 1; chunks <= 3; chunks++) {
                for (int32_t m = pp; m <= 3 * pp; m += pp) {
                    ScheduleSpec spec = make_spec(SCHEDULE_1F1B, pp, chunks, m, false);
                    spec.pp_overlap = keys & 1;
                    spec.pp_overlap_flush = keys & 64;
                    spec.param_overlap = keys & 2;
                    spec.grad_overlap = keys & 4;
                    spec.gathers = keys & 8;
                    spec.data_parallel = keys & 16;
                    spec.zero = keys & 32 ? 2 : 0;
                    ScheduleSpec sharded = make_sharded(spec.kind, pp, chunks, m, keys >> 5);
                    sharded.pp_overlap = spec.pp_overlap;
                    sharded.pp_overlap_flush = spec.pp_overlap_flush;
                    sharded.param_overlap = spec.param_overlap;
                    sharded.grad_overlap = spec.grad_overlap;
                    if (chunks > 1) spec.kind = sharded.kind = SCHEDULE_INTERLEAVED;
                    (void)play_schedule(&sharded, costs);
                    (void)play_schedule(&spec, costs);
                    if (chunks == 1) {
                        spec.kind = SCHEDULE_GPIPE;
                        (void)play_schedule(&spec, costs);
                        spec.kind = sharded.kind = SCHEDULE_ZERO_BUBBLE;
                        (void)play_schedule(&spec, costs);
                        (void)play_schedule(&sharded, costs);
                    }
                    if (chunks != 2 || pp % 2 == 1) continue;
                    spec.kind = sharded.kind = SCHEDULE_DUALPIPE;
                    (void)play_schedule(&spec, costs);
                    (void)play_schedule(&sharded, costs);
                }
            }
        }
    }
}

// Backwards of inputs B and of weights W, forward F. ZB-H1: bubble (pp - 1) (F + B - min(B, W)), that of 1F1B less
// what gradients of weights fill (table 2 of the paper, where W <= B). It needs transfers that hold nobody up.
static void bubble_of_zero_bubble_is_filled_with_weights(void **state) {
    (void)state;
    static const int64_t BACKWARDS[][2] = {{12, 12}, {12, 6}, {18, 6}, {6, 12}, {24, 0}};
    for (int32_t pp = 1; pp <= 8; pp++)
        for (int32_t m = pp; m <= 3 * pp; m += pp)
            for (int k = 0; k < 5; k++)
                for (int overlap = 0; overlap < 2; overlap++) {
                    const int64_t f = 12, b = BACKWARDS[k][0], w = BACKWARDS[k][1];
                    ScheduleSpec spec = make_spec(SCHEDULE_ZERO_BUBBLE, pp, 1, m, overlap);
                    spec.data_parallel = false;
                    PlayCosts costs = {.forward = f, .backward = b + w, .weight = w};
                    Play play = play_schedule(&spec, costs);
                    const int64_t law = m * (f + b + w) + (pp - 1) * (f + b - (w < b ? w : b));
                    assert_true(overlap ? play.compute_end == law : play.compute_end >= law);
                    for (int32_t s = 0; s < pp; s++)
                        assert_int_equal(play.activations_max[s], m < pp ? m : pp);
                }
}

// DualPipe, m microbatches from each end: with a pair that takes P = F + B + W, the whole backward B + W and weights W, the
// bubble is (pp / 2 - 1) (P + (B + W) - 3 W) (arXiv:2412.19437, table 2) where W <= B; pp + 1 microbatches are in flight.
static void bubble_of_dualpipe_is_that_of_half_the_stages(void **state) {
    (void)state;
    static const int64_t BACKWARDS[][2] = {{12, 12}, {12, 6}, {12, 8}};
    for (int32_t pp = 2; pp <= 12; pp += 2)
        for (int32_t m = pp; m <= 3 * pp; m += pp / 2)
            for (int k = 0; k < 3; k++) {
                const int64_t f = 12, b = BACKWARDS[k][0], w = BACKWARDS[k][1];
                ScheduleSpec spec = make_spec(SCHEDULE_DUALPIPE, pp, 2, m, true);
                spec.data_parallel = spec.tied_embeddings = false;
                PlayCosts costs = {.forward = f, .backward = b + w, .weight = w};
                Play play = play_schedule(&spec, costs);
                const int64_t pair = f + b + w;
                assert_int_equal(play.compute_end - 2 * m * pair,
                                 (pp / 2 - 1) * (pair + b + w - 3 * w));
                for (int32_t s = 0; s < pp; s++) assert_int_equal(play.activations_max[s], pp + 1);
            }
}

static void activations_kept_are_what_the_schedule_promises(void **state) {
    (void)state;
    for (int32_t pp = 1; pp <= 8; pp++) {
        int32_t m = 2 * pp, chunks = 3;
        ScheduleSpec gpipe = make_spec(SCHEDULE_GPIPE, pp, 1, m, true);
        ScheduleSpec onefoneb = make_spec(SCHEDULE_1F1B, pp, 1, m, true);
        ScheduleSpec interleaved = make_spec(SCHEDULE_INTERLEAVED, pp, chunks, m, true);
        Play play[3] = {play_schedule(&gpipe, unit_costs), play_schedule(&onefoneb, unit_costs),
                        play_schedule(&interleaved, unit_costs)};
        for (int32_t s = 0; s < pp; s++) {
            int32_t warmup = 2 * (pp - 1 - s) + (chunks - 1) * pp;
            assert_int_equal(play[0].activations_max[s], m);
            assert_int_equal(play[1].activations_max[s], pp - s);
            assert_int_equal(play[2].activations_max[s], warmup + 1);
        }
    }
}

// Reductions that overlap hide all but those of the last chunk to finish; put off to the end all of
// them show.
static void overlap_hides_reductions_and_gathers(void **state) {
    (void)state;
    PlayCosts costs = {.forward = 120, .backward = 240, .gather = 6, .reduce = 6};
    static const int32_t two[8] = {2, 2, 2, 2, 2, 2, 2, 2};
    ScheduleSpec spec = make_spec(SCHEDULE_INTERLEAVED, 2, 4, 4, true);
    spec.buckets = two;
    int64_t compute = 360 * (4 * 4 + 1);
    // One gather before the first part; after the last part one reduction.
    assert_int_equal(play_schedule(&spec, costs).end, compute + 6 + 6);
    spec.grad_overlap = false;
    assert_int_equal(play_schedule(&spec, costs).end, compute + 6 + 8 * 6);
    spec.param_overlap = false;
    assert_int_equal(play_schedule(&spec, costs).end, compute + 8 * 6 + 8 * 6);
}

// ZeRO-2 without overlap: on one stage, compute stands for each reduction, so the step is the plain
// sum.
static void zero2_without_overlap_reduces_early_and_waits(void **state) {
    (void)state;
    PlayCosts costs = {.forward = 12, .backward = 24, .reduce = 6};
    static const int32_t three[1] = {3};
    ScheduleSpec spec = make_spec(SCHEDULE_NONE, 1, 1, 2, false);
    spec.buckets = three;
    spec.zero = 2;
    Play play = play_schedule(&spec, costs);
    assert_int_equal(play.compute_end, 2 * 36 + 2 * 6);
    assert_int_equal(play.end, 2 * 36 + 3 * 6);
}

// One stage, m microbatches of n layers; a layer computes f forward and b backward, is gathered in g and reduced in r.
// One layer ahead, where g <= f and g + r <= b: all hides but the first gather and the last reduction, and what the first
// forward of a microbatch is too short for, as the last reduction of the one before comes first. Nothing ahead: each
// layer waits for its gather, which goes ahead of the reduction of the layer before. Nothing to compute: the sum.
static void sharded_layers_hide_as_far_ahead_as_they_are_gathered(void **state) {
    (void)state;
    for (int32_t m = 1; m <= 3; m++) {
        const int64_t f = 20, b = 40, g = 15, r = 25, n = LAYERS;
        PlayCosts costs = {
            .forward = n * f, .backward = n * b, .gather = g, .reduce = r, .segments = LAYERS};
        ScheduleSpec spec = make_sharded(SCHEDULE_NONE, 1, 1, m, 1);
        assert_int_equal(play_schedule(&spec, costs).end,
                         g + m * n * (f + b) + (m - 1) * (g + r - f) + r);
        // Only the forward looks ahead: each layer of a backward waits for its gather, which goes ahead of the reduction.
        spec.prefetch_backward = 0;
        assert_int_equal(play_schedule(&spec, costs).end,
                         g + m * n * (f + b + g) + (m - 1) * (g + r - f) + r);
        spec.prefetch = 0;
        assert_int_equal(play_schedule(&spec, costs).end,
                         m * n * (f + b + 2 * g) + (m - 1) * (r - f) + r);
        spec.prefetch = spec.prefetch_backward = 1;
        costs.forward = costs.backward = 0;
        assert_int_equal(play_schedule(&spec, costs).end, m * n * (2 * g + r));
        // Without overlap all of it is in a row, whatever could be ahead.
        costs = (PlayCosts){
            .forward = n * f, .backward = n * b, .gather = g, .reduce = r, .segments = LAYERS};
        spec.param_overlap = spec.grad_overlap = false;
        assert_int_equal(play_schedule(&spec, costs).end, m * n * (f + b + 2 * g + r));
    }
}

// Where communication is free a pipeline of sharded layers is that of whole chunks; where it is not, no schedule stands
// still, and what is gathered farther ahead is never slower.
static void sharded_layers_keep_the_bubble(void **state) {
    (void)state;
    for (int32_t pp = 1; pp <= 4; pp++)
        for (int32_t chunks = 1; chunks <= 3; chunks++)
            for (int32_t m = pp; m <= 3 * pp; m += pp) {
                Schedule kind = chunks > 1 ? SCHEDULE_INTERLEAVED : SCHEDULE_1F1B;
                ScheduleSpec spec = make_sharded(kind, pp, chunks, m, 1);
                PlayCosts costs = unit_costs;
                costs.segments = LAYERS;
                assert_int_equal(play_schedule(&spec, costs).compute_end,
                                 3 * PLAY_UNIT * (m * chunks + pp - 1));
                costs.transfer = 5;
                costs.gather = costs.reduce = 2;
                int64_t before = INT64_MAX;
                for (int32_t ahead = 0; ahead < 4; ahead++) {
                    spec.prefetch = spec.prefetch_backward = ahead;
                    int64_t end = play_schedule(&spec, costs).end;
                    if (pp == 1) assert_true(end <= before);
                    before = end;
                }
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bubble_of_gpipe_and_1f1b_is_pp_minus_one_over_m),
        cmocka_unit_test(bubble_of_interleaved_is_divided_by_the_chunks),
        cmocka_unit_test(bubble_of_the_llama_shape_is_closed),
        cmocka_unit_test(bubble_is_zero_without_a_pipeline),
        cmocka_unit_test(schedules_never_stand_still),
        cmocka_unit_test(bubble_of_zero_bubble_is_filled_with_weights),
        cmocka_unit_test(bubble_of_dualpipe_is_that_of_half_the_stages),
        cmocka_unit_test(activations_kept_are_what_the_schedule_promises),
        cmocka_unit_test(overlap_hides_reductions_and_gathers),
        cmocka_unit_test(zero2_without_overlap_reduces_early_and_waits),
        cmocka_unit_test(sharded_layers_hide_as_far_ahead_as_they_are_gathered),
        cmocka_unit_test(sharded_layers_keep_the_bubble),
    };
    return cmocka_run_group_tests_name("bubble", tests, NULL, NULL);
}
