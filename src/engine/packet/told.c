#include "engine/packet/told.h"

#include <string.h>

#include "base/memory.h"

enum { BATCH = 512 };

typedef struct SampleBatch {
    LinkSink sink;
    int64_t index, n;
    LinkSample sample[BATCH];
    PortSample port[BATCH];
} SampleBatch;

static void put_batch(SampleBatch *batch) {
    if (batch->n > 0 && batch->sink.put)
        batch->sink.put(batch->sink.context, batch->index, batch->sample, batch->n);
    batch->n = 0;
}

static bool is_anything(const StepTotals *all, const PortEvents *events) {
    return (all->bytes | all->wait_ps | all->area | events->queue_most | events->paused_ps |
            events->marks | events->drops | events->trims | events->reordered) != 0;
}

static void put_link(SampleBatch *batch, LinkId link, const StepTotals *all,
                     const PortEvents *events) {
    if (!is_anything(all, events)) return;
    PortSample *port = &batch->port[batch->n];
    batch->sample[batch->n++] =
        (LinkSample){link, all->bytes, all->wait_ps, all->busy_wait_ps, port};
    *port = (PortSample){.queue_byte_ps = (Wide)all->area << TOTALS_AREA_BITS,
                         .queue_most = events->queue_most,
                         .paused_ps = events->paused_ps,
                         .marks = events->marks,
                         .drops = events->drops,
                         .trims = events->trims,
                         .reordered = events->reordered,
                         .cause = events->paused_ps > 0 ? events->cause : -1};
    if (batch->n == BATCH) put_batch(batch);
}

/// Pauses that go on, up to now.
static void count_pauses(Net *net, int64_t now_ps) {
    for (int32_t w = 0; w < net->nlinks && net->totals.pause; w++)
        if (net->wire[w].paused) totals_pause_until(&net->totals, w, now_ps);
}

// Steps.

void told_step(Net *net, int32_t tally, int32_t step, LinkSink sink, int64_t now_ps) {
    static const PortEvents nothing = {0};
    SampleBatch batch = {.sink = sink, .index = step};
    count_pauses(net, now_ps);
    const StepTotals *all = totals_of_step(&net->totals, tally);
    const PortEvents *events = net->totals.step_events[tally];
    for (LinkId link = 0; link < net->nlinks; link++)
        put_link(&batch, link, &all[link], events ? &events[link] : &nothing);
    put_batch(&batch);
}

void told_culprits(const Net *net, int32_t tally, CulpritSink sink) {
    const Totals *totals = &net->totals;
    if (!totals->cost[tally]) return;
    for (LinkId link = 0; link < net->nlinks; link++)
        if (totals->step[tally][link].wait_ps > 0)
            sink.put(sink.context, link, &totals->cost[tally][link * totals->njobs]);
}

// Intervals.

void told_init(Told *told, Intervals intervals) {
    *told = (Told){.intervals = intervals, .end_ps = TIME_NEVER_PS};
}

static IntervalTotals *new_totals(const Net *net) {
    return memory_alloc(NET_TOTALS, (size_t)net->nlinks * sizeof(IntervalTotals));
}

/// The levels above begin anew.
static void drop_longer(Told *told, const Net *net) {
    for (int32_t k = 0; k < INTERVALS_LEVELS; k++) {
        if (told->longer[k])
            memory_free(NET_TOTALS, told->longer[k], (size_t)net->nlinks * sizeof **told->longer);
        told->longer[k] = NULL;
    }
}

void told_fini(Told *told, const Net *net) {
    drop_longer(told, net);
    if (told->of) memory_free(NET_TOTALS, told->of, (size_t)net->nlinks * sizeof *told->of);
    *told = (Told){0};
}

void told_sample_into(Told *told, const Net *net, LinkSink sink, int64_t now_ps) {
    told->sink = sink;
    if (told->intervals.width_ps == 0) return;
    if (!told->of) told->of = memory_alloc(NET_TOTALS, (size_t)net->nlinks * sizeof *told->of);
    told->end_ps = intervals_next_ps(&told->intervals, now_ps);
    told->level = intervals_level(&told->intervals, now_ps + 1);
}

/// What waits at a port has waited so long, as an area.
static int64_t waiting_area(const Net *net, const Wire *wire, int64_t now_ps) {
    int64_t area = 0;
    if (wire->queued_bytes == 0) return 0;
    for (int32_t p = wire->data.head; p != wire->data.tail; p = ring_next(&net->rings, p)) {
        const Packet *packet = &net->rings.at[p];
        area += packet->bytes * ((now_ps - packet->at_ps) >> TOTALS_AREA_BITS);
    }
    return area;
}

