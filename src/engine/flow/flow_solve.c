/// Levels after a change, by water filling in a region that grows as it must.
///
/// The region starts with the links of the transfers that start and the binding links that lost a
/// user. Everybody else on these links is pinned at the old level. Water rises through the levels;
/// at level s
///   - a link of the region binds: its rising users freeze at s, pinned users above s fall to s;
///   - a pinned user's level is s: if no link, in the region or outside, holds it at s any more, it
///     rises.
/// Who falls or rises becomes a member, and its other shared links join the region: their levels,
/// with everybody on them pinned, were above s, so joining at s is in time. What never joins keeps
/// a level that no changed link bears on. Hence the result satisfies the definition on every link,
/// and the definition has one solution.
///
/// Most links that join hold nobody, before and after. If one has room for a little more than its
/// rising user had, this is reserved, and what was not needed given back when the user freezes: with
/// that room taken it holds nobody at any level, so it does not join the region at all. A user that
/// rises on reserves more, in RISE_STAGES stages and then all that it could ever take. Where there is no room for that,
/// such a link stays closed, its users unseen, while it cannot bind: pinned users count at their old levels, at least
/// what they take of it at s, and rising ones at s, so up to s it holds nobody if
///   room + (what rising users took) >= s * (weight of rising users),
/// room being capacity less load less the weight of all users. Members that freeze at or below s
/// leave the rest as true as it was; when the water comes to a level at which it fails, the link is
/// opened, which is in time.
#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "engine/flow/flow_state.h"

// Order of events at one level, below all link ids: closed links, caps and orphans, pinned users,
// open links by id.
enum { ORDER_CLOSED = -3, ORDER_TRANSFER = -2, ORDER_NODE = -1 };

enum {
    MASS_START_SHARE = 4, ///< of all transfers: from a quarter on, hardly anybody stays pinned
    MASS_START_WALK = 16, ///< of links and transfers: listing the whole system walks them all
    RISE_BITS = 6,        ///< at first a transfer rises by 2^-6 of its level,
    RISE_FACTOR_BITS = 2, ///< then by four times as much, and so on
};

static bool is_rising(const Active *f) { return f->mark >= MARK_RISING; }

static void push_water(Flow *flow, int64_t level, int32_t order, int32_t item) {
    array_reserve(&flow->water, flow->water.n + 1);
    level_heap_push(flow->water.at, &flow->water.n, (LevelItem){level, order, item});
}

/// Does the link hold its highest users at `level`, water having risen to that level?
static bool link_binds(const Flow *flow, const LinkState *link, int64_t level) {
    if (link_holds(link)) return link->level == level;
    if (link->region < 0) return false;
    const RegionLink *r = &flow->region.at[link->region];
    return !r->closed && r->weight > 0 && r->residual - r->weight < level * r->weight;
}

/// Place in the region of a link that joins it.
static RegionLink *region_take(Flow *flow, int32_t at) {
    LinkState *link = &flow->link.at[at];
    if (link->region < 0) {
        link->region = (int32_t)flow->region.n;
        array_push(&flow->region, (RegionLink){.link = at});
    }
    return &flow->region.at[link->region];
}

/// Open a link, water having risen to `level`: look at its users.
static void region_open(Flow *flow, int32_t at, int64_t level) {
    LinkState *link = &flow->link.at[at];
    stats_before_change(flow, at);
    RegionLink r = {.residual = link_capacity(flow, link), .link = at};
    int64_t frozen_here = 0; // weight of those frozen at this very level
    const int32_t *users = link_users(flow, link);
    for (int32_t i = 0; i < link->nusers; i++) {
        const UseNode *node = flow_node(flow, users[i]);
        const Active *f = &flow->active[node->transfer];
        r.total += node->weight;
        if (!is_rising(f) && f->level < level) {
            r.residual -= node->weight * f->level;
            continue;
        }
        r.weight += node->weight;
        if (f->mark == MARK_PINNED) push_water(flow, f->level, ORDER_NODE, users[i]);
        if (f->mark == MARK_FROZEN) frozen_here += node->weight;
    }
    if (r.residual - r.weight >= level * r.weight) { // it does not bind here: see take_share
        r.residual -= frozen_here * level;
        r.weight -= frozen_here;
    }
    link->level = LINK_NO_ROOM;
    *region_take(flow, at) = r;
    if (r.weight > 0) push_water(flow, r.residual / r.weight, link->id, link->region);
}

