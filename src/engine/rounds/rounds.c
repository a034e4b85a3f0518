#include "engine/rounds/rounds.h"

#include "base/array.h"
#include "base/check.h"
#include "base/heap.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/units.h"
#include "base/wide.h"
#include "engine/finished.h"
#include "engine/flow/flow.h"

#define LABEL "rounds"

typedef struct RoundsEdge {
    Edge edge;          ///< with weight 1
    int32_t weight;     ///< of the transfer's bytes
    int32_t from, to;   ///< members
    int32_t next_out;   ///< of the same member, -1 ends
    int32_t next_in;    ///< to the same member
    int64_t sent, come; ///< rounds: the last that was sent is under way until it has come
} RoundsEdge;

/// A GPU of a transfer.
typedef struct RoundsMember {
    int32_t first_out, first_in; ///< edges
    int32_t missing;             ///< of those that lead to it, without round `done`
    int64_t done;                ///< rounds that have come on all of them
    int64_t released;            ///< rounds that it may send
} RoundsMember;

/// A transfer that is played round by round.
typedef struct RoundsPlay {
    Transfer transfer; ///< but for its edges
    int64_t alone_ps;
    int64_t left; ///< edges whose last round has not come
    RoundsEdge *edge;
    RoundsMember *member;
    int32_t nmembers;
} RoundsPlay;

struct Engine {
    Engine *flow; ///< of FLOW_ENGINE, which has a struct of its own
    int64_t ngpus;
    int32_t *member_of; ///< [ngpus] while a transfer is taken apart; -1
    ARRAY_OF(RoundsPlay) play;
    ARRAY_OF(int64_t) free_play;
    Heap releases; ///< members that may send one round more: play_member()
    ARRAY_OF(Completion) ending;
    ARRAY_OF(int64_t) free_ending;
    Heap ends; ///< of `ending`, by end and tag
    Finished done;
    int64_t nunfinished;
};

static Engine *create(const Cluster *cluster, const EngineSpec *spec) {
    Engine *engine = memory_alloc(LABEL, sizeof *engine);
    engine->flow = FLOW_ENGINE.create(cluster, spec);
    engine->ngpus = cluster_ngpus(cluster);
    engine->member_of = memory_alloc(LABEL, (size_t)engine->ngpus * sizeof *engine->member_of);
    for (int64_t gpu = 0; gpu < engine->ngpus; gpu++) engine->member_of[gpu] = -1;
    return engine;
}

static void forget_play(RoundsPlay *play) {
    memory_free(LABEL, play->edge, (size_t)play->transfer.edges.nedges * sizeof *play->edge);
    memory_free(LABEL, play->member, (size_t)play->nmembers * sizeof *play->member);
    *play = (RoundsPlay){0};
}

static void destroy(Engine *engine) {
    if (!engine) return;
    FLOW_ENGINE.destroy(engine->flow);
    for (int64_t p = 0; p < engine->play.n; p++) forget_play(&engine->play.at[p]);
    memory_free(LABEL, engine->member_of, (size_t)engine->ngpus * sizeof *engine->member_of);
    array_free(&engine->play);
    array_free(&engine->free_play);
    array_free(&engine->ending);
    array_free(&engine->free_ending);
    array_free(&engine->done.list);
    heap_free(&engine->releases);
    heap_free(&engine->ends);
    memory_free(LABEL, engine, sizeof *engine);
}

// Ends.

static void add_end(Engine *engine, Completion completion) {
    int64_t index = engine->ending.n;
    if (engine->free_ending.n > 0)
        index = engine->free_ending.at[--engine->free_ending.n];
    else
        array_resize(&engine->ending, index + 1);
    engine->ending.at[index] = completion;
    heap_push(&engine->ends,
              (HeapItem){completion.end_ps, (uint64_t)completion.tag ^ (UINT64_C(1) << 63), index});
}

