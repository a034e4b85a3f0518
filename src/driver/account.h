/// account.h: where a step goes: three clocks and the signed parts that sum to the step exactly.
///
/// Idea.    Every operation is played on three clocks at once: `actual`; `alone`, at nominal speed with every transfer at
///          its alone-time; `ideal`, at nominal speed with free communication. On the compute stream of a GPU
///              bubble      = waiting on the ideal clock
///              pp, dp, ... = waiting added on the alone clock, charged to the kind of operation that released it
///              tp          = tensor-parallel communication inside compute that is not hidden
///              contention  = waiting added on the actual clock because the releasing transfer was slowed
///              straggler   = the rest of what the actual clock adds: somebody (or an earlier transfer) was late
///              own_slow    = own compute slower than nominal (noise)
///              sharing     = own compute slowed by a collective that takes SMs and memory bandwidth meanwhile
///          Each part is signed; nothing is called other; the sum is the step to the picosecond.
/// Limits.  A wait has one releasing operation, the last; a slowed transfer behind another slowed transfer of the same
///          stream counts the first as lateness.
#ifndef COLOSSIM_DRIVER_ACCOUNT_H
#define COLOSSIM_DRIVER_ACCOUNT_H

#include <stdint.h>

#include "trace/schema.h"

/// One moment on the three clocks.
typedef struct Clocks {
    int64_t actual_ps, alone_ps, ideal_ps;
} Clocks;

/// Element-wise maximum: what waits for both.
Clocks clocks_max(Clocks a, Clocks b);

/// What released a wait: when, of which kind, and how much longer than alone its transfer took.
typedef struct Release {
    Clocks at;
    TracePart
        kind; ///< the exposed part it is charged to; TRACE_PART_COMPUTE if no communication was waited for
    int64_t slowed_ps; ///< actual minus alone duration of the releasing transfer, >= 0
} Release;

/// Add the wait between `before` (stream free) and the releases to the parts; returns the moment it can go on.
///   release[n], n >= 0;  now_ps: actual time of going on
Clocks account_wait(int64_t parts[TRACE_PART_N], Clocks before, const Release release[], int32_t n,
                    int64_t now_ps);

#endif
