/// ranges.h: numbers named by a range, as people write them: 7, 0-511, every second one of 1-1023/2.
#ifndef COLOSSIM_CONFIG_RANGES_H
#define COLOSSIM_CONFIG_RANGES_H

#include <stdbool.h>
#include <stdint.h>

/// first, first + step, ... up to last, which may lie between two of them.
typedef struct NumberRange {
    int64_t first, last, step;
} NumberRange;

/// "FIRST", "FIRST-LAST" or "FIRST-LAST/STEP" of whole numbers; false: it is no such text.
bool range_read(const char *text, NumberRange *range);
static inline int64_t range_count(const NumberRange *range) {
    return (range->last - range->first) / range->step + 1;
}

#endif
