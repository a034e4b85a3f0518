/// cable_list.h: a graph as a list of cables, one a line, with every error at its place.
///
/// Idea.    from,to,count,tier
///          gpu 17,leaf 3            a cable of the NIC of GPU 17
///          leaf 3,spine 12,2        two parallel cables; up is from the first to the second
///          spine 0,spine 1,1,ring   a tier by name
///          Columns count and tier may be left out; empty lines and those that begin with # are skipped. A switch is called by
///          its tier and a number, which count from 0 without gaps. The tier of a cable is the higher one of its ends; of two
///          switches of one tier the next.
/// Limits.  No quotes. Ends of a cable that goes down are exchanged.
#ifndef COLOSSIM_CLUSTER_CABLE_LIST_H
#define COLOSSIM_CLUSTER_CABLE_LIST_H

#include "cluster/graph_wiring.h"

typedef struct ListedCables {
    int64_t nswitches[FATTREE_LEVELS]; ///< by level
    GraphCables cables;                ///< between switches
    ARRAY_OF(GraphCable) nics;         ///< a: GPU, b: switch; both in the order of the text
} ListedCables;

/// Read spec->cable_text. Ends in the lists are vertices (graph.h).
///   Fails: STATUS_INPUT with lines "file:line:column: what is wrong", as many as a Status holds. Also then the lists are the
///   caller's to release.
Status cable_list_read(const ClusterSpec *spec, ListedCables *list);

#endif
