// Units walk through their programs: an operation is issued when its stream is free and its waits are served.
#include "base/check.h"
#include "base/fingerprint.h"
#include "base/wide.h"
#include "driver/island.h"

void machine_schedule(Machine *machine, int64_t time_ps, Event event, int64_t index,
                      uint64_t order) {
    HeapItem item = {.time_ps = time_ps, .order = order << 2 | event, .item = index << 2 | event};
    heap_push(&machine->heap, item);
}

Unit *machine_unit(Machine *machine, int64_t unit) {
    int64_t slot = layout_slot(&machine->layout, unit);
    return slot < 0 ? NULL : &machine->unit[slot];
}

int32_t unit_current_op(const Unit *unit, Stream stream) {
    return unit->program->stream_op[stream][unit->stream[stream].done];
}

bool channel_meet(Channel *channel, bool is_send, int64_t unit, Clocks *at) {
    CHECK(!(is_send ? channel->ready : channel->posted), "unit %lld has two %s waiting",
          (long long)unit, is_send ? "sends" : "receives");
    bool met = is_send ? channel->posted : channel->ready;
    *at = met ? clocks_max(channel->at, *at) : *at;
    *channel = (Channel){.posted = !met && !is_send, .ready = !met && is_send, .at = *at};
    return met;
}

static bool op_is_done(const Unit *unit, int32_t index) {
    const Op *op = &unit->program->op[index];
    return unit->stream[op->stream].done > op->sequence;
}

static bool waits_served(const Unit *unit, const Op *op) {
    for (int i = 0; i < PROGRAM_WAITS; i++)
        if (op->wait[i] >= 0 && !op_is_done(unit, op->wait[i])) return false;
    return true;
}

static DonePool *done_pool(Machine *machine) {
    return machine->islands ? &machine->islands->current->done : &machine->done;
}

static StepCount *step_count(Machine *machine) {
    return machine->islands ? &machine->islands->current->state->count : &machine->count;
}

/// A record is about to change: it may have to return.
static void touch_done(Machine *machine, int32_t index) {
    if (machine->islands) island_touch_done(machine->islands, index);
}

static void keep_done(Machine *machine, Unit *unit, int32_t op, const Release *release) {
    DonePool *pool = done_pool(machine);
    int32_t index = pool->free;
    if (index < 0) {
        index = (int32_t)pool->at.n;
        array_push(&pool->at, (Done){.next = -1});
    } else {
        touch_done(machine, index);
        pool->free = pool->at.at[index].next;
    }
    pool->at.at[index] = (Done){.at = release->at,
                                .slowed_ps = release->slowed_ps,
                                .op = op,
                                .next = unit->first_done,
                                .waiters = (uint32_t)unit->program->op[op].nwaiters & 0xffffff,
                                .kind = (uint32_t)release->kind & 0xff};
    unit->first_done = index;
}

/// Find what an operation left for its waiters; the last waiter frees the record.
static Release take_done(Machine *machine, Unit *unit, int32_t op) {
    DonePool *pool = done_pool(machine);
    int32_t index = unit->first_done, before = -1;
    while (index >= 0 && pool->at.at[index].op != op) {
        before = index;
        index = pool->at.at[index].next;
    }
    CHECK(index >= 0, "unit %lld: operation %d left no record", (long long)unit->id, op);
    touch_done(machine, index);
    Done *done = &pool->at.at[index];
    Release release = {.at = done->at, .kind = (TracePart)done->kind, .slowed_ps = done->slowed_ps};
    if (--done->waiters == 0) {
        if (before >= 0) touch_done(machine, before);
        *(before < 0 ? &unit->first_done : &pool->at.at[before].next) = done->next;
        done->next = pool->free;
        pool->free = index;
    }
    return release;
}

static int64_t share(int64_t total, int32_t part, int32_t parts) {
    return total * (part + 1) / parts - total * part / parts;
}

void unit_nominal(const Machine *machine, int32_t stage, const Op *op, int64_t *compute_ps,
                  int64_t *tp_ps) {
    *tp_ps = 0;
    if (op->kind == OP_OPTIMIZER) {
        *compute_ps = machine->cost.optimizer_ps[stage];
        return;
    }
    const ChunkCost *chunk = &machine->cost.chunk[op->chunk * machine->layout.stages + stage];
    bool forward = op->kind == OP_FORWARD;
    *compute_ps = share(forward ? chunk->forward_ps : chunk->backward_ps, op->part, op->parts);
    *tp_ps = share(forward ? chunk->forward_tp_ps : chunk->backward_tp_ps, op->part, op->parts);
}

/// Speed of compute while a collective holds its share of the GPU, in 2^-20.
static int64_t shared_speed(const Machine *machine) {
    double taken = cluster_spec(machine->cluster)->gpu.collective_share;
    return NOISE_ONE - (int64_t)(taken * (double)NOISE_ONE + 0.5);
}

