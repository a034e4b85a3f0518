/// fattree.h: the arithmetic of a parallel-port generalised fat tree, and nothing else.
///
/// Idea.    PGFT(h; m1..mh; w1..wh; p1..ph): a node of level l is a pair (subtree, index). The
///          subtree says which endpoints are below it (M_l = m_1..m_l of them), the index which of
///          the W_l = w_1..w_l equivalent roots of that subtree it is. The digits of the index are
///          the choices made on the way up:
///              index = d_1 + w_1 d_2 + w_1 w_2 d_3 + ...
///          A path between two endpoints below a common level-L subtree is one index 0 .. W_L - 1
///          (both sides pass through the same index at each level) and one lane for each link.
///          The top level may be filled in part: only `installed` of its m_h children exist. There may
///          be several trees behind each other, which nothing joins.
/// Source.  Zahavi, "D-Mod-K routing providing non-blocking traffic for shift permutations on real
///          life fat trees" (PGFT); Ohring et al., "On generalized fat trees" (XGFT).
#ifndef COLOSSIM_CLUSTER_FATTREE_H
#define COLOSSIM_CLUSTER_FATTREE_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/divider.h"

enum {
    FATTREE_LEVELS = 5
}; ///< levels 0 .. 4; arrays are indexed by level or by tier (tier t: level t-1 to t)

typedef struct FatTree {
    int32_t ntiers, ntrees;
    int32_t children[FATTREE_LEVELS]; ///< m_t
    int32_t parents[FATTREE_LEVELS];  ///< w_t
    int32_t lanes[FATTREE_LEVELS];    ///< p_t
    int32_t ports[FATTREE_LEVELS];    ///< computed: w_t p_t, up ports of a node of level t-1
    int64_t below[FATTREE_LEVELS];    ///< computed: M_l, endpoints below one node of level l
    int64_t indices[FATTREE_LEVELS];  ///< computed: W_l, equivalent roots of a level-l subtree
    int64_t
        subtrees[FATTREE_LEVELS]; ///< computed: installed subtrees of level l; ntrees at the top
    Divider by_children[FATTREE_LEVELS], by_parents[FATTREE_LEVELS], by_lanes[FATTREE_LEVELS],
        by_ports[FATTREE_LEVELS]; ///< computed
} FatTree;

/// Compute the products from ntiers, ntrees, children, parents, lanes (set for 1 .. ntiers) and
/// `installed`; of several trees the top has `installed` children, no more.
/// Returns false, leaving some of them unset, if a count would pass 2^48, or children or ports
/// DIVIDER_MAX.
bool fattree_init(FatTree *tree, int32_t installed);

/// Nodes of a level: endpoints for 0, switches for the others.
static inline int64_t fattree_nnodes(const FatTree *tree, int32_t level) {
    return tree->subtrees[level] * tree->indices[level];
}

/// Cables of a tier.
static inline int64_t fattree_ncables(const FatTree *tree, int32_t tier) {
    return fattree_nnodes(tree, tier - 1) * tree->ports[tier];
}

/// Links of a tier above one subtree of level tier - 1.
static inline int64_t fattree_subtree_links(const FatTree *tree, int32_t tier) {
    return tree->indices[tier - 1] * tree->ports[tier];
}

/// A cable of a tier, taken apart. cable = (subtree W_{t-1} + index) w_t p_t + parent + w_t lane.
typedef struct FatTreeCable {
    int64_t subtree, index; ///< of the lower node
    int64_t lower;          ///< id of the lower node within its level
    int64_t upper;          ///< id of the upper node within its level
    int32_t port;           ///< up port of the lower node: parent + w_t lane
} FatTreeCable;

FatTreeCable fattree_cable(const FatTree *tree, int32_t tier, int64_t cable);

#endif
