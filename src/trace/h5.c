#include "trace/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "par/comm_mpi.h"

#ifndef H5_HAVE_PARALLEL
#error "This HDF5 was built without MPI (Debian: libhdf5-openmpi-dev)."
#endif

struct H5File {
    hid_t file;
    hid_t transfer;  // how data is written: collectively, if the file is open in parallel
    char path[1024]; // as messages say it
};

/// HDF5's own words for the cause: the first record of its error stack is the innermost.
static herr_t innermost_error(unsigned n, const H5E_error2_t *error, void *text) {
    if (n == 0 && error->desc) snprintf(text, 400, "%s", error->desc);
    return 0;
}

/// The same in fewer words: of "...: time = <date>, filename = ..., error message = 'No space left on device', ..."
/// what the system said.
static const char *cause_of_error(char cause[400]) {
    snprintf(cause, 400, "no cause given");
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost_error, cause);
    char *said = strstr(cause, "error message = '");
    if (said) {
        said += strlen("error message = '");
        said[strcspn(said, "'")] = '\0';
        return said;
    }
    cause[strcspn(cause, "\n")] = '\0';
    // MPI-IO keeps the reason to itself.
    return strcmp(cause, "file write failed") == 0 ? "file write failed (is the file system full?)"
                                                   : cause;
}

static Status h5_error(const char *path, const char *doing, const char *what) {
    char cause[400];
    FAIL(STATUS_OUTPUT, "%s: cannot %s %s: %s", path, doing, what, cause_of_error(cause));
}

/// Ask for it before the next call of HDF5, a closing one included: each forgets the reasons of the one before.
static Status h5_status(int64_t result, const char *path, const char *doing, const char *what) {
    return result < 0 ? h5_error(path, doing, what) : status_ok();
}

#define H5_TRY(call, file, doing, what) TRY(h5_status((call), (file)->path, (doing), (what)))

/// Bring an open dataset's name into the message; call it before the next HDF5 function.
static Status set_error(const H5File *file, H5Set set, const char *doing) {
    char cause[400], name[256] = "a dataset";
    const char *said = cause_of_error(cause);
    H5Iget_name(set, name, sizeof name);
    FAIL(STATUS_OUTPUT, "%s: cannot %s %s: %s", file->path, doing, name, said);
}

static hid_t type_of(TraceType type, bool in_file) {
    switch (type) {
        case TRACE_I8: return in_file ? H5T_STD_I8LE : H5T_NATIVE_INT8;
        case TRACE_I32: return in_file ? H5T_STD_I32LE : H5T_NATIVE_INT32;
        case TRACE_I64: return in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64;
        case TRACE_U64: return in_file ? H5T_STD_U64LE : H5T_NATIVE_UINT64;
        case TRACE_F64: return in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE;
        // One character an element is netCDF's char; longer fixed strings make netCDF-C 4.9.0 corrupt its heap.
        case TRACE_CHAR: return H5T_C_S1;
        case TRACE_TEXT: break;
    }
    return -1;
}

/// Variable-length (bytes = 0) or fixed UTF-8 text; to be closed.
static hid_t text_type(size_t bytes) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (H5Tset_size(type, bytes ? bytes : H5T_VARIABLE) < 0 ||
        H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

static H5File *new_file(const char *path) {
    H5dont_atexit();                       // see h5_close
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // we say it ourselves, once
    H5File *file = memory_alloc("trace.h5", sizeof *file);
    snprintf(file->path, sizeof file->path, "%s", path);
    file->file = -1;
    file->transfer = -1;
    return file;
}

static void free_file(H5File **file) {
    if ((*file)->transfer >= 0) H5Pclose((*file)->transfer);
    memory_free("trace.h5", *file, sizeof **file);
    *file = NULL;
}

Status h5_create(const char *path, const char *said, H5File **out) {
    H5File *file = new_file(said);
    file->transfer = H5Pcreate(H5P_DATASET_XFER);
    hid_t creation = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS);
    // Superblock 2 at most: no "open for write" flag that a kill would leave behind. netCDF-C wants
    // groups that remember the order of their links.
    H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_file_locking(access, false, true); // we hold a lock of our own: draft.h
    file->file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    Status status = h5_status(file->file, said, "create", "the file");
    H5Pclose(creation);
    H5Pclose(access);
    if (status_is_ok(&status))
        *out = file;
    else
        free_file(&file);
    return status;
}

