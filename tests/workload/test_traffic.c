// Laws: no flow goes to its own rank; patterns are the published ones; a CSV is taken whole or
// refused with the place of each error.
#include <stdbool.h>
#include <string.h>

#include "claims.h"
#include "workload/traffic.h"

static Traffic *make(TrafficSpec spec, int64_t ranks, const char *text) {
    Traffic *traffic;
    Status status = traffic_create(&spec, ranks, 1, text, &traffic);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return traffic;
}

static void assert_fails(TrafficSpec spec, int64_t ranks, const char *text, StatusCode code,
                         const char *expected) {
    Traffic *traffic;
    Status status = traffic_create(&spec, ranks, 1, text, &traffic);
    assert_int_equal(status.code, code);
    assert_null(traffic);
    if (!strstr(status.text, expected)) fail_msg("'%s' does not say '%s'", status.text, expected);
}

/// Flows are in order of their source, none to itself, all of `bytes` at time 0.
static void assert_sound(const Traffic *traffic, int64_t ranks, int64_t bytes) {
    for (int64_t i = 0; i < traffic_nflows(traffic); i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        assert_true(flow.src >= 0 && flow.src < ranks && flow.dst >= 0 && flow.dst < ranks);
        assert_true(flow.src != flow.dst);
        assert_int_equal(flow.bytes, bytes);
        assert_int_equal(flow.start_ps, 0);
        if (i > 0) assert_true(traffic_flow(traffic, i - 1).src <= flow.src);
    }
}

static void shift_and_ring_are_arithmetic(void **state) {
    (void)state;
    for (int64_t n = 2; n <= 33; n++) {
        TrafficSpec spec = {.pattern = TRAFFIC_SHIFT, .bytes = 7};
        for (int64_t shift = 0; shift < 40; shift++) {
            spec.shift = shift;
            int64_t ahead = (shift == 0 ? n / 2 : shift) % n;
            if (ahead == 0) {
                assert_fails(spec, n, NULL, STATUS_RANGE, "no flow but to itself");
                continue;
            }
            Traffic *traffic = make(spec, n, NULL);
            assert_int_equal(traffic_nflows(traffic), n);
            assert_sound(traffic, n, 7);
            for (int64_t i = 0; i < n; i++) {
                assert_int_equal(traffic_flow(traffic, i).dst, (i + ahead) % n);
            }
            traffic_destroy(traffic);
        }
        Traffic *ring = make((TrafficSpec){.pattern = TRAFFIC_RING, .bytes = 7}, n, NULL);
        assert_int_equal(traffic_nflows(ring), n);
        assert_sound(ring, n, 7);
        assert_int_equal(traffic_flow(ring, n - 1).dst, 0);
        traffic_destroy(ring);
    }
}

// Race scenario "perm", state 42, held against an independent run: the first eight destinations,
// and 1, 1 and 0 fixed points among 16, 128 and 1,024 hosts (the published mean completion times
// need 15, 127 and 1,024 flows).
static void permutation_of_seed_42_is_the_race_scenario(void **state) {
    (void)state;
    static const int64_t first16[8] = {3, 5, 1, 14, 12, 4, 10, 15};
    static const int64_t first128[8] = {107, 84, 7, 100, 93, 73, 42, 92};
    static const int64_t nflows[3] = {15, 127, 1024};
    static const int64_t hosts[3] = {16, 128, 1024};
    for (int k = 0; k < 3; k++) {
        TrafficSpec spec = {.pattern = TRAFFIC_PERMUTATION, .bytes = 1000000000, .seed = 42};
        Traffic *traffic = make(spec, hosts[k], NULL);
        assert_int_equal(traffic_nflows(traffic), nflows[k]);
        for (int64_t i = 0; i < 8 && k < 2; i++) {
            assert_int_equal(traffic_flow(traffic, i).src, i);
            assert_int_equal(traffic_flow(traffic, i).dst, (k == 0 ? first16 : first128)[i]);
        }
        traffic_destroy(traffic);
    }
}

