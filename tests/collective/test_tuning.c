// Laws of the price of a collective and of the plan that is made of it, on random shapes and hardware:
//   by one algorithm and protocol more bytes never take less time, and faster links or shorter hops never more; over the
//   network, where the library's belief is the price, by whatever it chooses, too, and that is the least of what can be
//   named; in a domain it starts with LL and ends with Simple, each once;
//   nothing beats its slowest class of links; gather and reduce-scatter cost the same;
//   alone on full links a plan takes just what was predicted: base, waits and the bytes of its fullest link
//   trees: from every domain's port one reaches the root of each, nobody has more than two below, an inner domain of one
//   tree is a leaf of the other; pat: along its edges every shard comes to every member, once
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "claims.h"
#include "collective/collective.h"

enum { TRIALS = 4000, MEMBERS_MAX = 256 };

static uint64_t draw(uint64_t *state, uint64_t below) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*state >> 33) % below;
}

/// A domain and a network somewhere between slow and fast, and members among them.
typedef struct Scene {
    ScaleUpSpec scale_up;
    CollectiveCosts costs;
    CollectiveShape shape;
} Scene;

static void draw_scene(uint64_t *state, Scene *scene) {
    const int64_t goodput = 100000000000 * (1 + (int64_t)draw(state, 8));
    scene->scale_up = (ScaleUpSpec){
        .gpus = 1 << draw(state, 7),
        .line_Bps = goodput,
        .goodput_Bps = goodput,
        .reduce_Bps = draw(state, 2) ? goodput * 5 / 4 : 0,
        .reduce_chunk_bytes = (int64_t)draw(state, 3) << 20,
        .copy_Bps = draw(state, 2) ? 2 * goodput : 0,
        .exchange_Bps = draw(state, 2) ? goodput / 2 : 0,
        .exchange_copy_Bps = draw(state, 2) ? goodput : 0,
        .latency_ps = (int64_t)draw(state, 2000000),
        .collective_base_ps = (int64_t)draw(state, 20000000),
        .bulk_latency_ps = (int64_t)draw(state, 8000000),
        .bulk_base_ps = (int64_t)draw(state, 30000000),
        .small_share = 0.2 + 0.1 * (double)draw(state, 4),
        .medium_share = draw(state, 2) ? 0.6 + 0.1 * (double)draw(state, 4) : 0,
        .mesh = draw(state, 4) == 0,
    };
    scene->costs = (CollectiveCosts){.scale_up = &scene->scale_up,
                                     .base_s = 1e-6 * (double)draw(state, 10),
                                     .path_s = 1e-6 * (double)draw(state, 8),
                                     .round_s = 1e-6 * (double)draw(state, 12),
                                     .nic_Bps = 1e9 * (double)(10 + draw(state, 90)),
                                     .in_network = draw(state, 3) == 0};
    const int64_t most = 1 + (int64_t)draw(state, (uint64_t)scene->scale_up.gpus),
                  domains = 1 + (int64_t)draw(state, 40), n = most * domains;
    scene->shape = (CollectiveShape){.kind = (CollectiveKind)draw(state, COLLECTIVE_KIND_N),
                                     .bytes = (double)(UINT64_C(1) << draw(state, 34)),
                                     .n = n < 2 ? 2 : n,
                                     .domains = n < 2 ? 1 : domains,
                                     .most = n < 2 ? 2 : most,
                                     .channels = n < 2 ? 2 : most};
    if (n < 2 && scene->scale_up.gpus < 2) scene->scale_up.gpus = 2;
}

static double chosen_s(const Scene *scene) {
    return tuning_choose(&scene->shape, &scene->costs, ALGORITHM_AUTO, PROTOCOL_AUTO).time_s;
}

/// Its time by what was chosen for another, in a domain; over the network by what is chosen.
static double as_s(const Scene *scene, const Scene *other) {
    if (scene->shape.domains > 1) return chosen_s(scene);
    const CollectivePrice price =
        tuning_choose(&other->shape, &other->costs, ALGORITHM_AUTO, PROTOCOL_AUTO);
    return tuning_choose(&scene->shape, &scene->costs, price.algorithm, price.protocol).time_s;
}

