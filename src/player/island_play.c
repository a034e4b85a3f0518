// Playing an island: its messages and units, event by event, at the levels that collectives have now.
#include "base/check.h"
#include "base/units.h"
#include "player/filling.h"
#include "player/rings.h"

static int32_t stage_of(const Island *island, const Unit *unit) {
    return (int32_t)(unit - island->unit);
}

static uint64_t bit(int32_t c) { return UINT64_C(1) << c; }

static int64_t *channel_time(const Islands *islands, const Island *island, int32_t c) {
    return &island->time_ps[islands->stages + c];
}

void island_compute(Machine *machine, const Unit *unit) {
    Island *island = islands_of(machine)->current;
    island->time_ps[stage_of(island, unit)] = unit->compute_end_ps;
}

/// Sends meet receives here; the message starts a latency later.
static void meet(Islands *islands, Unit *receiver, ChannelSide side, bool is_send, Clocks begin) {
    Island *island = islands->current;
    if (!channel_meet(receiver, side, is_send, &begin)) return;
    int32_t c = stage_of(island, receiver) * CHANNEL_SIDES + (int32_t)side;
    const ChannelShape *shape = &island->shape->channel[c];
    island_touch_message(islands, island, c);
    begin = clocks_at(begin.actual_ps + shape->latency_ps,
                      clocks_later(begin.nominal, shape->latency_ps));
    *unit_received(receiver, side) = begin.nominal;
    IslandMessage *message = &island->state->message[c];
    message->step = receiver->step;
    int64_t *time_ps = channel_time(islands, island, c);
    if (message->state == MESSAGE_GHOST) {
        // The message before is still felt, but no longer when this one starts.
        CHECK(message->pending_ps < 0, "unit %lld: two messages at once on one channel",
              (long long)receiver->id);
        message->pending_ps = begin.actual_ps;
        if (begin.actual_ps < *time_ps) *time_ps = begin.actual_ps;
        return;
    }
    CHECK(message->state == MESSAGE_NONE, "unit %lld: a channel is taken", (long long)receiver->id);
    message->state = MESSAGE_WAITING;
    message->start_ps = begin.actual_ps;
    *time_ps = begin.actual_ps;
}

void island_send(Machine *machine, Unit *unit, const Op *op, Clocks at) {
    Islands *islands = islands_of(machine);
    Island *island = islands->current;
    bool to_next = op->stream == STREAM_SEND_NEXT;
    int32_t stage = stage_of(island, unit) + (to_next ? 1 : islands->stages - 1);
    if (stage >= islands->stages) stage -= islands->stages;
    Unit *receiver = &island->unit[stage];
    island_touch_unit(islands, island, stage);
    meet(islands, receiver, to_next ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT, true, at);
}

void island_receive(Machine *machine, Unit *unit, ChannelSide side, Clocks at) {
    meet(islands_of(machine), unit, side, false, at);
}

void island_done_changes(Machine *machine, int32_t index) {
    Islands *islands = islands_of(machine);
    if (islands->undoable)
        island_touch(islands, islands->current, UNDO_DONE, sizeof(Done) * (size_t)index,
                     sizeof(Done));
}

