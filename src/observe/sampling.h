/// sampling.h: sums of this rank's links over sampling intervals, from the engine to the step they belong to.
///
/// Idea.    What lies between two cuts is a cycle: a training step from gradient norm to gradient norm, a repetition of
///          traffic. All that a step moves lies in its cycle, so the rows of a step are those of its cycle. While a cycle
///          is open, sums of every level of engine/intervals.h are kept that may still become its rows; at the cut one
///          level is taken. So a cycle costs at most 4/3 of the `most` of intervals.h, however long it lasts.
/// Limits.  Intervals are equally wide but for the last of a cycle, and without gaps inside it; behind the last cut there
///          are none.
#ifndef COLOSSIM_OBSERVE_SAMPLING_H
#define COLOSSIM_OBSERVE_SAMPLING_H

#include "engine/intervals.h"
#include "observe/rows.h"

typedef struct Sampling {
    Intervals intervals;              ///< of no width: none are kept
    int64_t until_ps;                 ///< of the cycle that is being cut, else INT64_MAX
    LoadAdder *adder;                 ///< borrowed
    LoadRows level[INTERVALS_LEVELS]; ///< of the open cycle
    int32_t lowest;                   ///< level that may still become its rows
    ARRAY_OF(LoadRows) over;          ///< cycles that no step has taken
} Sampling;

void sampling_init(Sampling *sampling, Intervals intervals, LoadAdder *adder);
void sampling_fini(Sampling *sampling);
/// What the engine's intervals go to.
LinkSink sampling_sink(Sampling *sampling);
/// The cycle ends at now_ps, where the engine stands, and the next begins.
void sampling_cut(Sampling *sampling, const EngineOps *ops, Engine *engine, int64_t now_ps);
/// The first cycle that is over; the caller frees its rows. There must be one.
LoadRows sampling_take(Sampling *sampling);

#endif
