// Nodes that differ in how many GPUs they have and in their scale-up domains.
#include "claims.h"

#include <string.h>

#include "cluster/cluster_parts.h"
#include "cluster/placement.h"
#include "draws.h"
#include "shapes.h"

enum { SEED = 31, ROUNDS = 200, MOST_GPUS = 4096 };

static int64_t draw(uint64_t round, uint64_t which, int64_t n) {
    return rng_below(SEED, RNG_TEST, round, which, n);
}

/// 1 to 4 groups of nodes of 1 to 8 GPUs in domains of up to 24, on a tree with room for them all.
static ClusterSpec draw_spec(uint64_t round, Wiring wiring) {
    const Tier tier[] = {{(int32_t)(2 + draw(round, 0, 5)), 1, 1}, {8, 2, 1}, {64, 2, 1}};
    ClusterSpec spec = shape_spec(0, 1, wiring, 3, tier);
    const int32_t groups = (int32_t)(1 + draw(round, 1, CLUSTER_GPU_KINDS_MAX));
    for (int32_t g = 0; g < groups; g++) {
        const uint64_t at = 10 + 10 * (uint64_t)g;
        const int32_t gpus = (int32_t)(1 + draw(round, at, 8)),
                      nodes = (int32_t)(1 + draw(round, at + 1, 3)); // of a domain
        ScaleUpSpec domain = spec.scale_up;
        domain.gpus = gpus * nodes;
        domain.goodput_Bps = INT64_C(1000000000) * (g + 1);
        domain.used = nodes > 1 && draw(round, at + 2, 2) ? gpus * (nodes - 1) : 0;
        if (g == 0) {
            spec.gpus_per_node = gpus;
            spec.scale_up = domain;
        } else {
            spec.other[g - 1] =
                (OtherNodesSpec){.from = spec.nodes, .gpus = gpus, .scale_up = domain};
        }
        spec.nodes += nodes * (1 + draw(round, at + 3, 6));
    }
    spec.nothers = groups - 1;
    spec.pxn = true;
    return spec;
}

static Cluster *make(const ClusterSpec *spec) {
    Cluster *cluster = NULL;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    return cluster;
}

// GPUs, domains and racks are counted node by node: whoever walks through the nodes comes to the same numbers.
static void numbers_are_those_of_a_walk(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const ClusterSpec spec = draw_spec(round, WIRING_RAIL);
        Cluster *cluster = make(&spec);
        const NodeRuns runs = node_runs(&spec);
        GpuId gpu = 0;
        int64_t domain = -1, rack = -1;
        for (int32_t kind = 0; kind <= spec.nothers; kind++) {
            const NodeId first = kind == 0 ? 0 : spec.other[kind - 1].from,
                         end = kind == spec.nothers ? spec.nodes : spec.other[kind].from;
            const int64_t gpus = cluster_gpus_of_kind(&spec, kind),
                          in_domain = cluster_scale_up_of_kind(&spec, kind)->gpus,
                          in_rack = cluster_rack_gpus(&spec, kind);
            const AlikeNodes *run = node_run_of_node(&runs, first);
            assert_int_equal(cluster_first_of_kind(&spec, kind), gpu);
            for (NodeId node = first; node < end; node++)
                for (int64_t slot = 0; slot < gpus; slot++, gpu++) {
                    domain += (gpu - run->first_gpu) % in_domain == 0;
                    rack += (gpu - run->first_gpu) % in_rack == 0;
                    assert_int_equal(cluster_gpu_kind(&spec, gpu), kind);
                    assert_int_equal(node_run_node(node_run_of_gpu(&runs, gpu), gpu), node);
                    assert_int_equal(cluster_slot_of(cluster, gpu), slot);
                    assert_int_equal(cluster_domain_of(cluster, gpu), domain);
                    assert_int_equal(node_runs_rack(&runs, gpu), rack);
                    assert_int_equal(cluster_capacity_Bps(cluster, gpu),
                                     cluster_scale_up_of_kind(&spec, kind)->goodput_Bps);
                }
        }
        assert_int_equal(cluster_ngpus(cluster), gpu);
        assert_int_equal(node_runs_ngpus(&runs), gpu);
        assert_int_equal(node_runs_nracks(&runs), rack + 1);
        cluster_destroy(cluster);
    }
}

