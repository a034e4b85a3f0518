#include "base/check.h"
#include "base/rng.h"
#include "engine/packet/credits.h"
#include "engine/packet/entropy.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"

/// Packets of a grade: shorter and longer queues are told apart by grades, as switches do it. By their exact lengths each of
/// some flows in step would stay with the port that it has just left free, and meet the same others farther on for good.
enum { GRADE_PACKETS = 8 };

static int64_t grade_of(Net *net, int32_t wire, int64_t now_ps) {
    port_until(net, wire, now_ps);
    return net->wire[wire].queued_bytes / (GRADE_PACKETS * net->spec.mtu_bytes);
}

/// Of a few links that are hashed any of those of the least grade, all alike: were it the next in order, a link behind one
/// that others fill would get what these turn away, at every switch the same. The first if nothing waits there.
static int32_t choose_shortest(Net *net, const Onward *onward, int32_t at, uint64_t hash,
                               int64_t now_ps) {
    const int32_t n = onward->n, few = net->spec.candidates < n ? net->spec.candidates : n;
    int32_t best = (int32_t)onward_link(onward, at), alike = 1;
    int64_t least = grade_of(net, best, now_ps);
    if (least == 0 || few == 1) return best;
    const int32_t strides = (n - 1) / (few - 1); // so that all are different
    const int32_t stride = 1 + (int32_t)((hash >> 32) % (uint32_t)strides);
    const uint64_t draws = rng_mix(hash, 0);
    for (int32_t k = 1; k < few; k++) {
        const int32_t other = (int32_t)onward_link(onward, (at + k * stride) % n);
        const int64_t grade = grade_of(net, other, now_ps);
        if (grade > least) continue;
        alike = grade < least ? 1 : alike + 1;
        if ((uint32_t)(uint8_t)(draws >> 8 * k) * (uint32_t)alike < 1 << 8) best = other;
        least = grade;
    }
    return best;
}

/// What a switch draws for a packet, or its sender says.
static uint64_t hash_of(const Engine *engine, const Hub *hub, const Packet *packet) {
    const Net *net = &engine->net;
    if (packet->kind != PACKET_ACK && net->spec.multipath != MULTIPATH_RANDOM)
        return entropy_hash(net->seed, &engine->plays.qp.at[packet->qp], hub - net->hub,
                            packet->entropy);
    return rng_mix(rng_mix(net->seed, (uint64_t)packet->in << 1 | (packet->kind == PACKET_ACK)),
                   (uint64_t)packet->at_ps);
}

/// Which of the links that lead on.
static int32_t choose(Engine *engine, const Hub *hub, const Packet *packet, const Onward *onward) {
    Net *net = &engine->net;
    const int64_t now_ps = packet->at_ps;
    if (onward->n == 1) return (int32_t)onward_link(onward, 0);
    const uint64_t hash = hash_of(engine, hub, packet);
    const int32_t at = (int32_t)((uint64_t)(uint32_t)hash * (uint32_t)onward->n >> 32);
    if (packet->kind == PACKET_ACK || cluster_spec(net->cluster)->routing != ROUTING_ADAPTIVE)
        return (int32_t)onward_link(onward, at);
    return choose_shortest(net, onward, at, hash, now_ps);
}

/// The wire that a packet takes from here, and one hop more behind it; -1: there is none.
static int32_t next_wire(Engine *engine, const Hub *hub, Packet *packet) {
    const int32_t hop = packet->hop++;
    if (packet->flags & PACKET_BOUND) {
        if (packet->flags & PACKET_STALE) return -1;
        const QueuePair *qp = &engine->plays.qp.at[packet->qp];
        const int32_t *path = qp_path(&engine->plays, qp);
        return packet->kind != PACKET_ACK ? path[hop]
                                          : engine->net.reverse[path[qp->npath - 1 - hop]];
    }
    Onward onward;
    routing_onward(engine->net.cluster, &hub->place, packet->to, &onward);
    if (onward.n == 0) return -1;
    return choose(engine, hub, packet, &onward);
}

