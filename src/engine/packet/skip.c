#include "engine/packet/skip.h"

#include "base/check.h"
#include "base/memory.h"
#include "engine/packet/control.h"
#include "engine/packet/hubs.h"

#define LABEL "packet.skip"

enum {
    LOOK_WINDOWS = 16,   ///< between looks
    LEAST_PACKETS = 128, ///< of a queue pair in half a measurement
    LEAST_ROUNDS = 8,
    LEAST_CUTS = 2,
    REST_PACKETS = 16, ///< are played before a queue pair ends
    REST_ROUNDS = 2,
    TRIES_MOST = 8, ///< measurements grow until then
};
/// What is still the same.
static const double TOLERANCE = 0.05;

void skip_init(Engine *engine) {
    // what is lost is not steady
    engine->skip =
        (Skip){.wanted = engine->net.spec.skip && !engine->net.lossy, .look_ps = TIME_NEVER_PS};
    engine->skip.pair.label = LABEL;
}

void skip_fini(Engine *engine) {
    Skip *skip = &engine->skip;
    array_free(&skip->pair);
    skip_free_notes(engine);
    memory_free(LABEL, skip->moved, (size_t)skip->nmoved * sizeof *skip->moved);
}

static void begin_anew(Engine *engine) {
    engine->skip.stage = SKIP_FRESH;
    engine->skip.look_ps = engine->now_ps + LOOK_WINDOWS * engine->net.window_ps;
}

void skip_break(Engine *engine) {
    if (!engine->skip.wanted) return;
    skip_settle(engine);
    engine->event_ps = engine->now_ps; // something may happen
    engine->skip.tries = 0;
    begin_anew(engine);
}

// What is measured.

/// Packets of each round of a queue pair; 0: it has one round, -1: they are not all equal.
static int32_t packets_of_rounds(const Engine *engine, const QueuePair *qp, int64_t rounds) {
    const int64_t mtu_bytes = engine->net.spec.mtu_bytes;
    if (rounds == 1) return 0;
    const int32_t least = qp_packets(qp->bytes / rounds, mtu_bytes),
                  most = qp_packets((qp->bytes + rounds - 1) / rounds, mtu_bytes);
    return least == most ? least : -1;
}

/// List what has begun.
static void list_pairs(Engine *engine) {
    Skip *skip = &engine->skip;
    const Plays *plays = &engine->plays;
    array_clear(&skip->pair);
    skip->soon_ps = TIME_NEVER_PS;
    for (int32_t q = 0; q < plays->qp.n; q++) {
        const QueuePair *qp = &plays->qp.at[q];
        if (qp->play < 0) continue;
        const Play *play = &plays->play.at[qp->play];
        if (play->first_ps > engine->now_ps) {
            if (play->first_ps < skip->soon_ps) skip->soon_ps = play->first_ps;
            continue;
        }
        const int32_t packets = packets_of_rounds(engine, qp, play->rounds);
        array_push(&skip->pair, (SkipPair){.qp = q, .packets = packets, .rounds = play->rounds});
    }
}

/// Has one of those listed ended?
static bool has_ended(const Engine *engine) {
    for (int64_t i = 0; i < engine->skip.pair.n; i++)
        if (engine->plays.qp.at[engine->skip.pair.at[i].qp].play < 0) return true;
    return false;
}

/// What this rank knows of a queue pair.
static Stand own_stand(const Engine *engine, int32_t q) {
    const QueuePair *qp = &engine->plays.qp.at[q];
    const PacketSpec *spec = &engine->net.spec;
    Stand stand = {0};
    if (ranks_have(&engine->net.ranks, qp->src)) {
        stand.sent = qp->sent;
        stand.below = control_is_below(&qp->control);
        stand.cuts = qp->control.cuts;
        if (control_is_timed(spec)) stand.window = qp->control.window;
    }
    if (ranks_have(&engine->net.ranks, qp->dst)) {
        stand.received = qp->received;
        stand.done = qp->done;
        stand.done_ps = qp->done_ps;
    }
    return stand;
}

