#include "engine/packet/packet_engine.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/packet/hubs.h"
#include "engine/packet/resend.h"
#include "engine/packet/stall.h"
#include "engine/price.h"

#define LABEL "packet.engine"

PacketCounts packet_counts(const Engine *engine) { return engine->count; }

static Engine *create(const Cluster *cluster, const EngineSpec *spec) {
    const Status status = net_check(cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    Engine *engine = memory_alloc(LABEL, sizeof *engine);
    const PacketSpec standard = packet_default_spec();
    net_init(&engine->net, cluster, spec->packet ? spec->packet : &standard, spec->seed,
             spec->njobs > 1 ? spec->njobs : 1, spec->comm);
    routes_init(&engine->routes, cluster);
    plays_init(&engine->plays, cluster);
    engine->sender =
        memory_alloc("packet.senders", 2 * (size_t)engine->net.ngpus * sizeof *engine->sender);
    for (int64_t k = 0; k < 2 * engine->net.ngpus; k++) engine->sender[k].first_parked = -1;
    if (engine->net.lossy)
        engine->timer =
            memory_alloc("packet.senders", (size_t)engine->net.ngpus * sizeof *engine->timer);
    for (int32_t k = 0; k < NET_TALLIES; k++) engine->slot[k].step = -1;
    engine->spec = *spec;
    told_init(&engine->told,
              (Intervals){.width_ps = spec->interval_ps, .most = spec->intervals_most});
    engine->event_ps = engine->sink_ps = engine->stall_ps = TIME_NEVER_PS;
    engine->stuck = status_ok();
    skip_init(engine);
    return engine;
}

static void destroy(Engine *engine) {
    if (!engine) return;
    for (int64_t k = 0; k < 2 * engine->net.ngpus; k++)
        memory_free("packet.senders", engine->sender[k].heap,
                    (size_t)engine->sender[k].capacity * sizeof *engine->sender[k].heap);
    memory_free("packet.senders", engine->sender,
                2 * (size_t)engine->net.ngpus * sizeof *engine->sender);
    for (GpuId gpu = 0; engine->timer && gpu < engine->net.ngpus; gpu++)
        heap_free(&engine->timer[gpu]);
    memory_free("packet.senders", engine->timer, (size_t)engine->net.ngpus * sizeof *engine->timer);
    told_fini(&engine->told, &engine->net);
    skip_fini(engine);
    routes_fini(&engine->routes);
    plays_fini(&engine->plays);
    net_fini(&engine->net);
    heap_free(&engine->ended);
    array_free(&engine->done.list);
    array_free(&engine->drop_qps);
    array_free(&engine->delivered);
    array_free(&engine->landed);
    array_free(&engine->lost);
    array_free(&engine->handed);
    array_free(&engine->taken);
    array_free(&engine->order);
    array_free(&engine->sorted);
    memory_free(LABEL, engine, sizeof *engine);
}

// Transfers.

static Status alone_ps(Engine *engine, const Transfer *transfer, int64_t *duration_ps) {
    int32_t route;
    Price price;
    int64_t stored_ps;
    TRY(price_hold(&engine->routes, transfer, NULL, &route, &price)); // refuses what is too large
    const Status status = plays_stored_ps(engine, transfer, &stored_ps);
    *duration_ps = price.alone_ps;
    if (price.alone_ps < TIME_NEVER_PS - stored_ps) *duration_ps += stored_ps;
    routes_let_go(&engine->routes, route);
    for (int32_t r = routes_excess(&engine->routes); r >= 0; r = routes_excess(&engine->routes))
        routes_drop(&engine->routes, r);
    return status;
}

/// Slot of the totals of a step that has one, of -1 a free one; -1: there is none.
static int32_t find_slot(const Engine *engine, int32_t step) {
    int32_t k = NET_TALLIES - 1;
    while (k >= 0 && engine->slot[k].step != step) k--;
    return k;
}

static int32_t slot_of(Engine *engine, int32_t step, int32_t job) {
    const int32_t own = find_slot(engine, step), empty = own < 0 ? find_slot(engine, -1) : -1;
    if (own >= 0) return own;
    CHECK(empty >= 0, "more than %d steps under way", NET_TALLIES);
    engine->slot[empty] = (StepSlot){.step = step};
    totals_begin_step(&engine->net.totals, empty, job);
    return empty;
}

// Ranks: rank 0 orders, the others obey.

/// A transfer as it is handed to other ranks; its edges follow.
typedef struct Handed {
    Transfer transfer;
    int64_t alone_ps;
} Handed;

static void hand_bytes(Engine *engine, const void *bytes, size_t n) {
    const int64_t at = engine->handed.n;
    array_resize(&engine->handed, at + (int64_t)n);
    memcpy(engine->handed.at + at, bytes, n);
}

static void hand_over(Engine *engine, const Transfer *transfer, int64_t alone_ps) {
    const Handed handed = {*transfer, alone_ps};
    hand_bytes(engine, &handed, sizeof handed);
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        const Edge edge = transfer->edges.edge(transfer->edges.context, e);
        hand_bytes(engine, &edge, sizeof edge);
    }
}

