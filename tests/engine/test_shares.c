// Laws of shares: two transfers get equal bytes of a link for each of their streams, however heavy
// their edges; a queue pair does not wait for itself.
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/flow/flow.h"
#include "race.h"

enum {
    NSCENES = 60,
    NODES = 8,
    SLOTS = 2,
    SHARERS_MAX = NODES - 2,
    CHAIN = 24,
    EDGES_MAX = 5,
    DELAY_PS = 10000000
};

typedef struct Draw {
    uint64_t entity, n;
} Draw;

static int64_t pick(Draw *draw, int64_t n) {
    return rng_below(33, RNG_TEST, draw->entity, draw->n++, n);
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

/// Nodes of two GPUs, whose scale-up ports are far faster than their NICs.
static Cluster *draw_cluster(uint64_t entity) {
    ClusterSpec spec = race_spec(16);
    spec.nodes = NODES;
    spec.gpus_per_node = spec.scale_up.gpus = SLOTS;
    spec.scale_up.line_Bps *= 64;
    spec.scale_up.goodput_Bps *= 64;
    spec.tier[1].children = spec.installed = 4;
    spec.routing = (Routing)(entity % 4);
    Cluster *cluster;
    Status status = cluster_create(&spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    return cluster;
}

static void submit(Flow *flow, const Transfer *transfer) {
    Status status = flow_submit(flow, transfer);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
}

// Collectives from one NIC, each with a stream (or several) to a node of its own and heavier edges inside it, carry
// L bytes a stream over it, whatever their weights: they end together, when the NIC has carried all.
static void streams_get_equal_bytes(void **state) {
    (void)state;
    enum { L = 27720 * 1000, NWEIGHTS = 12 };
    static const int32_t weights[NWEIGHTS] = {1, 2, 3, 4, 7, 9, 11, 15, 63, 440, 3465, 9240};
    for (uint64_t s = 0; s < NSCENES; s++) {
        Draw draw = {.entity = s};
        Cluster *cluster = draw_cluster(s);
        Flow *flow =
            flow_create(cluster, &(EngineSpec){.control_delay_ps = (int64_t)(s % 2) * DELAY_PS});
        int64_t nsharers = 2 + pick(&draw, SHARERS_MAX - 1), nstreams = 0;
        Edge edge[SHARERS_MAX][3];
        for (int64_t i = 0; i < nsharers; i++) {
            int32_t across = weights[pick(&draw, NWEIGHTS)],
                    inside = across * (1 + (int32_t)pick(&draw, 7));
            GpuId there = SLOTS * (i + 1);
            edge[i][0] = (Edge){there, there + 1, inside};
            edge[i][1] = (Edge){0, there, across};
            edge[i][2] = (Edge){there + 1, there, inside};
            int32_t queue_pairs = 1 + (int32_t)pick(&draw, 4);
            nstreams += queue_pairs;
            submit(flow, &(Transfer){.tag = i,
                                     .edges = {.nedges = 3, .edge = edge_at, .context = edge[i]},
                                     .queue_pairs = queue_pairs,
                                     .bytes = (int64_t)L * queue_pairs / across,
                                     .rounds = 1});
        }
        flow_advance(flow, TIME_NEVER_PS);
        Completion done[SHARERS_MAX];
        assert_int_equal(flow_drain(flow, done, SHARERS_MAX), nsharers);
        for (int64_t i = 0; i < nsharers; i++)
            assert_close((double)done[i].end_ps / (double)(nstreams * L * 20), 1, 1e-8);
        flow_destroy(flow);
        cluster_destroy(cluster);
    }
}

// On an idle path each of a chain takes as long as alone, wherever it leads, though it starts while the one before is felt
// by others.
static void a_queue_pair_does_not_wait_for_itself(void **state) {
    (void)state;
    for (uint64_t s = 0; s < NSCENES; s++) {
        Draw draw = {.entity = NSCENES + s};
        Cluster *cluster = draw_cluster(s);
        Flow *flow = flow_create(cluster, &(EngineSpec){.control_delay_ps = DELAY_PS});
        Edge edge[CHAIN][EDGES_MAX];
        int64_t start_ps = 0, alone_ps[CHAIN];
        for (int64_t i = 0; i < CHAIN; i++) {
            int64_t nedges = 1 + pick(&draw, EDGES_MAX);
            for (int64_t e = 0; e < nedges; e++) {
                GpuId src = pick(&draw, NODES * SLOTS);
                edge[i][e] =
                    (Edge){src, (src + 1 + pick(&draw, NODES * SLOTS - 1)) % (NODES * SLOTS),
                           1 + (int32_t)(pick(&draw, 2) * pick(&draw, 5000))};
            }
            Transfer transfer = {.tag = i,
                                 .edges = {.nedges = nedges, .edge = edge_at, .context = edge[i]},
                                 .queue_pairs = 1 + (int32_t)pick(&draw, 4),
                                 .queue_key = 7,
                                 .bytes = 1 + pick(&draw, 3000000),
                                 .rounds = 1 + pick(&draw, 3),
                                 .round_latency_ps = pick(&draw, 2) * 1000000,
                                 .start_ps = start_ps};
            submit(flow, &transfer);
            Status status = flow_alone_ps(flow, &transfer, &alone_ps[i]);
            assert_true(status_is_ok(&status));
            start_ps += alone_ps[i] + pick(&draw, 2) * pick(&draw, 2 * DELAY_PS);
        }
        flow_advance(flow, TIME_NEVER_PS);
        Completion done[CHAIN];
        assert_int_equal(flow_drain(flow, done, CHAIN), CHAIN);
        for (int64_t i = 0; i < CHAIN; i++) {
            assert_int_equal(done[i].end_ps - done[i].start_ps, alone_ps[i]);
            assert_int_equal(done[i].alone_ps, alone_ps[i]);
        }
        flow_destroy(flow);
        cluster_destroy(cluster);
    }
}

/// End of a bystander of `bytes` beside `parts` messages, each submitted when the one before has ended.
static int64_t end_beside(int64_t bytes, int64_t part_bytes, int64_t parts, uint64_t queue_key) {
    static const Edge beside = {0, 1, 1}, chain = {0, 2, 1};
    Cluster *cluster = race_cluster(16);
    Flow *flow = flow_create(cluster, &(EngineSpec){.control_delay_ps = DELAY_PS});
    Transfer next = {.tag = 1,
                     .edges = {.nedges = 1, .edge = edge_at, .context = &chain},
                     .queue_pairs = 1,
                     .queue_key = queue_key,
                     .bytes = part_bytes,
                     .rounds = 1};
    Transfer bystander = next;
    bystander.tag = 0;
    bystander.edges.context = &beside;
    bystander.queue_key = 0;
    bystander.bytes = bytes;
    submit(flow, &bystander);
    submit(flow, &next);
    int64_t end_ps = -1;
    while (flow_nunfinished(flow) > 0) {
        Completion done;
        flow_advance(flow, flow_next_ps(flow));
        while (flow_drain(flow, &done, 1) > 0) {
            if (done.tag == 0) {
                end_ps = done.end_ps;
            } else if (++next.tag <= parts) {
                next.start_ps = done.end_ps;
                submit(flow, &next);
            }
        }
    }
    flow_destroy(flow);
    cluster_destroy(cluster);
    return end_ps;
}

// Others do not feel into how many messages a queue pair cuts what it sends: the next takes over the share of the one
// before. Without a queue in common each leaves a ghost besides.
static void the_next_takes_over_the_share(void **state) {
    (void)state;
    enum { BYTES = 4000000 };
    int64_t whole_ps = end_beside(BYTES, BYTES / 2, 1, 1);
    for (int64_t parts = 2; parts <= 50; parts += 4) {
        // A part is cut to whole bytes and ends on a whole picosecond.
        int64_t slack_ps = 22 * parts, end_ps = end_beside(BYTES, BYTES / 2 / parts, parts, 1);
        assert_in_range(end_ps - whole_ps + slack_ps, 0, 2 * slack_ps);
        assert_true(end_beside(BYTES, BYTES / 2 / parts, parts, 0) > whole_ps + DELAY_PS / 8);
    }
}

// One of two messages of a queue ends: the other has the link at once, and they are felt as long as the last of them.
static void one_that_goes_on_takes_over(void **state) {
    (void)state;
    static const Edge edge = {0, 1, 1};
    Cluster *cluster = race_cluster(16);
    Flow *flow = flow_create(cluster, &(EngineSpec){.control_delay_ps = DELAY_PS});
    for (int64_t i = 0; i < 3; i++)
        submit(flow, &(Transfer){.tag = i,
                                 .edges = {.nedges = 1, .edge = edge_at, .context = &edge},
                                 .queue_pairs = 1,
                                 .queue_key = 9,
                                 .bytes = i < 2 ? 1000000 : 3000000,
                                 .rounds = 1});
    Completion done[3];
    flow_advance(flow, TIME_NEVER_PS);
    assert_int_equal(flow_drain(flow, done, 3), 3);
    assert_in_range(done[1].end_ps - INT64_C(3000000) * 20, 0, 1);
    assert_int_equal(done[0].end_ps, done[1].end_ps);
    assert_in_range(done[2].end_ps - INT64_C(5000000) * 20, 0, 1);
    assert_int_equal(flow_now_ps(flow),
                     done[2].end_ps + DELAY_PS); // its own ghost is the last event
    flow_destroy(flow);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_get_equal_bytes),
        cmocka_unit_test(a_queue_pair_does_not_wait_for_itself),
        cmocka_unit_test(the_next_takes_over_the_share),
        cmocka_unit_test(one_that_goes_on_takes_over),
    };
    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
