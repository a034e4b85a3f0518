#include "base/check.h"
#include "base/memory.h"
#include "engine/packet/control.h"
#include "engine/packet/entropy.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"
#include "engine/price.h"

#define LABEL "packet.plays"

static int32_t new_play(Plays *plays) {
    if (plays->free_play.n > 0) return plays->free_play.at[--plays->free_play.n];
    array_resize(&plays->play, plays->play.n + 1);
    return (int32_t)plays->play.n - 1;
}

static int32_t new_qp(Plays *plays) {
    if (plays->free_qp.n > 0) return plays->free_qp.at[--plays->free_qp.n];
    array_resize(&plays->qp, plays->qp.n + 1);
    return (int32_t)plays->qp.n - 1;
}

static int32_t new_member(Plays *plays) {
    int32_t m = (int32_t)plays->member.n;
    if (plays->free_member.n > 0)
        m = plays->free_member.at[--plays->free_member.n];
    else
        array_resize(&plays->member, plays->member.n + 1);
    plays->member.at[m] = (PlayMember){.first_in = -1, .first_out = -1};
    return m;
}

void plays_init(Plays *plays, const Cluster *cluster) {
    plays->cluster = cluster;
    runs_init(&plays->path, "packet.paths", sizeof(int32_t));
    plays->member_of =
        memory_alloc(LABEL, (size_t)cluster_ngpus(cluster) * sizeof *plays->member_of);
    for (GpuId gpu = 0; gpu < cluster_ngpus(cluster); gpu++) plays->member_of[gpu] = -1;
}

static void forget_lists(QueuePair *qp) {
    memory_free("packet.early", qp->early, (size_t)qp->early_words * sizeof *qp->early);
    qp->early = NULL;
    qp->early_words = 0;
    memory_free(ROUNDS_NAME, qp->later_ps, (size_t)qp->later_capacity * sizeof *qp->later_ps);
    qp->later_ps = NULL;
    qp->later_capacity = 0;
    memory_free(TIMES_NAME, qp->sent_ps, (size_t)qp->nsent * sizeof *qp->sent_ps);
    qp->sent_ps = NULL;
    qp->nsent = 0;
    resend_end(qp);
}

void plays_fini(Plays *plays) {
    for (int64_t q = 0; q < plays->qp.n; q++) forget_lists(&plays->qp.at[q]);
    array_free(&plays->play);
    array_free(&plays->free_play);
    array_free(&plays->qp);
    array_free(&plays->free_qp);
    array_free(&plays->member);
    array_free(&plays->free_member);
    runs_fini(&plays->path);
    memory_free(LABEL, plays->member_of,
                (size_t)cluster_ngpus(plays->cluster) * sizeof *plays->member_of);
}

// Paths.

/// What a path takes beside bytes: the delays of its wires, and how long those that store a packet of `bytes` hold it more
/// than the slowest of all does.
typedef struct PathCost {
    int64_t delay_ps, stored_ps, slowest_ps;
} PathCost;

static void add_wire(const Net *net, int32_t w, int64_t bytes, PathCost *cost) {
    const WireKind *kind = net_kind(net, &net->wire[w]);
    const Packet packet = {.kind = PACKET_DATA, .bytes = (int32_t)bytes};
    if (kind->Bps == 0) return;
    const int64_t takes_ps = wire_takes_ps(net, kind, &packet);
    cost->delay_ps += kind->delay_ps;
    if (!kind->cut) cost->stored_ps += takes_ps;
    if (takes_ps > cost->slowest_ps) cost->slowest_ps = takes_ps;
}

