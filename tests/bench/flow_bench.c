/// flow_bench.c: CPU seconds of the flow engine on the race scenarios (tests/engine/race.h) and on
/// what training does.
///
///     flow_bench [repeats [name]]
///
/// `bytes_link` and `bytes_transfer` are what the counters of base/memory.h say of allreduce_million
/// and of start_million: bytes a link in use and an active transfer (what is counted:
/// engine/flow/flow_state.h).
///
/// CSV, one row a scenario: least, median and most CPU time of `repeats` runs (default 3), routing
/// included. `name` picks the scenarios that begin with it.
///
/// `start_million` is the mass start alone: submission, routes and one solution of 10^6 flows.
/// `message_alone` is point-to-point messages of 8 rails, 16 links each, that start and end alone;
/// `message_beside_rings` the same among coupled rings over the same links, as in the last part of
/// a training step.
///
/// `allreduce_N` is one ring all-reduce of 1 GiB alone, over the N first of 100,000 GPUs (allreduce_million:
/// of as many as there are) of a fat tree in the shape of topologies/colossus-100k.yaml, under ecmp
/// with 4 queue pairs: its edges are routed and priced, it starts and ends, and the bytes of all
/// links are asked for.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/race.h"

enum {
    REPEATS_MAX = 99,
    MESSAGES = 400000,
    NODES = 780,
    RAILS = 8,
    FLOWS_MAX = 1000000,
    COLOSSUS = 100000
};

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

/// Live bytes of a label.
static double live_bytes(const char *label) {
    enum { LABELS_MAX = 256 };
    MemoryRow rows[LABELS_MAX];
    int n = memory_report(rows, LABELS_MAX);
    for (int i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0) return (double)rows[i].live_bytes;
    CHECK(false, "nothing is labelled %s", label);
    return 0;
}

/// What the last run of a scenario needed.
static double bytes_transfer, bytes_link;

