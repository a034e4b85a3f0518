// Law: after any sequence of inserts and removes the table holds what a plain array over the key
// range holds.
#include "base/table.h"
#include "draws.h"
#include "expect_check.h"

enum { N_KEYS = 300 };

static int64_t key_of(int64_t k) { return (k - N_KEYS / 2) * INT64_C(1000003); }

static void table_equals_a_plain_array(void **state) {
    (void)state;
    Table table = {0};
    int64_t value[N_KEYS] = {0}, n = 0;
    bool there[N_KEYS] = {false};
    for (uint64_t i = 0; i < 50000; i++) {
        int64_t k = rng_below(3, RNG_TEST, i, 0, N_KEYS);
        if (rng_below(3, RNG_TEST, i, 1, 2)) {
            assert_int_equal(table_insert(&table, key_of(k), (int64_t)i), !there[k]);
            n += !there[k];
            there[k] = true;
            value[k] = (int64_t)i;
        } else {
            assert_int_equal(table_remove(&table, key_of(k)), there[k]);
            n -= there[k];
            there[k] = false;
        }
        assert_int_equal(table.n, n);
        int64_t probe = rng_below(3, RNG_TEST, i, 2, N_KEYS),
                *found = table_find(&table, key_of(probe));
        assert_int_equal(found != NULL, there[probe]);
        if (found) assert_int_equal(*found, value[probe]);
    }
    for (int64_t k = 0; k < N_KEYS; k++)
        assert_int_equal(table_find(&table, key_of(k)) != NULL, there[k]);
    table_free(&table);
}

static void table_cleared_is_empty_and_usable(void **state) {
    (void)state;
    Table table = {0};
    assert_null(table_find(&table, 5));
    assert_false(table_remove(&table, 5));
    table_insert(&table, 5, 6);
    table_clear(&table);
    assert_null(table_find(&table, 5));
    assert_true(table_insert(&table, 5, 7));
    assert_int_equal(*table_find(&table, 5), 7);
    table_free(&table);
}

static void inserts_the_empty_mark(void) {
    Table table = {0};
    table_insert(&table, INT64_MIN, 0);
}

static void table_refuses_the_empty_mark(void **state) {
    (void)state;
    assert_stops(inserts_the_empty_mark);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_equals_a_plain_array),
        cmocka_unit_test(table_cleared_is_empty_and_usable),
        cmocka_unit_test(table_refuses_the_empty_mark),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
