/// step_dist.h: plays a training job: one moment after the other, steps.
///
/// Idea.    Rank 0 has all units; the others wait, asleep, for the end of each step, which all write together. Where
///          replicas are islands (dataflow.h) all ranks play.
/// Limits.  More ranks make no moment shorter: exact sharing of links is one system.
#ifndef COLOSSIM_DRIVER_STEP_DIST_H
#define COLOSSIM_DRIVER_STEP_DIST_H

#include "driver/machine.h"

/// Called on all ranks together when all units have ended step `step` (results in machine->result), with the job-wide
/// end of the step.
typedef Status (*StepDone)(void *context, Machine *machine, int32_t step);

/// Play all steps; `stop` (may be NULL) is polled, and the run ends after the step in which any rank sees it set.
///   MPI: collective over machine->comm.
///   Fails: STATUS_STUCK saying who waits for what; STATUS_NO_PATH; what `done` returns; STATUS_STOPPED.
Status step_play(Machine *machine, StepDone done, void *context, const volatile int *stop);
/// Say who waits for what, when nothing is under way any more.  MPI: collective.
Status step_stuck(Machine *machine);

#endif