static Edge handed_edge(const void *context, int64_t i) {
    Edge edge;
    memcpy(&edge, (const char *)context + (size_t)i * sizeof edge, sizeof edge);
    return edge;
}

static Status begin(Engine *engine, const Transfer *transfer, int64_t alone_ps) {
    engine->nunfinished++;
    skip_break(engine);
    return plays_begin(engine, transfer, slot_of(engine, transfer->step, transfer->job), alone_ps);
}

/// Begin what rank 0 has begun.
static void take_over(Engine *engine) {
    for (int64_t at = 0; at < engine->handed.n;) {
        Handed handed;
        memcpy(&handed, engine->handed.at + at, sizeof handed);
        at += (int64_t)sizeof handed;
        handed.transfer.edges.context = engine->handed.at + at;
        handed.transfer.edges.edge = handed_edge;
        at += handed.transfer.edges.nedges * (int64_t)sizeof(Edge);
        const Status status = begin(engine, &handed.transfer, handed.alone_ps);
        CHECK(status_is_ok(&status), "%s", status.text);
    }
}

typedef struct PacketOrder {
    int64_t to_ps;  ///< advance until then, or one of the below
    int64_t nbytes; ///< of transfers that have been submitted
} PacketOrder;

#define ORDER_DISMISS INT64_C(-1)
#define ORDER_CUT INT64_C(-2)    /* begin intervals anew */
#define ORDER_CHANGE INT64_C(-3) /* the cluster has changed */

/// Hand everyone the order of rank 0, and what has been submitted.
static PacketOrder share_order(Engine *engine, PacketOrder order) {
    const Comm *comm = engine->net.ranks.comm;
    comm_broadcast(comm, &order, sizeof order, 0);
    array_resize(&engine->handed, order.nbytes);
    if (order.nbytes > 0) comm_broadcast(comm, engine->handed.at, order.nbytes, 0);
    return order;
}

static bool is_shared(const Engine *engine) { return engine->net.ranks.owner != NULL; }

/// Rank 0, where it is served.
static void order(Engine *engine, int64_t to_ps) {
    if (!engine->served) return;
    share_order(engine, (PacketOrder){to_ps, engine->handed.n});
    array_clear(&engine->handed);
}

static Status submit(Engine *engine, const Transfer *transfer) {
    CHECK(transfer->start_ps >= engine->now_ps,
          "transfer %lld starts at %lld ps, but it is %lld ps", (long long)transfer->tag,
          (long long)transfer->start_ps, (long long)engine->now_ps);
    int64_t duration_ps;
    TRY(alone_ps(engine, transfer, &duration_ps));
    const bool waits = duration_ps == TIME_NEVER_PS && cluster_may_change(engine->net.cluster);
    if (duration_ps >= TIME_NEVER_PS - transfer->start_ps && !waits)
        return price_never_ends(transfer);
    TRY(begin(engine, transfer, duration_ps));
    if (is_shared(engine)) hand_over(engine, transfer, duration_ps);
    return status_ok();
}

// Changes.

/// What a transfer takes alone from now on, if it has not moved before; what a better path gains is not held against it.
static Status price_anew(Engine *engine, int32_t p, TransferSource source) {
    Completion *end = &engine->plays.play.at[p].completion;
    bool *waits = &engine->plays.play.at[p].waits;
    const Transfer transfer = source.describe(source.context, end->tag);
    int64_t duration_ps;
    TRY(alone_ps(engine, &transfer, &duration_ps));
    if (duration_ps == TIME_NEVER_PS && !cluster_may_change(engine->net.cluster))
        return price_never_ends(&transfer);
    if (*waits) end->alone_ps = duration_ps;
    *waits = *waits && duration_ps == TIME_NEVER_PS;
    return status_ok();
}

static void look_ahead(Engine *engine);

static Status refresh(Engine *engine, TransferSource source) {
    order(engine, ORDER_CHANGE);
    skip_break(engine);
    Status status = refresh_packets(engine);
    routes_refresh(&engine->routes);
    for (int32_t p = 0; p < engine->plays.play.n && status_is_ok(&status); p++) {
        Play *play = &engine->plays.play.at[p];
        if (play->left == 0) continue;
        play->completion.end_ps = play->completion.start_ps;
        if (source.describe) status = price_anew(engine, p, source);
    }
    look_ahead(engine);
    return status;
}

