/// Events of the flow engine: transfers start, end, and are felt to have ended. All that happens in
/// one picosecond is applied together and followed by one solution.
#include "engine/flow/flow.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/flow/flow_state.h"

Flow *flow_create(const Cluster *cluster, const EngineSpec *spec) {
    CHECK(spec->control_delay_ps >= 0 && spec->interval_ps >= 0,
          "control delay %lld ps, interval %lld ps", (long long)spec->control_delay_ps,
          (long long)spec->interval_ps);
    Flow *flow = memory_alloc("flow", sizeof *flow);
    flow->cluster = cluster;
    flow->spec = *spec;
    CHECK(spec->njobs >= 0 && spec->njobs <= ENGINE_JOBS_MAX, "%d jobs", spec->njobs);
    flow->steps.njobs = spec->njobs > 1 ? spec->njobs : 0;
    flow->intervals = (Intervals){.width_ps = spec->interval_ps, .most = spec->intervals_most};
    flow->interval_end_ps = spec->interval_ps;
    flow_tune(flow, (FlowTuning){0});
    routes_init(&flow->routes, cluster);
    runs_init(&flow->nodes, FLOW_LABEL_NODES, sizeof(UseNode));
    runs_init(&flow->user_runs, FLOW_LABEL_USERS, sizeof(int32_t));
    runs_init(&flow->use_runs, FLOW_LABEL_ROUTES, sizeof(SlotUse));
    flow->link.label = FLOW_LABEL_LINKS;
    return flow;
}

void flow_tune(Flow *flow, FlowTuning tuning) {
    if (tuning.long_route_uses == 0) tuning.long_route_uses = LONG_ROUTE_USES;
    if (tuning.review_moves == 0) tuning.review_moves = REVIEW_MOVES;
    flow->tuning = tuning;
}

void flow_destroy(Flow *flow) {
    if (!flow) return;
    stats_fini(flow);
    mass_forget(flow);
    routes_fini(&flow->routes);
    runs_fini(&flow->nodes);
    runs_fini(&flow->user_runs);
    memory_free(FLOW_LABEL_TRANSFERS, flow->active,
                (size_t)flow->active_capacity * sizeof *flow->active);
    array_free(&flow->free_active);
    heap_free(&flow->starts);
    heap_free(&flow->ends);
    heap_free(&flow->felt);
    array_free(&flow->together);
    array_free(&flow->due);
    array_free(&flow->ghosts);
    array_free(&flow->queue);
    array_free(&flow->queues_going);
    array_free(&flow->done.list);
    array_free(&flow->lived);
    array_free(&flow->slowed);
    array_free(&flow->started);
    array_free(&flow->dirty);
    array_free(&flow->orphans);
    array_free(&flow->region);
    array_free(&flow->members);
    array_free(&flow->water);
    links_fini(flow);
    culprits_fini(flow);
    memory_free("flow", flow, sizeof *flow);
}

int64_t flow_nunfinished(const Flow *flow) { return flow->nunfinished; }

EngineSizes flow_sizes(const Flow *flow) {
    // Places of transfers that are gone are used again: there are as many as there ever were at once.
    return (EngineSizes){
        .links = flow->routes.nslots, .transfers = flow->nactive, .uses = flow->routes.uses.n};
}

int64_t flow_now_ps(const Flow *flow) { return flow->now_ps; }

static int32_t take_active(Flow *flow) {
    if (flow->free_active.n > 0) return flow->free_active.at[--flow->free_active.n];
    if (flow->nactive == flow->active_capacity) {
        size_t old = (size_t)flow->active_capacity,
               wanted = (size_t)array_grown(flow->active_capacity);
        CHECK(wanted < INT32_MAX, "more than 2^31 transfers");
        flow->active = memory_resize(FLOW_LABEL_TRANSFERS, flow->active, old * sizeof(Active),
                                     wanted * sizeof(Active));
        flow->active_capacity = (int64_t)wanted;
    }
    return (int32_t)flow->nactive++;
}

