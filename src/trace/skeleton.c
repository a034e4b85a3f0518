#include "trace/skeleton.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "build_info.h"

/// Rows of a chunk of columns along steps and along tables; columns of a chunk of [step, gpu].
enum { STEP_CHUNK = 256, ROW_CHUNK = 1024, SLAB_CHUNK = 16384, CHUNK_BYTES = 65536 };
/// A row of a step or an interval that takes as much is compressed on its own.
enum { WIDE_BYTES = 256 };

bool skeleton_has(const TraceInfo *info, TraceWhen when) {
    switch (when) {
        case TRACE_ALWAYS: return true;
        case TRACE_IF_TRAINING: return info->training;
        case TRACE_IF_TRAFFIC: return info->traffic;
        case TRACE_IF_SEVERAL: return info->njobs > 1;
        case TRACE_IF_EVENTS: return info->nevents > 0;
        case TRACE_IF_FULL_LINKS: return info->full_links;
        case TRACE_IF_PACKETS: return info->packets;
        case TRACE_IF_TIMELINE: return info->timeline;
        case TRACE_IF_EXPLAINED: return info->nchanges > 0;
        case TRACE_IF_CHOSEN: return info->nchosen > 0;
    }
    return false;
}

static bool dataset_uses(TraceDataset dataset, TraceAxis axis) {
    for (int i = 0; i < trace_dataset_rank(dataset); i++)
        if (TRACE_DATASETS[dataset].axis[i] == axis) return true;
    return false;
}

static bool group_uses(const TraceInfo *info, TraceGroup group, TraceAxis axis) {
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (TRACE_DATASETS[d].group == group && skeleton_has(info, TRACE_DATASETS[d].when) &&
            dataset_uses(d, axis))
            return true;
    return false;
}

bool skeleton_has_axis(const TraceInfo *info, TraceAxis axis) {
    for (int g = 0; g < TRACE_GROUP_N; g++)
        if (group_uses(info, g, axis)) return true;
    return false;
}

int64_t skeleton_axis_size(const TraceInfo *info, TraceAxis axis) {
    switch (axis) {
        case TRACE_AXIS_GPU: return info->ngpus;
        case TRACE_AXIS_TIER: return info->ntiers;
        case TRACE_AXIS_SITE_TIER: return info->nsite_tiers;
        case TRACE_AXIS_DIRECTION: return TRACE_DIRECTIONS;
        case TRACE_AXIS_BIN: return TRACE_BINS;
        case TRACE_AXIS_HOT: return info->hot_links > 0 ? info->hot_links : 1;
        case TRACE_AXIS_CHOSEN: return info->nchosen;
        case TRACE_AXIS_TRAFFIC: return TRACE_TRAFFIC_N;
        case TRACE_AXIS_PHASE: return TRACE_PHASES;
        case TRACE_AXIS_USER: return TRACE_USERS;
        case TRACE_AXIS_QUEUE_BIN: return TRACE_QUEUE_BINS;
        case TRACE_AXIS_VICTIM: return TRACE_VICTIMS;
        case TRACE_AXIS_EVENT: return info->nevents;
        case TRACE_AXIS_CHANGE: return info->nchanges;
        case TRACE_AXIS_JOB:
        case TRACE_AXIS_CULPRIT: return info->njobs;
        case TRACE_AXIS_LINK: return info->nlinks;
        case TRACE_AXIS_CHAR: return TRACE_NAME_CHARS;
        default: return 0;
    }
}

const char *skeleton_dataset_path(TraceDataset dataset, char path[SKELETON_PATH_BYTES]) {
    const char *group = TRACE_GROUPS[TRACE_DATASETS[dataset].group].name;
    snprintf(path, SKELETON_PATH_BYTES, "%s%s/%s", group[0] ? "/" : "", group,
             TRACE_DATASETS[dataset].name);
    return path;
}

const char *skeleton_axis_path(TraceAxis axis, TraceGroup group, char path[SKELETON_PATH_BYTES]) {
    snprintf(path, SKELETON_PATH_BYTES, "/%s/%s", TRACE_GROUPS[group].name, TRACE_AXES[axis].name);
    return path;
}

