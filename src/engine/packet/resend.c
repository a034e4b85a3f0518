#include "engine/packet/resend.h"

#include "base/memory.h"

#define LABEL "packet.resend"

void resend_begin(Engine *engine, int32_t q) {
    QueuePair *qp = &engine->plays.qp.at[q];
    qp->resend = memory_alloc(LABEL, sizeof *qp->resend);
    *qp->resend = (Resend){
        .first = {0, qp->round, qp->round_end, qp->last_bytes},
        .at = {0, qp->round, qp->round_end, qp->last_bytes},
        .reorder = engine->net.spec.reorder_packets,
    };
}

static void free_bits(Resend *resend) {
    const size_t bytes = (size_t)resend->words * sizeof(uint64_t);
    memory_free(LABEL, resend->got, bytes);
    memory_free(LABEL, resend->lost, bytes);
    memory_free(LABEL, resend->place, (size_t)resend->words * 64 * sizeof *resend->place);
}

void resend_end(QueuePair *qp) {
    if (!qp->resend) return;
    free_bits(qp->resend);
    memory_free(LABEL, qp->resend->order,
                (size_t)qp->resend->order_size * sizeof *qp->resend->order);
    memory_free(LABEL, qp->resend, sizeof *qp->resend);
    qp->resend = NULL;
}

// Bits.

static bool has(const uint64_t bits[], int32_t words, int32_t number) {
    const uint32_t at = (uint32_t)number % (uint32_t)(64 * words);
    return words > 0 && (bits[at / 64] >> at % 64 & 1) != 0;
}

static void set(uint64_t bits[], int32_t words, int32_t number, bool on) {
    const uint32_t at = (uint32_t)number % (uint32_t)(64 * words);
    const uint64_t bit = UINT64_C(1) << at % 64;
    bits[at / 64] = on ? bits[at / 64] | bit : bits[at / 64] & ~bit;
}

/// Note that a packet is sent behind all others.
static void note(Resend *resend, int32_t number) {
    if (resend->tail - resend->judged >= resend->order_size) {
        const int32_t size = 2 * resend->order_size;
        int32_t *order = memory_alloc(LABEL, (size_t)size * sizeof *order);
        for (int64_t p = resend->judged; p < resend->tail; p++)
            order[p % size] = resend->order[p % resend->order_size];
        memory_free(LABEL, resend->order, (size_t)resend->order_size * sizeof *order);
        resend->order = order;
        resend->order_size = size;
    }
    resend->place[number % (64 * resend->words)] = resend->tail;
    resend->order[resend->tail++ % resend->order_size] = number;
}

static void take_bits(Resend *resend, int32_t words) {
    resend->words = words;
    resend->got = memory_alloc(LABEL, (size_t)words * sizeof *resend->got);
    resend->lost = memory_alloc(LABEL, (size_t)words * sizeof *resend->lost);
    resend->place = memory_alloc(LABEL, (size_t)words * 64 * sizeof *resend->place);
}

/// Have room for all that is under way, of which nothing is lost yet if there was none.
static void grow(QueuePair *qp) {
    Resend *resend = qp->resend, old = *resend;
    int32_t words = old.words > 0 ? old.words : 1;
    while (64 * words <= qp->sent - qp->acked) words *= 2;
    if (words == old.words) return;
    take_bits(resend, words);
    for (int32_t n = qp->acked; n < qp->acked + 64 * old.words; n++) {
        if (has(old.got, old.words, n)) set(resend->got, words, n, true);
        if (has(old.lost, old.words, n)) set(resend->lost, words, n, true);
        resend->place[n % (64 * words)] = old.place[n % (64 * old.words)];
    }
    free_bits(&old);
    if (old.words > 0) return;
    resend->order_size = 64;
    resend->order = memory_alloc(LABEL, 64 * sizeof *resend->order);
    for (int32_t n = qp->acked; n < qp->sent; n++) note(resend, n);
}

/// Go on to a packet behind.
static void seek(const Engine *engine, const QueuePair *qp, Cursor *cursor, int32_t number) {
    const int64_t rounds = engine->plays.play.at[qp->play].rounds;
    cursor->number = number;
    while (number >= cursor->round_end)
        cursor->round_end +=
            round_packets(engine, qp, rounds, ++cursor->round, &cursor->last_bytes);
}

// Losses.

static void lose(const Engine *engine, QueuePair *qp, int32_t number) {
    Resend *resend = qp->resend;
    if (number < qp->acked || has(resend->got, resend->words, number) ||
        has(resend->lost, resend->words, number))
        return;
    set(resend->lost, resend->words, number, true);
    resend->nlost++;
    if (number >= resend->at.number) return;
    if (resend->first.number < qp->acked) seek(engine, qp, &resend->first, qp->acked);
    resend->at = resend->first;
}

static void set_got(QueuePair *qp, int32_t number) {
    Resend *resend = qp->resend;
    if (has(resend->lost, resend->words, number)) {
        set(resend->lost, resend->words, number, false);
        resend->nlost--;
    }
    set(resend->got, resend->words, number, true);
}

/// All before `acked` have come.
static void forget(QueuePair *qp, int32_t acked) {
    Resend *resend = qp->resend;
    for (; qp->acked < acked && resend->words > 0; qp->acked++) {
        set_got(qp, qp->acked);
        set(resend->got, resend->words, qp->acked, false);
    }
    qp->acked = acked;
}

/// What was sent before a place and has not come is lost.
static void judge(const Engine *engine, QueuePair *qp, int64_t end) {
    Resend *resend = qp->resend;
    for (; resend->judged < end; resend->judged++) {
        const int32_t n = resend->order[resend->judged % resend->order_size];
        if (n >= qp->acked && resend->place[n % (64 * resend->words)] == resend->judged)
            lose(engine, qp, n);
    }
}