/// Behind the path that is fixed: the first way of those that each hub would choose from.
static PathCost path_cost(const Engine *engine, const QueuePair *qp, int64_t bytes) {
    const Net *net = &engine->net;
    const int32_t *path = qp_path(&engine->plays, qp);
    PathCost cost = {0, 0, 0};
    int32_t at = qp->src;
    for (int32_t k = 0; k < qp->npath; k++) {
        add_wire(net, path[k], bytes, &cost);
        at = net->wire[path[k]].to;
    }
    for (int32_t k = 0; !qp->whole && k < ROUTE_HOPS_MAX; k++) {
        const Hub *hub = &net->hub[at];
        if (hub->kind == HUB_SINK && hub->gpu == qp->dst) break;
        Onward onward;
        routing_onward(net->cluster, &hub->place, qp->to, &onward);
        if (onward.n == 0) break;
        const int32_t w = (int32_t)onward_link(&onward, 0);
        add_wire(net, w, bytes, &cost);
        at = net->wire[w].to;
    }
    if (cost.stored_ps >= cost.slowest_ps) cost.stored_ps -= cost.slowest_ps;
    return cost;
}

Status plays_find_path(Engine *engine, QueuePair *qp) {
    LinkId path[ROUTE_HOPS_MAX];
    const Cluster *cluster = engine->net.cluster;
    const GpuId sender = cluster_gpu_at(cluster, qp->back);
    TRY(routing_path(cluster, qp->src, sender, qp->dst, qp->connection, qp->pair, path,
                     &qp->npath));
    const bool inside = qp->npath > 0 && cluster_link_tier(cluster, path[0]) == 0;
    qp->whole = !routing_is_spread(cluster) || (inside && sender == qp->src);
    qp->bound = qp->npath > 0 ? (int32_t)path[0] : -1;
    qp->path = qp->npath > 0 ? runs_take(&engine->plays.path, qp->npath) : 0;
    for (int32_t k = 0; k < qp->npath; k++)
        ((int32_t *)engine->plays.path.at)[qp->path + k] = (int32_t)path[k];
    return status_ok();
}

// Beginning.

/// The member of a transfer that a GPU is.
static int32_t member_of(Plays *plays, GpuId gpu) {
    if (plays->member_of[gpu] < 0) plays->member_of[gpu] = new_member(plays);
    return plays->member_of[gpu];
}

static void join_members(Plays *plays, int32_t q, QueuePair *qp) {
    qp->from_member = member_of(plays, qp->src);
    qp->to_member = member_of(plays, qp->dst);
    PlayMember *from = &plays->member.at[qp->from_member], *to = &plays->member.at[qp->to_member];
    qp->next_out = from->first_out;
    from->first_out = q;
    qp->next_in = to->first_in;
    to->first_in = q;
    to->missing++;
    from->held++;
    to->held++;
}

/// A queue pair with its path, and what that costs.
static Status make_pair(Engine *engine, const Transfer *transfer, const Edge *edge, int32_t pair,
                        QueuePair *qp, PathCost *cost) {
    const Cluster *cluster = engine->net.cluster;
    *qp = (QueuePair){
        .src = (int32_t)edge->src,
        .dst = (int32_t)edge->dst,
        .to = (int32_t)cluster_endpoint_of(cluster, edge->dst),
        .back = (int32_t)cluster_endpoint_of(cluster, edge_sender(cluster, edge)),
        .connection = transfer->connection,
        .pair = pair,
        .from_member = -1,
        .to_member = -1,
        .notice_ps = INT64_MIN / 2,
        .refused = -1,
        .acks_due = -1,
        .released = 1,
        .bytes = wide_part(transfer->bytes * edge->weight, pair, transfer->queue_pairs)};
    REQUIRE(qp->bytes / engine->net.spec.mtu_bytes + transfer->rounds < PACKET_NUMBERS_MOST,
            STATUS_RANGE,
            "transfer %lld of %lld bytes: less than %d packets of each queue pair are allowed",
            (long long)transfer->tag, (long long)transfer->bytes, PACKET_NUMBERS_MOST);
    TRY(plays_find_path(engine, qp));
    round_begin(engine, qp, transfer->rounds);
    qp->done_end = qp->round_end;
    *cost = path_cost(engine, qp, qp->round_end > 1 ? engine->net.spec.mtu_bytes : qp->last_bytes);
    return status_ok();
}

