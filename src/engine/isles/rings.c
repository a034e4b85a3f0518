#include "engine/isles/rings.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"

#define LABEL "isles.rings"
#define LABEL_USES "isles.uses"

Rings *rings_create(Isles *isles) {
    Rings *rings = memory_alloc(LABEL, sizeof *rings);
    rings->isles = isles;
    rings->ledger = isles->ledger;
    rings->slot.label = ISLES_LABEL_SLOTS;
    rings->ring.label = LABEL;
    rings->contended.label = LABEL_USES;
    runs_init(&rings->uses, LABEL_USES, sizeof(RingUse));
    return rings;
}

void rings_destroy(Rings *rings) {
    if (!rings) return;
    for (int64_t r = 0; r < rings->ring.n; r++)
        if (rings->ring.at[r].state != RING_FREE)
            ledger_close(rings->ledger, rings->ring.at[r].route);
    array_free(&rings->ring);
    array_free(&rings->slot);
    runs_fini(&rings->uses);
    array_free(&rings->listed);
    array_free(&rings->contended);
    limits_free(&rings->limits);
    array_free(&rings->done);
    array_free(&rings->span);
    memory_free(LABEL, rings, sizeof *rings);
}

Status isles_submit(Isles *isles, const Transfer *transfer) {
    Rings *rings = isles->rings;
    int32_t route;
    Price price;
    TRY(ledger_open(rings->ledger, transfer, isles->spec.own, &route, &price));
    int64_t r = 0;
    while (r < rings->ring.n && rings->ring.at[r].state != RING_FREE) r++;
    if (r == rings->ring.n) array_resize(&rings->ring, r + 1);
    const Routes *routes = ledger_routes(rings->ledger);
    rings->ring.at[r] = (Ring){.remaining = price_work(routes, &routes->at[route], transfer->bytes),
                               .tag = transfer->tag,
                               .bytes = transfer->bytes,
                               .start_ps = transfer->start_ps,
                               .end_ps = transfer->start_ps + price.alone_ps,
                               .settled_ps = transfer->start_ps,
                               .alone_ps = price.alone_ps,
                               .cap = price.level,
                               .level = LEVEL_UNKNOWN,
                               .static_link = INT64_MAX,
                               .route = route,
                               .step = transfer->step,
                               .state = RING_WAITING};
    return status_ok();
}

int64_t isles_next_ring_ps(const Isles *isles) {
    const Rings *rings = isles->rings;
    int64_t next_ps = TIME_NEVER_PS;
    for (int64_t r = 0; r < rings->ring.n; r++) {
        const Ring *ring = &rings->ring.at[r];
        if (ring->state == RING_FREE) continue;
        int64_t time_ps = ring->state == RING_WAITING ? ring->start_ps : ring->end_ps;
        if (time_ps < next_ps) next_ps = time_ps;
    }
    return next_ps;
}

bool isles_have_rings(const Isles *isles) {
    const Rings *rings = isles->rings;
    for (int64_t r = 0; r < rings->ring.n; r++)
        if (ring_on_links(&rings->ring.at[r])) return true;
    return false;
}

bool isles_rings_have_changed(const Isles *isles) { return isles->rings->changed; }

static void release(Rings *rings, int32_t r) {
    if (rings->ring.at[r].bytes > 0) ring_detach(rings, r);
    rings->ring.at[r].state = RING_FREE;
    ledger_close(rings->ledger, rings->ring.at[r].route);
}

static int32_t ring_queue(const Rings *rings, int32_t r) {
    return ledger_routes(rings->ledger)->at[rings->ring.at[r].route].queue;
}

static void end_ring(Rings *rings, int32_t r, int64_t now_ps) {
    Ring *ring = &rings->ring.at[r];
    int64_t delay_ps = rings->isles->spec.control_delay_ps;
    array_push(&rings->done,
               (Completion){ring->tag, ring->start_ps, now_ps, ring->alone_ps, ring->slowed});
    ledger_add_bytes(rings->ledger, ring->route, ring->step, ring->bytes,
                     ring->bytes - ring->sampled_bytes);
    ring->state = RING_GHOST;
    ring->end_ps = fluid_felt_until_ps(now_ps, delay_ps);
    if (ring->bytes == 0 || delay_ps == 0) release(rings, r);
}

/// Begin on the links; what is still felt of a ring of the same queue before is over.
static void take_over(Rings *rings, int32_t r) {
    for (int32_t other = 0; other < rings->ring.n; other++)
        if (rings->ring.at[other].state == RING_GHOST && ring_queue(rings, other) >= 0 &&
            ring_queue(rings, other) == ring_queue(rings, r))
            release(rings, other);
    ring_attach(rings, r);
}

