// What is slow, dies and returns: sites by name, and the state of a cluster at any time.
#include "cluster/cluster.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "claims.h"
#include "cluster/routing.h"
#include "cluster/trouble.h"
#include "draws.h"
#include "shapes.h"

static Cluster *make(const ClusterSpec *spec) {
    Cluster *cluster = NULL;
    Status status = cluster_create(spec, &cluster);
    if (!status_is_ok(&status)) fail_msg("%s", status.text);
    return cluster;
}

static void add_event(ClusterSpec *spec, const char *what, int64_t at_ps, double remaining) {
    EventSpec *event = &spec->event[spec->nevents++];
    *event = (EventSpec){.at_ps = at_ps, .remaining = remaining};
    snprintf(event->what, sizeof event->what, "%s", what);
}

static FatTree tree_of(const ClusterSpec *spec) {
    FatTree tree = {.ntiers = spec->ntiers, .ntrees = 1};
    for (int32_t t = 1; t <= spec->ntiers; t++) {
        tree.children[t] = spec->tier[t - 1].children;
        tree.parents[t] = spec->tier[t - 1].parents;
        tree.lanes[t] = spec->tier[t - 1].lanes;
    }
    assert_true(fattree_init(&tree, spec->installed));
    return tree;
}

static ClusterSpec two_tiers(void) {
    const Tier tier[] = {{4, 1, 1}, {8, 4, 1}};
    return shape_spec(6, 4, WIRING_RAIL, 2, tier); // 24 GPUs, 8 leaves, 4 spines
}

static void sites_are_named_as_in_traces(void **state) {
    (void)state;
    const ClusterSpec spec = two_tiers();
    Cluster *cluster = make(&spec);
    static const struct {
        const char *what;
        Site site;
    } GOOD[] = {
        {"gpu 17", {SITE_GPUS, 0, 17, 17, -1}},       {"gpu 8-15", {SITE_GPUS, 0, 8, 15, -1}},
        {"node 5", {SITE_GPUS, 0, 20, 23, -1}},       {"node 1-2", {SITE_GPUS, 0, 4, 11, -1}},
        {"rack 0", {SITE_GPUS, 0, 0, 15, -1}},        {"rack 1", {SITE_GPUS, 0, 16, 23, -1}},
        {"gpu 3 nic", {SITE_NIC, 0, 3, 3, -1}},       {"gpu 3 nic port 0", {SITE_NIC, 0, 3, 3, 0}},
        {"spine 3", {SITE_SWITCH, 2, 3, 3, -1}},      {"leaf 7", {SITE_SWITCH, 1, 7, 7, -1}},
        {"leaf 7 port 3", {SITE_UPLINK, 1, 7, 7, 3}},
    };
    static const char *const BAD[] = {
        "",
        "gpu",
        "gpu x",
        "gpu 24",
        "gpu 3-2",
        "gpu 1-2 nic",
        "node 6",
        "rack 2",
        "spine",
        "spine 4",
        "spine 1-2",
        "leaf 8",
        "leaf 7 up",
        "leaf 7 port",
        "leaf 7 port 4",
        "spine 0 port 0",
        "gpu 3 nic port 1",
        "gpu 3 nic x",
        "gpu3",
        "core 1",
        "gpu 99999999999999999999",
    };
    Site site;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        Status status = site_parse(cluster, GOOD[i].what, &site);
        if (!status_is_ok(&status)) fail_msg("%s", status.text);
        assert_true(site.kind == GOOD[i].site.kind && site.level == GOOD[i].site.level);
        assert_int_equal(site.first, GOOD[i].site.first);
        assert_int_equal(site.last, GOOD[i].site.last);
        assert_int_equal(site.port, GOOD[i].site.port);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        Status status = site_parse(cluster, BAD[i], &site);
        if (status_is_ok(&status)) fail_msg("'%s' was taken", BAD[i]);
    }
    cluster_destroy(cluster);
}

