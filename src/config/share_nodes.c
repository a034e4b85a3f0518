#include "config/share_nodes.h"

#include <string.h>

static bool names_nodes(const JobSpec *job) { return strcmp(job->placement.nodes, "all") != 0; }

void share_nodes_offer(const NodeShares *shares, const CrossCheck *files, JobSpec *job) {
    if (files->njobs > 1 && !names_nodes(job)) job->placement.first_node = shares->next_node;
}

/// Nodes from the first on that hold so many GPUs.
static int64_t nodes_for(const PlacementSpec *spec, const ClusterSpec *cluster, int64_t gpus) {
    PlacementRun run[CLUSTER_GPU_KINDS_MAX];
    const int32_t n = placement_runs(spec, cluster, run);
    int64_t nodes = 0;
    for (int32_t r = 0; r < n && gpus > 0; r++) {
        const int64_t each = run[r].run.gpus, wanted = (gpus + each - 1) / each;
        const int64_t own = wanted < run[r].nodes ? wanted : run[r].nodes;
        nodes += own;
        gpus -= own * each;
    }
    return nodes;
}

void share_nodes_take(NodeShares *shares, const CrossCheck *files, JobSpec *job) {
    if (files->njobs == 1 || names_nodes(job)) return;
    job->placement.node_count = nodes_for(&job->placement, files->cluster, run_spec_ranks(job));
    shares->next_node += job->placement.node_count;
}

/// First GPU of `a` that `b` has too; -1: none. Placements move whole nodes.
static GpuId find_common(const Placement *a, const Placement *b) {
    for (int64_t rank = 0; rank < a->job_gpus; rank += a->grain) {
        GpuId gpu = placement_gpu(a, rank);
        if (placement_job_rank(b, gpu) >= 0) return gpu;
    }
    return -1;
}

void share_nodes_check(Reader *reader, const CrossCheck *files) {
    for (int32_t i = 1; i < files->njobs; i++)
        for (int32_t j = 0; j < i; j++) {
            Placement own, other;
            Status status = run_spec_placement(&files->job[i].file->job, files->cluster, &own);
            if (status_is_ok(&status))
                status = run_spec_placement(&files->job[j].file->job, files->cluster, &other);
            if (!status_is_ok(&status)) continue; // said where it is a job's alone
            GpuId gpu = find_common(&own, &other);
            if (gpu < 0) continue;
            char place[TEXT_PATH_BYTES + 32];
            reader_error(reader, files->job[i].root, "placement.nodes",
                         "GPU %lld is also the job's of %s: give the jobs nodes of their own",
                         (long long)gpu,
                         place_name(node_place(files->job[j].root, "placement"), place));
        }
}
