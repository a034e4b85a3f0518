/// net.h: the machine as packets see it: wires between hubs, and when something happens at each.
///
/// Idea.    A wire is a directed link with the port that feeds it; a hub is what wires join: a switch, the sending or the
///          receiving side of a GPU's NICs, or a scale-up domain. All that a hub does to others travels on wires of at
///          least `window_ps`, propagation and what the far end needs to take it: so all of [t, t + window_ps) can be played
///          hub by hub, in any order.
///
///              GPU   nic hub ---wire---> switch ---> ... ---> switch ---wire---> sink hub   GPU
///                       '------------> domain hub -------------------------------^
///                       ^---- what a sink has for its own nic, at once ---- sink
///
///          A hub takes what arrives in a window in the order of (time, hash). A port sends what waits when it is asked the
///          next time, not by an event of its own (port_until): it knows when each of its packets could begin, since
///          whatever changes that asks first. Sinks only receive, so all that will arrive within the next window is known,
///          and they are played one window ahead of the others: that is how a driver hears of an end before time comes there.
///          `agenda` has for each hub when it next has to be looked at, and the least of each block of hubs.
/// Limits.  NET_WIRES_MOST wires, NET_DEGREE_MOST to a hub. What waits in a scale-up domain or a NIC has no bound.
#ifndef COLOSSIM_ENGINE_PACKET_NET_H
#define COLOSSIM_ENGINE_PACKET_NET_H

#include "base/array.h"
#include "base/units.h"
#include "base/wide.h"
#include "cluster/routing.h"
#include "engine/packet/ranks.h"
#include "engine/packet/totals.h"
#include "engine/packet_spec.h"

typedef enum HubKind { HUB_NIC, HUB_SINK, HUB_SWITCH, HUB_DOMAIN } HubKind;

/// Wires of one tier, direction and capacity are alike.
typedef struct WireKind {
    int64_t Bps;             ///< of payload; 0: dead
    int64_t full_ps, ack_ps; ///< a full packet, an acknowledgement
    int64_t delay_ps; ///< from the last bit sent (or the first, if `cut`) to where it is taken
    int64_t mark_min, mark_max; ///< bytes waiting, see PacketSpec.ecn_min_us; INT64_MAX: never
    bool cut;                   ///< what follows may begin to send it when its first bit has come
} WireKind;

typedef struct Wire {
    PacketQueue data, control;
    int64_t free_ps;      ///< when the port can send the next
    int64_t queued_bytes; ///< data that waits at the port
    int64_t held_bytes;   ///< data that came over it and waits at its far end, a switch
    int32_t from, to;     ///< hubs, -1: nobody uses it
    uint16_t out_bit;     ///< its number among those that leave its hub
    uint16_t in_bit;      ///< among those that lead to its hub
    uint16_t kind;
    int32_t credit_bytes; ///< credits.h
    bool paused;          ///< its port may not send data
    bool pausing;         ///< its far end has asked for that
    bool dead;            ///< it carries nothing
} Wire;

_Static_assert(sizeof(Wire) == 64, "one cache line");

enum {
    NET_WIRES_MOST = INT32_MAX / 4,
    NET_DEGREE_MOST = UINT16_MAX,
    NET_WINDOW_BITS = 34, ///< of window_ps, see sweep.c
};

typedef struct Hub {
    int32_t nin, nout;
    int32_t first_out; ///< in Net.wires_out
    int32_t out_words; ///< first word in Net.words: wires with packets that wait
    int32_t first_frame;
    int32_t first_freed; ///< wire to here whose credits are to go back (credits.h); -1
    int32_t npausing;    ///< of its wires in
    int64_t held_bytes;
    HubKind kind;
    GpuId gpu; ///< of NICs and sinks
    FabricPlace place;
} Hub;

enum { AGENDA_BLOCK = 64 };

/// When hubs have something to do.
typedef struct Agenda {
    int64_t *next_ps;  ///< [nblocks * AGENDA_BLOCK]
    int64_t *block_ps; ///< [nblocks] least of each
    int64_t nblocks;
} Agenda;

