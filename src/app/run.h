/// run.h: `colossim run`: load, play, report.
#ifndef COLOSSIM_APP_RUN_H
#define COLOSSIM_APP_RUN_H

#include "app/cli.h"
#include "par/comm.h"

/// Initialises and finalises MPI. Returns the exit code of the process. A command that needs no MPI only sees whether all
/// processes have been told the same: those that were told to run would wait for it.
int run_command(const CommandLine *line);

/// Start MPI for plays of this process, and end it: the one place that does.
///   writes  a trace may be written
///   MPI: collective.
Comm *run_begin(bool writes);
void run_end(Comm *comm);

#endif
