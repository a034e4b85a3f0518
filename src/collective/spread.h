/// spread.h: where the members of a collective are, and how far from each other.
#ifndef COLOSSIM_COLLECTIVE_SPREAD_H
#define COLOSSIM_COLLECTIVE_SPREAD_H

#include "cluster/cluster.h"
#include "collective/domains.h"

typedef struct Spread {
    Domains domains;
    /// Mean latency between the ends of the edges across domains: what a chunk that travels around
    /// the ring waits for paths, per round.
    int64_t latency_ps;
    /// Kind of nodes (cluster_scale_up_of_kind) whose domains are slowest of the members': the chain passes all.
    int32_t kind;
} Spread;

/// Of the GPUs gpu(context, i), 0 <= i < n; n >= 1.   Cost: O(n).
Spread spread_make(const Cluster *cluster, int64_t n, GpuId (*gpu)(const void *context, int64_t i),
                   const void *context);
void spread_free(Spread *spread);

#endif
