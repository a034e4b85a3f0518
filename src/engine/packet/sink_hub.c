#include "base/memory.h"
#include "engine/packet/hubs.h"

#define LABEL "packet.early"

/// Hand something to the NIC of the same GPU, which has it at the same moment.
static void loop(Engine *engine, const Hub *hub, const Packet *packet) {
    Net *net = &engine->net;
    Wire *wire = &net->wire[net_loop_wire(net, hub->gpu)];
    ring_push(&net->rings, &wire->control, packet);
    wire->control.sent = wire->control.tail;
    net_set_bit(net, net->hub[wire->to].in_words, wire->in_bit);
    net_wake(net, wire->to, packet->at_ps);
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
                        .flags = (uint8_t)((told ? PACKET_MARKED : 0) | (all ? PACKET_LAST : 0))};
    loop(engine, hub, &ack);
}

void sink_take(Engine *engine, Hub *hub, Packet *packet, int32_t wire) {
    QueuePair *qp = &engine->plays.qp.at[packet->qp];
    packet->in = wire;
    if (packet->kind == PACKET_ACK || qp->dst != hub->gpu) {
        loop(engine, hub, packet);
        return;
    }
    count(engine, qp, packet->number);
    const int64_t rounds = engine->plays.play.at[qp->play].rounds;
    bool all = false;
    while (!all && qp->arrived >= qp->done_end) {
        all = ++qp->done == rounds;
        if (!all)
            qp->done_end +=
                qp_packets(qp_round_bytes(qp, rounds, qp->done), engine->net.spec.mtu_bytes);
        plays_delivered(engine, packet->qp, packet->at_ps);
    }
    acknowledge(engine, hub, qp, packet, all);
}
