// Cutting channels into isles: what they use, and whether that is theirs alone.
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "engine/isles/isle.h"
#include "engine/isles/rings.h"

/// The lane of a slot, a new one if it has none; -1 if it is somebody else's, or there are too many.
static int32_t lane_of(Isles *isles, int64_t isle, int32_t slot, int32_t *nlanes) {
    const Routes *routes = ledger_routes(isles->ledger);
    while (isles->slot_lane.n < routes->nslots) {
        array_push(&isles->slot_lane, (SlotLane){.isle = -1});
        array_push(&isles->slot_bind, 0);
        array_push(&isles->slot_notes, 0);
    }
    SlotLane *known = &isles->slot_lane.at[slot];
    if (known->isle < 0) {
        if (*nlanes == ISLE_LANES_MAX) return -1;
        *known = (SlotLane){.isle = (int32_t)isle, .lane = (uint16_t)(*nlanes)++};
    }
    return known->isle == isle ? known->lane : -1;
}

/// A shape under construction, and what only this isle has.
typedef struct ShapeDraft {
    IsleShape shape;
    ARRAY_OF(ChannelUse) use;
    ARRAY_OF(int32_t) slot; ///< by lane
    int32_t route[ISLE_CHANNELS_MAX];
} ShapeDraft;

/// Does some link that can bind belong to another rank?
static bool binds_elsewhere(const Isles *isles, const Route *route) {
    const LinkOwner *own = isles->spec.own;
    const Routes *routes = ledger_routes(isles->ledger);
    const RouteUse *uses = routes_uses(routes, route);
    for (int32_t u = 0; u < route->nbind && own; u++)
        if (!own->owns(own->context, routes->link[uses[u].slot])) return true;
    return false;
}

/// Route the transfer of a channel and name its lanes. False: a link is not this isle's alone.
static bool draft_channel(Isles *isles, int64_t index, int32_t c, ShapeDraft *draft) {
    ChannelShape *channel = &draft->shape.channel[c];
    Transfer transfer;
    int64_t latency_ps;
    draft->route[c] = -1;
    *channel = (ChannelShape){.first_use = (int32_t)draft->use.n};
    if (!isles->spec.channel(isles->spec.context, index, c, &transfer, &latency_ps)) return true;
    Price price;
    Status status = ledger_open(isles->ledger, &transfer, NULL, &draft->route[c], &price);
    if (!status_is_ok(&status)) return false; // said again where it is met
    const Routes *routes = ledger_routes(isles->ledger);
    const Route *route = &routes->at[draft->route[c]];
    if (binds_elsewhere(isles, route)) return false;
    channel->cap = price.level;
    channel->alone_ps = price.alone_ps;
    channel->level_work = route->level_work;
    channel->work = price_work(routes, route, transfer.bytes);
    channel->bytes = transfer.bytes;
    channel->latency_ps = latency_ps;
    channel->nuses = route->nbind;
    const RouteUse *uses = routes_uses(routes, route);
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t lane = lane_of(isles, index, uses[u].slot, &draft->shape.nlanes);
        if (lane < 0) return false;
        if (lane == draft->slot.n) array_push(&draft->slot, uses[u].slot);
        array_push(&draft->use, (ChannelUse){lane, uses[u].weight});
    }
    return latency_ps >= isles->spec.control_delay_ps;
}

typedef struct LaneLink {
    int64_t link;
    int32_t lane;
} LaneLink;

static int by_link(const void *a, const void *b) {
    const LaneLink *x = a, *y = b;
    return (x->link > y->link) - (x->link < y->link);
}

/// Number the lanes by their links: ties between lanes are broken that way.
static void order_lanes(const Routes *routes, const ShapeDraft *draft, IsleShape *shape) {
    size_t n = (size_t)shape->nlanes;
    if (n == 0) return;
    LaneLink *sorted = memory_alloc(ISLES_LABEL_SHAPES, sizeof(LaneLink) * n);
    for (size_t l = 0; l < n; l++)
        sorted[l] = (LaneLink){routes->link[draft->slot.at[l]], (int32_t)l};
    qsort(sorted, n, sizeof(LaneLink), by_link);
    for (size_t i = 0; i < n; i++) shape->lane[sorted[i].lane].order = (int64_t)i;
    memory_free(ISLES_LABEL_SHAPES, sorted, sizeof(LaneLink) * n);
}

