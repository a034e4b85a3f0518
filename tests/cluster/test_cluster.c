// Counts, ids, capacities and names of a machine.

#include "claims.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"
#include "cluster/fattree.h"
#include "shapes.h"

enum { RANDOM_SHAPES = 240 };

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

static void refused(const ClusterSpec *spec, const char *number_a, const char *number_b) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    assert_int_equal(status.code, STATUS_RANGE);
    assert_null(cluster);
    if (strstr(status.text, number_a) == NULL || strstr(status.text, number_b) == NULL)
        fail_msg("'%s' does not name %s and %s", status.text, number_a, number_b);
}

// A published row: nodes of 8 GPUs in a two- or three-tier tree, and the printed counts (core 0:
// two tiers).
typedef struct Row {
    int64_t nodes;
    Tier tier[3];
    int64_t leaf, spine, core, nic_cables, spine_cables, core_cables; // -1: not printed
    int32_t radix; // links of the tier's rate a switch can take
} Row;

static void row_counts_match(const Row *row) {
    const int32_t ntiers = row->core > 0 ? 3 : 2;
    ClusterSpec spec = shape_spec(row->nodes, 8, WIRING_RAIL, ntiers, row->tier);
    for (int32_t t = 0; t < ntiers; t++) spec.tier[t].switch_spec.ports = row->radix;
    Cluster *cluster = build(&spec);
    assert_int_equal(cluster_ngpus(cluster), row->nodes * 8);
    assert_int_equal(cluster_nswitches(cluster, 1), row->leaf);
    assert_int_equal(cluster_nswitches(cluster, 2), row->spine);
    if (row->core > 0) assert_int_equal(cluster_nswitches(cluster, 3), row->core);
    if (row->nic_cables >= 0) assert_int_equal(cluster_ncables(cluster, 1), row->nic_cables);
    if (row->spine_cables >= 0) assert_int_equal(cluster_ncables(cluster, 2), row->spine_cables);
    if (row->core_cables >= 0) assert_int_equal(cluster_ncables(cluster, 3), row->core_cables);
    cluster_destroy(cluster);
}

// NVIDIA DGX SuperPOD reference architecture (B200 page; H100: RA-11333): 64-port switches, 32
// nodes and 8 leaves a scalable unit. Columns: leaf, spine, core, then node-leaf, leaf-spine and
// spine-core cables.
static void superpod_switches_and_cables_equal_the_published_table(void **state) {
    (void)state;
    static const Row rows[] = {
        {64, {{32, 1, 1}, {16, 8, 4}}, 16, 8, 0, 512, 512, -1, 64},
        {128, {{32, 1, 1}, {32, 16, 2}}, 32, 16, 0, 1024, 1024, -1, 64},
        {256, {{32, 1, 1}, {64, 32, 1}}, 64, 32, 0, 2048, 2048, -1, 64},
        {512, {{32, 1, 1}, {32, 32, 1}, {4, 2, 16}}, 128, 128, 64, 4096, 4096, 4096, 64},
        {1024, {{32, 1, 1}, {32, 32, 1}, {8, 4, 8}}, 256, 256, 128, 8192, 8192, 8192, 64},
        {2048, {{32, 1, 1}, {32, 32, 1}, {16, 8, 4}}, 512, 512, 256, 16384, 16384, 16384, 64},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) row_counts_match(&rows[k]);
}

// DGX B300 XDR: 72 nodes a unit, 144-port switches (1,296 x 8 = 10,368 GPUs in the largest row).
static void superpod_b300_xdr_equals_the_published_table(void **state) {
    (void)state;
    static const Row rows[] = {
        {72, {{72, 1, 1}, {8, 4, 18}}, 8, 4, 0, -1, -1, -1, 144},
        {144, {{72, 1, 1}, {16, 8, 9}}, 16, 8, 0, -1, -1, -1, 144},
        {288, {{72, 1, 1}, {32, 18, 4}}, 32, 18, 0, -1, -1, -1, 144},
        {576, {{72, 1, 1}, {64, 36, 2}}, 64, 36, 0, -1, -1, -1, 144},
        {1296, {{72, 1, 1}, {144, 72, 1}}, 144, 72, 0, -1, -1, -1, 144},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) row_counts_match(&rows[k]);
}

