// Laws of the flows of traffic jobs, each on its own: when they start, and what they take alone.
#include "player/small_run.h"

#include "claims.h"

#include "base/units.h"
#include "draws.h"
#include "player/traffic_run.h"

enum { NODES = 9, GPUS = 36, FLOWS_MAX = GPUS * GPUS, STEPS = 2 };

static char CSV[] =
    "source,destination,bytes,start\n"
    "0,1,5 MB,0 us\n"
    "0,20,1 B,70 us\n"
    "3,20,9 MB,40 us\n"
    "35,2,64 KiB,1 ms\n";

static int32_t below(uint64_t *draws, int32_t n) {
    return (int32_t)rng_below(23, RNG_TEST, 0, (*draws)++, n);
}

/// Any pattern of flows, by relays or not.
static void draw_traffic(RunSpec *run, uint64_t *draws, TrafficPattern pattern) {
    small_run_init(run, NODES, 1, 1, SCHEDULE_NONE, 1, 1);
    run->cluster.pxn = below(draws, 2) == 1;
    run->cluster.routing = (Routing)below(draws, 4);
    run->source[0] = (SourceText){.path = "flows.csv", .text = CSV};
    run->nsources = 1;
    JobSpec *job = &run->job[0];
    job->kind = JOB_TRAFFIC;
    job->steps = STEPS;
    job->traffic = (TrafficSpec){.pattern = pattern,
                                 .ranks = 12 * (1 + below(draws, 3)),
                                 .bytes = 1 + below(draws, 2) * 1000 * below(draws, 3000),
                                 .group = 6 * below(draws, 3),
                                 .shift = below(draws, 12),
                                 .fan_in = 3,
                                 .seed = 7,
                                 .queue_pairs = 1 + below(draws, 3),
                                 .latency_ps = -1,
                                 .file = "flows.csv"};
    if (pattern == TRAFFIC_FLOWS) job->traffic.ranks = GPUS;
}

/// Of the flows of the last step.
typedef struct FlowTimes {
    const TrafficRun *traffic;
    int64_t n, took_ps[FLOWS_MAX], alone_ps[FLOWS_MAX], path_ps[FLOWS_MAX];
} FlowTimes;

/// Of the flows of a traffic job by their number.
static int64_t longest_path_ps(const TrafficRun *traffic, int64_t number) {
    TrafficEdges edges;
    const Transfer transfer = traffic_transfer(traffic, number, &edges);
    int64_t longest_ps = 0;
    for (int64_t i = 0; i < transfer.edges.nedges; i++) {
        const Edge edge = transfer.edges.edge(transfer.edges.context, i);
        const int64_t path_ps = routing_latency_ps(traffic->cluster, edge.src, edge.dst);
        if (path_ps > longest_ps) longest_ps = path_ps;
    }
    return longest_ps;
}

/// A FabricListener.
static Status keep_flows(void *context, int32_t job, int32_t step, int64_t later_ps) {
    FlowTimes *times = context;
    (void)job, (void)step, (void)later_ps;
    times->n = times->traffic->ops->nmoves(times->traffic);
    assert_true(times->n <= FLOWS_MAX);
    for (int64_t i = 0; i < times->n; i++) {
        const TrafficMove move = times->traffic->ops->move(times->traffic, i);
        times->took_ps[i] = move.end_ps - move.begin_ps;
        times->alone_ps[i] = move.alone_ps;
        times->path_ps[i] = longest_path_ps(times->traffic, i);
    }
    return status_ok();
}

static void play(const RunSpec *run, FlowTimes *times) {
    Comm *self = comm_create_self();
    Cluster *cluster = NULL;
    Status status = cluster_create(&run->cluster, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    Fabric fabric = fabric_make(run, cluster, self);
    TrafficRun *traffic = NULL;
    status = traffic_open(&fabric, 0, &traffic);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    times->traffic = traffic;
    fabric.listener = (FabricListener){.context = times, .step = keep_flows};
    fabric_open(&fabric);
    Job job = traffic_job(traffic);
    status = moments_play(&(Job *){&job}, 1);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    traffic_close(traffic);
    fabric_close(&fabric);
    cluster_destroy(cluster);
    comm_destroy(self);
}

/// The same run on an engine, flows being launched so late (-1: and paths taking no time).
static void play_as(RunSpec *run, EngineKind engine, int64_t latency_ps, FlowTimes *times) {
    run->engine = engine_of(engine);
    run->job[0].traffic.latency_ps = latency_ps;
    play(run, times);
}

// Law: where nobody is in the way a flow takes what it takes alone, from when it was asked for to its last byte; where others
// are, no less, and alone it takes the same. Launch and longest path are part of it, to the picosecond.
static void flows_pay_launch_path_and_bytes(void **state) {
    (void)state;
    static FlowTimes bare, closed, flow;
    uint64_t draws = 0;
    int64_t slowed = 0, far = 0;
    for (int pattern = 0; pattern < TRAFFIC_PATTERN_N; pattern++) {
        for (int round = 0; round < 6 && !traffic_is_graph((TrafficPattern)pattern); round++) {
            RunSpec run;
            draw_traffic(&run, &draws, (TrafficPattern)pattern);
            const int64_t latency_ps = below(&draws, 3) * 7 * PS_PER_US;
            play_as(&run, ENGINE_CLOSED, -1, &bare);
            play_as(&run, ENGINE_CLOSED, latency_ps, &closed);
            play_as(&run, ENGINE_FLOW, latency_ps, &flow);
            for (int64_t i = 0; i < closed.n; i++) {
                assert_int_equal(closed.took_ps[i], closed.alone_ps[i]);
                assert_int_equal(closed.alone_ps[i] - bare.alone_ps[i],
                                 latency_ps + closed.path_ps[i]);
                assert_int_equal(flow.alone_ps[i], closed.alone_ps[i]);
                assert_true(flow.took_ps[i] >= flow.alone_ps[i]);
                slowed += flow.took_ps[i] > flow.alone_ps[i];
                far += closed.path_ps[i] > PS_PER_US;
            }
            small_run_fini(&run);
        }
    }
    assert_true(slowed > 100 && far > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_pay_launch_path_and_bytes),
    };
    return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
