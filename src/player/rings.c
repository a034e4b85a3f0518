#include "player/rings.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"

#define LABEL "driver.rings"
#define LABEL_SLOTS "driver.slots"
#define LABEL_USES "driver.uses"

Rings *rings_create(Islands *islands) {
    Rings *rings = memory_alloc(LABEL, sizeof *rings);
    rings->islands = islands;
    rings->ledger = islands->ledger;
    rings->slot.label = LABEL_SLOTS;
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
    array_free(&rings->contended);
    limits_free(&rings->limits);
    array_free(&rings->done);
    array_free(&rings->span);
    memory_free(LABEL, rings, sizeof *rings);
}

Status rings_submit(Rings *rings, const Transfer *transfer) {
    int32_t route;
    Price price;
    TRY(ledger_open(rings->ledger, transfer, rings->islands->own, &route, &price));
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

int64_t rings_next_ps(const Rings *rings) {
    int64_t next_ps = TIME_NEVER_PS;
    for (int64_t r = 0; r < rings->ring.n; r++) {
        const Ring *ring = &rings->ring.at[r];
        if (ring->state == RING_FREE) continue;
        int64_t time_ps = ring->state == RING_WAITING ? ring->start_ps : ring->end_ps;
        if (time_ps < next_ps) next_ps = time_ps;
    }
    return next_ps;
}

bool rings_any(const Rings *rings) {
    for (int64_t r = 0; r < rings->ring.n; r++)
        if (ring_on_links(&rings->ring.at[r])) return true;
    return false;
}

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
    int64_t delay_ps = rings->islands->machine->run->control_delay_ps;
    array_push(&rings->done, (Completion){ring->tag, ring->start_ps, now_ps, ring->alone_ps});
    ledger_add_bytes(rings->ledger, ring->route, ring->step, ring->bytes,
                     ring->bytes - ring->sampled_bytes);
    ring->state = RING_GHOST;
    ring->end_ps = fluid_felt_until_ps(now_ps, delay_ps);
    if (ring->bytes == 0 || delay_ps == 0) release(rings, r);
}

/// Begin on the links; what is still felt of a collective of the same queue before is over.
static void take_over(Rings *rings, int32_t r) {
    for (int32_t other = 0; other < rings->ring.n; other++)
        if (rings->ring.at[other].state == RING_GHOST && ring_queue(rings, other) >= 0 &&
            ring_queue(rings, other) == ring_queue(rings, r))
            release(rings, other);
    ring_attach(rings, r);
}

