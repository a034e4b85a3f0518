#include <string.h>

#include "base/status.h"
#include "claims.h"

static Status fails_with(int value) { FAIL(STATUS_INPUT, "value %d", value); }

static Status forwards(int value) {
    TRY(status_ok());
    TRY(fails_with(value));
    FAIL(STATUS_FAILED, "not reached");
}

static Status wants_positive(int value) {
    REQUIRE(value > 0, STATUS_RANGE, "%d is not positive", value);
    return status_ok();
}

static void status_try_forwards_the_first_failure(void **state) {
    (void)state;
    Status status = forwards(7);
    assert_int_equal(status.code, STATUS_INPUT);
    assert_string_equal(status.text, "value 7");
}

static void status_require_passes_or_fails(void **state) {
    (void)state;
    Status good = wants_positive(1), bad = wants_positive(-1);
    assert_true(status_is_ok(&good));
    assert_int_equal(bad.code, STATUS_RANGE);
    assert_string_equal(bad.text, "-1 is not positive");
}

static void status_long_text_is_cut_and_terminated(void **state) {
    (void)state;
    Status status = status_make(STATUS_FAILED, "%2000d", 1);
    assert_int_equal(strlen(status.text), STATUS_TEXT_BYTES - 1);
}

// The command line promises: 0 done, 1 failed, 2 wrong usage or input, 3 output, 4 stopped.
static void status_exit_codes_are_those_of_the_command_line(void **state) {
    (void)state;
    assert_int_equal(status_exit_code(STATUS_OK), 0);
    assert_int_equal(status_exit_code(STATUS_STUCK), 1);
    assert_int_equal(status_exit_code(STATUS_INPUT), 2);
    assert_int_equal(status_exit_code(STATUS_OUTPUT), 3);
    assert_int_equal(status_exit_code(STATUS_STOPPED), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_try_forwards_the_first_failure),
        cmocka_unit_test(status_require_passes_or_fails),
        cmocka_unit_test(status_long_text_is_cut_and_terminated),
        cmocka_unit_test(status_exit_codes_are_those_of_the_command_line),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
