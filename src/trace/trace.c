#include "trace/trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "trace/columns.h"
#include "trace/h5.h"
#include "trace/skeleton.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))
static const char LABEL[] = "trace";
/// Commits are thinned out above this share of wall time, unless the last is that long ago.
static const double COMMIT_SHARE = 0.05, COMMIT_PATIENCE_S = 2.0;
/// Room for what HDF5 writes beside the rows (indices of chunks, object headers): a few hundred KiB at most.
enum { METADATA_BYTES = 1 << 20 };

struct Trace {
    const Comm *comm;
    TraceInfo info; // its pointers are not used after trace_create
    H5File *file;
    H5Set set[TRACE_DATASET_N], label[TRACE_AXIS_N]; // -1: not in this file
    H5Shape shape[TRACE_DATASET_N];
    int64_t rows[TRACE_AXIS_N]; // of growing axes
    int64_t step, committed;    // steps begun; steps in the file for good
    bool open;                  // the last of them has no row in /steps yet
    bool failed;
    double start_s, commit_s, last_commit_s; // wall
};

static double wall_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/// Keep the first failure, and go on: the other ranks are waiting in the next collective call.
static void keep(Status *first, Status next) {
    if (status_is_ok(first)) *first = next;
}

/// All ranks leave a function of this module with the same status.
static Status leave(Trace *trace, Status status) {
    status = comm_agree(trace->comm, status);
    if (!status_is_ok(&status)) trace->failed = true;
    return status;
}

static bool on_root(const Trace *trace) { return comm_rank(trace->comm) == 0; }

// ---- writing columns

/// Write rows[n] at [first, first + n) of axis number `axis_index` of a column: 0 (a table, or static), or 1 of
/// the open step; every other axis in full.
static Status write_column(Trace *trace, const Column *column, const void *rows, size_t stride,
                           int axis_index, int64_t first, int64_t n) {
    const H5Shape *shape = &trace->shape[column->dataset];
    int64_t from[TRACE_RANK_MAX] = {0}, count[TRACE_RANK_MAX] = {0};
    for (int i = 0; i < shape->rank; i++) count[i] = shape->size[i];
    if (axis_index > 0) {
        from[0] = trace->step - 1;
        count[0] = 1;
    }
    from[axis_index] = first;
    count[axis_index] = n;
    int64_t bytes = column_bytes(column, n);
    void *packed = memory_alloc(LABEL, (size_t)bytes);
    column_pack(column, rows, stride, n, packed);
    Status status =
        h5_write(trace->file, trace->set[column->dataset], TRACE_DATASETS[column->dataset].type,
                 shape->rank, from, count, packed);
    memory_free(LABEL, packed, (size_t)bytes);
    return status;
}

static Status write_columns(Trace *trace, const Column column[], int ncolumns, const void *rows,
                            size_t stride, int axis_index, int64_t first, int64_t n) {
    Status status = status_ok();
    for (int c = 0; c < ncolumns; c++)
        if (trace->set[column[c].dataset] >= 0)
            keep(&status, write_column(trace, &column[c], rows, stride, axis_index, first, n));
    return status;
}

