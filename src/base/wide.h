/// wide.h: 128-bit integers for work in rate unit x picosecond; with LooseWide the GNU extensions of
/// the project.
#ifndef COLOSSIM_BASE_WIDE_H
#define COLOSSIM_BASE_WIDE_H

#include <stdint.h>

__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UWide;
/// In structs that must not be padded to 16 bytes.
typedef Wide LooseWide __attribute__((aligned(8)));

/// What no longer fits a word: whoever adds up or writes amounts looks for it.
#define WIDE_FULL INT64_MAX
/// An amount >= 0 as a word, WIDE_FULL from there on: whatever is added to that, in whatever order, it stays.
static inline int64_t wide_word(Wide amount) {
    return amount < WIDE_FULL ? (int64_t)amount : WIDE_FULL;
}

/// The k-th (from 0) of n < 2^31 whole parts, as equal as they can be, that sum to `total`.
static inline int64_t wide_part(int64_t total, int64_t k, int64_t n) {
    const int64_t each = total / n, rest = total % n; // rest * n fits
    return each + rest * (k + 1) / n - rest * k / n;
}

/// Greatest number that divides both; the other one where one is 0.
static inline Wide wide_gcd(Wide a, Wide b) {
    while (b != 0) {
        const Wide rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
