/// Slack of links, and who uses those that are contended. A link comes to be contended and has slack again many times a
/// step.
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/flow/flow_state.h"

enum {
    FIRST_NODES = 4,
    FIRST_USES = 4,
    FETCH = 16, ///< links whose users are asked for at once
};

static int32_t *users_of(Flow *flow, LinkState *link) {
    return link->nusers <= NODES_IN_PLACE ? link->users
                                          : (int32_t *)flow->user_runs.at + link->users[0];
}

int32_t links_unit_load(const Flow *flow, int64_t level) {
    Wide fine = (Wide)level << (LOAD_UNIT_BITS + LOAD_FINE_BITS);
    Wide load = (fine + flow->reference - 1) / flow->reference;
    return load < LOAD_MAX ? (int32_t)load : LOAD_MAX;
}

int32_t links_whole_slack(const Flow *flow, int32_t slot) {
    Wide slack = ((Wide)routes_capacity(&flow->routes, slot) << LOAD_UNIT_BITS) / flow->reference;
    return slack < LOAD_MAX ? (int32_t)slack : LOAD_MAX;
}

/// The slowest link in use is most often the one whose shares must not be rounded. Any choice is right.
static int64_t choose_reference(const Flow *flow) {
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < flow->routes.capacities.n; i++) {
        int64_t capacity = flow->routes.capacities.at[i];
        if (capacity > 0 && capacity < least) least = capacity;
    }
    return least;
}

static void grow_slots(Flow *flow) {
    size_t old = (size_t)flow->nslots, wanted = (size_t)flow->routes.slots_capacity;
    if (flow->reference == 0) flow->reference = choose_reference(flow);
    flow->slack = memory_resize(FLOW_LABEL_LINKS, flow->slack, old * sizeof *flow->slack,
                                wanted * sizeof *flow->slack);
    flow->contended =
        memory_resize(FLOW_LABEL_LINKS, flow->contended, old * sizeof *flow->contended,
                      wanted * sizeof *flow->contended);
    flow->slot_uses =
        memory_resize(FLOW_LABEL_LINKS, flow->slot_uses, old * sizeof *flow->slot_uses,
                      wanted * sizeof *flow->slot_uses);
    flow->nslots = (int64_t)wanted;
}

void links_grow(Flow *flow) {
    if (flow->nslots < flow->routes.nslots) grow_slots(flow);
    for (; flow->nslack < flow->routes.nslots; flow->nslack++)
        flow->slack[flow->nslack] = links_whole_slack(flow, (int32_t)flow->nslack);
    if (flow->nroutes < flow->routes.nroutes) {
        size_t old = (size_t)flow->nroutes, wanted = (size_t)flow->routes.routes_capacity;
        flow->route = memory_resize(FLOW_LABEL_ROUTES, flow->route, old * sizeof *flow->route,
                                    wanted * sizeof *flow->route);
        flow->nroutes = (int64_t)wanted;
    }
}

void links_settle(Flow *flow) {
    for (int64_t i = 0; i < flow->outgrown.n; i++)
        runs_give_back(&flow->nodes, flow->outgrown.at[i].first, flow->outgrown.at[i].n);
    array_clear(&flow->outgrown);
    for (int64_t i = 0; i < flow->calmed.n; i++) array_push(&flow->free_links, flow->calmed.at[i]);
    array_clear(&flow->calmed);
}

void links_fini(Flow *flow) {
    size_t n = (size_t)flow->nslots;
    memory_free(FLOW_LABEL_LINKS, flow->slack, n * sizeof *flow->slack);
    memory_free(FLOW_LABEL_LINKS, flow->contended, n * sizeof *flow->contended);
    memory_free(FLOW_LABEL_LINKS, flow->slot_uses, n * sizeof *flow->slot_uses);
    array_free(&flow->link);
    array_free(&flow->free_links);
    array_free(&flow->calmed);
    runs_fini(&flow->use_runs);
    memory_free(FLOW_LABEL_ROUTES, flow->use_place,
                (size_t)flow->nuse_places * sizeof *flow->use_place);
    memory_free(FLOW_LABEL_ROUTES, flow->route, (size_t)flow->nroutes * sizeof *flow->route);
    array_free(&flow->unlisted);
    array_free(&flow->ceilings);
    array_free(&flow->free_ceilings);
    array_free(&flow->debts);
    array_free(&flow->found);
    array_free(&flow->used_up);
    array_free(&flow->lifted);
    array_free(&flow->outgrown);
}