// DGX B300 Ethernet: 64 nodes a unit, 64 ports of 800 Gb/s. Where a leaf has fewer 800G ports up
// than there are spines, ports are split: 2 x 400G for 64 spines, 4 x 200G for 128.
static void superpod_b300_ethernet_equals_the_published_table_with_split_ports(void **state) {
    (void)state;
    static const struct {
        int64_t nodes, leaf, spine;
        Tier spines;
        int32_t split;
    } rows[] = {{64, 16, 8, {16, 8, 4}, 1},
                {128, 32, 16, {32, 16, 2}, 1},
                {256, 64, 32, {64, 32, 1}, 1},
                {512, 128, 64, {128, 64, 1}, 2},
                {1024, 256, 128, {256, 128, 1}, 4}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const Tier tier[] = {{32, 1, 1}, rows[k].spines};
        ClusterSpec spec = shape_spec(rows[k].nodes, 8, WIRING_RAIL, 2, tier);
        spec.tier[0].switch_spec.ports = spec.tier[1].switch_spec.ports = 64;
        spec.tier[1].link_Bps /= rows[k].split;
        Cluster *cluster = build(&spec);
        assert_int_equal(cluster_nswitches(cluster, 1), rows[k].leaf);
        assert_int_equal(cluster_nswitches(cluster, 2), rows[k].spine);
        cluster_destroy(cluster);
        spec.tier[1].link_Bps *= 2 * rows[k].split; // faster than the port
        refused(&spec, "50000000000", "100000000000");
    }
}

// Non-blocking folded Clos of radix k and L tiers: 2 (k/2)^L endpoints, (2L-1)(k/2)^(L-1) switches,
// (L-1) N cables between switches. k = 64: 2,048 / 96 / 2,048 and 65,536 / 5,120 / 131,072
// (DeepSeek-V3 at ISCA'25, table of network costs).
static void folded_clos_of_radix_64_equals_the_published_counts(void **state) {
    (void)state;
    static const Tier two[] = {{32, 1, 1}, {64, 32, 1}},
                      three[] = {{32, 1, 1}, {32, 32, 1}, {64, 32, 1}};
    const int64_t expected[2][3] = {{2048, 96, 2048}, {65536, 5120, 131072}};
    for (int32_t ntiers = 2; ntiers <= 3; ntiers++) {
        const int64_t *want = expected[ntiers - 2];
        ClusterSpec spec = shape_spec(want[0], 1, WIRING_PLAIN, ntiers, ntiers == 2 ? two : three);
        Cluster *cluster = build(&spec);
        int64_t switches = 0, cables = 0;
        for (int32_t t = 1; t <= ntiers; t++) {
            assert_true(spec.tier[t - 1].switch_spec.ports == 64);
            switches += cluster_nswitches(cluster, t);
            if (t > 1) cables += cluster_ncables(cluster, t);
        }
        assert_int_equal(switches, want[1]);
        assert_int_equal(cables, want[2]);
        // Full bisection: half the endpoints can all send to the other half at goodput.
        assert_close(cluster_bisection_Bps(cluster), (double)want[0] / 2 * 48e9, 0.0);
        cluster_destroy(cluster);
    }
}

// 12,500 nodes need ceil(12,500 / 512) = 25 pods of 64 leaves and 64 spines; the 1,024 cores have
// room for 32.
static void colossus_has_1600_leaves_1600_spines_1024_cores(void **state) {
    (void)state;
    const ClusterSpec spec = shape_colossus();
    Cluster *cluster = build(&spec);
    assert_int_equal(cluster_ngpus(cluster), 100000);
    assert_int_equal(cluster_nswitches(cluster, 1), 1600);
    assert_int_equal(cluster_nswitches(cluster, 2), 1600);
    assert_int_equal(cluster_nswitches(cluster, 3), 1024);
    assert_int_equal(cluster_ncables(cluster, 1), 100000);
    assert_int_equal(cluster_ncables(cluster, 2), 1600 * 64);
    assert_int_equal(cluster_ncables(cluster, 3), 1600 * 64);
    for (int32_t t = 0; t < 3; t++) assert_int_equal(spec.tier[t].switch_spec.ports, 128);
    // Rail wiring: the eight NICs of node 64 go to leaves 8 .. 15, port 0.
    for (int32_t slot = 0; slot < 8; slot++)
        assert_int_equal(cluster_endpoint_of(cluster, 64 * 8 + slot), (8 + slot) * 64);
    cluster_destroy(cluster);
}

