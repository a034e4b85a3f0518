// Laws of a fabric that changes while transfers are under way, on random scenes: 32 hosts of one GPU, 8 below a leaf, 8
// spines; links carry 50e9 B/s.
#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/flow/flow.h"
#include "engine/violation.h"
#include "race.h"

#include <stdio.h>
#include <string.h>

enum { HOSTS = 32, FLOWS = 60, LINKS_MAX = 4096, SCENES = 30, SPAN_US = 400 };

typedef struct Scene {
    ClusterSpec spec;
    Edge edge[FLOWS][2];
    Transfer transfer[FLOWS];
    int32_t n;
} Scene;

typedef struct Outcome {
    Completion done[FLOWS];
    int64_t ndone, end_ps;
    int64_t bytes[LINKS_MAX], delay_ps[LINKS_MAX];
    int64_t charged_ps[LINKS_MAX][2]; ///< by job
    Status status;
} Outcome;

static int64_t draw(uint64_t scene, uint64_t what, int64_t below) {
    return rng_below(91, RNG_TEST, scene, what, below);
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

static void draw_scene(Scene *scene, uint64_t number) {
    *scene = (Scene){.spec = race_spec(128), .n = FLOWS};
    scene->spec.nodes = HOSTS;
    scene->spec.routing = (Routing)(number % 4);
    for (int32_t i = 0; i < FLOWS; i++) {
        uint64_t at = 10 * (uint64_t)i;
        GpuId src = draw(number, at, HOSTS), dst = draw(number, at + 1, HOSTS - 1);
        scene->edge[i][0] = (Edge){src, dst + (dst >= src), 1};
        scene->edge[i][1] = (Edge){dst, (dst + 1 + draw(number, at + 8, HOSTS - 1)) % HOSTS,
                                   1 + (int32_t)draw(number, at + 9, 3)};
        scene->transfer[i] = (Transfer){
            .tag = i,
            .edges = {.nedges = 1 + (i % 3 == 2), .edge = edge_at, .context = scene->edge[i]},
            .job = i % 2,
            .step = i % 2,
            .queue_pairs = 1 + (int32_t)draw(number, at + 2, 3),
            .connection = 1,
            .queue_key = (uint64_t)draw(number, at + 3, 20),
            .bytes = 1 + draw(number, at + 4, 3000000),
            .rounds = 1 + draw(number, at + 5, 3),
            .round_latency_ps = draw(number, at + 6, 2) * PS_PER_US,
            .start_ps = draw(number, at + 7, SPAN_US) * PS_PER_US,
        };
        if (i % 3 == 2) continue;
        scene->transfer[i].edges.key =
            rng_mix((uint64_t)(src * HOSTS + dst) + 1,
                    (uint64_t)scene->transfer[i].queue_pairs + 64 * scene->transfer[i].queue_key);
    }
}

static void happen(Scene *scene, const char *what, int64_t at_us, double remaining) {
    EventSpec *event = &scene->spec.event[scene->spec.nevents++];
    *event = (EventSpec){.at_ps = at_us * PS_PER_US, .remaining = remaining};
    snprintf(event->what, sizeof event->what, "%s", what);
}

static Transfer describe(void *context, int64_t tag) { return ((Scene *)context)->transfer[tag]; }

static void take_links(void *context, int64_t step, const LinkSample sample[], int64_t n) {
    Outcome *outcome = context;
    (void)step;
    for (int64_t i = 0; i < n; i++) {
        assert_true(sample[i].link < LINKS_MAX);
        outcome->bytes[sample[i].link] += sample[i].bytes;
        outcome->delay_ps[sample[i].link] += sample[i].delay_ps;
    }
}

static void take_culprits(void *context, LinkId link, const int64_t delay_ps[]) {
    Outcome *outcome = context;
    for (int32_t job = 0; job < 2; job++) outcome->charged_ps[link][job] += delay_ps[job];
}

/// Play to the end; `every_ps` > 0: refresh that often too, for nothing.
static void play(Scene *scene, int64_t every_ps, Outcome *outcome) {
    *outcome = (Outcome){.status = status_ok()};
    Cluster *cluster = NULL;
    Status made = cluster_create(&scene->spec, &cluster);
    if (!status_is_ok(&made)) fail_msg("%s", made.text);
    EngineSpec spec = {
        .njobs = 2, .control_delay_ps = 10 * PS_PER_US, .interval_ps = 50 * PS_PER_US};
    Flow *flow = flow_create(cluster, &spec);
    for (int32_t i = 0; i < scene->n; i++) {
        Status status = flow_submit(flow, &scene->transfer[i]);
        if (!status_is_ok(&status)) fail_msg("%s", status.text);
    }
    int64_t now_ps = 0;
    while (status_is_ok(&outcome->status)) {
        int64_t change_ps = cluster_next_change_ps(cluster, now_ps), next_ps = flow_next_ps(flow);
        int64_t idle_ps = every_ps > 0 && next_ps < TIME_NEVER_PS
                              ? (now_ps / every_ps + 1) * every_ps
                              : TIME_NEVER_PS;
        if (idle_ps < change_ps) change_ps = idle_ps;
        if (flow_nunfinished(flow) == 0 || (change_ps == TIME_NEVER_PS && next_ps == change_ps))
            break;
        now_ps = change_ps < next_ps ? change_ps : next_ps;
        flow_advance(flow, now_ps);
        outcome->ndone += flow_drain(flow, outcome->done + outcome->ndone, FLOWS - outcome->ndone);
        if (now_ps < change_ps) continue;
        cluster_set_time(cluster, now_ps);
        outcome->status = flow_refresh(flow, (TransferSource){describe, scene});
        assert_int_equal(flow_violation(flow), -1);
    }
    outcome->end_ps = now_ps;
    for (int32_t step = 0; step < 2; step++) {
        flow_step_links(flow, step, (LinkSink){.put = take_links, .context = outcome});
        flow_step_culprits(flow, step, (CulpritSink){take_culprits, outcome});
    }
    flow_destroy(flow);
    cluster_destroy(cluster);
}

static void assert_same(const Outcome *a, const Outcome *b) {
    assert_int_equal(a->ndone, b->ndone);
    for (int64_t i = 0; i < a->ndone; i++) {
        assert_int_equal(a->done[i].tag, b->done[i].tag);
        assert_int_equal(a->done[i].end_ps, b->done[i].end_ps);
        assert_int_equal(a->done[i].alone_ps, b->done[i].alone_ps);
    }
    assert_memory_equal(a->bytes, b->bytes, sizeof a->bytes);
    for (int32_t l = 0; l < LINKS_MAX; l++) {
        assert_in_range(a->delay_ps[l] - b->delay_ps[l] + 2, 0, 4);
        assert_int_equal(a->charged_ps[l][0] + a->charged_ps[l][1], a->delay_ps[l]);
        for (int32_t job = 0; job < 2; job++)
            assert_in_range(a->charged_ps[l][job] - b->charged_ps[l][job] + 4, 0, 8);
    }
}

static int64_t bytes_of(const Scene *scene) {
    int64_t sum = 0;
    for (int32_t i = 0; i < scene->n; i++)
        for (int64_t e = 0; e < scene->transfer[i].edges.nedges; e++)
            sum += scene->transfer[i].bytes * scene->edge[i][e].weight;
    return sum;
}

/// What NICs sent, and received.
static void assert_bytes_conserved(const Scene *scene, const Outcome *outcome) {
    Cluster *cluster = NULL;
    Status made = cluster_create(&scene->spec, &cluster);
    assert_true(status_is_ok(&made));
    for (int d = LINK_UP; d <= LINK_DOWN; d++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < cluster_tier_links(cluster, 1); i++)
            sum += outcome->bytes[cluster_first_link(cluster, 1, (LinkDirection)d) + i];
        assert_int_equal(sum, bytes_of(scene));
    }
    cluster_destroy(cluster);
}

