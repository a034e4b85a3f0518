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

#include "engine/engine.h"

#define FLOW_NAME "flow"

extern const EngineOps FLOW_ENGINE;

typedef Engine Flow;

/// What no result depends on.
typedef struct FlowTuning {
    bool full_solve; ///< oracle: solve the whole active set at every change
    /// From how many links on a route has a ceiling, and after how many moves it is reviewed (flow_ceiling.c); 0: as is
    /// best.
    int32_t long_route_uses, review_moves;
} FlowTuning;

// The operations of FLOW_ENGINE; comments at EngineOps.
Flow *flow_create(const Cluster *cluster, const EngineSpec *spec);
void flow_destroy(Flow *flow);
Status flow_submit(Flow *flow, const Transfer *transfer);
int64_t flow_next_ps(const Flow *flow);
int64_t flow_now_ps(const Flow *flow);
void flow_advance(Flow *flow, int64_t to_ps);
int64_t flow_drain(Flow *flow, Completion completions[], int64_t capacity);
int64_t flow_nunfinished(const Flow *flow);
EngineSizes flow_sizes(const Flow *flow);
Status flow_alone_ps(Flow *flow, const Transfer *transfer, int64_t *duration_ps);
void flow_step_links(Flow *flow, int32_t step, LinkSink sink);
void flow_step_clear(Flow *flow, int32_t step);
void flow_step_culprits(const Flow *flow, int32_t step, CulpritSink sink);
/// Bytes are in whole bytes of progress; what is cut of a link's totals is carried to the next interval.
void flow_sample_into(Flow *flow, LinkSink sink);
void flow_restart_intervals(Flow *flow);
/// Everything is taken off the links and put back.   Cost: O(uses of all transfers).
Status flow_refresh(Flow *flow, TransferSource source);

/// For tests. Before any transfer.
void flow_tune(Flow *flow, FlowTuning tuning);

#endif
