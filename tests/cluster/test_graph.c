// Fabrics that are graphs: torus, mesh, dragonfly and lists of cables. What holds of any: messages take shortest paths, what
// goes into a switch comes out, dead cables carry nothing. Then the closed forms of each.

#include "claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cluster/graph.h"
#include "cluster/routing.h"
#include "draws.h"
#include "shapes.h"

enum { GRAPHS = 150, FAR = 1 << 20 };

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

static int32_t pick(uint64_t graph, uint64_t draw, int32_t n) {
    return (int32_t)rng_below(31, RNG_TEST, graph, draw, n);
}

// All vertices: GPUs, then the switches of each level.
static int64_t vertex_base(const Cluster *cluster, int32_t level) {
    int64_t base = cluster_ngpus(cluster);
    for (int32_t l = 1; l < level; l++) base += cluster_nswitches(cluster, l);
    return base;
}

/// Both ends of a link of the fabric from nothing but its name: "leaf 3 port 2 -> spine 1".
static void ends_by_name(const Cluster *cluster, LinkId link, int64_t end[2]) {
    char name[CLUSTER_NAME_BYTES];
    const char *part[2] = {cluster_link_name(cluster, link, name), NULL};
    char *arrow = strstr(name, " -> ");
    assert_non_null(arrow);
    *arrow = '\0';
    part[1] = arrow + 4;
    for (int k = 0; k < 2; k++) {
        char word[CLUSTER_NAME_BYTES];
        long long number;
        assert_int_equal(sscanf(part[k], "%63s %lld", word, &number), 2);
        end[k] = number;
        for (int32_t l = 1; l <= cluster_spec(cluster)->ntiers; l++)
            if (strcmp(word, cluster_spec(cluster)->tier[l - 1].name) == 0)
                end[k] = vertex_base(cluster, l) + number;
    }
}

/// Global cables of a dragonfly are avoided.
static int32_t length_of(const Cluster *cluster, LinkId link) {
    const bool global = cluster_link_tier(cluster, link) == 3;
    return global && cluster_spec(cluster)->fabric == FABRIC_DRAGONFLY ? 3 : 1;
}

/// Lengths of paths between all vertices by brute force over live links, [n * n].
static int32_t *all_distances(const Cluster *cluster, int64_t *nvertices) {
    const int64_t n = vertex_base(cluster, cluster_spec(cluster)->ntiers + 1);
    int32_t *far = malloc((size_t)(n * n) * sizeof *far);
    for (int64_t i = 0; i < n * n; i++) far[i] = i / n == i % n ? 0 : FAR;
    for (LinkId link = cluster_first_link(cluster, 1, LINK_UP); link < cluster_nlinks(cluster);
         link++) {
        if (cluster_link_tier(cluster, link) > cluster_spec(cluster)->ntiers) continue;
        int64_t end[2];
        ends_by_name(cluster, link, end);
        if (cluster_capacity_Bps(cluster, link) > 0)
            far[end[0] * n + end[1]] = length_of(cluster, link);
    }
    const int64_t gpus = cluster_ngpus(cluster);
    for (int64_t k = gpus; k < n; k++) // nobody forwards but switches
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                if (far[i * n + k] + far[k * n + j] < far[i * n + j])
                    far[i * n + j] = far[i * n + k] + far[k * n + j];
    *nvertices = n;
    return far;
}

