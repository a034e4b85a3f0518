#include "engine/packet/port.h"

#include "base/rng.h"
#include "engine/packet/credits.h"

// What leaves.

/// Does a packet that leaves `queued` bytes behind get a mark? Between Kmin and Kmax so many do.
static bool is_marked(const Net *net, const WireKind *kind, int64_t queued, int32_t wire,
                      int64_t now_ps) {
    if (queued <= kind->mark_min) return false;
    if (queued > kind->mark_max) return true;
    const double share = net->spec.ecn_most * (double)(queued - kind->mark_min) /
                         (double)(kind->mark_max - kind->mark_min);
    const uint64_t draw = rng_mix(rng_mix(net->seed, (uint64_t)wire), (uint64_t)now_ps);
    return (double)(draw >> 11) * 0x1p-53 < share;
}

/// What a wire carries: its port is busy, and the packet is under way.
static void launch(Net *net, int32_t w, Packet *packet, int64_t now_ps) {
    Wire *wire = &net->wire[w];
    const WireKind *kind = net_kind(net, wire);
    const int64_t takes_ps = wire_takes_ps(net, kind, packet);
    wire->free_ps = now_ps + takes_ps;
    packet->at_ps = now_ps + kind->delay_ps + (kind->cut ? 0 : takes_ps);
    packet->in = w;
    net_carry(net, wire->to, packet);
}

/// Data leaves the switch that held it.
static void let_go(Net *net, int32_t w, const Packet *packet, int64_t now_ps) {
    const Wire *wire = &net->wire[w];
    Hub *hub = &net->hub[wire->from];
    if (hub->kind != HUB_SWITCH) return;
    hub->held_bytes -= packet->bytes;
    if (net->spec.flow_control == FLOW_NONE) return; // then nobody asks over which wire it came
    net->wire[packet->in].held_bytes -= packet->bytes;
    if (net->credits)
        credits_free(net, packet->in, packet->bytes, w, now_ps);
    else if (net->wire[packet->in].pausing)
        port_check_pause(net, hub, packet, w, now_ps);
}

static void send_control(Net *net, int32_t w, Wire *wire) {
    Packet packet = ring_pop(&net->rings, &wire->control);
    launch(net, w, &packet, wire->free_ps);
}

/// A packet waited; as long as one is sent, the wait of the next is of the same congestion.
static void add_wait(Net *net, int32_t w, const Packet *packet, int64_t wait_ps, int64_t full_ps) {
    const bool several = net->totals.njobs > 1;
    if (wait_ps == 0 && several) totals_charge(&net->totals, w, packet, 0, false);
    if (wait_ps == 0) return;
    StepTotals *all = &net->totals.wire[w].all;
    const int64_t lost_ps = wait_ps / net->parts.at[packet->qp];
    if (several) totals_charge(&net->totals, w, packet, lost_ps, true);
    all->wait_ps += lost_ps;
    all->busy_wait_ps += wait_ps < full_ps ? wait_ps : full_ps;
    all->area += packet->bytes * (wait_ps >> TOTALS_AREA_BITS);
}

static void send_data(Net *net, int32_t w, Wire *wire) {
    Packet packet = ring_pop(&net->rings, &wire->data);
    const int64_t now_ps = wire->free_ps, wait_ps = now_ps - packet.at_ps;
    const WireKind *kind = net_kind(net, wire);
    wire->queued_bytes -= packet.bytes;
    let_go(net, w, &packet, now_ps);
    if (is_marked(net, kind, wire->queued_bytes, w, now_ps)) {
        packet.flags |= PACKET_MARKED;
        totals_mark(&net->totals, w, &packet);
    }
    totals_of(&net->totals, w, &packet)->all.bytes += packet.bytes;
    add_wait(net, w, &packet, wait_ps, kind->full_ps);
    if (net->credits) credits_spend(net, w, &packet, now_ps);
    launch(net, w, &packet, now_ps);
}

void port_send_next(Net *net, int32_t w) {
    Wire *wire = &net->wire[w];
    if (ring_waits(&wire->control))
        send_control(net, w, wire);
    else
        send_data(net, w, wire);
}

/// The port of a hub whose next packet goes first; -1: none before to_ps.
static int32_t first_port(const Net *net, const Hub *hub, int64_t to_ps) {
    int32_t first = -1;
    int64_t first_ps = to_ps;
    for (int32_t word = 0; word < (hub->nout + 63) / 64; word++)
        for (uint64_t bits = net->words[hub->out_words + word]; bits; bits &= bits - 1) {
            const int32_t w = net->wires_out[hub->first_out + word * 64 + __builtin_ctzll(bits)];
            const int64_t next_ps = port_next_ps(&net->wire[w]);
            if (next_ps >= first_ps) continue;
            first_ps = next_ps;
            first = w;
        }
    return first;
}

void hub_until(Net *net, Hub *hub, int64_t to_ps) {
    for (int32_t w = first_port(net, hub, to_ps); w >= 0; w = first_port(net, hub, to_ps))
        port_send_next(net, w);
}

/// Ask for what waits at ports: it came in an earlier window.
static void fetch_waiting(const Net *net, const int32_t wires[], uint64_t bits) {
    for (; bits; bits &= bits - 1) {
        const Wire *wire = &net->wire[wires[__builtin_ctzll(bits)]];
        if (ring_waits(&wire->data)) __builtin_prefetch(&net->rings.at[wire->data.head]);
    }
}

