#include "base/memory.h"
#include "engine/packet/control.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"

#define LABEL "packet.early"

/// Hand something to the NIC of the same GPU, which has it at the same moment.
static void loop(Engine *engine, const Hub *hub, const Packet *packet) {
    net_carry(&engine->net, (int32_t)hub->gpu, packet);
}

// What comes out of order.

static void grow_early(QueuePair *qp, int32_t beyond) {
    int32_t words = qp->early_words > 0 ? qp->early_words : 1;
    while (64 * words <= beyond) words *= 2;
    if (words == qp->early_words) return;
    uint64_t *early = memory_alloc(LABEL, (size_t)words * sizeof *early);
    for (int32_t k = 0; k < 64 * qp->early_words; k++) {
        const uint32_t old = (uint32_t)(qp->arrived + k) % (uint32_t)(64 * qp->early_words),
                       now = (uint32_t)(qp->arrived + k) % (uint32_t)(64 * words);
        if (qp->early[old / 64] >> old % 64 & 1) early[now / 64] |= UINT64_C(1) << now % 64;
    }
    memory_free(LABEL, qp->early, (size_t)qp->early_words * sizeof *early);
    qp->early = early;
    qp->early_words = words;
}

static uint64_t *early_word(const QueuePair *qp, int32_t number, uint64_t *bit) {
    const uint32_t at = (uint32_t)number % (uint32_t)(64 * qp->early_words);
    *bit = UINT64_C(1) << at % 64;
    return &qp->early[at / 64];
}

static bool has_come(const QueuePair *qp, int32_t number) {
    uint64_t bit;
    if (number <= qp->arrived) return number < qp->arrived;
    return number - qp->arrived < 64 * qp->early_words && (*early_word(qp, number, &bit) & bit);
}

/// A packet has come: those without a gap, and those that came before their turn.
static void count(Engine *engine, QueuePair *qp, const Packet *packet) {
    const int32_t number = packet->number;
    uint64_t bit;
    qp->received++;
    if (number > qp->arrived) {
        engine->count.reordered++;
        totals_reorder(&engine->net.totals, packet->in, packet);
        grow_early(qp, number - qp->arrived);
        *early_word(qp, number, &bit) |= bit;
        return;
    }
    qp->arrived++;
    if (qp->early_words == 0) return;
    for (uint64_t *word = early_word(qp, qp->arrived, &bit); *word & bit;
         word = early_word(qp, qp->arrived, &bit)) {
        *word &= ~bit;
        qp->arrived++;
    }
}

// Acknowledgements.

/// Answer a packet; it goes back by the cable that the packet came by.
static void answer(Engine *engine, const Hub *hub, QueuePair *qp, const Packet *packet,
                   int32_t flags) {
    const bool all = (flags & PACKET_LAST) != 0;
    qp->acks_sent++;
    engine->count.acks++;
    engine->slot[packet->tally].count.acknowledgements++;
    if (qp->resend) qp->resend->flying++;
    const Packet ack = {
        .at_ps = packet->at_ps,
        .qp = packet->qp,
        .number = qp->arrived,
        .bytes = all ? qp->acks_sent : ack_says(qp->arrived, qp->received, packet->number),
        .in = packet->in,
        .to = qp->back,
        .kind = PACKET_ACK,
        .entropy = packet->entropy,
        .flags = (uint8_t)(flags | (packet->flags & PACKET_BOUND)),
        .tally = packet->tally};
    loop(engine, hub, &ack);
}

/// Is a packet to be told of, whatever it is: where some are lost, all around gaps are.
static bool matters(const Engine *engine, const QueuePair *qp, const Packet *packet) {
    return (packet->flags & (PACKET_LAST | PACKET_ASKS)) != 0 ||
           (packet->number + 1) % engine->net.spec.acks_every == 0 ||
           (engine->net.lossy && packet->number + 1 != qp->arrived);
}

/// Is the sender told of a mark?
static bool is_told(const PacketSpec *spec, QueuePair *qp, int64_t at_ps) {
    const int64_t since_ps = at_ps - qp->notice_ps;
    const bool first = qp->notice_ps < 0;
    if (since_ps < spec->cnp_ps && !control_is_timed(spec)) return false;
    qp->notice_ps = at_ps;
    if (spec->cnp == CNP_WINDOWS && spec->cnp_ps > 0 && !first)
        qp->notice_ps -= since_ps % spec->cnp_ps;
    return true;
}

static void acknowledge(Engine *engine, const Hub *hub, QueuePair *qp, const Packet *packet,
                        bool all) {
    const bool told =
        (packet->flags & PACKET_MARKED) != 0 && is_told(&engine->net.spec, qp, packet->at_ps);
    const bool avoid =
        (packet->flags & PACKET_MARKED) != 0 && engine->net.spec.multipath == MULTIPATH_AVOIDING;
    if (told || all || avoid || matters(engine, qp, packet))
        answer(engine, hub, qp, packet,
               (told ? PACKET_MARKED : 0) | (all ? PACKET_LAST : 0) | (avoid ? PACKET_AVOID : 0));
}

/// Can a receiver that keeps nothing behind a gap not use it? It says so once for each gap, and each time that the sender has
/// gone back and it is there again.
static bool refuse(Engine *engine, const Hub *hub, QueuePair *qp, const Packet *packet) {
    if (engine->net.spec.recovery != RECOVERY_GO_BACK || !(packet->flags & PACKET_BOUND) ||
        packet->number <= qp->arrived)
        return false;
    if (packet->number <= qp->refused || qp->refused < qp->arrived)
        answer(engine, hub, qp, packet, PACKET_REFUSED);
    qp->refused = packet->number;
    return true;
}

/// What comes where packets are lost: is it new, and whole?
static bool take_lossy(Engine *engine, const Hub *hub, QueuePair *qp, const Packet *packet) {
    const bool has = has_come(qp, packet->number), useless = has || packet->kind == PACKET_HEADER,
               all = qp->done == engine->plays.play.at[qp->play].rounds;
    if (useless)
        answer(engine, hub, qp, packet,
               has ? PACKET_TWICE | (all ? PACKET_LAST : 0) : PACKET_REFUSED);
    resend_landed(engine,
                  packet->qp); // behind the answer, so that it is not forgotten between them
    return !useless && !refuse(engine, hub, qp, packet);
}

/// Tell of the rounds that have come with a packet: have all?
static bool end_rounds(Engine *engine, QueuePair *qp, const Packet *packet) {
    const int64_t rounds = engine->plays.play.at[qp->play].rounds;
    while (qp->done < rounds && qp->arrived >= qp->done_end) {
        qp->done_ps = packet->at_ps;
        if (++qp->done < rounds)
            qp->done_end +=
                qp_packets(qp_round_bytes(qp, rounds, qp->done), engine->net.spec.mtu_bytes);
        plays_delivered(engine, packet->qp, packet->at_ps);
    }
    return qp->done == rounds;
}

void sink_take(Engine *engine, Hub *hub, Packet *packet) {
    QueuePair *qp = &engine->plays.qp.at[packet->qp];
    if (packet->kind == PACKET_ACK || qp->dst != hub->gpu) {
        loop(engine, hub, packet);
        return;
    }
    if (engine->net.lossy && !take_lossy(engine, hub, qp, packet)) return;
    count(engine, qp, packet);
    const bool all = qp->arrived >= qp->done_end && end_rounds(engine, qp, packet);
    acknowledge(engine, hub, qp, packet, all);
}
