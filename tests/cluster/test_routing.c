// Paths: every pair, every routing, link by link, with and without dead cables, against brute
// force.

#include "claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cluster/routing.h"
#include "draws.h"
#include "oracle.h"
#include "shapes.h"

enum { RANDOM_SHAPES = 120, PAIRS = 24, FAULTY_SHAPES = 160 };

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

static GpuId pick_gpu(const Cluster *cluster, uint64_t draw) {
    return rng_below(7, RNG_TEST, 1, draw, cluster_ngpus(cluster));
}

/// The law of a path of one queue pair: scale-up hops first; then one up and one down link a tier,
/// adjacent links sharing a switch, from the NIC of the sender's node to that of the destination,
/// all alive, all with the same weight; last the two NICs, where they have several ports.
static void check_path(const Cluster *cluster, GpuId src, GpuId dst, const LinkUse uses[],
                       int32_t nuses) {
    int64_t lower;
    SwitchId upper, up_switch = -1, down_switch = -1;
    GpuId relay = src;
    int32_t k = 0;
    for (int32_t u = 0; u < nuses; u++) {
        assert_int_equal(uses[u].weight, uses[0].weight);
        assert_true(cluster_capacity_Bps(cluster, uses[u].link) > 0);
        if (u > 0) assert_true(uses[u - 1].link < uses[u].link);
    }
    if (cluster_link_tier(cluster, uses[0].link) == 0) {
        cluster_link_ends(cluster, uses[0].link, &lower, &upper);
        assert_int_equal(lower, src);
        cluster_link_ends(cluster, uses[1].link, &relay, &upper);
        assert_int_equal(relay / cluster_spec(cluster)->scale_up.gpus,
                         src / cluster_spec(cluster)->scale_up.gpus);
        k = 2;
    }
    if (k == nuses) {
        assert_int_equal(relay, dst);
        assert_int_equal(routing_nswitches(cluster, src, dst), 0);
        return;
    }
    const int32_t nic = cluster_ntiers(cluster) - 1;
    const bool nics = nic > cluster_spec(cluster)->ntiers;
    const int32_t level = (nuses - k) / 2 - nics;
    assert_int_equal(nuses - k, 2 * (level + nics));
    for (int32_t t = 1; t <= level; t++, k += 2) {
        assert_int_equal(cluster_link_tier(cluster, uses[k].link), t);
        assert_int_equal(cluster_link_tier(cluster, uses[k + 1].link), t);
        assert_int_equal(cluster_link_direction(cluster, uses[k].link), LINK_UP);
        assert_int_equal(cluster_link_direction(cluster, uses[k + 1].link), LINK_DOWN);
        cluster_link_ends(cluster, uses[k].link, &lower, &upper);
        assert_int_equal(lower, t == 1 ? cluster_endpoint_of(cluster, relay) : up_switch);
        up_switch = upper;
        cluster_link_ends(cluster, uses[k + 1].link, &lower, &upper);
        assert_int_equal(lower, t == 1 ? cluster_endpoint_of(cluster, dst) : down_switch);
        down_switch = upper;
    }
    assert_int_equal(up_switch, down_switch);
    if (!nics) return;
    assert_int_equal(uses[k].link, cluster_first_link(cluster, nic, LINK_UP) + relay);
    assert_int_equal(uses[k + 1].link, cluster_first_link(cluster, nic, LINK_DOWN) + dst);
    assert_int_equal(cluster_capacity_Bps(cluster, uses[k].link),
                     cluster_spec(cluster)->nic.goodput_Bps);
}

static void every_pair_is_joined_by_a_valid_path(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.routing = draw % 2 ? ROUTING_DMODK : ROUTING_ECMP;
        Cluster *cluster = build(&spec);
        const int64_t n = cluster_ngpus(cluster);
        for (GpuId src = 0; src < n; src++)
            for (GpuId dst = 0; dst < n; dst++) {
                if (src == dst) continue;
                const Status status = routing_route(cluster, src, dst, draw, 1, uses, &nuses);
                assert_int_equal(status.code, STATUS_OK);
                check_path(cluster, src, dst, uses, nuses);
            }
        cluster_destroy(cluster);
    }
}

