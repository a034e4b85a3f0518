// Units walk through their programs: an operation is issued when its stream is free and its waits are served.
#include <math.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/units.h"
#include "base/wide.h"
#include "driver/player.h"

void machine_schedule(Machine *machine, int64_t time_ps, Event event, int64_t index,
                      uint64_t order) {
    HeapItem item = {.time_ps = time_ps, .order = order << 2 | event, .item = index << 2 | event};
    heap_push(&machine->heap, item);
}

Unit *machine_unit(Machine *machine, int64_t unit) {
    int64_t slot = layout_slot(&machine->layout, unit);
    return slot < 0 ? NULL : &machine->unit[slot];
}

/// Both ends of a message are there.
static void note_meeting(Machine *machine, Unit *receiver, ChannelSide side, int64_t now_ps) {
    const bool from_prev = side == CHANNEL_FROM_PREV;
    const Unit *sender = unit_neighbour(machine, receiver, from_prev ? -1 : 1);
    if (receiver->noted)
        timeline_begin(machine, receiver, from_prev ? STREAM_RECV_PREV : STREAM_RECV_NEXT, now_ps);
    if (sender->noted)
        timeline_begin(machine, sender, from_prev ? STREAM_SEND_NEXT : STREAM_SEND_PREV, now_ps);
}

/// A send or a receive comes to a channel; of both there the message begins.
static void meet(Machine *machine, Unit *unit, Stream stream, const Clocks *at) {
    const bool sends = stream == STREAM_SEND_NEXT || stream == STREAM_SEND_PREV;
    const ChannelSide side = stream == STREAM_SEND_NEXT || stream == STREAM_RECV_PREV
                                 ? CHANNEL_FROM_PREV
                                 : CHANNEL_FROM_NEXT;
    Unit *receiver =
        sends ? unit_neighbour(machine, unit, side == CHANNEL_FROM_PREV ? 1 : -1) : unit;
    uint8_t *mine = sends ? &receiver->ready : &receiver->posted;
    uint8_t *others = sends ? &receiver->posted : &receiver->ready;
    const uint8_t bit = (uint8_t)(1 << side);
    CHECK(!(*mine & bit), "unit %lld has two %s waiting", (long long)receiver->id,
          sends ? "sends" : "receives");
    if (sends && machine->player->touch) machine->player->touch(machine, receiver);
    if (!(*others & bit)) {
        receiver->met[side] = *at;
        *mine |= bit;
        return;
    }
    Clocks begin = receiver->met[side];
    clocks_raise(&begin, at);
    *others &= (uint8_t)~bit;
    note_meeting(machine, receiver, side, begin.actual_ps);
    int64_t latency_ps = machine->player->message(machine, receiver, side, begin.actual_ps);
    *unit_received(receiver, side) = clocks_later(begin.nominal, latency_ps);
}

static bool waits_served(const Program *program, const Unit *unit, const Op *op) {
    for (int i = 0; i < PROGRAM_WAITS && op->wait[i] >= 0; i++) {
        const Op *awaited = &program->op[op->wait[i]];
        if (unit->done[awaited->stream] <= awaited->sequence) return false;
    }
    return true;
}

/// Speed of compute beside what takes a share of the GPUs, the slowest of them, in 2^-20.
static int64_t shared_speed(const Machine *machine, const Unit *unit, int sharing) {
    int64_t slowest = NOISE_ONE;
    for (int32_t kind = 0; unit->kinds >> kind; kind++)
        if (unit->kinds >> kind & 1 && machine->speed[kind][sharing] < slowest)
            slowest = machine->speed[kind][sharing];
    return slowest;
}

static int64_t shared_time(const Machine *machine, const Unit *unit, int sharing,
                           int64_t alone_ps) {
    const int64_t speed = shared_speed(machine, unit, sharing);
    if (speed == NOISE_ONE) return alone_ps;
    return (int64_t)(((Wide)alone_ps * NOISE_ONE + speed / 2) / speed);
}

