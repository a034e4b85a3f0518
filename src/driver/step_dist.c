#include "driver/step_dist.h"

#include <stdio.h>

#include "base/units.h"
#include "driver/dataflow.h"
#include "driver/repeat.h"

enum { HEADER_NEXT, HEADER_SENT, HEADER_STEPS, HEADER_FLAGS };
enum { FLAG_STOP = 1, FLAG_FAILED = 2 };
enum { DRAIN_BATCH = 256 };

static int64_t next_event_ps(const Machine *machine) {
    int64_t heap_ps = heap_next_ps(&machine->heap);
    int64_t engine_ps = machine->ops->next_ps(machine->engine);
    return heap_ps < engine_ps ? heap_ps : engine_ps;
}

static void drain(Machine *machine) {
    Completion done[DRAIN_BATCH];
    int64_t n;
    while ((n = machine->ops->drain(machine->engine, done, DRAIN_BATCH)) > 0)
        for (int64_t i = 0; i < n; i++) network_complete(machine, &done[i]);
}

static void collect_intervals(Machine *machine, int64_t now_ps) {
    if (!machine->collect || now_ps < machine->collect_after_ps) return;
    machine->collect(machine->collector);
    machine->collect_after_ps = now_ps + machine->intervals.width_ps;
}

static void handle(Machine *machine, HeapItem item) {
    int64_t index = item.item >> 2;
    switch ((Event)(item.item & 3)) {
        case EVENT_COMPUTE: unit_compute_due(machine, &machine->unit[index], item.time_ps); break;
        case EVENT_SHARE: network_share_due(machine, index, item.time_ps); break;
        case EVENT_SMALL: network_small_due(machine, index, item.time_ps); break;
    }
}

/// Play all events up to horizon_ps, or until a step that nobody has recorded yet is over.
static void play(Machine *machine, int64_t horizon_ps, int32_t recorded) {
    int64_t now_ps;
    while ((now_ps = next_event_ps(machine)) <= horizon_ps && now_ps < TIME_END_PS) {
        machine->ops->advance(machine->engine, now_ps);
        collect_intervals(machine, now_ps);
        drain(machine);
        while (heap_next_ps(&machine->heap) == now_ps) handle(machine, heap_pop(&machine->heap));
        if (machine->cycle.ended)
            machine_begin_cycle(machine, now_ps,
                                machine->ops->next_ps(machine->engine) == TIME_NEVER_PS);
        if (machine->nranks == 1 && machine->count.steps > recorded) return;
        // The whole moment: of several failures the same is told on any number of ranks.
        if (!status_is_ok(&machine->failure) && next_event_ps(machine) > now_ps) return;
    }
    if (horizon_ps < TIME_END_PS) machine->ops->advance(machine->engine, horizon_ps);
}

static void receive(Machine *machine) {
    int from;
    const void *bytes;
    size_t n;
    while (exchange_next(machine->exchange, &from, &bytes, &n)) {
        match_apply(machine, bytes);
        machine->quiet_until_ps = 0; // news may move units earlier than was to be expected
    }
    machine->ops->settle_adopted(machine->engine);
}

/// What the ranks agree on at the end of a window.
typedef struct Agreement {
    int64_t next_ps;
    int64_t steps_done;
    int64_t flags;
} Agreement;

static Agreement agree(Machine *machine, int64_t flags) {
    for (;;) {
        int64_t steps = machine->nlocal > 0 ? machine->count.steps : INT32_MAX;
        if (!status_is_ok(&machine->failure)) flags |= FLAG_FAILED;
        if (machine->nranks > 1) match_expose(machine);
        int64_t header[EXCHANGE_HEADER_WORDS] = {quiet_next_ps(machine, next_event_ps(machine)),
                                                 machine->sent, steps, flags};
        exchange_set_header(machine->exchange, header);
        machine->sent = 0;
        exchange_run(machine->exchange);
        receive(machine);
        int64_t sent = 0, all_flags = 0;
        for (int rank = 0; rank < machine->nranks; rank++) {
            sent += exchange_header(machine->exchange, rank)[HEADER_SENT];
            all_flags |= exchange_header(machine->exchange, rank)[HEADER_FLAGS];
        }
        if (sent > 0) continue;
        return (Agreement){.next_ps = exchange_header_min(machine->exchange, HEADER_NEXT),
                           .steps_done = exchange_header_min(machine->exchange, HEADER_STEPS),
                           .flags = all_flags};
    }
}

/// Say what is under way at the first few units of this rank that cannot go on.
static void describe_blocked(const Machine *machine, char *text, size_t capacity) {
    static const char *const STREAM_NAMES[STREAM_N] = {"compute",      "receive-prev", "send-next",
                                                       "receive-next", "send-prev",    "dp"};
    enum { LINES = 8 };
    size_t used = 0;
    int lines = 0;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        if (unit->id < 0 || unit->step >= machine->steps) continue;
        for (int s = 0; s < STREAM_N && lines < LINES && used < capacity; s++) {
            if (!unit_is_busy(unit, (Stream)s)) continue;
            char name[96];
            const Op *op =
                &unit_program(machine, unit)->op[unit_current_op(machine, unit, (Stream)s)];
            used += (size_t)snprintf(text + used, capacity - used,
                                     "\n  rank %d unit %lld stage %d step %d waits in %s: %s",
                                     machine->rank, (long long)unit->id, unit->stage, unit->step,
                                     STREAM_NAMES[s], program_op_name(op, name, sizeof name));
            lines++;
        }
    }
}

Status step_stuck(Machine *machine) {
    char text[900] = "";
    describe_blocked(machine, text, sizeof text);
    Status mine = status_ok();
    if (text[0])
        mine =
            status_make(STATUS_STUCK, "the run cannot go on: nothing is under way, but:%s", text);
    return comm_agree(machine->comm, mine);
}

static int64_t horizon_after(const Machine *machine, int64_t next_ps) {
    if (machine->nranks == 1) return TIME_NEVER_PS;
    return next_ps + (machine->lookahead_ps > 1 ? machine->lookahead_ps : 1) - 1;
}

Status step_play(Machine *machine, StepDone done, void *context, const volatile int *stop) {
    if (machine->islands) return dataflow_play(machine, done, context, stop);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        if (machine->unit[slot].id >= 0) unit_begin(machine, &machine->unit[slot], 0);
    int32_t recorded = 0;
    while (recorded < machine->steps) {
        Agreement agreement = agree(machine, stop && *stop ? FLAG_STOP : 0);
        if (agreement.flags & FLAG_FAILED) return network_agree_failure(machine);
        if (agreement.steps_done > recorded) {
            bool repeats = repeat_can_follow(machine, recorded);
            TRY(done(context, machine, recorded));
            if (repeats) return repeat_steps(machine, done, context, stop);
            step_forget(&machine->count, recorded);
            recorded++;
            REQUIRE(!(agreement.flags & FLAG_STOP) || recorded == machine->steps, STATUS_STOPPED,
                    "stopped on request after step %d", recorded - 1);
            continue;
        }
        if (agreement.next_ps == TIME_NEVER_PS) return step_stuck(machine);
        TRY(run_check_time(agreement.next_ps));
        play(machine, horizon_after(machine, agreement.next_ps), recorded);
    }
    return status_ok();
}
