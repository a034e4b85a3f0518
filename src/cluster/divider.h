/// divider.h: division by a number fixed at start, as one multiplication.
///
/// Idea.    With m = floor((2^64 - 1) / d) the quotient n / d is the high word of (n + 1) m, exact
///          while (n + 1) d <= 2^64: the error of m is below d / 2^64 of a unit a step. Routes are
///          chains of divisions by the widths of the tree, and a 64-bit division takes ten times as
///          long as a multiplication.
/// Limits.  0 <= n < 2^48, 1 <= d <= 2^16.
/// Source.  Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI
///          1994.
#ifndef COLOSSIM_CLUSTER_DIVIDER_H
#define COLOSSIM_CLUSTER_DIVIDER_H

#include <stdint.h>

#include "base/wide.h"

enum { DIVIDER_MAX = 1 << 16 };

typedef struct Divider {
    uint64_t multiplier;
    int64_t divisor;
} Divider;

static inline Divider divider_make(int64_t divisor) {
    return (Divider){.multiplier = UINT64_MAX / (uint64_t)divisor, .divisor = divisor};
}

static inline int64_t divider_quotient(const Divider *divider, int64_t n) {
    return (int64_t)((UWide)((uint64_t)n + 1) * divider->multiplier >> 64);
}

static inline int64_t divider_rest(const Divider *divider, int64_t n) {
    return n - divider_quotient(divider, n) * divider->divisor;
}

#endif
