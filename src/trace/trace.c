#include "trace/trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "trace/skeleton.h"
#include "trace/slab.h"

static const char LABEL[] = "trace";
/// Commits are thinned out above this share of wall time, unless the last is that long ago.
static const double COMMIT_SHARE = 0.05, COMMIT_PATIENCE_S = 2.0;
/// Some 1.5 kB of metadata each, which HDF5 must not write on its own (h5.c).
enum { COMMIT_ROWS = 8192 };

static Status open_sets(Trace *trace) {
    char path[SKELETON_PATH_BYTES];
    Status status = status_ok();
    for (int d = 0; d < TRACE_DATASET_N; d++) {
        trace->shape[d] = skeleton_shape(&trace->info, d);
        if (skeleton_has(&trace->info, TRACE_DATASETS[d].when))
            slab_keep(&status,
                      h5_open_set(trace->file, skeleton_dataset_path(d, path), &trace->set[d]));
    }
    for (int a = 0; a < TRACE_AXIS_N; a++)
        if (TRACE_AXES[a].grows && skeleton_has_axis(&trace->info, a))
            slab_keep(&status,
                      h5_open_set(trace->file, skeleton_axis_path(a, TRACE_AXES[a].home, path),
                                  &trace->label[a]));
    return status;
}

static Status close_sets(Trace *trace) {
    Status status = status_ok();
    // With the MPI-IO driver a handle left open makes closing the file fail.
    for (int d = 0; d < TRACE_DATASET_N; d++)
        if (trace->set[d] >= 0) slab_keep(&status, h5_close_set(trace->file, trace->set[d]));
    for (int a = 0; a < TRACE_AXIS_N; a++)
        if (trace->label[a] >= 0) slab_keep(&status, h5_close_set(trace->file, trace->label[a]));
    return status;
}

static void free_trace(Trace **trace) {
    memory_free(LABEL, *trace, sizeof **trace);
    *trace = NULL;
}

static Status is_trace(const char *path, const char *said) {
    return h5_check_root(path, said, "source", "colossim");
}

/// Rank 0's: a draft with the whole structure.
static Status make_draft(const TraceInfo *info, int nranks, Draft **draft) {
    const char **input = memory_alloc(LABEL, (size_t)info->nsources * sizeof *input);
    for (int32_t i = 0; i < info->nsources; i++) input[i] = info->source[i].path;
    Status status =
        draft_begin(info->path, info->make_folder, input, info->nsources, is_trace, draft);
    memory_free(LABEL, input, (size_t)info->nsources * sizeof *input);
    if (status_is_ok(&status)) status = skeleton_make(info, draft_path(*draft), nranks);
    return status;
}

/// The draft, opened by all ranks.
static Status open_trace(Trace *trace) {
    char path[DRAFT_PATH_BYTES] = "";
    Status status = status_ok();
    if (slab_on_root(trace)) {
        status = make_draft(&trace->info, comm_nranks(trace->comm), &trace->draft);
        if (status_is_ok(&status)) snprintf(path, sizeof path, "%s", draft_path(trace->draft));
    }
    TRY(comm_agree(trace->comm, status));
    comm_broadcast(trace->comm, path, sizeof path, 0);
    TRY(comm_agree(trace->comm, h5_open(path, trace->info.path, trace->comm, &trace->file)));
    return slab_leave(trace, open_sets(trace));
}

Status trace_create(const Comm *comm, const TraceInfo *info, Trace **out) {
    CHECK(info->ntiers >= 1 && info->ntiers <= TRACE_TIERS_MAX, "%d tiers", info->ntiers);
    CHECK(info->nsite_tiers >= 1 && info->nsite_tiers <= TRACE_SITE_TIERS_MAX,
          "%d tiers of the site", info->nsite_tiers);
    Trace *trace = memory_alloc(LABEL, sizeof *trace);
    *trace = (Trace){.comm = comm, .info = *info, .start_s = comm_clock_s()};
    trace->last_commit_s = trace->start_s;
    for (int d = 0; d < TRACE_DATASET_N; d++) trace->set[d] = -1;
    for (int a = 0; a < TRACE_AXIS_N; a++) trace->label[a] = -1;
    Status status = open_trace(trace);
    if (status_is_ok(&status)) {
        *out = trace;
        return status;
    }
    close_sets(trace);
    h5_close(&trace->file);
    draft_end(&trace->draft);
    free_trace(&trace);
    return status;
}

/// What the rows of the static columns are made from.
typedef struct Placing {
    TraceGpu (*place)(const void *context, int64_t gpu);
    const void *context;
} Placing;

