// Laws of the flow engine, one by one. Links carry B = 50e9 bytes/s, 20 ps a byte; hosts of one
// GPU, 4 below a leaf, so transfers between hosts of one leaf share nothing but ends.
#include "base/units.h"
#include "claims.h"
#include "engine/engines.h"
#include "engine/intervals.h"
#include "link_list.h"
#include "race.h"

enum { PS_PER_BYTE = 20, DONE_MAX = 512 };

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

static Transfer message(int64_t tag, const Edge *edge, int64_t bytes, int64_t start_ps) {
    return (Transfer){.tag = tag,
                      .edges = {.nedges = 1, .edge = edge_at, .context = edge},
                      .queue_pairs = 1,
                      .bytes = bytes,
                      .rounds = 1,
                      .start_ps = start_ps};
}

static void submit(Flow *flow, Transfer transfer) {
    Status status = flow_submit(flow, &transfer);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
}

typedef struct Bench {
    Cluster *cluster;
    Flow *flow;
    Completion done[DONE_MAX];
    int64_t ndone;
} Bench;

static void open_bench(Bench *bench, int64_t nhosts, int64_t control_delay_ps) {
    bench->cluster = race_cluster(nhosts);
    bench->flow = flow_create(bench->cluster, &(EngineSpec){.control_delay_ps = control_delay_ps});
    bench->ndone = 0;
}

static void run(Bench *bench) {
    flow_advance(bench->flow, TIME_NEVER_PS);
    bench->ndone = flow_drain(bench->flow, bench->done, DONE_MAX);
}

static void close_bench(Bench *bench) {
    assert_int_equal(flow_nunfinished(bench->flow), 0);
    flow_destroy(bench->flow);
    cluster_destroy(bench->cluster);
}

static int64_t end_of(const Bench *bench, int64_t tag) {
    for (int64_t i = 0; i < bench->ndone; i++)
        if (bench->done[i].tag == tag) return bench->done[i].end_ps;
    fail_msg("transfer %lld has not ended", (long long)tag);
    return -1;
}

static const Edge A_TO_B = {0, 1, 1}, A_TO_C = {0, 2, 1}, C_TO_D = {2, 3, 1};

static void a_transfer_alone_takes_bytes_over_rate(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    submit(bench.flow, message(1, &A_TO_B, 1000003, 7));
    submit(bench.flow, message(2, &C_TO_D, 1, 7));
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 7 + 1000003 * PS_PER_BYTE);
    assert_int_equal(end_of(&bench, 2), 7 + PS_PER_BYTE);
    close_bench(&bench);
}

// k equal transfers over one link that start together end together, after k times the alone-time.
static void equal_transfers_end_together_at_k_times_alone(void **state) {
    (void)state;
    for (int64_t k = 1; k <= 100; k++) {
        Bench bench;
        open_bench(&bench, 16, 0);
        for (int64_t i = 0; i < k; i++)
            submit(bench.flow, message(i, i % 2 ? &A_TO_B : &A_TO_C, 123457, 0));
        run(&bench);
        for (int64_t i = 0; i < k; i++) {
            assert_int_equal(bench.done[i].end_ps, bench.done[0].end_ps);
            assert_int_equal(bench.done[i].tag, i);
            assert_int_equal(bench.done[i].alone_ps, 123457 * PS_PER_BYTE);
            // A share is cut by less than one rate unit of 2^-25 B/s: less than a picosecond here.
            assert_in_range(bench.done[i].end_ps - k * 123457 * PS_PER_BYTE, 0, 1);
        }
        close_bench(&bench);
    }
}

// Of two on a link the short one ends at 2 n; with instant reaction the long one then has the link
// to itself.
static void a_survivor_takes_the_whole_link(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    submit(bench.flow, message(1, &A_TO_B, 1000, 0));
    submit(bench.flow, message(2, &A_TO_C, 3000, 0));
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 2000 * PS_PER_BYTE);
    assert_int_equal(end_of(&bench, 2), 4000 * PS_PER_BYTE);
    close_bench(&bench);
}

