#include "driver/traffic_run.h"

#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/units.h"
#include "driver/crossing.h"

enum { DRAIN_BATCH = 256, CONNECTION_FLOW = 1 };

typedef struct FlowRow {
    TrafficFlow flow;
    Edge edge;
    int64_t end_ps, alone_ps; ///< end -1: not finished
} FlowRow;

typedef struct TrafficRun {
    const RunSpec *run;
    const JobSpec *job;
    const Cluster *cluster;
    Placement placement;
    int64_t ranks;
    const EngineOps *ops;
    Engine *engine;
    FlowRow *row; ///< [nrows]
    int64_t nrows;
    CollectivePlan plan;
    int32_t phase;
    int64_t phase_begin_ps, alone_ps;
    uint64_t fingerprint;
    int64_t end_ps;
} TrafficRun;

static Edge flow_edge(const void *context, int64_t i) {
    (void)i;
    return *(const Edge *)context;
}

static Edge plan_edge(const void *context, int64_t i) {
    const TrafficRun *traffic = context;
    PhaseEdge edge = collective_edge(&traffic->plan, traffic->phase, i);
    return (Edge){.src = placement_gpu(&traffic->placement, edge.src),
                  .dst = placement_gpu(&traffic->placement, edge.dst),
                  .weight = edge.weight};
}

/// Launch and path of a message; nothing at all for the race scenarios.
static int64_t start_latency_ps(const TrafficRun *traffic, const Edge *edge) {
    int64_t extra_ps = traffic->job->traffic.latency_ps;
    return extra_ps < 0 ? 0 : extra_ps + routing_latency_ps(traffic->cluster, edge->src, edge->dst);
}

static Status submit_flows(TrafficRun *traffic) {
    for (int64_t i = 0; i < traffic->nrows; i++) {
        FlowRow *row = &traffic->row[i];
        Transfer transfer = {
            .tag = i,
            .edges = {.nedges = 1, .edge = flow_edge, .context = &row->edge},
            .kind = TRANSFER_FLOW,
            .queue_pairs = traffic->job->traffic.queue_pairs,
            .connection = CONNECTION_FLOW,
            .bytes = row->flow.bytes,
            .rounds = 1,
            .start_ps = row->flow.start_ps + start_latency_ps(traffic, &row->edge),
        };
        TRY(traffic->ops->submit(traffic->engine, &transfer));
    }
    return status_ok();
}

static Status submit_phase(TrafficRun *traffic) {
    Phase phase = collective_phase(&traffic->plan, traffic->phase);
    traffic->alone_ps += phase.fill_ps;
    Transfer transfer = {
        .tag = traffic->phase,
        .edges = {.nedges = phase.nedges, .edge = plan_edge, .context = traffic},
        .kind = TRANSFER_FLOW,
        .queue_pairs = traffic->job->traffic.queue_pairs,
        .connection = CONNECTION_FLOW,
        .bytes = phase.bytes,
        .rounds = phase.rounds,
        .round_latency_ps = phase.round_latency_ps,
        .start_ps = traffic->phase_begin_ps + phase.fill_ps,
    };
    return traffic->ops->submit(traffic->engine, &transfer);
}

static Status complete(TrafficRun *traffic, const Completion *done) {
    traffic->fingerprint += fingerprint_of(done->tag, done->start_ps, done->end_ps);
    if (done->end_ps > traffic->end_ps) traffic->end_ps = done->end_ps;
    if (traffic->job->traffic.pattern != TRAFFIC_COLLECTIVE) {
        FlowRow *row = &traffic->row[done->tag];
        row->end_ps = done->end_ps;
        row->alone_ps = done->alone_ps + done->start_ps - row->flow.start_ps;
        return status_ok();
    }
    traffic->alone_ps += done->alone_ps;
    traffic->phase_begin_ps = done->end_ps;
    if (++traffic->phase == traffic->plan.nphases) return status_ok();
    return submit_phase(traffic);
}

static Status play(TrafficRun *traffic, Recorder *recorder, const volatile int *stop) {
    Completion done[DRAIN_BATCH];
    int64_t next_ps;
    while ((next_ps = traffic->ops->next_ps(traffic->engine)) != TIME_NEVER_PS) {
        traffic->ops->advance(traffic->engine, next_ps);
        int64_t n;
        while ((n = traffic->ops->drain(traffic->engine, done, DRAIN_BATCH)) > 0)
            for (int64_t i = 0; i < n; i++) TRY(complete(traffic, &done[i]));
        recorder_collect(recorder);
        REQUIRE(!stop || !*stop, STATUS_STOPPED, "stopped on request");
    }
    int64_t unfinished = traffic->ops->nunfinished(traffic->engine);
    for (int64_t i = 0; unfinished > 0 && i < traffic->nrows; i++)
        REQUIRE(
            traffic->row[i].end_ps >= 0, STATUS_STUCK,
            "the run cannot go on: %lld flows cannot end, the first from rank %lld to rank %lld",
            (long long)unfinished, (long long)traffic->row[i].flow.src,
            (long long)traffic->row[i].flow.dst);
    REQUIRE(unfinished == 0, STATUS_STUCK,
            "the run cannot go on: phase %d of the collective cannot end", traffic->phase);
    return status_ok();
}

