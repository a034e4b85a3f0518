/// h5.h: the few things trace/ needs of HDF5, every return checked; h5.c alone includes hdf5.h.
///
/// Idea.    An H5File is open either by one process with the serial driver (making the structure) or by all
///          ranks with MPI-IO (filling it). In the second state every function is MPI-collective with
///          equal arguments, but for the selections and data of h5_write.
/// Source.  What each setting avoids was tried with HDF5 1.10.8, see the comments in h5.c.
#ifndef COLOSSIM_TRACE_H5_H
#define COLOSSIM_TRACE_H5_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "par/comm.h"
#include "trace/schema.h"

typedef struct H5File H5File;
typedef int64_t H5Set; ///< an open dataset (hid_t)

/// Layout of a dataset.
typedef struct H5Shape {
    int rank; ///< 0 .. TRACE_RANK_MAX; 0 is a scalar
    int64_t size[TRACE_RANK_MAX];
    bool grows;                    ///< first axis is unlimited
    int64_t chunk[TRACE_RANK_MAX]; ///< all 0: contiguous
    int gzip;                      ///< 0: no filter
} H5Shape;

/// Fill an empty file, serial driver; `said` is its name in messages. MPI: local.
Status h5_create(const char *path, const char *said, H5File **file);
/// Open a file for writing, MPI-IO driver. MPI: collective.
Status h5_open(const char *path, const char *said, const Comm *comm, H5File **file);
/// Whether the root of a file has text `name` that begins with `begin`; fails if not, or if another program writes the
/// file. MPI: local.
Status h5_check_root(const char *path, const char *said, const char *name, const char *begin);
/// Change a text of the root of a file that is closed, or that H5Files have open but will not close: after a failure of
/// one, the serial driver still reaches what was flushed. The file is cut to its length. MPI: local.
Status h5_mend_root(const char *path, const char *name, const char *text);
/// Close; every H5Set must have been closed. *file becomes NULL; NULL is legal.
Status h5_close(H5File **file);
/// Bring everything written so far to the file system.
Status h5_flush(H5File *file);

/// Structure; serial driver only.
Status h5_make_group(H5File *file, const char *path);
/// `fill` points at one element of `type`; not used for TRACE_TEXT.
Status h5_make_dataset(H5File *file, const char *path, TraceType type, const H5Shape *shape,
                       const void *fill);
/// One more name, `link`, of what is at `path`.
Status h5_make_link(H5File *file, const char *path, const char *link);
/// Make a dataset a dimension scale, and attach a scale to axis `i` of a dataset.
Status h5_make_scale(H5File *file, const char *path, const char *name);
Status h5_attach_scale(H5File *file, const char *path, int i, const char *scale);
/// Fill a one-dimensional TRACE_TEXT dataset.
Status h5_put_texts(H5File *file, const char *path, const char *const text[], int64_t n);

/// Attributes; text may have any length. (Parallel HDF5 writes no variable-length *data*; attributes are metadata,
/// which all ranks write alike.)
Status h5_attribute_text(H5File *file, const char *path, const char *name, const char *text);
Status h5_attribute_texts(H5File *file, const char *path, const char *name,
                          const char *const text[], int n);
/// n = 0: scalar.
Status h5_attribute(H5File *file, const char *path, const char *name, TraceType type, int n,
                    const void *values);

/// Data. A selection of nothing (any n[i] = 0) takes part in the collective write. A scalar has rank 0, and
/// n[0] = 1 where it is written from.
Status h5_open_set(H5File *file, const char *path, H5Set *set);
Status h5_close_set(H5File *file, H5Set set);
Status h5_extend(H5File *file, H5Set set, const H5Shape *shape, int64_t rows);
Status h5_write(H5File *file, H5Set set, TraceType type, int rank, const int64_t first[],
                const int64_t n[], const void *data);

/// Open a file for reading, serial driver, also while a run writes it. MPI: local, as the two below.
Status h5_open_to_read(const char *path, const char *said, H5File **file);
/// A text attribute, owned, of strlen + 1 bytes labelled "trace"; NULL: there is none.
char *h5_read_text(H5File *file, const char *path, const char *name);
/// The first n elements of a one-dimensional dataset, or a scalar, into data[n].
Status h5_read(H5File *file, const char *path, TraceType type, int64_t n, void *data);

/// Files that this process has open, those included that could not be closed. MPI: local.
int64_t h5_open_files(void);

/// "1.10.8". Returns `text`.
const char *h5_version(char text[32]);

#endif
