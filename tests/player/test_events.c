// Laws of what changes while a job runs, on random small jobs.
#include "player/small_run.h"

#include <stdio.h>
#include <string.h>

#include "par_assert.h"

#include "base/units.h"
#include "draws.h"

enum { JOBS = 16, NODES = 9, GPUS = 36, UNITS = 18 };

typedef struct Draws {
    uint64_t job, n;
} Draws;

static int64_t draw(Draws *draws, int64_t below) {
    return rng_below(78, RNG_TEST, draws->job, draws->n++, below);
}

static void draw_job(RunSpec *run, Draws *d) {
    int32_t pp = 1 << draw(d, 3), dp = UNITS / pp - (int32_t)draw(d, UNITS / pp);
    small_run_init(run, NODES, pp, dp, pp == 1 ? SCHEDULE_NONE : SCHEDULE_1F1B, 1,
                   pp * (1 + (int32_t)draw(d, 3)));
    JobSpec *job = &run->job[0];
    job->noise = (NoiseSpec){0};
    job->parallel.zero = (int32_t)draw(d, 3);
    job->steps = 6;
    run->cluster.routing = (Routing)draw(d, 4);
    if (draw(d, 2) == 1) run->cluster.nic.goodput_Bps /= 10;
}

static void happen(RunSpec *run, const char *format, int64_t number, int64_t at_ps,
                   double remaining) {
    EventSpec *event = &run->cluster.event[run->cluster.nevents++];
    *event = (EventSpec){.at_ps = at_ps, .remaining = remaining};
    snprintf(event->what, sizeof event->what, "%s %lld", format, (long long)number);
}

static void assert_same(Comm *comm, const Played *a, const Played *b) {
    assert_all_ranks(comm, a->fingerprint == b->fingerprint && a->links == b->links);
    for (int64_t i = 0; i < a->nunits * TRACE_PART_N; i++)
        assert_all_ranks(comm, a->unit_part_ps[i] == b->unit_part_ps[i]);
}

static const char *const KINDS[] = {"gpu", "node", "spine", "leaf"};
static const int64_t MOST[] = {GPUS, NODES, 4, 12};

// Law: what changes nothing changes nothing, whatever it hits and whenever.
static void no_change_changes_nothing(void **state) {
    Comm *comm = *state;
    for (uint64_t number = 0; number < JOBS; number++) {
        Draws d = {.job = number};
        RunSpec run;
        draw_job(&run, &d);
        run.cluster.routing = (Routing)(number % 2); // bundles are split for what could come
        Played still = small_run_play(&run, comm);
        for (int i = 0; i < 6; i++) {
            int64_t kind = draw(&d, 4);
            happen(&run, KINDS[kind], draw(&d, MOST[kind]), 1 + draw(&d, still.end_ps), 1);
        }
        Played changed = small_run_play(&run, comm);
        assert_same(comm, &still, &changed);
        played_fini(&still);
        played_fini(&changed);
        small_run_fini(&run);
    }
}

// Law: a spell that lasts longer than the job is one that never ends.
static void a_long_spell_is_for_good(void **state) {
    Comm *comm = *state;
    for (uint64_t number = 0; number < JOBS; number++) {
        Draws d = {.job = 100 + number};
        RunSpec run;
        draw_job(&run, &d);
        run.cluster.nslow = 1;
        SlowSpec *slow = &run.cluster.slow[0];
        *slow = (SlowSpec){.compute = 1 + (double)draw(&d, 5) / 4,
                           .nic = 1 + (double)draw(&d, 5) / 2,
                           .until_ps = TIME_NEVER_PS};
        snprintf(slow->what, sizeof slow->what, "node %lld", (long long)draw(&d, NODES));
        Played good = small_run_play(&run, comm);
        slow->until_ps = 1000 * PS_PER_S;
        Played longer = small_run_play(&run, comm);
        assert_same(comm, &good, &longer);
        played_fini(&good);
        played_fini(&longer);
        small_run_fini(&run);
    }
}

// Law: one outage delays a job by no more than it lasts and routing takes to learn of its end, longer ones never
// less. Steps told and steps played are the same.
static void an_outage_delays_by_its_length(void **state) {
    Comm *comm = *state;
    int delayed = 0;
    for (uint64_t number = 0; number < JOBS; number++) {
        Draws d = {.job = 200 + number};
        RunSpec run;
        draw_job(&run, &d);
        int64_t kind = draw(&d, 3);
        Played still = small_run_play(&run, comm);
        int64_t at_ps = 1 + draw(&d, still.end_ps), what = draw(&d, MOST[kind]);
        int64_t end_ps = still.end_ps;
        run.cluster.reroute_delay_ps = draw(&d, 500) * PS_PER_US;
        for (int64_t length_ps = PS_PER_MS; length_ps <= 100 * PS_PER_MS; length_ps *= 10) {
            run.cluster.nevents = 0;
            happen(&run, KINDS[kind], what, at_ps, 0);
            happen(&run, KINDS[kind], what, at_ps + length_ps, 1);
            run.repeat = true;
            Played late = small_run_play(&run, comm);
            run.repeat = false;
            Played every = small_run_play(&run, comm);
            assert_all_ranks(comm, late.fingerprint == every.fingerprint);
            int64_t most_ps = still.end_ps + length_ps + 2 * run.cluster.reroute_delay_ps;
            assert_all_ranks(comm, late.end_ps <= most_ps + 50 * PS_PER_US);
            assert_all_ranks(comm, late.end_ps >= end_ps - PS_PER_US);
            end_ps = late.end_ps;
            delayed += late.end_ps >= still.end_ps + length_ps / 2;
            played_fini(&late);
            played_fini(&every);
        }
        played_fini(&still);
        small_run_fini(&run);
    }
    assert_all_ranks(comm, delayed > JOBS); // the law was put to the test
}

int main(int argc, char *argv[]) {
    Comm *comm = par_begin(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(no_change_changes_nothing, comm),
        cmocka_unit_test_prestate(a_long_spell_is_for_good, comm),
        cmocka_unit_test_prestate(an_outage_delays_by_its_length, comm),
    };
    return par_end(comm, cmocka_run_group_tests_name("events", tests, NULL, NULL));
}
