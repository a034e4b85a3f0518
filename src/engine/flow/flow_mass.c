/// Everything starts at once: put many transfers on empty links and solve them, both in a few walks
/// over all uses.
///
/// What a use costs here is the cache lines it touches. So counting, listing the users of a link
/// and taking shares from it share one small record a link, and the lists of users that the engine
/// keeps anyway serve the water filling. The rules are those of maxmin.c; nobody is pinned.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/flow/flow_state.h"

enum {
    IN_PLACE = INT32_MAX,
    WORD_BITS = 64,
    DOUBLE_MANTISSA_BITS = 52,
    DOUBLE_EXPONENT_OF_1 = 1023,
    BUCKET_BITS = 7,
    NBUCKETS = (63 + 1) << BUCKET_BITS, ///< shares are below 2^63
};

/// A link that gives no share back.
static const MassLink MASS_FROZEN = {.residual = -1};

/// The users of a link while they are listed: 8 bytes, looked up once a use.
typedef struct MassUsers {
    uint32_t first : 31; ///< run of its users, or IN_PLACE
    uint32_t contended : 1;
    int32_t n; ///< listed so far
} MassUsers;

/// Walk 1: what each link is asked for. Only `residual`, as the demand, and the counts are used.
static void mass_count(Flow *flow) {
    for (int64_t i = 0; i < flow->started.n; i++) {
        const Active *f = &flow->active[flow->started.at[i]];
        const Route *route = &flow->routes.at[f->route];
        const RouteUse *uses = routes_uses(&flow->routes, route);
        for (int32_t u = 0; u < route->nuses; u++) {
            MassLink *link = &flow->mass[uses[u].slot];
            link->residual += link_demand(f, uses[u].weight);
            link->weight += uses[u].weight;
            link->nusers++;
        }
    }
}

/// Walk over the links: make room for the users, and tell who is contended (weight > 0).
static void mass_reserve(Flow *flow, MassUsers users[]) {
    for (int64_t s = 0; s < flow->nmass; s++) {
        MassLink *mass = &flow->mass[s];
        LinkState *link = &flow->link[s];
        link->nusers = mass->nusers;
        link->demand = mass->residual;
        users[s].first = IN_PLACE;
        if (mass->nusers > NODES_IN_PLACE) {
            link->users[0] = runs_take(&flow->user_runs, mass->nusers);
            link->users[1] = mass->nusers;
            users[s].first = (uint32_t)link->users[0];
        }
        mass->residual = flow->routes.capacity[s];
        users[s].contended = link_contended(flow, (int32_t)s);
        if (!users[s].contended) mass->weight = 0;
    }
}

/// Walk 2: nodes, those on contended links first.
static void mass_attach(Flow *flow, int32_t transfer, MassUsers users[]) {
    Active *f = &flow->active[transfer];
    const Route *route = &flow->routes.at[f->route];
    const RouteUse *uses = routes_uses(&flow->routes, route);
    f->first_node = runs_take(&flow->nodes, route->nuses);
    UseNode *nodes = flow_node(flow, f->first_node);
    int32_t nshared = 0, unshared = route->nuses;
    for (int32_t u = 0; u < route->nuses; u++) {
        MassUsers *link = &users[uses[u].slot];
        int32_t n = link->contended ? nshared++ : --unshared;
        int32_t *list = link->first == IN_PLACE ? flow->link[uses[u].slot].users
                                                : (int32_t *)flow->user_runs.at + link->first;
        list[link->n] = f->first_node + n;
        nodes[n] = (UseNode){transfer, uses[u].slot, uses[u].weight, link->n++};
    }
    f->nshared = nshared;
}

void mass_attach_started(Flow *flow) {
    size_t bytes = (size_t)flow->routes.nslots * sizeof *flow->mass;
    flow->mass = memory_alloc(FLOW_LABEL_MASS, bytes);
    flow->nmass = flow->routes.nslots;
    size_t users_bytes = (size_t)flow->nmass * sizeof(MassUsers);
    MassUsers *users = memory_alloc(FLOW_LABEL_MASS, users_bytes);
    mass_count(flow);
    mass_reserve(flow, users);
    for (int64_t i = 0; i < flow->started.n; i++) mass_attach(flow, flow->started.at[i], users);
    memory_free(FLOW_LABEL_MASS, users, users_bytes);
}

