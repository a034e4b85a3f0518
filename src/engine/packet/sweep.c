// One window, hub by hub.
#include "base/check.h"
#include "base/rng.h"
#include "engine/packet/hubs.h"

/// An arrival in a word, to be sorted: picoseconds since the window began, a hash that settles ties, which of its hub's wires
/// it comes over, and what it is. Of one wire and class what comes first stands first.
enum { KEY_TIE_BITS = 12, KEY_WIRE_BITS = 16, KEY_WHAT_BITS = 2 };
enum { KEY_REST_BITS = KEY_TIE_BITS + KEY_WIRE_BITS + KEY_WHAT_BITS };
typedef enum ArrivalKind { ARRIVAL_DATA, ARRIVAL_CONTROL, ARRIVAL_FRAME } ArrivalKind;

static uint64_t key_of(const Net *net, int64_t since_ps, int64_t at_ps, int32_t wire, int32_t bit,
                       ArrivalKind what) {
    const uint64_t tie =
        rng_mix(net->seed + (uint64_t)at_ps, (uint64_t)wire) >> (64 - KEY_TIE_BITS);
    return (uint64_t)since_ps << KEY_REST_BITS | tie << (KEY_WIRE_BITS + KEY_WHAT_BITS) |
           (uint64_t)bit << KEY_WHAT_BITS | (uint64_t)what;
}

static void list_ring(Engine *engine, int32_t w, ArrivalKind what, int64_t from_ps, int64_t end_ps,
                      int64_t *next_ps) {
    Net *net = &engine->net;
    const Wire *wire = &net->wire[w];
    const PacketQueue *ring = what == ARRIVAL_DATA ? &wire->data : &wire->control;
    for (int32_t place = ring->head; place != ring->sent; place = ring_next(&net->rings, place)) {
        const Packet *packet = &net->rings.at[place];
        if (packet->at_ps >= end_ps) {
            if (packet->at_ps < *next_ps) *next_ps = packet->at_ps;
            return;
        }
        array_push(&engine->order,
                   key_of(net, packet->at_ps - from_ps, packet->at_ps, w, wire->in_bit, what));
    }
}

static void list_frames(Engine *engine, const Hub *hub, int64_t from_ps, int64_t end_ps,
                        int64_t *next_ps) {
    Net *net = &engine->net;
    for (int32_t f = hub->first_frame; f >= 0; f = net->frame.at[f].next) {
        const PauseFrame *frame = &net->frame.at[f];
        if (frame->at_ps < end_ps)
            array_push(&engine->order,
                       key_of(net, frame->at_ps - from_ps, frame->at_ps, frame->wire,
                              net->wire[frame->wire].out_bit, ARRIVAL_FRAME));
        else if (frame->at_ps < *next_ps)
            *next_ps = frame->at_ps;
    }
}

/// What comes to a hub before end_ps; when the next comes behind that.
static void list_arrivals(Engine *engine, const Hub *hub, int64_t from_ps, int64_t end_ps,
                          int64_t *next_ps) {
    Net *net = &engine->net;
    array_clear(&engine->order);
    for (int32_t word = 0; word < (hub->nin + 63) / 64; word++)
        for (uint64_t bits = net->words[hub->in_words + word]; bits; bits &= bits - 1) {
            const int32_t bit = word * 64 + __builtin_ctzll(bits);
            const int32_t w = net->wires_in[hub->first_in + bit];
            list_ring(engine, w, ARRIVAL_DATA, from_ps, end_ps, next_ps);
            list_ring(engine, w, ARRIVAL_CONTROL, from_ps, end_ps, next_ps);
        }
    if (hub->first_frame >= 0) list_frames(engine, hub, from_ps, end_ps, next_ps);
}

static void insertion_sort(uint64_t at[], int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        const uint64_t key = at[i];
        int64_t k = i;
        for (; k > 0 && at[k - 1] > key; k--) at[k] = at[k - 1];
        at[k] = key;
    }
}

