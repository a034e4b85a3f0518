/// slab.h: the state of an open trace, and how its ranks write slabs of a column together.
///
/// Idea.    Private to trace.c, trace_links.c and trace_power.c. A function that fails on one rank goes on
///          taking part in the collective calls that follow (slab_keep) and the ranks agree at its end (slab_leave).
#ifndef COLOSSIM_TRACE_SLAB_H
#define COLOSSIM_TRACE_SLAB_H

#include "trace/columns.h"
#include "trace/draft.h"
#include "trace/h5.h"
#include "trace/trace.h"

/// Elements of an array whose length is known here: columns of a table.
#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

struct Trace {
    const Comm *comm;
    TraceInfo info; // of its pointers `path` and `begun` alone are used after trace_create
    Draft *draft;   // rank 0's; NULL elsewhere
    H5File *file;
    H5Set set[TRACE_DATASET_N], label[TRACE_AXIS_N]; // -1: not in this file
    H5Shape shape[TRACE_DATASET_N];
    int64_t rows[TRACE_AXIS_N];              // of growing axes
    int64_t step, committed;                 // steps begun; steps in the file for good
    bool open;                               // the last of them has no row in /steps yet
    bool failed;                             // the file may no longer be written to
    double start_s, commit_s, last_commit_s; // wall
    int64_t uncommitted;                     // rows of all axes since the last
};

/// Keep the first failure, and go on: the other ranks are waiting in the next collective call.
void slab_keep(Status *first, Status next);
/// All ranks leave a function of this module with the same status.   MPI: collective.
Status slab_leave(Trace *trace, Status status);
bool slab_on_root(const Trace *trace);

/// Write rows[n], `stride` bytes apart, at [first, first + n) of axis number `axis_index` of a column: 0 (a
/// table, or static), or 1 of the open step; every other axis in full.   MPI: collective.
Status slab_write_column(Trace *trace, const Column *column, const void *rows, size_t stride,
                         int axis_index, int64_t first, int64_t n);
/// Write what is packed already, in the type of the dataset; axes as slab_write_column.   MPI: collective.
Status slab_write_packed(Trace *trace, TraceDataset dataset, int axis_index, int64_t first,
                         int64_t n, const void *packed);
/// As slab_write_column for several columns of one struct; those that this file lacks are skipped.
Status slab_write_columns(Trace *trace, const Column column[], int ncolumns, const void *rows,
                          size_t stride, int axis_index, int64_t first, int64_t n);
/// Write what is packed already into rows [first, first + n) of a growing dataset, from rank 0 alone.
///   MPI: collective.
Status slab_write_rows(Trace *trace, TraceDataset dataset, int64_t first, int64_t n,
                       const void *data);
/// Every dataset along a growing axis gets n more rows of fill values, and its labels. All ranks get the same
/// status.   MPI: collective.   Fails: STATUS_OUTPUT, also if the file system has no room.
Status slab_grow(Trace *trace, TraceAxis axis, int64_t n);
/// Append this rank's rows of the open step, behind those of the ranks before, to a table: their columns, and in dataset
/// `step` its number. *first is where they stand. Where there is no room trace->failed is set, on all ranks, and nothing may
/// follow.   MPI: collective.
Status slab_append_rows(Trace *trace, TraceAxis axis, TraceDataset step, const Column column[],
                        int ncolumns, const void *rows, size_t stride, int64_t n, int64_t *first);

#endif