/// Take in a link whatever it was, or leave it if it is open.
static void region_add_link(Flow *flow, int32_t at, int64_t level) {
    const LinkState *link = &flow->link.at[at];
    if (link->region < 0 || flow->region.at[link->region].closed) region_open(flow, at, level);
}

/// Level at which a closed link may bind first.
static int64_t closed_until(const RegionLink *r) { return r->residual / r->weight + 1; }

/// A user of a link begins to rise at `level`.
static void region_touch(Flow *flow, const UseNode *node, int64_t level) {
    const Active *f = &flow->active[node->transfer];
    const LinkState *link = &flow->link.at[node->link];
    if (link->region < 0) {
        if (link_holds(link) || link_reserved(link) > 0) {
            region_open(flow, node->link, level);
            return;
        }
        *region_take(flow, node->link) = (RegionLink){
            .residual = link_room(link), .link = node->link, .closed = true, .queued = LEVEL_NONE};
    }
    RegionLink *r = &flow->region.at[link->region];
    if (!r->closed) return; // it counts there since the link was opened
    if (f->level > 0) r->residual += node->weight * f->level;
    r->weight += node->weight;
    if (f->cap > r->most) r->most = f->cap;
    if (r->residual < level * r->weight) {
        region_open(flow, node->link, level);
        return;
    }
    if (r->residual >= (Wide)r->most * r->weight) return; // they reach their caps first
    int64_t until = closed_until(r);
    if (until >= r->queued) return;
    r->queued = until;
    push_water(flow, until, ORDER_CLOSED, link->region);
}

/// Ask for the links of a transfer that moves: they lie far apart.
static void fetch_links(const Flow *flow, const Active *f) {
    const UseNode *nodes = shared_nodes(flow, f);
    for (int32_t i = 0; i < f->nshared; i++) __builtin_prefetch(&flow->link.at[nodes[i].link], 1);
}

/// How far a rising transfer may go with the room that is reserved for it.
static int64_t reach_of(const Flow *flow, const Active *f) {
    int64_t most = ceiling_reach(flow, f);
    if (f->mark == MARK_SOARING || f->level <= 0) return most;
    int64_t reach =
        f->level + (f->level >> (RISE_BITS - RISE_FACTOR_BITS * (f->mark - MARK_RISING)));
    return reach < most ? reach : most;
}

/// Can it be told already that a link will hold nobody, however far f goes?
static bool reserve(Flow *flow, const UseNode *node, int64_t reach) {
    LinkState *link = &flow->link.at[node->link];
    if (link->region >= 0 || link_holds(link)) return false;
    const Active *f = &flow->active[node->transfer];
    int64_t left = link->level + room_taken(f, node->weight) - room_at(reach, node->weight);
    if (left < LINK_NO_ROOM) return false;
    link->level = left;
    link->region--;
    return true;
}

/// Give back what a transfer has reserved of a link beyond `level`.
static void give_back(LinkState *link, const UseNode *node, int64_t reach, int64_t level) {
    link->level += room_at(reach, node->weight) - room_at(level, node->weight);
    link->region++;
}

/// Let a transfer rise from `level`.
static void region_join(Flow *flow, int32_t transfer, int64_t level) {
    Active *f = &flow->active[transfer];
    array_push(&flow->members, member_of(flow, transfer));
    f->mark = MARK_RISING;
    fetch_links(flow, f);
    int64_t reach = reach_of(flow, f);
    for (int32_t i = 0; i < f->nshared; i++)
        if (!reserve(flow, shared_nodes(flow, f) + i, reach))
            region_touch(flow, shared_nodes(flow, f) + i, level);
    push_water(flow, reach, ORDER_TRANSFER, transfer);
}

