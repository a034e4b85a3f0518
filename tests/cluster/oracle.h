/// oracle.h: paths by brute force, from nothing but link ends and capacities.
///
/// Idea.    List all ways up from an endpoint, link by link; a path is a way up from the source and
///          a way up from the destination that meet in one switch. No arithmetic of the tree, hence
///          a witness against it.
/// Limits.  Small clusters.
#ifndef COLOSSIM_TESTS_CLUSTER_ORACLE_H
#define COLOSSIM_TESTS_CLUSTER_ORACLE_H

#include "cluster/cluster.h"

enum { ORACLE_WAYS_MAX = 3072 };

/// A way up from an endpoint to a switch of level `n`, by cables.
typedef struct Way {
    int32_t n;
    LinkId up[FABRIC_TIERS_MAX],
        down[FABRIC_TIERS_MAX]; ///< [tier - 1] the two directions of its cables
    SwitchId top;
} Way;

/// All ways from an endpoint to level `level` over cables that pass `live_only` (capacity > 0);
/// returns their number.
int32_t oracle_ways(const Cluster *cluster, int64_t endpoint, int32_t level, bool live_only,
                    Way ways[ORACLE_WAYS_MAX]);

/// Lowest level at which a way up from each endpoint meets in the healthy tree.
int32_t oracle_level(const Cluster *cluster, int64_t a, int64_t b);

/// Number of live paths between two endpoints at that level; loads[link - first_link(1, up)] gets
/// the paths over each link (`loads` may be NULL).
int64_t oracle_paths(const Cluster *cluster, int64_t a, int64_t b, int64_t loads[]);

#endif