/// The law of a route: a flow of `unit` from GPU to GPU over live links, every unit of it over a shortest path.
static void check_route(const Cluster *cluster, GpuId src, GpuId dst, int32_t queue_pairs,
                        int64_t n, const int32_t far[]) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    const Status status = routing_route(cluster, src, dst, 5, queue_pairs, uses, &nuses);
    if (far[src * n + dst] >= FAR) {
        assert_int_equal(status.code, STATUS_NO_PATH);
        return;
    }
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    const int64_t unit = routing_unit_bytes(cluster, queue_pairs);
    int64_t *balance = calloc((size_t)n, sizeof *balance), crossed = 0;
    const int32_t nics = cluster_spec(cluster)->ntiers + 1;
    for (int32_t u = 0; u < nuses; u++) {
        const LinkId link = uses[u].link;
        assert_true(u == 0 || uses[u - 1].link < link);
        assert_true(uses[u].weight > 0);
        if (cluster_link_tier(cluster, link) == nics) {
            assert_int_equal(uses[u].weight, unit);
            continue;
        }
        assert_true(cluster_capacity_Bps(cluster, link) > 0);
        int64_t end[2];
        ends_by_name(cluster, link, end);
        balance[end[0]] -= uses[u].weight;
        balance[end[1]] += uses[u].weight;
        crossed += uses[u].weight * length_of(cluster, link);
        // It leads from the source to the destination.
        assert_int_equal(far[src * n + end[0]] + length_of(cluster, link) + far[end[1] * n + dst],
                         far[src * n + dst]);
    }
    for (int64_t v = 0; v < n; v++)
        assert_int_equal(balance[v], v == src ? -unit : v == dst ? unit : 0);
    assert_int_equal(crossed, unit * far[src * n + dst]);
    free(balance);
}

static void messages_take_shortest_paths_and_nothing_is_lost(void **state) {
    (void)state;
    char text[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < GRAPHS; draw++) {
        const ClusterSpec spec = shape_random_graph(draw, text);
        Cluster *cluster = build(&spec);
        int64_t n;
        int32_t *far = all_distances(cluster, &n);
        for (uint64_t k = 0; k < 40; k++) {
            const GpuId a = pick(draw, 2000 + 2 * k, (int32_t)spec.nodes),
                        b = pick(draw, 2001 + 2 * k, (int32_t)spec.nodes);
            if (a == b) continue;
            check_route(cluster, a, b, 1 + (int32_t)(k % 5), n, far);
            // A global cable, as long as three, is one.
            int32_t cables = far[a * n + b];
            if (spec.fabric == FABRIC_DRAGONFLY && cables >= 5) cables -= 2;
            assert_int_equal(routing_nswitches(cluster, a, b), cables - 1);
            assert_int_equal(routing_latency_ps(cluster, a, b), routing_latency_ps(cluster, b, a));
            assert_int_equal(routing_latency_ps(cluster, a, b),
                             (900 + 600 * (cables - 1) + 150 * cables) * PS_PER_NS);
        }
        free(far);
        cluster_destroy(cluster);
    }
}

static void dead_cables_are_gone_around(void **state) {
    (void)state;
    char text[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < GRAPHS; draw++) {
        ClusterSpec spec = shape_random_graph(draw, text);
        Cluster *whole = build(&spec);
        for (int32_t k = 0; k < 4; k++) { // an event at 0 s, of a cable named as links are
            const int64_t nic = cluster_first_link(whole, 1, LINK_UP);
            const int64_t links = cluster_nlinks(whole) - nic;
            const LinkId link = nic + pick(draw, 4000 + (uint64_t)k, (int32_t)links);
            if (cluster_link_tier(whole, link) > spec.ntiers) continue;
            const LinkId up =
                cluster_link_direction(whole, link) == LINK_UP
                    ? link
                    : link - cluster_tier_links(whole, cluster_link_tier(whole, link));
            char name[CLUSTER_NAME_BYTES];
            EventSpec *event = &spec.event[spec.nevents++];
            event->remaining = k == 3 ? 0.25 : 0;
            assert_int_equal(sscanf(cluster_link_name(whole, up, name), "%63[^>]", event->what), 1);
            event->what[strlen(event->what) - 2] = '\0'; // without " -"
        }
        cluster_destroy(whole);
        Cluster *cluster = build(&spec);
        int64_t n;
        int32_t *far = all_distances(cluster, &n);
        for (uint64_t k = 0; k < 40; k++) {
            const GpuId a = pick(draw, 2000 + 2 * k, (int32_t)spec.nodes),
                        b = pick(draw, 2001 + 2 * k, (int32_t)spec.nodes);
            if (a != b) check_route(cluster, a, b, 1 + (int32_t)(k % 3), n, far);
        }
        free(far);
        cluster_destroy(cluster);
    }
}