static void permutation_reaches_each_rank_at_most_once(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        int64_t n = 2 + (int64_t)seed * 7, sources = 0, destinations = 0;
        static bool sends[512], receives[512];
        memset(sends, 0, sizeof sends);
        memset(receives, 0, sizeof receives);
        TrafficSpec spec = {.pattern = TRAFFIC_PERMUTATION, .bytes = 5, .seed = seed};
        Traffic *traffic;
        Status status = traffic_create(&spec, n, 1, NULL, &traffic);
        if (status.code == STATUS_RANGE) continue; // 2 ranks may well stay where they are
        assert_sound(traffic, n, 5);
        for (int64_t i = 0; i < traffic_nflows(traffic); i++) {
            TrafficFlow flow = traffic_flow(traffic, i);
            assert_false(sends[flow.src] || receives[flow.dst]);
            sends[flow.src] = receives[flow.dst] = true;
        }
        for (int64_t r = 0; r < n; r++) {
            assert_int_equal(sends[r], receives[r]); // whoever is silent is a fixed point
            sources += sends[r];
            destinations += receives[r];
        }
        assert_int_equal(sources, traffic_nflows(traffic));
        assert_int_equal(destinations, sources);
        traffic_destroy(traffic);
    }
}

// Race scenario "incast": every 16 hosts flood one: 15 flows to host 0 of 16; 16 to each flooded
// host of 128.
static void incast_floods_every_fan_in_th_rank(void **state) {
    (void)state;
    TrafficSpec spec = {.pattern = TRAFFIC_INCAST, .bytes = 9, .fan_in = 16};
    Traffic *traffic = make(spec, 16, NULL);
    assert_int_equal(traffic_nflows(traffic), 15);
    for (int64_t i = 0; i < 15; i++) {
        assert_int_equal(traffic_flow(traffic, i).src, i + 1);
        assert_int_equal(traffic_flow(traffic, i).dst, 0);
    }
    traffic_destroy(traffic);

    traffic = make(spec, 128, NULL);
    assert_sound(traffic, 128, 9);
    assert_int_equal(traffic_nflows(traffic), 128);
    int64_t received[128] = {0};
    for (int64_t i = 0; i < 128; i++) received[traffic_flow(traffic, i).dst]++;
    for (int64_t r = 0; r < 128; r++) assert_int_equal(received[r], r % 16 == 0 ? 16 : 0);
    traffic_destroy(traffic);
    for (int64_t n = 2; n <= 100; n++) {
        traffic = make(spec, n, NULL);
        assert_sound(traffic, n, 9);
        traffic_destroy(traffic);
    }
}

static void all_to_all_has_every_ordered_pair_once(void **state) {
    (void)state;
    enum { N = 23 };
    Traffic *traffic = make((TrafficSpec){.pattern = TRAFFIC_ALL_TO_ALL, .bytes = 3}, N, NULL);
    static bool seen[N][N];
    assert_int_equal(traffic_nflows(traffic), N * (N - 1));
    assert_sound(traffic, N, 3);
    for (int64_t i = 0; i < N * (N - 1); i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        assert_false(seen[flow.src][flow.dst]);
        seen[flow.src][flow.dst] = true;
    }
    traffic_destroy(traffic);
}

/// Ranks that pair k of a flow joins.
static void pair_ranks(const TrafficFlow *flow, int64_t k, int64_t *src, int64_t *dst) {
    TrafficPair pair = traffic_flow_pair(flow, k);
    assert_true(pair.src >= 0 && pair.src < flow->nsrc && pair.dst >= 0 && pair.dst < flow->ndst);
    *src = flow->src + pair.src;
    *dst = flow->dst + pair.dst;
}

