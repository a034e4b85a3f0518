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

static size_t charged_bytes(const Tally *tally, int64_t nslow) {
    return (size_t)(nslow * tally->njobs) * sizeof *tally->charged;
}

static void grow_slow(Tally *tally) {
    size_t old = (size_t)tally->slow_capacity * sizeof *tally->slow;
    tally->slow_capacity = array_grown(tally->slow_capacity);
    tally->slow =
        memory_resize(LABEL, tally->slow, old, (size_t)tally->slow_capacity * sizeof *tally->slow);
    if (tally->njobs == 0) return;
    tally->charged = memory_resize(LABEL, tally->charged,
                                   charged_bytes(tally, (int64_t)(old / sizeof *tally->slow)),
                                   charged_bytes(tally, tally->slow_capacity));
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

void tally_charge(Tally *tally, int32_t slot, int32_t job, Wide delay) {
    tally->charged[(tally->slow_at[slot] - 1) * tally->njobs + job] += delay;
}

static int64_t whole_bytes(const TallyBytes *total, int64_t slot) {
    Wide parts = total->parts[slot];
    return (int64_t)(total->shift >= 0 ? parts >> total->shift : parts / total->unit_bytes);
}

static LinkSample sample_slot(const Tally *tally, const Routes *routes, int64_t slot,
                              int64_t now_ps) {
    LinkSample sample = {.link = routes->link[slot]};
    for (int64_t u = 0; u < tally->bytes.n; u++)
        if (slot < tally->bytes.at[u].nslots)
            sample.bytes += whole_bytes(&tally->bytes.at[u], slot);
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

/// Zero the bytes of a slot, but for less than one if that is to be carried; whole ones go to `into` if there is one.
static bool empty_slot(Tally *tally, Tally *into, int64_t slot, bool carry) {
    bool left = false;
    for (int64_t u = 0; u < tally->bytes.n; u++) {
        TallyBytes *total = &tally->bytes.at[u];
        if (slot >= total->nslots) continue;
        int64_t whole = whole_bytes(total, slot);
        if (into) into->bytes.at[0].parts[slot] += whole;
        total->parts[slot] = carry ? total->parts[slot] - (Wide)whole * total->unit_bytes : 0;
        left = left || total->parts[slot] > 0;
    }
    return left;
}

static void empty_bytes(Tally *tally, Tally *into, const Routes *routes, bool carry) {
    if (into) grow_parts(bytes_of_unit(into, 1), routes);
    for (int64_t word = 0; word < tally->nwords; word++) {
        uint64_t left = 0;
        if (into) into->used[word] |= tally->used[word];
        for (uint64_t bits = tally->used[word]; bits != 0;) {
            int64_t slot = next_slot(word, &bits);
            if (empty_slot(tally, into, slot, carry)) left |= UINT64_C(1) << slot % WORD;
        }
        tally->used[word] = left;
    }
}

static void empty_slow(Tally *tally, Tally *into, const Routes *routes, int64_t now_ps) {
    int64_t kept = 0;
    for (int64_t i = 0; i < tally->nslow; i++) {
        SlowLink link = tally->slow[i];
        if (into) {
            SlowLink *sum = slow_link(into, routes, link.slot);
            sum->delay += link.delay;
            sum->congested_ps += link.congested_ps + (link.count > 0 ? now_ps : 0);
        }
        tally->slow_at[link.slot] = link.count > 0 ? (int32_t)kept + 1 : 0;
        if (link.count == 0) continue;
        link.delay = 0;
        link.congested_ps = -now_ps;
        tally->slow[kept++] = link;
        mark(tally->used, link.slot);
    }
    tally->nslow = kept;
}

/// Zero all totals, which are added to `into` if there is one; what is slow at now_ps stays slow.
static void empty(Tally *tally, Tally *into, const Routes *routes, int64_t now_ps, bool carry) {
    if (into) grow_used(into, routes);
    empty_bytes(tally, into, routes, carry);
    empty_slow(tally, into, routes, now_ps);
}

/// Totals of what ends at a moment, on its level.
static void put_interval(const Tally *tally, const Routes *routes, const Intervals *intervals,
                         int32_t level, int64_t end_ps, LinkSink sink) {
    int64_t since_ps = end_ps - intervals->origin_ps;
    if (since_ps == 0) return;
    int64_t number = (since_ps - 1) / intervals_width_ps(intervals, level);
    tally_put(tally, routes, intervals_name(level, number), end_ps, sink);
}

/// Where longer intervals follow, those as long as the open one are no more; the first above has ended too.
static void rise(LongerTallies *longer, const Intervals *intervals, int64_t now_ps) {
    if (longer->at.n == 0 || intervals_level(intervals, now_ps + 1) == longer->level) return;
    tally_fini(&longer->at.at[0]);
    for (int64_t i = 1; i < longer->at.n; i++) longer->at.at[i - 1] = longer->at.at[i];
    longer->at.n--;
    longer->level++;
}

void longer_close(LongerTallies *longer, Tally *open, const Routes *routes,
                  const Intervals *intervals, int64_t end_ps, LinkSink sink) {
    int64_t since_ps = end_ps - intervals->origin_ps;
    bool merges = intervals->most > 0 && sink.put;
    if (longer->at.n == 0) longer->level = intervals_level(intervals, end_ps);
    bool ends = true;
    for (int32_t above = 0; ends; above++) {
        int32_t level = longer->level + above;
        if (merges && longer->at.n == above) array_push(&longer->at, (Tally){0});
        Tally *tally = above == 0 ? open : &longer->at.at[above - 1];
        put_interval(tally, routes, intervals, level, end_ps, sink);
        empty(tally, merges ? &longer->at.at[above] : NULL, routes, end_ps, above == 0);
        ends = merges && since_ps % intervals_width_ps(intervals, level + 1) == 0;
    }
    rise(longer, intervals, end_ps);
}

void longer_forget(LongerTallies *longer, Tally *open, const Routes *routes,
                   const Intervals *intervals, int64_t now_ps, LinkSink sink) {
    put_interval(open, routes, intervals, longer->level, now_ps, sink);
    empty(open, NULL, routes, now_ps, false);
    longer_fini(longer);
}

void longer_fini(LongerTallies *longer) {
    for (int64_t i = 0; i < longer->at.n; i++) tally_fini(&longer->at.at[i]);
    array_free(&longer->at);
    longer->level = 0;
}

void tally_fini(Tally *tally) {
    for (int64_t i = 0; i < tally->bytes.n; i++)
        memory_free(LABEL, tally->bytes.at[i].parts,
                    (size_t)tally->bytes.at[i].nslots * sizeof(Wide));
    array_free(&tally->bytes);
    memory_free(LABEL, tally->charged, charged_bytes(tally, tally->slow_capacity));
    memory_free(LABEL, tally->slow, (size_t)tally->slow_capacity * sizeof *tally->slow);
    memory_free(LABEL, tally->slow_at, (size_t)tally->nslots * sizeof *tally->slow_at);
    memory_free(LABEL, tally->used, (size_t)tally->nwords * sizeof *tally->used);
    *tally = (Tally){0};
}

Tally *step_tally(StepTallies *steps, int32_t step) {
    for (int64_t i = steps->at.n - 1; i >= 0; i--)
        if (steps->at.at[i].step == step) return &steps->at.at[i];
    array_push(&steps->at, (Tally){.step = step, .njobs = steps->njobs});
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

/// Whole picoseconds of what each job cost, so that they sum to the whole picoseconds of all.
static void whole_charges(const Tally *tally, int64_t slow, int64_t delay_ps[]) {
    Wide sum = 0;
    int64_t before_ps = 0;
    for (int32_t j = 0; j < tally->njobs; j++) {
        sum += tally->charged[slow * tally->njobs + j];
        int64_t sum_ps = (int64_t)(sum >> PRICE_DELAY_BITS);
        delay_ps[j] = sum_ps - before_ps;
        before_ps = sum_ps;
    }
}

void step_put_culprits(const StepTallies *steps, const Routes *routes, int32_t step,
                       CulpritSink sink) {
    int64_t delay_ps[ENGINE_JOBS_MAX];
    for (int64_t i = 0; i < steps->at.n; i++) {
        const Tally *tally = &steps->at.at[i];
        for (int64_t s = 0; tally->step == step && s < tally->nslow; s++) {
            whole_charges(tally, s, delay_ps);
            sink.put(sink.context, routes->link[tally->slow[s].slot], delay_ps);
        }
    }
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
