// Playing an isle: its transfers, at the levels that rings have now.
#include "base/check.h"
#include "base/units.h"
#include "engine/isles/isle.h"

int64_t isle_latency_ps(const Isles *isles, int64_t i, int32_t c) {
    return isles->at[i].shape->channel[c].latency_ps;
}

void isle_start(Isles *isles, int64_t i, int32_t c, int64_t start_ps, int32_t step) {
    Isle *isle = &isles->at[i];
    isle_touch_message(isles, isle, c);
    IsleMessage *message = &isle->state->message[c];
    message->step = step;
    if (message->state == MESSAGE_GHOST) {
        // The one before is still felt, but no longer when this one starts.
        CHECK(message->pending_ps < 0, "isle %lld: two transfers at once on channel %d",
              (long long)i, c);
        message->pending_ps = start_ps;
        if (start_ps < isle->time_ps[c]) isle->time_ps[c] = start_ps;
        return;
    }
    CHECK(message->state == MESSAGE_NONE, "isle %lld: channel %d is taken", (long long)i, c);
    message->state = MESSAGE_WAITING;
    message->start_ps = start_ps;
    isle->time_ps[c] = start_ps;
}

static void settle(const ChannelShape *shape, IsleMessage *message, int64_t now_ps) {
    fluid_settle(&message->remaining, &message->settled_ps, shape->level_work, message->level,
                 now_ps);
}

/// Log how long and how far the transfer of a channel has been below its cap.
static void end_slow(Isles *isles, const Isle *isle, int32_t c, int64_t now_ps) {
    IsleMessage *message = &isle->state->message[c];
    if (message->slow_since_ps < 0) return;
    int64_t from_ps = message->slow_since_ps;
    message->slow_since_ps = -1;
    if (from_ps == now_ps) return;
    message->slow_ps += now_ps - from_ps;
    if (2 * (now_ps - from_ps) >= message->slow_ps) message->slow_lane = message->lane;
    Wide delay = price_delay(isle->shape->channel[c].cap, message->level, now_ps - from_ps);
    int32_t leader = (int32_t)isle_index(isles, isle);
    for (int32_t like = leader; like >= 0; like = isles->at[like].next_like)
        array_push(&isles->slow, (SlowSpan){.delay = delay,
                                            .from_ps = from_ps,
                                            .to_ps = now_ps,
                                            .slot = isles->at[like].slot[message->lane],
                                            .step = message->step,
                                            .isle = leader,
                                            .round = isle->round});
}

static void begin_slow(IsleMessage *message, int64_t now_ps) {
    if (message->state == MESSAGE_RUNNING && message->lane >= 0) message->slow_since_ps = now_ps;
}

static void set_level(Isles *isles, Isle *isle, int32_t c, int64_t level, int32_t lane,
                      int64_t now_ps) {
    IsleMessage *message = &isle->state->message[c];
    if (message->level == level && message->lane == lane) return;
    isle_touch_message(isles, isle, c);
    const ChannelShape *shape = &isle->shape->channel[c];
    end_slow(isles, isle, c, now_ps);
    bool moves = message->level != level;
    if (message->state == MESSAGE_RUNNING && moves) settle(shape, message, now_ps);
    message->level = level;
    message->lane = lane;
    if (message->state == MESSAGE_RUNNING && moves)
        isle->time_ps[c] = price_end_ps(now_ps, message->remaining, shape->level_work, level);
    begin_slow(message, now_ps);
}

static void log_bind(Isles *isles, const Isle *isle, const BoundLanes *bound, int32_t lane,
                     int64_t to_ps) {
    if (bound->since_ps == to_ps) return;
    array_push(&isles->bind, (BindSpan){.level = bound->level,
                                        .from_ps = bound->since_ps,
                                        .to_ps = to_ps,
                                        .isle = (int32_t)isle_index(isles, isle),
                                        .round = isle->round,
                                        .lane = lane});
}

static void mark_lanes(Isles *isles, const Isle *isle, int32_t i, bool bound) {
    for (int32_t k = 0; k < isle->bound.at[i].n; k++) {
        int32_t slot = isle->slot[isle->bound.at[i].first + k];
        isles->slot_lane.at[slot].bound = bound ? (uint16_t)(i + 1) : 0;
        if (bound)
            isles->slot_notes.at[slot] |= SLOT_BOUND;
        else
            isles->slot_notes.at[slot] &= (uint8_t)~SLOT_BOUND;
    }
}

void isle_mark_bound(Isles *isles, const Isle *isle, bool bound) {
    for (int32_t i = 0; i < isle->state->nbound; i++) mark_lanes(isles, isle, i, bound);
}

