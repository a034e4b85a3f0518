// Playing an island: its units, event by event, and its isle, at the levels that collectives have now.
#include "base/check.h"
#include "base/units.h"
#include "player/island.h"

void island_touch(Machine *machine, const Unit *unit) {
    Islands *islands = islands_of(machine);
    Island *island = islands->current;
    if (!islands->undo.on || (island->kept_units >> unit->stage & 1)) return;
    island->kept_units |= UINT32_C(1) << unit->stage;
    Unit *kept = &island->unit[unit->stage];
    undo_keep(&islands->undo, kept, sizeof *kept);
    for (int s = STREAM_MORE; s < STREAM_N; s++)
        if (machine->more[s])
            undo_keep(&islands->undo, unit_free(machine, kept, (Stream)s), sizeof(NominalClocks));
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
    island->state->time_ps[unit->stage] = unit->compute_end_ps;
}

int64_t island_message(Machine *machine, const Unit *receiver, ChannelSide side, int64_t met_ps) {
    const Islands *islands = islands_of(machine);
    const int32_t channel = receiver->stage * (int32_t)CHANNEL_SIDES + (int32_t)side;
    int64_t index = island_index(islands, islands->current);
    int64_t latency_ps = isle_latency_ps(islands->isles, index, channel);
    isle_start(islands->isles, index, channel, met_ps + latency_ps, receiver->step);
    return latency_ps;
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

void island_exchange(Machine *machine, const Unit *unit, Exchange which, int64_t start_ps) {
    const Islands *islands = islands_of(machine);
    const Island *island = islands->current;
    if (machine->exchange_plan.timed) {
        island->state->time_ps[islands->timers + unit->stage] = start_ps;
        return;
    }
    const int32_t channel = islands->messages + unit->stage * EXCHANGES_N + (int32_t)which;
    isle_start(islands->isles, island_index(islands, island), channel, start_ps, unit->step);
}

void island_arrive(Machine *machine, const Meeting *meeting) {
    Islands *islands = islands_of(machine);
    array_push(&islands->arrival,
               (IslandArrival){.meeting = *meeting,
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

/// A channel of an island has ended what it carried.
static void complete(Islands *islands, const Island *island, int32_t channel, int64_t now_ps) {
    Machine *machine = islands->machine;
    const bool message = channel < islands->messages;
    const int32_t number = message ? channel : channel - islands->messages,
                  each = message ? (int32_t)CHANNEL_SIDES : (int32_t)EXCHANGES_N;
    Unit *unit = &island->unit[number / each];
    const int32_t which = number % each;
    island_touch(machine, unit);
    const Completion done =
        isle_completion(islands->isles, island_index(islands, island), channel, now_ps);
    if (!message) {
        network_end_exchange(machine, &done, unit, (Exchange)which);
        return;
    }
    island_touch(machine, unit_neighbour(machine, unit, which == CHANNEL_FROM_PREV ? -1 : 1));
    network_end_message(machine, &done, unit, (ChannelSide)which);
}

void island_complete(Islands *islands, Island *island, uint64_t ended, int64_t now_ps) {
    islands_enter(islands, island);
    for (; ended; ended &= ended - 1) complete(islands, island, __builtin_ctzll(ended), now_ps);
}

static void compute_due(Islands *islands, const Island *island, int32_t stage, int64_t now_ps) {
    Machine *machine = islands->machine;
    int64_t *time_ps = &island->state->time_ps[stage];
    while (*time_ps == now_ps) {
        island_touch(machine, &island->unit[stage]);
        *time_ps = TIME_NEVER_PS;
        unit_compute_due(machine, &island->unit[stage], now_ps);
    }
    if (!machine->exchange_plan.timed) return;
    int64_t *exchange_ps = &island->state->time_ps[islands->timers + stage];
    if (*exchange_ps != now_ps) return;
    island_touch(machine, &island->unit[stage]);
    *exchange_ps = TIME_NEVER_PS;
    network_exchange_due(machine, &island->unit[stage], now_ps);
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