static void endpoint_and_gpu_are_inverse(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        const ClusterSpec spec = shape_random(draw);
        Cluster *cluster = build(&spec);
        int64_t found = 0;
        for (int64_t endpoint = 0; endpoint < cluster_tier_links(cluster, 1) /
                                                  (spec.tier[0].parents * spec.tier[0].lanes);
             endpoint++) {
            const GpuId gpu = cluster_gpu_at(cluster, endpoint);
            if (gpu < 0) continue;
            found++;
            assert_int_equal(cluster_endpoint_of(cluster, gpu), endpoint);
        }
        assert_int_equal(found, cluster_ngpus(cluster));
        cluster_destroy(cluster);
    }
}

// Law: nodes below different children of the top level meet at the top, and nodes below one child do not (but by its own); filling
// all children is filling none in part.
static void filled_children_are_apart(void **state) {
    (void)state;
    int64_t seen = 0;
    for (uint64_t draw = 0; draw < 4 * RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        if (spec.nfilled == 0) continue;
        Cluster *cluster = build(&spec);
        int64_t before = 0, ports = 1;
        for (int32_t t = 1; t < spec.ntiers; t++) ports *= spec.tier[t - 1].children;
        for (int32_t child = 0; child < spec.nfilled; child++) {
            for (int64_t i = 0; i < spec.filled[child]; i++)
                for (int32_t slot = 0; slot < spec.gpus_per_node; slot++)
                    assert_int_equal(
                        cluster_endpoint_of(cluster, (before + i) * spec.gpus_per_node + slot) /
                            ports,
                        child);
            before += spec.filled[child];
        }
        cluster_destroy(cluster);
        ClusterSpec whole = spec;
        whole.nfilled = spec.installed < CLUSTER_FILLED_MAX ? spec.installed : CLUSTER_FILLED_MAX;
        whole.nodes = 0;
        for (int32_t i = 0; i < whole.nfilled; i++)
            whole.nodes += whole.filled[i] = ports / spec.gpus_per_node;
        ClusterSpec same = whole;
        same.nfilled = 0;
        Cluster *a = build(&whole), *b = build(&same);
        for (GpuId gpu = 0; gpu < cluster_ngpus(a); gpu++)
            assert_int_equal(cluster_endpoint_of(a, gpu), cluster_endpoint_of(b, gpu));
        assert_close(cluster_bisection_Bps(a), cluster_bisection_Bps(b), 1);
        cluster_destroy(a);
        cluster_destroy(b);
        seen++;
    }
    assert_true(seen > RANDOM_SHAPES / 4);
}

enum { SUBTREES_MAX = 4096 };

/// What all subtrees of a level can send out, each counted GPU by GPU; 0 where only one has any.
static double counted_out_Bps(const Cluster *cluster, int32_t level) {
    const ClusterSpec *spec = cluster_spec(cluster);
    int64_t gpus[SUBTREES_MAX] = {0}, below = 1, users = 0;
    for (int32_t t = 0; t < level; t++) below *= spec->tier[t].children;
    for (GpuId gpu = 0; gpu < cluster_ngpus(cluster); gpu++)
        users += gpus[cluster_endpoint_of(cluster, gpu) / below]++ == 0;
    const double up_Bps = (double)cluster_uplinks_Bps(cluster, level + 1);
    double sum_Bps = 0;
    for (int64_t i = 0; i < SUBTREES_MAX; i++)
        sum_Bps += fmin((double)gpus[i] * (double)spec->nic.goodput_Bps, up_Bps);
    return users > 1 ? sum_Bps : 0;
}

