#include "packet_scene.h"

#include <stdio.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "draws.h"

static int64_t draw(PacketScene *scene, int64_t least, int64_t most) {
    return least + rng_below(17, RNG_TEST, scene->number, scene->ndraws++, most - least + 1);
}

static int64_t draw_of(PacketScene *scene, const int64_t values[], int64_t n) {
    return values[draw(scene, 0, n - 1)];
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

// Machines.

static void draw_tier(PacketScene *scene, int32_t t) {
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

static void draw_fault(PacketScene *scene) {
    const ClusterSpec *spec = &scene->spec;
    if (spec->ntiers < 2) return;
    scene->spec.nfaults = 1;
    scene->spec.fault[0] = (LinkFaultSpec){
        .tier = 2,
        .port = (int32_t)draw(scene, 0, spec->tier[1].parents * spec->tier[1].lanes - 1),
        .fraction = 0.25 * (double)draw(scene, 1, 3)};
}

static void draw_machine(PacketScene *scene) {
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

static void draw_switches(PacketScene *scene) {
    static const int64_t MTU[] = {700, 1024, 4096, 9000};
    PacketSpec *packet = &scene->packet;
    *packet = packet_default_spec();
    packet->control = CONTROL_NONE;
    packet->ecn_min_us = packet->ecn_max_us = 1e6;
    packet->mtu_bytes = draw_of(scene, MTU, 4);
    packet->ack_bytes = draw(scene, 0, 2) * 64;
    packet->acks_every = (int32_t)draw(scene, 1, 5);
    packet->forwarding = draw(scene, 0, 1) ? FORWARDING_STORE : FORWARDING_CUT_THROUGH;
    packet->flow_control = draw(scene, 0, 3) > 0 ? FLOW_PFC : FLOW_NONE;
    packet->buffer_bytes = packet->mtu_bytes * draw(scene, 1, 60);
    if (packet->flow_control == FLOW_NONE) packet->buffer_bytes = PACKET_ENDLESS_BYTES;
    packet->pfc_share = 0.125 * (double)draw(scene, 1, 8);
}

static void draw_losses(PacketScene *scene) {
    PacketSpec *packet = &scene->packet;
    packet->loss_share = draw(scene, 0, 2) == 0 ? 0.02 : 0;
    packet->recovery = draw(scene, 0, 1) ? RECOVERY_SELECTIVE : RECOVERY_GO_BACK;
    packet->timeout_ps = draw(scene, 20, 200) * PS_PER_US;
    packet->reorder_packets = (int32_t)draw(scene, 1, 64);
    if (packet->flow_control == FLOW_PFC || draw(scene, 0, 2) == 0) return;
    packet->buffer_bytes = packet->mtu_bytes * draw(scene, 8, 60); // so that one always fits
    packet->drop_share = 0.25 * (double)draw(scene, 1, 4);
    packet->trim = draw(scene, 0, 1) > 0;
}

/// What bound paths without control leave out.
static void draw_any(PacketScene *scene) {
    ClusterSpec *spec = &scene->spec;
    spec->routing = (Routing)draw(scene, ROUTING_ECMP, ROUTING_ADAPTIVE);
    spec->tier[0].parents = (int32_t)draw(scene, 1, 2);
    scene->packet.control = draw(scene, 0, 1) ? CONTROL_DCQCN : CONTROL_NONE;
    scene->packet.ecn_min_us = 0.1 * (double)draw(scene, 0, 20);
    scene->packet.ecn_max_us = scene->packet.ecn_min_us + 0.1 * (double)draw(scene, 0, 40);
    scene->packet.cnp_ps = draw(scene, 0, 5) * PS_PER_US;
    scene->packet.increase_ps = draw(scene, 5, 50) * PS_PER_US;
    scene->packet.add_share = 0.02;
    scene->packet.hyper_share = 0.1;
    if (spec->routing == ROUTING_SPRAY) scene->packet.multipath = (Multipath)(scene->number % 3);
    scene->packet.paths = 1 + (int32_t)(scene->number % PACKET_PATHS_MOST);
    scene->packet.cnp = scene->number / 2 % 2 > 0 ? CNP_WINDOWS : CNP_SPACED;
    if (scene->number % 3 > 0)
        scene->packet.counter_bytes = scene->packet.mtu_bytes * (int64_t)(1 + scene->number % 9);
    draw_losses(scene);
    if (scene->packet.flow_control != FLOW_PFC || scene->number % 2 > 0) return;
    scene->packet.flow_control = FLOW_CREDITS;
    scene->packet.credit_bytes = scene->packet.mtu_bytes * (int64_t)(1 + scene->number % 40);
}

// Traffic.

static void draw_message(PacketScene *scene, int32_t i, GpuId to) {
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
static void draw_rounds(PacketScene *scene, int32_t i) {
    const int64_t ngpus = scene->spec.nodes * scene->spec.gpus_per_node;
    const int32_t n = (int32_t)draw(scene, 2, ngpus < SCENE_EDGES ? ngpus : SCENE_EDGES);
    const bool chain = draw(scene, 0, 1) > 0;
    for (int32_t e = 0; e < n; e++)
        scene->edge[i][e] = (Edge){e, (e + 1) % n, 1 + (int32_t)draw(scene, 0, 1)};
    scene->transfer[i] = (Transfer){.edges.nedges = n - chain,
                                    .queue_pairs = (int32_t)draw(scene, 1, 2),
                                    .bytes = draw(scene, 0, 400) * 1000 + draw(scene, 0, 999),
                                    .rounds = draw(scene, 2, 16),
                                    .round_latency_ps = draw(scene, 0, 9000000)};
}

void packet_scene_draw(PacketScene *scene, uint64_t number, bool any) {
    *scene = (PacketScene){.number = number};
    draw_machine(scene);
    draw_switches(scene);
    if (any) draw_any(scene);
    const int64_t ngpus = scene->spec.nodes * scene->spec.gpus_per_node;
    const GpuId sink = draw(scene, 0, 2) == 0 ? draw(scene, 0, ngpus - 1) : -1;
    const int64_t span_ps = draw(scene, 1, 40) * PS_PER_US;
    scene->n = (int32_t)draw(scene, 1, SCENE_TRANSFERS);
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

Cluster *packet_scene_cluster(const PacketScene *scene) {
    Cluster *cluster = NULL;
    const Status status = cluster_create(&scene->spec, &cluster);
    CHECK(status_is_ok(&status), "scene %llu: %s", (unsigned long long)scene->number, status.text);
    CHECK(cluster_nlinks(cluster) <= SCENE_LINKS_MAX, "too many links");
    return cluster;
}

static void add(LinkSample sum[], const LinkSample sample[], int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        LinkSample *link = &sum[sample[i].link];
        link->bytes += sample[i].bytes;
        link->delay_ps += sample[i].delay_ps;
        link->congested_ps += sample[i].congested_ps;
    }
}

static void take_links(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    (void)step;
    add(((PacketOutcome *)context)->link, sample, n);
}

static void take_interval(void *context, int64_t name, const LinkSample sample[], int64_t n) {
    (void)name;
    add(((PacketOutcome *)context)->sampled, sample, n);
}

static void submit(Engine *engine, const PacketScene *scene, int32_t i) {
    const Status status = PACKET_ENGINE.submit(engine, &scene->transfer[i]);
    CHECK(status_is_ok(&status), "scene %llu: %s", (unsigned long long)scene->number, status.text);
}

/// Far beyond what any scene takes, whose messages are of a megabyte: who waits for good for something that never comes, and
/// tries again and again, is told from who is slow.
static const int64_t LONGEST_PS = PS_PER_S;

void packet_scene_play(const Cluster *cluster, const PacketScene *scene, PacketHow how,
                       PacketOutcome *outcome) {
    const EngineOps *ops = &PACKET_ENGINE;
    const EngineSpec spec = {
        .packet = &scene->packet, .seed = scene->number, .interval_ps = how.interval_ps};
    Engine *engine = ops->create(cluster, &spec);
    *outcome = (PacketOutcome){.ndone = 0};
    ops->sample_into(engine, (LinkSink){.put = take_interval, .context = outcome});
    for (int32_t i = 0; i < scene->n; i++)
        submit(engine, scene, how.backwards ? scene->n - 1 - i : i);
    while (how.step_ps > 0 && ops->nunfinished(engine) > 0)
        ops->advance(engine, ops->now_ps(engine) + how.step_ps);
    if (how.step_ps == 0 && how.interval_ps == 0) ops->advance(engine, LONGEST_PS);
    CHECK(how.interval_ps > 0 || ops->nunfinished(engine) == 0, "scene %llu does not end",
          (unsigned long long)scene->number);
    ops->advance(engine, TIME_NEVER_PS);
    if (how.interval_ps > 0) ops->restart_intervals(engine);
    for (Completion done; ops->drain(engine, &done, 1) > 0; outcome->ndone++)
        outcome->done[done.tag] = done;
    ops->step_links(engine, 0, (LinkSink){.put = take_links, .context = outcome});
    outcome->count = packet_counts(engine);
    ops->destroy(engine);
}