/// A random cable below which something is; as a fault, and as a site.
static LinkFaultSpec pick_cable(const ClusterSpec *spec, const FatTree *tree, uint64_t draw,
                                char what[64]) {
    const int32_t tier = 1 + (int32_t)rng_below(4, RNG_TEST, draw, 0, spec->ntiers);
    LinkFaultSpec fault = {.tier = tier};
    const int64_t gpus = spec->nodes * spec->gpus_per_node;
    fault.lower =
        rng_below(4, RNG_TEST, draw, 1, tier == 1 ? gpus : fattree_nnodes(tree, tier - 1));
    fault.port = (int32_t)rng_below(4, RNG_TEST, draw, 2, tree->ports[tier]);
    if (tier == 1)
        snprintf(what, 64, "gpu %lld nic port %d", (long long)fault.lower, fault.port);
    else
        snprintf(what, 64, "%s %lld port %d", spec->tier[tier - 2].name, (long long)fault.lower,
                 fault.port);
    return fault;
}

static void assert_alike(const Cluster *a, const Cluster *b, uint64_t draw) {
    for (LinkId link = 0; link < cluster_nlinks(a); link++)
        assert_int_equal(cluster_capacity_Bps(a, link), cluster_capacity_Bps(b, link));
    LinkUse uses[2][ROUTE_USES_MAX];
    for (uint64_t i = 0; i < 40 && cluster_ngpus(a) > 1; i++) {
        GpuId src = rng_below(5, RNG_TEST, draw, 2 * i, cluster_ngpus(a)),
              dst = rng_below(5, RNG_TEST, draw, 2 * i + 1, cluster_ngpus(a));
        if (src == dst) continue;
        int32_t n[2] = {0, 0};
        Status first = routing_route(a, src, dst, i, 2, uses[0], &n[0]),
               second = routing_route(b, src, dst, i, 2, uses[1], &n[1]);
        assert_int_equal(first.code, second.code);
        if (!status_is_ok(&first)) continue;
        assert_int_equal(n[0], n[1]);
        for (int32_t u = 0; u < n[0]; u++)
            assert_true(uses[0][u].link == uses[1][u].link &&
                        uses[0][u].weight == uses[1][u].weight);
    }
}

/// The same fault, by its name.
static LinkFaultSpec named(const LinkFaultSpec *fault, const char *what) {
    LinkFaultSpec other = {.tier = -1, .lower = -1, .port = -1, .fraction = fault->fraction};
    snprintf(other.what, sizeof other.what, "%.63s", what);
    return other;
}

// Law: at any time a cluster is the one whose faults are what is left then, by whichever of their names; where nothing comes
// any more also in that it has no path.
static void a_moment_is_a_cluster_with_faults(void **state) {
    (void)state;
    enum { CABLES = 5, SECONDS = 4 };
    for (uint64_t draw = 0; draw < 60; draw++) {
        ClusterSpec spec = shape_random(draw);
        spec.routing = draw % 2 ? ROUTING_ECMP : ROUTING_DMODK;
        const FatTree tree = tree_of(&spec);
        ClusterSpec timed = spec;
        LinkFaultSpec cable[CABLES];
        double left[CABLES][SECONDS];
        char what[CABLES][64];
        int32_t n = 0;
        for (uint64_t k = 0; k < CABLES; k++) {
            cable[n] = pick_cable(&spec, &tree, draw * CABLES + k, what[n]);
            bool known = false;
            for (int32_t i = 0; i < n; i++)
                known =
                    known || (cable[i].tier == cable[n].tier && cable[i].lower == cable[n].lower &&
                              cable[i].port == cable[n].port);
            if (known) continue;
            for (int64_t s = 0; s < SECONDS; s++) {
                left[n][s] = (double)rng_below(6, RNG_TEST, draw * CABLES + k, (uint64_t)s, 3) / 2;
                add_event(&timed, what[n], s, left[n][s]);
            }
            n++;
        }
        Cluster *moving = make(&timed);
        for (int64_t s = 0; s < SECONDS; s++) {
            ClusterSpec still = spec;
            for (int32_t i = 0; i < n; i++) {
                if (left[i][s] == 1) continue;
                cable[i].fraction = left[i][s];
                still.fault[still.nfaults++] = i % 2 ? cable[i] : named(&cable[i], what[i]);
            }
            Cluster *faulty = make(&still);
            cluster_set_time(moving, s);
            assert_int_equal(cluster_next_change_ps(moving, s),
                             s + 1 < SECONDS ? s + 1 : TIME_NEVER_PS);
            if (s + 1 == SECONDS) assert_alike(faulty, moving, draw);
            for (LinkId link = 0; link < cluster_nlinks(faulty); link++)
                assert_int_equal(cluster_capacity_Bps(faulty, link),
                                 cluster_capacity_Bps(moving, link));
            cluster_destroy(faulty);
        }
        cluster_destroy(moving);
    }
}