// A switch that dies takes its cables along; one that returns has them as before.
static void switches_die_and_return(void **state) {
    (void)state;
    const Tier tier[] = {{1, 1, 1}, {4, 1, 1}, {4, 1, 1}};
    ClusterSpec spec = shape_graph(FABRIC_TORUS, 16, 3, tier);
    spec.event[0] = (EventSpec){.what = "leaf 1", .at_ps = 100, .remaining = 0};
    spec.event[1] = (EventSpec){.what = "leaf 1", .at_ps = 300, .remaining = 1};
    spec.nevents = 2;
    Cluster *cluster = build(&spec);
    static const int64_t AT[] = {0, 100, 300};
    for (int i = 0; i < 3; i++) {
        cluster_set_time(cluster, AT[i]);
        int64_t n;
        int32_t *far = all_distances(cluster, &n);
        assert_int_equal(far[0 * n + 1] >= FAR, i == 1);
        assert_int_equal(far[0 * n + 2], 4); // by the other way around as well
        const LinkId nic = cluster_first_link(cluster, 1, LINK_UP) + 1;
        assert_int_equal(cluster_capacity_Bps(cluster, nic) == 0, i == 1);
        check_route(cluster, 0, 2, 4, n, far);
        check_route(cluster, 4, 6, 4, n, far);
        free(far);
    }
    cluster_destroy(cluster);
}

// On a torus a message crosses min(d, n - d) cables of each dimension, on a mesh d; by dimension order lower ones first.
static void grids_have_their_closed_forms(void **state) {
    (void)state;
    const Tier tier[] = {{1, 1, 1}, {5, 1, 1}, {4, 1, 1}, {3, 1, 1}};
    for (int32_t wraps = 0; wraps < 2; wraps++) {
        ClusterSpec spec = shape_graph(wraps ? FABRIC_TORUS : FABRIC_MESH, 60, 4, tier);
        spec.routing = ROUTING_DOR;
        Cluster *cluster = build(&spec);
        assert_int_equal(cluster_nswitches(cluster, 1), 60);
        for (int32_t t = 2; t <= 4; t++) {
            const int64_t length = tier[t - 1].children;
            assert_int_equal(cluster_ncables(cluster, t), wraps ? 60 : 60 / length * (length - 1));
        }
        LinkUse uses[ROUTE_USES_MAX];
        for (GpuId a = 0; a < 60; a++)
            for (GpuId b = 0; b < 60; b++) {
                int32_t nuses, wanted[5] = {0}, found[5] = {0}, sum = 0;
                int64_t stride = 1;
                if (a == b) continue;
                for (int32_t t = 2; t <= 4; stride *= tier[t - 1].children, t++) {
                    const int32_t length = tier[t - 1].children;
                    const int32_t d = abs((int32_t)(a / stride % length - b / stride % length));
                    wanted[t] = wraps && length - d < d ? length - d : d;
                    sum += wanted[t];
                }
                assert_int_equal(routing_nswitches(cluster, a, b), sum + 1);
                const Status status = routing_route(cluster, a, b, 1, 1, uses, &nuses);
                assert_int_equal(status.code, STATUS_OK);
                // Links on the way are where only lower dimensions have been left.
                for (int32_t u = 0; u < nuses; u++) {
                    const int32_t t = cluster_link_tier(cluster, uses[u].link);
                    int64_t end[2];
                    found[t]++;
                    ends_by_name(cluster, uses[u].link, end);
                    if (t == 1) continue;
                    int64_t below = 1;
                    for (int32_t k = 2; k < t; k++) below *= tier[k - 1].children;
                    assert_int_equal((end[0] - 60) % below, b % below);
                    const int64_t above = below * tier[t - 1].children;
                    assert_int_equal((end[0] - 60) / above, a / above);
                }
                for (int32_t t = 2; t <= 4; t++) assert_int_equal(found[t], wanted[t]);
            }
        cluster_destroy(cluster);
    }
}

