// How long units need at least to come to a collective: until then a window of islands need not be undone.
#include "base/units.h"
#include "player/island.h"

/// Least time of one compute operation, on any GPUs.
static int64_t least_ps(const Machine *machine, int32_t stage, const Op *op) {
    int64_t factor = noise_apply(noise_least_factor(&machine->job->noise),
                                 noise_routing_least(machine->cost.routing_sigma[stage]));
    int64_t least_ps = TIME_NEVER_PS;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(cluster_spec(machine->cluster)); kind++) {
        if (machine->gpus_of[kind] == 0) continue;
        NominalWork work = step_cost_work(machine_cost(machine, kind), stage, op);
        int64_t time_ps =
            noise_apply(work.compute_ps + work.sharing_ps, factor) + nominal_exposed_ps(work);
        if (time_ps < least_ps) least_ps = time_ps;
    }
    return least_ps;
}

static void sum_work(Islands *islands, int32_t role, int32_t stage) {
    const Machine *machine = islands->machine;
    const Program *program = machine_program(machine, role, stage);
    int32_t n = program->stream_nops[STREAM_COMPUTE];
    int64_t *sum_ps = arena_array(islands->quiet, int64_t, n + 1);
    for (int32_t i = 0; i < n; i++)
        sum_ps[i + 1] = sum_ps[i] + least_ps(machine, stage,
                                             &program->op[program->stream_op[STREAM_COMPUTE][i]]);
    islands->work_ps[role * islands->stages + stage] = sum_ps;
}

void quiet_prepare(Islands *islands) {
    islands->quiet = arena_create("driver.quiet", 1 << 16);
    const int32_t roles = islands->machine->shares.nroles;
    islands->work_ps = arena_array(islands->quiet, int64_t *, roles * islands->stages);
    for (int32_t role = 0; role < roles; role++)
        for (int32_t stage = 0; stage < islands->stages; stage++) sum_work(islands, role, stage);
}

/// Compute operations that must end before the unit's next collective can be reached: up to which one; -1: none.
static int32_t last_before_collective(const Machine *machine, const Unit *unit) {
    const Program *program = unit_program(machine, unit);
    int32_t ndone = unit->done[STREAM_DP];
    // A reduction across shard groups follows one inside, or one across.
    if (unit_is_busy(unit, STREAM_DP) || unit_is_busy(unit, STREAM_ACROSS)) return -1;
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

int64_t quiet_unit_ps(const Islands *islands, const Unit *unit, int64_t now_ps) {
    const Machine *machine = islands->machine;
    if (unit->step >= machine->steps) return TIME_NEVER_PS;
    bool computing = unit_is_busy(unit, STREAM_COMPUTE);
    int32_t last = last_before_collective(machine, unit);
    int32_t next = unit_issued(unit, STREAM_COMPUTE);
    int64_t from_ps = computing ? unit->compute_end_ps : now_ps;
    if (computing && last == next - 1) return from_ps;
    if (last < next) return now_ps;
    const int64_t *sum_ps = islands->work_ps[unit->role * islands->stages + unit->stage];
    return from_ps + sum_ps[last + 1] - sum_ps[next];
}
