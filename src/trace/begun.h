/// begun.h: what a run that did not end has left in its trace.
///
/// Idea.    A trace holds the files its run was configured from, and a fingerprint of each committed step. So a run can be
///          played again from its trace alone, and each step be held against the one that was there.
/// Limits.  Written by this program; files that were inputs and are not UTF-8 text without NUL are not kept whole by HDF5.
#ifndef COLOSSIM_TRACE_BEGUN_H
#define COLOSSIM_TRACE_BEGUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { TRACE_BEGUN_SOURCES_MAX = 64 };

/// Texts are owned and end in NUL.
typedef struct TraceBegun {
    char *status;    ///< "running", "stopped", "failed" or "complete"
    char *commit;    ///< of the program that wrote it
    char *arguments; ///< lines: share folder, topology, jobs
    char *path[TRACE_BEGUN_SOURCES_MAX], *text[TRACE_BEGUN_SOURCES_MAX];
    int32_t nsources;
    int64_t committed;
    uint64_t *fingerprint; ///< [committed]
} TraceBegun;

/// Read the trace at `path`. Fails with STATUS_INPUT if it is none, or does not say what its run was.
///   MPI: local.
Status trace_begun_read(const char *path, TraceBegun *begun);
void trace_begun_fini(TraceBegun *begun);

#endif
