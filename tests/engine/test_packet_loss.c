// Laws of packets that are lost: every byte arrives, once, whoever loses what; what is lossless loses nothing.
#include "base/rng.h"
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "packet_tree.h"

static int64_t draw(uint64_t scene, uint64_t what, int64_t below) {
    return rng_below(53, RNG_TEST, scene, what, below);
}

static void draw_traffic(TreeScene *scene, uint64_t number) {
    for (uint64_t i = 0; i < 40; i++) {
        const GpuId src = draw(number, 10 * i, TREE_HOSTS),
                    dst = draw(number, 10 * i + 1, TREE_HOSTS - 1);
        Transfer *transfer =
            tree_add(scene, src, dst + (dst >= src), draw(number, 10 * i + 2, 2000000),
                     draw(number, 10 * i + 3, 100) * PS_PER_US);
        transfer->queue_pairs = 1 + (int32_t)draw(number, 10 * i + 4, 3);
    }
    tree_add_ring(scene, 2 + (int32_t)draw(number, 1000, 20), draw(number, 1001, 4000000), 9);
}

// Cables lose 1 of 50 packets: every transfer of random ones ends, what was lost was sent again, and in rings of several
// rounds, whose parts differ in length, too. Little is sent again that was not lost, but by going back.
static void every_byte_arrives_over_cables_that_lose_packets(void **state) {
    (void)state;
    static const Routing ROUTINGS[] = {ROUTING_ECMP, ROUTING_SPRAY, ROUTING_ADAPTIVE};
    for (uint64_t number = 0; number < 24; number++) {
        TreeScene scene;
        tree_begin(&scene, ROUTINGS[number % 3]);
        scene.packet.recovery = number / 3 % 2 ? RECOVERY_GO_BACK : RECOVERY_SELECTIVE;
        scene.packet.control = number / 6 % 2 ? CONTROL_DCQCN : CONTROL_NONE;
        scene.packet.loss_share = 0.02;
        draw_traffic(&scene, number);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true(outcome.count.drops > 100);
        assert_true(outcome.count.resent >= outcome.count.drops);
        const bool back = number % 3 == 0 && scene.packet.recovery == RECOVERY_GO_BACK;
        assert_true((outcome.count.resent > 5 * outcome.count.drops) == back);
        assert_true(back || 5 * outcome.count.resent < 6 * outcome.count.drops);
    }
}

// A window of packets of one flow: of those that are lost only one is sent again, not all behind it, where the receiver keeps
// them; else at most what was under way, for each.
static void selective_repeat_sends_again_what_was_lost(void **state) {
    (void)state;
    TreeScene scene;
    tree_begin(&scene, ROUTING_ECMP);
    scene.packet.loss_share = 0.001;
    scene.packet.control = CONTROL_NONE;
    tree_add(&scene, 0, 31, 100000000, 0);
    const TreeOutcome selective = tree_play(&scene);
    scene.packet.recovery = RECOVERY_GO_BACK;
    const TreeOutcome back = tree_play(&scene);
    assert_true(selective.count.drops > 20);
    assert_true(selective.count.resent <= selective.count.drops + 2);
    assert_true(back.count.resent > 20 * back.count.drops);
    assert_true(selective.end_ps < back.end_ps);
    // 2 of 3 links lose 1 of 1,000; nothing waits for a time-out but what is lost at the end
    assert_close((double)selective.end_ps / (double)selective.done[0].alone_ps, 1.003, 0.004);
}

// A spine that has lost a tenth of its rate, over which packets are sprayed all the same: they come ever later than those that were
// sent with them, and none is lost. Little is sent again, since whoever gets a packet twice waits longer from then on.
static void what_comes_late_is_hardly_sent_again(void **state) {
    (void)state;
    TreeScene scene;
    tree_begin(&scene, ROUTING_SPRAY);
    scene.packet.control = CONTROL_NONE;
    scene.packet.timeout_ps = 100 * PS_PER_MS;
    scene.cluster.event[scene.cluster.nevents++] =
        (EventSpec){.at_ps = PS_PER_US, .remaining = 0.9, .what = "tier2 2"};
    for (int32_t i = 0; i < 8; i++) tree_add(&scene, i, 8 + i, 60000000, 0);
    const TreeOutcome outcome = tree_play(&scene);
    assert_all_done(&scene, &outcome);
    assert_int_equal(outcome.count.drops, 0);
    assert_true(outcome.count.resent > 0 && 50 * outcome.count.resent < outcome.count.packets);
}

// 16 hosts flood one without PFC, with buffers of 2 MB: packets are dropped or trimmed, and all arrive; dropped none where
// they are trimmed, and then its link is hardly idle. Time-outs at the end of messages cost 1 ms each, and going back what the
// senders have poured out at line rate meanwhile.
static void what_finds_no_room_is_dropped_or_trimmed(void **state) {
    (void)state;
    for (int32_t k = 0; k < 6; k++) {
        TreeScene scene;
        tree_begin(&scene, k % 2 ? ROUTING_ADAPTIVE : ROUTING_ECMP);
        scene.packet.flow_control = FLOW_NONE;
        scene.packet.buffer_bytes = 2000000;
        scene.packet.trim = k / 2 == 1;
        scene.packet.recovery = k / 2 == 2 ? RECOVERY_GO_BACK : RECOVERY_SELECTIVE;
        tree_add_incast(&scene, 16, 4000000);
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true((outcome.count.trims > 0) == scene.packet.trim);
        assert_true((outcome.count.drops > 0) == !scene.packet.trim);
        const double least_s = 16 * 4e6 / (double)TREE_BPS, took_s = (double)outcome.end_ps * 1e-12;
        assert_true(took_s < (k / 2 == 1 ? 1.3 : k == 4 ? 60 : 6) * least_s);
    }
}

// PFC: the same loses nothing.
static void pauses_lose_nothing(void **state) {
    (void)state;
    TreeScene scene;
    tree_begin(&scene, ROUTING_ADAPTIVE);
    scene.packet.control = CONTROL_NONE;
    scene.packet.buffer_bytes = 2000000;
    tree_add_incast(&scene, 31, 4000000);
    const TreeOutcome outcome = tree_play(&scene);
    assert_all_done(&scene, &outcome);
    assert_int_equal(outcome.count.drops + outcome.count.trims + outcome.count.resent, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_arrives_over_cables_that_lose_packets),
        cmocka_unit_test(selective_repeat_sends_again_what_was_lost),
        cmocka_unit_test(what_comes_late_is_hardly_sent_again),
        cmocka_unit_test(what_finds_no_room_is_dropped_or_trimmed),
        cmocka_unit_test(pauses_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
