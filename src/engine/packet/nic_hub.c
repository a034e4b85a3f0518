#include "base/check.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/packet/control.h"
#include "engine/packet/entropy.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"

#define LABEL "packet.senders"

// The heap of what has something to send.

static bool goes_before(const Engine *engine, int32_t a, int32_t b) {
    const QueuePair *qa = &engine->plays.qp.at[a], *qb = &engine->plays.qp.at[b];
    if (qa->next_ps != qb->next_ps) return qa->next_ps < qb->next_ps;
    if (qa->since_ps != qb->since_ps) return qa->since_ps < qb->since_ps;
    const Play *play = engine->plays.play.at;
    const int64_t tag_a = play[qa->play].completion.tag, tag_b = play[qb->play].completion.tag;
    return tag_a != tag_b ? tag_a < tag_b : qa->place < qb->place;
}

static void sift_down(const Engine *engine, Sender *sender) {
    const int32_t moved = sender->heap[0];
    int32_t i = 0;
    for (;;) {
        int32_t child = 2 * i + 1;
        if (child >= sender->n) break;
        if (child + 1 < sender->n &&
            goes_before(engine, sender->heap[child + 1], sender->heap[child]))
            child++;
        if (!goes_before(engine, sender->heap[child], moved)) break;
        sender->heap[i] = sender->heap[child];
        i = child;
    }
    sender->heap[i] = moved;
}

static void take_first(Engine *engine, Sender *sender) {
    engine->plays.qp.at[sender->heap[0]].queued = false;
    sender->heap[0] = sender->heap[--sender->n];
    if (sender->n > 0) sift_down(engine, sender);
}

static void push(Engine *engine, Sender *sender, int32_t q) {
    if (sender->n == sender->capacity) {
        const int32_t capacity = sender->capacity > 0 ? 2 * sender->capacity : 4;
        sender->heap =
            memory_resize(LABEL, sender->heap, (size_t)sender->capacity * sizeof *sender->heap,
                          (size_t)capacity * sizeof *sender->heap);
        sender->capacity = capacity;
    }
    int32_t i = sender->n++;
    for (; i > 0 && goes_before(engine, q, sender->heap[(i - 1) / 2]); i = (i - 1) / 2)
        sender->heap[i] = sender->heap[(i - 1) / 2];
    sender->heap[i] = q;
    engine->plays.qp.at[q].queued = true;
}

/// Where a queue pair leaves: into its domain, or by the NIC.
static Sender *sender_of(Engine *engine, const QueuePair *qp) {
    const bool domain = qp->bound >= 0 && cluster_link_tier(engine->net.cluster, qp->bound) == 0;
    return &engine->sender[2 * (int64_t)qp->src + !domain];
}

/// May it send nothing until an acknowledgement comes?
static bool is_closed(const QueuePair *qp) {
    const Resend *resend = qp->resend;
    if (!resend) return qp->sent - qp->heard >= qp->control.window;
    return resend->probe == PROBE_SENT ||
           qp->sent - qp->heard - resend->nlost >= qp->control.window;
}

/// Has it a packet to send? It goes on to the next round; where packets are lost not before that may go, since what is lost
/// until then goes first.
static bool has_packet(Engine *engine, QueuePair *qp, int64_t now_ps) {
    return qp->sent < qp->round_end || (qp->resend && qp->resend->nlost > 0) ||
           ((!qp->resend || qp->ready_ps <= now_ps) && round_next(engine, qp));
}

void nic_offer(Engine *engine, int32_t q) {
    QueuePair *qp = &engine->plays.qp.at[q];
    if (!ranks_have(&engine->net.ranks, qp->src)) return;
    if (qp->queued || qp->parked || is_closed(qp)) return;
    push(engine, sender_of(engine, qp), q);
    net_wake(&engine->net, qp->src, qp->next_ps);
}

void nic_look_again(Engine *engine, int32_t q, int64_t now_ps) {
    QueuePair *qp = &engine->plays.qp.at[q];
    if (qp->queued || qp->parked || is_closed(qp) || !has_packet(engine, qp, now_ps)) return;
    if (qp->next_ps < now_ps) qp->next_ps = qp->since_ps = now_ps;
    nic_offer(engine, q);
}

