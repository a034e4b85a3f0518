// Laws of collectives that are played round by round: alone they are what the flow engine has; what comes in between costs them
// what a wave of waiting members meets of it.
#include "engine/rounds/rounds.h"

#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "race.h"

enum { MEMBERS = 16, ROUNDS = 30, HOSTS = 128, EDGES_MOST = 2 * HOSTS, TRANSFERS_MOST = 80 };

static const int64_t ROUND_BYTES = 1000000, ROUND_PS = 20 * PS_PER_US, WAIT_PS = 3 * PS_PER_US;

typedef struct Scene {
    Cluster *cluster;
    Edge edge[TRANSFERS_MOST][EDGES_MOST];
    Transfer transfer[TRANSFERS_MOST];
    int32_t n;
} Scene;

typedef struct Outcome {
    Completion done[TRANSFERS_MOST]; ///< by tag
    int64_t bytes;                   ///< on all links
} Outcome;

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

static Transfer *add(Scene *scene, int32_t nedges, int64_t bytes, int64_t start_ps) {
    const int32_t i = scene->n++;
    scene->transfer[i] = (Transfer){.tag = i,
                                    .edges = {nedges, edge_at, scene->edge[i], 0},
                                    .queue_pairs = 1,
                                    .connection = (uint64_t)i,
                                    .bytes = bytes,
                                    .rounds = 1,
                                    .start_ps = start_ps};
    return &scene->transfer[i];
}

/// Over the first hosts; member m sends to m + 1.
static void add_ring(Scene *scene, int32_t weight, int64_t wait_ps) {
    Transfer *ring = add(scene, MEMBERS, ROUNDS * ROUND_BYTES, 0);
    ring->rounds = ROUNDS;
    ring->round_latency_ps = wait_ps;
    for (int32_t m = 0; m < MEMBERS; m++)
        scene->edge[ring->tag][m] = (Edge){.src = m, .dst = (m + 1) % MEMBERS, .weight = weight};
}

/// A message of a quarter of a round into the NIC of a member, from a host of its own, in the middle of a round of the ring.
static void add_message(Scene *scene, int32_t member, int32_t round, int64_t wait_ps) {
    const int64_t at_ps = round * (ROUND_PS + wait_ps) + 3 * ROUND_PS / 8;
    Transfer *message = add(scene, 1, ROUND_BYTES / 4, at_ps);
    scene->edge[message->tag][0] =
        (Edge){.src = HOSTS / 2 + message->tag, .dst = member, .weight = 1};
}

static void put_links(void *context, int64_t index, const LinkSample sample[], int64_t n) {
    (void)index;
    for (int64_t i = 0; i < n; i++) *(int64_t *)context += sample[i].bytes;
}

/// Hand over in this order or the other, and look every `stride_ps`, or when something happens.
static Outcome play(const Scene *scene, const EngineOps *ops, bool backwards, int64_t stride_ps) {
    Outcome outcome = {.bytes = 0};
    Engine *engine = ops->create(scene->cluster, &(EngineSpec){.njobs = 1});
    for (int32_t k = 0; k < scene->n; k++) {
        const Transfer *transfer = &scene->transfer[backwards ? scene->n - 1 - k : k];
        const Status status = ops->submit(engine, transfer);
        assert_true(status_is_ok(&status));
    }
    int64_t left = scene->n;
    for (int64_t at_ps = 0; left > 0;) {
        Completion done[TRANSFERS_MOST];
        at_ps = stride_ps > 0 ? at_ps + stride_ps : ops->next_ps(engine);
        assert_true(at_ps < TIME_NEVER_PS && ops->nunfinished(engine) == left);
        ops->advance(engine, at_ps);
        const int64_t n = ops->drain(engine, done, TRANSFERS_MOST);
        for (int64_t i = 0; i < n; i++) {
            outcome.done[done[i].tag] = done[i];
            assert_true(done[i].end_ps <= at_ps &&
                        (i == 0 || done[i].end_ps >= done[i - 1].end_ps));
            assert_true(done[i].end_ps - done[i].start_ps >= done[i].alone_ps);
        }
        left -= n;
    }
    ops->step_links(engine, 0, (LinkSink){.put = put_links, .context = &outcome.bytes});
    ops->destroy(engine);
    return outcome;
}

static double late_quarters(const Scene *scene, const EngineOps *ops) {
    const Completion ring = play(scene, ops, false, 0).done[0];
    return (double)(ring.end_ps - ring.start_ps - ring.alone_ps) / (double)(ROUND_PS / 4);
}