/// Pack a static column of the GPUs [first, first + n), from rows that are made a few at a time.
static void pack_static(const Placing *placing, const Column *column, int64_t first, int64_t n,
                        char *packed) {
    enum { ROWS = 256 };
    TraceGpu row[ROWS];
    for (int64_t done = 0; done < n; done += ROWS) {
        int64_t rows = n - done < ROWS ? n - done : ROWS;
        for (int64_t i = 0; i < rows; i++)
            row[i] = placing->place(placing->context, first + done + i);
        column_pack(column, row, sizeof *row, rows, packed + column_bytes(column, done));
    }
}

Status trace_static_gpus(Trace *trace, int64_t first, int64_t n,
                         TraceGpu (*place)(const void *context, int64_t gpu), const void *context) {
    static const Column column[] = {
        COLUMN(TRACE_GPUS_NODE, TraceGpu, node),
        COLUMN(TRACE_GPUS_SLOT, TraceGpu, slot),
        COLUMN(TRACE_GPUS_JOB, TraceGpu, job),
        COLUMN(TRACE_GPUS_JOB_RANK, TraceGpu, job_rank),
        COLUMN(TRACE_GPUS_TP, TraceGpu, tp),
        COLUMN(TRACE_GPUS_CP, TraceGpu, cp),
        COLUMN(TRACE_GPUS_PP, TraceGpu, pp),
        COLUMN(TRACE_GPUS_DP, TraceGpu, dp),
        COLUMN(TRACE_GPUS_MICROBATCHES, TraceGpu, microbatches),
    };
    const Placing placing = {place, context};
    Status status = status_ok();
    for (int c = 0; c < COUNT_OF(column); c++) {
        if (trace->set[column[c].dataset] < 0) continue;
        size_t bytes = (size_t)column_bytes(&column[c], n);
        char *packed = memory_alloc(LABEL, bytes);
        pack_static(&placing, &column[c], first, n, packed);
        slab_keep(&status, slab_write_packed(trace, column[c].dataset, 0, first, n, packed));
        memory_free(LABEL, packed, bytes);
    }
    return slab_leave(trace, status);
}

Status trace_begin_step(Trace *trace) {
    CHECK(!trace->open, "step %lld is still open", (long long)(trace->step - 1));
    trace->open = true;
    trace->step++;
    return slab_grow(trace, TRACE_AXIS_STEP, 1);
}

/// Sum of a column in which each GPU counts with an odd factor of its own: parts and durations that differ for one GPU
/// differ in this sum, without a second column to compare with.
static uint64_t column_sum(int64_t first, int64_t n, const int64_t value_ps[]) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (value_ps[i] != TRACE_NO_TIME_PS)
            sum += (uint64_t)value_ps[i] * (2 * (uint64_t)(first + i) + 1);
    return sum;
}

/// The datasets of the parts follow each other in the schema.
static TraceDataset gpu_dataset(int column) {
    return column == TRACE_GPU_DURATION ? TRACE_GPUS_DURATION
                                        : TRACE_GPUS_COMPUTE + (TraceDataset)column;
}

Status trace_write_gpus(Trace *trace, int64_t first, int64_t n, TraceGpuFill fill, void *context) {
    CHECK(trace->open && trace->info.training, "no step of a training job is open");
    int64_t *value_ps = memory_alloc(LABEL, (size_t)n * sizeof *value_ps);
    uint64_t parts = 0, durations = 0;
    Status status = status_ok();
    for (int column = 0; column < TRACE_GPU_COLUMNS; column++) {
        fill(context, column, first, n, value_ps);
        *(column == TRACE_GPU_DURATION ? &durations : &parts) += column_sum(first, n, value_ps);
        slab_keep(&status, slab_write_packed(trace, gpu_dataset(column), 1, first, n, value_ps));
    }
    CHECK(parts == durations, "GPUs %lld to %lld: parts of a step do not sum to its duration",
          (long long)first, (long long)(first + n - 1));
    memory_free(LABEL, value_ps, (size_t)n * sizeof *value_ps);
    return slab_leave(trace, status);
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
    return slab_leave(trace,
                      slab_append_rows(trace, TRACE_AXIS_COLLECTIVE, TRACE_COLLECTIVES_STEP, column,
                                       COUNT_OF(column), row, sizeof *row, n, &first));
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
    return slab_leave(trace, slab_append_rows(trace, TRACE_AXIS_FLOW, TRACE_FLOWS_STEP, column,
                                              COUNT_OF(column), row, sizeof *row, n, &first));
}

