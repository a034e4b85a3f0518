// Laws of the parts of a step, on random small jobs.
#include "player/small_run.h"

#include "par_assert.h"

#include "base/units.h"
#include "draws.h"

typedef struct Draws {
    uint64_t job, n;
} Draws;

static int64_t draw(Draws *draws, int64_t below) {
    return rng_below(33, RNG_TEST, draws->job, draws->n++, below);
}

static bool toss(Draws *draws) { return draw(draws, 2) == 1; }

/// Any shape that fits on 18 units of 2 GPUs, on a network of its day or a tenth of that.
static void draw_job(RunSpec *run, uint64_t number) {
    enum { UNITS = 18 };
    static const Schedule SCHEDULES[] = {SCHEDULE_GPIPE, SCHEDULE_1F1B, SCHEDULE_INTERLEAVED,
                                         SCHEDULE_ZERO_BUBBLE, SCHEDULE_DUALPIPE};
    Draws d = {.job = number};
    int32_t pp = 1 << draw(&d, 3), dp = 1 + (int32_t)draw(&d, UNITS / pp);
    Schedule schedule = pp == 1 ? SCHEDULE_NONE : SCHEDULES[draw(&d, 5)];
    int32_t chunks = schedule == SCHEDULE_INTERLEAVED ? 2 : 1;
    int32_t least = schedule == SCHEDULE_DUALPIPE ? 2 * pp : pp;
    small_run_init(run, 9, pp, dp, schedule, chunks, least * (1 + (int32_t)draw(&d, 3)));
    JobSpec *job = &run->job[0];
    job->parallel.zero = (int32_t)draw(&d, 4);
    job->parallel.prefetch = (int32_t)draw(&d, 3);
    job->parallel.reshard = toss(&d);
    if (dp % 2 == 0 && toss(&d)) job->parallel.shard_group = dp / 2;
    job->model.tied_embeddings = toss(&d) && schedule != SCHEDULE_DUALPIPE;
    job->training.grad_overlap = toss(&d);
    job->training.param_overlap = toss(&d);
    job->training.pp_overlap = toss(&d);
    job->training.pp_overlap_flush = toss(&d);
    job->training.tp_overlap = toss(&d);
    job->training.tp_backward_overlap = toss(&d);
    job->training.bucket_parameters = 200000 + draw(&d, 4000000);
    job->placement =
        (PlacementSpec){.kind = toss(&d) ? PLACEMENT_RANDOM : PLACEMENT_CONTIGUOUS, .seed = number};
    run->cluster.routing = (Routing)draw(&d, 4);
    run->player = toss(&d) ? PLAYER_ISLAND : PLAYER_EVENT;
    if (toss(&d)) run->cluster.nic.goodput_Bps /= 10;
    if (toss(&d)) { // stages are neighbours, so that replicas often share no link
        job->parallel.order[3] = DIM_PP;
        job->parallel.order[4] = DIM_DP;
    }
    run->control_delay_ps = draw(&d, 3) * 5 * PS_PER_US;
    job->noise = (NoiseSpec){0};
}

static int64_t part_of(const Played *played, int64_t unit, TracePart part) {
    return played->unit_part_ps[unit * TRACE_PART_N + part];
}

/// All steps of a unit.
static int64_t unit_ps(const Played *played, int64_t unit) {
    int64_t sum_ps = 0;
    for (int part = 0; part < TRACE_PART_N; part++)
        sum_ps += part_of(played, unit, (TracePart)part);
    return sum_ps;
}

enum { JOBS = 40 };

// Law: without noise nobody waits for a straggler, however much transfers are slowed; and nobody is slow.
static void no_noise_no_stragglers(void **state) {
    Comm *comm = *state;
    int64_t contention_ps = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        Played played = small_run_play(&run, comm);
        for (int64_t unit = 0; unit < played.nunits; unit++) {
            assert_all_ranks(comm, part_of(&played, unit, TRACE_PART_STRAGGLER) == 0);
            assert_all_ranks(comm, part_of(&played, unit, TRACE_PART_OWN_SLOW) == 0);
        }
        contention_ps += played.part_ps[TRACE_PART_CONTENTION];
        played_fini(&played);
        small_run_fini(&run);
    }
    assert_true(contention_ps > 0); // the law was put to the test
}

/// Play a job as it is, and once more on GPUs of which communication takes nothing.
static void play_shared_and_not(Comm *comm, RunSpec *run, Played *shared, Played *unshared) {
    *shared = small_run_play(run, comm);
    GpuSpec *gpu = &run->cluster.gpu;
    gpu->scale_up_processor_share = gpu->network_processor_share = 0;
    *unshared = small_run_play(run, comm);
}

