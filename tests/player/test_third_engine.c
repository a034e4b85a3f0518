// The proof of the waist: an engine written against its header alone plays every kind of job.
#include <stdlib.h>
#include <string.h>

#include "par_assert.h"

#include "app/play.h"
#include "base/memory.h"
#include "base/units.h"
#include "draws.h"
#include "player/drawn_operations.h"
#include "player/small_run.h"
#include "player/third_engine.h"

enum { TEXT_BYTES = 1 << 14 };

/// Play a whole run: what its table says on rank 0, fingerprints, times and busiest links; "" on the others.
static char *run_text(const RunSpec *run, Comm *comm) {
    char *text = memory_alloc("test.text", TEXT_BYTES);
    FILE *out = fmemopen(text, TEXT_BYTES, "w");
    Status status = driver_run(run, comm, &(DriverOptions){.table = out});
    fclose(out);
    if (!status_is_ok(&status)) print_error("%s\n", status.text);
    assert_all_ranks(comm, status_is_ok(&status));
    return text;
}

/// Law: all ranks together play a run as one rank does, whichever player is asked for.
static void assert_as_alone(Comm *comm, RunSpec *run) {
    static const PlayerChoice PLAYERS[] = {PLAYER_EVENT, PLAYER_ISLAND, PLAYER_BY_COST};
    Comm *self = comm_create_self();
    char *alone = run_text(run, self);
    assert_all_ranks(comm, strstr(alone, "tier") != NULL);
    for (int i = 0; i < 3; i++) {
        run->player = PLAYERS[i];
        char *together = run_text(run, comm);
        assert_all_ranks(comm, comm_rank(comm) > 0 || strcmp(together, alone) == 0);
        memory_free("test.text", together, TEXT_BYTES);
    }
    memory_free("test.text", alone, TEXT_BYTES);
    comm_destroy(self);
}

static void it_plays_training(void **state) {
    Comm *comm = *state;
    static const struct {
        int32_t pp, dp, chunks, microbatches;
        Schedule schedule;
        Routing routing;
    } CASES[] = {
        {1, 8, 1, 2, SCHEDULE_NONE, ROUTING_ECMP},
        {4, 4, 1, 8, SCHEDULE_1F1B, ROUTING_ADAPTIVE},
        {2, 5, 4, 4, SCHEDULE_INTERLEAVED, ROUTING_SPRAY},
        {4, 3, 1, 4, SCHEDULE_GPIPE, ROUTING_DMODK},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RunSpec run;
        small_run_init(&run, 9, CASES[i].pp, CASES[i].dp, CASES[i].schedule, CASES[i].chunks,
                       CASES[i].microbatches);
        run.cluster.routing = CASES[i].routing;
        run.trace.intervals = 40;
        run.engine = &THIRD_ENGINE;
        assert_as_alone(comm, &run);
        small_run_fini(&run);
    }
}

/// Any pattern among the first 24 GPUs.
static void make_traffic(RunSpec *run, JobSpec *job, TrafficPattern pattern) {
    static char table[DRAWN_BYTES];
    if (pattern == TRAFFIC_OPERATIONS)
        drawn_operations(5, DRAWN_RANKS, true, false, table);
    else
        strcpy(table, "source,destination,bytes,start\n0,5,1 MiB,0 us\n7,3,9 MB,2 us\n");
    run->source[0] =
        (SourceText){.path = "table.csv", .text = table, .bytes = (int64_t)strlen(table)};
    run->nsources = 1;
    job->kind = JOB_TRAFFIC;
    job->traffic = (TrafficSpec){.pattern = pattern,
                                 .ranks = pattern == TRAFFIC_OPERATIONS ? DRAWN_RANKS : 24,
                                 .bytes = 1000000,
                                 .fan_in = 5,
                                 .seed = 3,
                                 .queue_pairs = 2,
                                 .file = "table.csv"};
    job->collective = (CollectiveSpec){0};
    if (pattern == TRAFFIC_OPERATIONS) return; // whose collectives are of several kinds
    job->collective = (CollectiveSpec){
        .kind = COLLECTIVE_ALL_REDUCE, .algorithm = ALGORITHM_HIERARCHICAL, .bytes = 30000000};
}