/// Write bytes that are packed already into the row(s) of a growing dataset; from rank 0 alone.
static Status write_rows(Trace *trace, TraceDataset dataset, int64_t first, int64_t n,
                         const void *data) {
    if (trace->set[dataset] < 0) return status_ok();
    const H5Shape *shape = &trace->shape[dataset];
    int64_t from[TRACE_RANK_MAX] = {first}, count[TRACE_RANK_MAX];
    memcpy(count, shape->size, sizeof count);
    count[0] = on_root(trace) ? n : 0;
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
/// room is looked at before, by rank 0; all ranks get the answer.
static Status check_room(Trace *trace, TraceAxis axis, int64_t n) {
    Status status = status_ok();
    if (on_root(trace)) {
        int64_t bytes = METADATA_BYTES;
        for (int d = 0; d < TRACE_DATASET_N; d++)
            if (trace->set[d] >= 0 && TRACE_DATASETS[d].axis[0] == axis)
                bytes += growth_bytes(trace, d, trace->rows[axis], n);
        status = h5_check_room(trace->file, bytes);
    }
    return comm_agree(trace->comm, status);
}

/// Every dataset along a growing axis gets n more rows of fill values, and its labels. All ranks get the same
/// status.
static Status grow(Trace *trace, TraceAxis axis, int64_t n) {
    Status status = status_ok();
    if (n == 0) return status;
    TRY(leave(trace, check_room(trace, axis, n)));
    const int64_t old = trace->rows[axis], now = old + n;
    const H5Shape label_shape = skeleton_axis_shape(&trace->info, axis);
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (trace->set[d] >= 0 && TRACE_DATASETS[d].axis[0] == axis)
            keep(&status, h5_extend(trace->file, trace->set[d], &trace->shape[d], now));
    keep(&status, h5_extend(trace->file, trace->label[axis], &label_shape, now));
    const int64_t mine = on_root(trace) ? n : 0;
    int64_t *number = memory_alloc(LABEL, (size_t)mine * sizeof *number);
    for (int64_t i = 0; i < mine; i++) number[i] = old + i;
    keep(&status, h5_write(trace->file, trace->label[axis], TRACE_I64, 1, &old, &mine, number));
    memory_free(LABEL, number, (size_t)mine * sizeof *number);
    trace->rows[axis] = now;
    return leave(trace, status);
}

// ---- life

static Status open_sets(Trace *trace) {
    char path[SKELETON_PATH_BYTES];
    Status status = status_ok();
    for (int d = 0; d < TRACE_DATASET_N; d++) {
        trace->set[d] = -1;
        trace->shape[d] = skeleton_shape(&trace->info, d);
        if (skeleton_has(&trace->info, TRACE_DATASETS[d].when))
            keep(&status, h5_open_set(trace->file, skeleton_dataset_path(d, path), &trace->set[d]));
    }
    for (int a = 0; a < TRACE_AXIS_N; a++) {
        trace->label[a] = -1;
        if (TRACE_AXES[a].grows && skeleton_has_axis(&trace->info, a))
            keep(&status, h5_open_set(trace->file, skeleton_axis_path(a, TRACE_AXES[a].home, path),
                                      &trace->label[a]));
    }
    return status;
}

static Status close_sets(Trace *trace) {
    Status status = status_ok();
    // With the MPI-IO driver a handle left open makes closing the file fail.
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (trace->set[d] >= 0) keep(&status, h5_close_set(trace->file, trace->set[d]));
    for (int a = 0; a < TRACE_AXIS_N; a++)
        if (trace->label[a] >= 0) keep(&status, h5_close_set(trace->file, trace->label[a]));
    return status;
}

static void free_trace(Trace **trace) {
    memory_free(LABEL, *trace, sizeof **trace);
    *trace = NULL;
}

Status trace_create(const Comm *comm, const TraceInfo *info, Trace **out) {
    CHECK(info->ntiers >= 1 && info->ntiers <= TRACE_TIERS_MAX, "%d tiers", info->ntiers);
    Status made = status_ok();
    if (comm_rank(comm) == 0) made = skeleton_make(info, comm_nranks(comm));
    TRY(comm_agree(comm, made));
    H5File *file = NULL;
    TRY(comm_agree(comm, h5_open(info->path, comm, &file)));
    Trace *trace = memory_alloc(LABEL, sizeof *trace);
    *trace = (Trace){.comm = comm, .info = *info, .file = file, .start_s = wall_s()};
    trace->last_commit_s = trace->start_s;
    Status status = leave(trace, open_sets(trace));
    if (status_is_ok(&status)) {
        *out = trace;
        return status;
    }
    close_sets(trace);
    h5_close(&trace->file);
    free_trace(&trace);
    return status;
}

Status trace_static_gpus(Trace *trace, int64_t first, int64_t n, const TraceGpu gpu[]) {
    typedef struct Place {
        int64_t node;
        int32_t slot;
    } Place;
    static const Column place_column[] = {COLUMN(TRACE_GPUS_NODE, Place, node),
                                          COLUMN(TRACE_GPUS_SLOT, Place, slot)};
    static const Column column[] = {
        COLUMN(TRACE_GPUS_JOB, TraceGpu, job), COLUMN(TRACE_GPUS_JOB_RANK, TraceGpu, job_rank),
        COLUMN(TRACE_GPUS_TP, TraceGpu, tp),   COLUMN(TRACE_GPUS_PP, TraceGpu, pp),
        COLUMN(TRACE_GPUS_DP, TraceGpu, dp),
    };
    Place *place = memory_alloc(LABEL, (size_t)n * sizeof *place);
    for (int64_t i = 0; i < n; i++) {
        place[i].node = (first + i) / trace->info.gpus_per_node;
        place[i].slot = (int32_t)((first + i) % trace->info.gpus_per_node);
    }
    Status status = write_columns(trace, place_column, COUNT_OF(place_column), place, sizeof *place,
                                  0, first, n);
    keep(&status, write_columns(trace, column, COUNT_OF(column), gpu, sizeof *gpu, 0, first, n));
    memory_free(LABEL, place, (size_t)n * sizeof *place);
    return leave(trace, status);
}

Status trace_begin_step(Trace *trace) {
    CHECK(!trace->open, "step %lld is still open", (long long)(trace->step - 1));
    trace->open = true;
    trace->step++;
    return grow(trace, TRACE_AXIS_STEP, 1);
}

// ---- per GPU

/// Part p of a struct's array of parts; the datasets of the parts follow each other in the schema.
static Column part_column(TraceDataset compute, size_t offset, int p) {
    return (Column){compute + (TraceDataset)p, offset + (size_t)p * sizeof(int64_t),
                    sizeof(int64_t), 1};
}

static void check_parts(const TraceGpuStep *gpu, int64_t id) {
    int64_t sum_ps = 0;
    for (int p = 0; p < TRACE_PART_N; p++) sum_ps += gpu->part_ps[p];
    CHECK(sum_ps == gpu->duration_ps,
          "GPU %lld: the parts of its step sum to %lld ps, it took %lld ps", (long long)id,
          (long long)sum_ps, (long long)gpu->duration_ps);
}

Status trace_write_gpus(Trace *trace, int64_t first, int64_t n, const TraceGpuStep gpu[]) {
    CHECK(trace->open, "no step is open");
    const int64_t none_ps = skeleton_fill(TRACE_GPUS_DURATION).i64;
    TraceGpuStep *row = memory_alloc(LABEL, (size_t)n * sizeof *row);
    for (int64_t i = 0; i < n; i++) {
        row[i] = gpu[i];
        if (gpu[i].working) {
            check_parts(&gpu[i], first + i);
            continue;
        }
        row[i].duration_ps = none_ps;
        for (int p = 0; p < TRACE_PART_N; p++) row[i].part_ps[p] = none_ps;
    }
    Column column[1 + TRACE_PART_N] = {COLUMN(TRACE_GPUS_DURATION, TraceGpuStep, duration_ps)};
    for (int p = 0; p < TRACE_PART_N; p++)
        column[1 + p] = part_column(TRACE_GPUS_COMPUTE, offsetof(TraceGpuStep, part_ps), p);
    Status status = write_columns(trace, column, COUNT_OF(column), row, sizeof *row, 1, first, n);
    memory_free(LABEL, row, (size_t)n * sizeof *row);
    return leave(trace, status);
}

// ---- tables

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
    return grow(trace, axis, total);
}

