// Laws of who costs whom (engine.h): what jobs cost a transfer is all that it lost; itself it costs nothing; jobs that
// are taken together cost what they cost apart; of equal transfers each costs each other the time it takes alone; jobs
// that share no link cost each other nothing.
#include "base/memory.h"
#include "base/units.h"
#include "claims.h"
#include "culprit_list.h"
#include "draws.h"
#include "race.h"

enum { NSCENES = 60, NTRANSFERS = 30, NODES = 8, EDGES_MAX = 4, STEPS_MAX = NTRANSFERS };
enum { PS_A_BYTE = 20, MB = 1000000 };

typedef struct Draw {
    uint64_t entity, n;
} Draw;

static int64_t pick(Draw *draw, int64_t n) {
    return rng_below(57, RNG_TEST, draw->entity, draw->n++, n);
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

static Transfer message(const Edge *edge, int32_t job, int64_t tag, int64_t bytes) {
    return (Transfer){.tag = tag,
                      .edges = {.nedges = 1, .edge = edge_at, .context = edge},
                      .job = job,
                      .step = job,
                      .queue_pairs = 1,
                      .bytes = bytes,
                      .rounds = 1};
}

/// What a run says: late_ps[step] actual less alone, cost_ps[step][job].
typedef struct Outcome {
    int64_t late_ps[STEPS_MAX];
    int64_t cost_ps[STEPS_MAX][ENGINE_JOBS_MAX];
    int64_t nlinks; ///< that told: each is rounded once for each job
} Outcome;

static void take_outcome(Flow *flow, int32_t njobs, Outcome *outcome) {
    CulpritList list = {.njobs = njobs};
    for (int32_t step = 0; step < STEPS_MAX; step++) {
        culprit_list_take(&list, &FLOW_ENGINE, flow, step);
        outcome->nlinks += list.rows.n;
        for (int64_t i = 0; i < list.rows.n; i++)
            for (int32_t j = 0; j < njobs; j++)
                outcome->cost_ps[step][j] += list.rows.at[i].delay_ps[j];
    }
    array_free(&list.rows);
}

static Outcome play(const Cluster *cluster, EngineSpec spec, const Transfer transfer[], int64_t n) {
    Outcome outcome = {.nlinks = 0};
    Flow *flow = flow_create(cluster, &spec);
    for (int64_t t = 0; t < n; t++) {
        Status status = flow_submit(flow, &transfer[t]);
        if (!status_is_ok(&status)) fail_msg("%s", status.text);
    }
    flow_advance(flow, TIME_NEVER_PS);
    Completion done;
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(flow_drain(flow, &done, 1), 1);
        int64_t t = 0;
        while (transfer[t].tag != done.tag) t++;
        outcome.late_ps[transfer[t].step] += done.end_ps - done.start_ps - done.alone_ps;
    }
    take_outcome(flow, spec.njobs, &outcome);
    flow_destroy(flow);
    return outcome;
}

typedef struct Scene {
    Cluster *cluster;
    EngineSpec spec;
    Edge edge[NTRANSFERS][EDGES_MAX];
    Transfer transfer[NTRANSFERS]; ///< each a job and a step of its own
} Scene;

