/// cluster.h: a machine as arithmetic: counts, ids and capacities of GPUs, switches and directed
/// links.
///
/// Idea.    The fabric is a graph of cables (graph.h) or, of any size, a parallel-port generalised fat
///          tree PGFT(h; m1..mh; w1..wh; p1..ph): a node of level l-1 has w_l parents and p_l parallel links to each, a
///          node of level l has m_l children. Level 0 is the NIC port. Nothing is built out: ids, neighbours, paths and
///          names are computed.
///              switch id of level l = subtree * W_l + index
///                  W_l = w_1..w_l, subtree = endpoint / M_l, M_l = m_1..m_l
///              up link of tier t = (node of level t-1) * w_t p_t + port
///                  port = parent + w_t * lane
///          Wiring RAIL renumbers endpoints: NIC r of every node of a unit goes to leaf r of that
///          unit (m_1 nodes a unit), endpoint = (unit * R + r) * m_1 + node_in_unit; PLAIN:
///          endpoint = node * R + r; RAIL_ONLY: all nodes are one unit, and its rails have trees of their
///          own, between which nothing is: every message that changes rail hops over its scale-up
///          domain first. Where children of the top level (sites, islands) are filled to less than they have room for,
///          `node` here is the number of the place the node is at.
///          Tier 0 is the scale-up domain: one egress (up) and one ingress (down) link per GPU.
///          Where a NIC has several ports, it is a tier of its own, numbered after those of the
///          fabric: one link a NIC and direction, which all that its ports carry crosses, of the
///          NIC's goodput. (A single port is no wider than its NIC: it needs no second link.)
///          Planes need nothing more: w_1 parents of a NIC are w_1 copies of the tree above it, since
///          the first digit of an index stays the same all the way up and down (fattree.h).
/// Limits.  One NIC per GPU, all of one kind. Nodes may differ in how many GPUs they have, in their kind, which is one a
///          node, and in their scale-up domains (node_runs.h). A chassis of several line cards is a switch per card.
/// Source.  Zahavi, "D-Mod-K routing providing non-blocking traffic for shift permutations on real
///          life fat trees" (PGFT, d-mod-k); Ohring et al., "On generalized fat trees" (XGFT).
#ifndef COLOSSIM_CLUSTER_CLUSTER_H
#define COLOSSIM_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "hardware/hardware.h"

typedef int64_t GpuId; ///< node * gpus_per_node + slot
typedef int64_t NodeId;
typedef int64_t SwitchId; ///< within its level
typedef int64_t LinkId;   ///< directed link, or a bundle of links (ids after all links); -1 none

enum {
    FABRIC_TIERS_MAX = 4,
    CLUSTER_NAME_BYTES = 96,
    CLUSTER_PATH_BYTES = 1024,
    CLUSTER_FAULTS_MAX = 256,
    CLUSTER_SLOW_MAX = 64,
    CLUSTER_EVENTS_MAX = 256,
    CLUSTER_GPU_KINDS_MAX = 4,
    CLUSTER_FILLED_MAX = 16,
};

/// How switches are joined: what the tiers of a spec mean.
///     tree       PGFT, see above
///     torus      tier 1: NICs at a switch; tiers 2 ..: switches along a dimension, `lanes` cables between neighbours
///     mesh       the same without the cables that close the rings
///     dragonfly  tier 1: NICs at a switch; 2: switches of a group, each joined to each by `lanes`; 3: groups, `parents` global
///                cables a switch
///     graph      cables as listed
typedef enum FabricKind {
    FABRIC_TREE,
    FABRIC_TORUS,
    FABRIC_MESH,
    FABRIC_DRAGONFLY,
    FABRIC_GRAPH
} FabricKind;
extern const char *const FABRIC_NAMES[]; ///< then NULL

typedef enum Wiring { WIRING_PLAIN, WIRING_RAIL, WIRING_RAIL_ONLY } Wiring;
extern const char *const WIRING_NAMES[]; ///< then NULL
typedef enum Routing {
    ROUTING_ECMP,
    ROUTING_DMODK,
    ROUTING_SPRAY,
    ROUTING_ADAPTIVE,
    ROUTING_DOR ///< graphs: lowest tier first, on torus and mesh dimension order
} Routing;
extern const char *const ROUTING_NAMES[]; ///< then NULL
typedef enum LinkDirection { LINK_UP, LINK_DOWN } LinkDirection;

