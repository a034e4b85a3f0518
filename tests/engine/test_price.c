// Laws of the time a transfer takes: it is the least whole number of picoseconds in which the work is done.
#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/price.h"

/// Any size: up to 2^bits.
static int64_t draw(uint64_t number, uint64_t n, int bits) {
    return (int64_t)(rng_bits(61, RNG_TEST, number, n) >>
                     (64 - 1 - rng_below(61, RNG_TEST, number, 100 + n, bits)));
}

static void work_is_done_at_the_end_and_not_before(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 20000; number++) {
        const int64_t level_work = 1 + draw(number, 0, 20), level = 1 + draw(number, 1, 40);
        const Wide rate = (Wide)level_work * level;
        const Wide work =
            rate * draw(number, 2, 40) + rng_below(61, RNG_TEST, number, 3, 1000) - 500;
        if (work <= 0) continue;
        const int64_t duration_ps = price_duration_ps(work, level_work, level);
        assert_true((Wide)duration_ps * rate >= work);
        assert_true((Wide)(duration_ps - 1) * rate < work);
        const int64_t now_ps = draw(number, 4, 50);
        assert_int_equal(price_end_ps(now_ps, work, level_work, level), now_ps + duration_ps);
    }
}

static void without_work_nothing_takes_time_and_without_a_rate_it_never_ends(void **state) {
    (void)state;
    assert_int_equal(price_duration_ps(0, 1, 7), 0);
    assert_int_equal(price_duration_ps(1, 1, 0), TIME_NEVER_PS);
    assert_int_equal(price_end_ps(5, (Wide)1 << 100, 1, 1), TIME_NEVER_PS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_at_the_end_and_not_before),
        cmocka_unit_test(without_work_nothing_takes_time_and_without_a_rate_it_never_ends),
    };
    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
