#include "driver/record.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"
#include "driver/load.h"

int64_t record_interval_ps(int64_t estimate_ps, int32_t intervals) {
    static const int64_t MANTISSA[] = {1, 2, 5};
    int64_t wanted_ps = estimate_ps / intervals;
    for (int64_t decade_ps = 1;; decade_ps *= 10)
        for (int i = 0; i < 3; i++)
            if (MANTISSA[i] * decade_ps >= wanted_ps) return MANTISSA[i] * decade_ps;
}

static const char *routing_name(Routing routing) {
    static const char *const NAMES[] = {"ecmp", "dmodk", "spray", "adaptive"};
    return NAMES[routing];
}

static const char *placement_name(PlacementKind kind) {
    static const char *const NAMES[] = {"contiguous", "strided", "random"};
    return NAMES[kind];
}

static const char *precision_name(Precision precision) {
    static const char *const NAMES[] = {"fp32", "fp16", "bf16", "fp8"};
    return NAMES[precision];
}

/// The tier axis: scale-up domain, then the tiers of the fabric, and NICs of several ports.
static int32_t describe_tiers(const Cluster *cluster, TraceTier tier[TRACE_TIERS_MAX]) {
    const int32_t ntiers = cluster_ntiers(cluster);
    for (int32_t t = 0; t < ntiers; t++) {
        tier[t].name = cluster_tier_name(cluster, t);
        tier[t].links = cluster_tier_links(cluster, t);
        tier[t].first_link[0] = cluster_first_link(cluster, t, LINK_UP);
        tier[t].first_link[1] = cluster_first_link(cluster, t, LINK_DOWN);
        tier[t].capacity_Bps = cluster_healthy_Bps(cluster, t);
    }
    return ntiers;
}

static size_t sum_bytes(const Recorder *recorder) {
    return load_sum_bytes(recorder->run->trace.hot_links);
}

static LoadSum *pending_at(const Recorder *recorder, int64_t i) {
    return (LoadSum *)((char *)recorder->pending + (size_t)i * sum_bytes(recorder));
}

static void add_pending(Recorder *recorder) {
    size_t each = sum_bytes(recorder);
    if (recorder->npending == recorder->pending_capacity) {
        int64_t capacity = 2 * recorder->pending_capacity + 64;
        recorder->pending =
            memory_resize("record.intervals", recorder->pending,
                          (size_t)recorder->pending_capacity * each, (size_t)capacity * each);
        recorder->pending_capacity = capacity;
    }
    LoadSum *sum = pending_at(recorder, recorder->npending);
    memset(sum, 0, each);
    sum->start_ps =
        intervals_begin_ps(&recorder->intervals, recorder->first_interval + recorder->npending++);
    sum->end_ps = sum->start_ps + recorder->intervals.width_ps;
}

/// Intervals without traffic are skipped by the engine, but not in the file: what has none here may have some elsewhere.
static void fill_pending(Recorder *recorder, int64_t intervals) {
    while (recorder->first_interval + recorder->npending < intervals) add_pending(recorder);
}

/// This rank's sum of an interval; moves when that of a later one is asked for.
static LoadSum *interval_sum(Recorder *recorder, int64_t index) {
    CHECK(index >= recorder->first_interval, "interval %lld has been written", (long long)index);
    fill_pending(recorder, index + 1);
    return pending_at(recorder, index - recorder->first_interval);
}

void recorder_cut_interval(Recorder *recorder, int64_t now_ps) {
    int64_t end_ps = intervals_end_ps(&recorder->intervals, now_ps);
    if (recorder->trace) {
        fill_pending(recorder, intervals_at(&recorder->intervals, end_ps));
        if (recorder->npending > 0 && end_ps > now_ps)
            pending_at(recorder, recorder->npending - 1)->end_ps = now_ps;
    }
    intervals_restart(&recorder->intervals, now_ps);
}

/// Add links to the sum that the adder has been given.
static void add_samples(Recorder *recorder, JointList *joint, int64_t index,
                        const LinkSample sample[], int64_t n) {
    if (recorder->divided)
        joint_add(joint, recorder->cluster, index, sample, n, &recorder->adder);
    else
        load_add(&recorder->adder, sample, n);
}