/// The rows of a table belong to the open step.
static Status write_step_number(Trace *trace, TraceDataset dataset, int64_t first, int64_t n) {
    const Column column = {dataset, 0, sizeof(int64_t), 1};
    int64_t step = trace->step - 1;
    return write_column(trace, &column, &step, 0, 0, first,
                        n); // stride 0: the same number in all rows
}

Status trace_append_collectives(Trace *trace, int64_t n, const TraceCollective row[]) {
    static const Column column[] = {
        COLUMN(TRACE_COLLECTIVES_KIND, TraceCollective, kind),
        COLUMN(TRACE_COLLECTIVES_TRAFFIC, TraceCollective, traffic),
        COLUMN(TRACE_COLLECTIVES_FIRST, TraceCollective, group_first),
        COLUMN(TRACE_COLLECTIVES_STRIDE, TraceCollective, group_stride),
        COLUMN(TRACE_COLLECTIVES_SIZE, TraceCollective, group_size),
        COLUMN(TRACE_COLLECTIVES_BYTES, TraceCollective, bytes),
        COLUMN(TRACE_COLLECTIVES_START, TraceCollective, start_ps),
        COLUMN(TRACE_COLLECTIVES_END, TraceCollective, end_ps),
        COLUMN(TRACE_COLLECTIVES_BUS, TraceCollective, bus_Bps),
        COLUMN(TRACE_COLLECTIVES_SLOWDOWN, TraceCollective, slowdown),
    };
    CHECK(trace->open && trace->info.training, "no step of a training job is open");
    int64_t first;
    TRY(place_rows(trace, TRACE_AXIS_COLLECTIVE, n, &first));
    Status status = status_ok();
    keep(&status, write_step_number(trace, TRACE_COLLECTIVES_STEP, first, n));
    keep(&status, write_columns(trace, column, COUNT_OF(column), row, sizeof *row, 0, first, n));
    return leave(trace, status);
}

