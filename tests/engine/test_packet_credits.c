// Laws of credits: a port never sends what its far end has no room for, so nothing is lost; none come into being or get lost;
// where there are enough of them they are not felt, and fewer of them never make anything faster.
#include "base/units.h"
#include "claims.h"
#include "engine/packet/credits.h"
#include "engine/packet/hubs.h"
#include "packet_rig.h"

static PacketRig rig;

static void with_credits(int64_t bytes) {
    rig.packet.flow_control = FLOW_CREDITS;
    rig.packet.credit_bytes = bytes;
}

// Where they are.

/// What is on its way, of data over wires and of credits back to them, is added to bytes[].
static void add_packet(const Packet *packet, int64_t bytes[]) {
    if (packet->kind == PACKET_DATA) bytes[packet->in] += packet->bytes;
    if (packet->kind == PACKET_CREDIT) bytes[packet->number] += packet->bytes;
}

static void add_under_way(const Net *net, int64_t bytes[]) {
    for (int64_t h = 0; h < net->nhubs; h++)
        for (int32_t k = 0; k < INBOX_STRETCHES; k++) {
            const PacketQueue *list = &net->inboxes.of[h].list[k].packets;
            for (int32_t p = list->head; p != list->tail; p = ring_next(&net->rings, p))
                add_packet(&net->rings.at[p], bytes);
        }
    for (int64_t i = 0; i < net->inboxes.far.order.n; i++)
        add_packet(&net->inboxes.far.at.at[net->inboxes.far.order.at[i].item], bytes);
}

/// Returns how many ports lack some.
static int32_t assert_conserved(const Net *net) {
    static int64_t bytes[4096];
    int32_t lacking = 0;
    assert_true(net->nlinks < 4096);
    for (int64_t w = 0; w < net->nlinks; w++) bytes[w] = 0;
    add_under_way(net, bytes);
    for (int64_t w = 0; w < net->nlinks; w++) {
        const Wire *wire = &net->wire[w];
        if (wire->from < 0 || net->hub[wire->to].kind != HUB_SWITCH) continue;
        const struct Credits *credits = &net->credits[w];
        const int64_t back = credits->freed[0].bytes + credits->freed[1].bytes;
        if (wire->credit_bytes + bytes[w] + wire->held_bytes + back != net->spec.credit_bytes)
            fail_msg("wire %lld: %d at its port, %lld under way, %lld held, %lld freed, of %lld",
                     (long long)w, wire->credit_bytes, (long long)bytes[w],
                     (long long)wire->held_bytes, (long long)back,
                     (long long)net->spec.credit_bytes);
        lacking += wire->credit_bytes < net->spec.mtu_bytes;
    }
    return lacking;
}

// Laws.

static int64_t alone_ps(FlowControl flow_control, int64_t credit_bytes) {
    packet_rig_tree(&rig, 4);
    with_credits(credit_bytes);
    rig.packet.flow_control = flow_control;
    rig.packet.buffer_bytes = PACKET_ENDLESS_BYTES;
    packet_rig_open(&rig);
    packet_rig_flow(&rig, 0, 15, 2000000, 1, 0);
    packet_rig_play(&rig);
    const int64_t end_ps = packet_rig_end_ps(&rig, 0);
    packet_rig_close(&rig);
    return end_ps;
}

// A cable of 1 us: credits are back after two of them and what a stretch takes, and a port that has one packet's sends one in
// that time, however many wait.
static void fewer_are_never_faster(void **state) {
    (void)state;
    const int64_t enough_ps = alone_ps(FLOW_NONE, 0), mtu_bytes = PACKET_MTU_BYTES;
    int64_t before_ps = TIME_NEVER_PS;
    for (int64_t n = 1; n <= 128; n *= 2) {
        const int64_t end_ps = alone_ps(FLOW_CREDITS, n * mtu_bytes);
        if (end_ps > before_ps) fail_msg("%lld packets: later than with half", (long long)n);
        before_ps = end_ps;
        const int64_t rounds = 2000000 / mtu_bytes / n, least_ps = 2 * PS_PER_US, most_ps = 4200000;
        if (n <= 16 && (end_ps < rounds * least_ps || end_ps > (rounds + 2) * most_ps))
            fail_msg("%lld packets a round trip: %lld ps", (long long)n, (long long)end_ps);
    }
    assert_int_equal(before_ps, enough_ps);
}

// 64 senders fill a port for 10 ms: nothing is lost, and it is never idle.
static void incast_loses_nothing(void **state) {
    (void)state;
    enum { SENDERS = 64 };
    const int64_t bytes = INT64_C(7700000), line_Bps = INT64_C(49230769231);
    packet_rig_switch(&rig, SENDERS + 1);
    with_credits(PACKET_CREDITS_KIB * INT64_C(1024));
    packet_rig_open(&rig);
    for (GpuId src = 1; src <= SENDERS; src++) packet_rig_flow(&rig, src, 0, bytes, 1, 0);
    for (int64_t k = 1; k <= 5; k++) {
        PACKET_ENGINE.advance(rig.engine, k * 1777777777);
        if (assert_conserved(&rig.engine->net) < SENDERS / 2) fail_msg("all wait for credits");
    }
    packet_rig_play(&rig);
    const PacketCounts counts = packet_counts(rig.engine);
    assert_true(counts.drops == 0 && counts.resent == 0 && counts.timeouts == 0);
    const double busy_ps = (double)(SENDERS * bytes) / (double)line_Bps * 1e12;
    const double last_ps = (double)packet_rig_last_ps(&rig);
    if (last_ps < busy_ps || last_ps > busy_ps * 1.001)
        fail_msg("%.0f ps for what takes %.0f", last_ps, busy_ps);
    packet_rig_close(&rig);
}

// Colliding paths in a tree, few credits: at any moment they are all somewhere, and at the end all are back.
static void none_is_made_or_lost(void **state) {
    (void)state;
    int32_t lacking = 0;
    for (int64_t n = 1; n <= 16; n *= 4) {
        packet_rig_tree(&rig, 8);
        rig.spec.routing = ROUTING_ECMP;
        with_credits(n * PACKET_MTU_BYTES);
        packet_rig_open(&rig);
        const GpuId hosts = rig.spec.nodes;
        for (GpuId src = 0; src < hosts; src++)
            packet_rig_flow(&rig, src, (5 * src + 77) % hosts, 300000, 2, src * 1000);
        for (int64_t k = 1; k <= 40; k++) {
            PACKET_ENGINE.advance(rig.engine, k * 3333333);
            lacking += assert_conserved(&rig.engine->net);
        }
        packet_rig_play(&rig);
        assert_int_equal(packet_counts(rig.engine).drops, 0);
        PACKET_ENGINE.advance(rig.engine, PACKET_ENGINE.now_ps(rig.engine) + 100 * PS_PER_US);
        assert_int_equal(assert_conserved(&rig.engine->net), 0);
        for (int64_t w = 0; w < rig.engine->net.nlinks; w++)
            assert_int_equal(rig.engine->net.wire[w].credit_bytes, n * PACKET_MTU_BYTES);
        packet_rig_close(&rig);
    }
    assert_true(lacking > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_are_never_faster),
        cmocka_unit_test(incast_loses_nothing),
        cmocka_unit_test(none_is_made_or_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
