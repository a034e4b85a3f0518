/// flow_state.h: what the parts of the flow engine share: transfers, uses, links, the region being
/// solved.
///
/// Idea.    A transfer that has started owns a run of use nodes, one per link of its route; a link
///          keeps the indices of its users' nodes, two in place and more in a run. A link is
///          contended if its users (ghosts count) could together load it beyond its capacity, each
///          at its cap; by the definition in maxmin.h any other link has no level and holds nobody.
///          The nodes on contended links stand first in the run of their transfer: only these enter
///          the solver, so a ring over thousands of links costs what it shares, and a bundle of a
///          full-bisection tier with thousands of users costs nothing.
///          Everything refers by index; arrays move when they grow.
///
///              bytes a link that a transfer has touched   48: LinkState, link and capacity in
///                                                         Routes, page entry; 4 more over ranks
///              bytes an active transfer                  128: Active
///              bytes a use                                16: UseNode; 4 more on links of three
///                                                         users or more
///          Arrays that have become large keep up to an eighth more room. Not counted: routes
///          (72 bytes each, 8 a use, shared by equal transfers; routes.h), the queues of events
///          and of completions, statistics (tally.h), what a solution needs while it lasts.
/// Limits.  Internal to engine/flow.
#ifndef COLOSSIM_ENGINE_FLOW_FLOW_STATE_H
#define COLOSSIM_ENGINE_FLOW_FLOW_STATE_H

#include "base/array.h"
#include "base/heap.h"
#include "base/wide.h"
#include "engine/flow/flow.h"
#include "engine/flow/level_heap.h"
#include "engine/flow/maxmin.h"
#include "engine/price.h"
#include "engine/routes.h"
#include "engine/runs.h"
#include "engine/tally.h"

#define FLOW_LABEL_TRANSFERS "flow.transfers"
#define FLOW_LABEL_LINKS "flow.links"
#define FLOW_LABEL_NODES "flow.nodes"
#define FLOW_LABEL_USERS "flow.users"
#define FLOW_LABEL_ANNOUNCED "flow.announced"

enum { NODES_IN_PLACE = 2, DEMAND_BITS = 12 };

typedef enum ActiveState { ACTIVE_FREE, ACTIVE_WAITING, ACTIVE_RUNNING, ACTIVE_GHOST } ActiveState;
/// Part of a transfer in the region being solved.
typedef enum ActiveMark { MARK_PINNED, MARK_RISING, MARK_FROZEN } ActiveMark;

typedef struct Active {
    // What the solvers look at, together.
    int64_t cap, level;
    int32_t first_node, nshared;
    int32_t bottleneck; ///< node on the least link whose level is the transfer's; -1: its cap
    uint8_t state, mark, slow;
    uint8_t announced, exposed; ///< see flow_announce.c
    int32_t route, step;
    Wide remaining; ///< work at settled_ps
    int64_t settled_ps;
    int64_t end_ps;    ///< running: at the present level
    int64_t queued_ps; ///< running: earliest entry in the heap of ends
    int64_t tag, bytes;
    int64_t start_ps;
    int64_t sampled_bytes; ///< progress already in finished sampling intervals
    int64_t slow_since_ps; ///< running below its cap: since when with this level and bottleneck
} Active;

/// The use of one link by one transfer: 16 bytes.
typedef struct UseNode {
    int32_t transfer, slot, weight;
    int32_t place; ///< index in the link's list of users
} UseNode;

/// 32 bytes a link, beside 12 in Routes and 4 in its page.
typedef struct LinkState {
    int64_t
        demand; ///< sum of weight * cap of its users, each rounded up to 2^DEMAND_BITS rate units
    int64_t level; ///< >= 0: at which it holds its highest users; < 0: nobody, see link_room
    int32_t nusers;
    int32_t region;                ///< index in the region being solved, -1: outside
    int32_t users[NODES_IN_PLACE]; ///< nodes; or {first of the run, capacity of the run}
} LinkState;

