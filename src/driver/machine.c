// Building and taking down what one rank needs to play a job.
#include "driver/player.h"

#include <math.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "schedule/job_programs.h"

enum { CHUNK_BYTES = 1 << 12 };

static uint8_t kinds_of(const Machine *machine, int64_t unit) {
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    if (spec->nothers == 0) return 1;
    int kinds = 0;
    for (int32_t i = 0; i < machine->layout.units.width; i++)
        kinds |= 1 << cluster_gpu_kind(spec, layout_gpu(&machine->layout, unit, i));
    return (uint8_t)kinds;
}

static void place_units(Machine *machine) {
    const int64_t nslots = machine->layout.nslots;
    Arena *arena = machine->dealt;
    machine->unit = arena_array(arena, Unit, nslots);
    machine->result = arena_array(arena, StepResult, nslots);
    if (machine->exchange_plan.groups > 0)
        machine->more[STREAM_EP] = arena_array(arena, NominalClocks, nslots);
    if (machine->layout.units.shard > 0)
        machine->more[STREAM_ACROSS] = arena_array(arena, NominalClocks, nslots);
    for (int64_t slot = 0; slot < nslots; slot++) {
        Unit *unit = &machine->unit[slot];
        unit->id = (int32_t)layout_unit_at(&machine->layout, slot);
        unit->first_done = -1;
        unit->kinds = kinds_of(machine, unit->id);
        unit->stage = units_stage(&machine->layout.units, unit->id);
        unit->role =
            (uint8_t)machine_role(machine, units_replica(&machine->layout.units, unit->id));
    }
}

/// How many replicas are noted, if each takes so many bytes.
static int64_t nnoted(const Machine *machine, int64_t each_bytes) {
    const Units *units = &machine->layout.units;
    int64_t room_bytes = NOTED_GPU_BYTES * units->n * units->width;
    if (room_bytes < NOTED_BYTES) room_bytes = NOTED_BYTES;
    const int64_t fit = room_bytes / each_bytes;
    return machine_is_even(machine) || fit < 1 ? 1 : fit < NOTED_REPLICAS ? fit : NOTED_REPLICAS;
}

/// Compute operations of a replica, and the begin of the step at each stage.
static int64_t nspans_of(const Machine *machine, int32_t role) {
    int64_t n = 0;
    for (int32_t stage = 0; stage < machine->cost.pp; stage++)
        n += machine_program(machine, role, stage)->stream_nops[STREAM_COMPUTE] + 1;
    return n;
}

static void note_replicas(Machine *machine) {
    const Layout *layout = &machine->layout;
    const int64_t stages = layout->units.stages, replicas = layout->units.n / stages;
    Noted *noted = &machine->noted;
    *noted = (Noted){0};
    for (int32_t role = 0; role < machine->shares.nroles; role++) {
        const int64_t nspans = nspans_of(machine, role);
        if (nspans > noted->nspans) noted->nspans = nspans;
    }
    const int64_t wanted = nnoted(machine, 2 * noted->nspans * (int64_t)sizeof(OpSpan));
    noted->stride = (replicas + wanted - 1) / wanted;
    noted->first = (layout->first_replica + noted->stride - 1) / noted->stride;
    noted->n = (layout->first_replica + layout->nreplicas + noted->stride - 1) / noted->stride -
               noted->first;
    noted->span = arena_array(machine->dealt, OpSpan, 2 * noted->nspans * noted->n);
}

static NominalWork work_of(const Machine *machine, const StepCost *cost, int32_t role,
                           int32_t stage) {
    const Program *program = machine_program(machine, role, stage);
    NominalWork sum = {0};
    for (int32_t i = 0; i < program->stream_nops[STREAM_COMPUTE]; i++) {
        const Op *op = &program->op[program->stream_op[STREAM_COMPUTE][i]];
        const NominalWork work = step_cost_work(cost, stage, op);
        sum.compute_ps += work.compute_ps;
        sum.tp_ps += work.tp_ps;
        sum.cp_ps += work.cp_ps;
        sum.ep_ps += work.ep_ps;
        sum.sharing_ps += work.sharing_ps;
    }
    return sum;
}

/// Work of a step by role and stage: nominal, and on GPUs of each kind that the job has.
static void sum_work(Machine *machine) {
    const int32_t roles = machine->shares.nroles, stages = machine->cost.pp,
                  kinds = cluster_ngpu_kinds(cluster_spec(machine->cluster));
    machine->work = arena_array(machine->dealt, NominalWork, (1 + kinds) * roles * stages);
    NominalWork *next = machine->work;
    for (int32_t kind = -1; kind < kinds; kind++)
        for (int32_t role = 0; role < roles; role++)
            for (int32_t stage = 0; stage < stages; stage++, next++) {
                if (kind > 0 && machine->gpus_of[kind] == 0) continue;
                const StepCost *cost =
                    kind < 0 ? machine_nominal(machine, role) : machine_cost(machine, kind);
                *next = work_of(machine, cost, role, stage);
            }
}

