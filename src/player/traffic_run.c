#include "player/traffic_run.h"

#include <math.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/units.h"

#define LABEL "traffic"

enum { CONNECTION_FLOW = 1 };

/// The ranks of a job are one communicator.
static Edge by_members(const TrafficRun *traffic, Edge edge) {
    if (edge.own_nic) return edge;
    GpuId relay = routing_relay(traffic->cluster, edge.src, edge.dst);
    edge.own_nic = relay != edge.src && placement_job_rank(&traffic->placement, relay) < 0;
    return edge;
}

static Edge flow_edge(const void *context, int64_t i) {
    const TrafficEdges *edges = context;
    const FlowRow *row = &edges->traffic->row[edges->number];
    TrafficPair pair = traffic_flow_pair(&row->flow, i);
    return by_members(edges->traffic,
                      (Edge){.src = row->src + pair.src, .dst = row->dst + pair.dst, .weight = 1});
}

static Edge phase_edge(const void *context, int64_t i) {
    const TrafficEdges *edges = context;
    const TrafficRun *traffic = edges->traffic;
    PhaseEdge edge = collective_edge(&traffic->plan, (int32_t)edges->number, i);
    return by_members(traffic, (Edge){.src = placement_gpu(&traffic->placement, edge.src),
                                      .dst = placement_gpu(&traffic->placement, edge.dst),
                                      .weight = edge.weight,
                                      .own_nic = edge.own_nic});
}

bool traffic_is_collective(const TrafficRun *traffic) {
    return traffic->job->traffic.pattern == TRAFFIC_COLLECTIVE;
}

int64_t traffic_ntransfers(const TrafficRun *traffic) {
    return traffic_is_collective(traffic) ? traffic->plan.nphases : traffic->nrows;
}

/// Launch and path of a message, of several the longest path; nothing at all for the race
/// scenarios.
static int64_t start_latency_ps(const TrafficRun *traffic, const EdgeSet *edges) {
    int64_t extra_ps = traffic->job->traffic.latency_ps, longest_ps = 0;
    for (int64_t i = 0; extra_ps >= 0 && i < edges->nedges; i++) {
        Edge edge = edges->edge(edges->context, i);
        int64_t path_ps = routing_latency_by_ps(traffic->cluster, edge.src,
                                                edge_sender(traffic->cluster, &edge), edge.dst);
        if (path_ps > longest_ps) longest_ps = path_ps;
    }
    return extra_ps < 0 ? 0 : extra_ps + longest_ps;
}

/// Flows between the same ends use the same queue pairs.
static uint64_t flow_queue(const FlowRow *row) {
    uint64_t blocks = (uint64_t)row->flow.nsrc << 32 | (uint64_t)row->flow.ndst;
    return rng_mix(rng_mix(1 + blocks, (uint64_t)row->src), (uint64_t)row->dst);
}

static void set_flow(const TrafficRun *traffic, const FlowRow *row, Transfer *transfer) {
    transfer->edges.nedges = traffic_flow_npairs(&row->flow);
    transfer->edges.edge = flow_edge;
    transfer->queue_pairs = traffic->job->traffic.queue_pairs;
    transfer->queue_key = fabric_key(traffic->number, flow_queue(row));
    transfer->bytes = row->flow.bytes;
    transfer->rounds = 1;
    transfer->start_ps =
        traffic->now.begin_ps + row->flow.start_ps + start_latency_ps(traffic, &transfer->edges);
}

static void set_phase(const TrafficRun *traffic, Phase phase, Transfer *transfer) {
    transfer->edges.nedges = phase.nedges;
    transfer->edges.edge = phase_edge;
    transfer->queue_pairs = traffic->job->network.queue_pairs;
    transfer->queue_key = fabric_key(traffic->number, 1); // all phases follow each other
    transfer->bytes = phase.bytes;
    transfer->rounds = phase.rounds;
    transfer->round_latency_ps = phase.round_latency_ps;
    transfer->start_ps = traffic->phase_begin_ps + phase.fill_ps;
}

Transfer traffic_transfer(const TrafficRun *traffic, int64_t number, TrafficEdges *edges) {
    *edges = (TrafficEdges){traffic, number};
    Transfer transfer = {
        .tag = fabric_tag(traffic->number, number),
        .edges.context = edges,
        .job = traffic->number,
        .step = fabric_step(traffic->fabric, traffic->number, traffic->step),
        .connection = CONNECTION_FLOW,
    };
    if (traffic_is_collective(traffic))
        set_phase(traffic, collective_phase(&traffic->plan, (int32_t)number), &transfer);
    else
        set_flow(traffic, &traffic->row[number], &transfer);
    return transfer;
}

static Status submit(TrafficRun *traffic, int64_t number) {
    Transfer transfer = traffic_transfer(traffic, number, &traffic->asked);
    return traffic->fabric->ops->submit(traffic->fabric->engine, &transfer);
}

static Status submit_flows(TrafficRun *traffic) {
    traffic->nunfinished = traffic->nrows;
    for (int64_t i = 0; i < traffic->nrows; i++) TRY(submit(traffic, i));
    return status_ok();
}

