// Laws of ways that senders choose: all values are used alike, one that is marked gives way, and what is slow far away is made way for.
#include "base/units.h"
#include "claims.h"
#include "engine/packet/entropy.h"
#include "packet_tree.h"

static const Multipath CHOSEN[] = {MULTIPATH_TURNS, MULTIPATH_AVOIDING};

static int32_t take(const PacketSpec *spec, QueuePair *qp) {
    const int32_t value = entropy_next(spec, qp);
    entropy_sent(spec, qp);
    return value;
}

// In turn, each value as often as any other, whatever the first.
static void values_take_turns(void **state) {
    (void)state;
    PacketSpec spec = packet_default_spec();
    spec.multipath = MULTIPATH_TURNS;
    for (spec.paths = 1; spec.paths <= PACKET_PATHS_MOST; spec.paths++) {
        QueuePair qp = {.src = spec.paths, .dst = 7};
        entropy_begin(&spec, &qp);
        const int32_t first = qp.turn;
        assert_true(first < spec.paths);
        for (int32_t k = 0; k < 2 * spec.paths; k++)
            assert_int_equal(take(&spec, &qp), (first + k) % spec.paths);
    }
}

// Of half the values one that was marked gives its turn to its spare, however many marks of it come back, and has it again when
// that is marked. Of an odd number one has no spare, and stays.
static void a_value_that_is_marked_gives_way_to_its_spare(void **state) {
    (void)state;
    PacketSpec spec = packet_default_spec();
    spec.multipath = MULTIPATH_AVOIDING;
    for (spec.paths = 1; spec.paths <= PACKET_PATHS_MOST; spec.paths++) {
        const int32_t turns = (spec.paths + 1) / 2;
        for (int32_t value = 0; value < turns; value++) {
            QueuePair qp = {.src = spec.paths, .dst = 7};
            entropy_begin(&spec, &qp);
            const int32_t first = qp.turn,
                          spare = value + turns < spec.paths ? value + turns : value;
            entropy_avoid(&spec, &qp, value);
            if (spare != value) entropy_avoid(&spec, &qp, value);
            for (int32_t k = 0; k < 2 * turns; k++) {
                const int32_t turn = (first + k) % turns;
                assert_int_equal(take(&spec, &qp), turn == value ? spare : turn);
            }
            entropy_avoid(&spec, &qp, spare);
            for (int32_t k = 0; k < turns; k++)
                assert_int_equal(take(&spec, &qp), (first + k) % turns);
        }
    }
}

/// Every host sends to one below another leaf.
static void shift(TreeScene *scene, Multipath multipath, int64_t bytes) {
    tree_begin(scene, ROUTING_SPRAY);
    scene->packet.multipath = multipath;
    scene->packet.control = CONTROL_NSCC;
    scene->packet.ecn_min_us = 4;
    scene->packet.ecn_max_us = 16;
    for (int32_t i = 0; i < TREE_HOSTS; i++) tree_add(scene, i, (i + 11) % TREE_HOSTS, bytes, 0);
}

// Where nothing is marked, avoiding is taking turns with half the values, to the picosecond.
static void without_marks_nothing_is_avoided(void **state) {
    (void)state;
    TreeOutcome outcome[2];
    for (int32_t k = 0; k < 2; k++) {
        TreeScene scene;
        shift(&scene, CHOSEN[k], 1000000);
        scene.packet.ecn_min_us = scene.packet.ecn_max_us = 1e6;
        scene.packet.paths = k == 0 ? 32 : 64;
        outcome[k] = tree_play(&scene);
        assert_all_done(&scene, &outcome[k]);
    }
    for (int32_t i = 0; i < TREE_HOSTS; i++)
        assert_int_equal(outcome[0].done[i].end_ps, outcome[1].done[i].end_ps);
    assert_int_equal(outcome[0].count.acks, outcome[1].count.acks);
}

// Packets of one value go one way, and so in order; those of several overtake each other.
static void one_value_is_one_way(void **state) {
    (void)state;
    for (int32_t paths = 1; paths <= 16; paths += 15) {
        TreeScene scene;
        shift(&scene, MULTIPATH_TURNS, 2000000);
        scene.packet.paths = paths;
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true((outcome.count.reordered == 0) == (paths == 1));
    }
}

// A spine's link down to a leaf has a quarter of its rate, which no leaf sees that sends there. Who avoids what is marked sends
// less that way: the last takes less than half as long as in turns, or at random.
static void what_is_slow_far_away_is_avoided(void **state) {
    (void)state;
    int64_t end_ps[3];
    for (int32_t k = 0; k < 3; k++) {
        TreeScene scene;
        shift(&scene, (Multipath)k, 16000000);
        scene.cluster.nfaults = 1;
        scene.cluster.fault[0] =
            (LinkFaultSpec){.tier = 2, .lower = 2, .port = 3, .fraction = 0.25};
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        end_ps[k] = outcome.end_ps;
    }
    assert_true((double)end_ps[MULTIPATH_AVOIDING] < 0.5 * (double)end_ps[MULTIPATH_TURNS]);
    assert_true((double)end_ps[MULTIPATH_AVOIDING] < 0.5 * (double)end_ps[MULTIPATH_RANDOM]);
}

// What is lost is sent again, whichever way, and headers of what was trimmed tell of their way, too.
static void ways_go_on_over_losses(void **state) {
    (void)state;
    for (int32_t k = 0; k < 4; k++) {
        TreeScene scene;
        shift(&scene, CHOSEN[k % 2], 1000000);
        tree_add_incast(&scene, 12, 1000000);
        scene.packet.loss_share = k < 2 ? 0.01 : 0;
        scene.packet.flow_control = FLOW_NONE;
        scene.packet.trim = true;
        scene.packet.buffer_bytes = 2000000;
        const TreeOutcome outcome = tree_play(&scene);
        assert_all_done(&scene, &outcome);
        assert_true(outcome.count.resent > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_take_turns),
        cmocka_unit_test(a_value_that_is_marked_gives_way_to_its_spare),
        cmocka_unit_test(without_marks_nothing_is_avoided),
        cmocka_unit_test(one_value_is_one_way),
        cmocka_unit_test(what_is_slow_far_away_is_avoided),
        cmocka_unit_test(ways_go_on_over_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
