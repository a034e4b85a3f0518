/// cross_check.h: what a topology and jobs say about each other; resolves what only both together
/// decide.
///
/// Idea.    GPUs against ranks (dp: auto is what fits), tensor parallelism against the scale-up
///          domain, precision and kernels against the GPU's tables, batches, flows.
///          A contradiction is reported at the job's key and names the topology's place.
#ifndef COLOSSIM_CONFIG_CROSS_CHECK_H
#define COLOSSIM_CONFIG_CROSS_CHECK_H

#include "config/job_file.h"

typedef struct JobEntry {
    const char *path;
    Node *root;
    const Schema *schema;
    JobFile *file;
} JobEntry;

typedef struct CrossCheck {
    const char *topology_path;
    Node *topology_root;
    ClusterSpec *cluster;
    JobEntry job[RUN_JOBS_MAX];
    int32_t njobs;
    ClusterSpec *troubled; ///< the cluster with what jobs make slow or let happen; computed
} CrossCheck;

/// Check and complete the files, each good alone; errors are reported.
void cross_check(Reader *reader, CrossCheck *files);

#endif