// A ghost keeps its share for the control delay d: the survivor loses d / 2 of full rate, also
// against newcomers.
static void ghosts_keep_their_share(void **state) {
    (void)state;
    Bench bench;
    int64_t delay_ps = 400 * PS_PER_BYTE;
    open_bench(&bench, 16, delay_ps);
    submit(bench.flow, message(1, &A_TO_B, 1000, 0));
    submit(bench.flow, message(2, &A_TO_C, 3000, 0));
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 2000 * PS_PER_BYTE);
    assert_int_equal(end_of(&bench, 2), 4000 * PS_PER_BYTE + delay_ps / 2);
    close_bench(&bench);

    open_bench(&bench, 16, delay_ps);
    submit(bench.flow, message(1, &A_TO_B, 1000, 0));
    submit(bench.flow, message(2, &A_TO_B, 1000, 1000 * PS_PER_BYTE + delay_ps / 2));
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 1000 * PS_PER_BYTE);
    assert_int_equal(end_of(&bench, 2), 2000 * PS_PER_BYTE + delay_ps / 2 + delay_ps / 4);
    close_bench(&bench);
}

static void zero_bytes_complete_at_their_start(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 1000);
    submit(bench.flow, message(1, &A_TO_B, 0, 0));
    submit(bench.flow, message(2, &A_TO_B, 1000, 0));
    submit(bench.flow, message(3, &A_TO_B, 0, 500));
    Transfer barrier = message(4, &A_TO_B, 0, 500);
    barrier.rounds = 3;
    barrier.round_latency_ps = 70;
    submit(bench.flow, barrier);
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 0);
    assert_int_equal(end_of(&bench, 2), 1000 * PS_PER_BYTE); // nobody felt them
    assert_int_equal(end_of(&bench, 3), 500);
    assert_int_equal(end_of(&bench, 4), 710);
    close_bench(&bench);
}

// R rounds of latency L: R L + bytes / B alone. The waits are a cap, so a second transfer finds
// room beside it.
static void rounds_wait_and_leave_room(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    Transfer slow = message(1, &A_TO_B, 1000000, 0);
    slow.rounds = 10;
    slow.round_latency_ps = 3 * 1000000 * PS_PER_BYTE / 10; // a quarter of the link's rate
    submit(bench.flow, slow);
    submit(bench.flow, message(2, &A_TO_C, 1500000, 0)); // gets three quarters
    run(&bench);
    assert_in_range(end_of(&bench, 1) - 4 * 1000000 * PS_PER_BYTE, 0, 1);
    assert_in_range(end_of(&bench, 2) - 2 * 1000000 * PS_PER_BYTE, 0, 1);
    assert_int_equal(bench.done[1].alone_ps, bench.done[1].end_ps); // never slowed
    assert_int_equal(bench.done[0].alone_ps, 1500000 * PS_PER_BYTE);
    close_bench(&bench);
}

// An edge of weight w puts w bytes on its links per byte of progress: it alone limits the transfer
// to B / w.
static void weights_multiply_the_load(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    const Edge edges[] = {{0, 1, 1}, {2, 3, 5}};
    Transfer transfer = message(1, edges, 1000, 0);
    transfer.edges.nedges = 2;
    transfer.queue_pairs = 4;
    submit(bench.flow, transfer);
    run(&bench);
    assert_int_equal(end_of(&bench, 1), 5000 * PS_PER_BYTE);
    LinkList links = {0};
    flow_step_links(bench.flow, 0, link_list_sink(&links));
    int64_t sum = 0;
    for (int64_t i = 0; i < links.n; i++) sum += links.at[i].sample.bytes;
    assert_int_equal(links.n, 4);
    assert_int_equal(sum, 2 * 1000 + 2 * 5000);
    array_free(&links);
    close_bench(&bench);
}