static int64_t shared_time(const Machine *machine, int64_t alone_ps) {
    int64_t speed = shared_speed(machine);
    return (int64_t)(((Wide)alone_ps * NOISE_ONE + speed / 2) / speed);
}

static int64_t unshared_time(const Machine *machine, int64_t shared_ps) {
    return noise_apply(shared_ps, shared_speed(machine));
}

static uint64_t compute_order(const Unit *unit) { return (uint64_t)unit->id + 1; }

static int64_t slot_of(const Machine *machine, const Unit *unit) { return unit - machine->unit; }

/// See to it that unit_compute_due is called when the operation under way ends.
static void schedule_compute(Machine *machine, const Unit *unit) {
    if (machine->islands) {
        island_set_compute(machine->islands, unit, unit->compute_end_ps);
    } else {
        machine_schedule(machine, unit->compute_end_ps, EVENT_COMPUTE, slot_of(machine, unit),
                         compute_order(unit));
    }
}

static void issue_compute(Machine *machine, Unit *unit, const Op *op, Clocks begin) {
    int64_t compute_ps, tp_ps;
    unit_nominal(machine, unit->stage, op, &compute_ps, &tp_ps);
    int64_t own_ps = noise_apply(compute_ps, unit->factor);
    int64_t busy_ps = own_ps + tp_ps;
    unit->part_ps[TRACE_PART_COMPUTE] += compute_ps;
    unit->part_ps[TRACE_PART_TP_EXPOSED] += tp_ps;
    unit->part_ps[TRACE_PART_OWN_SLOW] += own_ps - compute_ps;
    unit->stream[STREAM_COMPUTE].free = (Clocks){.actual_ps = begin.actual_ps,
                                                 .alone_ps = begin.alone_ps + compute_ps + tp_ps,
                                                 .ideal_ps = begin.ideal_ps + compute_ps};
    unit->computing = true;
    unit->sharing_ps = 0;
    unit->compute_end_ps = begin.actual_ps + busy_ps;
    if (unit->sharing > 0) {
        int64_t longer_ps = shared_time(machine, busy_ps);
        unit->sharing_ps = longer_ps - busy_ps;
        unit->compute_end_ps = begin.actual_ps + longer_ps;
    }
    schedule_compute(machine, unit);
}

/// Collect what the waits of an operation left. Returns how many.
static int32_t take_waits(Machine *machine, Unit *unit, const Op *op,
                          Release release[PROGRAM_WAITS]) {
    int32_t n = 0;
    for (int i = 0; i < PROGRAM_WAITS; i++)
        if (op->wait[i] >= 0) release[n++] = take_done(machine, unit, op->wait[i]);
    return n;
}

static void issue(Machine *machine, Unit *unit, int32_t index, int64_t now_ps) {
    const Op *op = &unit->program->op[index];
    StreamState *stream = &unit->stream[op->stream];
    Release release[PROGRAM_WAITS];
    int32_t n = take_waits(machine, unit, op, release);
    stream->issued++;
    if (op->stream == STREAM_COMPUTE) {
        Clocks begin = account_wait(unit->part_ps, stream->free, release, n, now_ps);
        issue_compute(machine, unit, op, begin);
        return;
    }
    Clocks begin = stream->free;
    for (int32_t i = 0; i < n; i++) begin = clocks_max(begin, release[i].at);
    begin.actual_ps = now_ps;
    if (op->kind == OP_SEND) {
        match_send(machine, unit, op, begin);
    } else if (op->kind == OP_RECV) {
        match_receive(machine, unit, op, begin);
    } else {
        match_arrive(machine, unit, index, begin);
    }
}

/// Issue the next operation of a stream if it can go. An operation may end at once (a group of one); the
/// streams it wakes are handled by its end, so one attempt is enough.
static void try_stream(Machine *machine, Unit *unit, Stream s, int64_t now_ps) {
    StreamState *stream = &unit->stream[s];
    if (stream->issued > stream->done || stream->issued == unit->program->stream_nops[s]) return;
    int32_t index = unit->program->stream_op[s][stream->issued];
    if (waits_served(unit, &unit->program->op[index])) issue(machine, unit, index, now_ps);
}

static int64_t largest_factor(const Machine *machine, const Unit *unit) {
    int64_t largest = 0;
    for (int32_t rail = 0; rail < machine->layout.width; rail++) {
        GpuId gpu = layout_gpu(&machine->layout, unit->id, rail);
        int64_t factor = noise_factor(&machine->job->noise, gpu, unit->step);
        if (factor > largest) largest = factor;
    }
    return largest;
}

