// Isles that cannot but do the same: wired alike, met alike by rings.
#include "base/memory.h"
#include "engine/isles/isle.h"

#define LABEL "isles.alike"

/// Are all links of a leader before those of an isle it would stand for? Then it names the same bottlenecks.
static bool stands_before(const Isles *isles, const Isle *leader, const Isle *isle) {
    const Routes *routes = ledger_routes(isles->ledger);
    for (int32_t l = 0; l < leader->shape->nlanes; l++)
        if (routes->link[leader->slot[l]] >= routes->link[isle->slot[l]]) return false;
    return true;
}

void isles_choose_leaders(Isles *isles) {
    for (int64_t s = 0; s < isles->shape.n; s++) {
        int32_t leader = -1, last = -1;
        for (int32_t i = 0; i < isles->n; i++) {
            Isle *isle = &isles->at[i];
            if (isle->shape != isles->shape.at[s]) continue;
            if (leader < 0) leader = last = i;
            if (i == leader || !stands_before(isles, &isles->at[leader], isle)) continue;
            isle->leader = leader;
            isles->at[last].next_like = i;
            isles->at[leader].nlike++;
            last = i;
        }
    }
}

void isles_drop_leaders(Isles *isles) {
    for (int32_t i = 0; i < isles->n; i++) {
        isles->at[i].leader = i;
        isles->at[i].nlike = 1;
        isles->at[i].next_like = -1;
    }
}

int32_t isle_leader(const Isles *isles, int64_t i) { return isles->at[i].leader; }

int32_t isle_nlike(const Isles *isles, int64_t i) { return isles->at[i].nlike; }

int32_t isle_next_like(const Isles *isles, int64_t i) { return isles->at[i].next_like; }

/// Does a route weigh on each isle as on its leader?
static bool route_is_even(const Isles *isles, int32_t r) {
    const Routes *routes = ledger_routes(isles->ledger);
    const Route *route = &routes->at[r];
    const RouteUse *uses = routes_uses(routes, route);
    size_t bytes = sizeof(int32_t) * (size_t)routes->nslots;
    int32_t *weight = memory_alloc(LABEL, bytes);
    for (int32_t u = 0; u < route->nuses; u++) weight[uses[u].slot] = uses[u].weight;
    bool even = true;
    for (int32_t i = 0; i < isles->n && even; i++) {
        const Isle *isle = &isles->at[i], *leader = &isles->at[isle->leader];
        if (isle == leader) continue;
        for (int32_t l = 0; l < isle->shape->nlanes && even; l++)
            even = weight[isle->slot[l]] == weight[leader->slot[l]];
    }
    memory_free(LABEL, weight, bytes);
    return even;
}

bool isles_are_alike_to(Isles *isles, const Transfer *ring) {
    Price price;
    int32_t route;
    Status status = ledger_open(isles->ledger, ring, isles->spec.own, &route, &price);
    if (!status_is_ok(&status)) return false;
    bool even = route_is_even(isles, route);
    ledger_close(isles->ledger, route);
    return even;
}

/// Do transfers of an isle load links that hold nobody, and that other isles load too?
static bool loads_common_links(const Isles *isles, const Isle *isle) {
    const Routes *routes = ledger_routes(isles->ledger);
    for (int32_t c = 0; c < isles->channels; c++)
        if (isle->route[c] >= 0 &&
            routes->at[isle->route[c]].nuses > routes->at[isle->route[c]].nbind)
            return true;
    return false;
}

/// Let the lanes of the first that an isle is played for, its echo, stand for those of the others. The leader has
/// totals of its own: it is the one that is named where all hold a ring back.
static void share_totals_of(Isles *isles, Isle *leader) {
    if (leader->nlike < 3 || loads_common_links(isles, leader)) return;
    int64_t n = leader->nlike - 1;
    int32_t *slot = memory_alloc(LABEL, sizeof(int32_t) * (size_t)n);
    for (int32_t l = 0; l < leader->shape->nlanes; l++) {
        int64_t i = 0;
        for (int32_t like = leader->next_like; like >= 0; like = isles->at[like].next_like)
            slot[i++] = isles->at[like].slot[l];
        ledger_stand_for(isles->ledger, slot, n);
    }
    memory_free(LABEL, slot, sizeof(int32_t) * (size_t)n);
    leader->echoes_all = true;
}

void isles_share_totals(Isles *isles) {
    for (int32_t i = 0; i < isles->n; i++)
        if (isles->at[i].leader == i) share_totals_of(isles, &isles->at[i]);
    ledger_forget_idle(isles->ledger);
}
