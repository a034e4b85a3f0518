// The links of a step: gathered from all ranks, compared with those that stand in the file, written.
#include <string.h>

#include "base/memory.h"
#include "observe/record.h"

static size_t hot_bytes(const Recorder *recorder, int64_t n) {
    return sizeof(TraceHotLink) * (size_t)(n * recorder->adder.hot_links + 1);
}

static size_t users_bytes(const Recorder *recorder) {
    return sizeof(TraceLinkUsers) * (size_t)recorder->chosen.n;
}

void recorder_free_links(const Recorder *recorder, StepLinks *links) {
    rows_free(&links->intervals);
    rows_free(&links->whole);
    if (links->hot) memory_free("record.hot", links->hot, hot_bytes(recorder, 1));
    if (links->users) memory_free("record.users", links->users, users_bytes(recorder));
    *links = (StepLinks){0};
}

static void summarise_ports(const TraceTierLoad *sum, TracePort *port) {
    if (sum->queue_most > port->queue_most) port->queue_most = sum->queue_most;
    port->pause_ps = wide_word((Wide)port->pause_ps + (Wide)sum->pause_ps);
    port->marks += sum->marks;
    port->drops += sum->drops;
    port->reordered += sum->reordered;
}

static void summarise_links(const TraceLoad *load, int32_t ntiers, StepDetail *detail) {
    for (int32_t tier = 0; tier < ntiers; tier++)
        for (int d = 0; d < TRACE_DIRECTIONS; d++) {
            const TraceTierLoad *sum = &load->tier[tier][d];
            detail->delay_ps[tier] += sum->delay_ps;
            summarise_ports(sum, &detail->port[tier]);
            if (sum->utilisation_max > detail->utilisation_max[tier])
                detail->utilisation_max[tier] = sum->utilisation_max;
        }
    if (load->nhot == 0) return;
    memcpy(detail->hottest, load->hot[0].name, sizeof detail->hottest);
    detail->hottest[sizeof detail->hottest - 1] = '\0';
    detail->hottest_utilisation = load->hot[0].utilisation;
    detail->hottest_delay_ps = load->hot[0].delay_ps;
    detail->hottest_width = load->hot[0].width;
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
static Status write_full(Recorder *recorder) {
    enum { BLOCK_LINKS = 1 << 20 };
    const Fabric *fabric = recorder->fabric;
    int64_t nlinks = cluster_nlinks(fabric->cluster);
    size_t bytes = sizeof(int64_t) * BLOCK_LINKS;
    JointList mine = {0};
    FullBlock block = {.cluster = fabric->cluster, .joint = &mine};
    LinkSink sink = {.put = add_full, .context = &block};
    fabric->ops->step_links(fabric->engine, recorder->played, sink);
    JointList total = joint_gather(fabric->comm, &mine);
    block.joint = NULL;
    block.bytes = memory_alloc("record.full", bytes);
    Status status = status_ok();
    for (; block.first < nlinks && status_is_ok(&status); block.first += block.n) {
        block.n = nlinks - block.first < BLOCK_LINKS ? nlinks - block.first : BLOCK_LINKS;
        memset(block.bytes, 0, bytes);
        fabric->ops->step_links(fabric->engine, recorder->played, sink);
        for (int64_t i = 0; i < total.n; i++) spread(&block, total.at[i].link, total.at[i].bytes);
        comm_sum_i64(fabric->comm, block.bytes, (int)block.n);
        status = trace_write_full_links(recorder->trace, block.first,
                                        fabric->rank == 0 ? block.n : 0, block.bytes);
    }
    memory_free("record.full", block.bytes, bytes);
    array_free(&total);
    return status;
}

/// Where the totals of a step go.
typedef struct StepSink {
    LoadAdder *adder;
    LoadRows whole; ///< one row
} StepSink;

static void add_step(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    (void)step;
    StepSink *sink = context;
    rows_add(&sink->whole, 0, sink->adder, sample, n);
}

static void add_step_alike(void *context, int64_t step, const LinkSample *each, const LinkId link[],
                           int64_t listed, int64_t n) {
    (void)step;
    StepSink *sink = context;
    rows_add_alike(&sink->whole, 0, sink->adder, each, link, listed, n);
}

/// The load of a step over the links of all ranks; complete on rank 0, which says whether a trace can hold it.
static Status gather_step(Recorder *recorder, const TraceStep *step, StepLinks *links) {
    const Fabric *fabric = recorder->fabric;
    StepSink sink = {.adder = &recorder->adder};
    rows_push(&sink.whole, sink.adder, step->start_ps,
              step->end_ps > step->start_ps ? step->end_ps : step->start_ps + 1);
    fabric->ops->step_links(fabric->engine, recorder->played,
                            (LinkSink){add_step, &sink, add_step_alike});
    Status status = rows_gather(&sink.whole, sink.adder, fabric->comm);
    links->hot = memory_alloc("record.hot", hot_bytes(recorder, 1));
    load_finish(fabric->cluster, rows_at(&sink.whole, 0), links->hot, &links->load);
    links->whole = sink.whole;
    links->load.chosen = rows_chosen(&links->whole, 0);
    return status;
}

static bool same_users(const TraceLinkUsers *a, const TraceLinkUsers *b) {
    bool same =
        a->n == b->n && memcmp(a->traffic_bytes, b->traffic_bytes, sizeof a->traffic_bytes) == 0;
    for (int u = 0; same && u < a->n; u++)
        same = a->user[u].traffic == b->user[u].traffic && a->user[u].source == b->user[u].source &&
               a->user[u].destination == b->user[u].destination &&
               a->user[u].bytes == b->user[u].bytes;
    return same;
}

static bool same_hot(const TraceHotLink *a, const TraceHotLink *b) {
    bool same = a->link == b->link && a->width == b->width && a->bytes == b->bytes &&
                a->delay_ps == b->delay_ps && a->congested_ps == b->congested_ps &&
                memcmp(&a->port, &b->port, sizeof a->port) == 0;
    return same && same_users(&a->users, &b->users);
}

/// Is an interval of a cycle the same as that of another, but for when that began?
static bool same_interval(const LoadSum *a, int64_t a_begin_ps, const LoadSum *b,
                          int64_t b_begin_ps) {
    return a->start_ps - a_begin_ps == b->start_ps - b_begin_ps &&
           a->end_ps - a_begin_ps == b->end_ps - b_begin_ps && a->nhot == b->nhot &&
           memcmp(a->tier, b->tier, sizeof a->tier) == 0 &&
           memcmp(a->ports, b->ports, sizeof a->ports) == 0 &&
           memcmp(a->paused, b->paused, sizeof a->paused) == 0 &&
           memcmp(a->hot, b->hot, sizeof *a->hot * (size_t)a->nhot) == 0;
}

/// Can a step refer to the intervals and hot links of another?
static bool same_links(const StepLinks *a, const StepLinks *b) {
    const LoadRows *x = &a->intervals, *y = &b->intervals;
    bool same = a->hot && x->n == y->n && a->load.nhot == b->load.nhot &&
                memcmp(a->load.paused, b->load.paused, sizeof a->load.paused) == 0;
    for (int32_t k = 0; same && k < a->load.nhot; k++) same = same_hot(&a->hot[k], &b->hot[k]);
    const size_t chosen = sizeof(TraceLinkLoad) * (size_t)x->nchosen;
    same = same && (chosen == 0 || (memcmp(a->load.chosen, b->load.chosen, chosen) == 0 &&
                                    memcmp(x->chosen, y->chosen, chosen * (size_t)x->n) == 0));
    for (int32_t i = 0; same && a->users && i < x->nchosen; i++)
        same = same_users(&a->users[i], &b->users[i]);
    for (int64_t i = 0; same && i < x->n; i++)
        same = same_interval(rows_at(x, i), x->begin_ps, rows_at(y, i), y->begin_ps);
    return same;
}

/// The intervals of rank 0 to the trace, a few at a time.
static Status write_intervals(const Recorder *recorder, const LoadRows *rows) {
    enum { TOGETHER = 256 };
    const int32_t hot_links = recorder->adder.hot_links;
    int64_t n = rows->n; // of rank 0, where others do not play
    comm_broadcast(recorder->fabric->comm, &n, sizeof n, 0);
    TraceLoad *load = memory_alloc("record.intervals", TOGETHER * sizeof *load);
    TraceHotLink *hot = memory_alloc("record.intervals", hot_bytes(recorder, TOGETHER));
    Status status = status_ok();
    for (int64_t first = 0; first < n && status_is_ok(&status); first += TOGETHER) {
        int64_t left = rows->n - first, some = left < TOGETHER ? left : TOGETHER;
        for (int64_t i = 0; i < some; i++) {
            load_finish(recorder->fabric->cluster, rows_at(rows, first + i), hot + i * hot_links,
                        &load[i]);
            load[i].chosen = rows_chosen(rows, first + i);
        }
        status = trace_append_intervals(recorder->trace, some > 0 ? (int32_t)some : 0, load);
    }
    memory_free("record.intervals", hot, hot_bytes(recorder, TOGETHER));
    memory_free("record.intervals", load, TOGETHER * sizeof *load);
    return status;
}

/// The row of a step in /links, and of all its links if they were asked for.
static Status write_step_links(Recorder *recorder, bool stands) {
    bool root = recorder->fabric->rank == 0;
    TRY(trace_write_links(recorder->trace, root ? &recorder->stands.load : NULL, stands));
    return recorder->fabric->run->trace.full_links ? write_full(recorder) : status_ok();
}

/// To the trace, if there is one: what is as before there stands there once.
static Status write_links(Recorder *recorder, StepLinks *links) {
    bool stands = !recorder->trace || !same_links(&recorder->stands, links);
    recorder_free_links(recorder, stands ? &recorder->stands : links);
    if (stands) recorder->stands = *links;
    if (!recorder->trace) return status_ok();
    TRY(write_intervals(recorder, stands ? &recorder->stands.intervals : &(LoadRows){0}));
    return write_step_links(recorder, stands);
}

/// Where the costs of a step are added up.
typedef struct CostSink {
    const Cluster *cluster;
    int32_t njobs, ntiers;
    Wide delay_ps[RUN_JOBS_MAX * TRACE_TIERS_MAX * TRACE_DIRECTIONS]; ///< [njobs][ntiers][]
} CostSink;

static void add_cost(void *context, LinkId link, const int64_t delay_ps[]) {
    CostSink *sink = context;
    const int64_t tier = cluster_link_tier(sink->cluster, link),
                  direction = cluster_link_direction(sink->cluster, link);
    for (int32_t j = 0; j < sink->njobs; j++)
        sink->delay_ps[(j * sink->ntiers + tier) * TRACE_DIRECTIONS + direction] += delay_ps[j];
}

/// Sums of all ranks, in words that hold their parts.
static void sum_costs(const Comm *comm, Wide sum[], int32_t n) {
    enum { LOW_BITS = 40 };
    for (int32_t i = 0; i < n; i++) {
        int64_t part[] = {(int64_t)(sum[i] >> LOW_BITS),
                          (int64_t)(sum[i] & ((INT64_C(1) << LOW_BITS) - 1))};
        comm_sum_i64(comm, part, 2);
        sum[i] = ((Wide)part[0] << LOW_BITS) + part[1];
    }
}

/// What the transfers of a step of job `victim` lost, by the job that cost it.
static Status write_costs(Recorder *recorder, int32_t victim) {
    const Fabric *fabric = recorder->fabric;
    CostSink sink = {fabric->cluster, fabric->run->njobs, cluster_ntiers(fabric->cluster), {0}};
    double delay_ps[sizeof sink.delay_ps / sizeof *sink.delay_ps];
    if (recorder_has_loads(recorder) && fabric->ops->step_culprits)
        fabric->ops->step_culprits(fabric->engine, recorder->played,
                                   (CulpritSink){add_cost, &sink});
    if (recorder->adder.divided)
        sum_costs(fabric->comm, sink.delay_ps, sink.njobs * sink.ntiers * TRACE_DIRECTIONS);
    for (int32_t i = 0; i < sink.njobs * sink.ntiers * TRACE_DIRECTIONS; i++) {
        int32_t place = i / TRACE_DIRECTIONS;
        recorder->cost_ps[victim][place / sink.ntiers][place % sink.ntiers] += sink.delay_ps[i];
        delay_ps[i] = (double)sink.delay_ps[i];
    }
    return recorder->trace ? trace_write_job_costs(recorder->trace, delay_ps) : status_ok();
}

/// What stands in the file holds for a step that is the one before.
static Status repeat_links(Recorder *recorder, int64_t later_ps, StepSummary *summary) {
    recorder->nrepeated++;
    recorder->cycle_begin_ps += later_ps;
    summarise_links(&recorder->stands.load, cluster_ntiers(recorder->fabric->cluster),
                    summary->detail);
    return recorder->trace ? write_step_links(recorder, false) : status_ok();
}

/// What all ranks have loaded, on rank 0, and whether a trace can hold it.
static Status gather_links(Recorder *recorder, const TraceStep *step, StepLinks *links) {
    Status status = gather_step(recorder, step, links), sampled = status_ok();
    if (recorder->trace) {
        if (recorder_has_loads(recorder)) links->intervals = sampling_take(&recorder->sampling);
        recorder->cycle_begin_ps = links->intervals.begin_ps;
        sampled = rows_gather(&links->intervals, &recorder->adder, recorder->fabric->comm);
    }
    status = comm_agree(recorder->fabric->comm, status_is_ok(&status) ? sampled : status);
    if (!status_is_ok(&status)) recorder_free_links(recorder, links);
    return status;
}

/// How many packets a step had, of all ranks.
static void count_packets(const Recorder *recorder, TraceStep *row) {
    const Fabric *fabric = recorder->fabric;
    if (!fabric->ops->step_packets) return;
    const PacketTotals own = fabric->ops->step_packets(fabric->engine, recorder->played);
    int64_t sum[] = {own.sent, own.resent, own.acknowledgements, own.skipped};
    comm_sum_i64(fabric->comm, sum, 4);
    row->packets = sum[0];
    row->resent = sum[1];
    row->acknowledgements = sum[2];
    row->skipped = sum[3];
}

/// Of the hot links, and of the chosen ones where they go into a trace.
static void name_users(const Recorder *recorder, Crossing crossing, const void *context,
                       StepLinks *links) {
    if (recorder->chosen.n > 0 && recorder->trace)
        links->users = memory_alloc("record.users", users_bytes(recorder));
    links->load.chosen_users = links->users;
    crossing_name(crossing, context, links->hot, links->load.nhot, &recorder->chosen, links->users);
}

Status recorder_write_links(Recorder *recorder, int64_t later_ps, Crossing crossing,
                            const void *context, StepSummary *summary) {
    const Fabric *fabric = recorder->fabric;
    const TraceStep *step = &summary->row;
    if (later_ps == 0) recorder->played = fabric_step(fabric, step->job, (int32_t)step->job_step);
    count_packets(recorder, &summary->row);
    if (later_ps > 0) return repeat_links(recorder, later_ps, summary);
    StepLinks links = {.step = recorder->step.n}; // its row
    TRY(gather_links(recorder, step, &links));
    if (fabric->rank == 0) name_users(recorder, crossing, context, &links);
    summarise_links(&links.load, cluster_ntiers(fabric->cluster), summary->detail);
    Status status = write_links(recorder, &links);
    if (status_is_ok(&status) && fabric->run->njobs > 1) status = write_costs(recorder, step->job);
    if (!recorder->keeps) fabric->ops->step_clear(fabric->engine, recorder->played);
    return status;
}
