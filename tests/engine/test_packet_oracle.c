// Law: on bound paths the packet engine says what the plainest simulation of its model says (packet_oracle.h), to the
// picosecond, wherever it is for the model to say: all scenes in which no two packets come to one queue at one moment.
//
// Scenes are drawn: 2 to 16 GPUs below 1 to 3 tiers of unequal rates and cables, planes, lanes, rails with PXN, degraded
// links; messages of random sizes and starts, incasts, permutations, and transfers that go round by round.
#include "packet_oracle.h"

#include <stdio.h>

#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/packet/packet_engine.h"

#ifndef NSCENES
#define NSCENES 400
#endif

enum { TRANSFERS = 24, EDGES = 16, LINKS_MAX = 2048 };

typedef struct Scene {
    uint64_t number, ndraws;
    ClusterSpec spec;
    PacketSpec packet;
    Edge edge[TRANSFERS][EDGES];
    Transfer transfer[TRANSFERS];
    int32_t n;
} Scene;

typedef struct Outcome {
    Completion done[TRANSFERS]; ///< by tag
    int64_t bytes[LINKS_MAX];
} Outcome;

static int64_t draw(Scene *scene, int64_t least, int64_t most) {
    return least + rng_below(17, RNG_TEST, scene->number, scene->ndraws++, most - least + 1);
}

static int64_t draw_of(Scene *scene, const int64_t values[], int64_t n) {
    return values[draw(scene, 0, n - 1)];
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

// Machines.

static void draw_tier(Scene *scene, int32_t t) {
    static const int64_t RATES[] = {12500000000, 25000000000, 50000000000, 47000000001};
    TierSpec *tier = &scene->spec.tier[t - 1];
    snprintf(tier->name, sizeof tier->name, "tier%d", t);
    tier->children = (int32_t)draw(scene, 2, t == 1 ? 4 : 2);
    tier->parents = (int32_t)draw(scene, 1, t == 1 ? 1 : 3);
    tier->lanes = t == 1 ? 1 : (int32_t)draw(scene, 1, 2);
    tier->link_Bps = draw_of(scene, RATES, 4);
    tier->switch_spec.port_Bps = 50000000000;
    tier->cable_ps = draw(scene, 10000, 900000);
    tier->switch_spec.latency_ps = draw(scene, 0, 700000);
    tier->switch_spec.ports = 64;
}

static void draw_fault(Scene *scene) {
    const ClusterSpec *spec = &scene->spec;
    if (spec->ntiers < 2) return;
    scene->spec.nfaults = 1;
    scene->spec.fault[0] = (LinkFaultSpec){
        .tier = 2,
        .port = (int32_t)draw(scene, 0, spec->tier[1].parents * spec->tier[1].lanes - 1),
        .fraction = 0.25 * (double)draw(scene, 1, 3)};
}

static void draw_machine(Scene *scene) {
    ClusterSpec *spec = &scene->spec;
    const int32_t gpus = (int32_t)draw(scene, 1, 2);
    *spec = (ClusterSpec){
        .name = "scene",
        .gpus_per_node = gpus,
        .nic = {.name = "nic", .line_Bps = 50000000000, .goodput_Bps = 48000000000},
        .scale_up = {.name = "domain",
                     .gpus = gpus,
                     .line_Bps = 150000000000,
                     .goodput_Bps = 111000000000},
        .ntiers = (int32_t)draw(scene, 1, 3),
        .wiring = gpus > 1 && draw(scene, 0, 1) ? WIRING_RAIL : WIRING_PLAIN,
        .routing = draw(scene, 0, 1) ? ROUTING_ECMP : ROUTING_DMODK,
        .ecmp_seed = scene->number,
    };
    spec->pxn = spec->wiring == WIRING_RAIL && draw(scene, 0, 1) > 0;
    spec->nic.latency_ps = 2 * draw(scene, 0, 900000);
    spec->scale_up.latency_ps = 2 * draw(scene, 1600000, 3000000);
    int64_t endpoints = 1;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        draw_tier(scene, t);
        endpoints *= spec->tier[t - 1].children;
    }
    if (spec->wiring == WIRING_RAIL && spec->ntiers == 1)
        spec->wiring = WIRING_PLAIN, spec->pxn = false;
    if (spec->wiring == WIRING_RAIL) spec->tier[1].children *= gpus, endpoints *= gpus;
    spec->installed = spec->tier[spec->ntiers - 1].children;
    spec->nodes = endpoints / gpus;
    if (draw(scene, 0, 3) == 0) draw_fault(scene);
}

