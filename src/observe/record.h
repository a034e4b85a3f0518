/// record.h: what the driver tells the trace, and what the final table is made of.
///
/// Idea.    A recorder owns the open trace and the sampling intervals that wait for their step (sampling.h), which do not
///          depend on windows or ranks. Each rank sums the links that its transfers load; rank 0 merges the sums and writes.
///          Steps whose intervals and hot links are those of the step before refer to that, whether they were played or told.
#ifndef COLOSSIM_OBSERVE_RECORD_H
#define COLOSSIM_OBSERVE_RECORD_H

#include "driver/machine.h"
#include "observe/crossing.h"
#include "observe/footprint.h"
#include "observe/passes.h"
#include "observe/power_step.h"
#include "observe/record_timeline.h"
#include "observe/sampling.h"
#include "player/traffic_run.h"
#include "trace/trace.h"

/// One step for the report; times in ps, means over GPUs of the job.
/// Flows of a repetition of traffic: their goodput (bytes over the time from start to end) and completion times.
typedef struct FlowSpread {
    int64_t n; ///< 0: no flows
    double mean_Bps, least_Bps;
    int64_t median_ps, high_ps, most_ps; ///< high: 99 of 100 flows took no longer
} FlowSpread;

/// What is told of the first and of the last step of a job alone: rank 0 only.
typedef struct StepDetail {
    PassTimes pass;                   ///< all 0: not told apart
    double delay_ps[TRACE_TIERS_MAX]; ///< both directions
    double utilisation_max[TRACE_TIERS_MAX];
    TracePort port[TRACE_TIERS_MAX]; ///< both directions, all ports; queue_mean is not set
    char hottest[TRACE_NAME_CHARS];
    double hottest_utilisation;
    int64_t hottest_delay_ps, hottest_width;
} StepDetail;

/// There may be a million of them.
typedef struct StepSummary {
    TraceStep row;
    StepDetail *detail; ///< of the recorder: of the first step of its job, or of the last so far
    const CertaintyClass *certainty; ///< published runs like it; NULL: none. Training only
    const char *collective, *algorithm, *protocol; ///< of traffic that is one; NULL: none
    double algorithm_Bps, bus_Bps;                 ///< of it, as nccl-tests count
    FlowSpread flows;                              ///< rank 0 only, of the first repetition
} StepSummary;

/// The links of a step. Of the last step whose intervals and hot links stand in the file, to be compared with those that
/// follow, or told again: rank 0 has it whole.
typedef struct StepLinks {
    int64_t step; ///< row of /steps
    TraceLoad load;
    TraceHotLink *hot;     ///< [hot_links] that `load` borrows
    LoadRows whole;        ///< one row, whose chosen links `load` borrows, too
    TraceLinkUsers *users; ///< [chosen] of these, likewise; NULL: none are chosen
    LoadRows intervals;
} StepLinks;

typedef struct Recorder {
    const Fabric *fabric; ///< borrowed
    Trace *trace;
    ChosenLinks chosen;
    LoadAdder adder; ///< `divided`: all ranks play, and have loads; else rank 0 alone
    Sampling sampling;
    int64_t last_end_ps[RUN_JOBS_MAX]; ///< of each job
    int64_t committed;                 ///< steps that are in the file for good
    int64_t nrepeated;                 ///< that were told, not played
    bool keeps;     ///< keep the totals of the step that is being written in the engine
    int32_t played; ///< number of these totals (fabric_step)
    StepLinks stands;
    int64_t cycle_begin_ps;      ///< of the step that is being written
    TraceCollective *collective; ///< [ncollectives] of the last step that was played
    int64_t ncollectives;
    ARRAY_OF(StepSummary) step;
    StepDetail detail[RUN_JOBS_MAX][2]; ///< of each job: its first step, its last one
    /// What jobs cost each other in the run (engine.h, "Who costs whom"), by [victim][culprit][tier]: a step is one job's, so
    /// it adds to a row of the matrix. Time of transfers, not of steps: what is hidden behind work costs no step. Of rank 0,
    /// with several jobs
    Wide cost_ps[RUN_JOBS_MAX][RUN_JOBS_MAX][TRACE_TIERS_MAX];
    StepTimeline timeline[RUN_JOBS_MAX];
    TracePower power[RUN_JOBS_MAX]; ///< of the last step of each job; rank 0 only
    Footprint footprint;            ///< counts, set before the engine is destroyed
} Recorder;

static inline bool recorder_has_loads(const Recorder *recorder) {
    return recorder->adder.divided || recorder->fabric->rank == 0;
}

/// Events of a cluster by time, as columns of /events; returns how many.
int32_t record_list_events(const ClusterSpec *spec, TraceEvent event[CLUSTER_EVENTS_MAX]);
/// Open the trace (none if the path is empty), let the engine put its intervals here, and write what is known before
/// the first step.
///   divided  several ranks play
///   MPI: collective.  Fails: STATUS_OUTPUT.
Status recorder_open(Recorder *recorder, bool divided, const char *command_line);
typedef struct RecordedJob {
    const Placement *placement;
    const Machine *machine; ///< NULL: of traffic
} RecordedJob;
/// Where GPUs are, and for which job they work.
///   job[njobs]  of the run
///   MPI: collective.
Status recorder_static_gpus(Recorder *recorder, const RecordedJob job[]);
/// The sampling intervals end now, here and in the engine, which stands there, and those of the next step begin.
/// MPI: local.
void recorder_cut_interval(Recorder *recorder, int64_t now_ps);
/// Write the links of a step and the intervals of the first cycle that is over (sampling.h); those of a step that is as
/// the last that stands in the file are not written again.
///   later_ps  > 0: the step is the one before (Recorder.keeps), so much later
///   crossing  names users of hot and chosen links, on rank 0
///   summary   where and when the step was; gets what is told of links
///   MPI: collective.  Fails: STATUS_OUTPUT; STATUS_FAILED where a sum passes what a trace can hold.
Status recorder_write_links(Recorder *recorder, int64_t later_ps, Crossing crossing,
                            const void *context, StepSummary *summary);
/// Write what the site drew in a step whose links are written.
///   later_ps  as there: the power is that of the job's step before
///   shapes[stages]  of a training job
///   MPI: collective.  Fails: STATUS_OUTPUT.
Status recorder_write_power(Recorder *recorder, int64_t later_ps, const PowerUse *use,
                            const PowerShapes shapes[], int32_t stages, const TraceStep *row);
void recorder_free_links(const Recorder *recorder, StepLinks *links);
/// Where details of a step go: nothing is in it yet.
StepDetail *recorder_detail(Recorder *recorder, int32_t job, int64_t step);
/// The last of a step: its row, of which where its links stand is filled in here. It is in the file for good.
/// MPI: collective.
Status recorder_end_step(Recorder *recorder, const StepSummary *summary);
/// MPI: collective.
///   reason  why it failed, or ""
Status recorder_close(Recorder *recorder, const char *status, const char *reason);

/// What a trace calls an operation.
TraceOperationKind record_operation(OpKind kind);
/// A step of a job has ended, or was told again (FabricListener.step).  MPI: collective.
Status record_training_step(Recorder *recorder, Machine *machine, int32_t step, int64_t later_ps);
Status record_traffic_step(Recorder *recorder, const TrafficRun *traffic, int64_t later_ps);

#endif
