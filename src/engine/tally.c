#include "engine/tally.h"

#include "base/memory.h"
#include "engine/price.h"

#define LABEL "engine.tally"

enum { WORD = 64 };

/// Log2 of a power of two, or -1.
static int32_t shift_of(int64_t unit_bytes) {
    if ((unit_bytes & (unit_bytes - 1)) != 0) return -1;
    int32_t shift = 0;
    while (unit_bytes >> shift > 1) shift++;
    return shift;
}

static TallyBytes *bytes_of_unit(Tally *tally, int64_t unit_bytes) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        if (tally->bytes.at[i].unit_bytes == unit_bytes) return &tally->bytes.at[i];
    array_push(&tally->bytes,
               (TallyBytes){.unit_bytes = unit_bytes, .shift = shift_of(unit_bytes)});
    return &tally->bytes.at[tally->bytes.n - 1];
}

static void grow_parts(TallyBytes *total, const Routes *routes) {
    if (total->nslots >= routes->nslots) return;
    size_t old = (size_t)total->nslots * sizeof *total->parts;
    total->nslots = routes->slots_capacity;
    total->parts =
        memory_resize(LABEL, total->parts, old, (size_t)total->nslots * sizeof *total->parts);
}

static void grow_used(Tally *tally, const Routes *routes) {
    if (tally->nwords * WORD >= routes->nslots) return;
    size_t old = (size_t)tally->nwords * sizeof *tally->used;
    tally->nwords = (routes->slots_capacity + WORD - 1) / WORD;
    tally->used =
        memory_resize(LABEL, tally->used, old, (size_t)tally->nwords * sizeof *tally->used);
}

static void mark(uint64_t used[], int32_t slot) { used[slot / WORD] |= UINT64_C(1) << slot % WORD; }

void tally_add_route(Tally *tally, const Routes *routes, const Route *route, int64_t bytes) {
    TallyBytes *total = bytes_of_unit(tally, route->unit_bytes);
    grow_parts(total, routes);
    grow_used(tally, routes);
    const RouteUse *uses = routes_uses(routes, route);
    const int64_t *own_parts = routes_parts(routes, route);
    const int64_t fullest = route->fullest;
    Wide *parts = total->parts;
    uint64_t *used = tally->used;
    const int32_t n = route->nuses, share_bits = routes->share_bits;
    for (int32_t u = 0; u < n && own_parts; u++) {
        parts[uses[u].slot] += (Wide)own_parts[u] * bytes;
        mark(used, uses[u].slot);
    }
    for (int32_t u = 0; u < n && !own_parts; u++) {
        parts[uses[u].slot] += (Wide)((uses[u].weight >> share_bits) * fullest) * bytes;
        mark(used, uses[u].slot);
    }
}

static void grow_slow(Tally *tally) {
    size_t old = (size_t)tally->slow_capacity * sizeof *tally->slow;
    tally->slow_capacity = array_grown(tally->slow_capacity);
    tally->slow =
        memory_resize(LABEL, tally->slow, old, (size_t)tally->slow_capacity * sizeof *tally->slow);
}

/// The record of a slow link, made if there is none.
static SlowLink *slow_link(Tally *tally, const Routes *routes, int32_t slot) {
    if (slot >= tally->nslots) {
        size_t old = (size_t)tally->nslots * sizeof *tally->slow_at;
        tally->nslots = routes->slots_capacity;
        tally->slow_at = memory_resize(LABEL, tally->slow_at, old,
                                       (size_t)tally->nslots * sizeof *tally->slow_at);
    }
    if (tally->slow_at[slot] == 0) {
        if (tally->nslow == tally->slow_capacity) grow_slow(tally);
        tally->slow[tally->nslow++] = (SlowLink){.slot = slot};
        tally->slow_at[slot] = (int32_t)tally->nslow;
    }
    return &tally->slow[tally->slow_at[slot] - 1];
}

void tally_slow_open(Tally *tally, const Routes *routes, int32_t slot, int64_t now_ps) {
    SlowLink *link = slow_link(tally, routes, slot);
    grow_used(tally, routes);
    mark(tally->used, slot);
    if (link->count++ == 0) link->congested_ps -= now_ps;
}

void tally_slow_close(Tally *tally, int32_t slot, int64_t now_ps, Wide delay) {
    SlowLink *link = &tally->slow[tally->slow_at[slot] - 1];
    if (--link->count == 0) link->congested_ps += now_ps;
    link->delay += delay;
}

