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

/// The tier axis: scale-up domain, then the tiers of the fabric.
static int32_t describe_tiers(const Cluster *cluster, TraceTier tier[TRACE_TIERS_MAX]) {
    const ClusterSpec *spec = cluster_spec(cluster);
    for (int32_t t = 0; t <= spec->ntiers; t++) {
        tier[t].name = t == 0 ? "scale-up" : spec->tier[t - 1].name;
        tier[t].links = cluster_tier_links(cluster, t);
        tier[t].first_link[0] = cluster_first_link(cluster, t, LINK_UP);
        tier[t].first_link[1] = cluster_first_link(cluster, t, LINK_DOWN);
        tier[t].capacity_Bps = cluster_healthy_Bps(cluster, t);
    }
    return spec->ntiers + 1;
}

Status recorder_open(Recorder *recorder, const RunSpec *run, const Cluster *cluster, Comm *comm,
                     int64_t interval_ps, const char *command_line) {
    recorder->run = run;
    recorder->cluster = cluster;
    recorder->comm = comm;
    recorder->interval_ps = interval_ps;
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
    return trace_create(comm, &info, &recorder->trace);
}

Status recorder_static_gpus(Recorder *recorder, int64_t first, int64_t n,
                            const Placement *placement) {
    if (!recorder->trace) return status_ok();
    const JobSpec *job = &recorder->run->job[0];
    TraceGpu *gpu = memory_alloc("record.gpus", sizeof(TraceGpu) * (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = placement_job_rank(placement, first + i);
        gpu[i] = (TraceGpu){TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE};
        if (rank < 0) continue;
        gpu[i].job = 0;
        gpu[i].job_rank = rank;
        if (job->kind != JOB_TRAINING) continue;
        gpu[i].tp = parallel_coordinate(&job->parallel, rank, DIM_TP);
        gpu[i].pp = parallel_coordinate(&job->parallel, rank, DIM_PP);
        gpu[i].dp = parallel_coordinate(&job->parallel, rank, DIM_DP);
    }
    Status status = trace_static_gpus(recorder->trace, first, n, gpu);
    memory_free("record.gpus", gpu, sizeof(TraceGpu) * (size_t)n);
    return status;
}

void recorder_own(Recorder *recorder, const Cluster *cluster, Comm *comm, const Partition *nodes) {
    recorder->owner = (LoadOwner){.cluster = cluster, .nodes = *nodes, .rank = comm_rank(comm)};
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
    sum->start_ps = (recorder->first_interval + recorder->npending++) * recorder->interval_ps;
    sum->end_ps = sum->start_ps + recorder->interval_ps;
}

/// Intervals without traffic are skipped by the engine, but not in the file: what has none here may have some elsewhere.
static void fill_pending(Recorder *recorder, int64_t intervals) {
    while (recorder->first_interval + recorder->npending < intervals) add_pending(recorder);
}

void recorder_collect(Recorder *recorder) {
    int64_t index, n;
    const LinkSample *sample;
    while ((n = recorder->ops->interval_links(recorder->engine, &index, &sample)) >= 0) {
        if (!recorder->trace) continue;
        fill_pending(recorder, index + 1);
        load_add(&recorder->owner, sample, n, recorder->run->trace.hot_links,
                 pending_at(recorder, index - recorder->first_interval));
    }
}

/// Intervals that belong to a step: those that end by end_ps, or, for the last, begin before it.
static int64_t count_due(Recorder *recorder, int64_t end_ps, bool last) {
    int64_t over = (last ? end_ps + recorder->interval_ps - 1 : end_ps) / recorder->interval_ps;
    fill_pending(recorder, over);
    return over - recorder->first_interval;
}

/// Merge the sums of all ranks into sums[n] of rank 0.
static void merge_ranks(const Recorder *recorder, LoadSum *sums, int64_t n) {
    if (comm_nranks(recorder->comm) == 1) return;
    size_t each = sum_bytes(recorder);
    Gathered all = comm_gather(recorder->comm, sums, n * (int64_t)each);
    for (int rank = 1; rank < all.nranks; rank++)
        for (int64_t i = 0; i < n; i++)
            load_merge((const LoadSum *)(all.bytes + all.first[rank] + (size_t)i * each),
                       recorder->run->trace.hot_links,
                       (LoadSum *)((char *)sums + (size_t)i * each));
    gathered_free(&all);
}

static size_t hot_bytes(const Recorder *recorder, int64_t n) {
    return sizeof(TraceHotLink) * (size_t)(n * recorder->run->trace.hot_links + 1);
}

void recorder_finish_intervals(Recorder *recorder, int64_t end_ps, bool last) {
    int64_t over_ps = end_ps, interval_ps = recorder->interval_ps;
    if (last && interval_ps > 0) over_ps = (over_ps + interval_ps - 1) / interval_ps * interval_ps;
    // A window, or an end that is felt later, may have taken the engine past it.
    if (over_ps > recorder->ops->now_ps(recorder->engine))
        recorder->ops->advance(recorder->engine, over_ps);
    recorder_collect(recorder);
}

static Status write_intervals(Recorder *recorder, int64_t end_ps, bool last) {
    int64_t n = count_due(recorder, end_ps, last);
    merge_ranks(recorder, recorder->pending, n);
    TraceLoad *load = memory_alloc("record.intervals", sizeof(TraceLoad) * (size_t)n);
    TraceHotLink *hot = memory_alloc("record.intervals", hot_bytes(recorder, n));
    for (int64_t i = 0; i < n; i++)
        load_finish(recorder->cluster, pending_at(recorder, i),
                    hot + i * recorder->run->trace.hot_links, &load[i]);
    Status status = trace_append_intervals(recorder->trace, (int32_t)n, load);
    memory_free("record.intervals", load, sizeof(TraceLoad) * (size_t)n);
    memory_free("record.intervals", hot, hot_bytes(recorder, n));
    recorder->first_interval += n;
    recorder->npending -= n;
    memmove(recorder->pending, pending_at(recorder, n),
            (size_t)recorder->npending * sum_bytes(recorder));
    return status;
}

static void summarise_links(const TraceLoad *load, int32_t ntiers, StepSummary *summary) {
    for (int32_t tier = 0; tier < ntiers; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            const TraceTierLoad *sum = &load->tier[tier][d];
            summary->lost_bytes[tier] += sum->lost_bytes;
            if (sum->utilisation_max > summary->utilisation_max[tier])
                summary->utilisation_max[tier] = sum->utilisation_max;
        }
    if (load->nhot == 0) return;
    memcpy(summary->hottest, load->hot[0].name, sizeof summary->hottest);
    summary->hottest[sizeof summary->hottest - 1] = '\0';
    summary->hottest_utilisation = load->hot[0].utilisation;
    summary->hottest_lost_bytes = load->hot[0].lost_bytes;
}

/// Every physical link, bytes of bundles spread evenly; each rank adds what it owns, rank 0 writes.
static Status write_full(Recorder *recorder, int32_t step) {
    const LinkSample *sample;
    int64_t n = recorder->ops->step_links(recorder->engine, step, &sample);
    int64_t nlinks = cluster_nlinks(recorder->cluster);
    int64_t *bytes = memory_alloc("record.full", sizeof(int64_t) * (size_t)nlinks);
    for (int64_t i = 0; i < n; i++) {
        if (!load_owns(&recorder->owner, sample[i].link)) continue;
        int64_t width = cluster_resource_width(recorder->cluster, sample[i].link);
        for (int64_t k = 0; k < width; k++)
            bytes[cluster_resource_link(recorder->cluster, sample[i].link, k)] +=
                sample[i].bytes * (k + 1) / width - sample[i].bytes * k / width;
    }
    enum { SUM_AT_ONCE = 1 << 20 };
    for (int64_t i = 0; i < nlinks; i += SUM_AT_ONCE)
        comm_sum_i64(recorder->comm, bytes + i,
                     (int)(nlinks - i < SUM_AT_ONCE ? nlinks - i : SUM_AT_ONCE));
    Status status = trace_write_full_links(recorder->trace, 0,
                                           comm_rank(recorder->comm) == 0 ? nlinks : 0, bytes);
    memory_free("record.full", bytes, sizeof(int64_t) * (size_t)nlinks);
    return status;
}

/// The load of a step over the links of all ranks; complete on rank 0.
static void step_load(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                      TraceHotLink hot[], TraceLoad *load) {
    const LinkSample *sample;
    int64_t n = recorder->ops->step_links(recorder->engine, step, &sample);
    LoadSum *sum = memory_alloc("record.step", sum_bytes(recorder));
    sum->start_ps = start_ps;
    sum->end_ps = end_ps;
    load_add(&recorder->owner, sample, n, recorder->run->trace.hot_links, sum);
    merge_ranks(recorder, sum, 1);
    load_finish(recorder->cluster, sum, hot, load);
    memory_free("record.step", sum, sum_bytes(recorder));
}

Status recorder_write_links(Recorder *recorder, int32_t step, int64_t start_ps, int64_t end_ps,
                            bool last, Crossing crossing, const void *context,
                            StepSummary *summary) {
    TraceHotLink *hot = memory_alloc("record.hot", hot_bytes(recorder, 1));
    TraceLoad load;
    step_load(recorder, step, start_ps, end_ps, hot, &load);
    bool root = comm_rank(recorder->comm) == 0;
    if (crossing && root) crossing(context, step, hot, load.nhot);
    summarise_links(&load, cluster_spec(recorder->cluster)->ntiers + 1, summary);
    Status status = status_ok();
    if (recorder->trace) {
        status = write_intervals(recorder, end_ps, last);
        if (status_is_ok(&status)) status = trace_write_links(recorder->trace, root ? &load : NULL);
        if (status_is_ok(&status) && recorder->run->trace.full_links)
            status = write_full(recorder, step);
    }
    recorder->ops->step_clear(recorder->engine, step);
    memory_free("record.hot", hot, hot_bytes(recorder, 1));
    return status;
}

Status recorder_close(Recorder *recorder, const char *status) {
    memory_free("record.intervals", recorder->pending,
                (size_t)recorder->pending_capacity * sum_bytes(recorder));
    recorder->pending = NULL;
    return trace_close(&recorder->trace, status);
}
