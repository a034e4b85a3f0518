// Playing an island: its units, event by event, and its isle, at the levels that collectives have now.
#include "base/check.h"
#include "base/units.h"
#include "player/island.h"

static int32_t stage_of(const Island *island, const Unit *unit) {
    return (int32_t)(unit - island->unit);
}

/// Stage that sends what a channel carries, or would.
static int32_t sender_of(const Islands *islands, int32_t channel) {
    int32_t stage = channel / CHANNEL_SIDES, last = islands->stages - 1;
    if (channel % CHANNEL_SIDES == CHANNEL_FROM_PREV) return stage > 0 ? stage - 1 : last;
    return stage < last ? stage + 1 : 0;
}

static void touch_unit(Islands *islands, Island *island, int32_t stage) {
    if (!islands->undo.on || (island->kept_units >> stage & 1)) return;
    island->kept_units |= UINT32_C(1) << stage;
    undo_keep(&islands->undo, &island->unit[stage], sizeof(Unit));
    if (islands->machine->exchanged)
        undo_keep(&islands->undo, unit_free(islands->machine, &island->unit[stage], STREAM_EP),
                  sizeof(NominalClocks));
    if (islands->machine->across)
        undo_keep(&islands->undo, unit_free(islands->machine, &island->unit[stage], STREAM_ACROSS),
                  sizeof(NominalClocks));
}

void island_keep(Islands *islands, Island *island) {
    if (!islands->undo.on) return;
    int32_t n = islands->ntimes;
    island->window = islands->windows;
    island->undo_first = islands->undo.old.n;
    island->kept_units = 0;
    undo_keep(&islands->undo, island->state, sizeof(IslandState) + sizeof(int64_t) * (size_t)n);
    undo_keep(&islands->undo, &island->done.at.n, sizeof island->done.at.n);
    undo_keep(&islands->undo, &island->done.free, sizeof island->done.free);
    isle_begin_play(islands->isles, island_index(islands, island));
}