/// Columns along steps and tables are filled in place, so they are not compressed; a row of GPUs or links is
/// compressed on its own, and so never written again (tried: a chunk of 16 compressed steps lost committed
/// data in 15 of 100 kills). So are wide rows of steps and intervals, mostly zeros and "no value". Chunks of 16 of them
/// would take a tenth of that; but HDF5 frees a chunk before it places what replaces it, so that the last one of a
/// step, which the next step fills up, was torn in 1 of 19 kills, though flushed by itself (tried).
H5Shape skeleton_shape(const TraceInfo *info, TraceDataset dataset) {
    H5Shape shape = {.rank = trace_dataset_rank(dataset)};
    const TraceAxis *axis = TRACE_DATASETS[dataset].axis;
    int64_t row_bytes = trace_type_bytes(TRACE_DATASETS[dataset].type);
    for (int i = 0; i < shape.rank; i++) {
        shape.size[i] = skeleton_axis_size(info, axis[i]);
        if (i > 0) row_bytes *= shape.size[i];
    }
    shape.grows = shape.rank > 0 && TRACE_AXES[axis[0]].grows;
    if (!shape.grows) return shape;
    for (int i = 1; i < shape.rank; i++) shape.chunk[i] = shape.size[i];
    const bool wide = (axis[0] == TRACE_AXIS_INTERVAL || axis[0] == TRACE_AXIS_STEP) &&
                      shape.rank > 1 && row_bytes >= WIDE_BYTES;
    if (axis[1] == TRACE_AXIS_GPU || axis[1] == TRACE_AXIS_LINK || (wide && info->compress > 0)) {
        shape.chunk[0] = 1;
        if (shape.chunk[1] > SLAB_CHUNK) shape.chunk[1] = SLAB_CHUNK;
        shape.gzip = info->compress;
        return shape;
    }
    int64_t rows = axis[0] == TRACE_AXIS_STEP ? STEP_CHUNK : ROW_CHUNK;
    if (shape.rank > 1 && rows * row_bytes > CHUNK_BYTES) rows = CHUNK_BYTES / row_bytes;
    shape.chunk[0] = rows > 0 ? rows : 1;
    return shape;
}

H5Shape skeleton_axis_shape(const TraceInfo *info, TraceAxis axis) {
    H5Shape shape = {
        .rank = 1, .size = {skeleton_axis_size(info, axis)}, .grows = TRACE_AXES[axis].grows};
    if (shape.grows) shape.chunk[0] = axis == TRACE_AXIS_STEP ? STEP_CHUNK : ROW_CHUNK;
    return shape;
}

TraceFill skeleton_fill(TraceDataset dataset) {
    const TraceDatasetRow *row = &TRACE_DATASETS[dataset];
    TraceFill fill = {.u64 = 0};
    switch (row->type) {
        case TRACE_I8: fill.i8 = -1; break;
        case TRACE_I32: fill.i32 = -1; break;
        case TRACE_I64: fill.i64 = row->flags == TRACE_SIGNED ? TRACE_NO_TIME_PS : -1; break;
        case TRACE_F64: fill.f64 = NAN; break;
        case TRACE_U64:
        case TRACE_CHAR:
        case TRACE_TEXT: break;
    }
    return fill;
}

static TraceType axis_type(TraceAxis axis) {
    switch (axis) {
        case TRACE_AXIS_TIER:
        case TRACE_AXIS_SITE_TIER:
        case TRACE_AXIS_CHANGE:
        case TRACE_AXIS_DIRECTION:
        case TRACE_AXIS_TRAFFIC: return TRACE_TEXT;
        case TRACE_AXIS_BIN:
        case TRACE_AXIS_QUEUE_BIN: return TRACE_F64;
        default: return TRACE_I64;
    }
}

/// 0, 1, 2, ... in pieces, so that an axis of 100 million GPUs needs no room here.
static Status put_numbers(H5File *file, const char *path, int64_t n) {
    enum { PIECE = 65536 };
    H5Set set;
    TRY(h5_open_set(file, path, &set));
    int64_t *number = memory_alloc("trace.skeleton", PIECE * sizeof *number);
    Status status = status_ok();
    for (int64_t first = 0; first < n && status_is_ok(&status); first += PIECE) {
        int64_t count = n - first < PIECE ? n - first : PIECE;
        for (int64_t i = 0; i < count; i++) number[i] = first + i;
        status = h5_write(file, set, TRACE_I64, 1, &first, &count, number);
    }
    memory_free("trace.skeleton", number, PIECE * sizeof *number);
    TRY(h5_close_set(file, set));
    return status;
}