/// Let a transfer rise further than it has reserved room for.
static void soar(Flow *flow, int32_t transfer, int64_t level) {
    Active *f = &flow->active[transfer];
    int64_t reach = reach_of(flow, f);
    f->mark++;
    int64_t farther = reach_of(flow, f);
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        if (flow->link.at[node->link].region >= 0) continue;
        give_back(&flow->link.at[node->link], node, reach, f->level);
        if (!reserve(flow, node, farther)) region_touch(flow, node, level);
    }
    push_water(flow, farther, ORDER_TRANSFER, transfer);
}

/// Let the links that have reserved room for a rising transfer join the region.
static void unreserve(Flow *flow, int32_t transfer, int64_t level) {
    const Active *f = &flow->active[transfer];
    int64_t reach = reach_of(flow, f);
    for (int32_t i = 0; is_rising(f) && i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        if (flow->link.at[node->link].region >= 0) continue;
        give_back(&flow->link.at[node->link], node, reach, f->level);
        region_touch(flow, node, level);
    }
}

/// A transfer that was rising, or pinned, on this link stands at `level`.
static void take_share(Flow *flow, const UseNode *node, int64_t level) {
    const LinkState *link = &flow->link.at[node->link];
    if (link_holds(link)) return; // already bound
    RegionLink *r = &flow->region.at[link->region];
    // One that binds at this level keeps its users counted.
    if (!r->closed && r->residual - r->weight < level * r->weight) return;
    r->residual -= node->weight * level;
    r->weight -= node->weight;
}

static void set_frozen(Active *f, int64_t level, int32_t binding_node) {
    f->mark = MARK_FROZEN;
    f->level = level;
    f->bottleneck = level == f->cap ? -1 : binding_node;
}

static void region_freeze(Flow *flow, int32_t transfer, int64_t level, int32_t binding_node) {
    Active *f = &flow->active[transfer];
    int64_t reach = reach_of(flow, f);
    set_frozen(f, level, binding_node);
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        LinkState *link = &flow->link.at[node->link];
        if (link->region >= 0)
            take_share(flow, node, level);
        else
            give_back(link, node, reach, level);
    }
}

/// Let a transfer fall to `level`, at which a link binds.
static void region_fall(Flow *flow, int32_t transfer, int64_t level, int32_t binding_node) {
    Active *f = &flow->active[transfer];
    int64_t old_level = f->level;
    array_push(&flow->members, member_of(flow, transfer));
    f->mark = MARK_RISING; // for links that open now
    fetch_links(flow, f);
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        LinkState *link = &flow->link.at[node->link];
        if (link->region < 0 && link_holds(link)) region_open(flow, node->link, level);
        // One that holds nobody holds nobody with more room.
        if (link->region < 0)
            link->level += room_at(old_level, node->weight) - room_at(level, node->weight);
        else if (flow->region.at[link->region].closed)
            flow->region.at[link->region].residual += node->weight * (old_level - level);
    }
    set_frozen(f, level, binding_node);
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        const LinkState *link = &flow->link.at[node->link];
        if (link->region >= 0 && !flow->region.at[link->region].closed)
            take_share(flow, node, level);
    }
}

static void rebind(Flow *flow, Active *f, int32_t node) {
    stats_slow_close(flow, f);
    settle(flow, f);
    f->bottleneck = node;
    stats_slow_open(flow, f);
}

/// Node of a pinned transfer on the least link that holds it at its level, or -1.
static int32_t find_bottleneck(const Flow *flow, const Active *f) {
    int32_t best = -1, best_link = INT32_MAX;
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        const LinkState *link = &flow->link.at[node->link];
        if (link->id >= best_link || !link_binds(flow, link, f->level)) continue;
        best = (int32_t)(node - flow_node(flow, 0));
        best_link = link->id;
    }
    return best;
}

