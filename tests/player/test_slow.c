// Laws of GPUs that are slow because somebody said so, on random small jobs.
#include "player/small_run.h"

#include <stdio.h>

#include "par_assert.h"

#include "base/units.h"
#include "draws.h"

enum { JOBS = 24, NODES = 9, GPUS = 36, UNITS = 18, UNIT_GPUS = 2 };

typedef struct Draws {
    uint64_t job, n;
} Draws;

static int64_t draw(Draws *draws, int64_t below) {
    return rng_below(77, RNG_TEST, draws->job, draws->n++, below);
}

static bool toss(Draws *draws) { return draw(draws, 2) == 1; }

/// Any shape; islands or not.
static void draw_job(RunSpec *run, Draws *d) {
    int32_t pp = 1 << draw(d, 3), dp = 1 + (int32_t)draw(d, UNITS / pp);
    small_run_init(run, NODES, pp, dp, pp == 1 ? SCHEDULE_NONE : SCHEDULE_1F1B, 1,
                   pp * (1 + (int32_t)draw(d, 3)));
    JobSpec *job = &run->job[0];
    job->noise = (NoiseSpec){0};
    job->parallel.zero = (int32_t)draw(d, 3);
    run->cluster.routing = (Routing)draw(d, 4);
    run->player = toss(d) ? PLAYER_ISLAND : PLAYER_EVENT;
    if (toss(d)) run->cluster.nic.goodput_Bps /= 10;
}

static SlowSpec *slow_gpu(RunSpec *run, int64_t gpu, double compute, double nic) {
    SlowSpec *slow = &run->cluster.slow[run->cluster.nslow++];
    *slow = (SlowSpec){.compute = compute, .nic = nic, .until_ps = TIME_NEVER_PS};
    snprintf(slow->what, sizeof slow->what, "gpu %lld", (long long)gpu);
    return slow;
}

static int64_t part_of(const Played *played, int64_t unit, TracePart part) {
    return played->unit_part_ps[unit * TRACE_PART_N + part];
}

// Law: a GPU that is slow by a factor of two needs as much again for its work, and nobody else does; it adds nothing to
// anyone's communication at its time alone, nor to bubbles.
static void a_slow_gpu_slows_its_work_alone(void **state) {
    Comm *comm = *state;
    static const TracePart SAME[] = {TRACE_PART_COMPUTE, TRACE_PART_BUBBLE, TRACE_PART_TP_EXPOSED,
                                     TRACE_PART_PP_EXPOSED, TRACE_PART_DP_EXPOSED};
    for (uint64_t number = 0; number < JOBS; number++) {
        Draws d = {.job = number};
        RunSpec run;
        draw_job(&run, &d);
        run.cluster.gpu.scale_up_processor_share = 0; // else its part of the work is slow too
        Played even = small_run_play(&run, comm);
        int64_t gpu = draw(&d, even.nunits * UNIT_GPUS);
        slow_gpu(&run, gpu, 2, 1);
        Played slow = small_run_play(&run, comm);
        for (int64_t unit = 0; unit < slow.nunits; unit++) {
            int64_t own_ps = part_of(&slow, unit, TRACE_PART_OWN_SLOW);
            int64_t expected_ps =
                unit == gpu / UNIT_GPUS ? part_of(&slow, unit, TRACE_PART_COMPUTE) : 0;
            assert_all_ranks(comm, own_ps == expected_ps);
            for (size_t p = 0; p < sizeof SAME / sizeof SAME[0]; p++)
                assert_all_ranks(comm,
                                 part_of(&slow, unit, SAME[p]) == part_of(&even, unit, SAME[p]));
        }
        assert_all_ranks(comm, slow.end_ps > even.end_ps);
        played_fini(&even);
        played_fini(&slow);
        small_run_fini(&run);
    }
}

// Law: a NIC that is slow by a factor of f is one that a fault leaves 1 / f; one by a factor of 1 is as it was.
static void a_slow_nic_is_a_degraded_link(void **state) {
    Comm *comm = *state;
    for (uint64_t number = 0; number < JOBS / 2; number++) {
        Draws d = {.job = 1000 + number};
        RunSpec run;
        draw_job(&run, &d);
        int64_t gpu = draw(&d, GPUS);
        double factor = 1 << (1 + draw(&d, 3));
        Played even = small_run_play(&run, comm);
        SlowSpec *slow = slow_gpu(&run, gpu, 1, 1);
        Played same = small_run_play(&run, comm);
        slow->nic = factor;
        Played slowed = small_run_play(&run, comm);
        run.cluster.nslow = 0;
        run.cluster.nfaults = 1;
        run.cluster.fault[0] = (LinkFaultSpec){.tier = 1, .lower = gpu, .fraction = 1 / factor};
        Played degraded = small_run_play(&run, comm);
        assert_all_ranks(comm, same.fingerprint == even.fingerprint && same.links == even.links);
        assert_all_ranks(
            comm, slowed.fingerprint == degraded.fingerprint && slowed.links == degraded.links);
        played_fini(&even);
        played_fini(&same);
        played_fini(&slowed);
        played_fini(&degraded);
        small_run_fini(&run);
    }
}

// Law: islands and events, jobs with noise too.
static void players_agree_on_slow_gpus(void **state) {
    Comm *comm = *state;
    for (uint64_t number = 0; number < JOBS; number++) {
        Draws d = {.job = 2000 + number};
        RunSpec run;
        draw_job(&run, &d);
        if (toss(&d)) run.job[0].noise = (NoiseSpec){.seed = 5, .gpu_sigma = 0.02, .truncate = 3};
        for (int64_t n = 1 + draw(&d, 3); n > 0; n--)
            slow_gpu(&run, draw(&d, GPUS), 1 + (double)draw(&d, 4) / 8, 1 + (double)draw(&d, 3));
        run.player = PLAYER_ISLAND;
        Played islands = small_run_play(&run, comm);
        run.player = PLAYER_EVENT;
        Played events = small_run_play(&run, comm);
        assert_all_ranks(comm, islands.fingerprint == events.fingerprint);
        for (int64_t i = 0; i < islands.nunits * TRACE_PART_N; i++)
            assert_all_ranks(comm, islands.unit_part_ps[i] == events.unit_part_ps[i]);
        played_fini(&islands);
        played_fini(&events);
        small_run_fini(&run);
    }
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_slow_gpu_slows_its_work_alone, comm),
        cmocka_unit_test_prestate(a_slow_nic_is_a_degraded_link, comm),
        cmocka_unit_test_prestate(players_agree_on_slow_gpus, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("slow", tests, NULL, NULL));
}
