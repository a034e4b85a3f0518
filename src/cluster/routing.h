/// routing.h: which links a message crosses, as arithmetic.
///
/// Idea.    A message of `queue_pairs` equal parts crosses each link with an integer weight: the
///          bytes it puts on the link per unit of its progress. One unit of progress is
///          routing_unit_bytes() bytes of the message.
///          ecmp   one hashed path per queue pair; every switch hashes with its own seed (or a
///                 shared one), dead links are left out of the choice; weight = queue pairs that
///                 take the link
///          dmodk  one path by destination: port = endpoint / (w_1..w_l) mod (w p), on the way down
///                 the same lane; past a dead cable the next port; weight = queue pairs
///          spray  even split over all live paths: bundles, the slowest path binds
///          adaptive  split by live capacity: bundles (see bundle.h for both)
///          dor    graphs: of the shortest paths those over the lowest tier first
///          On a graph all take shortest paths, and spray and adaptive split at each switch (graph_routes.c).
///          A message between domains uses NIC links of tier 1; a NIC of several ports itself too.
///          Its queue pairs take the ports in turn (ecmp and dmodk; the first by hash or by
///          destination), as hosts bind them; the other choices are the switches'. Inside a domain
///          the scale-up links of tier 0; with PXN (rail wiring) a cross-rail message may first go to
///          the GPU of the destination's slot on its own node (its *relay*), if that is of the same
///          communicator: whoever asks knows.
///          A path is live if each of its cables is, on both sides: a switch offers a port only if
///          a live path leads through it to the destination, as routing protocols withdraw what
///          they cannot reach.
///          Where no path is live but something of the cluster will still change, the message takes the path that it has
///          without faults: it carries nothing, and who waits there is routed anew (engine.h).
/// Limits.  No change of path during a message but for that. Detours longer than the shortest path are not
///          taken.
/// Source.  Zahavi (see fattree.h) for d-mod-k. NCCL's PXN goes by ranks of the communicator that it has found on the
///          node (src/graph/paths.cc, ncclTopoGetIntermediateRank).
#ifndef COLOSSIM_CLUSTER_ROUTING_H
#define COLOSSIM_CLUSTER_ROUTING_H

#include "cluster/cluster.h"

/// Weight >= 1: bytes on `link` per unit of progress of the message.
typedef struct LinkUse {
    LinkId link;
    int32_t weight;
} LinkUse;

enum { ROUTE_USES_MAX = 1024, QUEUE_PAIRS_MAX = 64 };

/// Bytes of the message per unit of progress: `queue_pairs`, times a common denominator where
/// faults split bundles.
int64_t routing_unit_bytes(const Cluster *cluster, int32_t queue_pairs);

/// GPU whose NIC would send for src: with PXN the one of the slot of dst on the same node, else src itself.
GpuId routing_relay(const Cluster *cluster, GpuId src, GpuId dst);

/// Links of a message from src to dst (src != dst), each link once, sorted by id.
///   sender       whose NIC sends: src, or its relay
///   flow_key     identifies the message for the hash; queue pair q hashes (flow_key, q)
///   uses[ROUTE_USES_MAX]  out;  *nuses  out
/// MPI: local.  Fails: STATUS_NO_PATH naming both GPUs and the dead tier.
Status routing_route_by(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst,
                        uint64_t flow_key, int32_t queue_pairs, LinkUse uses[], int32_t *nuses);
/// The same by the relay.
Status routing_route(const Cluster *cluster, GpuId src, GpuId dst, uint64_t flow_key,
                     int32_t queue_pairs, LinkUse uses[], int32_t *nuses);

/// A packet goes link by link: at a switch, or at a NIC (level 0), to the next.
typedef struct FabricPlace {
    int32_t level;
    int64_t number;         ///< as CableEnd (topology.h)
    int64_t subtree, index; ///< computed, of a tree: see fattree.h
} FabricPlace;
FabricPlace routing_place(const Cluster *cluster, int32_t level, int64_t number);
/// Where a link of tiers 1 .. of the fabric begins and ends.
void routing_link_places(const Cluster *cluster, LinkId link, FabricPlace *from, FabricPlace *to);

enum { ROUTE_HOPS_MAX = 256, ONWARD_MAX = 256 };

/// Links that one queue pair of a message is bound to, in the order that its packets cross them: with ecmp, dmodk and dor the
/// whole path, the same that routing_route_by loads. With spray and adaptive inside the domain alone, up to the NIC that
/// sends: from there on each place chooses (routing_onward).
///   path[ROUTE_HOPS_MAX]  out;  *n  out
/// MPI: local.  Fails: STATUS_NO_PATH; STATUS_RANGE for more than ROUTE_HOPS_MAX links.
Status routing_path(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst, uint64_t flow_key,
                    int32_t queue_pair, LinkId path[], int32_t *n);

/// Does each place choose, packet by packet: spray, adaptive?
bool routing_is_spread(const Cluster *cluster);

/// Links by which a packet gets nearer to its endpoint, all as near.
typedef struct Onward {
    int32_t n; ///< 0: there is no live way
    bool listed;
    LinkId first, step; ///< not listed: link k is first + k * step
    LinkId list[ONWARD_MAX];
} Onward;
static inline LinkId onward_link(const Onward *onward, int32_t k) {
    return onward->listed ? onward->list[k] : onward->first + k * onward->step;
}
/// Those that lead from a place to an endpoint (cluster_endpoint_of) elsewhere, up to ONWARD_MAX, by rising id.
void routing_onward(const Cluster *cluster, const FabricPlace *place, int64_t endpoint,
                    Onward *onward);

/// One-way latency of a path: adapters, cables and switches (or the scale-up step).
int64_t routing_latency_by_ps(const Cluster *cluster, GpuId src, GpuId sender, GpuId dst);
/// The same by the relay.
int64_t routing_latency_ps(const Cluster *cluster, GpuId src, GpuId dst);
/// A kind of way between GPUs: of trees by the level where it turns, of graphs by the switches from GPU 0.
typedef struct Distance {
    bool used; ///< some GPUs are so far from each other
    char label[2 * HARDWARE_NAME_BYTES];
    int32_t switches, cables;
    int64_t latency_ps; ///< one way
} Distance;
/// k-th of them, nearest first; false: there are no more.
bool routing_distance(const Cluster *cluster, int32_t k, Distance *distance);
/// Switches on the shortest path between two GPUs (0 inside a domain, 1 same leaf, 3, 5, 7).
int32_t routing_nswitches(const Cluster *cluster, GpuId src, GpuId dst);
/// Least one-way latency between any two GPUs of different nodes of this cluster; TIME_NEVER_PS for
/// one node, and for a graph, where it is not looked for.
int64_t routing_least_latency_ps(const Cluster *cluster);

#endif
