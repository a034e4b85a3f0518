#include "engine/packet/inbox.h"

#include "base/memory.h"

#define LABEL "packet.inboxes"

void inboxes_init(Inboxes *inboxes, int64_t nhubs, int64_t window_ps) {
    *inboxes = (Inboxes){.of = memory_alloc(LABEL, (size_t)nhubs * sizeof(Inbox)), .nhubs = nhubs};
    while (window_ps >> (inboxes->stretch_bits + 1) > 0) inboxes->stretch_bits++;
    for (int64_t h = 0; h < nhubs; h++)
        for (int32_t k = 0; k < INBOX_STRETCHES; k++)
            inboxes->of[h].list[k] = (InboxList){{-1, -1}, TIME_NEVER_PS};
    inboxes->near_ps = (int64_t)INBOX_STRETCHES << inboxes->stretch_bits;
}

void inboxes_fini(Inboxes *inboxes) {
    memory_free(LABEL, inboxes->of, (size_t)inboxes->nhubs * sizeof(Inbox));
    heap_free(&inboxes->far.order);
    array_free(&inboxes->far.at);
    array_free(&inboxes->far.hub);
    array_free(&inboxes->far.free);
}

void inboxes_put_far(Inboxes *inboxes, int32_t hub, const Packet *packet) {
    FarPackets *far = &inboxes->far;
    int64_t i = far->at.n;
    if (far->free.n > 0) {
        i = far->free.at[--far->free.n];
    } else {
        array_resize(&far->at, i + 1);
        array_resize(&far->hub, i + 1);
    }
    far->at.at[i] = *packet;
    far->hub.at[i] = hub;
    heap_push(&far->order, (HeapItem){packet->at_ps, far->nput++, i});
}

void inboxes_pass(Inboxes *inboxes, int64_t now_ps) {
    const int64_t stretch = now_ps >> inboxes->stretch_bits;
    if (stretch < (INT64_MAX >> inboxes->stretch_bits) - INBOX_STRETCHES)
        inboxes->near_ps = (stretch + INBOX_STRETCHES) << inboxes->stretch_bits;
}

bool inboxes_next_near(Inboxes *inboxes, int32_t *hub, Packet *packet) {
    FarPackets *far = &inboxes->far;
    if (far->order.n == 0 || heap_next_ps(&far->order) >= inboxes->near_ps) return false;
    const int32_t i = (int32_t)heap_pop(&far->order).item;
    *hub = far->hub.at[i];
    *packet = far->at.at[i];
    array_push(&far->free, i);
    return true;
}

/// Ask for the chunk behind the next one, whose packets will be read in a row.
static void fetch_chunk(const RingPool *pool, int32_t chunk, const PacketQueue *queue) {
    enum { LINE_PACKETS = 64 / sizeof(Packet) };
    if (chunk == queue->tail >> RING_BITS) return;
    const Packet *first = &pool->at[pool->after[chunk] << RING_BITS];
    for (int32_t k = 0; k < RING_CHUNK; k += LINE_PACKETS) __builtin_prefetch(first + k);
}

/// Of one stretch: those before end_ps go, the others stay.
static void take_list(RingPool *pool, InboxList *list, int64_t end_ps, PacketArray *taken) {
    const PacketQueue old = list->packets;
    *list = (InboxList){{-1, -1}, TIME_NEVER_PS};
    fetch_chunk(pool, old.head >> RING_BITS, &old);
    for (int32_t place = old.head, next; place != old.tail; place = next) {
        const Packet packet = pool->at[place];
        next = ring_next(pool, place);
        if (packet.at_ps < end_ps) {
            array_push(taken, packet);
        } else {
            *ring_append(pool, &list->packets) = packet;
            if (packet.at_ps < list->least_ps) list->least_ps = packet.at_ps;
        }
        if (next >> RING_BITS == place >> RING_BITS) continue;
        ring_give_back(pool, place >> RING_BITS);
        fetch_chunk(pool, next >> RING_BITS, &old);
    }
    ring_give_back(pool, old.tail >> RING_BITS);
}

int64_t inbox_take(const Inboxes *inboxes, RingPool *pool, int32_t hub, int64_t end_ps,
                   PacketArray *taken) {
    Inbox *inbox = &inboxes->of[hub];
    int64_t next_ps = TIME_NEVER_PS;
    for (int32_t k = 0; k < INBOX_STRETCHES; k++) {
        InboxList *list = &inbox->list[k];
        if (list->least_ps < end_ps) take_list(pool, list, end_ps, taken);
        if (list->least_ps < next_ps) next_ps = list->least_ps;
    }
    return next_ps;
}
