/// flow_state.h: what the parts of the flow engine share: transfers, uses, links, the region being
/// solved.
///
/// Idea.    Most links that a transfer touches have room for it, whatever the others on them do: of the 150 links of a
///          message under ecmp hardly three are disputed. So a link knows a number only, its slack: what it has left if
///          each of its users took its load, an upper bound of what it can take. Starting and ending is to subtract and
///          to add along a route; a transfer whose links all have slack left runs at its cap.
///          A link is contended if its slack is used up by two users or more (ghosts count); by the definition in
///          maxmin.h any other link holds nobody. It is not, though, if they all come over one narrower link, which holds
///          them first: a ring that starts while the ghost of the one before stands on its links shares one with it, not
///          thousands. Who uses a link is looked up when it comes to be contended: each slot
///          knows the routes over it, each route its transfers. From then until it has slack again it keeps a list of
///          its users, one node each: only these enter the solver, so a ring over thousands of links costs what it
///          shares, and a bundle of a full-bisection tier with thousands of users costs nothing.
///          The load of a transfer on a long route is taken at a ceiling somewhat above the levels it has had lately,
///          and at its cap again before it passes that (flow_ceiling.c): a collective that its worst link holds at a
///          third of its cap leaves two thirds of its thousands of other links undisputed.
///          Everything refers by index; arrays move when they grow.
///
///              bytes a link that a transfer has touched   30: slack, routes over it, index, link and capacity in
///                                                         Routes, page entry
///              bytes a contended link                     32: LinkState
///              bytes an active transfer                  120: Active
///              bytes a use of a contended link            16: UseNode; 4 more on links of three users or more
///          Arrays that have become large keep up to a sixteenth more room. Not counted: routes (routes.h; 12 bytes a use
///          more here), the queues of events and of completions, statistics (tally.h), what a solution needs while it
///          lasts.
/// Limits.  Internal to engine/flow.
#ifndef COLOSSIM_ENGINE_FLOW_FLOW_STATE_H
#define COLOSSIM_ENGINE_FLOW_FLOW_STATE_H

#include "base/array.h"
#include "base/heap.h"
#include "base/wide.h"
#include "engine/finished.h"
#include "engine/flow/flow.h"
#include "engine/flow/fluid.h"
#include "engine/flow/level_heap.h"
#include "engine/flow/maxmin.h"
#include "engine/intervals.h"
#include "engine/price.h"
#include "engine/routes.h"
#include "engine/runs.h"
#include "engine/tally.h"

#define FLOW_LABEL_TRANSFERS "flow.transfers"
#define FLOW_LABEL_LINKS "flow.links"
#define FLOW_LABEL_NODES "flow.nodes"
#define FLOW_LABEL_USERS "flow.users"
#define FLOW_LABEL_ROUTES "flow.routes"

enum {
    NODES_IN_PLACE = 2,
    LOAD_UNIT_BITS = 14,  ///< a load unit is 2^-14 of the slowest link's capacity
    LOAD_FINE_BITS = 10,  ///< what a weight loads is kept so much finer
    LOAD_MAX = 1 << 30,   ///< of one use
    DEBT = 1 << 29,       ///< see SlackDebt
    LONG_ROUTE_USES = 64, ///< collectives, and messages whose queue pairs spread over many links
    RISE_STAGES = 3,      ///< see flow_solve.c
    REVIEW_MOVES = 16,    ///< of a ceiling: walking a route costs as much as some moves
};

typedef enum ActiveState { ACTIVE_FREE, ACTIVE_WAITING, ACTIVE_RUNNING, ACTIVE_GHOST } ActiveState;
/// Part of a transfer in the region being solved.
typedef enum ActiveMark {
    MARK_PINNED,
    MARK_FROZEN,
    MARK_RISING,                              ///< for a start, not far ...
    MARK_SOARING = MARK_RISING + RISE_STAGES, ///< ... in the end as far as it can
} ActiveMark;