static Status submit_phase(TrafficRun *traffic) {
    traffic->alone_ps += collective_phase(&traffic->plan, traffic->phase).fill_ps;
    return submit(traffic, traffic->phase);
}

/// Time the busiest GPU needs for so many bytes, alone.
static int64_t busy_ps(const TrafficRun *traffic, int64_t bytes) {
    const double goodput_Bps = (double)cluster_spec(traffic->cluster)->nic.goodput_Bps;
    const double busy_ps = ceil((double)bytes / goodput_Bps * (double)PS_PER_S);
    return (int64_t)fmin(busy_ps, (double)(TIME_END_PS / 2)) + PS_PER_US;
}

static Status load_flows(TrafficRun *traffic) {
    const char *csv_text = run_spec_text(traffic->fabric->run, traffic->job->traffic.file);
    Traffic *pattern;
    TRY(traffic_create(&traffic->job->traffic, traffic->ranks,
                       cluster_spec(traffic->cluster)->gpus_per_node, csv_text, &pattern));
    traffic->nrows = traffic_nflows(pattern);
    traffic->row = memory_alloc("traffic.flows", sizeof(FlowRow) * (size_t)traffic->nrows);
    for (int64_t i = 0; i < traffic->nrows; i++) {
        TrafficFlow flow = traffic_flow(pattern, i);
        traffic->row[i] = (FlowRow){.flow = flow,
                                    .src = placement_gpu(&traffic->placement, flow.src),
                                    .dst = placement_gpu(&traffic->placement, flow.dst),
                                    .end_ps = -1};
    }
    traffic->estimate_ps =
        traffic_latest_ps(pattern) + busy_ps(traffic, traffic_busiest_bytes(pattern));
    traffic_destroy(pattern);
    return status_ok();
}

static GpuId placed(const void *context, int64_t member) {
    const TrafficRun *traffic = context;
    return placement_gpu(&traffic->placement, member);
}

static Status plan_collective(TrafficRun *traffic) {
    traffic->spread = spread_make(traffic->cluster, traffic->ranks, placed, traffic);
    const ClusterSpec *cluster = cluster_spec(traffic->cluster);
    const int64_t path_ps = traffic->spread.latency_ps, extra_ps = traffic->job->traffic.latency_ps;
    const bool waits = extra_ps >= 0; // else no latency at all, as for flows
    CollectiveSpec spec = {0};
    if (waits) spec = run_spec_collective(traffic->job, cluster, path_ps);
    if (waits) spec.round_latency_ps += extra_ps;
    const CollectiveTuning tuning = run_spec_tuning(cluster, path_ps);
    spec.kind = traffic->job->collective.kind;
    spec.algorithm = traffic->job->collective.algorithm;
    spec.bytes = traffic->job->collective.bytes;
    TRY(collective_plan(&traffic->plan, &spec, waits ? &tuning : NULL, &traffic->spread.domains));
    traffic->estimate_ps =
        busy_ps(traffic, collective_total_bytes(&traffic->plan) / traffic->ranks);
    return status_ok();
}

/// What the job moves, on the rank that plays it.
static Status load(TrafficRun *traffic, Comm *comm) {
    int64_t asked = traffic->job->traffic.ranks;
    const ClusterSpec *machine = cluster_spec(traffic->cluster);
    traffic->ranks =
        asked > 0 ? asked
                  : placement_nodes(&traffic->job->placement, machine) * machine->gpus_per_node;
    TRY(placement_init(&traffic->placement, &traffic->job->placement,
                       cluster_spec(traffic->cluster), traffic->ranks, 1));
    Status status = status_ok();
    if (traffic->plays)
        status = traffic_is_collective(traffic) ? plan_collective(traffic) : load_flows(traffic);
    return comm_agree(comm, status);
}

// The traffic as a job.

static TrafficRun *traffic_of(const Job *job) { return job->state; }

/// One repetition: from the end of the one before to the last byte.
static Status job_begin(Job *job, int64_t now_ps) {
    TrafficRun *traffic = traffic_of(job);
    traffic->now =
        (TrafficStep){.begin_ps = now_ps, .end_ps = now_ps, .moves_before = traffic->now.moves};
    traffic->phase_begin_ps = now_ps;
    traffic->phase = 0;
    traffic->alone_ps = 0;
    for (int64_t i = 0; i < traffic->nrows; i++) traffic->row[i].end_ps = -1;
    return traffic_is_collective(traffic) ? submit_phase(traffic) : submit_flows(traffic);
}

static Status job_complete(Job *job, const Completion *done) {
    TrafficRun *traffic = traffic_of(job);
    const int64_t begin_ps = traffic->now.begin_ps;
    traffic->now.moves +=
        fingerprint_of(done->tag, done->start_ps - begin_ps, done->end_ps - begin_ps);
    if (done->end_ps > traffic->now.end_ps) traffic->now.end_ps = done->end_ps;
    if (!traffic_is_collective(traffic)) {
        FlowRow *row = &traffic->row[done->tag];
        row->end_ps = done->end_ps;
        row->alone_ps = done->alone_ps + done->start_ps - begin_ps - row->flow.start_ps;
        traffic->ended = --traffic->nunfinished == 0;
        return status_ok();
    }
    traffic->alone_ps += done->alone_ps;
    traffic->phase_begin_ps = done->end_ps;
    traffic->ended = ++traffic->phase == traffic->plan.nphases;
    return traffic->ended ? status_ok() : submit_phase(traffic);
}

