// Levels of the few transfers of an isle that meet, among rings whose levels stand: a ring on a lane is a user whose cap is
// its level. If every lane lets it have that much, the levels found are those of the whole machine; if one does not, the
// ring's level is too high.
#include "engine/isles/isle.h"
#include "engine/isles/rings.h"

/// Could a lane bind, if all its users ran at their caps?
static bool can_bind(const Isles *isles, const Isle *isle, int32_t l, uint64_t channels) {
    const LaneShape *shape = &isle->shape->lane[l];
    const Rings *rings = isles->rings;
    Wide demand = 0;
    int64_t weight = 0;
    int32_t nusers = 0;
    for (int32_t u = shape->first_use; u < shape->first_use + shape->nuses; u++) {
        ChannelUse use = isle->shape->by_lane[u];
        if (!(channels >> use.lane & 1)) continue;
        weight += use.weight;
        demand += (Wide)use.weight * isle->shape->channel[use.lane].cap;
        nusers++;
    }
    for (const RingUse *use = rings_first_use(rings, isle->slot[l]); use;
         use = ring_use(rings, use->next), nusers++) {
        weight += use->weight;
        demand += (Wide)use->weight * rings->ring.at[use->ring].level;
    }
    return nusers >= 2 && demand + weight > shape->capacity;
}

/// Do channels and rings, whose levels stand, use two lanes alike? Then they bind alike: the rails of a node do.
static bool are_alike(const Isles *isles, const Isle *isle, int32_t a, int32_t b) {
    const LaneShape *x = &isle->shape->lane[a], *y = &isle->shape->lane[b];
    if (x->capacity != y->capacity || x->nuses != y->nuses) return false;
    const ChannelUse *by_lane = isle->shape->by_lane;
    for (int32_t u = 0; u < x->nuses; u++) {
        ChannelUse p = by_lane[x->first_use + u], q = by_lane[y->first_use + u];
        if (p.lane != q.lane || p.weight != q.weight) return false;
    }
    const Rings *rings = isles->rings;
    const RingUse *p = rings_first_use(rings, isle->slot[a]);
    const RingUse *q = rings_first_use(rings, isle->slot[b]);
    for (; p && q; p = ring_use(rings, p->next), q = ring_use(rings, q->next))
        if (p->weight != q->weight ||
            rings->ring.at[p->ring].level != rings->ring.at[q->ring].level)
            return false;
    return !p && !q;
}

static void note_lane(Isles *isles, SolvedLane solved) {
    array_push(&isles->solved, solved);
    isles->place.at[solved.lane] = (int32_t)isles->solved.n;
}

/// A lane as a link of the draft, with its channels and rings.
static void take_lane(Isles *isles, const Isle *isle, int32_t l, uint64_t channels,
                      const int32_t transfer[]) {
    const LaneShape *shape = &isle->shape->lane[l];
    int32_t link = (int32_t)isles->draft.capacity.n;
    bool rings = rings_draft_slot(isles->rings, isle->slot[l]);
    for (int32_t u = shape->first_use; u < shape->first_use + shape->nuses; u++) {
        ChannelUse use = isle->shape->by_lane[u];
        if (channels >> use.lane & 1)
            array_push(&isles->draft.use, (MaxminUse){transfer[use.lane], link, use.weight});
    }
    note_lane(isles, (SolvedLane){.lane = l, .link = link, .rings = rings});
}

/// The same where levels of rings stand: if it could bind, and once for all that are alike.
static void take_standing_lane(Isles *isles, const Isle *isle, int32_t l, int32_t before,
                               uint64_t channels, const int32_t transfer[]) {
    if (before < 0 || !are_alike(isles, isle, before, l)) {
        if (can_bind(isles, isle, l, channels)) take_lane(isles, isle, l, channels, transfer);
        return;
    }
    const SolvedLane *same = isle_solved(isles, before);
    if (same) note_lane(isles, (SolvedLane){.lane = l, .link = same->link, .rings = same->rings});
}

void isle_draft(Isles *isles, const Isle *isle, uint64_t channels, bool all) {
    const IsleShape *shape = isle->shape;
    int32_t transfer[ISLE_CHANNELS_MAX], before = -1;
    array_clear(&isles->solved);
    while (isles->place.n < shape->nlanes) array_push(&isles->place, 0);
    for (uint64_t left = channels; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        transfer[c] = rings_draft_transfer(isles->rings, -1, shape->channel[c].cap);
    }
    for (uint64_t left = channels; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        const ChannelUse *use = &shape->use[shape->channel[c].first_use];
        for (int32_t u = 0; u < shape->channel[c].nuses; u++) {
            int32_t l = use[u].lane;
            // A lane comes with the first of its channels.
            if (__builtin_ctzll(shape->lane[l].channels & channels) != c) continue;
            if (all)
                take_lane(isles, isle, l, channels, transfer);
            else
                take_standing_lane(isles, isle, l, before, channels, transfer);
            before = l;
        }
    }
}

bool isle_fill(Isles *isles, const Isle *isle, uint64_t channels) {
    MaxminDraft *draft = &isles->draft;
    rings_begin_draft(isles->rings);
    isle_draft(isles, isle, channels, false);
    maxmin_draft_solve(draft);
    for (int64_t f = __builtin_popcountll(channels); f < draft->cap.n; f++)
        if (draft->solution.level.at[f] < draft->cap.at[f]) return false;
    for (int64_t i = 0; i < isles->solved.n; i++) {
        SolvedLane *solved = &isles->solved.at[i];
        solved->link_level = draft->solution.link_level.at[solved->link];
        solved->level = solved->rings ? solved->link_level : LEVEL_NONE;
    }
    return true;
}

SolvedLane *isle_solved(const Isles *isles, int32_t lane) {
    int64_t place = isles->place.at[lane] - 1;
    if (place < 0 || place >= isles->solved.n || isles->solved.at[place].lane != lane) return NULL;
    return &isles->solved.at[place];
}

int32_t isle_binding(const Isles *isles, const Isle *isle, int32_t c, int64_t transfer) {
    int64_t level = isles->draft.solution.level.at[transfer];
    const ChannelShape *channel = &isle->shape->channel[c];
    if (level == channel->cap) return -1;
    int32_t binding = -1;
    int64_t least = INT64_MAX;
    for (int32_t u = 0; u < channel->nuses; u++) {
        int32_t lane = isle->shape->use[channel->first_use + u].lane;
        const SolvedLane *solved = isle_solved(isles, lane);
        if (!solved || solved->link_level != level || isle->shape->lane[lane].order >= least)
            continue;
        least = isle->shape->lane[lane].order;
        binding = lane;
    }
    return binding;
}
