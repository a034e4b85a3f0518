#include "packet_rig.h"

#include <stdio.h>

#include "base/check.h"
#include "base/units.h"

static const int64_t LINE_BPS = INT64_C(50000000000),
                     GOODPUT_BPS = INT64_C(49230769231); // 4096 B in 83.2 ns

static void set_tier(PacketRig *rig, int32_t t, int32_t children, int32_t parents) {
    TierSpec *tier = &rig->spec.tier[t - 1];
    snprintf(tier->name, sizeof tier->name, "tier%d", t);
    tier->children = children;
    tier->parents = parents;
    tier->lanes = 1;
    tier->link_Bps = tier->switch_spec.port_Bps = LINE_BPS;
    tier->cable_ps = PS_PER_US;
    tier->switch_spec.ports = 2 * children;
}

static void set_all(PacketRig *rig, int32_t ntiers, int64_t nhosts) {
    *rig = (PacketRig){
        .spec = {.name = "rig",
                 .nodes = nhosts,
                 .gpus_per_node = 1,
                 .nic = {.name = "nic", .line_Bps = LINE_BPS, .goodput_Bps = GOODPUT_BPS},
                 .scale_up = {.name = "none",
                              .gpus = 1,
                              .line_Bps = LINE_BPS,
                              .goodput_Bps = LINE_BPS,
                              .latency_ps = 2 * PS_PER_US},
                 .ntiers = ntiers,
                 .wiring = WIRING_PLAIN,
                 .routing = ROUTING_SPRAY},
        .packet = packet_default_spec(),
    };
    rig->packet.forwarding = FORWARDING_STORE;
    rig->packet.control = CONTROL_NONE;
}

void packet_rig_tree(PacketRig *rig, int32_t k) {
    set_all(rig, 3, (int64_t)k * k * k / 4);
    set_tier(rig, 1, k / 2, 1);
    set_tier(rig, 2, k / 2, k / 2);
    set_tier(rig, 3, k, k / 2);
    rig->spec.installed = k;
}

void packet_rig_switch(PacketRig *rig, int32_t nhosts) {
    set_all(rig, 1, nhosts);
    set_tier(rig, 1, nhosts, 1);
    rig->spec.installed = nhosts;
}

void packet_rig_open(PacketRig *rig) {
    const Status status = cluster_create(&rig->spec, &rig->cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    rig->engine = PACKET_ENGINE.create(rig->cluster, &(EngineSpec){.packet = &rig->packet});
}

void packet_rig_close(PacketRig *rig) {
    PACKET_ENGINE.destroy(rig->engine);
    cluster_destroy(rig->cluster);
}

static Edge only_edge(const void *context, int64_t i) {
    (void)i;
    return *(const Edge *)context;
}

int64_t packet_rig_flow(PacketRig *rig, GpuId src, GpuId dst, int64_t bytes, int32_t queue_pairs,
                        int64_t after_ps) {
    const int64_t flow = rig->nflows++;
    CHECK(flow < RIG_FLOWS_MAX, "too many flows");
    rig->edge[flow] = (Edge){src, dst, 1, false};
    const Transfer transfer = {
        .tag = flow,
        .edges = {.nedges = 1, .edge = only_edge, .context = &rig->edge[flow]},
        .queue_pairs = queue_pairs,
        .connection = (uint64_t)flow,
        .bytes = bytes,
        .rounds = 1,
        .start_ps = after_ps + routing_latency_ps(rig->cluster, src, dst)};
    const Status status = PACKET_ENGINE.submit(rig->engine, &transfer);
    CHECK(status_is_ok(&status), "%s", status.text);
    return flow;
}

void packet_rig_play(PacketRig *rig) {
    PACKET_ENGINE.advance(rig->engine, TIME_NEVER_PS);
    Completion done;
    int64_t n = 0;
    for (; PACKET_ENGINE.drain(rig->engine, &done, 1) > 0; n++) rig->done[done.tag] = done;
    CHECK(n == rig->nflows, "%lld of %lld flows end", (long long)n, (long long)rig->nflows);
}

int64_t packet_rig_end_ps(const PacketRig *rig, int64_t flow) { return rig->done[flow].end_ps; }

int64_t packet_rig_last_ps(const PacketRig *rig) {
    int64_t last_ps = 0;
    for (int64_t f = 0; f < rig->nflows; f++)
        if (rig->done[f].end_ps > last_ps) last_ps = rig->done[f].end_ps;
    return last_ps;
}

double packet_rig_fairness(const PacketRig *rig, int64_t bytes) {
    double sum = 0, squares = 0;
    for (int64_t f = 0; f < rig->nflows; f++) {
        const double rate = (double)bytes / (double)(rig->done[f].end_ps - rig->done[f].start_ps);
        sum += rate;
        squares += rate * rate;
    }
    return sum * sum / ((double)rig->nflows * squares);
}
