#include "player/filling.h"

#include "base/memory.h"
#include "player/rings.h"

#define LABEL "driver.filling"

Filling *filling_create(void) { return memory_alloc(LABEL, sizeof(Filling)); }

void filling_destroy(Filling *filling) {
    if (!filling) return;
    array_free(&filling->lane);
    array_free(&filling->place);
    memory_free(LABEL, filling, sizeof *filling);
}

static int64_t level_of(const Rings *rings, const RingUse *use) {
    return rings->ring.at[use->ring].level;
}

/// Take a lane in unless it could not bind even if all its users ran at their caps.
static void add_lane(Filling *filling, const Islands *islands, const Island *island, int32_t l,
                     uint64_t channels) {
    const LaneShape *shape = &island->shape->lane[l];
    const Rings *rings = islands->rings;
    FillLane lane = {.residual = shape->capacity,
                     .level = LEVEL_NONE,
                     .lane = l,
                     .ring_use = rings_first_use(rings, island->slot[l]),
                     .live = true};
    Wide demand = 0;
    int32_t nusers = 0;
    for (int32_t u = shape->first_use; u < shape->first_use + shape->nuses; u++) {
        ChannelUse use = island->shape->by_lane[u];
        if (!(channels >> use.lane & 1)) continue;
        lane.weight += use.weight;
        demand += (Wide)use.weight * island->shape->channel[use.lane].cap;
        nusers++;
    }
    for (const RingUse *use = lane.ring_use; use; use = ring_use(rings, use->next), nusers++) {
        lane.weight += use->weight;
        demand += (Wide)use->weight * level_of(rings, use);
    }
    if (nusers < 2 || demand + lane.weight <= shape->capacity) return;
    array_push(&filling->lane, lane);
    filling->place.at[l] = (int32_t)filling->lane.n;
}

static void list_lanes(Filling *filling, const Islands *islands, const Island *island,
                       uint64_t channels) {
    const IslandShape *shape = island->shape;
    array_clear(&filling->lane);
    while (filling->place.n < shape->nlanes) array_push(&filling->place, 0);
    for (uint64_t left = channels; left; left &= left - 1) {
        const ChannelShape *channel = &shape->channel[__builtin_ctzll(left)];
        for (int32_t u = 0; u < channel->nuses; u++)
            filling->place.at[shape->use[channel->first_use + u].lane] = -1;
    }
    for (uint64_t left = channels; left; left &= left - 1) {
        const ChannelShape *channel = &shape->channel[__builtin_ctzll(left)];
        for (int32_t u = 0; u < channel->nuses; u++) {
            int32_t lane = shape->use[channel->first_use + u].lane;
            if (filling->place.at[lane] >= 0) continue;
            filling->place.at[lane] = 0;
            add_lane(filling, islands, island, lane, channels);
        }
    }
}

/// Least level of a collective on a lane above `below`.
static int64_t next_ring_level(const Rings *rings, const FillLane *lane, int64_t below) {
    int64_t least = INT64_MAX;
    for (const RingUse *use = lane->ring_use; use; use = ring_use(rings, use->next)) {
        int64_t level = level_of(rings, use);
        if (level > below && level < least) least = level;
    }
    return least;
}

/// The next level at which something happens; INT64_MAX: all is done.
static int64_t next_level(Filling *filling, const Islands *islands, const Island *island,
                          uint64_t rising, int64_t below) {
    int64_t next = INT64_MAX;
    for (uint64_t left = rising; left; left &= left - 1) {
        int64_t cap = island->shape->channel[__builtin_ctzll(left)].cap;
        if (cap < next) next = cap;
    }
    for (int64_t i = 0; i < filling->lane.n; i++) {
        FillLane *lane = &filling->lane.at[i];
        if (!lane->live) continue;
        if (lane->weight == 0) {
            lane->live = false;
            continue;
        }
        lane->share = lane->residual / lane->weight;
        lane->ring_level = next_ring_level(islands->rings, lane, below);
        if (lane->share < next) next = lane->share;
        if (lane->ring_level < next) next = lane->ring_level;
    }
    return next;
}

/// Lanes that bind at `level` hold their rising messages there. False: and a collective above.
static bool bind_lanes(Filling *filling, const Islands *islands, const Island *island,
                       uint64_t rising, int64_t level, uint64_t *held) {
    const Routes *routes = ledger_routes(islands->ledger);
    for (int64_t i = 0; i < filling->lane.n; i++) {
        FillLane *lane = &filling->lane.at[i];
        if (!lane->live || lane->share > level) continue;
        if (next_ring_level(islands->rings, lane, level) < INT64_MAX) return false;
        lane->live = false;
        lane->level = level;
        uint64_t here = island->shape->lane[lane->lane].channels & rising;
        *held |= here;
        for (; here; here &= here - 1) {
            int32_t *binding = &filling->binding[__builtin_ctzll(here)];
            if (*binding < 0 ||
                routes->link[island->slot[lane->lane]] < routes->link[island->slot[*binding]])
                *binding = lane->lane;
        }
    }
    return true;
}

/// Take the share of users that have stopped at `level` from the lanes that go on.
static void take_shares(Filling *filling, const Islands *islands, const Island *island,
                        uint64_t stopped, int64_t level) {
    const Rings *rings = islands->rings;
    for (int64_t i = 0; i < filling->lane.n; i++) {
        FillLane *lane = &filling->lane.at[i];
        if (!lane->live) continue;
        const LaneShape *shape = &island->shape->lane[lane->lane];
        int64_t weight = 0;
        for (int32_t u = shape->first_use; u < shape->first_use + shape->nuses && stopped; u++)
            if (stopped >> island->shape->by_lane[u].lane & 1)
                weight += island->shape->by_lane[u].weight;
        if (lane->ring_level == level)
            for (const RingUse *use = lane->ring_use; use; use = ring_use(rings, use->next))
                if (level_of(rings, use) == level) weight += use->weight;
        lane->residual -= weight * level;
        lane->weight -= weight;
    }
}

bool filling_run(Filling *filling, const Islands *islands, const Island *island,
                 uint64_t channels) {
    list_lanes(filling, islands, island, channels);
    uint64_t rising = channels;
    for (uint64_t left = channels; left; left &= left - 1)
        filling->binding[__builtin_ctzll(left)] = -1;
    int64_t below = -1;
    for (;;) {
        int64_t level = next_level(filling, islands, island, rising, below);
        if (level == INT64_MAX) return true;
        uint64_t held = 0, stopped;
        if (!bind_lanes(filling, islands, island, rising, level, &held)) return false;
        stopped = held;
        for (uint64_t left = rising; left; left &= left - 1) {
            int32_t c = __builtin_ctzll(left);
            int64_t cap = island->shape->channel[c].cap;
            if (cap == level) {
                stopped |= UINT64_C(1) << c;
                filling->binding[c] = -1;
            }
        }
        for (uint64_t left = stopped; left; left &= left - 1)
            filling->level[__builtin_ctzll(left)] = level;
        rising &= ~stopped;
        take_shares(filling, islands, island, stopped, level);
        below = level;
    }
}
