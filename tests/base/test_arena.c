#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "claims.h"
#include "draws.h"

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
    unsigned char *block[N];
    size_t bytes[N];
    for (int round = 0; round < 3; round++) {
        Arena *arena = arena_create("test.arena", 1024);
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
        arena_destroy(arena);
        assert_int_equal(live_bytes(), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks_are_zero_aligned_and_apart),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
