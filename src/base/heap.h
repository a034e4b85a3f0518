/// heap.h: a 4-ary min-heap of timed items with a total order, for events.
///
/// Idea.    The order is (time_ps, order, item): `order` is chosen by the caller so that ties never
///          depend on the number of ranks or on insertion history.
#ifndef COLOSSIM_BASE_HEAP_H
#define COLOSSIM_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

typedef struct HeapItem {
    int64_t time_ps;
    uint64_t order;
    int64_t item;
} HeapItem;

/// Zero-initialise to use: Heap heap = {0}.
typedef struct Heap {
    HeapItem *at;
    int64_t n, capacity;
} Heap;

void heap_push(Heap *heap, HeapItem item);
/// Remove and return the least item; the heap must not be empty.
HeapItem heap_pop(Heap *heap);
/// Leave only the items that `keep` wants.  Cost: O(n).
void heap_sift(Heap *heap, bool (*keep)(const void *context, HeapItem item), const void *context);
/// Time of the least item, or TIME_NEVER_PS.
static inline int64_t heap_next_ps(const Heap *heap) {
    return heap->n > 0 ? heap->at[0].time_ps : TIME_NEVER_PS;
}
void heap_free(Heap *heap);

#endif
