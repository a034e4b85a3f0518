// Law: time of n bytes at rate r is the least picosecond count t with t * r >= n * 10^12.
#include "base/rng.h"
#include "base/units.h"
#include "base/wide.h"
#include "expect_check.h"

static void units_400_gigabit_is_20_ps_per_byte(void **state) {
    (void)state;
    const int64_t rate_Bps = INT64_C(50000000000);
    assert_int_equal(units_ps_for_bytes(1, rate_Bps), 20);
    assert_int_equal(units_ps_for_bytes(4096, rate_Bps), 4096 * 20);
    assert_int_equal(units_ps_for_bytes(0, rate_Bps), 0);
}

static void units_time_is_the_least_that_carries_the_bytes(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < 20000; draw++) {
        int64_t bytes = 1 + rng_below(1, RNG_TEST, 0, draw, INT64_C(1) << (draw % 40));
        int64_t rate_Bps = 1000000 + rng_below(1, RNG_TEST, 1, draw, INT64_C(10000000000000));
        Wide time_ps = units_ps_for_bytes(bytes, rate_Bps), work = (Wide)bytes * PS_PER_S;
        assert_true(time_ps * rate_Bps >= work);
        assert_true((time_ps - 1) * rate_Bps < work);
    }
}

static void units_bytes_above_9_megabytes_do_not_overflow(void **state) {
    (void)state;
    // 10^16 B at 10^10 B/s is 10^6 s; the product in picoseconds needs 94 bits.
    assert_int_equal(units_ps_for_bytes(INT64_C(10000000000000000), INT64_C(10000000000)),
                     INT64_C(1000000) * PS_PER_S);
}

static void units_seconds_round_to_nearest(void **state) {
    (void)state;
    assert_int_equal(units_ps_from_seconds(1e-6), PS_PER_US);
    assert_int_equal(units_ps_from_seconds(1.4e-12), 1);
    assert_int_equal(units_ps_from_seconds(1.6e-12), 2);
    assert_int_equal(units_ps_from_seconds(-2.5e-9), -2500);
    assert_close(units_seconds_from_ps(1500 * PS_PER_MS), 1.5, 0);
}

static void zero_rate(void) { (void)units_ps_for_bytes(1, 0); }
static void too_long(void) { (void)units_ps_for_bytes(INT64_MAX, 1); }
static void too_many_seconds(void) { (void)units_ps_from_seconds(1e7); }

static void units_out_of_range_stops(void **state) {
    (void)state;
    assert_stops(zero_rate);
    assert_stops(too_long);
    assert_stops(too_many_seconds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_400_gigabit_is_20_ps_per_byte),
        cmocka_unit_test(units_time_is_the_least_that_carries_the_bytes),
        cmocka_unit_test(units_bytes_above_9_megabytes_do_not_overflow),
        cmocka_unit_test(units_seconds_round_to_nearest),
        cmocka_unit_test(units_out_of_range_stops),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