static Status load_flows(TrafficRun *traffic, const char *csv_text) {
    Traffic *pattern;
    TRY(traffic_create(&traffic->job->traffic, traffic->ranks, csv_text, &pattern));
    traffic->nrows = traffic_nflows(pattern);
    traffic->row = memory_alloc("traffic.flows", sizeof(FlowRow) * (size_t)traffic->nrows);
    for (int64_t i = 0; i < traffic->nrows; i++) {
        TrafficFlow flow = traffic_flow(pattern, i);
        traffic->row[i] = (FlowRow){.flow = flow,
                                    .edge = {.src = placement_gpu(&traffic->placement, flow.src),
                                             .dst = placement_gpu(&traffic->placement, flow.dst),
                                             .weight = 1},
                                    .end_ps = -1};
    }
    traffic_destroy(pattern);
    return status_ok();
}

static Status plan_collective(TrafficRun *traffic) {
    int32_t per_node = cluster_spec(traffic->cluster)->gpus_per_node;
    int32_t together = traffic->ranks < per_node ? (int32_t)traffic->ranks : per_node;
    return collective_plan(&traffic->plan, &traffic->job->collective, traffic->ranks, together);
}

/// Time the busiest GPU needs for what it sends or receives, alone: what sampling intervals are cut from.
static int64_t estimate_ps(const TrafficRun *traffic) {
    const ClusterSpec *spec = cluster_spec(traffic->cluster);
    if (traffic->job->traffic.pattern == TRAFFIC_COLLECTIVE) {
        int64_t bytes = collective_total_bytes(&traffic->plan) / traffic->ranks;
        return units_ps_for_bytes(bytes, spec->nic.goodput_Bps) + PS_PER_US;
    }
    size_t bytes_of_ranks = sizeof(int64_t) * (size_t)(2 * traffic->ranks);
    int64_t *load = memory_alloc("traffic.load", bytes_of_ranks), busiest = 0, latest_ps = 0;
    for (int64_t i = 0; i < traffic->nrows; i++) {
        const TrafficFlow *flow = &traffic->row[i].flow;
        int64_t out = load[2 * flow->src] += flow->bytes,
                in = load[2 * flow->dst + 1] += flow->bytes;
        if (out > busiest) busiest = out;
        if (in > busiest) busiest = in;
        if (flow->start_ps > latest_ps) latest_ps = flow->start_ps;
    }
    memory_free("traffic.load", load, bytes_of_ranks);
    return latest_ps + units_ps_for_bytes(busiest, spec->nic.goodput_Bps) + PS_PER_US;
}

static void name_users(const void *context, int32_t step, TraceHotLink hot[], int32_t n) {
    const TrafficRun *traffic = context;
    (void)step;
    EdgeWalk *walk = crossing_begin(traffic->cluster, traffic->job->traffic.queue_pairs, hot, n);
    for (int64_t i = 0; n > 0 && i < traffic->nrows; i++)
        crossing_walk(walk, CONNECTION_FLOW, TRACE_TRAFFIC_FLOW, traffic->row[i].edge.src,
                      traffic->row[i].edge.dst, traffic->row[i].flow.bytes);
    for (int32_t p = 0; n > 0 && p < traffic->plan.nphases; p++) {
        Phase phase = collective_phase(&traffic->plan, p);
        for (int64_t i = 0; i < phase.nedges; i++) {
            PhaseEdge edge = collective_edge(&traffic->plan, p, i);
            crossing_walk(walk, CONNECTION_FLOW, TRACE_TRAFFIC_FLOW,
                          placement_gpu(&traffic->placement, edge.src),
                          placement_gpu(&traffic->placement, edge.dst), phase.bytes * edge.weight);
        }
    }
    crossing_end(walk);
}

