#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "claims.h"
#include "trace/columns.h"
#include "trace/trace.h"

// Law: no two datasets, and no dataset and no axis, of a group have the same path.
static void every_path_is_used_once(void **state) {
    (void)state;
    for (int a = 0; a < TRACE_DATASET_N; a++) {
        for (int b = 0; b < a; b++)
            assert_false(TRACE_DATASETS[a].group == TRACE_DATASETS[b].group &&
                         strcmp(TRACE_DATASETS[a].name, TRACE_DATASETS[b].name) == 0);
        for (int x = 0; x < TRACE_AXIS_N; x++)
            if (TRACE_DATASETS[a].group == TRACE_AXES[x].home)
                assert_string_not_equal(TRACE_DATASETS[a].name, TRACE_AXES[x].name);
    }
}

// Law: only the first axis of a dataset may grow (a step is one row, a table row is one row).
static void only_the_first_axis_grows(void **state) {
    (void)state;
    for (int d = 0; d < TRACE_DATASET_N; d++)
        for (int i = 1; i < trace_dataset_rank(d); i++)
            assert_false(TRACE_AXES[TRACE_DATASETS[d].axis[i]].grows);
}

// Law: a dataset exists only where its group does.
static void a_dataset_needs_its_group(void **state) {
    (void)state;
    for (int d = 0; d < TRACE_DATASET_N; d++) {
        TraceWhen group = TRACE_GROUPS[TRACE_DATASETS[d].group].when;
        if (group != TRACE_ALWAYS) assert_int_equal(TRACE_DATASETS[d].when, group);
    }
}

// Law: the columns of the parts follow each other in the order of TracePart, as the writer assumes.
static void parts_are_consecutive_columns(void **state) {
    (void)state;
    char name[64];
    for (int p = 0; p < TRACE_PART_N; p++) {
        snprintf(name, sizeof name, "%s_ps", trace_part_name(p));
        assert_string_equal(TRACE_DATASETS[TRACE_STEPS_COMPUTE + p].name, name);
        assert_string_equal(TRACE_DATASETS[TRACE_GPUS_COMPUTE + p].name, name);
    }
}

// Law: CF flags: as many words as values.
static void flags_have_as_many_words_as_values(void **state) {
    (void)state;
    const TraceFlags flags[] = {TRACE_KIND_FLAGS, TRACE_TRAFFIC_FLAGS, TRACE_DIRECTION_FLAGS,
                                TRACE_STREAM_FLAGS, TRACE_OPERATION_FLAGS};
    for (int i = 0; i < 3; i++) {
        int n = 0, words = 1;
        for (const char *c = trace_flag_meanings(flags[i], &n); *c; c++) words += *c == ' ';
        assert_int_equal(words, n);
    }
    int n = -1;
    assert_string_equal(trace_flag_meanings(TRACE_PLAIN, &n), "");
    assert_int_equal(n, 0);
}

// Law: bin b > 0 holds shares in ((b-1)/20, b/20]; bin 0 holds links that carried nothing; nothing is above 1.
static void bins_are_half_open_to_the_left(void **state) {
    (void)state;
    assert_int_equal(trace_bin(0, 1000), 0);
    assert_int_equal(trace_bin(1, 1000000), 1);
    assert_int_equal(trace_bin(50, 1000), 1);
    assert_int_equal(trace_bin(51, 1000), 2);
    assert_int_equal(trace_bin(1000, 1000), TRACE_BINS - 1);
    assert_int_equal(trace_bin(950, 1000), TRACE_BINS - 2);
    assert_int_equal(trace_bin(951, 1000), TRACE_BINS - 1);
    assert_int_equal(trace_bin(2000, 1000), TRACE_BINS - 1);
    for (int64_t bytes = 1, last = 0; bytes <= 1000; bytes++) {
        assert_true(trace_bin(bytes, 1000) >= last);
        last = trace_bin(bytes, 1000);
    }
}