Status trace_append_flows(Trace *trace, int64_t n, const TraceFlow row[]) {
    static const Column column[] = {
        COLUMN(TRACE_FLOWS_SOURCE, TraceFlow, source),
        COLUMN(TRACE_FLOWS_DESTINATION, TraceFlow, destination),
        COLUMN(TRACE_FLOWS_BYTES, TraceFlow, bytes),
        COLUMN(TRACE_FLOWS_START, TraceFlow, start_ps),
        COLUMN(TRACE_FLOWS_END, TraceFlow, end_ps),
        COLUMN(TRACE_FLOWS_SLOWDOWN, TraceFlow, slowdown),
    };
    CHECK(trace->open && trace->info.traffic, "no step of a traffic job is open");
    int64_t first;
    TRY(place_rows(trace, TRACE_AXIS_FLOW, n, &first));
    Status status = status_ok();
    keep(&status, write_step_number(trace, TRACE_FLOWS_STEP, first, n));
    keep(&status, write_columns(trace, column, COUNT_OF(column), row, sizeof *row, 0, first, n));
    return leave(trace, status);
}

// ---- links

int trace_bin(int64_t bytes, int64_t capacity_bytes) {
    if (bytes <= 0) return 0;
    if (bytes >= capacity_bytes) return TRACE_BINS - 1;
    int bin = (int)ceil((double)(TRACE_BINS - 1) * ((double)bytes / (double)capacity_bytes));
    return bin < 1 ? 1 : bin > TRACE_BINS - 1 ? TRACE_BINS - 1 : bin;
}

