/// Who uses which link, and which of these uses are shared. A link goes from one user to two and
/// back many times a step; both directions cost O(1).
#include "base/check.h"
#include "base/memory.h"
#include "engine/flow/flow_state.h"

static int32_t *users_of(Flow *flow, LinkState *link) {
    return link->nusers <= NODES_IN_PLACE ? link->users
                                          : (int32_t *)flow->user_runs.at + link->users[0];
}

/// Let two nodes of one transfer change places.
static void swap_nodes(Flow *flow, Active *f, int32_t a, int32_t b) {
    if (a == b) return;
    UseNode *at_a = flow_node(flow, a), *at_b = flow_node(flow, b);
    UseNode node = *at_a;
    *at_a = *at_b;
    *at_b = node;
    users_of(flow, &flow->link[at_a->slot])[at_a->place] = a;
    users_of(flow, &flow->link[at_b->slot])[at_b->place] = b;
    if (f->bottleneck == a)
        f->bottleneck = b;
    else if (f->bottleneck == b)
        f->bottleneck = a;
}

static void share(Flow *flow, int32_t node) {
    Active *f = &flow->active[flow_node(flow, node)->transfer];
    swap_nodes(flow, f, node, f->first_node + f->nshared++);
}

static void unshare(Flow *flow, int32_t node) {
    Active *f = &flow->active[flow_node(flow, node)->transfer];
    swap_nodes(flow, f, node, f->first_node + --f->nshared);
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

void links_grow(Flow *flow) {
    int64_t wanted = flow->routes.slots_capacity;
    flow->link =
        memory_resize(FLOW_LABEL_LINKS, flow->link, (size_t)flow->nlinks * sizeof *flow->link,
                      (size_t)wanted * sizeof *flow->link);
    for (int64_t s = flow->nlinks; s < wanted; s++)
        flow->link[s] = (LinkState){.level = LINK_NO_ROOM, .region = -1};
    flow->nlinks = wanted;
}

/// A link comes to be contended.
static void share_all(Flow *flow, LinkState *link, int32_t slot) {
    int64_t room = flow->routes.capacity[slot];
    for (int32_t i = 0; i < link->nusers; i++) {
        const UseNode *node = flow_node(flow, users_of(flow, link)[i]);
        room -= room_taken(&flow->active[node->transfer], node->weight);
        share(flow, users_of(flow, link)[i]);
    }
    link_set_room(link, room);
}

void links_attach(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    const Route *route = &flow->routes.at[f->route];
    const RouteUse *uses = routes_uses(&flow->routes, route);
    if (flow->nlinks < flow->routes.nslots) links_grow(flow);
    f->first_node = runs_take(&flow->nodes, route->nuses);
    f->nshared = 0;
    int32_t unshared = f->first_node + route->nuses;
    for (int32_t u = 0; u < route->nuses; u++) {
        RouteUse use = uses[u];
        LinkState *link = &flow->link[use.slot];
        bool contended = link_contended(flow, use.slot);
        link->demand += link_demand(f, use.weight);
        bool from_now = !contended && demand_contends(flow, use.slot, link->nusers + 1);
        if (from_now) share_all(flow, link, use.slot);
        if ((contended || from_now) && !link_holds(link)) link->level -= room_taken(f, use.weight);
        int32_t index = contended || from_now ? f->first_node + f->nshared++ : --unshared;
        *flow_node(flow, index) = (UseNode){transfer, use.slot, use.weight, link->nusers};
        add_user(flow, link, index);
    }
}

/// A contended link has lost a user, who took so much of its room.
static void after_removal(Flow *flow, LinkState *link, int32_t slot, int64_t taken) {
    if (link_contended(flow, slot)) {
        // A link that holds nobody back holds nobody back with one user less.
        if (link_holds(link))
            array_push(&flow->dirty, slot);
        else
            link->level += taken;
        return;
    }
    link->level = LINK_NO_ROOM;
    for (int32_t i = 0; i < link->nusers; i++) {
        int32_t node = users_of(flow, link)[i], left = flow_node(flow, node)->transfer;
        if (flow->active[left].bottleneck == node) array_push(&flow->orphans, left);
        unshare(flow, node);
    }
}

void links_detach(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    int32_t nuses = flow->routes.at[f->route].nuses, nshared = f->nshared;
    for (int32_t u = 0; u < nuses; u++) {
        const UseNode *node = flow_node(flow, f->first_node + u);
        LinkState *link = &flow->link[node->slot];
        bool contended = u < nshared;
        remove_user(flow, link, node->place);
        link->demand -= link_demand(f, node->weight);
        if (contended) after_removal(flow, link, node->slot, room_taken(f, node->weight));
    }
    runs_give_back(&flow->nodes, f->first_node, nuses);
    f->first_node = -1;
    f->nshared = 0;
}