/// Let two nodes of one transfer change places.
static void swap_nodes(Flow *flow, Active *f, int32_t a, int32_t b) {
    if (a == b) return;
    UseNode *at_a = flow_node(flow, a), *at_b = flow_node(flow, b);
    UseNode node = *at_a;
    *at_a = *at_b;
    *at_b = node;
    users_of(flow, &flow->link.at[at_a->link])[at_a->place] = a;
    users_of(flow, &flow->link.at[at_b->link])[at_b->place] = b;
    if (f->bottleneck == a)
        f->bottleneck = b;
    else if (f->bottleneck == b)
        f->bottleneck = a;
}

/// Make room for two more nodes of a transfer.
static void reserve_nodes(Flow *flow, Active *f) {
    if (f->first_node < 0) {
        f->node_class = (uint8_t)runs_class(FIRST_NODES);
        f->first_node = runs_take(&flow->nodes, FIRST_NODES);
        return;
    }
    int64_t room = runs_class_length(f->node_class);
    if (f->nshared + 2 <= room) return;
    int32_t from = f->first_node, to = runs_take(&flow->nodes, 2 * room);
    memcpy(flow_node(flow, to), flow_node(flow, from), (size_t)room * sizeof(UseNode));
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = flow_node(flow, to + i);
        users_of(flow, &flow->link.at[node->link])[node->place] = to + i;
    }
    if (f->bottleneck >= 0) f->bottleneck += to - from;
    array_push(&flow->outgrown, (NodeRun){from, (int32_t)room});
    f->first_node = to;
    f->node_class = (uint8_t)runs_class(2 * room);
}

/// Append a node to the users of a link.
static void add_user(Flow *flow, LinkState *link, int32_t node_index) {
    int32_t n = link->nusers++;
    if (n < NODES_IN_PLACE) {
        link->users[n] = node_index;
        return;
    }
    if (n == NODES_IN_PLACE || n == link->users[1]) {
        int32_t run = runs_take(&flow->user_runs, 2 * (int64_t)n);
        int32_t *to = (int32_t *)flow->user_runs.at + run;
        const int32_t *from = n == NODES_IN_PLACE
                                  ? link->users
                                  : (const int32_t *)flow->user_runs.at + link->users[0];
        for (int32_t i = 0; i < n; i++) to[i] = from[i];
        if (n > NODES_IN_PLACE) runs_give_back(&flow->user_runs, link->users[0], n);
        link->users[0] = run;
        link->users[1] = 2 * n;
    }
    ((int32_t *)flow->user_runs.at)[link->users[0] + n] = node_index;
}

/// Remove the user at `place`; the last one takes the place.
static void remove_user(Flow *flow, LinkState *link, int32_t place) {
    int32_t n = --link->nusers;
    bool in_run = n >= NODES_IN_PLACE;
    int32_t *users = in_run ? (int32_t *)flow->user_runs.at + link->users[0] : link->users;
    if (place != n) {
        users[place] = users[n];
        flow_node(flow, users[place])->place = place;
    }
    if (n == NODES_IN_PLACE) {
        int32_t run = link->users[0], capacity = link->users[1];
        for (int32_t i = 0; i < n; i++) link->users[i] = users[i];
        runs_give_back(&flow->user_runs, run, capacity);
    }
}

