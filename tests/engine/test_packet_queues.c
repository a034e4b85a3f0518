// What switches do with queues, wherever they stand: they mark, and whom they pause they let go on. Links carry 50e9 bytes/s,
// cables take 1 us.
#include "base/units.h"
#include "claims.h"
#include "engine/packet/packet_engine.h"
#include "race.h"

enum { HOSTS = 128, HOSTS_OF_A_LEAF = 8 };

static Cluster *cables_that_take_time(Routing routing) {
    ClusterSpec spec = race_spec(HOSTS);
    for (int32_t t = 0; t < spec.ntiers; t++) spec.tier[t].cable_ps = PS_PER_US;
    spec.routing = routing;
    Cluster *cluster;
    const Status status = cluster_create(&spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    return cluster;
}

static Engine *open(const Cluster *cluster, const PacketSpec *packet) {
    return PACKET_ENGINE.create(cluster, &(EngineSpec){.packet = packet, .seed = 1});
}

static void submit(Engine *engine, const RaceFlow *flow, int64_t tag) {
    const Transfer transfer = race_transfer(flow, tag, 0, 0);
    const Status status = PACKET_ENGINE.submit(engine, &transfer);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
}

// Two hosts of a leaf send to hosts that one uplink leads to, or to one host: either way 50e9 bytes/s too much come for
// 320 us, sixteen times what the first mark takes, and the senders are told.
static void queues_mark_at_every_port(void **state) {
    (void)state;
    Cluster *cluster = cables_that_take_time(ROUTING_DMODK);
    const PacketSpec spec = packet_default_spec();
    const GpuId far = 2 * HOSTS_OF_A_LEAF;
    for (int32_t k = 0; k < 2; k++) {
        Engine *engine = open(cluster, &spec);
        const RaceFlow flows[] = {{{0, far, 1, false}, 16000000},
                                  {{1, k == 0 ? far + HOSTS_OF_A_LEAF : far, 1, false}, 16000000}};
        for (int64_t i = 0; i < 2; i++) submit(engine, &flows[i], i);
        PACKET_ENGINE.advance(engine, TIME_NEVER_PS);
        if (packet_counts(engine).notices == 0) fail_msg("case %d: nobody was told", k);
        PACKET_ENGINE.destroy(engine);
    }
    cluster_destroy(cluster);
}

// Senders that nothing but pauses holds back, on colliding paths, and buffers of all sizes: many pauses and resumes fall on
// one moment, and at the end all has come.
static void pauses_end(void **state) {
    (void)state;
    Cluster *cluster = cables_that_take_time(ROUTING_ECMP);
    PacketSpec spec = packet_default_spec();
    spec.control = CONTROL_NONE;
    for (int64_t size = 1 << 18; size <= 1 << 24; size *= 4) {
        spec.buffer_bytes = size;
        Engine *engine = open(cluster, &spec);
        static RaceFlow flows[8 * HOSTS];
        const int64_t n = race_flows(RACE_PERM, HOSTS, flows);
        for (int64_t i = 0; i < n; i++) {
            flows[i].bytes = 4000000;
            submit(engine, &flows[i], i);
        }
        PACKET_ENGINE.advance(engine, TIME_NEVER_PS);
        if (PACKET_ENGINE.nunfinished(engine) != 0)
            fail_msg("buffers of %lld B: %lld of %lld have not come", (long long)size,
                     (long long)PACKET_ENGINE.nunfinished(engine), (long long)n);
        const Status stuck = PACKET_ENGINE.stuck(engine);
        if (!status_is_ok(&stuck)) fail_msg("no circle in a tree: %s", stuck.text);
        assert_true(packet_counts(engine).held_most > 0);
        PACKET_ENGINE.destroy(engine);
    }
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_mark_at_every_port),
        cmocka_unit_test(pauses_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