/// Uses by lane, and who meets whom.
static void finish_shape(const Isles *isles, const ShapeDraft *draft, IsleShape *shape) {
    const Routes *routes = ledger_routes(isles->ledger);
    shape->nuses = (int32_t)draft->use.n;
    shape->use = memory_alloc(ISLES_LABEL_SHAPES, sizeof(ChannelUse) * (size_t)shape->nuses);
    shape->by_lane = memory_alloc(ISLES_LABEL_SHAPES, sizeof(ChannelUse) * (size_t)shape->nuses);
    shape->lane = memory_alloc(ISLES_LABEL_SHAPES, sizeof(LaneShape) * (size_t)shape->nlanes);
    if (shape->nuses > 0)
        memcpy(shape->use, draft->use.at, sizeof(ChannelUse) * (size_t)shape->nuses);
    for (int32_t u = 0; u < shape->nuses; u++) shape->lane[shape->use[u].lane].nuses++;
    int32_t first = 0;
    for (int32_t l = 0; l < shape->nlanes; l++) {
        shape->lane[l].capacity = routes_capacity(routes, draft->slot.at[l]);
        shape->lane[l].first_use = first;
        first += shape->lane[l].nuses;
        shape->lane[l].nuses = 0;
    }
    order_lanes(routes, draft, shape);
    for (int32_t c = 0; c < isles->channels; c++) {
        const ChannelShape *channel = &shape->channel[c];
        for (int32_t u = 0; u < channel->nuses; u++) {
            ChannelUse use = shape->use[channel->first_use + u];
            LaneShape *lane = &shape->lane[use.lane];
            shape->by_lane[lane->first_use + lane->nuses++] = (ChannelUse){c, use.weight};
            lane->channels |= channel_bit(c);
        }
    }
    for (int32_t c = 0; c < isles->channels; c++)
        for (int32_t u = 0; u < shape->channel[c].nuses; u++)
            shape->channel[c].neighbours |=
                shape->lane[shape->use[shape->channel[c].first_use + u].lane].channels;
}

static void free_shape(IsleShape *shape) {
    memory_free(ISLES_LABEL_SHAPES, shape->use, sizeof(ChannelUse) * (size_t)shape->nuses);
    memory_free(ISLES_LABEL_SHAPES, shape->by_lane, sizeof(ChannelUse) * (size_t)shape->nuses);
    memory_free(ISLES_LABEL_SHAPES, shape->lane, sizeof(LaneShape) * (size_t)shape->nlanes);
    memory_free(ISLES_LABEL_SHAPES, shape, sizeof *shape);
}

static bool same_shape(const IsleShape *a, const IsleShape *b) {
    return a->nlanes == b->nlanes && a->nuses == b->nuses &&
           memcmp(a->channel, b->channel, sizeof a->channel) == 0 &&
           memcmp(a->use, b->use, sizeof(ChannelUse) * (size_t)a->nuses) == 0 &&
           memcmp(a->lane, b->lane, sizeof(LaneShape) * (size_t)a->nlanes) == 0;
}

/// The shape of a draft, shared with the isles before where it is theirs.
static const IsleShape *take_shape(Isles *isles, const ShapeDraft *draft) {
    IsleShape *shape = memory_alloc(ISLES_LABEL_SHAPES, sizeof *shape);
    *shape = draft->shape;
    finish_shape(isles, draft, shape);
    for (int64_t i = isles->shape.n - 1; i >= 0; i--) {
        if (!same_shape(isles->shape.at[i], shape)) continue;
        free_shape(shape);
        return isles->shape.at[i];
    }
    array_push(&isles->shape, shape);
    return shape;
}

static size_t state_bytes(const Isles *isles) {
    return offsetof(IsleState, message) + sizeof(IsleMessage) * (size_t)isles->channels;
}

static void make_isle(Isles *isles, Isle *isle, const ShapeDraft *draft) {
    size_t channels = (size_t)isles->channels, nlanes = (size_t)draft->shape.nlanes;
    isle->shape = take_shape(isles, draft);
    isle->slot = memory_alloc(ISLES_LABEL_SLOTS, sizeof(int32_t) * nlanes);
    isle->bound.label = ISLES_LABEL_SLOTS;
    isle->route = memory_alloc(ISLES_LABEL, sizeof(int32_t) * channels);
    isle->ring_lanes = memory_alloc(ISLES_LABEL, sizeof(uint16_t) * channels);
    if (nlanes > 0) memcpy(isle->slot, draft->slot.at, sizeof(int32_t) * nlanes);
    memcpy(isle->route, draft->route, sizeof(int32_t) * channels);
    isle->state = memory_alloc(ISLES_LABEL, state_bytes(isles));
    isle->time_ps = isles->spec.times(isles->spec.context, isle_index(isles, isle));
    for (size_t c = 0; c < channels; c++) {
        isle->time_ps[c] = TIME_NEVER_PS;
        isle->state->message[c] = (IsleMessage){.pending_ps = -1, .slow_since_ps = -1, .lane = -1};
    }
}