/// Links of a message that carry nothing.
static int32_t count_dead(const Cluster *cluster, GpuId src, GpuId dst) {
    LinkUse uses[ROUTE_USES_MAX];
    int32_t nuses = 0, dead = 0;
    Status status = routing_route(cluster, src, dst, 7, 1, uses, &nuses);
    if (!status_is_ok(&status)) return -1;
    for (int32_t u = 0; u < nuses; u++) dead += cluster_capacity_Bps(cluster, uses[u].link) == 0;
    return dead;
}

// A spine dies; routing learns later, and goes around it. Then the NIC dies, for which there is no way around: messages
// wait, as it returns; at last it does not, and they fail.
static void routing_learns_after_a_while(void **state) {
    (void)state;
    for (int r = ROUTING_ECMP; r <= ROUTING_ADAPTIVE; r++) {
        ClusterSpec spec = two_tiers();
        spec.routing = (Routing)r;
        spec.reroute_delay_ps = 10;
        for (int32_t s = 0; s < 3; s++) { // all but the last
            char what[64];
            snprintf(what, sizeof what, "spine %d", s);
            add_event(&spec, what, 100, 0);
        }
        add_event(&spec, "gpu 0", 200, 0);
        add_event(&spec, "gpu 0", 300, 1);
        add_event(&spec, "gpu 0", 400, 0);
        Cluster *cluster = make(&spec);
        int64_t before = cluster_nresources(cluster);
        assert_int_equal(count_dead(cluster, 0, 16), 0);
        int32_t dead = 0;
        cluster_set_time(cluster, 100);
        for (GpuId dst = 16; dst < 24; dst += 4) dead += count_dead(cluster, 0, dst) > 0;
        for (GpuId dst = 17; dst < 24; dst += 4) dead += count_dead(cluster, 1, dst) > 0;
        assert_true(dead > 0);
        assert_int_equal(cluster_next_change_ps(cluster, 100), 110);
        cluster_set_time(cluster, 110);
        for (GpuId dst = 16; dst < 24; dst++)
            assert_int_equal(count_dead(cluster, dst % 4, dst), 0);
        cluster_set_time(cluster, 215);
        assert_true(count_dead(cluster, 0, 16) > 0);
        cluster_set_time(cluster, 315);
        assert_int_equal(count_dead(cluster, 0, 16), 0);
        cluster_set_time(cluster, 415);
        assert_int_equal(count_dead(cluster, 0, 16), -1);
        assert_int_equal(cluster_nresources(cluster), before);
        cluster_destroy(cluster);
    }
}

/// The next of a row of random numbers.
static int64_t draw_below(uint64_t *n, int64_t limit) {
    return rng_below(11, RNG_TEST, 0, (*n)++, limit);
}

// What a link or a bundle carries at its best is the most that it carries at any moment: no less, or utilisation would pass
// all of it, and no more. Cables of two lanes, whose bundles hold links that are dead while others are slow.
static void the_best_of_all_times_is_the_most_there_is(void **state) {
    (void)state;
    uint64_t n = 0;
    const Tier tier[] = {{4, 1, 2}, {8, 4, 2}};
    static const char *const SITES[] = {"gpu 5 nic port 0", "gpu 5 nic port 1", "leaf 1 port 0",
                                        "leaf 1 port 4",    "leaf 1 port 5",    "spine 2"};
    static const double LEFT[] = {0, 0, 0.1, 0.5, 1};
    for (int i = 0; i < 60; i++) {
        ClusterSpec spec = shape_spec(6, 4, WIRING_RAIL, 2, tier);
        spec.routing = i % 2 ? ROUTING_SPRAY : ROUTING_ADAPTIVE;
        spec.reroute_delay_ps = draw_below(&n, 3) * 5;
        for (int e = 0; e < 8; e++)
            add_event(&spec, SITES[draw_below(&n, 6)], draw_below(&n, 10) * 10,
                      LEFT[draw_below(&n, 5)]);
        Cluster *cluster = make(&spec);
        for (LinkId link = 0; link < cluster_nresources(cluster); link++) {
            int64_t most_Bps = 0;
            for (int64_t at_ps = 0; at_ps < TIME_NEVER_PS;
                 at_ps = cluster_next_change_ps(cluster, at_ps)) {
                cluster_set_time(cluster, at_ps);
                const int64_t now_Bps = cluster_capacity_Bps(cluster, link);
                if (now_Bps > most_Bps) most_Bps = now_Bps;
            }
            assert_int_equal(cluster_best_Bps(cluster, link), most_Bps);
        }
        cluster_destroy(cluster);
    }
}

