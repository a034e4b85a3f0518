#include "oracle.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

static void climb(const Cluster *cluster, int64_t node, int32_t level, bool live_only, Way *way,
                  Way ways[], int32_t *nways) {
    if (way->n == level) {
        way->top = node;
        CHECK(*nways < ORACLE_WAYS_MAX, "too many ways for the oracle");
        ways[(*nways)++] = *way;
        return;
    }
    const int32_t tier = way->n + 1;
    const TierSpec *spec = &cluster_spec(cluster)->tier[tier - 1];
    const int32_t ports = spec->parents * spec->lanes;
    for (int32_t port = 0; port < ports; port++) {
        const LinkId up = cluster_first_link(cluster, tier, LINK_UP) + node * ports + port;
        if (live_only && cluster_capacity_Bps(cluster, up) == 0) continue;
        int64_t lower;
        SwitchId upper;
        cluster_link_ends(cluster, up, &lower, &upper);
        CHECK(lower == node, "an up link does not start where its id says");
        way->up[way->n] = up;
        way->down[way->n] = up - cluster_first_link(cluster, tier, LINK_UP) +
                            cluster_first_link(cluster, tier, LINK_DOWN);
        way->n++;
        climb(cluster, upper, level, live_only, way, ways, nways);
        way->n--;
    }
}

int32_t oracle_ways(const Cluster *cluster, int64_t endpoint, int32_t level, bool live_only,
                    Way ways[ORACLE_WAYS_MAX]) {
    Way way = {.n = 0};
    int32_t nways = 0;
    climb(cluster, endpoint, level, live_only, &way, ways, &nways);
    return nways;
}

int32_t oracle_level(const Cluster *cluster, int64_t a, int64_t b) {
    const size_t bytes = sizeof(Way) * ORACLE_WAYS_MAX;
    Way *from_a = memory_alloc("test.ways", bytes), *from_b = memory_alloc("test.ways", bytes);
    int32_t level = 0;
    for (bool met = false; !met;) {
        level++;
        const int32_t na = oracle_ways(cluster, a, level, false, from_a);
        const int32_t nb = oracle_ways(cluster, b, level, false, from_b);
        for (int32_t i = 0; i < na && !met; i++)
            for (int32_t k = 0; k < nb && !met; k++) met = from_a[i].top == from_b[k].top;
    }
    memory_free("test.ways", from_a, bytes);
    memory_free("test.ways", from_b, bytes);
    return level;
}

int64_t oracle_paths(const Cluster *cluster, int64_t a, int64_t b, int64_t loads[]) {
    const size_t bytes = sizeof(Way) * ORACLE_WAYS_MAX;
    Way *from_a = memory_alloc("test.ways", bytes), *from_b = memory_alloc("test.ways", bytes);
    const int32_t level = oracle_level(cluster, a, b);
    const int32_t na = oracle_ways(cluster, a, level, true, from_a),
                  nb = oracle_ways(cluster, b, level, true, from_b);
    const LinkId first = cluster_first_link(cluster, 1, LINK_UP);
    int64_t npaths = 0;
    for (int32_t i = 0; i < na; i++)
        for (int32_t k = 0; k < nb; k++) {
            if (from_a[i].top != from_b[k].top) continue;
            npaths++;
            for (int32_t t = 0; loads != NULL && t < level; t++) {
                loads[from_a[i].up[t] - first]++;
                loads[from_b[k].down[t] - first]++;
            }
        }
    memory_free("test.ways", from_a, bytes);
    memory_free("test.ways", from_b, bytes);
    return npaths;
}