/// Rows of /flows; one for a collective, from its first member to its last.
static Status write_flows(const TrafficRun *traffic, Recorder *recorder) {
    bool root = comm_rank(recorder->comm) == 0,
         one = traffic->job->traffic.pattern == TRAFFIC_COLLECTIVE;
    int64_t n = !root ? 0 : one ? 1 : traffic->nrows;
    TraceFlow *rows = memory_alloc("record.flows", sizeof(TraceFlow) * (size_t)n);
    for (int64_t i = 0; i < n && !one; i++) {
        const FlowRow *row = &traffic->row[i];
        double took = (double)(row->end_ps - row->flow.start_ps);
        rows[i] =
            (TraceFlow){row->flow.src,   row->flow.dst,
                        row->flow.bytes, row->flow.start_ps,
                        row->end_ps,     row->alone_ps > 0 ? took / (double)row->alone_ps : 1};
    }
    if (n > 0 && one)
        rows[0] =
            (TraceFlow){0, traffic->ranks - 1, traffic->job->collective.bytes,
                        0, traffic->end_ps,    (double)traffic->end_ps / (double)traffic->alone_ps};
    Status status = trace_append_flows(recorder->trace, n, rows);
    memory_free("record.flows", rows, sizeof(TraceFlow) * (size_t)n);
    return status;
}

static Status record(TrafficRun *traffic, Recorder *recorder) {
    int64_t interval_ps = recorder->interval_ps;
    traffic->ops->advance(traffic->engine, (traffic->end_ps / interval_ps + 1) * interval_ps);
    recorder_collect(recorder);
    StepSummary summary = {.end_ps = traffic->end_ps, .fingerprint = traffic->fingerprint};
    int64_t span_ps = traffic->end_ps > 0 ? traffic->end_ps : 1;
    if (recorder->trace) {
        TRY(trace_begin_step(recorder->trace));
        TRY(write_flows(traffic, recorder));
    }
    TRY(recorder_write_links(recorder, 0, 0, span_ps, true, name_users, traffic, &summary));
    array_push(&recorder->step, summary);
    if (!recorder->trace) return status_ok();
    TraceStep step = {.end_ps = traffic->end_ps, .fingerprint = traffic->fingerprint};
    TRY(trace_write_step(recorder->trace, comm_rank(recorder->comm) == 0 ? &step : NULL));
    return trace_commit(recorder->trace, true, NULL);
}

static Status run_job(TrafficRun *traffic, Comm *comm, const char *csv_text,
                      const char *command_line, Recorder *recorder, const volatile int *stop) {
    const RunSpec *run = traffic->run;
    int64_t asked = traffic->job->traffic.ranks;
    traffic->ranks = asked > 0 ? asked : cluster_ngpus(traffic->cluster);
    TRY(placement_init(&traffic->placement, &traffic->job->placement, traffic->cluster,
                       traffic->ranks));
    bool collective = traffic->job->traffic.pattern == TRAFFIC_COLLECTIVE;
    TRY(collective ? plan_collective(traffic) : load_flows(traffic, csv_text));
    int64_t interval_ps = record_interval_ps(estimate_ps(traffic), run->trace.intervals);
    traffic->ops = engine_ops_of(run->engine);
    EngineSpec spec = {.control_delay_ps = run->control_delay_ps, .interval_ps = interval_ps};
    traffic->engine = traffic->ops->create(traffic->cluster, &spec);
    recorder->ops = traffic->ops;
    recorder->engine = traffic->engine;
    Partition nodes = partition_make(cluster_spec(traffic->cluster)->nodes, 1, comm_nranks(comm));
    recorder_own(recorder, traffic->cluster, comm, &nodes);
    TRY(recorder_open(recorder, run, traffic->cluster, comm, interval_ps, command_line));
    int64_t per_node = cluster_spec(traffic->cluster)->gpus_per_node;
    TRY(recorder_static_gpus(recorder, partition_first(&nodes, comm_rank(comm)) * per_node,
                             partition_count(&nodes, comm_rank(comm)) * per_node,
                             &traffic->placement));
    TRY(collective ? submit_phase(traffic) : submit_flows(traffic));
    TRY(play(traffic, recorder, stop));
    return record(traffic, recorder);
}

Status traffic_play(const RunSpec *run, const Cluster *cluster, Comm *comm, const char *csv_text,
                    const char *command_line, Recorder *recorder, const volatile int *stop) {
    TrafficRun traffic = {.run = run, .job = &run->job[0], .cluster = cluster};
    Status status = run_job(&traffic, comm, csv_text, command_line, recorder, stop);
    if (traffic.engine) traffic.ops->destroy(traffic.engine);
    recorder->engine = NULL;
    memory_free("traffic.flows", traffic.row, sizeof(FlowRow) * (size_t)traffic.nrows);
    return status;
}
