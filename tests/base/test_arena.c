#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/rng.h"
#include "claims.h"

static int64_t live_bytes(void) {
    MemoryRow rows[256];
    int n = memory_report(rows, 256);
    for (int i = 0; i < n; i++)
        if (strcmp(rows[i].label, "test.arena") == 0) return rows[i].live_bytes;
    return 0;
}

// Blocks are zero, aligned, and do not overlap: each keeps the byte it was filled with.
static void arena_blocks_are_zero_aligned_and_apart(void **state) {
    (void)state;
    enum { N = 500 };
    Arena *arena = arena_create("test.arena", 1024);
    unsigned char *block[N];
    size_t bytes[N];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            bytes[i] =
                (size_t)rng_below(1, RNG_TEST, (uint64_t)i, (uint64_t)round, i % 50 ? 200 : 5000);
            block[i] = arena_alloc(arena, bytes[i]);
            assert_int_equal((uintptr_t)block[i] % 16, 0);
            for (size_t k = 0; k < bytes[i]; k++) assert_int_equal(block[i][k], 0);
            memset(block[i], 1 + i % 255, bytes[i]);
        }
        for (int i = 0; i < N; i++)
            for (size_t k = 0; k < bytes[i]; k++) assert_int_equal(block[i][k], 1 + i % 255);
        arena_reset(arena);
    }
    arena_destroy(arena);
    assert_int_equal(live_bytes(), 0);
}

// A step that needs what the last one needed asks for no more memory.
static void arena_reset_keeps_its_chunks(void **state) {
    (void)state;
    Arena *arena = arena_create("test.arena", 256);
    int64_t after_first = 0;
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < 40; i++) (void)arena_array(arena, int64_t, 1 + 10 * (i % 7));
        if (step == 0) after_first = live_bytes();
        assert_int_equal(live_bytes(), after_first);
        assert_int_equal(arena_used_bytes(arena), arena_high_bytes(arena));
        arena_reset(arena);
        assert_int_equal(arena_used_bytes(arena), 0);
    }
    arena_destroy(arena);
    arena_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks_are_zero_aligned_and_apart),
        cmocka_unit_test(arena_reset_keeps_its_chunks),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
