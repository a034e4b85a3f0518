/// passes.h: what a stage's step is made of by passes: forwards alone, backwards, pairs that run beside each other, and between.
///
/// Idea.    Schedules that split or pair their passes are told of in such sums (DeepSeek-V3's 1F, 1B, 1W, 1F1B, bubble).
///          The players note when each compute operation of the first replica ends (driver/machine.h); a round of operations
///          lasts from where its first can begin to where its last ends, what it waits for inside included.
/// Limits.  The first replica: mean over its stages, and its first stage.
/// Source.  arXiv:2505.09343, table 4, whose intervals sum to the step, too.
#ifndef COLOSSIM_OBSERVE_PASSES_H
#define COLOSSIM_OBSERVE_PASSES_H

#include "driver/machine.h"

typedef enum PassShare {
    SHARE_FORWARD,
    SHARE_BACKWARD, ///< whole, or of inputs
    SHARE_WEIGHT,
    SHARE_PAIR,      ///< a forward and a backward at once
    SHARE_OPTIMIZER, ///< from the end of the last pass: what is left of reductions and waited for, too
    SHARE_BETWEEN, ///< no round: bubbles, and what is waited for
    SHARE_N,
} PassShare;
extern const char *const PASS_SHARE_NAMES[SHARE_N];

typedef struct PassTimes {
    double mean_ps[SHARE_N], first_ps[SHARE_N]; ///< of all stages; of the first
} PassTimes;

/// Of a step that was played last or is the one before it; false: nothing was noted.  MPI: local, rank of the first replica.
bool passes_sum(const Machine *machine, int32_t step, PassTimes *times);

#endif
