#include "base/heap.h"

#include "base/array.h"
#include "base/check.h"

// Four children: half the depth of a binary heap, and the children of one node share cache lines.
enum { HEAP_ARITY = 4 };

static bool item_before(const HeapItem *left, const HeapItem *right) {
    if (left->time_ps != right->time_ps) return left->time_ps < right->time_ps;
    if (left->order != right->order) return left->order < right->order;
    return left->item < right->item;
}

void heap_push(Heap *heap, HeapItem item) {
    if (heap->n == heap->capacity)
        array_grow("heap", (void **)&heap->at, &heap->capacity, heap->n + 1, sizeof heap->at[0]);
    int64_t hole = heap->n++;
    while (hole > 0) {
        int64_t parent = (hole - 1) / HEAP_ARITY;
        if (!item_before(&item, &heap->at[parent])) break;
        heap->at[hole] = heap->at[parent];
        hole = parent;
    }
    heap->at[hole] = item;
}

/// The lesser of two places. Which one it is cannot be predicted, whether they are at one time can.
static inline int64_t lesser(const HeapItem at[], int64_t left, int64_t right) {
    if (at[left].time_ps == at[right].time_ps)
        return item_before(&at[right], &at[left]) ? right : left;
    const int64_t is_right = at[right].time_ps < at[left].time_ps;
    return left + (right - left) * is_right;
}

static int64_t least_child(const Heap *heap, int64_t parent) {
    const int64_t first = HEAP_ARITY * parent + 1;
    if (first + HEAP_ARITY <= heap->n)
        return lesser(heap->at, lesser(heap->at, first, first + 1),
                      lesser(heap->at, first + 2, first + 3));
    int64_t least = first;
    for (int64_t child = first + 1; child < heap->n; child++)
        least = lesser(heap->at, least, child);
    return least;
}

/// Put an item in a hole, or below it.
static void sink(Heap *heap, int64_t hole, HeapItem item) {
    while (HEAP_ARITY * hole + 1 < heap->n) {
        int64_t child = least_child(heap, hole);
        if (!item_before(&heap->at[child], &item)) break;
        heap->at[hole] = heap->at[child];
        hole = child;
    }
    heap->at[hole] = item;
}

HeapItem heap_pop(Heap *heap) {
    CHECK(heap->n > 0, "pop from an empty heap");
    HeapItem top = heap->at[0], last = heap->at[--heap->n];
    sink(heap, 0, last);
    return top;
}

void heap_sift(Heap *heap, bool (*keep)(const void *context, HeapItem item), const void *context) {
    int64_t n = 0;
    for (int64_t i = 0; i < heap->n; i++)
        if (keep(context, heap->at[i])) heap->at[n++] = heap->at[i];
    heap->n = n;
    for (int64_t i = (n - 2) / HEAP_ARITY; i >= 0 && n > 1; i--) sink(heap, i, heap->at[i]);
}

void heap_free(Heap *heap) {
    array_release("heap", (void **)&heap->at, &heap->n, &heap->capacity, sizeof heap->at[0]);
}
