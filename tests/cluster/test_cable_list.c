// Lists of cables: what is written is read back, trees are graphs too, and what is wrong is told at its place.

#include "claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cable_list.h"
#include "cluster/routing.h"
#include "draws.h"
#include "shapes.h"

static Cluster *build(const ClusterSpec *spec) {
    Cluster *cluster;
    const Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("cluster_create: %s", status.text);
    return cluster;
}

static int32_t pick(uint64_t graph, uint64_t draw, int32_t n) {
    return (int32_t)rng_below(32, RNG_TEST, graph, draw, n);
}

static void write_list(const Cluster *cluster, char text[SHAPE_LIST_BYTES]) {
    FILE *out = fmemopen(text, SHAPE_LIST_BYTES, "w");
    const Status status = cable_list_write(cluster, out);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    assert_true(ftell(out) < SHAPE_LIST_BYTES - 1);
    fclose(out);
}

/// The spec of a cluster by nothing but the list of its cables.
static ClusterSpec as_graph(const Cluster *cluster, char text[SHAPE_LIST_BYTES]) {
    ClusterSpec spec = *cluster_spec(cluster);
    write_list(cluster, text);
    if (spec.fabric == FABRIC_TREE) spec.tier[0].lanes *= spec.tier[0].parents;
    spec.fabric = FABRIC_GRAPH;
    spec.cable_text = text;
    spec.tier[0].parents = 1;
    for (int32_t t = 0; t < spec.ntiers; t++) spec.tier[t].switch_spec.ports = 4096;
    snprintf(spec.cables, sizeof spec.cables, "list.csv");
    return spec;
}

// What is listed is read as the same switches and cables, in the same order; and the way is as long, but where a graph has
// cables of other lengths.
static void lists_read_back(void **state) {
    (void)state;
    static char drawn[SHAPE_LIST_BYTES], first[SHAPE_LIST_BYTES], second[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < 300; draw++) {
        ClusterSpec spec = draw < 150 ? shape_random(draw) : shape_random_graph(draw, drawn);
        if (spec.routing == ROUTING_DMODK) spec.routing = ROUTING_ECMP;
        Cluster *cluster = build(&spec);
        const ClusterSpec listed = as_graph(cluster, first);
        Cluster *graph = build(&listed);
        write_list(graph, second);
        assert_string_equal(first, second);
        for (int32_t t = 1; t <= spec.ntiers; t++) {
            assert_int_equal(cluster_nswitches(cluster, t), cluster_nswitches(graph, t));
            assert_int_equal(cluster_ncables(cluster, t), cluster_ncables(graph, t));
        }
        const int32_t gpus = (int32_t)cluster_ngpus(cluster);
        for (uint64_t k = 0; k < 40 && spec.fabric != FABRIC_DRAGONFLY; k++) {
            const GpuId a = pick(draw, 2 * k, gpus), b = pick(draw, 2 * k + 1, gpus);
            if (a == b) continue;
            assert_int_equal(routing_nswitches(cluster, a, b), routing_nswitches(graph, a, b));
            assert_int_equal(routing_latency_ps(cluster, a, b), routing_latency_ps(graph, a, b));
        }
        cluster_destroy(cluster);
        cluster_destroy(graph);
    }
}

// The k-th cable of a tier in the list is its k-th link.
static void lists_stand_in_the_order_of_links(void **state) {
    (void)state;
    static char drawn[SHAPE_LIST_BYTES], text[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < 100; draw++) {
        const ClusterSpec spec = shape_random_graph(draw, drawn);
        Cluster *cluster = build(&spec);
        write_list(cluster, text);
        LinkId link = cluster_first_link(cluster, 1, LINK_UP);
        char *line = strchr(text, '\n') + 1;
        for (; *line; line = strchr(line, '\n') + 1) {
            char from[64], to[64], name[CLUSTER_NAME_BYTES];
            int count;
            assert_int_equal(sscanf(line, "%63[^,],%63[^,],%d", from, to, &count), 3);
            for (int k = 0; k < count; k++, link++) {
                const int32_t tier = cluster_link_tier(cluster, link);
                cluster_link_name(cluster, link, name);
                assert_memory_equal(name, from, strlen(from));
                assert_string_equal(strstr(name, " -> ") + 4, to);
                if (link + 1 ==
                    cluster_first_link(cluster, tier, LINK_UP) + cluster_tier_links(cluster, tier))
                    link += cluster_tier_links(cluster, tier); // those down
            }
        }
        assert_true(link == cluster_nlinks(cluster) ||
                    cluster_link_tier(cluster, link) > spec.ntiers);
        cluster_destroy(cluster);
    }
}

// What cannot be read is not written.
static void what_is_no_list_is_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"", "gpu", "a,b", " a", "a ", "#a", "a\nb"};
    const Tier small[] = {{2, 1, 1}, {2, 1, 1}}, large[] = {{64, 1, 1}, {1 << 14, 65, 1}};
    char text[SHAPE_LIST_BYTES] = "";
    ClusterSpec spec = shape_spec(4, 1, WIRING_PLAIN, 2, small);
    for (size_t i = 0; i <= sizeof NAMES / sizeof NAMES[0]; i++) {
        const bool named = i < sizeof NAMES / sizeof NAMES[0];
        if (named) snprintf(spec.tier[1].name, sizeof spec.tier[1].name, "%s", NAMES[i]);
        if (!named) spec = shape_spec(1 << 19, 1, WIRING_PLAIN, 2, large);
        Cluster *cluster = build(&spec);
        FILE *out = fmemopen(text, sizeof text, "w");
        assert_int_equal(cable_list_write(cluster, out).code, STATUS_RANGE);
        fclose(out);
        assert_int_equal(text[0], '\0');
        cluster_destroy(cluster);
    }
}