/// The datasets of the parts follow each other in the schema.
static Status write_operation_parts(Trace *trace, const TraceOperation row[], int64_t first,
                                    int64_t n) {
    Status status = status_ok();
    for (int p = 0; p < TRACE_PART_N; p++) {
        const Column part = {TRACE_TIMELINE_COMPUTE + (TraceDataset)p,
                             offsetof(TraceOperation, part_ps) + (size_t)p * sizeof(int64_t),
                             sizeof(int64_t), 1};
        slab_keep(&status, slab_write_columns(trace, &part, 1, row, sizeof *row, 0, first, n));
    }
    return status;
}

Status trace_append_operations(Trace *trace, int64_t n, const TraceOperation row[]) {
    static const Column column[] = {
        COLUMN(TRACE_TIMELINE_GPU, TraceOperation, gpu),
        COLUMN(TRACE_TIMELINE_STREAM, TraceOperation, stream),
        COLUMN(TRACE_TIMELINE_KIND, TraceOperation, kind),
        COLUMN(TRACE_TIMELINE_MICROBATCH, TraceOperation, microbatch),
        COLUMN(TRACE_TIMELINE_CHUNK, TraceOperation, chunk),
        COLUMN(TRACE_TIMELINE_SEGMENT, TraceOperation, segment),
        COLUMN(TRACE_TIMELINE_PART, TraceOperation, part),
        COLUMN(TRACE_TIMELINE_START, TraceOperation, start_ps),
        COLUMN(TRACE_TIMELINE_BEGUN, TraceOperation, begun_ps),
        COLUMN(TRACE_TIMELINE_END, TraceOperation, end_ps),
        COLUMN(TRACE_TIMELINE_ALONE, TraceOperation, alone_ps),
        COLUMN(TRACE_TIMELINE_BYTES, TraceOperation, bytes),
        COLUMN(TRACE_TIMELINE_PEER, TraceOperation, peer),
        COLUMN(TRACE_TIMELINE_COLLECTIVE, TraceOperation, collective),
        COLUMN(TRACE_TIMELINE_AWAITED, TraceOperation, awaited),
    };
    CHECK(trace->open && trace->info.timeline, "no step with a timeline is open");
    int64_t first = 0;
    Status status = slab_append_rows(trace, TRACE_AXIS_OPERATION, TRACE_TIMELINE_STEP, column,
                                     COUNT_OF(column), row, sizeof *row, n, &first);
    if (trace->failed) return status;
    slab_keep(&status, write_operation_parts(trace, row, first, n));
    return slab_leave(trace, status);
}

int64_t trace_ncollectives(const Trace *trace) { return trace->rows[TRACE_AXIS_COLLECTIVE]; }
int64_t trace_noperations(const Trace *trace) { return trace->rows[TRACE_AXIS_OPERATION]; }

/// What follows from a TraceStep, and where the tables stand.
typedef struct StepRow {
    TraceStep step;
    int64_t duration_ps;
    TraceRates rates;
    int64_t collectives_end, flows_end, intervals_end, timeline_end;
} StepRow;

TraceRates trace_rates(const TraceStep *step) {
    const double gpu_s =
        (double)(step->end_ps - step->start_ps) / 1e12 * (double)step->working_gpus;
    if (gpu_s <= 0) return (TraceRates){NAN, NAN, NAN};
    return (TraceRates){.mfu_full = step->model_flop_full / (gpu_s * step->peak_flop_per_s),
                        .mfu_causal = step->model_flop_causal / (gpu_s * step->peak_flop_per_s),
                        .tokens_per_s_gpu = (double)step->tokens / gpu_s};
}

static StepRow derive(const Trace *trace, const TraceStep *step) {
    return (StepRow){.step = *step,
                     .duration_ps = step->end_ps - step->start_ps,
                     .rates = trace_rates(step),
                     .collectives_end = trace->rows[TRACE_AXIS_COLLECTIVE],
                     .flows_end = trace->rows[TRACE_AXIS_FLOW],
                     .intervals_end = trace->rows[TRACE_AXIS_INTERVAL],
                     .timeline_end = trace->rows[TRACE_AXIS_OPERATION]};
}

/// A run that is played again must come to what it had come to.
static Status check_begun(const Trace *trace, const TraceStep *step) {
    const int64_t row = trace->step - 1;
    REQUIRE(row >= trace->info.nbegun || step->fingerprint == trace->info.begun[row], STATUS_FAILED,
            "step %lld is not what %s holds of it (fingerprint %016llx, there %016llx): another "
            "program wrote it, or one of the two went wrong; the file stays as it is",
            (long long)row, trace->info.path, (unsigned long long)step->fingerprint,
            (unsigned long long)trace->info.begun[row]);
    return status_ok();
}