static LinkSample sample_slot(const Tally *tally, const Routes *routes, int64_t slot,
                              int64_t now_ps) {
    LinkSample sample = {.link = routes->link[slot]};
    for (int64_t u = 0; u < tally->bytes.n; u++) {
        const TallyBytes *total = &tally->bytes.at[u];
        if (slot >= total->nslots) continue;
        Wide parts = total->parts[slot];
        sample.bytes +=
            (int64_t)(total->shift >= 0 ? parts >> total->shift : parts / total->unit_bytes);
    }
    if (slot < tally->nslots && tally->slow_at[slot] > 0) {
        const SlowLink *slow = &tally->slow[tally->slow_at[slot] - 1];
        sample.delay_ps = (int64_t)(slow->delay >> PRICE_DELAY_BITS);
        sample.congested_ps = slow->congested_ps + (slow->count > 0 ? now_ps : 0);
    }
    return sample;
}

/// The slot of the lowest bit of `bits` in a word, and take the bit away.
static int64_t next_slot(int64_t word, uint64_t *bits) {
    int64_t slot = word * WORD + __builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return slot;
}

/// The totals of a slot that stands for several.
static void put_alike(const Routes *routes, const SlotAlike *alike, int64_t index,
                      const LinkSample *each, LinkSink sink) {
    const int32_t *link = &routes->alike_link.at[alike->first];
    if (sink.put_alike) {
        sink.put_alike(sink.context, index, each, link, alike->n);
        return;
    }
    for (int32_t i = 0; i < alike->n; i++) {
        LinkSample one = *each;
        one.link = link[i];
        sink.put(sink.context, index, &one, 1);
    }
}

void tally_put(const Tally *tally, const Routes *routes, int64_t index, int64_t now_ps,
               LinkSink sink) {
    enum { BATCH = 8 * WORD };
    if (!sink.put) return;
    LinkSample sample[BATCH];
    int64_t n = 0;
    for (int64_t word = 0; word < tally->nwords; word++) {
        for (uint64_t bits = tally->used[word]; bits != 0;) {
            int64_t slot = next_slot(word, &bits);
            LinkSample next = sample_slot(tally, routes, slot, now_ps);
            if (next.bytes == 0 && next.delay_ps == 0 && next.congested_ps == 0) continue;
            if (slot < routes->alike_at.n && routes->alike_at.at[slot] > 0)
                put_alike(routes, &routes->alike.at[routes->alike_at.at[slot] - 1], index, &next,
                          sink);
            else
                sample[n++] = next;
        }
        if (n <= BATCH - WORD) continue;
        sink.put(sink.context, index, sample, n);
        n = 0;
    }
    if (n > 0) sink.put(sink.context, index, sample, n);
}

static void clear_bytes(Tally *tally) {
    for (int64_t word = 0; word < tally->nwords; word++) {
        for (uint64_t bits = tally->used[word]; bits != 0;) {
            int64_t slot = next_slot(word, &bits);
            for (int64_t u = 0; u < tally->bytes.n; u++)
                if (slot < tally->bytes.at[u].nslots) tally->bytes.at[u].parts[slot] = 0;
        }
        tally->used[word] = 0;
    }
}

void tally_restart(Tally *tally, int64_t now_ps) {
    clear_bytes(tally);
    int64_t kept = 0;
    for (int64_t i = 0; i < tally->nslow; i++) {
        SlowLink link = tally->slow[i];
        tally->slow_at[link.slot] = link.count > 0 ? (int32_t)kept + 1 : 0;
        if (link.count == 0) continue;
        link.delay = 0;
        link.congested_ps = -now_ps;
        tally->slow[kept++] = link;
        mark(tally->used, link.slot);
    }
    tally->nslow = kept;
}

void tally_fini(Tally *tally) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        memory_free(LABEL, tally->bytes.at[i].parts,
                    (size_t)tally->bytes.at[i].nslots * sizeof(Wide));
    array_free(&tally->bytes);
    memory_free(LABEL, tally->slow, (size_t)tally->slow_capacity * sizeof *tally->slow);
    memory_free(LABEL, tally->slow_at, (size_t)tally->nslots * sizeof *tally->slow_at);
    memory_free(LABEL, tally->used, (size_t)tally->nwords * sizeof *tally->used);
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

void step_put(StepTallies *steps, Routes *routes, int32_t step, int64_t now_ps, LinkSink sink) {
    for (int64_t r = 0; r < routes->nroutes; r++)
        if (routes->at[r].step == step) step_flush(steps, routes, &routes->at[r]);
    tally_put(step_tally(steps, step), routes, step, now_ps, sink);
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
}
