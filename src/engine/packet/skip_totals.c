#include <string.h>

#include "base/memory.h"
#include "engine/packet/hubs.h"

#define LABEL "packet.skip"

// What happens in a measurement.

static SkipWire wire_now(const Totals *totals, int64_t w) {
    const StepTotals *all = &totals->wire[w].all;
    SkipWire now = {.wait_ps = all->wait_ps, .busy_wait_ps = all->busy_wait_ps, .area = all->area};
    if (!totals->events) return now;
    const PortEvents *events = &totals->events[w];
    now.paused_ps = events->paused_ps;
    now.cause_ps = events->cause_ps;
    now.marks = events->marks;
    now.reordered = events->reordered;
    return now;
}

static void subtract(SkipWire *from, const SkipWire *what) {
    from->wait_ps -= what->wait_ps;
    from->busy_wait_ps -= what->busy_wait_ps;
    from->area -= what->area;
    from->paused_ps -= what->paused_ps;
    from->cause_ps -= what->cause_ps;
    from->marks -= what->marks;
    from->reordered -= what->reordered;
}

/// Pauses that go on are added up to now.
static void count_pauses(Net *net, int64_t now_ps) {
    for (int32_t w = 0; w < net->nlinks && net->totals.pause; w++)
        if (net->wire[w].paused) totals_pause_until(&net->totals, w, now_ps);
}

static int64_t nshares(const Totals *totals) { return totals->nlinks * totals->njobs; }

void skip_free_notes(Engine *engine) {
    const Totals *totals = &engine->net.totals;
    for (int32_t i = 0; i < 2; i++) {
        SkipNote *note = &engine->skip.note[i];
        if (note->wire) memory_free(LABEL, note->wire, (size_t)totals->nlinks * sizeof *note->wire);
        for (int32_t k = 0; k < NET_TALLIES; k++)
            if (note->cost[k])
                memory_free(LABEL, note->cost[k], (size_t)nshares(totals) * sizeof(int64_t));
    }
}

static void note_costs(const Totals *totals, int32_t k, SkipNote *note) {
    const size_t bytes = (size_t)nshares(totals) * sizeof(int64_t);
    if (!totals->cost[k]) return;
    if (!note->cost[k]) note->cost[k] = memory_alloc(LABEL, bytes);
    memcpy(note->cost[k], totals->cost[k], bytes);
}

void skip_note_totals(Engine *engine, int32_t which) {
    SkipNote *note = &engine->skip.note[which];
    const Totals *totals = &engine->net.totals;
    count_pauses(&engine->net, engine->now_ps);
    if (!note->wire) note->wire = memory_alloc(LABEL, (size_t)totals->nlinks * sizeof *note->wire);
    for (int64_t w = 0; w < totals->nlinks; w++) note->wire[w] = wire_now(totals, w);
    for (int32_t k = 0; k < NET_TALLIES; k++) {
        note->acks[k] = engine->slot[k].count.acknowledgements;
        note_costs(totals, k, note);
    }
}

/// Those of all ranks are rank 0's, so that they are rounded alike.   MPI: collective.
static void share_acks(const Engine *engine, SkipNote *note) {
    const Ranks *ranks = &engine->net.ranks;
    if (!ranks->owner) return;
    comm_sum_i64(ranks->comm, note->acks, NET_TALLIES);
    for (int32_t k = 0; k < NET_TALLIES && ranks->rank > 0; k++) note->acks[k] = 0;
}

void skip_measure_totals(Engine *engine) {
    SkipNote *note = &engine->skip.note[0];
    const Totals *totals = &engine->net.totals;
    count_pauses(&engine->net, engine->now_ps);
    for (int64_t w = 0; w < totals->nlinks; w++) {
        SkipWire now = wire_now(totals, w);
        subtract(&now, &note->wire[w]);
        if (now.cause_ps < 0) now.cause_ps = 0; // another cause
        note->wire[w] = now;
    }
    for (int32_t k = 0; k < NET_TALLIES; k++) {
        note->acks[k] = engine->slot[k].count.acknowledgements - note->acks[k];
        for (int64_t i = 0; totals->cost[k] && i < nshares(totals); i++)
            note->cost[k][i] = totals->cost[k][i] - note->cost[k][i];
    }
    share_acks(engine, note);
}

void skip_before_told(Engine *engine) {
    Skip *skip = &engine->skip;
    const Totals *totals = &engine->net.totals;
    const int32_t nnotes = skip->stage == SKIP_FIRST ? 1 : skip->stage == SKIP_HALF ? 2 : 0;
    if (nnotes == 0 || !totals->events) return;
    count_pauses(&engine->net, engine->now_ps);
    for (int64_t w = 0; w < totals->nlinks; w++) {
        SkipWire told = wire_now(totals, w);
        told.wait_ps = told.busy_wait_ps = told.area = 0; // which are not forgotten
        for (int32_t i = 0; i < nnotes; i++) subtract(&skip->note[i].wire[w], &told);
    }
}

// What has been passed over.

static void count_bytes(Engine *engine, const QueuePair *qp, int32_t w, int64_t bytes) {
    const Packet packet = {.tally = qp->tally};
    Net *net = &engine->net;
    if (bytes != 0 && ranks_have(&net->ranks, net->wire[w].from))
        totals_of(&net->totals, w, &packet)->all.bytes += bytes;
}