/// A LinkSink of the engine's intervals.
static void add_interval(void *context, int64_t index, const LinkSample sample[], int64_t n) {
    Recorder *recorder = context;
    load_adder_into(&recorder->adder, interval_sum(recorder, index));
    add_samples(recorder, &recorder->joint, index, sample, n);
}

static void add_interval_alike(void *context, int64_t index, const LinkSample *each,
                               const int32_t link[], int64_t n) {
    Recorder *recorder = context;
    load_adder_into(&recorder->adder, interval_sum(recorder, index));
    load_add_alike(&recorder->adder, each, link, n);
}

Status recorder_open(Recorder *recorder, const RunSpec *run, const Cluster *cluster, Comm *comm,
                     int64_t interval_ps, const char *command_line) {
    recorder->run = run;
    recorder->cluster = cluster;
    recorder->comm = comm;
    recorder->intervals.width_ps = interval_ps;
    load_adder_init(&recorder->adder, cluster, run->trace.hot_links);
    if (!run->trace.path[0]) return status_ok();
    const ClusterSpec *spec = cluster_spec(cluster);
    const JobSpec *job = &run->job[0];
    TraceTier tier[TRACE_TIERS_MAX];
    TraceSource source[RUN_SOURCES_MAX];
    for (int32_t i = 0; i < run->nsources; i++)
        source[i] = (TraceSource){.path = run->source[i].path, .text = run->source[i].text};
    char title[2 * HARDWARE_NAME_BYTES + 8];
    snprintf(title, sizeof title, "%s on %s", job->name, spec->name);
    bool training = job->kind == JOB_TRAINING;
    TraceInfo info = {
        .path = run->trace.path,
        .make_folder = run->trace.make_folder,
        .title = title,
        .job = job->name,
        .cluster = spec->name,
        .engine = run->engine == ENGINE_CLOSED ? "closed" : "flow",
        .routing = routing_name(spec->routing),
        .placement = placement_name(job->placement.kind),
        .precision = training ? precision_name(job->training.precision) : "",
        .resolved = run->resolved,
        .source = source,
        .nsources = run->nsources,
        .seed = run->seed,
        .control_delay_ps = run->control_delay_ps,
        .interval_ps = interval_ps,
        .training = training,
        .traffic = !training,
        .ngpus = cluster_ngpus(cluster),
        .gpus_per_node = spec->gpus_per_node,
        .tier = tier,
        .ntiers = describe_tiers(cluster, tier),
        .nlinks = cluster_nlinks(cluster),
        .hot_links = run->trace.hot_links,
        .full_links = run->trace.full_links,
        .compress = run->trace.compress,
        .command_line = command_line,
    };
    TRY(trace_create(comm, &info, &recorder->trace));
    recorder->ops->sample_into(recorder->engine,
                               (LinkSink){add_interval, recorder, add_interval_alike});
    return status_ok();
}

/// What places are told from.
typedef struct Places {
    const JobSpec *job;
    const Placement *placement;
} Places;

static TraceGpu place_gpu(const void *context, int64_t gpu) {
    const Places *places = context;
    const JobSpec *job = places->job;
    TraceGpu place = {TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE};
    int64_t rank = placement_job_rank(places->placement, gpu);
    if (rank < 0) return place;
    place.job = 0;
    place.job_rank = rank;
    if (job->kind != JOB_TRAINING) return place;
    place.tp = parallel_coordinate(&job->parallel, rank, DIM_TP);
    place.pp = parallel_coordinate(&job->parallel, rank, DIM_PP);
    place.dp = parallel_coordinate(&job->parallel, rank, DIM_DP);
    return place;
}

Status recorder_static_gpus(Recorder *recorder, const Placement *placement) {
    if (!recorder->trace) return status_ok();
    const Places places = {&recorder->run->job[0], placement};
    Partition gpus =
        partition_make(cluster_ngpus(recorder->cluster), 1, comm_nranks(recorder->comm));
    int rank = comm_rank(recorder->comm);
    return trace_static_gpus(recorder->trace, partition_first(&gpus, rank),
                             partition_count(&gpus, rank), place_gpu, &places);
}

