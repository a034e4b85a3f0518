// Two engines that know only their own private transfers and the announced ones, against one that knows all.
#include "claims.h"

#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "engine/flow/flow.h"
#include "race.h"

enum {
    HOSTS = 128,
    HALF = 64,
    SIDES = 2,
    WINDOWS = 60,
    PER_WINDOW = 12,
    TRANSFERS = WINDOWS * PER_WINDOW
};

static const int64_t WINDOW_PS = 20 * PS_PER_MS;

typedef struct Scene {
    const Cluster *cluster;
    Flow *all, *side[SIDES];
    Edge edge[TRANSFERS];
    Completion by_all[TRANSFERS], by_side[SIDES][TRANSFERS];
    bool announced[TRANSFERS];
    Transfer
        late[PER_WINDOW]; ///< announced within a window: the other side hears of them at its end
    int64_t nlate;
    int64_t submitted, exposed;
} Scene;

static const Cluster *owned_cluster;

static bool owns_first_half(const void *owner, LinkId link) {
    (void)owner;
    return cluster_first_gpu_below(owned_cluster, link) < HALF;
}
static bool owns_second_half(const void *owner, LinkId link) {
    return !owns_first_half(owner, link);
}

static Edge edge_of(const void *context, int64_t i) {
    (void)i;
    return *(const Edge *)context;
}

static int64_t draw(uint64_t seed, int64_t index, uint64_t what, int64_t n) {
    return rng_below(seed, RNG_TEST, (uint64_t)index, what, n);
}

/// Mostly near neighbours, some across the halves; sizes that last some windows.
static Transfer random_transfer(Scene *scene, uint64_t seed, int64_t index, int64_t now_ps) {
    int64_t src = draw(seed, index, 0, HOSTS), far = draw(seed, index, 1, 10) == 0;
    int64_t dst = far ? draw(seed, index, 2, HOSTS) : src / 16 * 16 + draw(seed, index, 2, 16);
    if (dst == src) dst = src ^ 1;
    scene->edge[index] = (Edge){.src = src, .dst = dst, .weight = 1};
    return (Transfer){
        .tag = index,
        .edges = {.nedges = 1, .edge = edge_of, .context = &scene->edge[index]},
        .queue_pairs = 1,
        .connection = 1,
        .bytes = 1 + draw(seed, index, 3, INT64_C(2000000000)),
        .rounds = 1,
        .start_ps = now_ps + WINDOW_PS + draw(seed, index, 4, 2 * WINDOW_PS),
    };
}

static void submit_to(Flow *flow, const Transfer *transfer) {
    Status status = flow_submit(flow, transfer);
    assert_true(status_is_ok(&status));
}

static void submit(Scene *scene, Transfer transfer, bool within_window) {
    submit_to(scene->all, &transfer);
    const Edge *edge = &scene->edge[transfer.tag];
    int home = edge->src < HALF ? 0 : 1;
    bool is_private = false;
    if ((edge->src < HALF) == (edge->dst < HALF)) {
        Status status = flow_is_private(scene->side[home], &transfer, &is_private);
        assert_true(status_is_ok(&status));
    }
    transfer.announced = scene->announced[transfer.tag] = !is_private;
    submit_to(scene->side[home], &transfer);
    if (is_private) return;
    if (within_window)
        scene->late[scene->nlate++] = transfer;
    else
        submit_to(scene->side[1 - home], &transfer);
}

static void submit_some(Scene *scene, uint64_t seed, int64_t now_ps, bool within_window) {
    for (int k = 0; k < PER_WINDOW / 2; k++) {
        Transfer transfer = random_transfer(scene, seed, scene->submitted, now_ps);
        scene->by_all[transfer.tag] =
            (Completion){.start_ps = transfer.start_ps, .alone_ps = transfer.bytes};
        submit(scene, transfer, within_window);
        scene->submitted++;
    }
}

static void deliver_late(Scene *scene) {
    for (int64_t i = 0; i < scene->nlate; i++)
        submit_to(scene->side[scene->edge[scene->late[i].tag].src < HALF ? 1 : 0], &scene->late[i]);
    scene->nlate = 0;
}

