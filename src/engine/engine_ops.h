/// engine_ops.h: the engines behind one table, so that a driver picks one by name.
///
/// Idea.    create() gives the state that the other operations take first. Contract, for every
///          engine:
///            - submit() takes a transfer whose start_ps is not before now_ps(); its EdgeSet stays
///              borrowed until the transfer has completed;
///            - next_ps() is the time of the earliest pending event, TIME_NEVER_PS if there is
///              none; advance(t) applies all events up to and including t, then now_ps() is t
///              (TIME_NEVER_PS: until none is left);
///            - drain() gives each completion once, ordered by (end_ps, tag); zero bytes complete
///              after their rounds' latencies, at start_ps if there are none; nothing ends before
///              its alone-time;
///            - step totals are exact when all transfers of the step have completed, and kept until
///              step_clear().
///            - sample_into() says who gets the links of sampling intervals (intervals.h), from
///              inside advance() and in the order of their ends, none for an interval without
///              traffic, and nothing at all if the engine has no intervals; restart_intervals() ends
///              the open one at now_ps();
///          Results depend on the transfers alone, not on the order of submission or the instants
///          advanced to.
/// Limits.  No call-backs but for samples, which would fill memory until they are asked for: whoever
///          submits on completion advances to next_ps(), drains, submits.
#ifndef COLOSSIM_ENGINE_ENGINE_OPS_H
#define COLOSSIM_ENGINE_ENGINE_OPS_H

#include "engine/engine.h"
#include "engine/flow/flow.h"

typedef enum EngineKind { ENGINE_CLOSED, ENGINE_FLOW, ENGINE_KIND_N } EngineKind;

/// What any engine may be told; the closed engine needs only the owner of links.
typedef FlowSpec EngineSpec;

/// State of one engine, whichever; only its own operations know it.
typedef struct Engine Engine;

/// One row per engine; comments at the functions of flow.h.
typedef struct EngineOps {
    const char *name; ///< as in configuration files
    Engine *(*create)(const Cluster *cluster, const EngineSpec *spec);
    void (*destroy)(Engine *engine);
    Status (*submit)(Engine *engine, const Transfer *transfer);
    int64_t (*next_ps)(const Engine *engine);
    int64_t (*now_ps)(const Engine *engine);
    void (*advance)(Engine *engine, int64_t to_ps);
    int64_t (*drain)(Engine *engine, Completion completions[], int64_t capacity);
    int64_t (*nunfinished)(const Engine *engine);
    Status (*alone_ps)(Engine *engine, const Transfer *transfer, int64_t *duration_ps);
    void (*step_links)(Engine *engine, int32_t step, LinkSink sink);
    void (*step_clear)(Engine *engine, int32_t step);
    bool (*sample_into)(Engine *engine, LinkSink sink); ///< false: it has no intervals
    void (*restart_intervals)(Engine *engine);
    EngineSizes (*sizes)(const Engine *engine);
} EngineOps;

/// The table of an engine.
const EngineOps *engine_ops_of(EngineKind kind);

#endif
