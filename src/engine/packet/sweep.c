// One window, hub by hub.
#include "base/check.h"
#include "base/rng.h"
#include "engine/packet/credits.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"

/// Arrivals are sorted by a word: picoseconds since the window began, a hash that settles ties, which of its hub's wires it
/// comes over, and what it is.
enum { KEY_TIE_BITS = 12, KEY_WIRE_BITS = 16, KEY_WHAT_BITS = 2 };
enum { KEY_REST_BITS = KEY_TIE_BITS + KEY_WIRE_BITS + KEY_WHAT_BITS };
_Static_assert(KEY_REST_BITS + NET_WINDOW_BITS <= 64, "a window fits");
enum { ARRIVAL_FRAME = 3 }; ///< beside kinds of packets; there are either frames or credits

static inline uint64_t key_of(const Net *net, int64_t since_ps, int64_t at_ps, int32_t wire,
                              int32_t bit, int32_t what) {
    const uint64_t tie =
        rng_mix(net->seed + (uint64_t)at_ps, (uint64_t)wire) >> (64 - KEY_TIE_BITS);
    return (uint64_t)since_ps << KEY_REST_BITS | tie << (KEY_WIRE_BITS + KEY_WHAT_BITS) |
           (uint64_t)bit << KEY_WHAT_BITS | (uint64_t)what;
}

static void list_frames(Engine *engine, const Hub *hub, int64_t from_ps, int64_t end_ps,
                        int64_t *next_ps) {
    Net *net = &engine->net;
    for (int32_t f = hub->first_frame; f >= 0; f = net->frame.at[f].next) {
        const PauseFrame *frame = &net->frame.at[f];
        if (frame->at_ps < end_ps)
            array_push(&engine->order,
                       (Arrival){key_of(net, frame->at_ps - from_ps, frame->at_ps, frame->wire,
                                        net->wire[frame->wire].out_bit, ARRIVAL_FRAME),
                                 -1 - frame->wire});
        else if (frame->at_ps < *next_ps)
            *next_ps = frame->at_ps;
    }
}

/// What comes to a hub before end_ps; returns when the next comes behind that.
static int64_t list_arrivals(Engine *engine, int32_t h, int64_t from_ps, int64_t end_ps) {
    Net *net = &engine->net;
    array_clear(&engine->taken);
    array_clear(&engine->order);
    int64_t next_ps = inbox_take(&net->inboxes, &net->rings, h, end_ps, &engine->taken);
    array_reserve(&engine->order, engine->taken.n);
    engine->order.n = engine->taken.n;
    for (int64_t i = 0; i < engine->taken.n; i++) {
        const Packet *packet = &engine->taken.at[i];
        const int32_t bit = net->wire[packet->in].in_bit;
        engine->order.at[i] = (Arrival){
            key_of(net, packet->at_ps - from_ps, packet->at_ps, packet->in, bit, packet->kind), i};
    }
    if (net->hub[h].first_frame >= 0) list_frames(engine, &net->hub[h], from_ps, end_ps, &next_ps);
    return next_ps;
}

static void insertion_sort(Arrival at[], int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        const Arrival moved = at[i];
        int64_t k = i;
        for (; k > 0 && at[k - 1].key > moved.key; k--) at[k] = at[k - 1];
        at[k] = moved;
    }
}

/// Stable, digit by digit from the last one: between two arrays, of which the one with the outcome is returned.
static const Arrival *radix_sort(Arrival *from, Arrival *to, int64_t n) {
    enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };
    for (int32_t shift = 0; shift < 64; shift += DIGIT_BITS) {
        int64_t first[DIGITS + 1] = {0};
        for (int64_t i = 0; i < n; i++) first[(from[i].key >> shift) % DIGITS + 1]++;
        for (int32_t d = 1; d < DIGITS; d++) first[d] += first[d - 1];
        for (int64_t i = 0; i < n; i++) to[first[(from[i].key >> shift) % DIGITS]++] = from[i];
        Arrival *sorted = to;
        to = from;
        from = sorted;
    }
    for (int64_t i = 1; i < n; i++) CHECK(from[i - 1].key <= from[i].key, "arrivals out of order");
    return from;
}