// Each NIC has an endpoint of its own, each endpoint that GPU or none; by rails, NICs of one slot below one leaf are of nodes
// counted alike, and of one node all are below different leaves.
static void endpoints_are_those_of_gpus(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const Wiring wiring = round % 2 ? WIRING_PLAIN : WIRING_RAIL;
        const ClusterSpec spec = draw_spec(round, wiring);
        Cluster *cluster = make(&spec);
        const int64_t in_leaf = spec.tier[0].children;
        const NodeRuns runs = node_runs(&spec);
        for (GpuId gpu = 0; gpu < cluster_ngpus(cluster); gpu++) {
            const int64_t endpoint = cluster_endpoint_of(cluster, gpu);
            assert_int_equal(cluster_gpu_at(cluster, endpoint), gpu);
            const GpuId first = cluster_gpu_at(cluster, endpoint / in_leaf * in_leaf);
            if (wiring == WIRING_PLAIN) continue;
            assert_ptr_equal(node_run_of_gpu(&runs, first), node_run_of_gpu(&runs, gpu));
            assert_int_equal(cluster_slot_of(cluster, first), cluster_slot_of(cluster, gpu));
        }
        int64_t seen = 0;
        for (int64_t endpoint = 0; endpoint < in_leaf * 8 * 64; endpoint++)
            seen += cluster_gpu_at(cluster, endpoint) >= 0;
        assert_int_equal(seen, cluster_ngpus(cluster));
        cluster_destroy(cluster);
    }
}

// Groups that are counted alike are one run: numbers, endpoints and routes are those of a cluster of one group.
static void equal_groups_are_one(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        ClusterSpec one = draw_spec(round, round % 2 ? WIRING_PLAIN : WIRING_RAIL);
        one.nothers = 0;
        ClusterSpec two = one;
        const int64_t in_domain = one.scale_up.gpus / one.gpus_per_node;
        two.nothers = 1;
        two.other[0] = (OtherNodesSpec){.from = in_domain * (1 + draw(round, 90, 3)),
                                        .gpus = one.gpus_per_node,
                                        .scale_up = one.scale_up};
        if (two.other[0].from >= one.nodes) continue;
        Cluster *a = make(&one), *b = make(&two);
        assert_int_equal(node_runs(&two).n, 1);
        LinkUse uses[2][ROUTE_USES_MAX];
        int32_t n[2];
        for (GpuId gpu = 1; gpu < cluster_ngpus(a); gpu++) {
            assert_int_equal(cluster_endpoint_of(a, gpu), cluster_endpoint_of(b, gpu));
            assert_int_equal(cluster_domain_of(a, gpu), cluster_domain_of(b, gpu));
            assert_int_equal(routing_route(a, 0, gpu, 7, 2, uses[0], &n[0]).code, STATUS_OK);
            assert_int_equal(routing_route(b, 0, gpu, 7, 2, uses[1], &n[1]).code, STATUS_OK);
            assert_int_equal(n[0], n[1]);
            assert_memory_equal(uses[0], uses[1], sizeof(LinkUse) * (size_t)n[0]);
        }
        cluster_destroy(a);
        cluster_destroy(b);
    }
}

// Children of the top level that are filled in part: what is given to a child stands below it, and what it has no room for is
// refused.
static void filled_children_have_their_nodes(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {8, 2, 1}, {3, 2, 1}}; // 32 NICs a child
    ClusterSpec spec = shape_spec(12, 8, WIRING_RAIL, 3, tier);
    spec.nothers = 1;
    spec.other[0] = (OtherNodesSpec){.from = 2, .gpus = 2, .scale_up = spec.scale_up};
    spec.other[0].scale_up.gpus = 2;
    spec.nfilled = 3;
    spec.filled[0] = 2; // a whole child of 8 leaves, for 2 of 4 nodes
    spec.filled[1] = 9;
    spec.filled[2] = 1;
    Cluster *cluster = make(&spec);
    for (GpuId gpu = 0; gpu < cluster_ngpus(cluster); gpu++) {
        const int64_t child = cluster_endpoint_of(cluster, gpu) / 32;
        assert_int_equal(child, (gpu >= 16) + (gpu >= 16 + 18));
        assert_int_equal(cluster_gpu_at(cluster, cluster_endpoint_of(cluster, gpu)), gpu);
    }
    cluster_destroy(cluster);
    spec.filled[0] = 3;
    spec.filled[1] = 8;
    const Status status = cluster_create(&spec, &cluster);
    assert_int_equal(status.code, STATUS_RANGE);
    assert_non_null(strstr(status.text, "filled gives child 0"));
}

static int64_t block_domain(const Cluster *cluster, const Placement *placement, int64_t rank) {
    return cluster_domain_of(cluster, placement_gpu(placement, rank));
}

