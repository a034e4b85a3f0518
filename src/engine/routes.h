/// routes.h: the links that a set of edges loads, merged per link and numbered densely; cached by
/// key.
///
/// Idea.    While a transfer progresses by one unit (routing_unit_bytes() bytes of each edge of
///          weight 1), an edge of weight w puts w times its routing weight on each link of its
///          path: its *parts*. The uses of all edges are merged, so a route is a list of (link, weight), those that
///          can bind (cluster_can_bind) first, each part sorted by link: the rest is for statistics. Of a
///          transfer that several ranks have, each keeps its own links (LinkOwner). Only links that some route uses get
///          a slot, a dense number that the engines index by. Edge sets with a key are looked up instead of routed
///          again; idle routes are kept until they hold more than ROUTE_CACHE_USES uses, then dropped oldest first.
///          Rates are integers in units of 2^-rate_bits B/s; rate_bits is chosen from the largest capacity.
///
///          What the links of a transfer share is its level: the bytes a second of its fullest stream (one queue pair of
///          one edge). So two transfers with a stream each get equal bytes of a link, however heavy their edges
///          are. With `fullest` the weight of that stream's edge,
///              weight on a link = parts * 2^share_bits / fullest, rounded up,
///              progress         = level * unit_bytes * 2^share_bits / fullest bytes a second.
///          Weights are what links divide by; bytes are counted by parts, so rounding moves no byte. Where all edges weigh
///          the same, as of messages and plain rings, weights are exact. Else
///              parts = weight * fullest / 2^share_bits, rounded down, - surplus,
///          and the surplus, below fullest / 2^share_bits, is kept in as many bytes as that takes, mostly none or one.
///          The fullest stream is then sought on the narrowest link, the one that holds the transfer when it is alone: the edges
///          of a hierarchical collective inside a node carry far more than those between nodes, but share nothing
///          with messages, and it is the network that both want to be fair on.
///          Widths: weights of a use have 31 bits (2^21 streams on one link, or 2^21 parts of the bundle's split); a
///          level times a weight stays below twice a capacity, so 62 bits; level * unit_bytes * 2^share_bits is at
///          most what the fullest edge's first link carries.
/// Limits.  A key with other queue pairs than at its first use is routed again each time.
#ifndef COLOSSIM_ENGINE_ROUTES_H
#define COLOSSIM_ENGINE_ROUTES_H

#include "base/table.h"
#include "engine/engine.h"
#include "engine/runs.h"

/// Uses kept by idle cached routes: 8 B each, 64 MiB.
#define ROUTE_CACHE_USES (INT64_C(8) << 20)

/// `weight` of the level of a transfer on the link of `slot`.
typedef struct RouteUse {
    int32_t slot;
    int32_t weight;
} RouteUse;

typedef struct Route {
    uint64_t key;         ///< 0: not cached
    int64_t unit_bytes;   ///< bytes per unit of progress, in which parts are counted
    int64_t level_work;   ///< price.h: work a level does in 1 ps
    int64_t alone_level;  ///< highest at which no link carries more than its capacity
    int64_t step_bytes;   ///< for the owner's statistics: progress of finished transfers of `step`
    int64_t period_bytes; ///< for the owner's statistics: progress within the sampling interval
    int32_t step;
    int32_t queue_pairs;
    int32_t first_use, nuses; ///< in Routes.uses
    int32_t first_surplus;    ///< in Routes.surplus, as uses; -1: there is none
    int32_t fullest;          ///< weight of the edge of its fullest stream
    int32_t nbind;            ///< of links that can bind, which come first
    int32_t queue;            ///< see Transfer.queue_key; -1: its own
    int32_t nholders;         ///< transfers that hold it; 0: idle, -1: free
    int32_t older, newer;     ///< list of idle routes
    int32_t most_weight;      ///< of its uses
} Route;

/// Some of the links: of several ranks that have a transfer each keeps its own.
typedef struct LinkOwner {
    bool (*owns)(const void *context, LinkId link);
    const void *context;
} LinkOwner;

enum { LINK_PAGE_BITS = 12, LINK_PAGE = 1 << LINK_PAGE_BITS };

/// `n` links whose totals are those of one: the least of them are listed, alike_link[first .. first + listed).
typedef struct LinksAlike {
    int64_t first, listed, n;
} LinksAlike;

/// What the edges of a route put on a link.
typedef struct LinkParts {
    int64_t link;
    int64_t parts;
    int32_t weight; ///< while they are merged: of the heaviest edge
} LinkParts;

/// Routes of one queue key.
typedef struct RouteQueue {
    uint64_t key;
    int64_t nroutes;
} RouteQueue;