// Law: a link carries bytes * the weights of its edges, to the byte, whatever these are: weights of links are rounded, by
// up to so many parts that four bytes say them, and no rounding moves a byte.
static void links_carry_the_weights_of_their_edges_to_the_byte(void **state) {
    (void)state;
    static const int32_t heavy[] = {1,         1000,          1024,          1025,
                                    1 << 18,   (1 << 18) + 1, (1 << 26) + 1, (1 << 26) - 7,
                                    (1 << 29), INT32_MAX - 5};
    static const int32_t light[] = {1, 3, 1023, 77777, (1 << 20) + 1};
    enum { NHEAVY = sizeof heavy / sizeof *heavy, NLIGHT = sizeof light / sizeof *light };
    for (int i = 0; i < NHEAVY * NLIGHT; i++) {
        Bench bench;
        open_bench(&bench, 16, 0);
        const int64_t w = heavy[i / NLIGHT], v = light[i % NLIGHT], bytes = 1 + i % 7;
        const Edge edges[] = {{0, 1, (int32_t)w}, {0, 2, (int32_t)v}, {3, 2, (int32_t)v}};
        Transfer transfer = message(1, edges, bytes, 0);
        transfer.edges.nedges = 3;
        submit(bench.flow, transfer);
        run(&bench);
        LinkList links = {0};
        flow_step_links(bench.flow, 0, link_list_sink(&links));
        int64_t wanted[] = {w + v, w, 2 * v, v}; // 0 up, 1 down, 2 down, 3 up
        assert_int_equal(links.n, 4);
        for (int64_t l = 0; l < links.n; l++) {
            int k = 0;
            while (k < 4 && wanted[k] * bytes != links.at[l].sample.bytes) k++;
            assert_true(k < 4);
            wanted[k] = -1;
        }
        array_free(&links);
        close_bench(&bench);
    }
}

// Twice the queue pairs, twice the share.
static void shares_are_in_proportion_to_queue_pairs(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    Transfer two = message(2, &A_TO_C, 2000, 0);
    two.queue_pairs = 2;
    submit(bench.flow, message(1, &A_TO_B, 1000, 0));
    submit(bench.flow, two);
    run(&bench);
    assert_in_range(end_of(&bench, 1) - 3000 * PS_PER_BYTE, 0, 1);
    assert_in_range(end_of(&bench, 2) - 3000 * PS_PER_BYTE, 0, 1);
    close_bench(&bench);
}

// Coupled ring: all edges have one rate, so a message over one of its links for a time T delays it
// by T / 2, wherever the link is, and by no more if several links are crossed at the same time.
static void a_coupled_ring_has_the_rate_of_its_slowest_link(void **state) {
    (void)state;
    enum { N = 64, BYTES = 1000000, SHORT = 1000 };
    Edge ring[N], cross[3] = {{5, 7, 1}, {20, 23, 1}, {61, 58, 1}};
    for (int64_t i = 0; i < N; i++) ring[i] = (Edge){i, (i + 1) % N, 1};
    for (int64_t ncross = 0; ncross <= 3; ncross++) {
        Bench bench;
        open_bench(&bench, 128, 0);
        Transfer coupled = message(100, ring, BYTES, 0);
        coupled.edges.nedges = N;
        submit(bench.flow, coupled);
        for (int64_t i = 0; i < ncross; i++) submit(bench.flow, message(i, &cross[i], SHORT, 5000));
        run(&bench);
        for (int64_t i = 0; i < ncross; i++)
            assert_int_equal(end_of(&bench, i), 5000 + 2 * SHORT * PS_PER_BYTE);
        int64_t delay_ps = ncross > 0 ? SHORT * PS_PER_BYTE : 0;
        assert_int_equal(end_of(&bench, 100), BYTES * PS_PER_BYTE + delay_ps);
        close_bench(&bench);
    }
}

