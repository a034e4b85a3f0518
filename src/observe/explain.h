/// explain.h: why a step takes as long as it does: its critical path, and what it would take otherwise.
///
/// Idea.    What the machine has logged of one step is a graph (replay.h). Back from the operation that ended last, each
///          time to what ended when it began, is the critical path: its operations follow each other without a gap. With
///          each of the changes that change.h lists the graph is worked off again, twice: once from where units began the
///          step, and once from where that would have let them end it, so that what is won at the end of a step and
///          what is lost again at the begin of the next both count.
/// Limits.  One step of a job. Of operations that ended at the same moment the path takes one (replay_cause).
#ifndef COLOSSIM_OBSERVE_EXPLAIN_H
#define COLOSSIM_OBSERVE_EXPLAIN_H

#include "observe/change.h"
#include "trace/trace.h"

typedef ARRAY_OF(TraceSegment) Segments;

typedef struct Explained {
    Segments path;                ///< rank 0 only, in the order of time
    int64_t step_ps[CHANGES_MAX]; ///< of changes_list; TRACE_NONE: it cannot be
} Explained;

/// Has a machine logged this step?
static inline bool explain_wanted(const Machine *machine, int32_t step) {
    return machine->path_log && machine->path_log->step == step;
}
/// Of a step that is over and took so long.  MPI: collective.
void explain_step(Machine *machine, int64_t duration_ps, Explained *explained);
void explained_free(Explained *explained);

#endif