// The shortest path has 2L - 1 switches, L the first level where brute force meets.
static void path_lengths_equal_brute_force(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.pxn = false;
        spec.scale_up.gpus = 1;
        Cluster *cluster = build(&spec);
        for (uint64_t k = 0; k < PAIRS; k++) {
            const GpuId src = pick_gpu(cluster, 2 * k), dst = pick_gpu(cluster, 2 * k + 1);
            if (src == dst) continue;
            const int32_t level = oracle_level(cluster, cluster_endpoint_of(cluster, src),
                                               cluster_endpoint_of(cluster, dst));
            assert_int_equal(routing_nswitches(cluster, src, dst), 2 * level - 1);
            // 900 ns of adapters, 600 ns a switch, 150 ns a cable; 2L cables.
            assert_int_equal(routing_latency_ps(cluster, src, dst),
                             (900 + 600 * (2 * level - 1) + 150 * 2 * level) * PS_PER_NS);
        }
        cluster_destroy(cluster);
    }
}

// Rails that nothing joins: a message is as long as between nodes of one GPU each on the tree of one rail, and a path of it.
static void rails_alone_are_as_long_as_one(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec one = shape_random(draw);
        one.nfilled = 0; // of rails alone no child of the top has nodes of its own
        one.wiring = WIRING_PLAIN;
        one.nodes *= one.gpus_per_node;
        one.gpus_per_node = one.scale_up.gpus = 1;
        ClusterSpec spec = one;
        spec.wiring = WIRING_RAIL_ONLY;
        spec.gpus_per_node = spec.scale_up.gpus = 2 + (int32_t)(draw % 3);
        spec.pxn = true;
        spec.routing = draw % 2 ? ROUTING_DMODK : ROUTING_ECMP;
        Cluster *rail = build(&one), *cluster = build(&spec);
        for (int32_t l = 1; l <= spec.ntiers; l++) {
            const bool top = l == spec.ntiers;
            assert_int_equal(cluster_nswitches(cluster, l),
                             spec.gpus_per_node * cluster_nswitches(rail, l));
            if (!top) assert_true(cluster_bisection_Bps(cluster) > 0 || spec.nodes == 1);
        }
        for (uint64_t k = 0; k < 4 * PAIRS; k++) {
            const GpuId src = pick_gpu(cluster, 2 * k), dst = pick_gpu(cluster, 2 * k + 1);
            if (src == dst) continue;
            const GpuId a = src / spec.gpus_per_node, b = dst / spec.gpus_per_node;
            assert_int_equal(cluster_gpu_at(cluster, cluster_endpoint_of(cluster, src)), src);
            // Whoever was asked to send: only one can.
            assert_int_equal(routing_route_by(cluster, src, src, dst, draw, 1, uses, &nuses).code,
                             STATUS_OK);
            check_path(cluster, src, dst, uses, nuses);
            if (a == b) continue;
            assert_int_equal(routing_nswitches(cluster, src, dst), routing_nswitches(rail, a, b));
            const bool changes = (src - dst) % spec.gpus_per_node != 0;
            assert_int_equal(routing_latency_by_ps(cluster, src, src, dst),
                             routing_latency_ps(rail, a, b) + changes * 600 * PS_PER_NS);
        }
        cluster_destroy(rail);
        cluster_destroy(cluster);
    }
}

// Longest path of an L-tier Clos: 2L - 1 switches; rail wiring reaches 64 nodes through one switch;
// PXN makes any GPU of a unit one switch and one scale-up hop away.
static void colossus_path_lengths_are_1_3_5_switches(void **state) {
    (void)state;
    ClusterSpec spec = shape_colossus();
    for (int32_t pxn = 0; pxn <= 1; pxn++) {
        spec.pxn = pxn == 1;
        Cluster *cluster = build(&spec);
        assert_int_equal(routing_nswitches(cluster, 0, 7), 0);
        assert_int_equal(routing_nswitches(cluster, 0, 63 * 8), 1);
        assert_int_equal(routing_nswitches(cluster, 0, 63 * 8 + 1), pxn ? 1 : 3);
        assert_int_equal(routing_nswitches(cluster, 0, 64 * 8), 3);
        assert_int_equal(routing_nswitches(cluster, 0, 511 * 8), 3);
        assert_int_equal(routing_nswitches(cluster, 0, 512 * 8), 5);
        assert_int_equal(routing_nswitches(cluster, 0, 99999), 5);
        assert_int_equal(routing_least_latency_ps(cluster),
                         1800 * PS_PER_NS); // 900 + 2 x 150 + 600
        assert_int_equal(
            routing_latency_ps(cluster, 0, 63 * 8 + 1) - routing_latency_ps(cluster, 0, 63 * 8),
            pxn ? 600 * PS_PER_NS : 2 * (600 + 150) * PS_PER_NS);
        cluster_destroy(cluster);
    }
}