static const Column STEP_TIER_COLUMN[] = {
    COLUMN(TRACE_LINKS_BYTES, TraceTierLoad, bytes),
    COLUMN(TRACE_LINKS_LOST, TraceTierLoad, lost_bytes),
    COLUMN(TRACE_LINKS_CONGESTED, TraceTierLoad, congested_ps),
    COLUMN(TRACE_LINKS_MEAN, TraceTierLoad, utilisation_mean),
    COLUMN(TRACE_LINKS_MAX, TraceTierLoad, utilisation_max),
    COLUMN_OF(TRACE_LINKS_HISTOGRAM, TraceTierLoad, histogram, TRACE_BINS),
};
static const Column STEP_HOT_COLUMN[] = {
    COLUMN(TRACE_LINKS_HOT_LINK, TraceHotLink, link),
    COLUMN(TRACE_LINKS_HOT_TIER, TraceHotLink, tier),
    COLUMN(TRACE_LINKS_HOT_DIRECTION, TraceHotLink, direction),
    COLUMN(TRACE_LINKS_HOT_BYTES, TraceHotLink, bytes),
    COLUMN(TRACE_LINKS_HOT_LOST, TraceHotLink, lost_bytes),
    COLUMN(TRACE_LINKS_HOT_CONGESTED, TraceHotLink, congested_ps),
    COLUMN(TRACE_LINKS_HOT_UTILISATION, TraceHotLink, utilisation),
    COLUMN_OF(TRACE_LINKS_HOT_TRAFFIC, TraceHotLink, traffic_bytes, TRACE_TRAFFIC_N),
    COLUMN_OF(TRACE_LINKS_HOT_NAME, TraceHotLink, name, TRACE_NAME_CHARS),
};
static const Column STEP_USER_COLUMN[] = {
    COLUMN(TRACE_LINKS_USER_TRAFFIC, TraceLinkUser, traffic),
    COLUMN(TRACE_LINKS_USER_SOURCE, TraceLinkUser, source),
    COLUMN(TRACE_LINKS_USER_DESTINATION, TraceLinkUser, destination),
    COLUMN(TRACE_LINKS_USER_BYTES, TraceLinkUser, bytes),
};
static const Column INTERVAL_TIER_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_BYTES, TraceTierLoad, bytes),
    COLUMN(TRACE_INTERVALS_LOST, TraceTierLoad, lost_bytes),
    COLUMN(TRACE_INTERVALS_CONGESTED, TraceTierLoad, congested_ps),
    COLUMN_OF(TRACE_INTERVALS_HISTOGRAM, TraceTierLoad, histogram, TRACE_BINS),
};
static const Column INTERVAL_HOT_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_HOT_LINK, TraceHotLink, link),
    COLUMN(TRACE_INTERVALS_HOT_TIER, TraceHotLink, tier),
    COLUMN(TRACE_INTERVALS_HOT_DIRECTION, TraceHotLink, direction),
    COLUMN(TRACE_INTERVALS_HOT_UTILISATION, TraceHotLink, utilisation),
    COLUMN(TRACE_INTERVALS_HOT_LOST, TraceHotLink, lost_bytes),
};

/// What fills a place that no hot link takes.
static TraceHotLink no_link(void) {
    TraceHotLink none = {.link = TRACE_NONE,
                         .tier = TRACE_NONE,
                         .direction = TRACE_NONE,
                         .utilisation = NAN,
                         .lost_bytes = TRACE_NONE,
                         .bytes = TRACE_NONE,
                         .congested_ps = TRACE_NONE};
    for (int t = 0; t < TRACE_TRAFFIC_N; t++) none.traffic_bytes[t] = TRACE_NONE;
    return none;
}

/// The hottest links of n loads, padded to the length of the axis; [n * hot].
static TraceHotLink *pad_hot(const Trace *trace, int32_t n, const TraceLoad load[]) {
    const int64_t hot = skeleton_axis_size(&trace->info, TRACE_AXIS_HOT);
    TraceHotLink *row = memory_alloc(LABEL, (size_t)(n * hot) * sizeof *row);
    for (int32_t i = 0; i < n; i++) {
        CHECK(load[i].nhot <= hot, "%d hot links, room for %lld", load[i].nhot, (long long)hot);
        for (int64_t k = 0; k < hot; k++)
            row[i * hot + k] = k < load[i].nhot ? load[i].hot[k] : no_link();
    }
    return row;
}

