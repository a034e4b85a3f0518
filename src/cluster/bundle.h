/// bundle.h: what spray and adaptive routing load: all links of a tier from or to one subtree, by
/// path class.
///
/// Idea.    Without faults a message spreads evenly over all links of the bundles it crosses: one
///          use per tier and direction. With faults it gives each path (an index below the common
///          level, see fattree.h) a worth:
///              spray     live lane choices along the path, so that the split is even over all live
///                        paths
///              adaptive  the smallest live share of a trunk on the path, so that thin paths get
///                        less
///          and a class of a bundle the sum of the worths of the paths through it. The worth is the
///          same for all paths of a class, so the sums are over classes, not paths. Weights are
///          whole parts of a unit of progress, which is cut into `split` parts: a common
///          denominator for all messages where one below 2^20 exists, else 2^20 with the remainder
///          dealt to the largest fractions, so that the sum is exact anyway.
/// Limits.  A degraded NIC lowers its own capacity, not the split. `split` is exact up to
///          BUNDLE_EXACT_FAULTS faults that split bundles.
#ifndef COLOSSIM_CLUSTER_BUNDLE_H
#define COLOSSIM_CLUSTER_BUNDLE_H

#include "cluster/cluster.h"
#include "cluster/fattree.h"
#include "cluster/linkfault.h"

enum { BUNDLE_EXACT_FAULTS = 4, BUNDLE_SPLIT_MAX = 1 << 20 };

/// A bundle id taken apart.
typedef struct Bundle {
    int32_t tier;
    LinkDirection direction;
    int64_t subtree; ///< of level tier - 1
    int32_t path_class;
} Bundle;

Bundle bundle_from_id(const Cluster *cluster, LinkId id);
LinkId bundle_id(const Cluster *cluster, int32_t tier, LinkDirection direction, int64_t subtree,
                 int32_t path_class);

/// Links in a bundle, dead ones included; 0 for a class whose indices all lie in deeper classes
/// (never loaded).
int64_t bundle_width(const Cluster *cluster, const Bundle *bundle);
/// i-th link, by rising index and lane.
LinkId bundle_link(const Cluster *cluster, const Bundle *bundle, int64_t i);
/// Sum over live links (adaptive) or live links times the slowest of them (spray), now.
int64_t bundle_capacity_Bps(const Cluster *cluster, const Bundle *bundle);
/// The most that it ever is (trouble.h).
int64_t bundle_best_Bps(const Cluster *cluster, const Bundle *bundle);
/// The bundle that a faulty cable is in, upwards; what stands there holds downwards too.
Bundle bundle_of_fault(const Cluster *cluster, const LinkFault *fault);

/// The least multiple of `split` that makes all weights whole, at most BUNDLE_SPLIT_MAX. Faults that have one class, tier
/// and share count as one for each side and lane: a message meets no more of them.
///   Cost: O(3^faults classes faults), for at most BUNDLE_EXACT_FAULTS faults that split bundles.
int64_t bundle_split(const FatTree *tree, const LinkFaults *faults, Routing routing, int64_t split);

/// Weights of the classes of each tier for a message with common level `level` and these faults.
///   weight[tier][class]  out; each row 1 .. level sums to `unit`, row of nclasses[tier]
/// Returns false if no path is alive.
bool bundle_weights(const FatTree *tree, const LinkFaults *faults, Routing routing, int32_t level,
                    const ActiveFaults *active, int64_t unit,
                    int32_t weight[FATTREE_LEVELS][PATH_CLASSES_MAX]);

#endif
