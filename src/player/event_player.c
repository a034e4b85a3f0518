// Plays training jobs one moment after the other, as jobs of moments.h.
#include "base/fingerprint.h"
#include "base/units.h"
#include "player/players.h"
#include "player/repeat.h"

// What units ask for.

static int64_t event_message(Machine *machine, const Unit *receiver, ChannelSide side,
                             int64_t met_ps) {
    const int64_t channel = receiver->id * (int64_t)CHANNEL_SIDES + (int64_t)side;
    const int64_t latency_ps = network_message_latency_ps(machine, channel);
    JobEdges edges;
    Transfer transfer = network_message(machine, channel, &edges);
    transfer.step = fabric_step(machine->fabric, machine->number, receiver->step);
    transfer.start_ps = met_ps + latency_ps;
    network_submit(machine, &transfer, met_ps);
    return latency_ps;
}

static void event_exchange(Machine *machine, const Unit *unit, Exchange which, int64_t start_ps) {
    if (machine->exchange_plan.timed) {
        machine_schedule(machine, start_ps, EVENT_EXCHANGE, unit - machine->unit,
                         (uint64_t)unit->id + 1);
        return;
    }
    JobEdges edges;
    Transfer transfer = network_exchange(machine, unit->id, which, &edges);
    transfer.step = fabric_step(machine->fabric, machine->number, unit->step);
    transfer.start_ps = start_ps;
    network_submit(machine, &transfer, start_ps - machine->exchange_plan.latency_ps[which]);
}

static void event_arrive(Machine *machine, const Meeting *meeting) {
    Meeting all = *meeting;
    if (network_meet(machine, &all, 1)) network_collective(machine, &all);
}

static void event_compute(Machine *machine, const Unit *unit) {
    machine_schedule(machine, unit->compute_end_ps, EVENT_COMPUTE, unit - machine->unit,
                     (uint64_t)unit->id + 1);
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

static int64_t job_next_ps(const Job *job) { return heap_next_ps(&machine_of(job)->heap); }

static void handle(Machine *machine, HeapItem item) {
    int64_t index = item.item >> 2;
    switch ((Event)(item.item & 3)) {
        case EVENT_COMPUTE: unit_compute_due(machine, &machine->unit[index], item.time_ps); break;
        case EVENT_SHARE: network_share_due(machine, index, item.time_ps); break;
        case EVENT_SMALL: network_end_collective(machine, index, item.time_ps); break;
        case EVENT_EXCHANGE:
            network_exchange_due(machine, &machine->unit[index], item.time_ps);
            break;
    }
}

static Status job_due(Job *job, int64_t now_ps) {
    Machine *machine = machine_of(job);
    const Fabric *fabric = machine->fabric;
    while (heap_next_ps(&machine->heap) == now_ps) handle(machine, heap_pop(&machine->heap));
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
    machine->still_step = machine->count.steps + 2; // some may be in the next already
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
    };
    machine_deal(machine, 1);
    machine->player = &OPS;
    machine->scope =
        (Scope){.count = &machine->count, .done = &machine->done, .nunits = machine->layout.nslots};
}
