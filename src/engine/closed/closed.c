#include "engine/closed/closed.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/finished.h"
#include "engine/price.h"
#include "engine/tally.h"

#define LABEL "closed"

/// A transfer under way, on the heap by its end.
typedef struct Pending {
    Completion completion;
    int64_t bytes;
    int32_t route, step;
} Pending;

struct Engine {
    Routes routes;
    StepTallies steps;
    ARRAY_OF(Pending) pending;
    ARRAY_OF(int64_t) free_pending;
    Heap ends;
    Finished done;
    int64_t now_ps;
};

static Engine *create(const Cluster *cluster, const EngineSpec *spec) {
    (void)spec; // nobody is felt, and there are no intervals
    Engine *closed = memory_alloc(LABEL, sizeof *closed);
    routes_init(&closed->routes, cluster);
    return closed;
}

static void destroy(Engine *closed) {
    if (!closed) return;
    routes_fini(&closed->routes);
    step_fini(&closed->steps);
    array_free(&closed->pending);
    array_free(&closed->free_pending);
    heap_free(&closed->ends);
    array_free(&closed->done.list);
    memory_free(LABEL, closed, sizeof *closed);
}

static void let_go_route(Engine *closed, int32_t route) {
    routes_let_go(&closed->routes, route);
    for (int32_t r = routes_excess(&closed->routes); r >= 0; r = routes_excess(&closed->routes)) {
        step_flush(&closed->steps, &closed->routes, &closed->routes.at[r]);
        routes_drop(&closed->routes, r);
    }
}

static Status alone_ps(Engine *closed, const Transfer *transfer, int64_t *duration_ps) {
    int32_t route;
    Price price;
    TRY(price_hold(&closed->routes, transfer, NULL, &route, &price));
    *duration_ps = price.alone_ps;
    let_go_route(closed, route);
    return status_ok();
}

static Status submit(Engine *closed, const Transfer *transfer) {
    CHECK(transfer->start_ps >= closed->now_ps,
          "transfer %lld starts at %lld ps, but it is %lld ps", (long long)transfer->tag,
          (long long)transfer->start_ps, (long long)closed->now_ps);
    int32_t route;
    Price price;
    TRY(price_hold(&closed->routes, transfer, NULL, &route, &price));
    int64_t alone_ps = price.alone_ps;
    if (alone_ps >= TIME_NEVER_PS - transfer->start_ps) {
        let_go_route(closed, route);
        return price_never_ends(transfer);
    }
    int64_t end_ps = transfer->start_ps + alone_ps, index = closed->pending.n;
    if (closed->free_pending.n > 0)
        index = closed->free_pending.at[--closed->free_pending.n];
    else
        array_resize(&closed->pending, index + 1);
    closed->pending.at[index] = (Pending){.completion = {.tag = transfer->tag,
                                                         .start_ps = transfer->start_ps,
                                                         .end_ps = end_ps,
                                                         .alone_ps = alone_ps},
                                          .bytes = transfer->bytes,
                                          .route = route,
                                          .step = transfer->step};
    heap_push(&closed->ends,
              (HeapItem){end_ps, (uint64_t)transfer->tag ^ (UINT64_C(1) << 63), index});
    return status_ok();
}

static int64_t next_ps(const Engine *closed) { return heap_next_ps(&closed->ends); }

static int64_t now_ps(const Engine *closed) { return closed->now_ps; }

static void advance(Engine *closed, int64_t to_ps) {
    CHECK(to_ps >= closed->now_ps, "advance to %lld ps, but it is %lld ps", (long long)to_ps,
          (long long)closed->now_ps);
    while (closed->ends.n > 0 && heap_next_ps(&closed->ends) <= to_ps) {
        int64_t index = heap_pop(&closed->ends).item;
        const Pending *pending = &closed->pending.at[index];
        closed->now_ps = pending->completion.end_ps;
        step_add(&closed->steps, &closed->routes, &closed->routes.at[pending->route], pending->step,
                 pending->bytes);
        array_push(&closed->done.list, pending->completion);
        let_go_route(closed, pending->route);
        array_push(&closed->free_pending, index);
    }
    if (to_ps < TIME_NEVER_PS) closed->now_ps = to_ps;
}

static int64_t drain(Engine *closed, Completion completions[], int64_t capacity) {
    return finished_drain(&closed->done, completions, capacity);
}

static EngineSizes sizes(const Engine *closed) {
    return (EngineSizes){.links = closed->routes.nslots,
                         .transfers = closed->pending.n,
                         .uses = closed->routes.uses.n};
}

static int64_t nunfinished(const Engine *closed) { return closed->ends.n; }

static void put_step(Engine *closed, int32_t step, LinkSink sink) {
    step_put(&closed->steps, &closed->routes, step, closed->now_ps, sink);
}

static void clear_step(Engine *closed, int32_t step) {
    step_clear(&closed->steps, &closed->routes, step);
}

const EngineOps CLOSED_ENGINE = {
    .name = CLOSED_NAME,
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .next_ps = next_ps,
    .now_ps = now_ps,
    .advance = advance,
    .drain = drain,
    .nunfinished = nunfinished,
    .alone_ps = alone_ps,
    .step_links = put_step,
    .step_clear = clear_step,
    .sizes = sizes,
};