// Time.

static int64_t now_ps(const Engine *engine) { return engine->now_ps; }

static int64_t next_ps(const Engine *engine) {
    int64_t next_ps = heap_next_ps(&engine->ended);
    int64_t event_ps = engine->event_ps;
    if (event_ps < engine->now_ps) event_ps = engine->now_ps; // a hub is to be looked at again
    if (engine->sink_ps < next_ps) next_ps = engine->sink_ps;
    if (event_ps < TIME_NEVER_PS && event_ps + engine->net.window_ps < next_ps)
        next_ps = event_ps + engine->net.window_ps;
    if (engine->stall_ps < next_ps) next_ps = engine->stall_ps;
    return next_ps;
}

/// When something happens next, on any rank.
static void look_ahead(Engine *engine) {
    if (engine->skip.stage == SKIP_PASSING) {
        engine->event_ps = engine->skip.end_ps;
        engine->sink_ps = engine->stall_ps = TIME_NEVER_PS;
        return;
    }
    int64_t least_ps[] = {sweep_next_ps(engine), sweep_next_sink_ps(engine),
                          stall_look_ps(&engine->net, engine->now_ps)};
    if (is_shared(engine)) comm_min_i64(engine->net.ranks.comm, least_ps, 3);
    engine->event_ps = least_ps[0];
    engine->sink_ps = least_ps[1];
    engine->stall_ps = least_ps[2];
}

/// Count what was lost at the far end of wires, at the ports of this rank.
static void count_lost(Engine *engine) {
    Net *net = &engine->net;
    for (int64_t i = 0; i < engine->lost.n; i++) {
        const Packet *packet = &engine->lost.at[i];
        if (ranks_have(&net->ranks, net->wire[packet->in].from))
            totals_drop(&net->totals, packet->in, packet);
    }
    array_clear(&engine->lost);
}

/// Of queue pairs of other ranks one more packet each is no longer on its way.
static void share_landed(Engine *engine) {
    RANKS_SHARE_LIST(&engine->net.ranks, &engine->landed);
    for (int64_t i = 0; i < engine->landed.n; i++) {
        const int32_t q = engine->landed.at[i];
        if (ranks_have(&engine->net.ranks, engine->plays.qp.at[q].src)) resend_landed(engine, q);
    }
    array_clear(&engine->landed);
}

/// What ranks have to tell of each other's GPUs.   MPI: collective.
static void share_lists(Engine *engine) {
    const Ranks *ranks = &engine->net.ranks;
    if (engine->net.lossy) RANKS_SHARE_LIST(ranks, &engine->lost);
    if (engine->net.lossy) share_landed(engine);
    RANKS_SHARE_LIST(ranks, &engine->delivered);
    RANKS_SHARE_LIST(ranks, &engine->drop_qps);
}

/// What has been lost and delivered, and which queue pairs are done with, on all ranks.
static void share_news(Engine *engine) {
    if (is_shared(engine)) share_lists(engine);
    count_lost(engine);
    for (int64_t i = 0; i < engine->delivered.n; i++) plays_take(engine, &engine->delivered.at[i]);
    for (int64_t i = 0; i < engine->drop_qps.n; i++) plays_drop(engine, engine->drop_qps.at[i]);
    array_clear(&engine->delivered);
    array_clear(&engine->drop_qps);
}

/// Whoever has ended by now has a completion.
static void complete(Engine *engine, int64_t now_ps) {
    while (engine->ended.n > 0 && heap_next_ps(&engine->ended) <= now_ps) {
        const int32_t p = (int32_t)heap_pop(&engine->ended).item;
        array_push(&engine->done.list, engine->plays.play.at[p].completion);
        plays_told(&engine->plays, p);
        engine->nunfinished--;
    }
}

/// One window, or the way to the next event.
static void step(Engine *engine, int64_t to_ps) {
    if (skip_pass(engine, to_ps)) {
        look_ahead(engine);
        return;
    }
    const int64_t first_ps =
        engine->event_ps < engine->sink_ps ? engine->event_ps : engine->sink_ps;
    const int64_t end_ps = engine->now_ps + engine->net.window_ps;
    const int64_t look_ps = skip_look_ps(engine);
    const int64_t stall_ps = engine->stall_ps;
    if (look_ps < to_ps) to_ps = look_ps;
    if (stall_ps < to_ps) to_ps = stall_ps;
    if (first_ps >= end_ps)
        sweep_skip(engine, first_ps < to_ps ? first_ps : to_ps);
    else
        sweep_until(engine, end_ps < to_ps ? end_ps : to_ps);
    if (engine->now_ps == look_ps) {
        share_news(engine);
        skip_look(engine);
    }
    if (engine->now_ps == stall_ps) engine->stuck = stall_look(&engine->net, engine->now_ps);
    look_ahead(engine);
}

