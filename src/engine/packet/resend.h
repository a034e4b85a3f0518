/// resend.h: what the sender of a queue pair does about packets that do not arrive.
///
/// Idea.    Where packets can be lost (Net.lossy) a queue pair that has lost some keeps two bits for each packet from the first
///          that it does not know to have come: it has come, it is lost and has to be sent again, which goes first; and the
///          order in which they were sent. What tells of a loss:
///            a gap      an acknowledgement names the packet that it answers; on a path of its own all sent before that, on
///                       spread paths all sent so many before it, have come or are lost, if sent again, then again. So many are
///                       reorder_packets; twice as many from when a packet that was sent since has come twice
///            a refusal  of a packet that was trimmed; of one that came behind a gap, if the receiver keeps none of those
///                       (RECOVERY_GO_BACK): then all behind the gap is sent again
///            a time-out no acknowledgement for timeout_ps while packets are under way: all are lost, and one probes until
///                       an acknowledgement comes
///          `flying` counts packets and acknowledgements on their way: when it is 0 and all has come, the queue pair can be
///          forgotten.
/// Limits.  Acknowledgements are lost on dead links alone. A time-out does not grow with the number of trials, and what is
///          taken for reordering does not shrink again.
/// Source.  Selective repeat by bits: Mittal et al., "Revisiting network support for RDMA", SIGCOMM 2018; more reordering from
///          packets that come twice, at most once a round trip: RFC 8985, 6.2 (there by steps of one); go-back-N with one
///          refusal a gap: InfiniBand specification, 9.7.5. Trimming: Handley et al., "Re-architecting datacenter networks
///          and stacks for low latency and high performance", SIGCOMM 2017.
#ifndef COLOSSIM_ENGINE_PACKET_RESEND_H
#define COLOSSIM_ENGINE_PACKET_RESEND_H

#include "engine/packet/hubs.h"

/// A packet of a queue pair, and the round that it is in.
typedef struct Cursor {
    int32_t number, round, round_end, last_bytes;
} Cursor;

typedef enum Probe { PROBE_NONE, PROBE_DUE, PROBE_SENT } Probe;

typedef struct Resend {
    Cursor first; ///< at QueuePair.acked, or before
    Cursor at;    ///< no lost packet is before it
    uint64_t *got,
        *lost; ///< bits by packet modulo 64 * words, from QueuePair.acked on; NULL: nothing was ever lost
    int64_t *place;       ///< [64 * words] where in `order` a packet stands that was sent last then
    int32_t *order;       ///< packets as they were sent, by place modulo order_size
    int64_t judged, tail; ///< places: before `judged` is known what has become of each
    int32_t words, order_size;
    int32_t nlost;
    int32_t flying;
    int32_t reorder, reorder_since; ///< packets; number of the first that was sent since it is so
    int64_t stir_ps;                ///< an acknowledgement came last, or the first packet went
    Probe probe;
    bool timed, finished; ///< its timer runs; all has come
} Resend;

void resend_begin(Engine *engine, int32_t qp);
void resend_end(QueuePair *qp);
/// The next lost packet, as it is to be sent again.
void resend_take(Engine *engine, QueuePair *qp, Packet *packet);
/// A packet was sent at now_ps.
void resend_sent(Engine *engine, int32_t qp, int32_t number, int64_t now_ps);
/// An acknowledgement has come; what else it says of congestion is not looked at here.
void resend_hear(Engine *engine, int32_t qp, const Packet *ack);
/// All that is under way is lost: a time-out, or its path is dead.
void resend_all(Engine *engine, int32_t qp);
/// The timer of a queue pair is due: it may have something to send behind that.
void resend_timer(Engine *engine, int32_t qp, int64_t now_ps);
/// One that was on its way is no more: it has come, or is lost.
void resend_landed(Engine *engine, int32_t qp);
/// A packet is lost on its way to a wire.
void resend_lost(Engine *engine, const Packet *packet, int32_t wire);

#endif
