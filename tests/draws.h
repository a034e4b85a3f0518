/// draws.h: numbers drawn for tests.
#ifndef COLOSSIM_TESTS_DRAWS_H
#define COLOSSIM_TESTS_DRAWS_H

#include "base/check.h"
#include "base/rng.h"
#include "base/wide.h"

/// Integer in [0, n), n > 0, as rng_bits.
static inline int64_t rng_below(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw,
                                int64_t n) {
    CHECK(n > 0, "a number below %lld", (long long)n);
    // Multiply and shift: the bias of any value is below n / 2^64.
    return (int64_t)((UWide)rng_bits(seed, purpose, entity, draw) * (uint64_t)n >> 64);
}

#endif
