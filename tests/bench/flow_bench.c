/// flow_bench.c: CPU seconds of the flow engine on the race scenarios (tests/engine/race.h) and on
/// what training does.
///
///     flow_bench [repeats [name]]
///
/// CSV, one row a scenario: least, median and most CPU time of `repeats` runs (default 3), routing
/// included. `name` picks the scenarios that begin with it.
///
/// `start_million` is the mass start alone: submission, routes and one solution of 10^6 flows.
/// `message_alone` is point-to-point messages of 8 rails, 16 links each, that start and end alone;
/// `message_beside_rings` the same among coupled rings over the same links, as in the last part of
/// a training step.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/race.h"

enum { REPEATS_MAX = 99, MESSAGES = 400000, NODES = 780, RAILS = 8, FLOWS_MAX = 1000000 };

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

static double bench_race(RaceKind kind, int64_t nhosts, bool start_only) {
    Cluster *cluster = race_cluster(nhosts);
    RaceFlow *flows = memory_alloc("bench", FLOWS_MAX * sizeof *flows);
    int64_t nflows = race_flows(kind, nhosts, flows);
    double from_s = cpu_s();
    Flow *flow = flow_create(cluster, &(FlowSpec){0});
    if (start_only) {
        for (int64_t i = 0; i < nflows; i++) {
            Transfer transfer = race_transfer(&flows[i], i, 0, 0);
            Status status = flow_submit(flow, &transfer);
            CHECK(status_is_ok(&status), "%s", status.text);
        }
        flow_advance(flow, 0);
    } else {
        race_play(flow, flows, nflows);
    }
    double taken_s = cpu_s() - from_s;
    flow_destroy(flow);
    cluster_destroy(cluster);
    memory_free("bench", flows, FLOWS_MAX * sizeof *flows);
    return taken_s;
}

static double bench_ring(int64_t nhosts) {
    Cluster *cluster = race_cluster(nhosts);
    double from_s = cpu_s();
    Flow *flow = flow_create(cluster, &(FlowSpec){0});
    race_ring_allreduce_s(flow, nhosts);
    flow_destroy(flow);
    double taken_s = cpu_s() - from_s;
    cluster_destroy(cluster);
    return taken_s;
}

/// 780 nodes of 8 rails on leaves of 64.
static Cluster *rail_cluster(void) {
    ClusterSpec spec = race_spec(8192);
    spec.nodes = NODES;
    spec.gpus_per_node = spec.scale_up.gpus = RAILS;
    spec.wiring = WIRING_RAIL;
    spec.ntiers = 2;
    spec.tier[0].children = 64;
    spec.tier[1].children = spec.installed = 128;
    spec.tier[1].parents = 64;
    spec.tier[0].switch_spec.ports = spec.tier[1].switch_spec.ports = 256;
    Cluster *cluster = NULL;
    Status status = cluster_create(&spec, &cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    return cluster;
}

/// Message from node to its neighbour of the same leaf on all rails.
static Edge bundle_edge(const void *context, int64_t rail) {
    int64_t node = *(const int64_t *)context;
    return (Edge){node * RAILS + rail, (node ^ 1) * RAILS + rail, 1};
}

/// Ring over all nodes on one rail.
static Edge ring_edge(const void *context, int64_t node) {
    int64_t rail = *(const int64_t *)context;
    return (Edge){node * RAILS + rail, (node + 1) % NODES * RAILS + rail, 1};
}

static void submit(Flow *flow, Transfer transfer) {
    Status status = flow_submit(flow, &transfer);
    CHECK(status_is_ok(&status), "%s", status.text);
}

/// Nanoseconds per message; `nrings` coupled rings run all the time.
static double bench_pipeline(int64_t nrings, int64_t control_delay_ps) {
    Cluster *cluster = rail_cluster();
    Flow *flow = flow_create(cluster, &(FlowSpec){.control_delay_ps = control_delay_ps});
    int64_t rail[RAILS], node[NODES];
    for (int64_t r = 0; r < nrings; r++) {
        rail[r] = r;
        submit(flow, (Transfer){.tag = -1 - r,
                                .edges = {NODES, ring_edge, &rail[r], 0},
                                .queue_pairs = 1,
                                .bytes = INT64_C(1) << 50,
                                .rounds = 1});
    }
    flow_advance(flow, 1);
    for (int64_t n = 0; n < NODES; n++) node[n] = n;
    double from_s = cpu_s();
    Completion done[256];
    for (int64_t i = 0; i < MESSAGES; i++) {
        int64_t n = i * 37 % NODES, now_ps = 2000000 * (i + 1);
        submit(flow, (Transfer){.tag = i,
                                .edges = {RAILS, bundle_edge, &node[n], (uint64_t)n + 1},
                                .queue_pairs = 1,
                                .bytes = 4 << 20,
                                .rounds = 1,
                                .start_ps = now_ps + 10000000});
        flow_advance(flow, now_ps);
        flow_drain(flow, done, 256);
    }
    double taken_ns = (cpu_s() - from_s) * 1e9 / MESSAGES;
    flow_destroy(flow);
    cluster_destroy(cluster);
    return taken_ns;
}

static double bench_solo(void) { return bench_pipeline(0, 10 * PS_PER_US); }
static double bench_shared(void) { return bench_pipeline(RAILS, 10 * PS_PER_US); }
static double bench_permvar_65536(void) { return bench_race(RACE_PERMVAR, 65536, false); }
static double bench_permrnd_65536(void) { return bench_race(RACE_PERMRND, 65536, false); }
static double bench_permvar_8192(void) { return bench_race(RACE_PERMVAR, 8192, false); }
static double bench_a2a8_8192(void) { return bench_race(RACE_A2A8, 8192, false); }
static double bench_ring_1024(void) { return bench_ring(1024); }
static double bench_start_65536(void) { return bench_race(RACE_RANDOM, 65536, true); }

typedef struct Bench {
    const char *name;
    double (*run)(void);
    const char *unit;
} Bench;

static const Bench BENCHES[] = {
    {"permvar_65536", bench_permvar_65536, "s"}, {"permvar_8192", bench_permvar_8192, "s"},
    {"permrnd_65536", bench_permrnd_65536, "s"}, {"a2a8_8192", bench_a2a8_8192, "s"},
    {"ring_1024", bench_ring_1024, "s"},         {"start_million_65536", bench_start_65536, "s"},
    {"message_alone", bench_solo, "ns"},         {"message_beside_rings", bench_shared, "ns"},
};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    int repeats = argc > 1 ? atoi(argv[1]) : 3;
    if (repeats < 1 || repeats > REPEATS_MAX) return 2;
    printf("case,cpu_least,cpu_median,cpu_most,unit\n");
    for (size_t b = 0; b < sizeof BENCHES / sizeof *BENCHES; b++) {
        if (argc > 2 && strncmp(BENCHES[b].name, argv[2], strlen(argv[2])) != 0) continue;
        double taken[REPEATS_MAX];
        for (int i = 0; i < repeats; i++) taken[i] = BENCHES[b].run();
        qsort(taken, (size_t)repeats, sizeof *taken, ascending);
        printf("%s,%.3f,%.3f,%.3f,%s\n", BENCHES[b].name, taken[0], taken[repeats / 2],
               taken[repeats - 1], BENCHES[b].unit);
        fflush(stdout);
    }
    return 0;
}
