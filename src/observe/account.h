/// account.h: where the ranks of a job of operations spend a step.
///
/// Idea.    At any moment a rank computes, if any of its computations is under way; else it communicates, if a message or
///          collective of an operation that it has begun is; else it waits, if it has begun one for which others are not
///          there yet; else it has nothing to do, as what it waits for is its own past, or it has ended. So these add
///          up to the step.
/// Limits.  A buffered send is over when it begins. What resources keep back counts as nothing to do.
#ifndef COLOSSIM_OBSERVE_ACCOUNT_H
#define COLOSSIM_OBSERVE_ACCOUNT_H

#include "player/traffic_graph.h"

typedef enum RankState {
    RANK_COMPUTES,
    RANK_COMMUNICATES,
    RANK_WAITS,
    RANK_IDLE,
    RANK_STATE_N
} RankState;

typedef struct RankAccount {
    int64_t ps[RANK_STATE_N];
} RankAccount;

/// Of one rank in the step that has ended.   Cost: O(n log n) of its operations.
RankAccount account_rank(const TrafficRun *traffic, int64_t rank);

#endif
