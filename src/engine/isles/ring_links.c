// Which rings are on which links. A ring comes and goes with up to a million links, so each costs one store: a link knows
// what is left of it. Its rings are listed only where somebody asks for them: on lanes, and, from then on, where rings alone
// could fill it; there they are found once among the links of all. What a ring has in such lists stands together, so that it
// leaves them without a search.
#include "engine/isles/rings.h"

enum { WHOLE = 1 << 12 }; ///< a link, in the units of RingSlot.left

/// What a ring at its cap takes of a link, rounded up so far that two or more that could fill it leave less than
/// nothing, and one alone never does.
static int32_t load_at_cap(const Ring *ring, int32_t weight, int64_t capacity) {
    return (int32_t)((double)(ring->cap * weight) / (double)capacity * WHOLE) + 2;
}

/// The isle that is played with a slot as one of its lanes; NULL: none.
static Isle *isle_of(const Isles *isles, int32_t slot) {
    int32_t i = slot < isles->slot_lane.n ? isles->slot_lane.at[slot].isle : -1;
    return i >= 0 && isles->at[i].leader == i ? &isles->at[i] : NULL;
}

/// The channels of a lane meet one ring more, or less, and are to be solved anew. `change`: 1 if it was the first
/// there, -1 if it was the last.
static void count_on_lane(Isles *isles, int32_t slot, int change) {
    Isle *isle = isle_of(isles, slot);
    if (!isle) return;
    uint64_t channels = isle->shape->lane[isles->slot_lane.at[slot].lane].channels;
    isle->changed |= channels;
    for (; change != 0 && channels; channels &= channels - 1) {
        int32_t c = __builtin_ctzll(channels);
        isle->ring_lanes[c] = (uint16_t)(isle->ring_lanes[c] + change);
        if (isle->ring_lanes[c] > 0)
            isle->ring_channels |= UINT64_C(1) << c;
        else
            isle->ring_channels &= ~(UINT64_C(1) << c);
    }
}

static void grow_slots(Rings *rings, int64_t nslots) {
    int64_t n = rings->slot.n;
    array_resize(&rings->slot, nslots > n ? nslots : n);
    for (; n < nslots; n++)
        rings->slot.at[n] = (RingSlot){
            .first = isle_of(rings->isles, (int32_t)n) ? -1 : RINGS_UNLISTED, .left = WHOLE + 2};
}

/// Put a ring in the list of a link, as its use `at`.
static void list_ring(Rings *rings, int32_t r, RouteUse use, int32_t at) {
    int32_t *first = &rings->slot.at[use.slot].first;
    RingUse *next = ring_use(rings, *first);
    if (next) next->previous = at;
    *ring_use(rings, at) = (RingUse){
        .ring = r, .weight = use.weight, .slot = use.slot, .next = *first, .previous = -1};
    *first = at;
    count_on_lane(rings->isles, use.slot, next ? 0 : 1);
}

static void unlist_ring(Rings *rings, const RingUse *use) {
    RingUse *next = ring_use(rings, use->next), *previous = ring_use(rings, use->previous);
    if (next) next->previous = use->previous;
    if (previous)
        previous->next = use->next;
    else
        rings->slot.at[use->slot].first = use->next;
    count_on_lane(rings->isles, use->slot, next || previous ? 0 : -1);
}

void ring_attach(Rings *rings, int32_t r) {
    const Routes *routes = ledger_routes(rings->ledger);
    Ring *ring = &rings->ring.at[r];
    const Route *route = &routes->at[ring->route];
    const RouteUse *uses = routes_uses(routes, route);
    rings->changed = true;
    ring->nuses = 0;
    ring->more_uses = -1;
    if (route->nbind == 0) return; // other ranks' links
    grow_slots(rings, routes->nslots);
    array_clear(&rings->listed);
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t s = uses[u].slot;
        RingSlot *slot = &rings->slot.at[s];
        slot->left -= load_at_cap(ring, uses[u].weight, routes_capacity(routes, s));
        if (slot->left < 0 && !slot->contended) {
            slot->contended = true;
            array_push(&rings->contended, s);
        }
        if (slot->first != RINGS_UNLISTED) array_push(&rings->listed, u);
    }
    ring->nuses = (int32_t)rings->listed.n;
    if (ring->nuses > 0) ring->first_use = runs_take(&rings->uses, ring->nuses);
    for (int32_t k = 0; k < ring->nuses; k++)
        list_ring(rings, r, uses[rings->listed.at[k]], ring->first_use + k);
}

