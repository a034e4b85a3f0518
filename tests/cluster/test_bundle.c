// Bundles of spray and adaptive routing: partition, capacity, and exact splits against all paths
// counted one by one.

#include "claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/bundle.h"
#include "cluster/routing.h"
#include "draws.h"
#include "oracle.h"
#include "shapes.h"

enum { FAULTY_SHAPES = 160, PAIRS = 12 };

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

static void add_random_faults(ClusterSpec *spec, uint64_t draw, int32_t n, bool degraded) {
    Cluster *healthy = build(spec);
    for (int32_t k = 0; k < n; k++) {
        const int32_t tier = 1 + (int32_t)rng_below(4, RNG_TEST, draw, (uint64_t)k, spec->ntiers);
        const int32_t ports = spec->tier[tier - 1].parents * spec->tier[tier - 1].lanes;
        const int64_t links =
            tier == 1 ? cluster_ngpus(healthy) * ports : cluster_tier_links(healthy, tier);
        const int64_t link = rng_below(4, RNG_TEST, draw, (uint64_t)(100 + k), links);
        bool known = false;
        for (int32_t f = 0; f < spec->nfaults; f++)
            known |= spec->fault[f].tier == tier && spec->fault[f].lower == link / ports &&
                     spec->fault[f].port == link % ports;
        if (!known)
            shape_add_fault(spec, tier, link / ports, (int32_t)(link % ports),
                            degraded && k % 2 ? 0.5 : 0.0);
    }
    cluster_destroy(healthy);
}

static ClusterSpec faulty_spec(uint64_t draw, int32_t nfaults, bool degraded, Routing routing) {
    ClusterSpec spec = shape_random(draw);
    spec.pxn = false;
    spec.scale_up.gpus = 1;
    spec.routing = routing;
    add_random_faults(&spec, draw, nfaults, degraded);
    return spec;
}

// Without faults: one use a tier and direction, of all the links there are, unit = queue pairs,
// capacity = their sum.
static void a_healthy_message_loads_one_bundle_a_tier(void **state) {
    (void)state;
    ClusterSpec spec = shape_colossus();
    spec.routing = ROUTING_SPRAY;
    Cluster *cluster = build(&spec);
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    assert_int_equal(routing_route(cluster, 0, 99999, 0, 4, uses, &nuses).code, STATUS_OK);
    assert_int_equal(nuses, 6);
    const int64_t width[] = {1, 64, 4096}; // NIC; leaf: 64 ports; pod: 64 spines of 64 ports
    for (int32_t u = 0; u < nuses; u++) {
        assert_int_equal(uses[u].weight, 4);
        assert_int_equal(cluster_link_tier(cluster, uses[u].link), 1 + u / 2);
        assert_int_equal(cluster_link_direction(cluster, uses[u].link), u % 2);
        assert_int_equal(cluster_resource_width(cluster, uses[u].link), width[u / 2]);
        assert_int_equal(cluster_capacity_Bps(cluster, uses[u].link),
                         width[u / 2] * INT64_C(48000000000));
    }
    cluster_destroy(cluster);
}

// The bundles of a tier and direction hold each of its links once.
static void bundles_partition_the_links_of_a_tier(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < FAULTY_SHAPES; draw++) {
        const ClusterSpec spec = faulty_spec(draw, (int32_t)(draw % 30), true, ROUTING_SPRAY);
        Cluster *cluster = build(&spec);
        const size_t nlinks = (size_t)cluster_nlinks(cluster);
        char *seen = test_calloc(nlinks, 1);
        int64_t members[FABRIC_TIERS_MAX + 1] = {0};
        for (LinkId id = cluster_nlinks(cluster); id < cluster_nresources(cluster); id++)
            for (int64_t i = 0; i < cluster_resource_width(cluster, id); i++) {
                const LinkId link = cluster_resource_link(cluster, id, i);
                assert_int_equal(cluster_link_tier(cluster, link), cluster_link_tier(cluster, id));
                assert_int_equal(cluster_link_direction(cluster, link),
                                 cluster_link_direction(cluster, id));
                assert_int_equal(seen[link], 0);
                seen[link] = 1;
                members[cluster_link_tier(cluster, link)]++;
            }
        for (int32_t t = 1; t <= spec.ntiers; t++)
            if (members[t] > 0) assert_int_equal(members[t], 2 * cluster_tier_links(cluster, t));
        for (int32_t t = 2; t <= spec.ntiers; t++) {
            const int64_t links = (int64_t)spec.tier[t - 1].parents * spec.tier[t - 1].lanes;
            if (links > 1) assert_true(members[t] > 0);
        }
        test_free(seen);
        cluster_destroy(cluster);
    }
}

