/// ideal.h: what a step takes where what is sent takes the least time: no network makes it shorter.
///
/// Idea.    Each operation begins when its stream is free and the last of what it waits for has ended; computing, and
///          collectives among units of one stage, take their least time, a message ends when both of its ends are there, a
///          collective of several stages when all of them are. So ends are maxima of sums of these times: whatever takes longer,
///          computing that transfers slow, and members that come late can only raise them. The step of a run is never shorter
///          than this, whatever its fabric, its routing and where its GPUs are.
/// Limits.  One replica: all others do the same at the same time, and wait for each other at most longer.
#ifndef COLOSSIM_SCHEDULE_IDEAL_H
#define COLOSSIM_SCHEDULE_IDEAL_H

#include "program/program.h"

/// Least time of an operation that computes, or of a collective among units of a stage, >= 0.
typedef int64_t (*IdealTime)(const void *context, int32_t stage, const Op *op);

/// End of the last operation of a step that begins at 0.
///   program[pp]  finished, of all stages; they match (programs_check_matching)
///   MPI: local.  Cost: O(operations * streams), and a look at each stream of each stage for every time that stages hand over.
int64_t ideal_step_ps(const Program program[], int32_t pp, IdealTime time, const void *context);

#endif