/// Open MPI 4.1 opens a module for shared file pointers, which nobody uses here, with every file. Two of them write its path
/// into 256 bytes, or beyond; the third leaves files of its own where a run is killed, so only long paths are for it.
static void avoid_shared_pointers(const char *path) {
    enum { SHORT_BYTES = 200 };
    if (strlen(path) > SHORT_BYTES) setenv("OMPI_MCA_sharedfp", "individual", 0);
}

/// MPI-IO keeps the reason to itself, so each rank looks before whether it may.
static Status look_before_open(const char *path, const char *said, const Comm *comm) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    Status status = status_ok();
    if (file < 0)
        status = status_make(STATUS_OUTPUT, "%s: cannot be opened by rank %d: %s", said,
                             comm_rank(comm), strerror(errno));
    else
        close(file);
    return comm_agree(comm, status);
}

/// What changes the file reads metadata by broadcasts, and only those that HDF5 has not noted as read so. What ranks read
/// alone (chunks are looked up so: HDFGroup/hdf5 issue 1173) drives their caches apart, and once a cache makes room ranks
/// wait in broadcasts that do not match: HDF5 1.10.8 hung on 3 ranks, or failed after 2,000 steps (tried). So no cache
/// makes room: some 60 bytes a chunk of the file. For the same reason none writes between flushes because much has
/// changed: a run of two jobs hung so on 2 ranks, whose caches had come to 256 KiB at different moments.
static herr_t keep_metadata(hid_t access) {
    const size_t most_bytes = (size_t)128 << 20; // HDF5 takes no more
    H5AC_cache_config_t cache = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    H5Pget_mdc_config(access, &cache);
    cache.set_initial_size = true;
    cache.initial_size = cache.max_size = most_bytes;
    cache.incr_mode = H5C_incr__off;
    cache.flash_incr_mode = H5C_flash_incr__off;
    cache.decr_mode = H5C_decr__off;
    cache.dirty_bytes_threshold = most_bytes / 4; // nor more here
    return H5Pset_mdc_config(access, &cache);
}

Status h5_open(const char *path, const char *said, const Comm *comm, H5File **out) {
    avoid_shared_pointers(path);
    TRY(look_before_open(path, said, comm));
    H5File *file = new_file(said);
    file->transfer = H5Pcreate(H5P_DATASET_XFER);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
    H5Pset_fapl_mpio(access, comm_mpi(comm), MPI_INFO_NULL);
    H5Pset_coll_metadata_write(access, true);
    H5Pset_dxpl_mpio(file->transfer, H5FD_MPIO_COLLECTIVE); // filters accept nothing else
    // Below HDF5 every rank writes its own pieces, which are contiguous. Open MPI 4.1.4 (OMPIO, fcoll
    // vulcan) and ROMIO lose the error of a collective write: a run on a full disk would go on (tried).
    H5Pset_dxpl_mpio_collective_opt(file->transfer, H5FD_MPIO_INDIVIDUAL_IO);
    file->file = keep_metadata(access) < 0 ? -1 : H5Fopen(path, H5F_ACC_RDWR, access);
    Status status = h5_status(file->file, said, "open", "the file by all ranks");
    H5Pclose(access);
    if (status_is_ok(&status))
        *out = file;
    else
        free_file(&file);
    return status;
}

/// A text attribute, to be freed by H5free_memory; NULL: there is none. Texts are of variable length here.
static char *read_text(hid_t object, const char *name) {
    if (object < 0 || H5Aexists(object, name) <= 0) return NULL;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), type = text_type(0);
    hid_t stored = attribute < 0 ? -1 : H5Aget_type(attribute);
    char *value = NULL;
    if (stored >= 0 && H5Tis_variable_str(stored) > 0 && H5Aread(attribute, type, &value) < 0)
        value = NULL;
    if (stored >= 0) H5Tclose(stored);
    if (attribute >= 0) H5Aclose(attribute);
    H5Tclose(type);
    return value;
}

static const char NO_TRACE[] = "is there already and no trace: it stays as it is";

