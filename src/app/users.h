/// users.h: `colossim users TRACE.h5 LINK...`: who sends what over links of a run, told from its trace.
///
/// Idea.    Which flows cross a link follows from placement, programs and hashes alone, and the trace holds the files of its run
///          as they were read. So of any link, also of one that the run was not asked to keep, it can be said without a run
///          who uses it and what for: jobs are built as for a run, and their edges routed once (observe/crossing.h). Links
///          are named as in `trace.links`.
/// Limits.  What one step sends, and not when: that is in /collectives and, of links that were chosen, in /intervals. Routes are
///          those of the begin of the run, before any event. By the same commit of the program; one process.
#ifndef COLOSSIM_APP_USERS_H
#define COLOSSIM_APP_USERS_H

#include "app/cli.h"

/// Returns the exit code.
int users_command(const CommandLine *line);

#endif