void isles_rings_due(Isles *isles, int64_t now_ps) {
    Rings *rings = isles->rings;
    for (int32_t r = 0; r < rings->ring.n; r++) {
        Ring *ring = &rings->ring.at[r];
        if (ring->state == RING_RUNNING && ring->end_ps == now_ps)
            end_ring(rings, r, now_ps);
        else if (ring->state == RING_GHOST && ring->end_ps == now_ps)
            release(rings, r);
    }
    for (int32_t r = 0; r < rings->ring.n; r++) {
        Ring *ring = &rings->ring.at[r];
        if (ring->state != RING_WAITING || ring->start_ps != now_ps) continue;
        ring->state = RING_RUNNING;
        if (ring->bytes > 0)
            take_over(rings, r);
        else if (ring->end_ps == now_ps)
            end_ring(rings, r, now_ps);
    }
}

static int by_tag(const void *a, const void *b) {
    const Completion *x = a, *y = b;
    return (x->tag > y->tag) - (x->tag < y->tag);
}

const Completion *isles_take_rings(Isles *isles, int64_t *n) {
    Rings *rings = isles->rings;
    *n = rings->done.n;
    if (*n > 0) qsort(rings->done.at, (size_t)*n, sizeof(Completion), by_tag);
    array_clear(&rings->done);
    return rings->done.at;
}

static int64_t level_work_of(const Rings *rings, const Ring *ring) {
    return ledger_routes(rings->ledger)->at[ring->route].level_work;
}

static void settle(const Rings *rings, Ring *ring, int64_t now_ps) {
    fluid_settle(&ring->remaining, &ring->settled_ps, level_work_of(rings, ring), ring->level,
                 now_ps);
}

static void set_level(Rings *rings, Ring *ring, int64_t level, int64_t now_ps) {
    if (ring->level == level) return;
    if (ring->state != RING_RUNNING) {
        ring->level = level;
        return;
    }
    settle(rings, ring, now_ps);
    ring->level = level;
    ring->end_ps = price_end_ps(now_ps, ring->remaining, level_work_of(rings, ring), level);
}

void rings_sample(Rings *rings, int64_t now_ps) {
    const Routes *routes = ledger_routes(rings->ledger);
    for (int64_t r = 0; r < rings->ring.n; r++) {
        Ring *ring = &rings->ring.at[r];
        if (ring->state != RING_RUNNING || ring->bytes == 0) continue;
        settle(rings, ring, now_ps);
        ledger_add_bytes(
            rings->ledger, ring->route, ring->step, 0,
            fluid_sample(routes, ring->route, ring->remaining, ring->bytes, &ring->sampled_bytes));
    }
}

// Levels.

static int by_ring(const void *a, const void *b) {
    const LimitUse *x = a, *y = b;
    return (x->ring > y->ring) - (x->ring < y->ring);
}

/// List the links that rings alone could fill, anew.  MPI: collective.
static void list_limits(Rings *rings) {
    const Routes *routes = ledger_routes(rings->ledger);
    ARRAY_OF(LimitUse) users = {0};
    rings_review_contended(rings);
    limits_clear(&rings->limits);
    for (int64_t i = 0; i < rings->contended.n; i++) {
        int32_t slot = rings->contended.at[i];
        array_clear(&users);
        for (const RingUse *use = rings_first_use(rings, slot); use;
             use = ring_use(rings, use->next))
            array_push(&users, (LimitUse){use->ring, use->weight});
        if (users.n < 2) continue; // one alone cannot: its cap takes the link into account
        qsort(users.at, (size_t)users.n, sizeof(LimitUse), by_ring); // links alike look alike
        limits_add(&rings->limits, routes_capacity(routes, slot), routes->link[slot], users.at,
                   users.n);
    }
    limits_share(&rings->limits, rings->isles->spec.comm);
    array_free(&users);
}

static void draft_limits(Rings *rings) {
    MaxminDraft *draft = &rings->isles->draft;
    for (int64_t i = 0; i < rings->limits.at.n; i++) {
        const RingLimit *limit = &rings->limits.at.at[i];
        int32_t link = (int32_t)draft->capacity.n;
        array_push(&draft->capacity, limit->capacity);
        for (int64_t u = limit->first; u < limit->first + limit->n; u++) {
            LimitUse use = rings->limits.use.at[u];
            array_push(&draft->use,
                       (MaxminUse){rings->ring.at[use.ring].transfer, link, use.weight});
        }
    }
}

/// Rings, and the transfers of this rank's channels that bear on them, as one system; returns how many rings.
static int64_t draft_all(Rings *rings) {
    Isles *isles = rings->isles;
    rings_begin_draft(rings);
    for (int32_t r = 0; r < rings->ring.n; r++)
        if (ring_on_links(&rings->ring.at[r]))
            rings_draft_transfer(rings, r, rings->ring.at[r].cap);
    int64_t n = isles->draft.cap.n;
    if (rings->changed) list_limits(rings);
    draft_limits(rings);
    for (int64_t i = 0; i < isles->n; i++) {
        // What shares a lane with a ring, and what this shares lanes with.
        const Isle *isle = &isles->at[i];
        uint64_t channels = isle->ring_channels & isle->state->present;
        if (channels) isle_draft(isles, isle, isle_reach(isle, channels), true);
    }
    return n;
}