Status h5_check_root(const char *path, const char *said, const char *name, const char *begin) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    REQUIRE(H5Fis_hdf5(path) > 0, STATUS_OUTPUT, "%s: %s", said, NO_TRACE);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, true, true); // another program that writes it has locked it
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    Status status = h5_status(file, said, "replace", "what is there");
    H5Pclose(access);
    TRY(status);
    char *text = read_text(file, name);
    const bool good = text && strncmp(text, begin, strlen(begin)) == 0;
    H5free_memory(text);
    H5Fclose(file);
    REQUIRE(good, STATUS_OUTPUT, "%s: %s", said, NO_TRACE);
    return status_ok();
}

static Status rewrite_root(hid_t file, const char *said, const char *name, const char *text) {
    hid_t type = text_type(0);
    hid_t attribute = H5Aopen_by_name(file, "/", name, H5P_DEFAULT, H5P_DEFAULT);
    herr_t failed = attribute < 0 || type < 0 ? -1 : H5Awrite(attribute, type, &text);
    Status status = h5_status(failed, said, "write attribute", name);
    if (attribute >= 0) H5Aclose(attribute);
    if (type >= 0) H5Tclose(type);
    return status;
}

Status h5_mend_root(const char *path, const char *name, const char *text) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
    H5Pset_file_locking(access, false, true);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    Status status = h5_status(file, path, "open", "the file once more");
    H5Pclose(access);
    TRY(status);
    status = rewrite_root(file, path, name, text);
    Status closed = h5_status(H5Fclose(file), path, "close", "the file");
    return status_is_ok(&status) ? closed : status;
}

Status h5_close(H5File **file) {
    if (!*file) return status_ok();
    // Where the flush fails, H5Fclose would fail halfway and HDF5 1.10.8 then crash in its clean-up at
    // MPI_Finalize or exit, which tries once more (tried). So the file stays open, and trace.h says how to leave.
    Status status = h5_flush(*file);
    if (status_is_ok(&status) && H5Fclose((*file)->file) < 0)
        status = h5_error((*file)->path, "close", "the file");
    free_file(file);
    return status;
}

Status h5_flush(H5File *file) {
    // Not H5Dflush: in parallel it trips an assertion at close (HDFGroup/hdf5 issue 1876).
    H5_TRY(H5Fflush(file->file, H5F_SCOPE_GLOBAL), file, "flush", "the file");
    return status_ok();
}

Status h5_make_group(H5File *file, const char *path) {
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    hid_t group = H5Gcreate2(file->file, path, H5P_DEFAULT, creation, H5P_DEFAULT);
    Status status = h5_status(group, file->path, "make group", path);
    H5Pclose(creation);
    TRY(status);
    H5_TRY(H5Gclose(group), file, "close group", path);
    return status_ok();
}

/// Creation properties of a dataset; -1 on failure.
static hid_t creation_of(TraceType type, const H5Shape *shape, const void *fill) {
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[TRACE_RANK_MAX];
    for (int i = 0; i < shape->rank; i++) chunk[i] = (hsize_t)shape->chunk[i];
    herr_t failed = 0;
    // HDF5 1.10.8 writes to unallocated chunks when a dataset made with the serial driver is filled in
    // parallel: an error without filters, a deadlock with them (fixed later, HDFGroup/hdf5 issue 3394).
    failed |= H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    if (shape->rank > 0 && shape->chunk[0] > 0)
        failed |= H5Pset_chunk(creation, shape->rank, chunk);
    if (shape->gzip > 0) {
        failed |= H5Pset_shuffle(creation);
        failed |= H5Pset_deflate(creation, (unsigned)shape->gzip);
    }
    if (fill) failed |= H5Pset_fill_value(creation, type_of(type, false), fill);
    if (failed < 0) {
        H5Pclose(creation);
        return -1;
    }
    return creation;
}

static hid_t space_of(const H5Shape *shape) {
    if (shape->rank == 0) return H5Screate(H5S_SCALAR);
    hsize_t size[TRACE_RANK_MAX], most[TRACE_RANK_MAX];
    for (int i = 0; i < shape->rank; i++) {
        size[i] = (hsize_t)shape->size[i];
        most[i] = i == 0 && shape->grows ? H5S_UNLIMITED : size[i];
    }
    return H5Screate_simple(shape->rank, size, most);
}

