/// packet_rig.h: fat trees of single cables at full bisection, as packet simulators are timed on, and flows on them.
///
/// Idea.    Three tiers below k-port switches: k / 2 hosts a leaf, k^3 / 4 in all; or one switch. 400 Gb/s, of which packets of
///          4160 B carry 4096, cables of 1 us, switches and adapters that take no time: what htsim is timed with. A flow is
///          handed over at once, to have its first bit there when it has crossed its cables.
#ifndef COLOSSIM_TESTS_ENGINE_PACKET_RIG_H
#define COLOSSIM_TESTS_ENGINE_PACKET_RIG_H

#include "engine/packet/packet_engine.h"

enum { RIG_PORTS_MAX = 16, RIG_FLOWS_MAX = 1024 };

typedef struct PacketRig {
    ClusterSpec spec;
    PacketSpec packet;
    Cluster *cluster;
    Engine *engine;
    int64_t nflows;
    Edge edge[RIG_FLOWS_MAX];
    Completion done[RIG_FLOWS_MAX]; ///< by flow
} PacketRig;

/// A specification: k^3 / 4 hosts.
void packet_rig_tree(PacketRig *rig, int32_t k);
/// All at one switch.
void packet_rig_switch(PacketRig *rig, int32_t nhosts);
/// Build what is specified.
void packet_rig_open(PacketRig *rig);
void packet_rig_close(PacketRig *rig);
/// Have `bytes` leave src from after_ps on, by so many queue pairs; returns the flow.
int64_t packet_rig_flow(PacketRig *rig, GpuId src, GpuId dst, int64_t bytes, int32_t queue_pairs,
                        int64_t after_ps);
/// Play to the end, which all flows have.
void packet_rig_play(PacketRig *rig);
/// When the last byte of a flow, or of any, came.
int64_t packet_rig_end_ps(const PacketRig *rig, int64_t flow);
int64_t packet_rig_last_ps(const PacketRig *rig);
/// (sum x)^2 / (n sum x^2) of the rates of the flows.
double packet_rig_fairness(const PacketRig *rig, int64_t bytes);

#endif
