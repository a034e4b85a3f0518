/// flow.h: the flow engine of one rank: transfers share links max-min fairly; events only when a
/// rate changes.
///
/// Idea.    Active transfers hold a level (maxmin.h). A start, or an end felt `control_delay` later
///          (until then the ended transfer keeps its share as a ghost), changes the active set; the
///          affected set is grown from the links touched until every touched link passes the check
///          of the definition, and solved alone: the result equals the full solution to the bit.
///          Only links that two or more users could overload enter; a transfer with room on all its
///          links runs at its precomputed cap. All changes of one picosecond are applied together, so their order
///          cannot matter. Remaining work is a 128-bit integer in rate unit x ps, settled when a
///          rate changes. Levels are bytes a second of a stream (routes.h), so every phi of maxmin.h is in
///          the weights.
///          A queue pair does not wait for itself: ghosts of a queue (Transfer.queue_key) end when a transfer of it
///          starts, or at once while another one runs. Its share is then that of the one that goes on.
/// Limits.  Shares change at once at a start; the reaction time of congestion control is
///          `control_delay` for ends.
/// Source.  Definition and water filling: maxmin.h; prices: price.h.
#ifndef COLOSSIM_ENGINE_FLOW_FLOW_H
#define COLOSSIM_ENGINE_FLOW_FLOW_H

#include <stdbool.h>

#include "engine/engine.h"

typedef struct FlowSpec {
    int64_t control_delay_ps; ///< >= 0
    bool full_solve;          ///< oracle: solve the whole active set at every change
    int64_t interval_ps;      ///< shortest sampling interval of link statistics; 0: none
    int64_t intervals_most;   ///< of them, before they are merged (intervals.h); 0: any number
    bool (*owns)(const void *owner, LinkId link); ///< links of this rank; NULL: all
    const void *owner;
    /// From how many links on a route has a ceiling, and after how many moves it is reviewed (flow_ceiling.c); 0: as is
    /// best. No result depends on them.
    int32_t long_route_uses, review_moves;
} FlowSpec;

typedef struct Flow Flow; // opaque

Flow *flow_create(const Cluster *cluster, const FlowSpec *spec);
void flow_destroy(Flow *flow);
/// log2 of the number of rate units per B/s, chosen from the largest capacity.
int32_t flow_rate_bits(const Flow *flow);

/// Hand in a transfer (its routes are looked up now); it starts at start_ps >= the time advanced
/// to.
///   MPI: local.  Fails: STATUS_NO_PATH.
Status flow_submit(Flow *flow, const Transfer *transfer);
/// Time of the earliest pending event (start, end or ghost), or TIME_NEVER_PS.
int64_t flow_next_ps(const Flow *flow);
/// Time advanced to.
int64_t flow_now_ps(const Flow *flow);
/// Apply all events with time <= to_ps, in order; TIME_NEVER_PS: until none is left, and stay at
/// the last.
void flow_advance(Flow *flow, int64_t to_ps);
/// Copy out up to `capacity` completions not yet drained, ordered by (end_ps, tag); returns how
/// many.
int64_t flow_drain(Flow *flow, Completion completions[], int64_t capacity);
/// Transfers submitted and not completed.
int64_t flow_nunfinished(const Flow *flow);

/// Links that any transfer has touched; the most transfers there ever were at once, ghosts included.
EngineSizes flow_sizes(const Flow *flow);

/// Duration of a transfer alone on its links (closed form; the same rounding as the engine's).
Status flow_alone_ps(Flow *flow, const Transfer *transfer, int64_t *duration_ps);

/// Per-link totals of a training step. Call when the step is over, as often as wanted before
/// flow_step_clear.
void flow_step_links(Flow *flow, int32_t step, LinkSink sink);
void flow_step_clear(Flow *flow, int32_t step);
/// Who gets the per-link totals of sampling intervals by their intervals_name, from the one on that
/// ends next: each when flow_advance passes its end, and behind it each longer one that ends there.
/// Intervals without traffic are left out. Bytes are counted as they move, in whole bytes of
/// progress; what is cut of a link's totals is carried to the next.
void flow_sample_into(Flow *flow, LinkSink sink);
/// End the open sampling interval at the time advanced to, which becomes the origin of those that
/// follow (intervals.h); nothing is told of the longer ones.
void flow_restart_intervals(Flow *flow);

/// Hold the present levels against the definition on every link: tag of a transfer that violates
/// it, or -1. For tests: O(active uses).
int64_t flow_violation(Flow *flow);

#endif
