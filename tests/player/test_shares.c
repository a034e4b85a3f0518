// Replicas on GPUs of several kinds that compute more or fewer microbatches.
#include "player/small_run.h"

#include <string.h>

#include "par_assert.h"

#include "base/units.h"

enum { MICROBATCHES = 12, NODES = 8 };

typedef struct Case {
    Schedule schedule;
    int32_t pp, chunks;
    PlacementKind placement;
    int32_t zero;
} Case;

static const Case CASES[] = {
    {SCHEDULE_NONE, 1, 1, PLACEMENT_CONTIGUOUS, 0},
    {SCHEDULE_1F1B, 2, 1, PLACEMENT_CONTIGUOUS, 1},
    {SCHEDULE_1F1B, 2, 1, PLACEMENT_RANDOM, 2},
    {SCHEDULE_INTERLEAVED, 2, 2, PLACEMENT_RANDOM, 1},
    {SCHEDULE_GPIPE, 2, 1, PLACEMENT_CONTIGUOUS, 1},
    {SCHEDULE_ZERO_BUBBLE, 2, 1, PLACEMENT_CONTIGUOUS, 1},
};

/// Nodes from `from` on have GPUs that take `times` as long.
static void init(RunSpec *run, const Case *of, int64_t from, double times) {
    small_run_init(run, NODES, of->pp, NODES * 2 / of->pp, of->schedule, of->chunks, MICROBATCHES);
    JobSpec *job = &run->job[0];
    job->parallel.order[3] = DIM_PP; // stages are neighbours, so that replicas share no link
    job->parallel.order[4] = DIM_DP;
    job->parallel.zero = of->zero;
    job->placement = (PlacementSpec){.kind = of->placement, .seed = 5};
    job->noise = (NoiseSpec){0};
    run->control_delay_ps = PS_PER_US; // islands need one that no message is quicker than
    run->cluster.nothers = 1;
    run->cluster.other[0] =
        (OtherNodesSpec){.from = from, .gpu = small_run_slower_gpu(&run->cluster.gpu, times)};
    strcpy(run->cluster.other[0].gpu.name, "other");
}

static void list(RunSpec *run, int32_t microbatches) {
    ParallelSpec *parallel = &run->job[0].parallel;
    parallel->shares = SHARES_LISTED;
    parallel->nlisted = 1;
    parallel->listed[0] = (ListedShare){.gpu = "other", .microbatches = microbatches};
}

/// Law: ranks and players do not show.
static Played play_alike(Comm *comm, RunSpec *run) {
    Comm *self = comm_create_self();
    run->player = PLAYER_EVENT;
    Played alone = small_run_play(run, self), events = small_run_play(run, comm);
    run->player = PLAYER_ISLAND;
    Played islands = small_run_play(run, comm);
    run->player = PLAYER_BY_COST;
    comm_destroy(self);
    assert_all_ranks(comm, islands.islands > 0 && events.islands == 0);
    const Played *of[] = {&events, &islands};
    for (int i = 0; i < 2; i++) {
        assert_all_ranks(comm, of[i]->fingerprint == alone.fingerprint);
        assert_all_ranks(comm, of[i]->links == alone.links && of[i]->end_ps == alone.end_ps);
        for (int64_t k = 0; k < alone.nunits * TRACE_PART_N; k++)
            assert_all_ranks(comm, of[i]->unit_part_ps[k] == alone.unit_part_ps[k]);
    }
    played_fini(&events);
    played_fini(&islands);
    return alone;
}

// Law: shares that are listed as equal are equal shares, to the bit.
static void equal_shares_may_be_listed(void **state) {
    Comm *comm = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RunSpec run;
        init(&run, &CASES[i], 3, 1.5);
        Played equal = play_alike(comm, &run);
        list(&run, MICROBATCHES);
        Played listed = play_alike(comm, &run);
        assert_all_ranks(comm, equal.fingerprint == listed.fingerprint);
        assert_all_ranks(comm, equal.links == listed.links && equal.end_ps == listed.end_ps);
        for (int64_t k = 0; k < equal.nunits * TRACE_PART_N; k++)
            assert_all_ranks(comm, equal.unit_part_ps[k] == listed.unit_part_ps[k]);
        played_fini(&equal);
        played_fini(&listed);
        small_run_fini(&run);
    }
}

/// Work of all units at nominal speed: so much of it is a microbatch's, wherever it is computed on GPUs that are alike.
static int64_t nominal_ps(const Played *played) {
    return played->part_ps[TRACE_PART_COMPUTE] + played->part_ps[TRACE_PART_TP_EXPOSED];
}

// Law: the batch is the same, and so is the work.
static void the_work_is_the_same(void **state) {
    Comm *comm = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        RunSpec run;
        init(&run, &CASES[i], 3, 1);
        Played equal = small_run_play(&run, comm);
        list(&run, MICROBATCHES - 4);
        Played listed = play_alike(comm, &run);
        assert_all_ranks(comm, nominal_ps(&equal) == nominal_ps(&listed));
        assert_all_ranks(comm, listed.end_ps > equal.end_ps);
        played_fini(&equal);
        played_fini(&listed);
        small_run_fini(&run);
    }
}