/// Communication takes so much more of the operation under way, or less.
static void take_from_compute(Unit *unit, int64_t more_ps) {
    unit->part_ps[ACCOUNT_SHARING] += more_ps;
    unit->free[FREE_COMPUTE].shared_ps += more_ps;
    unit->free[FREE_COMPUTE].slowed_ps += more_ps;
    unit->compute_end_ps += more_ps;
}

static int64_t slot_of(const Machine *machine, const Unit *unit) { return unit - machine->unit; }

/// When all GPUs of a unit work, at or after a moment; TIME_NEVER_PS: never again.
static int64_t works_from_ps(const Machine *machine, const Unit *unit, int64_t at_ps) {
    if (cluster_is_even(machine->cluster)) return at_ps;
    int64_t before_ps;
    do {
        before_ps = at_ps;
        for (int32_t rail = 0; rail < machine->layout.units.width && at_ps < TIME_NEVER_PS; rail++)
            at_ps = cluster_works_from_ps(machine->cluster,
                                          layout_gpu(&machine->layout, unit->id, rail), at_ps);
    } while (at_ps != before_ps);
    return at_ps;
}

/// Time of an operation on GPUs that are slow by a factor, nothing else being beside it.
static int64_t busy_time(NominalWork work, int64_t factor) {
    return noise_apply(work.compute_ps + work.sharing_ps, factor) + nominal_exposed_ps(work);
}

NominalWork unit_work(const Machine *machine, int32_t kinds, int32_t stage, const Op *op) {
    NominalWork slowest = {0};
    for (int32_t kind = 0; kinds >> kind; kind++) {
        if (!(kinds >> kind & 1)) continue;
        const NominalWork work = step_cost_work(machine_cost(machine, kind), stage, op);
        if (busy_time(work, NOISE_ONE) > busy_time(slowest, NOISE_ONE)) slowest = work;
    }
    return slowest;
}

/// Where a unit notes its operations; NULL: it does not.
static OpSpan *spans_of(const Machine *machine, const Unit *unit) {
    const Noted *noted = &machine->noted;
    if (noted->n == 0) return NULL;
    const int64_t replica = layout_replica_at(&machine->layout, slot_of(machine, unit));
    if (replica % noted->stride > 0) return NULL;
    return machine_spans(machine, replica / noted->stride - noted->first, unit->stage, unit->step);
}

static void note_begin(const Machine *machine, const Unit *unit, const Op *op, int64_t still_ps,
                       int64_t now_ps) {
    OpSpan *span = spans_of(machine, unit);
    if (!span) return;
    span[op->sequence].begin_ps = now_ps;
    span[op->sequence].still_ps = still_ps;
    if (op->sequence > 0) return;
    span[unit_program(machine, unit)->stream_nops[STREAM_COMPUTE]].begin_ps = unit->step_start_ps;
}

static void note_end(const Machine *machine, const Unit *unit, const Op *op, int64_t now_ps) {
    OpSpan *span = spans_of(machine, unit);
    if (span) span[op->sequence].end_ps = now_ps;
}

/// What a unit has waited in this step for nothing that moves.
static int64_t still_ps(const Unit *unit) {
    return unit->part_ps[ACCOUNT_BUBBLE] + unit->part_ps[ACCOUNT_STRAGGLER];
}

static void issue_compute(Machine *machine, Unit *unit, const Op *op, const Clocks *begin) {
    NominalWork work = step_cost_work(machine_nominal(machine, unit->role), unit->stage, op);
    int64_t alone_ps = work.compute_ps + nominal_exposed_ps(work);
    const bool as_nominal = unit->kinds == 1 && !machine->shares.uneven;
    const NominalWork own = as_nominal ? work : unit_work(machine, unit->kinds, unit->stage, op);
    int64_t busy_ps = busy_time(own, unit->factor);
    int64_t works_ps = works_from_ps(machine, unit, begin->actual_ps);
    unit->free[FREE_COMPUTE] =
        (NominalClocks){.slowed_ps = begin->nominal.slowed_ps + alone_ps + work.sharing_ps,
                        .shared_ps = begin->nominal.shared_ps + alone_ps + work.sharing_ps,
                        .alone_ps = begin->nominal.alone_ps + alone_ps,
                        .ideal_ps = begin->nominal.ideal_ps + work.compute_ps};
    unit->compute_end_ps = TIME_NEVER_PS;
    if (works_ps < TIME_NEVER_PS) {
        unit->compute_end_ps = works_ps + busy_ps;
        unit->part_ps[ACCOUNT_OWN_SLOW] +=
            works_ps - begin->actual_ps + busy_ps - alone_ps - work.sharing_ps;
        take_from_compute(unit, shared_time(machine, unit, unit->sharing, busy_ps) - busy_ps);
    }
    machine->player->compute(machine, unit);
}