/// Drop routes that nobody will ask for again.
void flow_drop_excess_routes(Flow *flow) {
    for (int32_t r = routes_excess(&flow->routes); r >= 0; r = routes_excess(&flow->routes)) {
        stats_flush_route(flow, r);
        links_forget_route(flow, r);
        routes_drop(&flow->routes, r);
    }
}

void flow_let_go_route(Flow *flow, int32_t route) {
    routes_let_go(&flow->routes, route);
    flow_drop_excess_routes(flow);
}

static Status enter(Flow *flow, const Transfer *transfer, int32_t *out) {
    CHECK(transfer->start_ps >= flow->now_ps, "transfer %lld starts at %lld ps, but it is %lld ps",
          (long long)transfer->tag, (long long)transfer->start_ps, (long long)flow->now_ps);
    CHECK(transfer->job == 0 || (transfer->job > 0 && transfer->job < flow->spec.njobs),
          "transfer %lld of job %d", (long long)transfer->tag, transfer->job);
    int32_t route;
    Price price;
    TRY(price_hold(&flow->routes, transfer, NULL, &route, &price));
    bool waits = price.level == 0 && cluster_may_change(flow->cluster);
    if (price.alone_ps >= TIME_NEVER_PS - transfer->start_ps && !waits) {
        flow_let_go_route(flow, route);
        return price_never_ends(transfer);
    }
    int32_t index = take_active(flow);
    if (index < flow->lived.n) flow->lived.at[index] = (Lived){0};
    Wide work = price_work(&flow->routes, &flow->routes.at[route], transfer->bytes);
    flow->active[index] =
        (Active){.remaining = work,
                 .tag = transfer->tag,
                 .bytes = transfer->bytes,
                 .start_ps = transfer->start_ps,
                 .end_ps = waits ? TIME_NEVER_PS : transfer->start_ps + price.alone_ps,
                 .queued_ps = TIME_NEVER_PS,
                 .settled_ps = transfer->start_ps,
                 .cap = price.level,
                 .level = LEVEL_UNKNOWN,
                 .route = route,
                 .step = transfer->step,
                 .first_node = -1,
                 .bottleneck = -1,
                 .job = (uint8_t)(transfer->job & (ENGINE_JOBS_MAX - 1)),
                 .state = ACTIVE_WAITING};
    if (flow->spec.tell_slowed) {
        array_resize(&flow->slowed, flow->nactive);
        flow->slowed.at[index] = (Slowed){0};
    }
    flow->nunfinished++;
    *out = index;
    return status_ok();
}

Status flow_submit(Flow *flow, const Transfer *transfer) {
    int32_t index = -1;
    REQUIRE(cluster_nresources(flow->routes.cluster) <= INT32_MAX, STATUS_RANGE,
            "the fabric has room for %lld links: with more than 2^31 only training jobs are played "
            "whose replicas share "
            "no link that can bind but in collectives, without noise, faults and events",
            (long long)cluster_nresources(flow->routes.cluster));
    TRY(enter(flow, transfer, &index));
    if (transfer->start_ps == flow->now_ps)
        array_push(&flow->due, index);
    else
        heap_push(&flow->starts, (HeapItem){.time_ps = transfer->start_ps, .item = index});
    return status_ok();
}

Status flow_alone_ps(Flow *flow, const Transfer *transfer, int64_t *duration_ps) {
    int32_t route;
    Price price;
    TRY(price_hold(&flow->routes, transfer, NULL, &route, &price));
    *duration_ps = price.alone_ps;
    flow_let_go_route(flow, route);
    return status_ok();
}

/// Forget a transfer that no link feels any more.
static void release(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    if (f->attached) {
        links_detach(flow, index);
        flow->nplaying--;
    }
    flow_let_go_route(flow, f->route);
    f->state = ACTIVE_FREE;
    array_push(&flow->free_active, index);
}

