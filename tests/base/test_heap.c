// Law: items leave in the total order (time, order, item), whatever the order they came in.
#include <stdlib.h>

#include "base/heap.h"
#include "base/units.h"
#include "draws.h"
#include "expect_check.h"

enum { N_ITEMS = 2000 };

static int compare_items(const void *left, const void *right) {
    const HeapItem *a = left, *b = right;
    if (a->time_ps != b->time_ps) return a->time_ps < b->time_ps ? -1 : 1;
    if (a->order != b->order) return a->order < b->order ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static void heap_pops_in_total_order_with_many_ties(void **state) {
    (void)state;
    static HeapItem expected[N_ITEMS];
    Heap heap = {0};
    for (int i = 0; i < N_ITEMS; i++) {
        expected[i] = (HeapItem){.time_ps = rng_below(1, RNG_TEST, (uint64_t)i, 0, 40) - 20,
                                 .order = (uint64_t)rng_below(1, RNG_TEST, (uint64_t)i, 1, 5),
                                 .item = i};
        heap_push(&heap, expected[i]);
    }
    qsort(expected, N_ITEMS, sizeof expected[0], compare_items);
    for (int i = 0; i < N_ITEMS; i++) {
        assert_int_equal(heap_next_ps(&heap), expected[i].time_ps);
        HeapItem item = heap_pop(&heap);
        assert_int_equal(item.item, expected[i].item);
    }
    heap_free(&heap);
}

static void heap_mixed_pushes_and_pops_never_go_back(void **state) {
    (void)state;
    Heap heap = {0};
    int64_t now_ps = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        heap_push(&heap, (HeapItem){.time_ps = now_ps + rng_below(2, RNG_TEST, i, 0, 100)});
        if (i % 3 == 0) continue;
        HeapItem item = heap_pop(&heap);
        assert_true(item.time_ps >= now_ps);
        now_ps = item.time_ps;
    }
    heap_free(&heap);
}

static bool is_third(const void *context, HeapItem item) {
    return item.item % *(const int64_t *)context == 0;
}

// Law: sifted, it is the heap of what was kept.
static void heap_sifted_is_the_heap_of_what_stays(void **state) {
    (void)state;
    const int64_t three = 3;
    for (int64_t n = 0; n < 40; n++) {
        Heap heap = {0}, kept = {0};
        for (int64_t i = 0; i < n; i++) {
            const HeapItem item = {.time_ps = rng_below(3, RNG_TEST, (uint64_t)i, (uint64_t)n, 20),
                                   .item = i};
            heap_push(&heap, item);
            if (i % three == 0) heap_push(&kept, item);
        }
        heap_sift(&heap, is_third, &three);
        assert_int_equal(heap.n, kept.n);
        while (kept.n > 0) assert_int_equal(heap_pop(&heap).item, heap_pop(&kept).item);
        heap_free(&heap);
        heap_free(&kept);
    }
}

static void pops_empty(void) {
    Heap heap = {0};
    (void)heap_pop(&heap);
}

static void heap_empty_has_no_next(void **state) {
    (void)state;
    Heap heap = {0};
    assert_int_equal(heap_next_ps(&heap), TIME_NEVER_PS);
    assert_stops(pops_empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_pops_in_total_order_with_many_ties),
        cmocka_unit_test(heap_sifted_is_the_heap_of_what_stays),
        cmocka_unit_test(heap_mixed_pushes_and_pops_never_go_back),
        cmocka_unit_test(heap_empty_has_no_next),
    };
    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
