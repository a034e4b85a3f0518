// Laws: what is left ascends, and holds each number that was there, and no other.
#include "base/order.h"

#include <stdbool.h>

#include "draws.h"
#include "expect_check.h"

enum { MOST = 40, RANGE = 25 };

static void each_number_is_left_once(void **state) {
    (void)state;
    for (uint64_t trial = 0; trial < 2000; trial++) {
        int64_t at[MOST];
        bool there[RANGE] = {false}, left[RANGE] = {false};
        const int64_t n = rng_below(5, RNG_TEST, trial, 0, MOST + 1);
        for (int64_t i = 0; i < n; i++) {
            const int64_t drawn = rng_below(5, RNG_TEST, trial, 1 + (uint64_t)i, RANGE);
            there[drawn] = true;
            at[i] = (drawn - RANGE / 2) * (INT64_MAX / RANGE);
        }
        const int64_t kept = order_unique_i64(at, n);
        for (int64_t i = 0; i < kept; i++) {
            left[at[i] / (INT64_MAX / RANGE) + RANGE / 2] = true;
            if (i > 0) assert_true(at[i] > at[i - 1]);
        }
        assert_memory_equal(left, there, sizeof there);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_number_is_left_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