/// Intervals that belong to a step: those that end by end_ps, or, for the last, begin before it.
static int64_t count_due(Recorder *recorder, int64_t end_ps, bool last) {
    if (last) end_ps = intervals_end_ps(&recorder->intervals, end_ps);
    int64_t over = intervals_at(&recorder->intervals, end_ps);
    fill_pending(recorder, over);
    return over - recorder->first_interval;
}

/// Add what several ranks have loaded in the intervals that are due to the sums of rank 0.
static void add_joint_intervals(Recorder *recorder, int64_t n) {
    if (!recorder->divided) return;
    JointList total = {0};
    joint_gather(recorder->comm, &recorder->joint, recorder->first_interval + n, &total);
    for (int64_t i = 0; i < total.n; i++) {
        load_adder_into(&recorder->adder,
                        pending_at(recorder, total.at[i].index - recorder->first_interval));
        load_add_link(&recorder->adder, total.at[i].link, total.at[i].bytes, 0, 0);
    }
    array_free(&total);
}

/// Merge the sums of all ranks into sums[n] of rank 0; a block of them at a time, so that what all ranks hold of them
/// is never there at once.
static void merge_ranks(const Recorder *recorder, LoadSum *sums, int64_t n) {
    enum { BLOCK = 64 };
    if (!recorder->divided) return;
    size_t each = sum_bytes(recorder);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t count = n - first < BLOCK ? n - first : BLOCK;
        char *block = (char *)sums + (size_t)first * each;
        Gathered all = comm_gather(recorder->comm, block, count * (int64_t)each);
        for (int rank = 1; rank < all.nranks; rank++)
            for (int64_t i = 0; i < count; i++)
                load_merge((const LoadSum *)(all.bytes + all.first[rank] + (size_t)i * each),
                           recorder->run->trace.hot_links, (LoadSum *)(block + (size_t)i * each));
        gathered_free(&all);
    }
}

static size_t hot_bytes(const Recorder *recorder, int64_t n) {
    return sizeof(TraceHotLink) * (size_t)(n * recorder->run->trace.hot_links + 1);
}

void recorder_finish_intervals(Recorder *recorder, int64_t end_ps, bool last) {
    int64_t over_ps = end_ps;
    if (last && recorder->intervals.width_ps > 0)
        over_ps = intervals_end_ps(&recorder->intervals, end_ps);
    // A window, or an end that is felt later, may have taken the engine past it.
    if (over_ps > recorder->ops->now_ps(recorder->engine))
        recorder->ops->advance(recorder->engine, over_ps);
}

/// Take the intervals that are due into the rows of the step.
static void finish_rows(Recorder *recorder, int64_t end_ps, bool last) {
    bool has_loads = recorder->divided || comm_rank(recorder->comm) == 0;
    int64_t n = has_loads ? count_due(recorder, end_ps, last) : 0;
    add_joint_intervals(recorder, n);
    merge_ranks(recorder, recorder->pending, n);
    StepRows *rows = &recorder->rows;
    rows->nintervals = n;
    rows->interval = memory_alloc("record.intervals", sizeof(TraceLoad) * (size_t)n);
    rows->interval_hot = memory_alloc("record.intervals", hot_bytes(recorder, n));
    for (int64_t i = 0; i < n; i++)
        load_finish(recorder->cluster, pending_at(recorder, i),
                    rows->interval_hot + i * recorder->run->trace.hot_links, &rows->interval[i]);
    recorder->first_interval += n;
    recorder->npending -= n;
    memmove(recorder->pending, pending_at(recorder, n),
            (size_t)recorder->npending * sum_bytes(recorder));
}

static void free_rows(Recorder *recorder) {
    StepRows *rows = &recorder->rows;
    if (rows->hot) memory_free("record.hot", rows->hot, hot_bytes(recorder, 1));
    memory_free("record.intervals", rows->interval, sizeof(TraceLoad) * (size_t)rows->nintervals);
    if (rows->interval_hot)
        memory_free("record.intervals", rows->interval_hot, hot_bytes(recorder, rows->nintervals));
    memory_free("record.collectives", rows->collective,
                sizeof(TraceCollective) * (size_t)rows->ncollectives);
    *rows = (StepRows){0};
}