// Law: the bisection is half of what the subtrees of some level can send out together, by counting the GPUs that are below each,
// however children are filled.
static void bisections_are_those_of_counted_gpus(void **state) {
    (void)state;
    int64_t bound_by_filled = 0;
    for (uint64_t draw = 0; draw < 4 * RANDOM_SHAPES; draw++) {
        const ClusterSpec spec = shape_random(draw);
        Cluster *cluster = build(&spec);
        const int64_t ngpus = cluster_ngpus(cluster);
        const double nics_Bps = (double)ngpus * (double)spec.nic.goodput_Bps;
        double least_Bps = ngpus > 1 ? nics_Bps : 0;
        for (int32_t level = 1; level < spec.ntiers; level++) {
            const double out_Bps = counted_out_Bps(cluster, level);
            if (out_Bps > 0) least_Bps = fmin(least_Bps, out_Bps);
        }
        bound_by_filled += spec.nfilled > 1 && least_Bps < nics_Bps;
        assert_close(cluster_bisection_Bps(cluster), least_Bps / 2, 1);
        cluster_destroy(cluster);
    }
    assert_true(bound_by_filled > RANDOM_SHAPES / 8);
}

/// Port of the upper switch that a cable arrives at.
static int32_t lower_port(const FatTree *tree, int32_t tier, int64_t cable) {
    const FatTreeCable end = fattree_cable(tree, tier, cable);
    const int32_t child = (int32_t)(end.subtree % tree->children[tier]);
    return child * tree->lanes[tier] + end.port / tree->parents[tier];
}

// Each down port of each switch takes at most one cable, and exactly one below installed children:
// the wiring of a PGFT is a bijection between up ports and down ports.
static void cables_and_switch_ports_match_one_to_one(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        const ClusterSpec spec = shape_random(draw);
        FatTree tree = {.ntiers = spec.ntiers, .ntrees = 1};
        for (int32_t t = 1; t <= spec.ntiers; t++) {
            tree.children[t] = spec.tier[t - 1].children;
            tree.parents[t] = spec.tier[t - 1].parents;
            tree.lanes[t] = spec.tier[t - 1].lanes;
        }
        assert_true(fattree_init(&tree, spec.installed));
        for (int32_t t = 1; t <= spec.ntiers; t++) {
            const int64_t ports = (int64_t)tree.children[t] * tree.lanes[t],
                          nports = fattree_nnodes(&tree, t) * ports;
            char *taken = test_calloc((size_t)nports, 1);
            for (int64_t cable = 0; cable < fattree_ncables(&tree, t); cable++) {
                const FatTreeCable end = fattree_cable(&tree, t, cable);
                assert_in_range(end.upper, 0, fattree_nnodes(&tree, t) - 1);
                char *port = &taken[end.upper * ports + lower_port(&tree, t, cable)];
                assert_int_equal(*port, 0);
                *port = 1;
            }
            const int64_t children = t == spec.ntiers ? spec.installed : tree.children[t];
            int64_t used = 0;
            for (int64_t k = 0; k < nports; k++) used += taken[k];
            assert_int_equal(used, fattree_nnodes(&tree, t) * children * tree.lanes[t]);
            test_free(taken);
        }
    }
}

// Payload: line rate times 48/50, rounded down, on every fabric tier; the scale-up goodput on tier
// 0.
static void capacity_is_goodput_and_faults_lower_it_in_both_directions(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {4, 2, 2}};
    ClusterSpec spec = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
    spec.tier[1].link_Bps = 7;
    spec.tier[1].switch_spec.ports = 64;
    shape_add_fault(&spec, 1, 5, 0, 0.25);
    shape_add_fault(&spec, 2, 3, 1, 0.0);
    Cluster *cluster = build(&spec);
    for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
        const LinkId scale_up = cluster_first_link(cluster, 0, (LinkDirection)d);
        const LinkId nic = cluster_first_link(cluster, 1, (LinkDirection)d);
        const LinkId spine = cluster_first_link(cluster, 2, (LinkDirection)d);
        assert_int_equal(cluster_capacity_Bps(cluster, scale_up + 3), INT64_C(360000000000));
        assert_int_equal(cluster_capacity_Bps(cluster, nic + 4), INT64_C(48000000000));
        assert_int_equal(cluster_capacity_Bps(cluster, nic + 5), INT64_C(12000000000));
        assert_int_equal(cluster_capacity_Bps(cluster, spine), 6); // 7 * 48 / 50 = 6.72
        assert_int_equal(cluster_capacity_Bps(cluster, spine + 3 * 4 + 1), 0);
        assert_int_equal(cluster_capacity_Bps(cluster, spine + 3 * 4 + 2), 6);
    }
    cluster_destroy(cluster);
}

