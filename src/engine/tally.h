/// tally.h: totals per link of a training step or of a sampling interval.
///
/// Idea.    Bytes are added up per route when a transfer ends (one addition) and spread over its
///          links when totals are asked for. They are counted in parts of 1 / unit_bytes, kept
///          apart by unit_bytes: integers, so sums are exact and do not depend on order. A link
///          that holds transfers back is slow; its time is counted while at least one transfer is
///          held. Few links ever are: what is slow has a list of its own.
///          A byte says whether some link of a block has any; totals are handed out by walking the blocks
///          that have, in order of memory: most links are idle in most intervals.
///          The sums of intervals run on from one to the next: an interval has what they are at its end less what they
///          were at the end of the one before. So longer intervals have the same sums, and only look at them less often.
///
///              bytes a link:    8   for each unit_bytes in use (one, unless queue pairs differ); 16 once a sum is wide
///                             1/8   of its block
///                               4   once any link was slow
///                              32   for a link that was slow in the step, or is in the interval
///                              16   for each job of several, if it was slow in the step
///          A step and an interval together: 24 to 32 bytes, and at most 64 for each slow link; 8 and what is slow
///          for each longer interval that it is part of: five where 400 are most.
/// Limits.  Bytes are counted on this rank's links alone (LinkOwner).
///          A link's total is rounded down once per unit_bytes in use (not at all if unit_bytes
///          divides the bytes), and what is cut is in the next interval: totals of intervals
///          sum to that of a step in which they lie. Delays are rounded down.
#ifndef COLOSSIM_ENGINE_TALLY_H
#define COLOSSIM_ENGINE_TALLY_H

#include "base/array.h"
#include "base/wide.h"
#include "engine/intervals.h"
#include "engine/routes.h"

/// Open while count > 0; then -(start of the open stretch) is included in congested_ps.
typedef struct SlowLink {
    Wide delay; ///< price_delay: exact however the stretches are cut
    int64_t congested_ps;
    int32_t count;
    int32_t slot;
} SlowLink;

typedef struct TallyBytes {
    int64_t unit_bytes;
    int32_t shift; ///< log2 of unit_bytes, -1: not a power of two
    uint64_t *low; ///< [nslots] by slot: the sum in parts, modulo 2^64
    int64_t *high; ///< [nslots] the rest of it; NULL: no sum has come to 2^64
    int64_t nslots;
} TallyBytes;

enum { TALLY_BLOCK = 8 };

/// Zero-initialise to use.
typedef struct Tally {
    int32_t step;
    int32_t njobs; ///< that its delays are told apart by; 0: they are not
    ARRAY_OF(TallyBytes) bytes;
    SlowLink *slow; ///< [nslow]
    int64_t nslow, slow_capacity;
    Wide *charged;    ///< [nslow][njobs] of `delay` what the transfers of each job cost
    int32_t *slow_at; ///< [nslots] by slot: index in slow + 1; 0: never slow
    int64_t nslots;
    uint8_t *used; ///< [nblocks] by TALLY_BLOCK slots: some have totals
    int64_t nblocks;
    uint64_t *
        told; ///< [ntold] of intervals, by slot: whole bytes up to the end of the last, modulo 2^64
    int64_t ntold;
} Tally;

/// Add `bytes` of progress on this rank's links of a route.
void tally_add_route(Tally *tally, const Routes *routes, const Route *route, int64_t bytes);
void tally_slow_open(Tally *tally, const Routes *routes, int32_t slot, int64_t now_ps);
void tally_slow_close(Tally *tally, int32_t slot, int64_t now_ps, Wide delay);
/// Of the delay of a slow link, transfers of `job` cost so much.
void tally_charge(Tally *tally, int32_t slot, int32_t job, Wide delay);
/// Totals of all links with any, to `sink` under `index`.
///   Cost: a few ns for each link with totals, and what the sink does.
void tally_put(const Tally *tally, const Routes *routes, int64_t index, int64_t now_ps,
               LinkSink sink);
void tally_fini(Tally *tally);

/// Of the longer sampling intervals (intervals.h) that the open one is part of: what is slow, and what has been told.
typedef struct LongerTallies {
    int32_t level;      ///< of the open one
    ARRAY_OF(Tally) at; ///< [levels above that], as many as have any
} LongerTallies;

/// The open interval ends at end_ps: its totals go to the sink; of the longer ones the same holds if they end too.
void longer_close(LongerTallies *longer, Tally *open, const Routes *routes,
                  const Intervals *intervals, int64_t end_ps, LinkSink sink);
/// All begins anew at now_ps: the totals of the open interval go to the sink, the longer ones are forgotten.
void longer_forget(LongerTallies *longer, Tally *open, const Routes *routes,
                   const Intervals *intervals, int64_t now_ps, LinkSink sink);
void longer_fini(LongerTallies *longer);

/// Tallies by step, and the slots in the order of their links.
typedef struct StepTallies {
    int32_t njobs; ///< of their tallies
    ARRAY_OF(Tally) at;
    ARRAY_OF(int32_t) slots;
} StepTallies;

/// The tally of a step; moves when another step is added.
Tally *step_tally(StepTallies *steps, int32_t step);
/// Slots by link id.
const int32_t *step_slots(StepTallies *steps, const Routes *routes);
/// A transfer of `step` has moved `bytes` over its route.
void step_add(StepTallies *steps, const Routes *routes, Route *route, int32_t step, int64_t bytes);
/// Take what a route holds back into the tally of its step.
void step_flush(StepTallies *steps, const Routes *routes, Route *route);
/// Totals of a step to `sink`.
void step_put(StepTallies *steps, Routes *routes, int32_t step, int64_t now_ps, LinkSink sink);
/// Who cost whom in a step, to `sink`.
void step_put_culprits(const StepTallies *steps, const Routes *routes, int32_t step,
                       CulpritSink sink);
void step_clear(StepTallies *steps, Routes *routes, int32_t step);
void step_fini(StepTallies *steps);

#endif
