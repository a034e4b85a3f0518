/// job_costs.h: what jobs on one fabric cost each other, by tier: of a step for the trace, of the run for the report.
///
/// Idea.    The engine tells of each link what the transfers of a step lost there, by the job whose transfers cost it
///          (engine.h, "Who costs whom"); a step is one job's. So a step gives a row of the matrix, and the rows of a job's
///          steps sum to what the job lost in the run:
///
///                          culprit 0   1   2
///              victim 0          [ o   x   x ]   o: what a job's transfers cost each other
///              victim 1          [ x   o   x ]   x: what another job costs it
///              victim 2          [ x   x   o ]   row: what its transfers lost in all (/links/delay_ps)
/// Limits.  Time of transfers, not of steps: what is hidden behind work costs no step, and a step may wait for one of many.
///          Known to the rank that plays: several jobs are played by one (player/moments.h).
#ifndef COLOSSIM_OBSERVE_JOB_COSTS_H
#define COLOSSIM_OBSERVE_JOB_COSTS_H

#include "base/wide.h"
#include "driver/run_spec.h"
#include "trace/trace.h"

/// Zero-initialise to use.
typedef struct JobCosts {
    Wide total_ps[RUN_JOBS_MAX][RUN_JOBS_MAX][TRACE_TIERS_MAX]; ///< [victim][culprit][tier]
} JobCosts;

/// Of a step of the job `victim`, which the engine keeps under `step`; the totals grow by it.
///   delay_ps[njobs][ntiers][TRACE_DIRECTIONS]  zeroed; out, by culprit
void job_costs_take(JobCosts *costs, const Cluster *cluster, const EngineOps *ops,
                    const Engine *engine, int32_t step, int32_t victim, int32_t njobs,
                    Wide delay_ps[]);

#endif