// Spray: live links times the slowest of them; adaptive: the sum over live links. Both from the
// members, one by one.
static void capacity_of_a_bundle_follows_its_members(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < FAULTY_SHAPES; draw++) {
        const Routing routing = draw % 2 ? ROUTING_SPRAY : ROUTING_ADAPTIVE;
        const ClusterSpec spec = faulty_spec(draw, (int32_t)(draw % 30), true, routing);
        Cluster *cluster = build(&spec);
        for (LinkId id = cluster_nlinks(cluster); id < cluster_nresources(cluster); id++) {
            int64_t sum_Bps = 0, live = 0, slowest_Bps = INT64_MAX;
            for (int64_t i = 0; i < cluster_resource_width(cluster, id); i++) {
                const int64_t link_Bps =
                    cluster_capacity_Bps(cluster, cluster_resource_link(cluster, id, i));
                if (link_Bps == 0) continue;
                sum_Bps += link_Bps;
                live++;
                if (link_Bps < slowest_Bps) slowest_Bps = link_Bps;
            }
            const int64_t spray_Bps = live > 0 ? live * slowest_Bps : 0;
            assert_int_equal(cluster_capacity_Bps(cluster, id),
                             routing == ROUTING_SPRAY ? spray_Bps : sum_Bps);
        }
        cluster_destroy(cluster);
    }
}

// Each tier and direction carries the whole unit, whatever the faults.
static void class_weights_sum_to_the_unit(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (uint64_t draw = 0; draw < FAULTY_SHAPES; draw++) {
        const Routing routing = draw % 2 ? ROUTING_SPRAY : ROUTING_ADAPTIVE;
        const ClusterSpec spec = faulty_spec(draw / 2, (int32_t)(draw % 30), true, routing);
        Cluster *cluster = build(&spec);
        const int64_t n = cluster_ngpus(cluster), unit = routing_unit_bytes(cluster, 3);
        for (GpuId src = 0; src < n; src += 1 + n / 20)
            for (GpuId dst = 0; dst < n; dst += 1 + n / 20) {
                if (src == dst) continue;
                const Status status = routing_route(cluster, src, dst, 0, 3, uses, &nuses);
                if (!status_is_ok(&status)) continue;
                int64_t sum[FABRIC_TIERS_MAX + 2][2] = {{0}};
                for (int32_t u = 0; u < nuses; u++) {
                    assert_true(uses[u].weight >= 1);
                    if (u > 0) assert_true(uses[u - 1].link < uses[u].link);
                    sum[cluster_link_tier(cluster, uses[u].link)]
                       [cluster_link_direction(cluster, uses[u].link)] += uses[u].weight;
                }
                const int32_t level = (routing_nswitches(cluster, src, dst) + 1) / 2;
                // Of the tree, and of NICs of several ports.
                for (int32_t t = 1; t < cluster_ntiers(cluster); t++)
                    for (int32_t d = 0; d < 2; d++)
                        assert_int_equal(sum[t][d], t <= level || t > spec.ntiers ? unit : 0);
            }
        cluster_destroy(cluster);
    }
}