Status plays_stored_ps(Engine *engine, const Transfer *transfer, int64_t *stored_ps) {
    *stored_ps = 0;
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        const Edge edge = transfer->edges.edge(transfer->edges.context, e);
        for (int32_t k = 0; k < transfer->queue_pairs; k++) {
            QueuePair qp;
            PathCost cost;
            TRY(make_pair(engine, transfer, &edge, k, &qp, &cost));
            if (qp.npath > 0) runs_give_back(&engine->plays.path, qp.path, qp.npath);
            if (cost.stored_ps > *stored_ps) *stored_ps = cost.stored_ps;
        }
    }
    *stored_ps = wide_word((Wide)*stored_ps * transfer->rounds);
    return status_ok();
}

/// Line rate of its first wire, whatever is left of that now.
static int64_t first_Bps(const Engine *engine, const QueuePair *qp) {
    const Cluster *cluster = engine->net.cluster;
    return cluster_healthy_Bps(cluster, qp->bound < 0 ? 1 : cluster_link_tier(cluster, qp->bound));
}

static Status add_pair(Engine *engine, const Transfer *transfer, const Edge *edge, int32_t pair,
                       int32_t p) {
    Plays *plays = &engine->plays;
    QueuePair made;
    PathCost cost;
    TRY(make_pair(engine, transfer, edge, pair, &made, &cost));
    const int32_t q = new_qp(plays);
    QueuePair *qp = &plays->qp.at[q];
    *qp = made;
    qp->play = p;
    qp->place = plays->play.at[p].left;
    qp->tally = (uint8_t)plays->play.at[p].tally;
    entropy_begin(&engine->net.spec, qp);
    if (engine->net.parts.n < plays->qp.n) array_resize(&engine->net.parts, plays->qp.n);
    engine->net.parts.at[q] = made.round_end;
    qp->gap_ps = transfer->round_latency_ps - cost.delay_ps;
    qp->next_ps = transfer->start_ps + qp->gap_ps;
    if (qp->next_ps < engine->now_ps) qp->next_ps = engine->now_ps;
    qp->since_ps = qp->next_ps;
    if (qp->next_ps < plays->play.at[p].first_ps) plays->play.at[p].first_ps = qp->next_ps;
    if (qp->gap_ps < 0) qp->gap_ps = 0;
    const int64_t trip_ps = 2 * cost.delay_ps + cost.stored_ps + cost.slowest_ps;
    control_begin(&qp->control, &engine->net.spec, first_Bps(engine, qp), trip_ps, qp->next_ps);
    if (transfer->rounds > 1) join_members(plays, q, qp);
    if (engine->net.lossy) resend_begin(engine, q);
    plays->play.at[p].left++;
    plays->play.at[p].held++;
    nic_offer(engine, q);
    if (qp->next_ps < engine->event_ps) engine->event_ps = qp->next_ps;
    return status_ok();
}

/// Who gets nothing waits for nobody.
static void release_sources(Plays *plays, GpuId gpu, int64_t rounds) {
    if (plays->member_of[gpu] < 0) return;
    const PlayMember *member = &plays->member.at[plays->member_of[gpu]];
    if (member->first_in >= 0) return;
    for (int32_t q = member->first_out; q >= 0; q = plays->qp.at[q].next_out)
        plays->qp.at[q].released = (int32_t)rounds;
}

static void forget_members(Plays *plays, const Transfer *transfer) {
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        const Edge edge = transfer->edges.edge(transfer->edges.context, e);
        release_sources(plays, edge.src, transfer->rounds);
        plays->member_of[edge.src] = plays->member_of[edge.dst] = -1;
    }
}