static void least_latency_is_the_least_of_all_pairs(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        // Nodes of several scale-up domains, slower inside than over a leaf.
        if (spec.gpus_per_node % 2 == 0 && draw % 3 > 0) {
            spec.scale_up.gpus =
                spec.gpus_per_node / (int32_t)(draw % 3 == 1 ? 2 : spec.gpus_per_node);
            spec.scale_up.latency_ps = 2 * PS_PER_US;
        }
        Cluster *cluster = build(&spec);
        int64_t least_ps = TIME_NEVER_PS;
        for (GpuId src = 0; src < cluster_ngpus(cluster); src++)
            for (GpuId dst = 0; dst < cluster_ngpus(cluster); dst++) {
                if (src == dst) continue;
                const int64_t latency_ps = routing_latency_ps(cluster, src, dst);
                if (src / spec.gpus_per_node == dst / spec.gpus_per_node) continue;
                if (latency_ps < least_ps) least_ps = latency_ps;
            }
        assert_int_equal(routing_least_latency_ps(cluster), least_ps);
        cluster_destroy(cluster);
    }
}

// Queue pairs are equal parts: on each tier and direction the weights sum to their number.
static void weights_of_queue_pairs_sum_to_their_number(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.routing = (Routing)(draw / FABRIC_TIERS_MAX % 4);
        Cluster *cluster = build(&spec);
        for (int32_t queue_pairs = 1; queue_pairs <= QUEUE_PAIRS_MAX; queue_pairs *= 4) {
            const GpuId src = pick_gpu(cluster, draw), dst = pick_gpu(cluster, draw + 1000);
            if (src == dst) continue;
            assert_int_equal(routing_route(cluster, src, dst, draw, queue_pairs, uses, &nuses).code,
                             STATUS_OK);
            assert_int_equal(routing_unit_bytes(cluster, queue_pairs), queue_pairs);
            int64_t sum[FABRIC_TIERS_MAX + 2][2] = {{0}}; // the last: NICs of several ports
            for (int32_t u = 0; u < nuses; u++) {
                assert_true(uses[u].weight >= 1);
                if (u > 0) assert_true(uses[u - 1].link < uses[u].link);
                sum[cluster_link_tier(cluster, uses[u].link)]
                   [cluster_link_direction(cluster, uses[u].link)] += uses[u].weight;
            }
            for (int32_t t = 0; t <= FABRIC_TIERS_MAX; t++) {
                assert_int_equal(sum[t][0], sum[t][1]);
                assert_true(sum[t][0] == 0 || sum[t][0] == queue_pairs);
            }
        }
        cluster_destroy(cluster);
    }
}

/// Sum of (count - mean)^2 / mean.
static double chi_square(const int64_t count[], int64_t n, int64_t total) {
    const double mean = (double)total / (double)n;
    double sum = 0.0;
    for (int64_t k = 0; k < n; k++)
        sum += ((double)count[k] - mean) * ((double)count[k] - mean) / mean;
    return sum;
}

/// Normal deviate of a chi-square of `freedom` degrees (Wilson and Hilferty's cube root).
static double chi_deviate(double chi, double freedom) {
    const double spread = 2.0 / (9.0 * freedom);
    return (cbrt(chi / freedom) - (1.0 - spread)) / sqrt(spread);
}

/// Route `nflows` messages from GPU 0 to the last GPU and count uses of the up links of a tier.
static void count_uplinks(const Cluster *cluster, int32_t tier, int64_t nflows, int64_t count[]) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const LinkId first = cluster_first_link(cluster, tier, LINK_UP);
    for (int64_t flow = 0; flow < nflows; flow++) {
        const Status status =
            routing_route(cluster, 0, cluster_ngpus(cluster) - 1, (uint64_t)flow, 1, uses, &nuses);
        assert_int_equal(status.code, STATUS_OK);
        count[uses[2 * (tier - 1)].link - first]++;
    }
}

enum { UPLINKS = 16, CORE_UPLINKS = UPLINKS * UPLINKS, ECMP_FLOWS = 64000 };

