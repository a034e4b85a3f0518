#include <inttypes.h>

#include "app/check.h"
#include "base/units.h"
#include "cluster/routing.h"
#include "config/quantity.h"
#include "driver/shares.h"
#include "workload/cost.h"
#include "workload/model_size.h"

void check_print_cluster(const ClusterSpec *spec, TextBuffer *out) {
    Cluster *cluster = NULL;
    Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) return; // reported when the file was read
    text_printf(out, "%" PRId64 " GPUs in %" PRId64 " nodes\n", cluster_ngpus(cluster),
                spec->nodes);
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        const int64_t nswitches = cluster_nswitches(cluster, t),
                      ncables = cluster_ncables(cluster, t);
        if (nswitches > 0)
            text_printf(out, "tier %d: %" PRId64 " %s switches, %" PRId64 " cables below them\n",
                        (int)t, nswitches, spec->tier[t - 1].name, ncables);
        else // of a torus, mesh or dragonfly: cables among those of the first
            text_printf(out, "tier %d: %s, %" PRId64 " cables between switches\n", (int)t,
                        spec->tier[t - 1].name, ncables);
    }
    double bisection_Bps = cluster_bisection_Bps(cluster);
    text_printf(out, "bisection %.4g TB/s one way, %.3g GB/s a GPU\n", bisection_Bps / 1e12,
                bisection_Bps / 1e9 / ((double)cluster_ngpus(cluster) / 2));
    text_printf(out, "%" PRId64 " directed links, scale-up ports included\n",
                cluster_nlinks(cluster));
    const int64_t least_ps = routing_least_latency_ps(cluster);
    if (least_ps < TIME_NEVER_PS)
        text_printf(out, "least latency between nodes %.3g us\n",
                    units_seconds_from_ps(least_ps) * 1e6);
    cluster_destroy(cluster);
}

static void print_memory(const StepCost *cost, const GpuSpec *gpu, TextBuffer *out) {
    int32_t fullest = 0;
    for (int32_t stage = 1; stage < cost->pp; stage++)
        if (cost->memory[stage].total > cost->memory[fullest].total) fullest = stage;
    const MemoryUse *use = &cost->memory[fullest];
    text_printf(out, "memory of the fullest stage (%d of %d): %.4g of %.4g GB\n", (int)fullest,
                (int)cost->pp, (double)use->total / 1e9, (double)gpu->memory_bytes / 1e9);
    text_printf(out,
                "  weights %.4g, gradients %.4g, optimizer %.4g, activations %.4g, logits %.4g, "
                "workspace %.4g GB\n",
                (double)use->weights / 1e9, (double)use->gradients / 1e9,
                (double)use->optimizer / 1e9, (double)use->activations / 1e9,
                (double)use->logits / 1e9, (double)use->workspace / 1e9);
}

void check_print_model(const ModelSpec *model, TextBuffer *out) {
    const ModelSize size = model_size(model);
    text_printf(out, "%s: %.4g B parameters", model->name[0] ? model->name : "this model",
                size.total / 1e9);
    if (size.active < size.total)
        text_printf(out, ", active %.4g B, without the embedding %.4g B", size.active / 1e9,
                    (size.active - size.embedding) / 1e9);
    text_put(out, '\n');
}

static void print_model(const JobSpec *job, TextBuffer *out) {
    const int32_t sequence = job->training.sequence;
    check_print_model(&job->model, out);
    text_printf(out, "a token: %.4g model GFLOP with whole attention, %.4g with its mask\n",
                model_flop(&job->model, sequence, false) / sequence / 1e9,
                model_flop(&job->model, sequence, true) / sequence / 1e9);
}

static Status print_memory_of(const RunSpec *run, const JobSpec *job, const Shares *shares,
                              int32_t kind, TextBuffer *out) {
    const ClusterSpec *cluster = &run->cluster;
    const GpuSpec *gpu = cluster_gpu_of_kind(cluster, kind);
    const Uplink uplink = run_spec_uplink(job, cluster);
    const ParallelSpec parallel = shares_of_kind(shares, &job->parallel, kind);
    StepCost cost;
    TRY(step_cost_init(&cost, &job->model, &parallel, &job->training, gpu,
                       cluster_scale_up_of_kind(cluster, kind), &uplink));
    print_memory(&cost, gpu, out);
    const Status status = step_cost_check_memory(&cost, gpu);
    step_cost_fini(&cost);
    return status;
}