static void add_node(Flow *flow, LinkUser user, int32_t at) {
    Active *f = &flow->active[user.transfer];
    LinkState *link = &flow->link.at[at];
    reserve_nodes(flow, f);
    if (f->nshared == 0 && f->state == ACTIVE_GHOST) ghost_feel(flow, user.transfer);
    int32_t index = f->first_node + f->nshared++;
    // Statistics still ask for the node of a bottleneck that is gone: see drop_node.
    if (f->bottleneck == index) *flow_node(flow, ++f->bottleneck) = *flow_node(flow, index);
    *flow_node(flow, index) = (UseNode){user.transfer, at, user.weight, link->nusers};
    add_user(flow, link, index);
}

/// Remove a node from its transfer, not from its link. It stays behind the others until one takes its place.
static void drop_node(Flow *flow, int32_t node) {
    Active *f = &flow->active[flow_node(flow, node)->transfer];
    swap_nodes(flow, f, node, f->first_node + --f->nshared);
}

/// Room of the run of `n` uses.
static int32_t slot_room(int32_t n) {
    int32_t room = FIRST_USES;
    while (room < n) room *= 2;
    return room;
}

static SlotUse *slot_use(Flow *flow, int32_t place) { return (SlotUse *)flow->use_runs.at + place; }

/// Move the uses of a slot to a run that fits `n`, from one that had `room`.
static void move_uses(Flow *flow, SlotUses *uses, int32_t n, int32_t room) {
    int32_t from = uses->first;
    uses->first = runs_take(&flow->use_runs, slot_room(n));
    memcpy(slot_use(flow, uses->first), slot_use(flow, from), (size_t)uses->n * sizeof(SlotUse));
    runs_give_back(&flow->use_runs, from, room);
}

/// Append a use to those of its slot.
static void list_use(Flow *flow, int32_t slot, int32_t use, SlotUse of) {
    SlotUses *uses = &flow->slot_uses[slot];
    if (uses->n == 0) {
        uses->first = runs_take(&flow->use_runs, FIRST_USES);
    } else if (uses->n == slot_room(uses->n)) {
        move_uses(flow, uses, uses->n + 1, uses->n);
    }
    flow->use_place[use] = uses->n;
    *slot_use(flow, uses->first + uses->n++) = of;
}

/// Index in Routes.uses of the use of a slot by a route: what can bind is sorted by link.
static int32_t find_use(const Flow *flow, int32_t r, int32_t slot) {
    const Routes *routes = &flow->routes;
    const RouteUse *uses = routes_uses(routes, &routes->at[r]);
    int32_t low = 0, high = routes->at[r].nbind - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (routes->link[uses[middle].slot] < routes->link[slot])
            low = middle + 1;
        else
            high = middle;
    }
    DCHECK(uses[low].slot == slot, "route %d does not use slot %d", r, slot);
    return routes->at[r].first_use + low;
}

/// The last use of the slot takes the place of one that goes.
static void unlist_use(Flow *flow, int32_t slot, int32_t use) {
    SlotUses *uses = &flow->slot_uses[slot];
    int32_t room = slot_room(uses->n), place = flow->use_place[use];
    SlotUse last = *slot_use(flow, uses->first + --uses->n);
    if (place < uses->n) {
        *slot_use(flow, uses->first + place) = last;
        flow->use_place[find_use(flow, last.route, slot)] = place;
    }
    if (uses->n == 0) {
        runs_give_back(&flow->use_runs, uses->first, room);
    } else if (slot_room(uses->n) < room) {
        move_uses(flow, uses, uses->n, room);
    }
}

static void list_waiting_routes(Flow *flow) {
    if (flow->nuse_places < flow->routes.uses.n) {
        size_t old = (size_t)flow->nuse_places, wanted = (size_t)flow->routes.uses.capacity;
        flow->use_place =
            memory_resize(FLOW_LABEL_ROUTES, flow->use_place, old * sizeof *flow->use_place,
                          wanted * sizeof *flow->use_place);
        flow->nuse_places = (int64_t)wanted;
    }
    for (int64_t i = 0; i < flow->unlisted.n; i++) {
        int32_t r = flow->unlisted.at[i];
        RouteState *state = &flow->route[r];
        if (!state->waiting) continue;
        const Route *route = &flow->routes.at[r];
        const RouteUse *uses = routes_uses(&flow->routes, route);
        for (int32_t u = 0; u < route->nbind; u++)
            list_use(flow, uses[u].slot, route->first_use + u, (SlotUse){r, uses[u].weight});
        state->listed = true;
        state->waiting = false;
    }
    array_clear(&flow->unlisted);
}

