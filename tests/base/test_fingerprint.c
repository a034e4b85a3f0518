// Law: the sum over events is the same for any order and any split, and changes with every event.
#include "base/fingerprint.h"
#include "claims.h"

static void fingerprint_sum_does_not_depend_on_order(void **state) {
    (void)state;
    uint64_t up = 0, down = 0;
    for (int64_t i = 0; i < 100; i++) up += fingerprint_of(i, 10 * i, 20 * i);
    for (int64_t i = 99; i >= 0; i--) down += fingerprint_of(i, 10 * i, 20 * i);
    assert_true(up == down);
}

static void fingerprint_sees_each_field(void **state) {
    (void)state;
    uint64_t base = fingerprint_of(1, 2, 3);
    assert_true(base != fingerprint_of(2, 2, 3));
    assert_true(base != fingerprint_of(1, 3, 3));
    assert_true(base != fingerprint_of(1, 2, 4));
    assert_true(base != fingerprint_of(3, 2, 1));
}

// Two events that exchange their ends must not cancel.
static void fingerprint_sees_exchanged_ends(void **state) {
    (void)state;
    uint64_t straight = fingerprint_of(1, 0, 5) + fingerprint_of(2, 0, 6);
    uint64_t crossed = fingerprint_of(1, 0, 6) + fingerprint_of(2, 0, 5);
    assert_true(straight != crossed);
}

// XXH3_64bits of nothing with seed 0 (xxHash specification, XXH3_64bits test vectors).
static void fingerprint_bytes_is_xxh3(void **state) {
    (void)state;
    assert_true(fingerprint_bytes("", 0) == UINT64_C(0x2D06800538D394C2));
    assert_true(fingerprint_bytes("abc", 3) != fingerprint_bytes("abd", 3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprint_sum_does_not_depend_on_order),
        cmocka_unit_test(fingerprint_sees_each_field),
        cmocka_unit_test(fingerprint_sees_exchanged_ends),
        cmocka_unit_test(fingerprint_bytes_is_xxh3),
    };
    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