void nic_sort(Engine *engine, int32_t gpu) {
    for (int32_t k = 0; k < 2; k++) {
        Sender *sender = &engine->sender[2 * (int64_t)gpu + k];
        const int32_t n = sender->n;
        sender->n = 0;
        for (int32_t i = 0; i < n; i++) push(engine, sender, sender->heap[i]);
    }
    net_wake(&engine->net, gpu, nic_next_ps(engine, &engine->net.hub[gpu]));
}

/// A timer that is a round's, to look at its queue pair then.
static const uint64_t ROUND_TIMER = UINT64_C(1) << 63;

void nic_release(Engine *engine, int32_t q, int64_t ready_ps) {
    QueuePair *qp = &engine->plays.qp.at[q];
    round_release(qp, ready_ps);
    if (qp->resend) {
        heap_push(&engine->timer[qp->src], (HeapItem){ready_ps, ROUND_TIMER | (uint64_t)q, q});
        net_wake(&engine->net, qp->src, ready_ps);
    } else if (!qp->queued && !qp->parked && qp->sent == qp->round_end && round_next(engine, qp)) {
        nic_offer(engine, q);
    }
}

static void park(Engine *engine, Sender *sender, int32_t q) {
    QueuePair *qp = &engine->plays.qp.at[q];
    take_first(engine, sender);
    qp->parked = true;
    qp->next_parked = sender->first_parked;
    sender->first_parked = q;
}

void nic_unpark(Engine *engine, Hub *hub, int32_t wire, int64_t now_ps) {
    (void)wire;
    for (int32_t k = 0; k < 2; k++) {
        Sender *sender = &engine->sender[2 * hub->gpu + k];
        int32_t q = sender->first_parked;
        sender->first_parked = -1;
        while (q >= 0) {
            QueuePair *qp = &engine->plays.qp.at[q];
            const int32_t next = qp->next_parked;
            qp->parked = false;
            if (qp->next_ps < now_ps) qp->next_ps = now_ps;
            push(engine, sender, q);
            q = next;
        }
    }
}

// Sending.

/// When a port can begin to send, at or after now_ps.
static int64_t ready_ps(Net *net, int32_t w, int64_t now_ps) {
    port_until(net, w, now_ps);
    return net->wire[w].free_ps > now_ps ? net->wire[w].free_ps : now_ps;
}

/// The port for a packet that is not bound, at now_ps: of those that lead on the next in turn, or the one that is free first;
/// one that is paused only if all are. -1: none leads on.
static int32_t any_port(Engine *engine, const Hub *hub, const QueuePair *qp, int32_t number,
                        int64_t now_ps) {
    Net *net = &engine->net;
    Onward onward;
    routing_onward(net->cluster, &hub->place, qp->to, &onward);
    const bool adaptive = onward.n > 1 && cluster_spec(net->cluster)->routing == ROUTING_ADAPTIVE;
    int32_t best = -1;
    int64_t best_ps = 0;
    bool best_paused = false;
    for (int32_t k = 0; k < onward.n; k++) {
        const int32_t w = (int32_t)onward_link(&onward, (number + k) % onward.n);
        const bool paused = net->wire[w].paused || net->wire[w].dead;
        const int64_t free_ps = adaptive ? ready_ps(net, w, now_ps) : 0;
        if (best < 0 || (best_paused && !paused) || (paused == best_paused && free_ps < best_ps)) {
            best = w;
            best_ps = free_ps;
            best_paused = paused;
        }
    }
    return best;
}

/// Whose turn it is of the ports of a NIC.
static int32_t turn_of(const Engine *engine, QueuePair *qp) {
    const PacketSpec *spec = &engine->net.spec;
    return spec->multipath == MULTIPATH_RANDOM ? qp->sent : entropy_next(spec, qp);
}

static int64_t line_Bps(const Engine *engine, const QueuePair *qp, int32_t wire) {
    (void)qp;
    return net_kind(&engine->net, &engine->net.wire[wire])->Bps;
}

static void note_time(QueuePair *qp, int32_t number, int64_t now_ps) {
    while (qp->sent - qp->acked > qp->nsent) {
        const int32_t n = qp->nsent > 0 ? 2 * qp->nsent : 64;
        int64_t *sent_ps = memory_alloc(TIMES_NAME, (size_t)n * sizeof *sent_ps);
        for (int32_t k = qp->acked; k < qp->acked + qp->nsent; k++)
            sent_ps[k % n] = qp->sent_ps[k % qp->nsent];
        memory_free(TIMES_NAME, qp->sent_ps, (size_t)qp->nsent * sizeof *sent_ps);
        qp->sent_ps = sent_ps;
        qp->nsent = n;
    }
    qp->sent_ps[number % qp->nsent] = now_ps;
}

