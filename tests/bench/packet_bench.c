/// packet_bench.c: packet hops per CPU second of the packet engine, beside those of a bare sweep (bare_sweep.h).
///
///     packet_bench [repeats [hosts]]
///
/// A random permutation on a three-tier fat tree of 400 Gb/s at full bisection, packets of 4 KiB, acknowledgements, adaptive
/// routing; with PFC, ECN and DCQCN, and without (a buffer that has no end, no marks, line rate). Each row: medians of
/// `repeats` runs (default 3), the bare sweep of the same size in turn with them. CSV:
///     case,hosts,hops,bare_hops_s,hops_s,share,bytes_idle_host
/// share: of the bare sweep's rate. bytes_idle_host: all that is held for a host before anything is sent.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "bench/bare_sweep.h"
#include "engine/packet/packet_engine.h"
#include "engine/race.h"

enum { REPEATS_MAX = 99, RADICES = 4 };

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

static Cluster *fat_tree(int32_t k) {
    const int64_t rate_Bps = INT64_C(50000000000);
    ClusterSpec spec = {
        .name = "fat tree",
        .nodes = (int64_t)k * k * k / 4,
        .gpus_per_node = 1,
        .gpu.name = "gpu",
        .nic = {.name = "nic",
                .line_Bps = rate_Bps,
                .goodput_Bps = rate_Bps,
                .latency_ps = PS_PER_US},
        .scale_up = {.gpus = 1,
                     .line_Bps = rate_Bps,
                     .goodput_Bps = rate_Bps,
                     .latency_ps = PS_PER_US},
        .ntiers = 3,
        .installed = k,
        .routing = ROUTING_ADAPTIVE,
        .ecmp_seed = 1,
    };
    const int32_t half = k / 2, children[] = {half, half, k}, parents[] = {1, half, half};
    for (int32_t t = 0; t < 3; t++)
        spec.tier[t] = (TierSpec){
            .children = children[t],
            .parents = parents[t],
            .lanes = 1,
            .link_Bps = rate_Bps,
            .cable_ps = 200 * PS_PER_NS,
            .switch_spec = {
                .name = "switch", .ports = k, .port_Bps = rate_Bps, .latency_ps = 300 * PS_PER_NS}};
    Cluster *cluster = NULL;
    Status status = cluster_create(&spec, &cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    return cluster;
}

/// That of the races of flows; whoever would send to itself does not.
static void permutation(int64_t n, int64_t to[]) {
    RaceFlow *flows = memory_alloc("bench", (size_t)n * sizeof *flows);
    for (int64_t i = 0; i < n; i++) to[i] = i;
    const int64_t nflows = race_flows(RACE_PERM, n, flows);
    for (int64_t f = 0; f < nflows; f++) to[flows[f].edge.src] = flows[f].edge.dst;
    memory_free("bench", flows, (size_t)n * sizeof *flows);
}

static Edge only_edge(const void *context, int64_t i) {
    (void)i;
    return *(const Edge *)context;
}

static double live_bytes(void) {
    enum { LABELS_MAX = 256 };
    MemoryRow rows[LABELS_MAX];
    const int n = memory_report(rows, LABELS_MAX);
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (strncmp(rows[i].label, "packet", 6) == 0) sum += (double)rows[i].live_bytes;
    return sum;
}

typedef struct Played {
    double cpu_s, bytes_idle_host;
    int64_t hops;
} Played;

static Played play(const Cluster *cluster, const PacketSpec *packet, const int64_t to[],
                   int64_t bytes) {
    const int64_t n = cluster_ngpus(cluster);
    Engine *engine = PACKET_ENGINE.create(cluster, &(EngineSpec){.packet = packet, .seed = 1});
    Played played = {.bytes_idle_host = live_bytes() / (double)n};
    const double from_s = cpu_s();
    for (int64_t i = 0; i < n; i++) {
        if (to[i] == i) continue;
        const Edge edge = {.src = i, .dst = to[i], .weight = 1};
        const Transfer transfer = {.tag = i,
                                   .edges = {.nedges = 1, .edge = only_edge, .context = &edge},
                                   .queue_pairs = 1,
                                   .connection = 1,
                                   .bytes = bytes,
                                   .rounds = 1};
        Status status = PACKET_ENGINE.submit(engine, &transfer);
        CHECK(status_is_ok(&status), "%s", status.text);
    }
    PACKET_ENGINE.advance(engine, TIME_NEVER_PS);
    played.cpu_s = cpu_s() - from_s;
    CHECK(PACKET_ENGINE.nunfinished(engine) == 0, "some have not ended");
    played.hops = packet_counts(engine).hops;
    PACKET_ENGINE.destroy(engine);
    return played;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double at[], int n) {
    qsort(at, (size_t)n, sizeof *at, ascending);
    return at[n / 2];
}

static void bench(const char *name, int32_t k, const PacketSpec *packet, int repeats) {
    Cluster *cluster = fat_tree(k);
    const int64_t n = cluster_ngpus(cluster);
    const int64_t packets = (INT64_C(1) << 20) / n + 32;
    int64_t *to = memory_alloc("bench", (size_t)n * sizeof *to);
    permutation(n, to);
    double bare_s[REPEATS_MAX], own_s[REPEATS_MAX];
    int64_t bare_hops = 0;
    Played played = {0};
    for (int r = 0; r < repeats; r++) {
        const double from_s = cpu_s();
        bare_hops = bare_sweep(k, to, packets, packet->acks_every);
        bare_s[r] = cpu_s() - from_s;
        played = play(cluster, packet, to, packets * packet->mtu_bytes);
        own_s[r] = played.cpu_s;
    }
    const double bare = (double)bare_hops / median(bare_s, repeats),
                 own = (double)played.hops / median(own_s, repeats);
    printf("%s,%lld,%lld,%.0f,%.0f,%.3f,%.0f\n", name, (long long)n, (long long)played.hops, bare,
           own, own / bare, played.bytes_idle_host);
    fflush(stdout);
    memory_free("bench", to, (size_t)n * sizeof *to);
    cluster_destroy(cluster);
}

int main(int argc, char **argv) {
    const int repeats = argc > 1 ? atoi(argv[1]) : 3;
    const int64_t only = argc > 2 ? atoll(argv[2]) : 0;
    static const int32_t RADIX[RADICES] = {8, 16, 32, 64};
    if (repeats < 1 || repeats > REPEATS_MAX) return 2;
    printf("case,hosts,hops,bare_hops_s,hops_s,share,bytes_idle_host\n");
    const PacketSpec dcqcn = packet_default_spec();
    PacketSpec line = dcqcn;
    line.flow_control = FLOW_NONE;
    line.buffer_bytes = PACKET_ENDLESS_BYTES;
    line.control = CONTROL_NONE;
    line.ecn_min_us = line.ecn_max_us = 1e6;
    for (int r = 0; r < RADICES; r++) {
        const int64_t n = (int64_t)RADIX[r] * RADIX[r] * RADIX[r] / 4;
        if (only > 0 && n != only) continue;
        bench("pfc_ecn_dcqcn", RADIX[r], &dcqcn, repeats);
        bench("line_rate", RADIX[r], &line, repeats);
    }
    return 0;
}