/// What links say that transfers lost beyond what these took more than alone.
static int64_t told_beyond(const Outcome *outcome) {
    int64_t sum_ps = 0;
    for (int32_t l = 0; l < LINKS_MAX; l++) sum_ps += outcome->delay_ps[l];
    for (int64_t i = 0; i < outcome->ndone; i++)
        sum_ps -= outcome->done[i].end_ps - outcome->done[i].start_ps - outcome->done[i].alone_ps;
    return sum_ps;
}

enum { TOLD_PS = 4 * FLOWS + 2 * LINKS_MAX }; ///< each link rounds down, and each time alone

static Scene scene;
static Outcome first, second;

// Law: a change that changes nothing changes nothing.
static void nothing_changes_nothing(void **state) {
    (void)state;
    for (uint64_t number = 0; number < SCENES; number++) {
        draw_scene(&scene, number);
        play(&scene, 0, &first);
        assert_int_equal(first.ndone, FLOWS);
        play(&scene, 7 * PS_PER_US + 13, &second);
        assert_same(&first, &second);
        assert_bytes_conserved(&scene, &second);
    }
}

// Law: what is so from the beginning is a fault.
static void an_event_at_the_beginning_is_a_fault(void **state) {
    (void)state;
    for (uint64_t number = 0; number < SCENES; number++) {
        draw_scene(&scene, number);
        GpuId gpu = draw(number, 9000, HOSTS);
        scene.spec.fault[scene.spec.nfaults++] =
            (LinkFaultSpec){.tier = 1, .lower = gpu, .fraction = 0.25};
        play(&scene, 0, &first);
        scene.spec.nfaults = 0;
        char what[64];
        snprintf(what, sizeof what, "gpu %lld", (long long)gpu);
        happen(&scene, what, 0, 0.25);
        play(&scene, 0, &second);
        assert_same(&first, &second);
    }
}

