#include "driver/bound.h"

#include "base/memory.h"
#include "base/units.h"
#include "base/wide.h"
#include "driver/shares.h"
#include "effects/noise.h"
#include "schedule/ideal.h"
#include "schedule/job_programs.h"

static const char LABEL[] = "driver.bound";

/// A step on each kind of GPUs that the job has.
typedef struct Kinds {
    StepCost cost[CLUSTER_GPU_KINDS_MAX];
    const GpuSpec *gpu[CLUSTER_GPU_KINDS_MAX];
    int32_t n;
    int64_t least_factor; ///< of noise
    const ParallelSpec *parallel;
    int64_t domain;  ///< GPUs of a scale-up domain
    int64_t nic_Bps; ///< at most
} Kinds;

static int64_t least_of(const StepCost *cost, int64_t factor, int32_t stage, const Op *op) {
    const NominalWork work = step_cost_work(cost, stage, op);
    const int64_t drawn = noise_apply(factor, noise_routing_least(cost->routing_sigma[stage]));
    return noise_apply(work.compute_ps + work.sharing_ps, drawn) + nominal_exposed_ps(work);
}

/// Members of the group of a collective, and at most how many of them a domain has.
static bool members_of(const Kinds *kinds, GroupKind group, int64_t *n, int64_t *most) {
    const int64_t tp = kinds->parallel->size[DIM_TP];
    *most = group == GROUP_EXPERT_DP ? kinds->domain : (kinds->domain + tp - 1) / tp;
    switch (group) {
        case GROUP_DP: *n = parallel_holders(kinds->parallel); return true;
        case GROUP_SHARD: *n = parallel_shards(kinds->parallel); return true;
        case GROUP_EXPERT_DP: *n = parallel_expert_holders(kinds->parallel); return true;
        default: return false;
    }
}

static int64_t least_collective(const Kinds *kinds, int32_t stage, const Op *op) {
    int64_t n, p;
    if (!members_of(kinds, OP_KINDS[op->kind].group, &n, &p) || n <= p) return 0;
    const Wide bytes = step_cost_bytes(&kinds->cost[0], stage, op);
    return wide_word(bytes * (n - p) / n * PS_PER_S / p / kinds->nic_Bps);
}

static int64_t least_time(const void *context, int32_t stage, const Op *op) {
    const Kinds *kinds = context;
    if (OP_KINDS[op->kind].form == FORM_COLLECTIVE) return least_collective(kinds, stage, op);
    int64_t least_ps = least_of(&kinds->cost[0], kinds->least_factor, stage, op);
    for (int32_t k = 1; k < kinds->n; k++) {
        const int64_t time_ps = least_of(&kinds->cost[k], kinds->least_factor, stage, op);
        if (time_ps < least_ps) least_ps = time_ps;
    }
    return least_ps;
}

/// What a NIC, or its ports together, move at most.
static int64_t nic_rate(const ClusterSpec *cluster) {
    const TierSpec *leaf = &cluster->tier[0];
    const Wide ports_Bps = (Wide)leaf->link_Bps * leaf->parents * leaf->lanes *
                           cluster->nic.goodput_Bps / cluster->nic.line_Bps;
    return ports_Bps > cluster->nic.goodput_Bps ? wide_word(ports_Bps) : cluster->nic.goodput_Bps;
}

static Status price_kinds(const RunSpec *run, const JobSpec *job, Kinds *kinds) {
    const ClusterSpec *cluster = &run->cluster;
    const Uplink uplink = run_spec_uplink(job, cluster);
    int64_t gpus[CLUSTER_GPU_KINDS_MAX];
    Placement placement;
    TRY(run_spec_placement(job, cluster, &placement));
    placement_count_kinds(&placement, cluster, gpus);
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++) {
        if (gpus[kind] == 0) continue;
        const int32_t domain = scale_up_used(cluster_scale_up_of_kind(cluster, kind));
        if (domain > kinds->domain) kinds->domain = domain; // a bound: of the largest
        kinds->gpu[kinds->n] = cluster_gpu_of_kind(cluster, kind);
        TRY(step_cost_init(&kinds->cost[kinds->n++], &job->model, &job->parallel, &job->training,
                           cluster_gpu_of_kind(cluster, kind),
                           cluster_scale_up_of_kind(cluster, kind), &uplink));
    }
    return status_ok();
}

static void find_fullest(const Kinds *kinds, StepBound *bound) {
    int64_t least_left = INT64_MAX;
    for (int32_t k = 0; k < kinds->n; k++)
        for (int32_t stage = 0; stage < kinds->cost[k].pp; stage++) {
            const MemoryUse *use = &kinds->cost[k].memory[stage];
            const int64_t left = kinds->gpu[k]->memory_bytes - use->total;
            if (left >= least_left) continue;
            least_left = left;
            bound->memory = *use;
            bound->memory_bytes = kinds->gpu[k]->memory_bytes;
            bound->stage = stage;
        }
}

static Status walk_programs(const JobSpec *job, const Kinds *kinds, StepBound *bound) {
    const int32_t pp = kinds->cost[0].pp;
    Program *program = memory_alloc(LABEL, (size_t)pp * sizeof *program);
    const Status status =
        job_programs(&job->model, &job->parallel, &job->training, &kinds->cost[0], program);
    if (status_is_ok(&status) && job->parallel.shares == SHARES_EQUAL)
        bound->least_ps = ideal_step_ps(program, pp, least_time, kinds);
    for (int32_t stage = 0; stage < pp; stage++) program_fini(&program[stage]);
    memory_free(LABEL, program, (size_t)pp * sizeof *program);
    return status;
}

Status bound_step(const RunSpec *run, const JobSpec *job, StepBound *bound) {
    *bound = (StepBound){0};
    REQUIRE(job->kind == JOB_TRAINING, STATUS_RANGE, "a job of kind training is wanted here");
    Kinds *kinds = memory_alloc(LABEL, sizeof *kinds);
    kinds->least_factor = noise_is_off(&job->noise) ? NOISE_ONE : noise_least_factor(&job->noise);
    kinds->parallel = &job->parallel;
    kinds->nic_Bps = nic_rate(&run->cluster);
    Status status = price_kinds(run, job, kinds);
    if (status_is_ok(&status)) {
        bound->tokens = kinds->cost[0].tokens;
        find_fullest(kinds, bound);
        status = walk_programs(job, kinds, bound);
    }
    for (int32_t k = 0; k < kinds->n; k++) step_cost_fini(&kinds->cost[k]);
    memory_free(LABEL, kinds, sizeof *kinds);
    return status;
}
