/// flow_ledger.h: prices and link statistics of transfers that somebody else plays.
///
/// Idea.    The driver can play transfers whose sharing it can solve apart (player/island.h). Routes, capacities, prices
///          and totals stay here, so that the trace reads one set of totals, whoever played: a transfer is priced once
///          by its route; what it moved and how long it was held back are entered as it goes. Advance the engine to the
///          end of a sampling interval before entering what lies beyond it.
/// Limits.  Transfers of the ledger and transfers of the engine itself must not share a link.
///   MPI: all local.
#ifndef COLOSSIM_ENGINE_FLOW_FLOW_LEDGER_H
#define COLOSSIM_ENGINE_FLOW_FLOW_LEDGER_H

#include "base/wide.h"
#include "engine/flow/flow.h"
#include "engine/price.h"

/// Hold the route of a transfer and price it.  Fails: as flow_submit.
Status ledger_open(Flow *flow, const Transfer *transfer, int32_t *route, Price *price);
void ledger_close(Flow *flow, int32_t route);
/// Routes, slots and capacities of this engine; arrays move when routes are added.
const Routes *ledger_routes(const Flow *flow);
/// routes_stand_for; and forget the routes that nobody holds, which may name what is muted now.
void ledger_stand_for(Flow *flow, const int32_t slot[], int64_t n);
void ledger_forget_idle(Flow *flow);
/// A transfer of `step` on a route has made progress of period_bytes since the last entry, and, of whole transfers that
/// have ended, step_bytes in all.
void ledger_add_bytes(Flow *flow, int32_t route, int32_t step, int64_t step_bytes,
                      int64_t period_bytes);
/// A link held transfers of `step` below their alone-rate from from_ps to to_ps, which cost them `delay` (price_delay).
/// For each step and link: stretches in order of time, not overlapping, within one sampling interval.
void ledger_add_slow(Flow *flow, int32_t step, int32_t slot, int64_t from_ps, int64_t to_ps,
                     Wide delay);
/// The same for the sampling interval, whatever the step.
void ledger_add_period_slow(Flow *flow, int32_t slot, int64_t from_ps, int64_t to_ps, Wide delay);

#endif