static void more_bytes_never_take_less_time(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int trial = 0; trial < TRIALS; trial++) {
        Scene scene;
        draw_scene(&random, &scene);
        const Scene less = scene;
        scene.shape.bytes *= 1 + 0.01 * (double)(1 + draw(&random, 300));
        assert_true(as_s(&scene, &less) >= chosen_s(&less));
    }
}

static void better_hardware_never_takes_more_time(void **state) {
    (void)state;
    uint64_t random = 2;
    for (int trial = 0; trial < TRIALS; trial++) {
        Scene slow, fast;
        draw_scene(&random, &slow);
        fast = slow;
        fast.costs.scale_up = &fast.scale_up;
        switch (draw(&random, 7)) {
            case 0: fast.costs.nic_Bps *= 2; break;
            case 1: fast.scale_up.goodput_Bps *= 2; break;
            case 2: fast.scale_up.latency_ps /= 2; break;
            case 3: fast.costs.round_s /= 2; break;
            case 4: fast.costs.path_s /= 2; break;
            case 5: fast.scale_up.bulk_latency_ps /= 2; break;
            default: fast.scale_up.small_share = fmin(1, 1.5 * fast.scale_up.small_share);
        }
        assert_true(as_s(&fast, &slow) <= chosen_s(&slow) * (1 + 1e-12));
    }
}

static void the_least_is_chosen_and_no_link_is_beaten(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int trial = 0; trial < TRIALS; trial++) {
        Scene scene;
        draw_scene(&random, &scene);
        const CollectivePrice best =
            tuning_choose(&scene.shape, &scene.costs, ALGORITHM_AUTO, PROTOCOL_AUTO);
        assert_true(best.time_s >= (best.base_s + best.link_s) * (1 - 1e-12));
        for (int a = ALGORITHM_AUTO + 1; a < ALGORITHM_DIRECT; a++) {
            if (!tuning_offers(&scene.shape, &scene.costs, (CollectiveAlgorithm)a)) continue;
            for (int p = PROTOCOL_AUTO; p < PROTOCOL_N; p++) {
                const CollectivePrice named = tuning_choose(
                    &scene.shape, &scene.costs, (CollectiveAlgorithm)a, (CollectiveProtocol)p);
                assert_int_equal(named.algorithm, a);
                if (scene.shape.domains > 1) assert_true(named.time_s >= best.time_s);
            }
        }
    }
}

// Its table has the least latency first and the most bandwidth last.
static void protocols_follow_each_other(void **state) {
    (void)state;
    uint64_t random = 6;
    for (int trial = 0; trial < TRIALS / 10; trial++) {
        Scene scene;
        draw_scene(&random, &scene);
        const int64_t most = scene.shape.most;
        if (most == 1 || scene.shape.kind == COLLECTIVE_ALL_TO_ALL) continue;
        scene.shape.n = most, scene.shape.domains = 1;
        CollectiveProtocol before = PROTOCOL_LL;
        for (scene.shape.bytes = 1; scene.shape.bytes < 1e12; scene.shape.bytes *= 1.5) {
            const CollectivePrice price =
                tuning_choose(&scene.shape, &scene.costs, ALGORITHM_RING, PROTOCOL_AUTO);
            assert_true(price.protocol >= before);
            if (price.protocol == PROTOCOL_LL128) assert_true(scene.scale_up.medium_share > 0);
            before = price.protocol;
            if (scene.shape.bytes == 1) assert_int_equal(before, PROTOCOL_LL);
        }
        assert_int_equal(before, PROTOCOL_SIMPLE);
    }
}

// Numbers by hand, in a domain of 8 at 300 of 400 GB/s: 2 us a hop, 10 us more in bulk, base 0.
static const ScaleUpSpec BY_HAND = {.gpus = 8,
                                    .line_Bps = 400000000000,
                                    .goodput_Bps = 300000000000,
                                    .latency_ps = 2000000,
                                    .bulk_latency_ps = 10000000,
                                    .small_share = 0.5};

static CollectivePrice by_hand(CollectiveKind kind, double bytes, CollectiveProtocol protocol) {
    const CollectiveCosts costs = {.scale_up = &BY_HAND};
    const CollectiveShape shape = {
        .kind = kind, .bytes = bytes, .n = 8, .domains = 1, .most = 8, .channels = 8};
    return tuning_choose(&shape, &costs, ALGORITHM_AUTO, protocol);
}

