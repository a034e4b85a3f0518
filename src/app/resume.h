/// resume.h: the run of a trace that did not end, once more and to its end.
///
/// Idea.    The trace holds the files of its run as they were read, so these are played, whatever stands in their places
///          now. Nothing of the state between two steps is kept: steps that were committed are played again, and each must
///          have the fingerprint that it had. The trace is replaced once as many steps are committed anew, so that nothing
///          is lost if this run does not end either; it ends as the first one would have, bit by bit, on any number of ranks.
/// Limits.  By the same commit of the program. It takes as long as the run did until it stopped. To pass over committed steps
///          the trace would have to hold what the next one begins with. Of one training job without packets that is little,
///          five clocks, which all units have in common behind the norm (player/repeat.h); but a recorder goes on with rows
///          of earlier steps (hot links, intervals and waves that steps have in common), which would have to be copied and
///          taken up. Several jobs, traffic beside them, and packets (queues, rates of senders) are never at rest between
///          steps, so that their state is that of the engine.
#ifndef COLOSSIM_APP_RESUME_H
#define COLOSSIM_APP_RESUME_H

#include "driver/run_spec.h"
#include "par/comm.h"
#include "trace/begun.h"

/// Load the run of the trace at `path` into `spec`, which borrows fingerprints of `begun`. Fails with STATUS_INPUT if it is
/// none, has ended, or is of another commit.
///   MPI: collective.
Status resume_load(const char *path, Comm *comm, TraceBegun *begun, RunSpec *spec);
/// Load the run of a trace, ended or not, to be looked at: with a setting more.
///   MPI: local.
Status resume_look(const char *path, const char *setting, TraceBegun *begun, RunSpec *spec);

#endif