/// What is new of a wire, which is told by that.
static IntervalTotals take_wire(Net *net, Told *told, LinkId link, int64_t now_ps) {
    WireTotals *wire = &net->totals.wire[link];
    StepTotals *old = &told->of[link], now = wire->all;
    IntervalTotals new = {0};
    now.area += waiting_area(net, &net->wire[link], now_ps);
    new.all = (StepTotals){now.bytes - old->bytes, now.wait_ps - old->wait_ps,
                           now.busy_wait_ps - old->busy_wait_ps, now.area - old->area};
    *old = now;
    if (net->totals.events) {
        new.events = net->totals.events[link];
        net->totals.events[link] = (PortEvents){0};
    }
    new.events.queue_most = wire->queue_most;
    wire->queue_most = net->wire[link].queued_bytes;
    return new;
}

static void add_totals(IntervalTotals *sum, const IntervalTotals *more) {
    sum->all.bytes += more->all.bytes;
    sum->all.wait_ps += more->all.wait_ps;
    sum->all.busy_wait_ps += more->all.busy_wait_ps;
    sum->all.area += more->all.area;
    sum->events.paused_ps += more->events.paused_ps;
    sum->events.marks += more->events.marks;
    sum->events.drops += more->events.drops;
    sum->events.trims += more->events.trims;
    sum->events.reordered += more->events.reordered;
    if (more->events.queue_most > sum->events.queue_most)
        sum->events.queue_most = more->events.queue_most;
    if (more->events.paused_ps > 0)
        events_vote(&sum->events, more->events.cause, more->events.cause_ps);
}

/// For what ends at a moment, on its level.
static void open_batch(SampleBatch *batch, const Told *told, int32_t level, int64_t end_ps) {
    const int64_t since_ps = end_ps - told->intervals.origin_ps;
    const int64_t number = (since_ps - 1) / intervals_width_ps(&told->intervals, level);
    batch->sink = told->sink;
    batch->index = intervals_name(level, number);
    batch->n = 0;
}

/// The open interval ends; what was in it goes to the next level too, if there is to be one.
static void end_open(Told *told, Net *net, int64_t end_ps, IntervalTotals *above) {
    SampleBatch batch;
    open_batch(&batch, told, told->level, end_ps);
    count_pauses(net, end_ps);
    for (LinkId link = 0; link < net->nlinks; link++) {
        const IntervalTotals new = take_wire(net, told, link, end_ps);
        if (!is_anything(&new.all, &new.events)) continue;
        put_link(&batch, link, &new.all, &new.events);
        if (above) add_totals(&above[link], &new);
    }
    put_batch(&batch);
}

/// So does one of those above.
static void end_longer(Told *told, const Net *net, int32_t k, int64_t end_ps,
                       IntervalTotals *above) {
    IntervalTotals *open = told->longer[k];
    SampleBatch batch;
    open_batch(&batch, told, told->level + 1 + k, end_ps);
    for (LinkId link = 0; link < net->nlinks; link++) {
        if (!is_anything(&open[link].all, &open[link].events)) continue;
        put_link(&batch, link, &open[link].all, &open[link].events);
        add_totals(&above[link], &open[link]);
        open[link] = (IntervalTotals){0};
    }
    put_batch(&batch);
}

/// Where longer intervals follow, those as long as the open one are no more; the first above has ended too.
static void rise(Told *told, const Net *net, int64_t now_ps) {
    if (intervals_level(&told->intervals, now_ps + 1) == told->level) return;
    memory_free(NET_TOTALS, told->longer[0], (size_t)net->nlinks * sizeof **told->longer);
    memmove(told->longer, told->longer + 1, (INTERVALS_LEVELS - 1) * sizeof *told->longer);
    told->longer[INTERVALS_LEVELS - 1] = NULL;
    told->level++;
}

void told_end(Told *told, Net *net) {
    const int64_t end_ps = told->end_ps, since_ps = end_ps - told->intervals.origin_ps;
    const bool merges = told->intervals.most > 0 && told->sink.put;
    if (merges && !told->longer[0]) told->longer[0] = new_totals(net);
    end_open(told, net, end_ps, told->longer[0]);
    for (int32_t k = 0; merges; k++) {
        if (since_ps % intervals_width_ps(&told->intervals, told->level + 1 + k) != 0) break;
        if (!told->longer[k + 1]) told->longer[k + 1] = new_totals(net);
        end_longer(told, net, k, end_ps, told->longer[k + 1]);
    }
    if (merges) rise(told, net, end_ps);
    told->end_ps = intervals_next_ps(&told->intervals, end_ps);
}

void told_restart(Told *told, Net *net, int64_t now_ps) {
    if (told->of && now_ps > told->intervals.origin_ps) end_open(told, net, now_ps, NULL);
    for (LinkId link = 0; link < net->nlinks; link++)
        net->totals.wire[link].queue_most = net->wire[link].queued_bytes;
    drop_longer(told, net);
    told->intervals.origin_ps = now_ps;
    told->level = 0;
    if (told->of) told->end_ps = intervals_next_ps(&told->intervals, now_ps);
}