/// Has a queue pair come far enough since the last mark?
static bool is_ready(const Engine *engine, const SkipPair *pair) {
    static const Stand nothing = {0};
    const Skip *skip = &engine->skip;
    const QueuePair *qp = &engine->plays.qp.at[pair->qp];
    if (pair->packets < 0) return false; // it cannot be passed over
    if (!ranks_have(&engine->net.ranks, qp->dst)) return true;
    if (qp->done == pair->rounds) return false; // it has ended
    const Stand *since = skip->stage == SKIP_FRESH   ? &nothing
                         : skip->stage == SKIP_FIRST ? &pair->first
                                                     : &pair->half;
    const int64_t few = skip->stage == SKIP_FRESH ? 4 : 1; // what comes first is not measured
    const int64_t tries = skip->stage == SKIP_FRESH ? 0 : skip->tries;
    if (pair->packets > 0)
        return (qp->done - since->done) * few >= LEAST_ROUNDS + tries * LEAST_ROUNDS / 2;
    return (qp->received - since->received) * few >= LEAST_PACKETS + tries * LEAST_PACKETS / 2;
}

/// On all ranks?   MPI: collective.
static bool all_ready(Engine *engine) {
    int64_t ready = true;
    for (int64_t i = 0; ready && i < engine->skip.pair.n; i++)
        ready = is_ready(engine, &engine->skip.pair.at[i]);
    if (engine->net.ranks.owner) comm_min_i64(engine->net.ranks.comm, &ready, 1);
    return ready;
}

static Stand *stand_of(SkipPair *pair, SkipStage stage) {
    return stage == SKIP_FRESH ? &pair->first : stage == SKIP_FIRST ? &pair->half : &pair->last;
}

/// Write down where all stand, in the words of the stage.   MPI: collective.
static void mark(Engine *engine) {
    Skip *skip = &engine->skip;
    const int64_t n = skip->pair.n;
    Stand *stand = memory_alloc(LABEL, (size_t)n * sizeof *stand);
    for (int64_t i = 0; i < n; i++) stand[i] = own_stand(engine, skip->pair.at[i].qp);
    if (engine->net.ranks.owner)
        comm_sum_i64(engine->net.ranks.comm, (int64_t *)stand, (int)(n * STAND_WORDS));
    for (int64_t i = 0; i < n; i++) *stand_of(&skip->pair.at[i], skip->stage) = stand[i];
    memory_free(LABEL, stand, (size_t)n * sizeof *stand);
}

// Is it steady?

static bool is_close(double a, double b, double tolerance) {
    const double more = a > b ? a : b, less = a > b ? b : a;
    return more - less <= tolerance * more;
}

/// Did a window grow, or shrink, in both halves? It is on its way to something.
static bool is_drifting(int64_t a, int64_t b, int64_t c) {
    return (a < b && b < c) || (a > b && b > c);
}

/// A rate that has been cut rises for good unless it is cut again and again; a window may move a little, to and fro.
static bool is_control_steady(const SkipPair *pair) {
    const Stand *a = &pair->first, *b = &pair->half, *c = &pair->last;
    const bool below = (a->below | b->below | c->below) != 0;
    if (below && (b->cuts - a->cuts < LEAST_CUTS || c->cuts - b->cuts < LEAST_CUTS)) return false;
    if (is_drifting(a->window, b->window, c->window)) return false;
    const int64_t change = c->window - a->window;
    return (change >= -1 && change <= 1) ||
           is_close((double)a->window, (double)c->window, TOLERANCE);
}

/// What is under way of it has not become more or less.
static bool is_queue_steady(const SkipPair *pair) {
    const int64_t before = pair->first.sent - pair->first.received,
                  behind = pair->last.sent - pair->last.received,
                  change = behind > before ? behind - before : before - behind,
                  come = pair->last.received - pair->first.received;
    return (double)change <= TOLERANCE * (double)come + pair->packets + 4;
}

