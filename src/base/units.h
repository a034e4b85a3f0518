/// units.h: the only conversions between picoseconds, bytes, rates and human units.
///
/// Idea.    Simulated time is int64_t picoseconds (+-106 days), sizes are int64_t bytes, capacities
///          are int64_t bytes per second. Bits exist only in the configuration reader.
/// Limits.  Nothing here rounds silently: each conversion states its rounding.
#ifndef COLOSSIM_BASE_UNITS_H
#define COLOSSIM_BASE_UNITS_H

#include <stdint.h>

#define PS_PER_NS INT64_C(1000)
#define PS_PER_US INT64_C(1000000)
#define PS_PER_MS INT64_C(1000000000)
#define PS_PER_S INT64_C(1000000000000)
#define TIME_NEVER_PS INT64_MAX
/// A run that gets here fails (53 days): whatever is then under way, and lasts no longer than that, still fits.
#define TIME_END_PS (INT64_C(1) << 62)

/// Convert picoseconds to seconds, rounded to the nearest double.
static inline double units_seconds_from_ps(int64_t time_ps) { return (double)time_ps / 1e12; }

/// Convert seconds (|s| < 9.2e6) to picoseconds, rounded to nearest.
int64_t units_ps_from_seconds(double seconds);

#endif
