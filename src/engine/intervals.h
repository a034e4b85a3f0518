/// intervals.h: sampling intervals, as wide as they have to be.
///
/// Idea.    A moment at which all begins anew (a training step behind its last synchronisation, a repetition of traffic) is
///          the origin. From there on intervals are width_ps wide, until `most` have passed; what comes then is merged by
///          INTERVALS_MERGED, and so are those that have been: level 1. And so on, so that behind any time from the origin
///          there are at most `most`, all of one width but the last. Here with most = 8 and two merged:
///
///              origin |.|.|.|.|.|.|.|.|. . |. . |. . |. . |. . . . |. . . . |     as they end
///                     |. . |. . |. . |. . |. . |. . |. . |. . |                   level 1: what stands at its end
///                     |. . . . |. . . . |. . . . |. . . . |. . . . |. . . . |     level 2
///
///          So where intervals end follows from the time since the origin alone, and equal steps have equal intervals.
///          To merge totals of links exactly, the open interval of each longer level is added up beside the shortest
///          (tally.h); every level costs 1 / INTERVALS_MERGED of the one below: a third in all.
/// Limits.  Only what lies at or after the origin can be asked for.
#ifndef COLOSSIM_ENGINE_INTERVALS_H
#define COLOSSIM_ENGINE_INTERVALS_H

#include <stdbool.h>
#include <stdint.h>

enum { INTERVALS_MERGED = 4, INTERVALS_LEVELS = 32 };

typedef struct Intervals {
    int64_t width_ps; ///< of the shortest; 0: there are none
    int64_t most;     ///< a multiple of INTERVALS_MERGED; 0: no bound, all are equally wide
    int64_t origin_ps;
} Intervals;

/// Bound for so many wanted: twice as many, rounded down to what can be merged.
static inline int64_t intervals_bound(int64_t wanted) {
    int64_t groups = 2 * wanted / INTERVALS_MERGED;
    return INTERVALS_MERGED * (groups > 0 ? groups : 1);
}

/// So many wanted of a step of about estimate_ps: the width is the 1-2-5 value nearest above their quotient.
static inline Intervals intervals_for(int64_t estimate_ps, int64_t wanted) {
    static const int64_t MANTISSA[] = {1, 2, 5};
    int64_t decade_ps = 1;
    int32_t i = 0;
    while (MANTISSA[i] * decade_ps < estimate_ps / wanted) {
        i = (i + 1) % 3;
        if (i == 0) decade_ps *= 10;
    }
    return (Intervals){.width_ps = MANTISSA[i] * decade_ps, .most = intervals_bound(wanted)};
}

/// Width on a level; INT64_MAX where it does not fit.
static inline int64_t intervals_width_ps(const Intervals *intervals, int32_t level) {
    int64_t width_ps = intervals->width_ps;
    for (; level > 0; level--) {
        if (width_ps > INT64_MAX / INTERVALS_MERGED) return INT64_MAX;
        width_ps *= INTERVALS_MERGED;
    }
    return width_ps;
}

/// Level of the interval that a moment lies in, or is the end of: of all that have ended by a cut there.
static inline int32_t intervals_level(const Intervals *intervals, int64_t time_ps) {
    int64_t since_ps = time_ps - intervals->origin_ps, width_ps = intervals->width_ps;
    int32_t level = 0;
    while (intervals->most > 0 && since_ps > 0 && (since_ps - 1) / width_ps >= intervals->most) {
        width_ps *= INTERVALS_MERGED; // fits: less than since_ps
        level++;
    }
    return level;
}

/// How many have ended by a moment at which all end, on its level.
static inline int64_t intervals_number(const Intervals *intervals, int64_t time_ps) {
    int64_t since_ps = time_ps - intervals->origin_ps;
    int64_t width_ps = intervals_width_ps(intervals, intervals_level(intervals, time_ps));
    return since_ps / width_ps + (since_ps % width_ps > 0);
}

/// The first end of an interval behind a moment; INT64_MAX where it does not fit.
static inline int64_t intervals_next_ps(const Intervals *intervals, int64_t time_ps) {
    int64_t since_ps = time_ps - intervals->origin_ps;
    int64_t width_ps = intervals_width_ps(intervals, intervals_level(intervals, time_ps + 1));
    int64_t left_ps = width_ps - since_ps % width_ps;
    return left_ps > INT64_MAX - time_ps ? INT64_MAX : time_ps + left_ps;
}

/// Does one end, and the next begin, at this moment?
static inline bool intervals_meet_at(const Intervals *intervals, int64_t time_ps) {
    int64_t width_ps = intervals_width_ps(intervals, intervals_level(intervals, time_ps));
    return (time_ps - intervals->origin_ps) % width_ps == 0;
}

/// Name of the interval `number` (from 0, since the origin) of a level, and what it names.
static inline int64_t intervals_name(int32_t level, int64_t number) {
    return number * INTERVALS_LEVELS + level;
}
static inline int32_t intervals_level_of(int64_t name) {
    return (int32_t)(name % INTERVALS_LEVELS);
}
static inline int64_t intervals_number_of(int64_t name) { return name / INTERVALS_LEVELS; }

#endif
