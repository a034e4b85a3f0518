/// extremes.h: every key that a schema declares, with the values at and beyond its edges.
///
/// Idea.    The tables of config/schema.h are walked, so that no key can be forgotten: a new one is tried the day it is
///          declared. Values are texts, as a user would write them.
#ifndef COLOSSIM_TESTS_CONFIG_EXTREMES_H
#define COLOSSIM_TESTS_CONFIG_EXTREMES_H

#include "config/schema.h"

enum { KNOBS_MAX = 160, EXTREMES = 16, EXTREME_BYTES = 128 };

typedef struct Knob {
    char path[96];  ///< "fabric.tiers.0.rate"
    char base[128]; ///< a setting that must come before, where a list may be empty; or ""
    bool listed;    ///< an item of a list of values
    const Field *field;
} Knob;

/// All values that are not collections or names of other files; items of lists as the first one. Returns how many.
int knobs_of(const Schema *schema, Knob knob[KNOBS_MAX]);
/// "path=value", of the k-th extreme.
void knob_setting(const Knob *knob, int k, char text[], size_t size);
/// The k-th extreme, 0 <= k < EXTREMES, of a key; several may be the same.
const char *knob_extreme(const Knob *knob, int k, char text[EXTREME_BYTES]);

#endif
