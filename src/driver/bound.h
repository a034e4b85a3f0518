/// bound.h: what is known of a training job without playing it: the memory it takes, and a time that no step of it is below.
///
/// Idea.    The bound is the step on a fabric that moves everything at once (schedule/ideal.h), with the computing of the
///          quickest of the job's GPUs at the least that noise and drawn experts leave of its time. What layers exchange inside a
///          scale-up domain (tensors, contexts) is priced, not played, and counts as computing; exchanges of experts that are
///          played do not. Nothing of a topology but its GPUs and scale-up domains is in it: neither routing nor placement
///          moves it.
/// Limits.  Where replicas compute unequal shares of the batch the bound is 0: none.
#ifndef COLOSSIM_DRIVER_BOUND_H
#define COLOSSIM_DRIVER_BOUND_H

#include "driver/run_spec.h"
#include "workload/cost.h"

typedef struct StepBound {
    int64_t least_ps;     ///< but for rounding, half a picosecond an operation
    MemoryUse memory;     ///< of the stage that leaves least of its GPUs' memory ...
    int64_t memory_bytes; ///< ... of which they have so much
    int32_t stage;
    double tokens; ///< of a step
} StepBound;

/// What a step of a job takes at least.
///   run  loaded, so that the job fits the cluster
///   Fails: STATUS_RANGE (its schedule cannot deal the microbatches; it is no training job).
///   MPI: local.
Status bound_step(const RunSpec *run, const JobSpec *job, StepBound *bound);

#endif