/// One tier: the links from level t-1 up to level t, and the switches of level t.
typedef struct TierSpec {
    char name[HARDWARE_NAME_BYTES]; ///< "leaf", "spine", "core"
    int32_t children;               ///< m_t: room for children below one switch of this level
    int32_t parents;  ///< w_t: switches of this level above one node of the level below
    int32_t lanes;    ///< p_t: parallel links to each parent
    int64_t link_Bps; ///< line rate of one link
    int64_t cable_ps; ///< propagation of one cable
    SwitchSpec switch_spec;
} TierSpec;

/// A dead (fraction 0) or degraded link pair (both directions), given by its upward end, or by name.
typedef struct LinkFaultSpec {
    int32_t tier;    ///< 1 .. ntiers
    int64_t lower;   ///< node of level tier-1 (tier 1: endpoint of the GPU's NIC, given as GpuId)
    int32_t port;    ///< 0 .. w p - 1
    double fraction; ///< remaining capacity, 0 <= fraction < 1
    char what[HARDWARE_NAME_BYTES]; ///< a single cable, as in trouble.h; "": see above
} LinkFaultSpec;

#define CLUSTER_SLOWER_MOST 1e6 /* times as long work takes at most */

/// GPUs, nodes or racks that are slower than nominal, at times; `what` as in trouble.h.
typedef struct SlowSpec {
    char what[HARDWARE_NAME_BYTES];
    double compute,
        nic; ///< their work, and the bytes of their NICs, take so many times as long; >= 1
    int64_t from_ps, until_ps; ///< from <= t < until
} SlowSpec;

/// From at_ps on, until another event of the same `what`, that much is left of it: of the speed of a GPU and its NIC, of
/// the capacity of links. 0: it is dead.
typedef struct EventSpec {
    char what[HARDWARE_NAME_BYTES];
    int64_t at_ps;
    double remaining; ///< 0 <= remaining <= 1
} EventSpec;

/// Nodes from one on are others than those before.
typedef struct OtherNodesSpec {
    int64_t from; ///< node
    GpuSpec gpu;
    int32_t gpus;         ///< of a node; 0: as many as the first nodes have
    ScaleUpSpec scale_up; ///< without GPUs: that of the first nodes
} OtherNodesSpec;

typedef struct ClusterSpec {
    char name[HARDWARE_NAME_BYTES];
    int64_t nodes;
    int32_t gpus_per_node; ///< also NICs per node, and rails; of nodes before the first of others
    GpuSpec gpu;           ///< theirs
    ScaleUpSpec scale_up;  ///< theirs
    int32_t nothers;
    OtherNodesSpec other[CLUSTER_GPU_KINDS_MAX - 1]; ///< by rising node
    NicSpec nic;
    FabricKind fabric;
    char cables[CLUSTER_PATH_BYTES]; ///< of a graph: the file of its cables
    const char *cable_text;          ///< and what is in it (cable_list.h); borrowed
    int32_t ntiers;
    TierSpec tier[FABRIC_TIERS_MAX]; ///< [t-1]
    int32_t installed; ///< children of the top level that exist, <= tier[ntiers-1].children
    int32_t nfilled;   ///< 0: nodes fill one child of the top level after the other
    int64_t filled[CLUSTER_FILLED_MAX]; ///< else nodes below each of them; they sum to `nodes`
    Wiring wiring;
    bool pxn; ///< cross-rail messages hop over the scale-up domain to the right rail first
    Routing routing;
    bool in_network_reduction; ///< switches add up what collectives send (SHARP)
    bool shared_seed;          ///< ecmp: all switches hash alike (polarisation)
    uint64_t ecmp_seed;
    int32_t nfaults;
    LinkFaultSpec fault[CLUSTER_FAULTS_MAX];
    int32_t nslow;
    SlowSpec slow[CLUSTER_SLOW_MAX];
    int32_t nevents;
    EventSpec event[CLUSTER_EVENTS_MAX];
    int64_t reroute_delay_ps; ///< until routing knows of a change
    PowerSpec power;
} ClusterSpec;

typedef struct Cluster Cluster; // opaque

