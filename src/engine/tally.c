#include "engine/tally.h"

#include "base/memory.h"
#include "engine/price.h"

#define LABEL "engine.tally"

static TallyBytes *bytes_of_unit(Tally *tally, int64_t unit_bytes) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        if (tally->bytes.at[i].unit_bytes == unit_bytes) return &tally->bytes.at[i];
    array_push(&tally->bytes, (TallyBytes){.unit_bytes = unit_bytes});
    return &tally->bytes.at[tally->bytes.n - 1];
}

void tally_add_route(Tally *tally, const Routes *routes, const Route *route, int64_t bytes) {
    TallyBytes *total = bytes_of_unit(tally, route->unit_bytes);
    if (total->nslots < routes->nslots) {
        size_t old = (size_t)total->nslots * sizeof *total->parts;
        total->nslots = routes->slots_capacity;
        total->parts =
            memory_resize(LABEL, total->parts, old, (size_t)total->nslots * sizeof *total->parts);
    }
    const RouteUse *uses = routes_uses(routes, route);
    for (int32_t u = 0; u < route->nuses; u++) total->parts[uses[u].slot] += uses[u].weight * bytes;
}

void tally_slow_open(Tally *tally, const Routes *routes, int32_t slot, int64_t now_ps) {
    if (slot >= tally->nslow) {
        size_t old = (size_t)tally->nslow * sizeof *tally->slow;
        tally->nslow = routes->slots_capacity;
        tally->slow =
            memory_resize(LABEL, tally->slow, old, (size_t)tally->nslow * sizeof *tally->slow);
    }
    SlowLink *link = &tally->slow[slot];
    if (link->count++ == 0) link->congested_ps -= now_ps;
}

void tally_slow_close(Tally *tally, int32_t slot, int64_t now_ps, Wide lost) {
    SlowLink *link = &tally->slow[slot];
    if (--link->count == 0) link->congested_ps += now_ps;
    link->lost += lost;
}

static LinkSample sample_slot(const Tally *tally, const Routes *routes, int32_t slot,
                              int64_t now_ps) {
    LinkSample sample = {.link = routes->link[slot]};
    for (int64_t i = 0; i < tally->bytes.n; i++)
        if (slot < tally->bytes.at[i].nslots)
            sample.bytes += tally->bytes.at[i].parts[slot] / tally->bytes.at[i].unit_bytes;
    if (slot < tally->nslow) {
        const SlowLink *slow = &tally->slow[slot];
        sample.lost_bytes = (int64_t)(slow->lost / price_work(routes->rate_bits, 1));
        sample.congested_ps = slow->congested_ps + (slow->count > 0 ? now_ps : 0);
    }
    return sample;
}

void tally_list(const Tally *tally, const Routes *routes, const int32_t slots[], int64_t nslots,
                int64_t now_ps, LinkSamples *samples) {
    array_clear(samples);
    for (int64_t i = 0; i < nslots; i++) {
        LinkSample sample = sample_slot(tally, routes, slots[i], now_ps);
        if (sample.bytes != 0 || sample.lost_bytes != 0 || sample.congested_ps != 0)
            array_push(samples, sample);
    }
}

void tally_restart(Tally *tally, int64_t now_ps) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        for (int64_t s = 0; s < tally->bytes.at[i].nslots; s++) tally->bytes.at[i].parts[s] = 0;
    for (int64_t s = 0; s < tally->nslow; s++) {
        tally->slow[s].lost = 0;
        tally->slow[s].congested_ps = tally->slow[s].count > 0 ? -now_ps : 0;
    }
}

void tally_fini(Tally *tally) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        memory_free(LABEL, tally->bytes.at[i].parts,
                    (size_t)tally->bytes.at[i].nslots * sizeof(int64_t));
    array_free(&tally->bytes);
    memory_free(LABEL, tally->slow, (size_t)tally->nslow * sizeof *tally->slow);
    *tally = (Tally){0};
}

Tally *step_tally(StepTallies *steps, int32_t step) {
    for (int64_t i = steps->at.n - 1; i >= 0; i--)
        if (steps->at.at[i].step == step) return &steps->at.at[i];
    array_push(&steps->at, (Tally){.step = step});
    return &steps->at.at[steps->at.n - 1];
}

const int32_t *step_slots(StepTallies *steps, const Routes *routes) {
    if (steps->slots.n != routes->nslots) {
        array_resize(&steps->slots, routes->nslots);
        routes_slots_by_link(routes, steps->slots.at);
    }
    return steps->slots.at;
}

void step_flush(StepTallies *steps, const Routes *routes, Route *route) {
    if (route->step_bytes == 0) return;
    tally_add_route(step_tally(steps, route->step), routes, route, route->step_bytes);
    route->step_bytes = 0;
}

void step_add(StepTallies *steps, const Routes *routes, Route *route, int32_t step, int64_t bytes) {
    if (route->step != step) {
        step_flush(steps, routes, route);
        route->step = step;
    }
    route->step_bytes += bytes;
}

int64_t step_list(StepTallies *steps, Routes *routes, int32_t step, int64_t now_ps) {
    for (int64_t r = 0; r < routes->nroutes; r++)
        if (routes->at[r].step == step) step_flush(steps, routes, &routes->at[r]);
    const int32_t *slots = step_slots(steps, routes);
    tally_list(step_tally(steps, step), routes, slots, routes->nslots, now_ps, &steps->samples);
    return steps->samples.n;
}

void step_clear(StepTallies *steps, Routes *routes, int32_t step) {
    for (int64_t r = 0; r < routes->nroutes; r++)
        if (routes->at[r].step == step) routes->at[r].step_bytes = 0;
    for (int64_t i = 0; i < steps->at.n; i++) {
        if (steps->at.at[i].step != step) continue;
        tally_fini(&steps->at.at[i]);
        steps->at.at[i] = steps->at.at[--steps->at.n];
        return;
    }
}

void step_fini(StepTallies *steps) {
    for (int64_t i = 0; i < steps->at.n; i++) tally_fini(&steps->at.at[i]);
    array_free(&steps->at);
    array_free(&steps->slots);
    array_free(&steps->samples);
}
