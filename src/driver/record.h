/// record.h: what the driver tells the trace, and what the final table is made of.
///
/// Idea.    A recorder owns the open trace and the sampling intervals that wait for their step. The rows of an interval
///          belong to the first step that ends after it, so that they do not depend on windows or ranks. Each rank sums
///          the links that its transfers load; rank 0 merges the sums and writes.
#ifndef COLOSSIM_DRIVER_RECORD_H
#define COLOSSIM_DRIVER_RECORD_H

#include "base/array.h"
#include "driver/footprint.h"
#include "driver/joint.h"
#include "driver/load.h"
#include "driver/machine.h"
#include "engine/engine_ops.h"
#include "engine/intervals.h"
#include "trace/trace.h"

/// Numbers of one step for the report; times in ps, means over GPUs of the job.
typedef struct StepSummary {
    int64_t start_ps, end_ps;
    double mean_part_ps[TRACE_PART_N];
    double tokens_per_s_gpu, mfu_full, mfu_causal;
    uint64_t fingerprint;
    int64_t delay_ps[TRACE_TIERS_MAX]; ///< rank 0 only, both directions
    double utilisation_max[TRACE_TIERS_MAX];
    char hottest[TRACE_NAME_CHARS];
    double hottest_utilisation;
    int64_t hottest_delay_ps, hottest_width;
} StepSummary;

/// What the trace was told of a step, for the next if that is the same: rank 0 has it whole.
typedef struct StepRows {
    int32_t step; ///< whose totals are in the engine still
    TraceLoad load;
    TraceHotLink *hot; ///< [hot_links] that `load` borrows
    TraceLoad *interval;
    TraceHotLink *interval_hot; ///< [nintervals * hot_links] that these borrow
    int64_t nintervals;
    TraceCollective *collective;
    int64_t ncollectives;
} StepRows;

typedef struct Recorder {
    const RunSpec *run;
    const Cluster *cluster;
    const EngineOps *ops;
    Engine *engine;
    Trace *trace;
    Comm *comm;
    LoadAdder adder;
    Intervals intervals;
    int64_t last_end_ps;
    int64_t committed; ///< steps that are in the file for good
    LoadSum *
        pending; ///< sums of this rank for intervals that wait for their step, one behind the other
    int64_t npending, pending_capacity, first_interval;
    bool divided;    ///< all ranks play, and have loads; else rank 0 alone
    JointList joint; ///< of pending intervals
    bool keeps;      ///< keep the rows of the step that is being written
    StepRows rows;
    ARRAY_OF(StepSummary) step;
    Footprint footprint; ///< counts, set before the engine is destroyed
} Recorder;

/// Sampling interval for a step of about estimate_ps: the 1-2-5 value nearest above estimate / intervals.
int64_t record_interval_ps(int64_t estimate_ps, int32_t intervals);

/// Open the trace (none if the path is empty), let the engine put its intervals here, and write what is known before the first step.
///   MPI: collective.  Fails: STATUS_OUTPUT.
Status recorder_open(Recorder *recorder, const RunSpec *run, const Cluster *cluster, Comm *comm,
                     int64_t interval_ps, const char *command_line);
/// Where GPUs are, and which of them work.  MPI: collective.
Status recorder_static_gpus(Recorder *recorder, const Placement *placement);
/// Move the engine to end_ps (`last`: to the end of the interval it is in), unless it is there.
/// MPI: local.
void recorder_finish_intervals(Recorder *recorder, int64_t end_ps, bool last);
/// The open sampling interval ends now, and the next begins; before the engine hears of it.  MPI: local.
void recorder_cut_interval(Recorder *recorder, int64_t now_ps);
/// Write the intervals that end by end_ps (`last`: that begin before it), and the links of `step`.
///   crossing  may be NULL; called on rank 0 to name the users of the hot links
///   MPI: collective.
typedef void (*Crossing)(const void *context, int32_t step, TraceHotLink hot[], int32_t n);
Status recorder_write_links(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                            bool last, Crossing crossing, const void *context,
                            StepSummary *summary);
/// Write the rows that were kept (Recorder.keeps), as much later, with the summary's numbers of links.  MPI: collective.
Status recorder_repeat_links(Recorder *recorder, int64_t later_ps, int64_t end_ps, bool last,
                             StepSummary *summary);
/// MPI: collective.
Status recorder_close(Recorder *recorder, const char *status);

/// StepDone of a training job, also of a step that is repeated; context is the Recorder.
Status record_training_step(void *context, Machine *machine, int32_t step);

#endif