/// Largest difference between a route's share of each resource and the share of live paths that
/// cross it, in units.
static double spray_error(const Cluster *cluster, GpuId src, GpuId dst, int64_t loads[],
                          size_t nloads) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const double unit = (double)routing_unit_bytes(cluster, 1);
    memset(loads, 0, nloads * sizeof *loads);
    const int64_t paths = oracle_paths(cluster, cluster_endpoint_of(cluster, src),
                                       cluster_endpoint_of(cluster, dst), loads);
    const Status status = routing_route(cluster, src, dst, 0, 1, uses, &nuses);
    assert_int_equal(status.code, paths > 0 ? STATUS_OK : STATUS_NO_PATH);
    double worst = 0.0;
    for (int32_t u = 0; paths > 0 && u < nuses; u++) {
        int64_t through = 0;
        const int64_t width = cluster_resource_width(cluster, uses[u].link);
        const bool nic = cluster_link_tier(cluster, uses[u].link) > cluster_spec(cluster)->ntiers;
        if (nic) through = paths; // whichever port they take
        for (int64_t i = 0; i < width && !nic; i++) {
            const LinkId link = cluster_resource_link(cluster, uses[u].link, i);
            through += loads[link - cluster_first_link(cluster, 1, LINK_UP)];
        }
        const double error = fabs(uses[u].weight - (double)through / (double)paths * unit);
        if (error > worst) worst = error;
    }
    return worst;
}

// Spray is even over live paths: the weight of a class is the unit times the share of live paths
// through it. Exact (to a double's rounding) while a common denominator exists, within one part of
// 2^20 otherwise.
static void spray_weights_equal_the_share_of_live_paths(void **state) {
    (void)state;
    int32_t split_by_faults = 0, inexact = 0;
    for (uint64_t draw = 0; draw < FAULTY_SHAPES; draw++) {
        const ClusterSpec spec =
            faulty_spec(draw, draw % 4 == 0 ? 12 : 1 + (int32_t)(draw % 4), false, ROUTING_SPRAY);
        Cluster *cluster = build(&spec);
        const size_t nloads =
            (size_t)(cluster_nlinks(cluster) - cluster_first_link(cluster, 1, LINK_UP));
        int64_t *loads = test_malloc(nloads * sizeof *loads);
        const int64_t split = routing_unit_bytes(cluster, 1);
        split_by_faults += split > 1;
        inexact += split == BUNDLE_SPLIT_MAX;
        for (uint64_t k = 0; k < PAIRS; k++) {
            const GpuId src = rng_below(5, RNG_TEST, draw, 2 * k, cluster_ngpus(cluster));
            const GpuId dst = rng_below(5, RNG_TEST, draw, 2 * k + 1, cluster_ngpus(cluster));
            if (src == dst) continue;
            assert_close(spray_error(cluster, src, dst, loads, nloads), 0.0,
                         split == BUNDLE_SPLIT_MAX ? 1.0 : 1e-6);
        }
        test_free(loads);
        cluster_destroy(cluster);
    }
    assert_true(split_by_faults > 20 && inexact > 5 && inexact < split_by_faults);
}

/// Weight of the class of `link` in a route, summed; 0 if the route does not load it.
static int64_t weight_on(const Cluster *cluster, LinkId link, const LinkUse uses[], int32_t nuses) {
    int64_t weight = 0;
    for (int32_t u = 0; u < nuses; u++)
        for (int64_t i = 0; i < cluster_resource_width(cluster, uses[u].link); i++)
            if (cluster_resource_link(cluster, uses[u].link, i) == link) weight += uses[u].weight;
    return weight;
}