/// By counting how many fall into each of as many stretches as there are arrivals, then within each. Where one stretch has many
/// of them, as when all senders of a large switch begin at one moment, that would take their square.
static const Arrival *sort_arrivals(Engine *engine, int64_t span_ps) {
    enum { FEW = 16, STRETCHES_MAX = 1024, CROWD = 256 };
    const int64_t n = engine->order.n;
    if (n <= FEW) {
        insertion_sort(engine->order.at, n);
        return engine->order.at;
    }
    int32_t shift = KEY_REST_BITS, stretches = 32;
    while (stretches < n && stretches < STRETCHES_MAX) stretches *= 2;
    while ((span_ps >> (shift - KEY_REST_BITS)) >= stretches) shift++;
    int32_t first[STRETCHES_MAX + 1], most = 0;
    for (int32_t s = 0; s <= stretches; s++) first[s] = 0;
    for (int64_t i = 0; i < n; i++) first[(engine->order.at[i].key >> shift) + 1]++;
    for (int32_t s = 1; s <= stretches; s++) {
        if (first[s] > most) most = first[s];
        first[s] += first[s - 1];
    }
    array_reserve(&engine->sorted, n);
    if (most > CROWD) return radix_sort(engine->order.at, engine->sorted.at, n);
    for (int64_t i = 0; i < n; i++)
        engine->sorted.at[first[engine->order.at[i].key >> shift]++] = engine->order.at[i];
    insertion_sort(engine->sorted.at, n);
    return engine->sorted.at;
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
    port_pause(net, &frame);
    if (!frame.pause && hub->kind == HUB_NIC) nic_unpark(engine, hub, wire, frame.at_ps);
}

static void take_credit(Engine *engine, Hub *hub, const Packet *credit) {
    Net *net = &engine->net;
    if (hub->kind == HUB_NIC)
        nic_until(engine, hub, credit->at_ps);
    else
        port_until(net, credit->number, credit->at_ps);
    if (credits_take(net, credit) && hub->kind == HUB_NIC)
        nic_unpark(engine, hub, credit->number, credit->at_ps);
}

/// It was on a cable that has died.
static void take_gone(Engine *engine, const Hub *hub, const Packet *packet) {
    if (engine->net.credits && hub->kind == HUB_SWITCH && packet->kind == PACKET_DATA)
        credits_free(&engine->net, packet->in, packet->bytes, -1, packet->at_ps);
    resend_lost(engine, packet, packet->in);
}

static void take_arrival(Engine *engine, Hub *hub, int64_t which) {
    if (which < 0) {
        take_pause(engine, hub, (int32_t)(-1 - which));
        return;
    }
    Packet *packet = &engine->taken.at[which];
    if (packet->kind == PACKET_CREDIT) {
        take_credit(engine, hub, packet);
        return;
    }
    if (packet->flags & PACKET_GONE) {
        take_gone(engine, hub, packet);
        return;
    }
    engine->count.hops += hub->kind != HUB_NIC;
    switch (hub->kind) {
        case HUB_SWITCH: switch_take(engine, hub, packet); break;
        case HUB_SINK: sink_take(engine, hub, packet); break;
        case HUB_NIC: nic_take(engine, hub, packet); break;
        case HUB_DOMAIN: domain_take(engine, hub, packet); break;
    }
}

static void sweep_hub(Engine *engine, int32_t h, int64_t from_ps, int64_t end_ps) {
    Net *net = &engine->net;
    Hub *hub = &net->hub[h];
    net->agenda.next_ps[h] = TIME_NEVER_PS;
    int64_t next_ps = list_arrivals(engine, h, from_ps, end_ps);
    const Arrival *arrival = sort_arrivals(engine, end_ps - from_ps);
    const int64_t n = engine->order.n;
    for (int64_t i = 0; i < n; i++) take_arrival(engine, hub, arrival[i].which);
    if (hub->kind == HUB_NIC) {
        nic_until(engine, hub, end_ps);
        const int64_t own_ps = nic_next_ps(engine, hub);
        if (own_ps < next_ps) next_ps = own_ps;
    }
    const int64_t port_ps = hub_flush(net, hub, end_ps);
    if (hub->first_freed >= 0) {
        const int64_t freed_ps = credits_return(net, hub, end_ps);
        if (freed_ps < next_ps) next_ps = freed_ps;
    }
    if (net->agenda.next_ps[h] < end_ps) net->agenda.next_ps[h] = TIME_NEVER_PS; // it has been done
    net_wake(net, h, port_ps < next_ps ? port_ps : next_ps);
}