static bool is_pair_steady(const Skip *skip, const SkipPair *pair, int64_t now_ps) {
    const Stand *a = &pair->first, *b = &pair->half, *c = &pair->last;
    if (!is_control_steady(pair) || !is_queue_steady(pair)) return false;
    if (pair->packets > 0)
        return is_close((double)(b->done - a->done) / (double)(b->done_ps - a->done_ps),
                        (double)(c->done - b->done) / (double)(c->done_ps - b->done_ps), TOLERANCE);
    return is_close((double)(b->received - a->received) / (double)(skip->half_ps - skip->first_ps),
                    (double)(c->received - b->received) / (double)(now_ps - skip->half_ps),
                    TOLERANCE);
}

// Paces.

/// The same for all queue pairs of a transfer that goes by rounds: the mean; false: some are slower than others.
static bool set_pace_of_rounds(Skip *skip, int64_t first, int64_t end) {
    int64_t units = 0, span_ps = 0;
    for (int64_t i = first; i < end; i++) {
        const SkipPair *pair = &skip->pair.at[i];
        units += pair->last.done - pair->first.done;
        span_ps += pair->last.done_ps - pair->first.done_ps;
    }
    const double pace = (double)units / (double)span_ps;
    for (int64_t i = first; i < end; i++) {
        SkipPair *pair = &skip->pair.at[i];
        const int64_t own_ps = pair->last.done_ps - pair->first.done_ps;
        if (!is_close((double)(pair->last.done - pair->first.done) / (double)own_ps, pace,
                      TOLERANCE))
            return false;
        pair->units = units;
        pair->span_ps = span_ps;
    }
    return true;
}

static bool set_paces(Engine *engine) {
    Skip *skip = &engine->skip;
    for (int64_t i = 0, end; i < skip->pair.n; i = end) {
        SkipPair *pair = &skip->pair.at[i];
        end = i + 1;
        if (pair->packets == 0) {
            pair->units = pair->last.received - pair->first.received;
            pair->span_ps = engine->now_ps - skip->first_ps;
            continue;
        }
        const int32_t play = engine->plays.qp.at[pair->qp].play;
        while (end < skip->pair.n && engine->plays.qp.at[skip->pair.at[end].qp].play == play) end++;
        if (!set_pace_of_rounds(skip, i, end)) return false;
    }
    return true;
}

/// Packets or rounds that a queue pair goes on in a time.
static int64_t gone(const SkipPair *pair, int64_t time_ps) {
    return (int64_t)(((Wide)time_ps * pair->units + pair->span_ps / 2) / pair->span_ps);
}

/// How long it can go on: until some are left that are played.
static int64_t lasts_ps(const Engine *engine, const SkipPair *pair) {
    const Stand *last = &pair->last;
    int64_t left = qp_packets(engine->plays.qp.at[pair->qp].bytes, engine->net.spec.mtu_bytes) -
                   last->sent - REST_PACKETS;
    if (pair->packets > 0) {
        const int64_t sends = (last->sent + pair->packets - 1) / pair->packets;
        left = pair->rounds - (sends > last->done ? sends : last->done) - REST_ROUNDS;
    }
    return left > 0 ? (int64_t)(((Wide)left * pair->span_ps + pair->units - 1) / pair->units) : 0;
}

/// Of the same transfer all go on alike: until the first of them has too little left.
static int64_t end_ps(const Engine *engine) {
    const Skip *skip = &engine->skip;
    int64_t end_ps = skip->soon_ps;
    for (int64_t i = 0; i < skip->pair.n; i++) {
        const int64_t own_ps = engine->now_ps + lasts_ps(engine, &skip->pair.at[i]);
        if (own_ps < end_ps) end_ps = own_ps;
    }
    return end_ps;
}

static bool is_steady(Engine *engine) {
    const Skip *skip = &engine->skip;
    for (int64_t i = 0; i < skip->pair.n; i++)
        if (!is_pair_steady(skip, &skip->pair.at[i], engine->now_ps)) return false;
    return set_paces(engine);
}

/// The second half of a measurement is the first of the next.
static void slide(Engine *engine) {
    Skip *skip = &engine->skip;
    const SkipNote first = skip->note[0];
    skip->note[0] = skip->note[1];
    skip->note[1] = first;
    skip_note_totals(engine, 1);
    for (int64_t i = 0; i < skip->pair.n; i++) {
        skip->pair.at[i].first = skip->pair.at[i].half;
        skip->pair.at[i].half = skip->pair.at[i].last;
    }
    skip->first_ps = skip->half_ps;
    skip->half_ps = engine->now_ps;
    if (skip->tries < TRIES_MOST) skip->tries++;
}