/// Read-only for users, but for the statistics of a Route.
typedef struct Routes {
    const Cluster *cluster;
    int32_t rate_bits, share_bits;
    int32_t **page; ///< [npages] slot + 1 by link id, pages made on demand
    int64_t npages;
    int64_t nslots, slots_capacity;
    LinkId *link;                 ///< [nslots]
    uint16_t *capacity;           ///< [nslots] index in `capacities`: few differ
    ARRAY_OF(int64_t) capacities; ///< rate units
    Table by_capacity;
    Route *at; ///< [nroutes]
    int64_t nroutes, routes_capacity;
    Runs uses;    ///< of RouteUse
    Runs surplus; ///< bytes
    Table by_key;
    Table by_queue;             ///< index of a queue
    ARRAY_OF(RouteQueue) queue; ///< [nqueues], with those free
    ARRAY_OF(int32_t) free_queues;
    int32_t first_free; ///< chained through `newer`
    int32_t oldest, newest;
    int64_t idle_uses;
    int32_t most_weight; ///< of any use so far
    uint64_t **
        muted; ///< [npages] a bit a link: routes do not keep it, another stands for it; NULL: none. Pages on demand
    ARRAY_OF(LinksAlike) alike;
    ARRAY_OF(LinkId) alike_link;
    Table alike_of;             ///< index in `alike` by the link that stands for them ...
    ARRAY_OF(int32_t) alike_at; ///< ... and by its slot, + 1; 0, or none: it stands for itself
    ARRAY_OF(LinkParts) merge, sorted; ///< scratch
} Routes;

void routes_init(Routes *routes, const Cluster *cluster);
void routes_fini(Routes *routes);

/// Find or make the route of a transfer and hold it.
///   own  which links it keeps, NULL: all; of a key always the same
///   Fails: STATUS_NO_PATH; STATUS_RANGE for weights or capacities out of the range of the arithmetic.
Status routes_hold(Routes *routes, const Transfer *transfer, const LinkOwner *own, int32_t *route);
/// One holder less.
void routes_let_go(Routes *routes, int32_t route);
/// An idle route to be dropped now (uncached, or beyond the budget), or -1. The owner takes its
/// statistics, then drops.
int32_t routes_excess(const Routes *routes);
void routes_drop(Routes *routes, int32_t route);

/// The cluster has changed: read the capacities of all slots again, and let no key find a route that was made before.
void routes_refresh(Routes *routes);

static inline const RouteUse *routes_uses(const Routes *routes, const Route *route) {
    return (const RouteUse *)routes->uses.at + route->first_use;
}

static inline int64_t routes_capacity(const Routes *routes, int32_t slot) {
    return routes->capacities.at[routes->capacity[slot]];
}

/// Ask for the uses of a route, of a long one for the first: they are read in a row, but each route lies elsewhere.
static inline void routes_fetch(const RouteUse uses[], int32_t n) {
    enum { LINE_USES = 64 / sizeof(RouteUse), MOST = 32 * LINE_USES };
    for (int32_t u = LINE_USES; u < n && u < MOST; u += LINE_USES) __builtin_prefetch(&uses[u]);
}

/// What the parts of the uses of a route follow from.
typedef struct RouteParts {
    const RouteUse *use;
    const uint8_t *surplus; ///< [surplus_bytes] of each use, the low one first; NULL: there is none
    int32_t surplus_bytes, fullest, share_bits;
} RouteParts;

RouteParts routes_parts(const Routes *routes, const Route *route);

/// Parts of use `u`.
static inline int64_t parts_of_use(const RouteParts *parts, int32_t u) {
    int64_t n = (int64_t)parts->use[u].weight * parts->fullest >> parts->share_bits;
    if (!parts->surplus) return n;
    const uint8_t *surplus = &parts->surplus[(int64_t)u * parts->surplus_bytes];
    for (int32_t b = 0; b < parts->surplus_bytes; b++) n -= (int64_t)surplus[b] << 8 * b;
    return n;
}

/// Who is told of the links of an edge.
typedef struct EdgeSink {
    void (*put)(void *context, int32_t edge_weight, const LinkUse uses[], int32_t nuses);
    void *context;
} EdgeSink;

/// The links of all edges of a transfer, edge by edge.  Fails: STATUS_NO_PATH.
Status routes_walk(const Routes *routes, const Transfer *transfer, EdgeSink sink);

// Links that are used alike, said before any route has them.

/// Routes leave a link out: whatever uses it uses another alike, which has its totals.
void routes_mute(Routes *routes, LinkId link);
/// link[0] stands for n links that are used alike, of which the least, ascending, are link[listed].
void routes_stand_for(Routes *routes, const LinkId link[], int64_t listed, int64_t n);
/// No link is muted, and each stands for itself.
void routes_unmute(Routes *routes);
/// All slots in the order of their link ids into slots[nslots].
void routes_slots_by_link(const Routes *routes, int32_t slots[]);

#endif