/// Each ordered pair of a group is in one flow, and once; a flow joins two nodes, and no two flows
/// of a group the same two.
static void check_groups(int64_t per_node, int64_t group, int64_t ngroups) {
    enum { N_MAX = 64 };
    static int8_t pairs[N_MAX][N_MAX], flows[N_MAX][N_MAX];
    int64_t n = group * ngroups;
    memset(pairs, 0, sizeof pairs);
    Traffic *traffic;
    TrafficSpec spec = {.pattern = TRAFFIC_ALL_TO_ALL, .bytes = 3, .group = group};
    Status status = traffic_create(&spec, n, (int32_t)per_node, NULL, &traffic);
    assert_true(status_is_ok(&status));
    int64_t in_group = -1, last_src = -1;
    for (int64_t i = 0; i < traffic_nflows(traffic); i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        if (flow.src / group != in_group) memset(flows, 0, sizeof flows);
        in_group = flow.src / group;
        assert_true(flow.src >= last_src && flow.bytes == 3 && flow.start_ps == 0);
        last_src = flow.src;
        assert_true(traffic_flow_npairs(&flow) >= 1);
        assert_int_equal(flows[flow.src / per_node][flow.dst / per_node]++, 0);
        for (int64_t k = 0; k < traffic_flow_npairs(&flow); k++) {
            int64_t src, dst;
            pair_ranks(&flow, k, &src, &dst);
            assert_true(src != dst && src / group == in_group && dst / group == in_group);
            assert_int_equal(src / per_node, flow.src / per_node);
            assert_int_equal(dst / per_node, flow.dst / per_node);
            assert_int_equal(pairs[src][dst]++, 0);
        }
    }
    for (int64_t a = 0; a < n; a++)
        for (int64_t b = 0; b < n; b++)
            assert_int_equal(pairs[a][b], a != b && a / group == b / group);
    traffic_destroy(traffic);
}

static void groups_exchange_every_ordered_pair_once_node_by_node(void **state) {
    (void)state;
    for (int64_t per_node = 1; per_node <= 9; per_node++)
        for (int64_t group = 2; group <= 20; group++)
            for (int64_t ngroups = 1; ngroups <= 3; ngroups++)
                check_groups(per_node, group, ngroups);
}

// DeepSeek-V3: 64 GPUs on 8 nodes: 8 * 8 flows, 64 pairs between two nodes, 56 inside one.
static void an_expert_group_is_one_flow_for_each_pair_of_nodes(void **state) {
    (void)state;
    TrafficSpec spec = {.pattern = TRAFFIC_ALL_TO_ALL, .bytes = 3, .group = 64};
    Traffic *traffic;
    Status status = traffic_create(&spec, 99968, 8, NULL, &traffic);
    assert_true(status_is_ok(&status));
    assert_int_equal(traffic_nflows(traffic), 1562 * 64);
    for (int64_t i = 0; i < traffic_nflows(traffic); i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        assert_int_equal(traffic_flow_npairs(&flow), flow.src == flow.dst ? 56 : 64);
    }
    traffic_destroy(traffic);
}

static void a_collective_has_no_flows_of_its_own(void **state) {
    (void)state;
    Traffic *traffic = make((TrafficSpec){.pattern = TRAFFIC_COLLECTIVE, .bytes = 3}, 8, NULL);
    assert_int_equal(traffic_nflows(traffic), 0);
    traffic_destroy(traffic);
}

static void impossible_traffic_is_refused(void **state) {
    (void)state;
    assert_fails((TrafficSpec){.pattern = TRAFFIC_RING}, 4, NULL, STATUS_RANGE,
                 "at least 1 B, not 0");
    assert_fails((TrafficSpec){.pattern = TRAFFIC_RING, .bytes = 1}, 1, NULL, STATUS_RANGE,
                 "ring among 1 ranks has no flow but to itself");
    assert_fails((TrafficSpec){.pattern = TRAFFIC_INCAST, .bytes = 1}, 4, NULL, STATUS_RANGE,
                 "fan-in");
    assert_fails((TrafficSpec){.pattern = TRAFFIC_SHIFT, .bytes = 1, .shift = -1}, 4, NULL,
                 STATUS_RANGE, "shift of at least 0");
    assert_fails((TrafficSpec){.pattern = TRAFFIC_ALL_TO_ALL, .bytes = 1}, 1, NULL, STATUS_RANGE,
                 "all_to_all among 1 ranks");
    assert_fails((TrafficSpec){.pattern = TRAFFIC_ALL_TO_ALL, .bytes = 1, .group = 3}, 4, NULL,
                 STATUS_RANGE, "in groups of 3, but among 4 ranks");
}

