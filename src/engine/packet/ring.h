/// ring.h: packets, and the lists they stand in.
///
/// Idea.    What waits at a port stands in a queue; what is under way to a hub lies in the hub's inbox, in no order, by the
///          stretch of time in which it arrives. Both are lists of chunks of one pool, by place: chunk * RING_CHUNK + number.
///          An empty list has no chunk.
/// Limits.  2^31 places.
#ifndef COLOSSIM_ENGINE_PACKET_RING_H
#define COLOSSIM_ENGINE_PACKET_RING_H

#include <stdbool.h>
#include <stdint.h>

enum { RING_BITS = 3, RING_CHUNK = 1 << RING_BITS };

/// A header is what is left of data that was trimmed.
typedef enum PacketKind {
    PACKET_DATA,
    PACKET_ACK,
    PACKET_HEADER,
    PACKET_CREDIT ///< for the wire `number`, so many bytes, which left by `to`; of no queue pair
} PacketKind;
enum {
    PACKET_MARKED = 1,  ///< congestion was met; in an acknowledgement: tell the sender
    PACKET_LAST = 2,    ///< of its round
    PACKET_BOUND = 4,   ///< to the path of its queue pair, all the way
    PACKET_REFUSED = 8, ///< an acknowledgement: the packet that it answers has to be sent again
    PACKET_STALE =
        16, ///< its queue pair has another path: the next switch does not know where to send it
    PACKET_GONE = 32,   ///< it was on a cable that died
    PACKET_ASKS = 64,   ///< for an acknowledgement: without one nothing follows
    PACKET_AVOID = 64,  ///< an acknowledgement: what it answers was marked on its way
    PACKET_TWICE = 128, ///< an acknowledgement: the packet that it answers had come before
};

typedef struct Packet {
    int64_t at_ps; ///< when it arrives, or has arrived
    int32_t qp;    ///< queue pair
    int32_t
        number; ///< of its queue pair, from 0; in an acknowledgement: packets that have come without a gap
    int32_t bytes; ///< payload; in an acknowledgement ack_says(), in the last how many there were
    int32_t in;    ///< wire by which it comes; -1: from here
    int32_t to;    ///< endpoint
    uint8_t hop;   ///< wires of its path behind it
    uint8_t kind : 2, entropy : 6; ///< entropy.h; in an acknowledgement that of what it answers
    uint8_t flags;
    uint8_t tally; ///< slot of the step that it is counted for
} Packet;

_Static_assert(sizeof(Packet) == 32, "two packets a cache line");

/// What an acknowledgement says beside that all before `number` have come: how many behind that, and which packet it answers,
/// if that is not too far from there.
static inline int32_t ack_says(int32_t number, int32_t received, int32_t answered) {
    const int32_t early = received - number, off = answered - number;
    return (int32_t)((uint32_t)(early < UINT16_MAX ? early : UINT16_MAX) << 16 |
                     (uint16_t)(off > INT16_MAX || off < -INT16_MAX ? INT16_MIN : off));
}
static inline int32_t ack_received(const Packet *ack) {
    return ack->number + (int32_t)((uint32_t)ack->bytes >> 16);
}
/// -1: it does not say.
static inline int32_t ack_answers(const Packet *ack) {
    const int16_t off = (int16_t)(uint16_t)ack->bytes;
    return (ack->flags & PACKET_LAST) != 0 || off == INT16_MIN ? -1 : ack->number + off;
}

/// First in, first out: those at head .. tail - 1, from chunk to chunk.
typedef struct PacketQueue {
    int32_t head, tail; ///< -1: empty
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
    return (next & (RING_CHUNK - 1)) != 0 ? next : pool->after[position >> RING_BITS] << RING_BITS;
}

static inline void ring_give_back(RingPool *pool, int32_t chunk) {
    pool->after[chunk] = pool->first_free;
    pool->first_free = chunk;
}

/// Where the next packet of a queue is to be written; good until the next is asked for.
static inline Packet *ring_append(RingPool *pool, PacketQueue *queue) {
    if (queue->tail < 0) queue->head = queue->tail = ring_new_chunk(pool) << RING_BITS;
    const int32_t place = queue->tail;
    if (((place + 1) & (RING_CHUNK - 1)) == 0) {
        const int32_t chunk = ring_new_chunk(pool); // may move the packets
        pool->after[place >> RING_BITS] = chunk;
        queue->tail = chunk << RING_BITS;
    } else {
        queue->tail = place + 1;
    }
    return &pool->at[place];
}

static inline bool ring_waits(const PacketQueue *queue) { return queue->head >= 0; }

/// Take the first packet.
static inline Packet ring_pop(RingPool *pool, PacketQueue *queue) {
    const int32_t old = queue->head;
    const Packet packet = pool->at[old];
    queue->head = ring_next(pool, old);
    if (old >> RING_BITS != queue->head >> RING_BITS) ring_give_back(pool, old >> RING_BITS);
    if (queue->head == queue->tail) {
        ring_give_back(pool, queue->head >> RING_BITS);
        *queue = (PacketQueue){-1, -1};
    }
    return packet;
}

#endif
