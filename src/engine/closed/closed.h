/// closed.h: the closed engine: every transfer takes the time it would take alone on its links.
///
/// Idea.    A lower bound for any engine that shares links, an oracle where nothing is shared, and
///          a quick estimate of a run. The same prices and the same rounding as the flow engine, so
///          that transfers that never meet others end at the same picosecond in both.
/// Limits.  No contention: delay_ps and congested_ps are 0. No sampling intervals.
#ifndef COLOSSIM_ENGINE_CLOSED_CLOSED_H
#define COLOSSIM_ENGINE_CLOSED_CLOSED_H

#include "engine/engine.h"

#define CLOSED_NAME "closed"

extern const EngineOps CLOSED_ENGINE;

#endif
