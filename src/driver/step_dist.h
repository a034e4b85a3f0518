/// step_dist.h: plays a training job on all MPI ranks: time windows, exchanges, steps.
///
/// Idea.    All that happens before M + lookahead, where M is the earliest pending event anywhere, can be played by every
///          rank alone: what it causes elsewhere takes at least the lookahead (launch and path latency of a message, launch
///          of a collective). At the end of a window wires are exchanged until none is under way; the header of the last,
///          quiet exchange carries each rank's next event and its finished steps, so that agreeing costs no message of its
///          own, and windows in which nothing happens are skipped.
/// Limits.  Every rank talks to every rank once a window.
/// Source.  Conservative windows: Nicol, "The cost of conservative synchronization in parallel discrete event
///          simulation", JACM 1993.
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