Status trace_write_step(Trace *trace, const TraceStep *step) {
    static const Column column[] = {
        COLUMN(TRACE_STEPS_START, StepRow, step.start_ps),
        COLUMN(TRACE_STEPS_END, StepRow, step.end_ps),
        COLUMN(TRACE_STEPS_DURATION, StepRow, duration_ps),
        COLUMN(TRACE_STEPS_GPU_MEAN, StepRow, step.mean_duration_ps),
        COLUMN(TRACE_STEPS_PACKETS, StepRow, step.packets),
        COLUMN(TRACE_STEPS_RESENT, StepRow, step.resent),
        COLUMN(TRACE_STEPS_ACKS, StepRow, step.acknowledgements),
        COLUMN(TRACE_STEPS_SKIPPED, StepRow, step.skipped),
        COLUMN(TRACE_STEPS_TOKENS, StepRow, step.tokens),
        COLUMN(TRACE_STEPS_GPUS, StepRow, step.working_gpus),
        COLUMN(TRACE_STEPS_MODEL_FLOP_FULL, StepRow, step.model_flop_full),
        COLUMN(TRACE_STEPS_MODEL_FLOP_CAUSAL, StepRow, step.model_flop_causal),
        COLUMN(TRACE_STEPS_HARDWARE_FLOP, StepRow, step.hardware_flop),
        COLUMN(TRACE_STEPS_PRICED_INSIDE, StepRow, step.priced_scale_up_bytes),
        COLUMN(TRACE_STEPS_PRICED_OUTSIDE, StepRow, step.priced_nic_bytes),
        COLUMN(TRACE_STEPS_PEAK, StepRow, step.peak_flop_per_s),
        COLUMN(TRACE_STEPS_MFU_FULL, StepRow, rates.mfu_full),
        COLUMN(TRACE_STEPS_MFU_CAUSAL, StepRow, rates.mfu_causal),
        COLUMN(TRACE_STEPS_TOKEN_RATE, StepRow, rates.tokens_per_s_gpu),
        COLUMN(TRACE_STEPS_LIKELY_LEAST, StepRow, step.likely_least_ps),
        COLUMN(TRACE_STEPS_LIKELY_MOST, StepRow, step.likely_most_ps),
        COLUMN(TRACE_STEPS_LIKELY_RUNS, StepRow, step.likely_runs),
        COLUMN(TRACE_STEPS_LARGEST_RUN, StepRow, step.largest_run_gpus),
        COLUMN(TRACE_STEPS_COMPUTING, StepRow, step.computing_ps),
        COLUMN(TRACE_STEPS_COMMUNICATING, StepRow, step.communicating_ps),
        COLUMN(TRACE_STEPS_AWAITING, StepRow, step.awaiting_ps),
        COLUMN(TRACE_STEPS_RANK_IDLE, StepRow, step.idle_ps),
        COLUMN(TRACE_STEPS_FINGERPRINT, StepRow, step.fingerprint),
        COLUMN(TRACE_STEPS_JOB, StepRow, step.job),
        COLUMN(TRACE_STEPS_JOB_STEP, StepRow, step.job_step),
        COLUMN(TRACE_STEPS_COLLECTIVES_END, StepRow, collectives_end),
        COLUMN(TRACE_STEPS_FLOWS_END, StepRow, flows_end),
        COLUMN(TRACE_STEPS_INTERVALS_END, StepRow, intervals_end),
        COLUMN(TRACE_STEPS_INTERVALS_START, StepRow, step.intervals_start_ps),
        COLUMN(TRACE_STEPS_LINKS_STEP, StepRow, step.links_step),
        COLUMN(TRACE_STEPS_TIMELINE_END, StepRow, timeline_end),
        COLUMN(TRACE_STEPS_TIMELINE_STEP, StepRow, step.timeline_step),
    };
    CHECK(trace->open, "no step is open");
    const int64_t n = slab_on_root(trace) ? 1 : 0, first = trace->step - 1;
    StepRow row = {0};
    if (n) row = derive(trace, step);
    Status status = n ? check_begun(trace, step) : status_ok();
    slab_keep(&status,
              slab_write_columns(trace, column, COUNT_OF(column), &row, sizeof row, 0, first, n));
    for (int p = 0; p < TRACE_PART_N; p++) {
        const Column part = {TRACE_STEPS_COMPUTE + (TraceDataset)p,
                             offsetof(StepRow, step.mean_part_ps) + (size_t)p * sizeof(double),
                             sizeof(double), 1};
        slab_keep(&status, slab_write_columns(trace, &part, 1, &row, sizeof row, 0, first, n));
    }
    trace->open = false;
    return slab_leave(trace, status);
}

