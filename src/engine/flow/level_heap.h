/// level_heap.h: a 4-ary min-heap of (level, order) for water filling, with lazy keys.
///
/// Idea.    Shares of links only rise while water is filled, so a stale key is never too high: the
///          top is looked at again when its turn comes and sinks if its share has risen
///          (level_heap_raise_top), instead of being moved at every change. Equal levels leave in
///          the order of `order`.
/// Limits.  The caller owns the storage; push does not grow it. Inline: the two solvers spend their
///          time here.
#ifndef COLOSSIM_ENGINE_FLOW_LEVEL_HEAP_H
#define COLOSSIM_ENGINE_FLOW_LEVEL_HEAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct LevelItem {
    int64_t level;
    int32_t order; ///< ties: the lesser first
    int32_t item;
} LevelItem;

static inline bool level_item_before(LevelItem a, LevelItem b) {
    // Without branches: nobody can predict who is first.
    return (a.level < b.level) | ((a.level == b.level) & (a.order < b.order));
}

static inline int64_t level_least(const LevelItem at[], int64_t first, int64_t end) {
    int64_t least = first;
    for (int64_t c = first + 1; c < end; c++)
        least = level_item_before(at[c], at[least]) ? c : least;
    return least;
}

static inline int64_t level_least_of_4(const LevelItem at[], int64_t first) {
    int64_t a = first + level_item_before(at[first + 1], at[first]);
    int64_t b = first + 2 + level_item_before(at[first + 3], at[first + 2]);
    return level_item_before(at[b], at[a]) ? b : a;
}

static inline void level_heap_sink(LevelItem at[], int64_t n, int64_t i, LevelItem item) {
    for (;;) {
        int64_t child = 4 * i + 1;
        if (child >= n) break;
        int64_t least = child + 4 <= n ? level_least_of_4(at, child) : level_least(at, child, n);
        if (!level_item_before(at[least], item)) break;
        at[i] = at[least];
        i = least;
    }
    at[i] = item;
}

/// Order n items put down in any order.  Cost: O(n).
static inline void level_heap_build(LevelItem at[], int64_t n) {
    for (int64_t i = (n - 2) / 4; i >= 0 && n > 1; i--) level_heap_sink(at, n, i, at[i]);
}

static inline void level_heap_push(LevelItem at[], int64_t *n, LevelItem item) {
    int64_t i = (*n)++;
    while (i > 0 && level_item_before(item, at[(i - 1) / 4])) {
        at[i] = at[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    at[i] = item;
}

static inline void level_heap_pop(LevelItem at[], int64_t *n) {
    LevelItem last = at[--*n];
    if (*n > 0) level_heap_sink(at, *n, 0, last);
}

/// Give the top a higher level.
static inline void level_heap_raise_top(LevelItem at[], int64_t n, int64_t level) {
    LevelItem item = at[0];
    item.level = level;
    level_heap_sink(at, n, 0, item);
}

#endif
