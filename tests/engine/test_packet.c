// Laws of packets on fat trees of 400 Gb/s and 1 us a cable (packet_rig.h), and the closed forms that htsim meets.
#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "packet_rig.h"

enum { PACKET_PS = 83200, CABLE_PS = 1000000, MTU = 4096 };

static PacketRig rig;

// One flow of n packets over h idle cables takes h * 1 us + (n + h - 1) * 83.2 ns; where switches cut through, only the last
// link stores.

static int64_t alone_ps(int32_t h, int64_t n, Forwarding forwarding) {
    return h * (int64_t)CABLE_PS +
           (n + (forwarding == FORWARDING_STORE ? h - 1 : 0)) * (int64_t)PACKET_PS;
}

static void an_idle_path_takes_what_its_closed_form_says(void **state) {
    (void)state;
    static const struct {
        GpuId dst;
        int32_t h;
    } ways[] = {{1, 2}, {2, 4}, {15, 6}};
    static const int64_t packets[] = {1, 2, 16, 257};
    for (int32_t c = 0; c < 24; c++) {
        packet_rig_tree(&rig, 4);
        rig.packet.forwarding = c % 2 ? FORWARDING_STORE : FORWARDING_CUT_THROUGH;
        rig.spec.routing = c % 4 < 2 ? ROUTING_DMODK : ROUTING_ADAPTIVE;
        packet_rig_open(&rig);
        packet_rig_flow(&rig, 0, ways[c % 3].dst, packets[c / 6] * MTU, 1, 0);
        packet_rig_play(&rig);
        assert_int_equal(packet_rig_end_ps(&rig, 0),
                         alone_ps(ways[c % 3].h, packets[c / 6], rig.packet.forwarding));
        packet_rig_close(&rig);
    }
}

static void htsim_says_the_same_of_64_KiB(void **state) {
    (void)state;
    assert_int_equal(alone_ps(2, 16, FORWARDING_STORE), 3414400);
    assert_int_equal(alone_ps(6, 16, FORWARDING_STORE), 7747200);
}

// Queue pairs take turns: one of n packets and one of 2 n from one NIC end after 2 n and 3 n packets, less the one that the
// other is ahead.
static void queue_pairs_take_turns(void **state) {
    (void)state;
    packet_rig_switch(&rig, 4);
    packet_rig_open(&rig);
    packet_rig_flow(&rig, 0, 1, 100 * MTU, 1, 0);
    packet_rig_flow(&rig, 0, 2, 200 * MTU, 1, 0);
    packet_rig_play(&rig);
    assert_int_equal(packet_rig_end_ps(&rig, 0), alone_ps(2, 199, FORWARDING_STORE));
    assert_int_equal(packet_rig_end_ps(&rig, 1), alone_ps(2, 300, FORWARDING_STORE));
    packet_rig_close(&rig);
}

// Who begins waits for those that could begin before, and for nobody else: 3 flows of one packet that begin while a long one
// sends its first go one after the other behind that, before its second.
static void who_begins_waits_for_those_that_wait(void **state) {
    (void)state;
    packet_rig_switch(&rig, 8);
    packet_rig_open(&rig);
    packet_rig_flow(&rig, 0, 1, 100 * MTU, 1, 0);
    for (int32_t i = 0; i < 3; i++) packet_rig_flow(&rig, 0, 2 + i, MTU, 1, 1000 + i);
    packet_rig_play(&rig);
    for (int32_t i = 0; i < 3; i++)
        assert_int_equal(packet_rig_end_ps(&rig, 1 + i), alone_ps(2, 2 + i, FORWARDING_STORE));
    packet_rig_close(&rig);
}

