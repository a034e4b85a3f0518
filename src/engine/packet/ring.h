/// ring.h: packets, and the queues they stand in.
///
/// Idea.    A wire has a queue of packets for each of two classes, data and control. It holds those that wait to be sent, and
///          in front of them those that are under way: the receiver takes from the head, the sender moves `sent`, what
///          arrives is appended at the tail. So a packet is written once for each wire.
///
///              head              sent            tail
///               | under way ...... | waiting ...... |
///
///          Queues are lists of chunks of one pool, by position: chunk * RING_CHUNK + place. An empty queue has no chunk.
/// Limits.  2^31 places.
#ifndef COLOSSIM_ENGINE_PACKET_RING_H
#define COLOSSIM_ENGINE_PACKET_RING_H

#include <stdbool.h>
#include <stdint.h>

enum { RING_CHUNK = 8 };

typedef enum PacketKind { PACKET_DATA, PACKET_ACK } PacketKind;
enum {
    PACKET_MARKED = 1, ///< congestion was met; in an acknowledgement: tell the sender
    PACKET_LAST = 2,   ///< of its round
};

typedef struct Packet {
    int64_t at_ps;  ///< when it arrives, or has arrived
    int32_t qp;     ///< queue pair
    int32_t number; ///< of its queue pair, from 0; in an acknowledgement: packets that have arrived
    int32_t bytes;  ///< payload; on the wire, of an acknowledgement
    int32_t in;     ///< wire by which it came; -1: from here
    int32_t to;     ///< endpoint
    uint8_t hop;    ///< wires of its path behind it
    uint8_t kind, flags;
    uint8_t tally; ///< slot of the step that it is counted for
} Packet;

_Static_assert(sizeof(Packet) == 32, "two packets a cache line");

typedef struct PacketQueue {
    int32_t head, sent, tail; ///< -1: empty
} PacketQueue;

typedef struct RingPool {
    Packet *at;     ///< [nchunks * RING_CHUNK]
    int32_t *after; ///< [nchunks] the next chunk of its queue, or of the free list
    int32_t nchunks, first_free;
} RingPool;

void ring_pool_grow(RingPool *pool);
void ring_pool_fini(RingPool *pool);

static inline int32_t ring_new_chunk(RingPool *pool) {
    if (pool->first_free < 0) ring_pool_grow(pool);
    const int32_t chunk = pool->first_free;
    pool->first_free = pool->after[chunk];
    return chunk;
}

static inline int32_t ring_next(const RingPool *pool, int32_t position) {
    const int32_t next = position + 1;
    return next % RING_CHUNK != 0 ? next : pool->after[position / RING_CHUNK] * RING_CHUNK;
}

static inline void ring_push(RingPool *pool, PacketQueue *ring, const Packet *packet) {
    if (ring->tail < 0) ring->head = ring->sent = ring->tail = ring_new_chunk(pool) * RING_CHUNK;
    const int32_t place = ring->tail;
    if ((place + 1) % RING_CHUNK == 0) {
        const int32_t chunk = ring_new_chunk(pool); // may move the packets
        pool->after[place / RING_CHUNK] = chunk;
        ring->tail = chunk * RING_CHUNK;
    } else {
        ring->tail = place + 1;
    }
    pool->at[place] = *packet;
}

static inline bool ring_waits(const PacketQueue *ring) { return ring->sent != ring->tail; }
static inline bool ring_flies(const PacketQueue *ring) { return ring->head != ring->sent; }

/// Take the packet at the head, which is under way.
static inline Packet ring_pop(RingPool *pool, PacketQueue *ring) {
    const Packet packet = pool->at[ring->head];
    const int32_t old = ring->head;
    ring->head = ring_next(pool, old);
    if (ring->head == ring->tail) {
        pool->after[ring->head / RING_CHUNK] = pool->first_free;
        pool->first_free = ring->head / RING_CHUNK;
        if (old / RING_CHUNK != ring->head / RING_CHUNK) {
            pool->after[old / RING_CHUNK] = pool->first_free;
            pool->first_free = old / RING_CHUNK;
        }
        *ring = (PacketQueue){-1, -1, -1};
    } else if (old / RING_CHUNK != ring->head / RING_CHUNK) {
        pool->after[old / RING_CHUNK] = pool->first_free;
        pool->first_free = old / RING_CHUNK;
    }
    return packet;
}

#endif
