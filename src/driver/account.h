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

/// The two of nominal speed. A stream that nothing but its own operations moves on needs no more: the actual clock is
/// the moment at which it goes on.
typedef struct NominalClocks {
    int64_t alone_ps, ideal_ps;
} NominalClocks;

static inline NominalClocks clocks_nominal(Clocks at) {
    return (NominalClocks){.alone_ps = at.alone_ps, .ideal_ps = at.ideal_ps};
}
static inline Clocks clocks_at(int64_t actual_ps, NominalClocks at) {
    return (Clocks){.actual_ps = actual_ps, .alone_ps = at.alone_ps, .ideal_ps = at.ideal_ps};
}
/// Element-wise maximum: what waits for both.
Clocks clocks_max(Clocks a, Clocks b);

/// The parts that differ from step to step, which are summed up while one is played.
typedef enum AccountPart {
    ACCOUNT_OWN_SLOW,
    ACCOUNT_SHARING,
    ACCOUNT_BUBBLE,
    ACCOUNT_PP_EXPOSED,
    ACCOUNT_DP_EXPOSED,
    ACCOUNT_CONTENTION,
    ACCOUNT_STRAGGLER,
    ACCOUNT_N
} AccountPart;

/// The others: work of a step, or of an operation, at nominal speed.
typedef struct NominalWork {
    int64_t compute_ps, tp_ps;
} NominalWork;

/// A part of a step.
int64_t account_part_ps(const int64_t parts[ACCOUNT_N], NominalWork work, TracePart part);
/// The sum of all its parts.
int64_t account_sum_ps(const int64_t parts[ACCOUNT_N], NominalWork work);

/// What an operation leaves to those that wait for it: when it ended, and how much longer than alone its transfer took.
typedef struct Outcome {
    Clocks at;
    int64_t slowed_ps; ///< actual minus alone duration, >= 0
} Outcome;

/// What released a wait.
typedef struct Release {
    Outcome outcome;
    AccountPart
        kind; ///< the exposed part it is charged to; ACCOUNT_BUBBLE if no communication was waited for
} Release;

/// Add the wait between `before` (stream free) and the releases to the parts; returns the moment it can go on.
///   release[n], n >= 0;  now_ps: actual time of going on
Clocks account_wait(int64_t parts[ACCOUNT_N], Clocks before, const Release release[], int32_t n,
                    int64_t now_ps);

#endif