// Law: where no transfer is slowed in either run, sharing is what a run without it takes less, for each GPU, to the
// picosecond. On the closed engine that is always so.
static void sharing_is_what_it_costs(void **state) {
    Comm *comm = *state;
    int64_t sharing_ps = 0, handed_down = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        run.engine = engine_of(ENGINE_CLOSED);
        Played shared, unshared;
        play_shared_and_not(comm, &run, &shared, &unshared);
        int64_t most_ps = 0, least_ps = INT64_MAX;
        for (int64_t unit = 0; unit < shared.nunits; unit++) {
            int64_t part_ps = part_of(&shared, unit, TRACE_PART_SHARING);
            assert_all_ranks(comm, part_of(&shared, unit, TRACE_PART_CONTENTION) == 0);
            assert_all_ranks(comm, part_of(&unshared, unit, TRACE_PART_SHARING) == 0);
            assert_all_ranks(comm, part_ps == unit_ps(&shared, unit) - unit_ps(&unshared, unit));
            if (part_ps > most_ps) most_ps = part_ps;
            if (part_ps < least_ps) least_ps = part_ps;
        }
        handed_down += most_ps > 0 && most_ps == least_ps && run.job[0].parallel.size[DIM_PP] > 1;
        sharing_ps += shared.part_ps[TRACE_PART_SHARING];
        played_fini(&shared);
        played_fini(&unshared);
        small_run_fini(&run);
    }
    assert_true(sharing_ps > 0 && handed_down > 0);
}

// Law: slow GPUs are slow themselves, and others wait for a straggler; where no transfer is slowed, compute, bubble and
// communication are those of a run in which nobody is slow, for each GPU, to the picosecond.
static void slow_gpus_add_nothing_to_communication(void **state) {
    Comm *comm = *state;
    static const TracePart UNTOUCHED[] = {TRACE_PART_COMPUTE,    TRACE_PART_BUBBLE,
                                          TRACE_PART_TP_EXPOSED, TRACE_PART_PP_EXPOSED,
                                          TRACE_PART_DP_EXPOSED, TRACE_PART_CONTENTION};
    int64_t straggler_ps = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        run.engine = engine_of(ENGINE_CLOSED);
        Played even = small_run_play(&run, comm);
        run.job[0].noise = (NoiseSpec){.seed = number,
                                       .gpu_sigma = 0.02,
                                       .step_sigma = 0.01,
                                       .truncate = 3,
                                       .straggler_probability = 0.03,
                                       .straggler_slowdown = 0.5};
        Played slow = small_run_play(&run, comm);
        for (int64_t unit = 0; unit < even.nunits; unit++)
            for (size_t i = 0; i < sizeof UNTOUCHED / sizeof *UNTOUCHED; i++)
                assert_all_ranks(
                    comm, part_of(&even, unit, UNTOUCHED[i]) == part_of(&slow, unit, UNTOUCHED[i]));
        straggler_ps += slow.part_ps[TRACE_PART_STRAGGLER];
        played_fini(&even);
        played_fini(&slow);
        small_run_fini(&run);
    }
    assert_true(straggler_ps > 0);
}

// Law: the parts of each GPU, and what each link carried and delayed, are the same on any number of ranks, and whether replicas are played as islands or not.
static void parts_do_not_depend_on_how_they_are_played(void **state) {
    Comm *comm = *state;
    Comm *self = comm_create_self();
    int32_t apart = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        run.job[0].noise = (NoiseSpec){.seed = 7, .gpu_sigma = 0.01, .truncate = 3};
        Played together = small_run_play(&run, comm);
        run.player = run.player == PLAYER_EVENT ? PLAYER_ISLAND : PLAYER_EVENT;
        Played alone = small_run_play(&run, self);
        assert_all_ranks(comm, together.links == alone.links);
        apart += run.job[0].parallel.size[DIM_PP] > 1 && together.islands + alone.islands > 0;
        for (int64_t k = 0; k < alone.nunits * TRACE_PART_N; k++)
            assert_all_ranks(comm, together.unit_part_ps[k] == alone.unit_part_ps[k]);
        played_fini(&together);
        played_fini(&alone);
        small_run_fini(&run);
    }
    comm_destroy(self);
    assert_true(apart > 0); // pipelines were, too
}

