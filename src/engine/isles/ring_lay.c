// What held rings over a window: stretches in which links were at their level, laid over each other in the order of
// link ids.
#include <stdlib.h>

#include "engine/isles/rings.h"

typedef struct Stretch {
    int64_t from_ps, to_ps;
} Stretch;

/// Parts of the window that nothing covers yet, in order.
typedef struct Bare {
    ARRAY_OF(Stretch) part;
    ARRAY_OF(Stretch) scratch;
} Bare;

/// Cover [from, to) with a link: what was bare there becomes spans.
static void cover(Rings *rings, Bare *bare, int32_t r, int64_t link, int64_t from_ps,
                  int64_t to_ps) {
    array_clear(&bare->scratch);
    bool hit = false;
    for (int64_t i = 0; i < bare->part.n; i++) {
        Stretch part = bare->part.at[i];
        int64_t begin_ps = part.from_ps > from_ps ? part.from_ps : from_ps;
        int64_t end_ps = part.to_ps < to_ps ? part.to_ps : to_ps;
        if (begin_ps >= end_ps) {
            array_push(&bare->scratch, part);
            continue;
        }
        hit = true;
        array_push(&rings->span, (RingSpan){begin_ps, end_ps, link, r});
        if (part.from_ps < begin_ps) array_push(&bare->scratch, (Stretch){part.from_ps, begin_ps});
        if (end_ps < part.to_ps) array_push(&bare->scratch, (Stretch){end_ps, part.to_ps});
    }
    if (!hit) return;
    array_clear(&bare->part);
    for (int64_t i = 0; i < bare->scratch.n; i++) array_push(&bare->part, bare->scratch.at[i]);
}

/// What the notes of a slot say of a ring.
static void cover_noted(Rings *rings, Bare *bare, int32_t r, RouteUse use) {
    const Isles *isles = rings->isles;
    int64_t level = rings->ring.at[r].level, link = ledger_routes(rings->ledger)->link[use.slot];
    for (int32_t b = isles->slot_bind.at[use.slot]; b > 0; b = isles->bind.at[b - 1].next) {
        const BindSpan *bind = &isles->bind.at[b - 1];
        if (bind->level == level) cover(rings, bare, r, link, bind->from_ps, bind->to_ps);
    }
    SlotLane where = isles->slot_lane.at[use.slot];
    if (where.bound == 0) return;
    const BoundLanes *bound = &isles->at[where.isle].bound.at[where.bound - 1];
    if (bound->level == level) cover(rings, bare, r, link, bound->since_ps, INT64_MAX);
}

/// Lay what the isles of this rank say over the window, links in order.
static void lay_own(Rings *rings, Bare *bare, int32_t r) {
    const Isles *isles = rings->isles;
    const Routes *routes = ledger_routes(rings->ledger);
    const Ring *ring = &rings->ring.at[r];
    const Route *route = &routes->at[ring->route];
    const RouteUse *uses = routes_uses(routes, route);
    int64_t noted = isles->slot_notes.n;
    for (int32_t u = 0; u < route->nbind && bare->part.n > 0; u++) {
        int32_t slot = uses[u].slot;
        if (u == ring->static_use)
            cover(rings, bare, r, routes->link[slot], INT64_MIN, INT64_MAX);
        else if (slot < noted && isles->slot_notes.at[slot] != 0)
            cover_noted(rings, bare, r, uses[u]);
    }
}

static int by_link(const void *a, const void *b) {
    const RingSpan *x = a, *y = b;
    if (x->ring != y->ring) return x->ring < y->ring ? -1 : 1;
    if (x->link != y->link) return x->link < y->link ? -1 : 1;
    return (x->from_ps > y->from_ps) - (x->from_ps < y->from_ps);
}

/// Join what all ranks have laid: the least link at each time.
static void gather_spans(Rings *rings, RingSpans *all) {
    Gathered gathered = comm_allgather(rings->isles->spec.comm, rings->span.at,
                                       (int64_t)sizeof(RingSpan) * rings->span.n);
    int64_t n = gathered.first[gathered.nranks] / (int64_t)sizeof(RingSpan);
    array_resize(all, n);
    for (int64_t i = 0; i < n; i++)
        all->at[i] = ((const RingSpan *)(const void *)gathered.bytes)[i];
    gathered_free(&gathered);
    if (n > 0) qsort(all->at, (size_t)n, sizeof(RingSpan), by_link);
}

static bool is_held(const Ring *ring) { return ring_on_links(ring) && ring->level < ring->cap; }

static void begin_bare(Bare *bare, int64_t from_ps, int64_t to_ps) {
    array_clear(&bare->part);
    array_push(&bare->part, (Stretch){from_ps, to_ps});
}

/// What all ranks have laid, from what each has; the first time that is bare even so, or to_ps.
static int64_t lay_all(Rings *rings, Bare *bare, int64_t from_ps, int64_t to_ps) {
    RingSpans all = {0};
    gather_spans(rings, &all);
    array_clear(&rings->span);
    int64_t i = 0, bare_ps = to_ps;
    for (int32_t r = 0; r < rings->ring.n; r++) {
        if (!is_held(&rings->ring.at[r])) continue;
        begin_bare(bare, from_ps, to_ps);
        for (; i < all.n && all.at[i].ring == r; i++)
            cover(rings, bare, r, all.at[i].link, all.at[i].from_ps, all.at[i].to_ps);
        if (bare->part.n > 0 && bare->part.at[0].from_ps < bare_ps)
            bare_ps = bare->part.at[0].from_ps;
    }
    array_free(&all);
    return bare_ps;
}

int64_t rings_lay(Rings *rings, int64_t from_ps, int64_t to_ps) {
    Bare bare = {0};
    array_clear(&rings->span);
    int64_t bare_ps = to_ps;
    for (int32_t r = 0; r < rings->ring.n; r++) {
        if (!is_held(&rings->ring.at[r])) continue;
        begin_bare(&bare, from_ps, to_ps);
        lay_own(rings, &bare, r);
        if (bare.part.n > 0 && bare.part.at[0].from_ps < bare_ps) bare_ps = bare.part.at[0].from_ps;
    }
    if (comm_nranks(rings->isles->spec.comm) > 1) bare_ps = lay_all(rings, &bare, from_ps, to_ps);
    array_free(&bare.part);
    array_free(&bare.scratch);
    return bare_ps;
}