// n equal flows into one NIC end within n packets of each other, and together take what the NIC takes.
static void an_incast_is_fair_and_fills_the_nic(void **state) {
    (void)state;
    enum { N = 15, PACKETS = 400 };
    for (int32_t pfc = 0; pfc < 2; pfc++) {
        packet_rig_switch(&rig, N + 1);
        rig.packet.flow_control = pfc > 0 ? FLOW_PFC : FLOW_NONE;
        packet_rig_open(&rig);
        for (int32_t i = 0; i < N; i++) packet_rig_flow(&rig, 1 + i, 0, PACKETS * MTU, 1, 0);
        packet_rig_play(&rig);
        assert_int_equal(packet_rig_last_ps(&rig), alone_ps(2, N * PACKETS, FORWARDING_STORE));
        for (int32_t i = 0; i < N; i++)
            assert_in_range(packet_rig_end_ps(&rig, i),
                            packet_rig_last_ps(&rig) - 2 * N * (int64_t)PACKET_PS,
                            packet_rig_last_ps(&rig));
        packet_rig_close(&rig);
    }
}

// 64 into one for 10 ms: with pauses no switch ever holds more than it has room for, and all comes.
static void pauses_keep_an_incast_in_the_buffers(void **state) {
    (void)state;
    enum { N = 64, PACKETS = 1900 };
    packet_rig_tree(&rig, 8);
    packet_rig_open(&rig);
    for (int32_t i = 0; i < N; i++) packet_rig_flow(&rig, 127 - i, 0, PACKETS * MTU, 1, 0);
    packet_rig_play(&rig);
    const PacketCounts count = packet_counts(rig.engine);
    assert_true(packet_rig_last_ps(&rig) > 10 * PS_PER_MS);
    assert_in_range(count.held_most, rig.packet.buffer_bytes / 8, rig.packet.buffer_bytes);
    assert_in_range(packet_rig_last_ps(&rig), alone_ps(6, N * PACKETS, FORWARDING_STORE),
                    alone_ps(6, N * PACKETS, FORWARDING_STORE) + 100 * (int64_t)PACKET_PS);
    packet_rig_close(&rig);
}

// Marks are set between Kmin and Kmax and nowhere else: none where nothing waits, none below Kmin, none up to Kmax where none
// are wanted there, and some beyond.
static int64_t notices_of(double min_us, double max_us, double most, int32_t nsenders) {
    packet_rig_switch(&rig, 8);
    rig.packet.control = CONTROL_DCQCN;
    rig.packet.ecn_min_us = min_us;
    rig.packet.ecn_max_us = max_us;
    rig.packet.ecn_most = most;
    rig.packet.cnp_ps = 0;
    packet_rig_open(&rig);
    // The queue grows to (nsenders - 1) * 100 packets of 83.2 ns, 8.3 us for each more sender.
    for (int32_t i = 0; i < nsenders; i++) packet_rig_flow(&rig, 1 + i, 0, 100 * MTU, 1, 0);
    packet_rig_play(&rig);
    const int64_t notices = packet_counts(rig.engine).notices;
    packet_rig_close(&rig);
    return notices;
}

static void marks_are_set_between_kmin_and_kmax(void **state) {
    (void)state;
    assert_int_equal(notices_of(0, 0, 1, 1), 0);
    assert_int_equal(notices_of(8.4, 8.4, 1, 2), 0);
    assert_true(notices_of(8.0, 8.0, 1, 2) > 0);
    assert_int_equal(notices_of(0, 8.4, 0, 2), 0);
    assert_true(notices_of(0, 8.0, 0, 2) > 0);
    const int64_t few = notices_of(0, 1000, 0.1, 4), more = notices_of(0, 1000, 1, 4);
    assert_true(more > few);
}

// Permutations at full bisection, spread packet by packet. What all put on the same links all the way (a shift) takes as long
// as a flow alone, within 2 % where switches adapt. At random destinations packets meet on the way down, where nobody chooses:
// queues grow with the root of the message, and 16 MiB take some 5 % more.

enum { HOSTS = 128, PACKETS = 4096 };