// Two messages share the link out of 0 for 2000 byte-times: each at half its rate: it takes
// 1000 longer than alone, so they lose 2000 there, in congested time.
static void congestion_is_charged_to_the_bottleneck(void **state) {
    (void)state;
    Bench bench;
    open_bench(&bench, 16, 0);
    submit(bench.flow, message(1, &A_TO_B, 1000, 0));
    submit(bench.flow, message(2, &A_TO_C, 1000, 0));
    run(&bench);
    LinkList links = {0};
    flow_step_links(bench.flow, 0, link_list_sink(&links));
    int64_t nslow = 0;
    for (int64_t i = 0; i < links.n; i++) {
        const LinkSample *sample = &links.at[i].sample;
        bool out = sample->bytes == 2000;
        assert_int_equal(sample->congested_ps, out ? 2000 * PS_PER_BYTE : 0);
        assert_int_equal(sample->delay_ps, out ? 2000 * PS_PER_BYTE : 0);
        nslow += out;
    }
    assert_int_equal(nslow, 1);
    array_free(&links);
    close_bench(&bench);
}

/// A flow engine with sampling intervals, and what it says of them.
typedef struct Sampled {
    Cluster *cluster;
    Flow *flow;
    LinkList links;
} Sampled;

static void open_sampled(Sampled *sampled, int64_t interval_ps) {
    *sampled = (Sampled){.cluster = race_cluster(16)};
    sampled->flow = flow_create(sampled->cluster, &(EngineSpec){.interval_ps = interval_ps});
    flow_sample_into(sampled->flow, link_list_sink(&sampled->links));
}

static void close_sampled(Sampled *sampled) {
    array_free(&sampled->links);
    flow_destroy(sampled->flow);
    cluster_destroy(sampled->cluster);
}

/// What both links of a message carry in an interval.
typedef struct Carried {
    int64_t index, bytes;
} Carried;

static void assert_carried(const LinkList *links, const Carried wanted[], int n) {
    assert_int_equal(links->n, 2 * n);
    for (int k = 0; k < 2 * n; k++) {
        assert_int_equal(links->at[k].index, intervals_name(0, wanted[k / 2].index));
        assert_int_equal(links->at[k].sample.bytes, wanted[k / 2].bytes);
    }
}

// Intervals of 1000 byte-times: a message of 2500 bytes moves 1000, 1000, 500; nothing is said of
// what is empty.
static void intervals_hold_what_moved_in_them(void **state) {
    (void)state;
    int64_t interval_ps = 1000 * PS_PER_BYTE;
    Sampled sampled;
    open_sampled(&sampled, interval_ps);
    submit(sampled.flow, message(1, &A_TO_B, 2500, 3 * interval_ps));
    submit(sampled.flow, message(2, &A_TO_B, 10, 9 * interval_ps + 5));
    flow_advance(sampled.flow, 20 * interval_ps);
    const LinkList *links = &sampled.links;
    assert_carried(links, (const Carried[]){{3, 1000}, {4, 1000}, {5, 500}, {9, 10}}, 4);
    for (int i = 0; i < 4; i++)
        assert_true(links->at[2 * i].sample.link != links->at[2 * i + 1].sample.link);
    close_sampled(&sampled);
}

// Begun anew after 300 of 1000 byte-times, and again where one ends anyway: what is open ends there, with what has moved
// by then, and those that follow are as long as ever. Nothing is lost or told twice.
static void intervals_begin_anew_when_told(void **state) {
    (void)state;
    int64_t interval_ps = 1000 * PS_PER_BYTE;
    Sampled sampled;
    open_sampled(&sampled, interval_ps);
    submit(sampled.flow, message(1, &A_TO_B, 2000, interval_ps));
    flow_advance(sampled.flow, interval_ps + 300 * PS_PER_BYTE);
    flow_restart_intervals(sampled.flow);
    flow_advance(sampled.flow, interval_ps + 1300 * PS_PER_BYTE);
    flow_restart_intervals(sampled.flow);
    flow_advance(sampled.flow, 20 * interval_ps);
    assert_carried(&sampled.links, (const Carried[]){{1, 300}, {0, 1000}, {0, 700}}, 3);
    close_sampled(&sampled);
}