// Law: one transfer alone is late by the outage of its NIC, to the picosecond, however soon routing learns of the return;
// its time alone is what it was.
static void an_outage_delays_by_itself(void **state) {
    (void)state;
    for (uint64_t number = 0; number < SCENES; number++) {
        draw_scene(&scene, number);
        scene.n = 1;
        scene.transfer[0].bytes = 10000000; // 200 us
        scene.transfer[0].start_ps = 0;
        play(&scene, 0, &first);
        int64_t length_us = 1 + draw(number, 9000, 1000), delay_us = draw(number, 9001, 30);
        int64_t at_us = 1 + draw(number, 9002, 150);
        char what[64];
        snprintf(what, sizeof what, "gpu %lld", (long long)scene.edge[0][0].dst);
        happen(&scene, what, at_us, 0);
        happen(&scene, what, at_us + length_us, 1);
        scene.spec.reroute_delay_ps = delay_us * PS_PER_US;
        play(&scene, 0, &second);
        assert_int_equal(second.ndone, 1);
        int64_t late_ps = second.done[0].end_ps - first.done[0].end_ps - length_us * PS_PER_US;
        // Sprayed over known-dead links nothing moves until routing knows better; a path is one link there at most.
        assert_in_range(late_ps, 0, delay_us * PS_PER_US);
        if (scene.spec.routing < ROUTING_SPRAY) assert_int_equal(late_ps, 0);
        assert_int_equal(second.done[0].alone_ps, first.done[0].alone_ps);
        assert_in_range(told_beyond(&second) + TOLD_PS, 0, 2 * TOLD_PS);
        assert_bytes_conserved(&scene, &second);
    }
}

