// Law: with rings as users whose caps are their levels, levels of messages are the max-min levels of the whole;
// and a ring has to give way exactly if the max-min levels of that system do not let it have its cap.
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "claims.h"
#include "draws.h"
#include "engine/flow/maxmin.h"
#include "engine/isles/rings.h"
#include "engine/named_ledger.h"
#include "engine/violation.h"

enum {
    DRAWN_LANES = 10,
    OUTER_MAX = 4, ///< links that only rings use
    CHANNELS_MAX = 12,
    RINGS_MAX = 5,
    TRANSFERS_MAX = CHANNELS_MAX + RINGS_MAX,
    LINKS_MAX = DRAWN_LANES + OUTER_MAX,
    USES_MAX = TRANSFERS_MAX * LINKS_MAX,
    NSYSTEMS = 20000,
};

/// One isle's lanes 0 .. nlanes-1, then outer links; transfers: channels, then rings.
typedef struct Drawn {
    int32_t nlanes, nouter, nchannels, nrings;
    int64_t capacity[LINKS_MAX], cap[TRANSFERS_MAX];
    int32_t weight[TRANSFERS_MAX][LINKS_MAX]; ///< 0: not used
    uint64_t channels;                        ///< present and closed under sharing lanes
    LinkId link[LINKS_MAX];                   ///< by slot; slot l is lane l
    uint64_t entity, draw;
} Drawn;

static int64_t pick(Drawn *drawn, int64_t n) {
    return rng_below(12, RNG_TEST, drawn->entity, drawn->draw++, n);
}

/// Link ids in another order than lanes.
static void name_links(Drawn *drawn) {
    for (int32_t l = 0; l < LINKS_MAX; l++) drawn->link[l] = 100 + l;
    for (int32_t l = LINKS_MAX - 1; l > 0; l--) {
        int32_t other = (int32_t)pick(drawn, l + 1), swap = drawn->link[l];
        drawn->link[l] = drawn->link[other];
        drawn->link[other] = swap;
    }
}

static bool share_a_lane(const Drawn *drawn, int32_t a, int32_t b) {
    for (int32_t l = 0; l < drawn->nlanes; l++)
        if (drawn->weight[a][l] > 0 && drawn->weight[b][l] > 0) return true;
    return false;
}

/// Some channels, and whatever shares lanes with them.
static void draw_channels(Drawn *drawn) {
    drawn->channels = UINT64_C(1) << pick(drawn, drawn->nchannels);
    for (int32_t grown = 1; grown > 0;) {
        grown = 0;
        for (int32_t c = 0; c < drawn->nchannels; c++)
            for (int32_t d = 0; d < drawn->nchannels; d++)
                if ((drawn->channels >> c & 1) && !(drawn->channels >> d & 1) &&
                    share_a_lane(drawn, c, d)) {
                    drawn->channels |= UINT64_C(1) << d;
                    grown++;
                }
    }
}

static void draw_system(Drawn *drawn, uint64_t entity, int64_t capacity_max) {
    memset(drawn, 0, sizeof *drawn);
    drawn->entity = entity;
    drawn->nlanes = 1 + (int32_t)pick(drawn, DRAWN_LANES);
    drawn->nouter = (int32_t)pick(drawn, OUTER_MAX + 1);
    drawn->nchannels = 1 + (int32_t)pick(drawn, CHANNELS_MAX);
    drawn->nrings = (int32_t)pick(drawn, RINGS_MAX + 1);
    int32_t nlinks = drawn->nlanes + drawn->nouter;
    int64_t density = 1 + pick(drawn, 4), same = 1 + pick(drawn, capacity_max);
    for (int32_t l = 0; l < nlinks; l++)
        drawn->capacity[l] = pick(drawn, 2) ? same : 1 + pick(drawn, capacity_max);
    for (int32_t t = 0; t < drawn->nchannels + drawn->nrings; t++) {
        bool ring = t >= drawn->nchannels;
        int64_t cap = INT64_MAX;
        for (int32_t l = 0; l < (ring ? nlinks : drawn->nlanes); l++) {
            if (pick(drawn, 8) >= density) continue;
            drawn->weight[t][l] = 1 + (int32_t)pick(drawn, 3);
            int64_t alone = drawn->capacity[l] / drawn->weight[t][l];
            if (alone < cap) cap = alone;
        }
        // As price.h: what the links leave to one alone, or less for its latencies.
        drawn->cap[t] = cap == INT64_MAX ? same : pick(drawn, 3) ? cap : pick(drawn, cap + 1);
    }
    name_links(drawn);
    draw_channels(drawn);
}

