/// record.h: what the driver tells the trace, and what the final table is made of.
///
/// Idea.    A recorder owns the open trace and the sampling intervals that wait for their step. The rows of an interval
///          belong to the first step that ends after it, so that they do not depend on windows or ranks. Each rank sums
///          its own links; rank 0 merges the sums and writes.
#ifndef COLOSSIM_DRIVER_RECORD_H
#define COLOSSIM_DRIVER_RECORD_H

#include "base/array.h"
#include "driver/footprint.h"
#include "driver/load.h"
#include "driver/machine.h"
#include "engine/engine_ops.h"
#include "trace/trace.h"

/// Numbers of one step for the report; times in ps, means over GPUs of the job.
typedef struct StepSummary {
    int64_t start_ps, end_ps;
    double mean_part_ps[TRACE_PART_N];
    double tokens_per_s_gpu, mfu_full, mfu_causal;
    uint64_t fingerprint;
    int64_t lost_bytes[TRACE_TIERS_MAX]; ///< rank 0 only, both directions
    double utilisation_max[TRACE_TIERS_MAX];
    char hottest[TRACE_NAME_CHARS];
    double hottest_utilisation;
    int64_t hottest_lost_bytes;
} StepSummary;

typedef struct Recorder {
    const RunSpec *run;
    const Cluster *cluster;
    const EngineOps *ops;
    Engine *engine;
    Trace *trace;
    Comm *comm;
    LoadOwner owner;
    LoadAdder adder;
    int64_t interval_ps, last_end_ps;
    int64_t committed; ///< steps that are in the file for good
    LoadSum *
        pending; ///< sums of this rank for intervals that wait for their step, one behind the other
    int64_t npending, pending_capacity, first_interval;
    ARRAY_OF(StepSummary) step;
    Footprint footprint; ///< counts, set before the engine is destroyed
} Recorder;

/// Sampling interval for a step of about estimate_ps: the 1-2-5 value nearest above estimate / intervals.
int64_t record_interval_ps(int64_t estimate_ps, int32_t intervals);

/// What links a rank sums; before anything is collected.  MPI: local.
void recorder_own(Recorder *recorder, const Cluster *cluster, Comm *comm, const Partition *nodes);
/// Open the trace (none if the path is empty), let the engine put its intervals here, and write what is known before the first step.
///   MPI: collective.  Fails: STATUS_OUTPUT.
Status recorder_open(Recorder *recorder, const RunSpec *run, const Cluster *cluster, Comm *comm,
                     int64_t interval_ps, const char *command_line);
/// Each rank's GPUs [first, first + n).  MPI: collective.
Status recorder_static_gpus(Recorder *recorder, int64_t first, int64_t n,
                            const Placement *placement);
/// Move the engine to end_ps (`last`: to the end of the interval it is in), unless it is there.
/// MPI: local.
void recorder_finish_intervals(Recorder *recorder, int64_t end_ps, bool last);
/// This rank's sum of a sampling interval that has not been written, for load_adder_into; NULL without a trace. Moves
/// when that of a later interval is asked for.  MPI: local.
LoadSum *recorder_interval_sum(Recorder *recorder, int64_t index);
/// Write the intervals that end by end_ps (`last`: that begin before it), and the links of `step`.
///   crossing  may be NULL; called on rank 0 to name the users of the hot links
///   MPI: collective.
typedef void (*Crossing)(const void *context, int32_t step, TraceHotLink hot[], int32_t n);
Status recorder_write_links(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                            bool last, Crossing crossing, const void *context,
                            StepSummary *summary);
/// MPI: collective.
Status recorder_close(Recorder *recorder, const char *status);

/// StepDone of a training job; context is the Recorder.
Status record_training_step(void *context, Machine *machine, int32_t step);

#endif
