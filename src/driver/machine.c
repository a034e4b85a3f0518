// Building and taking down what one rank needs to play a job.
#include "driver/island.h"

#include "base/check.h"
#include "base/memory.h"
#include "schedule/schedule.h"

/// Gradient buckets per virtual stage, by the rule of the job.
static void count_buckets(const Machine *machine, int32_t buckets[]) {
    const StepCost *cost = &machine->cost;
    for (int32_t v = 0; v < cost->pp * cost->chunks; v++) {
        int64_t n =
            (cost->chunk[v].parameters + cost->bucket_parameters - 1) / cost->bucket_parameters;
        buckets[v] = (int32_t)(n < 1 ? 1 : n);
    }
}

static Status build_programs(Machine *machine) {
    const JobSpec *job = machine->job;
    const ParallelSpec *parallel = &job->parallel;
    int32_t nvirtual = machine->cost.pp * machine->cost.chunks;
    int32_t *buckets = memory_alloc("driver.buckets", sizeof(int32_t) * (size_t)nvirtual);
    count_buckets(machine, buckets);
    ScheduleSpec spec = {
        .kind = parallel->schedule,
        .pp = machine->cost.pp,
        .chunks = machine->cost.chunks,
        .microbatches = parallel->microbatches,
        .grad_overlap = job->training.grad_overlap,
        .param_overlap = job->training.param_overlap,
        .pp_overlap = job->training.pp_overlap,
        .gathers = parallel->zero > 0,
        .zero = parallel->zero,
        .data_parallel = parallel->size[DIM_DP] > 1,
        .tied_embeddings = job->model.tied_embeddings && parallel->size[DIM_PP] > 1,
        .buckets = buckets,
    };
    machine->program = memory_alloc("driver.programs", sizeof(Program) * (size_t)spec.pp);
    Status status = status_ok();
    for (int32_t stage = 0; stage < spec.pp && status_is_ok(&status); stage++)
        status = schedule_program(&spec, stage, &machine->program[stage]);
    if (status_is_ok(&status)) status = programs_check_matching(machine->program, spec.pp);
    memory_free("driver.buckets", buckets, sizeof(int32_t) * (size_t)nvirtual);
    return status;
}

static void place_units(Machine *machine) {
    size_t nslots = (size_t)machine->layout.nslots;
    machine->unit = memory_alloc("driver.units", sizeof(Unit) * nslots);
    machine->result = memory_alloc("driver.results", sizeof(StepResult) * nslots);
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        Unit *unit = &machine->unit[slot];
        unit->id = layout_unit_at(&machine->layout, slot);
        unit->first_done = -1;
        if (unit->id < 0) continue;
        unit->stage = layout_stage(&machine->layout, unit->id);
        unit->program = &machine->program[unit->stage];
        machine->nlocal++;
    }
}

/// Sort local units by group (counting sort), so that a group's local members are a range.
static void list_members(Machine *machine) {
    int64_t ngroups = layout_ngroups(&machine->layout);
    machine->member_first = memory_alloc("driver.members", sizeof(int64_t) * (size_t)(ngroups + 1));
    machine->member_slot =
        memory_alloc("driver.members", sizeof(int64_t) * (size_t)(GROUP_KIND_N * machine->nlocal));
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t slot = machine->layout.nslots - 1; slot >= 0; slot--) {
            int64_t id = machine->unit[slot].id;
            for (int kind = 0; id >= 0 && kind < GROUP_KIND_N; kind++) {
                int64_t group = layout_group_of(&machine->layout, id, (GroupKind)kind);
                if (group < 0) continue;
                if (pass == 0) {
                    machine->member_first[group]++;
                } else {
                    machine->member_slot[--machine->member_first[group]] = slot;
                }
            }
        }
        int64_t sum = 0;
        for (int64_t group = 0; group <= ngroups && pass == 0; group++) {
            if (group < ngroups) sum += machine->member_first[group];
            machine->member_first[group] = sum;
        }
    }
}

static void make_groups(Machine *machine) {
    size_t ngroups = (size_t)layout_ngroups(&machine->layout);
    size_t channels = (size_t)(machine->layout.nunits * CHANNEL_SIDES);
    machine->arrival = memory_alloc("driver.groups", sizeof(Arrival) * ngroups);
    machine->active = memory_alloc("driver.groups", sizeof(Active) * ngroups);
    machine->rail =
        memory_alloc("driver.groups", sizeof(Rail) * ngroups * (size_t)machine->layout.width);
    machine->group_latency_ps = memory_alloc("driver.groups", sizeof(int64_t) * ngroups);
    for (size_t group = 0; group < ngroups; group++) machine->group_latency_ps[group] = -1;
    machine->hop = memory_alloc("driver.hops", sizeof(HopEdges) * channels);
}

