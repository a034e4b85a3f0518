// Building and taking down what one rank needs to play a job.
#include "driver/player.h"

#include "base/check.h"
#include "base/memory.h"
#include "schedule/schedule.h"

/// Gradient buckets per virtual stage, by the rule of the job.
static void count_buckets(const Machine *machine, int32_t buckets[]) {
    const StepCost *cost = &machine->cost;
    for (int32_t v = 0; v < cost->pp * cost->chunks; v++) {
        int64_t n = (cost->chunk[v].whole.parameters + cost->bucket_parameters - 1) /
                    cost->bucket_parameters;
        buckets[v] = (int32_t)(n < 1 ? 1 : n);
    }
}

/// Segments of all virtual stages as a schedule sees them; *spec borrows both arrays.
static void list_segments(const StepCost *cost, int32_t first[], ScheduleSegment segment[],
                          ScheduleSpec *spec) {
    for (int32_t v = 0; v < cost->pp * cost->chunks; v++)
        first[v + 1] = first[v] + cost->chunk[v].nsegments;
    static const OpKind EXCHANGES[] = {[EXCHANGE_DISPATCH] = OP_DISPATCH,
                                       [EXCHANGE_COMBINE] = OP_COMBINE,
                                       [EXCHANGES_N] = OP_KIND_N};
    for (int32_t i = 0; i < cost->nsegments; i++)
        segment[i] = (ScheduleSegment){.exchange = EXCHANGES[cost->segment[i].exchange],
                                       .sharded = cost->segment[i].parameters > 0,
                                       .experts = cost->segment[i].expert_grad_bytes > 0,
                                       .kept = cost->segment[i].kept};
    if (cost->nsegments == 0) return;
    spec->first_segment = first;
    spec->segment = segment;
}

static Status build_programs(Machine *machine) {
    const JobSpec *job = machine->job;
    const ParallelSpec *parallel = &job->parallel;
    int32_t nvirtual = machine->cost.pp * machine->cost.chunks;
    int32_t *buckets = memory_alloc("driver.buckets", sizeof(int32_t) * (size_t)nvirtual);
    int32_t *first = memory_alloc("driver.buckets", sizeof(int32_t) * (size_t)(nvirtual + 1));
    size_t segment_bytes = sizeof(ScheduleSegment) * (size_t)machine->cost.nsegments;
    ScheduleSegment *segment = memory_alloc("driver.buckets", segment_bytes);
    bool *experts = memory_alloc("driver.buckets", sizeof(bool) * (size_t)nvirtual);
    count_buckets(machine, buckets);
    for (int32_t v = 0; v < nvirtual; v++)
        experts[v] = machine->cost.chunk[v].whole.expert_grad_bytes > 0;
    ScheduleSpec spec = {
        .kind = parallel->schedule,
        .pp = machine->cost.pp,
        .chunks = machine->cost.chunks,
        .microbatches = parallel->microbatches / parallel_copies(parallel),
        .grad_overlap = job->training.grad_overlap,
        .align = job->training.align_reductions,
        .param_overlap = job->training.param_overlap,
        .pp_overlap = job->training.pp_overlap,
        .gathers = parallel->zero > 0,
        .zero = parallel->zero,
        .data_parallel = parallel_holders(parallel) > 1,
        .tied_embeddings = job->model.tied_embeddings && parallel->size[DIM_PP] > 1,
        .buckets = buckets,
        .experts = experts,
        .prefetch = parallel->prefetch,
        .prefetch_backward =
            parallel->prefetch_backward < 0 ? parallel->prefetch : parallel->prefetch_backward,
        .hybrid = parallel_is_hybrid(parallel),
        .ep_overlap = job->training.ep_overlap,
    };
    int32_t *nforward = memory_alloc("driver.buckets", sizeof(int32_t) * (size_t)nvirtual);
    for (int32_t v = 0; v < nvirtual; v++) nforward[v] = machine->cost.chunk[v].nforward;
    if (machine->cost.exchanges_apart) spec.nforward = nforward;
    list_segments(&machine->cost, first, segment, &spec);
    machine->program = memory_alloc("driver.programs", sizeof(Program) * (size_t)spec.pp);
    Status status = status_ok();
    for (int32_t stage = 0; stage < spec.pp && status_is_ok(&status); stage++)
        status = schedule_program(&spec, stage, &machine->program[stage]);
    if (status_is_ok(&status)) status = programs_check_matching(machine->program, spec.pp);
    memory_free("driver.buckets", buckets, sizeof(int32_t) * (size_t)nvirtual);
    memory_free("driver.buckets", nforward, sizeof(int32_t) * (size_t)nvirtual);
    memory_free("driver.buckets", experts, sizeof(bool) * (size_t)nvirtual);
    memory_free("driver.buckets", first, sizeof(int32_t) * (size_t)(nvirtual + 1));
    memory_free("driver.buckets", segment, segment_bytes);
    return status;
}

