/// play.h: plays a run from its spec to its trace.
#ifndef COLOSSIM_APP_PLAY_H
#define COLOSSIM_APP_PLAY_H

#include <stdio.h>

#include "driver/run_spec.h"
#include "par/comm.h"

typedef struct DriverOptions {
    const char *command_line; ///< goes into /run of the trace
    const volatile int *stop; ///< flag of driver/fabric.h, or NULL
    FILE *table;              ///< final table, rank 0; NULL: none
    FILE *json;               ///< members of a JSON object (report.h), rank 0; NULL: none
    FILE *object;             ///< the whole object, rank 0; NULL: none
    FILE *progress;           ///< progress lines, rank 0; NULL: none
    bool memory;              ///< print bytes by label at the end
} DriverOptions;

/// MPI: collective over `comm`.
///   Fails: what the job, the engine or the trace fails with; STATUS_STUCK says who waits for what.
Status driver_run(const RunSpec *run, Comm *comm, const DriverOptions *options);

#endif