static void pad_users(const TraceHotLink hot[], int64_t n, TraceLinkUser *user) {
    for (int64_t k = 0; k < n; k++)
        for (int u = 0; u < TRACE_USERS; u++) {
            TraceLinkUser none = {.traffic = (TraceTraffic)TRACE_NONE,
                                  .source = TRACE_NONE,
                                  .destination = TRACE_NONE,
                                  .bytes = TRACE_NONE};
            user[k * TRACE_USERS + u] = u < hot[k].nusers ? hot[k].user[u] : none;
        }
}

/// Pack `n` rows of a column and write them as `nrows` rows of its growing axis from `first` on.
static Status write_packed(Trace *trace, const Column *column, const void *rows, size_t stride,
                           int64_t n, int64_t first, int64_t nrows) {
    int64_t bytes = column_bytes(column, n);
    void *packed = memory_alloc(LABEL, (size_t)bytes);
    column_pack(column, rows, stride, n, packed);
    Status status = write_rows(trace, column->dataset, first, nrows, packed);
    memory_free(LABEL, packed, (size_t)bytes);
    return status;
}

/// The tiers of n loads behind each other, [n * ntiers * directions].
static TraceTierLoad *gather_tiers(const Trace *trace, int32_t n, const TraceLoad load[]) {
    const size_t per_load = (size_t)trace->info.ntiers * TRACE_DIRECTIONS;
    TraceTierLoad *row = memory_alloc(LABEL, (size_t)n * per_load * sizeof *row);
    for (int32_t i = 0; i < n; i++)
        memcpy(row + (size_t)i * per_load, load[i].tier, per_load * sizeof *row);
    return row;
}

/// Columns by tier and of hot links, for `nrows` rows of which this rank has `n` (all or none).
static Status write_load(Trace *trace, const Column tier_column[], int ntier,
                         const Column hot_column[], int nhot, int64_t first, int32_t nrows,
                         int32_t n, const TraceLoad load[]) {
    const int64_t tiers = n * (int64_t)trace->info.ntiers * TRACE_DIRECTIONS;
    const int64_t hots = n * skeleton_axis_size(&trace->info, TRACE_AXIS_HOT);
    TraceTierLoad *tier = gather_tiers(trace, n, load);
    TraceHotLink *hot = pad_hot(trace, n, load);
    Status status = status_ok();
    for (int c = 0; c < ntier; c++)
        keep(&status,
             write_packed(trace, &tier_column[c], tier, sizeof *tier, tiers, first, nrows));
    for (int c = 0; c < nhot; c++)
        keep(&status, write_packed(trace, &hot_column[c], hot, sizeof *hot, hots, first, nrows));
    memory_free(LABEL, tier, (size_t)tiers * sizeof *tier);
    memory_free(LABEL, hot, (size_t)hots * sizeof *hot);
    return status;
}

static Status write_users(Trace *trace, int64_t first, int32_t n, const TraceLoad *load) {
    const int64_t hots = n * skeleton_axis_size(&trace->info, TRACE_AXIS_HOT),
                  users = hots * TRACE_USERS;
    TraceHotLink *hot = pad_hot(trace, n, load);
    TraceLinkUser *user = memory_alloc(LABEL, (size_t)users * sizeof *user);
    pad_users(hot, hots, user);
    Status status = status_ok();
    for (int c = 0; c < COUNT_OF(STEP_USER_COLUMN); c++)
        keep(&status,
             write_packed(trace, &STEP_USER_COLUMN[c], user, sizeof *user, users, first, 1));
    memory_free(LABEL, user, (size_t)users * sizeof *user);
    memory_free(LABEL, hot, (size_t)hots * sizeof *hot);
    return status;
}

Status trace_write_links(Trace *trace, const TraceLoad *load) {
    CHECK(trace->open, "no step is open");
    const int32_t n = on_root(trace) ? 1 : 0;
    const int64_t row = trace->step - 1;
    Status status = write_load(trace, STEP_TIER_COLUMN, COUNT_OF(STEP_TIER_COLUMN), STEP_HOT_COLUMN,
                               COUNT_OF(STEP_HOT_COLUMN), row, 1, n, load);
    keep(&status, write_users(trace, row, n, load));
    return leave(trace, status);
}