/// When a unit begins a step, on its clocks since the norm before.
static uint64_t print_begin(const Machine *machine, const Unit *unit, Clocks begin) {
    const Clocks *norm = &machine->cycle.begin;
    uint64_t clocks =
        fingerprint_of(begin.actual_ps - norm->actual_ps, begin.alone_ps - norm->alone_ps,
                       begin.ideal_ps - norm->ideal_ps);
    return fingerprint_of(unit->id, (int64_t)clocks, unit->factor);
}

void unit_begin(Machine *machine, Unit *unit, int64_t now_ps) {
    unit->factor = largest_factor(machine, unit);
    unit->step_start_ps = now_ps;
    Clocks begin = unit->stream[STREAM_COMPUTE].free;
    step_count(machine)->begins[unit->step & 1] += print_begin(machine, unit, begin);
    for (int s = 0; s < STREAM_N; s++) unit->stream[s] = (StreamState){.free = begin};
    for (int part = 0; part < TRACE_PART_N; part++) unit->part_ps[part] = 0;
    for (int s = 0; s < STREAM_N; s++) try_stream(machine, unit, (Stream)s, now_ps);
}

/// The optimizer has ended: keep the step, check its sum, begin the next.
static void finish_step(Machine *machine, Unit *unit, int64_t now_ps) {
    int64_t sum_ps = 0;
    for (int part = 0; part < TRACE_PART_N; part++) sum_ps += unit->part_ps[part];
    CHECK(sum_ps == now_ps - unit->step_start_ps, "unit %lld: parts %lld ps, step %lld ps",
          (long long)unit->id, (long long)sum_ps, (long long)(now_ps - unit->step_start_ps));
    for (int s = 0; s < STREAM_N; s++)
        CHECK(unit->stream[s].done == unit->program->stream_nops[s],
              "unit %lld ended a step with stream %d at %d", (long long)unit->id, s,
              unit->stream[s].done);
    StepResult *result = &machine->result[slot_of(machine, unit)];
    *result = (StepResult){.start_ps = unit->step_start_ps, .end_ps = now_ps};
    for (int part = 0; part < TRACE_PART_N; part++) result->part_ps[part] = unit->part_ps[part];
    StepCount *count = step_count(machine);
    count->fingerprint[unit->step & 1] +=
        machine->islands
            ? island_fingerprint(machine->islands, unit, -1, unit->step_start_ps, now_ps)
            : fingerprint_of(unit->id, unit->step_start_ps, now_ps);
    unit->step++;
    if (++count->units == (machine->islands ? machine->layout.stages : machine->nlocal)) {
        count->units = 0;
        count->steps++;
    }
    if (unit->step < machine->steps) unit_begin(machine, unit, now_ps);
}

static TracePart kind_of_release(OpKind kind) {
    if (kind == OP_SEND || kind == OP_RECV) return TRACE_PART_PP_EXPOSED;
    if (kind == OP_FORWARD || kind == OP_BACKWARD || kind == OP_OPTIMIZER)
        return TRACE_PART_COMPUTE;
    return TRACE_PART_DP_EXPOSED;
}

void unit_finish_op(Machine *machine, Unit *unit, int32_t index, Clocks end, int64_t slowed_ps,
                    int64_t now_ps) {
    const Op *op = &unit->program->op[index];
    StreamState *stream = &unit->stream[op->stream];
    stream->free = end;
    stream->done++;
    if (op->nwaiters > 0) {
        Release release = {.at = end, .kind = kind_of_release(op->kind), .slowed_ps = slowed_ps};
        keep_done(machine, unit, index, &release);
    }
    if (op->kind == OP_OPTIMIZER) {
        finish_step(machine, unit, now_ps);
        return;
    }
    int32_t step = unit->step;
    try_stream(machine, unit, op->stream, now_ps);
    for (int s = 0; s < STREAM_N && unit->step == step; s++)
        if (op->wakes >> s & 1) try_stream(machine, unit, (Stream)s, now_ps);
}

void unit_compute_due(Machine *machine, Unit *unit, int64_t now_ps) {
    if (!unit->computing || unit->compute_end_ps != now_ps)
        return; // re-timed since this was scheduled
    unit->computing = false;
    unit->part_ps[TRACE_PART_SHARING] += unit->sharing_ps;
    Clocks end = unit->stream[STREAM_COMPUTE].free;
    end.actual_ps = now_ps;
    unit_finish_op(machine, unit, unit_current_op(unit, STREAM_COMPUTE), end, 0, now_ps);
}

void unit_share(Machine *machine, Unit *unit, int32_t change, int64_t now_ps) {
    bool before = unit->sharing > 0;
    unit->sharing += change;
    bool after = unit->sharing > 0;
    if (before == after || !unit->computing) return;
    int64_t left_ps = unit->compute_end_ps - now_ps;
    int64_t new_ps = after ? shared_time(machine, left_ps) : unshared_time(machine, left_ps);
    unit->sharing_ps += new_ps - left_ps;
    unit->compute_end_ps = now_ps + new_ps;
    schedule_compute(machine, unit);
}