/// Upper edges of bins.
static Status put_edges(H5File *file, TraceAxis axis, const char *path) {
    double edge[TRACE_BINS] = {0};
    const int64_t n = axis == TRACE_AXIS_BIN ? TRACE_BINS : TRACE_QUEUE_BINS;
    for (int i = 1; i < n; i++)
        edge[i] = axis == TRACE_AXIS_BIN ? (double)i / (TRACE_BINS - 1) : ldexp(512, i);
    if (axis == TRACE_AXIS_QUEUE_BIN) edge[n - 1] = INFINITY;
    H5Set set;
    TRY(h5_open_set(file, path, &set));
    Status status = h5_write(file, set, TRACE_F64, 1, (int64_t[]){0}, &n, edge);
    TRY(h5_close_set(file, set));
    return status;
}

static Status put_labels(H5File *file, const TraceInfo *info, TraceAxis axis, const char *path) {
    const char *text[TRACE_CHANGES_MAX] = {"up", "down"};
    if (axis == TRACE_AXIS_CHANGE)
        for (int i = 0; i < info->nchanges; i++) text[i] = info->change[i].name;
    if (axis == TRACE_AXIS_TIER)
        for (int i = 0; i < info->ntiers; i++) text[i] = info->tier[i].name;
    if (axis == TRACE_AXIS_SITE_TIER)
        for (int i = 0; i < info->nsite_tiers; i++) text[i] = info->site_tier[i].name;
    if (axis == TRACE_AXIS_TRAFFIC)
        for (int i = 0; i < TRACE_TRAFFIC_N; i++) text[i] = trace_traffic_name(i);
    if (axis_type(axis) == TRACE_TEXT)
        return h5_put_texts(file, path, text, skeleton_axis_size(info, axis));
    if (axis_type(axis) == TRACE_F64) return put_edges(file, axis, path);
    return put_numbers(file, path, skeleton_axis_size(info, axis));
}

/// The scale of an axis, and its labels.
static Status make_scale(H5File *file, const TraceInfo *info, TraceAxis axis, const char *path) {
    H5Shape shape = skeleton_axis_shape(info, axis);
    TraceType type = axis_type(axis);
    int64_t none = -1;
    double nan = NAN;
    TRY(h5_make_dataset(file, path, type, &shape,
                        type == TRACE_F64 ? (void *)&nan : (void *)&none));
    if (axis ==
        TRACE_AXIS_CHAR) // netCDF's words for an axis without labels; readers then join the characters
        return h5_make_scale(file, path,
                             "This is a netCDF dimension but not a netCDF variable.        64");
    TRY(h5_make_scale(file, path, TRACE_AXES[axis].name));
    if (type != TRACE_TEXT) TRY(h5_attribute_text(file, path, "units", "1"));
    TRY(h5_attribute_text(file, path, "long_name", TRACE_AXES[axis].meaning));
    return shape.grows ? status_ok() : put_labels(file, info, axis, path);
}

static Status make_axis(H5File *file, const TraceInfo *info, TraceAxis axis) {
    char path[SKELETON_PATH_BYTES], link[SKELETON_PATH_BYTES];
    const TraceGroup home = TRACE_AXES[axis].home; // exists whenever the axis is used
    TRY(make_scale(file, info, axis, skeleton_axis_path(axis, home, path)));
    for (int g = 0; g < TRACE_GROUP_N; g++)
        if (g != (int)home && group_uses(info, g, axis))
            TRY(h5_make_link(file, path, skeleton_axis_path(axis, g, link)));
    return status_ok();
}

/// What a column means: unit, long name, the words behind its numbers, what is no value.
static Status describe(H5File *file, TraceDataset dataset, const char *path) {
    const TraceDatasetRow *row = &TRACE_DATASETS[dataset];
    TraceFill fill = skeleton_fill(dataset);
    int nflags = 0;
    const char *words = trace_flag_meanings(row->flags, &nflags);
    if (row->type == TRACE_CHAR)
        TRY(h5_attribute_text(file, path, "_Encoding", "utf-8"));
    else
        TRY(h5_attribute_text(file, path, "units", row->unit));
    TRY(h5_attribute_text(file, path, "long_name", row->meaning));
    if (row->flags == TRACE_MISSING || row->flags == TRACE_SIGNED || row->type == TRACE_F64)
        TRY(h5_attribute(file, path, "_FillValue", row->type, 0, &fill));
    if (nflags > 0) {
        int8_t values[TRACE_OPERATION_N]; // the longest list
        CHECK(nflags <= TRACE_OPERATION_N, "%s: %d flags", row->name, nflags);
        for (int i = 0; i < nflags; i++) values[i] = (int8_t)i;
        TRY(h5_attribute(file, path, "flag_values", TRACE_I8, nflags, values));
        TRY(h5_attribute_text(file, path, "flag_meanings", words));
    }
    // Readers then carry a GPU's place, or the time of an interval, along with the values.
    if (row->group == TRACE_GROUP_GPUS && row->axis[0] == TRACE_AXIS_STEP)
        return h5_attribute_text(file, path, "coordinates", "job job_rank tp pp dp node slot");
    if (row->axis[0] == TRACE_AXIS_INTERVAL && row->axis[1] != TRACE_AXIS_NONE)
        return h5_attribute_text(file, path, "coordinates", "start_ps end_ps");
    return status_ok();
}

