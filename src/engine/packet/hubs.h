/// hubs.h: the state of the packet engine, and what each kind of hub does with what comes to it.
///
///              sweep     one window: hub by hub, arrivals by (time, hash)                       sweep.c
///              switch    next wire, what it holds, marks and pauses                             switch_hub.c
///              nic       queue pairs in turn, paced by their rate                               nic_hub.c
///              sink      counts what comes, acknowledges, releases the next round               sink_hub.c
#ifndef COLOSSIM_ENGINE_PACKET_HUBS_H
#define COLOSSIM_ENGINE_PACKET_HUBS_H

#include "base/heap.h"
#include "engine/finished.h"
#include "engine/packet/packet_engine.h"
#include "engine/packet/plays.h"
#include "engine/packet/port.h"
#include "engine/packet/skip.h"
#include "engine/packet/told.h"
#include "engine/routes.h"

/// The queue pairs of one GPU that have something to send, a heap by (next_ps, since_ps); one of its way into its scale-up
/// domain, one of its NIC.
typedef struct Sender {
    int32_t *heap;
    int32_t n, capacity;
    int32_t first_parked;
} Sender;

typedef struct StepSlot {
    int32_t step; ///< -1: free
    PacketTotals count;
} StepSlot;

/// What comes to a hub in a window, to be sorted.
typedef struct Arrival {
    uint64_t key;  ///< see sweep.c
    int64_t which; ///< of those taken; a frame as -1 - wire
} Arrival;

/// All of a queue pair's bytes have come.
typedef struct Delivery {
    int64_t at_ps;
    int32_t play;
} Delivery;

struct Engine {
    Net net;
    Plays plays;
    Routes routes;  ///< for prices
    Sender *sender; ///< [2 * ngpus]
    StepSlot slot[NET_TALLIES];
    Heap ended; ///< plays by (end, tag), that sinks have told of
    Finished done;
    ARRAY_OF(Delivery) delivered; ///< to GPUs of this rank, since ranks told each other
    PacketArray lost;             ///< at the far end of their wires
    ARRAY_OF(int32_t) landed;     ///< packets of queue pairs of other ranks, by queue pair
    ARRAY_OF(int32_t) drop_qps;   ///< whose last acknowledgement is there, the same
    int64_t nunfinished;
    ARRAY_OF(char) handed; ///< transfers that other ranks have to begin
    bool served;           ///< by other ranks, at this moment
    int64_t event_ps,
        sink_ps; ///< when anything but a sink, and a sink, has something to do next, on any rank
    int64_t stall_ps; ///< when to look for pauses that never end (stall.h)
    Status stuck;     ///< what was seen then
    int64_t now_ps;   ///< played up to, but for sinks, which are a window ahead
    PacketCounts count;
    Heap *
        timer; ///< [ngpus] queue pairs by when to look for what is lost, or for a round; NULL: nothing is lost
    PacketArray taken; ///< scratch of sweep.c
    ARRAY_OF(Arrival) order, sorted;
    EngineSpec spec;
    Told told;
    Skip skip;
};

// What comes to a hub, over packet->in; the packet is the caller's.
void switch_take(Engine *engine, Hub *hub, Packet *packet);
void domain_take(Engine *engine, Hub *hub, Packet *packet);
void nic_take(Engine *engine, Hub *hub, Packet *packet);
void sink_take(Engine *engine, Hub *hub, Packet *packet);

/// Send what can begin before to_ps.
void nic_until(Engine *engine, Hub *hub, int64_t to_ps);
/// When the NIC has something to send; TIME_NEVER_PS.
int64_t nic_next_ps(const Engine *engine, const Hub *hub);
/// A queue pair has packets to send from qp->next_ps on.
void nic_offer(Engine *engine, int32_t qp);
/// A queue pair that had nothing that it could send may have something at now_ps.
void nic_look_again(Engine *engine, int32_t qp, int64_t now_ps);
/// The next round of a queue pair may be sent from ready_ps on.
void nic_release(Engine *engine, int32_t qp, int64_t ready_ps);
/// Times of queue pairs of a GPU have changed.
void nic_sort(Engine *engine, int32_t gpu);
/// A paused wire may send again.
void nic_unpark(Engine *engine, Hub *hub, int32_t wire, int64_t now_ps);

/// The cluster has changed at engine->now_ps: see refresh.c.  Fails: STATUS_NO_PATH.
Status refresh_packets(Engine *engine);

/// Play what there is before end_ps <= now_ps + window_ps, and what comes to sinks in the window behind that; then it is
/// end_ps.
void sweep_until(Engine *engine, int64_t end_ps);
/// Let it be now_ps, before which only sinks have something to do.
void sweep_skip(Engine *engine, int64_t now_ps);
/// When a sink has something to do, or anything else; TIME_NEVER_PS.
int64_t sweep_next_sink_ps(const Engine *engine);
int64_t sweep_next_ps(const Engine *engine);

/// What a transfer takes alone beside its price (price.h): wires store the last packet of each round.  Fails: STATUS_NO_PATH.
Status plays_stored_ps(Engine *engine, const Transfer *transfer, int64_t *stored_ps);
/// The path that routing has for a queue pair now.  Fails: STATUS_NO_PATH.
Status plays_find_path(Engine *engine, QueuePair *qp);
/// Begin a transfer; the slot of its step, and how long it takes alone, TIME_NEVER_PS: it waits for a path.  Fails: as above, and nothing has begun.
Status plays_begin(Engine *engine, const Transfer *transfer, int32_t tally, int64_t alone_ps);
/// A queue pair of a transfer has delivered all; the transfer ends with the last of them.
void plays_take(Engine *engine, const Delivery *delivery);
/// Forget a queue pair.
void plays_drop(Engine *engine, int32_t qp);
/// All of a round has come to a queue pair at at_ps.
void plays_delivered(Engine *engine, int32_t qp, int64_t at_ps);
/// How many packets a round of a queue pair has, and bytes the last of them.
int32_t round_packets(const Engine *engine, const QueuePair *qp, int64_t rounds, int32_t round,
                      int32_t *last_bytes);
/// The packets of a queue pair's round, behind those that it has sent.
void round_begin(const Engine *engine, QueuePair *qp, int64_t rounds);
/// The next round that is not released may be sent from ready_ps on.
void round_release(QueuePair *qp, int64_t ready_ps);
/// Go on to the next round, if there is one that is released: false if not.
bool round_next(Engine *engine, QueuePair *qp);

#endif