typedef struct Active {
    // What the solvers look at, together.
    int64_t cap, level;
    int32_t first_node, nshared; ///< nodes of contended links; -1: no room was ever needed
    int32_t bottleneck; ///< node on the least link whose level is the transfer's; -1: its cap
    uint8_t state, mark;
    uint8_t node_class;   ///< of the run of nodes, see runs.h
    uint8_t attached : 1; ///< on its links
    uint8_t slow : 1;
    uint8_t bounded : 1; ///< its route is long: see flow_ceiling.c
    uint8_t job : 5;
    int32_t route, step;
    int32_t next, previous; ///< attached transfers of the same route, -1 ends
    LooseWide remaining;    ///< work at settled_ps; running below its cap: charged until then
    int64_t settled_ps;
    int64_t end_ps; ///< running: at the present level; ghost: until when it is felt at most
    union {
        int64_t queued_ps;  ///< running: earliest entry in the heap of ends
        int64_t next_ghost; ///< ghost: the next of its queue, -1 ends
    };
    int64_t tag, bytes;
    int64_t start_ps;
    int64_t sampled_bytes; ///< progress already in finished sampling intervals
} Active;

/// The use of one link by one transfer: 16 bytes.
typedef struct UseNode {
    int32_t transfer, link, weight; ///< link: index in flow->link
    int32_t place;                  ///< index in the link's list of users
} UseNode;

/// A contended link. These stand close together, so that solving stays in the cache.
typedef struct LinkState {
    int64_t level;  ///< >= 0: at which it holds its highest users; < 0: nobody, see link_room
    int32_t region; ///< index in the region being solved; < 0: outside, see link_reserved
    int32_t slot, id;
    int32_t nusers;                ///< nodes; 0: it is contended no more
    int32_t users[NODES_IN_PLACE]; ///< nodes; or {first of the run, capacity of the run}
} LinkState;

/// Use of a slot by a route, in the list of the slot.
typedef struct SlotUse {
    int32_t route;
    int32_t weight; ///< there: that is far away
} SlotUse;

/// The uses of a slot by routes: a run whose room is slot_room(n).
typedef struct SlotUses {
    int32_t first, n;
} SlotUses;

/// What the engine keeps of a route.
typedef struct RouteState {
    int32_t first; ///< its first attached transfer + 1
    int32_t
        unit_load; ///< load per weight of each of these, 2^-LOAD_FINE_BITS units; 0: not known yet
    int32_t narrowest; ///< its use of its narrowest link + 1; 0: not known yet
    /// Index in flow->ceilings + 1 while it is below the level alone, else 0.
    uint32_t ceiling : 30;
    uint32_t listed : 1;  ///< its uses are in the lists of their slots
    uint32_t waiting : 1; ///< it is in flow->unlisted
} RouteState;

/// A route whose transfers count for less than their caps.
typedef struct Ceiling {
    int64_t level; ///< no transfer of the route passes it; 0: free
    int64_t peak;  ///< highest level since the last review
    int32_t moves; ///< since then
    int32_t route;
} Ceiling;

/// Transfers of one queue key that load links.
typedef struct FlowQueue {
    int32_t nrunning;
    int32_t ghosts; ///< first of those that are felt + 1: none while one runs
} FlowQueue;

typedef struct NodeRun {
    int32_t first, n;
} NodeRun;

/// Slack is 32 bits: what thousands of transfers on one link want beyond it is kept apart.
typedef struct SlackDebt {
    int32_t slot, n; ///< n * DEBT less than the slack says
} SlackDebt;

/// Of a contended link, where several jobs use links: who has what of it, since its users changed last.
typedef struct LinkShares {
    int64_t changed_ps;
    int64_t total; ///< of all jobs; -1: not looked up yet, in flow->job_share neither
} LinkShares;

_Static_assert(ENGINE_JOBS_MAX <= 1 << 5, "jobs of a transfer");
_Static_assert(4 * sizeof(int32_t) + sizeof(*((Routes *)0)->link) +
                       sizeof(*((Routes *)0)->capacity) + sizeof(**((Routes *)0)->page) <=
                   30,
               "bytes a link");
_Static_assert(sizeof(LinkState) <= 32, "bytes a contended link");
_Static_assert(sizeof(Active) <= 120, "bytes an active transfer, and room to grow");
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
    int32_t link;
    bool closed;
} RegionLink;

/// A transfer that may leave the region with another level.
typedef struct Member {
    int32_t transfer;
    int32_t old_slot;  ///< that held it, -1: none
    int64_t old_level; ///< LEVEL_UNKNOWN: it starts now
} Member;

/// An attached transfer on a link.
typedef struct LinkUser {
    int32_t transfer, weight;
} LinkUser;

/// Until when an ended transfer keeps its share, at most: it may be over before.
typedef struct GhostItem {
    int64_t time_ps;
    int32_t transfer;
} GhostItem;

