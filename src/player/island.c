// Cutting a job into islands, and what they are kept in.
#include "player/island.h"

#include "base/units.h"

enum { CHUNK_BYTES = 1 << 14 };

bool islands_possible(const Machine *machine) {
    const Layout *layout = &machine->layout;
    return machine->run->engine->apart && machine->job->start_ps == 0 &&
           layout->units.n > layout->units.stages &&
           layout->units.stages <=
               (machine->exchange_plan.groups > 0 && !machine->exchange_plan.timed
                    ? ISLE_CHANNELS_MAX / (CHANNEL_SIDES + EXCHANGES_N)
                    : ISLAND_STAGES_MAX) &&
           !(machine->job->model.tied_embeddings && layout->units.stages > 1) &&
           (layout->units.stages == 1 || machine->cost.boundary_bytes > 0) &&
           cluster_next_change_ps(machine->cluster, 0) == TIME_NEVER_PS;
}

/// Links go with what is below them: those of a GPU are its rank's.
static bool is_below(const void *context, LinkId link) {
    const Machine *machine = context;
    GpuId gpu = cluster_first_gpu_below(machine->cluster, link);
    return layout_owner_of_gpu(&machine->layout, gpu) == machine->rank;
}

/// What a unit receives from a side, or an exchange of it, as a channel of its island.
static bool describe_channel(void *context, int64_t island, int32_t channel, Transfer *transfer,
                             int64_t *latency_ps) {
    Islands *islands = context;
    const Machine *machine = islands->machine;
    const bool message = channel < islands->messages;
    const int32_t number = message ? channel : channel - islands->messages,
                  each = message ? (int32_t)CHANNEL_SIDES : (int32_t)EXCHANGES_N;
    const int32_t stage = number / each;
    const int64_t unit = layout_unit_at(&machine->layout, island * islands->stages + stage);
    const Stream stream = !message                             ? STREAM_EP
                          : number % each == CHANNEL_FROM_PREV ? STREAM_RECV_PREV
                                                               : STREAM_RECV_NEXT;
    const int32_t role =
        machine_role(machine, layout_replica_at(&machine->layout, island * islands->stages));
    if (machine_program(machine, role, stage)->stream_nops[stream] == 0) return false;
    *transfer = message
                    ? network_message(machine, unit * each + number % each, &islands->edges)
                    : network_exchange(machine, unit, (Exchange)(number % each), &islands->edges);
    *latency_ps = transfer->start_ps;
    return true;
}

static int64_t *times_of(void *context, int64_t island) {
    const Islands *islands = context;
    return &islands->at[island].state->time_ps[islands->stages];
}

static void make_islands(Islands *islands) {
    const size_t state_bytes = sizeof(IslandState) + sizeof(int64_t) * (size_t)islands->ntimes;
    islands->at = arena_array(islands->arena, Island, islands->n);
    islands->next_ps = arena_array(islands->arena, int64_t, islands->n);
    islands->steps = arena_array(islands->arena, int32_t, islands->n);
    for (int64_t i = 0; i < islands->n; i++) {
        Island *island = &islands->at[i];
        island->unit = &islands->machine->unit[i * islands->stages];
        island->state = arena_alloc(islands->arena, state_bytes);
        island->done.free = -1;
        island->done.at.label = "driver.done";
        for (int32_t k = 0; k < islands->ntimes; k++) island->state->time_ps[k] = TIME_NEVER_PS;
        islands->next_ps[i] = TIME_NEVER_PS;
        islands->steps[i] = INT32_MAX;
    }
}

/// Who plays for whom, of islands.
static void list_leaders(const Islands *islands, IslesSpec *spec) {
    const Layout *layout = &islands->machine->layout;
    int32_t *leader = arena_array(islands->arena, int32_t, islands->n),
            *nlike = arena_array(islands->arena, int32_t, islands->n);
    for (int64_t i = 0; i < islands->n; i++) {
        const int64_t slot = i * islands->stages,
                      replica = layout_replica_at(layout, slot) - layout->first_replica;
        leader[i] = (int32_t)(layout_played_slot(layout, replica) / islands->stages);
        nlike[i] = (int32_t)layout_nalike(layout, slot);
    }
    spec->leader = leader;
    spec->nlike = nlike;
}

Islands *islands_create(Machine *machine) {
    Arena *arena = arena_create("driver.islands", CHUNK_BYTES);
    Islands *islands = arena_array(arena, Islands, 1);
    islands->arena = arena;
    islands->machine = machine;
    islands->below = (LinkOwner){is_below, machine};
    islands->stages = machine->layout.units.stages;
    islands->messages = islands->channels = islands->stages * CHANNEL_SIDES;
    const bool timed = machine->exchange_plan.timed;
    if (machine->exchange_plan.groups > 0 && !timed)
        islands->channels += islands->stages * EXCHANGES_N;
    islands->timers = islands->stages + islands->channels;
    islands->ntimes =
        (islands->timers + (timed ? islands->stages : 0) + CHAINS - 1) / CHAINS * CHAINS;
    islands->windows = 1;
    islands->width_ps = PS_PER_MS;
    islands->arrivals = true;
    islands->ngroups = units_nmeeting(&machine->layout.units);
    islands->news = arena_array(arena, GroupNews, islands->ngroups);
    islands->undo.old.label = "driver.window";
    IslesSpec spec = {.n = machine->layout.nreplicas,
                      .channels = islands->channels,
                      .channel = describe_channel,
                      .context = islands,
                      .own = machine->nranks > 1 ? &islands->below : NULL,
                      .times = times_of,
                      .undo = &islands->undo,
                      .comm = machine->comm,
                      .control_delay_ps = machine->run->control_delay_ps};
    islands_fold(islands, &spec);
    machine_place(machine);
    spec.n = islands->n = machine->layout.nslots / islands->stages;
    make_islands(islands);
    list_leaders(islands, &spec);
    islands->isles = isles_create(machine->fabric->engine, &spec); // islands_possible: it is apart
    if (!islands->isles) {
        islands_destroy(islands);
        return NULL;
    }
    quiet_prepare(islands);
    return islands;
}

void islands_destroy(Islands *islands) {
    if (!islands) return;
    isles_destroy(islands->isles);
    arena_destroy(islands->quiet);
    for (int64_t i = 0; i < islands->n; i++) array_free(&islands->at[i].done.at);
    array_free(&islands->due);
    array_free(&islands->arrival);
    array_free(&islands->undo.old);
    arena_destroy(islands->arena);
}
