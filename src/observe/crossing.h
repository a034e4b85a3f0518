/// crossing.h: who crosses the hot links of a step: found afterwards by walking the routes again.
///
/// Idea.    The transfers of a step follow from programs and groups, or are the flows of a traffic job; each edge is routed
///          once more with the hash the engine used, and what crosses a hot link is added to its traffic by kind and to its
///          largest users.
/// Limits.  Cost: one route per edge of the job and step, on rank 0.
#ifndef COLOSSIM_OBSERVE_CROSSING_H
#define COLOSSIM_OBSERVE_CROSSING_H

#include "trace/trace.h"

/// Of a Machine, and of a TrafficRun; each a Crossing (record.h).
void crossing_of_training(const void *machine, TraceHotLink hot[], int32_t n);
void crossing_of_traffic(const void *traffic, TraceHotLink hot[], int32_t n);

#endif