/// One more lane that binds: of the last run, if it goes on there.
static void push_bound(BoundRuns *runs, const IsleShape *shape, BoundLanes one) {
    BoundLanes *last = runs->n > 0 ? &runs->at[runs->n - 1] : NULL;
    if (last && last->level == one.level && last->since_ps == one.since_ps &&
        last->first + last->n == one.first &&
        shape->lane[last->first].channels == shape->lane[one.first].channels)
        last->n++;
    else
        array_push(runs, one);
}

/// Of lanes that held rings, those that were found again go on; the others end.
static void review_bound(Isles *isles, const Isle *isle, BoundLanes bound, int64_t now_ps) {
    for (int32_t l = bound.first; l < bound.first + bound.n; l++) {
        SolvedLane *solved = isle_solved(isles, l);
        if (solved && solved->level == bound.level) {
            push_bound(&isles->rebound, isle->shape,
                       (BoundLanes){bound.level, bound.since_ps, l, 1});
            solved->level = LEVEL_NONE;
        } else {
            log_bind(isles, isle, &bound, l, now_ps);
        }
    }
}

/// Put runs where there are none.
static void place_bound(Isles *isles, Isle *isle, const BoundRuns *runs) {
    int32_t place = 0;
    for (int64_t i = 0; i < runs->n; i++, place++) {
        while (place < isle->state->nbound && isle->bound.at[place].n > 0) place++;
        array_reserve(&isle->bound, place + 1);
        isle->bound.at[place] = runs->at[i];
        if (place == isle->state->nbound) isle->state->nbound++;
        mark_lanes(isles, isle, place, true);
    }
    while (isle->state->nbound > 0 && isle->bound.at[isle->state->nbound - 1].n == 0)
        isle->state->nbound--;
}

/// What lanes of `channels` did to rings ends unless it was found again.
static void update_bound(Isles *isles, Isle *isle, uint64_t channels, int64_t now_ps) {
    if (isles->undo->on && !isle->kept_bound) {
        isle->kept_bound = true;
        undo_keep_in(isles->undo, &isle->bound.at, 0,
                     sizeof(BoundLanes) * (size_t)isle->state->nbound);
    }
    array_clear(&isles->rebound);
    for (int32_t i = 0; i < isle->state->nbound; i++) {
        BoundLanes bound = isle->bound.at[i];
        if (bound.n == 0 || !(isle->shape->lane[bound.first].channels & channels)) continue;
        mark_lanes(isles, isle, i, false);
        isle->bound.at[i].n = 0;
        review_bound(isles, isle, bound, now_ps);
    }
    for (int64_t i = 0; i < isles->solved.n; i++) {
        const SolvedLane *solved = &isles->solved.at[i];
        if (solved->level != LEVEL_NONE)
            push_bound(&isles->rebound, isle->shape,
                       (BoundLanes){solved->level, now_ps, solved->lane, 1});
    }
    place_bound(isles, isle, &isles->rebound);
}

bool isle_has_changed(const Isles *isles, int64_t i) { return isles->at[i].changed != 0; }

bool isle_solve(Isles *isles, int64_t i, int64_t now_ps) {
    Isle *isle = &isles->at[i];
    if (!isle->changed) return true;
    uint64_t channels = isle_reach(isle, isle->changed);
    uint64_t present = channels & isle->state->present;
    isle->changed = 0;
    bool alone = (present & (present - 1)) == 0 && !(channels & isle->ring_channels);
    if (alone && isle->state->nbound == 0) {
        if (present) {
            int32_t c = __builtin_ctzll(present);
            set_level(isles, isle, c, isle->shape->channel[c].cap, -1, now_ps);
        }
        return true;
    }
    if (!isle_fill(isles, isle, present)) return false;
    int64_t transfer = 0;
    for (uint64_t left = present; left; left &= left - 1, transfer++) {
        int32_t c = __builtin_ctzll(left);
        set_level(isles, isle, c, isles->draft.solution.level.at[transfer],
                  isle_binding(isles, isle, c, transfer), now_ps);
    }
    update_bound(isles, isle, channels, now_ps);
    return true;
}

static void start_message(Isle *isle, int32_t c, int64_t now_ps) {
    IsleMessage *message = &isle->state->message[c];
    message->state = MESSAGE_RUNNING;
    message->remaining = isle->shape->channel[c].work;
    message->settled_ps = now_ps;
    message->level = LEVEL_UNKNOWN;
    message->lane = -1;
    message->sampled_bytes = 0;
    message->slow_ps = 0;
    isle->state->present |= channel_bit(c);
    isle->changed |= channel_bit(c);
}

