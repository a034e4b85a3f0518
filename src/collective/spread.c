#include "collective/spread.h"

#include "cluster/routing.h"

typedef struct MemberPlaces {
    const Cluster *cluster;
    GpuId (*gpu)(const void *context, int64_t i);
    const void *context;
} MemberPlaces;

static int64_t domain_of(const void *context, int64_t i) {
    const MemberPlaces *places = context;
    return cluster_domain_of(places->cluster, places->gpu(places->context, i));
}

/// GPU of the member by whose port channel k leaves domain d.
static GpuId port_gpu(const MemberPlaces *places, const Domains *domains, int64_t d, int64_t k) {
    int64_t member = domains_member(domains, domains_port(domains, d, k));
    return places->gpu(places->context, member);
}

/// Channels leave by the NIC of their port.
static int64_t mean_latency_ps(const MemberPlaces *places, const Domains *domains) {
    if (domains->n == 1) return 0;
    int64_t sum_ps = 0;
    for (int64_t d = 0; d < domains->n; d++)
        for (int64_t k = 0; k < domains->least; k++) {
            GpuId from = port_gpu(places, domains, d, k);
            GpuId to = port_gpu(places, domains, d + 1 < domains->n ? d + 1 : 0, k);
            sum_ps += routing_latency_by_ps(places->cluster, from, from, to);
        }
    return sum_ps / (domains->n * domains->least);
}

static int32_t slowest_kind(const MemberPlaces *places, int64_t n) {
    const ClusterSpec *spec = cluster_spec(places->cluster);
    int32_t slowest = cluster_gpu_kind(spec, places->gpu(places->context, 0));
    if (!cluster_domains_differ(spec)) return slowest;
    for (int64_t i = 1; i < n; i++) {
        const int32_t kind = cluster_gpu_kind(spec, places->gpu(places->context, i));
        const int64_t own_Bps = cluster_scale_up_of_kind(spec, kind)->goodput_Bps,
                      least_Bps = cluster_scale_up_of_kind(spec, slowest)->goodput_Bps;
        if (own_Bps < least_Bps || (own_Bps == least_Bps && kind < slowest)) slowest = kind;
    }
    return slowest;
}

Spread spread_make(const Cluster *cluster, int64_t n, GpuId (*gpu)(const void *context, int64_t i),
                   const void *context) {
    MemberPlaces places = {cluster, gpu, context};
    Spread spread = {.domains = domains_make(n, domain_of, &places)};
    spread.latency_ps = mean_latency_ps(&places, &spread.domains);
    spread.kind = slowest_kind(&places, n);
    return spread;
}

void spread_free(Spread *spread) { domains_free(&spread->domains); }