static void tell_ends(Engine *engine, int64_t now_ps) {
    while (heap_next_ps(&engine->ends) <= now_ps) {
        const int64_t index = heap_pop(&engine->ends).item;
        array_push(&engine->done.list, engine->ending.at[index]);
        array_push(&engine->free_ending, index);
        engine->nunfinished--;
    }
}

// One round of one edge, as a transfer of the flow engine: its tag says which.

static int64_t part_tag(int64_t play, int32_t edge) { return INT64_MIN + (play << 32 | edge); }
static int64_t tag_play(int64_t tag) { return (tag - INT64_MIN) >> 32; }
static int32_t tag_edge(int64_t tag) { return (int32_t)((tag - INT64_MIN) & INT32_MAX); }

static Edge the_edge(const void *context, int64_t i) {
    (void)i;
    return *(const Edge *)context;
}

/// Its rounds are one queue, and use the same route.
static Transfer round_of(const Engine *engine, int64_t p, int32_t k, int64_t start_ps) {
    const RoundsPlay *play = &engine->play.at[p];
    const RoundsEdge *edge = &play->edge[k];
    const uint64_t key = play->transfer.edges.key, number = (uint64_t)k;
    uint64_t queue = play->transfer.queue_key;
    if (queue == 0) queue = key != 0 ? key : rng_mix((uint64_t)play->transfer.tag, 1);
    Transfer part = play->transfer;
    part.tag = part_tag(p, k);
    part.edges = (EdgeSet){1, the_edge, &edge->edge, key != 0 ? rng_mix(key, number) : 0};
    part.queue_key = rng_mix(queue, number);
    part.bytes = wide_part(play->transfer.bytes * edge->weight, edge->sent, part.rounds);
    part.rounds = 1;
    part.round_latency_ps = 0;
    part.start_ps = start_ps;
    return part;
}

/// Send the next round of an edge, if it may go and the one before has come.
static Status send_round(Engine *engine, int64_t p, int32_t k, int64_t start_ps) {
    const RoundsPlay *play = &engine->play.at[p];
    RoundsEdge *edge = &play->edge[k];
    if (edge->sent > edge->come || edge->sent >= play->member[edge->from].released)
        return status_ok();
    const Transfer part = round_of(engine, p, k, start_ps);
    TRY(FLOW_ENGINE.submit(engine->flow, &part));
    edge->sent++;
    return status_ok();
}

/// All parts have the routes of the first, which were found.
static void go_on(Engine *engine, int64_t p, int32_t k, int64_t now_ps) {
    const Status status = send_round(engine, p, k, now_ps);
    CHECK(status_is_ok(&status), "%s", status.text);
}

// What has come.

static int64_t play_member(int64_t play, int32_t member) { return play << 32 | member; }

/// A member's rounds up to `done` have come, so it may send the next: some time later.
static void await_next(Engine *engine, int64_t p, int32_t m, int64_t now_ps) {
    const RoundsPlay *play = &engine->play.at[p];
    RoundsMember *member = &play->member[m];
    while (member->missing == 0 && member->done < play->transfer.rounds) {
        member->done++;
        for (int32_t k = member->first_in; k >= 0; k = play->edge[k].next_in)
            member->missing += play->edge[k].come <= member->done;
        if (member->done == play->transfer.rounds || member->first_out < 0) continue;
        heap_push(&engine->releases,
                  (HeapItem){now_ps + play->transfer.round_latency_ps, 0, play_member(p, m)});
    }
}

static void end_play(Engine *engine, int64_t p, int64_t now_ps) {
    RoundsPlay *play = &engine->play.at[p];
    const Transfer *transfer = &play->transfer;
    const int64_t end_ps = now_ps + transfer->round_latency_ps,
                  took_ps = end_ps - transfer->start_ps;
    add_end(engine, (Completion){.tag = transfer->tag,
                                 .start_ps = transfer->start_ps,
                                 .end_ps = end_ps,
                                 .alone_ps = play->alone_ps < took_ps ? play->alone_ps : took_ps});
    forget_play(play);
    array_push(&engine->free_play, p);
}