/// Of a transfer that has lived through a change of the cluster: what it has alone on the path it began to move on.
typedef struct Lived {
    int64_t alone_ps; ///< 0: it has lived through none
    int64_t level;    ///< in levels of the route it has now
} Lived;

typedef struct Mass Mass; // flow_mass.c

struct Engine {
    const Cluster *cluster;
    EngineSpec spec;
    FlowTuning tuning;
    int64_t now_ps;
    int64_t nunfinished;
    Routes routes;

    Active *active;
    int64_t nactive, active_capacity;
    ARRAY_OF(Slowed) slowed; ///< [nactive], if they are to be told
    ARRAY_OF(int32_t) free_active;
    int64_t nplaying;         ///< running or ghost
    Runs nodes;               ///< of UseNode
    Runs user_runs;           ///< of int32_t
    ARRAY_OF(LinkState) link; ///< contended ones, and free places
    ARRAY_OF(int32_t) free_links;
    ARRAY_OF(int32_t) calmed; ///< free places that the region still refers to
    int32_t *contended;       ///< [nslots] index in link + 1, 0: not contended
    int32_t *slack;           ///< [nslots] in load units; negative: used up
    SlotUses *slot_uses;      ///< [nslots]
    int64_t nslots, nslack;   ///< room; whose slack is known
    Runs use_runs;            ///< of SlotUse
    int32_t *use_place;       ///< [nuse_places] as Routes.uses: place in the list of its slot
    int64_t nuse_places;
    RouteState *route; ///< [nroutes] as Routes.at
    int64_t nroutes;
    ARRAY_OF(int32_t) unlisted; ///< routes with waiting
    ARRAY_OF(Ceiling) ceilings;
    int64_t least_spare; ///< of ceilings above levels: more than the weights of the users of a link
    ARRAY_OF(int32_t) free_ceilings;
    ARRAY_OF(SlackDebt) debts;
    ARRAY_OF(NodeRun) outgrown; ///< the region still refers to their nodes
    int64_t reference;          ///< capacity of 2^LOAD_UNIT_BITS load units; 0: not known yet
    int64_t last_alone_level;   ///< whose load was asked for last ...
    int32_t last_alone_load;    ///< ... and what it is
    ARRAY_OF(LinkUser) found;   ///< scratch
    ARRAY_OF(int32_t) used_up;  ///< scratch

    Heap starts, ends;
    ARRAY_OF(int32_t)
    together; ///< ends at together_ps, beside the heap: equal transfers end together
    int64_t together_ps;
    ARRAY_OF(int32_t) due; ///< start at now_ps
    Heap felt; ///< ends of ghosts on contended links: other ghosts need no instant of their own
    ARRAY_OF(GhostItem) ghosts;     ///< in order of time, as ends are and control_delay is one
    int64_t nghosts_gone;           ///< leading entries that are over
    int64_t nghosts_early;          ///< others that were over before their time
    ARRAY_OF(FlowQueue) queue;      ///< as Routes.queue
    ARRAY_OF(int32_t) queues_going; ///< where one has ended and another went on

    Finished done;

    ARRAY_OF(Lived) lived; ///< by transfer, of the first few: see flow_refresh.c
    int64_t nwaiting;      ///< running, and no path of theirs carries anything

    // What the events of one instant leave to the solver.
    ARRAY_OF(int32_t) started; ///< transfers that share a link
    int64_t nstarting_uses;    ///< uses of those that are not on their links yet
    ARRAY_OF(int32_t) dirty;   ///< binding links that lost a user
    ARRAY_OF(int32_t) orphans; ///< transfers whose bottleneck is no longer shared

    Mass *mass; ///< between the start of everything and its solution, else NULL

    ARRAY_OF(int32_t) lifted; ///< links, see ceiling_lift
    // The region being solved.
    ARRAY_OF(RegionLink) region;
    ARRAY_OF(Member) members;
    ARRAY_OF(LevelItem) water;

