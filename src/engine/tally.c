#include "engine/tally.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "engine/price.h"

#define LABEL "engine.tally"

enum { BATCH = 512 };

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
    const size_t old = (size_t)total->nslots, now = (size_t)routes->slots_capacity;
    total->low =
        memory_resize(LABEL, total->low, old * sizeof *total->low, now * sizeof *total->low);
    if (total->high)
        total->high =
            memory_resize(LABEL, total->high, old * sizeof *total->high, now * sizeof *total->high);
    total->nslots = routes->slots_capacity;
}

/// What does not fit the low word of a sum.
static void add_high(TallyBytes *total, int32_t slot, int64_t more) {
    if (!total->high)
        total->high = memory_alloc(LABEL, (size_t)total->nslots * sizeof *total->high);
    total->high[slot] += more;
}

static void free_high(TallyBytes *total) {
    if (total->high) memory_free(LABEL, total->high, (size_t)total->nslots * sizeof *total->high);
    total->high = NULL;
}

static inline void add_parts(TallyBytes *total, int32_t slot, Wide parts) {
    int64_t more = (int64_t)(parts >> 64);
    more += __builtin_add_overflow(total->low[slot], (uint64_t)parts, &total->low[slot]);
    if (__builtin_expect(more != 0, 0)) add_high(total, slot, more);
}

static void grow_used(Tally *tally, const Routes *routes) {
    if (tally->nblocks * TALLY_BLOCK >= routes->nslots) return;
    const size_t old = (size_t)tally->nblocks;
    tally->nblocks = (routes->slots_capacity + TALLY_BLOCK - 1) / TALLY_BLOCK;
    tally->used = memory_resize(LABEL, tally->used, old, (size_t)tally->nblocks);
}

static void grow_told(Tally *tally, const Routes *routes) {
    if (tally->ntold >= routes->nslots) return;
    const size_t old = (size_t)tally->ntold * sizeof *tally->told;
    tally->ntold = routes->slots_capacity;
    tally->told =
        memory_resize(LABEL, tally->told, old, (size_t)tally->ntold * sizeof *tally->told);
}

/// A store alone: bits would wait for each other.
static inline void mark(uint8_t used[], int32_t slot) { used[slot / TALLY_BLOCK] = 1; }