void mass_forget(Flow *flow) {
    memory_free(FLOW_LABEL_MASS, flow->mass, (size_t)flow->nmass * sizeof *flow->mass);
    flow->mass = NULL;
    flow->nmass = 0;
}

typedef struct MassCap {
    int64_t cap;
    int32_t transfer;
} MassCap;

/// A user of a link that binds, not frozen yet.
typedef struct Met {
    int32_t node, transfer;
} Met;

typedef struct Filling {
    Flow *flow;
    uint64_t *frozen; ///< a bit a node: small, as most users met are frozen already
    int32_t *bucket;  ///< [NBUCKETS] first link + 1 of each range of shares, in any order
    int32_t *next;    ///< [nmass] next link + 1 of its bucket
    LevelItem *heap;  ///< [nmass] links of the bucket that is open
    int64_t nheap;
    ARRAY_OF(Met) met;
    ARRAY_OF(MassCap) caps; ///< ascending, only those that could bind
} Filling;

/// Shares only rise: a link waits in the bucket of a share it had. A range is a 128th of a power of
/// two, read off the representation of the share as a double (rounding keeps the order).
static int32_t bucket_of(int64_t level) {
    double share = (double)level;
    uint64_t bits;
    memcpy(&bits, &share, sizeof bits);
    int64_t bucket = (int64_t)(bits >> (DOUBLE_MANTISSA_BITS - BUCKET_BITS)) -
                     ((int64_t)DOUBLE_EXPONENT_OF_1 << BUCKET_BITS) + 1;
    return bucket > 0 ? (int32_t)bucket : 0;
}

static void put_in_bucket(Filling *fill, int32_t bucket, int32_t slot) {
    fill->next[slot] = fill->bucket[bucket];
    fill->bucket[bucket] = slot + 1;
}

/// A cap that some link does not exceed even for this transfer alone need not be watched.
static bool cap_can_bind(const Flow *flow, const Active *f) {
    const UseNode *nodes = shared_nodes(flow, f);
    for (int32_t i = 0; i < f->nshared; i++)
        if (flow->mass[nodes[i].slot].residual < (f->cap + 1) * nodes[i].weight) return false;
    return true;
}

static int cap_compare(const void *a, const void *b) {
    const MassCap *x = a, *y = b;
    if (x->cap != y->cap) return x->cap < y->cap ? -1 : 1;
    return (x->transfer > y->transfer) - (x->transfer < y->transfer);
}

static void list_caps(Filling *fill) {
    const Flow *flow = fill->flow;
    for (int64_t i = 0; i < flow->started.n; i++) {
        const Active *f = &flow->active[flow->started.at[i]];
        if (cap_can_bind(flow, f)) array_push(&fill->caps, (MassCap){f->cap, flow->started.at[i]});
    }
    if (fill->caps.n > 1)
        qsort(fill->caps.at, (size_t)fill->caps.n, sizeof *fill->caps.at, cap_compare);
}

static void list_links(Filling *fill) {
    const MassLink *mass = fill->flow->mass;
    for (int64_t s = 0; s < fill->flow->nmass; s++)
        if (mass[s].weight > 0)
            put_in_bucket(fill, bucket_of(mass[s].residual / mass[s].weight), (int32_t)s);
}

static bool is_frozen(const Filling *fill, int32_t node) {
    return fill->frozen[node / WORD_BITS] >> (node % WORD_BITS) & 1;
}

/// Fix a transfer at `level`, which no unfrozen link has passed: take its share from links that
/// stand higher.
static void freeze(Filling *fill, int32_t transfer, int64_t level, int32_t binding_node) {
    Flow *flow = fill->flow;
    Active *f = &flow->active[transfer];
    const UseNode *nodes = shared_nodes(flow, f);
    for (int32_t i = 0; i < f->nshared; i++) {
        int32_t node = f->first_node + i;
        fill->frozen[node / WORD_BITS] |= UINT64_C(1) << node % WORD_BITS;
        MassLink *link = &flow->mass[nodes[i].slot];
        // Unless the link freezes at this level too. No branches: they would wait for the link.
        int64_t taken = link->residual - link->weight >= level * link->weight ? nodes[i].weight : 0;
        link->residual -= taken * level;
        link->weight -= taken;
    }
    f->level = level;
    f->bottleneck = level == f->cap ? -1 : binding_node;
}