static double permutation_over_alone(Routing routing, bool random) {
    GpuId to[HOSTS];
    for (int32_t i = 0; i < HOSTS; i++) to[i] = random ? i : (i + HOSTS / 2) % HOSTS;
    for (int32_t i = HOSTS - 1; random && i > 0; i--) { // of one cycle: nobody sends to itself
        const int64_t k = rng_below(3, RNG_TEST, (uint64_t)i, 0, i);
        const GpuId swap = to[i];
        to[i] = to[k];
        to[k] = swap;
    }
    packet_rig_tree(&rig, 8);
    rig.spec.routing = routing;
    packet_rig_open(&rig);
    for (int32_t i = 0; i < HOSTS; i++)
        packet_rig_flow(&rig, i, to[i], PACKETS * (int64_t)MTU, 1, 0);
    packet_rig_play(&rig);
    const int64_t last_ps = packet_rig_last_ps(&rig);
    packet_rig_close(&rig);
    return (double)last_ps / (double)alone_ps(6, PACKETS, FORWARDING_STORE);
}

static void spread_permutations_take_little_more_than_a_flow(void **state) {
    (void)state;
    assert_close(permutation_over_alone(ROUTING_ADAPTIVE, false), 1.01, 0.01);
    assert_close(permutation_over_alone(ROUTING_ADAPTIVE, true), 1.04, 0.04);
    assert_close(permutation_over_alone(ROUTING_SPRAY, true), 1.04, 0.04);
}

// The shift of 1 MiB on 128 and 1,024 hosts, sprayed, ends no later than in htsim, whose 41.71 and 43.55 us count the last
// acknowledgement, 6 * (1 us + 1.28 ns) on idle links (bench/packet_race.c has the rest of the comparison).
static void sprayed_shifts_end_no_later_than_in_htsim(void **state) {
    (void)state;
    static const int32_t ports[] = {8, 16};
    static const int64_t htsim_ps[] = {41710000 - 6007680, 43550000 - 6007680};
    for (int32_t c = 0; c < 2; c++) {
        packet_rig_tree(&rig, ports[c]);
        packet_rig_open(&rig);
        const int64_t n = rig.spec.nodes;
        for (int64_t i = 0; i < n; i++) packet_rig_flow(&rig, i, (i + n / 2) % n, 256 * MTU, 1, 0);
        packet_rig_play(&rig);
        assert_in_range(packet_rig_last_ps(&rig), alone_ps(6, 256, FORWARDING_STORE), htsim_ps[c]);
        packet_rig_close(&rig);
    }
}

// DCQCN brings equal flows to equal rates, also where each begins 50 us after the one before and would, at line rate, be done
// with a third when the last begins: Jain's index of what they reach is at least 0.95. They use most of the NIC, and leave a
// quarter of the buffer free, which fills up without.
static void dcqcn_is_fair(void **state) {
    (void)state;
    enum { N = 8, LONG = 20000 };
    for (int32_t staggered = 0; staggered < 2; staggered++) {
        packet_rig_switch(&rig, N + 1);
        rig.packet.control = CONTROL_DCQCN;
        packet_rig_open(&rig);
        for (int32_t i = 0; i < N; i++)
            packet_rig_flow(&rig, 1 + i, 0, LONG * (int64_t)MTU, 1, staggered * i * 50 * PS_PER_US);
        packet_rig_play(&rig);
        assert_true(packet_rig_fairness(&rig, LONG * (int64_t)MTU) >= 0.95);
        assert_true(packet_counts(rig.engine).held_most < rig.packet.buffer_bytes / 4 * 3);
        assert_true((double)packet_rig_last_ps(&rig) <
                    1.3 * (double)alone_ps(2, N * LONG, FORWARDING_STORE));
        packet_rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_path_takes_what_its_closed_form_says),
        cmocka_unit_test(htsim_says_the_same_of_64_KiB),
        cmocka_unit_test(queue_pairs_take_turns),
        cmocka_unit_test(who_begins_waits_for_those_that_wait),
        cmocka_unit_test(an_incast_is_fair_and_fills_the_nic),
        cmocka_unit_test(pauses_keep_an_incast_in_the_buffers),
        cmocka_unit_test(marks_are_set_between_kmin_and_kmax),
        cmocka_unit_test(dcqcn_is_fair),
        cmocka_unit_test(spread_permutations_take_little_more_than_a_flow),
        cmocka_unit_test(sprayed_shifts_end_no_later_than_in_htsim),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