/// Hand over what must be known, until nothing more must.
static void meet(Scene *scene) {
    TransferState state[TRANSFERS];
    int64_t n, handed;
    do {
        handed = 0;
        for (int s = 0; s < SIDES; s++) {
            n = flow_take_exposed(scene->side[s], state, TRANSFERS);
            for (int64_t i = 0; i < n; i++) {
                Transfer transfer = {
                    .tag = state[i].tag,
                    .edges = {.nedges = 1, .edge = edge_of, .context = &scene->edge[state[i].tag]},
                    .queue_pairs = 1,
                    .connection = 1,
                    .bytes = scene->by_all[state[i].tag].alone_ps, // kept there until it completes
                    .rounds = 1,
                    .start_ps = scene->by_all[state[i].tag].start_ps,
                    .announced = true,
                };
                Status status = flow_adopt(scene->side[1 - s], &transfer, &state[i]);
                assert_true(status_is_ok(&status));
                scene->announced[state[i].tag] = true;
            }
            handed += n;
        }
        scene->exposed += handed;
    } while (handed > 0);
    for (int s = 0; s < SIDES; s++) flow_settle_adopted(scene->side[s]);
}

static void advance(Flow *flow, int64_t to_ps, Completion done[TRANSFERS]) {
    Completion batch[64];
    int64_t n;
    flow_advance(flow, to_ps);
    while ((n = flow_drain(flow, batch, 64)) > 0)
        for (int64_t i = 0; i < n; i++) done[batch[i].tag] = batch[i];
}

static void advance_all(Scene *scene, int64_t to_ps) {
    for (int s = 0; s < SIDES; s++) advance(scene->side[s], to_ps, scene->by_side[s]);
    advance(scene->all, to_ps, scene->by_all);
}

static Flow *create(const Cluster *cluster, bool (*owns)(const void *, LinkId)) {
    FlowSpec spec = {
        .control_delay_ps = 5 * PS_PER_MS, .interval_ps = 50 * PS_PER_MS, .owns = owns};
    return flow_create(cluster, &spec);
}

static Scene play_scene(const Cluster *cluster, uint64_t seed) {
    static Scene scene;
    memset(&scene, 0, sizeof scene);
    scene.cluster = owned_cluster = cluster;
    scene.all = create(cluster, NULL);
    scene.side[0] = create(cluster, owns_first_half);
    scene.side[1] = create(cluster, owns_second_half);
    for (int64_t window = 0; window < WINDOWS; window++) {
        int64_t now_ps = window * WINDOW_PS;
        submit_some(&scene, seed, now_ps, false);
        meet(&scene);
        advance_all(&scene, now_ps + WINDOW_PS / 2);
        submit_some(&scene, seed, now_ps + WINDOW_PS / 2, true);
        advance_all(&scene, now_ps + WINDOW_PS);
        deliver_late(&scene);
    }
    meet(&scene);
    advance_all(&scene, 1000 * PS_PER_S);
    flow_destroy(scene.all);
    for (int s = 0; s < SIDES; s++) flow_destroy(scene.side[s]);
    return scene;
}

// Law: what an engine does not know bears on nothing it knows. Every transfer ends at the same picosecond as in the engine
// that knows all, on each side that was told of it; private ones on their own side alone.
static void private_transfers_need_not_be_known(void **state) {
    (void)state;
    Cluster *cluster = race_cluster(HOSTS);
    int64_t exposed = 0, stayed_private = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        Scene scene = play_scene(cluster, seed);
        for (int64_t i = 0; i < TRANSFERS; i++) {
            int home = scene.edge[i].src < HALF ? 0 : 1;
            assert_memory_equal(&scene.by_side[home][i], &scene.by_all[i], sizeof(Completion));
            const Completion *other = &scene.by_side[1 - home][i];
            if (!scene.announced[i]) assert_int_equal(other->end_ps, 0);
            // What was exposed as a ghost had completed before the other side heard of it.
            if (other->end_ps != 0)
                assert_memory_equal(other, &scene.by_all[i], sizeof(Completion));
            stayed_private += !scene.announced[i];
        }
        exposed += scene.exposed;
    }
    assert_true(exposed > 1000 && stayed_private > 1000); // both paths were taken
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(private_transfers_need_not_be_known)};
    return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
