/// account.h: where a step goes: five clocks and the signed parts that sum to the step exactly.
///
/// Idea.    Every operation is played on five clocks at once, from a world without trouble to the one that is. Each clock
///          has what the one before it has, and one thing more:
///
///              clock     every GPU at nominal speed, and ...    waiting that it adds  own time that it adds
///              ideal     communication is free                  bubble                compute
///              alone     transfers take as long as alone        pp, dp, ...           tp, ep
///              shared    compute loses what communication       sharing               sharing
///                        took of its GPU
///              slowed    transfers take as long as they did     contention            -
///              actual    GPUs as fast as they were              straggler             own_slow
///
///          A delay is passed on to whoever waits for it on the clock it arose on, so that each part is what the whole
///          machine lost by that one thing. What follows: without noise straggler is 0; a slow GPU adds nothing to
///          anybody's pp, dp, sharing of others; where no transfer is slowed, contention is 0 and sharing is what a run
///          whose processor shares are 0 takes less.
///          On the compute stream, waiting that the alone clock adds is charged to the kind of operation that released
///          it, the last one on that clock. Each part is signed; nothing is called other; the sum is the step to the
///          picosecond.
/// Limits.  What communication took of a GPU, and how long transfers took, is as it was: with noise or contention
///          somewhat more or less would have overlapped without.
#ifndef COLOSSIM_DRIVER_ACCOUNT_H
#define COLOSSIM_DRIVER_ACCOUNT_H

#include <stdint.h>

#include "workload/cost.h"

/// The four of nominal speed. A stream that nothing but its own operations moves on needs no more: the actual clock is
/// the moment at which it goes on.
typedef struct NominalClocks {
    int64_t slowed_ps, shared_ps, alone_ps, ideal_ps;
} NominalClocks;

/// One moment on the five clocks.
typedef struct Clocks {
    int64_t actual_ps;
    NominalClocks nominal;
} Clocks;

static inline Clocks clocks_at(int64_t actual_ps, NominalClocks nominal) {
    return (Clocks){.actual_ps = actual_ps, .nominal = nominal};
}
static inline int64_t clock_later(int64_t a_ps, int64_t b_ps) { return a_ps > b_ps ? a_ps : b_ps; }
/// Element-wise maximum: what waits for both.
static inline void clocks_raise(Clocks *at, const Clocks *other) {
    NominalClocks *x = &at->nominal;
    const NominalClocks *y = &other->nominal;
    at->actual_ps = clock_later(at->actual_ps, other->actual_ps);
    x->slowed_ps = clock_later(x->slowed_ps, y->slowed_ps);
    x->shared_ps = clock_later(x->shared_ps, y->shared_ps);
    x->alone_ps = clock_later(x->alone_ps, y->alone_ps);
    x->ideal_ps = clock_later(x->ideal_ps, y->ideal_ps);
}
/// When a transfer that began at `at` ends: it lasted took_ps, alone_ps had it been alone.
static inline NominalClocks clocks_after_transfer(NominalClocks at, int64_t took_ps,
                                                  int64_t alone_ps) {
    return (NominalClocks){.slowed_ps = at.slowed_ps + took_ps,
                           .shared_ps = at.shared_ps + alone_ps,
                           .alone_ps = at.alone_ps + alone_ps,
                           .ideal_ps = at.ideal_ps};
}
/// What all but free communication waits for.
static inline NominalClocks clocks_later(NominalClocks at, int64_t by_ps) {
    return clocks_after_transfer(at, by_ps, by_ps);
}

/// The parts that differ from step to step, which are summed up while one is played.
typedef enum AccountPart {
    ACCOUNT_OWN_SLOW,
    ACCOUNT_SHARING,
    ACCOUNT_BUBBLE,
    ACCOUNT_PP_EXPOSED,
    ACCOUNT_DP_EXPOSED,
    ACCOUNT_EP_EXPOSED,
    ACCOUNT_CONTENTION,
    ACCOUNT_STRAGGLER,
    ACCOUNT_N
} AccountPart;

/// The sum of all parts of a step: these, and the work of a step at nominal speed.
int64_t account_sum_ps(const int64_t parts[ACCOUNT_N], NominalWork work);

/// What released a wait.
typedef struct Release {
    Clocks at;
    AccountPart
        kind; ///< the exposed part it is charged to; ACCOUNT_BUBBLE if no communication was waited for
} Release;

/// Add the wait from `at` (stream free) to the releases to the parts; *at becomes the moment it can go on.
///   release[n], n >= 0;  now_ps: actual time of going on
void account_wait(int64_t parts[ACCOUNT_N], Clocks *at, const Release release[], int32_t n,
                  int64_t now_ps);

#endif