/// Build all isles. False: some link is shared.
static bool make_isles(Isles *isles) {
    ShapeDraft draft = {0};
    bool fits = true;
    for (int64_t i = 0; i < isles->n && fits; i++) {
        array_clear(&draft.use);
        array_clear(&draft.slot);
        memset(&draft.shape, 0, sizeof draft.shape); // compared as bytes
        int32_t c = 0;
        while (c < isles->channels && fits) fits = draft_channel(isles, i, c++, &draft);
        if (fits) make_isle(isles, &isles->at[i], &draft);
        while (!fits && c-- > 0)
            if (draft.route[c] >= 0) ledger_close(isles->ledger, draft.route[c]);
    }
    array_free(&draft.use);
    array_free(&draft.slot);
    return fits;
}

/// Chain those that each is played for.
static void chain_leaders(Isles *isles) {
    for (int64_t i = isles->n - 1; i >= 0; i--) {
        Isle *isle = &isles->at[i];
        isle->leader = isles->spec.leader ? isles->spec.leader[i] : (int32_t)i;
        isle->nlike = isles->spec.nlike ? isles->spec.nlike[i] : 1;
        isle->next_like = -1;
    }
    for (int64_t i = isles->n - 1; i >= 0; i--) {
        Isle *isle = &isles->at[i], *leader = &isles->at[isle->leader];
        if (isle == leader) continue;
        isle->next_like = leader->next_like;
        leader->next_like = (int32_t)i;
    }
}

Isles *isles_create(Engine *engine, const IslesSpec *spec) {
    Isles *isles = memory_alloc(ISLES_LABEL, sizeof *isles);
    *isles = (Isles){.ledger = engine,
                     .spec = *spec,
                     .undo = spec->undo,
                     .n = spec->n,
                     .channels = spec->channels};
    isles->at = memory_alloc(ISLES_LABEL, sizeof(Isle) * (size_t)isles->n);
    isles->slot_lane.label = isles->slot_notes.label = isles->slot_bind.label = ISLES_LABEL_SLOTS;
    isles->slow.label = isles->bind.label = ISLES_LABEL_WINDOW;
    int64_t agreed = make_isles(isles);
    comm_min_i64(spec->comm, &agreed, 1);
    if (!agreed) {
        isles_destroy(isles);
        return NULL;
    }
    chain_leaders(isles);
    isles->rings = rings_create(isles);
    return isles;
}

static void free_isle(const Isles *isles, Isle *isle) {
    if (!isle->shape) return;
    size_t channels = (size_t)isles->channels;
    for (int32_t c = 0; c < isles->channels; c++)
        if (isle->route[c] >= 0) ledger_close(isles->ledger, isle->route[c]);
    memory_free(ISLES_LABEL_SLOTS, isle->slot, sizeof(int32_t) * (size_t)isle->shape->nlanes);
    array_free(&isle->bound);
    memory_free(ISLES_LABEL, isle->route, sizeof(int32_t) * channels);
    memory_free(ISLES_LABEL, isle->ring_lanes, sizeof(uint16_t) * channels);
    memory_free(ISLES_LABEL, isle->state, state_bytes(isles));
}

void isles_destroy(Isles *isles) {
    if (!isles) return;
    rings_destroy(isles->rings);
    for (int64_t i = 0; i < isles->n; i++) free_isle(isles, &isles->at[i]);
    for (int64_t i = 0; i < isles->shape.n; i++) free_shape(isles->shape.at[i]);
    array_free(&isles->shape);
    array_free(&isles->slot_lane);
    array_free(&isles->slot_notes);
    array_free(&isles->slot_bind);
    array_free(&isles->slow);
    array_free(&isles->bind);
    maxmin_draft_free(&isles->draft);
    array_free(&isles->drafted);
    array_free(&isles->solved);
    array_free(&isles->place);
    array_free(&isles->rebound);
    memory_free(ISLES_LABEL, isles->at, sizeof(Isle) * (size_t)isles->n);
    memory_free(ISLES_LABEL, isles, sizeof *isles);
}

int64_t isles_ntransfers(const Isles *isles) {
    int64_t n = isles->rings->ring.n;
    for (int64_t i = 0; i < isles->n; i++)
        for (int32_t c = 0; c < isles->channels; c++) n += isles->at[i].route[c] >= 0;
    return n;
}

int32_t isle_leader(const Isles *isles, int64_t i) { return isles->at[i].leader; }

int32_t isle_nlike(const Isles *isles, int64_t i) { return isles->at[i].nlike; }
