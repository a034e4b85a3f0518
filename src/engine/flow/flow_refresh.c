/// The cluster has changed: take everything off the links, read capacities and routes anew, and put it back.
///
/// Changes are rare and may touch anything, so nothing is kept that might depend on what was: routes, slack, ceilings, lists
/// of users. Work left is exact and the definition in maxmin.h has one solution, so what has not changed goes on as if
/// nothing had happened. A transfer that moves on is, for the statistics, one of so many bytes less: what it has moved is
/// the old route's. One whose path carries nothing has a cap of 0 and stays off the links.
#include "base/memory.h"
#include "base/units.h"
#include "engine/flow/flow_state.h"

/// Keep what a transfer has alone on the path it began to move on.
static void keep_alone(Flow *flow, int32_t index) {
    const Active *f = &flow->active[index];
    if (f->cap == 0 || f->state != ACTIVE_RUNNING || path_lived(flow, f)) return;
    while (flow->lived.n <= index) array_push(&flow->lived, (Lived){0});
    flow->lived.at[index] = (Lived){flow_alone_of(flow, f), f->cap};
}

/// The level of one route that makes the progress of a level of another.
static int64_t convert_level(int64_t level, const Route *from, const Route *to) {
    const Wide work = (Wide)level * from->level_work * to->fullest;
    return (int64_t)(work / ((Wide)to->level_work * from->fullest));
}

/// Count what it has moved for the route that it leaves.
static void leave_bytes(Flow *flow, Active *f) {
    Route *route = &flow->routes.at[f->route];
    int64_t left = price_bytes_left(&flow->routes, route, f->remaining);
    step_add(&flow->steps, &flow->routes, route, f->step, f->bytes - left);
    stats_add_period_bytes(flow, f->route, f->bytes - left - f->sampled_bytes);
    f->bytes = left;
    f->sampled_bytes = 0;
}

/// Bring a running transfer up to date.
static void stop(Flow *flow, Active *f) {
    if (f->state != ACTIVE_RUNNING || f->remaining <= 0) return;
    stats_slow_close(flow, f);
    settle(flow, f);
}

static void take_off(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    if (!f->attached) return;
    links_detach(flow, index);
    flow->nplaying--;
    f->level = LEVEL_UNKNOWN;
    f->bottleneck = -1;
}

/// `work` done by weights of `from` is so much by those of `to`.
static Wide convert_work(Wide work, int32_t from, int32_t to) {
    return work / from * to + (work % from * to + from - 1) / from;
}

/// Let a transfer that has not ended have the route and the cap there are now.
static Status move(Flow *flow, int32_t index, TransferSource source) {
    Active *f = &flow->active[index];
    if (f->remaining <= 0) return status_ok(); // latencies alone
    Transfer transfer = source.describe(source.context, f->tag);
    int32_t route;
    Price price;
    keep_alone(flow, index);
    f->cap = 0;
    TRY(price_hold(&flow->routes, &transfer, NULL, &route, &price));
    if (f->state == ACTIVE_RUNNING) leave_bytes(flow, f);
    int32_t old = f->route;
    f->remaining =
        convert_work(f->remaining, flow->routes.at[old].fullest, flow->routes.at[route].fullest);
    if (path_lived(flow, f))
        flow->lived.at[index].level = convert_level(flow->lived.at[index].level,
                                                    &flow->routes.at[old], &flow->routes.at[route]);
    f->route = route;
    f->cap = price.level;
    flow_let_go_route(flow, old);
    if (price.level > 0 || cluster_may_change(flow->cluster)) return status_ok();
    return price_never_ends(&transfer);
}

/// Nothing is on the links: all of each is left.
static void clear_links(Flow *flow) {
    links_grow(flow);
    links_settle(flow);
    array_clear(&flow->dirty);
    array_clear(&flow->orphans);
    array_clear(&flow->debts);
    for (int32_t s = 0; s < flow->nslack; s++) flow->slack[s] = links_whole_slack(flow, s);
    for (int64_t r = 0; r < flow->nroutes; r++) flow->route[r].narrowest = 0;
}

static void put_back(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    if (f->remaining <= 0 && f->state == ACTIVE_RUNNING) return;
    if (f->cap == 0) {
        flow_wait(flow, index);
        return;
    }
    links_attach(flow, index);
    flow->nplaying++;
    array_push(&flow->started, index);
}

Status flow_refresh(Flow *flow, TransferSource source) {
    Status status = status_ok();
    ceiling_lift_all(flow);
    const int64_t n = flow->nactive;
    for (int32_t t = 0; t < n; t++) stop(flow, &flow->active[t]);
    // Ghosts stay on the routes they had.
    ARRAY_OF(int32_t) off = {0};
    for (int32_t t = 0; t < n; t++) {
        if (flow->active[t].attached || flow->active[t].state == ACTIVE_RUNNING)
            array_push(&off, t);
        take_off(flow, t);
    }
    routes_refresh(&flow->routes);
    flow_drop_excess_routes(flow);
    for (int32_t t = 0; t < n; t++) {
        ActiveState state = (ActiveState)flow->active[t].state;
        if (state != ACTIVE_WAITING && state != ACTIVE_RUNNING) continue;
        Status moved = move(flow, t, source);
        if (status_is_ok(&status)) status = moved;
    }
    clear_links(flow);
    flow->nwaiting = 0;
    for (int64_t i = 0; i < off.n; i++) put_back(flow, off.at[i]);
    array_free(&off);
    flow_solve_anew(flow);
    return status;
}
