/// clustercheck.h: does a ClusterSpec describe a machine that can be built?
///
/// Idea.    One check per fact, each naming the two numbers that contradict each other. A switch
///          port of P B/s may be split into floor(P / link rate) links.
/// Limits.  Says nothing about cost, power or cable length.
#ifndef COLOSSIM_CLUSTER_CLUSTERCHECK_H
#define COLOSSIM_CLUSTER_CLUSTERCHECK_H

#include "cluster/cluster_parts.h"

/// Check counts, rates and, of a tree, ports of a spec, before the fabric is built.   Fails: STATUS_RANGE.
Status clustercheck_spec(const ClusterSpec *spec);
/// Do routing and wiring fit the kind of fabric? Messages begin with their name.
Status clustercheck_routing(const ClusterSpec *spec);
Status clustercheck_wiring(const ClusterSpec *spec);
/// ClusterSpec.filled, of a spec that is fine otherwise; the message begins with its name.
Status clustercheck_filled(const ClusterSpec *spec);

/// Check that the nodes of a cluster that is being built find room in its tree.   Fails: STATUS_RANGE.
Status clustercheck_room(const Cluster *cluster);

/// Ports of a switch that so many links take, of no more than the rate of a port.
int64_t clustercheck_ports(const SwitchSpec *sw, int64_t links, int64_t link_Bps);
/// Of a tree: ports of a switch of `level` that its links take, downwards and upwards (0 at the top).
int64_t clustercheck_ports_down(const ClusterSpec *spec, int32_t level);
int64_t clustercheck_ports_up(const ClusterSpec *spec, int32_t level);

#endif
