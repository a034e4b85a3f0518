/// load.h: from samples of links to what the trace holds of a step or an interval: tiers, histograms, hottest links.
///
/// Idea.    Each rank sums the links it owns (those whose first GPU below lives there); sums of ranks merge exactly, since
///          they are integers and the hottest links are a total order: most lost bytes, then most bytes, then least id. A
///          sample may stand for a bundle (spray, adaptive): its bytes spread evenly over its links.
#ifndef COLOSSIM_DRIVER_LOAD_H
#define COLOSSIM_DRIVER_LOAD_H

#include "cluster/cluster.h"
#include "engine/engine.h"
#include "par/partition.h"
#include "trace/trace.h"

/// Part of a span's load; plain bytes, so that ranks can hand it over.
typedef struct LoadSum {
    int64_t start_ps, end_ps;
    TraceTierLoad tier[TRACE_TIERS_MAX]
                      [TRACE_DIRECTIONS]; ///< idle links not counted in histogram[0]
    int64_t nhot;
    LinkSample hot[]; ///< [hot_links], hottest first
} LoadSum;

/// Who owns which link.
typedef struct LoadOwner {
    const Cluster *cluster;
    Partition nodes;
    int rank;
} LoadOwner;

/// True if this rank owns a link.
bool load_owns(const LoadOwner *owner, LinkId link);
size_t load_sum_bytes(int32_t hot_links);
/// Add those of sample[n] that this rank owns to a zeroed sum whose span is set.
void load_add(const LoadOwner *owner, const LinkSample sample[], int64_t n, int32_t hot_links,
              LoadSum *sum);
/// Merge the sum of another rank of the same span.
void load_merge(const LoadSum *other, int32_t hot_links, LoadSum *sum);
/// What the trace wants.
///   hot[hot_links]  out, storage that load->hot borrows; named, users left empty
void load_finish(const Cluster *cluster, const LoadSum *sum, TraceHotLink hot[], TraceLoad *load);

#endif
