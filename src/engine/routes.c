#include "engine/routes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/wide.h"

#define LABEL_LINKS "engine.links"
#define LABEL_ROUTES "engine.routes"

enum {
    CAPACITY_BITS =
        61, ///< capacities in rate units stay below 2^61: sums with one more weight fit 63 bits
    RATE_BITS_MAX = 30,
    STREAM_BITS = 10,     ///< a stream weighs at least 2^10 where rates have bits to spare
    SHORT_DIGIT_BITS = 8, ///< of the radix sort; long digits pay when the entries outnumber them
    LONG_DIGIT_BITS = 11,
    LONG_DIGITS_FROM = 1 << 12,
};

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

/// Bits of a B/s that can be resolved without the largest capacity leaving CAPACITY_BITS.
static int32_t choose_rate_bits(const Cluster *cluster) {
    const ClusterSpec *spec = cluster_spec(cluster);
    int64_t most_Bps = largest(spec->nic.line_Bps, spec->nic.goodput_Bps);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const ScaleUpSpec *domain = cluster_scale_up_of_kind(spec, kind);
        most_Bps = largest(most_Bps, largest(domain->line_Bps, domain->goodput_Bps));
    }
    for (int32_t t = 0; t < spec->ntiers; t++) most_Bps = largest(most_Bps, spec->tier[t].link_Bps);
    // Bundles; and all ports of a NIC, over which the queue pairs of an edge are spread.
    const bool bundled = cluster_nresources(cluster) > cluster_nlinks(cluster);
    for (int32_t t = 1; t <= (bundled ? spec->ntiers : 1); t++)
        most_Bps = largest(most_Bps, cluster_uplinks_Bps(cluster, t));
    int32_t bits = RATE_BITS_MAX;
    while (bits > 0 && most_Bps >= INT64_C(1) << (CAPACITY_BITS - bits)) bits--;
    return bits;
}

/// Bits by which weights are finer than parts: as many as rates can spare, so that levels of whole streams stay whole.
static int32_t choose_share_bits(const Cluster *cluster, int32_t rate_bits) {
    int32_t bits = STREAM_BITS < rate_bits ? STREAM_BITS : rate_bits;
    while (bits > 0 && routing_unit_bytes(cluster, 1) << bits > INT64_C(1) << STREAM_BITS) bits--;
    return bits;
}

void routes_init(Routes *routes, const Cluster *cluster) {
    int64_t nresources = cluster_nresources(cluster);
    *routes = (Routes){.cluster = cluster,
                       .rate_bits = choose_rate_bits(cluster),
                       .share_bits = choose_share_bits(cluster, choose_rate_bits(cluster)),
                       .npages = (nresources + LINK_PAGE - 1) / LINK_PAGE,
                       .first_free = -1,
                       .oldest = -1,
                       .newest = -1};
    routes->page = memory_alloc(LABEL_LINKS, (size_t)routes->npages * sizeof *routes->page);
    runs_init(&routes->uses, LABEL_ROUTES, sizeof(RouteUse));
    runs_init(&routes->surplus, LABEL_ROUTES, sizeof(uint8_t));
}

void routes_fini(Routes *routes) {
    for (int64_t p = 0; p < routes->npages; p++)
        memory_free(LABEL_LINKS, routes->page[p], LINK_PAGE * sizeof(int32_t));
    memory_free(LABEL_LINKS, routes->page, (size_t)routes->npages * sizeof *routes->page);
    memory_free(LABEL_LINKS, routes->link, (size_t)routes->slots_capacity * sizeof *routes->link);
    memory_free(LABEL_LINKS, routes->capacity,
                (size_t)routes->slots_capacity * sizeof *routes->capacity);
    memory_free(LABEL_ROUTES, routes->at, (size_t)routes->routes_capacity * sizeof *routes->at);
    array_free(&routes->capacities);
    table_free(&routes->by_capacity);
    runs_fini(&routes->uses);
    runs_fini(&routes->surplus);
    table_free(&routes->by_key);
    table_free(&routes->by_queue);
    array_free(&routes->queue);
    array_free(&routes->free_queues);
    array_free(&routes->merge);
    array_free(&routes->sorted);
    routes_unmute(routes);
}