void resend_all(Engine *engine, int32_t q) {
    QueuePair *qp = &engine->plays.qp.at[q];
    Resend *resend = qp->resend;
    if (qp->acked == qp->sent) return;
    grow(qp);
    judge(engine, qp, resend->tail);
}

void resend_take(Engine *engine, QueuePair *qp, Packet *packet) {
    Resend *resend = qp->resend;
    int32_t number = resend->at.number > qp->acked ? resend->at.number : qp->acked;
    while (!has(resend->lost, resend->words, number)) number++;
    seek(engine, qp, &resend->at, number);
    set(resend->lost, resend->words, number, false);
    resend->nlost--;
    const bool last = number + 1 == resend->at.round_end;
    packet->number = number;
    packet->bytes = last ? resend->at.last_bytes : (int32_t)engine->net.spec.mtu_bytes;
    packet->flags = (uint8_t)((packet->flags & ~PACKET_LAST) | (last ? PACKET_LAST : 0));
    engine->count.resent++;
    engine->slot[packet->tally].count.resent++;
}

// Acknowledgements.

/// A receiver that keeps nothing behind a gap has refused a packet.
static bool goes_back(const Engine *engine, const Packet *ack) {
    return engine->net.spec.recovery == RECOVERY_GO_BACK && (ack->flags & PACKET_BOUND) != 0 &&
           (ack->flags & PACKET_REFUSED) != 0;
}

static void find_losses(Engine *engine, int32_t q, const Packet *ack) {
    QueuePair *qp = &engine->plays.qp.at[q];
    const int32_t named = ack_answers(ack);
    const Resend *resend = qp->resend;
    if (goes_back(engine, ack)) {
        resend_all(engine, q);
        return;
    }
    if (named < qp->acked || qp->acked == qp->sent) return;
    grow(qp);
    if (ack->flags & PACKET_REFUSED) {
        lose(engine, qp, named);
        return;
    }
    set_got(qp, named);
    const int64_t place = resend->place[named % (64 * resend->words)];
    if (ack->flags & PACKET_BOUND)
        judge(engine, qp, place);
    else if (!engine->net.spec.trim)
        judge(engine, qp, place - resend->reorder);
}

/// A packet came late, not never: those behind it that were taken for a sign of a loss were too few. As many have come as it
/// was late by, and a round trip more, since it came twice.
static void bear_more(QueuePair *qp, const Packet *ack) {
    Resend *resend = qp->resend;
    const int32_t named = ack_answers(ack), late = qp->heard - named;
    if (named < resend->reorder_since) return;
    resend->reorder = late > 2 * resend->reorder ? late : 2 * resend->reorder;
    resend->reorder_since = qp->sent;
}

void resend_hear(Engine *engine, int32_t q, const Packet *ack) {
    QueuePair *qp = &engine->plays.qp.at[q];
    Resend *resend = qp->resend;
    if (ack->flags & PACKET_TWICE) bear_more(qp, ack);
    resend->stir_ps = ack->at_ps;
    resend->probe = PROBE_NONE;
    if (ack->number > qp->acked) forget(qp, ack->number);
    find_losses(engine, q, ack);
    if (ack->flags & PACKET_LAST) resend->finished = true;
}

// Time-outs.

static bool is_over(const Resend *resend) {
    return resend->finished && resend->flying == 0 && !resend->timed;
}

void resend_sent(Engine *engine, int32_t q, int32_t number, int64_t now_ps) {
    QueuePair *qp = &engine->plays.qp.at[q];
    Resend *resend = qp->resend;
    resend->flying++;
    if (resend->words > 0) {
        grow(qp);
        note(resend, number);
    }
    if (resend->probe == PROBE_DUE) resend->probe = PROBE_SENT;
    if (resend->timed) return;
    resend->timed = true;
    resend->stir_ps = now_ps;
    heap_push(&engine->timer[qp->src],
              (HeapItem){now_ps + engine->net.spec.timeout_ps, (uint64_t)q, q});
}

void resend_timer(Engine *engine, int32_t q, int64_t now_ps) {
    QueuePair *qp = &engine->plays.qp.at[q];
    Resend *resend = qp->resend;
    int64_t due_ps = resend->stir_ps + engine->net.spec.timeout_ps;
    if (qp->acked == qp->sent || resend->finished) {
        resend->timed = false;
        if (is_over(resend)) array_push(&engine->drop_qps, q);
        return;
    }
    if (due_ps <= now_ps && !qp->parked) {
        resend->probe = PROBE_DUE;
        engine->count.timeouts++;
        resend_all(engine, q);
    }
    if (due_ps <= now_ps) due_ps = now_ps + engine->net.spec.timeout_ps;
    heap_push(&engine->timer[qp->src], (HeapItem){due_ps, (uint64_t)q, q});
}

void resend_landed(Engine *engine, int32_t q) {
    const QueuePair *qp = &engine->plays.qp.at[q];
    Resend *resend = qp->resend;
    if (!resend) return;
    if (!ranks_have(&engine->net.ranks, qp->src)) {
        array_push(&engine->landed, q);
        return;
    }
    resend->flying--;
    if (is_over(resend)) array_push(&engine->drop_qps, q);
}

void resend_lost(Engine *engine, const Packet *packet, int32_t wire) {
    engine->count.drops++;
    // At the far end of a wire: its port may be another rank's, which counts it as soon as it hears of it.
    if (wire == packet->in)
        array_push(&engine->lost, *packet);
    else
        totals_drop(&engine->net.totals, wire, packet);
    resend_landed(engine, packet->qp);
}