static void summarise_links(const TraceLoad *load, int32_t ntiers, StepSummary *summary) {
    for (int32_t tier = 0; tier < ntiers; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            const TraceTierLoad *sum = &load->tier[tier][d];
            summary->delay_ps[tier] += sum->delay_ps;
            if (sum->utilisation_max > summary->utilisation_max[tier])
                summary->utilisation_max[tier] = sum->utilisation_max;
        }
    if (load->nhot == 0) return;
    memcpy(summary->hottest, load->hot[0].name, sizeof summary->hottest);
    summary->hottest[sizeof summary->hottest - 1] = '\0';
    summary->hottest_utilisation = load->hot[0].utilisation;
    summary->hottest_delay_ps = load->hot[0].delay_ps;
    summary->hottest_width = load->hot[0].width;
}

/// Bytes of the physical links [first, first + n).
typedef struct FullBlock {
    const Cluster *cluster;
    int64_t first, n;
    int64_t *bytes;   ///< [n]
    JointList *joint; ///< where links that several ranks load are put; NULL: they are left out
} FullBlock;

/// Bytes of bundles spread evenly over their links.
static void spread(FullBlock *block, LinkId link, int64_t bytes) {
    int64_t width = cluster_resource_width(block->cluster, link);
    for (int64_t k = 0; k < width; k++) {
        int64_t at = cluster_resource_link(block->cluster, link, k) - block->first;
        if (at >= 0 && at < block->n) block->bytes[at] += wide_part(bytes, k, width);
    }
}

/// A LinkSink.
static void add_full(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    FullBlock *block = context;
    for (int64_t i = 0; i < n; i++)
        if (cluster_can_bind(block->cluster, sample[i].link))
            spread(block, sample[i].link, sample[i].bytes);
        else if (block->joint)
            array_push(block->joint, (JointBytes){step, sample[i].link, sample[i].bytes});
}

/// Each rank adds the links it loads, a block of them at a time, rank 0 what several load; it writes.
static Status write_full(Recorder *recorder, int32_t step) {
    enum { BLOCK_LINKS = 1 << 20 };
    bool root = comm_rank(recorder->comm) == 0;
    int64_t nlinks = cluster_nlinks(recorder->cluster);
    size_t bytes = sizeof(int64_t) * BLOCK_LINKS;
    JointList mine = {0}, total = {0};
    FullBlock block = {.cluster = recorder->cluster, .joint = &mine};
    LinkSink sink = {.put = add_full, .context = &block};
    recorder->ops->step_links(recorder->engine, step, sink);
    joint_gather(recorder->comm, &mine, INT64_MAX, &total);
    block.joint = NULL;
    block.bytes = memory_alloc("record.full", bytes);
    Status status = status_ok();
    for (; block.first < nlinks && status_is_ok(&status); block.first += block.n) {
        block.n = nlinks - block.first < BLOCK_LINKS ? nlinks - block.first : BLOCK_LINKS;
        memset(block.bytes, 0, bytes);
        recorder->ops->step_links(recorder->engine, step, sink);
        for (int64_t i = 0; i < total.n; i++) spread(&block, total.at[i].link, total.at[i].bytes);
        comm_sum_i64(recorder->comm, block.bytes, (int)block.n);
        status =
            trace_write_full_links(recorder->trace, block.first, root ? block.n : 0, block.bytes);
    }
    memory_free("record.full", block.bytes, bytes);
    array_free(&mine);
    array_free(&total);
    return status;
}

/// Where the totals of a step go.
typedef struct StepSink {
    Recorder *recorder;
    JointList joint;
} StepSink;

/// A LinkSink of a step: to the sum that the adder has been given.
static void add_step(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    StepSink *sink = context;
    add_samples(sink->recorder, &sink->joint, step, sample, n);
}

static void add_step_alike(void *context, int64_t step, const LinkSample *each,
                           const int32_t link[], int64_t n) {
    (void)step;
    load_add_alike(&((StepSink *)context)->recorder->adder, each, link, n);
}