/// Is a pinned transfer still held at its level? Otherwise it rises.
static bool confirm(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    if (f->bottleneck < 0) return true;
    if (link_binds(flow, &flow->link.at[flow_node(flow, f->bottleneck)->link], f->level))
        return true;
    fetch_links(flow, f);
    int32_t other = find_bottleneck(flow, f);
    if (other >= 0) {
        rebind(flow, f, other);
        return true;
    }
    region_join(flow, transfer, f->level);
    return false;
}

static void on_node(Flow *flow, int32_t node) {
    const UseNode *use = flow_node(flow, node);
    if (flow->active[use->transfer].mark != MARK_PINNED) return;
    if (confirm(flow, use->transfer)) take_share(flow, use, flow->active[use->transfer].level);
}

/// A transfer has come as far as it has reserved room for, or to its ceiling: let it rise on.
static void pass_reach(Flow *flow, int32_t transfer, int64_t level) {
    const Active *f = &flow->active[transfer];
    if (level < reach_of(flow, f)) return; // another entry stands for it
    if (level < ceiling_reach(flow, f)) {
        soar(flow, transfer, level);
        return;
    }
    int32_t first = flow->route[f->route].first - 1;
    for (int32_t t = first; t >= 0; t = flow->active[t].next) unreserve(flow, t, level);
    ceiling_lift(flow, f->route, level);
    for (int64_t i = 0; i < flow->lifted.n; i++) region_add_link(flow, flow->lifted.at[i], level);
    for (int32_t t = first; t >= 0; t = flow->active[t].next) {
        if (!is_rising(&flow->active[t])) continue;
        flow->active[t].mark = MARK_SOARING;
        push_water(flow, reach_of(flow, &flow->active[t]), ORDER_TRANSFER, t);
    }
}

static void on_transfer(Flow *flow, int32_t transfer, int64_t level) {
    const Active *f = &flow->active[transfer];
    if (f->mark == MARK_PINNED)
        confirm(flow, transfer);
    else if (is_rising(f) && level == f->cap)
        region_freeze(flow, transfer, level, -1);
    else if (is_rising(f))
        pass_reach(flow, transfer, level);
}

/// Remaining users of a link that binds at `level` freeze, fall, or learn of a bottleneck with a
/// lesser id.
static void bind_link(Flow *flow, int32_t region_index, int64_t level) {
    LinkState *link = &flow->link.at[flow->region.at[region_index].link];
    link->level = level;
    for (int32_t i = 0; i < link->nusers; i++) {
        int32_t node = link_users(flow, link)[i];
        int32_t transfer = flow_node(flow, node)->transfer;
        Active *f = &flow->active[transfer];
        if (f->mark == MARK_PINNED && f->level > level) {
            region_fall(flow, transfer, level, node);
        } else if (is_rising(f)) {
            region_freeze(flow, transfer, level, node);
        } else if (f->mark == MARK_PINNED && f->level == level && f->bottleneck >= 0) {
            const LinkState *known = &flow->link.at[flow_node(flow, f->bottleneck)->link];
            if (link->id < known->id) rebind(flow, f, node);
        }
    }
}

static void on_link(Flow *flow, LevelItem item) {
    const RegionLink *r = &flow->region.at[item.item];
    if (r->weight == 0) {
        level_heap_pop(flow->water.at, &flow->water.n);
    } else if (r->residual / r->weight > item.level) {
        level_heap_raise_top(flow->water.at, flow->water.n, r->residual / r->weight);
    } else {
        level_heap_pop(flow->water.at, &flow->water.n);
        bind_link(flow, item.item, item.level);
    }
}