Status trace_append_intervals(Trace *trace, int32_t n, const TraceLoad load[]) {
    static const Column time_column[] = {
        COLUMN(TRACE_INTERVALS_START, TraceLoad, start_ps),
        COLUMN(TRACE_INTERVALS_END, TraceLoad, end_ps),
    };
    CHECK(trace->open, "no step is open");
    int32_t rows = n;
    comm_broadcast(trace->comm, &rows, sizeof rows, 0);
    if (rows == 0) return status_ok();
    const int32_t mine = on_root(trace) ? rows : 0;
    const int64_t first = trace->rows[TRACE_AXIS_INTERVAL];
    TRY(grow(trace, TRACE_AXIS_INTERVAL, rows));
    Status status = status_ok();
    for (int c = 0; c < COUNT_OF(time_column); c++)
        keep(&status, write_packed(trace, &time_column[c], load, sizeof *load, mine, first, rows));
    keep(&status,
         write_load(trace, INTERVAL_TIER_COLUMN, COUNT_OF(INTERVAL_TIER_COLUMN),
                    INTERVAL_HOT_COLUMN, COUNT_OF(INTERVAL_HOT_COLUMN), first, rows, mine, load));
    return leave(trace, status);
}

Status trace_write_full_links(Trace *trace, int64_t first, int64_t n, const int64_t bytes[]) {
    CHECK(trace->open && trace->info.full_links,
          "no step is open, or full rows of links were not asked for");
    const Column column = {TRACE_LINKS_FULL, 0, sizeof(int64_t), 1};
    return leave(trace, write_column(trace, &column, bytes, sizeof *bytes, 1, first, n));
}

// ---- the step as a whole, and commits

/// What follows from a TraceStep, and where the tables stand.
typedef struct StepRow {
    TraceStep step;
    int64_t duration_ps;
    double mfu_full, mfu_causal, tokens_per_s_gpu;
    int64_t collectives_end, flows_end, intervals_end;
} StepRow;

static StepRow derive(const Trace *trace, const TraceStep *step) {
    StepRow row = {.step = *step,
                   .duration_ps = step->end_ps - step->start_ps,
                   .mfu_full = NAN,
                   .mfu_causal = NAN,
                   .tokens_per_s_gpu = NAN};
    const double gpu_s = (double)row.duration_ps / 1e12 * (double)step->working_gpus;
    if (gpu_s > 0) {
        row.mfu_full = step->model_flop_full / (gpu_s * step->peak_flop_per_s);
        row.mfu_causal = step->model_flop_causal / (gpu_s * step->peak_flop_per_s);
        row.tokens_per_s_gpu = (double)step->tokens / gpu_s;
    }
    row.collectives_end = trace->rows[TRACE_AXIS_COLLECTIVE];
    row.flows_end = trace->rows[TRACE_AXIS_FLOW];
    row.intervals_end = trace->rows[TRACE_AXIS_INTERVAL];
    return row;
}

