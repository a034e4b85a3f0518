#include <string.h>

#include "base/memory.h"
#include "engine/packet/credits.h"
#include "engine/packet/hubs.h"

#define LABEL "packet.skip"

/// By how much everything is moved on.
typedef struct Shift {
    Engine *engine;
    const int32_t *moved;
    int64_t by_ps;
} Shift;

static int64_t later(const Shift *shift, int64_t at_ps) {
    return at_ps == TIME_NEVER_PS || at_ps < 0 ? at_ps : at_ps + shift->by_ps;
}

// Packets.

static void shift_packet(const Shift *shift, Packet *packet) {
    packet->at_ps += shift->by_ps;
    if (packet->kind != PACKET_CREDIT) packet->number += shift->moved[packet->qp];
}

static void shift_queue(const Shift *shift, const PacketQueue *queue) {
    const RingPool *pool = &shift->engine->net.rings;
    if (queue->head < 0) return;
    for (int32_t at = queue->head; at != queue->tail; at = ring_next(pool, at))
        shift_packet(shift, &pool->at[at]);
}

/// Packets under way, and where to; to be put back when it is later.
typedef struct Flight {
    PacketArray packet;
    ARRAY_OF(int32_t) hub;
} Flight;

static void take_off(Net *net, Flight *flight) {
    int32_t hub;
    Packet packet;
    for (int32_t h = 0; h < net->nhubs; h++) {
        inbox_take(&net->inboxes, &net->rings, h, INT64_MAX, &flight->packet);
        while (flight->hub.n < flight->packet.n) array_push(&flight->hub, h);
    }
    net->inboxes.near_ps = INT64_MAX; // all are
    while (inboxes_next_near(&net->inboxes, &hub, &packet)) {
        array_push(&flight->packet, packet);
        array_push(&flight->hub, hub);
    }
}

static void shift_flight(const Shift *shift, int64_t now_ps) {
    Net *net = &shift->engine->net;
    Flight flight = {.packet = {.label = LABEL}};
    take_off(net, &flight);
    inboxes_pass(&net->inboxes, now_ps);
    for (int64_t i = 0; i < flight.packet.n; i++) {
        shift_packet(shift, &flight.packet.at[i]);
        inboxes_put(&net->inboxes, &net->rings, flight.hub.at[i], &flight.packet.at[i]);
    }
    array_free(&flight.packet);
    array_free(&flight.hub);
}

// Ports and hubs.

static void shift_net(const Shift *shift) {
    Net *net = &shift->engine->net;
    for (int64_t w = 0; w < net->nlinks; w++) {
        shift_queue(shift, &net->wire[w].data);
        shift_queue(shift, &net->wire[w].control);
        net->wire[w].free_ps += shift->by_ps;
        if (!net->totals.pause) continue;
        net->totals.pause[w].from_ps += shift->by_ps;
        net->totals.pause[w].since_ps += shift->by_ps;
    }
    for (int64_t h = 0; h < net->nhubs; h++)
        for (int32_t f = net->hub[h].first_frame; f >= 0; f = net->frame.at[f].next)
            net->frame.at[f].at_ps += shift->by_ps;
    for (int64_t h = 0; h < net->agenda.nblocks * AGENDA_BLOCK; h++)
        net->agenda.next_ps[h] = later(shift, net->agenda.next_ps[h]);
    for (int64_t b = 0; b < net->agenda.nblocks; b++)
        net->agenda.block_ps[b] = later(shift, net->agenda.block_ps[b]);
}

// Queue pairs.

/// Times by packet modulo n: of those under way.
static void shift_sent_times(const Shift *shift, QueuePair *qp, int32_t moved) {
    if (qp->nsent == 0) return;
    const size_t bytes = (size_t)qp->nsent * sizeof *qp->sent_ps;
    int64_t *old_ps = memory_alloc(TIMES_NAME, bytes);
    memcpy(old_ps, qp->sent_ps, bytes);
    for (int32_t k = 0; k < qp->nsent; k++)
        qp->sent_ps[(int32_t)(((int64_t)k + moved) % qp->nsent)] = later(shift, old_ps[k]);
    memory_free(TIMES_NAME, old_ps, bytes);
}

static void shift_control(const Shift *shift, Control *control) {
    control->alpha_ps = later(shift, control->alpha_ps);
    control->cut_ps = later(shift, control->cut_ps);
    control->rise_ps = later(shift, control->rise_ps);
}

static void shift_sender(const Shift *shift, const SkipPair *pair, QueuePair *qp) {
    const int32_t moved = shift->moved[pair->qp];
    qp->next_ps = later(shift, qp->next_ps);
    qp->since_ps = later(shift, qp->since_ps);
    qp->ready_ps = later(shift, qp->ready_ps);
    for (int32_t k = 0; k < qp->nlater; k++) qp->later_ps[k] = later(shift, qp->later_ps[k]);
    shift_sent_times(shift, qp, moved);
    shift_control(shift, &qp->control);
    qp->sent += moved;
    qp->heard += moved;
    qp->acked += moved;
    if (pair->packets == 0) return;
    const int32_t rounds = moved / pair->packets;
    qp->round += rounds;
    qp->round_end += moved;
    if (qp->released < pair->rounds) qp->released += rounds;
    round_packets(shift->engine, qp, pair->rounds, qp->round, &qp->last_bytes);
}

/// Bits by packet modulo 64 words: of those beyond a gap.
static void shift_early(QueuePair *qp, int32_t moved) {
    if (qp->early_words == 0) return;
    const int32_t n = 64 * qp->early_words;
    const size_t bytes = (size_t)qp->early_words * sizeof *qp->early;
    uint64_t *early = memory_alloc("packet.early", bytes);
    for (int32_t k = 0; k < n; k++) {
        const int32_t to = (int32_t)(((int64_t)k + moved) % n);
        early[to / 64] |= (qp->early[k / 64] >> k % 64 & 1) << to % 64;
    }
    memory_free("packet.early", qp->early, bytes);
    qp->early = early;
}

static void shift_receiver(const Shift *shift, const SkipPair *pair, QueuePair *qp) {
    const int32_t moved = shift->moved[pair->qp];
    shift_early(qp, moved);
    qp->notice_ps = later(shift, qp->notice_ps);
    qp->arrived += moved;
    qp->received += moved;
    if (pair->packets == 0) return;
    const int32_t rounds = moved / pair->packets;
    qp->done += rounds;
    qp->done_end += moved;
    qp->done_ps = later(shift, qp->done_ps);
    PlayMember *member = &shift->engine->plays.member.at[qp->to_member];
    if (member->first_in == pair->qp) member->done += rounds; // once for all of its queue pairs
}

void skip_shift(Engine *engine, int64_t shift_ps) {
    const Shift shift = {engine, engine->skip.moved, shift_ps};
    const Ranks *ranks = &engine->net.ranks;
    for (int64_t h = 0; h < engine->net.nhubs && engine->net.credits; h++)
        credits_return(&engine->net, &engine->net.hub[h], INT64_MAX);
    shift_flight(&shift, engine->now_ps + shift_ps);
    shift_net(&shift);
    for (int64_t i = 0; i < engine->skip.pair.n; i++) {
        const SkipPair *pair = &engine->skip.pair.at[i];
        QueuePair *qp = &engine->plays.qp.at[pair->qp];
        if (ranks_have(ranks, qp->src)) shift_sender(&shift, pair, qp);
        if (ranks_have(ranks, qp->dst)) shift_receiver(&shift, pair, qp);
    }
    for (int32_t gpu = 0; gpu < engine->net.ngpus; gpu++) nic_sort(engine, gpu);
}
