/// entropy.h: which way a sender has each packet of spread paths go, by a value that switches hash.
///
/// Idea.    A queue pair has `paths` values. A switch hashes queue pair, value and itself, so that packets of one value go one
///          way, and all values together nearly evenly. MULTIPATH_TURNS: packets get the values in turn, from one on that is
///          the queue pair's own. MULTIPATH_AVOIDING: half of them in turn, each of which has a spare in the other half; a
///          value of which a packet was marked, or trimmed, and its spare take each other's place. So values stay where
///          nothing is marked, and move about where something is: who sends makes way for what is slow however far away it
///          is, which switches that look at their own queues cannot know.
/// Limits.  Acknowledgements go any way. Delay is not looked at, nor are losses without a header: a value that leads to a
///          dead link is used until routing knows of it. With 64 values a link may have a few more of them than another;
///          nobody finds ways that none of his values takes.
/// Source.  Bonato et al., "REPS: recycled entropy packet spraying for adaptive load balancing and failure mitigation", 2024:
///          values that came back without a mark are used again, others are replaced (there by any of 2^16; packets here
///          have six bits). In turn: Ultra Ethernet, oblivious spraying, as in csg-htsim.
#ifndef COLOSSIM_ENGINE_PACKET_ENTROPY_H
#define COLOSSIM_ENGINE_PACKET_ENTROPY_H

#include "base/rng.h"
#include "engine/packet/plays.h"

/// Values that have a turn.
static inline int32_t entropy_turns(const PacketSpec *spec) {
    return spec->multipath == MULTIPATH_AVOIDING ? (spec->paths + 1) / 2 : spec->paths;
}
static inline void entropy_begin(const PacketSpec *spec, QueuePair *qp) {
    const uint64_t ends = (uint64_t)(uint32_t)qp->src << 32 | (uint32_t)qp->dst;
    qp->flow = rng_mix(rng_mix(qp->connection, ends), (uint64_t)qp->pair);
    qp->turn = (uint8_t)(qp->flow % (uint64_t)entropy_turns(spec));
}
/// The value of the next packet.
static inline int32_t entropy_next(const PacketSpec *spec, const QueuePair *qp) {
    return qp->turn + (qp->spares >> qp->turn & 1 ? entropy_turns(spec) : 0);
}
/// It is sent.
static inline void entropy_sent(const PacketSpec *spec, QueuePair *qp) {
    qp->turn = (uint8_t)((qp->turn + 1) % entropy_turns(spec));
}
/// A packet of a value was marked or trimmed. One that has lost its turn already does not count again.
static inline void entropy_avoid(const PacketSpec *spec, QueuePair *qp, int32_t value) {
    const int32_t turns = entropy_turns(spec), turn = value % turns, spare = value / turns;
    if (turn + turns < spec->paths && (int32_t)(qp->spares >> turn & 1) == spare)
        qp->spares ^= UINT32_C(1) << turn;
}
/// What a switch hashes.
static inline uint64_t entropy_hash(uint64_t seed, const QueuePair *qp, int64_t hub,
                                    int32_t value) {
    return rng_mix(rng_mix(seed ^ qp->flow, (uint64_t)hub), (uint64_t)value);
}

#endif