// The library believes 6.6 us and 7 hops of 0.6 at 150 GB/s, or 8.4 and 7 of 3.4 at 320: equal at 6.9 MB, where bulk takes
// in truth 1.7 times as long.
static void in_a_domain_the_library_decides(void **state) {
    (void)state;
    const double even = 21.4e-6 / (7 / 8.0) / (1 / 150e9 - 1 / 320e9);
    const CollectivePrice below = by_hand(COLLECTIVE_ALL_GATHER, 0.99 * even, PROTOCOL_AUTO),
                          above = by_hand(COLLECTIVE_ALL_GATHER, 1.01 * even, PROTOCOL_AUTO),
                          named = by_hand(COLLECTIVE_ALL_GATHER, 1.01 * even, PROTOCOL_LL);
    assert_int_equal(below.protocol, PROTOCOL_LL);
    assert_int_equal(above.protocol, PROTOCOL_SIMPLE);
    assert_true(above.time_s > 1.5 * named.time_s);
}

// Seven rounds of 2.4 MB, 8 us each: of six of the seven hops of 12 us only 8 are waited for.
static void rounds_hide_latency(void **state) {
    (void)state;
    const CollectivePrice price = by_hand(COLLECTIVE_ALL_GATHER, 8 * 2.4e6, PROTOCOL_SIMPLE);
    assert_true(fabs(price.time_s - (7 * 8e-6 + 12e-6 + 6 * 8e-6)) < 1e-12);
}

// Before anything comes out of the switches, a chunk of each of the 8 members goes in.
static void switches_fill_their_pipeline(void **state) {
    (void)state;
    ScaleUpSpec at_once = BY_HAND, in_chunks;
    at_once.reduce_Bps = 400000000000;
    in_chunks = at_once;
    in_chunks.reduce_chunk_bytes = 1000000;
    const CollectiveShape shape = {.kind = COLLECTIVE_ALL_REDUCE,
                                   .bytes = 80e6,
                                   .n = 8,
                                   .domains = 1,
                                   .most = 8,
                                   .channels = 8};
    const CollectivePrice without = tuning_choose(&shape, &(CollectiveCosts){.scale_up = &at_once},
                                                  ALGORITHM_NVLS, PROTOCOL_AUTO),
                          with = tuning_choose(&shape, &(CollectiveCosts){.scale_up = &in_chunks},
                                               ALGORITHM_NVLS, PROTOCOL_AUTO);
    assert_int_equal(with.algorithm, ALGORITHM_NVLS);
    assert_true(fabs(with.time_s - without.time_s - 8e6 / tuning_reduce_Bps(&at_once)) < 1e-12);
}

// 24 MB: 2 hops of 2 us, 5 to set up, 70 of bytes to others, and a sixth of all on empty channels; of 240 MB but 14 us.
static void an_exchange_fills_its_channels(void **state) {
    (void)state;
    const CollectivePrice some = by_hand(COLLECTIVE_ALL_TO_ALL, 24e6, PROTOCOL_SIMPLE),
                          more = by_hand(COLLECTIVE_ALL_TO_ALL, 240e6, PROTOCOL_SIMPLE);
    assert_true(fabs(some.time_s - (4e-6 + 5e-6 + 70e-6 + 24e6 / 6 / 300e9)) < 1e-12);
    assert_true(fabs(more.time_s - (4e-6 + 5e-6 + 700e-6 + 14e-6)) < 1e-12);
}

static void gathering_costs_what_scattering_costs(void **state) {
    (void)state;
    uint64_t random = 4;
    for (int trial = 0; trial < TRIALS; trial++) {
        Scene scene;
        draw_scene(&random, &scene);
        scene.shape.kind = COLLECTIVE_ALL_GATHER;
        const double gather_s = chosen_s(&scene);
        scene.shape.kind = COLLECTIVE_REDUCE_SCATTER;
        assert_close(chosen_s(&scene), gather_s, 0);
    }
    assert_close(collective_domain_s(COLLECTIVE_ALL_REDUCE, 1e6, 1, NULL), 0, 0);
}