Status h5_make_dataset(H5File *file, const char *path, TraceType type, const H5Shape *shape,
                       const void *fill) {
    hid_t text = type == TRACE_TEXT ? text_type(0) : -1;
    hid_t creation = creation_of(type, shape, type == TRACE_TEXT ? NULL : fill);
    hid_t space = space_of(shape);
    hid_t set = H5Dcreate2(file->file, path, type == TRACE_TEXT ? text : type_of(type, true), space,
                           H5P_DEFAULT, creation, H5P_DEFAULT);
    Status status = h5_status(set, file->path, "make dataset", path);
    if (text >= 0) H5Tclose(text);
    H5Sclose(space);
    H5Pclose(creation);
    TRY(status);
    H5_TRY(H5Dclose(set), file, "close dataset", path);
    return status_ok();
}

Status h5_make_link(H5File *file, const char *path, const char *link) {
    H5_TRY(H5Lcreate_hard(file->file, path, file->file, link, H5P_DEFAULT, H5P_DEFAULT), file,
           "link", link);
    return status_ok();
}

Status h5_make_scale(H5File *file, const char *path, const char *name) {
    hid_t set = H5Dopen2(file->file, path, H5P_DEFAULT);
    H5_TRY(set, file, "open dataset", path);
    Status status =
        h5_status(H5DSset_scale(set, name), file->path, "make a dimension scale of", path);
    H5Dclose(set);
    return status;
}

Status h5_attach_scale(H5File *file, const char *path, int i, const char *scale) {
    hid_t set = H5Dopen2(file->file, path, H5P_DEFAULT),
          of = H5Dopen2(file->file, scale, H5P_DEFAULT);
    herr_t failed = set < 0 || of < 0 ? -1 : H5DSattach_scale(set, of, (unsigned)i);
    Status status = h5_status(failed, file->path, "attach a dimension scale to", path);
    if (set >= 0) H5Dclose(set);
    if (of >= 0) H5Dclose(of);
    return status;
}

Status h5_put_texts(H5File *file, const char *path, const char *const text[], int64_t n) {
    (void)n; // the dataset has as many elements
    hid_t set = H5Dopen2(file->file, path, H5P_DEFAULT);
    H5_TRY(set, file, "open dataset", path);
    hid_t type = text_type(0);
    Status status = h5_status(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text), file->path,
                              "write", path);
    H5Tclose(type);
    H5Dclose(set);
    return status;
}

/// Create an attribute (n = 0: scalar) and write it.
static Status put_attribute(H5File *file, const char *path, const char *name, hid_t file_type,
                            hid_t memory_type, int n, const void *values) {
    hsize_t size = n > 0 ? (hsize_t)n : 1;
    hid_t space = n > 0 ? H5Screate_simple(1, &size, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate_by_name(file->file, path, name, file_type, space, H5P_DEFAULT,
                                        H5P_DEFAULT, H5P_DEFAULT);
    Status status = h5_status(attribute, file->path, "make attribute", name);
    H5Sclose(space);
    TRY(status);
    status =
        h5_status(H5Awrite(attribute, memory_type, values), file->path, "write attribute", name);
    H5Aclose(attribute);
    return status;
}

Status h5_attribute_text(H5File *file, const char *path, const char *name, const char *text) {
    hid_t type = text_type(0); // in the global heap: an attribute itself is limited to 64 KiB
    Status status = put_attribute(file, path, name, type, type, 0, &text);
    H5Tclose(type);
    return status;
}

Status h5_attribute_texts(H5File *file, const char *path, const char *name,
                          const char *const text[], int n) {
    hid_t type = text_type(0);
    Status status = put_attribute(file, path, name, type, type, n, text);
    H5Tclose(type);
    return status;
}

Status h5_attribute(H5File *file, const char *path, const char *name, TraceType type, int n,
                    const void *values) {
    return put_attribute(file, path, name, type_of(type, true), type_of(type, false), n, values);
}

Status h5_open_set(H5File *file, const char *path, H5Set *set) {
    *set = H5Dopen2(file->file, path, H5P_DEFAULT);
    H5_TRY(*set, file, "open dataset", path);
    return status_ok();
}

Status h5_close_set(H5File *file, H5Set set) {
    return H5Dclose(set) < 0 ? set_error(file, set, "close") : status_ok();
}

Status h5_extend(H5File *file, H5Set set, const H5Shape *shape, int64_t rows) {
    hsize_t size[TRACE_RANK_MAX];
    for (int i = 0; i < shape->rank; i++) size[i] = (hsize_t)shape->size[i];
    size[0] = (hsize_t)rows;
    return H5Dset_extent(set, size) < 0 ? set_error(file, set, "extend") : status_ok();
}

/// Select n[] from first[] on in `in_file` and make the matching space of memory; -1 on failure.
static hid_t select_slab(hid_t in_file, int rank, const int64_t first[], const int64_t n[]) {
    hsize_t start[TRACE_RANK_MAX], count[TRACE_RANK_MAX], elements = rank == 0 ? (hsize_t)n[0] : 1;
    for (int i = 0; i < rank; i++) {
        start[i] = (hsize_t)first[i];
        count[i] = (hsize_t)n[i];
        elements *= count[i];
    }
    hid_t in_memory = H5Screate_simple(1, &elements, NULL);
    herr_t failed;
    if (elements == 0)
        failed = H5Sselect_none(in_file) | H5Sselect_none(in_memory);
    else if (rank == 0)
        failed = H5Sselect_all(in_file);
    else
        failed = H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, count, NULL);
    if (failed < 0) {
        H5Sclose(in_memory);
        return -1;
    }
    return in_memory;
}