/// The step to be explained: the last that is sure to be played: where speeds are steady all behind the second may be
/// told from it (player/repeat.h).
static int32_t explained_step(const Machine *machine) {
    const int32_t last = machine->steps - 1, asked = machine->run->trace.explain_step;
    if (asked >= 0) return asked;
    const bool repeats = machine->run->repeat && machine->run->njobs == 1 &&
                         noise_is_steady(&machine->job->noise) &&
                         !machine_routing_is_drawn(machine) &&
                         cluster_next_change_ps(machine->cluster, 0) == TIME_NEVER_PS;
    return repeats && last > 1 ? 1 : last;
}

void machine_deal(Machine *machine, int nranks) {
    layout_deal(&machine->layout, machine->rank, nranks);
    machine_place(machine);
}

void machine_place(Machine *machine) {
    arena_destroy(machine->dealt);
    machine->dealt = arena_create("driver.units", CHUNK_BYTES);
    place_units(machine);
    note_replicas(machine);
    timeline_place(machine);
    path_log_close(machine->path_log);
    machine->path_log =
        machine->run->trace.explain ? path_log_open(machine, explained_step(machine)) : NULL;
    sum_work(machine);
    done_open(machine);
}

/// Of a GPU, what collectives beside computing take.
static double taken_share(const Machine *machine, const GpuSpec *gpu, int sharing) {
    double taken = 0;
    if (sharing & (SHARING_NETWORK | SHARING_ACROSS)) taken = gpu->network_processor_share;
    if (sharing & SHARING_SCALE_UP) taken = fmax(taken, gpu->scale_up_processor_share);
    if (sharing & SHARING_EXCHANGE)
        taken = fmax(taken, exchange_processor_share(machine->job->training.dispatcher, gpu));
    return taken;
}

static void set_speeds(Machine *machine) {
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        for (int sharing = 0; sharing < SHARING_ALL; sharing++) {
            const double taken = taken_share(machine, cluster_gpu_of_kind(spec, kind), sharing);
            machine->speed[kind][sharing] = NOISE_ONE - (int64_t)(taken * (double)NOISE_ONE + 0.5);
        }
}

int32_t machine_nominal_kind(const Machine *machine) {
    int32_t kind = 0;
    while (kind + 1 < cluster_ngpu_kinds(cluster_spec(machine->cluster)) &&
           machine->gpus_of[kind] == 0)
        kind++;
    return kind;
}

/// The costs of kind 0 say what is nominal; of the others those are known that the job has GPUs of.
static Status set_costs(Machine *machine) {
    const JobSpec *job = machine->job;
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    const Uplink uplink = run_spec_uplink(job, spec);
    machine->of_kind = arena_array(machine->arena, StepCost, spec->nothers);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        if (kind > 0 && machine->gpus_of[kind] == 0) continue;
        const int32_t of = kind == 0 ? machine_nominal_kind(machine) : kind;
        const GpuSpec *gpu = cluster_gpu_of_kind(spec, of);
        StepCost *cost = kind == 0 ? &machine->cost : &machine->of_kind[kind - 1];
        const ParallelSpec parallel = shares_of_kind(&machine->shares, &job->parallel, of);
        TRY(step_cost_init(cost, &job->model, &parallel, &job->training, gpu,
                           cluster_scale_up_of_kind(spec, of), &uplink));
        if (machine->gpus_of[kind] > 0) TRY(step_cost_check_memory(cost, gpu));
    }
    return status_ok();
}

/// Exchanges of all units are alike: as slow as on the slowest GPUs.
static void set_exchanges(Machine *machine) {
    machine->exchange_plan = exchange_plan(&machine->cost, &machine->job->parallel);
    for (int32_t kind = 1; kind < cluster_ngpu_kinds(cluster_spec(machine->cluster)); kind++) {
        if (machine->gpus_of[kind] == 0) continue;
        const ExchangePlan plan =
            exchange_plan(machine_cost(machine, kind), &machine->job->parallel);
        for (int k = 0; k < EXCHANGES_N; k++)
            if (plan.latency_ps[k] > machine->exchange_plan.latency_ps[k])
                machine->exchange_plan.latency_ps[k] = plan.latency_ps[k];
    }
}

