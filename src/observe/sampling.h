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

#include "base/array.h"
#include "engine/engine.h"
#include "engine/intervals.h"
#include "observe/joint.h"
#include "observe/load.h"

/// Sums behind each other, in the order of time; each is of load_sum_bytes.
typedef struct LoadSums {
    LoadSum *first;
    int64_t n, capacity;
} LoadSums;

/// A cycle that is over.
typedef struct SampledCycle {
    int64_t begin_ps;
    LoadSums rows;
    JointList joint; ///< by row
} SampledCycle;

typedef struct Sampling {
    Intervals intervals; ///< of no width: none are kept
    int32_t hot_links;
    int64_t until_ps;                 ///< of the cycle that is being cut, else INT64_MAX
    LoadAdder *adder;                 ///< borrowed
    bool divided;                     ///< several ranks load the same links (joint.h)
    LoadSums level[INTERVALS_LEVELS]; ///< of the open cycle
    int32_t lowest;                   ///< level that may still become its rows
    JointList joint;                  ///< of the open cycle, by name
    ARRAY_OF(SampledCycle) over;      ///< that no step has taken
} Sampling;

void sampling_init(Sampling *sampling, Intervals intervals, int32_t hot_links, LoadAdder *adder,
                   bool divided);
void sampling_fini(Sampling *sampling);
/// What the engine's intervals go to.
LinkSink sampling_sink(Sampling *sampling);
/// The cycle ends at now_ps, where the engine stands, and the next begins.
void sampling_cut(Sampling *sampling, const EngineOps *ops, Engine *engine, int64_t now_ps);
/// The first cycle that is over; the caller frees its lists. There must be one.
SampledCycle sampling_take(Sampling *sampling);

static inline LoadSum *sums_at(const LoadSums *sums, int32_t hot_links, int64_t i) {
    return (LoadSum *)((char *)sums->first + (size_t)i * load_sum_bytes(hot_links));
}
void sums_free(LoadSums *sums, int32_t hot_links);

#endif
