#include "race.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "draws.h"

enum { RACE_TIERS_MAX = 3, RANDOM_FLOWS = 1000000, RACE_SEED = 7 };

static const int64_t LINK_BPS = INT64_C(50000000000), GB = INT64_C(1000000000);

typedef struct RaceShape {
    int64_t nhosts;
    int32_t ntiers;
    int32_t children[RACE_TIERS_MAX]; ///< as many links up as down below the top
} RaceShape;

static const RaceShape SHAPES[] = {
    {16, 2, {4, 4}},         {128, 2, {8, 16}},        {1024, 2, {32, 32}},
    {8192, 3, {16, 16, 32}}, {32768, 3, {32, 32, 32}}, {65536, 3, {32, 32, 64}},
};

ClusterSpec race_spec(int64_t nhosts) {
    const RaceShape *shape = SHAPES;
    while (shape->nhosts != nhosts) shape++;
    ClusterSpec spec = {
        .name = "race",
        .nodes = nhosts,
        .gpus_per_node = 1,
        .nic = {.name = "nic", .line_Bps = LINK_BPS, .goodput_Bps = LINK_BPS},
        .scale_up = {.name = "none", .gpus = 1, .line_Bps = LINK_BPS, .goodput_Bps = LINK_BPS},
        .ntiers = shape->ntiers,
        .installed = shape->children[shape->ntiers - 1],
        .wiring = WIRING_PLAIN,
        .routing = ROUTING_DMODK,
    };
    for (int32_t t = 0; t < shape->ntiers; t++) {
        TierSpec *tier = &spec.tier[t];
        snprintf(tier->name, sizeof tier->name, "tier%d", t + 1);
        tier->children = shape->children[t];
        tier->parents = t == 0 ? 1 : shape->children[t - 1];
        tier->lanes = 1;
        tier->link_Bps = tier->switch_spec.port_Bps = LINK_BPS;
        tier->switch_spec.ports = 2 * (shape->children[t] + 1);
    }
    return spec;
}

Cluster *race_cluster(int64_t nhosts) {
    ClusterSpec spec = race_spec(nhosts);
    Cluster *cluster = NULL;
    Status status = cluster_create(&spec, &cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    return cluster;
}

/// Shuffle from the last index to the first, by the 64-bit MMIX congruence started at 42.
static void permutation(int64_t n, int64_t to[]) {
    uint64_t state = 42;
    for (int64_t i = 0; i < n; i++) to[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t j = (int64_t)((state >> 33) % (uint64_t)(i + 1)), swap = to[i];
        to[i] = to[j];
        to[j] = swap;
    }
}

static int64_t destination(RaceKind kind, int64_t n, int64_t i, int64_t j, const int64_t to[]) {
    switch (kind) {
        case RACE_SHIFT: return (i + n / 2) % n;
        case RACE_RING: return (i + 1) % n;
        case RACE_A2A8: return (i + j * (n / 16 + 1)) % n;
        case RACE_INCAST: return 16 * ((i + n / 2) / 16) % n;
        case RACE_RANDOM: return rng_below(RACE_SEED, RNG_TEST, (uint64_t)i, 0, n);
        default: return to[i];
    }
}

static int64_t size_of(RaceKind kind, int64_t i) {
    switch (kind) {
        case RACE_PERMVAR: return GB + i % 16 * (GB / 16);
        case RACE_A2A8: return GB / 8 + i % 16 * (GB / 128);
        case RACE_PERMRND: return GB + rng_below(RACE_SEED, RNG_TEST, (uint64_t)i, 1, GB);
        default: return GB;
    }
}

int64_t race_flows(RaceKind kind, int64_t nhosts, RaceFlow flows[]) {
    int64_t *to = memory_alloc("race", (size_t)nhosts * sizeof *to), n = 0;
    permutation(nhosts, to);
    int64_t nsources = kind == RACE_RANDOM ? RANDOM_FLOWS : nhosts;
    for (int64_t i = 0; i < nsources; i++)
        for (int64_t j = 1; j <= (kind == RACE_A2A8 ? 8 : 1); j++) {
            GpuId dst = destination(kind, nhosts, i, j, to);
            if (dst != i % nhosts) flows[n++] = (RaceFlow){{i % nhosts, dst, 1}, size_of(kind, i)};
        }
    memory_free("race", to, (size_t)nhosts * sizeof *to);
    return n;
}

static Edge edge_of_flow(const void *context, int64_t i) {
    (void)i;
    return ((const RaceFlow *)context)->edge;
}

Transfer race_transfer(const RaceFlow *flow, int64_t tag, uint64_t key, int64_t start_ps) {
    return (Transfer){.tag = tag,
                      .edges = {.nedges = 1, .edge = edge_of_flow, .context = flow, .key = key},
                      .queue_pairs = 1,
                      .bytes = flow->bytes,
                      .rounds = 1,
                      .start_ps = start_ps};
}

static void submit(Flow *flow, Transfer transfer) {
    Status status = flow_submit(flow, &transfer);
    CHECK(status_is_ok(&status), "%s", status.text);
}

RaceResult race_play(Flow *flow, const RaceFlow flows[], int64_t nflows) {
    for (int64_t i = 0; i < nflows; i++) submit(flow, race_transfer(&flows[i], i, 0, 0));
    flow_advance(flow, TIME_NEVER_PS);
    RaceResult result = {0};
    double sum_s = 0;
    Completion done[256];
    for (int64_t n; (n = flow_drain(flow, done, 256)) > 0; result.ncompleted += n)
        for (int64_t i = 0; i < n; i++) {
            sum_s += units_seconds_from_ps(done[i].end_ps);
            result.last_s = units_seconds_from_ps(done[i].end_ps);
        }
    result.mean_s = sum_s / (double)nflows;
    return result;
}

double race_ring_allreduce_s(Flow *flow, int64_t nhosts) {
    size_t bytes = (size_t)nhosts * sizeof(RaceFlow);
    RaceFlow *flows = memory_alloc("race", bytes);
    race_flows(RACE_RING, nhosts, flows);
    for (int64_t i = 0; i < nhosts; i++) flows[i].bytes = GB / nhosts;
    Completion done[256];
    int64_t now_ps = 0;
    for (int64_t step = 0; step < 2 * (nhosts - 1); step++) {
        for (int64_t i = 0; i < nhosts; i++)
            submit(flow, race_transfer(&flows[i], step * nhosts + i, (uint64_t)i + 1, now_ps));
        flow_advance(flow, now_ps);
        while (flow_nunfinished(flow) > 0) {
            now_ps = flow_next_ps(flow);
            flow_advance(flow, now_ps);
        }
        while (flow_drain(flow, done, 256) > 0) continue;
    }
    memory_free("race", flows, bytes);
    return units_seconds_from_ps(now_ps);
}