static double bench_race(RaceKind kind, int64_t nhosts, bool start_only) {
    Cluster *cluster = race_cluster(nhosts);
    RaceFlow *flows = memory_alloc("bench", FLOWS_MAX * sizeof *flows);
    int64_t nflows = race_flows(kind, nhosts, flows);
    double from_s = cpu_s();
    Flow *flow = flow_create(cluster, &(EngineSpec){0});
    if (start_only) {
        for (int64_t i = 0; i < nflows; i++) {
            Transfer transfer = race_transfer(&flows[i], i, 0, 0);
            Status status = flow_submit(flow, &transfer);
            CHECK(status_is_ok(&status), "%s", status.text);
        }
        flow_advance(flow, 0);
        bytes_transfer = live_bytes("flow.transfers") / (double)nflows;
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
    Flow *flow = flow_create(cluster, &(EngineSpec){0});
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
    Flow *flow = flow_create(cluster, &(EngineSpec){.control_delay_ps = control_delay_ps});
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

/// GPUs in the shape of topologies/colossus-100k.yaml: 8 rails, leaves of 64, pods of 4,096.
static Cluster *colossus_cluster(int64_t ngpus) {
    enum { LEAF = 64, POD = 4096, CORES = 16, CORE_LANES = 4 };
    ClusterSpec spec = race_spec(65536);
    spec.nodes = ngpus / RAILS;
    spec.gpus_per_node = spec.scale_up.gpus = RAILS;
    spec.wiring = WIRING_RAIL;
    spec.routing = ROUTING_ECMP;
    spec.pxn = true;
    spec.tier[0].children = spec.tier[1].children = spec.tier[1].parents = LEAF;
    spec.tier[2].children = spec.installed = (int32_t)((ngpus + POD - 1) / POD);
    spec.tier[2].parents = CORES;
    spec.tier[2].lanes = CORE_LANES;
    for (int32_t t = 0; t < spec.ntiers; t++)
        spec.tier[t].switch_spec.ports = 2 * LEAF + CORE_LANES * spec.installed;
    Cluster *cluster = NULL;
    Status status = cluster_create(&spec, &cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    return cluster;
}

/// Ring over the first GPUs in order.
static Edge neighbour_edge(const void *context, int64_t gpu) {
    int64_t n = *(const int64_t *)context;
    return (Edge){gpu, gpu + 1 < n ? gpu + 1 : 0, 1};
}

typedef struct Total {
    int64_t bytes, nlinks;
} Total;

static void add_bytes(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    (void)step;
    Total *total = context;
    for (int64_t i = 0; i < n; i++) total->bytes += sample[i].bytes;
    total->nlinks += n;
}

static double bench_allreduce_ms(int64_t ngpus) {
    const int64_t gib = INT64_C(1) << 30, rounds = 2 * (ngpus - 1);
    Cluster *cluster = colossus_cluster(ngpus > COLOSSUS ? ngpus : COLOSSUS);
    Flow *flow = flow_create(cluster, &(EngineSpec){.control_delay_ps = 10 * PS_PER_US});
    Total total = {0};
    double from_s = cpu_s();
    submit(flow, (Transfer){.edges = {ngpus, neighbour_edge, &ngpus, 1},
                            .queue_pairs = 4,
                            .bytes = gib * rounds / ngpus,
                            .rounds = rounds,
                            .round_latency_ps = PS_PER_US});
    flow_advance(flow, TIME_NEVER_PS);
    Completion done;
    int64_t ndone = flow_drain(flow, &done, 1);
    flow_step_links(flow, 0, (LinkSink){.put = add_bytes, .context = &total});
    double taken_ms = (cpu_s() - from_s) * 1e3;
    CHECK(ndone == 1 && total.bytes >= 2 * ngpus * (gib * rounds / ngpus),
          "%lld bytes on the links", (long long)total.bytes);
    bytes_link = (live_bytes("flow.links") + live_bytes("engine.links")) / (double)total.nlinks;
    flow_destroy(flow);
    cluster_destroy(cluster);
    return taken_ms;
}

static double bench_solo(void) { return bench_pipeline(0, 10 * PS_PER_US); }
static double bench_shared(void) { return bench_pipeline(RAILS, 10 * PS_PER_US); }
static double bench_permvar_65536(void) { return bench_race(RACE_PERMVAR, 65536, false); }
static double bench_permrnd_65536(void) { return bench_race(RACE_PERMRND, 65536, false); }
static double bench_permvar_8192(void) { return bench_race(RACE_PERMVAR, 8192, false); }
static double bench_a2a8_8192(void) { return bench_race(RACE_A2A8, 8192, false); }
static double bench_ring_1024(void) { return bench_ring(1024); }
static double bench_start_65536(void) { return bench_race(RACE_RANDOM, 65536, true); }

static double bench_allreduce_1024(void) { return bench_allreduce_ms(1024); }
static double bench_allreduce_4096(void) { return bench_allreduce_ms(4096); }
static double bench_allreduce_million(void) { return bench_allreduce_ms(1000000); }

static double bench_bytes_link(void) {
    bench_allreduce_ms(1000000);
    return bytes_link;
}

static double bench_bytes_transfer(void) {
    bench_race(RACE_RANDOM, 65536, true);
    return bytes_transfer;
}

typedef struct Bench {
    const char *name;
    double (*run)(void);
    const char *unit;
} Bench;

static const Bench BENCHES[] = {
    {"permvar_65536", bench_permvar_65536, "s"},
    {"permvar_8192", bench_permvar_8192, "s"},
    {"permrnd_65536", bench_permrnd_65536, "s"},
    {"a2a8_8192", bench_a2a8_8192, "s"},
    {"ring_1024", bench_ring_1024, "s"},
    {"start_million_65536", bench_start_65536, "s"},
    {"message_alone", bench_solo, "ns"},
    {"message_beside_rings", bench_shared, "ns"},
    {"allreduce_1024", bench_allreduce_1024, "ms"},
    {"allreduce_4096", bench_allreduce_4096, "ms"},
    {"allreduce_million", bench_allreduce_million, "ms"},
    {"bytes_link", bench_bytes_link, "B"},
    {"bytes_transfer", bench_bytes_transfer, "B"},
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