/// The next packet of a queue pair: what is lost goes first.
static Packet take_packet(Engine *engine, int32_t q, QueuePair *qp, int64_t now_ps) {
    const bool last = qp->sent + 1 == qp->round_end;
    Packet packet = {.qp = q,
                     .number = qp->sent,
                     .bytes = last ? qp->last_bytes : (int32_t)engine->net.spec.mtu_bytes,
                     .in = -1,
                     .to = qp->to,
                     .hop = 1,
                     .kind = PACKET_DATA,
                     .flags = (uint8_t)((last ? PACKET_LAST : 0) | (qp->whole ? PACKET_BOUND : 0)),
                     .tally = qp->tally};
    if (qp->resend && qp->resend->nlost > 0)
        resend_take(engine, qp, &packet);
    else
        qp->sent++;
    if (control_is_timed(&engine->net.spec)) note_time(qp, packet.number, now_ps);
    if (is_closed(qp) || (qp->resend && qp->resend->probe == PROBE_DUE))
        packet.flags |= PACKET_ASKS;
    if (engine->net.spec.multipath != MULTIPATH_RANDOM && !qp->whole) {
        packet.entropy = (uint8_t)entropy_next(&engine->net.spec, qp) & (PACKET_PATHS_MOST - 1);
        entropy_sent(&engine->net.spec, qp);
    }
    return packet;
}

/// What is to come of a queue pair when one of its packets has gone at now_ps: it stays in its heap, or leaves it.
static void go_on(Engine *engine, Sender *sender, QueuePair *qp, int64_t now_ps) {
    if (is_closed(qp) || !has_packet(engine, qp, now_ps)) {
        take_first(engine, sender);
        return;
    }
    sift_down(engine, sender);
}

static void send(Engine *engine, Sender *sender, int32_t q, int32_t w, int64_t now_ps) {
    Net *net = &engine->net;
    QueuePair *qp = &engine->plays.qp.at[q];
    const int64_t line = line_Bps(engine, qp, w);
    Packet packet = take_packet(engine, q, qp, now_ps);
    control_send(&qp->control, &net->spec, line, now_ps, packet.bytes);
    port_send(net, w, &packet, now_ps);
    engine->count.packets++;
    engine->slot[packet.tally].count.sent++;
    engine->count.hops++;
    if (qp->resend) resend_sent(engine, q, packet.number, now_ps);
    const double rate = qp->control.rate_Bps;
    qp->next_ps = rate >= (double)line ? net->wire[w].free_ps
                                       : now_ps + (int64_t)((double)packet.bytes * 1e12 / rate);
    qp->since_ps = qp->next_ps;
    go_on(engine, sender, qp, now_ps);
}

/// The first of a sender sends one packet, or is found to be later than it thought; false: nothing goes before to_ps.
static bool send_one(Engine *engine, Hub *hub, Sender *sender, int64_t to_ps) {
    Net *net = &engine->net;
    if (sender->n == 0) return false;
    const int32_t q = sender->heap[0];
    QueuePair *qp = &engine->plays.qp.at[q];
    if (qp->next_ps >= to_ps) return false;
    if (qp->resend && qp->sent == qp->round_end && qp->resend->nlost == 0) {
        go_on(engine, sender, qp, qp->next_ps); // what was lost has come after all
        return true;
    }
    const int32_t w =
        qp->bound >= 0 ? qp->bound : any_port(engine, hub, qp, turn_of(engine, qp), qp->next_ps);
    if (w < 0 || net->wire[w].paused || net->wire[w].dead) {
        park(engine, sender, q);
        return true;
    }
    Wire *wire = &net->wire[w];
    port_until(net, w, qp->next_ps + 1); // what waits goes first
    if (wire->free_ps > qp->next_ps) {
        qp->next_ps = wire->free_ps;
        sift_down(engine, sender);
        return true;
    }
    send(engine, sender, q, w, qp->next_ps);
    return true;
}

static void send_until(Engine *engine, Hub *hub, int64_t to_ps) {
    for (int32_t k = 0; k < 2; k++)
        while (send_one(engine, hub, &engine->sender[2 * hub->gpu + k], to_ps)) continue;
}

