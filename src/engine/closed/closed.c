#include "engine/closed/closed.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/price.h"
#include "engine/tally.h"

#define LABEL "closed"

/// A transfer under way, on the heap by its end.
typedef struct Pending {
    Completion completion;
    int64_t bytes;
    int32_t route, step;
} Pending;

struct Closed {
    Routes routes;
    StepTallies steps;
    ARRAY_OF(Pending) pending;
    ARRAY_OF(int64_t) free_pending;
    Heap ends;
    ARRAY_OF(Completion) done;
    int64_t ndrained;
    int64_t now_ps;
};

Closed *closed_create(const Cluster *cluster, bool (*owns)(const void *owner, LinkId link),
                      const void *owner) {
    Closed *closed = memory_alloc(LABEL, sizeof *closed);
    routes_init(&closed->routes, cluster);
    if (owns) routes_set_owner(&closed->routes, owns, owner);
    return closed;
}

void closed_destroy(Closed *closed) {
    if (!closed) return;
    routes_fini(&closed->routes);
    step_fini(&closed->steps);
    array_free(&closed->pending);
    array_free(&closed->free_pending);
    heap_free(&closed->ends);
    array_free(&closed->done);
    memory_free(LABEL, closed, sizeof *closed);
}

static void let_go_route(Closed *closed, int32_t route) {
    routes_let_go(&closed->routes, route);
    for (int32_t r = routes_excess(&closed->routes); r >= 0; r = routes_excess(&closed->routes)) {
        step_flush(&closed->steps, &closed->routes, &closed->routes.at[r]);
        routes_drop(&closed->routes, r);
    }
}

Status closed_alone_ps(Closed *closed, const Transfer *transfer, int64_t *duration_ps) {
    int32_t route;
    Price price;
    TRY(price_hold(&closed->routes, transfer, &route, &price));
    *duration_ps = price.alone_ps;
    let_go_route(closed, route);
    return status_ok();
}

Status closed_submit(Closed *closed, const Transfer *transfer) {
    CHECK(transfer->start_ps >= closed->now_ps,
          "transfer %lld starts at %lld ps, but it is %lld ps", (long long)transfer->tag,
          (long long)transfer->start_ps, (long long)closed->now_ps);
    int32_t route;
    Price price;
    TRY(price_hold(&closed->routes, transfer, &route, &price));
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
    closed->pending.at[index] = (Pending){{transfer->tag, transfer->start_ps, end_ps, alone_ps},
                                          transfer->bytes,
                                          route,
                                          transfer->step};
    heap_push(&closed->ends,
              (HeapItem){end_ps, (uint64_t)transfer->tag ^ (UINT64_C(1) << 63), index});
    return status_ok();
}

int64_t closed_next_ps(const Closed *closed) { return heap_next_ps(&closed->ends); }

int64_t closed_now_ps(const Closed *closed) { return closed->now_ps; }

void closed_advance(Closed *closed, int64_t to_ps) {
    CHECK(to_ps >= closed->now_ps, "advance to %lld ps, but it is %lld ps", (long long)to_ps,
          (long long)closed->now_ps);
    while (closed->ends.n > 0 && heap_next_ps(&closed->ends) <= to_ps) {
        int64_t index = heap_pop(&closed->ends).item;
        const Pending *pending = &closed->pending.at[index];
        closed->now_ps = pending->completion.end_ps;
        step_add(&closed->steps, &closed->routes, &closed->routes.at[pending->route], pending->step,
                 pending->bytes);
        array_push(&closed->done, pending->completion);
        let_go_route(closed, pending->route);
        array_push(&closed->free_pending, index);
    }
    if (to_ps < TIME_NEVER_PS) closed->now_ps = to_ps;
}

int64_t closed_drain(Closed *closed, Completion completions[], int64_t capacity) {
    int64_t n = closed->done.n - closed->ndrained;
    if (n > capacity) n = capacity;
    for (int64_t i = 0; i < n; i++) completions[i] = closed->done.at[closed->ndrained + i];
    closed->ndrained += n;
    if (closed->ndrained == closed->done.n) closed->done.n = closed->ndrained = 0;
    return n;
}

EngineSizes closed_sizes(const Closed *closed) {
    return (EngineSizes){.links = closed->routes.nslots,
                         .transfers = closed->pending.n,
                         .uses = closed->routes.uses.n};
}

int64_t closed_nunfinished(const Closed *closed) { return closed->ends.n; }

void closed_step_links(Closed *closed, int32_t step, LinkSink sink) {
    step_put(&closed->steps, &closed->routes, step, closed->now_ps, sink);
}

void closed_step_clear(Closed *closed, int32_t step) {
    step_clear(&closed->steps, &closed->routes, step);
}
