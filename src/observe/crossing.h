/// crossing.h: who crosses the hot links of a step: found afterwards by walking the routes again.
///
/// Idea.    The transfers of a step follow from programs and groups; each edge is routed once more with the hash the
///          engine used, and what crosses a hot link is added to its traffic by kind and to its largest users.
/// Limits.  Cost: one route per edge of the job and step, on rank 0.
#ifndef COLOSSIM_OBSERVE_CROSSING_H
#define COLOSSIM_OBSERVE_CROSSING_H

#include "driver/machine.h"
#include "trace/trace.h"

/// A Crossing (record.h); context is the Machine.
void crossing_name_users(const void *context, TraceHotLink hot[], int32_t n);

/// Walking edges over a set of hot links, whatever the job.
typedef struct EdgeWalk EdgeWalk; // opaque

/// hot[n] is borrowed until crossing_end.
EdgeWalk *crossing_begin(const Cluster *cluster, int32_t queue_pairs, TraceHotLink hot[],
                         int32_t n);
/// An edge that carries `bytes` per unit of its weight in all.
void crossing_walk(EdgeWalk *walk, uint64_t connection, TraceTraffic traffic, Edge edge,
                   int64_t bytes);
void crossing_end(EdgeWalk *walk);

#endif
