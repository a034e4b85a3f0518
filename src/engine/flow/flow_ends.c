// The queue of ends: where a transfer stands as its level has it now.
#include "base/units.h"
#include "engine/flow/flow_state.h"

enum { ENDS_LEAST = 1024 }; ///< as many are no burden

static bool stands(const void *context, HeapItem entry) {
    const Flow *flow = context;
    const Active *f = &flow->active[entry.item];
    return f->state == ACTIVE_RUNNING && f->queued_ps == entry.time_ps;
}

/// Where many share a link, each end brings those of all others forward, and their entries would pile up behind.
static void drop_stale(Flow *flow) {
    if (flow->ends.n >= 2 * flow->nactive + ENDS_LEAST) heap_sift(&flow->ends, stands, flow);
}

static void push_heap(Flow *flow, int32_t index, int64_t end_ps) {
    // Ties leave by tag, the order in which completions are handed out.
    uint64_t order = (uint64_t)flow->active[index].tag ^ (UINT64_C(1) << 63);
    drop_stale(flow);
    heap_push(&flow->ends, (HeapItem){.time_ps = end_ps, .order = order, .item = index});
}

/// Ends of one time collect outside the heap as long as they come in a row; a single one makes way.
void push_end(Flow *flow, int32_t index) {
    Active *f = &flow->active[index];
    f->queued_ps = f->end_ps;
    if (flow->together.n == 1 && flow->together_ps != f->end_ps) {
        push_heap(flow, flow->together.at[0], flow->together_ps);
        flow->together.n = 0;
    }
    if (flow->together.n == 0) flow->together_ps = f->end_ps;
    if (flow->together_ps == f->end_ps)
        array_push(&flow->together, index);
    else
        push_heap(flow, index, f->end_ps);
}

bool ends_hold(const Flow *flow, int32_t index, int64_t time_ps) {
    const Active *f = &flow->active[index];
    return f->state == ACTIVE_RUNNING && f->queued_ps == time_ps && f->end_ps == time_ps;
}

void ends_requeue(Flow *flow, int32_t index, int64_t time_ps) {
    Active *f = &flow->active[index];
    if (f->state != ACTIVE_RUNNING || f->queued_ps != time_ps)
        return; // another entry stands for it
    f->queued_ps = f->end_ps;
    if (f->end_ps < TIME_NEVER_PS) push_heap(flow, index, f->end_ps);
}

int64_t ends_next_ps(Flow *flow) {
    while (flow->together.n > 0 &&
           !ends_hold(flow, flow->together.at[flow->together.n - 1], flow->together_ps))
        ends_requeue(flow, flow->together.at[--flow->together.n], flow->together_ps);
    while (flow->ends.n > 0 &&
           !ends_hold(flow, (int32_t)flow->ends.at[0].item, flow->ends.at[0].time_ps)) {
        HeapItem stale = heap_pop(&flow->ends);
        ends_requeue(flow, (int32_t)stale.item, stale.time_ps);
    }
    int64_t next = heap_next_ps(&flow->ends);
    return flow->together.n > 0 && flow->together_ps < next ? flow->together_ps : next;
}

void requeue(Flow *flow, int32_t transfer) {
    Active *f = &flow->active[transfer];
    f->end_ps =
        price_end_ps(flow->now_ps, f->remaining, flow->routes.at[f->route].level_work, f->level);
    if (f->end_ps >= f->queued_ps) return; // the earlier entry will find the new end
    push_end(flow, transfer);
}

void solve_commit(Flow *flow, Member member) {
    Active *f = &flow->active[member.transfer];
    f->mark = MARK_PINNED;
    if (f->state != ACTIVE_RUNNING) return;
    int64_t level = f->level;
    if (member.old_level == level && member.old_slot == path_slow_slot(flow, f)) return;
    if (member.old_level != LEVEL_UNKNOWN) {
        stats_slow_close_as(flow, f, member.old_level, member.old_slot);
        f->level = member.old_level;
        settle(flow, f);
        f->level = level;
    }
    if (member.old_level != level) requeue(flow, member.transfer);
    stats_slow_open(flow, f);
}
