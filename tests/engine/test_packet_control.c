// Laws of what slows senders down: alone nobody is slowed, equal ones get equal shares, and the queue is no longer than it has
// to be.
#include "base/units.h"
#include "claims.h"
#include "engine/packet/control.h"
#include "packet_tree.h"

static const RateControl WINDOWS[] = {CONTROL_WINDOW, CONTROL_NSCC};
static const Routing ROUTINGS[] = {ROUTING_ECMP, ROUTING_ADAPTIVE};

static void begin(TreeScene *scene, int32_t k) {
    tree_begin(scene, ROUTINGS[k / 2 % 2]);
    scene->packet.control = WINDOWS[k % 2];
    scene->packet.ecn_min_us = 4;
    scene->packet.ecn_max_us = 16;
}

// One flow alone, whatever its control and however few acknowledgements there are, is as fast as its line: nobody is slowed by
// a window of what is under way, and none that is full waits for an acknowledgement that does not come.
static void alone_nobody_is_slowed(void **state) {
    (void)state;
    for (int32_t k = 0; k < 8; k++) {
        TreeScene scene;
        begin(&scene, k);
        scene.packet.acks_every = k < 4 ? 4 : 1000;
        tree_add(&scene, 1, 30, 20000000, 0);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        const double slowed = (double)outcome.end_ps / (double)outcome.done[0].alone_ps;
        assert_true(slowed < (k < 4 ? 1.02 : 1.8));
        assert_int_equal(outcome.count.resent, 0);
    }
}

// Eight flows into one NIC, each 20 us behind the one before, 16 MB each: Jain's index of their mean rates is at least 0.95, and
// the NIC is used to at least 90 %. A packet that comes when they are at it waits for about delay_ps.
static void equals_get_equal_shares_and_queues_are_short(void **state) {
    (void)state;
    for (int32_t k = 0; k < 4; k++) {
        TreeScene scene;
        begin(&scene, k);
        for (int32_t i = 0; i < 8; i++)
            tree_add(&scene, 8 + 3 * i, 0, 16000000, i * 20 * PS_PER_US);
        for (int32_t i = 0; i < 8; i++) tree_add(&scene, 7, 0, 4096, (1000 + 100 * i) * PS_PER_US);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        double sum = 0, squares = 0, wait_ps = 0;
        for (int32_t i = 0; i < 8; i++) {
            const double rate = 1 / (double)(outcome.done[i].end_ps - outcome.done[i].start_ps);
            sum += rate;
            squares += rate * rate;
            const Completion *late = &outcome.done[8 + i];
            wait_ps += (double)(late->end_ps - late->start_ps - late->alone_ps) / 8;
        }
        assert_true(sum * sum / (8 * squares) >= 0.95);
        assert_true(8 * 16e6 / 50e9 > 0.9 * (double)outcome.end_ps * 1e-12);
        assert_true(wait_ps < 2.0 * (double)scene.packet.delay_ps);
    }
}

// A flow into a NIC that another had to itself: a small window may let more wait than a large one, so the later one gets its half.
// It takes twice as long as alone, to a fifth.
static void who_comes_later_gets_its_share(void **state) {
    (void)state;
    TreeScene scene;
    tree_begin(&scene, ROUTING_ECMP);
    scene.packet.control = CONTROL_WINDOW;
    tree_add(&scene, 8, 0, 100000000, 0);
    tree_add(&scene, 16, 0, 20000000, 400 * PS_PER_US);
    const TreeOutcome outcome = tree_play(&scene);
    assert_all_done(&scene, &outcome);
    const Completion *later = &outcome.done[1];
    assert_close((double)(later->end_ps - later->start_ps) / (double)later->alone_ps, 2, 0.4);
}

// Nothing is lost by a window, and what is lost is sent again by it too.
static void windows_go_on_over_losses(void **state) {
    (void)state;
    for (int32_t k = 0; k < 8; k++) {
        TreeScene scene;
        begin(&scene, k);
        scene.packet.loss_share = 0.01;
        scene.packet.trim = k >= 4;
        scene.packet.flow_control = k < 4 ? FLOW_PFC : FLOW_NONE;
        scene.packet.buffer_bytes = 2000000;
        tree_add_incast(&scene, 16, 2000000);
        tree_add_ring(&scene, 20, 4000000, 9);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true(outcome.count.drops > 0);
    }
}

static const int64_t LINE_BPS = INT64_C(1000000000);

/// Send ten packets of 1,000 bytes at once.
static void send_ten(Control *control, const PacketSpec *spec, int64_t now_ps) {
    for (int32_t sent = 0; sent < 10; sent++) control_send(control, spec, LINE_BPS, now_ps, 1000);
}

/// By how much of the line the target rises with the next rise, which is due at now_ps by time or by ten packets.
static double target_rise(Control *control, const PacketSpec *spec, int64_t now_ps, bool by_bytes) {
    const double target = control->target_Bps, rate = control->rate_Bps;
    if (by_bytes)
        send_ten(control, spec, now_ps);
    else
        control_send(control, spec, LINE_BPS, now_ps, 0);
    assert_close(control->rate_Bps, (rate + control->target_Bps) / 2, 1e-3);
    return (control->target_Bps - target) / (double)LINE_BPS;
}

// After a cut a rate rises each time that the timer runs out, and each time that so many bytes were sent: the first fast_steps of
// either halve the way back, then the target rises; by more, the longer, when both are beyond that. A cut begins all anew.
static void a_rate_rises_by_time_and_by_what_is_sent(void **state) {
    (void)state;
    PacketSpec spec = packet_default_spec();
    spec.counter_bytes = 10000;
    spec.fast_steps = 2;
    spec.add_share = 0.001;
    spec.hyper_share = 0.01;
    Control control;
    control_begin(&control, &spec, LINE_BPS, 0, 0);
    for (int64_t start_ps = 1; start_ps < 3 * PS_PER_S; start_ps += PS_PER_S) {
        control_send(&control, &spec, LINE_BPS, start_ps, 9000); // of no rise before the cut
        control_hear(&control, &spec, LINE_BPS,
                     &(Heard){.now_ps = start_ps, .trip_ps = -1, .marked = true});
        control.target_Bps = 0.8 * (double)LINE_BPS;
        const double by_bytes[] = {0, 0, 0.001, 0.001}, by_time[] = {0.001, 0.001, 0.01, 0.02};
        for (int32_t k = 0; k < 4; k++)
            assert_close(target_rise(&control, &spec, start_ps, true), by_bytes[k], 1e-9);
        for (int32_t k = 0; k < 4; k++)
            assert_close(target_rise(&control, &spec, start_ps + (k + 1) * spec.increase_ps, false),
                         by_time[k], 1e-9);
        assert_close(target_rise(&control, &spec, start_ps + 4 * spec.increase_ps, true), 0.02,
                     1e-9);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_nobody_is_slowed),
        cmocka_unit_test(equals_get_equal_shares_and_queues_are_short),
        cmocka_unit_test(who_comes_later_gets_its_share),
        cmocka_unit_test(windows_go_on_over_losses),
        cmocka_unit_test(a_rate_rises_by_time_and_by_what_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