Status machine_create(const RunSpec *run, const Cluster *cluster, Comm *comm, Machine **out) {
    Machine *machine = memory_alloc("driver.machine", sizeof *machine);
    *out = machine;
    machine->run = run;
    machine->job = &run->job[0];
    machine->cluster = cluster;
    machine->comm = comm;
    machine->rank = comm_rank(comm);
    machine->nranks = comm_nranks(comm);
    machine->steps = machine->job->steps;
    machine->done.free = -1;
    machine->done.at.label = "driver.done";
    machine->failure = status_ok();
    const JobSpec *job = machine->job;
    TRY(layout_init(&machine->layout, cluster, job, machine->rank, machine->nranks));
    const ClusterSpec *spec = cluster_spec(cluster);
    TRY(step_cost_init(&machine->cost, &job->model, &job->parallel, &job->training, &spec->gpu,
                       &spec->scale_up));
    TRY(step_cost_check_memory(&machine->cost, &spec->gpu));
    TRY(build_programs(machine));
    place_units(machine);
    list_members(machine);
    make_groups(machine);
    machine->exchange = exchange_create(comm);
    return status_ok();
}

static bool owns_link(const void *owner, LinkId link) { return load_owns(owner, link); }

void machine_open_engine(Machine *machine, int64_t interval_ps) {
    machine->ops = engine_ops_of(machine->run->engine);
    machine->interval_ps = machine->intervals.width_ps = interval_ps;
    machine->lookahead_ps = network_lookahead_ps(machine);
    machine->owner = (LoadOwner){
        .cluster = machine->cluster, .nodes = machine->layout.nodes, .rank = machine->rank};
    EngineSpec spec = {.control_delay_ps = machine->run->control_delay_ps,
                       .interval_ps = interval_ps};
    if (machine->nranks > 1) {
        spec.owns = owns_link;
        spec.owner = &machine->owner;
    }
    spec.own_links_only = machine->nranks > 1 && islands_possible(machine);
    machine->engine = machine->ops->create(machine->cluster, &spec);
    islands_create(machine);
    if (spec.own_links_only && !machine->islands) {
        machine->ops->destroy(machine->engine);
        spec.own_links_only = false;
        machine->engine = machine->ops->create(machine->cluster, &spec);
    }
    quiet_prepare(machine);
}

void machine_begin_cycle(Machine *machine, int64_t now_ps, bool quiet) {
    Cycle *cycle = &machine->cycle;
    cycle->ended = false;
    cycle->nquiet = quiet ? cycle->nquiet + 1 : 0;
    if (machine->interval_ps == 0) return;
    if (machine->cut) machine->cut(machine->collector, now_ps);
    machine->ops->restart_intervals(machine->engine);
    intervals_restart(&machine->intervals, now_ps);
}

static void free_groups(Machine *machine) {
    size_t ngroups = (size_t)layout_ngroups(&machine->layout);
    memory_free("driver.groups", machine->arrival, sizeof(Arrival) * ngroups);
    memory_free("driver.groups", machine->active, sizeof(Active) * ngroups);
    memory_free("driver.groups", machine->rail,
                sizeof(Rail) * ngroups * (size_t)machine->layout.width);
    memory_free("driver.groups", machine->group_latency_ps, sizeof(int64_t) * ngroups);
    memory_free("driver.hops", machine->hop,
                sizeof(HopEdges) * (size_t)(machine->layout.nunits * CHANNEL_SIDES));
    memory_free("driver.members", machine->member_first, sizeof(int64_t) * (ngroups + 1));
    memory_free("driver.members", machine->member_slot,
                sizeof(int64_t) * (size_t)(GROUP_KIND_N * machine->nlocal));
}

void machine_destroy(Machine *machine) {
    if (!machine) return;
    islands_destroy(machine->islands);
    if (machine->engine) machine->ops->destroy(machine->engine);
    exchange_destroy(machine->exchange);
    free_groups(machine);
    quiet_release(machine);
    size_t nslots = (size_t)machine->layout.nslots;
    layout_fini(&machine->layout);
    memory_free("driver.units", machine->unit, sizeof(Unit) * nslots);
    memory_free("driver.results", machine->result, sizeof(StepResult) * nslots);
    if (machine->program) {
        for (int32_t stage = 0; stage < machine->cost.pp; stage++)
            program_fini(&machine->program[stage]);
        memory_free("driver.programs", machine->program,
                    sizeof(Program) * (size_t)machine->cost.pp);
    }
    step_cost_fini(&machine->cost);
    heap_free(&machine->heap);
    array_free(&machine->done.at);
    array_free(&machine->row);
    memory_free("driver.machine", machine, sizeof *machine);
}