/// Plan it on domains of equal size.
static CollectivePlan planned(const Scene *scene, CollectiveAlgorithm algorithm,
                              const Domains *domains) {
    const CollectiveCosts *costs = &scene->costs;
    const CollectiveTuning tuning = {.scale_up = &scene->scale_up,
                                     .nic_Bps = (int64_t)costs->nic_Bps,
                                     .path_latency_ps = units_ps_from_seconds(costs->path_s),
                                     .in_network = costs->in_network};
    const CollectiveSpec spec = {
        .bytes = (int64_t)scene->shape.bytes,
        .round_latency_ps = units_ps_from_seconds(costs->path_s + costs->round_s),
        .base_ps = units_ps_from_seconds(costs->base_s),
        .kind = scene->shape.kind,
        .algorithm = algorithm};
    CollectivePlan plan;
    Status status = collective_plan(&plan, &spec, &tuning, domains);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return plan;
}

/// Time of the fullest link: what members send inside their domain and by their NICs.
static double fullest_s(const Scene *scene, const CollectivePlan *plan, const Domains *domains) {
    static int64_t inside[64 * 41], across[64 * 41];
    memset(inside, 0, sizeof inside);
    memset(across, 0, sizeof across);
    const Phase phase = collective_phase(plan, 0);
    for (int64_t i = 0; i < phase.nedges; i++) {
        const PhaseEdge edge = collective_edge(plan, 0, i);
        const bool leaves = edge.src / domains->each != edge.dst / domains->each;
        (leaves ? across : inside)[edge.src] += edge.weight * phase.bytes;
    }
    double most_s = 0;
    for (int64_t m = 0; m < plan->n; m++)
        most_s = fmax(most_s, fmax((double)inside[m] / (double)scene->scale_up.goodput_Bps,
                                   (double)across[m] / scene->costs.nic_Bps));
    return most_s;
}

// Bytes are rounded up, by less than a weight an edge: so they are many here.
static void alone_a_plan_takes_what_was_predicted(void **state) {
    (void)state;
    uint64_t random = 5;
    int planned_ones = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        Scene scene;
        draw_scene(&random, &scene);
        if (scene.shape.bytes < 1 << 24) continue;
        const Domains domains = domains_even(scene.shape.domains, scene.shape.most);
        for (int a = ALGORITHM_AUTO; a <= ALGORITHM_DIRECT; a++) {
            if (!tuning_offers(&scene.shape, &scene.costs, (CollectiveAlgorithm)a)) continue;
            if (a == ALGORITHM_DIRECT && scene.shape.n > 64) continue;
            if (scene.shape.kind == COLLECTIVE_ALL_TO_ALL && scene.shape.n > 64) continue;
            const CollectivePrice price =
                tuning_choose(&scene.shape, &scene.costs, (CollectiveAlgorithm)a, PROTOCOL_AUTO);
            const CollectivePlan plan = planned(&scene, (CollectiveAlgorithm)a, &domains);
            const Phase phase = collective_phase(&plan, 0);
            assert_int_equal(plan.spec.algorithm, price.algorithm);
            const double took_s =
                units_seconds_from_ps(phase.fill_ps + phase.rounds * phase.round_latency_ps) +
                fullest_s(&scene, &plan, &domains);
            assert_true(took_s <= price.time_s * 1.01 + 1e-9);
            assert_true(took_s >= price.time_s * 0.99 - 1e-9);
            planned_ones++;
        }
    }
    assert_true(planned_ones > 1000);
}

static void trees_join_all_and_swap_their_leaves(void **state) {
    (void)state;
    Scene scene = {.shape = {.kind = COLLECTIVE_ALL_REDUCE, .bytes = 1 << 20}};
    scene.costs.nic_Bps = 1e9;
    scene.scale_up.goodput_Bps = 1000000000;
    for (int64_t n = 2; n <= MEMBERS_MAX; n += n < 40 ? 1 : 37) {
        const Domains domains = domains_even(n, 1);
        const CollectivePlan plan = planned(&scene, ALGORITHM_TREE, &domains);
        int64_t above[2][MEMBERS_MAX], below[2][MEMBERS_MAX] = {{0}};
        memset(above, -1, sizeof above);
        for (int64_t i = 0; i < collective_phase(&plan, 0).nedges; i += 2) {
            const PhaseEdge up = collective_edge(&plan, 0, i),
                            down = collective_edge(&plan, 0, i + 1);
            const int tree = (int)(i / 2 % 2);
            assert_true(up.src == down.dst && up.dst == down.src);
            assert_int_equal(above[tree][up.src], -1);
            above[tree][up.src] = up.dst;
            below[tree][up.dst]++;
        }
        for (int tree = 0; tree < 2; tree++)
            for (int64_t m = 0; m < n; m++) {
                int64_t at = m, hops = 0;
                while (above[tree][at] >= 0 && hops <= n) at = above[tree][at], hops++;
                assert_true(INT64_C(1) << hops < 4 * n); // no deeper than a balanced one
                assert_true(below[tree][m] <= 2);
            }
        for (int64_t m = 0; m < n; m++) // a root has one below in its own tree
            assert_true(below[0][m] + below[1][m] <= 2 + (above[0][m] < 0 || above[1][m] < 0));
    }
}

