// Law: what was kept before it changed is afterwards what it was, however often it changed and wherever its block went.
#include "base/undo.h"

#include <string.h>

#include "claims.h"
#include "draws.h"

enum { FIXED = 64, MOVING = 40, CHANGES = 60, TRIALS = 500 };

/// Change bytes [at, at + n) of one of the two blocks, keeping them first.
static void change(UndoLog *log, char fixed[], void *moving, uint64_t trial, uint64_t draw) {
    bool moves = rng_below(5, RNG_TEST, trial, 4 * draw, 2);
    int64_t size = moves ? MOVING : FIXED;
    int64_t at = rng_below(5, RNG_TEST, trial, 4 * draw + 1, size);
    int64_t n = rng_below(5, RNG_TEST, trial, 4 * draw + 2, size - at + 1);
    if (moves)
        undo_keep_in(log, moving, (size_t)at, (size_t)n);
    else
        undo_keep(log, fixed + at, (size_t)n);
    memset((moves ? *(char **)moving : fixed) + at, (int)(draw + 1), (size_t)n);
}

static void what_was_kept_returns(void **state) {
    (void)state;
    UndoLog log = {.on = true};
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        char fixed[FIXED] = {0}, before[FIXED] = {0};
        ARRAY_OF(char) moving = {0};
        array_resize(&moving, MOVING);
        memset(moving.at, 100, MOVING);
        change(&log, fixed, &moving.at, trial, CHANGES); // part of another window
        memcpy(before, fixed, FIXED);
        char moved[MOVING];
        memcpy(moved, moving.at, MOVING);
        int64_t first = log.old.n;
        for (uint64_t draw = 0; draw < CHANGES; draw++) {
            change(&log, fixed, &moving.at, trial, draw);
            array_reserve(&moving, MOVING + (int64_t)draw * 100);
        }
        undo_return(&log, first, log.old.n);
        assert_memory_equal(fixed, before, FIXED);
        assert_memory_equal(moving.at, moved, MOVING);
        array_free(&moving);
        array_clear(&log.old);
    }
    array_free(&log.old);
}

static void nothing_is_kept_while_it_is_off(void **state) {
    (void)state;
    UndoLog log = {0};
    char byte = 1;
    undo_keep(&log, &byte, 1);
    assert_int_equal(log.old.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_kept_returns),
        cmocka_unit_test(nothing_is_kept_while_it_is_off),
    };
    return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
