/// bound.h: what is known of a training job without playing it: the memory it takes, and a time that no step of it is below.
///
/// Idea.    The bound is the step on an ideal fabric (schedule/ideal.h), with the computing of the quickest of the job's GPUs at
///          the least that noise and drawn experts leave of its time. What layers exchange inside a scale-up domain (tensors,
///          contexts) is priced, not played, and counts as computing. A gather or reduction of b bytes among n GPUs takes what
///          has to go through NICs, whatever the algorithm: of n members a domain has at most p, so that (n - p) / n of the bytes
///          come into it (or leave it, as sums) for each group that it has GPUs of, d / p of them, by its d NICs:
///              (n - p) / n * b / p at the rate of a NIC
///          With p the domain over tp, whose ranks are of other groups (for experts the whole domain). Messages between
///          stages and exchanges of experts that are played take nothing. Of a topology only GPUs, domains and NICs are
///          in it: neither routing nor placement moves it.
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
