#include "engine/flow/ledger.h"

#include "base/check.h"
#include "base/units.h"
#include "engine/flow/flow_state.h"

Status ledger_open(Engine *flow, const Transfer *transfer, const LinkOwner *own, int32_t *route,
                   Price *price) {
    TRY(price_hold(&flow->routes, transfer, own, route, price));
    if (price->alone_ps < TIME_NEVER_PS - transfer->start_ps) return status_ok();
    ledger_close(flow, *route);
    return price_never_ends(transfer);
}

void ledger_close(Engine *flow, int32_t route) { flow_let_go_route(flow, route); }

const Routes *ledger_routes(const Engine *flow) { return &flow->routes; }

void ledger_add_bytes(Engine *flow, int32_t r, int32_t step, int64_t step_bytes,
                      int64_t period_bytes) {
    Route *route = &flow->routes.at[r];
    if (step_bytes != 0) step_add(&flow->steps, &flow->routes, route, step, step_bytes);
    stats_add_period_bytes(flow, r, period_bytes);
}

void ledger_add_slow(Engine *flow, int32_t step, int32_t slot, int64_t from_ps, int64_t to_ps,
                     Wide delay) {
    tally_slow_open(step_tally(&flow->steps, step), &flow->routes, slot, from_ps);
    tally_slow_close(step_tally(&flow->steps, step), slot, to_ps, delay);
}

void ledger_add_period_slow(Engine *flow, int32_t slot, int64_t from_ps, int64_t to_ps,
                            Wide delay) {
    if (flow->spec.interval_ps == 0) return;
    tally_slow_open(&flow->period, &flow->routes, slot, from_ps);
    tally_slow_close(&flow->period, slot, to_ps, delay);
    flow->period_used = true;
}

Routes *ledger_fold(Engine *flow) {
    CHECK(flow->routes.nroutes == 0, "links are folded before there are routes");
    return &flow->routes;
}
