/// packet_scene.h: random small machines and traffic for packets.
///
/// Idea.    2 to 16 GPUs below 1 to 3 tiers of unequal rates and cables, lanes, rails with PXN, degraded links; messages of
///          random sizes and starts, incasts, and transfers that go round by round. Where they start they never meet by
///          design, so that ties are chance.
#ifndef COLOSSIM_TESTS_ENGINE_PACKET_SCENE_H
#define COLOSSIM_TESTS_ENGINE_PACKET_SCENE_H

#include "engine/packet/packet_engine.h"

enum { SCENE_TRANSFERS = 24, SCENE_EDGES = 16, SCENE_LINKS_MAX = 4096 };

typedef struct PacketScene {
    uint64_t number, ndraws;
    ClusterSpec spec;
    PacketSpec packet;
    Edge edge[SCENE_TRANSFERS][SCENE_EDGES];
    Transfer transfer[SCENE_TRANSFERS]; ///< by tag
    int32_t n;
} PacketScene;

/// What became of a scene.
typedef struct PacketOutcome {
    Completion done[SCENE_TRANSFERS]; ///< by tag
    int32_t ndone;
    LinkSample link[SCENE_LINKS_MAX];    ///< of their step
    LinkSample sampled[SCENE_LINKS_MAX]; ///< sums of all intervals
    PacketCounts count;
} PacketOutcome;

/// How a scene is played: none of it may matter.
typedef struct PacketHow {
    int64_t step_ps; ///< advance so far at once; 0: to the end
    bool backwards;  ///< submit the last transfer first
    int64_t interval_ps;
} PacketHow;

/// Bound paths, no control and no marks; `any`: of all routings, controls and marks, and NICs of several ports.
void packet_scene_draw(PacketScene *scene, uint64_t number, bool any);
Cluster *packet_scene_cluster(const PacketScene *scene);
void packet_scene_play(const Cluster *cluster, const PacketScene *scene, PacketHow how,
                       PacketOutcome *outcome);

#endif