static void speeds_follow_spells_and_events(void **state) {
    (void)state;
    enum { ONE = 1 << 20 };
    ClusterSpec spec = two_tiers();
    spec.nslow = 2;
    spec.slow[0] = (SlowSpec){"node 1", 2, 1, 10, 20};
    spec.slow[1] = (SlowSpec){"gpu 5", 3, 1, 0, TIME_NEVER_PS};
    add_event(&spec, "gpu 4-5", 15, 0.5);
    add_event(&spec, "gpu 4-5", 18, 0);
    add_event(&spec, "gpu 4-5", 30, 1);
    Cluster *cluster = make(&spec);
    assert_false(cluster_is_even(cluster));
    assert_int_equal(cluster_slow_factor(cluster, 3, 15), ONE);
    assert_int_equal(cluster_slow_factor(cluster, 4, 9), ONE);
    assert_int_equal(cluster_slow_factor(cluster, 4, 10), 2 * ONE);
    assert_int_equal(cluster_slow_factor(cluster, 4, 15), 4 * ONE);
    assert_int_equal(cluster_slow_factor(cluster, 5, 15), 12 * ONE);
    assert_int_equal(cluster_slow_factor(cluster, 6, 20), ONE);
    assert_int_equal(cluster_slowest_factor(cluster, 5, 0, 15), 6 * ONE);
    assert_int_equal(cluster_slowest_factor(cluster, 5, 0, 16), 12 * ONE);
    assert_int_equal(cluster_works_from_ps(cluster, 4, 17), 17);
    assert_int_equal(cluster_works_from_ps(cluster, 4, 18), 30);
    assert_int_equal(cluster_works_from_ps(cluster, 6, 18), 18);
    cluster_destroy(cluster);
}

// What a fault names is a single cable, and no cable has two faults, whatever they call it.
static void a_fault_is_one_cable_once(void **state) {
    (void)state;
    static const struct {
        const char *what, *words;
    } BAD[] = {
        {"leaf 3", "'leaf 3' is no single cable"},
        {"gpu 5", "'gpu 5' is no single cable"},
        {"gpu 5 nic", "'gpu 5 nic' is no single"},
        {"leaf 3 port 8", "it has 8 ports upwards"},
        {"leaf 1 port 3", "at leaf 1 port 3 to spine 3 is listed twice"},
    };
    const Tier tier[] = {{4, 1, 2}, {8, 4, 2}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ClusterSpec spec = shape_spec(6, 4, WIRING_RAIL, 2, tier);
        shape_add_fault(&spec, 2, 1, 3, 0);
        spec.fault[spec.nfaults++] = named(&spec.fault[0], BAD[i].what);
        Cluster *cluster = NULL;
        const Status status = cluster_create(&spec, &cluster);
        assert_false(status_is_ok(&status));
        if (!strstr(status.text, BAD[i].words)) fail_msg("%s: %s", BAD[i].what, status.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_named_as_in_traces),
        cmocka_unit_test(a_moment_is_a_cluster_with_faults),
        cmocka_unit_test(routing_learns_after_a_while),
        cmocka_unit_test(the_best_of_all_times_is_the_most_there_is),
        cmocka_unit_test(speeds_follow_spells_and_events),
        cmocka_unit_test(a_fault_is_one_cable_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