static int64_t capacity_of(const Routes *routes, LinkId link) {
    int64_t capacity_Bps = cluster_capacity_Bps(routes->cluster, link);
    CHECK(capacity_Bps >= 0 && capacity_Bps < INT64_C(1) << (CAPACITY_BITS - routes->rate_bits),
          "link %lld: capacity of %lld B/s", (long long)link, (long long)capacity_Bps);
    return capacity_Bps << routes->rate_bits;
}

/// Where a capacity stands among all there are.
static int32_t capacity_index(Routes *routes, int64_t capacity) {
    const int64_t *known = table_find(&routes->by_capacity, capacity);
    if (known) return (int32_t)*known;
    CHECK(routes->capacities.n <= UINT16_MAX, "links of more than 2^16 capacities");
    table_insert(&routes->by_capacity, capacity, routes->capacities.n);
    array_push(&routes->capacities, capacity);
    return (int32_t)routes->capacities.n - 1;
}

static int32_t new_slot(Routes *routes, LinkId link) {
    if (routes->nslots == routes->slots_capacity) {
        size_t old = (size_t)routes->slots_capacity,
               wanted = (size_t)array_grown(routes->slots_capacity);
        routes->link = memory_resize(LABEL_LINKS, routes->link, old * sizeof *routes->link,
                                     wanted * sizeof *routes->link);
        routes->capacity =
            memory_resize(LABEL_LINKS, routes->capacity, old * sizeof *routes->capacity,
                          wanted * sizeof *routes->capacity);
        routes->slots_capacity = (int64_t)wanted;
    }
    routes->link[routes->nslots] = link;
    routes->capacity[routes->nslots] = (uint16_t)capacity_index(routes, capacity_of(routes, link));
    const int64_t *alike = routes->alike.n > 0 ? table_find(&routes->alike_of, link) : NULL;
    while (alike && routes->alike_at.n <= routes->nslots) array_push(&routes->alike_at, 0);
    if (alike) routes->alike_at.at[routes->nslots] = (int32_t)*alike + 1;
    return (int32_t)routes->nslots++;
}

static int32_t slot_of(Routes *routes, LinkId link) {
    int32_t **page = &routes->page[link >> LINK_PAGE_BITS];
    if (!*page) *page = memory_alloc(LABEL_LINKS, LINK_PAGE * sizeof(int32_t));
    int32_t *entry = &(*page)[link & (LINK_PAGE - 1)];
    if (*entry == 0) *entry = new_slot(routes, link) + 1;
    return *entry - 1;
}

/// One pass of a radix sort: `from` into `to`, by the digit at `shift`.
static void sort_by_digit(const LinkParts from[], LinkParts to[], int64_t n, int32_t shift,
                          int32_t digit_bits) {
    int64_t first[(1 << LONG_DIGIT_BITS) + 1];
    const int64_t mask = (1 << digit_bits) - 1;
    memset(first, 0, (size_t)(mask + 2) * sizeof *first);
    for (int64_t i = 0; i < n; i++) first[(from[i].link >> shift & mask) + 1]++;
    for (int64_t d = 0; d < mask; d++) first[d + 1] += first[d];
    for (int64_t i = 0; i < n; i++) to[first[from[i].link >> shift & mask]++] = from[i];
}

/// Sort routes->merge by link. Many edges leave many thousands of entries, in some order of their
/// own: a pass for each digit costs less than comparing.
static void sort_merge(Routes *routes) {
    int64_t n = routes->merge.n, i = 1;
    while (i < n && routes->merge.at[i - 1].link <= routes->merge.at[i].link) i++;
    if (i >= n) return;
    int32_t digit_bits = n < LONG_DIGITS_FROM ? SHORT_DIGIT_BITS : LONG_DIGIT_BITS;
    array_reserve(&routes->sorted, n);
    LinkParts *from = routes->merge.at, *to = routes->sorted.at;
    for (int32_t shift = 0; cluster_nresources(routes->cluster) >> shift > 0; shift += digit_bits) {
        sort_by_digit(from, to, n, shift, digit_bits);
        LinkParts *swap = from;
        from = to;
        to = swap;
    }
    if (from == routes->merge.at) return;
    memcpy(routes->merge.at, from, (size_t)n * sizeof *from);
}

Status routes_walk(const Routes *routes, const Transfer *transfer, EdgeSink sink) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        Edge edge = transfer->edges.edge(transfer->edges.context, e);
        TRY(routing_route_by(routes->cluster, edge.src, edge_sender(routes->cluster, &edge),
                             edge.dst, transfer->connection, transfer->queue_pairs, uses,
                             &nuses)); // the hash takes in the two ends
        sink.put(sink.context, edge.weight, uses, nuses);
    }
    return status_ok();
}