static void draw_switches(Scene *scene) {
    static const int64_t MTU[] = {700, 1024, 4096, 9000};
    PacketSpec *packet = &scene->packet;
    *packet = packet_default_spec();
    packet->control = CONTROL_NONE;
    packet->ecn_min_us = packet->ecn_max_us = 1e6;
    packet->mtu_bytes = draw_of(scene, MTU, 4);
    packet->ack_bytes = draw(scene, 0, 2) * 64;
    packet->acks_every = (int32_t)draw(scene, 1, 5);
    packet->forwarding = draw(scene, 0, 1) ? FORWARDING_STORE : FORWARDING_CUT_THROUGH;
    packet->pfc = draw(scene, 0, 3) > 0;
    packet->buffer_bytes = packet->mtu_bytes * draw(scene, 1, 60);
    packet->pfc_share = 0.125 * (double)draw(scene, 1, 8);
}

// Traffic.

static void draw_message(Scene *scene, int32_t i, GpuId to) {
    const int64_t ngpus = scene->spec.nodes * scene->spec.gpus_per_node;
    const GpuId dst = to >= 0 ? to : draw(scene, 0, ngpus - 1),
                src = (dst + draw(scene, 1, ngpus - 1)) % ngpus;
    scene->edge[i][0] = (Edge){src, dst, 1, .own_nic = draw(scene, 0, 3) == 0};
    scene->transfer[i] = (Transfer){.edges.nedges = 1,
                                    .queue_pairs = (int32_t)draw(scene, 1, 2),
                                    .bytes = draw(scene, 0, 60) * scene->packet.mtu_bytes +
                                             draw(scene, 0, scene->packet.mtu_bytes - 1),
                                    .rounds = 1};
}

/// A ring, or a chain from its first GPU, of those before `n`.
static void draw_rounds(Scene *scene, int32_t i) {
    const int64_t ngpus = scene->spec.nodes * scene->spec.gpus_per_node;
    const int32_t n = (int32_t)draw(scene, 2, ngpus < EDGES ? ngpus : EDGES);
    const bool chain = draw(scene, 0, 1) > 0;
    for (int32_t e = 0; e < n; e++)
        scene->edge[i][e] = (Edge){e, (e + 1) % n, 1 + (int32_t)draw(scene, 0, 1)};
    scene->transfer[i] = (Transfer){.edges.nedges = n - chain,
                                    .queue_pairs = (int32_t)draw(scene, 1, 2),
                                    .bytes = draw(scene, 0, 400) * 1000 + draw(scene, 0, 999),
                                    .rounds = draw(scene, 2, 16),
                                    .round_latency_ps = draw(scene, 0, 9000000)};
}

static void draw_scene(Scene *scene, uint64_t number) {
    *scene = (Scene){.number = number};
    draw_machine(scene);
    draw_switches(scene);
    const int64_t ngpus = scene->spec.nodes * scene->spec.gpus_per_node;
    const GpuId sink = draw(scene, 0, 2) == 0 ? draw(scene, 0, ngpus - 1) : -1;
    const int64_t span_ps = draw(scene, 1, 40) * PS_PER_US;
    scene->n = (int32_t)draw(scene, 1, TRANSFERS);
    for (int32_t i = 0; i < scene->n; i++) {
        if (number % 3 == 0 && i < 2)
            draw_rounds(scene, i);
        else
            draw_message(scene, i, sink);
        Transfer *transfer = &scene->transfer[i];
        transfer->tag = i;
        transfer->edges.edge = edge_at;
        transfer->edges.context = scene->edge[i];
        transfer->connection = (uint64_t)i;
        transfer->start_ps = 20 * PS_PER_US + draw(scene, 0, span_ps);
    }
}

// Plays.