// Held back at half their rate for 2000 byte-times, with intervals of 800: each interval is charged
// what fell into it, and a link that is slow at its end stays slow in the next.
static void intervals_are_charged_their_part_of_congestion(void **state) {
    (void)state;
    int64_t interval_ps = 800 * PS_PER_BYTE;
    Sampled sampled;
    open_sampled(&sampled, interval_ps);
    submit(sampled.flow, message(1, &A_TO_B, 1000, 0));
    submit(sampled.flow, message(2, &A_TO_C, 1000, 0));
    flow_advance(sampled.flow, 10 * interval_ps);
    const int64_t wanted[] = {800, 800, 400};
    int64_t nslow = 0;
    for (int64_t i = 0; i < sampled.links.n; i++) {
        const LinkEntry *entry = &sampled.links.at[i];
        assert_true(intervals_number_of(entry->index) < 3);
        int64_t bytes = wanted[intervals_number_of(entry->index)];
        bool out = entry->sample.bytes == bytes; // others carry half of it
        assert_int_equal(entry->sample.delay_ps, out ? bytes * PS_PER_BYTE : 0);
        assert_int_equal(entry->sample.congested_ps, out ? bytes * PS_PER_BYTE : 0);
        nslow += out;
    }
    assert_int_equal(nslow, 3);
    close_sampled(&sampled);
}

// The same EdgeSet key at every step: routed once, and times repeat exactly, shifted.
static void a_step_shifted_in_time_repeats_exactly(void **state) {
    (void)state;
    enum { N = 16, STEPS = 5 };
    const int64_t shift_ps = INT64_C(7777777777);
    Bench bench;
    open_bench(&bench, 16, 1000);
    Edge edge[N];
    for (int64_t i = 0; i < N; i++)
        edge[i] = (Edge){i, (i * i + 3) % N == i ? (i + 1) % N : (i * i + 3) % N, 1};
    for (int64_t step = 0; step < STEPS; step++)
        for (int64_t i = 0; i < N; i++) {
            Transfer transfer =
                message(step * N + i, &edge[i], 5000 + 300 * i, step * shift_ps + 1000 * (i % 3));
            transfer.edges.key = (uint64_t)i + 1;
            submit(bench.flow, transfer);
        }
    run(&bench);
    assert_int_equal(bench.ndone, STEPS * N);
    for (int64_t i = N; i < STEPS * N; i++) {
        assert_int_equal(bench.done[i].tag, bench.done[i - N].tag + N);
        assert_int_equal(bench.done[i].end_ps, bench.done[i - N].end_ps + shift_ps);
    }
    close_bench(&bench);
}

