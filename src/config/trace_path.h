/// trace_path.h: where the trace of a run goes.
///
/// Idea.    The command line (`--output`, `--set trace.path`) may say any place. A file may be somebody else's: its
///          `trace.path` and the names of topology and job stay below output/, which is made where it is missing.
///          The default name holds all jobs and the settings, so that runs that differ in one, or in the seed, do not
///          replace each other.
#ifndef COLOSSIM_CONFIG_TRACE_PATH_H
#define COLOSSIM_CONFIG_TRACE_PATH_H

#include "config/cross_check.h"

/// Resolve `trace.path` of the first job; errors are reported at the key.   MPI: local.
void trace_path_resolve(Reader *reader, const CrossCheck *files);

#endif
