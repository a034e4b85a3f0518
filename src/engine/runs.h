/// runs.h: runs of consecutive small objects in one growing block, by index, with free lists by
/// length.
///
/// Idea.    A transfer needs as many use nodes as its route has links, a link as many places as it
///          has users: runs of a handful up to many thousands. Up to 16 objects the length is kept
///          exactly, above it is rounded up to a power of two, so that a run given back fits the
///          next of its class.
/// Limits.  At most 2^31 objects. Indices depend on history: no result may depend on them. Objects
///          are not cleared.
#ifndef COLOSSIM_ENGINE_RUNS_H
#define COLOSSIM_ENGINE_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

enum { RUN_EXACT_MAX = 16, RUN_EXACT_BITS = 4, RUN_CLASSES = RUN_EXACT_MAX + 4 * 28 };

typedef struct Runs {
    const char *label;
    size_t object_bytes;
    char *at; ///< moves when it grows
    int64_t n, capacity;
    ARRAY_OF(int32_t) free_runs[RUN_CLASSES];
} Runs;

/// Class of runs of `n` >= 1 objects, below RUN_CLASSES, and the objects there is room for in it.
int runs_class(int64_t n);
int64_t runs_class_length(int class);

void runs_init(Runs *runs, const char *label, size_t object_bytes);
void runs_fini(Runs *runs);
/// Make room for runs of `n` objects in all, if none was ever taken.
void runs_reserve(Runs *runs, int64_t n);
/// Index of the first of `n` >= 1 consecutive objects.
int32_t runs_take(Runs *runs, int64_t n);
/// Give back a run taken with the same `n`.
void runs_give_back(Runs *runs, int32_t first, int64_t n);

#endif
