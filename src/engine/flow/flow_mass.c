/// Everything starts at once: put many transfers on empty links and solve them, both in a few walks
/// over all uses.
///
/// What a use costs here is the cache lines it touches. So counting and taking shares use one small
/// record a link, the lists of users that the engine keeps anyway serve the water filling,
/// transfers are frozen in small records of their own, and what will be read is asked for before. The rules are those
/// of maxmin.c; nobody is pinned.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/flow/flow_state.h"

#define LABEL "flow.mass"

enum {
    IN_PLACE = -1,
    WORD_BITS = 64,
    DOUBLE_MANTISSA_BITS = 52,
    DOUBLE_EXPONENT_OF_1 = 1023,
    BUCKET_BITS = 7,
    NBUCKETS = (63 + 1) << BUCKET_BITS, ///< shares are below 2^63
};

/// What is asked of a link.
typedef struct MassDemand {
    int64_t load;
    int64_t weight;
    int32_t nusers;
} MassDemand;

/// A transfer that starts, as walk 2 needs it: its route is not looked up again.
typedef struct MassStart {
    int32_t first_use, nuses;
    bool own_cap; ///< its cap is what its links alone allow
} MassStart;

/// What the water has left of a contended link.
typedef struct MassLink {
    int64_t residual;
    int64_t weight; ///< 0: nobody rises there any more
} MassLink;

/// A link that gives no share back.
static const MassLink MASS_FROZEN = {.residual = -1};

/// The users of a link while they are listed, looked up once a use.
typedef struct MassUsers {
    int32_t link;  ///< index in flow->link + 1; 0: not contended
    int32_t first; ///< run of its users, or IN_PLACE
    int32_t n;     ///< listed so far
} MassUsers;

typedef struct MassTransfer {
    int64_t level;   ///< rising: its cap
    int32_t node;    ///< rising: first; frozen: of the link that binds, -1: its cap
    int32_t nshared; ///< that many nodes from there, while rising
} MassTransfer;

typedef struct MassCap {
    int64_t cap;
    int32_t transfer;
} MassCap;

/// A user of a link that binds, not frozen yet.
typedef struct Met {
    int32_t node, transfer;
} Met;

struct Mass {
    MassLink *link; ///< [nlinks] as flow->link
    int64_t nlinks;
    MassTransfer *transfer; ///< [ntransfers]
    int64_t ntransfers;
    ARRAY_OF(MassCap) caps; ///< only those that could bind
    int32_t step;
    bool one_step; ///< all are of that step

    // While water is filled.
    uint64_t *frozen; ///< [nwords] a bit a node: small, as most users met are frozen already
    int64_t nwords;
    int32_t *bucket; ///< [NBUCKETS] first link + 1 of each range of shares, in any order
    int32_t *next;   ///< [nlinks] next link + 1 of its bucket
    LevelItem *heap; ///< [nlinks] links of the bucket that is open
    int64_t nheap;
    ARRAY_OF(Met) met;
};

static void *scratch(int64_t n, size_t bytes) { return memory_alloc(LABEL, (size_t)n * bytes); }

static void drop(void *block, int64_t n, size_t bytes) {
    memory_free(LABEL, block, (size_t)n * bytes);
}

/// Walk 1: what each link is asked for.
static void count_uses(Flow *flow, MassDemand demand[], MassStart start[]) {
    for (int64_t i = 0; i < flow->started.n; i++) {
        const Active *f = &flow->active[flow->started.at[i]];
        links_enter_route(flow, flow->started.at[i]);
        flow->mass->one_step = flow->mass->one_step && f->step == flow->mass->step;
        const Route *route = &flow->routes.at[f->route];
        start[i] = (MassStart){route->first_use, route->nbind, f->cap == route->alone_level};
        const int32_t unit_load = flow->route[f->route].unit_load;
        const RouteUse *uses = routes_uses(&flow->routes, route);
        for (int32_t u = 0; u < route->nbind; u++) {
            MassDemand *link = &demand[uses[u].slot];
            link->load += use_load(unit_load, uses[u].weight);
            link->weight += uses[u].weight;
            link->nusers++;
        }
    }
}