static bool is_idle(const Engine *engine) {
    return engine->event_ps == TIME_NEVER_PS && engine->sink_ps == TIME_NEVER_PS &&
           engine->stall_ps == TIME_NEVER_PS;
}

static void tell_interval(Engine *engine) {
    skip_settle(engine);
    skip_before_told(engine);
    told_end(&engine->told, &engine->net);
}

/// On all ranks alike.
static void advance_together(Engine *engine, int64_t to_ps) {
    look_ahead(engine);
    while (engine->now_ps < to_ps && !(to_ps == TIME_NEVER_PS && is_idle(engine)) &&
           status_is_ok(&engine->stuck)) {
        step(engine, to_ps < engine->told.end_ps ? to_ps : engine->told.end_ps);
        if (engine->now_ps == engine->told.end_ps) tell_interval(engine);
    }
    share_news(engine);
    complete(engine, to_ps);
}

static void advance(Engine *engine, int64_t to_ps) {
    CHECK(to_ps >= engine->now_ps, "advance to %lld ps, but it is %lld ps", (long long)to_ps,
          (long long)engine->now_ps);
    order(engine, to_ps);
    advance_together(engine, to_ps);
}

static void dismiss(Engine *engine) {
    order(engine, ORDER_DISMISS);
    engine->served = false;
}

static Served serve(Engine *engine) {
    engine->served = is_shared(engine) && engine->net.ranks.rank == 0;
    while (is_shared(engine) && engine->net.ranks.rank > 0) {
        const int64_t to_ps = share_order(engine, (PacketOrder){0}).to_ps;
        take_over(engine);
        if (to_ps == ORDER_CUT) return SERVED_CUT;
        if (to_ps == ORDER_CHANGE) return SERVED_CHANGE;
        if (to_ps == ORDER_DISMISS) break;
        advance_together(engine, to_ps);
        array_clear(&engine->done.list);
    }
    return SERVED_DISMISSED;
}

static int64_t drain(Engine *engine, Completion completions[], int64_t capacity) {
    return finished_drain(&engine->done, completions, capacity);
}

static int64_t nunfinished(const Engine *engine) { return engine->nunfinished; }

static Status stuck(const Engine *engine) { return engine->stuck; }

static EngineSizes sizes(const Engine *engine) {
    return (EngineSizes){.links = engine->net.nlinks,
                         .transfers = engine->plays.play.n,
                         .uses = engine->plays.path.n};
}

// Totals.

static void put_step(Engine *engine, int32_t step, LinkSink sink) {
    const int32_t k = find_slot(engine, step);
    if (k >= 0) told_step(&engine->net, k, step, sink, engine->now_ps);
}

static void clear_step(Engine *engine, int32_t step) {
    const int32_t k = find_slot(engine, step);
    if (k < 0) return;
    totals_end_step(&engine->net.totals, k);
    engine->slot[k].step = -1;
}

static void step_culprits(const Engine *engine, int32_t step, CulpritSink sink) {
    const int32_t k = find_slot(engine, step);
    if (k >= 0) told_culprits(&engine->net, k, sink);
}

static PacketTotals step_packets(const Engine *engine, int32_t step) {
    const int32_t k = find_slot(engine, step);
    return k >= 0 ? engine->slot[k].count : (PacketTotals){0};
}

static void sample_into(Engine *engine, LinkSink sink) {
    told_sample_into(&engine->told, &engine->net, sink, engine->now_ps);
}

static void restart_intervals(Engine *engine) {
    order(engine, ORDER_CUT);
    skip_break(engine);
    told_restart(&engine->told, &engine->net, engine->now_ps);
}

const EngineOps PACKET_ENGINE = {
    .name = PACKET_NAME,
    .check = net_check,
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .next_ps = next_ps,
    .now_ps = now_ps,
    .advance = advance,
    .drain = drain,
    .nunfinished = nunfinished,
    .stuck = stuck,
    .alone_ps = alone_ps,
    .step_links = put_step,
    .step_clear = clear_step,
    .step_culprits = step_culprits,
    .step_packets = step_packets,
    .sample_into = sample_into,
    .restart_intervals = restart_intervals,
    .refresh = refresh,
    .sizes = sizes,
    .serve = serve,
    .dismiss = dismiss,
};