static int compare_text(const void *a, const void *b) { return strcmp(a, b); }

static void names_of_links_and_bundles_are_unique(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.routing = ROUTING_SPRAY;
        shape_add_fault(&spec, spec.ntiers, 0, 0, 0.0);
        Cluster *cluster = build(&spec);
        const size_t n = (size_t)cluster_nresources(cluster);
        char(*names)[CLUSTER_NAME_BYTES] = test_malloc(n * sizeof *names);
        for (size_t k = 0; k < n; k++) cluster_link_name(cluster, (LinkId)k, names[k]);
        qsort(names, n, sizeof *names, compare_text);
        for (size_t k = 1; k < n; k++)
            if (strcmp(names[k - 1], names[k]) == 0)
                fail_msg("two resources are named '%s'", names[k]);
        test_free(names);
        cluster_destroy(cluster);
    }
}

static void a_name_says_what_the_link_joins(void **state) {
    (void)state;
    const ClusterSpec spec = shape_colossus();
    Cluster *cluster = build(&spec);
    char text[CLUSTER_NAME_BYTES];
    const LinkId leaf_up = cluster_first_link(cluster, 2, LINK_UP),
                 core_down = cluster_first_link(cluster, 3, LINK_DOWN);
    assert_string_equal(cluster_link_name(cluster, 17, text), "gpu 17 scale-up ->");
    assert_string_equal(cluster_link_name(cluster, leaf_up + 1203 * 64 + 17, text),
                        "leaf 1203 port 17 -> spine 1169");
    assert_string_equal(cluster_link_name(cluster, core_down + 65 * 64 + 18, text),
                        "core 129 -> spine 65 port 18");
    assert_string_equal(cluster_link_name(cluster, cluster_first_link(cluster, 1, LINK_UP), text),
                        "gpu 0 nic -> leaf 0");
    cluster_destroy(cluster);
}

// Each id falls in exactly one (tier, direction); the owner of a resource has its NIC below it.
static void ids_of_tiers_are_contiguous_and_owners_are_below(void **state) {
    (void)state;
    for (uint64_t draw = 0; draw < RANDOM_SHAPES; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.routing = ROUTING_ADAPTIVE;
        Cluster *cluster = build(&spec);
        LinkId next = 0;
        for (int32_t t = 0; t < cluster_ntiers(cluster); t++)
            for (int32_t d = LINK_UP; d <= LINK_DOWN; d++) {
                assert_int_equal(cluster_first_link(cluster, t, (LinkDirection)d), next);
                for (int64_t k = 0; k < cluster_tier_links(cluster, t); k++, next++) {
                    assert_int_equal(cluster_link_tier(cluster, next), t);
                    assert_int_equal(cluster_link_direction(cluster, next), d);
                    assert_in_range(cluster_first_gpu_below(cluster, next), 0,
                                    cluster_ngpus(cluster) - 1);
                }
            }
        assert_int_equal(next, cluster_nlinks(cluster));
        for (; next < cluster_nresources(cluster); next++) {
            const LinkId member = cluster_resource_link(cluster, next, 0);
            assert_int_equal(cluster_link_tier(cluster, next), cluster_link_tier(cluster, member));
            assert_int_equal(cluster_link_direction(cluster, next),
                             cluster_link_direction(cluster, member));
            assert_int_equal(cluster_first_gpu_below(cluster, next),
                             cluster_first_gpu_below(cluster, member));
        }
        cluster_destroy(cluster);
    }
}