// Halves of a torus meet in two planes, those of a mesh in one: of the dimension where fewest cables leave a plane, here the
// second (3 by 6 single ones; 3 by 4 double ones the last).
static void bisections_of_grids_are_their_planes(void **state) {
    (void)state;
    const Tier tier[] = {{1, 1, 1}, {3, 1, 1}, {4, 1, 1}, {6, 1, 2}};
    const int64_t plane = INT64_C(18) * 48000000000;
    ClusterSpec spec = shape_graph(FABRIC_TORUS, 72, 4, tier);
    spec.nic.goodput_Bps = 48000000000;
    Cluster *torus = build(&spec);
    spec.fabric = FABRIC_MESH;
    Cluster *mesh = build(&spec);
    // 36 NICs of 48 GB/s behind 18 or 36 cables.
    assert_close(cluster_bisection_Bps(mesh), (double)plane, 1);
    assert_close(cluster_bisection_Bps(torus), 36.0 * 48e9, 1);
    cluster_destroy(torus);
    cluster_destroy(mesh);
}

/// A link, and its ends as bits: a switch, or the half that a GPU is in.
typedef struct Severed {
    int32_t from, to;
    int64_t Bps;
} Severed;

enum { CUT_MOST = 12, FIRST_HALF = CUT_MOST, SECOND_HALF, SEVERED_MOST = 4096 };

static int32_t list_links(const Cluster *cluster, const bool second[], Severed link[SEVERED_MOST]) {
    const int64_t gpus = cluster_ngpus(cluster);
    int32_t n = 0;
    for (LinkId k = cluster_first_link(cluster, 1, LINK_UP); k < cluster_nlinks(cluster); k++) {
        if (cluster_link_tier(cluster, k) > cluster_spec(cluster)->ntiers) continue;
        int64_t end[2];
        int32_t bit[2];
        ends_by_name(cluster, k, end);
        for (int i = 0; i < 2; i++)
            bit[i] = end[i] >= gpus   ? (int32_t)(end[i] - gpus)
                     : second[end[i]] ? SECOND_HALF
                                      : FIRST_HALF;
        link[n++] = (Severed){bit[0], bit[1], cluster_capacity_Bps(cluster, k)};
    }
    return n;
}

/// The least that any set of switches and one half of the GPUs can send to all others.
static int64_t least_cut_Bps(const Cluster *cluster, const bool second[], int64_t nswitches) {
    static Severed link[SEVERED_MOST];
    const int32_t nlinks = list_links(cluster, second, link);
    int64_t least_Bps = INT64_MAX;
    for (uint32_t set = 0; set < 1U << nswitches; set++) {
        const uint32_t near = set | 1U << FIRST_HALF;
        int64_t own_Bps = 0;
        for (int32_t k = 0; k < nlinks; k++)
            if ((near >> link[k].from & 1) != 0 && (near >> link[k].to & 1) == 0)
                own_Bps += link[k].Bps;
        if (own_Bps < least_Bps) least_Bps = own_Bps;
    }
    return least_Bps;
}

/// The second half of the GPUs, by how far from a switch their first port is, and by number.
static void take_halves(const Cluster *cluster, const int32_t far[], int64_t n, int64_t from,
                        bool second[]) {
    const int64_t gpus = cluster_ngpus(cluster),
                  first_ports = cluster_first_link(cluster, 1, LINK_UP);
    const int64_t ports = cluster_tier_links(cluster, 1) / gpus;
    int64_t left = gpus / 2;
    for (int64_t gpu = 0; gpu < gpus; gpu++) second[gpu] = true;
    for (int32_t length = 0; length <= FAR;
         length = length < n ? length + 1 : length + FAR - (int32_t)n)
        for (int64_t gpu = 0; gpu < gpus && left > 0; gpu++) {
            int64_t end[2];
            ends_by_name(cluster, first_ports + gpu * ports, end);
            if (far[from * n + end[1]] != length &&
                !(far[from * n + end[1]] >= FAR && length == FAR))
                continue;
            second[gpu] = false;
            left--;
        }
}

