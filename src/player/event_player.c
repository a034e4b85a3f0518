// Plays training jobs one moment after the other, as jobs of moments.h.
#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/timers.h"
#include "base/units.h"
#include "player/players.h"
#include "player/repeat.h"

#define LABEL "driver.computing"

/// Of units, by number: when they have computed.
static Timers *computing_of(const Machine *machine) { return machine->playing; }

// What units ask for.

/// A transfer of a unit, as network.c gives it, can begin; returns how much later its first byte goes.
static int64_t submit(Machine *machine, const Unit *unit, Transfer transfer, int64_t from_ps) {
    const int64_t latency_ps = transfer.start_ps;
    transfer.step = fabric_step(machine->fabric, machine->number, unit->step);
    transfer.start_ps += from_ps;
    network_submit(machine, &transfer, from_ps);
    return latency_ps;
}

static int64_t event_message(Machine *machine, const Unit *receiver, ChannelSide side,
                             int64_t met_ps) {
    const int64_t channel = receiver->id * (int64_t)CHANNEL_SIDES + (int64_t)side;
    JobEdges edges;
    return submit(machine, receiver, network_message(machine, channel, &edges), met_ps);
}

static void event_exchange(Machine *machine, const Unit *unit, Exchange which, int64_t start_ps) {
    const ExchangePlan *plan = &machine->exchange_plan;
    JobEdges edges;
    if (plan->timed)
        machine_schedule(machine, start_ps, EVENT_EXCHANGE, unit - machine->unit,
                         unit_order(unit->id));
    else
        submit(machine, unit, network_exchange(machine, unit->id, which, &edges),
               start_ps - plan->latency_ps[which]);
}

static void event_arrive(Machine *machine, const Meeting *meeting) {
    Meeting all = *meeting;
    if (network_meet(machine, &all, 1)) network_collective(machine, &all);
}

static void event_compute(Machine *machine, const Unit *unit) {
    timers_set(computing_of(machine), unit->id, unit->compute_end_ps);
}

static Status event_submit(Machine *machine, const Transfer *transfer) {
    return machine->fabric->ops->submit(machine->fabric->engine, transfer);
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

// A machine as a job.

static Machine *machine_of(const Job *job) { return job->state; }

static Status job_begin(Job *job, int64_t now_ps) {
    Machine *machine = machine_of(job);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        unit_start(machine, &machine->unit[slot], now_ps);
    return status_ok();
}

static int64_t job_next_ps(const Job *job) {
    const Machine *machine = machine_of(job);
    const int64_t computed_ps = timers_next_ps(computing_of(machine)),
                  other_ps = heap_next_ps(&machine->heap);
    return computed_ps < other_ps ? computed_ps : other_ps;
}

static void handle(Machine *machine, HeapItem item) {
    int64_t index = item.item >> 2;
    switch ((Event)(item.item & 3)) {
        case EVENT_SHARE: network_share_due(machine, index, item.time_ps); break;
        case EVENT_SMALL: network_end_collective(machine, index, item.time_ps); break;
        case EVENT_EXCHANGE:
            network_exchange_due(machine, &machine->unit[index], item.time_ps);
            break;
    }
}

/// Does an item come before what a unit has computed by the same moment?
static bool is_before(const HeapItem *item, int64_t unit) {
    return item->order >> 2 < unit_order(unit);
}

/// The next of what is due now, in the order of machine_schedule: units have computed before they do anything else.
static bool play_next(Machine *machine, int64_t now_ps) {
    Timers *computing = computing_of(machine);
    const bool computed = timers_next_ps(computing) == now_ps,
               other = heap_next_ps(&machine->heap) == now_ps;
    if (computed && !(other && is_before(&machine->heap.at[0], timers_first(computing)))) {
        Unit *unit = machine_unit(machine, timers_first(computing));
        timers_set(computing, unit->id, TIME_NEVER_PS);
        unit_compute_due(machine, unit, now_ps);
    } else if (other) {
        handle(machine, heap_pop(&machine->heap));
    }
    return computed || other;
}

static Status job_due(Job *job, int64_t now_ps) {
    Machine *machine = machine_of(job);
    const Fabric *fabric = machine->fabric;
    while (play_next(machine, now_ps)) continue;
    if (machine->cycle.ended)
        machine_begin_cycle(machine, now_ps, fabric->ops->next_ps(fabric->engine) == TIME_NEVER_PS);
    if (status_is_ok(&machine->failure)) return status_ok();
    // The whole moment: of several failures the same is told whatever was played first.
    return fabric->ops->next_ps(fabric->engine) > now_ps ? machine->failure : status_ok();
}

static Status job_complete(Job *job, const Completion *done) {
    network_complete(machine_of(job), done);
    return status_ok();
}

static Transfer job_describe(Job *job, int64_t tag) {
    return network_describe(machine_of(job), tag);
}

static void job_change(Job *job, int64_t now_ps) {
    Machine *machine = machine_of(job);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        unit_retime(machine, &machine->unit[slot], now_ps);
}

static int32_t job_steps(const Job *job) { return machine_of(job)->count.steps; }

static Status job_go_on(Job *job, int64_t now_ps) {
    (void)now_ps;
    step_forget(&machine_of(job)->count, job->told - 1);
    return status_ok();
}

static Status job_stuck(Job *job) { return machine_stuck(machine_of(job)); }

Job event_job(Machine *machine) {
    static const JobOps OPS = {
        .begin = job_begin,
        .next_ps = job_next_ps,
        .due = job_due,
        .complete = job_complete,
        .describe = job_describe,
        .change = job_change,
        .steps = job_steps,
        .repeats = repeat_can_follow,
        .again = repeat_step,
        .go_on = job_go_on,
        .stuck = job_stuck,
    };
    return (Job){.ops = &OPS,
                 .state = machine,
                 .fabric = machine->fabric,
                 .spec = machine->job,
                 .number = machine->number};
}

static Status event_play(Machine *machine) {
    Job job = event_job(machine);
    return moments_play((Job *const[]){&job}, 1);
}

static void event_player_destroy(Machine *machine) {
    timers_fini(computing_of(machine));
    memory_free(LABEL, machine->playing, sizeof(Timers));
}

void event_player_open(Machine *machine) {
    static const PlayerOps OPS = {
        .message = event_message,
        .exchange = event_exchange,
        .arrive = event_arrive,
        .compute = event_compute,
        .submit = event_submit,
        .next_member = event_next_member,
        .fingerprint = event_fingerprint,
        .play = event_play,
        .destroy = event_player_destroy,
    };
    machine_deal(machine, 1);
    machine->playing = memory_alloc(LABEL, sizeof(Timers));
    timers_init(machine->playing, machine->layout.nslots);
    machine->player = &OPS;
    machine->scope =
        (Scope){.count = &machine->count, .done = &machine->done, .nunits = machine->layout.nslots};
}