/// A unit comes to a collective: a group of one is through at once.
static void arrive(Machine *machine, Unit *unit, int32_t index, const Clocks *at) {
    const Op *op = &unit_program(machine, unit)->op[index];
    const OpKindRow *kind = &OP_KINDS[op->kind];
    int64_t group = units_group_of(&machine->layout.units, unit->id, kind->group);
    CHECK(group >= 0, "unit %lld has no group for %s", (long long)unit->id, kind->name);
    if (units_rail_size(&machine->layout.units, group) == 1) {
        unit_finish_op(machine, unit, index, at->nominal, at->actual_ps);
        return;
    }
    Meeting meeting = {
        .group = group, .step = unit->step, .sequence = op->sequence, .kind = op->kind, .at = *at};
    machine->player->arrive(machine, &meeting);
}

/// Of the GPUs of a unit; its first byte goes, or if it is timed it ends, a latency later.
static void begin_exchange(Machine *machine, Unit *unit, const Op *op, const Clocks *at) {
    const Exchange which = op->kind == OP_DISPATCH ? EXCHANGE_DISPATCH : EXCHANGE_COMBINE;
    const int64_t latency_ps = machine->exchange_plan.latency_ps[which];
    *unit_free(machine, unit, STREAM_EP) = clocks_later(at->nominal, latency_ps);
    unit_share(machine, unit, SHARING_EXCHANGE, true, at->actual_ps);
    machine->player->exchange(machine, unit, which, at->actual_ps + latency_ps);
}

static void issue(Machine *machine, Unit *unit, int32_t index, int64_t now_ps) {
    const Op *op = &unit_program(machine, unit)->op[index];
    Release release[PROGRAM_WAITS];
    int32_t n = done_take(machine, unit, op, release);
    unit->busy |= (uint8_t)(1 << op->stream);
    if (unit->noted) timeline_issue(machine, unit, index, release, n, now_ps);
    OpForm form = OP_KINDS[op->kind].form;
    if (form == FORM_COMPUTE) {
        Clocks begin = clocks_at(unit->compute_end_ps, unit->free[FREE_COMPUTE]);
        const int64_t before_ps = still_ps(unit);
        account_wait(unit->part_ps, &begin, release, n, now_ps);
        note_begin(machine, unit, op, still_ps(unit) - before_ps, now_ps);
        if (unit->noted) timeline_waited(machine, unit, index);
        issue_compute(machine, unit, op, &begin);
        return;
    }
    const NominalClocks *free = unit_free(machine, unit, op->stream);
    Clocks begin = clocks_at(now_ps, free ? *free : (NominalClocks){0});
    for (int32_t i = 0; i < n; i++) clocks_raise(&begin, &release[i].at);
    begin.actual_ps = now_ps;
    if (form == FORM_SEND || form == FORM_RECEIVE) {
        meet(machine, unit, op->stream, &begin);
    } else if (form == FORM_EXCHANGE) {
        begin_exchange(machine, unit, op, &begin);
    } else {
        arrive(machine, unit, index, &begin);
    }
}

/// Issue the next operation of a stream if it can go. An operation may end at once (a group of one); the
/// streams it wakes are handled by its end, so one attempt is enough.
static void try_stream(Machine *machine, Unit *unit, Stream s, int64_t now_ps) {
    const Program *program = unit_program(machine, unit);
    if (unit_is_busy(unit, s) || unit->done[s] == program->stream_nops[s]) return;
    int32_t index = program->stream_op[s][unit->done[s]];
    if (waits_served(program, unit, &program->op[index])) issue(machine, unit, index, now_ps);
}