/// By counting how many fall into each of as many stretches as there are arrivals, then within each.
static void sort_arrivals(Engine *engine, int64_t span_ps) {
    enum { FEW = 24, STRETCHES_MAX = 1024 };
    const int64_t n = engine->order.n;
    if (n <= FEW) {
        insertion_sort(engine->order.at, n);
        return;
    }
    int32_t shift = KEY_REST_BITS;
    while ((span_ps >> (shift - KEY_REST_BITS)) >= STRETCHES_MAX) shift++;
    int32_t first[STRETCHES_MAX + 1] = {0};
    for (int64_t i = 0; i < n; i++) first[(engine->order.at[i] >> shift) + 1]++;
    for (int32_t s = 1; s <= STRETCHES_MAX; s++) first[s] += first[s - 1];
    array_resize(&engine->sorted, n);
    for (int64_t i = 0; i < n; i++)
        engine->sorted.at[first[engine->order.at[i] >> shift]++] = engine->order.at[i];
    insertion_sort(engine->sorted.at, n);
    for (int64_t i = 0; i < n; i++) engine->order.at[i] = engine->sorted.at[i];
}

/// The frame of a wire that comes first leaves the list: of those of one moment the one that was sent first, which stands
/// last.
static PauseFrame take_frame(Net *net, Hub *hub, int32_t wire) {
    int32_t *link = &hub->first_frame, *first = NULL;
    for (; *link >= 0; link = &net->frame.at[*link].next) {
        const PauseFrame *frame = &net->frame.at[*link];
        if (frame->wire == wire && (!first || frame->at_ps <= net->frame.at[*first].at_ps))
            first = link;
    }
    CHECK(first != NULL, "no frame for wire %d", wire);
    const int32_t f = *first;
    const PauseFrame frame = net->frame.at[f];
    *first = frame.next;
    net->frame.at[f].next = net->free_frame;
    net->free_frame = f;
    return frame;
}

static void take_pause(Engine *engine, Hub *hub, int32_t wire) {
    Net *net = &engine->net;
    const PauseFrame frame = take_frame(net, hub, wire);
    if (hub->kind == HUB_NIC)
        nic_until(engine, hub, frame.at_ps);
    else if (hub->npausing > 0)
        hub_until(net, hub, frame.at_ps);
    else
        port_until(net, wire, frame.at_ps);
    port_pause(net, wire, frame.pause, frame.at_ps);
    if (!frame.pause && hub->kind == HUB_NIC) nic_unpark(engine, hub, wire, frame.at_ps);
}

static void take_arrival(Engine *engine, Hub *hub, uint64_t key) {
    Net *net = &engine->net;
    const ArrivalKind what = (ArrivalKind)(key & ((1 << KEY_WHAT_BITS) - 1));
    const int32_t bit = (int32_t)(key >> KEY_WHAT_BITS) & ((1 << KEY_WIRE_BITS) - 1);
    if (what == ARRIVAL_FRAME) {
        take_pause(engine, hub, net->wires_out[hub->first_out + bit]);
        return;
    }
    const int32_t w = net->wires_in[hub->first_in + bit];
    Wire *wire = &net->wire[w];
    Packet packet = ring_pop(&net->rings, what == ARRIVAL_DATA ? &wire->data : &wire->control);
    if (!ring_flies(&wire->data) && !ring_flies(&wire->control))
        net_clear_bit(net, hub->in_words, bit);
    engine->count.hops += hub->kind != HUB_NIC;
    switch (hub->kind) {
        case HUB_SWITCH: switch_take(engine, hub, &packet, w); break;
        case HUB_SINK: sink_take(engine, hub, &packet, w); break;
        case HUB_NIC: nic_take(engine, hub, &packet, w); break;
        case HUB_DOMAIN: domain_take(engine, hub, &packet, w); break;
    }
}