enum { MUTED_WORD = 64, MUTED_WORDS = LINK_PAGE / MUTED_WORD };

static bool is_muted(const Routes *routes, LinkId link) {
    const uint64_t *page = routes->muted ? routes->muted[link >> LINK_PAGE_BITS] : NULL;
    const int64_t at = link & (LINK_PAGE - 1);
    return page && (page[at / MUTED_WORD] >> at % MUTED_WORD & 1);
}

/// Edges that are gathered in routes->merge.
typedef struct EdgeMerge {
    Routes *routes;
    int32_t least, most; ///< weight of an edge
} EdgeMerge;

static void merge_edge(void *context, int32_t weight, const LinkUse uses[], int32_t nuses) {
    EdgeMerge *merge = context;
    Routes *routes = merge->routes;
    if (weight < merge->least) merge->least = weight;
    if (weight > merge->most) merge->most = weight;
    array_reserve(&routes->merge, routes->merge.n + nuses);
    LinkParts *more = &routes->merge.at[routes->merge.n];
    for (int32_t u = 0; u < nuses; u++)
        if (!is_muted(routes, uses[u].link))
            *more++ = (LinkParts){uses[u].link, (int64_t)uses[u].weight * weight, weight};
    routes->merge.n = more - routes->merge.at;
}

/// What all edges put on links, one entry a link, sorted by link, into routes->merge; the least and the greatest weight of
/// an edge.
static Status merge_edges(Routes *routes, const Transfer *transfer, int32_t *least, int32_t *most) {
    EdgeMerge merge = {routes, INT32_MAX, 1};
    array_clear(&routes->merge);
    TRY(routes_walk(routes, transfer, (EdgeSink){merge_edge, &merge}));
    *least = merge.least;
    *most = merge.most;
    if (transfer->edges.nedges == 1) return status_ok(); // a single path comes sorted
    sort_merge(routes);
    int64_t n = 0;
    for (int64_t i = 0; i < routes->merge.n; i++) {
        LinkParts next = routes->merge.at[i];
        LinkParts *last = n > 0 ? &routes->merge.at[n - 1] : NULL;
        if (!last || last->link != next.link) {
            routes->merge.at[n++] = next;
            continue;
        }
        last->parts += next.parts;
        if (next.weight > last->weight) last->weight = next.weight;
    }
    routes->merge.n = n;
    return status_ok();
}

/// Weight of the heaviest edge on the narrowest link of routes->merge; of equally narrow ones the heaviest.
static int32_t weight_on_narrowest(const Routes *routes) {
    Wide capacity = 0, parts = 0; // of the narrowest
    int32_t weight = 0;
    for (int64_t i = 0; i < routes->merge.n; i++) {
        LinkParts link = routes->merge.at[i];
        Wide own = (Wide)capacity_of(routes, link.link) * parts, other = capacity * link.parts;
        if (parts > 0 && (own > other || (own == other && link.weight <= weight))) continue;
        capacity = capacity_of(routes, link.link);
        parts = link.parts;
        weight = link.weight;
    }
    return weight;
}

/// Weight of a use; more than INT32_MAX: out of range.
static inline int64_t weight_of(const Routes *routes, int64_t parts, int32_t fullest) {
    if (parts >= INT64_C(1) << (62 - routes->share_bits)) return INT64_MAX;
    int64_t weight = parts << routes->share_bits;
    return fullest == 1 ? weight : (weight + fullest - 1) / fullest;
}

static int32_t take_route(Routes *routes) {
    if (routes->first_free >= 0) {
        int32_t r = routes->first_free;
        routes->first_free = routes->at[r].newer;
        return r;
    }
    if (routes->nroutes == routes->routes_capacity) {
        size_t old = (size_t)routes->routes_capacity,
               wanted = (size_t)array_grown(routes->routes_capacity);
        CHECK(wanted < INT32_MAX, "more than 2^31 routes");
        routes->at =
            memory_resize(LABEL_ROUTES, routes->at, old * sizeof(Route), wanted * sizeof(Route));
        routes->routes_capacity = (int64_t)wanted;
    }
    return (int32_t)routes->nroutes++;
}

