/// graph_fabric.h: what the files of a graph behind topology.h have of each other.
#ifndef COLOSSIM_CLUSTER_GRAPH_FABRIC_H
#define COLOSSIM_CLUSTER_GRAPH_FABRIC_H

#include "cluster/cluster_parts.h"
#include "cluster/graph.h"

enum { GRAPH_PIECES = 64 }; ///< that spray and adaptive cut a queue pair's bytes into

// As in topology.h.
Status graph_route(const Cluster *cluster, const Message *message, bool healthy, LinkUse uses[],
                   int32_t *nuses, int32_t *dead_tier);
Status graph_path(const Cluster *cluster, const Message *message, int32_t queue_pair, bool healthy,
                  LinkId path[], int32_t *n, int32_t *dead_tier);
void graph_place(const Cluster *cluster, FabricPlace *place);
void graph_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                  Onward *onward);
int64_t graph_latency_ps(const Cluster *cluster, GpuId sender, GpuId dst);
int32_t graph_nswitches(const Cluster *cluster, GpuId sender, GpuId dst);
bool graph_distance(const Cluster *cluster, int32_t k, Distance *distance);

#endif