/// Committing costs an fsync a rank: about 10 ms on a local disk, more on a parallel file system.
static bool commit_now(Trace *trace) {
    const double now = comm_clock_s();
    int8_t yes = trace->info.commit_every || trace->uncommitted >= COMMIT_ROWS ||
                 trace->commit_s <= COMMIT_SHARE * (now - trace->start_s) ||
                 now - trace->last_commit_s >= COMMIT_PATIENCE_S;
    comm_broadcast(trace->comm, &yes, sizeof yes, 0);
    return yes;
}

/// With its first step the file takes its name, or with as many as what stands there has; later it must still be there.
static Status publish(Trace *trace, int64_t steps) {
    if (steps < 1 || steps < trace->info.nbegun) return status_ok();
    return trace->draft ? draft_publish(trace->draft) : status_ok();
}

static Status commit(Trace *trace) {
    const double begin = comm_clock_s();
    const int64_t closed = trace->step - (trace->open ? 1 : 0);
    // Only what is flushed may be counted.
    TRY(slab_leave(trace, h5_flush(trace->file)));
    const int64_t n = slab_on_root(trace) ? 1 : 0;
    TRY(slab_leave(trace, h5_write(trace->file, trace->set[TRACE_COMMITTED], TRACE_I64, 0,
                                   &(int64_t){0}, &n, &closed)));
    TRY(slab_leave(trace, publish(trace, closed)));
    trace->committed = closed;
    trace->uncommitted = 0;
    trace->last_commit_s = comm_clock_s();
    trace->commit_s += trace->last_commit_s - begin;
    return status_ok();
}

Status trace_commit(Trace *trace, bool force, int64_t *committed) {
    Status status = status_ok();
    if (force || commit_now(trace)) status = commit(trace);
    if (committed) *committed = trace->committed;
    return status;
}

/// Attributes are metadata, of which every rank writes the pages it pleases: all must hold the same. A trace that has
/// failed takes none.
static Status run_attribute(Trace *trace, const char *name, TraceType type, int n, void *values) {
    if (trace->failed) return status_ok();
    comm_broadcast(trace->comm, values, (n > 0 ? n : 1) * trace_type_bytes(type), 0);
    return slab_leave(trace, h5_attribute(trace->file, "/run", name, type, n, values));
}

Status trace_run_double(Trace *trace, const char *name, double value) {
    return run_attribute(trace, name, TRACE_F64, 0, &value);
}

Status trace_run_doubles(Trace *trace, const char *name, const double values[], int n) {
    size_t bytes = (size_t)n * sizeof *values;
    double *copy = memory_alloc(LABEL, bytes);
    memcpy(copy, values, bytes);
    Status status = run_attribute(trace, name, TRACE_F64, n, copy);
    memory_free(LABEL, copy, bytes);
    return status;
}

Status trace_run_int(Trace *trace, const char *name, int64_t value) {
    return run_attribute(trace, name, TRACE_I64, 0, &value);
}

static Status close_file(Trace *trace) {
    Status status = commit(trace);
    slab_keep(&status, close_sets(trace));
    slab_keep(&status, h5_close(&trace->file));
    return slab_leave(trace, status);
}

/// What failed once may hang the next time (a rank alone in a collective write): HDF5's file stays as it was committed.
/// So rank 0 alone says the last word, beside it. HDF5 then cuts the file to its length, too.
static Status say_last(const Draft *draft, const char *word, const char *reason) {
    if (!draft || !draft_is_published(draft)) return status_ok();
    TRY(draft_check(draft));
    if (reason[0]) TRY(h5_mend_root(draft_path(draft), "reason", reason));
    return h5_mend_root(draft_path(draft), "status", word);
}

Status trace_close(Trace **at, const char *word, const char *reason) {
    Trace *trace = *at;
    if (!trace) return status_ok();
    Status status = status_ok();
    if (!trace->failed) status = close_file(trace);
    Status said = say_last(trace->draft, trace->failed ? "failed" : word, reason);
    if (!trace->failed) slab_keep(&status, comm_agree(trace->comm, said));
    draft_end(&trace->draft);
    free_trace(at);
    return status;
}

bool trace_is_held(void) { return h5_open_files() > 0; }
