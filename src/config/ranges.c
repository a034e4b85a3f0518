#include "config/ranges.h"

/// A whole number of `text`, which moves behind it; false: there is none.
static bool take_number(const char **text, int64_t *number) {
    enum { DIGITS_MOST = 15 };
    int digits = 0;
    for (*number = 0; **text >= '0' && **text <= '9' && digits < DIGITS_MOST; ++*text, digits++)
        *number = 10 * *number + (**text - '0');
    return digits > 0;
}

bool range_read(const char *text, NumberRange *range) {
    *range = (NumberRange){.step = 1};
    if (!take_number(&text, &range->first)) return false;
    range->last = range->first;
    if (*text == '-' && (text++, !take_number(&text, &range->last))) return false;
    if (*text == '/' && (text++, !take_number(&text, &range->step))) return false;
    return !*text && range->last >= range->first && range->step >= 1;
}