/// All roles of a stage come to the same collectives in the same order.
static void check_roles(const Machine *machine, int32_t role, int32_t stage) {
    static const Stream STREAMS[] = {STREAM_DP, STREAM_ACROSS};
    const Program *own = machine_program(machine, role, stage),
                  *first = machine_program(machine, 0, stage);
    for (int s = 0; s < 2; s++) {
        const Stream stream = STREAMS[s];
        CHECK(own->stream_nops[stream] == first->stream_nops[stream],
              "stage %d: roles 0 and %d come to other collectives", stage, role);
        for (int32_t i = 0; i < own->stream_nops[stream]; i++) {
            const Op *a = &own->op[own->stream_op[stream][i]],
                     *b = &first->op[first->stream_op[stream][i]];
            CHECK(a->kind == b->kind && a->chunk == b->chunk && a->segment == b->segment &&
                      a->part == b->part && a->parts == b->parts &&
                      (a->nwaiters > 0) == (b->nwaiters > 0),
                  "stage %d: roles 0 and %d differ in collective %d", stage, role, i);
        }
    }
}

static Status write_programs(Machine *machine) {
    const JobSpec *job = machine->job;
    const int32_t roles = machine->shares.nroles, stages = machine->cost.pp;
    machine->program = arena_array(machine->arena, Program, roles * stages);
    for (int32_t role = 0; role < roles; role++) {
        const ParallelSpec parallel = shares_of_role(&machine->shares, &job->parallel, role);
        TRY(job_programs(&job->model, &parallel, &job->training, &machine->cost,
                         &machine->program[role * stages]));
        for (int32_t stage = 0; stage < stages; stage++) check_roles(machine, role, stage);
    }
    return status_ok();
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
                         .failure = status_ok(),
                         .arena = arena_create("driver.groups", CHUNK_BYTES)};
    TRY(layout_init(&machine->layout, fabric->cluster, job));
    layout_deal(&machine->layout, machine->rank, 1);
    REQUIRE(machine->layout.units.n <= INT32_MAX / CHANNEL_SIDES, STATUS_RANGE,
            "%lld groups of GPUs that share layers are more than %d",
            (long long)machine->layout.units.n, INT32_MAX / CHANNEL_SIDES);
    placement_count_kinds(&machine->layout.placement, cluster_spec(fabric->cluster),
                          machine->gpus_of);
    TRY(shares_init(&machine->shares, job, cluster_spec(fabric->cluster)));
    TRY(set_costs(machine));
    set_speeds(machine);
    set_exchanges(machine);
    TRY(write_programs(machine));
    const int64_t ngroups = units_nmeeting(&machine->layout.units);
    machine->group = arena_array(machine->arena, GroupState, ngroups);
    machine->rail = arena_array(machine->arena, Rail, ngroups * machine->layout.units.width);
    return status_ok();
}

bool machine_routing_is_drawn(const Machine *machine) {
    double sum = 0;
    for (int32_t stage = 0; stage < machine->cost.pp; stage++)
        sum += machine->cost.routing_sigma[stage];
    return sum > 0;
}

bool machine_is_even(const Machine *machine) {
    // On one kind of GPUs there is one role.
    return noise_is_off(&machine->job->noise) && !machine_routing_is_drawn(machine) &&
           cluster_is_even(machine->cluster) &&
           machine->gpus_of[0] == machine->layout.units.n * machine->layout.units.width;
}

void machine_begin_cycle(Machine *machine, int64_t now_ps, bool quiet) {
    Cycle *cycle = &machine->cycle;
    cycle->ended = false;
    cycle->nquiet = quiet ? cycle->nquiet + 1 : 0;
    // Of several jobs none has the intervals to itself.
    if (machine->run->njobs == 1) fabric_cut(machine->fabric, now_ps);
}

void machine_destroy(Machine *machine) {
    if (!machine) return;
    if (machine->player && machine->player->destroy) machine->player->destroy(machine);
    for (int64_t g = 0; machine->group && g < units_nmeeting(&machine->layout.units); g++)
        network_forget(&machine->group[g]);
    for (int32_t i = 0; machine->program && i < machine->shares.nroles * machine->cost.pp; i++)
        program_fini(&machine->program[i]);
    shares_fini(&machine->shares);
    layout_fini(&machine->layout);
    for (int32_t kind = 0; machine->of_kind && kind < cluster_spec(machine->cluster)->nothers;
         kind++)
        step_cost_fini(&machine->of_kind[kind]);
    step_cost_fini(&machine->cost);
    heap_free(&machine->heap);
    path_log_close(machine->path_log);
    array_free(&machine->row);
    array_free(&machine->done.at);
    arena_destroy(machine->dealt);
    arena_destroy(machine->arena);
    memory_free("driver.machine", machine, sizeof *machine);
}
