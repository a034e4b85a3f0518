#include "engine/packet/totals.h"

#include "base/memory.h"

static void *take(int64_t n, size_t each) { return memory_alloc(NET_TOTALS, (size_t)n * each); }

static void give(void *at, int64_t n, size_t each) {
    if (at) memory_free(NET_TOTALS, at, (size_t)n * each);
}

static int64_t shares(const Totals *totals) { return totals->nlinks * totals->njobs; }

void totals_init(Totals *totals, int64_t nlinks, int32_t njobs, WireTotals wire[]) {
    *totals = (Totals){.nlinks = nlinks, .njobs = njobs, .wire = wire};
    if (njobs > 1) totals->busy = take(shares(totals), sizeof *totals->busy);
}

static void forget_step(Totals *totals, int32_t tally) {
    give(totals->step[tally], totals->nlinks, sizeof **totals->step);
    give(totals->step_events[tally], totals->nlinks, sizeof **totals->step_events);
    give(totals->cost[tally], shares(totals), sizeof **totals->cost);
    totals->step[tally] = NULL;
    totals->step_events[tally] = NULL;
    totals->cost[tally] = NULL;
}

void totals_fini(Totals *totals) {
    give(totals->before, totals->nlinks, sizeof *totals->before);
    give(totals->events, totals->nlinks, sizeof *totals->events);
    give(totals->pause, totals->nlinks, sizeof *totals->pause);
    give(totals->busy, shares(totals), sizeof *totals->busy);
    for (int32_t k = 0; k < NET_TALLIES; k++) forget_step(totals, k);
    *totals = (Totals){0};
}

void totals_begin_step(Totals *totals, int32_t tally, int32_t job) {
    totals->step[tally] = take(totals->nlinks, sizeof **totals->step);
    totals->job[tally] = job;
    if (totals->njobs > 1) totals->cost[tally] = take(shares(totals), sizeof **totals->cost);
}

void totals_settle(Totals *totals, int64_t wire) {
    const StepTotals *all = &totals->wire[wire].all;
    if (!totals->before) totals->before = take(totals->nlinks, sizeof *totals->before);
    StepTotals *before = &totals->before[wire], *step = totals->step[totals->wire[wire].tally];
    if (step) {
        step[wire].bytes += all->bytes - before->bytes;
        step[wire].wait_ps += all->wait_ps - before->wait_ps;
        step[wire].busy_wait_ps += all->busy_wait_ps - before->busy_wait_ps;
        step[wire].area += all->area - before->area;
    }
    *before = *all;
}

const StepTotals *totals_of_step(Totals *totals, int32_t tally) {
    for (int64_t w = 0; w < totals->nlinks; w++)
        if (totals->wire[w].tally == tally) totals_settle(totals, w);
    return totals->step[tally];
}

void totals_end_step(Totals *totals, int32_t tally) {
    totals_of_step(totals, tally);
    forget_step(totals, tally);
}

// What happens to few.

PortEvents *totals_events(Totals *totals, int32_t wire) {
    if (!totals->events) totals->events = take(totals->nlinks, sizeof *totals->events);
    return &totals->events[wire];
}

PortEvents *totals_step_events(Totals *totals, int32_t tally, int32_t wire) {
    PortEvents **events = &totals->step_events[tally];
    if (!totals->step[tally]) return NULL;
    if (!*events) *events = take(totals->nlinks, sizeof **events);
    return &(*events)[wire];
}

void totals_mark(Totals *totals, int32_t wire, const Packet *packet) {
    PortEvents *step = totals_step_events(totals, packet->tally, wire);
    totals_events(totals, wire)->marks++;
    if (step) step->marks++;
}

void totals_drop(Totals *totals, int32_t wire, const Packet *packet) {
    PortEvents *step = totals_step_events(totals, packet->tally, wire);
    totals_events(totals, wire)->drops++;
    if (step) step->drops++;
}

void totals_trim(Totals *totals, int32_t wire, const Packet *packet) {
    PortEvents *step = totals_step_events(totals, packet->tally, wire);
    totals_events(totals, wire)->trims++;
    if (step) step->trims++;
}

void totals_reorder(Totals *totals, int32_t wire, const Packet *packet) {
    PortEvents *step = totals_step_events(totals, packet->tally, wire);
    totals_events(totals, wire)->reordered++;
    if (step) step->reordered++;
}

void totals_queue(Totals *totals, int32_t wire, const Packet *packet, int64_t queued_bytes) {
    PortEvents *step = totals_step_events(totals, packet->tally, wire);
    totals->wire[wire].queue_most = queued_bytes;
    if (step && queued_bytes > step->queue_most) step->queue_most = queued_bytes;
}

// Pauses.

static void add_pause(PortEvents *events, int32_t cause, int64_t paused_ps) {
    events->paused_ps += paused_ps;
    events_vote(events, cause, paused_ps);
}

void totals_pause(Totals *totals, int32_t wire, int32_t cause, uint8_t tally, int64_t now_ps) {
    if (!totals->pause) totals->pause = take(totals->nlinks, sizeof *totals->pause);
    totals->pause[wire] =
        (PortPause){.from_ps = now_ps, .since_ps = now_ps, .cause = cause, .tally = tally};
}

void totals_pause_until(Totals *totals, int32_t wire, int64_t now_ps) {
    PortPause *pause = &totals->pause[wire];
    const int64_t paused_ps = now_ps - pause->from_ps;
    PortEvents *step = totals_step_events(totals, pause->tally, wire);
    add_pause(totals_events(totals, wire), pause->cause, paused_ps);
    if (step) add_pause(step, pause->cause, paused_ps);
    pause->from_ps = now_ps;
}

// Who costs whom.

void totals_charge(Totals *totals, int32_t wire, const Packet *packet, int64_t lost_ps,
                   bool waited) {
    int64_t *busy = &totals->busy[(int64_t)wire * totals->njobs],
            *cost = totals->cost[packet->tally], all = 0, before = 0, done_ps = 0;
    for (int32_t j = 0; j < totals->njobs; j++) {
        if (!waited) busy[j] = 0;
        all += busy[j];
    }
    const int32_t own = totals->job[packet->tally];
    if (cost && all == 0) cost[(int64_t)wire * totals->njobs + own] += lost_ps;
    for (int32_t j = 0; j < totals->njobs && cost && all > 0; j++) {
        before += busy[j];
        const int64_t until_ps = (int64_t)((Wide)lost_ps * before / all);
        cost[(int64_t)wire * totals->njobs + j] += until_ps - done_ps;
        done_ps = until_ps;
    }
    busy[own] += packet->bytes;
}