/// The last byte has arrived; others feel the transfer for another control delay.
static void end_message(Isles *isles, Isle *isle, int32_t c, int64_t now_ps) {
    IsleMessage *message = &isle->state->message[c];
    int64_t bytes = isle->shape->channel[c].bytes;
    end_slow(isles, isle, c, now_ps);
    message->step_bytes[message->step & 1] += bytes;
    message->period_bytes += bytes - message->sampled_bytes;
    message->state = MESSAGE_GHOST;
    isle->time_ps[c] = fluid_felt_until_ps(now_ps, isles->spec.control_delay_ps);
}

static void end_ghost(Isle *isle, int32_t c) {
    IsleMessage *message = &isle->state->message[c];
    isle->state->present &= ~channel_bit(c);
    isle->changed |= channel_bit(c);
    bool next = message->pending_ps >= 0;
    message->state = next ? MESSAGE_WAITING : MESSAGE_NONE;
    isle->time_ps[c] = next ? message->pending_ps : TIME_NEVER_PS;
    if (next) message->start_ps = message->pending_ps;
    message->pending_ps = -1;
}

/// The transfer of a channel ends, vanishes or begins. Returns the channel's bit if it has ended.
static uint64_t channel_due(Isles *isles, Isle *isle, int32_t c, int64_t now_ps) {
    const int64_t *time_ps = &isle->time_ps[c];
    IsleMessage *message = &isle->state->message[c];
    uint64_t ended = 0;
    isle_touch_message(isles, isle, c);
    if (message->state == MESSAGE_RUNNING) {
        end_message(isles, isle, c, now_ps);
        ended = channel_bit(c);
    }
    if (message->state == MESSAGE_GHOST && *time_ps == now_ps) end_ghost(isle, c);
    if (message->state == MESSAGE_WAITING && *time_ps == now_ps) start_message(isle, c, now_ps);
    return ended;
}

uint64_t isle_due(Isles *isles, int64_t i, int32_t channel, int64_t now_ps) {
    Isle *isle = &isles->at[i];
    if (channel >= 0) return channel_due(isles, isle, channel, now_ps);
    uint64_t ended = 0;
    for (int32_t c = 0; c < isles->channels; c++)
        if (isle->time_ps[c] == now_ps) ended |= channel_due(isles, isle, c, now_ps);
    return ended;
}

Completion isle_completion(const Isles *isles, int64_t i, int32_t c, int64_t now_ps) {
    const IsleMessage *message = &isles->at[i].state->message[c];
    Completion done = {.start_ps = message->start_ps,
                       .end_ps = now_ps,
                       .alone_ps = isles->at[i].shape->channel[c].alone_ps};
    const Routes *routes = ledger_routes(isles->ledger);
    if (message->slow_ps > 0)
        slowed_add(&done.slowed, routes->cluster,
                   routes->link[isles->at[i].slot[message->slow_lane]], message->slow_ps);
    return done;
}

void isle_cut_slow(Isles *isles, Isle *isle, int64_t now_ps) {
    for (uint64_t left = isle->state->present; left; left &= left - 1) {
        int32_t c = __builtin_ctzll(left);
        if (isle->state->message[c].slow_since_ps < 0) continue;
        end_slow(isles, isle, c, now_ps);
        begin_slow(&isle->state->message[c], now_ps);
    }
}

/// Progress of a running transfer since the last sample, in whole bytes; what is cut is carried on.
static void sample_message(const Isles *isles, const Isle *isle, int32_t c, int64_t now_ps) {
    IsleMessage *message = &isle->state->message[c];
    const ChannelShape *shape = &isle->shape->channel[c];
    if (message->state != MESSAGE_RUNNING) return;
    settle(shape, message, now_ps);
    message->period_bytes +=
        fluid_sample(ledger_routes(isles->ledger), isle->route[c], message->remaining, shape->bytes,
                     &message->sampled_bytes);
}

void isle_enter_bytes(Isles *isles, Isle *isle, int64_t now_ps, int32_t first_step, bool sample) {
    for (int32_t c = 0; c < isles->channels; c++) {
        IsleMessage *message = &isle->state->message[c];
        if (isle->route[c] < 0) continue;
        if (sample) sample_message(isles, isle, c, now_ps);
        for (int32_t like = isle->leader; like >= 0; like = isles->at[like].next_like) {
            int32_t route = isles->at[like].route[c];
            for (int32_t step = first_step; step < first_step + 2; step++)
                ledger_add_bytes(isles->ledger, route, step, message->step_bytes[step & 1], 0);
            ledger_add_bytes(isles->ledger, route, 0, 0, message->period_bytes);
        }
        message->step_bytes[0] = message->step_bytes[1] = message->period_bytes = 0;
    }
}
