/// fluid.h: what a transfer under way does while its level stands: the one physics of all who play transfers.
///
/// Idea.    Of a transfer that loads links its work is left, as it was at settled_ps; since then it has run at its level.
///          Before the level changes, or to tell how far it is, it is settled. Its end follows from what is left (price.h).
///          What it has moved is told to sampling intervals in whole bytes; what is cut is carried to the next.
///
///              start          level changes            end     felt by others until
///              |-- level_work * level a ps --|-- ... --|-- ghost, control_delay --|
///              settled_ps ->                 settled_ps
/// Limits.  Whoever keeps transfers keeps these figures of them, as it suits its memory.
#ifndef COLOSSIM_ENGINE_FLOW_FLUID_H
#define COLOSSIM_ENGINE_FLOW_FLUID_H

#include "engine/price.h"

/// Of a transfer that starts at this moment and has not been solved; it has done nothing yet.
enum { LEVEL_UNKNOWN = -1 };

/// Charge the work done since settled_ps at `level`, which is known unless that is now.
static inline void fluid_settle(LooseWide *remaining, int64_t *settled_ps, int64_t level_work,
                                int64_t level, int64_t now_ps) {
    *remaining -= (Wide)(level_work * level) * (now_ps - *settled_ps);
    *settled_ps = now_ps;
}

/// Whole bytes that a settled transfer has moved since it was sampled last.
///   bytes  of the whole transfer
static inline int64_t fluid_sample(const Routes *routes, int32_t route, Wide remaining,
                                   int64_t bytes, int64_t *sampled_bytes) {
    int64_t moved = bytes - price_bytes_left(routes, &routes->at[route], remaining);
    int64_t since = moved - *sampled_bytes;
    *sampled_bytes = moved;
    return since;
}

/// Until when others feel a transfer that has ended now: the reaction time of congestion control.
static inline int64_t fluid_felt_until_ps(int64_t now_ps, int64_t control_delay_ps) {
    return now_ps + control_delay_ps;
}

#endif
