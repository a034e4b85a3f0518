// Cutting a job into islands: what their messages use, whether that is theirs alone.
#include "player/island.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "player/filling.h"
#include "player/rings.h"

#define LABEL "driver.islands"
#define LABEL_SHAPES "driver.shapes"
#define LABEL_DONE "driver.done"
#define LABEL_SLOTS "driver.slots"
#define LABEL_WINDOW "driver.window"

bool islands_possible(const Machine *machine) {
    const Layout *layout = &machine->layout;
    return machine->run->engine->apart && machine->job->start_ps == 0 &&
           machine->job->parallel.size[DIM_DP] > 1 && layout->stages <= ISLAND_STAGES_MAX &&
           !(machine->job->model.tied_embeddings && layout->stages > 1) &&
           (layout->stages == 1 || machine->cost.boundary_bytes > 0) &&
           cluster_next_change_ps(machine->cluster, 0) == TIME_NEVER_PS;
}

static bool is_received(const Machine *machine, const Unit *unit, int side) {
    Stream stream = side == CHANNEL_FROM_PREV ? STREAM_RECV_PREV : STREAM_RECV_NEXT;
    return unit_program(machine, unit)->stream_nops[stream] > 0;
}

/// The lane of a slot, a new one if it has none; -1 if it is somebody else's, or there are too many.
static int32_t lane_of(Islands *islands, int64_t island, int32_t slot, int32_t *nlanes) {
    const Routes *routes = ledger_routes(islands->ledger);
    while (islands->slot_lane.n < routes->nslots) {
        array_push(&islands->slot_lane, (SlotLane){.island = -1});
        array_push(&islands->slot_bind, 0);
        array_push(&islands->slot_notes, 0);
    }
    SlotLane *known = &islands->slot_lane.at[slot];
    if (known->island < 0) {
        if (*nlanes == ISLAND_LANES_MAX) return -1;
        *known = (SlotLane){.island = (int32_t)island, .lane = (uint16_t)(*nlanes)++};
    }
    return known->island == island ? known->lane : -1;
}

/// A shape under construction, and what only this island has.
typedef struct ShapeDraft {
    IslandShape shape;
    ARRAY_OF(ChannelUse) use;
    ARRAY_OF(int32_t) slot; ///< by lane
    int32_t route[ISLAND_CHANNELS_MAX];
} ShapeDraft;

/// Links go with what is below them: those of a GPU are its rank's.
static bool is_below(const void *context, LinkId link) {
    const Machine *machine = context;
    GpuId gpu = cluster_first_gpu_below(machine->cluster, link);
    return layout_owner_of_gpu(&machine->layout, gpu) == machine->rank;
}

/// Does some link that can bind belong to another rank?
static bool binds_elsewhere(const Islands *islands, const Route *route) {
    const Routes *routes = ledger_routes(islands->ledger);
    const RouteUse *uses = routes_uses(routes, route);
    for (int32_t u = 0; u < route->nbind && islands->own; u++)
        if (!is_below(islands->machine, routes->link[uses[u].slot])) return true;
    return false;
}

