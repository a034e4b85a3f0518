// Law: what the flow engine says depends on the transfers alone. Random transfers (several edges,
// weights, queue pairs, rounds, starts that coincide, keys that repeat) end at the same picosecond,
// with the same totals per link and the same told of who cost them, whether the engine solves regions
// or everything, whatever the order of submission, the instants advanced to, or the sampling; and after
// every event all levels satisfy the definition. What jobs cost is all of a link's delay.
#include <stdlib.h>

#include "base/memory.h"
#include "base/units.h"
#include "claims.h"
#include "culprit_list.h"
#include "draws.h"
#include "engine/violation.h"
#include "link_list.h"
#include "race.h"

#ifndef NSCENES
#define NSCENES 20 // more in the slow variant
#endif

enum { HARD_SCENE = 320 }; ///< unlike transfers start on one route: their ceiling has to fit both
enum { NTRANSFERS = 160, EDGES_MAX = 6, NSTEPS = 3, NJOBS = 3, LINKS_MAX = 2000 };

typedef struct Scene {
    Cluster *cluster;
    Transfer transfer[NTRANSFERS];
    Edge edge[NTRANSFERS][EDGES_MAX];
    int64_t order[NTRANSFERS]; ///< by start
    uint64_t entity, draw;
} Scene;

static int64_t pick(Scene *scene, int64_t n) {
    return rng_below(12, RNG_TEST, scene->entity, scene->draw++, n);
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

static void draw_edges(Scene *scene, int64_t t, int64_t ngpus) {
    Transfer *transfer = &scene->transfer[t];
    transfer->edges =
        (EdgeSet){.nedges = 1 + pick(scene, EDGES_MAX), .edge = edge_at, .context = scene->edge[t]};
    for (int64_t e = 0; e < transfer->edges.nedges; e++) {
        GpuId src = pick(scene, ngpus);
        scene->edge[t][e] =
            (Edge){src, (src + 1 + pick(scene, ngpus - 1)) % ngpus, 1 + (int32_t)pick(scene, 3)};
        if (pick(scene, 20) == 0) scene->edge[t][e].weight += (int32_t)pick(scene, 40);
    }
    transfer->queue_pairs = 1 + (int32_t)pick(scene, 4);
    transfer->connection = (uint64_t)pick(scene, 4);
    transfer->queue_key = (uint64_t)(pick(scene, 2) * pick(scene, 12));
    if (pick(scene, 2)) transfer->edges.key = (uint64_t)t + 1;
}

static void draw_scene(Scene *scene, uint64_t entity) {
    *scene = (Scene){.entity = entity};
    ClusterSpec spec = race_spec(16);
    spec.nodes = 8;
    spec.gpus_per_node = spec.scale_up.gpus = 2;
    spec.tier[1].children = spec.installed = 4;
    spec.routing = (Routing)(entity % 4);
    spec.wiring = entity % 8 < 4 ? WIRING_PLAIN : WIRING_RAIL;
    if (entity % 3 == 0) {
        spec.nfaults = 1;
        spec.fault[0] =
            (LinkFaultSpec){.tier = 2, .lower = 1, .port = 2, .fraction = entity % 2 ? 0.5 : 0};
    }
    Status status = cluster_create(&spec, &scene->cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    for (int64_t t = 0; t < NTRANSFERS; t++) {
        Transfer *transfer = &scene->transfer[t];
        int64_t like = t > 0 && pick(scene, 3) == 0 ? pick(scene, t) : -1;
        if (like >= 0)
            *transfer = scene->transfer[like]; // a route used again, later or at the same time
        else
            draw_edges(scene, t, cluster_ngpus(scene->cluster));
        transfer->tag = 1000 - 3 * t;
        transfer->job = (int32_t)(t % NJOBS);
        transfer->step = (int32_t)pick(scene, entity % 4 > 0 ? NSTEPS : 1);
        transfer->bytes = pick(scene, 8) == 0 ? 0 : 1 + pick(scene, 1 << (10 + 2 * pick(scene, 6)));
        transfer->rounds = 1 + pick(scene, 3);
        transfer->round_latency_ps = pick(scene, 2) * pick(scene, 5000000);
        transfer->start_ps = pick(scene, 12) * pick(scene, 6) * 1000000;
    }
    for (int64_t i = 0; i < NTRANSFERS; i++) { // insertion sort by start, stable
        int64_t j = i;
        for (; j > 0 && scene->transfer[scene->order[j - 1]].start_ps > scene->transfer[i].start_ps;
             j--)
            scene->order[j] = scene->order[j - 1];
        scene->order[j] = i;
    }
}

typedef struct Outcome {
    Completion done[NTRANSFERS];
    int64_t ndone;
    LinkSample link[NSTEPS][LINKS_MAX];
    int64_t nlinks[NSTEPS];
    int64_t charged_ps[NSTEPS][LINKS_MAX][NJOBS]; ///< as link
    int64_t sampled_bytes[LINKS_MAX];             ///< over all intervals, by link
    int64_t nsampled[LINKS_MAX];                  ///< intervals in which a link had totals
} Outcome;

typedef enum Manner { ALL_AT_ONCE, BACKWARDS, JUST_IN_TIME } Manner;

static void submit(Flow *flow, const Transfer *transfer) {
    Status status = flow_submit(flow, transfer);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
}

static void advance_checked(Flow *flow, int64_t to_ps) {
    for (int64_t next; (next = flow_next_ps(flow)) <= to_ps && next < TIME_NEVER_PS;) {
        flow_advance(flow, next);
        assert_int_equal(flow_violation(flow), -1);
    }
    if (to_ps < TIME_NEVER_PS) flow_advance(flow, to_ps);
}

static void collect(Flow *flow, Outcome *outcome) {
    for (int64_t n; (n = flow_drain(flow, &outcome->done[outcome->ndone], 7)) > 0;)
        outcome->ndone += n;
}

/// Law: what jobs cost transfers on a link is what these lost there.
static void take_culprits(Flow *flow, int32_t step, Outcome *outcome) {
    CulpritList culprits = {.njobs = NJOBS};
    culprit_list_take(&culprits, &FLOW_ENGINE, flow, step);
    int64_t k = 0;
    for (int64_t i = 0; i < outcome->nlinks[step]; i++) {
        int64_t left_ps = outcome->link[step][i].delay_ps;
        if (k == culprits.rows.n || culprits.rows.at[k].link != outcome->link[step][i].link) {
            assert_int_equal(left_ps, 0);
            continue;
        }
        for (int32_t j = 0; j < NJOBS; j++) {
            outcome->charged_ps[step][i][j] = culprits.rows.at[k].delay_ps[j];
            assert_true(outcome->charged_ps[step][i][j] >= 0);
            left_ps -= outcome->charged_ps[step][i][j];
        }
        assert_int_equal(left_ps, 0);
        k++;
    }
    assert_int_equal(k, culprits.rows.n);
    array_free(&culprits.rows);
}

static void totals(Flow *flow, Outcome *outcome) {
    LinkList links = {0};
    for (int32_t step = 0; step < NSTEPS; step++) {
        flow_step_links(flow, step, link_list_sink(&links));
        link_list_sort(&links);
        outcome->nlinks[step] = links.n;
        for (int64_t i = 0; i < links.n; i++) outcome->link[step][i] = links.at[i].sample;
        array_clear(&links);
        take_culprits(flow, step, outcome);
        flow_step_clear(flow, step);
        flow_step_links(flow, step, link_list_sink(&links));
        assert_int_equal(links.n, 0);
    }
    array_free(&links);
}

/// Intervals come in the order of time, each link once.
static void take_intervals(LinkList *links, Outcome *outcome) {
    for (int64_t i = 0; i < links->n; i++) {
        if (i > 0) assert_true(links->at[i].index >= links->at[i - 1].index);
        outcome->sampled_bytes[links->at[i].sample.link] += links->at[i].sample.bytes;
        outcome->nsampled[links->at[i].sample.link]++;
    }
    link_list_sort(links);
    for (int64_t i = 1; i < links->n; i++)
        assert_true(link_entry_compare(&links->at[i - 1], &links->at[i]) < 0);
}

static int by_end_and_tag(const void *a, const void *b) {
    const Completion *x = a, *y = b;
    if (x->end_ps != y->end_ps) return x->end_ps < y->end_ps ? -1 : 1;
    return (x->tag > y->tag) - (x->tag < y->tag);
}

static void play(const Scene *scene, const EngineSpec *spec, FlowTuning tuning, Manner manner,
                 Outcome *outcome) {
    Flow *flow = flow_create(scene->cluster, spec);
    flow_tune(flow, tuning);
    LinkList intervals = {0};
    flow_sample_into(flow, link_list_sink(&intervals));
    *outcome = (Outcome){.ndone = 0};
    assert_true(cluster_nresources(scene->cluster) <= LINKS_MAX);
    for (int64_t i = 0; i < NTRANSFERS; i++) {
        if (manner == JUST_IN_TIME) {
            const Transfer *transfer = &scene->transfer[scene->order[i]];
            advance_checked(flow, transfer->start_ps);
            if (i % 3 == 0) collect(flow, outcome);
            submit(flow, transfer);
        } else {
            submit(flow, &scene->transfer[manner == BACKWARDS ? NTRANSFERS - 1 - i : i]);
        }
    }
    assert_true(flow_nunfinished(flow) > 0);
    if (manner == BACKWARDS)
        flow_advance(flow, TIME_NEVER_PS);
    else
        advance_checked(flow, TIME_NEVER_PS);
    assert_int_equal(flow_nunfinished(flow), 0);
    collect(flow, outcome);
    // What was drained before the rest of its instant was submitted stands before it.
    if (manner == JUST_IN_TIME)
        qsort(outcome->done, (size_t)outcome->ndone, sizeof *outcome->done, by_end_and_tag);
    if (spec->interval_ps > 0) flow_advance(flow, flow_now_ps(flow) + spec->interval_ps);
    totals(flow, outcome);
    take_intervals(&intervals, outcome);
    array_free(&intervals);
    flow_destroy(flow);
}

static void assert_same(const Outcome *a, const Outcome *b) {
    assert_int_equal(a->ndone, NTRANSFERS);
    assert_int_equal(b->ndone, NTRANSFERS);
    for (int64_t i = 0; i < NTRANSFERS; i++) {
        assert_int_equal(a->done[i].tag, b->done[i].tag);
        assert_int_equal(a->done[i].start_ps, b->done[i].start_ps);
        assert_int_equal(a->done[i].end_ps, b->done[i].end_ps);
        assert_int_equal(a->done[i].alone_ps, b->done[i].alone_ps);
    }
    for (int32_t step = 0; step < NSTEPS; step++) {
        assert_int_equal(a->nlinks[step], b->nlinks[step]);
        for (int64_t i = 0; i < a->nlinks[step]; i++) {
            assert_int_equal(a->link[step][i].link, b->link[step][i].link);
            assert_int_equal(a->link[step][i].bytes, b->link[step][i].bytes);
            assert_int_equal(a->link[step][i].delay_ps, b->link[step][i].delay_ps);
            assert_int_equal(a->link[step][i].congested_ps, b->link[step][i].congested_ps);
            for (int32_t j = 0; j < NJOBS; j++)
                assert_int_equal(a->charged_ps[step][i][j], b->charged_ps[step][i][j]);
        }
    }
}

/// Law: what transfers took longer than alone is what links say they lost, to 2 ps and 1 ps a second for each transfer,
/// and less than 1 ps for each link.
static void assert_delays_add_up(const Outcome *outcome) {
    int64_t late_ps = 0, told_ps = 0, slack_ps = 0;
    for (int64_t i = 0; i < outcome->ndone; i++) {
        const Completion *done = &outcome->done[i];
        late_ps += done->end_ps - done->start_ps - done->alone_ps;
        slack_ps += 2 + (done->end_ps - done->start_ps) / PS_PER_S;
    }
    for (int32_t step = 0; step < NSTEPS; step++)
        for (int64_t i = 0; i < outcome->nlinks[step]; i++) {
            told_ps += outcome->link[step][i].delay_ps;
            slack_ps++;
        }
    assert_true(late_ps > 100 * slack_ps);
    assert_true(llabs(told_ps - late_ps) <= slack_ps);
}

static void assert_sound(const Outcome *outcome) {
    assert_delays_add_up(outcome);
    for (int64_t i = 0; i < outcome->ndone; i++) {
        const Completion *done = &outcome->done[i];
        assert_true(done->end_ps - done->start_ps >= done->alone_ps);
        if (i > 0) assert_true(by_end_and_tag(done - 1, done) < 0);
    }
}

static void outcome_depends_on_the_transfers_alone(void **state) {
    (void)state;
    Scene *scene = memory_alloc("test", sizeof *scene);
    Outcome *first = memory_alloc("test", sizeof *first),
            *other = memory_alloc("test", sizeof *other);
    for (uint64_t n = 0; n <= NSCENES; n++) {
        uint64_t i = n < NSCENES ? n : HARD_SCENE;
        draw_scene(scene, i);
        EngineSpec spec = {.njobs = NJOBS,
                           .control_delay_ps = i % 3 == 1 ? 0 : (int64_t)(i % 3) * 1700000};
        FlowTuning tuning = {0};
        play(scene, &spec, tuning, ALL_AT_ONCE, first);
        assert_sound(first);
        play(scene, &spec, tuning, JUST_IN_TIME, other);
        assert_same(first, other);
        play(scene, &spec, tuning, BACKWARDS, other);
        assert_same(first, other);
        tuning.long_route_uses =
            1 + (int32_t)(i % 4) * 8; // ceilings on many, reviewed all the time
        tuning.review_moves = 1;
        play(scene, &spec, tuning, JUST_IN_TIME, other);
        assert_same(first, other);
        tuning.full_solve = true;
        play(scene, &spec, tuning, JUST_IN_TIME, other);
        assert_same(first, other);
        tuning.full_solve = false;
        spec.interval_ps = 777777;
        play(scene, &spec, tuning, JUST_IN_TIME, other);
        assert_same(first, other);
        cluster_destroy(scene->cluster);
    }
    memory_free("test", scene, sizeof *scene);
    memory_free("test", first, sizeof *first);
    memory_free("test", other, sizeof *other);
}

// Bytes of all edges over all their links, from routing alone; parts of 1/(12 * 16) byte cover 1 to
// 4 queue pairs.
static void bytes_are_conserved_on_every_link(void **state) {
    (void)state;
    enum { PARTS = 12 };
    Scene *scene = memory_alloc("test", sizeof *scene);
    Outcome *outcome = memory_alloc("test", sizeof *outcome);
    int64_t *parts = memory_alloc("test", LINKS_MAX * sizeof *parts);
    for (uint64_t i = 0; i < NSCENES; i++) {
        draw_scene(scene, i);
        play(scene,
             &(EngineSpec){.njobs = NJOBS, .control_delay_ps = 900000, .interval_ps = 333333},
             (FlowTuning){0}, JUST_IN_TIME, outcome);
        int64_t scale = PARTS * routing_unit_bytes(scene->cluster, 1);
        for (int64_t l = 0; l < LINKS_MAX; l++) parts[l] = 0;
        for (int64_t t = 0; t < NTRANSFERS; t++) {
            const Transfer *transfer = &scene->transfer[t];
            for (int64_t e = 0; e < transfer->edges.nedges; e++) {
                Edge edge = transfer->edges.edge(transfer->edges.context, e);
                LinkUse uses[ROUTE_USES_MAX];
                int32_t nuses;
                Status status =
                    routing_route(scene->cluster, edge.src, edge.dst, transfer->connection,
                                  transfer->queue_pairs, uses, &nuses);
                assert_true(status_is_ok(&status));
                int64_t unit = routing_unit_bytes(scene->cluster, transfer->queue_pairs);
                for (int32_t u = 0; u < nuses; u++)
                    parts[uses[u].link] +=
                        transfer->bytes * edge.weight * uses[u].weight * (scale / unit);
            }
        }
        // Each interval rounds a link down once per kind of queue pairs, 4 of them.
        for (int64_t l = 0; l < LINKS_MAX; l++)
            assert_in_range(parts[l] - outcome->sampled_bytes[l] * scale, 0,
                            outcome->nsampled[l] * 4 * scale);
        for (int32_t step = 0; step < NSTEPS; step++)
            for (int64_t k = 0; k < outcome->nlinks[step]; k++)
                parts[outcome->link[step][k].link] -= outcome->link[step][k].bytes * scale;
        // Each step rounds a link down once per kind of queue pairs, 4 of them.
        for (int64_t l = 0; l < LINKS_MAX; l++) assert_in_range(parts[l], 0, NSTEPS * 4 * scale);
        cluster_destroy(scene->cluster);
    }
    memory_free("test", scene, sizeof *scene);
    memory_free("test", outcome, sizeof *outcome);
    memory_free("test", parts, LINKS_MAX * sizeof *parts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcome_depends_on_the_transfers_alone),
        cmocka_unit_test(bytes_are_conserved_on_every_link),
    };
    return cmocka_run_group_tests_name("flow random", tests, NULL, NULL);
}
