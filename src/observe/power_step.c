#include "observe/power_step.h"

#include <math.h>

void power_shape_add(int64_t phase_ps[TRACE_PHASES], const int64_t edge_ps[TRACE_PHASES + 1],
                     int *phase, int64_t from_ps, int64_t to_ps, int64_t amount_ps) {
    while (*phase < TRACE_PHASES && edge_ps[*phase + 1] <= from_ps) ++*phase;
    if (amount_ps <= 0) return;
    int64_t done_ps = 0;
    if (from_ps < edge_ps[0])
        done_ps = (int64_t)((Wide)amount_ps * (edge_ps[0] - from_ps) / (to_ps - from_ps));
    for (int i = *phase; i < TRACE_PHASES && edge_ps[i] < to_ps; i++) {
        int64_t sum_ps = amount_ps;
        if (to_ps > edge_ps[i + 1])
            sum_ps = (int64_t)((Wide)amount_ps * (edge_ps[i + 1] - from_ps) / (to_ps - from_ps));
        phase_ps[i] += sum_ps - done_ps;
        done_ps = sum_ps;
    }
}

static int64_t between(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

/// Of one unit: from the end of one operation to the end of the next.
static void add_unit(const Machine *machine, int32_t role, int32_t stage, const OpSpan span[],
                     const int64_t edge_ps[TRACE_PHASES + 1], PowerShapes *shapes) {
    const Program *program = machine_program(machine, role, stage);
    const int32_t n = program->stream_nops[STREAM_COMPUTE];
    int64_t(*to)[TRACE_PHASES] = shapes->ps, from_ps = span[n].begin_ps;
    int phase = 0;
    for (int32_t i = 0; i < n; from_ps = span[i++].end_ps) {
        const Op *op = &program->op[program->stream_op[STREAM_COMPUTE][i]];
        const int64_t begin_ps = span[i].begin_ps, end_ps = span[i].end_ps;
        const int64_t exposed_ps = nominal_exposed_ps(
                          step_cost_work(machine_nominal(machine, role), stage, op)),
                      still_ps = between(span[i].still_ps, 0, begin_ps - from_ps),
                      talk_ps = between(exposed_ps, 0, end_ps - begin_ps);
        power_shape_add(to[SHAPE_STILL], edge_ps, &phase, from_ps, begin_ps, still_ps);
        power_shape_add(to[SHAPE_COMMUNICATION], edge_ps, &phase, from_ps, begin_ps,
                        begin_ps - from_ps - still_ps);
        power_shape_add(to[SHAPE_COMMUNICATION], edge_ps, &phase, begin_ps, end_ps, talk_ps);
        power_shape_add(to[SHAPE_WORK], edge_ps, &phase, begin_ps, end_ps,
                        end_ps - begin_ps - talk_ps);
    }
}

void power_shapes(const Machine *machine, const TraceStep *row, PowerShapes shapes[]) {
    const int32_t stages = machine->layout.units.stages;
    int64_t edge_ps[TRACE_PHASES + 1];
    for (int i = 0; i <= TRACE_PHASES; i++)
        edge_ps[i] =
            row->start_ps + (int64_t)((Wide)(row->end_ps - row->start_ps) * i / TRACE_PHASES);
    for (int32_t stage = 0; stage < stages; stage++) {
        shapes[stage] = (PowerShapes){.ps = {{0}}};
        for (int64_t i = 0; i < machine->noted.n; i++)
            add_unit(machine, machine_noted_role(machine, i), stage,
                     machine_spans(machine, i, stage, (int32_t)row->job_step), edge_ps,
                     &shapes[stage]);
    }
    comm_sum_i64(machine->comm, &shapes->ps[0][0], stages * POWER_SHAPES * TRACE_PHASES);
}

static double gpus_of(const JobSpec *job) {
    return job->kind == JOB_TRAINING ? (double)parallel_nranks(&job->parallel)
                                     : (double)job->traffic.ranks;
}

/// GPUs of each kind as the cluster has them.
static void add_alike(const Fabric *fabric, PowerState state, double gpu_s, PowerUse *use) {
    const ClusterSpec *spec = cluster_spec(fabric->cluster);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++)
        use->gpu_s[kind][state] += gpu_s * power_kind_share(spec, kind);
}

/// A job's share of the site, and of the GPUs that no job has.
static PowerUse begin_use(const Fabric *fabric, const TraceStep *row) {
    double working = 0;
    for (int32_t j = 0; j < fabric->run->njobs; j++) working += gpus_of(&fabric->run->job[j]);
    const int64_t span_ps = row->end_ps > row->start_ps ? row->end_ps - row->start_ps : 1;
    PowerUse use = {.span_s = (double)span_ps / 1e12,
                    .share = gpus_of(&fabric->run->job[row->job]) / working};
    const double idle = (double)cluster_ngpus(fabric->cluster) - working;
    add_alike(fabric, POWER_IDLE, use.share * use.span_s * idle, &use);
    return use;
}

