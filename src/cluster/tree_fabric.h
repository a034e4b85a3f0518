/// tree_fabric.h: what the files of a fat tree behind topology.h have of each other, and what its bundles are called.
#ifndef COLOSSIM_CLUSTER_TREE_FABRIC_H
#define COLOSSIM_CLUSTER_TREE_FABRIC_H

#include "cluster/cluster_parts.h"

/// First GPU below the bundle of a tier and a subtree of level tier - 1; the last of the cluster if there is none.
GpuId tree_first_gpu(const Cluster *cluster, int32_t tier, int64_t subtree);
void tree_name_bundle(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]);

// As in topology.h.
Status tree_route(const Cluster *cluster, const Message *message, bool healthy, LinkUse uses[],
                  int32_t *nuses, int32_t *dead_tier);
Status tree_path(const Cluster *cluster, const Message *message, int32_t queue_pair, bool healthy,
                 LinkId path[], int32_t *n, int32_t *dead_tier);
void tree_place(const Cluster *cluster, FabricPlace *place);
void tree_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                 Onward *onward);
int64_t tree_latency_ps(const Cluster *cluster, GpuId sender, GpuId dst);
int32_t tree_nswitches(const Cluster *cluster, GpuId sender, GpuId dst);
bool tree_distance(const Cluster *cluster, int32_t k, Distance *distance);
int64_t tree_least_latency_ps(const Cluster *cluster);

#endif