// Law: with proportional shares a step takes no longer than with equal ones (but for
// what communication adds to either), and less where the others are three times as slow or as quick; slow ones have fewer.
static void proportional_shares_are_no_slower(void **state) {
    Comm *comm = *state;
    static const double TIMES[] = {3, 1.02, 1. / 3};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int t = 0; t < 3; t++) {
            RunSpec run;
            init(&run, &CASES[i], 3, TIMES[t]);
            Played equal = small_run_play(&run, comm);
            run.job[0].parallel.shares = SHARES_PROPORTIONAL;
            Played shared = play_alike(comm, &run);
            if (t != 1) {
                // Each replica has GPUs of one kind, which is nominal for it.
                assert_all_ranks(comm, shared.part_ps[TRACE_PART_OWN_SLOW] == 0);
                assert_all_ranks(comm, shared.part_ps[TRACE_PART_STRAGGLER] == 0);
                assert_all_ranks(comm, equal.part_ps[TRACE_PART_OWN_SLOW] != 0);
            }
            assert_all_ranks(comm, (double)shared.end_ps <= 1.002 * (double)equal.end_ps);
            if (CASES[i].placement == PLACEMENT_CONTIGUOUS && t != 1)
                assert_all_ranks(comm, (double)shared.end_ps < 0.92 * (double)equal.end_ps);
            played_fini(&equal);
            played_fini(&shared);
            small_run_fini(&run);
        }
}

// Law: shares sum to the batch, whatever is dealt; who is slower has no more, and the GPUs of a kind must do for the most of
// their replicas.
static void shares_sum_to_the_batch(void **state) {
    Comm *comm = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        for (int32_t listed = 0; listed < 3; listed++) {
            RunSpec run;
            Shares shares;
            init(&run, &CASES[i], 3, 3);
            run.job[0].parallel.shares = SHARES_PROPORTIONAL;
            if (listed > 0) list(&run, 4 * listed);
            const Status status = shares_init(&shares, &run.job[0], &run.cluster);
            assert_all_ranks(comm, status_is_ok(&status));
            int64_t microbatches = 0, replicas = 0;
            for (int32_t r = 0; r < shares.nroles; r++) {
                const ShareRole *role = &shares.role[r];
                microbatches += role->microbatches * role->replicas;
                replicas += role->replicas;
                assert_all_ranks(comm, role->microbatches <= shares.most[role->kind]);
                assert_all_ranks(comm, (role->microbatches <= MICROBATCHES) == (role->kind == 1));
                if (listed > 0 && role->kind == 1)
                    assert_all_ranks(comm, role->microbatches == 4 * listed);
            }
            assert_all_ranks(comm, replicas == shares.replicas);
            assert_all_ranks(comm, microbatches == replicas * MICROBATCHES);
            shares_fini(&shares);
            small_run_fini(&run);
        }
}

// Replicas of two nodes, the first three of which have one kind: of the replica that has both it goes by the slower one.
static void a_replica_goes_at_the_pace_of_its_slowest_gpus(void **state) {
    Comm *comm = *state;
    static const Case TWO_NODES = {SCHEDULE_1F1B, 4, 1, PLACEMENT_CONTIGUOUS, 1};
    for (int quick = 0; quick < 2; quick++) {
        RunSpec run;
        Shares shares;
        init(&run, &TWO_NODES, 3, quick ? 1. / 3 : 3);
        run.job[0].parallel.shares = SHARES_PROPORTIONAL;
        const Status status = shares_init(&shares, &run.job[0], &run.cluster);
        assert_all_ranks(comm, status_is_ok(&status));
        int64_t replicas[2] = {0};
        for (int32_t r = 0; r < shares.nroles; r++)
            replicas[shares.role[r].kind] += shares.role[r].replicas;
        assert_all_ranks(comm, replicas[0] == (quick ? 2 : 1) && replicas[1] == (quick ? 2 : 3));
        shares_fini(&shares);
        Played played = small_run_play(&run, comm);
        assert_all_ranks(comm, (played.part_ps[TRACE_PART_STRAGGLER] > 0) &&
                                   (played.part_ps[TRACE_PART_OWN_SLOW] < 0));
        played_fini(&played);
        small_run_fini(&run);
    }
}

/// How a job is refused; "": it is not.
static bool refuses(Comm *comm, const RunSpec *run, const char *expected) {
    Shares shares;
    const Status status = shares_init(&shares, &run->job[0], &run->cluster);
    shares_fini(&shares);
    assert_all_ranks(comm, !status_is_ok(&status));
    return strncmp(status.text, "batch_shares", 12) == 0 && strstr(status.text, expected) != NULL;
}

// What cannot be dealt is refused, with what would do.
static void what_cannot_be_dealt_is_refused(void **state) {
    Comm *comm = *state;
    RunSpec run;
    init(&run, &CASES[3], 3, 3);
    list(&run, 5);
    assert_all_ranks(comm, refuses(comm, &run, "multiples of 2"));
    small_run_fini(&run);
    init(&run, &CASES[0], 3, 3);
    list(&run, 20);
    assert_all_ranks(comm, refuses(comm, &run, "smaller shares"));
    ParallelSpec *parallel = &run.job[0].parallel;
    parallel->nlisted = 2;
    parallel->listed[0].microbatches = 10;
    parallel->listed[1] = (ListedShare){.gpu = "gpu", .microbatches = 10};
    assert_all_ranks(comm, refuses(comm, &run, "would take the others"));
    parallel->shares = SHARES_PROPORTIONAL;
    parallel->nlisted = 0;
    parallel->zero = 3;
    assert_all_ranks(comm, refuses(comm, &run, "zero up to 2"));
    small_run_fini(&run);
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(equal_shares_may_be_listed, comm),
        cmocka_unit_test_prestate(the_work_is_the_same, comm),
        cmocka_unit_test_prestate(proportional_shares_are_no_slower, comm),
        cmocka_unit_test_prestate(shares_sum_to_the_batch, comm),
        cmocka_unit_test_prestate(a_replica_goes_at_the_pace_of_its_slowest_gpus, comm),
        cmocka_unit_test_prestate(what_cannot_be_dealt_is_refused, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("shares", tests, NULL, NULL));
}