// Alone a ring takes in both engines what it takes on its links, by any weight, and carries the same bytes; so does a chain, whose
// first member waits for nobody, so that each of the others waits once.
static void alone_nothing_differs(void **state) {
    (void)state;
    for (int32_t weight = 1; weight < 4; weight++) {
        Scene scene = {.cluster = race_cluster(HOSTS)};
        add_ring(&scene, weight, WAIT_PS);
        const Outcome rounds = play(&scene, &ROUNDS_ENGINE, false, 0),
                      flow = play(&scene, &FLOW_ENGINE, false, 0);
        assert_close((double)rounds.done[0].end_ps, (double)flow.done[0].end_ps, ROUNDS);
        assert_int_equal(rounds.done[0].end_ps, ROUNDS * (weight * ROUND_PS + WAIT_PS));
        assert_int_equal(rounds.bytes, flow.bytes);
        scene.transfer[0].edges.nedges = MEMBERS - 1;
        const Outcome chain = play(&scene, &ROUNDS_ENGINE, false, 0);
        assert_int_equal(chain.done[0].end_ps,
                         ROUNDS * weight * ROUND_PS + (MEMBERS - 1) * WAIT_PS);
        cluster_destroy(scene.cluster);
    }
}

// A message of a quarter of a round costs the edge that it meets that quarter. Two in the way of one wave cost two: at the same
// member, or s members on s rounds later or more; where rounds wait for something between, that makes up for what is late by
// less at the same member, and s members on only s rounds later count. Two that no wave meets cost one, and to the flow engine two.
static void only_what_a_wave_meets_adds_up(void **state) {
    (void)state;
    static const struct {
        int32_t member, round, expected, waiting;
    } SECOND[] = {{3, 9, 2, 1}, {4, 6, 2, 2},  {7, 9, 2, 2}, {6, 10, 2, 1},
                  {7, 8, 1, 1}, {12, 9, 1, 1}, {2, 9, 1, 1}, {3, 21, 2, 2}};
    for (size_t k = 0; k < 2 * sizeof SECOND / sizeof *SECOND; k++) {
        Scene scene = {.cluster = race_cluster(HOSTS)};
        const int64_t wait_ps = k % 2 ? WAIT_PS : 0;
        const int32_t expected = k % 2 ? SECOND[k / 2].waiting : SECOND[k / 2].expected;
        add_ring(&scene, 1, wait_ps);
        add_message(&scene, 3, 5, wait_ps);
        assert_close(late_quarters(&scene, &ROUNDS_ENGINE), 1, 0.01);
        add_message(&scene, SECOND[k / 2].member, SECOND[k / 2].round, wait_ps);
        assert_close(late_quarters(&scene, &ROUNDS_ENGINE), expected, 0.01);
        assert_close(late_quarters(&scene, &FLOW_ENGINE), 2, 0.5);
        cluster_destroy(scene.cluster);
    }
}

// Among random messages a ring is never later than where each of them slows all of it, nor sooner than alone; whoever shares with
// it all the time, a second ring, slows it by half in both.
static void what_lasts_costs_the_same(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 20; number++) {
        Scene scene = {.cluster = race_cluster(HOSTS)};
        add_ring(&scene, 1, 0);
        for (uint64_t i = 0; i < 40; i++)
            add_message(&scene, (int32_t)rng_below(9, RNG_TEST, number, 2 * i, MEMBERS),
                        (int32_t)rng_below(9, RNG_TEST, number, 2 * i + 1, ROUNDS), 0);
        const double rounds = late_quarters(&scene, &ROUNDS_ENGINE),
                     flow = late_quarters(&scene, &FLOW_ENGINE);
        assert_true(rounds > 0 && rounds < 0.8 * flow);
        scene.n = 1;
        add_ring(&scene, 1, 0);
        assert_close(late_quarters(&scene, &ROUNDS_ENGINE), 4 * ROUNDS, 0.01);
        assert_close(late_quarters(&scene, &FLOW_ENGINE), 4 * ROUNDS, 0.01);
        cluster_destroy(scene.cluster);
    }
}

// Neither the order in which transfers are handed over nor the instants at which somebody looks matter.
static void nobody_sees_who_looks(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 10; number++) {
        Scene scene = {.cluster = race_cluster(HOSTS)};
        add_ring(&scene, 1 + number % 3, WAIT_PS);
        add_ring(&scene, 1, 0);
        for (uint64_t i = 0; i < 40; i++)
            add_message(&scene, (int32_t)rng_below(8, RNG_TEST, number, 2 * i, MEMBERS),
                        (int32_t)rng_below(8, RNG_TEST, number, 2 * i + 1, ROUNDS), WAIT_PS);
        const Outcome one = play(&scene, &ROUNDS_ENGINE, false, 0),
                      other = play(&scene, &ROUNDS_ENGINE, true, 777777);
        assert_memory_equal(one.done, other.done, (size_t)scene.n * sizeof *one.done);
        assert_int_equal(one.bytes, other.bytes);
        cluster_destroy(scene.cluster);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_nothing_differs),
        cmocka_unit_test(only_what_a_wave_meets_adds_up),
        cmocka_unit_test(what_lasts_costs_the_same),
        cmocka_unit_test(nobody_sees_who_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
