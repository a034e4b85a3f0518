/// maxmin.h: weighted max-min fair rates of a small system, in integers, exactly as defined.
///
/// Idea.    Transfer f has level lambda_f and progress rate x_f = phi_f * lambda_f; it puts a_{l,f}
///          * x_f on link l. The level of link l is the least integer s >= 0 with
///              C_l - sum_{lambda_g < s} a phi lambda_g  <  (s + 1) * sum_{lambda_g >= s} a phi
///          and lambda_f is the minimum of cap_f and the levels of its links. This is unique,
///          depends on the active set alone, and can be checked link by link. Water filling: freeze
///          at the least share, subtract, repeat. The integers ask for one care: a user frozen at
///          exactly the present share of another of its links stays counted there, for that link
///          freezes at the same level; subtracting it would let the rounding remainder decide, and
///          with it the order of the input.
/// Limits.  C_l and every a*phi*lambda fit in 62 bits (the rate unit is chosen for that).
/// Source.  Bertsekas and Gallager, Data Networks, 6.5.2 (water filling); the integer definition is
///          ours.
#ifndef COLOSSIM_ENGINE_FLOW_MAXMIN_H
#define COLOSSIM_ENGINE_FLOW_MAXMIN_H

#include <stdint.h>

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
    const int32_t *phi;         ///< [ntransfers], >= 1; NULL: all 1
    const int64_t *cap;         ///< [ntransfers] level cap, INT64_MAX: none
} MaxminSystem;

/// Solve from scratch.  level[ntransfers] out; INT64_MAX for a transfer without links and cap.
/// Cost: O(uses * log links).  MPI: local.
void maxmin_solve(const MaxminSystem *system, int64_t level[]);

/// The same, and what binds whom.
///   link_level[nlinks]       out; LEVEL_NONE if the link holds nobody back
///   bottleneck[ntransfers]   out; index (into use_link) of the use of the least link whose level
///   is the transfer's,
///                            -1 if its cap is
void maxmin_solve_links(const MaxminSystem *system, int64_t level[], int64_t link_level[],
                        int64_t bottleneck[]);

/// Check the definition link by link; returns -1 if it holds, else the index of a transfer that
/// violates it.
int64_t maxmin_violation(const MaxminSystem *system, const int64_t level[]);

#endif