void island_return(Islands *islands, Island *island) {
    isle_return(islands->isles, island_index(islands, island), island->undo_first,
                island->undo_end);
    island->round++;
    island_find_next(islands, island);
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// The place of the only time of a chain that is the least, -1 if there are several.
static int32_t only_least(const int64_t time_ps[], int32_t n, int32_t chain, int64_t least) {
    int32_t event = -1, several = 0;
    for (int32_t i = chain; i < n; i += CHAINS) {
        bool next = time_ps[i] == least;
        several += next;
        event = next ? i : event;
    }
    return several == 1 ? event : -1;
}

void island_find_next(Islands *islands, Island *island) {
    const int64_t *time_ps = island->state->time_ps;
    int32_t n = islands->ntimes;
    int64_t a = TIME_NEVER_PS, b = TIME_NEVER_PS, c = TIME_NEVER_PS;
    for (int32_t i = 0; i < n; i += CHAINS) {
        a = smaller(a, time_ps[i]);
        b = smaller(b, time_ps[i + 1]);
        c = smaller(c, time_ps[i + 2]);
    }
    int64_t least = smaller(a, smaller(b, c));
    bool several = (a == least) + (b == least) + (c == least) > 1;
    int32_t chain = a == least ? 0 : b == least ? 1 : 2;
    int64_t index = island_index(islands, island);
    island->next_event = several ? -1 : only_least(time_ps, n, chain, least);
    islands->next_ps[index] = least;
    islands->steps[index] = island->state->count.steps;
}

void island_compute(Machine *machine, const Unit *unit) {
    Island *island = islands_of(machine)->current;
    island->state->time_ps[stage_of(island, unit)] = unit->compute_end_ps;
}

/// Sends meet receives here; the message starts a latency later.
static void meet(Islands *islands, Unit *receiver, ChannelSide side, bool is_send,
                 const Clocks *at) {
    const Island *island = islands->current;
    Clocks begin;
    if (!channel_meet(receiver, side, is_send, at, &begin)) return;
    int32_t channel = stage_of(island, receiver) * CHANNEL_SIDES + (int32_t)side;
    int64_t index = island_index(islands, island);
    int64_t latency_ps = isle_latency_ps(islands->isles, index, channel);
    *unit_received(receiver, side) = clocks_later(begin.nominal, latency_ps);
    isle_start(islands->isles, index, channel, begin.actual_ps + latency_ps, receiver->step);
}

void island_send(Machine *machine, Unit *unit, const Op *op, const Clocks *at) {
    Islands *islands = islands_of(machine);
    Island *island = islands->current;
    bool to_next = op->stream == STREAM_SEND_NEXT;
    int32_t stage = stage_of(island, unit) + (to_next ? 1 : islands->stages - 1);
    if (stage >= islands->stages) stage -= islands->stages;
    touch_unit(islands, island, stage);
    meet(islands, &island->unit[stage], to_next ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT, true, at);
}

void island_receive(Machine *machine, Unit *unit, ChannelSide side, const Clocks *at) {
    meet(islands_of(machine), unit, side, false, at);
}

void island_done_changes(Machine *machine, int32_t index) {
    Islands *islands = islands_of(machine);
    undo_keep_in(&islands->undo, &islands->current->done.at.at, sizeof(Done) * (size_t)index,
                 sizeof(Done));
}

Unit *island_next_member(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps) {
    Islands *islands = islands_of(machine);
    Unit *unit;
    while ((unit = members_next(machine, group, cursor)) != NULL) {
        int64_t island = (unit - machine->unit) / islands->stages;
        if (!island_leads(islands, island)) continue; // another one stands for it
        islands_enter(islands, &islands->at[island]);
        islands->current->last_ps = now_ps;
        break;
    }
    return unit;
}

void island_exchange(Machine *machine, Unit *unit, Exchange which, const Clocks *at) {
    Islands *islands = islands_of(machine);
    const Island *island = islands->current;
    if (machine->exchange_plan.timed) {
        island->state->time_ps[islands->timers + stage_of(island, unit)] =
            exchange_begin(machine, unit, which, at);
        return;
    }
    const int32_t channel =
        islands->messages + stage_of(island, unit) * EXCHANGES_N + (int32_t)which;
    isle_start(islands->isles, island_index(islands, island), channel,
               exchange_begin(machine, unit, which, at), unit->step);
}

void island_arrive(Machine *machine, const Unit *unit, const Meeting *meeting) {
    Islands *islands = islands_of(machine);
    array_push(&islands->arrival,
               (IslandArrival){.at = meeting->at,
                               .group = meeting->group,
                               .op = meeting->op,
                               .kind = (int32_t)meeting->kind,
                               .step = unit->step,
                               .island = (int32_t)island_index(islands, islands->current),
                               .round = islands->current->round});
}

/// Does an event end what a unit does by itself?
static bool is_of_unit(const Islands *islands, int32_t event) {
    return event >= islands->timers || (event >= 0 && event < islands->stages);
}

uint64_t island_messages_due(Islands *islands, Island *island, int64_t now_ps) {
    int32_t event = island->next_event;
    if (is_of_unit(islands, event)) return 0;
    return isle_due(islands->isles, island_index(islands, island),
                    event < 0 ? -1 : event - islands->stages, now_ps);
}

static void complete_exchange(Islands *islands, Island *island, int32_t channel, int64_t now_ps) {
    const int32_t number = channel - islands->messages, stage = number / EXCHANGES_N;
    touch_unit(islands, island, stage);
    const Completion done =
        isle_completion(islands->isles, island_index(islands, island), channel, now_ps);
    exchange_end(islands->machine, &done, &island->unit[stage], (Exchange)(number % EXCHANGES_N),
                 &island->state->count);
}

static void complete(Islands *islands, Island *island, int32_t channel, int64_t now_ps) {
    if (channel >= islands->messages) {
        complete_exchange(islands, island, channel, now_ps);
        return;
    }
    int32_t stage = channel / CHANNEL_SIDES, sender = sender_of(islands, channel);
    Unit *receiver = &island->unit[stage];
    touch_unit(islands, island, stage);
    touch_unit(islands, island, sender);
    Completion done =
        isle_completion(islands->isles, island_index(islands, island), channel, now_ps);
    done.tag = receiver->id * CHANNEL_SIDES + channel % CHANNEL_SIDES;
    network_end_message(islands->machine, &done, receiver, &island->unit[sender],
                        &island->state->count);
}

void island_complete(Islands *islands, Island *island, uint64_t ended, int64_t now_ps) {
    islands_enter(islands, island);
    for (; ended; ended &= ended - 1) complete(islands, island, __builtin_ctzll(ended), now_ps);
}

static void compute_due(Islands *islands, Island *island, int32_t stage, int64_t now_ps) {
    int64_t *time_ps = &island->state->time_ps[stage];
    while (*time_ps == now_ps) {
        touch_unit(islands, island, stage);
        *time_ps = TIME_NEVER_PS;
        unit_compute_due(islands->machine, &island->unit[stage], now_ps);
    }
    if (!islands->machine->exchange_plan.timed) return;
    int64_t *exchange_ps = &island->state->time_ps[islands->timers + stage];
    if (*exchange_ps != now_ps) return;
    touch_unit(islands, island, stage);
    *exchange_ps = TIME_NEVER_PS;
    exchange_due(islands->machine, &island->unit[stage], now_ps, &island->state->count);
}

void island_compute_due(Islands *islands, Island *island, int64_t now_ps) {
    islands_enter(islands, island);
    for (int32_t s = 0; s < islands->stages; s++) compute_due(islands, island, s, now_ps);
}

/// Play the earliest moment. False: a collective has to give way.
static bool play_next(Islands *islands, Island *island, int64_t now_ps) {
    island->last_ps = now_ps;
    islands_enter(islands, island);
    int32_t event = island->next_event;
    if (is_of_unit(islands, event)) {
        compute_due(islands, island, event < islands->stages ? event : event - islands->timers,
                    now_ps);
        return true;
    }
    uint64_t ended = island_messages_due(islands, island, now_ps);
    if (!isle_solve(islands->isles, island_index(islands, island), now_ps)) return false;
    island_complete(islands, island, ended, now_ps);
    // One event that ends no message gives nobody anything to compute.
    if (event < 0 || ended) island_compute_due(islands, island, now_ps);
    return true;
}

bool island_play(Islands *islands, Island *island, int64_t end_ps) {
    int64_t *next_ps = &islands->next_ps[island_index(islands, island)];
    bool agrees = true;
    while (*next_ps < end_ps && agrees) {
        int64_t now_ps = *next_ps;
        agrees = play_next(islands, island, now_ps);
        if (agrees)
            island_find_next(islands, island);
        else if (now_ps < islands->violation_ps)
            islands->violation_ps = now_ps;
    }
    island->undo_end = islands->undo.old.n;
    return agrees;
}
