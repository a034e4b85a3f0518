/// trouble.h: what of a cluster is slow, dies or returns, and when.
///
/// Idea.    A *site* is named as links and switches are in traces:
///              gpu 17, gpu 8-15         GPUs: their work and their NICs
///              node 3, node 3-5         those of nodes
///              rack 2, rack 0-1         those of racks: the nodes of a scale-up domain that holds several, else those
///                                       that share their leaves
///              gpu 17 nic [port 1]      cables of a NIC
///              spine 12, leaf 3         all cables of a switch, named by its tier
///              leaf 3 port 17           a cable upwards from a switch, in graphs any of its cables to others
///          Slow spells and events that name the same words are one *cause*. What a cause leaves of a thing at a moment
///          follows from the spec; what several leave is the product. So the state at any moment is a pure function of the
///          time: speeds of GPUs are computed when they are asked for, and cables that any cause ever touches stand
///          in the list of faults from the beginning. What routing knows is the state of reroute_delay_ps ago, at first
///          that of 0 ps.
/// Limits.  At most LINK_FAULTS_MAX cables. A scale-up domain does not fail.
#ifndef COLOSSIM_CLUSTER_TROUBLE_H
#define COLOSSIM_CLUSTER_TROUBLE_H

#include "base/array.h"
#include "cluster/cluster.h"
#include "cluster/linkfault.h"
#include "cluster/topology.h"

typedef enum SiteKind { SITE_GPUS, SITE_NIC, SITE_SWITCH, SITE_UPLINK } SiteKind;

typedef struct Site {
    SiteKind kind;
    int32_t level;       ///< of a switch
    int64_t first, last; ///< GPUs; or the GPU of a NIC, or a switch, twice
    int32_t port;        ///< -1: all
} Site;

/// A thing, and all that happens to it.
typedef struct Cause {
    const char *what; ///< in the spec
    Site site;
} Cause;

/// A cable that a cause touches.
typedef struct TroubledCable {
    int32_t cause, fault;
} TroubledCable;

enum { CAUSES_MAX = CLUSTER_SLOW_MAX + CLUSTER_EVENTS_MAX };

typedef struct Troubles {
    int32_t ncauses;
    Cause cause[CAUSES_MAX];
    ARRAY_OF(TroubledCable) cable;
    double lasting[LINK_FAULTS_MAX]; ///< by fault: what the spec's own faults leave
    bool even;                       ///< no GPU ever works slower than another
} Troubles;

/// Read a site.   Fails: STATUS_RANGE saying what is wrong with it.
Status site_parse(const Cluster *cluster, const char *what, Site *site);
/// The cable of a fault, in whichever way it is named.   Fails: STATUS_RANGE.
Status troubles_fault_cable(const Cluster *cluster, const LinkFaultSpec *fault, CableRef *cable);
/// Read all sites of cluster->spec, and make cluster->faults of its faults and their cables.
///   Fails: STATUS_RANGE.
Status troubles_take(Cluster *cluster);
/// The most that there ever is of each cable and bundle; at the beginning in the end.
void troubles_find_best(Cluster *cluster);
/// Split of bundles (bundle.h) for all states that there will be.
int64_t troubles_split(Cluster *cluster);

#endif