Status plays_begin(Engine *engine, const Transfer *transfer, int32_t tally, int64_t alone_ps) {
    Plays *plays = &engine->plays;
    const int32_t p = new_play(plays);
    const bool waits = alone_ps == TIME_NEVER_PS;
    plays->play.at[p] = (Play){.completion = {.tag = transfer->tag,
                                              .start_ps = transfer->start_ps,
                                              .end_ps = transfer->start_ps + (waits ? 0 : alone_ps),
                                              .alone_ps = alone_ps},
                               .waits = waits,
                               .first_ps = TIME_NEVER_PS,
                               .rounds = transfer->rounds,
                               .round_latency_ps = transfer->round_latency_ps,
                               .step = transfer->step,
                               .tally = tally};
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        const Edge edge = transfer->edges.edge(transfer->edges.context, e);
        for (int32_t k = 0; k < transfer->queue_pairs; k++)
            TRY(add_pair(engine, transfer, &edge, k, p));
    }
    if (transfer->rounds > 1) forget_members(plays, transfer);
    return status_ok();
}

// Going on.

/// A GPU has a round: it may send the next on all its edges.
static void release(Engine *engine, const PlayMember *member, int64_t at_ps) {
    const Plays *plays = &engine->plays;
    for (int32_t q = member->first_out; q >= 0; q = plays->qp.at[q].next_out)
        nic_release(engine, q, at_ps + plays->qp.at[q].gap_ps);
}

static void arrive(Engine *engine, const QueuePair *qp, int64_t rounds, int64_t at_ps) {
    Plays *plays = &engine->plays;
    PlayMember *member = &plays->member.at[qp->to_member];
    if (qp->done != member->done + 1 || --member->missing > 0) return;
    while (member->missing == 0 && member->done < rounds) {
        member->done++;
        if (member->done < rounds) release(engine, member, at_ps);
        for (int32_t q = member->first_in; q >= 0; q = plays->qp.at[q].next_in)
            member->missing += plays->qp.at[q].done == member->done;
    }
}

void plays_delivered(Engine *engine, int32_t q, int64_t at_ps) {
    Plays *plays = &engine->plays;
    const QueuePair *qp = &plays->qp.at[q];
    Play *play = &plays->play.at[qp->play];
    if (qp->to_member >= 0) arrive(engine, qp, play->rounds, at_ps);
    if (qp->done < play->rounds) return;
    array_push(&engine->delivered, (Delivery){.play = qp->play, .at_ps = at_ps});
}

void plays_take(Engine *engine, const Delivery *delivery) {
    Play *play = &engine->plays.play.at[delivery->play];
    Completion *end = &play->completion;
    if (delivery->at_ps > end->end_ps) end->end_ps = delivery->at_ps;
    if (--play->left > 0) return;
    if (end->end_ps - end->start_ps < end->alone_ps) end->alone_ps = end->end_ps - end->start_ps;
    heap_push(&engine->ended,
              (HeapItem){play->completion.end_ps,
                         (uint64_t)play->completion.tag ^ (UINT64_C(1) << 63), delivery->play});
}

static void drop_member(Plays *plays, int32_t m) {
    if (m >= 0 && --plays->member.at[m].held == 0) array_push(&plays->free_member, m);
}

void plays_drop(Engine *engine, int32_t q) {
    Plays *plays = &engine->plays;
    QueuePair *qp = &plays->qp.at[q];
    if (qp->npath > 0) runs_give_back(&plays->path, qp->path, qp->npath);
    forget_lists(qp);
    drop_member(plays, qp->from_member);
    drop_member(plays, qp->to_member);
    Play *play = &plays->play.at[qp->play];
    if (--play->held == 0 && play->told) array_push(&plays->free_play, qp->play);
    qp->play = -1;
    array_push(&plays->free_qp, q);
}

void plays_told(Plays *plays, int32_t p) {
    Play *play = &plays->play.at[p];
    play->told = true;
    if (play->held == 0) array_push(&plays->free_play, p);
}
