#include "collective/tuning.h"

#include <math.h>

#include "base/units.h"

double collective_domain_s(CollectiveKind kind, double bytes, int32_t n,
                           const ScaleUpSpec *scale_up) {
    if (n == 1) return 0;
    const bool reduce = kind == COLLECTIVE_ALL_REDUCE;
    const double passes = reduce ? 2 : 1;
    const double steps = kind == COLLECTIVE_ALL_TO_ALL ? 1 : (n - 1) * passes;
    const double wire_bytes = bytes * ((n - 1) * passes) / n;
    const double rate_Bps = reduce && scale_up->reduce_Bps > 0 ? (double)scale_up->reduce_Bps
                                                               : (double)scale_up->goodput_Bps;
    const double start_s = units_seconds_from_ps(scale_up->collective_base_ps) +
                           steps * units_seconds_from_ps(scale_up->latency_ps);
    const double bulk_s =
        steps * units_seconds_from_ps(scale_up->bulk_latency_ps) + wire_bytes / rate_Bps;
    const double small_s = wire_bytes / (rate_Bps * scale_up->small_share);
    return start_s + fmin(bulk_s, small_s);
}