/// Walk over the links: tell who is contended, and make room for the users.
static void reserve_users(Flow *flow, const MassDemand demand[], MassUsers users[]) {
    runs_reserve(&flow->user_runs, flow->nstarting_uses);
    int64_t nnodes = 0;
    for (int32_t s = 0; s < flow->routes.nslots; s++) {
        if (!links_take_slack(flow, s, demand[s].load) || demand[s].nusers < 2) continue;
        int32_t at = links_take(flow, s);
        LinkState *link = &flow->link.at[at];
        link->nusers = demand[s].nusers;
        nnodes += link->nusers;
        users[s] = (MassUsers){.link = at + 1, .first = IN_PLACE};
        if (link->nusers > NODES_IN_PLACE) {
            link->users[0] = users[s].first = runs_take(&flow->user_runs, link->nusers);
            link->users[1] = link->nusers;
        }
        link_set_room(link, -demand[s].weight); // what the shares take is known in the end
    }
    runs_reserve(&flow->nodes, nnodes);
}

/// What the water finds.
static void fill_links(const Flow *flow, const MassDemand demand[]) {
    Mass *mass = flow->mass;
    mass->nlinks = flow->link.n;
    mass->link = scratch(mass->nlinks, sizeof *mass->link);
    for (int64_t l = 0; l < mass->nlinks; l++)
        if (flow->link.at[l].nusers > 0)
            mass->link[l] = (MassLink){link_capacity(flow, &flow->link.at[l]),
                                       demand[flow->link.at[l].slot].weight};
}

/// Walk 2: nodes on contended links.
static void attach(Flow *flow, int32_t transfer, MassStart start, MassUsers users[]) {
    Active *f = &flow->active[transfer];
    const RouteUse *uses = (const RouteUse *)flow->routes.uses.at + start.first_use;
    array_reserve(&flow->used_up, start.nuses);
    int32_t *shared = flow->used_up.at, nshared = 0;
    for (int32_t u = 0; u < start.nuses; u++) {
        shared[nshared] = u; // without branches, as in links_attach
        nshared += users[uses[u].slot].link > 0;
    }
    f->nshared = nshared;
    if (nshared == 0) return;
    f->node_class = (uint8_t)runs_class(nshared);
    f->first_node = runs_take(&flow->nodes, nshared);
    UseNode *nodes = flow_node(flow, f->first_node);
    for (int32_t i = 0; i < nshared; i++) {
        RouteUse use = uses[shared[i]];
        MassUsers *link = &users[use.slot];
        int32_t *list = link->first == IN_PLACE ? flow->link.at[link->link - 1].users
                                                : (int32_t *)flow->user_runs.at + link->first;
        list[link->n] = f->first_node + i;
        nodes[i] = (UseNode){transfer, link->link - 1, use.weight, link->n++};
    }
}

/// A cap that some link does not exceed even for this transfer alone need not be watched.
static bool cap_can_bind(const Flow *flow, const Active *f, MassStart start) {
    if (f->nshared == start.nuses && start.own_cap)
        return false; // its own least link is among them
    const UseNode *nodes = shared_nodes(flow, f);
    for (int32_t i = 0; i < f->nshared; i++)
        if (flow->mass->link[nodes[i].link].residual < (f->cap + 1) * nodes[i].weight) return false;
    return true;
}

void mass_attach(Flow *flow) {
    ceiling_lift_all(flow);
    Mass *mass = flow->mass = memory_alloc(LABEL, sizeof *mass);
    mass->step = flow->active[flow->started.at[0]].step;
    mass->one_step = true;
    mass->ntransfers = flow->nactive;
    mass->transfer = scratch(mass->ntransfers, sizeof *mass->transfer);
    int64_t nslots = flow->routes.nslots;
    MassDemand *demand = scratch(nslots, sizeof *demand);
    MassUsers *users = scratch(nslots, sizeof *users);
    MassStart *start = scratch(flow->started.n, sizeof *start);
    count_uses(flow, demand, start);
    reserve_users(flow, demand, users);
    fill_links(flow, demand);
    drop(demand, nslots, sizeof *demand);
    for (int64_t i = 0; i < flow->started.n; i++) {
        int32_t transfer = flow->started.at[i];
        attach(flow, transfer, start[i], users);
        const Active *f = &flow->active[transfer];
        mass->transfer[transfer] = (MassTransfer){f->cap, f->first_node, f->nshared};
        if (f->nshared > 0 && cap_can_bind(flow, f, start[i]))
            array_push(&mass->caps, (MassCap){f->cap, transfer});
    }
    drop(users, nslots, sizeof *users);
    drop(start, flow->started.n, sizeof *start);
}