static void come(Engine *engine, int64_t p, int32_t k, int64_t now_ps) {
    RoundsPlay *play = &engine->play.at[p];
    RoundsEdge *edge = &play->edge[k];
    RoundsMember *to = &play->member[edge->to];
    if (edge->come++ == to->done) to->missing--;
    await_next(engine, p, edge->to, now_ps);
    if (edge->come < play->transfer.rounds)
        go_on(engine, p, k, now_ps);
    else if (--play->left == 0)
        end_play(engine, p, now_ps);
}

static void release_due(Engine *engine, int64_t now_ps) {
    while (heap_next_ps(&engine->releases) <= now_ps) {
        const int64_t item = heap_pop(&engine->releases).item, p = item >> 32;
        const RoundsPlay *play = &engine->play.at[p];
        RoundsMember *member = &play->member[item & INT32_MAX];
        member->released++;
        for (int32_t k = member->first_out; k >= 0; k = play->edge[k].next_out)
            go_on(engine, p, k, now_ps);
    }
}

static void take_done(Engine *engine) {
    enum { AT_ONCE = 64 };
    Completion done[AT_ONCE];
    for (int64_t n = AT_ONCE; n == AT_ONCE;) {
        n = FLOW_ENGINE.drain(engine->flow, done, AT_ONCE);
        for (int64_t i = 0; i < n; i++) {
            if (done[i].tag >= 0)
                add_end(engine, done[i]);
            else
                come(engine, tag_play(done[i].tag), tag_edge(done[i].tag), done[i].end_ps);
        }
    }
}

// Taking a transfer apart.

static int32_t member_of(Engine *engine, RoundsPlay *play, GpuId gpu) {
    if (engine->member_of[gpu] < 0) {
        engine->member_of[gpu] = play->nmembers;
        play->member[play->nmembers++] =
            (RoundsMember){.first_out = -1, .first_in = -1, .released = 1};
    }
    return engine->member_of[gpu];
}

static void take_edge(Engine *engine, RoundsPlay *play, const EdgeSet *edges, int32_t k) {
    RoundsEdge *edge = &play->edge[k];
    edge->edge = edges->edge(edges->context, k);
    edge->weight = edge->edge.weight;
    edge->edge.weight = 1;
    edge->from = member_of(engine, play, edge->edge.src);
    edge->to = member_of(engine, play, edge->edge.dst);
    RoundsMember *from = &play->member[edge->from], *to = &play->member[edge->to];
    edge->next_out = from->first_out;
    from->first_out = k;
    edge->next_in = to->first_in;
    to->first_in = k;
    to->missing++;
}

static RoundsPlay take_apart(Engine *engine, const Transfer *transfer, int64_t alone_ps) {
    const int64_t n = transfer->edges.nedges;
    RoundsPlay play = {.transfer = *transfer, .alone_ps = alone_ps, .left = n};
    play.edge = memory_alloc(LABEL, (size_t)n * sizeof *play.edge);
    play.member = memory_alloc(LABEL, 2 * (size_t)n * sizeof *play.member);
    for (int32_t k = 0; k < n; k++) take_edge(engine, &play, &transfer->edges, k);
    for (int32_t k = 0; k < n; k++)
        engine->member_of[play.edge[k].edge.src] = engine->member_of[play.edge[k].edge.dst] = -1;
    play.member = memory_resize(LABEL, play.member, 2 * (size_t)n * sizeof *play.member,
                                (size_t)play.nmembers * sizeof *play.member);
    for (int32_t m = 0; m < play.nmembers; m++)
        if (play.member[m].first_in < 0) play.member[m].released = transfer->rounds;
    return play;
}

