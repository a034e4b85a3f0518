#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "expect_check.h"

static MemoryRow row_of(const char *label) {
    MemoryRow rows[256];
    int n = memory_report(rows, 256);
    for (int i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0) return rows[i];
    return (MemoryRow){.label = label};
}

static void memory_counts_live_and_high_bytes_per_label(void **state) {
    (void)state;
    void *a = memory_alloc("test.a", 100), *b = memory_alloc("test.a", 50);
    memory_free("test.a", a, 100);
    assert_int_equal(row_of("test.a").live_bytes, 50);
    assert_int_equal(row_of("test.a").high_bytes, 150);
    memory_free("test.a", b, 50);
    assert_int_equal(row_of("test.a").live_bytes, 0);
}

static void memory_new_bytes_are_zero(void **state) {
    (void)state;
    char *block = memory_alloc("test.zero", 10);
    for (int i = 0; i < 10; i++) assert_int_equal(block[i], 0);
    memset(block, 'x', 10);
    block = memory_resize("test.zero", block, 10, 5000);
    for (int i = 0; i < 5000; i++) assert_int_equal(block[i], i < 10 ? 'x' : 0);
    memory_free("test.zero", block, 5000);
    memory_free("test.zero", NULL, 0);
}

/// Blocks that grow from some bytes to many pages, and shrink, keep what they hold; what they gain is zero.
static void memory_large_blocks_grow_like_small_ones(void **state) {
    (void)state;
    enum { MIB = 1 << 20 };
    const size_t sizes[] = {1000,         MIB - 1,  MIB,      MIB + 100,    3 * MIB, 33 * MIB,
                            33 * MIB + 1, 40 * MIB, 34 * MIB, 2 * MIB - 50, 2 * MIB, 10};
    unsigned char *block = memory_alloc("test.large", 0);
    size_t bytes = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        block = memory_resize("test.large", block, bytes, sizes[s]);
        size_t nkept = bytes < sizes[s] ? bytes : sizes[s], nwrong = 0;
        for (size_t i = 0; i < sizes[s]; i++) nwrong += block[i] != (i < nkept ? i % 251 + 1 : 0);
        assert_int_equal(nwrong, 0);
        bytes = sizes[s];
        for (size_t i = 0; i < bytes; i++) block[i] = (unsigned char)(i % 251 + 1);
    }
    memory_free("test.large", block, bytes);
    block = memory_alloc("test.large", 2 * MIB);
    memory_free("test.large", block, 2 * MIB);
    block = memory_alloc("test.large", 64 * MIB);
    for (size_t i = 0; i < 64 * MIB; i += MIB / 16) assert_int_equal(block[i], 0);
    memory_free("test.large", block, 64 * MIB);
    assert_int_equal(row_of("test.large").live_bytes, 0);
}

static void memory_report_is_sorted_by_label(void **state) {
    (void)state;
    memory_free("test.z", memory_alloc("test.z", 0), 0);
    memory_free("test.b", memory_alloc("test.b", 0), 0);
    MemoryRow rows[256];
    int n = memory_report(rows, 256);
    for (int i = 1; i < n; i++) assert_true(strcmp(rows[i - 1].label, rows[i].label) < 0);
}

static void frees_more(void) { memory_free("test.more", memory_alloc("test.more", 8), 9); }

static void memory_giving_back_more_than_taken_stops(void **state) {
    (void)state;
    assert_stops(frees_more);
}

static void array_grows_and_keeps_its_elements(void **state) {
    (void)state;
    ARRAY_OF(int64_t) squares = {0};
    for (int64_t i = 0; i < 1000; i++) array_push(&squares, i * i);
    assert_int_equal(squares.n, 1000);
    for (int64_t i = 0; i < 1000; i++) assert_int_equal(squares.at[i], i * i);
    array_clear(&squares);
    array_resize(&squares, 5000);
    assert_int_equal(squares.n, 5000);
    assert_int_equal(squares.at[4999], 0);
    array_free(&squares);
    assert_null(squares.at);
    assert_int_equal(row_of("array").live_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_counts_live_and_high_bytes_per_label),
        cmocka_unit_test(memory_new_bytes_are_zero),
        cmocka_unit_test(memory_large_blocks_grow_like_small_ones),
        cmocka_unit_test(memory_report_is_sorted_by_label),
        cmocka_unit_test(memory_giving_back_more_than_taken_stops),
        cmocka_unit_test(array_grows_and_keeps_its_elements),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
