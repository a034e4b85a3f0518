#include "bench/bare_sweep.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

#define LABEL "bench.bare"

enum { SERIAL_PS = 83200, ACK_PS = 1280, WIRE_PS = 500000, BUCKETS = 4 };

typedef struct BareEvent {
    int64_t at_ps;
    int32_t node, from, to, number;
    int32_t ack, pad;
} BareEvent;

typedef struct Bucket {
    BareEvent *event;
    int64_t n, capacity;
} Bucket;

typedef struct Bare {
    int32_t half; ///< k / 2
    int64_t hosts, nodes;
    int64_t *free_ps; ///< by port: those of hosts, then k a switch
    Bucket bucket[BUCKETS];
    int64_t window, pending;
    BareEvent *sorted;
    int64_t sorted_capacity;
    int32_t *first; ///< [nodes + 1]
} Bare;

static void put(Bare *bare, const BareEvent *event) {
    Bucket *bucket = &bare->bucket[event->at_ps / WIRE_PS % BUCKETS];
    if (bucket->n == bucket->capacity) {
        const int64_t capacity = bucket->capacity > 0 ? 2 * bucket->capacity : 1024;
        bucket->event =
            memory_resize(LABEL, bucket->event, (size_t)bucket->capacity * sizeof(BareEvent),
                          (size_t)capacity * sizeof(BareEvent));
        bucket->capacity = capacity;
    }
    bucket->event[bucket->n++] = *event;
    bare->pending++;
}

/// Port of a node for a destination, and the node that it leads to. Hosts are nodes 0 .. hosts - 1, then leaves, spines, cores.
static int64_t next_hop(const Bare *bare, int32_t node, int32_t to, int32_t *next) {
    const int32_t half = bare->half, hosts = (int32_t)bare->hosts;
    const int32_t leaves = hosts / half, pod = half * half, k = 2 * half;
    if (node < hosts) {
        *next = hosts + node / half;
        return node;
    }
    const int32_t s = node - hosts;
    const int64_t ports = hosts + (int64_t)s * k;
    if (s < leaves) {
        const bool down = to / half == s;
        *next = down ? to : hosts + leaves + s / half * half + to % half;
        return ports + (down ? to % half : half + to % half);
    }
    if (s < 2 * leaves) {
        const int32_t spine = s - leaves;
        const bool down = to / pod == spine / half;
        *next =
            down ? hosts + to / half : hosts + 2 * leaves + spine % half * half + to / half % half;
        return ports + (down ? to / half % half : half + to / half % half);
    }
    *next = hosts + leaves + to / pod * half + (s - 2 * leaves) / half;
    return ports + to / pod;
}

static void send_on(Bare *bare, BareEvent *event) {
    int32_t next;
    const int64_t port = next_hop(bare, event->node, event->to, &next);
    const int64_t takes_ps = event->ack ? ACK_PS : SERIAL_PS;
    int64_t start_ps = bare->free_ps[port] > event->at_ps ? bare->free_ps[port] : event->at_ps;
    bare->free_ps[port] = start_ps + takes_ps;
    event->at_ps = start_ps + takes_ps + WIRE_PS;
    event->node = next;
    put(bare, event);
}

/// All of a window by node and time.
static int64_t sort_window(Bare *bare, Bucket *bucket) {
    const int64_t n = bucket->n;
    if (n > bare->sorted_capacity) {
        bare->sorted =
            memory_resize(LABEL, bare->sorted, (size_t)bare->sorted_capacity * sizeof(BareEvent),
                          (size_t)(2 * n) * sizeof(BareEvent));
        bare->sorted_capacity = 2 * n;
    }
    memset(bare->first, 0, (size_t)(bare->nodes + 1) * sizeof *bare->first);
    for (int64_t i = 0; i < n; i++) bare->first[bucket->event[i].node + 1]++;
    for (int64_t v = 0; v < bare->nodes; v++) bare->first[v + 1] += bare->first[v];
    for (int64_t i = 0; i < n; i++)
        bare->sorted[bare->first[bucket->event[i].node]++] = bucket->event[i];
    for (int64_t i = 1; i < n; i++) {
        const BareEvent event = bare->sorted[i];
        int64_t j = i;
        for (; j > 0 && bare->sorted[j - 1].node == event.node &&
               bare->sorted[j - 1].at_ps > event.at_ps;
             j--)
            bare->sorted[j] = bare->sorted[j - 1];
        bare->sorted[j] = event;
    }
    bucket->n = 0;
    bare->pending -= n;
    return n;
}

static int64_t play_window(Bare *bare, int32_t acks_every) {
    const int64_t n = sort_window(bare, &bare->bucket[bare->window % BUCKETS]);
    for (int64_t i = 0; i < n; i++) {
        BareEvent event = bare->sorted[i];
        if (event.node != event.to) {
            send_on(bare, &event);
        } else if (!event.ack && event.number % acks_every == 0) {
            event.to = event.from;
            event.from = event.node;
            event.ack = 1;
            send_on(bare, &event);
        }
    }
    bare->window++;
    return n;
}

/// Each host sends those of its packets that begin in the window.
static void inject(Bare *bare, const int64_t to[], int64_t packets, int64_t sent[]) {
    const int64_t end_ps = (bare->window + 1) * WIRE_PS;
    for (int64_t host = 0; host < bare->hosts; host++)
        while (sent[host] < packets && sent[host] * SERIAL_PS < end_ps) {
            BareEvent event = {.at_ps = sent[host] * SERIAL_PS,
                               .node = (int32_t)host,
                               .from = (int32_t)host,
                               .to = (int32_t)to[host],
                               .number = (int32_t)++sent[host]};
            if (event.to != event.from) send_on(bare, &event);
        }
}

int64_t bare_sweep(int32_t k, const int64_t to[], int64_t packets, int32_t acks_every) {
    Bare bare = {.half = k / 2, .hosts = (int64_t)k * k * k / 4};
    const int64_t switches = bare.hosts / bare.half * 2 + (int64_t)bare.half * bare.half;
    bare.nodes = bare.hosts + switches;
    const size_t ports = (size_t)(bare.hosts + switches * k) * sizeof *bare.free_ps,
                 firsts = (size_t)(bare.nodes + 1) * sizeof *bare.first,
                 sents = (size_t)bare.hosts * sizeof(int64_t);
    bare.free_ps = memory_alloc(LABEL, ports);
    bare.first = memory_alloc(LABEL, firsts);
    int64_t *sent = memory_alloc(LABEL, sents), hops = 0;
    do {
        inject(&bare, to, packets, sent);
        hops += play_window(&bare, acks_every);
    } while (bare.pending > 0 || sent[0] < packets);
    for (int32_t b = 0; b < BUCKETS; b++)
        memory_free(LABEL, bare.bucket[b].event,
                    (size_t)bare.bucket[b].capacity * sizeof(BareEvent));
    memory_free(LABEL, bare.sorted, (size_t)bare.sorted_capacity * sizeof(BareEvent));
    memory_free(LABEL, bare.free_ps, ports);
    memory_free(LABEL, bare.first, firsts);
    memory_free(LABEL, sent, sents);
    return hops;
}
