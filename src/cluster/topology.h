/// topology.h: what a kind of fabric answers: the one table between Cluster, routing and faults above, and trees and
/// graphs below.
///
/// Idea.    Cluster knows GPUs, nodes, domains, tiers of links and their capacities; how cables join switches is the
///          fabric's affair. A cable is named by its tier (1: that of the NICs) and its number in it, 0 .. ncables - 1; each
///          is a link up and a link down. Two fabrics there are:
///              tree_fabric   a generalised fat tree by arithmetic (fattree.h), any size
///              graph_fabric  a list of cables (graph.h): torus, mesh, dragonfly, and what a user draws
#ifndef COLOSSIM_CLUSTER_TOPOLOGY_H
#define COLOSSIM_CLUSTER_TOPOLOGY_H

#include "cluster/routing.h"

typedef struct CableRef {
    int32_t tier;
    int64_t cable; ///< within its tier
} CableRef;

typedef struct CableEnd {
    int32_t level; ///< 0: a NIC
    int64_t
        number; ///< of the switch within its level; of a NIC its endpoint in a tree, its GPU in a graph
} CableEnd;

/// A message that leaves its domain.
typedef struct Message {
    GpuId src, dst; ///< as asked for: the hash knows them
    GpuId sender;   ///< whose NIC sends
    uint64_t flow_key;
    int32_t queue_pairs;
} Message;

typedef struct Topology {
    /// Count switches and cables by cluster->spec, which clustercheck has seen: nswitches, ncables, uplinks, nic_ports, and
    /// what the fabric itself keeps.   Fails: STATUS_RANGE, STATUS_INPUT for a list of cables.
    Status (*create)(Cluster *cluster);
    /// cluster->faults is complete: what follows from it, and cluster->split.   Fails: STATUS_RANGE.
    Status (*take_faults)(Cluster *cluster);
    /// Routing knows of other faults than before.
    void (*learned)(Cluster *cluster);
    void (*destroy)(Cluster *cluster);

    /// Links of a message, by rising id: `*nuses` of them in `uses`. *dead_tier is the lowest at which no path is open, or 0.
    /// healthy: as if there were no faults.   Fails: STATUS_RANGE if the path is too long.
    Status (*route)(const Cluster *cluster, const Message *message, bool healthy, LinkUse uses[],
                    int32_t *nuses, int32_t *dead_tier);
    /// Links of one queue pair in order, from the NIC of its sender on: behind `path[*n]`, `*n` is raised. Only where messages
    /// are bound to paths. Fails and *dead_tier: as route.
    Status (*path)(const Cluster *cluster, const Message *message, int32_t queue_pair, bool healthy,
                   LinkId path[], int32_t *n, int32_t *dead_tier);
    void (*place)(const Cluster *cluster, FabricPlace *place); ///< routing_place: what is computed
    void (*onward)(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                   Onward *onward);
    /// Between the NICs of two GPUs: one way, both adapters; switches on the shortest path.
    int64_t (*latency_ps)(const Cluster *cluster, GpuId sender, GpuId dst);
    int32_t (*nswitches)(const Cluster *cluster, GpuId sender, GpuId dst);
    bool (*distance)(const Cluster *cluster, int32_t k, Distance *distance); ///< routing_distance
    int64_t (*least_latency_ps)(const Cluster *cluster); ///< routing_least_latency_ps
    double (*bisection_Bps)(const Cluster *cluster);     ///< cluster_bisection_Bps

    /// The cable of a fault.   Fails: STATUS_RANGE: there is none.
    Status (*fault_cable)(const Cluster *cluster, const LinkFaultSpec *fault, int64_t *cable);
    /// First cable (of nic_ports) of a GPU's NIC.
    int64_t (*nic_cable)(const Cluster *cluster, GpuId gpu);
    /// Cables upwards from a switch, and the one at a port; all of a switch that GPUs can use, as many as there is room
    /// for: returns how many.
    int32_t (*nports_up)(const Cluster *cluster, int32_t level, SwitchId id);
    CableRef (*cable_up)(const Cluster *cluster, int32_t level, SwitchId id, int32_t port);
    int32_t (*cables_of)(const Cluster *cluster, int32_t level, SwitchId id, int32_t room,
                         CableRef cable[]);

    /// cluster_first_gpu_below of a cable; its lower and its upper end, and their names.
    GpuId (*first_gpu_below)(const Cluster *cluster, CableRef cable);
    void (*ends)(const Cluster *cluster, CableRef cable, CableEnd end[2]);
    void (*name_ends)(const Cluster *cluster, CableRef cable, char lower[CLUSTER_NAME_BYTES],
                      char upper[CLUSTER_NAME_BYTES]);
} Topology;

extern const Topology tree_fabric, graph_fabric;

#endif
