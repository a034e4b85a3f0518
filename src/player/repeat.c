#include "player/repeat.h"

#include "base/fingerprint.h"
#include "base/units.h"
#include "driver/player.h"

bool repeat_can_follow(Job *job) {
    Machine *machine = job->state;
    const int32_t step = job->told;
    if (!machine->run->repeat || step < 1 || step + 1 >= machine->steps) return false;
    if (!noise_is_steady(&machine->job->noise)) return false;
    if (machine_routing_is_drawn(machine)) return false;
    if (machine->path_log && machine->path_log->step > step) return false; // it is to be played
    // Who has no units has not seen the cycles.
    bool changes = machine->fabric->change_ps < TIME_NEVER_PS || step < job->still_step;
    bool idle = machine->layout.nslots == 0;
    int64_t rested = idle || (machine->cycle.nquiet >= 2 && !changes);
    int64_t period_ps = idle ? 0 : machine->cycle.period_ps;
    comm_min_i64(machine->comm, &rested, 1);
    comm_max_i64(machine->comm, &period_ps, 1);
    uint64_t begins[2] = {machine->count.begins[step & 1], machine->count.begins[(step + 1) & 1]};
    comm_sum_u64(machine->comm, begins, 2);
    if (!rested || begins[0] != begins[1]) return false;
    machine->later_ps = period_ps;
    return true;
}

/// Of when the units here began and ended their last step.
static uint64_t print_units(const Machine *machine) {
    uint64_t sum = 0;
    const Layout *layout = &machine->layout;
    for (int64_t slot = 0; slot < layout->nslots; slot++) {
        const StepResult *result = &machine->result[slot];
        const Unit *unit = &machine->unit[slot];
        int64_t took_ps =
            account_sum_ps(result->part_ps, machine_work(machine, unit->role, unit->stage));
        for (int64_t i = 0; i < layout_nalike(layout, slot); i++)
            sum += fingerprint_of(layout_alike(layout, slot, i), result->end_ps - took_ps,
                                  result->end_ps);
    }
    return sum;
}

static Status make_later(Machine *machine, int32_t step) {
    const int64_t later_ps = machine->later_ps;
    machine->cycle.begin.actual_ps += later_ps;
    TRY(run_check_time(machine->cycle.begin.actual_ps));
    // Fingerprints of messages and collectives are of when in the step they were: the same in each.
    uint64_t network = machine->count.fingerprint[(step - 1) & 1] - print_units(machine);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        machine->result[slot].end_ps += later_ps;
    machine->count.fingerprint[step & 1] = network + print_units(machine);
    return status_ok();
}

Status repeat_step(Job *job, int64_t *later_ps) {
    Machine *machine = job->state;
    *later_ps = machine->later_ps;
    return comm_agree(machine->comm, make_later(machine, job->told));
}