/// A measurement is complete.
static void judge(Engine *engine) {
    Skip *skip = &engine->skip;
    const int64_t took_ps = engine->now_ps - skip->first_ps;
    if (!is_steady(engine)) {
        slide(engine);
        return;
    }
    skip->from_ps = skip->at_ps = engine->now_ps;
    skip->end_ps = end_ps(engine);
    begin_anew(engine);
    if (skip->end_ps - skip->from_ps < took_ps / 2) return; // it is not worth it
    skip_measure_totals(engine);
    skip->span_ps = took_ps;
    skip->stage = SKIP_PASSING;
}

int64_t skip_look_ps(const Engine *engine) {
    const Skip *skip = &engine->skip;
    return skip->wanted && skip->stage != SKIP_PASSING ? skip->look_ps : TIME_NEVER_PS;
}

void skip_look(Engine *engine) {
    Skip *skip = &engine->skip;
    skip->look_ps = engine->now_ps + LOOK_WINDOWS * engine->net.window_ps;
    if (engine->now_ps >= skip->soon_ps || has_ended(engine)) skip->stage = SKIP_FRESH;
    if (skip->stage == SKIP_FRESH) list_pairs(engine);
    if (skip->pair.n == 0 && skip->soon_ps == TIME_NEVER_PS) skip->look_ps = TIME_NEVER_PS;
    if (skip->pair.n == 0 || !all_ready(engine)) return;
    mark(engine);
    switch (skip->stage) {
        case SKIP_FRESH:
            skip_note_totals(engine, 0);
            skip->first_ps = engine->now_ps;
            skip->stage = SKIP_FIRST;
            break;
        case SKIP_FIRST:
            skip_note_totals(engine, 1);
            skip->half_ps = engine->now_ps;
            skip->stage = SKIP_HALF;
            break;
        case SKIP_HALF:
        case SKIP_PASSING: judge(engine); break;
    }
}

// Passing over.

static void have_room(Engine *engine) {
    Skip *skip = &engine->skip;
    if (skip->nmoved >= engine->plays.qp.n) return;
    skip->moved = memory_resize(LABEL, skip->moved, (size_t)skip->nmoved * sizeof *skip->moved,
                                (size_t)engine->plays.qp.n * sizeof *skip->moved);
    skip->nmoved = engine->plays.qp.n;
}

/// The state is that of at_ps; let it be that of now_ps.
static void move_on(Engine *engine, int64_t now_ps) {
    Skip *skip = &engine->skip;
    have_room(engine);
    for (int64_t i = 0; i < skip->pair.n; i++) {
        SkipPair *pair = &skip->pair.at[i];
        const int64_t passed = gone(pair, now_ps - skip->from_ps),
                      each = pair->packets > 0 ? pair->packets : 1;
        skip->moved[pair->qp] = (int32_t)((passed - pair->passed) * each);
        skip_count_packets(engine, pair, passed);
        pair->passed = passed;
    }
    skip_extend_totals(engine, skip->span_ps, skip->at_ps - skip->from_ps, now_ps - skip->from_ps);
    engine->now_ps = skip->at_ps;
    skip_shift(engine, now_ps - skip->at_ps);
    engine->now_ps = skip->at_ps = now_ps;
}

void skip_settle(Engine *engine) {
    Skip *skip = &engine->skip;
    if (skip->stage == SKIP_PASSING && engine->now_ps > skip->at_ps)
        move_on(engine, engine->now_ps);
}

bool skip_pass(Engine *engine, int64_t to_ps) {
    Skip *skip = &engine->skip;
    if (skip->stage != SKIP_PASSING) return false;
    engine->now_ps = to_ps < skip->end_ps ? to_ps : skip->end_ps;
    if (engine->now_ps < skip->end_ps) return true;
    skip_settle(engine);
    skip->tries = 0;
    begin_anew(engine);
    return true;
}