/// Ports where nothing waits any more are no longer looked at; when the first of the others can go on.
static int64_t next_port_ps(Net *net, const Hub *hub) {
    int64_t next_ps = TIME_NEVER_PS;
    for (int32_t word = 0; word < (hub->nout + 63) / 64; word++)
        for (uint64_t bits = net->words[hub->out_words + word]; bits; bits &= bits - 1) {
            const int32_t bit = word * 64 + __builtin_ctzll(bits);
            const Wire *wire = &net->wire[net->wires_out[hub->first_out + bit]];
            if (!ring_waits(&wire->data) && !ring_waits(&wire->control)) {
                net_clear_bit(net, hub->out_words, bit);
                continue;
            }
            const int64_t own_ps = port_next_ps(wire);
            if (own_ps < next_ps) next_ps = own_ps;
        }
    return next_ps;
}

static void sweep_hub(Engine *engine, int32_t h, int64_t from_ps, int64_t end_ps) {
    Net *net = &engine->net;
    Hub *hub = &net->hub[h];
    int64_t next_ps = TIME_NEVER_PS;
    net->agenda.next_ps[h] = TIME_NEVER_PS;
    list_arrivals(engine, hub, from_ps, end_ps, &next_ps);
    sort_arrivals(engine, end_ps - from_ps);
    for (int64_t i = 0; i < engine->order.n; i++) take_arrival(engine, hub, engine->order.at[i]);
    if (hub->kind == HUB_NIC) {
        nic_until(engine, hub, end_ps);
        const int64_t own_ps = nic_next_ps(engine, hub);
        if (own_ps < next_ps) next_ps = own_ps;
    } else {
        hub_flush(net, hub, end_ps);
    }
    const int64_t port_ps = next_port_ps(net, hub);
    net_wake(net, h, port_ps < next_ps ? port_ps : next_ps);
}

/// All hubs of some blocks that have something to do before end_ps.
static void sweep_blocks(Engine *engine, int64_t first, int64_t end, int64_t from_ps,
                         int64_t end_ps) {
    Agenda *agenda = &engine->net.agenda;
    for (int64_t b = first; b < end; b++) {
        if (agenda->block_ps[b] >= end_ps) continue;
        const int64_t at = b * AGENDA_BLOCK;
        for (int64_t h = at; h < at + AGENDA_BLOCK; h++)
            if (agenda->next_ps[h] < end_ps) sweep_hub(engine, (int32_t)h, from_ps, end_ps);
        int64_t least_ps = TIME_NEVER_PS;
        for (int64_t h = at; h < at + AGENDA_BLOCK; h++)
            if (agenda->next_ps[h] < least_ps) least_ps = agenda->next_ps[h];
        agenda->block_ps[b] = least_ps;
    }
}

static int64_t next_of_blocks(const Agenda *agenda, int64_t first, int64_t end) {
    int64_t next_ps = TIME_NEVER_PS;
    for (int64_t b = first; b < end; b++)
        if (agenda->block_ps[b] < next_ps) next_ps = agenda->block_ps[b];
    return next_ps;
}

int64_t sweep_next_ps(const Engine *engine) {
    return next_of_blocks(&engine->net.agenda, 0, engine->net.first_sink / AGENDA_BLOCK);
}

int64_t sweep_next_sink_ps(const Engine *engine) {
    const Agenda *agenda = &engine->net.agenda;
    return next_of_blocks(agenda, engine->net.first_sink / AGENDA_BLOCK, agenda->nblocks);
}

void sweep_until(Engine *engine, int64_t end_ps) {
    const Net *net = &engine->net;
    const int64_t sinks = net->first_sink / AGENDA_BLOCK;
    sweep_blocks(engine, 0, sinks, engine->now_ps, end_ps);
    sweep_skip(engine, end_ps);
    engine->count.windows++;
}

void sweep_skip(Engine *engine, int64_t now_ps) {
    const Net *net = &engine->net;
    sweep_blocks(engine, net->first_sink / AGENDA_BLOCK, net->agenda.nblocks,
                 engine->now_ps + net->window_ps, now_ps + net->window_ps);
    engine->now_ps = now_ps;
}
