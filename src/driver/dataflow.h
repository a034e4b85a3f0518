/// dataflow.h: the loop over windows of time for a job that falls into islands.
///
/// Idea.    island.h. A window ends at the next event of a collective, at the end of a sampling interval, or after a
///          width that adapts to how far windows get; then what happens at that moment is played in the order of
///          step_dist.h. Widths and the number of ranks change no result.
#ifndef COLOSSIM_DRIVER_DATAFLOW_H
#define COLOSSIM_DRIVER_DATAFLOW_H

#include "driver/island.h"
#include "driver/step_dist.h"

/// As step_play, for a machine with islands.
///   MPI: collective over machine->comm.  Fails: as step_play.
Status dataflow_play(Machine *machine, StepDone done, void *context, const volatile int *stop);

#endif
