#include "base/check.h"
#include "base/rng.h"
#include "engine/packet/hubs.h"

/// Which of the links that lead on for what has come by a wire: of a few that are hashed the one where least waits; with spray the first.
static int32_t choose(Engine *engine, const Packet *packet, const Onward *onward, int32_t wire) {
    Net *net = &engine->net;
    if (onward->n == 1) return (int32_t)onward_link(onward, 0);
    const uint64_t hash =
        rng_mix(rng_mix(net->seed, (uint64_t)wire << 1 | (packet->kind == PACKET_ACK)),
                (uint64_t)packet->at_ps);
    const uint32_t n = (uint32_t)onward->n;
    uint32_t at = (uint32_t)((uint64_t)(uint32_t)hash * n >> 32);
    int32_t best = (int32_t)onward_link(onward, (int32_t)at);
    if (packet->kind == PACKET_ACK || cluster_spec(net->cluster)->routing != ROUTING_ADAPTIVE)
        return best;
    port_until(net, best, packet->at_ps);
    int64_t least = net->wire[best].queued_bytes;
    const uint32_t stride = 1 + (uint32_t)((hash >> 32) % n);
    for (int32_t k = 1; k < net->spec.candidates && least > 0; k++) {
        at = (at + stride) % n;
        const int32_t other = (int32_t)onward_link(onward, (int32_t)at);
        port_until(net, other, packet->at_ps);
        if (net->wire[other].queued_bytes >= least) continue;
        least = net->wire[other].queued_bytes;
        best = other;
    }
    return best;
}

/// The wire that a packet takes from here, and one hop more behind it.
static int32_t next_wire(Engine *engine, const Hub *hub, Packet *packet) {
    const int32_t hop = packet->hop++;
    if (packet->flags & PACKET_BOUND) {
        const QueuePair *qp = &engine->plays.qp.at[packet->qp];
        const int32_t *path = qp_path(&engine->plays, qp);
        return packet->kind == PACKET_DATA ? path[hop]
                                           : engine->net.reverse[path[qp->npath - 1 - hop]];
    }
    Onward onward;
    routing_onward(engine->net.cluster, &hub->place, packet->to, &onward);
    CHECK(onward.n > 0, "no way on for a packet of queue pair %d", packet->qp);
    return choose(engine, packet, &onward, packet->in);
}

/// Data has to wait: the switch holds it, and pauses whoever sends too much.
static void hold(Engine *engine, Hub *hub, const Packet *packet) {
    Net *net = &engine->net;
    Wire *in = &net->wire[packet->in];
    hub->held_bytes += packet->bytes;
    in->held_bytes += packet->bytes;
    if (!net->spec.pfc) return;
    const int64_t free_bytes = net->spec.buffer_bytes - hub->held_bytes;
    if ((double)in->held_bytes <= net->spec.pfc_share * (double)free_bytes) return;
    hub_until(net, hub, packet->at_ps); // less may be held than was counted
    if (hub->held_bytes > engine->count.held_most) engine->count.held_most = hub->held_bytes;
    port_check_pause(net, hub, packet->in, packet->at_ps);
}

void switch_take(Engine *engine, Hub *hub, Packet *packet) {
    Net *net = &engine->net;
    if (hub->npausing > 0) hub_until(net, hub, packet->at_ps);
    const int32_t next = next_wire(engine, hub, packet);
    port_until(net, next, packet->at_ps);
    port_queue(net, next, packet);
    if (packet->kind == PACKET_DATA) hold(engine, hub, packet);
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
