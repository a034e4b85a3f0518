// Flows that do not wait for each other: all are handed in at once, with the time at which they begin.
#include "base/memory.h"
#include "base/rng.h"
#include "base/units.h"
#include "player/traffic_run.h"

typedef struct FlowRow {
    TrafficFlow flow;
    GpuId src, dst;           ///< of the first ranks; a block is on one node, so the others follow
    int64_t end_ps, alone_ps; ///< from the begin of the step; end -1: not finished
} FlowRow;

typedef struct Flows {
    FlowRow *row; ///< [n]
    int64_t n, nunfinished;
} Flows;

static Flows *flows_of(const TrafficRun *traffic) { return traffic->moves; }

static Edge flow_edge(const void *context, int64_t i) {
    const TrafficEdges *edges = context;
    const FlowRow *row = &flows_of(edges->traffic)->row[edges->number];
    TrafficPair pair = traffic_flow_pair(&row->flow, i);
    return traffic_edge(
        edges->traffic,
        (Edge){.src = row->src + pair.src, .dst = row->dst + pair.dst, .weight = 1});
}

/// Flows between the same ends use the same queue pairs.
static uint64_t flow_queue(const FlowRow *row) {
    uint64_t blocks = (uint64_t)row->flow.nsrc << 32 | (uint64_t)row->flow.ndst;
    return rng_mix(rng_mix(1 + blocks, (uint64_t)row->src), (uint64_t)row->dst);
}

static void fill(const TrafficRun *traffic, int64_t number, Transfer *transfer) {
    const FlowRow *row = &flows_of(traffic)->row[number];
    transfer->edges.nedges = traffic_flow_npairs(&row->flow);
    transfer->edges.edge = flow_edge;
    transfer->queue_pairs = traffic->job->traffic.queue_pairs;
    transfer->queue_key = fabric_key(traffic->number, flow_queue(row));
    transfer->bytes = row->flow.bytes;
    transfer->rounds = 1;
    transfer->start_ps =
        traffic->now.begin_ps + row->flow.start_ps + traffic_latency_ps(traffic, &transfer->edges);
}

static Status load(TrafficRun *traffic) {
    const char *csv_text = run_spec_text(traffic->fabric->run, traffic->job->traffic.file);
    Traffic *pattern;
    TRY(traffic_create(&traffic->job->traffic, traffic->ranks,
                       placement_common(&traffic->job->placement, cluster_spec(traffic->cluster)),
                       csv_text, &pattern));
    Flows *flows = traffic->moves = memory_alloc("traffic.moves", sizeof *flows);
    flows->n = traffic_nflows(pattern);
    flows->row = memory_alloc("traffic.flows", sizeof(FlowRow) * (size_t)flows->n);
    for (int64_t i = 0; i < flows->n; i++) {
        TrafficFlow flow = traffic_flow(pattern, i);
        flows->row[i] = (FlowRow){.flow = flow,
                                  .src = placement_gpu(&traffic->placement, flow.src),
                                  .dst = placement_gpu(&traffic->placement, flow.dst)};
    }
    traffic->estimate_ps =
        traffic_latest_ps(pattern) + traffic_busy_ps(traffic, traffic_busiest_bytes(pattern));
    traffic_destroy(pattern);
    return status_ok();
}

static void unload(TrafficRun *traffic) {
    Flows *flows = flows_of(traffic);
    memory_free("traffic.flows", flows->row, sizeof(FlowRow) * (size_t)flows->n);
    memory_free("traffic.moves", flows, sizeof *flows);
}

static Status begin(TrafficRun *traffic) {
    Flows *flows = flows_of(traffic);
    flows->nunfinished = flows->n;
    for (int64_t i = 0; i < flows->n; i++) {
        flows->row[i].end_ps = -1;
        TRY(traffic_submit(traffic, i));
    }
    return status_ok();
}

static int64_t next_ps(const TrafficRun *traffic) {
    (void)traffic;
    return TIME_NEVER_PS;
}

static Status due(TrafficRun *traffic, int64_t now_ps) {
    (void)traffic, (void)now_ps;
    return status_ok();
}

static Status complete(TrafficRun *traffic, const Completion *done) {
    Flows *flows = flows_of(traffic);
    FlowRow *row = &flows->row[done->tag];
    const int64_t begin_ps = traffic->now.begin_ps;
    row->end_ps = done->end_ps - begin_ps;
    row->alone_ps = done->alone_ps + done->start_ps - begin_ps - row->flow.start_ps;
    flows->nunfinished--;
    return status_ok();
}

static int64_t nleft(const TrafficRun *traffic) { return flows_of(traffic)->nunfinished; }
static int64_t nflows(const TrafficRun *traffic) { return flows_of(traffic)->n; }

/// Ends of a flow are the first ranks of its blocks.
static TrafficMove move(const TrafficRun *traffic, int64_t i) {
    const FlowRow *row = &flows_of(traffic)->row[i];
    return (TrafficMove){.source = row->flow.src,
                         .destination = row->flow.dst,
                         .bytes = row->flow.bytes * traffic_flow_npairs(&row->flow),
                         .begin_ps = row->flow.start_ps,
                         .end_ps = row->end_ps,
                         .alone_ps = row->alone_ps};
}

static bool collective(const TrafficRun *traffic, TrafficCollective *of) {
    (void)traffic, (void)of;
    return false;
}

static Status stuck(const TrafficRun *traffic) {
    const Flows *flows = flows_of(traffic);
    int64_t i = 0;
    while (flows->row[i].end_ps >= 0) i++;
    return status_make(STATUS_STUCK,
                       "the run cannot go on: %lld flows cannot end, the first from rank %lld to "
                       "rank %lld",
                       (long long)flows->nunfinished, (long long)flows->row[i].flow.src,
                       (long long)flows->row[i].flow.dst);
}

const TrafficOps TRAFFIC_FLOW_OPS = {
    .load = load,
    .unload = unload,
    .begin = begin,
    .next_ps = next_ps,
    .due = due,
    .complete = complete,
    .nleft = nleft,
    .ntransfers = nflows,
    .fill = fill,
    .nmoves = nflows,
    .move = move,
    .collective = collective,
    .stuck = stuck,
};
