#include "driver/step_dist.h"

#include <stdio.h>

#include "base/units.h"
#include "driver/dataflow.h"
#include "driver/repeat.h"

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

/// How rank 0 has got on.
typedef enum Progress { PROGRESS_STEP, PROGRESS_STUCK, PROGRESS_FAILED } Progress;

typedef struct News {
    Progress progress;
    int64_t next_ps; ///< TIME_NEVER_PS where nothing is under way
} News;

/// Play until a step that nobody has recorded yet is over.
static News play(Machine *machine, int32_t recorded) {
    int64_t now_ps;
    while (machine->count.steps == recorded && (now_ps = next_event_ps(machine)) < TIME_END_PS) {
        machine->ops->advance(machine->engine, now_ps);
        collect_intervals(machine, now_ps);
        drain(machine);
        while (heap_next_ps(&machine->heap) == now_ps) handle(machine, heap_pop(&machine->heap));
        if (machine->cycle.ended)
            machine_begin_cycle(machine, now_ps,
                                machine->ops->next_ps(machine->engine) == TIME_NEVER_PS);
        // The whole moment: of several failures the same is told whatever was played first.
        if (!status_is_ok(&machine->failure) && next_event_ps(machine) > now_ps)
            return (News){.progress = PROGRESS_FAILED};
    }
    Progress progress = machine->count.steps > recorded ? PROGRESS_STEP : PROGRESS_STUCK;
    return (News){progress, next_event_ps(machine)};
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
        if (unit->step >= machine->steps) continue;
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

Status step_play(Machine *machine, StepDone done, void *context, const volatile int *stop) {
    if (machine->islands) return dataflow_play(machine, done, context, stop);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        unit_begin(machine, &machine->unit[slot], 0);
    for (int32_t step = 0; step < machine->steps; step++) {
        News news = {0};
        if (machine->rank == 0) news = play(machine, step);
        comm_await(machine->comm, &news, sizeof news, 0);
        if (news.progress == PROGRESS_FAILED) return network_agree_failure(machine);
        if (news.progress == PROGRESS_STUCK) {
            if (news.next_ps < TIME_NEVER_PS) TRY(run_check_time(news.next_ps));
            return step_stuck(machine);
        }
        int64_t stopping = stop && *stop;
        comm_max_i64(machine->comm, &stopping, 1);
        bool repeats = repeat_can_follow(machine, step);
        TRY(done(context, machine, step));
        if (repeats) return repeat_steps(machine, done, context, stop);
        step_forget(&machine->count, step);
        REQUIRE(!stopping || step + 1 == machine->steps, STATUS_STOPPED,
                "stopped on request after step %d", step);
    }
    return status_ok();
}