/// Data has to wait for a wire: the switch holds it, and pauses whoever sends too much.
static void hold(Engine *engine, Hub *hub, const Packet *packet, int32_t next) {
    Net *net = &engine->net;
    Wire *in = &net->wire[packet->in];
    hub->held_bytes += packet->bytes;
    if (net->spec.flow_control == FLOW_NONE) return;
    in->held_bytes += packet->bytes;
    if (net->credits) return;
    const int64_t free_bytes = net->spec.buffer_bytes - hub->held_bytes;
    if ((double)in->held_bytes <= net->spec.pfc_share * (double)free_bytes) return;
    hub_until(net, hub, packet->at_ps); // less may be held than was counted
    if (hub->held_bytes > engine->count.held_most) engine->count.held_most = hub->held_bytes;
    port_check_pause(net, hub, packet, next, packet->at_ps);
}

// What is lost.

static bool has_room(const Net *net, const Hub *hub, int32_t next, const Packet *packet) {
    const int64_t free_bytes = net->spec.buffer_bytes - hub->held_bytes;
    return packet->bytes <= free_bytes && (double)(net->wire[next].queued_bytes + packet->bytes) <=
                                              net->spec.drop_share * (double)free_bytes;
}

/// Does the cable that it came by lose it?
static bool is_hit(const Net *net, const Packet *packet) {
    if (net->spec.loss_share <= 0 || packet->kind != PACKET_DATA) return false;
    const uint64_t draw =
        rng_mix(rng_mix(~net->seed, (uint64_t)packet->at_ps), (uint64_t)packet->in);
    return (double)(draw >> 11) * 0x1p-53 < net->spec.loss_share;
}

/// A packet that finds no room goes on as a header, or not.
static bool fits(Engine *engine, Hub *hub, Packet *packet, int32_t next) {
    Net *net = &engine->net;
    if (packet->kind != PACKET_DATA || net->spec.flow_control != FLOW_NONE ||
        has_room(net, hub, next, packet))
        return true;
    hub_until(net, hub, packet->at_ps); // less may be held than was counted
    if (has_room(net, hub, next, packet)) return true;
    if (!net->spec.trim) return false;
    packet->kind = PACKET_HEADER;
    totals_trim(&net->totals, next, packet);
    engine->count.trims++;
    return true;
}

/// A packet that should go on by a wire, -1: by none: is it lost?
static bool is_lost(Engine *engine, Hub *hub, Packet *packet, int32_t next) {
    const Net *net = &engine->net;
    const bool lost =
        next < 0 || net->wire[next].dead || is_hit(net, packet) || !fits(engine, hub, packet, next);
    if (lost) resend_lost(engine, packet, next < 0 ? packet->in : next);
    return lost;
}

void switch_take(Engine *engine, Hub *hub, Packet *packet) {
    Net *net = &engine->net;
    if (hub->npausing > 0) hub_until(net, hub, packet->at_ps);
    const int32_t next = next_wire(engine, hub, packet);
    if (next >= 0) port_until(net, next, packet->at_ps);
    if (net->lossy && is_lost(engine, hub, packet, next)) {
        if (net->credits && packet->kind == PACKET_DATA)
            credits_free(net, packet->in, packet->bytes, -1, packet->at_ps);
        return;
    }
    CHECK(next >= 0, "no way on for a packet of queue pair %d", packet->qp);
    port_queue(net, next, packet);
    if (packet->kind == PACKET_DATA) hold(engine, hub, packet, next);
}

void domain_take(Engine *engine, Hub *hub, Packet *packet) {
    (void)hub;
    Net *net = &engine->net;
    const QueuePair *qp = &engine->plays.qp.at[packet->qp];
    const int32_t *path = qp_path(&engine->plays, qp);
    const int32_t next = packet->kind == PACKET_DATA ? path[1] : net->reverse[path[0]];
    packet->hop++;
    port_until(net, next, packet->at_ps);
    port_queue(net, next, packet);
}
