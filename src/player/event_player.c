#include "player/event_player.h"

#include "base/fingerprint.h"
#include "base/units.h"
#include "player/repeat.h"

enum { DRAIN_BATCH = 256 };

// What units ask for.

static void event_send(Machine *machine, Unit *unit, const Op *op, Clocks at) {
    bool next = op->stream == STREAM_SEND_NEXT;
    match_message(machine, layout_stage_neighbour(&machine->layout, unit->id, next ? 1 : -1),
                  next ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT, true, at);
}

static void event_receive(Machine *machine, Unit *unit, ChannelSide side, Clocks at) {
    match_message(machine, unit->id, side, false, at);
}

static void event_arrive(Machine *machine, const Unit *unit, const Meeting *meeting) {
    (void)unit;
    Meeting all = *meeting;
    if (match_members(machine, &all, 1)) network_collective(machine, &all);
}

static void event_compute(Machine *machine, const Unit *unit) {
    machine_schedule(machine, unit->compute_end_ps, EVENT_COMPUTE, unit - machine->unit,
                     (uint64_t)unit->id + 1);
}

static Status event_submit(Machine *machine, const Transfer *transfer) {
    return machine->ops->submit(machine->engine, transfer);
}

static Unit *event_next_member(Machine *machine, int64_t group, int64_t *cursor, int64_t now_ps) {
    (void)now_ps;
    return members_next(machine, group, cursor);
}

static uint64_t event_fingerprint(const Machine *machine, const Unit *unit, int side,
                                  int64_t start_ps, int64_t end_ps) {
    (void)machine;
    int64_t id = unit->id;
    return fingerprint_of(side < 0 ? id : id * CHANNEL_SIDES + side, start_ps, end_ps);
}

static PlayerStats event_stats(const Machine *machine) {
    (void)machine;
    return (PlayerStats){0};
}

// Moments.

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

static Status event_play(Machine *machine, StepDone done, void *context, const volatile int *stop) {
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        unit_begin(machine, &machine->unit[slot], 0);
    for (int32_t step = 0; step < machine->steps; step++) {
        News news = {0};
        if (machine->rank == 0) news = play(machine, step);
        comm_await(machine->comm, &news, sizeof news, 0);
        if (news.progress == PROGRESS_FAILED) return network_agree_failure(machine);
        if (news.progress == PROGRESS_STUCK) {
            if (news.next_ps < TIME_NEVER_PS) TRY(run_check_time(news.next_ps));
            return machine_stuck(machine);
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

static void event_destroy(Machine *machine) { (void)machine; }

void event_player_open(Machine *machine) {
    static const PlayerOps OPS = {
        .send = event_send,
        .receive = event_receive,
        .arrive = event_arrive,
        .compute = event_compute,
        .submit = event_submit,
        .next_member = event_next_member,
        .fingerprint = event_fingerprint,
        .stats = event_stats,
        .play = event_play,
        .destroy = event_destroy,
    };
    machine_deal(machine, 1);
    machine_open_engine(machine, false);
    machine->player = &OPS;
    machine->scope =
        (Scope){.count = &machine->count, .done = &machine->done, .nunits = machine->layout.nslots};
}