/// Route the message of a channel and name its lanes. False: a link is not this island's alone.
static bool draft_channel(Islands *islands, int64_t index, int32_t c, ShapeDraft *draft) {
    Machine *machine = islands->machine;
    Unit *unit = &islands->at[index].unit[c / CHANNEL_SIDES];
    ChannelShape *channel = &draft->shape.channel[c];
    draft->route[c] = -1;
    *channel = (ChannelShape){.first_use = (int32_t)draft->use.n};
    if (!is_received(machine, unit, c % CHANNEL_SIDES)) return true;
    Message message = {.channel = unit->id * CHANNEL_SIDES + c % CHANNEL_SIDES};
    HopEdges edges;
    Transfer transfer = network_transfer(machine, &message, &edges);
    Price price;
    Status status = ledger_open(islands->ledger, &transfer, NULL, &draft->route[c], &price);
    if (!status_is_ok(&status)) return false; // said again where it is met
    const Routes *routes = ledger_routes(islands->ledger);
    const Route *route = &routes->at[draft->route[c]];
    if (binds_elsewhere(islands, route)) return false;
    channel->cap = price.level;
    channel->alone_ps = price.alone_ps;
    channel->level_work = route->level_work;
    channel->work = price_work(routes, route, transfer.bytes);
    channel->latency_ps = network_message_latency_ps(machine, edges.from, unit->id);
    channel->sender = layout_stage(&machine->layout, edges.from);
    channel->nuses = route->nbind;
    const RouteUse *uses = routes_uses(routes, route);
    for (int32_t u = 0; u < route->nbind; u++) {
        int32_t lane = lane_of(islands, index, uses[u].slot, &draft->shape.nlanes);
        if (lane < 0) return false;
        if (lane == draft->slot.n) array_push(&draft->slot, uses[u].slot);
        array_push(&draft->use, (ChannelUse){lane, uses[u].weight});
    }
    return channel->latency_ps >= machine->run->control_delay_ps;
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
static void order_lanes(const Routes *routes, const ShapeDraft *draft, IslandShape *shape) {
    size_t n = (size_t)shape->nlanes;
    if (n == 0) return;
    LaneLink *sorted = memory_alloc(LABEL_SHAPES, sizeof(LaneLink) * n);
    for (size_t l = 0; l < n; l++)
        sorted[l] = (LaneLink){routes->link[draft->slot.at[l]], (int32_t)l};
    qsort(sorted, n, sizeof(LaneLink), by_link);
    for (size_t i = 0; i < n; i++) shape->lane[sorted[i].lane].order = (int64_t)i;
    memory_free(LABEL_SHAPES, sorted, sizeof(LaneLink) * n);
}

/// Uses by lane, and who meets whom.
static void finish_shape(const Islands *islands, const ShapeDraft *draft, IslandShape *shape) {
    const Routes *routes = ledger_routes(islands->ledger);
    shape->nuses = (int32_t)draft->use.n;
    shape->use = memory_alloc(LABEL_SHAPES, sizeof(ChannelUse) * (size_t)shape->nuses);
    shape->by_lane = memory_alloc(LABEL_SHAPES, sizeof(ChannelUse) * (size_t)shape->nuses);
    shape->lane = memory_alloc(LABEL_SHAPES, sizeof(LaneShape) * (size_t)shape->nlanes);
    if (shape->nuses > 0)
        memcpy(shape->use, draft->use.at, sizeof(ChannelUse) * (size_t)shape->nuses);
    for (int32_t u = 0; u < shape->nuses; u++) shape->lane[shape->use[u].lane].nuses++;
    int32_t first = 0;
    for (int32_t l = 0; l < shape->nlanes; l++) {
        shape->lane[l].capacity = routes->capacity[draft->slot.at[l]];
        shape->lane[l].first_use = first;
        first += shape->lane[l].nuses;
        shape->lane[l].nuses = 0;
    }
    order_lanes(routes, draft, shape);
    for (int32_t c = 0; c < islands->channels; c++) {
        const ChannelShape *channel = &shape->channel[c];
        for (int32_t u = 0; u < channel->nuses; u++) {
            ChannelUse use = shape->use[channel->first_use + u];
            LaneShape *lane = &shape->lane[use.lane];
            shape->by_lane[lane->first_use + lane->nuses++] = (ChannelUse){c, use.weight};
            lane->channels |= UINT64_C(1) << c;
        }
    }
    for (int32_t c = 0; c < islands->channels; c++)
        for (int32_t u = 0; u < shape->channel[c].nuses; u++)
            shape->channel[c].neighbours |=
                shape->lane[shape->use[shape->channel[c].first_use + u].lane].channels;
}

static void free_shape(IslandShape *shape) {
    memory_free(LABEL_SHAPES, shape->use, sizeof(ChannelUse) * (size_t)shape->nuses);
    memory_free(LABEL_SHAPES, shape->by_lane, sizeof(ChannelUse) * (size_t)shape->nuses);
    memory_free(LABEL_SHAPES, shape->lane, sizeof(LaneShape) * (size_t)shape->nlanes);
    memory_free(LABEL_SHAPES, shape, sizeof *shape);
}

static bool same_shape(const IslandShape *a, const IslandShape *b) {
    return a->nlanes == b->nlanes && a->nuses == b->nuses &&
           memcmp(a->channel, b->channel, sizeof a->channel) == 0 &&
           memcmp(a->use, b->use, sizeof(ChannelUse) * (size_t)a->nuses) == 0 &&
           memcmp(a->lane, b->lane, sizeof(LaneShape) * (size_t)a->nlanes) == 0;
}

/// The shape of a draft, shared with the islands before where it is theirs.
static const IslandShape *take_shape(Islands *islands, const ShapeDraft *draft) {
    IslandShape *shape = memory_alloc(LABEL_SHAPES, sizeof *shape);
    *shape = draft->shape;
    finish_shape(islands, draft, shape);
    for (int64_t i = islands->shape.n - 1; i >= 0; i--) {
        if (!same_shape(islands->shape.at[i], shape)) continue;
        free_shape(shape);
        return islands->shape.at[i];
    }
    array_push(&islands->shape, shape);
    return shape;
}

static void make_island(Islands *islands, Island *island, const ShapeDraft *draft) {
    size_t channels = (size_t)islands->channels, nlanes = (size_t)draft->shape.nlanes;
    island->shape = take_shape(islands, draft);
    island->slot = memory_alloc(LABEL_SLOTS, sizeof(int32_t) * nlanes);
    island->bound.label = LABEL_SLOTS;
    island->route = memory_alloc(LABEL, sizeof(int32_t) * channels);
    island->ring_lanes = memory_alloc(LABEL, sizeof(uint16_t) * channels);
    if (nlanes > 0) memcpy(island->slot, draft->slot.at, sizeof(int32_t) * nlanes);
    memcpy(island->route, draft->route, sizeof(int32_t) * channels);
    island->state = memory_alloc(LABEL, islands->state_bytes);
    size_t messages = offsetof(IslandState, message) + sizeof(IslandMessage) * channels;
    island->time_ps = (int64_t *)((char *)island->state + messages);
    for (int32_t i = 0; i < islands->stages + islands->channels; i++)
        island->time_ps[i] = TIME_NEVER_PS;
    for (size_t c = 0; c < channels; c++)
        island->state->message[c] =
            (IslandMessage){.pending_ps = -1, .slow_since_ps = -1, .lane = -1};
}

static void drop_draft(const Islands *islands, const ShapeDraft *draft, int32_t nchannels) {
    for (int32_t c = 0; c < nchannels; c++)
        if (draft->route[c] >= 0) ledger_close(islands->ledger, draft->route[c]);
}

/// Build all islands. False: some link is shared.
static bool make_islands(Islands *islands) {
    ShapeDraft draft = {0};
    bool fits = true;
    for (int64_t i = 0; i < islands->n && fits; i++) {
        Island *island = &islands->at[i];
        island->unit = &islands->machine->unit[i * islands->stages];
        island->done.free = -1;
        island->done.at.label = LABEL_DONE;
        island->leader = (int32_t)i;
        island->nlike = 1;
        island->next_like = -1;
        islands->next_ps[i] = TIME_NEVER_PS;
        islands->steps[i] = INT32_MAX;
        array_clear(&draft.use);
        array_clear(&draft.slot);
        memset(&draft.shape, 0, sizeof draft.shape); // compared as bytes
        int32_t c = 0;
        while (c < islands->channels && fits) fits = draft_channel(islands, i, c++, &draft);
        if (fits)
            make_island(islands, island, &draft);
        else
            drop_draft(islands, &draft, c);
    }
    array_free(&draft.use);
    array_free(&draft.slot);
    return fits;
}

static void label_arrays(Islands *islands) {
    islands->slot_lane.label = islands->slot_notes.label = islands->slot_bind.label = LABEL_SLOTS;
    islands->undo.label = islands->slow.label = islands->bind.label = LABEL_WINDOW;
}

Islands *islands_create(Machine *machine) {
    Islands *islands = memory_alloc(LABEL, sizeof *islands);
    islands->machine = machine;
    islands->ledger = machine->fabric->engine; // islands_possible: it is apart
    islands->below = (LinkOwner){is_below, machine};
    islands->own = machine->nranks > 1 ? &islands->below : NULL;
    islands->stages = machine->layout.stages;
    islands->channels = islands->stages * CHANNEL_SIDES;
    islands->n = machine->layout.nslots / islands->stages;
    islands->at = memory_alloc(LABEL, sizeof(Island) * (size_t)islands->n);
    islands->next_ps = memory_alloc(LABEL, sizeof(int64_t) * (size_t)islands->n);
    islands->steps = memory_alloc(LABEL, sizeof(int32_t) * (size_t)islands->n);
    islands->state_bytes = offsetof(IslandState, message) +
                           sizeof(IslandMessage) * (size_t)islands->channels +
                           sizeof(int64_t) * (size_t)(islands->stages + islands->channels);
    islands->windows = 1;
    label_arrays(islands);
    islands->filling = filling_create();
    int64_t agreed = make_islands(islands);
    comm_min_i64(machine->comm, &agreed, 1);
    if (!agreed) {
        islands_destroy(islands);
        return NULL;
    }
    islands->rings = rings_create(islands);
    quiet_prepare(islands);
    return islands;
}

static void free_island(const Islands *islands, Island *island) {
    size_t channels = (size_t)islands->channels;
    for (int32_t c = 0; island->route && c < islands->channels; c++)
        if (island->route[c] >= 0) ledger_close(islands->ledger, island->route[c]);
    if (island->shape) {
        size_t nlanes = (size_t)island->shape->nlanes;
        memory_free(LABEL_SLOTS, island->slot, sizeof(int32_t) * nlanes);
        array_free(&island->bound);
        memory_free(LABEL, island->route, sizeof(int32_t) * channels);
        memory_free(LABEL, island->ring_lanes, sizeof(uint16_t) * channels);
        memory_free(LABEL, island->state, islands->state_bytes);
    }
    array_free(&island->done.at);
}

void islands_destroy(Islands *islands) {
    if (!islands) return;
    rings_destroy(islands->rings);
    quiet_release(islands);
    filling_destroy(islands->filling);
    for (int64_t i = 0; i < islands->n; i++) free_island(islands, &islands->at[i]);
    for (int64_t i = 0; i < islands->shape.n; i++) free_shape(islands->shape.at[i]);
    array_free(&islands->shape);
    array_free(&islands->slot_lane);
    array_free(&islands->slow);
    array_free(&islands->bind);
    array_free(&islands->arrival);
    array_free(&islands->undo);
    array_free(&islands->slot_bind);
    array_free(&islands->slot_notes);
    memory_free(LABEL, islands->steps, sizeof(int32_t) * (size_t)islands->n);
    memory_free(LABEL, islands->at, sizeof(Island) * (size_t)islands->n);
    memory_free(LABEL, islands->next_ps, sizeof(int64_t) * (size_t)islands->n);
    memory_free(LABEL, islands, sizeof *islands);
}
