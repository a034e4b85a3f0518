/// run.h: `colossim run`: load, play, report; the only command that uses MPI.
#ifndef COLOSSIM_APP_RUN_H
#define COLOSSIM_APP_RUN_H

#include "app/cli.h"

/// Initialises and finalises MPI. Returns the exit code of the process.
int run_command(const CommandLine *line);

#endif
