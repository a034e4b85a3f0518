// Which rings are on which links. A ring comes and goes with thousands of links, so each costs a few stores:
// its uses stand together, each between its neighbours in the list of the link, and a link knows what is left of it.
#include "engine/isles/rings.h"

enum { WHOLE = 1 << 12 }; ///< a link, in the units of RingSlot.left

/// What a ring at its cap takes of a link, rounded up so far that two or more that could fill it leave less than
/// nothing, and one alone never does.
static int32_t load_at_cap(const Ring *ring, int32_t weight, int64_t capacity) {
    return (int32_t)((double)(ring->cap * weight) / (double)capacity * WHOLE) + 2;
}

/// The channels of a lane meet one ring more, or less, and are to be solved anew. `change`: 1 if it was the first
/// there, -1 if it was the last.
static void count_on_lane(Isles *isles, int32_t slot, int change) {
    if (slot >= isles->slot_lane.n || isles->slot_lane.at[slot].isle < 0) return;
    SlotLane where = isles->slot_lane.at[slot];
    Isle *isle = &isles->at[where.isle];
    if (isle->leader != where.isle) return;
    uint64_t channels = isle->shape->lane[where.lane].channels;
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
    for (; n < nslots; n++) rings->slot.at[n] = (RingSlot){.first = -1, .left = WHOLE + 2};
}

void ring_attach(Rings *rings, int32_t r) {
    const Routes *routes = ledger_routes(rings->ledger);
    Ring *ring = &rings->ring.at[r];
    const Route *route = &routes->at[ring->route];
    const RouteUse *uses = routes_uses(routes, route);
    rings->changed = true;
    if (route->nbind == 0) return; // other ranks' links
    grow_slots(rings, routes->nslots);
    ring->first_use = runs_take(&rings->uses, route->nbind);
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t s = uses[u].slot, at = ring->first_use + u;
        RingSlot *slot = &rings->slot.at[s];
        RingUse *next = ring_use(rings, slot->first);
        if (next) next->previous = at;
        *ring_use(rings, at) =
            (RingUse){.ring = r, .weight = uses[u].weight, .next = slot->first, .previous = -1};
        slot->first = at;
        slot->left -= load_at_cap(ring, uses[u].weight, routes_capacity(routes, s));
        if (slot->left < 0 && !slot->listed) {
            slot->listed = true;
            array_push(&rings->contended, s);
        }
        count_on_lane(rings->isles, s, next ? 0 : 1);
    }
}

void ring_detach(Rings *rings, int32_t r) {
    const Routes *routes = ledger_routes(rings->ledger);
    const Ring *ring = &rings->ring.at[r];
    const Route *route = &routes->at[ring->route];
    const RouteUse *uses = routes_uses(routes, route);
    rings->changed = true;
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t s = uses[u].slot;
        const RingUse *use = ring_use(rings, ring->first_use + u);
        RingUse *next = ring_use(rings, use->next), *previous = ring_use(rings, use->previous);
        if (next) next->previous = use->previous;
        if (previous)
            previous->next = use->next;
        else
            rings->slot.at[s].first = use->next;
        rings->slot.at[s].left += load_at_cap(ring, uses[u].weight, routes_capacity(routes, s));
        count_on_lane(rings->isles, s, next || previous ? 0 : -1);
    }
    if (route->nbind > 0) runs_give_back(&rings->uses, ring->first_use, route->nbind);
}

void rings_tidy_contended(Rings *rings) {
    int64_t n = 0;
    for (int64_t i = 0; i < rings->contended.n; i++) {
        RingSlot *slot = &rings->slot.at[rings->contended.at[i]];
        if (slot->left < 0)
            rings->contended.at[n++] = rings->contended.at[i];
        else
            slot->listed = false;
    }
    rings->contended.n = n;
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
