#include "observe/job_costs.h"

/// Where the costs of a step are added up.
typedef struct CostSink {
    const Cluster *cluster;
    int32_t njobs;
    Wide *delay_ps; ///< [njobs][ntiers][TRACE_DIRECTIONS]
} CostSink;

static void add_link(void *context, LinkId link, const int64_t delay_ps[]) {
    const CostSink *sink = context;
    const int64_t ntiers = cluster_ntiers(sink->cluster);
    const int64_t tier = cluster_link_tier(sink->cluster, link),
                  direction = cluster_link_direction(sink->cluster, link);
    for (int32_t j = 0; j < sink->njobs; j++)
        sink->delay_ps[(j * ntiers + tier) * TRACE_DIRECTIONS + direction] += delay_ps[j];
}

void job_costs_take(JobCosts *costs, const Cluster *cluster, const EngineOps *ops,
                    const Engine *engine, int32_t step, int32_t victim, int32_t njobs,
                    Wide delay_ps[]) {
    const int32_t ntiers = cluster_ntiers(cluster);
    CostSink sink = {cluster, njobs, delay_ps};
    if (ops->step_culprits) ops->step_culprits(engine, step, (CulpritSink){add_link, &sink});
    for (int32_t j = 0; j < njobs; j++)
        for (int32_t t = 0; t < ntiers; t++)
            for (int32_t d = 0; d < TRACE_DIRECTIONS; d++)
                costs->total_ps[victim][j][t] += delay_ps[(j * ntiers + t) * TRACE_DIRECTIONS + d];
}