static void it_plays_traffic(void **state) {
    Comm *comm = *state;
    for (int pattern = 0; pattern < TRAFFIC_PATTERN_N; pattern++) {
        RunSpec run;
        small_run_init(&run, 9, 1, 1, SCHEDULE_NONE, 1, 1);
        run.engine = &THIRD_ENGINE;
        run.trace.intervals = 40;
        make_traffic(&run, &run.job[0], (TrafficPattern)pattern);
        assert_as_alone(comm, &run);
        small_run_fini(&run);
    }
}

static void it_plays_two_jobs(void **state) {
    Comm *comm = *state;
    RunSpec run, two;
    small_run_init(&run, 9, 2, 3, SCHEDULE_1F1B, 1, 4);
    JobSpec job[2] = {run.job[0], run.job[0]};
    two = run;
    two.engine = &THIRD_ENGINE;
    two.trace.intervals = 40;
    two.job = job;
    two.njobs = 2;
    job[0].placement = (PlacementSpec){.kind = PLACEMENT_CONTIGUOUS, .node_count = 3};
    job[1].placement = (PlacementSpec){.kind = PLACEMENT_CONTIGUOUS, .first_node = 3};
    job[1].start_ps = PS_PER_MS;
    assert_as_alone(comm, &two);
    make_traffic(&two, &job[1], TRAFFIC_PERMUTATION);
    assert_as_alone(comm, &two);
    small_run_fini(&run);
}

// The contract itself, on every engine.

enum { TRANSFERS = 60, EDGES = 3, GPUS = 36, QUEUE_PAIRS = 2, UNIT = 12 };

typedef struct Drawn {
    Edge edge[EDGES];
    Transfer transfer;
} Drawn;

static Edge drawn_edge(const void *context, int64_t i) { return ((const Drawn *)context)->edge[i]; }

static int64_t draw(uint64_t t, uint64_t k, int64_t below) {
    return rng_below(5, RNG_TEST, t, k, below);
}

static void draw_transfer(Drawn *drawn, uint64_t t) {
    for (uint64_t e = 0; e < EDGES; e++) {
        GpuId src = draw(t, 4 * e, GPUS), dst = draw(t, 4 * e + 1, GPUS - 1);
        drawn->edge[e] = (Edge){src, dst + (dst >= src), 1 + (int32_t)draw(t, 4 * e + 2, 2)};
    }
    drawn->transfer = (Transfer){
        .tag = (int64_t)(t * 7 % TRANSFERS),
        .edges = {.nedges = 1 + draw(t, 20, EDGES), .edge = drawn_edge, .context = drawn},
        .step = (int32_t)draw(t, 21, 2),
        .queue_pairs = QUEUE_PAIRS,
        .connection = 1 + t,
        .queue_key = (uint64_t)draw(t, 22, 2) * (1 + t % 5),
        .bytes = UNIT * draw(t, 23, 200000),
        .rounds = 1 + draw(t, 24, 3),
        .round_latency_ps = draw(t, 25, 2) * PS_PER_US,
        .start_ps = draw(t, 26, 20) * PS_PER_US,
    };
}

static void add_bytes(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    int64_t *bytes = context;
    assert_in_range(step, 0, 1);
    for (int64_t i = 0; i < n; i++) bytes[2 * sample[i].link + step] += sample[i].bytes;
}