// Disjoint transfers end at the same picosecond on every engine; with contention no engine is
// faster than closed.
static void closed_is_equal_when_alone_and_a_bound_otherwise(void **state) {
    (void)state;
    enum { N = 16 };
    Cluster *cluster = race_cluster(N);
    RaceFlow flows[8 * N];
    for (int shared = 0; shared <= 1; shared++) {
        int64_t nflows = race_flows(shared ? RACE_A2A8 : RACE_RING, N, flows);
        int64_t end_ps[2][8 * N];
        for (int kind = ENGINE_CLOSED; kind <= ENGINE_FLOW; kind++) {
            const EngineOps *ops = engine_of((EngineKind)kind);
            Engine *engine = ops->create(cluster, &(EngineSpec){.control_delay_ps = 0});
            for (int64_t i = 0; i < nflows; i++) {
                Transfer transfer = race_transfer(&flows[i], i, 0, 100 * i);
                transfer.rounds = 1 + i % 3;
                transfer.round_latency_ps = 12345;
                Status status = ops->submit(engine, &transfer);
                assert_true(status_is_ok(&status));
            }
            assert_int_equal(ops->nunfinished(engine), nflows);
            while (ops->next_ps(engine) < TIME_NEVER_PS) ops->advance(engine, ops->next_ps(engine));
            Completion done[8 * N];
            assert_int_equal(ops->drain(engine, done, 8 * N), nflows);
            for (int64_t i = 0; i < nflows; i++) end_ps[kind][done[i].tag] = done[i].end_ps;
            LinkList links = {0};
            ops->step_links(engine, 0, link_list_sink(&links));
            int64_t bytes = 0, wanted = 0;
            for (int64_t i = 0; i < links.n; i++)
                if (cluster_link_tier(cluster, links.at[i].sample.link) == 1)
                    bytes += links.at[i].sample.bytes;
            array_free(&links);
            for (int64_t i = 0; i < nflows; i++) wanted += 2 * flows[i].bytes;
            assert_int_equal(bytes, wanted);
            ops->destroy(engine);
        }
        int64_t nslower = 0;
        for (int64_t i = 0; i < nflows; i++) {
            assert_true(end_ps[ENGINE_FLOW][i] >= end_ps[ENGINE_CLOSED][i]);
            nslower += end_ps[ENGINE_FLOW][i] > end_ps[ENGINE_CLOSED][i];
        }
        if (shared)
            assert_true(nslower > 0);
        else
            assert_int_equal(nslower, 0);
    }
    cluster_destroy(cluster);
}

// A path without an open link is an error of the input, and leaves the engine as it was.
static void a_dead_link_is_refused(void **state) {
    (void)state;
    ClusterSpec spec = race_spec(16);
    spec.nfaults = 1;
    spec.fault[0] = (LinkFaultSpec){.tier = 1, .lower = 1, .port = 0, .fraction = 0};
    Cluster *cluster;
    Status status = cluster_create(&spec, &cluster);
    assert_true(status_is_ok(&status));
    Flow *flow = flow_create(cluster, &(EngineSpec){0});
    Transfer transfer = message(1, &A_TO_B, 1000, 0);
    status = flow_submit(flow, &transfer);
    assert_int_equal(status.code, STATUS_NO_PATH);
    assert_int_equal(flow_nunfinished(flow), 0);
    submit(flow, message(2, &C_TO_D, 1000, 0));
    flow_advance(flow, TIME_NEVER_PS);
    Completion done;
    assert_int_equal(flow_drain(flow, &done, 1), 1);
    assert_int_equal(done.tag, 2);
    flow_destroy(flow);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transfer_alone_takes_bytes_over_rate),
        cmocka_unit_test(equal_transfers_end_together_at_k_times_alone),
        cmocka_unit_test(a_survivor_takes_the_whole_link),
        cmocka_unit_test(ghosts_keep_their_share),
        cmocka_unit_test(zero_bytes_complete_at_their_start),
        cmocka_unit_test(rounds_wait_and_leave_room),
        cmocka_unit_test(weights_multiply_the_load),
        cmocka_unit_test(links_carry_the_weights_of_their_edges_to_the_byte),
        cmocka_unit_test(shares_are_in_proportion_to_queue_pairs),
        cmocka_unit_test(a_coupled_ring_has_the_rate_of_its_slowest_link),
        cmocka_unit_test(congestion_is_charged_to_the_bottleneck),
        cmocka_unit_test(intervals_hold_what_moved_in_them),
        cmocka_unit_test(intervals_begin_anew_when_told),
        cmocka_unit_test(intervals_are_charged_their_part_of_congestion),
        cmocka_unit_test(a_step_shifted_in_time_repeats_exactly),
        cmocka_unit_test(closed_is_equal_when_alone_and_a_bound_otherwise),
        cmocka_unit_test(a_dead_link_is_refused),
    };
    return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