/// Three tiers; 16 uplinks at the leaf, 16 (8 parents, 2 lanes) at the spine.
static ClusterSpec ecmp_spec(void) {
    const Tier tier[] = {{4, 1, 1}, {16, 16, 1}, {4, 8, 2}};
    return shape_spec(256, 1, WIRING_PLAIN, 3, tier);
}

// With a seed of its own each switch spreads evenly, and independently of the switch below:
// |deviate| < 4 both for the leaf's 16 uplinks and for all 256 uplinks of the 16 spines.
static void ecmp_spreads_evenly_over_the_uplinks(void **state) {
    (void)state;
    ClusterSpec spec = ecmp_spec();
    for (uint64_t seed = 1; seed <= 5; seed++) {
        spec.ecmp_seed = seed;
        Cluster *cluster = build(&spec);
        int64_t leaf[UPLINKS] = {0}, spine[CORE_UPLINKS] = {0};
        count_uplinks(cluster, 2, ECMP_FLOWS, leaf);
        count_uplinks(cluster, 3, ECMP_FLOWS, spine);
        const double leaf_deviate = chi_deviate(chi_square(leaf, UPLINKS, ECMP_FLOWS), UPLINKS - 1);
        const double spine_deviate =
            chi_deviate(chi_square(spine, CORE_UPLINKS, ECMP_FLOWS), CORE_UPLINKS - 1);
        assert_true(fabs(leaf_deviate) < 4.0);
        assert_true(fabs(spine_deviate) < 4.0);
        cluster_destroy(cluster);
    }
}

// With a shared seed the spine repeats the leaf's choice: the leaf is even, but each spine uses one
// of its 16 uplinks.
static void a_shared_seed_polarises_the_second_tier(void **state) {
    (void)state;
    ClusterSpec spec = ecmp_spec();
    spec.shared_seed = true;
    Cluster *cluster = build(&spec);
    int64_t leaf[UPLINKS] = {0}, spine[CORE_UPLINKS] = {0}, used = 0;
    count_uplinks(cluster, 2, ECMP_FLOWS, leaf);
    count_uplinks(cluster, 3, ECMP_FLOWS, spine);
    assert_true(fabs(chi_deviate(chi_square(leaf, UPLINKS, ECMP_FLOWS), UPLINKS - 1)) < 4.0);
    for (int32_t k = 0; k < CORE_UPLINKS; k++) used += spine[k] > 0;
    assert_int_equal(used, UPLINKS);
    cluster_destroy(cluster);
}

// A dead cable is left out, the others share its flows evenly, and flows that did not use it stay
// where they were.
static void ecmp_moves_only_the_flows_of_a_dead_link(void **state) {
    (void)state;
    ClusterSpec spec = ecmp_spec();
    Cluster *healthy = build(&spec);
    shape_add_fault(&spec, 2, 63, 5,
                    0.0); // leaf of the last GPU: its spine 5 cannot come down to it
    Cluster *faulty = build(&spec);
    LinkUse before[ROUTE_USES_MAX], after[ROUTE_USES_MAX];
    int32_t nbefore, nafter;
    int64_t count[UPLINKS] = {0}, moved = 0;
    for (uint64_t flow = 0; flow < ECMP_FLOWS; flow++) {
        assert_int_equal(routing_route(healthy, 0, 255, flow, 1, before, &nbefore).code, STATUS_OK);
        assert_int_equal(routing_route(faulty, 0, 255, flow, 1, after, &nafter).code, STATUS_OK);
        const LinkId port = after[2].link - cluster_first_link(faulty, 2, LINK_UP);
        assert_in_range(port, 0, UPLINKS - 1);
        count[port]++;
        if (cluster_first_link(healthy, 2, LINK_UP) + 5 == before[2].link)
            moved++;
        else
            for (int32_t u = 0; u < nbefore; u++) assert_int_equal(before[u].link, after[u].link);
    }
    assert_true(moved > 0);
    assert_int_equal(count[5], 0);
    for (int32_t k = 5; k + 1 < UPLINKS; k++) count[k] = count[k + 1];
    assert_true(fabs(chi_deviate(chi_square(count, UPLINKS - 1, ECMP_FLOWS), UPLINKS - 2)) < 4.0);
    cluster_destroy(healthy);
    cluster_destroy(faulty);
}