/// The load of a step over the links of all ranks; complete on rank 0.
static void step_load(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                      TraceHotLink hot[], TraceLoad *load) {
    LoadSum *sum = memory_alloc("record.step", sum_bytes(recorder));
    sum->start_ps = start_ps;
    sum->end_ps = end_ps;
    load_adder_into(&recorder->adder, sum);
    StepSink sink = {.recorder = recorder};
    JointList total = {0};
    recorder->ops->step_links(recorder->engine, step, (LinkSink){add_step, &sink, add_step_alike});
    if (recorder->divided) joint_gather(recorder->comm, &sink.joint, INT64_MAX, &total);
    for (int64_t i = 0; i < total.n; i++)
        load_add_link(&recorder->adder, total.at[i].link, total.at[i].bytes, 0, 0);
    array_free(&sink.joint);
    array_free(&total);
    merge_ranks(recorder, sum, 1);
    load_finish(recorder->cluster, sum, hot, load);
    memory_free("record.step", sum, sum_bytes(recorder));
}

/// The rows of a step, to the trace.
static Status write_rows(Recorder *recorder) {
    if (!recorder->trace) return status_ok();
    const StepRows *rows = &recorder->rows;
    bool root = comm_rank(recorder->comm) == 0;
    TRY(trace_append_intervals(recorder->trace, (int32_t)rows->nintervals, rows->interval));
    TRY(trace_write_links(recorder->trace, root ? &rows->load : NULL));
    return recorder->run->trace.full_links ? write_full(recorder, rows->step) : status_ok();
}

Status recorder_write_links(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                            bool last, Crossing crossing, const void *context,
                            StepSummary *summary) {
    StepRows *rows = &recorder->rows;
    rows->step = step;
    rows->hot = memory_alloc("record.hot", hot_bytes(recorder, 1));
    step_load(recorder, step, start_ps, end_ps, rows->hot, &rows->load);
    if (crossing && comm_rank(recorder->comm) == 0)
        crossing(context, step, rows->hot, rows->load.nhot);
    summarise_links(&rows->load, cluster_ntiers(recorder->cluster), summary);
    if (recorder->trace) finish_rows(recorder, end_ps, last);
    Status status = write_rows(recorder);
    if (recorder->keeps) return status;
    recorder->ops->step_clear(recorder->engine, step);
    free_rows(recorder);
    return status;
}

/// An interval in which nothing moves: the one that the end of the last step lies in.
static Status write_idle_interval(Recorder *recorder, int64_t end_ps) {
    int64_t over_ps = intervals_end_ps(&recorder->intervals, end_ps);
    if (over_ps == end_ps) return status_ok();
    LoadSum *sum = memory_alloc("record.step", sum_bytes(recorder));
    TraceHotLink *hot = memory_alloc("record.hot", hot_bytes(recorder, 1));
    sum->start_ps = over_ps - recorder->intervals.width_ps;
    sum->end_ps = over_ps;
    TraceLoad load;
    load_finish(recorder->cluster, sum, hot, &load);
    Status status = trace_append_intervals(recorder->trace, 1, &load);
    memory_free("record.hot", hot, hot_bytes(recorder, 1));
    memory_free("record.step", sum, sum_bytes(recorder));
    return status;
}

Status recorder_repeat_links(Recorder *recorder, int64_t later_ps, int64_t end_ps, bool last,
                             StepSummary *summary) {
    StepRows *rows = &recorder->rows;
    rows->load.start_ps += later_ps;
    rows->load.end_ps += later_ps;
    for (int64_t i = 0; i < rows->nintervals; i++) {
        rows->interval[i].start_ps += later_ps;
        rows->interval[i].end_ps += later_ps;
    }
    recorder->intervals.origin_ps += later_ps;
    summarise_links(&rows->load, cluster_ntiers(recorder->cluster), summary);
    TRY(write_rows(recorder));
    return last && recorder->trace ? write_idle_interval(recorder, end_ps) : status_ok();
}

Status recorder_close(Recorder *recorder, const char *status) {
    // A run that is refused before recorder_open has nothing to size it by.
    if (recorder->pending)
        memory_free("record.intervals", recorder->pending,
                    (size_t)recorder->pending_capacity * sum_bytes(recorder));
    recorder->pending = NULL;
    if (recorder->run) free_rows(recorder);
    array_free(&recorder->joint);
    load_adder_fini(&recorder->adder);
    return trace_close(&recorder->trace, status);
}
