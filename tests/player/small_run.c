#include "player/small_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/units.h"
#include "observe/parts.h"
#include "player/players.h"

enum { GPUS_PER_NODE = 4, NODES_PER_LEAF = 4, TP = 2 };

static GpuSpec small_gpu(void) {
    GpuSpec gpu = {
        .name = "gpu",
        .memory_bytes = INT64_C(64) << 30,
        .memory_Bps = 2e12,
        .memory_stream_Bps = 1.6e12,
        .launch_ps = 2 * PS_PER_US,
        .scale_up_processor_share = 0.15,
        .network_processor_share = 0.02,
    };
    gpu.gemm[PRECISION_BF16] = (GemmTable){
        .peak_flop_per_s = 300e12,
        .best_flop_per_s = 250e12,
        .npoints = 2,
        .point = {{1024, 1024, 1024, 120e12}, {8192, 8192, 8192, 250e12}},
    };
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH2] = 150e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH2] = 120e12;
    return gpu;
}

GpuSpec small_run_slower_gpu(const GpuSpec *of, double times) {
    GpuSpec gpu = *of;
    for (int p = 0; p < PRECISION_N; p++) {
        GemmTable *table = &gpu.gemm[p];
        table->best_flop_per_s /= times;
        table->peak_flop_per_s /= times;
        for (int32_t i = 0; i < table->npoints; i++) table->point[i].rate_flop_per_s /= times;
    }
    gpu.memory_stream_Bps /= times;
    gpu.memory_pass_Bps /= times;
    gpu.launch_ps = (int64_t)((double)gpu.launch_ps * times);
    return gpu;
}

static ClusterSpec small_cluster(int64_t nodes) {
    int64_t rate_Bps = INT64_C(25000000000);
    SwitchSpec box = {
        .name = "switch", .ports = 64, .port_Bps = rate_Bps, .latency_ps = 600 * PS_PER_NS};
    ClusterSpec spec = {
        .name = "small",
        .nodes = nodes,
        .gpus_per_node = GPUS_PER_NODE,
        .gpu = small_gpu(),
        .nic = {.name = "nic",
                .line_Bps = rate_Bps,
                .goodput_Bps = rate_Bps,
                .latency_ps = PS_PER_US},
        .scale_up = {.name = "domain",
                     .gpus = GPUS_PER_NODE,
                     .line_Bps = INT64_C(300000000000),
                     .goodput_Bps = INT64_C(240000000000),
                     .latency_ps = 2 * PS_PER_US,
                     .collective_base_ps = 5 * PS_PER_US,
                     .small_share = 1},
        .ntiers = 2,
        .wiring = WIRING_RAIL,
        .routing = ROUTING_ECMP,
        .ecmp_seed = 1,
    };
    spec.tier[0] = (TierSpec){.name = "leaf",
                              .children = NODES_PER_LEAF,
                              .parents = 1,
                              .lanes = 1,
                              .link_Bps = rate_Bps,
                              .cable_ps = 25 * PS_PER_NS,
                              .switch_spec = box};
    spec.tier[1] = (TierSpec){.name = "spine",
                              .children = 64,
                              .parents = 4,
                              .lanes = 1,
                              .link_Bps = rate_Bps,
                              .cable_ps = 250 * PS_PER_NS,
                              .switch_spec = box};
    spec.installed = (int32_t)((nodes + NODES_PER_LEAF - 1) / NODES_PER_LEAF * GPUS_PER_NODE);
    return spec;
}

