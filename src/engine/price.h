/// price.h: how long a transfer takes alone on its links, in the arithmetic of the engines.
///
/// Idea.    Work is counted in 2^-rate_bits B/s x ps, a 128-bit integer, of the edge with the fullest stream (routes.h):
///          bytes of progress are worth bytes * fullest * 2^rate_bits * 10^12, and nothing is rounded
///          before the end, which is the next whole picosecond. A transfer of level lambda does
///          level_work * lambda of it in a picosecond. R rounds wait R latencies: alone it takes R * round_latency +
///          bytes / B, which caps its level at the one that takes that long.
/// Limits.  bytes * fullest < 2^55.
#ifndef COLOSSIM_ENGINE_PRICE_H
#define COLOSSIM_ENGINE_PRICE_H

#include <stdint.h>

#include "base/units.h"
#include "base/wide.h"
#include "engine/engine.h"
#include "engine/routes.h"

#define PRICE_BYTES_MAX (INT64_C(1) << 55)

typedef struct Price {
    int64_t level;    ///< cap on the level, at least 1 unless a link is dead
    int64_t alone_ps; ///< TIME_NEVER_PS at level 0
} Price;

/// Work of `bytes` of progress on a route.
static inline Wide price_work(const Routes *routes, const Route *route, int64_t bytes) {
    return ((Wide)bytes * route->fullest << routes->rate_bits) * PS_PER_S;
}
/// Bytes of progress that `work` is worth, rounded up; 0 for work < 0. What is left of a transfer, in whole bytes.
int64_t price_bytes_left(const Routes *routes, const Route *route, Wide work);
/// Time for `work` >= 0 at `level`, rounded up; TIME_NEVER_PS if that is longer than a run can last.
int64_t price_duration_ps(Wide work, int64_t level_work, int64_t level);
/// When `work` left at now_ps is done at `level`; TIME_NEVER_PS if it does not end.
int64_t price_end_ps(int64_t now_ps, Wide work, int64_t level_work, int64_t level);
/// Time that a transfer loses in span_ps at `level`, where its cap is the level it has alone: span * (1 - level / cap),
/// in 2^-PRICE_DELAY_BITS ps. It is linear in the span, so that sums are the same however spans are cut; over the life of
/// a transfer it is the time it took more than alone, to 2 ps and 1 ps a second.
Wide price_delay(int64_t cap, int64_t level, int64_t span_ps);
/// The same of each picosecond.
int64_t price_loss(int64_t cap, int64_t level);
enum { PRICE_DELAY_BITS = 40 };
/// Hold the route of a transfer (routes_hold, of the links that are `own`) and price it. Zero bytes: the rounds alone.
///   Fails: as routes_hold; STATUS_RANGE for a transfer outside the arithmetic (bytes, rounds, times).
Status price_hold(Routes *routes, const Transfer *transfer, const LinkOwner *own, int32_t *route,
                  Price *price);
/// The error of a transfer whose price is TIME_NEVER_PS.
Status price_never_ends(const Transfer *transfer);

#endif
