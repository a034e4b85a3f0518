/// ledger.h: what isles need of the engine: prices, routes, totals of links.
///
/// Idea.    Transfers that share no link with others can be played apart (isles.h), each group far ahead of the
///          others. Definition of levels (maxmin.h), arithmetic of what is under way (fluid.h), routes, capacities,
///          prices and totals are the engine's, so that there is one physics and the trace reads one set of totals,
///          whoever played: a transfer is priced once by its route; what it moved and how long it was held back are
///          entered as it goes. Advance the engine to the end of a sampling interval before entering what lies beyond
///          it.
/// Limits.  Transfers of the ledger and transfers of the engine itself must not share a link.
/// Ranks.   All operations are local. Several ranks may hold one transfer: each keeps its own links of it.
#ifndef COLOSSIM_ENGINE_FLOW_LEDGER_H
#define COLOSSIM_ENGINE_FLOW_LEDGER_H

#include "base/wide.h"
#include "engine/flow/fluid.h"
#include "engine/flow/maxmin.h"
#include "engine/price.h"

/// Hold the route of a transfer, of the links that are `own` (NULL: all), and price it.  Fails: as submit.
Status ledger_open(Engine *engine, const Transfer *transfer, const LinkOwner *own, int32_t *route,
                   Price *price);
void ledger_close(Engine *engine, int32_t route);
/// Routes, slots and capacities of this engine; arrays move when routes are added.
const Routes *ledger_routes(const Engine *engine);
/// The same, before there are any, to say which links are used alike.
Routes *ledger_fold(Engine *engine);
/// A transfer of `step` on a route has made progress of period_bytes since the last entry, and, of whole transfers that
/// have ended, step_bytes in all.
void ledger_add_bytes(Engine *engine, int32_t route, int32_t step, int64_t step_bytes,
                      int64_t period_bytes);
/// A link held transfers of `step` below their alone-rate from from_ps to to_ps, which cost them `delay` (price_delay).
/// For each step and link: stretches in order of time, not overlapping, within one sampling interval.
void ledger_add_slow(Engine *engine, int32_t step, int32_t slot, int64_t from_ps, int64_t to_ps,
                     Wide delay);
/// The same for the sampling interval, whatever the step.
void ledger_add_period_slow(Engine *engine, int32_t slot, int64_t from_ps, int64_t to_ps,
                            Wide delay);

#endif