static Status begin_rounds(Engine *engine, const Transfer *transfer) {
    int64_t alone_ps;
    REQUIRE(transfer->edges.nedges < INT32_MAX, STATUS_RANGE,
            "%lld edges of a collective are too many to be played round by round",
            (long long)transfer->edges.nedges);
    TRY(FLOW_ENGINE.alone_ps(engine->flow, transfer, &alone_ps));
    int64_t p = engine->play.n;
    if (engine->free_play.n > 0)
        p = engine->free_play.at[--engine->free_play.n];
    else
        array_resize(&engine->play, p + 1);
    engine->play.at[p] = take_apart(engine, transfer, alone_ps);
    for (int32_t k = 0; k < transfer->edges.nedges; k++)
        TRY(send_round(engine, p, k, transfer->start_ps));
    return status_ok();
}

static Status submit(Engine *engine, const Transfer *transfer) {
    CHECK(transfer->tag >= 0, "tag %lld", (long long)transfer->tag);
    if (transfer->rounds > 1 && transfer->bytes > 0 && transfer->edges.nedges > 1)
        TRY(begin_rounds(engine, transfer));
    else
        TRY(FLOW_ENGINE.submit(engine->flow, transfer));
    engine->nunfinished++;
    return status_ok();
}

// Time.

static int64_t next_ps(const Engine *engine) {
    int64_t next = FLOW_ENGINE.next_ps(engine->flow);
    if (heap_next_ps(&engine->releases) < next) next = heap_next_ps(&engine->releases);
    if (heap_next_ps(&engine->ends) < next) next = heap_next_ps(&engine->ends);
    return next;
}

static void advance(Engine *engine, int64_t to_ps) {
    for (int64_t next = next_ps(engine); next <= to_ps && next < TIME_NEVER_PS;
         next = next_ps(engine)) {
        FLOW_ENGINE.advance(engine->flow, next);
        take_done(engine);
        release_due(engine, next);
        tell_ends(engine, next);
    }
    if (to_ps < TIME_NEVER_PS) FLOW_ENGINE.advance(engine->flow, to_ps);
}

static int64_t now_ps(const Engine *engine) { return FLOW_ENGINE.now_ps(engine->flow); }

static int64_t drain(Engine *engine, Completion completions[], int64_t capacity) {
    return finished_drain(&engine->done, completions, capacity);
}

static int64_t nunfinished(const Engine *engine) { return engine->nunfinished; }

// What the flow engine does alone.

static Status alone(Engine *engine, const Transfer *transfer, int64_t *duration_ps) {
    return FLOW_ENGINE.alone_ps(engine->flow, transfer, duration_ps);
}

static void step_links(Engine *engine, int32_t step, LinkSink sink) {
    FLOW_ENGINE.step_links(engine->flow, step, sink);
}

static void step_clear(Engine *engine, int32_t step) { FLOW_ENGINE.step_clear(engine->flow, step); }

static void step_culprits(const Engine *engine, int32_t step, CulpritSink sink) {
    FLOW_ENGINE.step_culprits(engine->flow, step, sink);
}

static void sample_into(Engine *engine, LinkSink sink) {
    FLOW_ENGINE.sample_into(engine->flow, sink);
}

static void restart_intervals(Engine *engine) { FLOW_ENGINE.restart_intervals(engine->flow); }

static EngineSizes sizes(const Engine *engine) { return FLOW_ENGINE.sizes(engine->flow); }

const EngineOps ROUNDS_ENGINE = {
    .name = ROUNDS_ENGINE_NAME,
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .next_ps = next_ps,
    .now_ps = now_ps,
    .advance = advance,
    .drain = drain,
    .nunfinished = nunfinished,
    .alone_ps = alone,
    .step_links = step_links,
    .step_clear = step_clear,
    .step_culprits = step_culprits,
    .sample_into = sample_into,
    .restart_intervals = restart_intervals,
    .sizes = sizes,
};
