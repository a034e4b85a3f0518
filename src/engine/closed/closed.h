/// closed.h: the closed engine: every transfer takes the time it would take alone on its links.
///
/// Idea.    A lower bound for any engine that shares links, an oracle where nothing is shared, and
///          a quick estimate of a run. The same prices and the same rounding as the flow engine, so
///          that transfers that never meet others end at the same picosecond in both.
/// Limits.  No contention: delay_ps and congested_ps are 0. No sampling intervals.
#ifndef COLOSSIM_ENGINE_CLOSED_CLOSED_H
#define COLOSSIM_ENGINE_CLOSED_CLOSED_H

#include <stdbool.h>

#include "engine/engine.h"

typedef struct Closed Closed; // opaque

/// `owns(owner, link)` tells the links of this rank (NULL: all are); borrowed.
Closed *closed_create(const Cluster *cluster, bool (*owns)(const void *owner, LinkId link),
                      const void *owner);
void closed_destroy(Closed *closed);
/// Functions as in flow.h.  MPI: local.
Status closed_submit(Closed *closed, const Transfer *transfer);
int64_t closed_next_ps(const Closed *closed);
int64_t closed_now_ps(const Closed *closed);
void closed_advance(Closed *closed, int64_t to_ps);
int64_t closed_drain(Closed *closed, Completion completions[], int64_t capacity);
int64_t closed_nunfinished(const Closed *closed);
Status closed_alone_ps(Closed *closed, const Transfer *transfer, int64_t *duration_ps);
void closed_step_links(Closed *closed, int32_t step, LinkSink sink);
void closed_step_clear(Closed *closed, int32_t step);
EngineSizes closed_sizes(const Closed *closed);

#endif
