#include "engine/engine_ops.h"

#include "base/check.h"
#include "engine/closed/closed.h"

// Engines keep their typed interfaces; these adapters are the price of one table.

static Engine *create_closed(const Cluster *cluster, const EngineSpec *spec) {
    return (Engine *)closed_create(cluster, spec->owns, spec->owner);
}
static void destroy_closed(Engine *engine) { closed_destroy((Closed *)engine); }
static Status submit_closed(Engine *engine, const Transfer *transfer) {
    return closed_submit((Closed *)engine, transfer);
}
static int64_t next_closed(const Engine *engine) { return closed_next_ps((const Closed *)engine); }
static int64_t now_closed(const Engine *engine) { return closed_now_ps((const Closed *)engine); }
static void advance_closed(Engine *engine, int64_t to_ps) {
    closed_advance((Closed *)engine, to_ps);
}
static int64_t drain_closed(Engine *engine, Completion completions[], int64_t capacity) {
    return closed_drain((Closed *)engine, completions, capacity);
}
static int64_t nunfinished_closed(const Engine *engine) {
    return closed_nunfinished((const Closed *)engine);
}
static Status alone_closed(Engine *engine, const Transfer *transfer, int64_t *duration_ps) {
    return closed_alone_ps((Closed *)engine, transfer, duration_ps);
}
static void step_links_closed(Engine *engine, int32_t step, LinkSink sink) {
    closed_step_links((Closed *)engine, step, sink);
}
static void step_clear_closed(Engine *engine, int32_t step) {
    closed_step_clear((Closed *)engine, step);
}
static bool no_intervals(Engine *engine, LinkSink sink) {
    (void)engine;
    (void)sink;
    return false;
}
static void restart_nothing(Engine *engine) { (void)engine; }

static EngineSizes sizes_closed(const Engine *engine) {
    return closed_sizes((const Closed *)engine);
}

static Engine *create_flow(const Cluster *cluster, const EngineSpec *spec) {
    return (Engine *)flow_create(cluster, spec);
}
static void destroy_flow(Engine *engine) { flow_destroy((Flow *)engine); }
static Status submit_flow(Engine *engine, const Transfer *transfer) {
    return flow_submit((Flow *)engine, transfer);
}
static int64_t next_flow(const Engine *engine) { return flow_next_ps((const Flow *)engine); }
static int64_t now_flow(const Engine *engine) { return flow_now_ps((const Flow *)engine); }
static void advance_flow(Engine *engine, int64_t to_ps) { flow_advance((Flow *)engine, to_ps); }
static int64_t drain_flow(Engine *engine, Completion completions[], int64_t capacity) {
    return flow_drain((Flow *)engine, completions, capacity);
}
static int64_t nunfinished_flow(const Engine *engine) {
    return flow_nunfinished((const Flow *)engine);
}
static Status alone_flow(Engine *engine, const Transfer *transfer, int64_t *duration_ps) {
    return flow_alone_ps((Flow *)engine, transfer, duration_ps);
}
static void step_links_flow(Engine *engine, int32_t step, LinkSink sink) {
    flow_step_links((Flow *)engine, step, sink);
}
static void step_clear_flow(Engine *engine, int32_t step) { flow_step_clear((Flow *)engine, step); }
static bool sample_into_flow(Engine *engine, LinkSink sink) {
    flow_sample_into((Flow *)engine, sink);
    return true;
}
static void restart_intervals_flow(Engine *engine) { flow_restart_intervals((Flow *)engine); }

static EngineSizes sizes_flow(const Engine *engine) { return flow_sizes((const Flow *)engine); }

static const EngineOps ENGINES[ENGINE_KIND_N] = {
    [ENGINE_CLOSED] =
        {
            .name = "closed",
            .create = create_closed,
            .destroy = destroy_closed,
            .submit = submit_closed,
            .next_ps = next_closed,
            .now_ps = now_closed,
            .advance = advance_closed,
            .drain = drain_closed,
            .nunfinished = nunfinished_closed,
            .alone_ps = alone_closed,
            .step_links = step_links_closed,
            .step_clear = step_clear_closed,
            .sample_into = no_intervals,
            .restart_intervals = restart_nothing,
            .sizes = sizes_closed,
        },
    [ENGINE_FLOW] =
        {
            .name = "flow",
            .create = create_flow,
            .destroy = destroy_flow,
            .submit = submit_flow,
            .next_ps = next_flow,
            .now_ps = now_flow,
            .advance = advance_flow,
            .drain = drain_flow,
            .nunfinished = nunfinished_flow,
            .alone_ps = alone_flow,
            .step_links = step_links_flow,
            .step_clear = step_clear_flow,
            .sample_into = sample_into_flow,
            .restart_intervals = restart_intervals_flow,
            .sizes = sizes_flow,
        },
};

const EngineOps *engine_ops_of(EngineKind kind) {
    CHECK(kind >= 0 && kind < ENGINE_KIND_N, "engine %d", (int)kind);
    return &ENGINES[kind];
}
