/// quantity.h: numbers with units, as people write them: "400 Gb/s", "64 KiB", "10 us", "989
/// TFLOP/s", "3 %".
///
/// Idea.    A decimal number, a unit, one table of units. Integers are converted exactly in 128
///          bits or refused; b is a bit and B a byte, k M G T P E are powers of 1000, Ki Mi Gi Ti
///          of 1024. A bare number is refused.
/// Limits.  No exponents. Cables may be given as a length: 5 ns a metre (glass, refractive index
///          1.5), what waits at a port as a size at a rate, the time that it takes there.
#ifndef COLOSSIM_CONFIG_QUANTITY_H
#define COLOSSIM_CONFIG_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum QuantityKind {
    QUANTITY_NONE,        ///< a plain number
    QUANTITY_RATE,        ///< B/s
    QUANTITY_SIZE,        ///< B
    QUANTITY_TIME,        ///< ps
    QUANTITY_CABLE,       ///< ps, from a time or a length
    QUANTITY_QUEUE,       ///< us, from a time or a size at a rate
    QUANTITY_FLOP_RATE,   ///< FLOP/s
    QUANTITY_POWER,       ///< W
    QUANTITY_FRACTION,    ///< %, stored as a fraction of one
    QUANTITY_TEMPERATURE, ///< degrees Celsius
    QUANTITY_N,
} QuantityKind;

enum { QUANTITY_TEXT_BYTES = 64, QUANTITY_REASON_BYTES = 300, QUANTITY_PATTERN_BYTES = 400 };

/// Parse into an exact integer of the base unit, or into a double. False: `reason` says what was
/// wanted and got, to be put behind the name of the key ("wants a data rate with a unit, such as
/// '400 Gb/s', got '400'").
bool quantity_parse_int(QuantityKind kind, const char *text, int64_t *value,
                        char reason[QUANTITY_REASON_BYTES]);
bool quantity_parse_real(QuantityKind kind, const char *text, double *value,
                         char reason[QUANTITY_REASON_BYTES]);

/// Write so that parsing gives the same value back, in the unit people use; returns `out`.
const char *quantity_write_int(QuantityKind kind, int64_t value, char out[QUANTITY_TEXT_BYTES]);
const char *quantity_write_real(QuantityKind kind, double value, char out[QUANTITY_TEXT_BYTES]);

/// The most that any key of a kind may say, in base units, unless the key itself says less: 1000 s, 10 PB, 1 PB/s, 1 ZFLOP/s,
/// 1 TW. Sums and products of some of them fit the arithmetic (the rest is checked where they meet); 0: no limit.
double quantity_most(QuantityKind kind);

/// A regular expression (ECMA 262) that every text of this kind matches, of a kind with units; returns `out`.
const char *quantity_pattern(QuantityKind kind, char out[QUANTITY_PATTERN_BYTES]);

/// What it is: "a data rate".
const char *quantity_name(QuantityKind kind);

#endif