static void take_links(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    Outcome *outcome = context;
    (void)step;
    for (int64_t i = 0; i < n; i++) outcome->bytes[sample[i].link] += sample[i].bytes;
}

/// How many have ended.
static int32_t play(const Cluster *cluster, const Scene *scene, Outcome *outcome) {
    const EngineOps *ops = &PACKET_ENGINE;
    const EngineSpec spec = {.packet = &scene->packet, .seed = scene->number};
    Engine *engine = ops->create(cluster, &spec);
    for (int32_t i = 0; i < scene->n; i++) {
        const Status status = ops->submit(engine, &scene->transfer[i]);
        if (!status_is_ok(&status)) fail_msg("scene %d: %s", (int)scene->number, status.text);
    }
    ops->advance(engine, TIME_NEVER_PS);
    Completion done;
    int32_t n = 0;
    for (; ops->drain(engine, &done, 1) > 0; n++) outcome->done[done.tag] = done;
    ops->step_links(engine, 0, (LinkSink){.put = take_links, .context = outcome});
    ops->destroy(engine);
    return n;
}

/// Nothing is to end before its alone-time, which is the engine's to say.
static int64_t expected_ps(const Oracle *oracle, const Completion *done) {
    const int64_t end_ps = oracle_end_ps(oracle, done->tag),
                  alone_ps = done->start_ps + done->alone_ps;
    return end_ps > alone_ps ? end_ps : alone_ps;
}

/// What is not as the oracle says; where two packets have met, the model does not say, and bytes alone count.
static int32_t count_wrong(const Scene *scene, const Cluster *cluster, const Oracle *oracle) {
    static Outcome outcome;
    outcome = (Outcome){0};
    int32_t nwrong = play(cluster, scene, &outcome) != scene->n;
    if (nwrong > 0) fprintf(stderr, "scene %d does not end\n", (int)scene->number);
    for (int32_t i = 0; oracle_tie_ps(oracle) == TIME_NEVER_PS && i < scene->n; i++) {
        const Completion *done = &outcome.done[i];
        if (done->end_ps == expected_ps(oracle, done)) continue;
        nwrong++;
        fprintf(stderr, "scene %d: transfer %d ends at %lld, not %lld\n", (int)scene->number, i,
                (long long)done->end_ps, (long long)expected_ps(oracle, done));
    }
    for (LinkId link = 0; link < cluster_nlinks(cluster); link++) {
        if (outcome.bytes[link] == oracle_bytes(oracle, link)) continue;
        nwrong++;
        fprintf(stderr, "scene %d: link %d carries %lld bytes, not %lld\n", (int)scene->number,
                (int)link, (long long)outcome.bytes[link], (long long)oracle_bytes(oracle, link));
    }
    return nwrong;
}

/// Of a scene, what is wrong; `*said`: the model says all of it.
static int32_t try_scene(uint64_t number, bool *said) {
    static Scene scene;
    draw_scene(&scene, number);
    Cluster *cluster = NULL;
    const Status status = cluster_create(&scene.spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("scene %d: %s", (int)number, status.text);
    assert_in_range(cluster_nlinks(cluster), 1, LINKS_MAX);
    Oracle *oracle = oracle_create(cluster, &scene.packet);
    for (int32_t i = 0; i < scene.n; i++) oracle_submit(oracle, &scene.transfer[i]);
    oracle_play(oracle);
    const int32_t nwrong = count_wrong(&scene, cluster, oracle);
    *said = oracle_tie_ps(oracle) == TIME_NEVER_PS;
    oracle_destroy(oracle);
    cluster_destroy(cluster);
    return nwrong;
}

static void engine_says_what_the_oracle_says(void **state) {
    (void)state;
    int32_t nsaid = 0, nwrong = 0;
    for (uint64_t number = 0; number < NSCENES; number++) {
        bool said;
        nwrong += try_scene(number, &said);
        nsaid += said;
    }
    assert_int_equal(nwrong, 0);
    assert_in_range(nsaid, NSCENES / 2, NSCENES); // the others have ties
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(engine_says_what_the_oracle_says)};
    return cmocka_run_group_tests_name("packet_oracle", tests, NULL, NULL);
}