Unit *island_next_member(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps) {
    Islands *islands = islands_of(machine);
    Unit *unit;
    while ((unit = members_next(machine, group, cursor)) != NULL) {
        int64_t slot = unit - machine->unit;
        if (!island_is_played(islands, slot)) continue; // another one stands for it
        islands_enter(islands, &islands->at[slot / islands->stages]);
        islands->current->last_ps = now_ps;
        break;
    }
    return unit;
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

static void settle(const ChannelShape *shape, IslandMessage *message, int64_t now_ps) {
    fluid_settle(&message->remaining, &message->settled_ps, shape->level_work, message->level,
                 now_ps);
}

/// Log how long and how far the message of a channel has been below its cap.
static void end_slow(Islands *islands, Island *island, int32_t c, int64_t now_ps) {
    IslandMessage *message = &island->state->message[c];
    if (message->slow_since_ps < 0) return;
    int64_t from_ps = message->slow_since_ps;
    message->slow_since_ps = -1;
    if (from_ps == now_ps) return;
    Wide delay = price_delay(island->shape->channel[c].cap, message->level, now_ps - from_ps);
    int32_t leader = (int32_t)island_index(islands, island);
    for (int32_t like = leader; like >= 0; like = island_next_kept(islands, island, like))
        array_push(&islands->slow, (SlowSpan){.delay = delay,
                                              .from_ps = from_ps,
                                              .to_ps = now_ps,
                                              .slot = islands->at[like].slot[message->lane],
                                              .step = message->step,
                                              .island = leader,
                                              .round = island->round});
}

static void begin_slow(IslandMessage *message, int64_t now_ps) {
    if (message->state == MESSAGE_RUNNING && message->lane >= 0) message->slow_since_ps = now_ps;
}

static void set_level(Islands *islands, Island *island, int32_t c, int64_t level, int32_t lane,
                      int64_t now_ps) {
    IslandMessage *message = &island->state->message[c];
    if (message->level == level && message->lane == lane) return;
    island_touch_message(islands, island, c);
    const ChannelShape *shape = &island->shape->channel[c];
    end_slow(islands, island, c, now_ps);
    bool moves = message->level != level;
    if (message->state == MESSAGE_RUNNING && moves) settle(shape, message, now_ps);
    message->level = level;
    message->lane = lane;
    if (message->state == MESSAGE_RUNNING && moves) {
        *channel_time(islands, island, c) =
            price_end_ps(now_ps, message->remaining, shape->level_work, level);
    }
    begin_slow(message, now_ps);
}

static void log_bind(Islands *islands, const Island *island, const BoundLane *bound,
                     int64_t to_ps) {
    if (bound->since_ps == to_ps) return;
    array_push(&islands->bind, (BindSpan){.level = bound->level,
                                          .from_ps = bound->since_ps,
                                          .to_ps = to_ps,
                                          .island = (int32_t)island_index(islands, island),
                                          .round = island->round,
                                          .lane = bound->lane});
}

/// Level at which a lane was found to bind, and with a collective on it.
static int64_t binding_level(const Filling *filling, int32_t lane) {
    int64_t place = filling->place.at[lane] - 1;
    if (place < 0 || place >= filling->lane.n || filling->lane.at[place].lane != lane)
        return LEVEL_NONE; // not filled this time
    return !filling->lane.at[place].ring_use ? LEVEL_NONE : filling->lane.at[place].level;
}

/// What lanes of `channels` did to collectives ends unless it was found again.
static void update_bound(Islands *islands, Island *island, uint64_t channels, int64_t now_ps) {
    IslandState *state = island->state;
    if (islands->undoable && !island->kept_bound) {
        island->kept_bound = true;
        island_touch(islands, island, UNDO_BOUND, 0, sizeof(BoundLane) * (size_t)state->nbound);
    }
    islands_mark_bound(islands, island, false);
    int32_t n = 0;
    for (int32_t i = 0; i < state->nbound; i++) {
        BoundLane *bound = &island->bound.at[i];
        if (island->shape->lane[bound->lane].channels & channels) {
            if (binding_level(islands->filling, bound->lane) != bound->level) {
                log_bind(islands, island, bound, now_ps);
                continue;
            }
            islands->filling->lane.at[islands->filling->place.at[bound->lane] - 1].level =
                LEVEL_NONE;
        }
        island->bound.at[n++] = *bound;
    }
    for (int64_t i = 0; i < islands->filling->lane.n; i++) {
        const FillLane *lane = &islands->filling->lane.at[i];
        if (!lane->ring_use || lane->level == LEVEL_NONE) continue;
        array_reserve(&island->bound, n + 1);
        island->bound.at[n++] = (BoundLane){lane->level, now_ps, lane->lane};
    }
    state->nbound = n;
    islands_mark_bound(islands, island, true);
}

bool island_solve(Islands *islands, Island *island, int64_t now_ps) {
    uint64_t channels = island_reach(island, island->changed);
    uint64_t present = channels & island->state->present;
    island->changed = 0;
    bool alone = (present & (present - 1)) == 0 && !(channels & island->ring_channels);
    if (alone && island->state->nbound == 0) {
        if (present) {
            int32_t c = __builtin_ctzll(present);
            set_level(islands, island, c, island->shape->channel[c].cap, -1, now_ps);
        }
        return true;
    }
    if (!filling_run(islands->filling, islands, island, present)) return false;
    const Filling *filling = islands->filling;
    for (uint64_t left = present; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        set_level(islands, island, c, filling->level[c], filling->binding[c], now_ps);
    }
    update_bound(islands, island, channels, now_ps);
    return true;
}

static void start_message(Island *island, int32_t c, int64_t now_ps) {
    IslandMessage *message = &island->state->message[c];
    message->state = MESSAGE_RUNNING;
    message->remaining = island->shape->channel[c].work;
    message->settled_ps = now_ps;
    message->level = LEVEL_UNKNOWN;
    message->lane = -1;
    message->sampled_bytes = 0;
    island->state->present |= bit(c);
    island->changed |= bit(c);
}

/// The last byte has arrived; others feel the message for another control delay.
static void end_message(Islands *islands, Island *island, int32_t c, int64_t now_ps) {
    IslandMessage *message = &island->state->message[c];
    int64_t bytes = islands->machine->cost.boundary_bytes;
    end_slow(islands, island, c, now_ps);
    message->step_bytes[message->step & 1] += bytes;
    message->period_bytes += bytes - message->sampled_bytes;
    message->state = MESSAGE_GHOST;
    *channel_time(islands, island, c) =
        fluid_felt_until_ps(now_ps, islands->machine->run->control_delay_ps);
}

static void end_ghost(const Islands *islands, Island *island, int32_t c) {
    IslandMessage *message = &island->state->message[c];
    island->state->present &= ~bit(c);
    island->changed |= bit(c);
    bool next = message->pending_ps >= 0;
    message->state = next ? MESSAGE_WAITING : MESSAGE_NONE;
    *channel_time(islands, island, c) = next ? message->pending_ps : TIME_NEVER_PS;
    if (next) message->start_ps = message->pending_ps;
    message->pending_ps = -1;
}

/// The message of a channel ends, vanishes or begins. Returns the channel's bit if it has ended.
static uint64_t message_due(Islands *islands, Island *island, int32_t c, int64_t now_ps) {
    const int64_t *time_ps = channel_time(islands, island, c);
    IslandMessage *message = &island->state->message[c];
    uint64_t ended = 0;
    island_touch_message(islands, island, c);
    if (message->state == MESSAGE_RUNNING) {
        end_message(islands, island, c, now_ps);
        ended = bit(c);
    }
    if (message->state == MESSAGE_GHOST && *time_ps == now_ps) end_ghost(islands, island, c);
    if (message->state == MESSAGE_WAITING && *time_ps == now_ps) start_message(island, c, now_ps);
    return ended;
}

uint64_t island_messages_due(Islands *islands, Island *island, int64_t now_ps) {
    uint64_t ended = 0;
    int32_t event = island->next_event;
    if (event >= 0)
        return event < islands->stages
                   ? 0
                   : message_due(islands, island, event - islands->stages, now_ps);
    for (int32_t c = 0; c < islands->channels; c++)
        if (*channel_time(islands, island, c) == now_ps)
            ended |= message_due(islands, island, c, now_ps);
    return ended;
}

static void complete(Islands *islands, Island *island, int32_t c, int64_t now_ps) {
    const ChannelShape *shape = &island->shape->channel[c];
    Unit *receiver = &island->unit[c / CHANNEL_SIDES];
    island_touch_unit(islands, island, c / CHANNEL_SIDES);
    island_touch_unit(islands, island, shape->sender);
    Completion done = {.tag = receiver->id * CHANNEL_SIDES + c % CHANNEL_SIDES,
                       .start_ps = island->state->message[c].start_ps,
                       .end_ps = now_ps,
                       .alone_ps = shape->alone_ps};
    network_end_message(islands->machine, &done, receiver, &island->unit[shape->sender],
                        &island->state->count);
}

void island_complete(Islands *islands, Island *island, uint64_t ended, int64_t now_ps) {
    islands_enter(islands, island);
    for (; ended; ended &= ended - 1) complete(islands, island, __builtin_ctzll(ended), now_ps);
}

static void compute_due(Islands *islands, Island *island, int32_t stage, int64_t now_ps) {
    while (island->time_ps[stage] == now_ps) {
        island_touch_unit(islands, island, stage);
        island->time_ps[stage] = TIME_NEVER_PS;
        unit_compute_due(islands->machine, &island->unit[stage], now_ps);
    }
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
    if (event >= 0 && event < islands->stages) {
        compute_due(islands, island, event, now_ps);
        return true;
    }
    uint64_t ended = island_messages_due(islands, island, now_ps);
    if (island->changed && !island_solve(islands, island, now_ps)) return false;
    island_complete(islands, island, ended, now_ps);
    island_compute_due(islands, island, now_ps);
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
    island->undo_end = islands->undo.n;
    return agrees;
}

void island_cut_slow(Islands *islands, Island *island, int64_t now_ps) {
    for (uint64_t left = island->state->present; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        if (island->state->message[c].slow_since_ps < 0) continue;
        end_slow(islands, island, c, now_ps);
        begin_slow(&island->state->message[c], now_ps);
    }
}

/// Progress of a running message since the last sample, in whole bytes; what is cut is carried on.
static void sample(Islands *islands, const Island *island, int32_t c, int64_t now_ps) {
    IslandMessage *message = &island->state->message[c];
    if (message->state != MESSAGE_RUNNING) return;
    settle(&island->shape->channel[c], message, now_ps);
    const Routes *routes = ledger_routes(islands->ledger);
    message->period_bytes +=
        fluid_sample(routes, island->route[c], message->remaining,
                     islands->machine->cost.boundary_bytes, &message->sampled_bytes);
}

void island_enter_bytes(Islands *islands, Island *island, int64_t now_ps, bool at_sample) {
    int32_t recorded = islands->recorded;
    for (int32_t c = 0; c < islands->channels; c++) {
        IslandMessage *message = &island->state->message[c];
        if (island->route[c] < 0) continue;
        if (at_sample) sample(islands, island, c, now_ps);
        for (int32_t like = island->leader; like >= 0;
             like = island_next_kept(islands, island, like)) {
            int32_t route = islands->at[like].route[c];
            for (int32_t step = recorded; step < recorded + 2; step++)
                ledger_add_bytes(islands->ledger, route, step, message->step_bytes[step & 1], 0);
            ledger_add_bytes(islands->ledger, route, 0, 0, message->period_bytes);
        }
        message->step_bytes[0] = message->step_bytes[1] = message->period_bytes = 0;
    }
}