// The most that flows is the least that a cut severs, of three halves: by number, and by distance from the far ends.
static void bisections_are_least_cuts(void **state) {
    (void)state;
    char text[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < 200; draw++) {
        ClusterSpec spec = shape_random_graph(4 * draw + 3, text); // lists
        for (int32_t t = 1; t < spec.ntiers; t++) // cables between switches are scarce
            spec.tier[t].link_Bps /= 1 + pick(draw, (uint64_t)t + 5000, 8);
        spec.nic.goodput_Bps = spec.nic.line_Bps;
        spec.tier[0].link_Bps /= spec.tier[0].lanes; // a NIC sends as much as its ports
        Cluster *cluster = build(&spec);
        const int64_t nswitches = vertex_base(cluster, spec.ntiers + 1) - spec.nodes;
        assert_true(nswitches <= CUT_MOST && spec.nodes <= 64);
        bool second[64];
        for (int64_t gpu = 0; gpu < spec.nodes; gpu++) second[gpu] = gpu >= spec.nodes / 2;
        int64_t least_Bps = least_cut_Bps(cluster, second, nswitches), n, from[2];
        int32_t *far = all_distances(cluster, &n);
        ends_by_name(cluster, cluster_first_link(cluster, 1, LINK_UP), from);
        for (int sweep = 0; sweep < 2; sweep++) {
            int64_t last = from[1];
            for (int64_t v = spec.nodes; v < n; v++)
                if (far[from[1] * n + v] < FAR && far[from[1] * n + v] > far[from[1] * n + last])
                    last = v;
            from[1] = last;
            take_halves(cluster, far, n, from[1], second);
            const int64_t own_Bps = least_cut_Bps(cluster, second, nswitches);
            if (own_Bps < least_Bps) least_Bps = own_Bps;
        }
        assert_close(cluster_bisection_Bps(cluster), (double)least_Bps, 0);
        free(far);
        cluster_destroy(cluster);
    }
}

// A machine that is turned is the same machine: what leaves a slab across its longest side.
static void turned_grids_have_one_bisection(void **state) {
    (void)state;
    static const int32_t SIDES[][3] = {{8, 2, 1}, {2, 8, 1}, {2, 1, 8}, {1, 8, 2}, {8, 1, 2}};
    for (int kind = 0; kind < 2; kind++)
        for (int k = 0; k < 5; k++) {
            Tier tier[] = {{1, 1, 1}, {0, 1, 1}, {0, 1, 1}, {0, 1, 1}};
            for (int d = 0; d < 3; d++) tier[d + 1].children = SIDES[k][d];
            ClusterSpec spec = shape_graph(kind ? FABRIC_TORUS : FABRIC_MESH, 16, 4, tier);
            Cluster *cluster = build(&spec);
            const double cable_Bps =
                (double)cluster_capacity_Bps(cluster, cluster_first_link(cluster, 1, LINK_UP));
            assert_close(cluster_bisection_Bps(cluster), (kind ? 4 : 2) * cable_Bps, 1);
            cluster_destroy(cluster);
        }
}

