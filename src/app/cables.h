/// cables.h: `colossim show TOPOLOGY --cables FILE|-`: every cable of a machine, in a file that fabric.cables reads.
///
/// Idea.    The list is made apart and moved when it is whole. A file that is there already stays as it is: it may be a list
///          that somebody drew.
#ifndef COLOSSIM_APP_CABLES_H
#define COLOSSIM_APP_CABLES_H

#include "app/cli.h"

/// Returns the exit code: 0, 2 if the topology is wrong or too large for a list, 3 if the file cannot be written.
///   MPI: local (rank 0 only).
int cables_command(const CommandLine *line);

#endif