static Transfer job_describe(Job *job, int64_t tag) {
    TrafficRun *traffic = traffic_of(job);
    return traffic_transfer(traffic, tag, &traffic->asked);
}

static int32_t job_steps(const Job *job) { return traffic_of(job)->step + traffic_of(job)->ended; }

/// Its end also ends sampling intervals.
static void job_share(Job *job) {
    TrafficRun *traffic = traffic_of(job);
    // The cluster may still change where it is played.
    traffic->now.still_from = job->fabric->change_ps < TIME_NEVER_PS ? INT32_MAX : job->still_step;
    comm_broadcast(job->fabric->comm, &traffic->now, sizeof traffic->now, 0);
    if (job->fabric->run->njobs == 1) fabric_cut(job->fabric, traffic->now.end_ps);
}

/// All that follow are the step that was played, if it was that before it: what it left on the links is what it found
/// there, transfers that have ended and are still felt, which are told by their ends.
static bool job_repeats(Job *job) {
    TrafficRun *traffic = traffic_of(job);
    const TrafficStep *now = &traffic->now;
    bool same = job->fabric->run->repeat && traffic->step > 0 &&
                traffic->step + 1 < traffic->job->steps && now->moves == now->moves_before &&
                now->end_ps > now->begin_ps && traffic->step >= now->still_from;
    if (same) traffic->later_ps = now->end_ps - now->begin_ps;
    return same;
}

static Status job_again(Job *job, int64_t *later_ps) {
    TrafficRun *traffic = traffic_of(job);
    *later_ps = traffic->later_ps;
    TRY(run_check_time(traffic->now.end_ps + traffic->later_ps));
    traffic->step++;
    traffic->now.begin_ps += traffic->later_ps;
    traffic->now.end_ps += traffic->later_ps;
    for (int64_t i = 0; i < traffic->nrows; i++) traffic->row[i].end_ps += traffic->later_ps;
    return status_ok();
}

static Status job_go_on(Job *job, int64_t now_ps) {
    TrafficRun *traffic = traffic_of(job);
    traffic->step++;
    traffic->ended = false;
    bool more = traffic->plays && traffic->step < traffic->job->steps;
    return more ? job_begin(job, now_ps) : status_ok();
}

static Status job_stuck(Job *job) {
    const TrafficRun *traffic = traffic_of(job);
    Status mine = status_ok();
    for (int64_t i = 0; i < traffic->nrows && status_is_ok(&mine); i++)
        if (traffic->row[i].end_ps < 0)
            mine = status_make(STATUS_STUCK,
                               "the run cannot go on: %lld flows cannot end, the first from rank "
                               "%lld to rank %lld",
                               (long long)traffic->nunfinished, (long long)traffic->row[i].flow.src,
                               (long long)traffic->row[i].flow.dst);
    if (traffic_is_collective(traffic) && traffic->plays && traffic->phase < traffic->plan.nphases)
        mine =
            status_make(STATUS_STUCK, "the run cannot go on: phase %d of the collective cannot end",
                        traffic->phase);
    return comm_agree(job->fabric->comm, mine);
}

Status traffic_open(Fabric *fabric, int32_t number, TrafficRun **out) {
    TrafficRun *traffic = memory_alloc(LABEL, sizeof *traffic);
    *out = traffic;
    *traffic = (TrafficRun){.fabric = fabric,
                            .number = number,
                            .job = &fabric->run->job[number],
                            .cluster = fabric->cluster,
                            .plays = fabric->rank == 0};
    return load(traffic, fabric->comm);
}

void traffic_close(TrafficRun *traffic) {
    if (!traffic) return;
    spread_free(&traffic->spread);
    memory_free("traffic.flows", traffic->row, sizeof(FlowRow) * (size_t)traffic->nrows);
    memory_free(LABEL, traffic, sizeof *traffic);
}

int64_t traffic_estimate_ps(const TrafficRun *traffic) {
    int64_t estimate_ps = traffic->estimate_ps;
    comm_broadcast(traffic->fabric->comm, &estimate_ps, sizeof estimate_ps, 0);
    return estimate_ps;
}

Job traffic_job(TrafficRun *traffic) {
    static const JobOps OPS = {
        .begin = job_begin,
        .complete = job_complete,
        .describe = job_describe,
        .steps = job_steps,
        .share = job_share,
        .repeats = job_repeats,
        .again = job_again,
        .go_on = job_go_on,
        .stuck = job_stuck,
    };
    return (Job){.ops = &OPS,
                 .state = traffic,
                 .fabric = traffic->fabric,
                 .spec = traffic->job,
                 .number = traffic->number};
}