Status trace_write_step(Trace *trace, const TraceStep *step) {
    static const Column column[] = {
        COLUMN(TRACE_STEPS_START, StepRow, step.start_ps),
        COLUMN(TRACE_STEPS_END, StepRow, step.end_ps),
        COLUMN(TRACE_STEPS_DURATION, StepRow, duration_ps),
        COLUMN(TRACE_STEPS_GPU_MEAN, StepRow, step.mean_duration_ps),
        COLUMN(TRACE_STEPS_TOKENS, StepRow, step.tokens),
        COLUMN(TRACE_STEPS_GPUS, StepRow, step.working_gpus),
        COLUMN(TRACE_STEPS_MODEL_FLOP_FULL, StepRow, step.model_flop_full),
        COLUMN(TRACE_STEPS_MODEL_FLOP_CAUSAL, StepRow, step.model_flop_causal),
        COLUMN(TRACE_STEPS_HARDWARE_FLOP, StepRow, step.hardware_flop),
        COLUMN(TRACE_STEPS_PEAK, StepRow, step.peak_flop_per_s),
        COLUMN(TRACE_STEPS_MFU_FULL, StepRow, mfu_full),
        COLUMN(TRACE_STEPS_MFU_CAUSAL, StepRow, mfu_causal),
        COLUMN(TRACE_STEPS_TOKEN_RATE, StepRow, tokens_per_s_gpu),
        COLUMN(TRACE_STEPS_FINGERPRINT, StepRow, step.fingerprint),
        COLUMN(TRACE_STEPS_COLLECTIVES_END, StepRow, collectives_end),
        COLUMN(TRACE_STEPS_FLOWS_END, StepRow, flows_end),
        COLUMN(TRACE_STEPS_INTERVALS_END, StepRow, intervals_end),
    };
    CHECK(trace->open, "no step is open");
    const int64_t n = on_root(trace) ? 1 : 0, first = trace->step - 1;
    StepRow row = {0};
    if (n) row = derive(trace, step);
    Status status = write_columns(trace, column, COUNT_OF(column), &row, sizeof row, 0, first, n);
    for (int p = 0; p < TRACE_PART_N; p++) {
        const Column part =
            part_column(TRACE_STEPS_COMPUTE, offsetof(StepRow, step.mean_part_ps), p);
        keep(&status, write_columns(trace, &part, 1, &row, sizeof row, 0, first, n));
    }
    trace->open = false;
    return leave(trace, status);
}

/// Committing costs an fsync a rank: about 10 ms on a local disk, more on a parallel file system.
static bool commit_now(Trace *trace) {
    const double now = wall_s();
    int8_t yes = trace->info.commit_every ||
                 trace->commit_s <= COMMIT_SHARE * (now - trace->start_s) ||
                 now - trace->last_commit_s >= COMMIT_PATIENCE_S;
    comm_broadcast(trace->comm, &yes, sizeof yes, 0);
    return yes;
}

static Status commit(Trace *trace) {
    const double begin = wall_s();
    const int64_t closed = trace->step - (trace->open ? 1 : 0);
    // Only what is flushed may be counted.
    TRY(leave(trace, h5_flush(trace->file)));
    const int64_t n = on_root(trace) ? 1 : 0;
    TRY(leave(trace, h5_write(trace->file, trace->set[TRACE_COMMITTED], TRACE_I64, 0, &(int64_t){0},
                              &n, &closed)));
    trace->committed = closed;
    trace->last_commit_s = wall_s();
    trace->commit_s += trace->last_commit_s - begin;
    return status_ok();
}

Status trace_commit(Trace *trace, bool force, int64_t *committed) {
    Status status = status_ok();
    if (force || commit_now(trace)) status = commit(trace);
    if (committed) *committed = trace->committed;
    return status;
}

Status trace_run_double(Trace *trace, const char *name, double value) {
    return leave(trace, h5_attribute(trace->file, "/run", name, TRACE_F64, 0, &value));
}

Status trace_run_int(Trace *trace, const char *name, int64_t value) {
    return leave(trace, h5_attribute(trace->file, "/run", name, TRACE_I64, 0, &value));
}

Status trace_run_text(Trace *trace, const char *name, const char *text) {
    return leave(trace, h5_attribute_text(trace->file, "/run", name, text));
}

Status trace_close(Trace **trace, const char *word) {
    if (!*trace) return status_ok();
    Status status = status_ok();
    // What failed once may hang the next time (a rank alone in a collective write): the file stays as committed.
    if (!(*trace)->failed) {
        keep(&status, commit(*trace));
        keep(&status, h5_rewrite_text((*trace)->file, "/", "status", word));
        keep(&status, close_sets(*trace));
        keep(&status, h5_close(&(*trace)->file));
        status = leave(*trace, status);
    }
    free_trace(trace);
    return status;
}