void mass_forget(Flow *flow) {
    Mass *mass = flow->mass;
    if (!mass) return;
    drop(mass->link, mass->nlinks, sizeof *mass->link);
    drop(mass->transfer, mass->ntransfers, sizeof *mass->transfer);
    drop(mass->frozen, mass->nwords, sizeof *mass->frozen);
    drop(mass->bucket, NBUCKETS, sizeof *mass->bucket);
    drop(mass->next, mass->nlinks, sizeof *mass->next);
    drop(mass->heap, mass->nlinks, sizeof *mass->heap);
    array_free(&mass->met);
    array_free(&mass->caps);
    memory_free(LABEL, mass, sizeof *mass);
    flow->mass = NULL;
}

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

static void put_in_bucket(Mass *mass, int32_t bucket, int32_t at) {
    mass->next[at] = mass->bucket[bucket];
    mass->bucket[bucket] = at + 1;
}

static int cap_compare(const void *a, const void *b) {
    const MassCap *x = a, *y = b;
    if (x->cap != y->cap) return x->cap < y->cap ? -1 : 1;
    return (x->transfer > y->transfer) - (x->transfer < y->transfer);
}

static bool is_frozen(const Mass *mass, int32_t node) {
    return mass->frozen[node / WORD_BITS] >> (node % WORD_BITS) & 1;
}

/// Fix a transfer at `level`, which no unfrozen link has passed: take its share from links that
/// stand higher. Returns whether it is below its cap.
static bool freeze(const Flow *flow, int32_t transfer, int64_t level, int32_t binding_node) {
    const Mass *mass = flow->mass;
    MassTransfer *f = &mass->transfer[transfer];
    const UseNode *nodes = flow_node(flow, f->node);
    for (int32_t i = 0; i < f->nshared; i++) {
        int32_t node = f->node + i;
        mass->frozen[node / WORD_BITS] |= UINT64_C(1) << node % WORD_BITS;
        MassLink *link = &mass->link[nodes[i].link];
        // Unless the link freezes at this level too. No branches: they would wait for the link.
        int64_t taken = link->residual - link->weight >= level * link->weight ? nodes[i].weight : 0;
        link->residual -= taken * level;
        link->weight -= taken;
    }
    bool held = level < f->level;
    f->level = level;
    f->node = held ? binding_node : -1;
    return held;
}

/// Look up the transfers of met[n], and what freezing them needs: everything lies far apart, so each step asks for what the
/// next one reads.
static void fetch_met(const Flow *flow, int64_t n) {
    const Mass *mass = flow->mass;
    Met *met = mass->met.at;
    for (int64_t i = 0; i < n; i++) __builtin_prefetch(flow_node(flow, met[i].node));
    for (int64_t i = 0; i < n; i++) {
        met[i].transfer = flow_node(flow, met[i].node)->transfer;
        __builtin_prefetch(&mass->transfer[met[i].transfer], 1);
    }
    for (int64_t i = 0; i < n; i++) {
        const MassTransfer *f = &mass->transfer[met[i].transfer];
        const UseNode *nodes = flow_node(flow, f->node);
        __builtin_prefetch(nodes);
        __builtin_prefetch(nodes + f->nshared - 1);
    }
    for (int64_t i = 0; i < n; i++) {
        const MassTransfer *f = &mass->transfer[met[i].transfer];
        const UseNode *nodes = flow_node(flow, f->node);
        for (int32_t k = 0; k < f->nshared; k++) __builtin_prefetch(&mass->link[nodes[k].link], 1);
    }
}

static void freeze_link(Flow *flow, int32_t at, int64_t level) {
    Mass *mass = flow->mass;
    LinkState *link = &flow->link.at[at];
    link->level = level;
    mass->link[at] = MASS_FROZEN;
    const int32_t *users = link_users(flow, link);
    array_reserve(&mass->met, link->nusers);
    // Without branches: who is frozen already cannot be predicted.
    int64_t n = 0;
    for (int32_t i = 0; i < link->nusers; i++) {
        mass->met.at[n].node = users[i];
        n += !is_frozen(mass, users[i]);
    }
    fetch_met(flow, n);
    int64_t nheld = 0;
    for (int64_t i = 0; i < n; i++)
        nheld += freeze(flow, mass->met.at[i].transfer, level, mass->met.at[i].node);
    if (mass->one_step) stats_slow_open_link(flow, mass->step, link->slot, nheld);
}