static const TrafficSpec csv = {.pattern = TRAFFIC_FLOWS, .file = "flows.csv"};

static void csv_reads_sizes_and_times_exactly(void **state) {
    (void)state;
    const char *text =
        "# where it comes from\r\n"
        " source, destination ,bytes,start\r\n"
        "0,5,1 MiB,3 us\r\n"
        "\n"
        "7, 0 ,1.5 kB,0 s\n"
        "# late\n"
        "3,2,125MB,0.25 ns\n"
        "2,3,9007199254740993 B,1.000000000001 s";
    static const TrafficFlow expected[] = {
        {0, 5, 1, 1, 1 << 20, 3000000},
        {7, 0, 1, 1, 1500, 0},
        {3, 2, 1, 1, 125000000, 250},
        {2, 3, 1, 1, INT64_C(9007199254740993), INT64_C(1000000000001)},
    };
    Traffic *traffic = make(csv, 8, text);
    assert_int_equal(traffic_nflows(traffic), 4);
    for (int64_t i = 0; i < 4; i++) {
        TrafficFlow flow = traffic_flow(traffic, i);
        assert_int_equal(flow.src, expected[i].src);
        assert_int_equal(flow.dst, expected[i].dst);
        assert_int_equal(flow.bytes, expected[i].bytes);
        assert_int_equal(flow.start_ps, expected[i].start_ps);
    }
    traffic_destroy(traffic);
}

#define HEADER "source,destination,bytes,start\n"

static void csv_names_the_place_of_an_error(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } bad[] = {
        {"", "flows.csv:1:1: the file is empty"},
        {"# only words\n", "the file is empty"},
        {HEADER, "flows.csv:2:1: no flow after the header"},
        {"0,1,1 B,0 s\n", "flows.csv:1:1: the first line must be 'source,destination,bytes,start'"},
        {"source,destination,bytes\n0,1,1 B\n", "flows.csv:1:1: the first line must be"},
        {"Source,destination,bytes,start\n", "flows.csv:1:1: the first line must be"},
        {HEADER "0,1,1 B\n",
         "flows.csv:2:1: a flow has 4 fields (source,destination,bytes,start), got 3"},
        {HEADER "0,1,1 B,0 s,\n",
         "flows.csv:2:1: a flow has 4 fields (source,destination,bytes,start), got 5"},
        {HEADER "8,1,1 B,0 s\n", "flows.csv:2:1: source wants a rank from 0 to 7, got '8'"},
        {HEADER "0, -1,1 B,0 s\n", "flows.csv:2:4: destination wants a rank from 0 to 7, got '-1'"},
        {HEADER "0,,1 B,0 s\n", "flows.csv:2:3: destination wants a rank from 0 to 7, got ''"},
        {HEADER "0,1x,1 B,0 s\n", "got '1x'"},
        {HEADER "0,99999999999999999999,1 B,0 s\n", "got '99999999999999999999'"},
        {HEADER "3,3,1 B,0 s\n", "flows.csv:2:3: destination is the source, rank 3"},
        {HEADER "\n#\n0,1,4096,0 s\n",
         "flows.csv:4:5: bytes wants a size with a unit, such as '1 MiB', got '4096'"},
        {HEADER "0,1,1 Mib,0 s\n", "got '1 Mib'"},
        {HEADER "0,1,MiB,0 s\n", "got 'MiB'"},
        {HEADER "0,1,-1 B,0 s\n", "got '-1 B'"},
        {HEADER "0,1,1e3 B,0 s\n", "got '1e3 B'"},
        {HEADER "0,1,1.2.3 kB,0 s\n", "got '1.2.3 kB'"},
        {HEADER "0,1,1 us,0 s\n", "flows.csv:2:5: bytes wants a size"},
        {HEADER "0,1,0.5 B,0 s\n",
         "flows.csv:2:5: bytes wants whole bytes below 2^63, got '0.5 B'"},
        {HEADER "0,1,999999999999999999 TB,0 s\n", "wants whole bytes below 2^63"},
        {HEADER "0,1,0 B,0 s\n", "flows.csv:2:5: a flow of 0 bytes"},
        {HEADER "0,1,1 B,0\n",
         "flows.csv:2:9: start wants a time with a unit, such as '3 us', got '0'"},
        {HEADER "0,1,1 B,0.5 ps\n", "flows.csv:2:9: start wants whole picoseconds"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_fails(csv, 8, bad[i].text, STATUS_INPUT, bad[i].expected);
    }
}