// Zahavi's theorem: on a tree of constant bisection bandwidth d-mod-k carries any shift i -> i + k
// mod N with at most one flow a link, lanes included.
static void dmodk_carries_shifts_without_contention(void **state) {
    (void)state;
    static const struct {
        int32_t ntiers, n;
        Tier tier[3];
    } trees[] = {
        {2, 16, {{4, 1, 1}, {4, 4, 1}}},
        {2, 128, {{8, 1, 1}, {16, 8, 1}}},
        {2, 64, {{8, 1, 1}, {8, 4, 2}}},
        {3, 128, {{4, 1, 1}, {4, 4, 1}, {8, 4, 1}}},
        {3, 128, {{4, 1, 1}, {4, 2, 2}, {8, 4, 2}}},
        {3, 216, {{6, 1, 1}, {6, 3, 2}, {6, 6, 2}}},
    };
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (size_t k = 0; k < sizeof trees / sizeof trees[0]; k++) {
        ClusterSpec spec = shape_spec(trees[k].n, 1, WIRING_PLAIN, trees[k].ntiers, trees[k].tier);
        spec.routing = ROUTING_DMODK;
        Cluster *cluster = build(&spec);
        const size_t nlinks = (size_t)cluster_nlinks(cluster);
        int32_t *taken = test_malloc(nlinks * sizeof *taken);
        for (GpuId shift = 1; shift < trees[k].n; shift++) {
            memset(taken, 0, nlinks * sizeof *taken);
            for (GpuId src = 0; src < trees[k].n; src++) {
                routing_route(cluster, src, (src + shift) % trees[k].n, 0, 1, uses, &nuses);
                for (int32_t u = 0; u < nuses; u++) assert_int_equal(++taken[uses[u].link], 1);
            }
        }
        test_free(taken);
        cluster_destroy(cluster);
    }
}

// The race scenarios' rule on 4 x 4 hosts: at a leaf the up port is destination mod 4.
static void dmodk_up_port_is_destination_by_widths_below(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {4, 4, 1}, {4, 2, 2}};
    ClusterSpec spec = shape_spec(64, 1, WIRING_PLAIN, 3, tier);
    spec.routing = ROUTING_DMODK;
    Cluster *cluster = build(&spec);
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (GpuId dst = 16; dst < 64; dst++) {
        routing_route(cluster, 0, dst, 0, 3, uses, &nuses);
        assert_int_equal(nuses, 6);
        assert_int_equal(uses[0].weight, 3);
        assert_int_equal(uses[2].link - cluster_first_link(cluster, 2, LINK_UP), dst % 4);
        assert_int_equal((uses[4].link - cluster_first_link(cluster, 3, LINK_UP)) % 4, dst / 4 % 4);
    }
    cluster_destroy(cluster);
}

static void add_random_dead_links(ClusterSpec *spec, uint64_t draw, int32_t n) {
    Cluster *healthy = build(spec);
    for (int32_t k = 0; k < n; k++) {
        const int32_t tier = 1 + (int32_t)rng_below(3, RNG_TEST, draw, (uint64_t)k, spec->ntiers);
        const int32_t ports = spec->tier[tier - 1].parents * spec->tier[tier - 1].lanes;
        const int64_t links =
            tier == 1 ? cluster_ngpus(healthy) * ports : cluster_tier_links(healthy, tier);
        const int64_t link = rng_below(3, RNG_TEST, draw, (uint64_t)(100 + k), links);
        bool known = false;
        for (int32_t f = 0; f < spec->nfaults; f++)
            known |= spec->fault[f].tier == tier && spec->fault[f].lower == link / ports &&
                     spec->fault[f].port == link % ports;
        if (!known) shape_add_fault(spec, tier, link / ports, (int32_t)(link % ports), 0.0);
    }
    cluster_destroy(healthy);
}

