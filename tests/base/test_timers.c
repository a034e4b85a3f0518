// Law: the first timer is the earliest, of equal ones that with the least number, whatever was set before.
#include "base/timers.h"
#include "claims.h"
#include "draws.h"

enum { MOST = 70, SETS = 400 };

/// The definition; n where none is set.
static int64_t first_of(const int64_t time_ps[], int64_t n) {
    int64_t first = n;
    for (int64_t i = n - 1; i >= 0; i--)
        if (time_ps[i] < TIME_NEVER_PS && (first == n || time_ps[i] <= time_ps[first])) first = i;
    return first;
}

static void the_first_is_the_earliest(void **state) {
    (void)state;
    for (int64_t n = 1; n < MOST; n++) {
        int64_t time_ps[MOST];
        Timers timers;
        timers_init(&timers, n);
        for (int64_t i = 0; i < n; i++) time_ps[i] = TIME_NEVER_PS;
        for (uint64_t set = 0; set < SETS; set++) {
            const int64_t i = rng_below(1, RNG_TEST, (uint64_t)n, 2 * set, n),
                          draw = rng_below(1, RNG_TEST, (uint64_t)n, 2 * set + 1, 30);
            time_ps[i] = draw < 10 ? TIME_NEVER_PS : draw;
            timers_set(&timers, i, time_ps[i]);
            const int64_t first = first_of(time_ps, n);
            assert_int_equal(timers_next_ps(&timers), first < n ? time_ps[first] : TIME_NEVER_PS);
            if (first < n) assert_int_equal(timers_first(&timers), first);
        }
        timers_fini(&timers);
    }
}

static void none_is_never(void **state) {
    (void)state;
    Timers timers;
    timers_init(&timers, 0);
    assert_int_equal(timers_next_ps(&timers), TIME_NEVER_PS);
    timers_fini(&timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_the_earliest),
        cmocka_unit_test(none_is_never),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
