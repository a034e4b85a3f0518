// How long a rank concerns nobody else. Between the collectives of a step, ranks whose messages stay at home have nothing
// to tell each other: a lower bound on when the next collective can be reached makes one long window of it.
#include "base/memory.h"
#include "base/units.h"
#include "driver/machine.h"

enum {
    SCAN_PAUSE_PS = 50 * 1000000, ///< a scan of the units costs what some windows cost
    FAR_SHARE = 4,                ///< a quarter of all messages is most
};

static bool message_is_far(Machine *machine, int64_t channel) {
    Wire wire = {.type = WIRE_MESSAGE, .id = channel, .bytes = 1};
    return !network_is_private(machine, &wire);
}

/// Least time of one compute operation.
static int64_t least_ps(const Machine *machine, int32_t stage, const Op *op) {
    NominalWork work = unit_work(machine, stage, op);
    int64_t factor = noise_least_factor(&machine->job->noise);
    return noise_apply(work.compute_ps + work.sharing_ps, factor) + work.tp_ps;
}

static void sum_work(Machine *machine, int32_t stage) {
    const Program *program = &machine->program[stage];
    int32_t n = program->stream_nops[STREAM_COMPUTE];
    int64_t *sum_ps = memory_alloc("driver.quiet", sizeof(int64_t) * (size_t)(n + 1));
    for (int32_t i = 0; i < n; i++)
        sum_ps[i + 1] = sum_ps[i] + least_ps(machine, stage,
                                             &program->op[program->stream_op[STREAM_COMPUTE][i]]);
    machine->work_ps[stage] = sum_ps;
}

void quiet_prepare(Machine *machine) {
    if (machine->nranks == 1 && !machine->islands) return;
    machine->work_ps =
        memory_alloc("driver.quiet", sizeof(int64_t *) * (size_t)machine->layout.stages);
    for (int32_t stage = 0; stage < machine->layout.stages; stage++) sum_work(machine, stage);
    if (machine->islands) return;
    int64_t nfar = 0, nmessages = 0;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        const Program *program = unit_program(machine, unit);
        for (int side = 0; unit->id >= 0 && side < CHANNEL_SIDES; side++) {
            Stream receive = side == CHANNEL_FROM_PREV ? STREAM_RECV_PREV : STREAM_RECV_NEXT;
            Stream send = side == CHANNEL_FROM_PREV ? STREAM_SEND_PREV : STREAM_SEND_NEXT;
            bool receives = program->stream_nops[receive] > 0;
            bool far = receives && message_is_far(machine, unit->id * CHANNEL_SIDES + side);
            nmessages += receives;
            nfar += far;
            // What this unit sends to a unit elsewhere is far by the same test there; here the neighbour tells.
            int64_t neighbour = layout_stage_neighbour(&machine->layout, unit->id,
                                                       side == CHANNEL_FROM_PREV ? -1 : 1);
            if (far || (program->stream_nops[send] > 0 && !machine_unit(machine, neighbour)))
                machine->far_messages = true;
        }
    }
    // Where those that are left would meet the others anyway, to look for them is in vain.
    machine->all_known = nfar * FAR_SHARE > nmessages;
}

void quiet_release(Machine *machine) {
    for (int32_t stage = 0; machine->work_ps && stage < machine->layout.stages; stage++)
        memory_free(
            "driver.quiet", machine->work_ps[stage],
            sizeof(int64_t) * (size_t)(machine->program[stage].stream_nops[STREAM_COMPUTE] + 1));
    memory_free("driver.quiet", machine->work_ps,
                sizeof(int64_t *) * (size_t)machine->layout.stages);
}

/// Compute operations that must end before the unit's next collective can be reached: up to which one; -1: none.
static int32_t last_before_collective(const Machine *machine, const Unit *unit) {
    const Program *program = unit_program(machine, unit);
    int32_t ndone = unit->done[STREAM_DP];
    if (unit_is_busy(unit, STREAM_DP)) return -1;
    // No collective left: the next step begins with one.
    if (ndone == program->stream_nops[STREAM_DP]) return program->stream_nops[STREAM_COMPUTE] - 1;
    const Op *next = &program->op[program->stream_op[STREAM_DP][ndone]];
    int32_t last = -1;
    for (int i = 0; i < PROGRAM_WAITS; i++) {
        if (next->wait[i] < 0) continue;
        const Op *awaited = &program->op[next->wait[i]];
        if (awaited->stream == STREAM_COMPUTE && awaited->sequence > last) last = awaited->sequence;
    }
    return last;
}

int64_t quiet_unit_ps(const Machine *machine, const Unit *unit, int64_t now_ps) {
    if (unit->step >= machine->steps) return TIME_NEVER_PS;
    bool computing = unit_is_busy(unit, STREAM_COMPUTE);
    int32_t last = last_before_collective(machine, unit);
    int32_t next = unit_issued(unit, STREAM_COMPUTE);
    int64_t from_ps = computing ? unit->compute_end_ps : now_ps;
    if (computing && last == next - 1) return from_ps;
    if (last < next) return now_ps;
    const int64_t *sum_ps = machine->work_ps[unit->stage];
    return from_ps + sum_ps[last + 1] - sum_ps[next];
}

/// Least time over all units, from a moment no unit is behind of.
static int64_t scan_units(const Machine *machine, int64_t now_ps) {
    int64_t least = TIME_NEVER_PS;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        if (unit->id < 0) continue;
        int64_t quiet_ps = quiet_unit_ps(machine, unit, now_ps);
        if (quiet_ps < least) least = quiet_ps;
    }
    return least;
}

static int64_t next_concern_ps(Machine *machine, int64_t next_event_ps) {
    if (machine->nranks == 1 || machine->far_messages) return next_event_ps;
    if (machine->ops->nannounced(machine->engine) > 0 || next_event_ps == TIME_NEVER_PS)
        return next_event_ps;
    if (next_event_ps >= machine->quiet_until_ps && next_event_ps >= machine->scan_after_ps) {
        machine->quiet_until_ps = scan_units(machine, next_event_ps);
        if (machine->quiet_until_ps - next_event_ps < SCAN_PAUSE_PS)
            machine->scan_after_ps = next_event_ps + SCAN_PAUSE_PS;
    }
    return machine->quiet_until_ps > next_event_ps ? machine->quiet_until_ps : next_event_ps;
}

int64_t quiet_next_ps(Machine *machine, int64_t next_event_ps) {
    machine->promised_ps = next_concern_ps(machine, next_event_ps);
    return machine->promised_ps;
}