/// Signed parts may leave a state with less than nothing: that much less is in the longest.
static void settle(double gpu_s[POWER_STATES]) {
    int longest = POWER_WORK;
    for (int state = 0; state < POWER_IDLE; state++)
        if (gpu_s[state] > gpu_s[longest]) longest = state;
    for (int state = 0; state < POWER_IDLE; state++) {
        if (gpu_s[state] >= 0) continue;
        gpu_s[longest] += gpu_s[state];
        gpu_s[state] = 0;
    }
}

/// What a GPU does in a part of its step.
static const PowerState STATE[TRACE_PART_N] = {
    [TRACE_PART_COMPUTE] = POWER_WORK,
    [TRACE_PART_OWN_SLOW] = POWER_WORK,
    [TRACE_PART_SHARING] = POWER_WORK,
    [TRACE_PART_BUBBLE] = POWER_BUBBLE,
    [TRACE_PART_TP_EXPOSED] = POWER_COMMUNICATION,
    [TRACE_PART_CP_EXPOSED] = POWER_COMMUNICATION,
    [TRACE_PART_EP_EXPOSED] = POWER_COMMUNICATION,
    [TRACE_PART_PP_EXPOSED] = POWER_COMMUNICATION,
    [TRACE_PART_DP_EXPOSED] = POWER_COMMUNICATION,
    [TRACE_PART_CONTENTION] = POWER_COMMUNICATION,
    [TRACE_PART_STRAGGLER] = POWER_WAITING,
};

static const PowerShape SHAPE_OF[POWER_STATES] = {[POWER_WORK] = SHAPE_WORK,
                                                  [POWER_COMMUNICATION] = SHAPE_COMMUNICATION,
                                                  [POWER_BUBBLE] = SHAPE_STILL,
                                                  [POWER_WAITING] = SHAPE_STILL,
                                                  [POWER_IDLE] = SHAPE_STILL};

PowerShape power_shape_of(TracePart part) { return SHAPE_OF[STATE[part]]; }

/// Part of the time at work that products take, at the best rate that GPUs of a kind keep in long runs.
static double products_of(const Machine *machine, int32_t kind, const Wide part_ps[]) {
    const double work_s =
        (double)(part_ps[TRACE_PART_COMPUTE] + part_ps[TRACE_PART_OWN_SLOW]) / 1e12;
    const GpuSpec *gpu = cluster_gpu_of_kind(cluster_spec(machine->cluster), kind);
    const GemmTable *table = gpu_gemm(gpu, machine->job->training.precision);
    if (!table || work_s <= 0) return 0;
    const double share = gpu_sustained_share(gpu, table),
                 kept = (share > 0 ? share : 1) * gpu_clock(gpu);
    const double flop = machine->cost.hardware_flop * (double)machine->gpus_of[kind] /
                        (double)(machine->layout.units.n * machine->layout.units.width) *
                        machine->shares.mean[kind];
    return fmin(1, flop / (table->best_flop_per_s * kept * work_s));
}

void power_of_parts(const Machine *machine,
                    const Wide part_ps[CLUSTER_GPU_KINDS_MAX][TRACE_GPU_COLUMNS],
                    double part_W[CLUSTER_GPU_KINDS_MAX][TRACE_PART_N]) {
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const double products = products_of(machine, kind, part_ps[kind]);
        for (int part = 0; part < TRACE_PART_N; part++)
            part_W[kind][part] = gpu_draw_W(cluster_gpu_of_kind(spec, kind), STATE[part], products);
    }
}

PowerUse power_use_training(const Machine *machine, const TraceStep *row,
                            const Wide part_ps[CLUSTER_GPU_KINDS_MAX][TRACE_GPU_COLUMNS]) {
    PowerUse use = begin_use(machine->fabric, row);
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(cluster_spec(machine->cluster)); kind++) {
        for (int part = 0; part < TRACE_PART_N; part++)
            use.gpu_s[kind][STATE[part]] += (double)part_ps[kind][part] / 1e12;
        settle(use.gpu_s[kind]);
        use.products[kind] = products_of(machine, kind, part_ps[kind]);
    }
    return use;
}

PowerUse power_use_traffic(const Fabric *fabric, const TraceStep *row) {
    PowerUse use = begin_use(fabric, row);
    add_alike(fabric, POWER_COMMUNICATION, use.span_s * gpus_of(&fabric->run->job[row->job]), &use);
    return use;
}

