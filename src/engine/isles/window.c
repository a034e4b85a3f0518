// Windows: what returns, what isles say of them, and what goes into the totals of links.
#include <stdlib.h>
#include <string.h>

#include "engine/isles/isle.h"
#include "engine/isles/rings.h"

void isles_begin_window(Isles *isles) {
    isles->slow_before = isles->slow.n;
    array_clear(&isles->bind);
}

void isle_begin_play(Isles *isles, int64_t i) {
    Isle *isle = &isles->at[i];
    isle->kept_messages = 0;
    isle->kept_bound = false;
    undo_keep(isles->undo, isle->state, offsetof(IsleState, message));
}

void isle_return(Isles *isles, int64_t i, int64_t undo_first, int64_t undo_end) {
    Isle *isle = &isles->at[i];
    isle_mark_bound(isles, isle, false);
    undo_return(isles->undo, undo_first, undo_end);
    isle_mark_bound(isles, isle, true);
    isle->round++;
    isle->changed = 0;
}

int64_t isles_log_bytes(const Isles *isles) { return isles->bind.n * (int64_t)sizeof(BindSpan); }

/// Where the stretches of a lane are chained.
static int32_t slot_of(const Isles *isles, const BindSpan *bind) {
    return isles->at[bind->isle].slot[bind->lane];
}

/// List binding stretches by slot.
static void chain_binds(Isles *isles) {
    for (int64_t b = 0; b < isles->bind.n; b++) {
        BindSpan *bind = &isles->bind.at[b];
        if (isle_undid(isles, bind->isle, bind->round)) continue;
        int32_t slot = slot_of(isles, bind);
        isles->slot_notes.at[slot] |= SLOT_BIND;
        bind->next = isles->slot_bind.at[slot];
        isles->slot_bind.at[slot] = (int32_t)b + 1;
    }
}

static void clear_binds(Isles *isles) {
    for (int64_t b = 0; b < isles->bind.n; b++) {
        int32_t slot = slot_of(isles, &isles->bind.at[b]);
        isles->slot_bind.at[slot] = 0;
        isles->slot_notes.at[slot] &= (uint8_t)~SLOT_BIND;
    }
}

int64_t isles_lay(Isles *isles, int64_t from_ps, int64_t to_ps) {
    chain_binds(isles);
    int64_t bare_ps = rings_lay(isles->rings, from_ps, to_ps);
    clear_binds(isles);
    return bare_ps;
}

void isles_end_window(Isles *isles, int64_t end_ps) {
    if (isles_have_rings(isles)) rings_log(isles->rings, end_ps);
    int64_t n = isles->slow_before;
    for (int64_t i = n; i < isles->slow.n; i++) {
        SlowSpan span = isles->slow.at[i];
        if (isle_undid(isles, span.isle, span.round)) continue;
        span.isle = -1;
        isles->slow.at[n++] = span;
    }
    isles->slow.n = n;
}

static int by_slot_and_step(const void *a, const void *b) {
    const SlowSpan *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return (x->from_ps > y->from_ps) - (x->from_ps < y->from_ps);
}

static int by_slot_and_time(const void *a, const void *b) {
    const SlowSpan *x = a, *y = b;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    return (x->from_ps > y->from_ps) - (x->from_ps < y->from_ps);
}

/// Enter sorted spans, overlapping ones as one.
static void enter_spans(const Isles *isles, bool by_step) {
    const SlowSpan *span = isles->slow.at;
    int64_t n = isles->slow.n;
    for (int64_t i = 0; i < n;) {
        int64_t first = i, to_ps = span[i].to_ps;
        Wide delay = 0;
        for (; i < n && span[i].slot == span[first].slot && span[i].from_ps <= to_ps &&
               (!by_step || span[i].step == span[first].step);
             i++) {
            delay += span[i].delay;
            if (span[i].to_ps > to_ps) to_ps = span[i].to_ps;
        }
        if (by_step)
            ledger_add_slow(isles->ledger, span[first].step, span[first].slot, span[first].from_ps,
                            to_ps, delay);
        else
            ledger_add_period_slow(isles->ledger, span[first].slot, span[first].from_ps, to_ps,
                                   delay);
    }
}

void isles_enter_totals(Isles *isles, int64_t now_ps, int32_t step, bool sample) {
    for (int64_t i = 0; i < isles->n; i++) {
        if (isles->at[i].leader != i) continue;
        isle_cut_slow(isles, &isles->at[i], now_ps);
        isle_enter_bytes(isles, &isles->at[i], now_ps, step, sample);
    }
    if (sample) rings_sample(isles->rings, now_ps);
    if (isles->slow.n == 0) return;
    qsort(isles->slow.at, (size_t)isles->slow.n, sizeof(SlowSpan), by_slot_and_step);
    enter_spans(isles, true);
    qsort(isles->slow.at, (size_t)isles->slow.n, sizeof(SlowSpan), by_slot_and_time);
    enter_spans(isles, false);
    array_clear(&isles->slow);
}
