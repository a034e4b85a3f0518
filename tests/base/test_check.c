#include "expect_check.h"

static void passes(void) { CHECK(1 + 1 == 2, "arithmetic"); }
static void breaks(void) { CHECK(1 + 1 == 3, "arithmetic"); }
static void breaks_in_debug(void) { DCHECK(1 + 1 == 3, "arithmetic"); }

static void check_calls_the_hook_only_when_false(void **state) {
    (void)state;
    assert_int_equal(exit_code_of(passes), 0);
    assert_stops(breaks);
}

static void dcheck_works_in_debug_builds_alone(void **state) {
    (void)state;
#ifdef COLOSSIM_DEBUG
    assert_stops(breaks_in_debug);
#else
    assert_int_equal(exit_code_of(breaks_in_debug), 0);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_calls_the_hook_only_when_false),
        cmocka_unit_test(dcheck_works_in_debug_builds_alone),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