// All errors at once, as many as a message holds; the rest are counted.
static void csv_reports_several_errors(void **state) {
    (void)state;
    assert_fails(csv, 8, HEADER "9,1,1 B,0 s\n0,1,1 B,0 s\n0,1,1,1\n", STATUS_INPUT,
                 "flows.csv:2:1: source wants a rank from 0 to 7, got '9'\n"
                 "flows.csv:4:5: bytes wants a size with a unit, such as '1 MiB', got '1'\n"
                 "flows.csv:4:7: start wants a time with a unit, such as '3 us', got '1'");
    char text[4000] = HEADER;
    for (int i = 0; i < 100; i++) strcat(text, "9,1,1 B,0 s\n");
    assert_fails(csv, 8, text, STATUS_INPUT, "flows.csv:7:1: ");
    assert_fails(csv, 8, text, STATUS_INPUT, "\n... and 94 more");

    TrafficSpec long_name = csv;
    memset(long_name.file, 'x', sizeof long_name.file - 1);
    assert_fails(long_name, 8, text, STATUS_INPUT, "\n... and 9");
}

// Whatever is cut out of or put into a good file, it is read or refused, never more.
static void csv_survives_damage(void **state) {
    (void)state;
    static const char good[] = HEADER "0,5,1 MiB,3 us\n7,0,1.5 kB,0 s\n";
    char text[sizeof good];
    int64_t read = 0;
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (const char *with = ",\n#. -9\"\xff"; *with; with++) {
            memcpy(text, good, sizeof good);
            text[i] = *with;
            Traffic *traffic;
            if (traffic_create(&csv, 8, 1, text, &traffic).code == STATUS_OK) read++;
            traffic_destroy(traffic);
        }
        memcpy(text, good, i);
        text[i] = '\0';
        Traffic *traffic;
        if (traffic_create(&csv, 8, 1, text, &traffic).code == STATUS_OK) read++;
        traffic_destroy(traffic);
    }
    assert_true(read > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shift_and_ring_are_arithmetic),
        cmocka_unit_test(permutation_of_seed_42_is_the_race_scenario),
        cmocka_unit_test(permutation_reaches_each_rank_at_most_once),
        cmocka_unit_test(incast_floods_every_fan_in_th_rank),
        cmocka_unit_test(all_to_all_has_every_ordered_pair_once),
        cmocka_unit_test(groups_exchange_every_ordered_pair_once_node_by_node),
        cmocka_unit_test(an_expert_group_is_one_flow_for_each_pair_of_nodes),
        cmocka_unit_test(a_collective_has_no_flows_of_its_own),
        cmocka_unit_test(impossible_traffic_is_refused),
        cmocka_unit_test(csv_reads_sizes_and_times_exactly),
        cmocka_unit_test(csv_names_the_place_of_an_error),
        cmocka_unit_test(csv_reports_several_errors),
        cmocka_unit_test(csv_survives_damage),
    };
    return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
