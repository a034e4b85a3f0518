/// timers.h: the earliest of n timers, which are set again and again.
///
/// Idea.    A tournament: a match is won by the earlier of two timers, of equal ones by that with the lesser number. A timer
///          that is set plays its matches again, up to the first that it neither wins nor has won. Nothing is queued: a
///          timer that is set anew leaves no entry behind, and all stands in 16 bytes a timer, where a heap of as many
///          items walks from line to line of the cache.
#ifndef COLOSSIM_BASE_TIMERS_H
#define COLOSSIM_BASE_TIMERS_H

#include <stdint.h>

#include "base/units.h"

/// Zeroed: none.
typedef struct Timers {
    int64_t *time_ps; ///< [n] TIME_NEVER_PS: not set
    int32_t
        *winner; ///< [2 n] of match m, between the winners of 2 m and 2 m + 1; of n + i: timer i
    int64_t n;
} Timers;

/// n timers that are not set, n < 2^31.
void timers_init(Timers *timers, int64_t n);
void timers_fini(Timers *timers);
void timers_set(Timers *timers, int64_t timer, int64_t time_ps);
/// Time of the first, TIME_NEVER_PS: none is set; and which it is, if one is.
static inline int64_t timers_next_ps(const Timers *timers) {
    return timers->n > 0 ? timers->time_ps[timers->winner[1]] : TIME_NEVER_PS;
}
static inline int64_t timers_first(const Timers *timers) { return timers->winner[1]; }

#endif
