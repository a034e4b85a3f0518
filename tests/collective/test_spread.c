// Where the members of a collective are.
#include "claims.h"

#include "cluster/shapes.h"
#include "collective/spread.h"

/// 4 nodes of 8 GPUs in domains of 8, then 6 of 2 in domains of 6, which carry `times` as much.
static Cluster *machine(int64_t times) {
    const Tier tier[] = {{2, 1, 1}, {32, 2, 1}};
    ClusterSpec spec = shape_spec(10, 8, WIRING_RAIL, 2, tier);
    spec.nothers = 1;
    spec.other[0] = (OtherNodesSpec){.from = 4, .gpus = 2, .scale_up = spec.scale_up};
    spec.other[0].scale_up.gpus = 6;
    spec.other[0].scale_up.goodput_Bps *= times;
    if (times == 0) spec.other[0].scale_up.goodput_Bps = spec.scale_up.goodput_Bps / 2;
    Cluster *cluster = NULL;
    assert_int_equal(cluster_create(&spec, &cluster).code, STATUS_OK);
    return cluster;
}

static GpuId every_second(const void *context, int64_t i) {
    return *(const GpuId *)context + 2 * i;
}

static Spread spread_from(const Cluster *cluster, GpuId first, int64_t n) {
    return spread_make(cluster, n, every_second, &first);
}

// A collective goes at the pace of the slowest domains that it has members in, whichever of them comes first; domains
// that it has no members in are nothing to it.
static void slowest_domains_set_the_pace(void **state) {
    (void)state;
    const int32_t slowest[] = {1, 0, 0}; // others carry half, as much, three times as much
    const int64_t times[] = {0, 1, 3};
    for (int k = 0; k < 3; k++) {
        Cluster *cluster = machine(times[k]);
        Spread both = spread_from(cluster, 0, 22), first = spread_from(cluster, 0, 16),
               others = spread_from(cluster, 32, 6);
        assert_int_equal(both.kind, slowest[k]);
        assert_int_equal(first.kind, 0);
        assert_int_equal(others.kind, 1);
        assert_int_equal(both.domains.n, 4 + 2);
        assert_int_equal(both.domains.most, 4);
        assert_int_equal(both.domains.least, 3);
        assert_int_equal(others.domains.n, 2);
        spread_free(&both);
        spread_free(&first);
        spread_free(&others);
        cluster_destroy(cluster);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(slowest_domains_set_the_pace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
