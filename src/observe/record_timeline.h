/// record_timeline.h: the operations of chosen GPUs in a step, from what their units noted (driver/timeline.h) to rows.
///
/// Idea.    Rows of a step say when in the step things were, and number collectives and rows within it. So steps that differ
///          in nothing have equal rows, which stand once in the file, whether the later ones were played or told.
/// Limits.  Rank 0 keeps the rows of two steps of each job: 250 bytes an operation of each chosen GPU.
#ifndef COLOSSIM_OBSERVE_RECORD_TIMELINE_H
#define COLOSSIM_OBSERVE_RECORD_TIMELINE_H

#include "driver/machine.h"
#include "trace/trace.h"

/// Rows as said above; of rank 0.
typedef struct TimelineRows {
    TraceOperation *at;
    int64_t n;
} TimelineRows;

/// Zero-initialise to use.
typedef struct StepTimeline {
    TimelineRows last;   ///< of the job's step that was played last
    TimelineRows stands; ///< of its step that was written last, ...
    bool any;            ///< ... if any was, ...
    int64_t step;        ///< ... and its row of /steps
} StepTimeline;

/// A step of a job that is open in the trace, before its collectives are written: write its rows where they stand in no
/// row before.
///   collective[n]  of the step, by start and group, on rank 0
///   told           it was not played, but is as the one before
///   *stands        out: the step whose rows are its; TRACE_NONE: it is not kept
///   MPI: collective.  Fails: STATUS_OUTPUT.
Status record_timeline(Trace *trace, StepTimeline *timeline, const Machine *machine,
                       const TraceStep *row, int64_t step, const CollectiveRow collective[],
                       int64_t n, bool told, int64_t *stands);
void record_timeline_free(StepTimeline *timeline);

#endif
