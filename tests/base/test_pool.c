#include "base/pool.h"
#include "expect_check.h"

enum { OWNER_A = 1, OWNER_B = 2 };

typedef struct Packet {
    int64_t id;
    int32_t hops;
} Packet;

static Pool make_pool(void) {
    Pool pool;
    pool_init(&pool, "test.pool", sizeof(Packet));
    return pool;
}

static void pool_objects_stay_where_they_are(void **state) {
    (void)state;
    Pool pool = make_pool();
    int64_t first = pool_take(&pool, OWNER_A);
    Packet *packet = pool_at(&pool, first);
    packet->id = 42;
    for (int64_t i = 1; i < 5 * POOL_BLOCK; i++) {
        int64_t index = pool_take(&pool, OWNER_B);
        assert_int_equal(index, i);
        ((Packet *)pool_at(&pool, index))->id = i;
    }
    assert_ptr_equal(pool_at(&pool, first), packet);
    assert_int_equal(packet->id, 42);
    for (int64_t i = 1; i < 5 * POOL_BLOCK; i++)
        assert_int_equal(((Packet *)pool_at(&pool, i))->id, i);
    assert_int_equal(pool.n_live, 5 * POOL_BLOCK);
    pool_fini(&pool);
}

static void pool_reuses_and_clears(void **state) {
    (void)state;
    Pool pool = make_pool();
    int64_t index = pool_take(&pool, OWNER_A);
    ((Packet *)pool_at(&pool, index))->id = 42;
    pool_give_back(&pool, index, OWNER_A);
    assert_int_equal(pool_owner(&pool, index), POOL_FREE);
    assert_int_equal(pool_take(&pool, OWNER_B), index);
    assert_int_equal(pool_owner(&pool, index), OWNER_B);
    assert_int_equal(((Packet *)pool_at(&pool, index))->id, 0);
    assert_int_equal(pool.high, 1);
    pool_fini(&pool);
}

static void gives_back_twice(void) {
    Pool pool = make_pool();
    int64_t index = pool_take(&pool, OWNER_A);
    pool_give_back(&pool, index, OWNER_A);
    pool_give_back(&pool, index, OWNER_A);
}

static void gives_back_anothers(void) {
    Pool pool = make_pool();
    pool_give_back(&pool, pool_take(&pool, OWNER_A), OWNER_B);
}

static void gives_back_beyond(void) {
    Pool pool = make_pool();
    (void)pool_take(&pool, OWNER_A);
    pool_give_back(&pool, POOL_BLOCK, OWNER_A);
}

static void pool_misuse_stops(void **state) {
    (void)state;
    assert_stops(gives_back_twice);
    assert_stops(gives_back_anothers);
    assert_stops(gives_back_beyond);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_objects_stay_where_they_are),
        cmocka_unit_test(pool_reuses_and_clears),
        cmocka_unit_test(pool_misuse_stops),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
