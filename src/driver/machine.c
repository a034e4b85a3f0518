// Building and taking down what one rank needs to play a job.
#include "driver/player.h"

#include "base/check.h"
#include "base/memory.h"
#include "schedule/job_programs.h"

static void place_units(Machine *machine) {
    size_t nslots = (size_t)machine->layout.nslots;
    machine->unit = memory_alloc("driver.units", sizeof(Unit) * nslots);
    machine->result = memory_alloc("driver.results", sizeof(StepResult) * nslots);
    if (machine->exchange_plan.groups > 0)
        machine->more[STREAM_EP] = memory_alloc("driver.units", sizeof(NominalClocks) * nslots);
    if (machine->layout.units.shard > 0)
        machine->more[STREAM_ACROSS] = memory_alloc("driver.units", sizeof(NominalClocks) * nslots);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        Unit *unit = &machine->unit[slot];
        unit->id = (int32_t)layout_unit_at(&machine->layout, slot);
        unit->first_done = -1;
        unit->stage = units_stage(&machine->layout.units, unit->id);
    }
    done_open(machine);
}

static size_t span_bytes(const Machine *machine) {
    size_t n = 0;
    for (int32_t stage = 0; stage < machine->layout.units.stages; stage++)
        n += (size_t)machine->program[stage].stream_nops[STREAM_COMPUTE] + 1;
    return 2 * n * sizeof(OpSpan);
}

/// Schedules whose passes are split or beside each other are told of by passes.
static void note_passes(Machine *machine) {
    const JobSpec *job = machine->job;
    const bool told = job->parallel.schedule >= SCHEDULE_ZERO_BUBBLE || job->training.ep_overlap;
    if (told && machine->layout.first_replica == 0 && machine->layout.nslots > 0)
        machine->span = memory_alloc("driver.spans", span_bytes(machine));
}

static void displace_units(Machine *machine) {
    if (!machine->unit) return;
    size_t nslots = (size_t)machine->layout.nslots;
    done_close(machine);
    memory_free("driver.units", machine->unit, sizeof(Unit) * nslots);
    memory_free("driver.results", machine->result, sizeof(StepResult) * nslots);
    if (machine->span) memory_free("driver.spans", machine->span, span_bytes(machine));
    machine->span = NULL;
    for (int s = 0; s < STREAM_N; s++) {
        memory_free("driver.units", machine->more[s], sizeof(NominalClocks) * nslots);
        machine->more[s] = NULL;
    }
}

void machine_deal(Machine *machine, int nranks) {
    displace_units(machine);
    layout_deal(&machine->layout, machine->rank, nranks);
    place_units(machine);
    note_passes(machine);
}

static void make_groups(Machine *machine) {
    size_t ngroups = (size_t)units_nmeeting(&machine->layout.units);
    machine->group = memory_alloc("driver.groups", sizeof(GroupState) * ngroups);
    machine->rail =
        memory_alloc("driver.groups", sizeof(Rail) * ngroups * (size_t)machine->layout.units.width);
}

/// Nominal work of a step, by stage.
static void sum_work(Machine *machine) {
    int32_t stages = machine->layout.units.stages;
    machine->work = memory_alloc("driver.work", sizeof(NominalWork) * (size_t)stages);
    for (int32_t stage = 0; stage < stages; stage++) {
        const Program *program = &machine->program[stage];
        for (int32_t i = 0; i < program->stream_nops[STREAM_COMPUTE]; i++) {
            const Op *op = &program->op[program->stream_op[STREAM_COMPUTE][i]];
            NominalWork work = step_cost_work(&machine->cost, stage, op);
            machine->work[stage].compute_ps += work.compute_ps;
            machine->work[stage].tp_ps += work.tp_ps;
            machine->work[stage].cp_ps += work.cp_ps;
            machine->work[stage].ep_ps += work.ep_ps;
            machine->work[stage].sharing_ps += work.sharing_ps;
        }
    }
}