/// Who gets what of the batch.
static void print_shares(const RunSpec *run, const JobSpec *job, const Shares *shares,
                         TextBuffer *out) {
    if (job->parallel.shares == SHARES_EQUAL) return;
    for (int32_t r = 0; r < shares->nroles; r++)
        text_printf(out, "%" PRId64 " replicas at the pace of %s: %d microbatches each\n",
                    shares->role[r].replicas * job->parallel.size[DIM_EP],
                    cluster_gpu_of_kind(&run->cluster, shares->role[r].kind)->name,
                    (int)shares->role[r].microbatches);
}

/// For each kind of GPUs that the job has.
static Status print_kinds(const RunSpec *run, const JobSpec *job, const Shares *shares,
                          TextBuffer *out) {
    const ClusterSpec *cluster = &run->cluster;
    int64_t gpus[CLUSTER_GPU_KINDS_MAX];
    Placement placement;
    TRY(run_spec_placement(job, cluster, &placement));
    placement_count_kinds(&placement, cluster, gpus);
    print_shares(run, job, shares, out);
    for (int32_t kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++) {
        if (gpus[kind] == 0) continue;
        if (cluster->nothers > 0)
            text_printf(out, "%" PRId64 " of its GPUs are %s\n", gpus[kind],
                        cluster_gpu_of_kind(cluster, kind)->name);
        TRY(print_memory_of(run, job, shares, kind, out));
    }
    return status_ok();
}

static Status print_training(const RunSpec *run, const JobSpec *job, TextBuffer *out) {
    print_model(job, out);
    StepCost cost;
    const Uplink uplink = run_spec_uplink(job, &run->cluster);
    Placement placement;
    TRY(run_spec_placement(job, &run->cluster, &placement));
    const int32_t kind = cluster_gpu_kind(&run->cluster, placement_gpu(&placement, 0));
    TRY(step_cost_init(&cost, &job->model, &job->parallel, &job->training,
                       cluster_gpu_of_kind(&run->cluster, kind),
                       cluster_scale_up_of_kind(&run->cluster, kind), &uplink));
    const int64_t gpus = cluster_spec_ngpus(&run->cluster), used = parallel_nranks(&job->parallel);
    const ParallelSpec *parallel = &job->parallel;
    text_printf(out, "%" PRId64 " of %" PRId64 " GPUs (%" PRId64 " spare): tp %d, pp %d, dp %d",
                used, gpus, gpus - used, (int)parallel->size[DIM_TP], (int)parallel->size[DIM_PP],
                (int)parallel_replicas(parallel));
    if (parallel->size[DIM_CP] > 1) text_printf(out, ", cp %d", (int)parallel->size[DIM_CP]);
    if (parallel->ep > 1) text_printf(out, ", ep %d", (int)parallel->ep);
    text_printf(out, "\n");
    text_printf(out,
                "a step: %.0f tokens, %.4g model FLOP, %.4g hardware FLOP (%.4g TFLOP a GPU)\n",
                cost.tokens, cost.model_flop_full, cost.hardware_flop,
                cost.hardware_flop / (double)used / 1e12);
    step_cost_fini(&cost);
    Shares shares;
    Status status = shares_init(&shares, job, &run->cluster);
    if (status_is_ok(&status)) status = print_kinds(run, job, &shares, out);
    shares_fini(&shares);
    return status;
}

Status check_print_job(const RunSpec *run, const JobSpec *job, TextBuffer *out) {
    if (job->kind == JOB_TRAINING) return print_training(run, job, out);
    char size[QUANTITY_TEXT_BYTES];
    text_printf(out, "%" PRId64 " ranks, %s, %s each\n", job->traffic.ranks,
                traffic_pattern_name(job->traffic.pattern),
                quantity_write_int(QUANTITY_SIZE, job->traffic.bytes, size));
    if (job->traffic.group > 0)
        text_printf(out, "%" PRId64 " groups of %" PRId64 "\n",
                    job->traffic.ranks / job->traffic.group, job->traffic.group);
    return status_ok();
}
