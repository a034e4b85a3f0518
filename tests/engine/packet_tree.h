/// packet_tree.h: messages through the packet engine on a small fat tree, and what came of them.
///
/// Idea.    32 hosts of one GPU, 8 below a leaf, 8 spines, all links 50e9 B/s, cables of 200 ns and switches of 300 ns: an
///          idle round trip takes 8 us and some packets' time.
#ifndef COLOSSIM_TESTS_ENGINE_PACKET_TREE_H
#define COLOSSIM_TESTS_ENGINE_PACKET_TREE_H

#include "engine/packet/packet_engine.h"

enum { TREE_HOSTS = 32, TREE_FLOWS = 80, TREE_EDGES = 32 };

#define TREE_BPS INT64_C(50000000000)

typedef struct TreeScene {
    ClusterSpec cluster;
    PacketSpec packet;
    Edge edge[TREE_FLOWS][TREE_EDGES];
    Transfer transfer[TREE_FLOWS];
    int32_t n;
} TreeScene;

typedef struct TreeOutcome {
    Completion done[TREE_FLOWS]; ///< by tag
    int64_t ndone, end_ps;
    PacketCounts count;
    Status status; ///< of what changed the cluster
} TreeOutcome;

void tree_begin(TreeScene *scene, Routing routing);
/// A message; others of its members are the caller's to change.
Transfer *tree_add(TreeScene *scene, GpuId src, GpuId dst, int64_t bytes, int64_t start_ps);
/// A ring of so many rounds over the first n hosts.
Transfer *tree_add_ring(TreeScene *scene, int32_t n, int64_t bytes, int64_t rounds);
/// So many hosts send to host 0 at once.
void tree_add_incast(TreeScene *scene, int32_t nsenders, int64_t bytes);
/// Play to the end, with all events of the cluster; nothing may be left.
TreeOutcome tree_play(const TreeScene *scene);
/// Nothing ends before its time alone, all have ended, and no more is kept of them.
void assert_all_done(const TreeScene *scene, const TreeOutcome *outcome);

#endif
