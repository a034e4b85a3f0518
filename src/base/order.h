/// order.h: numbers in ascending order.
#ifndef COLOSSIM_BASE_ORDER_H
#define COLOSSIM_BASE_ORDER_H

#include <stdint.h>

/// Of two int64_t, for qsort and bsearch.
static inline int order_i64(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/// Sort at[n], each number once; returns how many are left.
int64_t order_unique_i64(int64_t at[], int64_t n);

#endif