/// The queue of a transfer, NULL: none.
static FlowQueue *queue_of(Flow *flow, const Active *f) {
    int32_t queue = flow->routes.at[f->route].queue;
    while (flow->queue.n <= queue) array_push(&flow->queue, (FlowQueue){0});
    return queue < 0 ? NULL : &flow->queue.at[queue];
}

/// Nobody waits for the ghosts of a queue any longer.
static void end_ghosts_of(Flow *flow, FlowQueue *queue) {
    while (queue->ghosts > 0) {
        int32_t ghost = queue->ghosts - 1;
        queue->ghosts = (int32_t)flow->active[ghost].next_ghost + 1;
        flow->nghosts_early++;
        release(flow, ghost);
    }
}

void queue_run(Flow *flow, int32_t index) {
    FlowQueue *queue = queue_of(flow, &flow->active[index]);
    if (!queue) return;
    queue->nrunning++;
    end_ghosts_of(flow, queue);
}

void queue_haunt(Flow *flow, int32_t index, int64_t until_ps) {
    Active *f = &flow->active[index];
    f->state = ACTIVE_GHOST;
    f->end_ps = until_ps;
    f->next_ghost = -1;
    if (f->nshared > 0) ghost_feel(flow, index);
    FlowQueue *queue = queue_of(flow, f);
    if (!queue) return;
    f->next_ghost = queue->ghosts - 1;
    queue->ghosts = index + 1;
}

/// The last that runs has ended, or others take over what it had.
static void queue_end(Flow *flow, const Active *f) {
    FlowQueue *queue = queue_of(flow, f);
    if (queue && --queue->nrunning > 0)
        array_push(&flow->queues_going, flow->routes.at[f->route].queue);
}

int64_t flow_alone_of(const Flow *flow, const Active *f) {
    const Route *route = &flow->routes.at[f->route];
    return price_duration_ps(price_work(&flow->routes, route, f->bytes), route->level_work, f->cap);
}

/// Of one that has ended: if it has lived through changes, no longer than it took.
static int64_t alone_of_ended(const Flow *flow, int32_t index) {
    const Active *f = &flow->active[index];
    int64_t took_ps = f->end_ps - f->start_ps;
    if (f->bytes == 0) return took_ps;
    const Lived *lived = path_lived(flow, f);
    if (!lived) return flow_alone_of(flow, f);
    return lived->alone_ps < took_ps ? lived->alone_ps : took_ps;
}

static void complete(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    stats_slow_close(flow, f);
    stats_complete(flow, f);
    int64_t alone_ps = alone_of_ended(flow, index);
    Completion done = {f->tag, f->start_ps, f->end_ps, alone_ps, {{0}, 0, 0}};
    if (flow->spec.tell_slowed) done.slowed = flow->slowed.at[index];
    array_push(&flow->done.list, done);
    flow->nunfinished--;
    int64_t until_ps = fluid_felt_until_ps(flow->now_ps, flow->spec.control_delay_ps);
    if (f->attached) queue_end(flow, f);
    if (!f->attached || flow->spec.control_delay_ps == 0) {
        release(flow, index);
        return;
    }
    queue_haunt(flow, index, until_ps);
    array_push(&flow->ghosts, (GhostItem){until_ps, index});
}

/// Complete all transfers that end now.
static void play_ends(Flow *flow) {
    if (heap_next_ps(&flow->ends) > flow->now_ps &&
        (flow->together.n == 0 || flow->together_ps > flow->now_ps))
        return;
    while (ends_next_ps(flow) == flow->now_ps) {
        if (heap_next_ps(&flow->ends) == flow->now_ps)
            complete(flow, (int32_t)heap_pop(&flow->ends).item);
        if (flow->together.n == 0 || flow->together_ps != flow->now_ps) continue;
        for (int64_t i = 0; i < flow->together.n; i++)
            if (ends_hold(flow, flow->together.at[i], flow->now_ps))
                complete(flow, flow->together.at[i]);
            else
                ends_requeue(flow, flow->together.at[i], flow->now_ps);
        array_clear(&flow->together);
    }
}

