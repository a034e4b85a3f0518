// Laws: shares are disjoint and cover 0 .. n-1 in order; the owner of an item is the rank whose
// share holds it; a share begins on a block; numbers of blocks differ by at most one; the last
// ranks are the empty ones.
#include "claims.h"
#include "par/partition.h"

static void check_shares(const Partition *p) {
    assert_int_equal(partition_first(p, 0), 0);
    assert_int_equal(partition_first(p, p->nranks), p->n);
    int64_t blocks_before = INT64_MAX;
    for (int rank = 0; rank < p->nranks; rank++) {
        int64_t first = partition_first(p, rank), count = partition_count(p, rank);
        int64_t blocks = (count + p->block - 1) / p->block;
        assert_true(count >= 0);
        if (count > 0) assert_int_equal(first % p->block, 0);
        assert_true(blocks <= blocks_before);
        blocks_before = blocks;
        for (int64_t item = first; item < first + count; item++)
            assert_int_equal(partition_owner(p, item), rank);
    }
    int64_t most = (partition_count(p, 0) + p->block - 1) / p->block;
    assert_true(most - blocks_before <= 1);
}

static void partition_shares_obey_the_laws(void **state) {
    (void)state;
    for (int64_t n = 0; n < 40; n++)
        for (int64_t block = 1; block < 10; block++)
            for (int nranks = 1; nranks < 15; nranks++) {
                Partition p = partition_make(n, block, nranks);
                check_shares(&p);
            }
}

static void partition_example_of_the_header(void **state) {
    (void)state;
    Partition p = partition_make(10, 2, 3);
    assert_int_equal(partition_count(&p, 0), 4);
    assert_int_equal(partition_count(&p, 1), 4);
    assert_int_equal(partition_count(&p, 2), 2);
}

static void partition_more_ranks_than_blocks_leaves_the_last_empty(void **state) {
    (void)state;
    Partition p = partition_make(100, 40, 7);
    const int64_t expected[7] = {40, 40, 20, 0, 0, 0, 0};
    for (int rank = 0; rank < 7; rank++)
        assert_int_equal(partition_count(&p, rank), expected[rank]);
}

static void partition_of_large_numbers_does_not_overflow(void **state) {
    (void)state;
    const int64_t n = INT64_C(1) << 60;
    Partition p = partition_make(n, 3, 1000);
    for (int rank = 0; rank < 1000; rank++) {
        int64_t first = partition_first(&p, rank);
        assert_int_equal(partition_owner(&p, first), rank);
        assert_int_equal(partition_owner(&p, partition_first(&p, rank + 1) - 1), rank);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partition_shares_obey_the_laws),
        cmocka_unit_test(partition_example_of_the_header),
        cmocka_unit_test(partition_more_ranks_than_blocks_leaves_the_last_empty),
        cmocka_unit_test(partition_of_large_numbers_does_not_overflow),
    };
    return cmocka_run_group_tests_name("partition", tests, NULL, NULL);
}
