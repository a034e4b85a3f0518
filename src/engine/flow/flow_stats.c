/// What the flow engine tells tallies: bytes of transfers that end or pass the end of a sampling
/// interval, and when transfers are held below their cap. Such a transfer charges the link it is
/// bound by.
#include "base/memory.h"
#include "base/units.h"
#include "engine/flow/flow_state.h"

static void flush_period(Flow *flow, Route *route) {
    if (route->period_bytes == 0) return;
    tally_add_route(&flow->period, &flow->routes, route, route->period_bytes);
    route->period_bytes = 0;
    flow->period_used = true;
}

void stats_flush_route(Flow *flow, int32_t r) {
    step_flush(&flow->steps, &flow->routes, &flow->routes.at[r]);
    flush_period(flow, &flow->routes.at[r]);
}

void stats_add_period_bytes(Flow *flow, int32_t r, int64_t bytes) {
    if (bytes == 0 || flow->spec.interval_ps == 0) return;
    Route *route = &flow->routes.at[r];
    if (route->period_bytes > INT64_MAX - bytes) flush_period(flow, route);
    if (route->period_bytes == 0) array_push(&flow->period_routes, r);
    route->period_bytes += bytes;
}

void stats_complete(Flow *flow, const Active *f) {
    step_add(&flow->steps, &flow->routes, &flow->routes.at[f->route], f->step, f->bytes);
    stats_add_period_bytes(flow, f->route, f->bytes - f->sampled_bytes);
}

void stats_slow_open(Flow *flow, Active *f) {
    const int32_t slot = f->state == ACTIVE_RUNNING ? path_slow_slot(flow, f) : -1;
    if (slot < 0) return;
    f->slow = 1;
    tally_slow_open(step_tally(&flow->steps, f->step), &flow->routes, slot, flow->now_ps);
    if (flow->spec.interval_ps > 0)
        tally_slow_open(&flow->period, &flow->routes, slot, flow->now_ps);
}

void stats_slow_open_link(Flow *flow, int32_t step, int32_t slot, int64_t n) {
    Tally *tally = step_tally(&flow->steps, step);
    for (int64_t i = 0; i < n; i++) {
        tally_slow_open(tally, &flow->routes, slot, flow->now_ps);
        if (flow->spec.interval_ps > 0)
            tally_slow_open(&flow->period, &flow->routes, slot, flow->now_ps);
    }
}

void stats_slow_close_as(Flow *flow, Active *f, int64_t level, int32_t slot) {
    if (!f->slow) return;
    f->slow = 0;
    // Since then; intervals cut stretches.
    const int64_t span_ps = flow->now_ps - f->settled_ps, loss = path_loss(flow, f, level);
    Wide delay = (Wide)loss * span_ps;
    if (flow->spec.tell_slowed && span_ps > 0)
        slowed_add(&flow->slowed.at[f - flow->active], flow->cluster, flow->routes.link[slot],
                   span_ps);
    if (flow->spec.njobs > 1 && span_ps > 0) culprits_charge(flow, f, slot, loss, span_ps);
    tally_slow_close(step_tally(&flow->steps, f->step), slot, flow->now_ps, delay);
    if (flow->spec.interval_ps > 0) tally_slow_close(&flow->period, slot, flow->now_ps, delay);
}

void stats_slow_close(Flow *flow, Active *f) {
    if (!f->slow) return;
    stats_slow_close_as(flow, f, f->level, path_slow_slot(flow, f));
}

void flow_step_links(Flow *flow, int32_t step, LinkSink sink) {
    step_put(&flow->steps, &flow->routes, step, flow->now_ps, sink);
}

void flow_step_culprits(const Flow *flow, int32_t step, CulpritSink sink) {
    step_put_culprits(&flow->steps, &flow->routes, step, sink);
}

void flow_step_clear(Flow *flow, int32_t step) { step_clear(&flow->steps, &flow->routes, step); }

/// Progress of a running transfer since the last interval, in whole bytes; what is cut is carried
/// to the next.
static void sample_running(Flow *flow, Active *f) {
    settle(flow, f);
    stats_add_period_bytes(
        flow, f->route,
        fluid_sample(&flow->routes, f->route, f->remaining, f->bytes, &f->sampled_bytes));
}

/// Bring the tally of the open interval up to date.
static void sample_all(Flow *flow) {
    for (int64_t t = 0; t < flow->nactive; t++)
        if (flow->active[t].state == ACTIVE_RUNNING &&
            (flow->active[t].attached || flow->active[t].slow))
            sample_running(flow, &flow->active[t]);
    for (int64_t i = 0; i < flow->period_routes.n; i++)
        flush_period(flow, &flow->routes.at[flow->period_routes.at[i]]);
    array_clear(&flow->period_routes);
}

void flow_sample_into(Flow *flow, LinkSink sink) { flow->samples = sink; }

/// Has anything moved, or does it, in the open interval?
static bool period_has_traffic(const Flow *flow) {
    return flow->nplaying + flow->nwaiting > 0 || flow->period_routes.n > 0 || flow->period_used;
}

void stats_close_intervals(Flow *flow, int64_t to_ps) {
    if (flow->spec.interval_ps == 0) return;
    while (flow->interval_end_ps <= to_ps) {
        bool traffic = period_has_traffic(flow);
        if (!traffic && flow->longer.at.n == 0) { // nothing moves before, or has
            flow->interval_end_ps = intervals_next_ps(&flow->intervals, to_ps);
            return;
        }
        flow->now_ps = flow->interval_end_ps;
        if (traffic) sample_all(flow);
        longer_close(&flow->longer, &flow->period, &flow->routes, &flow->intervals, flow->now_ps,
                     flow->samples);
        flow->period_used = false;
        flow->interval_end_ps = intervals_next_ps(&flow->intervals, flow->now_ps);
    }
}

void flow_restart_intervals(Flow *flow) {
    if (flow->spec.interval_ps == 0) return;
    if (period_has_traffic(flow)) sample_all(flow);
    longer_forget(&flow->longer, &flow->period, &flow->routes, &flow->intervals, flow->now_ps,
                  flow->samples);
    flow->period_used = false;
    flow->intervals.origin_ps = flow->now_ps;
    flow->interval_end_ps = intervals_next_ps(&flow->intervals, flow->now_ps);
}

void stats_fini(Flow *flow) {
    step_fini(&flow->steps);
    tally_fini(&flow->period);
    longer_fini(&flow->longer);
    array_free(&flow->period_routes);
}

void settle(Flow *flow, Active *f) {
    if (f->settled_ps == flow->now_ps) return;
    bool slow = f->slow;
    stats_slow_close(flow, f);
    fluid_settle(&f->remaining, &f->settled_ps, flow->routes.at[f->route].level_work, f->level,
                 flow->now_ps);
    if (slow) stats_slow_open(flow, f);
}

void stats_settle_link(Flow *flow, int32_t at) {
    if (flow->shares.at[at].changed_ps == flow->now_ps) return;
    const LinkState *link = &flow->link.at[at];
    const int32_t *users = link_users(flow, link);
    for (int32_t i = 0; link_holds(link) && i < link->nusers; i++) {
        Active *f = &flow->active[flow_node(flow, users[i])->transfer];
        if (f->slow && f->bottleneck == users[i]) settle(flow, f);
    }
    culprits_look_again(flow, at);
}
