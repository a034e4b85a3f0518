/// skeleton.h: makes the empty file: groups, axes with their labels, datasets, attributes.
///
/// Idea.    Everything that parallel HDF5 cannot do (text of any length) or does slowly (structure) is done
///          here once, by rank 0 with the serial driver, from the tables of schema.h.
#ifndef COLOSSIM_TRACE_SKELETON_H
#define COLOSSIM_TRACE_SKELETON_H

#include "trace/h5.h"
#include "trace/trace.h"

enum { SKELETON_PATH_BYTES = 96 };

/// Whether a group or dataset exists in the file of this run.
bool skeleton_has(const TraceInfo *info, TraceWhen when);
/// Whether an axis is used by a dataset that exists.
bool skeleton_has_axis(const TraceInfo *info, TraceAxis axis);
/// Labels of an axis; 0 for one that grows.
int64_t skeleton_axis_size(const TraceInfo *info, TraceAxis axis);
/// "/group/name"; return `path`.
const char *skeleton_dataset_path(TraceDataset dataset, char path[SKELETON_PATH_BYTES]);
const char *skeleton_axis_path(TraceAxis axis, TraceGroup group, char path[SKELETON_PATH_BYTES]);
/// Size (first axis 0 if it grows), chunks and filter.
H5Shape skeleton_shape(const TraceInfo *info, TraceDataset dataset);
H5Shape skeleton_axis_shape(const TraceInfo *info, TraceAxis axis);
/// One element that means "no value".
typedef union TraceFill {
    int8_t i8;
    int32_t i32;
    int64_t i64;
    uint64_t u64;
    double f64;
    char c;
} TraceFill;
TraceFill skeleton_fill(TraceDataset dataset);

/// Make the file.   MPI: local, on rank 0.   Fails: STATUS_OUTPUT.
///   path        of the empty file that it becomes
///   nranks      for /run
Status skeleton_make(const TraceInfo *info, const char *path, int nranks);

#endif