static JobSpec small_job(int32_t pp, int32_t dp, Schedule schedule, int32_t chunks,
                         int32_t microbatches) {
    JobSpec job = {
        .name = "gpt-small",
        .kind = JOB_TRAINING,
        .model = {.name = "gpt",
                  .layers = 16,
                  .hidden = 512,
                  .heads = 8,
                  .kv_heads = 8,
                  .head_dim = 64,
                  .ffn = 2048,
                  .vocab = 8192,
                  .activation = ACTIVATION_GELU},
        .network = {.queue_pairs = 2,
                    .message_latency_ps = 5 * PS_PER_US,
                    .round_latency_ps = 3 * PS_PER_US,
                    .collective_base_ps = 8 * PS_PER_US,
                    .eager_bytes = 4096,
                    .dp_algorithm = ALGORITHM_HIERARCHICAL},
        .training = {.sequence = 1024,
                     .precision = PRECISION_BF16,
                     .grad_precision = PRECISION_FP32,
                     .param_precision = PRECISION_BF16,
                     .attention = ATTENTION_FLASH2,
                     .grad_overlap = true,
                     .tp_backward_overlap = true,
                     .grad_fusion = true,
                     .param_overlap = true,
                     .pp_overlap = true},
        .steps = 2,
    };
    job.noise = (NoiseSpec){.seed = 7,
                            .gpu_sigma = 0.01,
                            .step_sigma = 0.005,
                            .truncate = 3,
                            .straggler_probability = 0.01,
                            .straggler_slowdown = 0.3};
    job.parallel = (ParallelSpec){
        .size = {[DIM_TP] = TP, [DIM_CP] = 1, [DIM_EP] = 1, [DIM_DP] = dp, [DIM_PP] = pp},
        .ep = 1,
        .expert_tp = 1,
        .order = {DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
        .chunks = chunks,
        .sequence_parallel = true,
        .zero = 1,
        .schedule = schedule,
        .microbatch = 1,
        .microbatches = microbatches,
    };
    return job;
}

void small_run_init(RunSpec *run, int64_t nodes, int32_t pp, int32_t dp, Schedule schedule,
                    int32_t chunks, int32_t microbatches) {
    memset(run, 0, sizeof *run);
    run->cluster = small_cluster(nodes);
    run->job = memory_alloc("test.job", sizeof(JobSpec));
    run->njobs = 1;
    run->job[0] = small_job(pp, dp, schedule, chunks, microbatches);
    run->engine = engine_of(ENGINE_FLOW);
    run->control_delay_ps = 10 * PS_PER_US;
    run->seed = 1;
    run->trace.full_links = true; // links that are alike are told one by one
}

void small_run_fini(RunSpec *run) { memory_free("test.job", run->job, sizeof(JobSpec)); }

typedef struct LinkTotals {
    int64_t bytes, delay_ps, congested_ps;
} LinkTotals;

/// A LinkSink: by link, since several ranks may load one.
static void add_links(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    LinkTotals *totals = context;
    (void)step;
    for (int64_t i = 0; i < n; i++) {
        LinkTotals *link = &totals[sample[i].link];
        link->bytes += sample[i].bytes;
        link->delay_ps += sample[i].delay_ps;
        link->congested_ps += sample[i].congested_ps;
    }
}

/// Of the totals of every link in a step, the same on all ranks.
static uint64_t fingerprint_of_links(Machine *machine, int32_t step) {
    int64_t n = cluster_nresources(machine->cluster);
    size_t bytes = sizeof(LinkTotals) * (size_t)n;
    LinkTotals *totals = memory_alloc("test.links", bytes);
    machine->fabric->ops->step_links(machine->fabric->engine, step,
                                     (LinkSink){.put = add_links, .context = totals});
    machine->fabric->ops->step_clear(machine->fabric->engine, step);
    comm_sum_i64(machine->comm, (int64_t *)totals, (int)(bytes / sizeof(int64_t)));
    uint64_t sum = 0;
    for (int64_t link = 0; link < n; link++)
        sum += fingerprint_of(
            link, totals[link].bytes,
            (int64_t)fingerprint_of(totals[link].delay_ps, totals[link].congested_ps, step));
    memory_free("test.links", totals, bytes);
    return sum;
}

/// What a FabricListener of these runs keeps.
typedef struct Keeper {
    Machine *machine;
    Played *played;
} Keeper;

/// What stages of the first replica did in a step is the step, where passes are told apart.
static void check_passes(const Machine *machine, int32_t step) {
    PassTimes times;
    double sum_ps = 0, steps_ps = 0;
    if (!passes_sum(machine, step, &times)) return;
    const int32_t stages = machine->layout.units.stages;
    for (int32_t stage = 0; stage < stages; stage++) {
        const StepResult *result = &machine->result[stage];
        steps_ps += (double)account_sum_ps(result->part_ps,
                                           machine_work(machine, machine->unit[stage].role, stage));
    }
    for (int k = 0; k < SHARE_N; k++) {
        CHECK(times.mean_ps[k] >= 0 && times.first_ps[k] >= 0, "passes are times");
        sum_ps += times.mean_ps[k];
    }
    CHECK(fabs(sum_ps - steps_ps / stages) < 1, "passes sum to %f ps, steps to %f ps", sum_ps,
          steps_ps / stages);
}

static Status keep_step(void *context, int32_t job, int32_t step, int64_t later_ps) {
    const Keeper *keeper = context;
    Machine *machine = keeper->machine;
    Played *played = keeper->played;
    (void)job;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        const StepResult *result = &machine->result[slot];
        if (result->end_ps > played->end_ps) played->end_ps = result->end_ps;
        for (int64_t i = 0; i < layout_nalike(&machine->layout, slot); i++)
            for (int part = 0; part < TRACE_PART_N; part++)
                played
                    ->unit_part_ps[layout_alike(&machine->layout, slot, i) * TRACE_PART_N + part] +=
                    record_part_ps(result->part_ps, machine_work(machine, unit->role, unit->stage),
                                   (TracePart)part);
    }
    played->fingerprint += machine->count.fingerprint[step & 1];
    played->ntold += later_ps > 0;
    if (later_ps > 0) return status_ok();
    check_passes(machine, step);
    played->links += fingerprint_of_links(machine, step);
    return status_ok();
}

