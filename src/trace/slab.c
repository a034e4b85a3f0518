#include "trace/slab.h"

#include <string.h>

#include "base/memory.h"
#include "trace/skeleton.h"

static const char LABEL[] = "trace";

void slab_keep(Status *first, Status next) {
    if (status_is_ok(first)) *first = next;
}

Status slab_leave(Trace *trace, Status status) {
    status = comm_agree(trace->comm, status);
    if (!status_is_ok(&status)) trace->failed = true;
    return status;
}

bool slab_on_root(const Trace *trace) { return comm_rank(trace->comm) == 0; }

Status slab_write_packed(Trace *trace, TraceDataset dataset, int axis_index, int64_t first,
                         int64_t n, const void *packed) {
    const H5Shape *shape = &trace->shape[dataset];
    int64_t from[TRACE_RANK_MAX] = {0}, count[TRACE_RANK_MAX] = {0};
    for (int i = 0; i < shape->rank; i++) count[i] = shape->size[i];
    if (axis_index > 0) {
        from[0] = trace->step - 1;
        count[0] = 1;
    }
    from[axis_index] = first;
    count[axis_index] = n;
    return h5_write(trace->file, trace->set[dataset], TRACE_DATASETS[dataset].type, shape->rank,
                    from, count, packed);
}

Status slab_write_column(Trace *trace, const Column *column, const void *rows, size_t stride,
                         int axis_index, int64_t first, int64_t n) {
    int64_t bytes = column_bytes(column, n);
    void *packed = memory_alloc(LABEL, (size_t)bytes);
    column_pack(column, rows, stride, n, packed);
    Status status = slab_write_packed(trace, column->dataset, axis_index, first, n, packed);
    memory_free(LABEL, packed, (size_t)bytes);
    return status;
}

Status slab_write_columns(Trace *trace, const Column column[], int ncolumns, const void *rows,
                          size_t stride, int axis_index, int64_t first, int64_t n) {
    Status status = status_ok();
    for (int c = 0; c < ncolumns; c++)
        if (trace->set[column[c].dataset] >= 0)
            slab_keep(&status,
                      slab_write_column(trace, &column[c], rows, stride, axis_index, first, n));
    return status;
}

Status slab_write_rows(Trace *trace, TraceDataset dataset, int64_t first, int64_t n,
                       const void *data) {
    if (trace->set[dataset] < 0) return status_ok();
    const H5Shape *shape = &trace->shape[dataset];
    int64_t from[TRACE_RANK_MAX] = {first}, count[TRACE_RANK_MAX];
    memcpy(count, shape->size, sizeof count);
    count[0] = slab_on_root(trace) ? n : 0;
    return h5_write(trace->file, trace->set[dataset], TRACE_DATASETS[dataset].type, shape->rank,
                    from, count, data);
}

/// Most bytes that n more rows of a dataset add to the file.
static int64_t growth_bytes(const Trace *trace, TraceDataset dataset, int64_t old, int64_t n) {
    const H5Shape *shape = &trace->shape[dataset];
    int64_t chunk_bytes = trace_type_bytes(TRACE_DATASETS[dataset].type), chunks = 1;
    for (int i = 0; i < shape->rank; i++) chunk_bytes *= shape->chunk[i];
    for (int i = 1; i < shape->rank; i++)
        chunks *= (shape->size[i] + shape->chunk[i] - 1) / shape->chunk[i];
    const int64_t first = (old + shape->chunk[0] - 1) / shape->chunk[0];
    const int64_t last = (old + n + shape->chunk[0] - 1) / shape->chunk[0];
    // A compressed chunk is made of fill values first, and moves when it is filled.
    return (last - first) * chunks * chunk_bytes * (shape->gzip > 0 ? 2 : 1);
}

/// HDF5 1.10.8 hangs when a rank cannot write the fill values of new rows (tried on a full disk). So the
/// room is set aside before, by rank 0; all ranks get the answer.
static Status check_room(Trace *trace, TraceAxis axis, int64_t n) {
    Status status = status_ok();
    if (slab_on_root(trace)) {
        int64_t bytes = 0;
        for (int d = 0; d < TRACE_DATASET_N; d++)
            if (trace->set[d] >= 0 && TRACE_DATASETS[d].axis[0] == axis)
                bytes += growth_bytes(trace, d, trace->rows[axis], n);
        status = draft_reserve(trace->draft, bytes);
    }
    return comm_agree(trace->comm, status);
}

Status slab_grow(Trace *trace, TraceAxis axis, int64_t n) {
    Status status = status_ok();
    if (n == 0) return status;
    TRY(slab_leave(trace, check_room(trace, axis, n)));
    const int64_t old = trace->rows[axis], now = old + n;
    trace->uncommitted += n;
    const H5Shape label_shape = skeleton_axis_shape(&trace->info, axis);
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (trace->set[d] >= 0 && TRACE_DATASETS[d].axis[0] == axis)
            slab_keep(&status, h5_extend(trace->file, trace->set[d], &trace->shape[d], now));
    slab_keep(&status, h5_extend(trace->file, trace->label[axis], &label_shape, now));
    const int64_t mine = slab_on_root(trace) ? n : 0;
    int64_t *number = memory_alloc(LABEL, (size_t)mine * sizeof *number);
    for (int64_t i = 0; i < mine; i++) number[i] = old + i;
    slab_keep(&status,
              h5_write(trace->file, trace->label[axis], TRACE_I64, 1, &old, &mine, number));
    memory_free(LABEL, number, (size_t)mine * sizeof *number);
    trace->rows[axis] = now;
    return slab_leave(trace, status);
}

/// Grow a table by the rows of all ranks; *place is where this rank's rows go.
static Status place_rows(Trace *trace, TraceAxis axis, int64_t n, int64_t *place) {
    Gathered all = comm_allgather(trace->comm, &n, sizeof n);
    int64_t first = trace->rows[axis], total = 0;
    for (int r = 0; r < all.nranks; r++) {
        int64_t of_rank;
        memcpy(&of_rank, all.bytes + all.first[r], sizeof of_rank);
        if (r < comm_rank(trace->comm)) first += of_rank;
        total += of_rank;
    }
    gathered_free(&all);
    *place = first;
    return slab_grow(trace, axis, total);
}

Status slab_append_rows(Trace *trace, TraceAxis axis, TraceDataset step, const Column column[],
                        int ncolumns, const void *rows, size_t stride, int64_t n, int64_t *first) {
    const Column number = {step, 0, sizeof(int64_t), 1};
    const int64_t is = trace->step - 1;
    TRY(place_rows(trace, axis, n, first));
    Status status =
        slab_write_column(trace, &number, &is, 0, 0, *first, n); // stride 0: all the same
    slab_keep(&status, slab_write_columns(trace, column, ncolumns, rows, stride, 0, *first, n));
    return status;
}