/// Take the links of a bucket whose shares are still in its range; the others move on.
static void open_bucket(const Flow *flow, int32_t bucket) {
    Mass *mass = flow->mass;
    int32_t at = mass->bucket[bucket] - 1, next;
    for (; at >= 0; at = next) {
        next = mass->next[at] - 1;
        const MassLink *link = &mass->link[at];
        if (next >= 0) __builtin_prefetch(&mass->link[next]);
        if (link->weight == 0) continue;
        int64_t share = link->residual / link->weight;
        int32_t now = bucket_of(share);
        if (now > bucket) {
            put_in_bucket(mass, now, at);
            continue;
        }
        const LinkState *state = &flow->link.at[at];
        mass->heap[mass->nheap++] = (LevelItem){share, state->id, at};
        const int32_t *users = link_users(flow, state);
        __builtin_prefetch(users);
        __builtin_prefetch(users + state->nusers - 1);
    }
    level_heap_build(mass->heap, mass->nheap);
}

static void on_top(Flow *flow, int32_t bucket) {
    Mass *mass = flow->mass;
    LevelItem top = mass->heap[0];
    const MassLink *link = &mass->link[top.item];
    int64_t share = link->weight > 0 ? link->residual / link->weight : 0;
    if (share > top.level && bucket_of(share) == bucket) {
        level_heap_raise_top(mass->heap, mass->nheap, share);
        return;
    }
    level_heap_pop(mass->heap, &mass->nheap);
    if (link->weight == 0) return;
    if (share > top.level)
        put_in_bucket(mass, bucket_of(share), top.item);
    else
        freeze_link(flow, top.item, top.level);
}

static void fill_bucket(Flow *flow, int32_t bucket, int64_t *ncap) {
    Mass *mass = flow->mass;
    open_bucket(flow, bucket);
    for (;;) {
        MassCap cap = *ncap < mass->caps.n ? mass->caps.at[*ncap] : (MassCap){LEVEL_NONE, -1};
        if (cap.transfer >= 0 && bucket_of(cap.cap) == bucket &&
            (mass->nheap == 0 || cap.cap <= mass->heap[0].level)) {
            (*ncap)++;
            if (!is_frozen(mass, flow->active[cap.transfer].first_node))
                freeze(flow, cap.transfer, cap.cap, -1);
        } else if (mass->nheap > 0) {
            on_top(flow, bucket);
        } else {
            return;
        }
    }
}

static void fill_up(Flow *flow) {
    Mass *mass = flow->mass;
    mass->nwords = flow->nodes.n / WORD_BITS + 1;
    mass->frozen = scratch(mass->nwords, sizeof *mass->frozen);
    mass->bucket = scratch(NBUCKETS, sizeof *mass->bucket);
    mass->next = scratch(mass->nlinks, sizeof *mass->next);
    mass->heap = scratch(mass->nlinks, sizeof *mass->heap);
    if (mass->caps.n > 1)
        qsort(mass->caps.at, (size_t)mass->caps.n, sizeof *mass->caps.at, cap_compare);
    for (int32_t s = 0; s < mass->nlinks; s++)
        if (mass->link[s].weight > 0)
            put_in_bucket(mass, bucket_of(mass->link[s].residual / mass->link[s].weight), s);
    int64_t ncap = 0;
    for (int32_t bucket = 0; bucket < NBUCKETS; bucket++) fill_bucket(flow, bucket, &ncap);
}

void mass_solve(Flow *flow) {
    fill_up(flow);
    for (int64_t l = 0; l < flow->mass->nlinks; l++)
        if (flow->link.at[l].nusers > 0 && !link_holds(&flow->link.at[l]))
            flow->link.at[l].level += flow->mass->link[l].residual;
    for (int64_t i = 0; i < flow->started.n; i++) {
        int32_t transfer = flow->started.at[i];
        Active *f = &flow->active[transfer];
        const MassTransfer *solved = &flow->mass->transfer[transfer];
        f->level = solved->level;
        f->bottleneck = solved->node;
        requeue(flow, transfer);
        if (flow->mass->one_step)
            f->slow = f->bottleneck >= 0; // opened link by link
        else
            stats_slow_open(flow, f);
    }
    mass_forget(flow);
}