void rings_due(Rings *rings, int64_t now_ps) {
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

const Completion *rings_take_done(Rings *rings, int64_t *n) {
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

/// One use of one link by one transfer of the system.
typedef struct SystemUse {
    int32_t transfer, link, weight;
} SystemUse;

/// Collectives, and the messages of this rank that bear on them, as one system.
typedef struct RingSystem {
    ARRAY_OF(int64_t) cap;      ///< by transfer; collectives first, in order
    ARRAY_OF(int32_t) ring;     ///< of those
    ARRAY_OF(int64_t) capacity; ///< by link
    ARRAY_OF(SystemUse) use;
    int32_t *transfer_of_ring; ///< [rings]
} RingSystem;

static void add_rings_of_slot(const Rings *rings, RingSystem *system, int32_t slot) {
    int32_t link = (int32_t)system->capacity.n;
    array_push(&system->capacity, ledger_routes(rings->ledger)->capacity[slot]);
    for (const RingUse *use = rings_first_use(rings, slot); use; use = ring_use(rings, use->next))
        array_push(&system->use,
                   (SystemUse){system->transfer_of_ring[use->ring], link, use->weight});
}

/// A lane, with its collectives and those of `channels` on it.
static void add_lane(const Rings *rings, RingSystem *system, const Island *island, int32_t l,
                     uint64_t channels, const int32_t transfer[]) {
    const LaneShape *lane = &island->shape->lane[l];
    int32_t link = (int32_t)system->capacity.n;
    add_rings_of_slot(rings, system, island->slot[l]);
    for (int32_t u = lane->first_use; u < lane->first_use + lane->nuses; u++) {
        ChannelUse use = island->shape->by_lane[u];
        if (channels >> use.lane & 1)
            array_push(&system->use, (SystemUse){transfer[use.lane], link, use.weight});
    }
}

/// Messages of an island that share a lane with a collective, and what these share lanes with.
static void add_island(const Rings *rings, RingSystem *system, const Island *island) {
    uint64_t channels = island_reach(island, island->ring_channels & island->state->present);
    int32_t transfer[ISLAND_CHANNELS_MAX];
    for (uint64_t left = channels; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        transfer[c] = (int32_t)system->cap.n;
        array_push(&system->cap, island->shape->channel[c].cap);
    }
    for (uint64_t left = channels; left; left &= left - 1) {
        const ChannelShape *channel = &island->shape->channel[__builtin_ctzll(left)];
        for (int32_t u = 0; u < channel->nuses; u++) {
            int32_t l = island->shape->use[channel->first_use + u].lane;
            // A lane comes with the first of its channels.
            if (__builtin_ctzll(island->shape->lane[l].channels & channels) ==
                __builtin_ctzll(left))
                add_lane(rings, system, island, l, channels, transfer);
        }
    }
}

/// List the links that collectives alone could fill, anew.  MPI: collective.
static void list_limits(Rings *rings) {
    const Routes *routes = ledger_routes(rings->ledger);
    ARRAY_OF(LimitUse) users = {0};
    rings_tidy_contended(rings);
    limits_clear(&rings->limits);
    for (int64_t i = 0; i < rings->contended.n; i++) {
        int32_t slot = rings->contended.at[i];
        array_clear(&users);
        for (const RingUse *use = rings_first_use(rings, slot); use;
             use = ring_use(rings, use->next))
            array_push(&users, (LimitUse){use->ring, use->weight});
        if (users.n > 1) // one alone cannot: its cap takes the link into account
            limits_add(&rings->limits, routes->capacity[slot], routes->link[slot], users.at,
                       users.n);
    }
    limits_share(&rings->limits, rings->islands->machine->comm);
    array_free(&users);
}

static void add_limits(const Rings *rings, RingSystem *system) {
    for (int64_t i = 0; i < rings->limits.at.n; i++) {
        const RingLimit *limit = &rings->limits.at.at[i];
        int32_t link = (int32_t)system->capacity.n;
        array_push(&system->capacity, limit->capacity);
        for (int64_t u = limit->first; u < limit->first + limit->n; u++) {
            LimitUse use = rings->limits.use.at[u];
            array_push(&system->use,
                       (SystemUse){system->transfer_of_ring[use.ring], link, use.weight});
        }
    }
}

static void make_system(Rings *rings, RingSystem *system) {
    const Islands *islands = rings->islands;
    system->cap.label = system->capacity.label = system->use.label = LABEL_USES;
    system->transfer_of_ring = memory_alloc(LABEL, sizeof(int32_t) * (size_t)rings->ring.n);
    for (int32_t r = 0; r < rings->ring.n; r++) {
        if (!ring_on_links(&rings->ring.at[r])) continue;
        system->transfer_of_ring[r] = (int32_t)system->cap.n;
        array_push(&system->cap, rings->ring.at[r].cap);
        array_push(&system->ring, r);
    }
    if (rings->changed) list_limits(rings);
    add_limits(rings, system);
    for (int64_t i = 0; i < islands->n; i++)
        if (islands->at[i].ring_channels & islands->at[i].state->present)
            add_island(rings, system, &islands->at[i]);
}

/// Of what each rank has found from its own links, keep what holds for all; false: fill again with that.
/// Where ranks do not agree, the least level is right for its collective, for below it no other rank can know of less.
/// Up to the least level in dispute all ranks have filled with the same water, so what they found up to there is right.
static bool fix_levels(const Comm *comm, RingSystem *system, const int64_t found[],
                       int64_t ring_level[]) {
    int64_t n = system->ring.n, disputed = INT64_MAX;
    int64_t *ends = memory_alloc(LABEL, sizeof(int64_t) * 2 * (size_t)n); // least; minus greatest
    for (int64_t r = 0; r < n; r++) {
        ends[r] = found[r];
        ends[n + r] = -found[r];
    }
    comm_min_i64(comm, ends, (int)(2 * n));
    for (int64_t r = 0; r < n; r++)
        if (ends[r] != -ends[n + r] && ends[r] < disputed) disputed = ends[r];
    for (int64_t r = 0; r < n; r++)
        if (ends[r] <= disputed) ring_level[r] = system->cap.at[r] = ends[r];
    memory_free(LABEL, ends, sizeof(int64_t) * 2 * (size_t)n);
    return disputed == INT64_MAX;
}

/// Levels of the collectives of a system, over all ranks.
static void fill_system(const Rings *rings, RingSystem *system, int64_t ring_level[]) {
    size_t ntransfers = (size_t)system->cap.n, nuses = (size_t)system->use.n;
    size_t nlinks = (size_t)system->capacity.n;
    int64_t *first = memory_alloc(LABEL_USES, sizeof(int64_t) * (ntransfers + 2));
    int32_t *link = memory_alloc(LABEL_USES, sizeof(int32_t) * nuses);
    int32_t *weight = memory_alloc(LABEL_USES, sizeof(int32_t) * nuses);
    int64_t *level = memory_alloc(LABEL_USES, sizeof(int64_t) * ntransfers);
    int64_t *bottleneck = memory_alloc(LABEL_USES, sizeof(int64_t) * ntransfers);
    int64_t *link_level = memory_alloc(LABEL_USES, sizeof(int64_t) * nlinks);
    for (size_t u = 0; u < nuses; u++) first[system->use.at[u].transfer + 2]++;
    for (size_t f = 2; f < ntransfers + 2; f++) first[f] += first[f - 1];
    for (size_t u = 0; u < nuses; u++) {
        int64_t at = first[system->use.at[u].transfer + 1]++;
        link[at] = system->use.at[u].link;
        weight[at] = system->use.at[u].weight;
    }
    MaxminSystem maxmin = {.nlinks = system->capacity.n,
                           .ntransfers = system->cap.n,
                           .capacity = system->capacity.at,
                           .use_first = first,
                           .use_link = link,
                           .use_a = weight,
                           .cap = system->cap.at};
    do maxmin_solve_links(&maxmin, level, link_level, bottleneck);
    while (!fix_levels(rings->islands->machine->comm, system, level, ring_level));
    memory_free(LABEL_USES, first, sizeof(int64_t) * (ntransfers + 2));
    memory_free(LABEL_USES, link, sizeof(int32_t) * nuses);
    memory_free(LABEL_USES, weight, sizeof(int32_t) * nuses);
    memory_free(LABEL_USES, level, sizeof(int64_t) * ntransfers);
    memory_free(LABEL_USES, bottleneck, sizeof(int64_t) * ntransfers);
    memory_free(LABEL_USES, link_level, sizeof(int64_t) * nlinks);
}

/// Level of a link by the definition, if collectives at their levels were all its users; INT64_MAX: it holds none.
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

/// Use of a link of a route, uses being sorted by link.
int32_t rings_find_use(const Rings *rings, int32_t r, int64_t link) {
    const Routes *routes = ledger_routes(rings->ledger);
    const Route *route = &routes->at[rings->ring.at[r].route];
    const RouteUse *uses = routes_uses(routes, route);
    int32_t low = 0, high = route->nbind - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (routes->link[uses[middle].slot] < link)
            low = middle + 1;
        else
            high = middle;
    }
    return low < route->nbind && routes->link[uses[low].slot] == link ? low : -1;
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
            rings->ring.at[r].static_use = rings_find_use(rings, r, rings->ring.at[r].static_link);
}

bool rings_solve(Rings *rings, int64_t now_ps) {
    bool moved = false;
    RingSystem system = {0};
    make_system(rings, &system);
    int64_t *level = memory_alloc(LABEL, sizeof(int64_t) * (size_t)system.ring.n);
    fill_system(rings, &system, level);
    for (int64_t i = 0; i < system.ring.n; i++) {
        Ring *ring = &rings->ring.at[system.ring.at[i]];
        moved = moved || ring->level != level[i];
        set_level(rings, ring, level[i], now_ps);
    }
    find_static_links(rings);
    rings->changed = false;
    memory_free(LABEL, level, sizeof(int64_t) * (size_t)system.ring.n);
    memory_free(LABEL, system.transfer_of_ring, sizeof(int32_t) * (size_t)rings->ring.n);
    array_free(&system.cap);
    array_free(&system.ring);
    array_free(&system.capacity);
    array_free(&system.use);
    return moved;
}