static Status make_dataset(H5File *file, const TraceInfo *info, TraceDataset dataset) {
    char path[SKELETON_PATH_BYTES], scale[SKELETON_PATH_BYTES];
    const TraceDatasetRow *row = &TRACE_DATASETS[dataset];
    skeleton_dataset_path(dataset, path);
    H5Shape shape = skeleton_shape(info, dataset);
    TraceFill fill = skeleton_fill(dataset);
    TRY(h5_make_dataset(file, path, row->type, &shape, &fill));
    TRY(describe(file, dataset, path));
    for (int i = 0; i < shape.rank; i++)
        TRY(h5_attach_scale(
            file, path, i, skeleton_axis_path(row->axis[i], TRACE_AXES[row->axis[i]].home, scale)));
    return status_ok();
}

/// NXdata: viewers such as H5Web draw `signal` over `axes` unasked.
static Status make_group(H5File *file, const TraceInfo *info, TraceGroup group) {
    char path[SKELETON_PATH_BYTES];
    snprintf(path, sizeof path, "/%s", TRACE_GROUPS[group].name);
    if (group != TRACE_GROUP_ROOT) TRY(h5_make_group(file, path));
    TRY(h5_attribute_text(file, path, "description", TRACE_GROUPS[group].meaning));
    for (int d = 0; d < TRACE_DATASET_N; d++) {
        const TraceDatasetRow *row = &TRACE_DATASETS[d];
        if (row->group != group || strcmp(row->name, TRACE_GROUPS[group].signal) != 0) continue;
        if (!skeleton_has(info, row->when)) continue;
        const char *axis[TRACE_RANK_MAX];
        int n = trace_dataset_rank(d);
        for (int i = 0; i < n; i++) axis[i] = TRACE_AXES[row->axis[i]].name;
        TRY(h5_attribute_text(file, path, "NX_class", "NXdata"));
        TRY(h5_attribute_text(file, path, "signal", row->name));
        TRY(h5_attribute_texts(file, path, "axes", axis, n));
    }
    return status_ok();
}

static Status put_text(H5File *file, const char *name, const char *text) {
    return text && text[0] ? h5_attribute_text(file, "/", name, text) : status_ok();
}

static Status describe_sources(H5File *file, const TraceInfo *info) {
    uint64_t hash = 0;
    char name[32], text[32];
    for (int i = 0; i < info->nsources; i++) {
        snprintf(name, sizeof name, "config_path_%d", i);
        TRY(put_text(file, name, info->source[i].path));
        snprintf(name, sizeof name, "config_text_%d", i);
        TRY(put_text(file, name, info->source[i].text));
        hash += (uint64_t)(i + 1) *
                fingerprint_bytes(info->source[i].text, strlen(info->source[i].text));
    }
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    TRY(put_text(file, "config_hash", text));
    return put_text(file, "config_resolved", info->resolved);
}

/// Attributes of the root: the same on any number of ranks, on any host, at any time.
static Status describe_root(H5File *file, const TraceInfo *info) {
    const int32_t schema = TRACE_SCHEMA_VERSION, sources = info->nsources;
    TRY(put_text(file, "Conventions", "CF-1.10"));
    TRY(put_text(file, "title", info->title));
    TRY(put_text(file, "source", "colossim " BUILD_INFO_VERSION));
    TRY(put_text(file, "git_commit", BUILD_INFO_COMMIT));
    TRY(h5_attribute(file, "/", "schema_version", TRACE_I32, 0, &schema));
    TRY(put_text(file, "job", info->job));
    TRY(put_text(file, "cluster", info->cluster));
    TRY(put_text(file, "engine", info->engine));
    TRY(put_text(file, "routing", info->routing));
    TRY(put_text(file, "placement", info->placement));
    TRY(put_text(file, "mfu_precision", info->precision));
    TRY(h5_attribute(file, "/", "seed", TRACE_U64, 0, &info->seed));
    TRY(h5_attribute(file, "/", "control_delay_ps", TRACE_I64, 0, &info->control_delay_ps));
    TRY(h5_attribute(file, "/", "interval_ps", TRACE_I64, 0, &info->interval_ps));
    TRY(h5_attribute(file, "/", "gpus_per_node", TRACE_I64, 0, &info->gpus_per_node));
    TRY(h5_attribute(file, "/", "config_files", TRACE_I32, 0, &sources));
    TRY(put_text(file, "NX_class", "NXroot"));
    TRY(put_text(file, "default", TRACE_GROUPS[TRACE_GROUP_STEPS].name));
    TRY(put_text(file, "status", "running"));
    TRY(h5_attribute_text(file, "/", "reason", ""));
    return describe_sources(file, info);
}

