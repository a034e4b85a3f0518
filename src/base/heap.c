#include "base/heap.h"

#include "base/array.h"
#include "base/check.h"
#include "base/units.h"

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

static int64_t least_child(const Heap *heap, int64_t parent) {
    int64_t first = HEAP_ARITY * parent + 1, least = first;
    for (int64_t child = first + 1; child < first + HEAP_ARITY && child < heap->n; child++)
        if (item_before(&heap->at[child], &heap->at[least])) least = child;
    return least;
}

HeapItem heap_pop(Heap *heap) {
    CHECK(heap->n > 0, "pop from an empty heap");
    HeapItem top = heap->at[0], last = heap->at[--heap->n];
    int64_t hole = 0;
    while (HEAP_ARITY * hole + 1 < heap->n) {
        int64_t child = least_child(heap, hole);
        if (!item_before(&heap->at[child], &last)) break;
        heap->at[hole] = heap->at[child];
        hole = child;
    }
    heap->at[hole] = last;
    return top;
}

int64_t heap_next_ps(const Heap *heap) { return heap->n > 0 ? heap->at[0].time_ps : TIME_NEVER_PS; }

void heap_free(Heap *heap) {
    array_release("heap", (void **)&heap->at, &heap->n, &heap->capacity, sizeof heap->at[0]);
}