// What leaf 0 sends first finds the short way to leaf 2, which only leaf 1 can do without: what flowed there must flow back, by
// more than the cable carries the other way.
static void flows_give_way_to_each_other(void **state) {
    (void)state;
    const GraphCable cable[] = {{2, 0, 2}, {2, 0, 4}, {2, 4, 5}, {2, 5, 3}, {2, 1, 6}, {2, 6, 2}};
    GraphCable joined[16];
    int64_t n = 0;
    for (int k = 0; k < 6; k++)
        for (int lane = 0; lane < (k == 0 ? 1 : 3); lane++) joined[n++] = cable[k];
    const int64_t nswitches[FATTREE_LEVELS] = {0, 7}, rate[FATTREE_LEVELS] = {0, 0, 50};
    const int64_t from[] = {50, 100, 0, 0, 0, 0, 0}, to[] = {0, 0, 50, 100, 0, 0, 0};
    Graph *graph = graph_new(1, 1);
    graph_join(graph, nswitches, n, joined);
    assert_int_equal(graph_flow(graph, rate, from, to), 150);
    graph_free(graph);
}

// a switches a group, h global ports: a h + 1 groups have one cable for each pair; no path has more than three cables between
// switches, one of them global.
static void dragonflies_reach_all_by_one_global_cable(void **state) {
    (void)state;
    const Tier tier[] = {{2, 1, 1}, {4, 1, 1}, {9, 2, 1}};
    ClusterSpec spec = shape_graph(FABRIC_DRAGONFLY, 72, 3, tier);
    spec.routing = ROUTING_SPRAY;
    Cluster *cluster = build(&spec);
    assert_int_equal(cluster_nswitches(cluster, 1), 36);
    assert_int_equal(cluster_ncables(cluster, 2), 9 * 6);
    assert_int_equal(cluster_ncables(cluster, 3), 36);
    int32_t pairs[9][9] = {{0}};
    const LinkId first = cluster_first_link(cluster, 3, LINK_UP);
    for (int64_t k = 0; k < 36; k++) {
        int64_t a, b;
        cluster_link_ends(cluster, first + k, &a, &b);
        pairs[a / 4][b / 4]++;
        pairs[b / 4][a / 4]++;
    }
    for (int32_t a = 0; a < 9; a++)
        for (int32_t b = 0; b < 9; b++) assert_int_equal(pairs[a][b], a != b);
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses;
    for (GpuId b = 8; b < 72; b++) {
        assert_true(routing_nswitches(cluster, 0, b) <= 4);
        assert_int_equal(routing_route(cluster, 0, b, 1, 1, uses, &nuses).code, STATUS_OK);
        int64_t global = 0;
        for (int32_t u = 0; u < nuses; u++)
            if (cluster_link_tier(cluster, uses[u].link) == 3) global += uses[u].weight;
        assert_int_equal(global, routing_unit_bytes(cluster, 1));
    }
    cluster_destroy(cluster);
    spec.tier[2].parents = 1;
    assert_int_equal(cluster_create(&spec, &cluster).code, STATUS_RANGE);
}

static void spraying_is_as_even_as_pieces_allow(void **state) {
    (void)state;
    const Tier tier[] = {{1, 1, 1}, {8, 1, 1}, {8, 1, 1}};
    ClusterSpec spec = shape_graph(FABRIC_TORUS, 64, 3, tier);
    spec.routing = ROUTING_SPRAY;
    Cluster *cluster = build(&spec);
    int64_t *load = calloc((size_t)cluster_nlinks(cluster), sizeof *load), most = 0, sum = 0, n = 0;
    LinkUse uses[ROUTE_USES_MAX];
    for (GpuId a = 0; a < 64; a++)
        for (GpuId b = 0; b < 64; b++) {
            int32_t nuses = 0;
            if (a != b)
                assert_int_equal(routing_route(cluster, a, b, 1, 1, uses, &nuses).code, STATUS_OK);
            for (int32_t u = 0; u < nuses; u++) load[uses[u].link] += uses[u].weight;
        }
    for (LinkId link = cluster_first_link(cluster, 2, LINK_UP); link < cluster_nlinks(cluster);
         link++) {
        if (load[link] > most) most = load[link];
        sum += load[link];
        n++;
    }
    // k / 8 messages a node in each direction of each dimension: a mean way of k / 4 in it, by two links.
    assert_close((double)sum / (double)n, 64.0 * 64 * 8 / 4 / 2 / 64 * 64, 1e-6);
    assert_true((double)most < 1.05 * (double)sum / (double)n);
    free(load);
    cluster_destroy(cluster);
}