void tally_add_route(Tally *tally, const Routes *routes, const Route *route, int64_t bytes) {
    TallyBytes *total = bytes_of_unit(tally, route->unit_bytes);
    grow_parts(total, routes);
    grow_used(tally, routes);
    const RouteParts parts = routes_parts(routes, route);
    routes_fetch(parts.use, route->nuses);
    const int32_t n = route->nuses;
    const int64_t most = (int64_t)route->most_weight * route->fullest >> routes->share_bits;
    const bool fits = (Wide)most * bytes <= INT64_MAX;
    for (int32_t u = 0; u < n && fits; u++) {
        const uint64_t more = (uint64_t)parts_of_use(&parts, u) * (uint64_t)bytes;
        const int32_t slot = parts.use[u].slot;
        if (__builtin_add_overflow(total->low[slot], more, &total->low[slot]))
            add_high(total, slot, 1);
        mark(tally->used, slot);
    }
    for (int32_t u = 0; u < n && !fits; u++) {
        add_parts(total, parts.use[u].slot, (Wide)parts_of_use(&parts, u) * bytes);
        mark(tally->used, parts.use[u].slot);
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

static Wide whole_bytes(const TallyBytes *total, int64_t slot) {
    const uint64_t high = total->high ? (uint64_t)total->high[slot] : 0;
    const Wide parts = (Wide)(((UWide)high << 64) | total->low[slot]);
    return total->shift >= 0 ? parts >> total->shift : parts / total->unit_bytes;
}

/// Add the whole bytes of slots, modulo 2^64.
static void add_whole(const TallyBytes *total, int64_t first, int64_t n, uint64_t whole[]) {
    const uint64_t *low = total->low + first;
    if (total->nslots - first < n) n = total->nslots - first;
    for (int64_t i = 0; i < n && total->high; i++)
        whole[i] += (uint64_t)whole_bytes(total, first + i);
    if (total->high) return;
    for (int64_t i = 0; i < n && total->shift >= 0; i++) whole[i] += low[i] >> total->shift;
    for (int64_t i = 0; i < n && total->shift < 0; i++)
        whole[i] += low[i] / (uint64_t)total->unit_bytes;
}

/// Of what slots have had up to now, what has not been told; less than 2^64, or a step would be refused.
static void tell_bytes(const Tally *sums, Tally *tally, int64_t first, int64_t n, int64_t bytes[]) {
    uint64_t whole[TALLY_BLOCK] = {0}, *told = tally->told + first;
    for (int64_t u = 0; u < sums->bytes.n; u++) add_whole(&sums->bytes.at[u], first, n, whole);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t untold = whole[i] - told[i];
        bytes[i] = untold < (uint64_t)WIDE_FULL ? (int64_t)untold : WIDE_FULL;
        told[i] = whole[i];
    }
}

/// Samples on their way to a sink.
typedef struct Batch {
    const Routes *routes;
    LinkSink sink;
    int64_t index, n;
    LinkSample sample[BATCH];
} Batch;

static void batch_open(Batch *batch, const Routes *routes, int64_t index, LinkSink sink) {
    batch->routes = routes;
    batch->sink = sink;
    batch->index = index;
    batch->n = 0; // the samples are not zeroed
}

static void batch_flush(Batch *batch) {
    if (batch->n > 0) batch->sink.put(batch->sink.context, batch->index, batch->sample, batch->n);
    batch->n = 0;
}

/// The totals of a slot that stands for several.
static void put_alike(const Batch *batch, const LinksAlike *alike, const LinkSample *each) {
    const LinkSink sink = batch->sink;
    const LinkId *link = &batch->routes->alike_link.at[alike->first];
    if (sink.put_alike) {
        sink.put_alike(sink.context, batch->index, each, link, alike->listed, alike->n);
        return;
    }
    CHECK(alike->listed == alike->n, "%lld links of %lld were listed", (long long)alike->listed,
          (long long)alike->n);
    for (int64_t i = 0; i < alike->n; i++) {
        LinkSample one = *each;
        one.link = link[i];
        sink.put(sink.context, batch->index, &one, 1);
    }
}

/// The totals of a slot, if there are any; a slow one has `slow`. They are written where they go on from: a copy waits
/// for what has just been stored (a third of the time of all totals).
static inline void batch_add(Batch *batch, int64_t slot, int64_t bytes, const SlowLink *slow,
                             int64_t now_ps) {
    const Routes *routes = batch->routes;
    LinkSample *sample = &batch->sample[batch->n];
    *sample = (LinkSample){.link = routes->link[slot], .bytes = bytes};
    if (slow) {
        sample->delay_ps = wide_word(slow->delay >> PRICE_DELAY_BITS);
        sample->congested_ps = slow->congested_ps + (slow->count > 0 ? now_ps : 0);
    }
    if (bytes == 0 && sample->delay_ps == 0 && sample->congested_ps == 0) return;
    if (slot < routes->alike_at.n && routes->alike_at.at[slot] > 0) {
        put_alike(batch, &routes->alike.at[routes->alike_at.at[slot] - 1], sample);
        return;
    }
    if (++batch->n == BATCH) batch_flush(batch);
}

/// Slots of a block.
static int64_t block_slots(int64_t block, const Routes *routes) {
    const int64_t left = routes->nslots - block * TALLY_BLOCK;
    return left < TALLY_BLOCK ? left : TALLY_BLOCK;
}

/// The totals of a slot since all began.
static void put_slot(const Tally *tally, int64_t slot, int64_t now_ps, Batch *batch) {
    Wide bytes = 0;
    for (int64_t u = 0; u < tally->bytes.n; u++)
        if (slot < tally->bytes.at[u].nslots) bytes += whole_bytes(&tally->bytes.at[u], slot);
    const int32_t slow = slot < tally->nslots ? tally->slow_at[slot] : 0;
    batch_add(batch, slot, wide_word(bytes), slow > 0 ? &tally->slow[slow - 1] : NULL, now_ps);
}

void tally_put(const Tally *tally, const Routes *routes, int64_t index, int64_t now_ps,
               LinkSink sink) {
    if (!sink.put) return;
    Batch batch;
    batch_open(&batch, routes, index, sink);
    for (int64_t block = 0; block < tally->nblocks; block++)
        for (int64_t i = 0; tally->used[block] && i < block_slots(block, routes); i++)
            put_slot(tally, block * TALLY_BLOCK + i, now_ps, &batch);
    batch_flush(&batch);
}

/// Hand out what has not been told: first of what is slow, then of the others, which then have all bytes that are left.
static void end_bytes(const Tally *sums, Tally *tally, Batch *batch, int64_t now_ps) {
    int64_t bytes[TALLY_BLOCK];
    grow_told(tally, batch->routes);
    for (int64_t i = 0; i < tally->nslow; i++) {
        const SlowLink *slow = &tally->slow[i];
        tell_bytes(sums, tally, slow->slot, 1, bytes);
        if (batch->sink.put) batch_add(batch, slow->slot, bytes[0], slow, now_ps);
    }
    for (int64_t block = 0; block < tally->nblocks; block++) {
        if (!tally->used[block]) continue;
        tally->used[block] = 0;
        const int64_t first = block * TALLY_BLOCK, n = block_slots(block, batch->routes);
        tell_bytes(sums, tally, first, n, bytes);
        for (int64_t i = 0; i < n && batch->sink.put; i++)
            if (bytes[i] > 0) batch_add(batch, first + i, bytes[i], NULL, now_ps);
    }
    batch_flush(batch);
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

/// For what ends at a moment, on its level.
static void batch_open_interval(Batch *batch, const Routes *routes, const Intervals *intervals,
                                int32_t level, int64_t end_ps, LinkSink sink) {
    const int64_t since_ps = end_ps - intervals->origin_ps;
    const int64_t number = since_ps > 0 ? (since_ps - 1) / intervals_width_ps(intervals, level) : 0;
    if (since_ps == 0) sink.put = NULL;
    batch_open(batch, routes, intervals_name(level, number), sink);
}

/// An interval ends: its totals go to the sink, what is slow to `into` if there is one; that stays slow.
static void end_interval(const Tally *sums, Tally *tally, Tally *into, Batch *batch,
                         int64_t end_ps) {
    if (into) grow_used(into, batch->routes);
    for (int64_t block = 0; into && block < tally->nblocks; block++)
        into->used[block] |= tally->used[block];
    end_bytes(sums, tally, batch, end_ps);
    empty_slow(tally, into, batch->routes, end_ps);
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
    Batch batch;
    for (int32_t above = 0; ends; above++) {
        int32_t level = longer->level + above;
        if (merges && longer->at.n == above) array_push(&longer->at, (Tally){0});
        Tally *tally = above == 0 ? open : &longer->at.at[above - 1];
        batch_open_interval(&batch, routes, intervals, level, end_ps, sink);
        end_interval(open, tally, merges ? &longer->at.at[above] : NULL, &batch, end_ps);
        ends = merges && since_ps % intervals_width_ps(intervals, level + 1) == 0;
    }
    rise(longer, intervals, end_ps);
}

/// Sums begin anew.
static void forget_bytes(Tally *tally) {
    for (int64_t i = 0; i < tally->bytes.n; i++) {
        TallyBytes *total = &tally->bytes.at[i];
        memset(total->low, 0, (size_t)total->nslots * sizeof *total->low);
        free_high(total);
    }
    if (tally->told) memset(tally->told, 0, (size_t)tally->ntold * sizeof *tally->told);
}

void longer_forget(LongerTallies *longer, Tally *open, const Routes *routes,
                   const Intervals *intervals, int64_t now_ps, LinkSink sink) {
    Batch batch;
    // Where none has ended, as nothing has moved before, it may be a long one all the same.
    if (longer->at.n == 0) longer->level = intervals_level(intervals, now_ps);
    batch_open_interval(&batch, routes, intervals, longer->level, now_ps, sink);
    end_interval(open, open, NULL, &batch, now_ps);
    forget_bytes(open);
    longer_fini(longer);
}

void longer_fini(LongerTallies *longer) {
    for (int64_t i = 0; i < longer->at.n; i++) tally_fini(&longer->at.at[i]);
    array_free(&longer->at);
    longer->level = 0;
}

void tally_fini(Tally *tally) {
    for (int64_t i = 0; i < tally->bytes.n; i++) {
        TallyBytes *total = &tally->bytes.at[i];
        memory_free(LABEL, total->low, (size_t)total->nslots * sizeof *total->low);
        free_high(total);
    }
    array_free(&tally->bytes);
    memory_free(LABEL, tally->charged, charged_bytes(tally, tally->slow_capacity));
    memory_free(LABEL, tally->slow, (size_t)tally->slow_capacity * sizeof *tally->slow);
    memory_free(LABEL, tally->slow_at, (size_t)tally->nslots * sizeof *tally->slow_at);
    memory_free(LABEL, tally->used, (size_t)tally->nblocks);
    memory_free(LABEL, tally->told, (size_t)tally->ntold * sizeof *tally->told);
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
    if (route->step != step || route->step_bytes > INT64_MAX - bytes) {
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