/// From a hub on they take all links that lead on, as many each of all until now.
static void spread_bytes(Engine *engine, const QueuePair *qp, int32_t at, int64_t before,
                         int64_t bytes) {
    const Net *net = &engine->net;
    const Hub *hub = &net->hub[at];
    Onward onward;
    if (before == bytes || (hub->kind == HUB_SINK && hub->gpu == qp->dst)) return;
    routing_onward(net->cluster, &hub->place, qp->to, &onward);
    for (int32_t k = 0; k < onward.n; k++) {
        const int32_t w = (int32_t)onward_link(&onward, k);
        const int64_t old = wide_part(before, k, onward.n), now = wide_part(bytes, k, onward.n);
        count_bytes(engine, qp, w, now - old);
        spread_bytes(engine, qp, net->wire[w].to, old, now);
    }
}

/// Bytes of the first packets of a queue pair.
static int64_t bytes_before(const Engine *engine, const SkipPair *pair, int64_t packets) {
    const int64_t mtu_bytes = engine->net.spec.mtu_bytes,
                  bytes = engine->plays.qp.at[pair->qp].bytes;
    if (pair->packets == 0) return packets * mtu_bytes;
    const int64_t rounds = packets / pair->packets, each = bytes / pair->rounds,
                  rest = bytes % pair->rounds;
    return rounds * each + rest * rounds / pair->rounds + packets % pair->packets * mtu_bytes;
}

void skip_count_packets(Engine *engine, const SkipPair *pair, int64_t passed) {
    const QueuePair *qp = &engine->plays.qp.at[pair->qp];
    const int64_t each = pair->packets > 0 ? pair->packets : 1, sent = pair->last.sent,
                  packets = (passed - pair->passed) * each, none = bytes_before(engine, pair, sent),
                  before = bytes_before(engine, pair, sent + pair->passed * each) - none,
                  bytes = bytes_before(engine, pair, sent + passed * each) - none;
    const int32_t *path = qp_path(&engine->plays, qp);
    for (int32_t k = 0; k < qp->npath; k++) count_bytes(engine, qp, path[k], bytes - before);
    if (!qp->whole)
        spread_bytes(engine, qp, qp->npath > 0 ? engine->net.wire[path[qp->npath - 1]].to : qp->src,
                     before, bytes);
    if (!ranks_have(&engine->net.ranks, qp->src)) return;
    engine->slot[qp->tally].count.sent += packets;
    engine->slot[qp->tally].count.skipped += packets;
    engine->count.skipped += packets;
}

/// Of `amount` in a measurement, what is more until then than it was since then.
typedef struct Extent {
    int64_t span_ps, since_ps, until_ps;
} Extent;

static int64_t more(const Extent *extent, int64_t amount) {
    if (amount == 0) return 0;
    return (int64_t)((Wide)amount * extent->until_ps / extent->span_ps -
                     (Wide)amount * extent->since_ps / extent->span_ps);
}

static void add_events(PortEvents *events, const PortEvents *more_events) {
    events->marks += more_events->marks;
    events->reordered += more_events->reordered;
    events->paused_ps += more_events->paused_ps;
    if (more_events->cause_ps > 0) events_vote(events, events->cause, more_events->cause_ps);
}

static void extend_events(Totals *totals, int32_t w, const Extent *extent, const SkipWire *wire) {
    const PortEvents events = {.marks = (int32_t)more(extent, wire->marks),
                               .reordered = (int32_t)more(extent, wire->reordered),
                               .paused_ps = more(extent, wire->paused_ps),
                               .cause_ps = more(extent, wire->cause_ps)};
    if ((events.marks | events.reordered | events.paused_ps) == 0) return;
    PortEvents *step = totals_step_events(totals, totals->wire[w].tally, w);
    add_events(totals_events(totals, w), &events);
    if (step) add_events(step, &events);
}

/// Of several jobs, what each wire cost each of them: a step's sum is what its packets waited.
static void extend_costs(Engine *engine, int32_t k, const Extent *extent) {
    Totals *totals = &engine->net.totals;
    const Packet packet = {.tally = (uint8_t)k};
    for (int32_t w = 0; w < totals->nlinks; w++) {
        const int64_t first = (int64_t)w * totals->njobs;
        int64_t waited_ps = 0;
        for (int64_t i = first; i < first + totals->njobs; i++) {
            const int64_t cost_ps = more(extent, engine->skip.note[0].cost[k][i]);
            totals->cost[k][i] += cost_ps;
            waited_ps += cost_ps;
        }
        if (waited_ps > 0) totals_of(totals, w, &packet)->all.wait_ps += waited_ps;
    }
}

static void extend_wire(Engine *engine, int32_t w, const Extent *extent) {
    Totals *totals = &engine->net.totals;
    const SkipWire *wire = &engine->skip.note[0].wire[w];
    StepTotals *all = &totals->wire[w].all;
    if (totals->njobs == 1) all->wait_ps += more(extent, wire->wait_ps);
    all->busy_wait_ps += more(extent, wire->busy_wait_ps);
    all->area += more(extent, wire->area);
    extend_events(totals, w, extent, wire);
}

void skip_extend_totals(Engine *engine, int64_t span_ps, int64_t since_ps, int64_t until_ps) {
    const Extent extent = {span_ps, since_ps, until_ps};
    const Totals *totals = &engine->net.totals;
    const SkipNote *note = &engine->skip.note[0];
    for (int32_t w = 0; w < totals->nlinks; w++) extend_wire(engine, w, &extent);
    for (int32_t k = 0; k < NET_TALLIES; k++) {
        engine->slot[k].count.acknowledgements += more(&extent, note->acks[k]);
        if (totals->cost[k] && note->cost[k]) extend_costs(engine, k, &extent);
    }
}
