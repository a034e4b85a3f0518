// Laws of packets on a fabric that changes: all arrives, whatever dies and returns meanwhile, or an error says what cannot.
#include <stdio.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "engine/flow/flow.h"
#include "packet_tree.h"

static int64_t draw(uint64_t scene, uint64_t what, int64_t below) {
    return rng_below(71, RNG_TEST, scene, what, below);
}

static void happen(TreeScene *scene, const char *what, int64_t at_ps, double remaining) {
    EventSpec *event = &scene->cluster.event[scene->cluster.nevents++];
    *event = (EventSpec){.at_ps = at_ps, .remaining = remaining};
    snprintf(event->what, sizeof event->what, "%s", what);
}

static Routing routing_of(uint64_t number) {
    static const Routing ROUTINGS[] = {ROUTING_ECMP, ROUTING_SPRAY, ROUTING_ADAPTIVE,
                                       ROUTING_DMODK};
    return ROUTINGS[number % 4];
}

// A NIC that keeps a quarter from 100 us on: what is left then takes four times as long; one that is as before at 300 us again
// has lost 3/4 of 200 us. To a round trip and some packets.
static void a_slow_link_takes_its_time(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 4; k++) {
        TreeScene scene;
        tree_begin(&scene, routing_of(k));
        scene.packet.control = CONTROL_NONE;
        tree_add(&scene, 3, 30, 20000000, 0);
        happen(&scene, "gpu 3 nic", 100 * PS_PER_US, 0.25);
        const TreeOutcome slow = tree_play(&scene);
        happen(&scene, "gpu 3 nic", 300 * PS_PER_US, 1);
        const TreeOutcome both = tree_play(&scene);
        assert_all_done(&scene, &slow);
        assert_all_done(&scene, &both);
        assert_close((double)slow.end_ps, 100e6 + 4 * 300e6, 5e6);
        assert_close((double)both.end_ps, 400e6 + 150e6, 5e6);
        assert_int_equal(slow.count.drops, 0);
    }
}

// A NIC that is dead for 500 us costs that, and what is lost and found: up to a time-out of 100 us.
static void a_dead_nic_is_waited_for(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 8; k++) {
        TreeScene scene;
        tree_begin(&scene, routing_of(k));
        scene.packet.timeout_ps = 100 * PS_PER_US;
        tree_add(&scene, 3, 30, 20000000, 0);
        const char *what = k < 4 ? "gpu 3 nic" : "gpu 30 nic";
        happen(&scene, what, 100 * PS_PER_US, 0);
        happen(&scene, what, 600 * PS_PER_US, 1);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true(outcome.count.drops > 0);
        assert_true(outcome.end_ps > 900 * PS_PER_US && outcome.end_ps < 1050 * PS_PER_US);
    }
}

// What begins while its NIC is dead waits, and its time alone is that of the path it gets.
static void what_has_no_path_waits(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 4; k++) {
        TreeScene scene;
        tree_begin(&scene, routing_of(k));
        scene.packet.timeout_ps = 100 * PS_PER_US;
        happen(&scene, "gpu 3 nic", 0, 0);
        happen(&scene, "gpu 3 nic", 500 * PS_PER_US, 0.5);
        tree_add(&scene, 3, 30, 5000000, 0);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_close((double)outcome.done[0].alone_ps, 200e6, 5e6);
        assert_close((double)outcome.end_ps, 700e6, 10e6);
    }
}

// A NIC that dies for good is an error, and no endless run.
static void what_never_has_a_path_fails(void **state) {
    (void)state;
    for (uint64_t k = 0; k < 4; k++) {
        TreeScene scene;
        tree_begin(&scene, routing_of(k));
        tree_add(&scene, 3, 30, 5000000, 0);
        happen(&scene, "gpu 30 nic", 50 * PS_PER_US, 0);
        const TreeOutcome outcome = tree_play(&scene);
        assert_int_equal(outcome.status.code, STATUS_NO_PATH);
    }
}

static void draw_events(TreeScene *scene, uint64_t number) {
    for (uint64_t i = 0; i < 6; i++) {
        char what[32];
        const uint64_t at = 2000 + 10 * i;
        if (i % 2)
            snprintf(what, sizeof what, "tier2 %d", (int)draw(number, at, 8));
        else if (i % 4)
            snprintf(what, sizeof what, "gpu %d nic", (int)draw(number, at, TREE_HOSTS));
        else
            snprintf(what, sizeof what, "tier1 %d port %d", (int)draw(number, at, 4),
                     (int)draw(number, at + 1, 8));
        const int64_t from_ps = draw(number, at + 2, 300) * PS_PER_US;
        happen(scene, what, from_ps, draw(number, at + 3, 3) ? 0 : 0.5);
        happen(scene, what, from_ps + draw(number, at + 4, 200) * PS_PER_US, 1);
    }
}

// Spines, leaf ports and NICs die, slow down and return while random transfers and a ring are under way: all arrive, on any
// routing, whenever routing learns of it, with pauses or losses.
static void all_arrives_whatever_dies_and_returns(void **state) {
    (void)state;
    for (uint64_t number = 0; number < 32; number++) {
        TreeScene scene;
        tree_begin(&scene, routing_of(number));
        scene.cluster.reroute_delay_ps = draw(number, 3000, 3) * 20 * PS_PER_US;
        scene.packet.timeout_ps = 100 * PS_PER_US;
        scene.packet.flow_control = number % 8 >= 4  ? FLOW_NONE
                                    : number % 2 > 0 ? FLOW_CREDITS
                                                     : FLOW_PFC;
        scene.packet.credit_bytes = 8 * scene.packet.mtu_bytes;
        scene.packet.buffer_bytes = 4000000;
        scene.packet.control = number % 3 ? CONTROL_NONE : CONTROL_DCQCN;
        scene.packet.recovery = number % 5 ? RECOVERY_SELECTIVE : RECOVERY_GO_BACK;
        draw_events(&scene, number);
        for (uint64_t i = 0; i < 40; i++) {
            const GpuId src = draw(number, 10 * i, TREE_HOSTS),
                        dst = draw(number, 10 * i + 1, TREE_HOSTS - 1);
            tree_add(&scene, src, dst + (dst >= src), draw(number, 10 * i + 2, 2000000),
                     draw(number, 10 * i + 3, 300) * PS_PER_US);
        }
        tree_add_ring(&scene, 20, 4000000, 9);
        const TreeOutcome outcome = tree_play(&scene);
        if (!status_is_ok(&outcome.status))
            fail_msg("scene %d: %s", (int)number, outcome.status.text);
        assert_int_equal(outcome.ndone, scene.n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_link_takes_its_time),
        cmocka_unit_test(a_dead_nic_is_waited_for),
        cmocka_unit_test(what_has_no_path_waits),
        cmocka_unit_test(what_never_has_a_path_fails),
        cmocka_unit_test(all_arrives_whatever_dies_and_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