// A message gets through exactly when brute force finds a live path, and then over live links only.
static void dead_links_are_never_used_and_partitions_are_reported(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses, cut = 0, open = 0;
    for (uint64_t draw = 0; draw < FAULTY_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.pxn = false;
        spec.scale_up.gpus = 1;
        add_random_dead_links(&spec, draw, 2 + (int32_t)(draw % 23));
        for (int32_t routing = ROUTING_ECMP; routing <= ROUTING_ADAPTIVE; routing++) {
            spec.routing = (Routing)routing;
            Cluster *cluster = build(&spec);
            for (uint64_t k = 0; k < PAIRS; k++) {
                const GpuId src = pick_gpu(cluster, 3 * k), dst = pick_gpu(cluster, 3 * k + 1);
                if (src == dst) continue;
                const int64_t paths = oracle_paths(cluster, cluster_endpoint_of(cluster, src),
                                                   cluster_endpoint_of(cluster, dst), NULL);
                const Status status = routing_route(cluster, src, dst, k, 1, uses, &nuses);
                assert_int_equal(status.code, paths > 0 ? STATUS_OK : STATUS_NO_PATH);
                cut += paths == 0;
                open += paths > 0;
                if (paths > 0 && routing <= ROUTING_DMODK)
                    check_path(cluster, src, dst, uses, nuses);
                for (int32_t u = 0; paths > 0 && u < nuses; u++)
                    assert_true(cluster_capacity_Bps(cluster, uses[u].link) > 0);
            }
            cluster_destroy(cluster);
        }
    }
    assert_true(cut > 100 && open > 1000); // both sides of the claim were tried
}

static void an_isolated_gpu_has_no_path_and_both_are_named(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const Tier tier[] = {{4, 1, 1}, {4, 4, 1}};
    for (int32_t routing = ROUTING_ECMP; routing <= ROUTING_ADAPTIVE; routing++) {
        ClusterSpec spec = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
        spec.routing = (Routing)routing;
        shape_add_fault(&spec, 1, 9, 0, 0.0);
        for (int32_t port = 0; port < 4; port++) shape_add_fault(&spec, 2, 3, port, 0.0);
        Cluster *cluster = build(&spec);
        const Status nic = routing_route(cluster, 9, 2, 0, 4, uses, &nuses);
        assert_int_equal(nic.code, STATUS_NO_PATH);
        assert_non_null(strstr(nic.text, "GPU 9 to GPU 2"));
        assert_non_null(strstr(nic.text, "tier 1 (leaf)"));
        assert_int_equal(routing_route(cluster, 2, 9, 0, 4, uses, &nuses).code, STATUS_NO_PATH);
        const Status leaf = routing_route(cluster, 2, 13, 0, 4, uses, &nuses);
        assert_int_equal(leaf.code, STATUS_NO_PATH);
        assert_non_null(strstr(leaf.text, "tier 2 (spine)"));
        assert_int_equal(routing_route(cluster, 12, 13, 0, 4, uses, &nuses).code, STATUS_OK);
        cluster_destroy(cluster);
    }
}

// PXN: a cross-rail message leaves through the NIC of the destination's rail, two scale-up links
// and one leaf; where that NIC is dead it crosses the rails in the fabric.
static void pxn_takes_the_destination_rail_unless_its_nic_is_dead(void **state) {
    (void)state;
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const Tier tier[] = {{4, 1, 1}, {4, 4, 1}};
    ClusterSpec spec = shape_spec(8, 2, WIRING_RAIL, 2, tier);
    spec.pxn = true;
    Cluster *cluster = build(&spec);
    assert_int_equal(routing_route(cluster, 0, 3, 0, 1, uses, &nuses).code, STATUS_OK);
    assert_int_equal(nuses, 4);
    assert_int_equal(uses[0].link, cluster_first_link(cluster, 0, LINK_UP));
    assert_int_equal(uses[1].link, cluster_first_link(cluster, 0, LINK_DOWN) + 1);
    assert_int_equal(uses[2].link,
                     cluster_first_link(cluster, 1, LINK_UP) + cluster_endpoint_of(cluster, 1));
    check_path(cluster, 0, 3, uses, nuses);
    cluster_destroy(cluster);
    shape_add_fault(&spec, 1, 1, 0, 0.0);
    cluster = build(&spec);
    assert_int_equal(routing_route(cluster, 0, 3, 0, 1, uses, &nuses).code, STATUS_OK);
    assert_int_equal(uses[0].link, cluster_first_link(cluster, 1, LINK_UP));
    check_path(cluster, 0, 3, uses, nuses);
    cluster_destroy(cluster);
}

/// Number of the first up port above the leaf that a message of one queue pair takes.
static int32_t leaf_port(const Cluster *cluster, GpuId src, GpuId dst) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    assert_int_equal(routing_route(cluster, src, dst, 0, 1, uses, &nuses).code, STATUS_OK);
    const LinkId first = cluster_first_link(cluster, 2, LINK_UP);
    for (int32_t u = 0; u < nuses; u++)
        if (cluster_link_tier(cluster, uses[u].link) == 2 &&
            cluster_link_direction(cluster, uses[u].link) == LINK_UP)
            return (int32_t)((uses[u].link - first) % 8);
    fail_msg("no link above a leaf");
    return -1;
}

