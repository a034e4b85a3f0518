/// finished.h: completions of an engine, in the order in which they are handed out, until they are.
#ifndef COLOSSIM_ENGINE_FINISHED_H
#define COLOSSIM_ENGINE_FINISHED_H

#include "base/array.h"
#include "engine/engine.h"

/// Zero-initialise to use.
typedef struct Finished {
    ARRAY_OF(Completion) list;
    int64_t ndrained; ///< the first of them are with their owner
} Finished;

/// EngineOps.drain.
static inline int64_t finished_drain(Finished *finished, Completion completions[],
                                     int64_t capacity) {
    int64_t n = finished->list.n - finished->ndrained;
    if (n > capacity) n = capacity;
    for (int64_t i = 0; i < n; i++) completions[i] = finished->list.at[finished->ndrained + i];
    finished->ndrained += n;
    if (finished->ndrained == finished->list.n) finished->list.n = finished->ndrained = 0;
    return n;
}

#endif