static void place_units(Machine *machine) {
    size_t nslots = (size_t)machine->layout.nslots;
    machine->unit = memory_alloc("driver.units", sizeof(Unit) * nslots);
    machine->result = memory_alloc("driver.results", sizeof(StepResult) * nslots);
    if (machine->exchange_plan.groups > 0)
        machine->more[STREAM_EP] = memory_alloc("driver.units", sizeof(NominalClocks) * nslots);
    if (machine->layout.shard > 0)
        machine->more[STREAM_ACROSS] = memory_alloc("driver.units", sizeof(NominalClocks) * nslots);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        Unit *unit = &machine->unit[slot];
        unit->id = (int32_t)layout_unit_at(&machine->layout, slot);
        unit->first_done = -1;
        unit->stage = layout_stage(&machine->layout, unit->id);
    }
    done_open(machine);
}

static size_t span_bytes(const Machine *machine) {
    size_t n = 0;
    for (int32_t stage = 0; stage < machine->layout.stages; stage++)
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
    size_t ngroups = (size_t)layout_nmeeting(&machine->layout);
    machine->group = memory_alloc("driver.groups", sizeof(GroupState) * ngroups);
    machine->rail =
        memory_alloc("driver.groups", sizeof(Rail) * ngroups * (size_t)machine->layout.width);
}

/// Nominal work of a step, by stage.
static void sum_work(Machine *machine) {
    int32_t stages = machine->layout.stages;
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
    Cluster *cluster = fabric->cluster;
    Machine *machine = memory_alloc("driver.machine", sizeof *machine);
    *out = machine;
    machine->fabric = fabric;
    machine->number = number;
    machine->run = run;
    machine->job = &run->job[number];
    machine->cluster = cluster;
    machine->comm = fabric->comm;
    machine->rank = fabric->rank;
    machine->nranks = fabric->nranks;
    machine->steps = machine->job->steps;
    machine->failure = status_ok();
    const JobSpec *job = machine->job;
    TRY(layout_init(&machine->layout, cluster, job));
    layout_deal(&machine->layout, machine->rank, 1);
    REQUIRE(machine->layout.nunits <= INT32_MAX / CHANNEL_SIDES, STATUS_RANGE,
            "%lld groups of GPUs that share layers are more than %d",
            (long long)machine->layout.nunits, INT32_MAX / CHANNEL_SIDES);
    const ClusterSpec *spec = cluster_spec(cluster);
    const Uplink uplink = run_spec_uplink(job, spec);
    TRY(step_cost_init(&machine->cost, &job->model, &job->parallel, &job->training, &spec->gpu,
                       &spec->scale_up, &uplink));
    TRY(step_cost_check_memory(&machine->cost, &spec->gpu));
    exchange_plan(machine);
    TRY(build_programs(machine));
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
    size_t ngroups = (size_t)layout_nmeeting(&machine->layout);
    for (size_t g = 0; machine->group && g < ngroups; g++) network_forget(&machine->group[g]);
    memory_free("driver.groups", machine->group, sizeof(GroupState) * ngroups);
    memory_free("driver.groups", machine->rail,
                sizeof(Rail) * ngroups * (size_t)machine->layout.width);
}

void machine_destroy(Machine *machine) {
    if (!machine) return;
    if (machine->player && machine->player->destroy) machine->player->destroy(machine);
    free_groups(machine);
    displace_units(machine);
    layout_fini(&machine->layout);
    memory_free("driver.work", machine->work, sizeof(NominalWork) * (size_t)machine->layout.stages);
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