static void on_closed(Flow *flow, LevelItem item) {
    RegionLink *r = &flow->region.at[item.item];
    if (!r->closed || r->queued != item.level) { // another entry stands for it
        level_heap_pop(flow->water.at, &flow->water.n);
        return;
    }
    int64_t until = r->weight > 0 ? closed_until(r) : LEVEL_NONE;
    if (until > item.level && until <= r->most) {
        r->queued = until;
        level_heap_raise_top(flow->water.at, flow->water.n, until);
        return;
    }
    r->queued = LEVEL_NONE;
    level_heap_pop(flow->water.at, &flow->water.n);
    if (until <= item.level) region_open(flow, r->link, item.level);
}

static void fill_region(Flow *flow) {
    while (flow->water.n > 0) {
        LevelItem top = flow->water.at[0];
        if (top.order >= 0) {
            on_link(flow, top);
            continue;
        }
        if (top.order == ORDER_CLOSED) {
            on_closed(flow, top);
            continue;
        }
        level_heap_pop(flow->water.at, &flow->water.n);
        if (top.order == ORDER_NODE)
            on_node(flow, top.item);
        else
            on_transfer(flow, top.item, top.level);
    }
}

/// Level of a link of two users by the definition, if both keep theirs; -1 if they cannot. No
/// division: with two users that fit, the link can only hold the higher.
static int64_t pair_binds(int64_t capacity, int64_t weight_a, int64_t level_a, int64_t weight_b,
                          int64_t level_b) {
    int64_t low = level_a < level_b ? level_a : level_b,
            high = level_a < level_b ? level_b : level_a;
    int64_t used = weight_a * level_a + weight_b * level_b;
    if (used > capacity) return -1;
    if (low < high && capacity < (low + 1) * (weight_a + weight_b)) return -1;
    int64_t at_high = (level_a == high ? weight_a : 0) + (level_b == high ? weight_b : 0);
    return used + at_high > capacity ? high : LEVEL_NONE;
}

/// Level up to `most` at which a user of weight `own` fits beside one pinned at `level`; -1 if that
/// one had to fall.
static int64_t fit_beside(int64_t capacity, int64_t own, int64_t most, int64_t weight,
                          int64_t level) {
    if (capacity < (Wide)level * (own + weight)) return -1;
    if (capacity < ((Wide)level + 1) * (own + weight)) return level < most ? level : most;
    int64_t left = capacity - weight * level;
    if (left >= own * most) return most;
    int64_t share = left / own;
    if (share <= level) share = level + 1;
    return share < most ? share : most;
}

/// The other user of a link of two.
static const UseNode *partner(const Flow *flow, const UseNode *node) {
    return flow_node(flow, flow->link.at[node->link].users[1 - node->place]);
}

/// Level at which f fits beside pinned partners on all its shared links, or -1 if somebody would
/// have to move. Levels of the links are left in flow->region.
static int64_t level_beside(Flow *flow, const Active *f) {
    if (ceiling_reach(flow, f) < f->cap) return -1;
    int64_t level = f->cap;
    for (int32_t i = 0; i < f->nshared && level >= 0; i++) {
        const UseNode *node = shared_nodes(flow, f) + i;
        const LinkState *link = &flow->link.at[node->link];
        if (link->nusers != 2) return -1;
        const UseNode *other = partner(flow, node);
        level = fit_beside(link_capacity(flow, link), node->weight, level, other->weight,
                           flow->active[other->transfer].level);
    }
    // Where f is held by another link, this one may hold its partner, or nobody.
    array_clear(&flow->region);
    for (int32_t i = 0; i < f->nshared && level >= 0; i++) {
        const UseNode *node = shared_nodes(flow, f) + i, *other = partner(flow, node);
        int64_t binds = pair_binds(link_capacity(flow, &flow->link.at[node->link]), node->weight,
                                   level, other->weight, flow->active[other->transfer].level);
        if (binds < 0) return -1;
        array_push(&flow->region, (RegionLink){.residual = binds, .link = node->link});
    }
    return level;
}