static void what_cannot_be_built_is_refused(void **state) {
    (void)state;
    const Tier tier[] = {{1, 1, 1}, {4, 1, 1}};
    const ClusterSpec good = shape_graph(FABRIC_TORUS, 4, 2, tier);
    Cluster *cluster;
    ClusterSpec bad = good;
    bad.routing = ROUTING_DMODK;
    assert_int_equal(cluster_create(&bad, &cluster).code, STATUS_RANGE);
    bad = good;
    bad.nodes = 5;
    assert_int_equal(cluster_create(&bad, &cluster).code, STATUS_RANGE);
    bad = good;
    bad.tier[0].switch_spec.ports = 2;
    assert_int_equal(cluster_create(&bad, &cluster).code, STATUS_RANGE);
    bad = good;
    bad.tier[1].children = 1 << 21;
    assert_int_equal(cluster_create(&bad, &cluster).code, STATUS_RANGE);
    bad = good;
    bad.tier[1].link_Bps *= 2;
    assert_int_equal(cluster_create(&bad, &cluster).code, STATUS_RANGE);
}

// Law: as a link is named, so is its cable in a fault; that hits both of its directions, and nothing else.
static void faults_are_named_as_links(void **state) {
    (void)state;
    char *text = malloc(SHAPE_LIST_BYTES);
    for (uint64_t draw = 0; draw < GRAPHS; draw++) {
        ClusterSpec spec = shape_random_graph(draw, text);
        Cluster *whole = build(&spec);
        const int32_t tier = 1 + pick(draw, 50, spec.ntiers);
        if (cluster_ncables(whole, tier) > 0) {
            const int64_t cable = pick(draw, 51, (int32_t)cluster_ncables(whole, tier));
            char name[CLUSTER_NAME_BYTES];
            cluster_link_name(whole, cluster_first_link(whole, tier, LINK_UP) + cable, name);
            *strstr(name, " -> ") = '\0';
            spec.nfaults = 1;
            spec.fault[0] = (LinkFaultSpec){.fraction = 0.5};
            snprintf(spec.fault[0].what, sizeof spec.fault[0].what, "%.60s", name);
            Cluster *hit = build(&spec);
            assert_int_equal(cluster_fault_link(hit, &spec.fault[0]),
                             cluster_first_link(hit, tier, LINK_UP) + cable);
            for (LinkId link = 0; link < cluster_nlinks(hit); link++) {
                const bool own =
                    cluster_link_tier(hit, link) == tier &&
                    link - cluster_first_link(hit, tier, cluster_link_direction(hit, link)) ==
                        cable;
                assert_int_equal(cluster_capacity_Bps(hit, link),
                                 cluster_capacity_Bps(whole, link) / (own ? 2 : 1));
            }
            cluster_destroy(hit);
        }
        cluster_destroy(whole);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_take_shortest_paths_and_nothing_is_lost),
        cmocka_unit_test(dead_cables_are_gone_around),
        cmocka_unit_test(switches_die_and_return),
        cmocka_unit_test(grids_have_their_closed_forms),
        cmocka_unit_test(bisections_of_grids_are_their_planes),
        cmocka_unit_test(bisections_are_least_cuts),
        cmocka_unit_test(turned_grids_have_one_bisection),
        cmocka_unit_test(flows_give_way_to_each_other),
        cmocka_unit_test(dragonflies_reach_all_by_one_global_cable),
        cmocka_unit_test(spraying_is_as_even_as_pieces_allow),
        cmocka_unit_test(what_cannot_be_built_is_refused),
        cmocka_unit_test(faults_are_named_as_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