_Static_assert(sizeof(LinkState) + sizeof(*((Routes *)0)->link) + sizeof(*((Routes *)0)->capacity) +
                       sizeof(**((Routes *)0)->page) <=
                   48,
               "bytes a link");
_Static_assert(sizeof(Active) <= 128, "bytes an active transfer");
_Static_assert(sizeof(UseNode) <= 16, "bytes a use");

#define LINK_NO_ROOM (-(INT64_C(1) << 62)) ///< level of a link that holds nobody, with room 0

/// A link in the region. `closed`: it holds nobody at any level up to that of the water, whatever
/// its rising users do; so its users were not looked at.
typedef struct RegionLink {
    int64_t residual; ///< what the water has left of it; closed: room, its rising users left out
    int64_t weight;   ///< of its users at or above the water; closed: of the rising ones
    int64_t total;    ///< weight of all users; closed: unknown
    int64_t most;     ///< closed: largest cap of those that have risen
    int64_t queued;   ///< closed: level of its entry in the water
    int32_t slot;
    bool closed;
} RegionLink;

/// A transfer that may leave the region with another level.
typedef struct Member {
    int32_t transfer;
    int32_t old_bottleneck;
    int64_t old_level; ///< LEVEL_UNKNOWN: it starts now
} Member;

enum { LEVEL_UNKNOWN = -1 };

/// Until when an ended transfer keeps its share.
typedef struct GhostItem {
    int64_t time_ps;
    int32_t transfer;
} GhostItem;

typedef struct Mass Mass; // flow_mass.c

struct Flow {
    const Cluster *cluster;
    FlowSpec spec;
    int64_t now_ps;
    int64_t nunfinished;
    Routes routes;

    Active *active;
    int64_t nactive, active_capacity;
    ARRAY_OF(int32_t) free_active;
    int64_t nplaying;       ///< running or ghost
    int32_t *nannounced_on; ///< [announce_capacity] by slot: announced transfers on the link
    int64_t announce_capacity, nannounced;
    ARRAY_OF(int32_t) private_waiting; ///< private transfers that have not started; may hold others
    ARRAY_OF(int32_t) exposed;         ///< private transfers found on the link of an announced one
    Runs nodes;                        ///< of UseNode
    Runs user_runs;                    ///< of int32_t
    LinkState *link;                   ///< [by slot]
    int64_t nlinks;

    Heap starts, ends;
    ARRAY_OF(int32_t)
    together; ///< ends at together_ps, beside the heap: equal transfers end together
    int64_t together_ps;
    ARRAY_OF(int32_t) due;      ///< start at now_ps
    ARRAY_OF(GhostItem) ghosts; ///< in order of time, as ends are and control_delay is one
    int64_t nghosts_gone;       ///< leading entries that are over

    ARRAY_OF(Completion) done;
    int64_t ndrained;

    // What the events of one instant leave to the solver.
    ARRAY_OF(int32_t) started; ///< transfers that share a link
    int64_t nstarting_uses;    ///< uses of those that are not on their links yet
    ARRAY_OF(int32_t) dirty;   ///< binding links that lost a user
    ARRAY_OF(int32_t) orphans; ///< transfers whose bottleneck is no longer shared

    Mass *mass; ///< between the start of everything and its solution, else NULL

    // The region being solved.
    ARRAY_OF(RegionLink) region;
    ARRAY_OF(Member) members;
    ARRAY_OF(LevelItem) water;

    StepTallies steps;
    Tally period;
    int64_t period_index;            ///< of the interval that is open
    bool period_used;                ///< it has traffic
    ARRAY_OF(int32_t) period_routes; ///< with period_bytes != 0
    LinkSink samples;
};

static inline UseNode *flow_node(const Flow *flow, int32_t node) {
    return (UseNode *)flow->nodes.at + node;
}

static inline const int32_t *link_users(const Flow *flow, const LinkState *link) {
    return link->nusers <= NODES_IN_PLACE ? link->users
                                          : (const int32_t *)flow->user_runs.at + link->users[0];
}