    ARRAY_OF(LinkShares) shares; ///< as `link`; none with one job
    ARRAY_OF(int64_t) job_share; ///< [link][njobs] rate units that users of a job have
    StepTallies steps;
    Tally period;         ///< of the interval that is open
    LongerTallies longer; ///< that it is part of
    Intervals intervals;
    int64_t interval_end_ps;         ///< of the open one; it began at or before now_ps
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

static inline int64_t link_capacity(const Flow *flow, const LinkState *link) {
    return routes_capacity(&flow->routes, link->slot);
}

static inline bool link_contended(const Flow *flow, int32_t slot) {
    return flow->contended[slot] > 0;
}

/// Load of a use whose route has so much per weight, rounded up.
static inline int64_t fine_load(int32_t unit_load, int32_t weight) {
    return ((int64_t)unit_load * weight + (1 << LOAD_FINE_BITS) - 1) >> LOAD_FINE_BITS;
}

/// The same, in bounds. Too much only where the slack is cut the same way.
static inline int32_t use_load(int32_t unit_load, int32_t weight) {
    int64_t load = fine_load(unit_load, weight);
    return load < LOAD_MAX ? (int32_t)load : LOAD_MAX;
}

static inline bool link_holds(const LinkState *link) { return link->level >= 0; }

/// Rising users that have taken their reach of the room of a link outside the region: flow_solve.c.
static inline int32_t link_reserved(const LinkState *link) { return -1 - link->region; }

/// What the users of a contended link that holds nobody leave of it at their levels, less the
/// weight of all: while that is not negative it holds nobody at any level.
static inline int64_t link_room(const LinkState *link) { return link->level - LINK_NO_ROOM; }

static inline void link_set_room(LinkState *link, int64_t room) {
    link->level = LINK_NO_ROOM + room;
}

/// What a user of some level takes of the room. One that has not been solved yet counts as standing still.
static inline int64_t room_at(int64_t level, int32_t weight) {
    return level > 0 ? weight * (level + 1) : weight;
}

static inline int64_t room_taken(const Active *f, int32_t weight) {
    return room_at(f->level, weight);
}

/// A ghost is on contended links: its end is felt.
static inline void ghost_feel(Flow *flow, int32_t ghost) {
    heap_push(&flow->felt, (HeapItem){.time_ps = flow->active[ghost].end_ps, .item = ghost});
}

/// Shared uses of a transfer: the first f->nshared of its nodes.
static inline const UseNode *shared_nodes(const Flow *flow, const Active *f) {
    return flow_node(flow, f->first_node);
}

// flow_path.c
/// Capacity of a link a weight of a route's use of it.
int64_t path_width(const Flow *flow, RouteUse use);
/// The use of a route on its narrowest link, of those the one with the least id.
RouteUse path_narrowest(Flow *flow, int32_t route);
/// What a transfer has lived through, NULL: no change.
const Lived *path_lived(const Flow *flow, const Active *f);
/// What it loses in a picosecond (price.h) at a level against what it had alone at its beginning; and if it were alone now.
int64_t path_loss(const Flow *flow, const Active *f, int64_t level);
int64_t path_loss_alone(const Flow *flow, const Active *f);
/// Slot of the link that holds it below the level it has alone, -1: none.
int32_t path_slow_slot(Flow *flow, const Active *f);

/// A transfer as it is before it is moved.
static inline Member member_of(Flow *flow, int32_t transfer) {
    const Active *f = &flow->active[transfer];
    return (Member){transfer, path_slow_slot(flow, f), f->level};
}

// flow_ends.c
/// Put end_ps on the queue of ends.
void push_end(Flow *flow, int32_t transfer);
/// Put the end of a running transfer where its level puts it.
void requeue(Flow *flow, int32_t transfer);
/// Move a member from its old level and bottleneck, at which it ran until now, to those it has now.
void solve_commit(Flow *flow, Member member);
/// Is an entry of the queue the end of that transfer, or has a change of rate made it stale? Then it goes where it
/// belongs, and so do those that are stale at the top before the earliest end is told.
bool ends_hold(const Flow *flow, int32_t transfer, int64_t time_ps);
void ends_requeue(Flow *flow, int32_t transfer, int64_t time_ps);
int64_t ends_next_ps(Flow *flow);

// flow_links.c
/// Put a starting transfer on its links.
void links_attach(Flow *flow, int32_t transfer);
/// Take it off; what may change is left in flow->dirty and flow->orphans.
void links_detach(Flow *flow, int32_t transfer);
/// Make room for the links and routes there are.
void links_grow(Flow *flow);
/// No node is referred to any more but by its transfer and its link.
void links_settle(Flow *flow);
void links_fini(Flow *flow);
/// Let a transfer be among those of its route.
void links_enter_route(Flow *flow, int32_t transfer);
/// Attached transfers on a link, into flow->found.
void links_find_users(Flow *flow, int32_t slot);
/// Change what is left of a link by `load` units; returns whether it is used up.
bool links_take_slack(Flow *flow, int32_t slot, int64_t load);
/// A link whose slack is used up: is it contended? Then its users are listed.
bool links_contend(Flow *flow, int32_t slot);
/// Let a link be contended by nobody yet; returns its index in flow->link.
int32_t links_take(Flow *flow, int32_t slot);
/// A contended link has slack again.
void links_calm(Flow *flow, int32_t slot);
/// Before a route is dropped.
void links_forget_route(Flow *flow, int32_t route);
/// Slack of a link that nobody uses.
int32_t links_whole_slack(const Flow *flow, int32_t slot);
/// Load per weight of transfers of that level, as in RouteState, rounded up.
int32_t links_unit_load(const Flow *flow, int64_t level);

// flow_ceiling.c
/// Level up to which a transfer may rise before ceiling_lift.
int64_t ceiling_reach(const Flow *flow, const Active *f);
/// Let transfers of a long route rise further than `level`; links that come to be contended are left in flow->lifted
/// (as in flow->link).
void ceiling_lift(Flow *flow, int32_t route, int64_t level);
/// Lift all ceilings as far as they go.
void ceiling_lift_all(Flow *flow);
/// So many transfers will play at once: ceilings that are too near for that are lifted.
void ceiling_expect(Flow *flow, int64_t ntransfers);
/// A solution has moved transfers of long routes: flow->members.
void ceiling_review(Flow *flow);

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

// flow_full.c
/// Solve the whole active set from scratch.
void solve_all(Flow *flow);

// flow_culprits.c
/// What users have of a contended link changes now, or it is a new one.
void culprits_look_again(Flow *flow, int32_t at);
/// A running transfer has lost `loss` (price.h) in each of span_ps, in which nothing changed on the link that holds it.
void culprits_charge(Flow *flow, const Active *f, int32_t slot, int64_t loss, int64_t span_ps);
void culprits_fini(Flow *flow);

// flow_stats.c
/// Charge the work done since settled_ps.
void settle(Flow *flow, Active *f);
/// Open or close the stretch in which a running transfer is below its cap, from settled_ps to now. Call close before,
/// open after a change, and settle in between.
void stats_slow_open(Flow *flow, Active *f);
void stats_slow_close(Flow *flow, Active *f);
/// Open it for n transfers of a step on one link, whose `slow` the caller sets.
void stats_slow_open_link(Flow *flow, int32_t step, int32_t slot, int64_t n);
/// The same for one that has another level and bottleneck by now than it had in this stretch.
void stats_slow_close_as(Flow *flow, Active *f, int64_t level, int32_t slot);
/// Users of a contended link go now, or what they have of it changes: where several jobs use links, charge what it has cost
/// those it holds until now. To be called before every such change.
void stats_settle_link(Flow *flow, int32_t link);
static inline void stats_before_change(Flow *flow, int32_t link) {
    if (flow->spec.njobs > 1) stats_settle_link(flow, link);
}
/// Count the bytes of a transfer that ends now.
void stats_complete(Flow *flow, const Active *f);
/// A route has moved `bytes` in the open sampling interval.
void stats_add_period_bytes(Flow *flow, int32_t route, int64_t bytes);
/// Before a route is dropped.
void stats_flush_route(Flow *flow, int32_t route);
/// Close the sampling intervals that end at or before to_ps.
void stats_close_intervals(Flow *flow, int64_t to_ps);
void stats_fini(Flow *flow);

/// flow.c: a transfer that loads links runs, or is felt no longer than until_ps.
void queue_run(Flow *flow, int32_t transfer);
void queue_haunt(Flow *flow, int32_t transfer, int64_t until_ps);
/// flow.c: one holder of a route less; drop the routes that nobody will ask for again.
void flow_let_go_route(Flow *flow, int32_t route);
void flow_drop_excess_routes(Flow *flow);
/// flow.c: time that a transfer that loads links takes alone.
int64_t flow_alone_of(const Flow *flow, const Active *f);
/// flow.c: let a running transfer wait, off its links, for a path that carries something.
void flow_wait(Flow *flow, int32_t transfer);
/// flow.c: all that is on links has been put there now: solve it.
void flow_solve_anew(Flow *flow);

#endif