// A place's shard goes on from where it is along the edges of greater distance first, as long as it has not been there.
static void pat_brings_every_shard_to_every_member(void **state) {
    (void)state;
    Scene scene = {.shape = {.kind = COLLECTIVE_ALL_GATHER, .bytes = 1 << 20}};
    scene.costs.nic_Bps = 1e9;
    scene.scale_up.goodput_Bps = 1000000000;
    for (int64_t n = 2; n <= 70; n++) {
        const Domains domains = domains_even(n, 1);
        const CollectivePlan plan = planned(&scene, ALGORITHM_PAT, &domains);
        const int64_t nedges = collective_phase(&plan, 0).nedges;
        int64_t carried[8] = {0}, wanted[8] = {0}, sent[70] = {0};
        for (int64_t r = 1; r < n; r++) wanted[__builtin_ctzll((unsigned long long)r)]++;
        for (int64_t i = 0; i < nedges; i++) {
            const PhaseEdge edge = collective_edge(&plan, 0, i);
            const int64_t distance = (edge.dst - edge.src + n) % n;
            assert_true((distance & (distance - 1)) == 0);
            carried[__builtin_ctzll((unsigned long long)distance)] = edge.weight;
            sent[edge.src] += edge.weight;
        }
        for (int j = 0; j < 8; j++) assert_int_equal(carried[j], wanted[j]);
        for (int64_t m = 0; m < n; m++) assert_int_equal(sent[m], n - 1);
    }
}

// Of an even number of full domains, the channels of a ring never leave their rails.
static void rings_stay_on_their_rails(void **state) {
    (void)state;
    Scene scene = {.shape = {.kind = COLLECTIVE_ALL_GATHER, .bytes = 1 << 20}};
    scene.costs.nic_Bps = 1e9;
    scene.scale_up.goodput_Bps = 1000000000;
    for (int64_t n = 2; n <= 12; n += 2) {
        const Domains domains = domains_even(n, 8);
        const CollectivePlan plan = planned(&scene, ALGORITHM_RING, &domains);
        int64_t crossings = 0;
        for (int64_t i = 0; i < collective_phase(&plan, 0).nedges; i++) {
            const PhaseEdge edge = collective_edge(&plan, 0, i);
            if (edge.src / 8 == edge.dst / 8) continue;
            assert_int_equal(edge.src % 8, edge.dst % 8);
            assert_true(edge.own_nic);
            crossings++;
        }
        assert_int_equal(crossings, 8 * n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_bytes_never_take_less_time),
        cmocka_unit_test(better_hardware_never_takes_more_time),
        cmocka_unit_test(the_least_is_chosen_and_no_link_is_beaten),
        cmocka_unit_test(protocols_follow_each_other),
        cmocka_unit_test(in_a_domain_the_library_decides),
        cmocka_unit_test(rounds_hide_latency),
        cmocka_unit_test(switches_fill_their_pipeline),
        cmocka_unit_test(an_exchange_fills_its_channels),
        cmocka_unit_test(gathering_costs_what_scattering_costs),
        cmocka_unit_test(alone_a_plan_takes_what_was_predicted),
        cmocka_unit_test(trees_join_all_and_swap_their_leaves),
        cmocka_unit_test(pat_brings_every_shard_to_every_member),
        cmocka_unit_test(rings_stay_on_their_rails),
    };
    return cmocka_run_group_tests_name("tuning", tests, NULL, NULL);
}