/// Check the spec (ports against radix, room against nodes, faults in range) and build the
/// arithmetic, or the graph.
///   MPI: local.  Fails: STATUS_RANGE with the two numbers that contradict each other; STATUS_INPUT with the places of what
///   is wrong in a list of cables.
Status cluster_create(const ClusterSpec *spec, Cluster **cluster);
void cluster_destroy(Cluster *cluster);
const ClusterSpec *cluster_spec(const Cluster *cluster);

/// What is slow or changes over time (trouble.h): at first the cluster is as at 0 ps.
/// When it changes next behind a moment: a speed, a capacity, or what routing knows; TIME_NEVER_PS: no more.
int64_t cluster_next_change_ps(const Cluster *cluster, int64_t after_ps);
/// Be as at now_ps: capacities as they are then, routes as far as routing has learned. Ids stay as they are.
void cluster_set_time(Cluster *cluster, int64_t now_ps);
/// Do links carry the same at all times, and does routing know?
bool cluster_spec_is_still(const ClusterSpec *spec);
/// Will it still change after the moment that it is as at? Then routing finds every message a path, if one that waits.
bool cluster_may_change(const Cluster *cluster);
/// Time multiplier of a GPU's work at a moment, in 2^-20, >= 2^20, but for the time it is dead; the largest of a
/// span, as CLUSTER_SLOWER_MOST where it is dead at times.
int64_t cluster_slow_factor(const Cluster *cluster, GpuId gpu, int64_t at_ps);
int64_t cluster_slowest_factor(const Cluster *cluster, GpuId gpu, int64_t from_ps, int64_t to_ps);
/// When a GPU works, at or after a moment: then, unless it is dead; TIME_NEVER_PS: never again.
int64_t cluster_works_from_ps(const Cluster *cluster, GpuId gpu, int64_t at_ps);
/// Do all GPUs always work at the same speed?
bool cluster_is_even(const Cluster *cluster);

/// Kinds of GPUs, 0 .. cluster_ngpu_kinds - 1 by rising node; kind 0 is what is nominal.
int32_t cluster_ngpu_kinds(const ClusterSpec *spec);
const GpuSpec *cluster_gpu_of_kind(const ClusterSpec *spec, int32_t kind);
/// Of their nodes: GPUs, and the scale-up domain.
int32_t cluster_gpus_of_kind(const ClusterSpec *spec, int32_t kind);
const ScaleUpSpec *cluster_scale_up_of_kind(const ClusterSpec *spec, int32_t kind);
/// Have some kinds scale-up domains of their own?
bool cluster_domains_differ(const ClusterSpec *spec);
/// First GPU of a kind; kind cluster_ngpu_kinds: behind the last.
GpuId cluster_first_of_kind(const ClusterSpec *spec, int32_t kind);
/// GPUs of all nodes.
int64_t cluster_spec_ngpus(const ClusterSpec *spec);
int32_t cluster_gpu_kind(const ClusterSpec *spec, GpuId gpu);

int64_t cluster_ngpus(const Cluster *cluster);
/// GPUs of a rack: the nodes of a scale-up domain that holds several, else those that share their leaves. Where nodes
/// differ, of a rack of a kind.
int64_t cluster_rack_gpus(const ClusterSpec *spec, int32_t kind);
/// Scale-up domain of a GPU: it may hold many nodes, or be part of one.
int64_t cluster_domain_of(const Cluster *cluster, GpuId gpu);
/// Tree endpoint (level-0 index) of a GPU's NIC and back; -1 for an endpoint without a GPU.
int64_t cluster_endpoint_of(const Cluster *cluster, GpuId gpu);
GpuId cluster_gpu_at(const Cluster *cluster, int64_t endpoint);
/// Switches installed at `level` (1..ntiers; a torus, mesh or dragonfly has them at level 1), and inter-switch or NIC cables
/// of tier t (1..ntiers).
int64_t cluster_nswitches(const Cluster *cluster, int32_t level);
int64_t cluster_ncables(const Cluster *cluster, int32_t tier);
/// Ports of a switch of `level` that its links take, of its own tier and those below, and upwards; where switches differ
/// (a graph), of the fullest.
void cluster_switch_ports(const Cluster *cluster, int32_t level, int64_t *down, int64_t *up);
/// Ports of all switches of a level that cables take; partial fill leaves some free.
double cluster_ports_in_use(const Cluster *cluster, int32_t level);
/// Bytes per second that can cross from one half of the GPUs to the other, one way: half of what all subtrees of a level
/// can send out together, each its GPUs' share at most, at the level where that is least; levels that no message between
/// GPUs leaves do not count, nor do faults. Where fabrics are no trees, the least flow between two halves, of halves along
/// each dimension of a torus or mesh, of those by number and by distance from an end of others (the least of all halves is hard).
double cluster_bisection_Bps(const Cluster *cluster);