int64_t flow_next_ps(const Flow *flow) {
    if (flow->due.n > 0) return flow->now_ps;
    int64_t next = heap_next_ps(&flow->ends); // never stale here: see play_instant
    if (flow->together.n > 0 && flow->together_ps < next) next = flow->together_ps;
    const int64_t start = heap_next_ps(&flow->starts), felt = heap_next_ps(&flow->felt);
    if (start < next) next = start;
    if (felt < next) next = felt;
    if (next == TIME_NEVER_PS && flow->nghosts_gone < flow->ghosts.n)
        return flow->ghosts.at[flow->nghosts_gone].time_ps;
    return next;
}

void flow_wait(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    f->level = 0;
    f->end_ps = TIME_NEVER_PS; // entries of the queue find it
    flow->nwaiting++;
    links_grow(flow);
    stats_slow_open(flow, f);
}

static void start(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    f->state = ACTIVE_RUNNING;
    if (f->bytes > 0) {
        queue_run(flow, index);
        if (f->cap == 0) {
            flow_wait(flow, index);
            return;
        }
        array_push(&flow->started, index);
        flow->nstarting_uses += flow->routes.at[f->route].nbind;
    } else if (f->end_ps == flow->now_ps) {
        complete(flow, index);
    } else {
        push_end(flow, index);
    }
}

/// Put what starts on its links.
static void attach_started(Flow *flow) {
    links_grow(flow);
    ceiling_expect(flow, flow->nplaying + flow->started.n);
    // The way for all at once walks all links.
    if (flow->nplaying == 0 && flow->nstarting_uses > flow->routes.nslots)
        mass_attach(flow);
    else
        for (int64_t i = 0; i < flow->started.n; i++) links_attach(flow, flow->started.at[i]);
    flow->nplaying += flow->started.n;
    flow->nstarting_uses = 0;
}

/// What starts alone on all its links runs at its cap; the others stay in `started`.
static void start_alone(Flow *flow) {
    int64_t n = 0;
    for (int64_t i = 0; i < flow->started.n; i++) {
        Active *f = &flow->active[flow->started.at[i]];
        if (f->nshared == 0 && f->bounded) ceiling_lift(flow, f->route, f->cap);
        if (f->nshared > 0) {
            flow->started.at[n++] = flow->started.at[i];
            continue;
        }
        f->level = f->cap;
        if (f->state == ACTIVE_RUNNING) requeue(flow, flow->started.at[i]);
        stats_slow_open(flow, f);
    }
    flow->started.n = n;
}

/// Does an entry say until when a ghost is felt, or was that over before?
static bool ghost_holds(const Flow *flow, GhostItem ghost) {
    const Active *f = &flow->active[ghost.transfer];
    return f->state == ACTIVE_GHOST && f->end_ps == ghost.time_ps;
}

/// Ghosts that end at or before a moment.
static void ghosts_end_until(Flow *flow, int64_t until_ps) {
    while (flow->nghosts_gone < flow->ghosts.n &&
           flow->ghosts.at[flow->nghosts_gone].time_ps <= until_ps) {
        GhostItem ghost = flow->ghosts.at[flow->nghosts_gone++];
        if (!ghost_holds(flow, ghost)) {
            flow->nghosts_early--;
            continue;
        }
        FlowQueue *queue = queue_of(flow, &flow->active[ghost.transfer]);
        if (queue) queue->ghosts = 0; // all ended at one time, and are here
        release(flow, ghost.transfer);
    }
}

