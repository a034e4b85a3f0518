/// job_file.h: a job file (jobs/NAME.yaml) to a JobSpec and what a run takes from it (engine,
/// trace, seed).
///
/// Idea.    Two schemas, by `kind`: training and traffic. What only the topology can decide (dp:
///          auto, global_batch, the ranks of a traffic job) stays open here and is resolved by
///          run_file.
/// Source.  jobs/keys.md describes every key, with where its default comes from.
#ifndef COLOSSIM_CONFIG_JOB_FILE_H
#define COLOSSIM_CONFIG_JOB_FILE_H

#include "config/schema.h"
#include "driver/run_spec.h"
#include "engine/engines.h"

enum {
    RECOMPUTE_MAX = 8,
    GRAPHS_MAX = 8,
    RECOMPUTE_BYTES = 32,
    ORDER_BYTES = 32,
    LAYOUT_BYTES = 256
};

typedef struct EngineFile {
    EngineKind kind;
    int64_t control_delay_ps;
} EngineFile;

/// The struct behind both schemas.
typedef struct JobFile {
    JobSpec job;
    ModelSpec model, model_changes; ///< of the catalogue; what the job puts over it
    EngineFile engine;
    PacketSpec packet; ///< for engine packet
    TraceSpec trace;
    uint64_t seed;
    bool noise_on;
    int32_t nslow;
    SlowSpec slow[CLUSTER_SLOW_MAX];
    int32_t nevents;
    EventSpec event[CLUSTER_EVENTS_MAX];
    int32_t replicas;     ///< dp, 0: what fits
    int32_t global_batch; ///< sequences per step, 0: not given
    char order[ORDER_BYTES];
    char layout[LAYOUT_BYTES];
    char recompute[RECOMPUTE_MAX][RECOMPUTE_BYTES];
    int32_t nrecompute;
    char offload[RECOMPUTE_MAX][RECOMPUTE_BYTES];
    int32_t noffload;
    char cuda_graph[GRAPHS_MAX][RECOMPUTE_BYTES];
    int32_t ncuda_graph;
} JobFile;

/// Read with reader_load_root: `kind: training` and `kind: traffic`.
extern const Schema training_job_schema, traffic_job_schema;

/// Set microbatches and global_batch from each other, once dp is known; reports a contradiction
/// naming both.
///   node  the job file
bool job_file_resolve_batch(Reader *reader, const Node *node, JobFile *file);

#endif
