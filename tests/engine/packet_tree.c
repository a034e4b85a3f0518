#include "packet_tree.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "claims.h"
#include "race.h"

void tree_begin(TreeScene *scene, Routing routing) {
    *scene = (TreeScene){.cluster = race_spec(128), .packet = packet_default_spec()};
    ClusterSpec *spec = &scene->cluster;
    spec->nodes = TREE_HOSTS;
    spec->routing = routing;
    spec->ecmp_seed = 1;
    spec->nic.latency_ps = PS_PER_US;
    spec->scale_up.latency_ps = PS_PER_US;
    for (int32_t t = 0; t < spec->ntiers; t++) {
        spec->tier[t].cable_ps = 200 * PS_PER_NS;
        spec->tier[t].switch_spec.latency_ps = 300 * PS_PER_NS;
    }
}

static Edge edge_at(const void *context, int64_t i) { return ((const Edge *)context)[i]; }

Transfer *tree_add(TreeScene *scene, GpuId src, GpuId dst, int64_t bytes, int64_t start_ps) {
    const int32_t i = scene->n++;
    CHECK(i < TREE_FLOWS, "flow %d", i);
    scene->edge[i][0] = (Edge){.src = src, .dst = dst, .weight = 1};
    scene->transfer[i] = (Transfer){.tag = i,
                                    .edges = {.nedges = 1},
                                    .queue_pairs = 1,
                                    .connection = (uint64_t)i,
                                    .bytes = bytes,
                                    .rounds = 1,
                                    .start_ps = start_ps};
    return &scene->transfer[i];
}

Transfer *tree_add_ring(TreeScene *scene, int32_t n, int64_t bytes, int64_t rounds) {
    Transfer *transfer = tree_add(scene, 0, 1, bytes, 0);
    for (int32_t e = 0; e < n; e++)
        scene->edge[transfer->tag][e] = (Edge){.src = e, .dst = (e + 1) % n, .weight = 1};
    transfer->edges.nedges = n;
    transfer->rounds = rounds;
    transfer->round_latency_ps = 5 * PS_PER_US;
    return transfer;
}

void tree_add_incast(TreeScene *scene, int32_t nsenders, int64_t bytes) {
    for (int32_t i = 1; i <= nsenders; i++) tree_add(scene, i, 0, bytes, 0);
}

static Transfer described(const TreeScene *scene, int64_t tag) {
    Transfer transfer = scene->transfer[tag];
    transfer.edges.edge = edge_at;
    transfer.edges.context = scene->edge[tag];
    return transfer;
}

static Transfer describe(void *context, int64_t tag) {
    return described((const TreeScene *)context, tag);
}

static void drain(Engine *engine, TreeOutcome *outcome) {
    Completion done[TREE_FLOWS];
    const int64_t n = PACKET_ENGINE.drain(engine, done, TREE_FLOWS);
    for (int64_t i = 0; i < n; i++) {
        outcome->done[done[i].tag] = done[i];
        if (done[i].end_ps > outcome->end_ps) outcome->end_ps = done[i].end_ps;
    }
    outcome->ndone += n;
}

static int64_t live_bytes(const char *label) {
    enum { LABELS_MAX = 256 };
    MemoryRow rows[LABELS_MAX];
    const int n = memory_report(rows, LABELS_MAX);
    for (int i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0) return (int64_t)rows[i].live_bytes;
    return 0;
}

TreeOutcome tree_play(const TreeScene *scene) {
    Cluster *cluster;
    Status status = cluster_create(&scene->cluster, &cluster);
    CHECK(status_is_ok(&status), "%s", status.text);
    Engine *engine =
        PACKET_ENGINE.create(cluster, &(EngineSpec){.packet = &scene->packet, .seed = 3});
    TreeOutcome outcome = {.status = status_ok()};
    for (int32_t i = 0; i < scene->n; i++) {
        const Transfer transfer = described(scene, i);
        status = PACKET_ENGINE.submit(engine, &transfer);
        CHECK(status_is_ok(&status), "%s", status.text);
    }
    for (int64_t at_ps = cluster_next_change_ps(cluster, 0);
         at_ps < TIME_NEVER_PS && PACKET_ENGINE.nunfinished(engine) > 0 &&
         status_is_ok(&outcome.status);
         at_ps = cluster_next_change_ps(cluster, at_ps)) {
        PACKET_ENGINE.advance(engine, at_ps);
        cluster_set_time(cluster, at_ps);
        outcome.status =
            PACKET_ENGINE.refresh(engine, (TransferSource){describe, (void *)(uintptr_t)scene});
        drain(engine, &outcome);
    }
    while (status_is_ok(&outcome.status) &&
           PACKET_ENGINE.nunfinished(engine) > 0) { // as a driver does
        const int64_t next_ps = PACKET_ENGINE.next_ps(engine);
        assert_true(next_ps > PACKET_ENGINE.now_ps(engine) && next_ps < TIME_NEVER_PS);
        PACKET_ENGINE.advance(engine, next_ps);
    }
    if (status_is_ok(&outcome.status)) PACKET_ENGINE.advance(engine, TIME_NEVER_PS);
    drain(engine, &outcome);
    outcome.count = packet_counts(engine);
    if (status_is_ok(&outcome.status)) {
        assert_int_equal(PACKET_ENGINE.nunfinished(engine), 0);
        assert_int_equal(live_bytes("packet.resend"), 0);
    }
    PACKET_ENGINE.destroy(engine);
    cluster_destroy(cluster);
    return outcome;
}

void assert_all_done(const TreeScene *scene, const TreeOutcome *outcome) {
    assert_int_equal(outcome->ndone, scene->n);
    for (int32_t i = 0; i < scene->n; i++) {
        const Completion *done = &outcome->done[i];
        assert_true(done->end_ps - done->start_ps >= done->alone_ps);
    }
}