int64_t unit_slow_factor(const Machine *machine, int64_t unit, int32_t step, int64_t now_ps) {
    int64_t largest = 0;
    for (int32_t rail = 0; rail < machine->layout.units.width; rail++) {
        GpuId gpu = layout_gpu(&machine->layout, unit, rail);
        int64_t factor = noise_apply(noise_factor(&machine->job->noise, gpu, step),
                                     cluster_slow_factor(machine->cluster, gpu, now_ps));
        if (factor > largest) largest = factor;
    }
    return largest;
}

int64_t unit_routing_factor(const Machine *machine, int64_t unit, int32_t step) {
    const double sigma = machine->cost.routing_sigma[units_stage(&machine->layout.units, unit)];
    return noise_routing_factor(machine->job->noise.seed, sigma, unit, step);
}

static int64_t largest_factor(const Machine *machine, const Unit *unit, int64_t now_ps) {
    return noise_apply(unit_slow_factor(machine, unit->id, unit->step, now_ps),
                       unit_routing_factor(machine, unit->id, unit->step));
}

/// When a unit begins a step, on its clocks since the norm before.
static uint64_t print_begin(const Machine *machine, const Unit *unit, Clocks begin) {
    const Clocks *norm = &machine->cycle.begin;
    const NominalClocks *at = &begin.nominal, *since = &norm->nominal;
    uint64_t sums =
        fingerprint_of(begin.actual_ps - norm->actual_ps, at->slowed_ps - since->slowed_ps,
                       at->shared_ps - since->shared_ps);
    uint64_t clocks = fingerprint_of((int64_t)sums, at->alone_ps - since->alone_ps,
                                     at->ideal_ps - since->ideal_ps);
    return fingerprint_of(unit->id, (int64_t)clocks, unit->factor);
}

void unit_start(Machine *machine, Unit *unit, int64_t now_ps) {
    unit->compute_end_ps = now_ps;
    unit->free[FREE_COMPUTE] = (NominalClocks){now_ps, now_ps, now_ps, now_ps};
    unit_begin(machine, unit, now_ps);
}

void unit_begin(Machine *machine, Unit *unit, int64_t now_ps) {
    unit->factor = largest_factor(machine, unit, now_ps);
    unit->step_start_ps = now_ps;
    PathLog *log = machine->path_log;
    if (log && unit->step == log->step) log->begin_ps[slot_of(machine, unit)] = now_ps;
    const NominalClocks begin = unit->free[FREE_COMPUTE];
    machine->scope.count->begins[unit->step & 1] +=
        print_begin(machine, unit, clocks_at(now_ps, begin));
    for (int f = 0; f < FREE_N; f++) unit->free[f] = begin;
    for (int s = STREAM_MORE; s < STREAM_N; s++)
        if (machine->more[s]) *unit_free(machine, unit, (Stream)s) = begin;
    for (int s = 0; s < STREAM_N; s++) unit->done[s] = 0;
    for (int part = 0; part < ACCOUNT_N; part++) unit->part_ps[part] = 0;
    for (int s = 0; s < STREAM_N; s++) try_stream(machine, unit, (Stream)s, now_ps);
}

/// The optimizer has ended: keep the step, check its sum, begin the next.
static void finish_step(Machine *machine, Unit *unit, int64_t now_ps) {
    int64_t sum_ps = account_sum_ps(unit->part_ps, machine_work(machine, unit->role, unit->stage));
    CHECK(sum_ps == now_ps - unit->step_start_ps, "unit %lld: parts %lld ps, step %lld ps",
          (long long)unit->id, (long long)sum_ps, (long long)(now_ps - unit->step_start_ps));
    for (int s = 0; s < STREAM_N; s++)
        CHECK(unit->done[s] == unit_program(machine, unit)->stream_nops[s],
              "unit %lld ended a step with stream %d at %d", (long long)unit->id, s, unit->done[s]);
    StepResult *result = &machine->result[slot_of(machine, unit)];
    result->end_ps = now_ps;
    for (int part = 0; part < ACCOUNT_N; part++) result->part_ps[part] = unit->part_ps[part];
    StepCount *count = machine->scope.count;
    count->fingerprint[unit->step & 1] +=
        machine->player->fingerprint(machine, unit, -1, unit->step_start_ps, now_ps);
    unit->step++;
    if (++count->units == machine->scope.nunits) {
        count->units = 0;
        count->steps++;
    }
    if (unit->step < machine->steps) unit_begin(machine, unit, now_ps);
}