/// Of the uses of a route, which may all be other ranks'.
static int64_t run_length(int32_t nuses) { return nuses > 0 ? nuses : 1; }

/// Uses whose `link` is a slot by now.
static void keep_uses(RouteUse to[], const LinkParts from[], int32_t n) {
    for (int32_t u = 0; u < n; u++) to[u] = (RouteUse){(int32_t)from[u].link, from[u].weight};
}

/// Bytes that a surplus takes where edges differ.
static int32_t surplus_bytes(const Routes *routes, int32_t fullest) {
    int32_t n = 0;
    for (int64_t most = (fullest - 1) >> routes->share_bits; most > 0; most >>= 8) n++;
    return n;
}

RouteParts routes_parts(const Routes *routes, const Route *route) {
    RouteParts parts = {.use = routes_uses(routes, route),
                        .fullest = route->fullest,
                        .share_bits = routes->share_bits};
    if (route->first_surplus < 0) return parts;
    parts.surplus = (const uint8_t *)routes->surplus.at + route->first_surplus;
    parts.surplus_bytes = surplus_bytes(routes, route->fullest);
    return parts;
}

/// By how many parts their weights say too much.
static void put_surplus(const Routes *routes, int32_t fullest, const LinkParts from[], int32_t n,
                        uint8_t to[]) {
    const int32_t each = surplus_bytes(routes, fullest);
    for (int32_t u = 0; u < n; u++) {
        const int64_t surplus =
            ((int64_t)from[u].weight * fullest >> routes->share_bits) - from[u].parts;
        for (int32_t b = 0; b < each; b++) *to++ = (uint8_t)(surplus >> 8 * b);
    }
}

/// Number of the queue of a transfer, held by one route more; -1: its own.
static int32_t enter_queue(Routes *routes, uint64_t key) {
    if (key == 0 || (int64_t)key == INT64_MIN) return -1;
    const int64_t *known = table_find(&routes->by_queue, (int64_t)key);
    if (known) {
        routes->queue.at[*known].nroutes++;
        return (int32_t)*known;
    }
    if (routes->free_queues.n == 0) {
        array_push(&routes->free_queues, (int32_t)routes->queue.n);
        array_push(&routes->queue, (RouteQueue){0});
    }
    int32_t queue = routes->free_queues.at[--routes->free_queues.n];
    routes->queue.at[queue] = (RouteQueue){.key = key, .nroutes = 1};
    table_insert(&routes->by_queue, (int64_t)key, queue);
    return queue;
}

static void leave_queue(Routes *routes, int32_t queue) {
    if (queue < 0 || --routes->queue.at[queue].nroutes > 0) return;
    table_remove(&routes->by_queue, (int64_t)routes->queue.at[queue].key);
    array_push(&routes->free_queues, queue);
}

/// A route under construction: what can bind stays in routes->merge, the rest goes to routes->sorted.
typedef struct RouteDraft {
    const LinkOwner *own; ///< NULL: all links are kept
    bool even;            ///< all edges weigh the same
    int32_t fullest;
    int64_t alone_level;
    int32_t nbind, nfree, most_weight;
} RouteDraft;

static void draft_use(Routes *routes, LinkParts use, RouteDraft *draft) {
    if (use.weight > draft->most_weight) draft->most_weight = use.weight;
    if (use.weight > routes->most_weight) routes->most_weight = use.weight;
    bool binds = cluster_can_bind(routes->cluster, use.link);
    int64_t capacity;
    if (!draft->own || draft->own->owns(draft->own->context, use.link)) {
        int32_t slot = slot_of(routes, use.link); // may move the capacities
        capacity = routes_capacity(routes, slot);
        use.link = slot;
        if (binds)
            routes->merge.at[draft->nbind++] = use;
        else
            routes->sorted.at[draft->nfree++] = use;
    } else {
        capacity = capacity_of(routes, use.link);
    }
    // capacity / weight < alone_level, without a division for most; exactly, where weights are rounded.
    if (draft->even) {
        if (capacity < (Wide)draft->alone_level * use.weight)
            draft->alone_level = capacity / use.weight;
    } else {
        Wide parts = (Wide)use.parts << routes->share_bits, room = (Wide)capacity * draft->fullest;
        if (room < draft->alone_level * parts) draft->alone_level = (int64_t)(room / parts);
    }
}

