/// The cluster has changed: capacities, which links are dead, and what routing knows of that.
///
/// What is on a dead cable, or waits for one, is lost. A queue pair with a path of its own gets the one that routing has now; if
/// it is another, what is under way on the old one is lost too, and is sent again at once. Others find their losses by
/// themselves (resend.h), but that who probes does so now. What has no path waits as long as the cluster may still change.
#include "base/memory.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"

#define LABEL "packet.refresh"

/// While a change is felt.
typedef struct Change {
    Engine *engine;
    bool *moved; ///< [nqps] queue pairs that have another path
    PacketArray lost;
} Change;

static bool is_live(const QueuePair *qp) {
    return qp->play >= 0 &&
           qp->resend; // that all has come is known to the rank of its sender alone
}

// Paths.

static bool same_path(const Plays *plays, const QueuePair *a, const QueuePair *b) {
    if (a->npath != b->npath) return false;
    for (int32_t k = 0; k < a->npath; k++)
        if (qp_path(plays, a)[k] != qp_path(plays, b)[k]) return false;
    return true;
}

static Status move(Change *change, int32_t q) {
    Plays *plays = &change->engine->plays;
    QueuePair now = plays->qp.at[q];
    if (!is_live(&now) || !now.whole) return status_ok();
    TRY(plays_find_path(change->engine, &now));
    QueuePair *qp = &plays->qp.at[q];
    change->moved[q] = !same_path(plays, qp, &now);
    if (qp->npath > 0) runs_give_back(&plays->path, qp->path, qp->npath);
    qp->path = now.path;
    qp->npath = now.npath;
    qp->bound = now.bound;
    return status_ok();
}

// Packets.

static void flag(const Change *change, Packet *packet, bool flies) {
    const Net *net = &change->engine->net;
    if (packet->kind == PACKET_CREDIT) return;
    if (flies && net->wire[packet->in].dead) packet->flags |= PACKET_GONE;
    if (change->moved[packet->qp]) packet->flags |= PACKET_STALE;
}

static void flag_list(const Change *change, const PacketQueue *queue, bool flies) {
    const RingPool *pool = &change->engine->net.rings;
    if (queue->head < 0) return;
    for (int32_t at = queue->head; at != queue->tail; at = ring_next(pool, at))
        flag(change, &pool->at[at], flies);
}

static void flag_packets(const Change *change) {
    Net *net = &change->engine->net;
    for (int64_t h = 0; h < net->nhubs; h++)
        for (int32_t k = 0; k < INBOX_STRETCHES;
             k++) // what a NIC gets has come already, to its sink
            flag_list(change, &net->inboxes.of[h].list[k].packets, net->hub[h].kind != HUB_NIC);
    const FarPackets *far = &net->inboxes.far;
    for (int64_t i = 0; i < far->order.n; i++)
        flag(change, &far->at.at[far->order.at[i].item], true);
    for (int64_t w = 0; w < net->nlinks; w++) {
        flag_list(change, &net->wire[w].data, false);
        flag_list(change, &net->wire[w].control, false);
    }
}

static void bury(Change *change) {
    Engine *engine = change->engine;
    for (int32_t w = 0; w < engine->net.nlinks; w++) {
        if (!engine->net.wire[w].dead) continue;
        array_clear(&change->lost);
        port_die(&engine->net, w, engine->now_ps, &change->lost);
        for (int64_t i = 0; i < change->lost.n; i++) resend_lost(engine, &change->lost.at[i], w);
    }
}

// Senders.

static void wake(const Change *change) {
    Engine *engine = change->engine;
    for (int32_t q = 0; q < engine->plays.qp.n; q++) {
        QueuePair *qp = &engine->plays.qp.at[q];
        if (!is_live(qp) || qp->resend->finished || !ranks_have(&engine->net.ranks, qp->src) ||
            (!change->moved[q] && qp->resend->probe == PROBE_NONE))
            continue;
        if (qp->resend->probe != PROBE_NONE) qp->resend->probe = PROBE_DUE;
        resend_all(engine, q);
        nic_look_again(engine, q, engine->now_ps);
    }
    for (int32_t gpu = 0; gpu < engine->net.ngpus; gpu++) {
        Hub *hub = &engine->net.hub[gpu];
        nic_unpark(engine, hub, -1, engine->now_ps);
        net_wake(&engine->net, gpu, nic_next_ps(engine, hub));
    }
}

Status refresh_packets(Engine *engine) {
    const int64_t nqps = engine->plays.qp.n;
    Change change = {engine, memory_alloc(LABEL, (size_t)nqps * sizeof(bool)), {0}};
    Status status = status_ok();
    net_refresh(&engine->net);
    for (int32_t q = 0; q < nqps; q++) {
        const Status moved = move(&change, q);
        if (status_is_ok(&status)) status = moved;
    }
    flag_packets(&change);
    bury(&change);
    wake(&change);
    memory_free(LABEL, change.moved, (size_t)nqps * sizeof(bool));
    array_free(&change.lost);
    return status;
}
