#include "observe/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"
#include "observe/load.h"

int64_t record_interval_ps(int64_t estimate_ps, int32_t intervals) {
    static const int64_t MANTISSA[] = {1, 2, 5};
    int64_t wanted_ps = estimate_ps / intervals;
    for (int64_t decade_ps = 1;; decade_ps *= 10)
        for (int i = 0; i < 3; i++)
            if (MANTISSA[i] * decade_ps >= wanted_ps) return MANTISSA[i] * decade_ps;
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

void recorder_cut_interval(Recorder *recorder, int64_t now_ps) {
    if (recorder->trace && recorder_has_loads(recorder))
        sampling_cut(&recorder->sampling, recorder->ops, recorder->engine, now_ps);
    else if (recorder->ops->restart_intervals)
        recorder->ops->restart_intervals(recorder->engine);
}

/// What the trace says of the jobs.
typedef struct JobWords {
    const JobSpec *training, *traffic; ///< the first of each kind, NULL: none
    const char *name[RUN_JOBS_MAX];
    char names[RUN_JOBS_MAX * (HARDWARE_NAME_BYTES + 3)]; ///< joined
} JobWords;

static void say_jobs(const RunSpec *run, JobWords *words) {
    *words = (JobWords){0};
    size_t used = 0;
    for (int32_t j = 0; j < run->njobs; j++) {
        const JobSpec *job = &run->job[j];
        const JobSpec **first = job->kind == JOB_TRAINING ? &words->training : &words->traffic;
        if (!*first) *first = job;
        words->name[j] = job->name;
        used += (size_t)snprintf(words->names + used, sizeof words->names - used, "%s%s",
                                 j ? " + " : "", job->name);
    }
}

static int by_time(const void *a, const void *b) {
    const TraceEvent *x = a, *y = b;
    if (x->time_ps != y->time_ps) return x->time_ps < y->time_ps ? -1 : 1;
    return strcmp(x->what, y->what);
}

_Static_assert((int)CLUSTER_EVENTS_MAX <= (int)TRACE_EVENTS_MAX, "events of a trace");

int32_t record_list_events(const ClusterSpec *spec, TraceEvent event[CLUSTER_EVENTS_MAX]) {
    for (int32_t i = 0; i < spec->nevents; i++) {
        const EventSpec *own = &spec->event[i];
        event[i] = (TraceEvent){.time_ps = own->at_ps, .to = own->remaining, .from = 1};
        event[i].known_ps = own->at_ps > 0 ? own->at_ps + spec->reroute_delay_ps : 0;
        snprintf(event[i].what, sizeof event[i].what, "%s", own->what);
    }
    qsort(event, (size_t)spec->nevents, sizeof *event, by_time);
    for (int32_t i = 0; i < spec->nevents; i++)
        for (int32_t before = 0; before < i; before++)
            if (strcmp(event[before].what, event[i].what) == 0) event[i].from = event[before].to;
    return spec->nevents;
}

Status recorder_open(Recorder *recorder, const RunSpec *run, const Cluster *cluster, Comm *comm,
                     int64_t interval_ps, const char *command_line) {
    recorder->run = run;
    recorder->cluster = cluster;
    recorder->comm = comm;
    load_adder_init(&recorder->adder, cluster, run->trace.hot_links);
    sampling_init(
        &recorder->sampling,
        (Intervals){.width_ps = interval_ps, .most = intervals_bound(run->trace.intervals)},
        run->trace.hot_links, &recorder->adder, recorder->divided);
    if (!run->trace.path[0]) return status_ok();
    const ClusterSpec *spec = cluster_spec(cluster);
    TraceTier tier[TRACE_TIERS_MAX];
    TraceEvent event[CLUSTER_EVENTS_MAX];
    JobWords jobs;
    say_jobs(run, &jobs);
    TraceSource source[RUN_SOURCES_MAX];
    for (int32_t i = 0; i < run->nsources; i++)
        source[i] = (TraceSource){.path = run->source[i].path, .text = run->source[i].text};
    char title[sizeof jobs.names + HARDWARE_NAME_BYTES + 8];
    snprintf(title, sizeof title, "%s on %s", jobs.names, spec->name);
    TraceInfo info = {
        .path = run->trace.path,
        .make_folder = run->trace.make_folder,
        .title = title,
        .job = jobs.names,
        .njobs = run->njobs,
        .job_name = jobs.name,
        .cluster = spec->name,
        .engine = run->engine->name,
        .routing = ROUTING_NAMES[spec->routing],
        .placement = PLACEMENT_NAMES[run->job[0].placement.kind],
        .precision = jobs.training ? PRECISION_NAMES[jobs.training->training.precision] : "",
        .resolved = run->resolved,
        .source = source,
        .nsources = run->nsources,
        .seed = run->seed,
        .control_delay_ps = run->control_delay_ps,
        .interval_ps = interval_ps,
        .training = jobs.training != NULL,
        .traffic = jobs.traffic != NULL,
        .ngpus = cluster_ngpus(cluster),
        .gpus_per_node = spec->gpus_per_node,
        .tier = tier,
        .ntiers = describe_tiers(cluster, tier),
        .event = event,
        .nevents = record_list_events(spec, event),
        .nlinks = cluster_nlinks(cluster),
        .hot_links = run->trace.hot_links,
        .full_links = run->trace.full_links,
        .compress = run->trace.compress,
        .command_line = command_line,
    };
    TRY(trace_create(comm, &info, &recorder->trace));
    if (recorder->ops->sample_into)
        recorder->ops->sample_into(recorder->engine, sampling_sink(&recorder->sampling));
    else
        recorder->sampling.intervals.width_ps = 0;
    return status_ok();
}

/// What places are told from.
typedef struct Places {
    const RunSpec *run;
    const Placement *const *placement; ///< [njobs]
} Places;

static TraceGpu place_gpu(const void *context, int64_t gpu) {
    const Places *places = context;
    TraceGpu place = {TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE};
    int64_t rank = -1;
    int32_t j = 0;
    while (j < places->run->njobs && (rank = placement_job_rank(places->placement[j], gpu)) < 0)
        j++;
    if (rank < 0) return place;
    const JobSpec *job = &places->run->job[j];
    place.job = j;
    place.job_rank = rank;
    if (job->kind != JOB_TRAINING) return place;
    place.tp = parallel_coordinate(&job->parallel, rank, DIM_TP);
    place.pp = parallel_coordinate(&job->parallel, rank, DIM_PP);
    place.dp = (int32_t)parallel_replica(&job->parallel, rank);
    return place;
}

Status recorder_static_gpus(Recorder *recorder, const Placement *const placement[]) {
    if (!recorder->trace) return status_ok();
    const Places places = {recorder->run, placement};
    Partition gpus =
        partition_make(cluster_ngpus(recorder->cluster), 1, comm_nranks(recorder->comm));
    int rank = comm_rank(recorder->comm);
    return trace_static_gpus(recorder->trace, partition_first(&gpus, rank),
                             partition_count(&gpus, rank), place_gpu, &places);
}

/// Add what several ranks have loaded in the intervals of a cycle to the sums of rank 0.
static void add_joint_intervals(Recorder *recorder, SampledCycle *cycle) {
    if (!recorder->divided) return;
    JointList total = {0};
    joint_gather(recorder->comm, &cycle->joint, &total);
    for (int64_t i = 0; i < total.n; i++) {
        load_adder_into(&recorder->adder,
                        sums_at(&cycle->rows, recorder->run->trace.hot_links, total.at[i].index));
        load_add_link(&recorder->adder, total.at[i].link, total.at[i].bytes, 0, 0);
    }
    array_free(&total);
}

/// Merge the sums of all ranks into sums[n] of rank 0, a few at a time: messages do not grow with the settings.
static void merge_ranks(const Recorder *recorder, LoadSum *sums, int64_t n) {
    enum { TOGETHER = 64 };
    if (!recorder->divided) return;
    size_t each = sum_bytes(recorder);
    for (int64_t first = 0; first < n; first += TOGETHER) {
        int64_t some = n - first < TOGETHER ? n - first : TOGETHER;
        char *into = (char *)sums + (size_t)first * each;
        Gathered all = comm_gather(recorder->comm, into, some * (int64_t)each);
        for (int rank = 1; rank < all.nranks; rank++)
            for (int64_t i = 0; i < some; i++)
                load_merge((const LoadSum *)(all.bytes + all.first[rank] + (size_t)i * each),
                           recorder->run->trace.hot_links, (LoadSum *)(into + (size_t)i * each));
        gathered_free(&all);
    }
}

static size_t hot_bytes(const Recorder *recorder, int64_t n) {
    return sizeof(TraceHotLink) * (size_t)(n * recorder->run->trace.hot_links + 1);
}

static void free_links(const Recorder *recorder, StepLinks *links) {
    sums_free(&links->cycle.rows, recorder->run->trace.hot_links);
    if (links->hot) memory_free("record.hot", links->hot, hot_bytes(recorder, 1));
    *links = (StepLinks){0};
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
    joint_gather(recorder->comm, &mine, &total);
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
    Recorder *recorder = sink->recorder;
    if (recorder->divided)
        joint_add(&sink->joint, recorder->cluster, step, sample, n, &recorder->adder);
    else
        load_add(&recorder->adder, sample, n);
}

static void add_step_alike(void *context, int64_t step, const LinkSample *each,
                           const int32_t link[], int64_t n) {
    (void)step;
    load_add_alike(&((StepSink *)context)->recorder->adder, each, link, n);
}

/// The load of a step over the links of all ranks; complete on rank 0, which says whether a trace can hold it.
static Status step_load(Recorder *recorder, const StepSummary *step, TraceHotLink hot[],
                        TraceLoad *load) {
    LoadSum *sum = memory_alloc("record.step", sum_bytes(recorder));
    sum->start_ps = step->start_ps;
    sum->end_ps = step->end_ps > step->start_ps ? step->end_ps : step->start_ps + 1;
    load_adder_into(&recorder->adder, sum);
    StepSink sink = {.recorder = recorder};
    JointList total = {0};
    recorder->ops->step_links(recorder->engine, recorder->played,
                              (LinkSink){add_step, &sink, add_step_alike});
    if (recorder->divided) joint_gather(recorder->comm, &sink.joint, &total);
    for (int64_t i = 0; i < total.n; i++)
        load_add_link(&recorder->adder, total.at[i].link, total.at[i].bytes, 0, 0);
    array_free(&total);
    merge_ranks(recorder, sum, 1);
    load_finish(recorder->cluster, sum, hot, load);
    Status status = load_check(recorder->cluster, sum);
    memory_free("record.step", sum, sum_bytes(recorder));
    return status;
}

static bool same_hot(const TraceHotLink *a, const TraceHotLink *b) {
    bool same = a->link == b->link && a->width == b->width && a->bytes == b->bytes &&
                a->delay_ps == b->delay_ps && a->congested_ps == b->congested_ps &&
                a->nusers == b->nusers &&
                memcmp(a->traffic_bytes, b->traffic_bytes, sizeof a->traffic_bytes) == 0;
    for (int u = 0; same && u < a->nusers; u++)
        same = a->user[u].traffic == b->user[u].traffic && a->user[u].source == b->user[u].source &&
               a->user[u].destination == b->user[u].destination &&
               a->user[u].bytes == b->user[u].bytes;
    return same;
}

/// Is an interval of a cycle the same as that of another, but for when that began?
static bool same_interval(const LoadSum *a, int64_t a_begin_ps, const LoadSum *b,
                          int64_t b_begin_ps) {
    return a->start_ps - a_begin_ps == b->start_ps - b_begin_ps &&
           a->end_ps - a_begin_ps == b->end_ps - b_begin_ps && a->nhot == b->nhot &&
           memcmp(a->tier, b->tier, sizeof a->tier) == 0 &&
           memcmp(a->hot, b->hot, sizeof *a->hot * (size_t)a->nhot) == 0;
}

/// Can a step refer to the intervals and hot links of another?
static bool same_links(const Recorder *recorder, const StepLinks *a, const StepLinks *b) {
    int32_t hot_links = recorder->run->trace.hot_links;
    if (!a->hot || a->cycle.rows.n != b->cycle.rows.n || a->load.nhot != b->load.nhot) return false;
    for (int32_t k = 0; k < a->load.nhot; k++)
        if (!same_hot(&a->hot[k], &b->hot[k])) return false;
    for (int64_t i = 0; i < a->cycle.rows.n; i++)
        if (!same_interval(sums_at(&a->cycle.rows, hot_links, i), a->cycle.begin_ps,
                           sums_at(&b->cycle.rows, hot_links, i), b->cycle.begin_ps))
            return false;
    return true;
}

/// The intervals of rank 0 to the trace, a few at a time; `n` of them are over on every rank.
static Status write_intervals(const Recorder *recorder, const LoadSums *rows, int64_t n) {
    enum { TOGETHER = 256 };
    const int32_t hot_links = recorder->run->trace.hot_links;
    TraceLoad *load = memory_alloc("record.intervals", TOGETHER * sizeof *load);
    TraceHotLink *hot = memory_alloc("record.intervals", hot_bytes(recorder, TOGETHER));
    Status status = status_ok();
    for (int64_t first = 0; first < n && status_is_ok(&status); first += TOGETHER) {
        int64_t left = rows->n - first, some = left < TOGETHER ? left : TOGETHER;
        for (int64_t i = 0; i < some; i++)
            load_finish(recorder->cluster, sums_at(rows, hot_links, first + i), hot + i * hot_links,
                        &load[i]);
        status = trace_append_intervals(recorder->trace, some > 0 ? (int32_t)some : 0, load);
    }
    memory_free("record.intervals", hot, hot_bytes(recorder, TOGETHER));
    memory_free("record.intervals", load, TOGETHER * sizeof *load);
    return status;
}

/// The row of a step in /links, and of all its links if they were asked for.
static Status write_step_links(Recorder *recorder, bool stands) {
    bool root = comm_rank(recorder->comm) == 0;
    TRY(trace_write_links(recorder->trace, root ? &recorder->stands.load : NULL, stands));
    return recorder->run->trace.full_links ? write_full(recorder, recorder->played) : status_ok();
}

/// The intervals of the cycle that is over, complete on rank 0, which says whether a trace can hold them.
///   *n  out; how many, on all ranks
static Status take_intervals(Recorder *recorder, SampledCycle *cycle, int64_t *n) {
    if (recorder_has_loads(recorder)) *cycle = sampling_take(&recorder->sampling);
    add_joint_intervals(recorder, cycle);
    *n = cycle->rows.n; // of rank 0, where others do not play
    comm_broadcast(recorder->comm, n, sizeof *n, 0);
    recorder->cycle_begin_ps = cycle->begin_ps;
    merge_ranks(recorder, cycle->rows.first, *n);
    for (int64_t i = 0; i < cycle->rows.n; i++)
        TRY(load_check(recorder->cluster,
                       sums_at(&cycle->rows, recorder->run->trace.hot_links, i)));
    return status_ok();
}

/// To the trace: what is as before there stands there once.
static Status write_links(Recorder *recorder, StepLinks *links, int64_t n) {
    bool stands = !same_links(recorder, &recorder->stands, links);
    if (stands) {
        free_links(recorder, &recorder->stands);
        recorder->stands = *links;
    } else {
        free_links(recorder, links);
    }
    TRY(write_intervals(recorder, stands ? &recorder->stands.cycle.rows : &(LoadSums){0}, n));
    return write_step_links(recorder, stands);
}

/// What the transfers of a step lost, by the job that cost it.
static Status write_costs(Recorder *recorder, int32_t job) {
    enum { MOST = RUN_JOBS_MAX * TRACE_TIERS_MAX * TRACE_DIRECTIONS };
    Wide sum_ps[MOST] = {0};
    double delay_ps[MOST];
    if (comm_rank(recorder->comm) == 0)
        job_costs_take(&recorder->costs, recorder->cluster, recorder->ops, recorder->engine,
                       recorder->played, job, recorder->run->njobs, sum_ps);
    for (int i = 0; i < MOST; i++) delay_ps[i] = (double)sum_ps[i];
    return recorder->trace ? trace_write_job_costs(recorder->trace, delay_ps) : status_ok();
}

/// What stands in the file holds for a step that is the one before.
static Status repeat_links(Recorder *recorder, int64_t later_ps, StepSummary *summary) {
    recorder->cycle_begin_ps += later_ps;
    summarise_links(&recorder->stands.load, cluster_ntiers(recorder->cluster), summary);
    return recorder->trace ? write_step_links(recorder, false) : status_ok();
}

/// What all ranks have loaded, on rank 0, and whether a trace can hold it.
static Status gather_links(Recorder *recorder, const StepSummary *summary, StepLinks *links,
                           int64_t *nintervals) {
    Status status = step_load(recorder, summary, links->hot, &links->load), sampled = status_ok();
    if (recorder->trace) sampled = take_intervals(recorder, &links->cycle, nintervals);
    status = comm_agree(recorder->comm, status_is_ok(&status) ? sampled : status);
    if (!status_is_ok(&status)) free_links(recorder, links);
    return status;
}

Status recorder_write_links(Recorder *recorder, int64_t later_ps, Crossing crossing,
                            const void *context, StepSummary *summary) {
    if (later_ps > 0) return repeat_links(recorder, later_ps, summary);
    StepLinks links = {.step = recorder->step.n, // its row
                       .hot = memory_alloc("record.hot", hot_bytes(recorder, 1))};
    recorder->played = summary->job_step * recorder->run->njobs + summary->job;
    int64_t nintervals = 0;
    TRY(gather_links(recorder, summary, &links, &nintervals));
    if (crossing && comm_rank(recorder->comm) == 0) crossing(context, links.hot, links.load.nhot);
    summarise_links(&links.load, cluster_ntiers(recorder->cluster), summary);
    Status status = status_ok();
    if (recorder->trace) {
        status = write_links(recorder, &links, nintervals);
    } else {
        free_links(recorder, &recorder->stands);
        recorder->stands = links;
    }
    if (status_is_ok(&status) && recorder->run->njobs > 1)
        status = write_costs(recorder, summary->job);
    if (!recorder->keeps) recorder->ops->step_clear(recorder->engine, recorder->played);
    return status;
}

Status recorder_end_step(Recorder *recorder, const StepSummary *summary, TraceStep row) {
    array_push(&recorder->step, *summary);
    if (!recorder->trace) return status_ok();
    row.job = summary->job;
    row.job_step = summary->job_step;
    row.start_ps = summary->start_ps;
    row.end_ps = summary->end_ps;
    row.fingerprint = summary->fingerprint;
    row.links_step = recorder->stands.step;
    row.intervals_start_ps = recorder->cycle_begin_ps;
    TRY(trace_write_step(recorder->trace, comm_rank(recorder->comm) == 0 ? &row : NULL));
    bool last = summary->job_step + 1 == recorder->run->job[summary->job].steps;
    return trace_commit(recorder->trace, last, &recorder->committed);
}

Status recorder_close(Recorder *recorder, const char *status) {
    // A run that is refused before recorder_open has nothing to size it by.
    if (recorder->run) free_links(recorder, &recorder->stands);
    sampling_fini(&recorder->sampling);
    memory_free("record.collectives", recorder->collective,
                sizeof(TraceCollective) * (size_t)recorder->ncollectives);
    load_adder_fini(&recorder->adder);
    return trace_close(&recorder->trace, status);
}
