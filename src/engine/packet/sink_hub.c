#include "base/memory.h"
#include "engine/packet/hubs.h"

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

/// A packet has come: those without a gap, and those that came before their turn.
static void count(Engine *engine, QueuePair *qp, int32_t number) {
    uint64_t bit;
    if (number > qp->arrived) {
        engine->count.reordered++;
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

static void acknowledge(Engine *engine, const Hub *hub, QueuePair *qp, const Packet *packet,
                        bool all) {
    const PacketSpec *spec = &engine->net.spec;
    const bool told =
        (packet->flags & PACKET_MARKED) != 0 && packet->at_ps - qp->notice_ps >= spec->cnp_ps;
    if (told) qp->notice_ps = packet->at_ps;
    if (!told && !all && (packet->flags & PACKET_LAST) == 0 &&
        (packet->number + 1) % spec->acks_every != 0)
        return;
    qp->acks_sent++;
    engine->count.acks++;
    const Packet ack = {.at_ps = packet->at_ps,
                        .qp = packet->qp,
                        .number = qp->arrived,
                        .bytes = qp->acks_sent,
                        .in = packet->in,
                        .to = qp->back,
                        .kind = PACKET_ACK,
                        .flags = (uint8_t)((told ? PACKET_MARKED : 0) | (all ? PACKET_LAST : 0) |
                                           (packet->flags & PACKET_BOUND))};
    loop(engine, hub, &ack);
}

/// Tell of the rounds that have come with a packet: have all?
static bool end_rounds(Engine *engine, QueuePair *qp, const Packet *packet) {
    const int64_t rounds = engine->plays.play.at[qp->play].rounds;
    while (qp->done < rounds && qp->arrived >= qp->done_end) {
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
    count(engine, qp, packet->number);
    const bool all = qp->arrived >= qp->done_end && end_rounds(engine, qp, packet);
    acknowledge(engine, hub, qp, packet, all);
}