void links_forget_route(Flow *flow, int32_t r) {
    if (r >= flow->nroutes) return;
    RouteState *state = &flow->route[r];
    DCHECK(state->first == 0, "route %d is dropped, but transfer %d is on it", r, state->first - 1);
    const Route *route = &flow->routes.at[r];
    for (int32_t u = 0; state->listed && u < route->nbind; u++)
        unlist_use(flow, routes_uses(&flow->routes, route)[u].slot, route->first_use + u);
    if (state->ceiling > 0) {
        flow->ceilings.at[state->ceiling - 1].level = 0;
        array_push(&flow->free_ceilings, state->ceiling - 1);
    }
    *state = (RouteState){0};
}

/// Load per weight of a route that nobody has been on yet. Many routes are alike.
static int32_t alone_load(Flow *flow, int64_t alone_level) {
    if (alone_level != flow->last_alone_level) {
        flow->last_alone_level = alone_level;
        flow->last_alone_load = links_unit_load(flow, alone_level);
    }
    return flow->last_alone_load;
}

void links_enter_route(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    const Route *route = &flow->routes.at[f->route];
    RouteState *state = &flow->route[f->route];
    if (!state->listed && !state->waiting) {
        state->waiting = true;
        array_push(&flow->unlisted, f->route);
    }
    if (state->unit_load == 0) state->unit_load = alone_load(flow, route->alone_level);
    f->bounded = route->nbind >= flow->tuning.long_route_uses;
    f->attached = 1;
    f->previous = -1;
    f->next = state->first - 1;
    if (state->first > 0) flow->active[f->next].previous = transfer;
    state->first = transfer + 1;
}

static void leave_route(Flow *flow, Active *f) {
    if (f->previous >= 0)
        flow->active[f->previous].next = f->next;
    else
        flow->route[f->route].first = f->next + 1;
    if (f->next >= 0) flow->active[f->next].previous = f->previous;
    f->attached = 0;
}

void links_find_users(Flow *flow, int32_t slot) {
    if (flow->unlisted.n > 0) list_waiting_routes(flow);
    SlotUses over = flow->slot_uses[slot];
    array_reserve(&flow->found, over.n);
    LinkUser *found = flow->found.at;
    int64_t n = 0;
    // Without branches: few routes are in use, and any of them.
    for (int32_t i = 0; i < over.n; i++) {
        const SlotUse *use = slot_use(flow, over.first + i);
        int32_t first = flow->route[use->route].first;
        found[n] = (LinkUser){.transfer = first - 1, .weight = use->weight};
        n += first > 0;
    }
    flow->found.n = n;
    for (int64_t i = 0; i < n; i++) {
        LinkUser user = flow->found.at[i];
        while ((user.transfer = flow->active[user.transfer].next) >= 0)
            array_push(&flow->found, user);
    }
}

static SlackDebt *find_debt(Flow *flow, int32_t slot) {
    for (int64_t i = 0; i < flow->debts.n; i++)
        if (flow->debts.at[i].slot == slot) return &flow->debts.at[i];
    return NULL;
}

/// Keep apart what is so far below 0 that one more use might not fit.
static void borrow(Flow *flow, int32_t slot) {
    SlackDebt *debt = find_debt(flow, slot);
    if (!debt) {
        array_push(&flow->debts, (SlackDebt){.slot = slot});
        debt = &flow->debts.at[flow->debts.n - 1];
    }
    for (; flow->slack[slot] < -DEBT; debt->n++) flow->slack[slot] += DEBT;
}

static void pay_back(Flow *flow, int32_t slot) {
    SlackDebt *debt = find_debt(flow, slot);
    for (; debt && debt->n > 0 && flow->slack[slot] >= 0; debt->n--) flow->slack[slot] -= DEBT;
    if (debt && debt->n == 0) *debt = flow->debts.at[--flow->debts.n];
}

