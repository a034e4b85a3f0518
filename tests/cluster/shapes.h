/// shapes.h: cluster specs for tests: the published shapes and random ones.
#ifndef COLOSSIM_TESTS_CLUSTER_SHAPES_H
#define COLOSSIM_TESTS_CLUSTER_SHAPES_H

#include "cluster/cluster.h"

/// Children, parents and lanes of one tier.
typedef struct Tier {
    int32_t children, parents, lanes;
} Tier;

/// A spec with 50 GB/s links everywhere, 48 of 50 GB/s goodput, all children of the top installed,
/// and switches with just the ports they need; ecmp, no faults.
ClusterSpec shape_spec(int64_t nodes, int32_t gpus_per_node, Wiring wiring, int32_t ntiers,
                       const Tier tier[]);

/// The 100,000-GPU cluster: 25 of 32 pods of 4,096 NICs below 1,024 cores.
ClusterSpec shape_colossus(void);

/// Random shape of 1 to 4 tiers and at most a few hundred endpoints: lanes, oversubscription,
/// partial fill, plain or rail wiring, room for spare endpoints. `draw` numbers the shape.
ClusterSpec shape_random(uint64_t draw);

/// A torus, mesh, dragonfly or list of GPUs alone in their domains; switches with all the ports they may need.
ClusterSpec shape_graph(FabricKind fabric, int64_t gpus, int32_t ntiers, const Tier tier[]);

/// Random small graph, its kind and routing by `draw`: 4 k + 3 are lists, which `text` keeps.
enum { SHAPE_LIST_BYTES = 1 << 16 };
ClusterSpec shape_random_graph(uint64_t draw, char text[SHAPE_LIST_BYTES]);

/// Add a fault; fraction 0 is dead.
void shape_add_fault(ClusterSpec *spec, int32_t tier, int64_t lower, int32_t port, double fraction);

#endif