static Status run_text(H5File *file, const char *name, const char *text) {
    return h5_attribute_text(file, "/run", name, text ? text : "");
}

/// Attributes of /run: what may differ between runs that are otherwise equal.
static Status describe_run(H5File *file, const TraceInfo *info, int nranks) {
    char host[256] = "", date[32] = "", version[32], library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    struct tm utc;
    const time_t now = time(NULL);
    const int32_t ranks = nranks;
    gethostname(host, sizeof host - 1);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    MPI_Get_library_version(library, &length);
    library[strcspn(library, "\n,")] = '\0';
    TRY(h5_make_group(file, "/run"));
    TRY(run_text(file, "description",
                 "What may differ between equal runs; not part of the results."));
    TRY(h5_attribute(file, "/run", "mpi_ranks", TRACE_I32, 0, &ranks));
    TRY(run_text(file, "mpi_library", library));
    TRY(run_text(file, "hdf5_version", h5_version(version)));
    TRY(run_text(file, "compiler", BUILD_INFO_COMPILER));
    TRY(run_text(file, "build_type", BUILD_INFO_TYPE));
    TRY(run_text(file, "hostname", host));
    TRY(run_text(file, "date_created", date));
    TRY(run_text(file, "slurm_job_id", getenv("SLURM_JOB_ID")));
    TRY(run_text(file, "arguments", info->arguments));
    return run_text(file, "command_line", info->command_line);
}

/// A whole column.
static Status put_column(H5File *file, const TraceInfo *info, TraceDataset dataset,
                         const void *data) {
    char path[SKELETON_PATH_BYTES];
    H5Shape shape = skeleton_shape(info, dataset);
    H5Set set;
    TRY(h5_open_set(file, skeleton_dataset_path(dataset, path), &set));
    TRY(h5_write(file, set, TRACE_DATASETS[dataset].type, shape.rank, (int64_t[TRACE_RANK_MAX]){0},
                 shape.size, data));
    return h5_close_set(file, set);
}

/// Columns that are known before the first step.
static Status put_tiers(H5File *file, const TraceInfo *info) {
    int64_t links[TRACE_TIERS_MAX], capacity_Bps[TRACE_TIERS_MAX],
        first[TRACE_TIERS_MAX * TRACE_DIRECTIONS];
    for (int t = 0; t < info->ntiers; t++) {
        links[t] = info->tier[t].links;
        capacity_Bps[t] = info->tier[t].capacity_Bps;
        for (int d = 0; d < TRACE_DIRECTIONS; d++)
            first[t * TRACE_DIRECTIONS + d] = info->tier[t].first_link[d];
    }
    const struct {
        TraceDataset dataset;
        const void *data;
    } column[] = {{TRACE_LINKS_COUNT, links},
                  {TRACE_LINKS_CAPACITY, capacity_Bps},
                  {TRACE_LINKS_FIRST, first}};
    for (size_t i = 0; i < sizeof column / sizeof column[0]; i++)
        TRY(put_column(file, info, column[i].dataset, column[i].data));
    return status_ok();
}

static Status put_site_tiers(H5File *file, const TraceInfo *info) {
    if (!skeleton_has(info, TRACE_IF_TRAINING)) return status_ok();
    int64_t gpus[TRACE_SITE_TIERS_MAX];
    for (int t = 0; t < info->nsite_tiers; t++) gpus[t] = info->site_tier[t].gpus;
    return put_column(file, info, TRACE_POWER_TIER_GPUS, gpus);
}