/// Of what each rank has found from its own links, keep what holds for all; false: fill again with that.
/// Where ranks do not agree, the least level is right for its collective, for below it no other rank can know of less.
/// Up to the least level in dispute all ranks have filled with the same water, so what they found up to there is right.
static bool fix_levels(MaxminDraft *draft, int64_t n, const Comm *comm) {
    const int64_t *found = draft->solution.level.at;
    int64_t disputed = INT64_MAX;
    int64_t *ends = memory_alloc(LABEL, sizeof(int64_t) * 2 * (size_t)n); // least; minus greatest
    for (int64_t r = 0; r < n; r++) {
        ends[r] = found[r];
        ends[n + r] = -found[r];
    }
    comm_min_i64(comm, ends, (int)(2 * n));
    for (int64_t r = 0; r < n; r++)
        if (ends[r] != -ends[n + r] && ends[r] < disputed) disputed = ends[r];
    for (int64_t r = 0; r < n; r++)
        if (ends[r] <= disputed) draft->cap.at[r] = ends[r];
    memory_free(LABEL, ends, sizeof(int64_t) * 2 * (size_t)n);
    return disputed == INT64_MAX;
}

/// Level of a link by the definition, if rings at their levels were all its users; INT64_MAX: it holds none.
static int64_t level_of_limit(const Rings *rings, const RingLimit *limit) {
    const LimitUse *use = &rings->limits.use.at[limit->first];
    Wide left = limit->capacity;
    int64_t done = -1;
    for (;;) {
        int64_t next = INT64_MAX, weight = 0, at_next = 0;
        for (int64_t u = 0; u < limit->n; u++) {
            int64_t level = rings->ring.at[use[u].ring].level;
            if (level <= done) continue;
            weight += use[u].weight;
            if (level < next) {
                next = level;
                at_next = 0;
            }
            if (level == next) at_next += use[u].weight;
        }
        if (weight == 0) return INT64_MAX;
        if (left < (Wide)(next + 1) * weight) return next; // levels are legal: it is not below
        left -= (Wide)next * at_next;
        done = next;
    }
}

static void find_static_links(Rings *rings) {
    for (int64_t r = 0; r < rings->ring.n; r++) {
        rings->ring.at[r].static_link = INT64_MAX;
        rings->ring.at[r].static_use = -1;
    }
    for (int64_t i = 0; i < rings->limits.at.n; i++) {
        const RingLimit *limit = &rings->limits.at.at[i];
        int64_t level = level_of_limit(rings, limit);
        if (level == INT64_MAX) continue;
        for (int64_t u = limit->first; u < limit->first + limit->n; u++) {
            Ring *ring = &rings->ring.at[rings->limits.use.at[u].ring];
            if (ring->level == level && limit->link < ring->static_link)
                ring->static_link = limit->link;
        }
    }
    for (int32_t r = 0; r < rings->ring.n; r++)
        if (rings->ring.at[r].static_link < INT64_MAX)
            rings->ring.at[r].static_use = ring_find_use(rings, r, rings->ring.at[r].static_link);
}

void isles_solve_rings(Isles *isles, int64_t now_ps) {
    Rings *rings = isles->rings;
    bool moved = false;
    int64_t n = draft_all(rings);
    maxmin_draft_solve(&isles->draft);
    // Of what all have fixed, caps are the levels.
    while (!fix_levels(&isles->draft, n, isles->spec.comm)) maxmin_draft_solve_again(&isles->draft);
    for (int64_t i = 0; i < n; i++) {
        Ring *ring = &rings->ring.at[isles->drafted.at[i]];
        moved = moved || ring->level != isles->draft.cap.at[i];
        set_level(rings, ring, isles->draft.cap.at[i], now_ps);
    }
    find_static_links(rings);
    rings->changed = false;
    for (int64_t i = 0; moved && i < isles->n; i++)
        isles->at[i].changed |= isles->at[i].ring_channels;
}

void rings_log(Rings *rings, int64_t end_ps) {
    for (int64_t i = 0; i < rings->span.n; i++) {
        const RingSpan *span = &rings->span.at[i];
        Ring *ring = &rings->ring.at[span->ring];
        int64_t to_ps = span->to_ps < end_ps ? span->to_ps : end_ps;
        int32_t use = ring_find_use(rings, span->ring, span->link);
        if (ring->state != RING_RUNNING || span->from_ps >= to_ps || use < 0) continue;
        const Routes *routes = ledger_routes(rings->ledger);
        slowed_add(&ring->slowed, routes->cluster, span->link, to_ps - span->from_ps);
        array_push(&rings->isles->slow,
                   (SlowSpan){.delay = price_delay(ring->cap, ring->level, to_ps - span->from_ps),
                              .from_ps = span->from_ps,
                              .to_ps = to_ps,
                              .slot = routes_uses(routes, &routes->at[ring->route])[use].slot,
                              .step = ring->step,
                              .isle = -1});
    }
}
