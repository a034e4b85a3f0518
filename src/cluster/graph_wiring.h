/// graph_wiring.h: the switches and cables of torus, mesh and dragonfly, from their spec.
///
/// Idea.    Switch x + n2 (y + n3 z) of a torus or mesh of n2 x n3 x n4 has NICs by number as a leaf of a tree has; the tiers
///          2 .. are the dimensions, a cable goes up from each switch to the next (`lanes` times), and in a torus from the last
///          to the first where there are more than two.
///          A dragonfly has switch a g + s as switch s of group g (a of them a group), each joined to each of its group by
///          `lanes`. Global port k = h s + i of a group of a h goes to the group (k mod (groups - 1)) + 1 further on, as
///          many times as ports allow; ports left over are not used. So two groups have a h / (groups - 1) cables. A
///          global cable is DRAGONFLY_GLOBAL_LENGTH times as long as a local one to who looks for short paths, so that
///          these cross one at most, as minimal routing of a dragonfly does.
/// Source.  Dally and Towles, "Principles and Practices of Interconnection Networks" (2004), ch. 5. Kim et al.,
///          "Technology-Driven, Highly-Scalable Dragonfly Topology", ISCA 2008.
#ifndef COLOSSIM_CLUSTER_GRAPH_WIRING_H
#define COLOSSIM_CLUSTER_GRAPH_WIRING_H

#include "base/array.h"
#include "base/status.h"
#include "cluster/cluster.h"
#include "cluster/graph.h"

enum { DRAGONFLY_GLOBAL_LENGTH = 3 };

typedef ARRAY_OF(GraphCable) GraphCables;

/// Switches of level 1, and all cables between them.
///   Fails: STATUS_RANGE: there are more than GRAPH_CABLES_MAX, or a dragonfly has too few global ports.
Status graph_wire(const ClusterSpec *spec, int64_t *nswitches, GraphCables *cables);

#endif