/// The system of the channels of the set and all rings, for the oracle; links in the order of ids.
typedef struct Oracle {
    MaxminSystem system;
    int64_t capacity[LINKS_MAX], cap[TRANSFERS_MAX], use_first[TRANSFERS_MAX + 1];
    int32_t use_link[USES_MAX], use_a[USES_MAX];
    int32_t slot[LINKS_MAX], transfer[TRANSFERS_MAX];
    int64_t level[TRANSFERS_MAX]; ///< by transfer of the drawn system; -1: absent
    MaxminSolution solution;
    int32_t binding[TRANSFERS_MAX]; ///< slot, -1: its cap
} Oracle;

static void sort_slots(Oracle *oracle, const Drawn *drawn) {
    for (int32_t l = 0; l < oracle->system.nlinks; l++) {
        int32_t i = l;
        for (; i > 0 && drawn->link[oracle->slot[i - 1]] > drawn->link[l]; i--)
            oracle->slot[i] = oracle->slot[i - 1];
        oracle->slot[i] = l;
    }
    for (int32_t i = 0; i < oracle->system.nlinks; i++)
        oracle->capacity[i] = drawn->capacity[oracle->slot[i]];
}

static void take_transfer(Oracle *oracle, const Drawn *drawn, int32_t t, int64_t cap) {
    int64_t n = oracle->system.ntransfers++, use = oracle->use_first[n];
    oracle->transfer[n] = t;
    oracle->cap[n] = cap;
    for (int32_t i = 0; i < oracle->system.nlinks; i++) {
        if (drawn->weight[t][oracle->slot[i]] == 0) continue;
        oracle->use_link[use] = i;
        oracle->use_a[use++] = drawn->weight[t][oracle->slot[i]];
    }
    oracle->use_first[n + 1] = use;
}

/// ring_cap[nrings]; nlinks: nlanes for what the island sees, or all links.
static void solve(Oracle *oracle, const Drawn *drawn, const int64_t ring_cap[], int32_t nlinks) {
    maxmin_free(&oracle->solution);
    memset(oracle, 0, sizeof *oracle);
    oracle->system = (MaxminSystem){.nlinks = nlinks,
                                    .capacity = oracle->capacity,
                                    .use_first = oracle->use_first,
                                    .use_link = oracle->use_link,
                                    .use_a = oracle->use_a,
                                    .cap = oracle->cap};
    sort_slots(oracle, drawn);
    for (int32_t t = 0; t < drawn->nchannels + drawn->nrings; t++) {
        oracle->level[t] = -1;
        if (t >= drawn->nchannels)
            take_transfer(oracle, drawn, t, ring_cap[t - drawn->nchannels]);
        else if (drawn->channels >> t & 1)
            take_transfer(oracle, drawn, t, drawn->cap[t]);
    }
    maxmin_solve(&oracle->system, &oracle->solution);
    const int64_t *level = oracle->solution.level.at;
    assert_int_equal(maxmin_violation(&oracle->system, level), -1);
    for (int64_t n = 0; n < oracle->system.ntransfers; n++) {
        int64_t use = oracle->solution.bottleneck.at[n];
        oracle->level[oracle->transfer[n]] = level[n];
        oracle->binding[oracle->transfer[n]] = use < 0 ? -1 : oracle->slot[oracle->use_link[use]];
    }
}

/// The same system as isles hold it.
typedef struct Built {
    Rings rings;
    Isles isles;
    Isle isle;
    IsleShape shape;
    ChannelUse use[USES_MAX], by_lane[USES_MAX];
    LaneShape lane[DRAWN_LANES];
    int32_t slot[DRAWN_LANES];
} Built;