static void contradictions_are_refused_with_both_numbers(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {4, 2, 2}};
    const ClusterSpec good = shape_spec(16, 1, WIRING_PLAIN, 2, tier);
    ClusterSpec bad = good;
    bad.nodes = 17;
    refused(&bad, "17", "16");
    bad = good;
    bad.tier[0].switch_spec.ports = 7; // 4 down, 4 up
    refused(&bad, "4", "7");
    bad = good;
    bad.installed = 5;
    refused(&bad, "5", "4");
    bad = good;
    bad.gpus_per_node = 3;
    bad.scale_up.gpus = 4;
    refused(&bad, "3", "4");
    bad = good;
    bad.nic.goodput_Bps = bad.nic.line_Bps + 1;
    refused(&bad, "50000000001", "50000000000");
    bad = good;
    shape_add_fault(&bad, 3, 0, 0, 0.0);
    refused(&bad, "3", "2");
    bad = good;
    shape_add_fault(&bad, 2, 4, 0, 0.0);
    refused(&bad, "node 4", "4 nodes");
    bad = good;
    shape_add_fault(&bad, 2, 0, 4, 0.0);
    refused(&bad, "port 4", "4 up ports");
    bad = good;
    shape_add_fault(&bad, 1, 16, 0, 0.0);
    refused(&bad, "16", "16");
    bad = good;
    shape_add_fault(&bad, 2, 0, 1, 1.0);
    refused(&bad, "1", "fraction");
    bad = good;
    shape_add_fault(&bad, 2, 1, 1, 0.0);
    shape_add_fault(&bad, 2, 1, 1, 0.5);
    refused(&bad, "port 1", "twice");
    bad = good;
    bad.nfilled = 2;
    bad.filled[0] = 5;
    refused(&bad, "5", "4");
    bad.filled[0] = bad.filled[1] = 4;
    refused(&bad, "8", "16");
    bad = good;
    bad.ntiers = 5;
    refused(&bad, "5", "4");
    bad = good;
    snprintf(bad.tier[1].name, sizeof bad.tier[1].name, "leaf");
    refused(&bad, "leaf", "2");
}

static double bisection_of(const ClusterSpec *spec) {
    Cluster *cluster = build(spec);
    const double bisection_Bps = cluster_bisection_Bps(cluster);
    cluster_destroy(cluster);
    return bisection_Bps;
}

// The narrowest tier binds: one that is made slow enough sets the bisection, in proportion to its rate, and no tier alone
// makes it wider.
static void the_narrowest_tier_sets_the_bisection(void **state) {
    (void)state;
    const Tier tiers[] = {{8, 1, 1}, {4, 4, 2}, {4, 2, 2}};
    const ClusterSpec whole = shape_spec(64, 2, WIRING_PLAIN, 3, tiers);
    for (int32_t t = 0; t < 3; t++) {
        ClusterSpec spec = whole;
        spec.tier[t].link_Bps = whole.tier[t].link_Bps / 1000;
        const double slow_Bps = bisection_of(&spec);
        assert_true(slow_Bps < bisection_of(&whole) / 50);
        spec.tier[t].link_Bps /= 2;
        assert_close(bisection_of(&spec) / slow_Bps, 0.5, 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(superpod_switches_and_cables_equal_the_published_table),
        cmocka_unit_test(superpod_b300_xdr_equals_the_published_table),
        cmocka_unit_test(superpod_b300_ethernet_equals_the_published_table_with_split_ports),
        cmocka_unit_test(folded_clos_of_radix_64_equals_the_published_counts),
        cmocka_unit_test(colossus_has_1600_leaves_1600_spines_1024_cores),
        cmocka_unit_test(endpoint_and_gpu_are_inverse),
        cmocka_unit_test(filled_children_are_apart),
        cmocka_unit_test(bisections_are_those_of_counted_gpus),
        cmocka_unit_test(cables_and_switch_ports_match_one_to_one),
        cmocka_unit_test(capacity_is_goodput_and_faults_lower_it_in_both_directions),
        cmocka_unit_test(names_of_links_and_bundles_are_unique),
        cmocka_unit_test(a_name_says_what_the_link_joins),
        cmocka_unit_test(ids_of_tiers_are_contiguous_and_owners_are_below),
        cmocka_unit_test(contradictions_are_refused_with_both_numbers),
        cmocka_unit_test(the_narrowest_tier_sets_the_bisection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
