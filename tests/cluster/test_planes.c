// Planes: the ports of a NIC, each with a copy of the tree above it.

#include "claims.h"

#include "cluster/routing.h"
#include "draws.h"
#include "shapes.h"

enum { SHAPES = 80, PAIRS = 16, PLANES_MOST = 4, FLOW_KEY = 5 };

#define ROUNDED_BPS \
    48e3 // of 48e9: shares are in whole parts of 2^20, rates in whole bytes per second

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

/// A random shape whose NICs have a port of 1 / planes of their rate in each plane.
static ClusterSpec shape_with_planes(uint64_t draw) {
    ClusterSpec spec = shape_random(draw);
    TierSpec *nic = &spec.tier[0];
    nic->parents = 2 + (int32_t)rng_below(9, RNG_TEST, 0, draw, PLANES_MOST - 1);
    nic->lanes = 1;
    nic->switch_spec.ports = 1 << 10;
    nic->link_Bps = spec.nic.line_Bps / nic->parents;
    return spec;
}

static GpuId pick_gpu(const Cluster *cluster, uint64_t draw) {
    return rng_below(9, RNG_TEST, 1, draw, cluster_ngpus(cluster));
}

static int32_t route(const Cluster *cluster, GpuId src, GpuId dst, uint64_t flow_key,
                     int32_t queue_pairs, LinkUse uses[ROUTE_USES_MAX]) {
    int32_t nuses;
    const Status status = routing_route(cluster, src, dst, flow_key, queue_pairs, uses, &nuses);
    if (!status_is_ok(&status)) fail_msg("routing_route: %s", status.text);
    return nuses;
}

/// Plane of a cable: of the switch at its upper end, the first choice on the way up.
static int64_t plane_of(const Cluster *cluster, LinkId link) {
    int64_t lower;
    SwitchId upper;
    cluster_link_ends(cluster, link, &lower, &upper);
    return upper % cluster_spec(cluster)->tier[0].parents;
}

static bool is_cable(const Cluster *cluster, LinkId link) {
    const int32_t tier = cluster_link_tier(cluster, link);
    return tier >= 1 && tier <= cluster_spec(cluster)->ntiers;
}

// A path of ecmp or dmodk ends in the plane that it begins in.
static void a_path_never_changes_plane(void **state) {
    (void)state;
    int32_t seen = 0;
    for (uint64_t draw = 0; draw < SHAPES; draw++) {
        ClusterSpec spec = shape_with_planes(draw);
        spec.routing = draw % 2 ? ROUTING_DMODK : ROUTING_ECMP;
        Cluster *cluster = build(&spec);
        for (uint64_t k = 0; k < PAIRS; k++) {
            const GpuId src = pick_gpu(cluster, PAIRS * draw + k),
                        dst = pick_gpu(cluster, PAIRS * SHAPES + k);
            LinkUse uses[ROUTE_USES_MAX];
            if (src == dst) continue;
            const int32_t nuses = route(cluster, src, dst, k, 1, uses);
            int64_t plane = -1;
            for (int32_t u = 0; u < nuses; u++) {
                if (!is_cable(cluster, uses[u].link)) continue;
                if (plane < 0) plane = plane_of(cluster, uses[u].link);
                assert_int_equal(plane_of(cluster, uses[u].link), plane);
                seen |= 1 << plane;
            }
        }
        cluster_destroy(cluster);
    }
    assert_int_equal(seen, (1 << PLANES_MOST) - 1);
}

// Above the NICs planes have no cable in common: the two ends of every cable between switches are of one plane.
static void no_cable_joins_two_planes(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < SHAPES; draw++) {
        const ClusterSpec spec = shape_with_planes(draw);
        Cluster *cluster = build(&spec);
        for (int32_t t = 2; t <= spec.ntiers; t++) {
            const LinkId first = cluster_first_link(cluster, t, LINK_UP);
            for (int64_t i = 0; i < cluster_tier_links(cluster, t); i++) {
                int64_t lower;
                SwitchId upper;
                cluster_link_ends(cluster, first + i, &lower, &upper);
                assert_int_equal(lower % spec.tier[0].parents, upper % spec.tier[0].parents);
            }
        }
        cluster_destroy(cluster);
    }
}

/// Bytes per second of a lone message: what its slowest link leaves it.
static double rate_Bps(const Cluster *cluster, GpuId src, GpuId dst, int32_t queue_pairs) {
    LinkUse uses[ROUTE_USES_MAX];
    const int32_t nuses = route(cluster, src, dst, FLOW_KEY, queue_pairs, uses);
    const double unit = (double)routing_unit_bytes(cluster, queue_pairs);
    double least_Bps = 1e18;
    for (int32_t u = 0; u < nuses; u++) {
        const double own_Bps =
            (double)cluster_capacity_Bps(cluster, uses[u].link) * unit / uses[u].weight;
        if (own_Bps < least_Bps) least_Bps = own_Bps;
    }
    return least_Bps;
}

/// 16 nodes of one GPU below leaves of 4, two tiers, no oversubscription.
static ClusterSpec shape_two_tiers(int32_t planes, Routing routing) {
    const Tier tier[] = {{4, planes, 1}, {4, 4, 1}};
    ClusterSpec spec = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
    spec.scale_up.gpus = 1;
    spec.routing = routing;
    for (int32_t t = 0; t < 2; t++) spec.tier[t].link_Bps = spec.nic.line_Bps / planes;
    return spec;
}