typedef struct Net {
    const Cluster *cluster;
    PacketSpec spec;
    uint64_t seed;
    int64_t window_ps;
    int64_t ngpus, nlinks;
    int64_t nhubs; ///< NICs, switches, domains; then, from a whole block on, sinks
    int64_t first_sink;
    Wire *wire; ///< [nlinks] in `lines`, as totals.wire: each at the beginning of a cache line
    Totals totals;
    bool lossy; ///< packets may be lost
    ARRAY_OF(WireKind) kind;
    Hub *hub;
    int32_t *wires_out;
    uint64_t *words;
    int64_t nwords;
    char *lines;
    int32_t *reverse;                           ///< [nlinks] the other direction of its cable
    int32_t first_switch[FABRIC_TIERS_MAX + 2]; ///< hub by level
    RingPool rings;
    Inboxes inboxes;
    Ranks ranks;
    ARRAY_OF(int32_t)
    parts; ///< of a queue pair: packets of a round, of which the wait of one is a part of what it loses
    ARRAY_OF(PauseFrame) frame;
    int32_t free_frame;
    int64_t npaused;         ///< ports of this rank
    struct Credits *credits; ///< [nlinks] credits.h; NULL: there are none
    Agenda agenda;
} Net;

static inline const WireKind *net_kind(const Net *net, const Wire *wire) {
    return &net->kind.at[wire->kind];
}

/// Can packets be played on a cluster?  Cost: O(1) for a tree, O(links) for a graph.   Fails: STATUS_RANGE: it has too many
/// links, or some that take no time.
Status net_check(const Cluster *cluster);
/// Build the wires and hubs of a cluster that is good for them; `comm` as EngineSpec.comm.
void net_init(Net *net, const Cluster *cluster, const PacketSpec *spec, uint64_t seed,
              int32_t njobs, Comm *comm);
void net_fini(Net *net);
/// The cluster has changed: rates of wires, and which are dead.
void net_refresh(Net *net);

static inline void net_wake(Net *net, int32_t hub, int64_t at_ps) {
    Agenda *agenda = &net->agenda;
    if (at_ps >= agenda->next_ps[hub]) return;
    agenda->next_ps[hub] = at_ps;
    if (at_ps < agenda->block_ps[hub / AGENDA_BLOCK]) agenda->block_ps[hub / AGENDA_BLOCK] = at_ps;
}

/// A packet is under way to a hub, perhaps of another rank.
static inline void net_carry(Net *net, int32_t hub, const Packet *packet) {
    if (!ranks_have(&net->ranks, hub)) {
        array_push(&net->ranks.outbox[net->ranks.owner[hub]].packet, *packet);
        return;
    }
    inboxes_put(&net->inboxes, &net->rings, hub, packet);
    net_wake(net, hub, packet->at_ps);
}
/// Who has it that a packet arrives, or credits.
static inline int32_t net_destination(const Net *net, const Packet *packet) {
    return packet->kind == PACKET_CREDIT ? net->wire[packet->number].from
                                         : net->wire[packet->in].to;
}
/// A wire is to be paused, or resumed, from at_ps on.
void net_pause(Net *net, const PauseFrame *frame);
/// Hand out what other ranks have sent, and send them what is theirs.   MPI: collective.
void net_exchange(Net *net);
/// It is now_ps: what has been far comes near.
void net_pass(Net *net, int64_t now_ps);

static inline void net_set_bit(Net *net, int32_t words, int32_t bit) {
    net->words[words + bit / 64] |= UINT64_C(1) << bit % 64;
}
static inline void net_clear_bit(Net *net, int32_t words, int32_t bit) {
    net->words[words + bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

/// From the last bit sent over a link of the fabric until a packet is taken at a level (0: a GPU's NIC): propagation, and the
/// pipeline of a switch or half an adapter.
static inline int64_t net_link_delay_ps(const ClusterSpec *spec, int32_t tier, int32_t to_level) {
    const int64_t cable_ps = spec->tier[tier - 1].cable_ps;
    return cable_ps + (to_level > 0 ? spec->tier[to_level - 1].switch_spec.latency_ps
                                    : spec->nic.latency_ps / 2);
}

/// Time of so many bytes at a rate, rounded up.
static inline int64_t net_time_ps(int64_t bytes, int64_t Bps) {
    return (int64_t)(((UWide)bytes * PS_PER_S + (UWide)Bps - 1) / (UWide)Bps);
}
/// Time of a packet on a wire.
static inline int64_t wire_takes_ps(const Net *net, const WireKind *kind, const Packet *packet) {
    if (packet->kind != PACKET_DATA) return kind->ack_ps;
    if (packet->bytes == net->spec.mtu_bytes) return kind->full_ps;
    return net_time_ps(packet->bytes, kind->Bps);
}

#endif