bool links_take_slack(Flow *flow, int32_t slot, int64_t load) {
    for (; load > LOAD_MAX; load -= LOAD_MAX) links_take_slack(flow, slot, LOAD_MAX);
    for (; load < -LOAD_MAX; load += LOAD_MAX) links_take_slack(flow, slot, -LOAD_MAX);
    flow->slack[slot] -= (int32_t)load;
    if (flow->slack[slot] < -DEBT) borrow(flow, slot);
    if (flow->slack[slot] >= 0 && flow->debts.n > 0) pay_back(flow, slot);
    return flow->slack[slot] < 0;
}

int32_t links_take(Flow *flow, int32_t slot) {
    if (flow->free_links.n == 0) {
        array_push(&flow->free_links, (int32_t)flow->link.n);
        array_push(&flow->link, (LinkState){0});
    }
    int32_t at = flow->free_links.at[--flow->free_links.n];
    flow->link.at[at] = (LinkState){
        .level = LINK_NO_ROOM, .region = -1, .slot = slot, .id = flow->routes.link[slot]};
    flow->contended[slot] = at + 1;
    if (flow->spec.njobs > 1) culprits_look_again(flow, at);
    return at;
}

/// Do all users of a link, in flow->found, come over one other link that holds them before this one can? They are on one
/// route; then the level of a link rises with its width, and others on the narrowest only lower it there. Of links of one
/// level the least id counts; n users on both have another level where the width is n more.
static bool is_outdone(Flow *flow, int32_t slot) {
    const LinkUser *found = flow->found.at;
    int32_t route = flow->active[found[0].transfer].route;
    for (int64_t i = 1; i < flow->found.n; i++)
        if (flow->active[found[i].transfer].route != route) return false;
    RouteUse use = {slot, found[0].weight}, narrowest = path_narrowest(flow, route);
    if (flow->routes.link[slot] >= flow->routes.link[narrowest.slot]) return slot != narrowest.slot;
    return path_width(flow, use) >= path_width(flow, narrowest) + flow->found.n;
}

bool links_contend(Flow *flow, int32_t slot) {
    links_find_users(flow, slot);
    if (flow->found.n < 2) return false; // one alone cannot: its cap takes the link into account
    if (is_outdone(flow, slot)) return false;
    int32_t at = links_take(flow, slot);
    int64_t room = routes_capacity(&flow->routes, slot);
    for (int64_t i = 0; i < flow->found.n; i++) {
        LinkUser user = flow->found.at[i];
        room -= room_taken(&flow->active[user.transfer], user.weight);
        add_node(flow, user, at);
    }
    link_set_room(&flow->link.at[at], room);
    return true;
}

void links_calm(Flow *flow, int32_t slot) {
    int32_t at = flow->contended[slot] - 1;
    LinkState *link = &flow->link.at[at];
    link->level = LINK_NO_ROOM;
    for (; link->nusers > 0; remove_user(flow, link, link->nusers - 1)) {
        int32_t node = users_of(flow, link)[link->nusers - 1];
        int32_t left = flow_node(flow, node)->transfer;
        if (flow->active[left].bottleneck == node) array_push(&flow->orphans, left);
        drop_node(flow, node);
    }
    flow->contended[slot] = 0;
    array_push(&flow->calmed, at);
}

/// A starting transfer on a link whose slack is used up.
static void dispute(Flow *flow, LinkUser user, int32_t slot) {
    if (!link_contended(flow, slot)) {
        links_contend(flow, slot);
    } else {
        int32_t at = flow->contended[slot] - 1;
        LinkState *link = &flow->link.at[at];
        if (!link_holds(link)) link->level -= room_taken(&flow->active[user.transfer], user.weight);
        add_node(flow, user, at);
    }
    if (flow->slack[slot] < -DEBT) borrow(flow, slot);
}

/// Do all uses of a route load their links in proportion to their weights?
static bool loads_fit(const Route *route, int32_t unit_load) {
    return fine_load(unit_load, route->most_weight) < LOAD_MAX;
}

