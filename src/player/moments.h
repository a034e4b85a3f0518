/// moments.h: the loop over moments: all jobs of a fabric, one moment after the other, on rank 0.
///
/// Idea.    The earliest event of the engine and of all jobs is the next moment. In it transfers end and begin, their jobs
///          are told, then jobs do what is due, until nothing of the moment is left. A step that has ended is told by
///          all ranks together, before time goes on. The other ranks wait for that, asleep.
/// Limits.  More ranks make no moment shorter: exact sharing of links is one system.
#ifndef COLOSSIM_PLAYER_MOMENTS_H
#define COLOSSIM_PLAYER_MOMENTS_H

#include "player/job.h"

/// Play job[n] of one fabric to their ends. The fabric's `stop` is polled (driver/stop.h): rank 0 leaves a step where it
/// sees STOP_NOW, and the run ends after the step in which any rank sees it set.
///   MPI: collective over the fabric's communicator.
///   Fails: what a job fails with; STATUS_STUCK saying who waits for what; STATUS_STOPPED.
Status moments_play(Job *const job[], int32_t n);

#endif