// When a tree that is drawn cable by cable is sprayed, each of its links has the same share of a message.
static void trees_are_graphs_too(void **state) {
    (void)state;
    static char text[SHAPE_LIST_BYTES];
    for (uint64_t draw = 0; draw < 60; draw++) {
        ClusterSpec spec = shape_random(draw);
        for (int32_t t = 0; t < spec.ntiers; t++) // pieces divide evenly
            if (t > 0) spec.tier[t].parents = 1 << pick(draw, (uint64_t)t + 50, 2);
        for (int32_t t = 0; t < spec.ntiers; t++) {
            if (t > 0) spec.tier[t].lanes = 1;
            spec.tier[t].switch_spec.ports = 4096;
        }
        spec.routing = ROUTING_SPRAY;
        Cluster *tree = build(&spec);
        const ClusterSpec drawn = as_graph(tree, text);
        Cluster *graph = build(&drawn);
        for (uint64_t k = 0; k < 20; k++) {
            const GpuId a = pick(draw, 700 + 2 * k, (int32_t)cluster_ngpus(tree)),
                        b = pick(draw, 701 + 2 * k, (int32_t)cluster_ngpus(tree));
            if (a == b) continue;
            LinkUse in_tree[ROUTE_USES_MAX], in_graph[ROUTE_USES_MAX];
            int32_t ntree, ngraph;
            assert_int_equal(routing_route(tree, a, b, 1, 1, in_tree, &ntree).code, STATUS_OK);
            assert_int_equal(routing_route(graph, a, b, 1, 1, in_graph, &ngraph).code, STATUS_OK);
            // Tier by tier and direction: all of the message, over as many links as the bundle has.
            double share[2][LINK_DOWN + 1][8] = {{{0}}};
            for (int32_t u = 0; u < ntree; u++) {
                const int32_t t = cluster_link_tier(tree, in_tree[u].link);
                share[0][cluster_link_direction(tree, in_tree[u].link)][t] =
                    (double)in_tree[u].weight / (double)routing_unit_bytes(tree, 1) /
                    (double)cluster_resource_width(tree, in_tree[u].link);
            }
            for (int32_t u = 0; u < ngraph; u++) {
                const int32_t t = cluster_link_tier(graph, in_graph[u].link);
                double *most = &share[1][cluster_link_direction(graph, in_graph[u].link)][t];
                *most =
                    fmax(*most, (double)in_graph[u].weight / (double)routing_unit_bytes(graph, 1));
            }
            for (int32_t t = 0; t <= spec.ntiers; t++)
                for (int d = 0; d < 2; d++) assert_close(share[1][d][t], share[0][d][t], 1e-12);
        }
        cluster_destroy(tree);
        cluster_destroy(graph);
    }
}

// What is wrong in a list is told at its place; lists that cannot be are refused.
static void lists_say_where_they_are_wrong(void **state) {
    (void)state;
    static const struct {
        const char *text, *wanted;
    } BAD[] = {
        {"", "list.csv:1:1: the file is empty"},
        {"a,b\n", "list.csv:1:1: the first line"},
        {"from,to\ngpu 0,leaf 0\ngpu 1,leav 0\n", "list.csv:3:7: an end of a cable"},
        {"from,to\ngpu 0, gpu 1\n", "list.csv:2:8: a cable goes from"},
        {"from,to\nleaf 0,leaf 0\n", "list.csv:2:8: a cable goes from"},
        {"from,to\ngpu 2,leaf 0\n", "list.csv:2:1: 'gpu 2': at most 2"},
        {"from,to\ngpu 0,leaf 0,0\n", "list.csv:2:14: count wants"},
        {"from,to\ngpu 0,leaf 0,1,spine\n", "list.csv:2:16: 'spine' is no tier"},
        {"from,to\ngpu 0,leaf 0,1,leaf,x\n", "list.csv:2:1: a cable wants"},
        {"from,to\ngpu 0\n", "list.csv:2:1: a cable wants"},
        {"from,to\nspine 0,spine 1\n", "list.csv:2:1: a cable between two switches of the last"},
        {"from,to\ngpu 0,leaf 0\ngpu 1,leaf 2\n", "there is no cable at leaf 1"},
        {"from,to\ngpu 0,leaf 0\n", "gpu 1 has fewer cables than the 1"},
        {"from,to\ngpu 0,leaf 0,2\ngpu 1,leaf 0\n", "gpu 0 has more cables than the 1"},
        {"from,to\ngpu 0,leaf 0\ngpu 1,leaf 1\n", "no part of the fabric reaches all GPUs"},
        {"from,to\ngpu 0,leaf x\ngpu 1,\n", "list.csv:3:7: an end"},
    };
    const Tier tier[] = {{1, 1, 1}, {1, 1, 1}};
    ClusterSpec spec = shape_graph(FABRIC_GRAPH, 2, 2, tier);
    snprintf(spec.cables, sizeof spec.cables, "list.csv");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Cluster *cluster;
        spec.cable_text = BAD[i].text;
        const Status status = cluster_create(&spec, &cluster);
        if (status_is_ok(&status) || !strstr(status.text, BAD[i].wanted))
            fail_msg("list %zu: '%s', wanted '%s'", i, status.text, BAD[i].wanted);
    }
    Cluster *cluster;
    spec.cable_text = "from,to\r\ngpu 0 , leaf 0\r\n#x\r\ngpu 1,leaf 0";
    const Status status = cluster_create(&spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    cluster_destroy(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_read_back),
        cmocka_unit_test(lists_stand_in_the_order_of_links),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(trees_are_graphs_too),
        cmocka_unit_test(lists_say_where_they_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
