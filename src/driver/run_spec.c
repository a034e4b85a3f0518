#include "driver/run_spec.h"

#include <string.h>

#include "base/memory.h"
#include "base/units.h"

const char *run_spec_text(const RunSpec *spec, const char *path) {
    for (int32_t i = 0; i < spec->nsources; i++)
        if (strcmp(spec->source[i].path, path) == 0) return spec->source[i].text;
    return NULL;
}

Status run_check_time(int64_t now_ps) {
    REQUIRE(now_ps < TIME_END_PS, STATUS_FAILED,
            "the run would last longer than the 53 days of simulated time that it can have");
    return status_ok();
}

int64_t run_spec_ranks(const JobSpec *job) {
    return job->kind == JOB_TRAINING ? parallel_nranks(&job->parallel) : job->traffic.ranks;
}

/// GPUs of a scale-up domain of each run of nodes that a job may have; of the first if it has none, which is an error
/// elsewhere. Returns how many.
static int32_t list_domains(const JobSpec *job, const ClusterSpec *cluster,
                            int32_t domain[CLUSTER_GPU_KINDS_MAX]) {
    PlacementRun run[CLUSTER_GPU_KINDS_MAX];
    const int32_t n = placement_runs(&job->placement, cluster, run);
    domain[0] = scale_up_used(&cluster->scale_up);
    for (int32_t r = 0; r < n; r++) domain[r] = run[r].run.used;
    return n > 0 ? n : 1;
}

Status run_spec_parts(const JobSpec *job, const ClusterSpec *cluster, Dimension dimension,
                      Parts *parts) {
    int32_t domain[CLUSTER_GPU_KINDS_MAX];
    const int32_t n = list_domains(job, cluster, domain);
    TRY(parallel_parts(&job->parallel, dimension, domain[0], parts));
    for (int32_t r = 1; r < n; r++) {
        Parts other;
        TRY(parallel_parts(&job->parallel, dimension, domain[r], &other));
        REQUIRE(other.inside == parts->inside, STATUS_RANGE,
                "%s = %d lies in scale-up domains of %d GPUs otherwise than in those of %d: the "
                "job wants nodes (placement.nodes) where all groups lie alike",
                DIMENSION_NAMES[dimension], parts->n, (int)domain[0], (int)domain[r]);
    }
    return status_ok();
}

Status run_spec_placement(const JobSpec *job, const ClusterSpec *cluster, Placement *placement) {
    int32_t domain[CLUSTER_GPU_KINDS_MAX], together = 1;
    const int32_t n = list_domains(job, cluster, domain);
    for (int32_t r = 0; job->kind == JOB_TRAINING && r < n; r++) {
        const int32_t own = parallel_together(&job->parallel, domain[r]);
        if (own > together) together = own;
    }
    return placement_init(placement, &job->placement, cluster, run_spec_ranks(job), together);
}

Uplink run_spec_uplink(const JobSpec *job, const ClusterSpec *cluster) {
    const TierSpec *leaf = &cluster->tier[0];
    const int64_t path_ps =
        cluster->nic.latency_ps + 2 * leaf->cable_ps + leaf->switch_spec.latency_ps;
    return (Uplink){.nic_Bps = (double)cluster->nic.goodput_Bps,
                    .path_s = units_seconds_from_ps(path_ps),
                    .base_s = units_seconds_from_ps(job->network.collective_base_ps),
                    .round_s = units_seconds_from_ps(job->network.round_latency_ps + path_ps)};
}

void run_spec_fini(RunSpec *spec) {
    memory_free("run_spec.jobs", spec->job, (size_t)spec->njobs * sizeof(JobSpec));
    for (int32_t i = 0; i < spec->nsources; i++)
        memory_free("config.text", spec->source[i].text, (size_t)spec->source[i].bytes + 1);
    if (spec->arguments) memory_free("config.text", spec->arguments, strlen(spec->arguments) + 1);
    if (spec->resolved) memory_free("config.text", spec->resolved, strlen(spec->resolved) + 1);
    memset(spec, 0, sizeof *spec);
}

Status run_spec_plan(CollectivePlan *plan, const JobSpec *job, const ClusterSpec *cluster,
                     const CollectiveSpec *wanted, int32_t kind, int64_t path_ps,
                     const Domains *domains) {
    const ScaleUpSpec *scale_up = cluster_scale_up_of_kind(cluster, kind);
    CollectiveSpec spec = *wanted;
    spec.round_latency_ps += job->network.round_latency_ps + path_ps;
    spec.domain_latency_ps = scale_up->latency_ps;
    spec.base_ps = job->network.collective_base_ps;
    spec.protocol = job->network.protocol;
    const CollectiveTuning tuning = {.scale_up = scale_up,
                                     .nic_Bps = cluster->nic.goodput_Bps,
                                     .path_latency_ps = path_ps,
                                     .in_network = cluster->in_network_reduction};
    return collective_plan(plan, &spec, &tuning, domains);
}