// Law: steps that are told from the one before are those that would be played, GPU by GPU, to the picosecond. Where speeds
// change from step to step none is told, though stragglers be so rare that steps in a row have none.
static void told_steps_are_those_that_would_be_played(void **state) {
    Comm *comm = *state;
    static const NoiseSpec NOISES[] = {
        {0},
        {.seed = 5, .gpu_sigma = 0.02, .truncate = 3},
        {.seed = 5, .truncate = 3, .straggler_probability = 0.01, .straggler_slowdown = 0.5},
        {.seed = 5, .truncate = 3, .step_sigma = 0.001},
    };
    int32_t told[4] = {0};
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        run.job[0].steps = 8;
        run.job[0].noise = NOISES[number % 4];
        Played each = small_run_play(&run, comm);
        run.repeat = true;
        Played some = small_run_play(&run, comm);
        told[number % 4] += some.ntold;
        assert_all_ranks(comm, each.ntold == 0);
        assert_all_ranks(comm, each.fingerprint == some.fingerprint && each.end_ps == some.end_ps);
        for (int64_t k = 0; k < each.nunits * TRACE_PART_N; k++)
            assert_all_ranks(comm, each.unit_part_ps[k] == some.unit_part_ps[k]);
        played_fini(&each);
        played_fini(&some);
        small_run_fini(&run);
    }
    assert_all_ranks(comm, told[0] > 0 && told[1] > 0 && told[2] == 0 && told[3] == 0);
}

// Law: what is told of GPUs is what is known of their units, in the mean; but that a unit is as slow as its slowest GPU, for
// which the others wait: what is not their own is a straggler's. So it sums to the step.
static void gpus_have_the_parts_of_their_units(void **state) {
    Comm *comm = *state;
    double waited_ps = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        run.job[0].noise =
            (NoiseSpec){.seed = 3, .gpu_sigma = 0.02, .step_sigma = 0.01, .truncate = 3};
        Played played = small_run_play(&run, comm);
        double mean_ps[TRACE_PART_N], steps_ps = small_run_record(&run, comm, mean_ps), sum_ps = 0;
        for (int part = 0; part < TRACE_PART_N; part++) {
            const double unit_ps = (double)played.part_ps[part] / (double)played.nunits;
            sum_ps += mean_ps[part];
            if (part == TRACE_PART_OWN_SLOW) {
                assert_all_ranks(comm, mean_ps[part] < unit_ps);
                waited_ps += unit_ps - mean_ps[part];
            } else if (part != TRACE_PART_STRAGGLER) {
                assert_all_ranks(comm, fabs(mean_ps[part] - unit_ps) < 1);
            }
        }
        assert_all_ranks(comm, fabs(sum_ps - steps_ps) < 1);
        played_fini(&played);
        small_run_fini(&run);
    }
    assert_true(waited_ps > 0);
}

/// End of a run with a kind of overlap, less that without.
static int64_t overlap_saves_ps(Comm *comm, RunSpec *run, bool *overlap) {
    *overlap = false;
    Played without = small_run_play(run, comm);
    *overlap = true;
    Played with = small_run_play(run, comm);
    int64_t saved_ps = without.end_ps - with.end_ps;
    played_fini(&without);
    played_fini(&with);
    return saved_ps;
}

// Law: overlap of reductions and gathers never makes a run longer; where no transfer is slowed, none does. (Messages that
// overlap meet other transfers: with contention that may cost a little. Sharded layers that are
// gathered ahead no longer are ahead of a reduction, and a pipeline may wait for that.)
static void overlap_never_costs(void **state) {
    Comm *comm = *state;
    int64_t saved_ps = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        RunSpec run;
        draw_job(&run, number);
        TrainingSpec *training = &run.job[0].training;
        bool *const overlap[] = {&training->grad_overlap, &training->param_overlap,
                                 &training->pp_overlap,   &training->pp_overlap_flush,
                                 &training->tp_overlap,   &training->tp_backward_overlap};
        const bool sharded = run.job[0].parallel.zero == 3 && run.job[0].parallel.size[DIM_PP] > 1;
        for (int i = 0; i < 6; i++) {
            if (i == 1 && sharded) continue;
            bool as_drawn = *overlap[i];
            run.engine = engine_of(i < 2 ? ENGINE_FLOW : ENGINE_CLOSED);
            int64_t ps = overlap_saves_ps(comm, &run, overlap[i]);
            assert_all_ranks(comm, ps >= 0);
            saved_ps += ps;
            *overlap[i] = as_drawn;
        }
        small_run_fini(&run);
    }
    assert_true(saved_ps > 0);
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(no_noise_no_stragglers, comm),
        cmocka_unit_test_prestate(sharing_is_what_it_costs, comm),
        cmocka_unit_test_prestate(slow_gpus_add_nothing_to_communication, comm),
        cmocka_unit_test_prestate(overlap_never_costs, comm),
        cmocka_unit_test_prestate(gpus_have_the_parts_of_their_units, comm),
        cmocka_unit_test_prestate(told_steps_are_those_that_would_be_played, comm),
        cmocka_unit_test_prestate(parts_do_not_depend_on_how_they_are_played, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("parts", tests, NULL, NULL));
}
