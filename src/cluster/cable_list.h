/// cable_list.h: a graph as a list of cables, one a line, with every error at its place.
///
/// Idea.    from,to,count,tier
///          gpu 17,leaf 3            a cable of the NIC of GPU 17
///          leaf 3,spine 12,2        two parallel cables; up is from the first to the second
///          spine 0,spine 1,1,ring   a tier by name
///          Columns count and tier may be left out; empty lines and those that begin with # are skipped. A switch is called by
///          its tier and a number, which count from 0 without gaps. The tier of a cable is the higher one of its ends; of two
///          switches of one tier the next.
///          What is written of any fabric is read as the same cables in the same order: those of NICs by GPU, the others by
///          number, so that the k-th cable of a tier is its k-th link up and down.
/// Limits.  No quotes. Ends of a cable that goes down are exchanged. 2 GRAPH_CABLES_MAX cables.
#ifndef COLOSSIM_CLUSTER_CABLE_LIST_H
#define COLOSSIM_CLUSTER_CABLE_LIST_H

#include <stdio.h>

#include "cluster/graph_wiring.h"

enum { CABLE_COUNT_MAX = 4096 }; ///< parallel ones in a line

typedef struct ListedCables {
    int64_t nswitches[FATTREE_LEVELS]; ///< by level
    GraphCables cables;                ///< between switches
    ARRAY_OF(GraphCable) nics;         ///< a: GPU, b: switch; both in the order of the text
} ListedCables;

/// Read spec->cable_text. Ends in the lists are vertices (graph.h).
///   Fails: STATUS_INPUT with lines "file:line:column: what is wrong", as many as a Status holds. Also then the lists are the
///   caller's to release.
Status cable_list_read(const ClusterSpec *spec, ListedCables *list);

/// Print the cables of a cluster, NIC ports without a GPU left out; with all four columns.
///   Fails: STATUS_RANGE, before anything is printed: more cables or GPUs than can be read, or a tier whose name cannot stand
///   in a list.
Status cable_list_write(const Cluster *cluster, FILE *out);

#endif
