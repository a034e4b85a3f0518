// What a route costs on the 100,000-GPU cluster: nanoseconds of CPU for random pairs, by routing,
// queue pairs and faults. Prints CSV: routing,queue_pairs,dead_links,ns_per_route,uses_per_route.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "base/status.h"
#include "cluster/routing.h"
#include "shapes.h"

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int measure(Routing routing, const char *name, int32_t queue_pairs, int32_t dead_links) {
    ClusterSpec spec = shape_colossus();
    spec.routing = routing;
    for (int32_t k = 0; k < dead_links; k++)
        shape_add_fault(&spec, 2, 97 * k % 1600, 7 * k % 64, 0.0);
    Cluster *cluster;
    const Status created = cluster_create(&spec, &cluster);
    if (!status_is_ok(&created)) {
        fprintf(stderr, "%s\n", created.text);
        return 1;
    }
    const int64_t routes = 2000000 / queue_pairs, ngpus = cluster_ngpus(cluster);
    LinkUse uses[ROUTE_USES_MAX];
    int64_t total_uses = 0;
    uint64_t draw = 1;
    const double start = cpu_seconds();
    for (int64_t k = 0; k < routes; k++) {
        draw = rng_mix(draw, (uint64_t)k);
        const GpuId src = (GpuId)((draw >> 32) * (uint64_t)ngpus >> 32);
        const GpuId dst =
            (src + 1 + (GpuId)((draw & UINT32_MAX) * (uint64_t)(ngpus - 1) >> 32)) % ngpus;
        int32_t nuses;
        const Status status =
            routing_route(cluster, src, dst, (uint64_t)k, queue_pairs, uses, &nuses);
        if (!status_is_ok(&status)) {
            fprintf(stderr, "%s\n", status.text);
            return 1;
        }
        total_uses += nuses;
    }
    const double seconds = cpu_seconds() - start;
    printf("%s,%d,%d,%.1f,%.2f\n", name, queue_pairs, dead_links, 1e9 * seconds / (double)routes,
           (double)total_uses / (double)routes);
    cluster_destroy(cluster);
    return 0;
}

int main(void) {
    puts("routing,queue_pairs,dead_links,ns_per_route,uses_per_route");
    int failed = 0;
    failed |= measure(ROUTING_ECMP, "ecmp", 1, 0);
    failed |= measure(ROUTING_ECMP, "ecmp", 4, 0);
    failed |= measure(ROUTING_ECMP, "ecmp", 16, 0);
    failed |= measure(ROUTING_ECMP, "ecmp", 1, 1);
    failed |= measure(ROUTING_ECMP, "ecmp", 1, 64);
    failed |= measure(ROUTING_DMODK, "dmodk", 1, 0);
    failed |= measure(ROUTING_SPRAY, "spray", 1, 0);
    failed |= measure(ROUTING_SPRAY, "spray", 1, 1);
    failed |= measure(ROUTING_ADAPTIVE, "adaptive", 1, 16);
    return failed;
}