// What a switch makes of a message depends on which switch it is, unless all share a seed: the same machine wired otherwise
// sends the same pairs through other leaves, and an eighth of them keep their port by chance.
static void switches_choose_apart_unless_they_share_a_seed(void **state) {
    (void)state;
    const Tier tiers[] = {{8, 1, 1}, {16, 8, 1}};
    for (int shared = 0; shared < 2; shared++) {
        ClusterSpec plain = shape_spec(32, 4, WIRING_PLAIN, 2, tiers), rail = plain;
        rail.wiring = WIRING_RAIL;
        plain.shared_seed = rail.shared_seed = shared;
        plain.scale_up.gpus = rail.scale_up.gpus = 1;
        Cluster *by_node = build(&plain), *by_rail = build(&rail);
        double pairs = 0, same = 0;
        for (GpuId src = 0; src < 128; src++)
            for (GpuId dst = 0; dst < 128; dst++) {
                if (routing_nswitches(by_node, src, dst) != 3 || src / 8 == dst / 8) continue;
                if (src == dst || routing_nswitches(by_rail, src, dst) != 3) continue;
                if (cluster_endpoint_of(by_node, src) / 8 == cluster_endpoint_of(by_rail, src) / 8)
                    continue;
                pairs++;
                same += leaf_port(by_node, src, dst) == leaf_port(by_rail, src, dst);
            }
        assert_true(pairs > 5000);
        assert_close(same / pairs, shared ? 1 : 0.125, shared ? 0 : 5 * sqrt(0.11 / pairs));
        cluster_destroy(by_node);
        cluster_destroy(by_rail);
    }
}

// Queue pairs choose independently: q of them over w equal ports meet w (1 - (1 - 1/w)^q) of them on average.
static void queue_pairs_of_a_message_take_paths_of_their_own(void **state) {
    (void)state;
    const Tier tiers[] = {{8, 1, 1}, {16, 8, 1}};
    const ClusterSpec spec = shape_spec(128, 1, WIRING_PLAIN, 2, tiers);
    Cluster *cluster = build(&spec);
    LinkUse uses[ROUTE_USES_MAX];
    for (int32_t queue_pairs = 1; queue_pairs <= 64; queue_pairs *= 4) {
        double ports = 0, messages = 0;
        for (GpuId src = 0; src < 128; src++)
            for (GpuId dst = 8; dst < 128; dst += 8) {
                int32_t nuses;
                if (src / 8 == dst / 8) continue;
                assert_int_equal(
                    routing_route(cluster, src, dst, 3, queue_pairs, uses, &nuses).code, STATUS_OK);
                for (int32_t u = 0; u < nuses; u++)
                    ports += cluster_link_tier(cluster, uses[u].link) == 2 &&
                             cluster_link_direction(cluster, uses[u].link) == LINK_UP;
                messages++;
            }
        const double expected = 8 * (1 - pow(1 - 1.0 / 8, queue_pairs));
        assert_close(ports / messages, expected, 0.02 * expected);
    }
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_joined_by_a_valid_path),
        cmocka_unit_test(path_lengths_equal_brute_force),
        cmocka_unit_test(rails_alone_are_as_long_as_one),
        cmocka_unit_test(colossus_path_lengths_are_1_3_5_switches),
        cmocka_unit_test(least_latency_is_the_least_of_all_pairs),
        cmocka_unit_test(weights_of_queue_pairs_sum_to_their_number),
        cmocka_unit_test(ecmp_spreads_evenly_over_the_uplinks),
        cmocka_unit_test(a_shared_seed_polarises_the_second_tier),
        cmocka_unit_test(ecmp_moves_only_the_flows_of_a_dead_link),
        cmocka_unit_test(dmodk_carries_shifts_without_contention),
        cmocka_unit_test(dmodk_up_port_is_destination_by_widths_below),
        cmocka_unit_test(dead_links_are_never_used_and_partitions_are_reported),
        cmocka_unit_test(an_isolated_gpu_has_no_path_and_both_are_named),
        cmocka_unit_test(pxn_takes_the_destination_rail_unless_its_nic_is_dead),
        cmocka_unit_test(switches_choose_apart_unless_they_share_a_seed),
        cmocka_unit_test(queue_pairs_of_a_message_take_paths_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