/// Ghosts whose time has come, and those of queues that go on.
static void end_ghosts(Flow *flow) {
    ghosts_end_until(flow, flow->now_ps);
    for (int64_t i = 0; i < flow->queues_going.n; i++) {
        FlowQueue *queue = &flow->queue.at[flow->queues_going.at[i]];
        if (queue->nrunning > 0) end_ghosts_of(flow, queue);
    }
    array_clear(&flow->queues_going);
    if (flow->nghosts_gone < flow->ghosts.n / 2 + 16) return;
    int64_t left = flow->ghosts.n - flow->nghosts_gone;
    for (int64_t i = 0; i < left; i++) flow->ghosts.at[i] = flow->ghosts.at[flow->nghosts_gone + i];
    flow->ghosts.n = left;
    flow->nghosts_gone = 0;
}

/// Leave no entry at the head that was over before its time.
static void trim_ghosts(Flow *flow) {
    for (; flow->nghosts_early > 0 && !ghost_holds(flow, flow->ghosts.at[flow->nghosts_gone]);
         flow->nghosts_early--)
        flow->nghosts_gone++;
    while (flow->felt.n > 0 && !ghost_holds(flow, (GhostItem){flow->felt.at[0].time_ps,
                                                              (int32_t)flow->felt.at[0].item}))
        heap_pop(&flow->felt);
}

static int completion_compare(const void *a, const void *b) {
    const Completion *x = a, *y = b;
    if (x->end_ps != y->end_ps) return x->end_ps < y->end_ps ? -1 : 1;
    return (x->tag > y->tag) - (x->tag < y->tag);
}

/// Sort the completions of this instant; some may stand there from an earlier call for the same
/// instant.
static void sort_done(Flow *flow) {
    int64_t first = flow->done.list.n;
    bool sorted = true;
    for (; first > flow->done.ndrained && flow->done.list.at[first - 1].end_ps == flow->now_ps;
         first--)
        if (first < flow->done.list.n &&
            flow->done.list.at[first - 1].tag > flow->done.list.at[first].tag)
            sorted = false;
    if (!sorted)
        qsort(&flow->done.list.at[first], (size_t)(flow->done.list.n - first),
              sizeof *flow->done.list.at, completion_compare);
}

static void play_instant(Flow *flow, int64_t now_ps) {
    flow->now_ps = now_ps;
    play_ends(flow);
    end_ghosts(flow);
    for (int64_t i = 0; i < flow->due.n; i++) start(flow, flow->due.at[i]);
    array_clear(&flow->due);
    while (heap_next_ps(&flow->starts) == now_ps)
        start(flow, (int32_t)heap_pop(&flow->starts).item);
    attach_started(flow);
    if (!flow->mass) start_alone(flow); // else it takes one walk to do it with the others
    solve_changes(flow);
    ends_next_ps(flow); // leave no stale entry at the top
    trim_ghosts(flow);
    sort_done(flow);
}

void flow_solve_anew(Flow *flow) {
    start_alone(flow);
    solve_all(flow);
    links_settle(flow);
    array_clear(&flow->started);
    array_clear(&flow->dirty);
    array_clear(&flow->orphans);
    ends_next_ps(flow); // leave no stale entry at the top
}

void flow_advance(Flow *flow, int64_t to_ps) {
    CHECK(to_ps >= flow->now_ps, "advance to %lld ps, but it is %lld ps", (long long)to_ps,
          (long long)flow->now_ps);
    for (int64_t next = flow_next_ps(flow); next <= to_ps && next < TIME_NEVER_PS;
         next = flow_next_ps(flow)) {
        ghosts_end_until(flow, next - 1); // nobody felt them
        stats_close_intervals(flow, next);
        play_instant(flow, next);
    }
    if (to_ps == TIME_NEVER_PS) return;
    ghosts_end_until(flow, to_ps);
    stats_close_intervals(flow, to_ps);
    flow->now_ps = to_ps;
}

int64_t flow_drain(Flow *flow, Completion completions[], int64_t capacity) {
    return finished_drain(&flow->done, completions, capacity);
}