static void make_even(StepCost *cost, int64_t forward_ps, int64_t backward_ps) {
    for (int32_t v = 0; v < cost->pp * cost->chunks; v++) {
        cost->chunk[v].whole.pass[PASS_FORWARD].compute_ps = forward_ps;
        cost->chunk[v].whole.pass[PASS_BACKWARD].compute_ps = backward_ps;
        cost->chunk[v].whole.pass[PASS_BACKWARD_INPUT].compute_ps = backward_ps / 2;
        cost->chunk[v].whole.pass[PASS_BACKWARD_WEIGHT].compute_ps = backward_ps / 2;
    }
    for (int32_t stage = 0; stage < cost->pp; stage++) cost->optimizer_ps[stage] = 0;
}

/// A fabric with one job on it.
typedef struct Small {
    Cluster *cluster;
    Fabric fabric;
    Machine *machine;
} Small;

static void create(Small *small, const RunSpec *run, Comm *comm) {
    Status status = cluster_create(&run->cluster, &small->cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    small->fabric = fabric_make(run, small->cluster, comm);
    small->fabric.intervals.width_ps = PS_PER_MS;
    small->machine = NULL;
    status = machine_create(&small->fabric, 0, &small->machine);
    CHECK(status_is_ok(&status), "%s", status.text);
}

static void destroy(Small *small) {
    machine_destroy(small->machine);
    fabric_close(&small->fabric);
    cluster_destroy(small->cluster);
}

static Played play(const RunSpec *run, Comm *comm, int64_t forward_ps, int64_t backward_ps) {
    Small small;
    create(&small, run, comm);
    Machine *machine = small.machine;
    if (forward_ps > 0) make_even(&machine->cost, forward_ps, backward_ps);
    player_choose(machine);
    Played played = {.nunits = machine->layout.units.n};
    size_t bytes = sizeof(int64_t) * (size_t)(played.nunits * TRACE_PART_N);
    played.unit_part_ps = memory_alloc("test.parts", bytes);
    Keeper keeper = {machine, &played};
    small.fabric.listener = (FabricListener){.context = &keeper, .step = keep_step};
    Status status = machine->player->play(machine);
    CHECK(status_is_ok(&status), "%s", status.text);
    if (machine->player->stats) played.islands = machine->player->stats(machine).islands;
    comm_sum_i64(comm, &played.islands, 1);
    comm_max_i64(comm, &played.end_ps, 1);
    comm_sum_u64(comm, &played.fingerprint, 1);
    comm_sum_i64(comm, played.unit_part_ps, (int)(played.nunits * TRACE_PART_N));
    for (int64_t i = 0; i < played.nunits * TRACE_PART_N; i++)
        played.part_ps[i % TRACE_PART_N] += played.unit_part_ps[i];
    destroy(&small);
    return played;
}

Status small_run_play_broken(const RunSpec *run, Comm *comm) {
    Small small;
    create(&small, run, comm);
    Machine *machine = small.machine;
    machine->program[0].stream_nops[STREAM_SEND_NEXT]--;
    player_choose(machine);
    Status status = machine->player->play(machine);
    machine->program[0].stream_nops[STREAM_SEND_NEXT]++;
    destroy(&small);
    return status;
}

/// What a FabricListener needs that records.
typedef struct Recording {
    Machine *machine;
    Recorder recorder;
} Recording;

static Status record_step(void *context, int32_t job, int32_t step, int64_t later_ps) {
    Recording *recording = context;
    (void)job;
    return record_training_step(&recording->recorder, recording->machine, step, later_ps);
}

double small_run_record(const RunSpec *run, Comm *comm, double mean_part_ps[TRACE_PART_N]) {
    Small small;
    create(&small, run, comm);
    player_choose(small.machine);
    Recording recording = {.machine = small.machine, .recorder = {.fabric = &small.fabric}};
    Recorder *recorder = &recording.recorder;
    Status status =
        recorder_open(recorder, small.machine->player->divides && small.fabric.nranks > 1, "");
    CHECK(status_is_ok(&status), "%s", status.text);
    small.fabric.listener = (FabricListener){.context = &recording, .step = record_step};
    status = small.machine->player->play(small.machine);
    CHECK(status_is_ok(&status), "%s", status.text);
    double sum_ps = 0;
    memset(mean_part_ps, 0, sizeof *mean_part_ps * TRACE_PART_N);
    for (int64_t i = 0; i < recorder->step.n; i++) {
        const TraceStep *row = &recorder->step.at[i].row;
        sum_ps += row->mean_duration_ps;
        for (int part = 0; part < TRACE_PART_N; part++)
            mean_part_ps[part] += row->mean_part_ps[part];
    }
    status = recorder_close(recorder, "complete", "");
    CHECK(status_is_ok(&status), "%s", status.text);
    array_free(&recorder->step);
    destroy(&small);
    return sum_ps;
}

Played small_run_play(const RunSpec *run, Comm *comm) { return play(run, comm, 0, 0); }

Played small_run_play_even(const RunSpec *run, Comm *comm, int64_t forward_ps,
                           int64_t backward_ps) {
    return play(run, comm, forward_ps, backward_ps);
}

void played_fini(Played *played) {
    memory_free("test.parts", played->unit_part_ps,
                sizeof(int64_t) * (size_t)(played->nunits * TRACE_PART_N));
}