Status h5_write(H5File *file, H5Set set, TraceType type, int rank, const int64_t first[],
                const int64_t n[], const void *data) {
    static const char nothing[8] = {0}; // HDF5 wants a buffer, even where nothing is selected
    hid_t in_file = H5Dget_space(set);
    hid_t in_memory = in_file < 0 ? -1 : select_slab(in_file, rank, first, n);
    herr_t failed = in_memory < 0 ? -1
                                  : H5Dwrite(set, type_of(type, false), in_memory, in_file,
                                             file->transfer, data ? data : nothing);
    Status status = failed < 0 ? set_error(file, set, "write") : status_ok();
    if (in_memory >= 0) H5Sclose(in_memory);
    if (in_file >= 0) H5Sclose(in_file);
    return status;
}

Status h5_open_to_read(const char *path, const char *said, H5File **out) {
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true); // a run may be writing it
    H5File *file = new_file(said);
    file->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    Status status = h5_status(file->file, said, "open", "the file");
    H5Pclose(access);
    if (status_is_ok(&status))
        *out = file;
    else
        free_file(&file);
    return status;
}

char *h5_read_text(H5File *file, const char *path, const char *name) {
    hid_t object = H5Oopen(file->file, path, H5P_DEFAULT);
    char *value = read_text(object, name), *copy = NULL;
    if (value) {
        copy = memory_alloc("trace", strlen(value) + 1);
        memcpy(copy, value, strlen(value) + 1);
    }
    H5free_memory(value);
    if (object >= 0) H5Oclose(object);
    return copy;
}

Status h5_read(H5File *file, const char *path, TraceType type, int64_t n, void *data) {
    const hsize_t rows = (hsize_t)n, none = 0;
    hid_t set = H5Dopen2(file->file, path, H5P_DEFAULT);
    TRY(h5_status(set, file->path, "read", path));
    hid_t in_file = H5Dget_space(set), in_memory = H5Screate_simple(1, &rows, NULL);
    herr_t failed = 0;
    if (H5Sget_simple_extent_ndims(in_file) > 0)
        failed = H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &none, NULL, &rows, NULL);
    if (failed >= 0)
        failed = H5Dread(set, type_of(type, false), in_memory, in_file, H5P_DEFAULT, data);
    Status status = h5_status(failed, file->path, "read", path);
    H5Sclose(in_memory);
    H5Sclose(in_file);
    H5Dclose(set);
    return status;
}

int64_t h5_open_files(void) { return (int64_t)H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_FILE); }

const char *h5_version(char text[32]) {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, 32, "%u.%u.%u", major, minor, release);
    return text;
}