/// Part of a shape, over all stages, that lies in each phase; where it has none, the same in all.
static void share_out(const PowerShapes shapes[], int32_t stages, int shape,
                      double share[TRACE_PHASES]) {
    int64_t phase_ps[TRACE_PHASES] = {0}, sum_ps = 0;
    for (int32_t stage = 0; stage < stages; stage++)
        for (int i = 0; i < TRACE_PHASES; i++) phase_ps[i] += shapes[stage].ps[shape][i];
    for (int i = 0; i < TRACE_PHASES; i++) sum_ps += phase_ps[i];
    for (int i = 0; i < TRACE_PHASES; i++)
        share[i] = sum_ps > 0 ? (double)phase_ps[i] / (double)sum_ps : 1.0 / TRACE_PHASES;
}

/// Shapes are of some units, and count in their own words; the account is of all. Each is right about one thing: how
/// long GPUs are in a shape says the account, and that in any phase they are in one of them for all of its length, the
/// shapes. So scale by turns what is in a phase and what is of a shape, the latter last (iterative proportional
/// fitting).
static void fit_shares(const PowerUse *use, double share[POWER_SHAPES][TRACE_PHASES]) {
    enum { ROUNDS = 40 };
    double shape_s[POWER_SHAPES] = {0}, all_s = 0;
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++)
        for (int state = 0; state < POWER_IDLE; state++)
            shape_s[SHAPE_OF[state]] += use->gpu_s[kind][state];
    for (int shape = 0; shape < POWER_SHAPES; shape++) all_s += shape_s[shape];
    for (int round = 0; round < ROUNDS && all_s > 0; round++) {
        double sum[POWER_SHAPES] = {0};
        for (int i = 0; i < TRACE_PHASES; i++) {
            double phase_s = 0;
            for (int shape = 0; shape < POWER_SHAPES; shape++)
                phase_s += shape_s[shape] * share[shape][i];
            for (int shape = 0; shape < POWER_SHAPES; shape++) {
                if (phase_s > 0) share[shape][i] *= all_s / TRACE_PHASES / phase_s;
                sum[shape] += share[shape][i];
            }
        }
        for (int shape = 0; shape < POWER_SHAPES; shape++)
            for (int i = 0; i < TRACE_PHASES && sum[shape] > 0; i++) share[shape][i] /= sum[shape];
    }
}

/// The power of a phase.
static void draw_phase(const Cluster *cluster, const PowerUse *whole,
                       double share[POWER_SHAPES][TRACE_PHASES], int phase, TracePower *power) {
    const double work = share[SHAPE_WORK][phase], talk = share[SHAPE_COMMUNICATION][phase],
                 still = share[SHAPE_STILL][phase], all = 1.0 / TRACE_PHASES;
    const double of_state[POWER_STATES] = {[POWER_WORK] = work,
                                           [POWER_COMMUNICATION] = talk,
                                           [POWER_BUBBLE] = still,
                                           [POWER_WAITING] = still,
                                           [POWER_IDLE] = all};
    PowerUse use = *whole;
    double part_J[TRACE_ENERGY_N];
    use.span_s = whole->span_s * all;
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++)
        for (int state = 0; state < POWER_STATES; state++)
            use.gpu_s[kind][state] *= of_state[state];
    power_spend(cluster, &use, part_J);
    power->site_W[phase] = power_sum(part_J) / use.span_s;
    power->gpus_W[phase] = power_gpus(part_J) / use.span_s;
}

void power_of_step(const Fabric *fabric, PowerUse use, const TraceLoad *load,
                   const PowerShapes shapes[], int32_t stages, const TraceStep *row,
                   TracePower *power) {
    const Cluster *cluster = fabric->cluster;
    const ClusterSpec *spec = cluster_spec(cluster);
    for (int32_t t = 1; t <= spec->ntiers; t++)
        use.load[t - 1] =
            fmin(1, (load->tier[t][0].utilisation_mean + load->tier[t][1].utilisation_mean) / 2);
    power_spend(cluster, &use, power->part_J);
    power->energy_J = power_sum(power->part_J);
    power->mean_W = power->energy_J / use.span_s;
    power->node_W = power_nodes_J(cluster, &use, power->part_J) /
                    (use.span_s * use.share * (double)spec->nodes);
    power->per_token_J = row->tokens > 0 ? power->energy_J / (double)row->tokens : NAN;
    double share[POWER_SHAPES][TRACE_PHASES];
    for (int shape = 0; shape < POWER_SHAPES; shape++)
        share_out(shapes, stages, shape, share[shape]);
    fit_shares(&use, share);
    for (int phase = 0; phase < TRACE_PHASES; phase++)
        draw_phase(cluster, &use, share, phase, power);
    power_measure(use.span_s, spec->power.band, power);
}