// Two edges of one transfer, the second three times as heavy: what holds it changes with a NIC of the first, of which an
// eighth is left for a while. Then it goes at 1/8 of a link, else at 1/3.
static void another_edge_holds_for_a_while(void **state) {
    (void)state;
    draw_scene(&scene, 0);
    scene.n = 1;
    scene.edge[0][0] = (Edge){0, 1, 1};
    scene.edge[0][1] = (Edge){2, 3, 3};
    scene.transfer[0].edges.nedges = 2;
    scene.transfer[0].edges.key = 0;
    scene.transfer[0].round_latency_ps = 0;
    scene.transfer[0].bytes = 10000000; // 600 us
    scene.transfer[0].start_ps = 0;
    play(&scene, 0, &first);
    happen(&scene, "gpu 0 nic", 100, 0.125);
    happen(&scene, "gpu 0 nic", 260, 1);
    play(&scene, 0, &second);
    assert_int_equal(second.ndone, 1);
    assert_in_range(second.done[0].end_ps - first.done[0].end_ps - 100 * PS_PER_US + 2, 0, 4);
    assert_in_range(told_beyond(&second) + TOLD_PS, 0, 2 * TOLD_PS);
    assert_bytes_conserved(&scene, &second);
}

/// Outages of single places, all back in the end.
static void draw_outages(uint64_t number, int64_t from_us) {
    static const char *const KINDS[] = {"tier2 %d", "tier1 %d", "gpu %d", "gpu %d nic",
                                        "tier1 %d port 1"};
    static const int MOST[] = {8, HOSTS / 8, HOSTS, HOSTS, HOSTS / 8};
    scene.spec.reroute_delay_ps = draw(number, 9100, 60) * PS_PER_US;
    for (uint64_t e = 0; e < 6; e++) {
        char what[64];
        int64_t kind = draw(number, 9200 + 10 * e, 5);
        snprintf(what, sizeof what, KINDS[kind], (int)draw(number, 9201 + 10 * e, MOST[kind]));
        int64_t at_us = from_us + draw(number, 9202 + 10 * e, 2 * SPAN_US);
        happen(&scene, what, at_us, (double)draw(number, 9203 + 10 * e, 3) / 4);
        happen(&scene, what, at_us + 1 + draw(number, 9204 + 10 * e, SPAN_US), 1);
    }
}

// Law: what links say that transfers lost, waiting for a path or on one that is worse, is what these took more than alone,
// where no path is ever better than at the beginning: it is the healthy one of one message.
static void links_tell_what_outages_cost(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 2 * SCENES; number++) {
        draw_scene(&scene, number);
        for (int32_t i = 0; i < FLOWS; i++) {
            scene.transfer[i].start_ps = 0;
            scene.transfer[i].edges.nedges = 1;
        }
        draw_outages(number, 1);
        play(&scene, 0, &first);
        assert_int_equal(first.ndone, FLOWS);
        assert_in_range(told_beyond(&first) + TOLD_PS, 0, 2 * TOLD_PS);
    }
}

// Law: whatever dies and returns, all bytes arrive once, nothing ends before its time alone, and links tell all that was
// lost; NICs that never return end the run with a reason.
static void bytes_arrive_whatever_happens(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 2 * SCENES; number++) {
        draw_scene(&scene, number);
        draw_outages(number, 0);
        play(&scene, 0, &first);
        if (!status_is_ok(&first.status)) fail_msg("%s", first.status.text);
        assert_int_equal(first.ndone, FLOWS);
        for (int64_t i = 0; i < first.ndone; i++)
            assert_true(first.done[i].end_ps - first.done[i].start_ps >= first.done[i].alone_ps);
        assert_true(told_beyond(&first) >= -TOLD_PS);
        assert_bytes_conserved(&scene, &first);
        play(&scene, 3 * PS_PER_US + 17, &second);
        assert_same(&first, &second);
        // And once for good.
        char what[64];
        snprintf(what, sizeof what, "node %lld", (long long)scene.edge[0][0].src);
        happen(&scene, what, 0, 0);
        play(&scene, 0, &first);
        assert_int_equal(first.status.code, STATUS_NO_PATH);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes_nothing),
        cmocka_unit_test(an_event_at_the_beginning_is_a_fault),
        cmocka_unit_test(an_outage_delays_by_itself),
        cmocka_unit_test(another_edge_holds_for_a_while),
        cmocka_unit_test(links_tell_what_outages_cost),
        cmocka_unit_test(bytes_arrive_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