void ring_detach(Rings *rings, int32_t r) {
    const Routes *routes = ledger_routes(rings->ledger);
    Ring *ring = &rings->ring.at[r];
    const Route *route = &routes->at[ring->route];
    const RouteUse *uses = routes_uses(routes, route);
    rings->changed = true;
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t s = uses[u].slot;
        rings->slot.at[s].left += load_at_cap(ring, uses[u].weight, routes_capacity(routes, s));
    }
    for (int32_t k = 0; k < ring->nuses; k++)
        unlist_ring(rings, ring_use(rings, ring->first_use + k));
    if (ring->nuses > 0) runs_give_back(&rings->uses, ring->first_use, ring->nuses);
    for (int32_t at = ring->more_uses, more; at >= 0; at = more) {
        more = ring_use(rings, at)->more;
        unlist_ring(rings, ring_use(rings, at));
        runs_give_back(&rings->uses, at, 1);
    }
    ring->nuses = 0;
    ring->more_uses = -1;
}

int32_t ring_find_use(const Rings *rings, int32_t r, int64_t link) {
    const LinkOwner *own = rings->isles->spec.own;
    if (own && !own->owns(own->context, link)) return -1;
    const Routes *routes = ledger_routes(rings->ledger);
    const Route *route = &routes->at[rings->ring.at[r].route];
    const RouteUse *uses = routes_uses(routes, route);
    int32_t low = 0, high = route->nbind - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (routes->link[uses[middle].slot] < link)
            low = middle + 1;
        else
            high = middle;
    }
    return low < route->nbind && routes->link[uses[low].slot] == link ? low : -1;
}

/// List the rings of a slot from now on.
static void list_slot(Rings *rings, int32_t slot) {
    const Routes *routes = ledger_routes(rings->ledger);
    rings->slot.at[slot].first = -1;
    for (int32_t r = 0; r < rings->ring.n; r++) {
        Ring *ring = &rings->ring.at[r];
        const int32_t use = ring_on_links(ring) ? ring_find_use(rings, r, routes->link[slot]) : -1;
        if (use < 0) continue;
        const int32_t at = runs_take(&rings->uses, 1);
        list_ring(rings, r, routes_uses(routes, &routes->at[ring->route])[use], at);
        ring_use(rings, at)->more = ring->more_uses;
        ring->more_uses = at;
    }
}

void rings_review_contended(Rings *rings) {
    int64_t n = 0;
    for (int64_t i = 0; i < rings->contended.n; i++) {
        RingSlot *slot = &rings->slot.at[rings->contended.at[i]];
        if (slot->left < 0)
            rings->contended.at[n++] = rings->contended.at[i];
        else
            slot->contended = false;
    }
    rings->contended.n = n;
    for (int64_t i = 0; i < n; i++)
        if (rings->slot.at[rings->contended.at[i]].first == RINGS_UNLISTED)
            list_slot(rings, rings->contended.at[i]);
}

void rings_begin_draft(Rings *rings) {
    maxmin_draft_clear(&rings->isles->draft);
    array_clear(&rings->isles->drafted);
}

int32_t rings_draft_transfer(Rings *rings, int32_t r, int64_t cap) {
    Isles *isles = rings->isles;
    if (r >= 0) rings->ring.at[r].transfer = (int32_t)isles->drafted.n;
    array_push(&isles->drafted, r);
    array_push(&isles->draft.cap, cap);
    return (int32_t)isles->drafted.n - 1;
}

bool rings_draft_slot(Rings *rings, int32_t slot) {
    Isles *isles = rings->isles;
    int32_t link = (int32_t)isles->draft.capacity.n;
    array_push(&isles->draft.capacity, routes_capacity(ledger_routes(rings->ledger), slot));
    const RingUse *first = rings_first_use(rings, slot);
    for (const RingUse *use = first; use; use = ring_use(rings, use->next)) {
        int32_t transfer = rings->ring.at[use->ring].transfer;
        bool known = transfer < isles->drafted.n && isles->drafted.at[transfer] == use->ring;
        // Among channels that are solved alone, a ring goes as far as its level.
        if (!known)
            transfer = rings_draft_transfer(rings, use->ring, rings->ring.at[use->ring].level);
        array_push(&isles->draft.use, (MaxminUse){transfer, link, use->weight});
    }
    return first != NULL;
}