/// Take the load of a transfer from the slack of its links. The uses of those that have none left into used_up[]; returns
/// how many. `fits`: see loads_fit().
static int32_t take_load(int32_t slack[], const RouteUse use[], int32_t n, int32_t unit_load,
                         bool fits, int32_t used_up[]) {
    int32_t nused_up = 0;
    for (int32_t u = 0; u < n; u++) {
        RouteUse at = use[u];
        int32_t load =
            fits ? (int32_t)fine_load(unit_load, at.weight) : use_load(unit_load, at.weight);
        int32_t left = slack[at.slot] -= load;
        used_up[nused_up] = u; // without branches: who is short cannot be predicted
        nused_up += left < 0;
    }
    return nused_up;
}

static void give_load(int32_t slack[], const RouteUse use[], int32_t n, int32_t unit_load,
                      bool fits) {
    for (int32_t u = 0; u < n; u++)
        slack[use[u].slot] += fits ? (int32_t)fine_load(unit_load, use[u].weight)
                                   : use_load(unit_load, use[u].weight);
}

/// Ask for what dispute() reads of the first links: who uses them lies far apart.
static void fetch_disputed(const Flow *flow, const RouteUse use[], const int32_t used_up[],
                           int32_t n) {
    n = n < FETCH ? n : FETCH;
    for (int32_t i = 0; i < n; i++) {
        __builtin_prefetch(&flow->contended[use[used_up[i]].slot]);
        __builtin_prefetch(&flow->slot_uses[use[used_up[i]].slot]);
    }
    for (int32_t i = 0; i < n; i++) {
        const SlotUses *over = &flow->slot_uses[use[used_up[i]].slot];
        if (over->n > 0) __builtin_prefetch((const SlotUse *)flow->use_runs.at + over->first);
    }
}

void links_attach(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    const Route *route = &flow->routes.at[f->route];
    routes_fetch(routes_uses(&flow->routes, route), route->nbind);
    links_enter_route(flow, transfer);
    const int32_t unit_load = flow->route[f->route].unit_load, n = route->nbind;
    const RouteUse *uses = routes_uses(&flow->routes, route);
    array_reserve(&flow->used_up, n);
    int32_t *used_up = flow->used_up.at;
    int32_t nused_up =
        take_load(flow->slack, uses, n, unit_load, loads_fit(route, unit_load), used_up);
    fetch_disputed(flow, uses, used_up, nused_up);
    for (int32_t i = 0; i < nused_up; i++)
        dispute(flow, (LinkUser){transfer, uses[used_up[i]].weight}, uses[used_up[i]].slot);
}

/// A contended link has lost a user, who took so much of its room.
static void after_removal(Flow *flow, LinkState *link, int64_t taken) {
    int32_t slot = link->slot;
    if (flow->slack[slot] >= 0 || link->nusers < 2)
        links_calm(flow, slot);
    else if (link_holds(link))
        array_push(&flow->dirty, slot);
    else
        link->level += taken; // what holds nobody back holds nobody back with one user less
}

void links_detach(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    const Route *route = &flow->routes.at[f->route];
    const int32_t unit_load = flow->route[f->route].unit_load;
    const RouteUse *uses = routes_uses(&flow->routes, route);
    routes_fetch(uses, route->nbind);
    leave_route(flow, f);
    give_load(flow->slack, uses, route->nbind, unit_load, loads_fit(route, unit_load));
    for (int32_t u = 0; flow->debts.n > 0 && u < route->nbind; u++)
        if (flow->slack[uses[u].slot] >= 0) pay_back(flow, uses[u].slot);
    while (f->nshared > 0) {
        UseNode node = *flow_node(flow, f->first_node + --f->nshared);
        LinkState *link = &flow->link.at[node.link];
        stats_before_change(flow, node.link);
        remove_user(flow, link, node.place);
        after_removal(flow, link, room_taken(f, node.weight));
    }
    if (f->first_node >= 0)
        runs_give_back(&flow->nodes, f->first_node, runs_class_length(f->node_class));
    f->first_node = -1;
}