int64_t hub_flush(Net *net, Hub *hub, int64_t to_ps) {
    int64_t next_ps = TIME_NEVER_PS;
    if (hub->npausing > 0) hub_until(net, hub, to_ps);
    for (int32_t word = 0; word < (hub->nout + 63) / 64; word++) {
        const int32_t *wires = &net->wires_out[hub->first_out + word * 64];
        uint64_t bits = net->words[hub->out_words + word];
        fetch_waiting(net, wires, bits);
        for (; bits; bits &= bits - 1) {
            const int32_t bit = __builtin_ctzll(bits), w = wires[bit];
            const Wire *wire = &net->wire[w];
            port_until(net, w, to_ps);
            if (!ring_waits(&wire->data) && !ring_waits(&wire->control))
                net_clear_bit(net, hub->out_words, word * 64 + bit);
            else if (port_next_ps(wire) < next_ps)
                next_ps = port_next_ps(wire);
        }
    }
    return next_ps;
}

void port_send(Net *net, int32_t w, Packet *packet, int64_t now_ps) {
    if (packet->kind == PACKET_DATA) {
        if (net->totals.njobs > 1)
            totals_charge(&net->totals, w, packet, 0, net->wire[w].free_ps == now_ps);
        totals_of(&net->totals, w, packet)->all.bytes += packet->bytes;
        if (net->credits) credits_spend(net, w, packet, now_ps);
    }
    launch(net, w, packet, now_ps);
}

// What comes.

/// What it was asked until is past: it is idle.
static void be_ready(Wire *wire, int64_t now_ps) {
    if (wire->free_ps < now_ps) wire->free_ps = now_ps;
}

void port_queue(Net *net, int32_t w, const Packet *packet) {
    Wire *wire = &net->wire[w];
    be_ready(wire, packet->at_ps);
    net_set_bit(net, net->hub[wire->from].out_words, wire->out_bit);
    if (packet->kind != PACKET_DATA) {
        *ring_append(&net->rings, &wire->control) = *packet;
        return;
    }
    *ring_append(&net->rings, &wire->data) = *packet;
    wire->queued_bytes += packet->bytes;
    if (wire->queued_bytes > net->totals.wire[w].queue_most)
        totals_queue(&net->totals, w, packet, wire->queued_bytes);
}

// Pauses.

void port_pause(Net *net, const PauseFrame *frame) {
    Wire *wire = &net->wire[frame->wire];
    if (wire->paused == frame->pause) return;
    wire->paused = frame->pause;
    net->npaused += frame->pause ? 1 : -1;
    if (frame->pause) {
        totals_pause(&net->totals, frame->wire, frame->cause, frame->tally, frame->at_ps);
    } else {
        be_ready(wire, frame->at_ps);
        totals_pause_until(&net->totals, frame->wire, frame->at_ps);
    }
}

static void send_frame(Net *net, const Packet *packet, int32_t next, bool pause, int64_t now_ps) {
    const WireKind *back = net_kind(net, &net->wire[net->reverse[packet->in]]);
    net_pause(net, &(PauseFrame){.at_ps = now_ps + back->delay_ps,
                                 .wire = packet->in,
                                 .cause = next,
                                 .tally = packet->tally,
                                 .pause = pause});
}

int64_t port_pause_bytes(const Net *net, int64_t held_bytes) {
    const int64_t free_bytes = net->spec.buffer_bytes - held_bytes;
    return free_bytes > 0 ? (int64_t)(net->spec.pfc_share * (double)free_bytes) : 0;
}

int64_t port_resume_bytes(const Net *net, int64_t held_bytes) {
    const int64_t most = port_pause_bytes(net, held_bytes), less = 2 * net->spec.mtu_bytes;
    return most > less ? most - less : 0;
}

void port_check_pause(Net *net, Hub *hub, const Packet *packet, int32_t next, int64_t now_ps) {
    Wire *wire = &net->wire[packet->in];
    if (!wire->pausing && wire->held_bytes > port_pause_bytes(net, hub->held_bytes)) {
        wire->pausing = true;
        hub->npausing++;
        send_frame(net, packet, next, true, now_ps);
    } else if (wire->pausing && wire->held_bytes <= port_resume_bytes(net, hub->held_bytes)) {
        wire->pausing = false;
        hub->npausing--;
        send_frame(net, packet, next, false, now_ps);
    }
}

// Death.

/// No pause or resume of it arrives any more.
static void forget_frames(Net *net, int32_t w) {
    Hub *hub = &net->hub[net->wire[w].from];
    for (int32_t *link = &hub->first_frame; *link >= 0;) {
        const int32_t f = *link;
        PauseFrame *frame = &net->frame.at[f];
        if (frame->wire != w) {
            link = &frame->next;
            continue;
        }
        *link = frame->next;
        frame->next = net->free_frame;
        net->free_frame = f;
    }
}

void port_die(Net *net, int32_t w, int64_t now_ps, PacketArray *lost) {
    Wire *wire = &net->wire[w];
    while (ring_waits(&wire->control)) array_push(lost, ring_pop(&net->rings, &wire->control));
    while (ring_waits(&wire->data)) {
        const Packet packet = ring_pop(&net->rings, &wire->data);
        wire->queued_bytes -= packet.bytes;
        let_go(net, w, &packet, now_ps);
        totals_of(&net->totals, w, &packet)->all.area +=
            packet.bytes * ((now_ps - packet.at_ps) >> TOTALS_AREA_BITS);
        array_push(lost, packet);
    }
    if (net->credits) return; // they come back, or are there
    if (wire->pausing) net->hub[wire->to].npausing--;
    wire->pausing = false;
    if (wire->paused) port_pause(net, &(PauseFrame){.at_ps = now_ps, .wire = w, .pause = false});
    forget_frames(net, w);
}