static void draw_scene(uint64_t entity, Scene *scene) {
    Draw draw = {.entity = entity};
    ClusterSpec spec = race_spec(16);
    spec.nodes = NODES;
    spec.gpus_per_node = spec.scale_up.gpus = 2;
    spec.tier[1].children = spec.installed = 4;
    spec.routing = (Routing)(entity % 4);
    Status status = cluster_create(&spec, &scene->cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    scene->spec = (EngineSpec){.njobs = NTRANSFERS,
                               .control_delay_ps = pick(&draw, 2) * 3 * PS_PER_US,
                               .interval_ps = pick(&draw, 2) * 7 * PS_PER_US};
    for (int32_t t = 0; t < NTRANSFERS; t++) {
        int64_t nedges = 1 + pick(&draw, EDGES_MAX);
        for (int64_t e = 0; e < nedges; e++) {
            GpuId src = pick(&draw, 2 * NODES);
            scene->edge[t][e] = (Edge){src, (src + 1 + pick(&draw, 2 * NODES - 1)) % (2 * NODES),
                                       1 + (int32_t)pick(&draw, 3)};
        }
        scene->transfer[t] = message(scene->edge[t], t, t, 1 + pick(&draw, 3 * MB));
        scene->transfer[t].edges.nedges = nedges;
        scene->transfer[t].queue_pairs = 1 + (int32_t)pick(&draw, 3);
        scene->transfer[t].start_ps = pick(&draw, 3) * pick(&draw, 40) * PS_PER_US;
    }
}

// What each transfer took longer than alone is what the others cost it, and it costs itself nothing.
static void what_a_transfer_lost_others_cost_it(void **state) {
    (void)state;
    static Scene scene;
    int64_t slowed = 0;
    for (uint64_t s = 0; s < NSCENES; s++) {
        draw_scene(s, &scene);
        Outcome outcome = play(scene.cluster, scene.spec, scene.transfer, NTRANSFERS);
        for (int32_t t = 0; t < NTRANSFERS; t++) {
            int64_t left_ps = outcome.late_ps[t];
            for (int32_t j = 0; j < NTRANSFERS; j++) left_ps -= outcome.cost_ps[t][j];
            assert_true(llabs(left_ps) <= 2 + outcome.nlinks);
            assert_int_equal(outcome.cost_ps[t][t], 0);
            slowed += outcome.late_ps[t] > 0;
        }
        cluster_destroy(scene.cluster);
    }
    assert_true(slowed > NSCENES * NTRANSFERS / 2);
}

// Transfers dealt to few jobs at random: a job costs what its transfers cost, and loses what they lose, so that it
// costs itself what they cost each other. Who has everything, has all of the loss.
static void jobs_cost_what_their_transfers_cost(void **state) {
    (void)state;
    static Scene scene;
    for (uint64_t s = 0; s < NSCENES; s++) {
        draw_scene(s, &scene);
        Outcome apart = play(scene.cluster, scene.spec, scene.transfer, NTRANSFERS);
        Draw draw = {.entity = NSCENES + s};
        const int32_t njobs = 2 + (int32_t)pick(&draw, 3);
        int64_t sum_ps[4][4] = {{0}};
        for (int32_t t = 0; t < NTRANSFERS; t++)
            scene.transfer[t].job = scene.transfer[t].step =
                s % 6 == 0 ? njobs - 1 : (int32_t)pick(&draw, njobs);
        for (int32_t t = 0; t < NTRANSFERS; t++)
            for (int32_t j = 0; j < NTRANSFERS; j++)
                sum_ps[scene.transfer[t].job][scene.transfer[j].job] += apart.cost_ps[t][j];
        scene.spec.njobs = njobs;
        Outcome together = play(scene.cluster, scene.spec, scene.transfer, NTRANSFERS);
        for (int32_t a = 0; a < njobs; a++)
            for (int32_t b = 0; b < njobs; b++) {
                assert_true(llabs(together.cost_ps[a][b] - sum_ps[a][b]) <= apart.nlinks);
                if (s % 6 == 0 && b < njobs - 1) assert_int_equal(together.cost_ps[a][b], 0);
            }
        cluster_destroy(scene.cluster);
    }
}

// n + m equal messages into one NIC end together after n + m times their time alone: each costs each other that time.
// It is what they take less where the others are not there.
static void equal_transfers_cost_each_other_alike(void **state) {
    (void)state;
    enum { HOSTS = 16, BYTES = 55440 };
    const int64_t alone_ps = (int64_t)BYTES * PS_A_BYTE;
    Cluster *cluster = race_cluster(HOSTS);
    for (uint64_t s = 0; s < NSCENES; s++) {
        Draw draw = {.entity = 2 * NSCENES + s};
        Edge edge[HOSTS];
        Transfer transfer[HOSTS];
        int64_t n = 1 + pick(&draw, HOSTS - 2), size[2] = {0};
        for (int32_t t = 0; t < n; t++) {
            edge[t] = (Edge){t + 1, 0, 1};
            int32_t job = (int32_t)pick(&draw, 2);
            size[job]++;
            transfer[t] = message(&edge[t], job, t, BYTES);
        }
        Outcome outcome = play(cluster, (EngineSpec){.njobs = 2}, transfer, n);
        for (int32_t a = 0; a < 2; a++) {
            const int32_t b = 1 - a;
            assert_close((double)outcome.cost_ps[a][b], (double)(size[0] * size[1] * alone_ps),
                         (double)n);
            assert_close((double)outcome.cost_ps[a][a],
                         (double)(size[a] * (size[a] - 1) * alone_ps), (double)n);
            Transfer own[HOSTS];
            int64_t nown = 0;
            for (int64_t t = 0; t < n; t++)
                if (transfer[t].job == a) own[nown++] = transfer[t];
            Outcome without = play(cluster, (EngineSpec){.njobs = 2}, own, nown);
            assert_close((double)(outcome.late_ps[a] - without.late_ps[a]),
                         (double)outcome.cost_ps[a][b], (double)(2 * n));
        }
    }
    cluster_destroy(cluster);
}

// Into host 0: a message of job 0, one of job 1, and one of job 2 from a host that three messages of job 3 leave too, so
// that it has a quarter of a link and the first two have three eighths each. All end together. Who is held costs those
// beside it in proportion to what it has, where they are held; the slow one is held elsewhere, and not by them.
static void they_cost_in_proportion_to_their_rates(void **state) {
    (void)state;
    enum { NMESSAGES = 6, UNIT = 480000 }; // an eighth of a link
    static const Edge edge[NMESSAGES] = {{1, 0, 1}, {2, 0, 1}, {3, 0, 1},
                                         {3, 4, 1}, {3, 5, 1}, {3, 6, 1}};
    static const int32_t job[NMESSAGES] = {0, 1, 2, 3, 3, 3},
                         eighths[NMESSAGES] = {3, 3, 2, 2, 2, 2};
    static const int64_t wanted[4][4] = {{0, 3, 2, 0}, {3, 0, 2, 0}, {0, 0, 0, 6}, {0, 0, 6, 12}};
    Cluster *cluster = race_cluster(16);
    Transfer transfer[NMESSAGES];
    for (int32_t t = 0; t < NMESSAGES; t++)
        transfer[t] = message(&edge[t], job[t], t, (int64_t)eighths[t] * UNIT);
    Outcome outcome = play(cluster, (EngineSpec){.njobs = 4}, transfer, NMESSAGES);
    for (int32_t a = 0; a < 4; a++)
        for (int32_t b = 0; b < 4; b++)
            assert_close((double)outcome.cost_ps[a][b], (double)(wanted[a][b] * UNIT * PS_A_BYTE),
                         2);
    cluster_destroy(cluster);
}

// A message of job 0 shares a link with one of job 1, and from the moment that this ends with one of job 2: its own rate
// never changes, but who costs it does. An ended one costs others as long as they feel it.
static void who_costs_changes_though_no_rate_does(void **state) {
    (void)state;
    static const Edge edge[3] = {{1, 0, 1}, {2, 0, 1}, {3, 0, 1}};
    Cluster *cluster = race_cluster(16);
    const int64_t half_ps =
        (int64_t)MB * PS_A_BYTE; // what a message of 1 MB loses at half of the rate
    for (int64_t delay_ps = 0; delay_ps <= 10 * PS_PER_US; delay_ps += 5 * PS_PER_US) {
        Transfer transfer[3] = {message(&edge[0], 0, 0, 4 * MB), message(&edge[1], 1, 1, MB),
                                message(&edge[2], 2, 2, MB)};
        transfer[2].start_ps = 2 * half_ps + delay_ps;
        Outcome outcome =
            play(cluster, (EngineSpec){.njobs = 3, .control_delay_ps = delay_ps}, transfer, 3);
        assert_int_equal(outcome.cost_ps[0][0], 0);
        assert_close((double)outcome.cost_ps[0][1], (double)(half_ps + delay_ps / 2), 2);
        assert_close((double)outcome.cost_ps[0][2], (double)(half_ps + delay_ps / 2), 2);
        assert_close((double)outcome.cost_ps[1][0], (double)half_ps, 2);
        assert_close((double)outcome.cost_ps[2][0], (double)half_ps, 2);
        assert_int_equal(outcome.cost_ps[1][2] + outcome.cost_ps[2][1], 0);
    }
    cluster_destroy(cluster);
}

// Two jobs, each under a leaf of its own.
static void jobs_that_share_no_link_cost_each_other_nothing(void **state) {
    (void)state;
    Cluster *cluster = race_cluster(16);
    for (uint64_t s = 0; s < NSCENES; s++) {
        Draw draw = {.entity = 3 * NSCENES + s};
        Edge edge[NTRANSFERS];
        Transfer transfer[NTRANSFERS];
        for (int32_t t = 0; t < NTRANSFERS; t++) {
            const int32_t job = t % 2;
            GpuId src = pick(&draw, 4);
            edge[t] = (Edge){4 * job + src, 4 * job + (src + 1 + pick(&draw, 3)) % 4, 1};
            transfer[t] = message(&edge[t], job, t, 1 + pick(&draw, MB));
        }
        Outcome outcome = play(cluster, (EngineSpec){.njobs = 2, .control_delay_ps = PS_PER_US},
                               transfer, NTRANSFERS);
        for (int32_t job = 0; job < 2; job++) {
            assert_int_equal(outcome.cost_ps[job][1 - job], 0);
            assert_true(outcome.cost_ps[job][job] > 0);
        }
    }
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_transfer_lost_others_cost_it),
        cmocka_unit_test(jobs_cost_what_their_transfers_cost),
        cmocka_unit_test(equal_transfers_cost_each_other_alike),
        cmocka_unit_test(they_cost_in_proportion_to_their_rates),
        cmocka_unit_test(who_costs_changes_though_no_rate_does),
        cmocka_unit_test(jobs_that_share_no_link_cost_each_other_nothing),
    };
    return cmocka_run_group_tests_name("culprits", tests, NULL, NULL);
}
