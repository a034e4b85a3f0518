#include "player/third_engine.h"

#include "base/array.h"
#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"

#define LABEL "test.third"

/// Bytes of every link in one step.
typedef struct StepBytes {
    int32_t step;
    int64_t *bytes; ///< [cluster_nresources]
} StepBytes;

struct Engine {
    const Cluster *cluster;
    int64_t now_ps;
    ARRAY_OF(Completion) list; ///< not drained, by (end_ps, tag)
    int64_t ndone;             ///< of them, at the head
    ARRAY_OF(StepBytes) step;
};

static Engine *create(const Cluster *cluster, const EngineSpec *spec) {
    (void)spec; // no intervals, and nobody feels anybody
    Engine *engine = memory_alloc(LABEL, sizeof *engine);
    engine->cluster = cluster;
    return engine;
}

static size_t links_bytes(const Engine *engine) {
    return sizeof(int64_t) * (size_t)cluster_nresources(engine->cluster);
}

static void step_clear(Engine *engine, int32_t step) {
    int64_t n = 0;
    for (int64_t i = 0; i < engine->step.n; i++)
        if (engine->step.at[i].step == step)
            memory_free(LABEL, engine->step.at[i].bytes, links_bytes(engine));
        else
            engine->step.at[n++] = engine->step.at[i];
    engine->step.n = n;
}

static void destroy(Engine *engine) {
    if (!engine) return;
    while (engine->step.n > 0) step_clear(engine, engine->step.at[0].step);
    array_free(&engine->step);
    array_free(&engine->list);
    memory_free(LABEL, engine, sizeof *engine);
}

static int64_t *bytes_of_step(Engine *engine, int32_t step) {
    for (int64_t i = 0; i < engine->step.n; i++)
        if (engine->step.at[i].step == step) return engine->step.at[i].bytes;
    array_push(&engine->step, (StepBytes){step, memory_alloc(LABEL, links_bytes(engine))});
    return engine->step.at[engine->step.n - 1].bytes;
}

/// Route all edges; of each add `bytes` per weight to its links.
static Status walk(const Engine *engine, const Transfer *transfer, int64_t totals[],
                   int32_t *heaviest) {
    int64_t unit = routing_unit_bytes(engine->cluster, transfer->queue_pairs);
    *heaviest = 1;
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        LinkUse use[ROUTE_USES_MAX];
        int32_t n;
        Edge edge = transfer->edges.edge(transfer->edges.context, e);
        TRY(routing_route_by(engine->cluster, edge.src, edge_sender(engine->cluster, &edge),
                             edge.dst, transfer->connection, transfer->queue_pairs, use, &n));
        if (edge.weight > *heaviest) *heaviest = edge.weight;
        for (int32_t u = 0; totals && u < n; u++)
            totals[use[u].link] += transfer->bytes * edge.weight / unit * use[u].weight;
    }
    return status_ok();
}

static Status alone_ps(Engine *engine, const Transfer *transfer, int64_t *duration_ps) {
    int32_t heaviest;
    TRY(walk(engine, transfer, NULL, &heaviest));
    double rate_Bps = (double)cluster_spec(engine->cluster)->nic.goodput_Bps;
    double busy_ps = (double)transfer->bytes * heaviest / rate_Bps * (double)PS_PER_S;
    *duration_ps = (int64_t)busy_ps + transfer->rounds * transfer->round_latency_ps;
    return status_ok();
}

static bool is_before(const Completion *a, const Completion *b) {
    return a->end_ps < b->end_ps || (a->end_ps == b->end_ps && a->tag < b->tag);
}

static Status submit(Engine *engine, const Transfer *transfer) {
    CHECK(transfer->start_ps >= engine->now_ps, "transfer %lld comes late",
          (long long)transfer->tag);
    Completion done = {.tag = transfer->tag, .start_ps = transfer->start_ps};
    int32_t heaviest;
    TRY(alone_ps(engine, transfer, &done.alone_ps));
    TRY(walk(engine, transfer, bytes_of_step(engine, transfer->step), &heaviest));
    done.end_ps = done.start_ps + done.alone_ps;
    array_push(&engine->list, done);
    Completion *list = engine->list.at;
    int64_t i = engine->list.n - 1;
    for (; i > engine->ndone && is_before(&done, &list[i - 1]); i--) list[i] = list[i - 1];
    list[i] = done;
    return status_ok();
}

static int64_t nunfinished(const Engine *engine) { return engine->list.n - engine->ndone; }

static int64_t next_ps(const Engine *engine) {
    return nunfinished(engine) > 0 ? engine->list.at[engine->ndone].end_ps : TIME_NEVER_PS;
}

static int64_t now_ps(const Engine *engine) { return engine->now_ps; }

static void advance(Engine *engine, int64_t to_ps) {
    while (nunfinished(engine) > 0 && next_ps(engine) <= to_ps)
        engine->now_ps = engine->list.at[engine->ndone++].end_ps;
    if (to_ps < TIME_NEVER_PS) engine->now_ps = to_ps;
}

static int64_t drain(Engine *engine, Completion completions[], int64_t capacity) {
    int64_t n = engine->ndone < capacity ? engine->ndone : capacity;
    for (int64_t i = 0; i < n; i++) completions[i] = engine->list.at[i];
    for (int64_t i = n; i < engine->list.n; i++) engine->list.at[i - n] = engine->list.at[i];
    engine->list.n -= n;
    engine->ndone -= n;
    return n;
}

static void step_links(Engine *engine, int32_t step, LinkSink sink) {
    const int64_t *bytes = bytes_of_step(engine, step);
    for (LinkId link = 0; sink.put && link < cluster_nresources(engine->cluster); link++)
        if (bytes[link] > 0)
            sink.put(sink.context, step, &(LinkSample){.link = link, .bytes = bytes[link]}, 1);
}

static EngineSizes sizes(const Engine *engine) {
    (void)engine;
    return (EngineSizes){0};
}

const EngineOps THIRD_ENGINE = {
    .name = "third",
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .next_ps = next_ps,
    .now_ps = now_ps,
    .advance = advance,
    .drain = drain,
    .nunfinished = nunfinished,
    .alone_ps = alone_ps,
    .step_links = step_links,
    .step_clear = step_clear,
    .sizes = sizes,
};
