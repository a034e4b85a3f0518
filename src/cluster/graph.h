/// graph.h: switches joined by a list of cables, and how far they are from each other. Nothing of GPUs, rates or routing.
///
/// Idea.    Switches are vertices 0 .. nswitches - 1, those of level 1 first. Cables are sorted by tier, and numbered within
///          it; each is an arc both ways, and the arcs of a vertex stand by rising cable. A cable is as long as its tier says: 1,
///          where a network wants few cables of one kind on a path more. How far a switch is from all others is found when
///          somebody asks for the first time (a label-correcting search, breadth-first where all are as long), and kept as a
///          row of 16-bit lengths: as many rows as fit ROWS_BYTES, the oldest give way. Rows are a cache: what they hold
///          decides nothing.
/// Limits.  GRAPH_CABLES_MAX cables between switches; shortest paths only.
#ifndef COLOSSIM_CLUSTER_GRAPH_H
#define COLOSSIM_CLUSTER_GRAPH_H

#include "cluster/fattree.h"

enum {
    GRAPH_CABLES_MAX = 1 << 20,
    GRAPH_PORTS_MAX = 16,    ///< of a NIC
    GRAPH_DEGREE_MAX = 4096, ///< cables from a switch to others
    GRAPH_LENGTH_MAX = 3,    ///< of a cable
    GRAPH_UNREACHED = UINT16_MAX,
};

typedef struct GraphCable {
    int32_t tier; ///< >= 2
    int32_t a, b; ///< vertices; up is from a to b
} GraphCable;

typedef struct GraphArc {
    int32_t to;    ///< vertex
    int32_t cable; ///< position in Graph.cable
    bool down;
} GraphArc;

/// Lengths of paths to some switches.
typedef struct GraphRows {
    bool live;           ///< over cables that are not dead
    int32_t capacity, n; ///< rows at most, and made so far
    int32_t next;        ///< to be given away when all are in use
    uint16_t **row;      ///< [capacity] of [nswitches]
    int32_t *target;     ///< [capacity]
    int32_t *row_of;     ///< [nswitches] or -1
} GraphRows;

typedef struct Graph {
    int32_t nswitches;
    int32_t first_switch[FATTREE_LEVELS + 1]; ///< [level], from 1 on; then nswitches
    int64_t ncables;
    GraphCable *cable;
    int64_t first_cable[FATTREE_LEVELS + 1]; ///< [tier], from 2 on; then ncables
    int32_t *arc_first;                      ///< [nswitches + 1]
    GraphArc *arc;                           ///< [2 * ncables]
    bool *dead;                              ///< [ncables] to the knowledge of routing
    int64_t nnics;
    int32_t nic_ports;
    int32_t *attach;                ///< [nnics * nic_ports] vertex
    int32_t length[FATTREE_LEVELS]; ///< of a cable, by tier
    int32_t *queue;                 ///< [nswitches] for searches: a ring
    bool *queued;                   ///< [nswitches] in it
    GraphRows live, healthy;
} Graph;

/// A graph without cables yet, which will have length 1; the caller sets attach, and other lengths.
Graph *graph_new(int64_t nnics, int32_t nic_ports);
/// Take over how many switches there are of each level (from 1 on) and the cables, in any order of tiers (the order within
/// one is kept).
void graph_join(Graph *graph, const int64_t nswitches[FATTREE_LEVELS], int64_t ncables,
                const GraphCable cable[]);
void graph_free(Graph *graph);

/// Forget what is known of live cables.
void graph_forget(Graph *graph);
/// How far each switch is from `target`, GRAPH_UNREACHED where there is no way. Good until GRAPH_ROWS_LEAST other targets
/// have been asked for.
enum { GRAPH_ROWS_LEAST = 4 * GRAPH_PORTS_MAX };
const uint16_t *graph_distances(Graph *graph, bool live, int32_t target);

/// Level and number within it of a switch.
static inline int32_t graph_level(const Graph *graph, int32_t vertex) {
    int32_t level = 1;
    while (vertex >= graph->first_switch[level + 1]) level++;
    return level;
}

/// The most that can flow between two sets of switches.
///   rate[FATTREE_LEVELS]            of a cable one way, by tier
///   from[nswitches], to[nswitches]  what each can send and take
int64_t graph_flow(const Graph *graph, const int64_t rate[FATTREE_LEVELS], const int64_t from[],
                   const int64_t to[]);

#endif
