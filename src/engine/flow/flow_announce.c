/// Which transfers the other ranks must know. A transfer on links of this rank alone, all of whose
/// neighbours (transfers that share a link with it, and so on) are as private as itself, bears on
/// nobody else: it stays unknown to the other ranks. When an announced transfer comes to one of its
/// links, it is exposed: handed over as it stands.
///
/// At every moment at which ranks meet: no link has both an announced and a private user, waiting
/// and ghosts included. So each rank can solve its private transfers alone, and all ranks solve the
/// announced ones alike. Which links have announced users is counted from the first private transfer on: many jobs have
/// none.
#include "base/check.h"
#include "base/memory.h"
#include "engine/flow/flow_state.h"

static void grow_counts(Flow *flow) {
    int64_t wanted = flow->routes.slots_capacity;
    flow->nannounced_on = memory_resize(FLOW_LABEL_ANNOUNCED, flow->nannounced_on,
                                        (size_t)flow->announce_capacity * sizeof(int32_t),
                                        (size_t)wanted * sizeof(int32_t));
    flow->announce_capacity = wanted;
}

static void expose(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    if (f->announced || f->exposed) return;
    f->exposed = 1;
    array_push(&flow->exposed, transfer);
}

static void expose_users(Flow *flow, int32_t slot) {
    if (slot >= flow->nslots) return;
    links_find_users(flow, slot);
    for (int64_t i = 0; i < flow->found.n; i++) expose(flow, flow->found.at[i].transfer);
}

/// Count an announced transfer on its links, or no more.
static void count_uses(Flow *flow, const Active *f, int32_t by) {
    if (flow->announce_capacity < flow->routes.slots_capacity) grow_counts(flow);
    const Route *route = &flow->routes.at[f->route];
    const RouteUse *uses = routes_uses(&flow->routes, route);
    for (int32_t u = 0; u < route->nuses; u++) flow->nannounced_on[uses[u].slot] += by;
}

/// The first private transfer comes, or might.
static void begin_to_count(Flow *flow) {
    flow->counts_announced = true;
    for (int64_t t = 0; t < flow->nactive; t++)
        if (flow->active[t].state != ACTIVE_FREE && flow->active[t].announced)
            count_uses(flow, &flow->active[t], 1);
}

void announce_enter(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    f->announced = 1;
    flow->nannounced++;
    if (!flow->counts_announced) return;
    count_uses(flow, f, 1);
    const Route *route = &flow->routes.at[f->route];
    const RouteUse *uses = routes_uses(&flow->routes, route);
    for (int32_t u = 0; u < route->nuses; u++)
        if (flow->nannounced_on[uses[u].slot] == 1) expose_users(flow, uses[u].slot);
}

void announce_leave(Flow *flow, int32_t transfer) {
    const Active *f = &flow->active[transfer];
    if (!f->announced) return;
    flow->nannounced--;
    if (flow->counts_announced) count_uses(flow, f, -1);
}

void announce_not(Flow *flow, int32_t transfer) {
    if (!flow->counts_announced) begin_to_count(flow);
    array_push(&flow->private_waiting, transfer);
}

static bool touches_announced(Flow *flow, const Route *route) {
    if (flow->nannounced == 0) return false;
    if (!flow->counts_announced) begin_to_count(flow);
    const RouteUse *uses = routes_uses(&flow->routes, route);
    for (int32_t u = 0; u < route->nuses; u++)
        if (uses[u].slot < flow->announce_capacity && flow->nannounced_on[uses[u].slot] > 0)
            return true;
    return false;
}

Status flow_is_private(Flow *flow, const Transfer *transfer, bool *is_private) {
    int32_t r;
    TRY(routes_hold(&flow->routes, transfer, &r));
    const Route *route = &flow->routes.at[r];
    *is_private = !route->foreign && !touches_announced(flow, route);
    routes_let_go(&flow->routes, r);
    return status_ok();
}

int64_t flow_nannounced(const Flow *flow) { return flow->nannounced; }

/// Private transfers that had not started were in no list of users when an announced one came to
/// their links, even if they have started since; expose those that must, keep those that still
/// wait.
static void check_waiting(Flow *flow) {
    int64_t n = 0;
    for (int64_t i = 0; i < flow->private_waiting.n; i++) {
        int32_t transfer = flow->private_waiting.at[i];
        const Active *f = &flow->active[transfer];
        if (f->state == ACTIVE_FREE || f->announced || f->exposed) continue;
        if (touches_announced(flow, &flow->routes.at[f->route]))
            expose(flow, transfer);
        else if (f->state == ACTIVE_WAITING)
            flow->private_waiting.at[n++] = transfer;
    }
    flow->private_waiting.n = n;
}

static TransferState state_of(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    TransferState state = {
        .tag = f->tag, .start_ps = f->start_ps, .started = f->state != ACTIVE_WAITING};
    if (f->state == ACTIVE_RUNNING) settle(flow, f);
    state.remaining[0] = (int64_t)(f->remaining >> 64);
    state.remaining[1] = (int64_t)f->remaining;
    if (f->state == ACTIVE_GHOST) state.ghost_end_ps = f->end_ps;
    return state;
}

int64_t flow_take_exposed(Flow *flow, TransferState states[], int64_t capacity) {
    int64_t n = 0;
    check_waiting(flow);
    while (flow->exposed.n > 0 && n < capacity) {
        int32_t transfer = flow->exposed.at[--flow->exposed.n];
        Active *f = &flow->active[transfer];
        // Its ghost may be gone since, and another may have its place.
        bool gone = f->state == ACTIVE_FREE || !f->exposed;
        f->exposed = 0;
        if (gone) continue;
        announce_enter(flow, transfer);
        states[n++] = state_of(flow, transfer);
        if (flow->exposed.n == 0) check_waiting(flow);
    }
    return n;
}

static void insert_ghost(Flow *flow, GhostItem ghost) {
    array_push(&flow->ghosts, ghost);
    int64_t i = flow->ghosts.n - 1;
    for (; i > flow->nghosts_gone && flow->ghosts.at[i - 1].time_ps > ghost.time_ps; i--)
        flow->ghosts.at[i] = flow->ghosts.at[i - 1];
    flow->ghosts.at[i] = ghost;
}

Status flow_adopt(Flow *flow, const Transfer *transfer, const TransferState *state) {
    if (!state->started) return flow_submit(flow, transfer);
    Transfer late = *transfer;
    late.start_ps = flow->now_ps;
    int32_t index = -1;
    TRY(flow_enter(flow, &late, &index));
    Active *f = &flow->active[index];
    f->start_ps = transfer->start_ps;
    f->remaining = ((Wide)state->remaining[0] << 64) | (Wide)(uint64_t)state->remaining[1];
    f->settled_ps = flow->now_ps;
    f->sampled_bytes =
        f->bytes - price_bytes_left(&flow->routes, &flow->routes.at[f->route], f->remaining);
    f->state = ACTIVE_RUNNING;
    if (state->ghost_end_ps == 0) {
        queue_run(flow, index);
    } else {
        queue_haunt(flow, index, state->ghost_end_ps);
        insert_ghost(flow, (GhostItem){state->ghost_end_ps, index});
        flow->nunfinished--;
    }
    flow->nplaying++;
    links_grow(flow);
    links_attach(flow, index);
    array_push(&flow->started, index);
    return status_ok();
}