void unit_finish_op(Machine *machine, Unit *unit, int32_t index, NominalClocks end,
                    int64_t now_ps) {
    const Op *op = &unit_program(machine, unit)->op[index];
    NominalClocks *free = unit_free(machine, unit, op->stream);
    if (free) *free = end;
    if (op->stream == STREAM_COMPUTE) note_end(machine, unit, op, now_ps);
    if (unit->noted) timeline_end(machine, unit, index, now_ps);
    PathLog *log = machine->path_log;
    if (log && unit->step == log->step)
        log->end_ps[log->first[slot_of(machine, unit)] + index] = now_ps;
    unit->done[op->stream]++;
    unit->busy &= (uint8_t) ~(1 << op->stream);
    if (op->nwaiters > 0) done_keep(machine, unit, index, clocks_at(now_ps, end));
    if (OP_KINDS[op->kind].ends_step) {
        finish_step(machine, unit, now_ps);
        return;
    }
    int32_t step = unit->step;
    try_stream(machine, unit, op->stream, now_ps);
    for (int s = 0; s < STREAM_N && unit->step == step; s++)
        if (op->wakes >> s & 1) try_stream(machine, unit, (Stream)s, now_ps);
}

void unit_compute_due(Machine *machine, Unit *unit, int64_t now_ps) {
    if (!unit_is_busy(unit, STREAM_COMPUTE) || unit->compute_end_ps != now_ps)
        return; // re-timed since this was scheduled
    unit_finish_op(machine, unit, unit_current_op(machine, unit, STREAM_COMPUTE),
                   unit->free[FREE_COMPUTE], now_ps);
}

void unit_share(Machine *machine, Unit *unit, int what, bool begins, int64_t now_ps) {
    const int before = unit->sharing, sharing = begins ? before | what : before & ~what;
    unit->sharing = (uint8_t)sharing;
    if (shared_speed(machine, unit, before) == shared_speed(machine, unit, sharing) ||
        !unit_is_busy(unit, STREAM_COMPUTE) || unit->compute_end_ps == TIME_NEVER_PS)
        return;
    int64_t left_ps = unit->compute_end_ps - works_from_ps(machine, unit, now_ps);
    int64_t unshared_ps = noise_apply(left_ps, shared_speed(machine, unit, before));
    take_from_compute(unit, shared_time(machine, unit, sharing, unshared_ps) - left_ps);
    machine->player->compute(machine, unit);
}

void unit_retime(Machine *machine, Unit *unit, int64_t now_ps) {
    if (unit->step >= machine->steps) return;
    const int64_t before = unit->factor, end_ps = unit->compute_end_ps;
    unit->factor = largest_factor(machine, unit, now_ps);
    if (!unit_is_busy(unit, STREAM_COMPUTE) || end_ps == TIME_NEVER_PS) return;
    // A GPU that was dead until now knew when it would work again.
    int64_t from_ps = works_from_ps(machine, unit, now_ps - 1);
    int64_t left_ps = end_ps - (from_ps > now_ps ? from_ps : now_ps);
    if (left_ps <= 0) return;
    if (unit->factor != before) {
        int32_t op = unit_current_op(machine, unit, STREAM_COMPUTE);
        NominalWork work =
            unit_work(machine, unit->kinds, unit->stage, &unit_program(machine, unit)->op[op]);
        int64_t old_ps = busy_time(work, before);
        left_ps = (int64_t)(((Wide)left_ps * busy_time(work, unit->factor) + old_ps / 2) / old_ps);
    }
    from_ps = works_from_ps(machine, unit, now_ps);
    unit->compute_end_ps = from_ps < TIME_NEVER_PS ? from_ps + left_ps : TIME_NEVER_PS;
    if (unit->compute_end_ps == end_ps) return;
    unit->part_ps[ACCOUNT_OWN_SLOW] += unit->compute_end_ps - end_ps;
    machine->player->compute(machine, unit);
}
