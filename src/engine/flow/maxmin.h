/// maxmin.h: weighted max-min fair rates of a small system, in integers, exactly as defined.
///
/// Idea.    Transfer f has level lambda_f; it puts a_{l,f} * lambda_f on link l. The level of link l is the least
///          integer s >= 0 with
///              C_l - sum_{lambda_g < s} a lambda_g  <  (s + 1) * sum_{lambda_g >= s} a
///          and lambda_f is the minimum of cap_f and the levels of its links. This is unique,
///          depends on the active set alone, and can be checked link by link. Water filling: freeze
///          at the least share, subtract, repeat. The integers ask for one care: a user frozen at
///          exactly the present share of another of its links stays counted there, for that link
///          freezes at the same level; subtracting it would let the rounding remainder decide, and
///          with it the order of the input.
/// Limits.  C_l and every a*lambda fit in 62 bits (the rate unit is chosen for that).
/// Source.  Bertsekas and Gallager, Data Networks, 6.5.2 (water filling); the integer definition is
///          ours.
#ifndef COLOSSIM_ENGINE_FLOW_MAXMIN_H
#define COLOSSIM_ENGINE_FLOW_MAXMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "engine/flow/level_heap.h"

/// Level of a link that holds nobody back.
#define LEVEL_NONE INT64_MAX

/// A system in compressed form: transfer f uses link[use_link[i]] with weight use_a[i],
/// use_first[f] <= i < use_first[f+1].
typedef struct MaxminSystem {
    int64_t nlinks, ntransfers; ///< each below 2^31
    const int64_t *capacity;    ///< [nlinks], rate units, >= 0
    const int64_t *use_first;   ///< [ntransfers + 1]
    const int32_t *use_link;    ///< [use_first[ntransfers]]; a transfer names a link once
    const int32_t *use_a;       ///< [same], >= 1
    const int64_t *cap;         ///< [ntransfers] level cap, INT64_MAX: none
} MaxminSystem;

/// What the water has left of a link: capacity not taken by frozen users, weight of the others.
typedef struct MaxminLink {
    int64_t residual, weight; ///< weight < 0 once its level is known
} MaxminLink;

typedef struct MaxminCap {
    int64_t cap;
    int32_t transfer;
} MaxminCap;

/// Room for solutions, one after the other. Zero-initialise to use.
typedef struct MaxminSolution {
    ARRAY_OF(int64_t) level;      ///< [ntransfers]; INT64_MAX for one without links and cap
    ARRAY_OF(int64_t) link_level; ///< [nlinks]; LEVEL_NONE if the link holds nobody back
    /// [ntransfers] index (into use_link) of the use of the least link whose level is the transfer's; -1 if its cap is.
    ARRAY_OF(int64_t) bottleneck;
    // While water is filled.
    ARRAY_OF(MaxminLink) link;    ///< [nlinks]
    ARRAY_OF(int32_t) user_first; ///< [nlinks + 1]
    ARRAY_OF(int32_t) user;       ///< [nuses] transfers by link
    ARRAY_OF(bool) frozen;        ///< [ntransfers] small, as most users met are frozen already
    ARRAY_OF(LevelItem) heap;     ///< of links
    ARRAY_OF(MaxminCap) caps;     ///< ascending, only those that could bind
} MaxminSolution;

/// Solve from scratch.  Cost: O(uses * log links).
void maxmin_solve(const MaxminSystem *system, MaxminSolution *solution);
void maxmin_free(MaxminSolution *solution);

/// One use of one link by one transfer.
typedef struct MaxminUse {
    int32_t transfer, link, weight;
} MaxminUse;

/// A system put together link by link, and its solution. Zero-initialise to use.
typedef struct MaxminDraft {
    ARRAY_OF(int64_t) cap;      ///< by transfer
    ARRAY_OF(int64_t) capacity; ///< by link
    ARRAY_OF(MaxminUse) use;    ///< in any order; that of a transfer's uses in the system
    // The same in compressed form.
    ARRAY_OF(int64_t) first;
    ARRAY_OF(int32_t) link;
    ARRAY_OF(int32_t) weight;
    MaxminSolution solution;
} MaxminDraft;

void maxmin_draft_clear(MaxminDraft *draft);
void maxmin_draft_free(MaxminDraft *draft);
/// The first time, or after more was added; again: with other caps.
void maxmin_draft_solve(MaxminDraft *draft);
void maxmin_draft_solve_again(MaxminDraft *draft);

#endif
