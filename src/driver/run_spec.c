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

Status run_spec_placement(const JobSpec *job, const ClusterSpec *cluster, Placement *placement) {
    const int32_t together =
        job->kind == JOB_TRAINING
            ? parallel_together(&job->parallel, scale_up_used(&cluster->scale_up))
            : 1;
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

CollectiveSpec run_spec_collective(const JobSpec *job, const ClusterSpec *cluster,
                                   int64_t path_ps) {
    return (CollectiveSpec){.round_latency_ps = job->network.round_latency_ps + path_ps,
                            .domain_latency_ps = cluster->scale_up.latency_ps,
                            .base_ps = job->network.collective_base_ps,
                            .protocol = job->network.protocol};
}

CollectiveTuning run_spec_tuning(const ClusterSpec *cluster, int64_t path_ps) {
    return (CollectiveTuning){.scale_up = &cluster->scale_up,
                              .nic_Bps = cluster->nic.goodput_Bps,
                              .path_latency_ps = path_ps,
                              .in_network = cluster->in_network_reduction};
}