// Law: packing keeps order and value; an int becomes a byte, -1 included.
static void columns_keep_order_and_value(void **state) {
    (void)state;
    TraceHotLink hot[3] = {{.link = 7, .tier = 2, .users.traffic_bytes = {1, 2, 3}},
                           {.link = INT64_C(1) << 40, .tier = -1, .users.traffic_bytes = {4, 5, 6}},
                           {.link = -1, .tier = 0, .users.traffic_bytes = {7, 8, 9}}};
    const Column link = COLUMN(TRACE_LINKS_HOT_LINK, TraceHotLink, link);
    const Column tier = COLUMN(TRACE_LINKS_HOT_TIER, TraceHotLink, tier);
    const Column bytes =
        COLUMN_OF(TRACE_LINKS_HOT_TRAFFIC, TraceHotLink, users.traffic_bytes, TRACE_TRAFFIC_N);
    int64_t links[3], traffic[3 * TRACE_TRAFFIC_N];
    int8_t tiers[3];
    assert_int_equal(column_bytes(&link, 3), sizeof links);
    assert_int_equal(column_bytes(&tier, 3), sizeof tiers);
    assert_int_equal(column_bytes(&bytes, 3), sizeof traffic);
    column_pack(&link, hot, sizeof *hot, 3, links);
    column_pack(&tier, hot, sizeof *hot, 3, tiers);
    column_pack(&bytes, hot, sizeof *hot, 3, traffic);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(links[i], hot[i].link);
        assert_int_equal(tiers[i], hot[i].tier);
        for (int t = 0; t < TRACE_TRAFFIC_N; t++)
            assert_int_equal(traffic[i * TRACE_TRAFFIC_N + t], hot[i].users.traffic_bytes[t]);
    }
}

// Law: rates are of each GPU and second: times both, and what a GPU could do, they are what the step did. Twice the GPUs that
// do twice as much have the same; who takes no time has none.
static void rates_are_of_each_gpu_and_second(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 1000; draw++) {
        double u[7];
        for (uint64_t i = 0; i < 7; i++) u[i] = rng_uniform(19, RNG_TEST, draw, i);
        TraceStep step = {.start_ps = (int64_t)(1e15 * u[0]),
                          .working_gpus = 1 + (int64_t)(1e5 * u[1]),
                          .tokens = (int64_t)(1e8 * u[2]),
                          .model_flop_full = 1e21 * u[3],
                          .model_flop_causal = 1e21 * u[4],
                          .peak_flop_per_s = 1e15 * (1 + u[5])};
        step.end_ps = step.start_ps + 1 + (int64_t)(1e14 * u[6]);
        const TraceRates rates = trace_rates(&step);
        const double s = (double)(step.end_ps - step.start_ps) / 1e12,
                     gpu_s = s * (double)step.working_gpus, flop = gpu_s * step.peak_flop_per_s;
        assert_close(rates.mfu_full * flop / step.model_flop_full, 1, 1e-12);
        assert_close(rates.mfu_causal * flop / step.model_flop_causal, 1, 1e-12);
        assert_close(rates.tokens_per_s_gpu * gpu_s / (double)step.tokens, 1, 1e-12);
        step.working_gpus *= 2;
        step.tokens *= 2;
        assert_close(trace_rates(&step).tokens_per_s_gpu / rates.tokens_per_s_gpu, 1, 1e-12);
        step.end_ps = step.start_ps;
        assert_true(isnan(trace_rates(&step).tokens_per_s_gpu));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_path_is_used_once),
        cmocka_unit_test(only_the_first_axis_grows),
        cmocka_unit_test(a_dataset_needs_its_group),
        cmocka_unit_test(parts_are_consecutive_columns),
        cmocka_unit_test(flags_have_as_many_words_as_values),
        cmocka_unit_test(bins_are_half_open_to_the_left),
        cmocka_unit_test(columns_keep_order_and_value),
        cmocka_unit_test(rates_are_of_each_gpu_and_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