static Status put_events(H5File *file, const TraceInfo *info) {
    if (info->nevents == 0) return status_ok();
    int64_t time_ps[TRACE_EVENTS_MAX], known_ps[TRACE_EVENTS_MAX];
    double from[TRACE_EVENTS_MAX], to[TRACE_EVENTS_MAX];
    char what[TRACE_EVENTS_MAX][TRACE_NAME_CHARS] = {{0}};
    for (int32_t i = 0; i < info->nevents; i++) {
        const TraceEvent *event = &info->event[i];
        time_ps[i] = event->time_ps;
        known_ps[i] = event->known_ps;
        from[i] = event->from;
        to[i] = event->to;
        memcpy(what[i], event->what, sizeof what[i]);
    }
    TRY(put_column(file, info, TRACE_EVENTS_TIME, time_ps));
    TRY(put_column(file, info, TRACE_EVENTS_KNOWN, known_ps));
    TRY(put_column(file, info, TRACE_EVENTS_FROM, from));
    TRY(put_column(file, info, TRACE_EVENTS_TO, to));
    return put_column(file, info, TRACE_EVENTS_WHAT, what);
}

static Status put_changes(H5File *file, const TraceInfo *info) {
    if (info->nchanges == 0) return status_ok();
    double size[TRACE_CHANGES_MAX];
    for (int32_t i = 0; i < info->nchanges; i++) size[i] = info->change[i].size;
    return put_column(file, info, TRACE_GAINS_SIZE, size);
}

static Status put_chosen(H5File *file, const TraceInfo *info) {
    const size_t ids = sizeof(int64_t) * (size_t)info->nchosen,
                 chars = (size_t)info->nchosen * TRACE_NAME_CHARS;
    if (info->nchosen == 0) return status_ok();
    int64_t *id = memory_alloc("trace.skeleton", ids);
    char *name = memory_alloc("trace.skeleton", chars);
    for (int32_t i = 0; i < info->nchosen; i++) {
        id[i] = info->chosen[i].link;
        memcpy(name + (size_t)i * TRACE_NAME_CHARS, info->chosen[i].name, TRACE_NAME_CHARS);
    }
    Status status = put_column(file, info, TRACE_LINKS_CHOSEN, id);
    if (status_is_ok(&status)) status = put_column(file, info, TRACE_LINKS_CHOSEN_NAME, name);
    memory_free("trace.skeleton", id, ids);
    memory_free("trace.skeleton", name, chars);
    return status;
}

static Status put_jobs(H5File *file, const TraceInfo *info) {
    if (!skeleton_has(info, TRACE_IF_SEVERAL)) return status_ok();
    size_t bytes = (size_t)info->njobs * TRACE_NAME_CHARS;
    char *name = memory_alloc("trace.skeleton", bytes);
    for (int32_t j = 0; j < info->njobs; j++)
        snprintf(name + (size_t)j * TRACE_NAME_CHARS, TRACE_NAME_CHARS, "%s", info->job_name[j]);
    Status status = put_column(file, info, TRACE_JOBS_NAME, name);
    memory_free("trace.skeleton", name, bytes);
    return status;
}

static Status put_nothing_committed(H5File *file) {
    const int64_t zero = 0;
    char path[SKELETON_PATH_BYTES];
    H5Set set;
    TRY(h5_open_set(file, skeleton_dataset_path(TRACE_COMMITTED, path), &set));
    TRY(h5_write(file, set, TRACE_I64, 0, (int64_t[]){0}, (int64_t[]){1}, &zero));
    return h5_close_set(file, set);
}

static Status fill_file(H5File *file, const TraceInfo *info, int nranks) {
    for (int g = 0; g < TRACE_GROUP_N; g++)
        if (skeleton_has(info, TRACE_GROUPS[g].when)) TRY(make_group(file, info, g));
    for (int a = 0; a < TRACE_AXIS_N; a++)
        if (skeleton_has_axis(info, a)) TRY(make_axis(file, info, a));
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (skeleton_has(info, TRACE_DATASETS[d].when)) TRY(make_dataset(file, info, d));
    TRY(put_tiers(file, info));
    TRY(put_site_tiers(file, info));
    TRY(put_events(file, info));
    TRY(put_jobs(file, info));
    TRY(put_changes(file, info));
    TRY(put_chosen(file, info));
    TRY(put_nothing_committed(file));
    TRY(describe_root(file, info));
    return describe_run(file, info, nranks);
}

Status skeleton_make(const TraceInfo *info, const char *path, int nranks) {
    H5File *file = NULL;
    TRY(h5_create(path, info->path, &file));
    Status status = fill_file(file, info, nranks);
    Status closed = h5_close(&file);
    return status_is_ok(&status) ? closed : status;
}