static void build_shape(Built *built, const Drawn *drawn) {
    IsleShape *shape = &built->shape;
    *shape = (IsleShape){
        .nlanes = drawn->nlanes, .use = built->use, .lane = built->lane, .by_lane = built->by_lane};
    int32_t n = 0;
    for (int32_t c = 0; c < drawn->nchannels; c++) {
        shape->channel[c] = (ChannelShape){.cap = drawn->cap[c], .first_use = shape->nuses};
        for (int32_t l = 0; l < drawn->nlanes; l++)
            if (drawn->weight[c][l] > 0)
                shape->use[shape->nuses++] = (ChannelUse){l, drawn->weight[c][l]};
        shape->channel[c].nuses = shape->nuses - shape->channel[c].first_use;
    }
    for (int32_t l = 0; l < drawn->nlanes; l++) {
        shape->lane[l] =
            (LaneShape){.capacity = drawn->capacity[l], .order = drawn->link[l], .first_use = n};
        for (int32_t c = 0; c < drawn->nchannels; c++) {
            if (drawn->weight[c][l] == 0) continue;
            shape->by_lane[n++] = (ChannelUse){c, drawn->weight[c][l]};
            shape->lane[l].channels |= UINT64_C(1) << c;
        }
        shape->lane[l].nuses = n - shape->lane[l].first_use;
        built->slot[l] = l;
    }
}

static void build(Built *built, Drawn *drawn, const int64_t ring_level[]) {
    memset(built, 0, sizeof *built);
    built->isles.ledger = named_ledger_create(drawn->link, drawn->capacity, drawn->nlanes);
    built->rings.ledger = built->isles.ledger;
    built->rings.isles = &built->isles;
    runs_init(&built->rings.uses, "ring uses", sizeof(RingUse));
    built->isles.rings = &built->rings;
    built->isles.at = &built->isle;
    built->isles.n = 1;
    built->isle.shape = &built->shape;
    built->isle.slot = built->slot;
    build_shape(built, drawn);
    for (int32_t l = 0; l < drawn->nlanes; l++)
        array_push(&built->rings.slot, (RingSlot){.first = -1});
    for (int32_t r = 0; r < drawn->nrings; r++) {
        array_push(&built->rings.ring,
                   (Ring){.level = ring_level[r], .bytes = 1, .state = RING_RUNNING});
        for (int32_t l = 0; l < drawn->nlanes; l++) {
            int32_t weight = drawn->weight[drawn->nchannels + r][l];
            if (weight == 0) continue;
            const int32_t use = runs_take(&built->rings.uses, 1);
            *ring_use(&built->rings, use) =
                (RingUse){.ring = r, .weight = weight, .next = built->rings.slot.at[l].first};
            built->rings.slot.at[l].first = use;
        }
    }
}

static void forget(Built *built) {
    named_ledger_destroy(built->isles.ledger);
    array_free(&built->rings.ring);
    array_free(&built->rings.slot);
    runs_fini(&built->rings.uses);
    maxmin_draft_free(&built->isles.draft);
    array_free(&built->isles.drafted);
    array_free(&built->isles.solved);
    array_free(&built->isles.place);
}

/// Does every ring have its level in the oracle?
static bool all_have(const Oracle *oracle, const Drawn *drawn, const int64_t ring_level[]) {
    for (int32_t r = 0; r < drawn->nrings; r++)
        if (oracle->level[drawn->nchannels + r] != ring_level[r]) return false;
    return true;
}

/// Rings that meet no channel of the set cannot give way to one.
static void drop_strangers(Drawn *drawn) {
    for (int32_t r = drawn->nchannels; r < drawn->nchannels + drawn->nrings; r++)
        for (int32_t l = 0; l < drawn->nlanes; l++) {
            bool met = false;
            for (int32_t c = 0; c < drawn->nchannels; c++)
                met = met || ((drawn->channels >> c & 1) && drawn->weight[c][l] > 0);
            if (!met) drawn->weight[r][l] = 0;
        }
}

static void assert_messages_alike(const Built *built, const Oracle *oracle, const Drawn *drawn) {
    int64_t transfer = 0;
    for (int32_t c = 0; c < drawn->nchannels; c++) {
        if (!(drawn->channels >> c & 1)) continue;
        assert_int_equal(built->isles.draft.solution.level.at[transfer], oracle->level[c]);
        assert_int_equal(isle_binding(&built->isles, &built->isle, c, transfer),
                         oracle->binding[c]);
        transfer++;
    }
}