// One leaf uplink of 4 at half speed. Adaptive gives it 0.5 / 3.5 of that leaf's messages and an
// even share of others'; spray an even share of all, and its bundle counts 1 x the slow speed.
static void a_degraded_uplink_gets_its_share_by_capacity(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {4, 4, 1}};
    for (int32_t routing = ROUTING_SPRAY; routing <= ROUTING_ADAPTIVE; routing++) {
        ClusterSpec spec = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
        spec.routing = (Routing)routing;
        shape_add_fault(&spec, 2, 0, 2, 0.5);
        Cluster *cluster = build(&spec);
        LinkUse uses[ROUTE_USES_MAX];
        int32_t nuses;
        const int64_t unit = routing_unit_bytes(cluster, 1);
        const LinkId slow = cluster_first_link(cluster, 2, LINK_UP) + 2;
        assert_int_equal(unit, routing == ROUTING_SPRAY ? 4 : 28);
        routing_route(cluster, 0, 4, 0, 1, uses, &nuses);
        assert_int_equal(weight_on(cluster, slow, uses, nuses), routing == ROUTING_SPRAY ? 1 : 4);
        routing_route(cluster, 4, 8, 0, 1, uses, &nuses);
        assert_int_equal(weight_on(cluster, slow + 4, uses, nuses) * 4, unit);
        cluster_destroy(cluster);
    }
}

// Trunks of 4 lanes to 2 spines, one lane dead: adaptive splits 3 : 4.
static void a_thinner_trunk_gets_its_share_by_lanes(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {4, 2, 4}};
    ClusterSpec spec = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
    spec.routing = ROUTING_ADAPTIVE;
    shape_add_fault(&spec, 2, 0, 1 + 2 * 3, 0.0);
    Cluster *cluster = build(&spec);
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const LinkId first = cluster_first_link(cluster, 2, LINK_UP);
    routing_route(cluster, 0, 4, 0, 1, uses, &nuses);
    assert_int_equal(weight_on(cluster, first, uses, nuses) * 7,
                     4 * routing_unit_bytes(cluster, 1));
    assert_int_equal(weight_on(cluster, first + 1, uses, nuses) * 7,
                     3 * routing_unit_bytes(cluster, 1));
    cluster_destroy(cluster);
}

// One dead leaf uplink of 64 on the big machine: two classes, a denominator of 64, nothing else.
static void one_dead_uplink_of_colossus_costs_two_classes(void **state) {
    (void)state;
    ClusterSpec spec = shape_colossus();
    spec.routing = ROUTING_ADAPTIVE;
    shape_add_fault(&spec, 2, 5, 7, 0.0);
    Cluster *cluster = build(&spec);
    assert_int_equal(routing_unit_bytes(cluster, 1), 64);
    cluster_destroy(cluster);
}

// A route must fit its array: very many split classes are refused at the start, not met by an
// overflow.
static void too_many_classes_are_refused(void **state) {
    (void)state;
    // 256 spines a pod, each with one of its two core links dead: 1 + 256 classes at tier 2, 1 +
    // 256 + 256 at tier 3.
    const Tier tier[] = {{2, 1, 1}, {2, 256, 1}, {2, 2, 1}};
    ClusterSpec spec = shape_spec(8, 1, WIRING_PLAIN, 3, tier);
    spec.routing = ROUTING_SPRAY;
    for (int32_t k = 0; k < CLUSTER_FAULTS_MAX; k++) shape_add_fault(&spec, 3, k, k % 2, 0.0);
    Cluster *cluster;
    const Status status = cluster_create(&spec, &cluster);
    assert_int_equal(status.code, STATUS_RANGE);
    spec.routing = ROUTING_ECMP;
    cluster = build(&spec);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_message_loads_one_bundle_a_tier),
        cmocka_unit_test(bundles_partition_the_links_of_a_tier),
        cmocka_unit_test(capacity_of_a_bundle_follows_its_members),
        cmocka_unit_test(class_weights_sum_to_the_unit),
        cmocka_unit_test(spray_weights_equal_the_share_of_live_paths),
        cmocka_unit_test(a_degraded_uplink_gets_its_share_by_capacity),
        cmocka_unit_test(a_thinner_trunk_gets_its_share_by_lanes),
        cmocka_unit_test(one_dead_uplink_of_colossus_costs_two_classes),
        cmocka_unit_test(too_many_classes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
