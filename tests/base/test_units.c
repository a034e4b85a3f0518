#include "base/units.h"
#include "expect_check.h"

static void units_seconds_round_to_nearest(void **state) {
    (void)state;
    assert_int_equal(units_ps_from_seconds(1e-6), PS_PER_US);
    assert_int_equal(units_ps_from_seconds(1.4e-12), 1);
    assert_int_equal(units_ps_from_seconds(1.6e-12), 2);
    assert_int_equal(units_ps_from_seconds(-2.5e-9), -2500);
    assert_close(units_seconds_from_ps(1500 * PS_PER_MS), 1.5, 0);
}

static void too_many_seconds(void) { (void)units_ps_from_seconds(1e7); }

static void units_out_of_range_stops(void **state) {
    (void)state;
    assert_stops(too_many_seconds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_seconds_round_to_nearest),
        cmocka_unit_test(units_out_of_range_stops),
    };
    return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