/// The commonest change: one transfer starts beside long-lived ones and moves none. False if it is
/// not that.
static bool solve_beside(Flow *flow) {
    if (flow->started.n != 1 || flow->dirty.n > 0 || flow->orphans.n > 0) return false;
    int32_t transfer = flow->started.at[0];
    Active *f = &flow->active[transfer];
    int64_t level = level_beside(flow, f);
    if (level < 0) return false;
    int32_t least_link = INT32_MAX;
    for (int32_t i = 0; i < f->nshared; i++) {
        const UseNode *node = shared_nodes(flow, f) + i, *other = partner(flow, node);
        LinkState *link = &flow->link.at[node->link];
        int64_t binds = flow->region.at[i].residual;
        link->level = binds;
        if (binds == LEVEL_NONE)
            link_set_room(link, link_capacity(flow, link) - node->weight * (level + 1) -
                                    room_taken(&flow->active[other->transfer], other->weight));
        if (binds == level && level < f->cap && link->id < least_link) {
            f->bottleneck = (int32_t)(node - flow_node(flow, 0));
            least_link = link->id;
        }
        Active *g = &flow->active[other->transfer];
        if (binds == g->level && g->bottleneck >= 0 &&
            link->id < flow->link.at[flow_node(flow, g->bottleneck)->link].id)
            rebind(flow, g, (int32_t)(other - flow_node(flow, 0)));
    }
    f->level = level;
    solve_commit(flow, (Member){transfer, -1, LEVEL_UNKNOWN});
    return true;
}

static void region_leave(Flow *flow) {
    for (int64_t i = 0; i < flow->region.n; i++) {
        const RegionLink *r = &flow->region.at[i];
        LinkState *link = &flow->link.at[r->link];
        link->region = -1;
        DCHECK(link_holds(link) || r->weight == 0, "link %d: users still rise", link->id);
        if (!link_holds(link)) link_set_room(link, r->residual - r->total);
    }
}

static void solve_region(Flow *flow) {
    array_clear(&flow->region);
    array_clear(&flow->members);
    for (int64_t i = 0; i < flow->started.n; i++)
        flow->active[flow->started.at[i]].mark = MARK_RISING;
    for (int64_t i = 0; i < flow->started.n; i++) region_join(flow, flow->started.at[i], 0);
    for (int64_t i = 0; i < flow->dirty.n; i++)
        if (link_contended(flow, flow->dirty.at[i]))
            region_add_link(flow, flow->contended[flow->dirty.at[i]] - 1, 0);
    for (int64_t i = 0; i < flow->orphans.n; i++) {
        const Active *f = &flow->active[flow->orphans.at[i]];
        if (f->attached && f->mark == MARK_PINNED)
            push_water(flow, f->level, ORDER_TRANSFER, flow->orphans.at[i]);
    }
    fill_region(flow);
    region_leave(flow);
    for (int64_t i = 0; i < flow->members.n; i++) solve_commit(flow, flow->members.at[i]);
    array_clear(&flow->orphans);
    ceiling_review(flow);
}

/// Is everything so new that solving all is cheaper than growing a region?
static bool starts_in_mass(const Flow *flow) {
    int64_t n = flow->started.n;
    return n * MASS_START_SHARE > flow->nplaying &&
           n * MASS_START_WALK > flow->routes.nslots + flow->nactive;
}

void solve_changes(Flow *flow) {
    if (flow->started.n + flow->dirty.n + flow->orphans.n == 0) {
        mass_forget(flow);
        links_settle(flow);
        return;
    }
    if (flow->tuning.full_solve)
        solve_all(flow);
    else if (flow->mass)
        mass_solve(flow);
    else if (starts_in_mass(flow))
        solve_all(flow);
    else if (!solve_beside(flow))
        solve_region(flow);
    mass_forget(flow);
    links_settle(flow);
    array_clear(&flow->started);
    array_clear(&flow->dirty);
    array_clear(&flow->orphans);
}
