/// plays.h: transfers under way: their queue pairs, and the members of those that go round by round.
///
/// Idea.    Each edge of a transfer is `queue_pairs` queue pairs, each with an equal part of its bytes. One of several rounds
///          is a dataflow: a GPU sends round r + 1 on its edges when round r has come to it on all edges that lead to it,
///          `round_latency` later, of which the wires take their delay. So a ring passes on what it got, whatever others do;
///          a transfer has ended when all has come to all. It takes rounds * round_latency + bytes / B where nothing is in
///          the way and every GPU has begun, as engine.h has it, and a packet's time more for each wire that stores it.
///          What the first wire gets leaves so early that its first bit is there at start_ps. Of the queue pairs of a NIC that
///          can go, whoever could first goes first; of several the least tag, then as the transfer lists them.
/// Limits.  A queue pair begins at line rate with every transfer. What a NIC relays for others goes before its own. A
///          GPU that gets nothing in a transfer sends all rounds at once.
#ifndef COLOSSIM_ENGINE_PACKET_PLAYS_H
#define COLOSSIM_ENGINE_PACKET_PLAYS_H

#include "engine/engine.h"
#include "engine/packet/net.h"
#include "engine/runs.h"

#define TIMES_NAME "packet.times"
#define ROUNDS_NAME "packet.rounds"

/// What a control keeps of a queue pair (control.h).
typedef struct Control {
    double rate_Bps, target_Bps, alpha;
    int64_t alpha_ps, cut_ps, rise_ps; ///< when each was done last
    int32_t rises;                     ///< since the last cut, by time
    int32_t byte_rises;                ///< by what was sent
    int64_t counted_bytes;             ///< sent since the last of these, or the cut
    int32_t cuts;                      ///< so far
    double line_Bps;                   ///< that it began with
    int32_t window;                    ///< packets that may be under way; INT32_MAX: any
    double packets;                    ///< the same, and parts of one
    double mean_ps;                    ///< of queueing delays
    int64_t trip_ps;                   ///< the shortest round trip
} Control;

typedef struct QueuePair {
    // sender
    int64_t next_ps;  ///< the next packet goes no earlier
    int64_t since_ps; ///< its next packet could have begun
    int32_t sent;     ///< packets, of all rounds
    int32_t round_end,
        last_bytes;      ///< packets up to the end of the round that is sent; bytes of its last one
    int32_t bound;       ///< wire it leaves by; -1: any of the NIC's
    int32_t to;          ///< endpoint of its destination
    int32_t round;       ///< that is sent
    int32_t src;         ///< GPU
    bool queued, parked; ///< in the heap of its NIC; waits for its wire
    bool whole;          ///< its path is all the way
    uint8_t tally;       ///< slot of its step
    int32_t heard;       ///< packets that are known to have come, gaps or not
    struct Resend *resend; ///< resend.h; NULL: nothing is lost
    int64_t *sent_ps; ///< when packets were sent, by number modulo nsent, if the control wants it
    int32_t nsent;
    Control control;
    int64_t ready_ps;  ///< the next round goes no earlier, if it is released
    int64_t *later_ps; ///< [nlater] the same of those that are released behind it
    int32_t nlater, later_capacity;
    int32_t released;    ///< rounds that may be sent
    int32_t acked;       ///< packets that are known to have arrived
    int32_t path, npath; ///< in Plays.path
    int32_t next_out;    ///< of the same member
    int32_t next_parked; ///< on the same paused wire
    int32_t acks_heard,
        acks_due;    ///< due: 0 until the last has come, which says how many there were
    int64_t gap_ps;  ///< from when its GPU has a round to the first wire
    uint64_t flow;   ///< what switches know it by (entropy.h)
    uint32_t spares; ///< values whose spare is used, by bit
    uint8_t turn;    ///< the next value's
    // both
    int64_t bytes;
    int32_t from_member, to_member; ///< -1: one round
    int32_t play;                   ///< -1: it is forgotten
    int32_t pair;                   ///< number of its edge's
    uint64_t connection;
    int32_t place; ///< in its transfer
    // receiver
    int32_t dst;      ///< GPU
    int32_t back;     ///< endpoint of the NIC that sends
    int32_t arrived;  ///< packets, without a gap
    int32_t received; ///< packets, each once
    int32_t refused;  ///< the last that came behind a gap and was not kept; -1
    int32_t done;     ///< rounds that have come
    int32_t done_end; ///< packets up to the end of the round that is coming
    int32_t acks_sent;
    int32_t next_in; ///< of the same member
    int32_t early_words;
    uint64_t *early;   ///< beyond a gap: bits by packet modulo 64 * early_words
    int64_t notice_ps; ///< congestion was told last
    int64_t done_ps;   ///< the last round had come
} QueuePair;

/// A GPU in a transfer of several rounds.
typedef struct PlayMember {
    int32_t first_in, first_out; ///< queue pairs
    int32_t done;                ///< rounds that have come by all of them
    int32_t missing;             ///< of them, without the next
    int32_t held;                ///< queue pairs that refer to it
} PlayMember;

typedef struct Play {
    Completion completion;
    int64_t rounds, round_latency_ps;
    int64_t first_ps; ///< its first packet goes no earlier
    int32_t step, tally;
    int32_t left; ///< queue pairs that have not delivered all
    int32_t held; ///< queue pairs whose acknowledgements have not all come
    bool told;    ///< its end
    bool waits;   ///< it has never had a path that carries something
} Play;

typedef struct Plays {
    const Cluster *cluster;
    ARRAY_OF(Play) play;
    ARRAY_OF(int32_t) free_play;
    ARRAY_OF(QueuePair) qp;
    ARRAY_OF(int32_t) free_qp;
    ARRAY_OF(PlayMember) member;
    ARRAY_OF(int32_t) free_member;
    Runs path;          ///< of int32_t: wires
    int32_t *member_of; ///< [ngpus] while a transfer is taken apart; -1
} Plays;

/// Bytes and packets of a round of a queue pair.
static inline int64_t qp_round_bytes(const QueuePair *qp, int64_t rounds, int32_t round) {
    return wide_part(qp->bytes, round, rounds);
}
static inline const int32_t *qp_path(const Plays *plays, const QueuePair *qp) {
    return (const int32_t *)plays->path.at + qp->path;
}
static inline int32_t qp_packets(int64_t bytes, int64_t mtu_bytes) {
    return bytes > 0 ? (int32_t)((bytes + mtu_bytes - 1) / mtu_bytes) : 1;
}

void plays_init(Plays *plays, const Cluster *cluster);
void plays_fini(Plays *plays);
/// Its completion has been told.
void plays_told(Plays *plays, int32_t play);

#endif