/// Keep the surplus of its uses, if there is any. Returns where, -1: nowhere.
static int32_t keep_surplus(Routes *routes, const RouteDraft *draft) {
    const int32_t each = draft->even ? 0 : surplus_bytes(routes, draft->fullest);
    if (each == 0) return -1;
    int32_t first =
        runs_take(&routes->surplus, (int64_t)each * run_length(draft->nbind + draft->nfree));
    uint8_t *to = (uint8_t *)routes->surplus.at + first;
    put_surplus(routes, draft->fullest, routes->merge.at, draft->nbind, to);
    put_surplus(routes, draft->fullest, routes->sorted.at, draft->nfree,
                to + (int64_t)each * draft->nbind);
    return first;
}

static Route finish_draft(Routes *routes, const Transfer *transfer, const RouteDraft *draft) {
    int32_t nkept = draft->nbind + draft->nfree;
    int32_t first = runs_take(&routes->uses, run_length(nkept));
    RouteUse *kept = (RouteUse *)routes->uses.at + first;
    keep_uses(kept, routes->merge.at, draft->nbind);
    keep_uses(kept + draft->nbind, routes->sorted.at, draft->nfree);
    int64_t unit_bytes = routing_unit_bytes(routes->cluster, transfer->queue_pairs);
    return (Route){.unit_bytes = unit_bytes,
                   .level_work = unit_bytes << routes->share_bits,
                   .alone_level = draft->alone_level,
                   .fullest = draft->fullest,
                   .first_surplus = keep_surplus(routes, draft),
                   .queue = enter_queue(routes, transfer->queue_key),
                   .queue_pairs = transfer->queue_pairs,
                   .first_use = first,
                   .nuses = nkept,
                   .nbind = draft->nbind,
                   .step = -1,
                   .older = -1,
                   .newer = -1,
                   .most_weight = draft->most_weight};
}

static Status make_route(Routes *routes, const Transfer *transfer, const LinkOwner *own,
                         int32_t *out) {
    int32_t least, fullest;
    TRY(merge_edges(routes, transfer, &least, &fullest));
    int32_t nuses = (int32_t)routes->merge.n;
    REQUIRE(nuses > 0, STATUS_RANGE, "transfer %lld has no edges", (long long)transfer->tag);
    RouteDraft draft = {.own = own,
                        .even = least == fullest,
                        .fullest = least == fullest ? fullest : weight_on_narrowest(routes),
                        .alone_level = INT64_MAX};
    array_reserve(&routes->sorted, nuses);
    for (int32_t u = 0; u < nuses; u++) {
        LinkParts use = routes->merge.at[u];
        int64_t weight = weight_of(routes, use.parts, draft.fullest);
        REQUIRE(weight <= INT32_MAX, STATUS_RANGE,
                "transfer %lld: more streams on link %lld than weights can say",
                (long long)transfer->tag, (long long)use.link);
        use.weight = (int32_t)weight;
        draft_use(routes, use, &draft);
    }
    *out = take_route(routes);
    routes->at[*out] = finish_draft(routes, transfer, &draft);
    return status_ok();
}

static void idle_remove(Routes *routes, int32_t r) {
    Route *route = &routes->at[r];
    *(route->older >= 0 ? &routes->at[route->older].newer : &routes->oldest) = route->newer;
    *(route->newer >= 0 ? &routes->at[route->newer].older : &routes->newest) = route->older;
    routes->idle_uses -= route->nuses;
}

Status routes_hold(Routes *routes, const Transfer *transfer, const LinkOwner *own, int32_t *out) {
    uint64_t key = transfer->edges.key;
    int64_t *known =
        key != 0 && (int64_t)key != INT64_MIN ? table_find(&routes->by_key, (int64_t)key) : NULL;
    if (known && routes->at[*known].queue_pairs == transfer->queue_pairs) {
        int32_t r = (int32_t)*known;
        if (routes->at[r].nholders++ == 0) idle_remove(routes, r);
        *out = r;
        return status_ok();
    }
    REQUIRE(transfer->queue_pairs >= 1 && transfer->queue_pairs <= QUEUE_PAIRS_MAX, STATUS_RANGE,
            "transfer %lld: %d queue pairs, but 1 to %d are allowed", (long long)transfer->tag,
            transfer->queue_pairs, QUEUE_PAIRS_MAX);
    TRY(make_route(routes, transfer, own, out));
    Route *route = &routes->at[*out];
    route->nholders = 1;
    if (!known && key != 0 && (int64_t)key != INT64_MIN) {
        route->key = key;
        table_insert(&routes->by_key, (int64_t)key, *out);
    }
    return status_ok();
}