/// A lane is said to hold rings at a level exactly if it has that level and one of them stands there.
static void assert_holds_alike(const Built *built, const Oracle *oracle, const Drawn *drawn,
                               const int64_t ring_level[]) {
    int64_t found[DRAWN_LANES];
    for (int32_t l = 0; l < drawn->nlanes; l++) found[l] = LEVEL_NONE;
    for (int64_t i = 0; i < built->isles.solved.n; i++)
        found[built->isles.solved.at[i].lane] = built->isles.solved.at[i].level;
    for (int32_t i = 0; i < oracle->system.nlinks; i++) {
        int32_t l = oracle->slot[i];
        bool met = (built->shape.lane[l].channels & drawn->channels) != 0;
        for (int32_t r = 0; r < drawn->nrings && met; r++)
            if (drawn->weight[drawn->nchannels + r][l] > 0)
                assert_int_equal(found[l] == ring_level[r],
                                 oracle->solution.link_level.at[i] == ring_level[r]);
    }
}

/// Levels that stand, as the definition has them over all links, its lanes' and others.
static void levels_are_those_of_the_whole(void **state) {
    Built *built = *state;
    Drawn drawn;
    Oracle whole = {0}, seen = {0};
    int64_t nshared = 0;
    for (uint64_t i = 0; i < NSYSTEMS; i++) {
        draw_system(&drawn, i, 4 + (int64_t)(i % 4) * 300);
        solve(&whole, &drawn, &drawn.cap[drawn.nchannels], drawn.nlanes + drawn.nouter);
        const int64_t *ring_level = &whole.level[drawn.nchannels];
        build(built, &drawn, ring_level);
        assert_true(isle_fill(&built->isles, &built->isle, drawn.channels));
        assert_messages_alike(built, &whole, &drawn);
        solve(&seen, &drawn, ring_level, drawn.nlanes);
        assert_holds_alike(built, &seen, &drawn, ring_level);
        for (int32_t c = 0; c < drawn.nchannels; c++) nshared += whole.binding[c] > 0;
        forget(built);
    }
    assert_true(nshared > NSYSTEMS / 4); // not all alone
    maxmin_free(&whole.solution);
    maxmin_free(&seen.solution);
}

static void a_ring_gives_way_exactly_if_its_level_is_too_high(void **state) {
    Built *built = *state;
    Drawn drawn;
    Oracle whole = {0}, seen = {0};
    int64_t ngive_way = 0, nrings = 0;
    for (uint64_t i = 0; i < NSYSTEMS; i++) {
        draw_system(&drawn, NSYSTEMS + i, 4 + (int64_t)(i % 4) * 300);
        drop_strangers(&drawn);
        solve(&whole, &drawn, &drawn.cap[drawn.nchannels], drawn.nlanes);
        int64_t ring_level[RINGS_MAX];
        for (int32_t r = 0; r < drawn.nrings; r++) {
            int64_t level = whole.level[drawn.nchannels + r], most = drawn.cap[drawn.nchannels + r];
            int64_t moved = level + pick(&drawn, 3) - 1; // one off is enough
            if (pick(&drawn, 2)) moved = pick(&drawn, most + 1);
            ring_level[r] = pick(&drawn, 2) || moved < 0 || moved > most ? level : moved;
        }
        solve(&seen, &drawn, ring_level, drawn.nlanes);
        build(built, &drawn, ring_level);
        bool agrees = isle_fill(&built->isles, &built->isle, drawn.channels);
        assert_int_equal(agrees, all_have(&seen, &drawn, ring_level));
        if (agrees) {
            assert_messages_alike(built, &seen, &drawn);
            assert_holds_alike(built, &seen, &drawn, ring_level);
        }
        ngive_way += !agrees;
        nrings += drawn.nrings > 0;
        forget(built);
    }
    assert_true(ngive_way > nrings / 20 && ngive_way < nrings - nrings / 20);
    maxmin_free(&whole.solution);
    maxmin_free(&seen.solution);
}

static int begin(void **state) {
    *state = memory_alloc("test.water", sizeof(Built));
    return 0;
}

static int end(void **state) {
    memory_free("test.water", *state, sizeof(Built));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_those_of_the_whole),
        cmocka_unit_test(a_ring_gives_way_exactly_if_its_level_is_too_high),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