Status machine_create(Fabric *fabric, int32_t number, Machine **out) {
    const RunSpec *run = fabric->run;
    const JobSpec *job = &run->job[number];
    Machine *machine = memory_alloc("driver.machine", sizeof *machine);
    *out = machine;
    *machine = (Machine){.fabric = fabric,
                         .number = number,
                         .run = run,
                         .job = job,
                         .cluster = fabric->cluster,
                         .comm = fabric->comm,
                         .rank = fabric->rank,
                         .nranks = fabric->nranks,
                         .steps = job->steps,
                         .failure = status_ok()};
    TRY(layout_init(&machine->layout, fabric->cluster, job));
    layout_deal(&machine->layout, machine->rank, 1);
    REQUIRE(machine->layout.units.n <= INT32_MAX / CHANNEL_SIDES, STATUS_RANGE,
            "%lld groups of GPUs that share layers are more than %d",
            (long long)machine->layout.units.n, INT32_MAX / CHANNEL_SIDES);
    const ClusterSpec *spec = cluster_spec(fabric->cluster);
    const Uplink uplink = run_spec_uplink(job, spec);
    TRY(step_cost_init(&machine->cost, &job->model, &job->parallel, &job->training, &spec->gpu,
                       &spec->scale_up, &uplink));
    TRY(step_cost_check_memory(&machine->cost, &spec->gpu));
    machine->exchange_plan = exchange_plan(&machine->cost, &job->parallel);
    machine->program = memory_alloc("driver.programs", sizeof(Program) * (size_t)machine->cost.pp);
    TRY(job_programs(&job->model, &job->parallel, &job->training, &machine->cost,
                     machine->program));
    make_groups(machine);
    return status_ok();
}

bool machine_routing_is_drawn(const Machine *machine) {
    double sum = 0;
    for (int32_t stage = 0; stage < machine->cost.pp; stage++)
        sum += machine->cost.routing_sigma[stage];
    return sum > 0;
}

bool machine_is_even(const Machine *machine) {
    return noise_is_off(&machine->job->noise) && !machine_routing_is_drawn(machine) &&
           cluster_is_even(machine->cluster);
}

void machine_prepare(Machine *machine) { sum_work(machine); }

void machine_begin_cycle(Machine *machine, int64_t now_ps, bool quiet) {
    Cycle *cycle = &machine->cycle;
    cycle->ended = false;
    cycle->nquiet = quiet ? cycle->nquiet + 1 : 0;
    // Of several jobs none has the intervals to itself.
    if (machine->run->njobs == 1) fabric_cut(machine->fabric, now_ps);
}

static void free_groups(Machine *machine) {
    size_t ngroups = (size_t)units_nmeeting(&machine->layout.units);
    for (size_t g = 0; machine->group && g < ngroups; g++) network_forget(&machine->group[g]);
    memory_free("driver.groups", machine->group, sizeof(GroupState) * ngroups);
    memory_free("driver.groups", machine->rail,
                sizeof(Rail) * ngroups * (size_t)machine->layout.units.width);
}

void machine_destroy(Machine *machine) {
    if (!machine) return;
    if (machine->player && machine->player->destroy) machine->player->destroy(machine);
    free_groups(machine);
    displace_units(machine);
    layout_fini(&machine->layout);
    memory_free("driver.work", machine->work,
                sizeof(NominalWork) * (size_t)machine->layout.units.stages);
    if (machine->program) {
        for (int32_t stage = 0; stage < machine->cost.pp; stage++)
            program_fini(&machine->program[stage]);
        memory_free("driver.programs", machine->program,
                    sizeof(Program) * (size_t)machine->cost.pp);
    }
    step_cost_fini(&machine->cost);
    heap_free(&machine->heap);
    array_free(&machine->row);
    memory_free("driver.machine", machine, sizeof *machine);
}