void nic_until(Engine *engine, Hub *hub, int64_t to_ps) {
    for (Heap *timer = engine->timer ? &engine->timer[hub->gpu] : NULL;
         timer && timer->n > 0 && heap_next_ps(timer) < to_ps;) {
        const HeapItem due = heap_pop(timer);
        send_until(engine, hub, due.time_ps);
        if (!(due.order & ROUND_TIMER)) resend_timer(engine, (int32_t)due.item, due.time_ps);
        nic_look_again(engine, (int32_t)due.item, due.time_ps);
    }
    send_until(engine, hub, to_ps);
    hub_until(&engine->net, hub, to_ps);
}

int64_t nic_next_ps(const Engine *engine, const Hub *hub) {
    int64_t next_ps = engine->timer ? heap_next_ps(&engine->timer[hub->gpu]) : TIME_NEVER_PS;
    for (int32_t k = 0; k < 2; k++) {
        const Sender *sender = &engine->sender[2 * hub->gpu + k];
        if (sender->n == 0) continue;
        const int64_t own_ps = engine->plays.qp.at[sender->heap[0]].next_ps;
        if (own_ps < next_ps) next_ps = own_ps;
    }
    return next_ps;
}

// What comes over the loop: acknowledgements that have come, those to be sent, and what goes on from here.

/// What an acknowledgement says of congestion.
static Heard heard_of(const QueuePair *qp, const Packet *ack) {
    const int32_t come = ack->flags & PACKET_LAST ? qp->sent : ack_received(ack),
                  answers = ack_answers(ack);
    Heard heard = {ack->at_ps, -1, 0, (ack->flags & PACKET_MARKED) != 0};
    if (come > qp->heard) heard.packets = come - qp->heard;
    if (qp->nsent > 0 && answers >= qp->acked && answers < qp->sent)
        heard.trip_ps = ack->at_ps - qp->sent_ps[answers % qp->nsent];
    return heard;
}

static void hear(Engine *engine, int32_t q, const Packet *packet) {
    QueuePair *qp = &engine->plays.qp.at[q];
    const Heard heard = heard_of(qp, packet);
    qp->heard += heard.packets;
    if (engine->net.spec.multipath == MULTIPATH_AVOIDING &&
        (packet->flags & (PACKET_AVOID | PACKET_REFUSED)))
        entropy_avoid(&engine->net.spec, qp, packet->entropy);
    engine->count.notices += heard.marked;
    if (heard.marked || heard.trip_ps >= 0) {
        const int64_t line = qp->bound >= 0 ? line_Bps(engine, qp, qp->bound)
                                            : cluster_healthy_Bps(engine->net.cluster, 1);
        control_hear(&qp->control, &engine->net.spec, line, &heard);
    }
    if (qp->resend)
        resend_hear(engine, q, packet);
    else if (packet->number > qp->acked)
        qp->acked = packet->number;
    nic_look_again(engine, q, packet->at_ps);
    qp->acks_heard++;
    if (packet->flags & PACKET_LAST) qp->acks_due = packet->bytes;
    if (qp->resend)
        resend_landed(engine, q);
    else if (qp->acks_heard == qp->acks_due)
        array_push(&engine->drop_qps, q);
}

/// The wire that something from elsewhere takes from here; -1: none leads on.
static int32_t wire_onward(Engine *engine, const Hub *hub, Packet *packet) {
    const QueuePair *qp = &engine->plays.qp.at[packet->qp];
    const int32_t *path = qp_path(&engine->plays, qp);
    if (packet->kind == PACKET_ACK && packet->hop > 0) return engine->net.reverse[path[1]];
    if (packet->kind == PACKET_ACK) return engine->net.reverse[packet->in];
    const bool drawn = engine->net.spec.multipath == MULTIPATH_RANDOM;
    return qp->whole
               ? path[2]
               : any_port(engine, hub, qp, drawn ? packet->number : packet->entropy, packet->at_ps);
}

void nic_take(Engine *engine, Hub *hub, Packet *packet) {
    nic_until(engine, hub, packet->at_ps);
    const QueuePair *qp = &engine->plays.qp.at[packet->qp];
    if (packet->kind == PACKET_ACK && qp->src == hub->gpu) {
        hear(engine, packet->qp, packet);
        return;
    }
    const int32_t next = wire_onward(engine, hub, packet);
    if (next < 0 || engine->net.wire[next].dead) {
        resend_lost(engine, packet, next < 0 ? packet->in : next);
        return;
    }
    packet->hop++;
    port_queue(&engine->net, next, packet);
}
