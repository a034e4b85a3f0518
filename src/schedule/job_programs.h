/// job_programs.h: the programs of a training job, one a pipeline stage.
///
/// Idea.    What a schedule asks for (schedule.h) follows from the keys of the job and from what its layers cost: buckets from
///          parameters, segments where parameters are sharded or experts exchange.
#ifndef COLOSSIM_SCHEDULE_JOB_PROGRAMS_H
#define COLOSSIM_SCHEDULE_JOB_PROGRAMS_H

#include "program/program.h"
#include "workload/cost.h"

/// Build them, and check that what is sent is received.
///   program[cost->pp]  zeroed; program_fini each, also after a failure
///   Fails: STATUS_RANGE as schedule_slots.
Status job_programs(const ModelSpec *model, const ParallelSpec *parallel,
                    const TrainingSpec *training, const StepCost *cost, Program program[]);

#endif