void routes_let_go(Routes *routes, int32_t r) {
    Route *route = &routes->at[r];
    DCHECK(route->nholders > 0, "route %d is not held", r);
    if (--route->nholders > 0) return;
    routes->idle_uses += route->nuses;
    // What cannot be found again goes to the old end, where routes_excess looks.
    if (route->key == 0) {
        route->older = -1;
        route->newer = routes->oldest;
        *(routes->oldest >= 0 ? &routes->at[routes->oldest].older : &routes->newest) = r;
        routes->oldest = r;
    } else {
        route->newer = -1;
        route->older = routes->newest;
        *(routes->newest >= 0 ? &routes->at[routes->newest].newer : &routes->oldest) = r;
        routes->newest = r;
    }
}

int32_t routes_excess(const Routes *routes) {
    if (routes->oldest < 0) return -1;
    return routes->at[routes->oldest].key == 0 || routes->idle_uses > ROUTE_CACHE_USES
               ? routes->oldest
               : -1;
}

void routes_drop(Routes *routes, int32_t r) {
    idle_remove(routes, r);
    Route *route = &routes->at[r];
    if (route->key != 0) table_remove(&routes->by_key, (int64_t)route->key);
    runs_give_back(&routes->uses, route->first_use, run_length(route->nuses));
    if (route->first_surplus >= 0)
        runs_give_back(&routes->surplus, route->first_surplus,
                       surplus_bytes(routes, route->fullest) * run_length(route->nuses));
    leave_queue(routes, route->queue);
    *route = (Route){.nholders = -1, .newer = routes->first_free};
    routes->first_free = r;
}

void routes_refresh(Routes *routes) {
    table_clear(&routes->by_capacity);
    array_clear(&routes->capacities);
    for (int64_t s = 0; s < routes->nslots; s++)
        routes->capacity[s] =
            (uint16_t)capacity_index(routes, capacity_of(routes, routes->link[s]));
    for (int32_t r = 0; r < routes->nroutes; r++) {
        Route *route = &routes->at[r];
        if (route->key == 0) continue;
        table_remove(&routes->by_key, (int64_t)route->key);
        route->key = 0;
        if (route->nholders > 0) continue;
        idle_remove(routes, r); // to where routes_excess looks
        route->nholders = 1;
        routes_let_go(routes, r);
    }
}

void routes_slots_by_link(const Routes *routes, int32_t slots[]) {
    int64_t n = 0;
    for (int64_t p = 0; p < routes->npages; p++)
        for (int64_t i = 0; routes->page[p] && i < LINK_PAGE; i++)
            if (routes->page[p][i] != 0) slots[n++] = routes->page[p][i] - 1;
}

void routes_mute(Routes *routes, LinkId link) {
    if (!routes->muted)
        routes->muted = memory_alloc(LABEL_LINKS, (size_t)routes->npages * sizeof *routes->muted);
    uint64_t **page = &routes->muted[link >> LINK_PAGE_BITS];
    if (!*page) *page = memory_alloc(LABEL_LINKS, MUTED_WORDS * sizeof(uint64_t));
    const int64_t at = link & (LINK_PAGE - 1);
    (*page)[at / MUTED_WORD] |= UINT64_C(1) << at % MUTED_WORD;
}

void routes_stand_for(Routes *routes, const LinkId link[], int64_t listed, int64_t n) {
    table_insert(&routes->alike_of, link[0], routes->alike.n);
    array_push(&routes->alike, (LinksAlike){routes->alike_link.n, listed, n});
    for (int64_t i = 0; i < listed; i++) array_push(&routes->alike_link, link[i]);
}

void routes_unmute(Routes *routes) {
    for (int64_t p = 0; routes->muted && p < routes->npages; p++)
        memory_free(LABEL_LINKS, routes->muted[p], MUTED_WORDS * sizeof(uint64_t));
    if (routes->muted)
        memory_free(LABEL_LINKS, routes->muted, (size_t)routes->npages * sizeof *routes->muted);
    routes->muted = NULL;
    table_free(&routes->alike_of);
    array_free(&routes->alike);
    array_free(&routes->alike_link);
    array_free(&routes->alike_at);
}
