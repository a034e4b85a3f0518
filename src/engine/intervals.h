/// intervals.h: sampling intervals, numbered from 0.
///
/// Idea.    All are equally long, but that a moment at which all begins anew (a training step behind its last
///          synchronisation) also ends the open interval and begins the next. So the intervals of equal steps are equal.
/// Limits.  Only what lies at or after the last such moment can be asked for.
#ifndef COLOSSIM_ENGINE_INTERVALS_H
#define COLOSSIM_ENGINE_INTERVALS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Intervals {
    int64_t width_ps;  ///< 0: there are none
    int64_t origin_ps; ///< begin of ...
    int64_t origin;    ///< ... this one; the others follow width_ps apart
} Intervals;

/// Number of the interval that holds a moment: so many have ended by then.
static inline int64_t intervals_at(const Intervals *intervals, int64_t time_ps) {
    return intervals->origin + (time_ps - intervals->origin_ps) / intervals->width_ps;
}

static inline int64_t intervals_begin_ps(const Intervals *intervals, int64_t index) {
    return intervals->origin_ps + (index - intervals->origin) * intervals->width_ps;
}

/// End of the interval that a moment lies in, or is the end of.
static inline int64_t intervals_end_ps(const Intervals *intervals, int64_t time_ps) {
    int64_t index = intervals_at(intervals, time_ps);
    int64_t begin_ps = intervals_begin_ps(intervals, index);
    return begin_ps == time_ps ? begin_ps : begin_ps + intervals->width_ps;
}

/// Does one end, and the next begin, at this moment?
static inline bool intervals_meet_at(const Intervals *intervals, int64_t time_ps) {
    return intervals_end_ps(intervals, time_ps) == time_ps;
}

/// The open interval ends now, and the next begins.
static inline void intervals_restart(Intervals *intervals, int64_t now_ps) {
    intervals->origin = intervals_at(intervals, intervals_end_ps(intervals, now_ps));
    intervals->origin_ps = now_ps;
}

#endif