/// What a use adds to the demand of its link.
static inline int64_t link_demand(const Active *f, int32_t weight) {
    return (weight * f->cap + (1 << DEMAND_BITS) - 1) >> DEMAND_BITS;
}

/// Can `nusers` users exceed the capacity of a link? One alone cannot: its cap takes the link into
/// account.
static inline bool demand_contends(const Flow *flow, int32_t slot, int32_t nusers) {
    return nusers >= 2 && flow->link[slot].demand > flow->routes.capacity[slot] >> DEMAND_BITS;
}

static inline bool link_contended(const Flow *flow, int32_t slot) {
    return demand_contends(flow, slot, flow->link[slot].nusers);
}

static inline bool link_holds(const LinkState *link) { return link->level >= 0; }

/// What the users of a contended link that holds nobody leave of it at their levels, less the
/// weight of all: while that is not negative it holds nobody at any level.
static inline int64_t link_room(const LinkState *link) { return link->level - LINK_NO_ROOM; }

static inline void link_set_room(LinkState *link, int64_t room) {
    link->level = LINK_NO_ROOM + room;
}

/// What a user takes of the room. One that has not been solved yet counts as standing still.
static inline int64_t room_taken(const Active *f, int32_t weight) {
    return f->level > 0 ? weight * (f->level + 1) : weight;
}

/// Shared uses of a transfer: the first f->nshared of its nodes.
static inline const UseNode *shared_nodes(const Flow *flow, const Active *f) {
    return flow_node(flow, f->first_node);
}

// flow.c
/// Put end_ps on the queue of ends.
void push_end(Flow *flow, int32_t transfer);

// flow_links.c
/// Put a starting transfer on its links.
void links_attach(Flow *flow, int32_t transfer);
/// Make room for the links that routes have.
void links_grow(Flow *flow);
/// Take it off; what may change is left in flow->dirty and flow->orphans.
void links_detach(Flow *flow, int32_t transfer);

// flow_mass.c
/// Put what has started on its links, on which nobody is yet.  Cost: O(uses + links).
void mass_attach(Flow *flow);
/// Levels of all that has been put there.
void mass_solve(Flow *flow);
void mass_forget(Flow *flow);

// flow_solve.c
/// Bring all levels to the definition after the changes in started, dirty and orphans; clears
/// these.
void solve_changes(Flow *flow);
/// Move a member from its old level and bottleneck, at which it ran until now, to those it has now.
void solve_commit(Flow *flow, Member member);
/// Charge the work done since settled_ps.
void settle(Flow *flow, Active *f);
/// Put the end of a running transfer where its level puts it.
void requeue(Flow *flow, int32_t transfer);

// flow_full.c
/// Solve the whole active set from scratch.
void solve_all(Flow *flow);

// flow_stats.c
/// Open or close the stretch in which a running transfer is below its cap. Call close before, open
/// after a change.
void stats_slow_open(Flow *flow, Active *f);
void stats_slow_close(Flow *flow, Active *f);
/// Count the bytes of a transfer that ends now.
void stats_complete(Flow *flow, const Active *f);
/// A route has moved `bytes` in the open sampling interval.
void stats_add_period_bytes(Flow *flow, int32_t route, int64_t bytes);
/// Before a route is dropped.
void stats_flush_route(Flow *flow, int32_t route);
/// Close the sampling intervals that end at or before to_ps.
void stats_close_intervals(Flow *flow, int64_t to_ps);
void stats_fini(Flow *flow);

/// flow.c: one holder of a route less; drop the routes that nobody will ask for again.
void flow_let_go_route(Flow *flow, int32_t route);
/// flow.c: take in a transfer without an event for its start.
Status flow_enter(Flow *flow, const Transfer *transfer, int32_t *index);
/// flow_announce.c: an announced transfer comes to, or leaves, its links.
void announce_enter(Flow *flow, int32_t transfer);
void announce_leave(Flow *flow, int32_t transfer);

#endif