/// Directed physical links of all tiers, tier 0 included: ids 0 .. nlinks-1.
int64_t cluster_nlinks(const Cluster *cluster);
/// Links and bundles: ids 0 .. nresources-1. A bundle is what `spray` and `adaptive` load as a
/// whole: all up (down) links of a tier from (to) one subtree, split by path class where a fault
/// makes links differ.
int64_t cluster_nresources(const Cluster *cluster);
/// Tiers of links: the scale-up domain, those of the fabric, and the NICs if they have several ports.
int32_t cluster_ntiers(const Cluster *cluster);
/// "scale-up", the name of a tier of the fabric, "nic".
const char *cluster_tier_name(const Cluster *cluster, int32_t tier);
/// First link id and count of (tier 0 .. cluster_ntiers - 1, direction).
LinkId cluster_first_link(const Cluster *cluster, int32_t tier, LinkDirection direction);
int64_t cluster_tier_links(const Cluster *cluster, int32_t tier);
/// The upward link of a good cluster's fault.
LinkId cluster_fault_link(const Cluster *cluster, const LinkFaultSpec *fault);
/// Tier and direction of a link or bundle.
int32_t cluster_link_tier(const Cluster *cluster, LinkId link);
LinkDirection cluster_link_direction(const Cluster *cluster, LinkId link);
/// Goodput in bytes per second (line rate times the NIC's goodput share, rounded down; 0 if dead).
/// Tier 0: the scale-up goodput; NICs: theirs. For a bundle the sum over its live links (adaptive) or live links
/// times the slowest of them (spray).
int64_t cluster_capacity_Bps(const Cluster *cluster, LinkId link);
/// The same at its best of all times (trouble.h): what utilisation over a span is a part of.
int64_t cluster_best_Bps(const Cluster *cluster, LinkId link);
/// Goodput of a healthy link of a tier, one way; of tier 0 the mean where domains differ.
int64_t cluster_healthy_Bps(const Cluster *cluster, int32_t tier);
/// Goodput of all links of a tier (>= 1) up from one subtree (of a graph: one link, of tier 1 those of a NIC), healthy, one
/// way; below 2^60.
int64_t cluster_uplinks_Bps(const Cluster *cluster, int32_t tier);
/// Can what crosses a resource ever fill it? A healthy bundle whose links carry at least as much as all links below its
/// subtree that feed it (drain it, on the way down) cannot: those are full before. It holds nobody back, so engines leave
/// it out of what they solve, and replicas that meet on it alone do not meet.
bool cluster_can_bind(const Cluster *cluster, LinkId link);
/// Number of physical links a resource stands for, dead ones included (1 for a link; 0 for a path
/// class that others use up, which is never loaded).
int64_t cluster_resource_width(const Cluster *cluster, LinkId link);
/// i-th physical link of a resource, 0 <= i < width (for a link: itself).
LinkId cluster_resource_link(const Cluster *cluster, LinkId resource, int64_t i);
/// First GPU below a resource: it belongs to the MPI rank that owns this GPU. The last GPU of the
/// cluster where partial fill leaves none below (such a resource is never loaded).
GpuId cluster_first_gpu_below(const Cluster *cluster, LinkId link);
/// Lower and upper end of a link: node ids of levels tier - 1 (tier 1: endpoint) and tier (switch). Of a graph: of their own
/// levels, the lower one as GPU at tier 1.
/// Tier 0: the GPU and its scale-up domain; NICs: the GPU and its endpoint.
void cluster_link_ends(const Cluster *cluster, LinkId link, int64_t *lower, SwitchId *upper);
/// Human name, e.g. "leaf 1203 port 17 -> spine 64", "gpu 17 nic ->"; returns `text`.
const char *cluster_link_name(const Cluster *cluster, LinkId link, char text[CLUSTER_NAME_BYTES]);

#endif
