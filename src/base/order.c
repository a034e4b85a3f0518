#include "base/order.h"

#include <stdlib.h>

int64_t order_unique_i64(int64_t at[], int64_t n) {
    int64_t left = 0;
    if (n > 0) qsort(at, (size_t)n, sizeof *at, order_i64);
    for (int64_t i = 0; i < n; i++)
        if (left == 0 || at[i] != at[left - 1]) at[left++] = at[i];
    return left;
}