static void freeze_link(Filling *fill, int32_t slot, int64_t level) {
    Flow *flow = fill->flow;
    LinkState *link = &flow->link[slot];
    link->level = level;
    flow->mass[slot] = MASS_FROZEN;
    const int32_t *users = link_users(flow, link);
    array_reserve(&fill->met, link->nusers);
    // Without branches: who is frozen already cannot be predicted.
    int64_t n = 0;
    for (int32_t i = 0; i < link->nusers; i++) {
        fill->met.at[n].node = users[i];
        n += !is_frozen(fill, users[i]);
    }
    for (int64_t i = 0; i < n; i++)
        fill->met.at[i].transfer = flow_node(flow, fill->met.at[i].node)->transfer;
    for (int64_t i = 0; i < n; i++)
        freeze(fill, fill->met.at[i].transfer, level, fill->met.at[i].node);
}

/// Take the links of a bucket whose shares are still in its range; the others move on.
static void open_bucket(Filling *fill, int32_t bucket) {
    const Flow *flow = fill->flow;
    int32_t slot = fill->bucket[bucket] - 1, next;
    for (; slot >= 0; slot = next) {
        next = fill->next[slot] - 1;
        const MassLink *link = &flow->mass[slot];
        if (link->weight == 0) continue;
        int64_t share = link->residual / link->weight;
        int32_t now = bucket_of(share);
        if (now > bucket)
            put_in_bucket(fill, now, slot);
        else
            fill->heap[fill->nheap++] = (LevelItem){share, flow->routes.link[slot], slot};
    }
    level_heap_build(fill->heap, fill->nheap);
}

static void on_top(Filling *fill, int32_t bucket) {
    LevelItem top = fill->heap[0];
    const MassLink *link = &fill->flow->mass[top.item];
    int64_t share = link->weight > 0 ? link->residual / link->weight : 0;
    if (share > top.level && bucket_of(share) == bucket) {
        level_heap_raise_top(fill->heap, fill->nheap, share);
        return;
    }
    level_heap_pop(fill->heap, &fill->nheap);
    if (link->weight == 0) return;
    if (share > top.level)
        put_in_bucket(fill, bucket_of(share), top.item);
    else
        freeze_link(fill, top.item, top.level);
}

static void fill_bucket(Filling *fill, int32_t bucket, int64_t *ncap) {
    open_bucket(fill, bucket);
    for (;;) {
        if (*ncap < fill->caps.n && bucket_of(fill->caps.at[*ncap].cap) == bucket &&
            (fill->nheap == 0 || fill->caps.at[*ncap].cap <= fill->heap[0].level)) {
            MassCap item = fill->caps.at[(*ncap)++];
            if (!is_frozen(fill, fill->flow->active[item.transfer].first_node))
                freeze(fill, item.transfer, item.cap, -1);
        } else if (fill->nheap > 0) {
            on_top(fill, bucket);
        } else {
            return;
        }
    }
}

static void *scratch(int64_t n, size_t bytes) {
    return memory_alloc(FLOW_LABEL_MASS, (size_t)n * bytes);
}

static void drop(void *block, int64_t n, size_t bytes) {
    memory_free(FLOW_LABEL_MASS, block, (size_t)n * bytes);
}

void mass_solve(Flow *flow) {
    int64_t nwords = flow->nodes.n / WORD_BITS + 1, n = flow->nmass, ncap = 0;
    Filling fill = {.flow = flow,
                    .frozen = scratch(nwords, sizeof *fill.frozen),
                    .bucket = scratch(NBUCKETS, sizeof *fill.bucket),
                    .next = scratch(n, sizeof *fill.next),
                    .heap = scratch(n, sizeof *fill.heap)};
    list_caps(&fill);
    list_links(&fill);
    for (int32_t bucket = 0; bucket < NBUCKETS; bucket++) fill_bucket(&fill, bucket, &ncap);
    for (int64_t i = 0; i < flow->started.n; i++)
        solve_commit(flow, (Member){flow->started.at[i], -1, LEVEL_UNKNOWN});
    drop(fill.frozen, nwords, sizeof *fill.frozen);
    drop(fill.bucket, NBUCKETS, sizeof *fill.bucket);
    drop(fill.next, n, sizeof *fill.next);
    drop(fill.heap, n, sizeof *fill.heap);
    array_free(&fill.met);
    array_free(&fill.caps);
    mass_forget(flow);
}