/// Law: every transfer completes once, in the order of time and tag, not before it could alone.
static void check_completions(const EngineOps *ops, Engine *engine, Drawn drawn[]) {
    int64_t ended = 0, last_ps = -1, last_tag = -1;
    bool seen[TRANSFERS] = {false};
    assert_int_equal(ops->nunfinished(engine), TRANSFERS);
    for (int64_t at_ps; (at_ps = ops->next_ps(engine)) < TIME_NEVER_PS;) {
        ops->advance(engine, at_ps);
        assert_true(ops->now_ps(engine) == at_ps);
        Completion done;
        for (; ops->drain(engine, &done, 1) == 1; ended++) {
            int64_t alone_ps;
            Drawn *of = drawn;
            while (of->transfer.tag != done.tag) of++;
            Status status = ops->alone_ps(engine, &of->transfer, &alone_ps);
            assert_true(status_is_ok(&status) && alone_ps == done.alone_ps);
            assert_true(!seen[done.tag] && done.start_ps == of->transfer.start_ps);
            assert_true(done.end_ps >= done.start_ps + alone_ps && done.end_ps == at_ps);
            assert_true(done.end_ps > last_ps || (done.end_ps == last_ps && done.tag > last_tag));
            last_ps = done.end_ps;
            last_tag = done.tag;
            seen[done.tag] = true;
        }
    }
    assert_int_equal(ended, TRANSFERS);
    assert_int_equal(ops->nunfinished(engine), 0);
}

/// Play the drawn transfers; bytes[2 * links] by link and step.
static void play_contract(const EngineOps *ops, const Cluster *cluster, Drawn drawn[],
                          int64_t bytes[]) {
    Engine *engine = ops->create(cluster, &(EngineSpec){.control_delay_ps = PS_PER_US});
    for (int t = 0; t < TRANSFERS; t++) {
        Status status = ops->submit(engine, &drawn[t].transfer);
        assert_true(status_is_ok(&status));
    }
    check_completions(ops, engine, drawn);
    for (int32_t step = 0; step < 2; step++) {
        ops->step_links(engine, step, (LinkSink){.put = add_bytes, .context = bytes});
        ops->step_clear(engine, step);
        ops->step_links(engine, step, (LinkSink){.put = add_bytes, .context = NULL}); // none left
    }
    assert_true((ops->sample_into == NULL) == (ops->restart_intervals == NULL));
    ops->destroy(engine);
}

// Law: engines differ in when transfers end, never in what they carry over which link.
static void every_engine_keeps_the_contract(void **state) {
    (void)state;
    RunSpec run;
    small_run_init(&run, GPUS / 4, 1, 1, SCHEDULE_NONE, 1, 1);
    Cluster *cluster = NULL;
    Status status = cluster_create(&run.cluster, &cluster);
    assert_true(status_is_ok(&status));
    Drawn *drawn = memory_alloc("test.drawn", sizeof *drawn * TRANSFERS);
    for (uint64_t t = 0; t < TRANSFERS; t++) draw_transfer(&drawn[t], t);
    size_t size = sizeof(int64_t) * 2 * (size_t)cluster_nresources(cluster);
    int64_t *first = memory_alloc("test.drawn", size);
    play_contract(&THIRD_ENGINE, cluster, drawn, first);
    for (int kind = 0; kind < ENGINE_KIND_N; kind++) {
        int64_t *bytes = memory_alloc("test.drawn", size);
        play_contract(engine_of((EngineKind)kind), cluster, drawn, bytes);
        assert_memory_equal(bytes, first, size);
        memory_free("test.drawn", bytes, size);
    }
    memory_free("test.drawn", first, size);
    memory_free("test.drawn", drawn, sizeof *drawn * TRANSFERS);
    cluster_destroy(cluster);
    small_run_fini(&run);
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(it_plays_training, comm),
        cmocka_unit_test_prestate(it_plays_traffic, comm),
        cmocka_unit_test_prestate(it_plays_two_jobs, comm),
        cmocka_unit_test_prestate(every_engine_keeps_the_contract, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("third engine", tests, NULL, NULL));
}