/// Ask for what has come to a hub: it may be anywhere in memory.
static void fetch_inbox(const Net *net, int32_t h, int64_t end_ps) {
    enum { LINE_PACKETS = 64 / sizeof(Packet) };
    const Inbox *inbox = &net->inboxes.of[h];
    for (int32_t k = 0; k < INBOX_STRETCHES; k++) {
        if (inbox->list[k].least_ps >= end_ps) continue;
        const Packet *first = &net->rings.at[inbox->list[k].packets.head & -RING_CHUNK];
        for (int32_t i = 0; i < RING_CHUNK; i += LINE_PACKETS) __builtin_prefetch(first + i);
    }
}

/// Those hubs of a block that have something to do before end_ps.
static void sweep_block(Engine *engine, int64_t block, int64_t from_ps, int64_t end_ps) {
    Net *net = &engine->net;
    const int64_t *next_ps = &net->agenda.next_ps[block * AGENDA_BLOCK];
    int32_t hub[AGENDA_BLOCK], n = 0;
    for (int32_t k = 0; k < AGENDA_BLOCK; k++)
        if (next_ps[k] < end_ps) hub[n++] = (int32_t)(block * AGENDA_BLOCK) + k;
    for (int32_t i = 0; i < n; i++) {
        if (i + 2 < n) __builtin_prefetch(&net->inboxes.of[hub[i + 2]]);
        if (i + 1 < n) fetch_inbox(net, hub[i + 1], end_ps);
        sweep_hub(engine, hub[i], from_ps, end_ps);
    }
    int64_t least_ps = TIME_NEVER_PS;
    for (int32_t k = 0; k < AGENDA_BLOCK; k++)
        if (next_ps[k] < least_ps) least_ps = next_ps[k];
    net->agenda.block_ps[block] = least_ps;
}

static void sweep_blocks(Engine *engine, int64_t first, int64_t end, int64_t from_ps,
                         int64_t end_ps) {
    for (int64_t b = first; b < end; b++)
        if (engine->net.agenda.block_ps[b] < end_ps) sweep_block(engine, b, from_ps, end_ps);
}

static int64_t next_of_blocks(const Agenda *agenda, int64_t first, int64_t end) {
    int64_t next_ps = TIME_NEVER_PS;
    for (int64_t b = first; b < end; b++)
        if (agenda->block_ps[b] < next_ps) next_ps = agenda->block_ps[b];
    return next_ps;
}

int64_t sweep_next_ps(const Engine *engine) {
    const Net *net = &engine->net;
    const int64_t far_ps = heap_next_ps(&net->inboxes.far.order),
                  near_ps = next_of_blocks(&net->agenda, 0, net->first_sink / AGENDA_BLOCK);
    return near_ps < far_ps ? near_ps : far_ps;
}

int64_t sweep_next_sink_ps(const Engine *engine) {
    const Agenda *agenda = &engine->net.agenda;
    return next_of_blocks(agenda, engine->net.first_sink / AGENDA_BLOCK, agenda->nblocks);
}

void sweep_until(Engine *engine, int64_t end_ps) {
    const Net *net = &engine->net;
    sweep_blocks(engine, 0, net->first_sink / AGENDA_BLOCK, engine->now_ps, end_ps);
    net_exchange(&engine->net);
    sweep_skip(engine, end_ps);
    engine->count.windows++;
}

void sweep_skip(Engine *engine, int64_t now_ps) {
    Net *net = &engine->net;
    const int64_t told_ps =
        engine->now_ps + net->window_ps; // nothing comes between that and now_ps
    net_pass(net, now_ps);
    sweep_blocks(engine, net->first_sink / AGENDA_BLOCK, net->agenda.nblocks,
                 told_ps > now_ps ? told_ps : now_ps, now_ps + net->window_ps);
    engine->now_ps = now_ps;
}