/// All cables of a plane above the leaves are dead.
static void kill_plane(ClusterSpec *spec, int32_t plane) {
    for (int64_t leaf = plane; leaf < INT64_C(4) * spec->tier[0].parents;
         leaf += spec->tier[0].parents)
        for (int32_t port = 0; port < 4; port++) shape_add_fault(spec, 2, leaf, port, 0);
}

// Of P planes one that is dead costs 1 / P of what a NIC sends to another leaf, if packets go where there is room; the
// same leaf is reached by all. A dead port of a NIC costs that NIC as much, wherever it sends.
static void a_dead_plane_costs_its_share(void **state) {
    (void)state;
    for (int32_t planes = 2; planes <= PLANES_MOST; planes++) {
        ClusterSpec spec = shape_two_tiers(planes, ROUTING_ADAPTIVE);
        const double whole_Bps = 48e9, rest_Bps = whole_Bps * (planes - 1) / planes;
        Cluster *cluster = build(&spec);
        assert_close(rate_Bps(cluster, 0, 15, 1), whole_Bps, ROUNDED_BPS);
        cluster_destroy(cluster);
        kill_plane(&spec, planes - 1);
        cluster = build(&spec);
        assert_close(rate_Bps(cluster, 0, 15, 1), rest_Bps, ROUNDED_BPS);
        assert_close(rate_Bps(cluster, 0, 3, 1), whole_Bps, ROUNDED_BPS);
        cluster_destroy(cluster);
        spec.nfaults = 0;
        shape_add_fault(&spec, 1, 0, planes - 1, 0);
        cluster = build(&spec);
        assert_close(rate_Bps(cluster, 0, 15, 1), rest_Bps, ROUNDED_BPS);
        assert_close(rate_Bps(cluster, 3, 0, 1), rest_Bps, ROUNDED_BPS);
        assert_close(rate_Bps(cluster, 3, 15, 1), whole_Bps, ROUNDED_BPS);
        cluster_destroy(cluster);
    }
}

// With as many queue pairs as planes ecmp uses each plane once; one queue pair has the rate of one plane.
static void queue_pairs_take_planes_in_turn(void **state) {
    (void)state;
    for (int32_t planes = 2; planes <= PLANES_MOST; planes++) {
        const ClusterSpec spec = shape_two_tiers(planes, ROUTING_ECMP);
        Cluster *cluster = build(&spec);
        assert_close(rate_Bps(cluster, 0, 15, 1), 48e9 / planes, ROUNDED_BPS);
        LinkUse uses[ROUTE_USES_MAX];
        const int32_t nuses = route(cluster, 0, 15, FLOW_KEY, planes, uses);
        int32_t seen = 0;
        for (int32_t u = 0; u < nuses; u++)
            if (is_cable(cluster, uses[u].link)) {
                assert_int_equal(uses[u].weight, 1);
                seen |= 1 << plane_of(cluster, uses[u].link);
            }
        assert_int_equal(nuses, 4 * planes + 2); // and the two NICs
        assert_int_equal(seen, (1 << planes) - 1);
        cluster_destroy(cluster);
    }
}

/// Switches, and cables in ports of the NIC's rate.
static void count(const ClusterSpec *spec, int64_t *switches, int64_t *optics) {
    Cluster *cluster = build(spec);
    int64_t cables = 0;
    *switches = 0;
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        *switches += cluster_nswitches(cluster, t);
        cables += cluster_ncables(cluster, t);
    }
    *optics = cables / spec->tier[0].parents;
    assert_close(cluster_bisection_Bps(cluster), (double)spec->nodes / 2 * 48e9, 1.0);
    cluster_destroy(cluster);
}

// MRC (arXiv:2605.04333): 64 ports of NIC rate as 512 of an eighth join 131,072 NICs in two tiers of 8 planes, with
// 3/5 of the switches (here of the 5 N / 64 that three tiers have) and 2/3 of the optics of three. The three tiers of 64
// ports end at 65,536, where both are counted.
static void eight_planes_join_131072_in_two_tiers(void **state) {
    (void)state;
    static const Tier three[] = {{32, 1, 1}, {32, 32, 1}, {64, 32, 1}};
    ClusterSpec flat = shape_spec(65536, 1, WIRING_PLAIN, 3, three);
    int64_t switches3, optics3;
    count(&flat, &switches3, &optics3);
    assert_int_equal(switches3, 5 * 65536 / 64);
    assert_int_equal(optics3, 3 * 65536);
    for (int64_t nodes = 65536; nodes <= 131072; nodes += 65536) {
        const int32_t lanes = (int32_t)(131072 / nodes);
        const Tier two[] = {{256, 8, 1}, {512 / lanes, 256 / lanes, lanes}};
        ClusterSpec planes = shape_spec(nodes, 1, WIRING_PLAIN, 2, two);
        for (int32_t t = 0; t < 2; t++) {
            planes.tier[t].link_Bps /= 8;
            planes.tier[t].switch_spec.port_Bps /= 8;
            assert_int_equal(planes.tier[t].switch_spec.ports, 512);
        }
        int64_t switches, optics;
        count(&planes, &switches, &optics);
        assert_int_equal(5 * switches, 3 * (5 * nodes / 64));
        assert_int_equal(optics, 2 * nodes);
        if (nodes == 65536) assert_int_equal(5 * switches, 3 * switches3);
        if (nodes == 65536) assert_int_equal(3 * optics, 2 * optics3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_never_changes_plane),
        cmocka_unit_test(no_cable_joins_two_planes),
        cmocka_unit_test(a_dead_plane_costs_its_share),
        cmocka_unit_test(queue_pairs_take_planes_in_turn),
        cmocka_unit_test(eight_planes_join_131072_in_two_tiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