// A placement over several runs is a bijection between ranks and GPUs that are no spares; what must lie together does.
static void placements_go_on_from_run_to_run(void **state) {
    (void)state;
    int64_t placed = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        ClusterSpec spec = draw_spec(round, WIRING_RAIL);
        for (int32_t g = 0; g < spec.nothers; g++) { // whole blocks of 4 in all of them
            spec.other[g].gpus = 2 << draw(round, 70 + (uint64_t)g, 2);
            spec.other[g].scale_up.gpus = 8;
            spec.other[g].scale_up.used = 0;
        }
        spec.gpus_per_node = 4;
        spec.scale_up.gpus = 12;
        spec.scale_up.used = draw(round, 75, 2) ? 8 : 0;
        spec.tier[1].children = 64;
        spec.tier[1].switch_spec.ports = 200;
        const PlacementSpec wanted = {
            .kind = (PlacementKind)(round % 4), .stride = 3, .seed = round};
        const int64_t room = placement_room(&wanted, &spec) / 8 * 8 - 8 * spec.nothers;
        Placement placement;
        const Status status =
            placement_init(&placement, &wanted, &spec, room > 8 ? room / 2 : 4, 4);
        if (!status_is_ok(&status)) continue;
        Cluster *cluster = make(&spec);
        bool taken[MOST_GPUS] = {0};
        for (int64_t rank = 0; rank < placement.job_gpus; rank++) {
            const GpuId gpu = placement_gpu(&placement, rank);
            assert_true(gpu >= 0 && gpu < cluster_ngpus(cluster) && !taken[gpu]);
            taken[gpu] = true;
            assert_int_equal(placement_job_rank(&placement, gpu), rank);
            assert_int_equal(block_domain(cluster, &placement, rank),
                             block_domain(cluster, &placement, rank / 4 * 4));
        }
        for (GpuId gpu = 0; gpu < cluster_ngpus(cluster); gpu++)
            if (!taken[gpu]) assert_int_equal(placement_job_rank(&placement, gpu), -1);
        placed += placement.job_gpus;
        cluster_destroy(cluster);
    }
    assert_true(placed > 1000);
}

// Nodes that a job may have are counted through all runs, every k-th of them too.
static void nodes_are_counted_through_runs(void **state) {
    (void)state;
    const Tier tier[] = {{4, 1, 1}, {16, 2, 1}, {8, 2, 1}};
    ClusterSpec spec = shape_spec(10, 8, WIRING_RAIL, 3, tier); // 4 of 8 and 6 of 2 GPUs
    spec.nothers = 1;
    spec.other[0] = (OtherNodesSpec){.from = 4, .gpus = 2, .scale_up = spec.scale_up};
    const PlacementSpec behind = {.first_node = 3, .node_count = 4};
    assert_int_equal(placement_room(&behind, &spec), 8 + 3 * 2);
    assert_int_equal(placement_common(&behind, &spec), 2);
    const PlacementSpec second = {.first_node = 1, .node_step = 2}; // 1, 3, 5, 7, 9
    assert_int_equal(placement_nodes(&second, &spec), 5);
    assert_int_equal(placement_room(&second, &spec), 2 * 8 + 3 * 2);
    const PlacementSpec small = {.first_node = 4};
    Placement placement;
    Status status = placement_init(&placement, &small, &spec, 12, 1);
    assert_true(status_is_ok(&status));
    assert_int_equal(placement.block_gpus, 2);
    assert_int_equal(placement_gpu(&placement, 0), 32);
    assert_int_equal(placement_gpu(&placement, 11), 43);
    spec.other[0].gpus = 3;
    spec.other[0].scale_up.gpus = 3;
    const PlacementSpec all = {0};
    status = placement_init(&placement, &all, &spec, 12, 1);
    assert_int_equal(status.code, STATUS_RANGE);
    assert_non_null(strstr(status.text, "not whole nodes of 3"));
}

// A message leaves by the NIC of its receiver's slot, if the sender's node has such a slot.
static void relays_are_slots_that_there_are(void **state) {
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        const ClusterSpec spec = draw_spec(round, WIRING_RAIL);
        Cluster *cluster = make(&spec);
        const NodeRuns runs = node_runs(&spec);
        for (int64_t i = 0; i < 50; i++) {
            const GpuId src = draw(round, 200 + 2 * (uint64_t)i, cluster_ngpus(cluster)),
                        dst = draw(round, 201 + 2 * (uint64_t)i, cluster_ngpus(cluster)),
                        relay = routing_relay(cluster, src, dst);
            const AlikeNodes *run = node_run_of_gpu(&runs, src);
            assert_int_equal(node_run_node(node_run_of_gpu(&runs, relay), relay),
                             node_run_node(run, src));
            const int64_t rail = cluster_slot_of(cluster, dst);
            assert_int_equal(cluster_slot_of(cluster, relay),
                             rail < run->gpus ? rail : cluster_slot_of(cluster, src));
        }
        cluster_destroy(cluster);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_a_walk),
        cmocka_unit_test(endpoints_are_those_of_gpus),
        cmocka_unit_test(equal_groups_are_one),
        cmocka_unit_test(filled_children_have_their_nodes),
        cmocka_unit_test(placements_go_on_from_run_to_run),
        cmocka_unit_test(nodes_are_counted_through_runs),
        cmocka_unit_test(relays_are_slots_that_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
