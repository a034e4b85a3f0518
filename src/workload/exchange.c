#include "workload/exchange.h"

#include <math.h>
#include <stddef.h>

#include "base/units.h"
#include "collective/tuning.h"

const char *const DISPATCHER_NAMES[] = {[DISPATCH_ALLTOALL] = "alltoall",
                                        [DISPATCH_NODE_DEDUP] = "node_dedup",
                                        [DISPATCH_HYBRID] = "hybrid",
                                        NULL};

/// Chance that `part` of `all` experts have one of k that are drawn from all.
static double chance(double part, double all, int32_t k) {
    double none = 1;
    for (int32_t i = 0; i < k && none > 0; ++i) none *= fmax(0, all - part - i) / (all - i);
    return 1 - none;
}

ExchangeRows exchange_rows(Dispatcher dispatcher, int32_t experts, int32_t top_k, Parts ep) {
    const double n = ep.n, domains = n / ep.inside, all = experts;
    if (dispatcher == DISPATCH_ALLTOALL)
        return (ExchangeRows){.inside = (double)top_k * (ep.inside - 1) / ep.inside,
                              .outside = top_k * (domains - 1) / domains};
    return (ExchangeRows){.inside = (n - domains) * chance(all / n, all, top_k),
                          .outside = (domains - 1) * chance(all / domains, all, top_k)};
}

Status layer_links_init(LayerLinks *links, const ModelSpec *model, const ParallelSpec *parallel,
                        const TrainingSpec *training, const ScaleUpSpec *scale_up,
                        const Uplink *uplink) {
    *links = (LayerLinks){.scale_up = scale_up};
    if (uplink) links->uplink = *uplink;
    for (int d = 0; d < DIM_N; ++d) {
        Parts *parts = &links->parts[d];
        *parts = (Parts){1, 1};
        if (!(DIM_UNIT >> d & 1)) continue;
        TRY(parallel_parts(parallel, (Dimension)d, scale_up_used(scale_up), parts));
        REQUIRE(parts->inside == 1 || (scale_up->goodput_Bps > 0 && scale_up->small_share > 0),
                STATUS_RANGE, "scale-up domain %s has no bandwidth for %s = %d", scale_up->name,
                DIMENSION_NAMES[d], parts->n);
        REQUIRE(parts->inside == parts->n || links->uplink.nic_Bps > 0, STATUS_RANGE,
                "%s = %d, but a scale-up domain (%s) has %d GPUs, and no NIC leads out of it",
                DIMENSION_NAMES[d], parts->n, scale_up->name, scale_up_used(scale_up));
    }
    if (model->experts == 0) return status_ok();
    const ExchangeRows rows =
        exchange_rows(training->dispatcher, model->experts, model->top_k, links->parts[DIM_EP]);
    links->of_rows = (ExchangeRows){rows.inside / model->top_k, rows.outside / model->top_k};
    return status_ok();
}

/// What a collective puts on the port and on the NIC of each GPU.
static ExchangeRows sent_bytes(const LayerLinks *links, CollectiveKind kind, Dimension along,
                               double bytes) {
    const Parts parts = links->parts[along];
    const double n = parts.n, p = parts.inside, domains = n / p;
    if (kind != COLLECTIVE_ALL_TO_ALL) {
        const double passes = kind == COLLECTIVE_ALL_REDUCE ? 2 : 1;
        return (ExchangeRows){.inside = passes * bytes * (p - 1) / p,
                              .outside = passes * bytes * (domains - 1) / domains / p};
    }
    if (along == DIM_EP)
        return (ExchangeRows){bytes * links->of_rows.inside, bytes * links->of_rows.outside};
    return (ExchangeRows){.inside = bytes * (p - 1) / n, .outside = bytes * (n - p) / n};
}

double layer_collective_s(const LayerLinks *links, CollectiveKind kind, Dimension along,
                          double bytes) {
    const Parts parts = links->parts[along];
    if (parts.n == 1) return 0;
    const ExchangeRows sent = sent_bytes(links, kind, along, bytes);
    // Of a vector that puts these bytes on the ports of a domain alone.
    const double passes = kind == COLLECTIVE_ALL_REDUCE ? 2 : 1, p = parts.inside;
    const double inside_s = p > 1 ? collective_domain_s(kind, sent.inside * p / (p - 1) / passes,
                                                        parts.inside, links->scale_up)
                                  : 0;
    if (parts.inside == parts.n) return inside_s;
    const double rounds =
        kind == COLLECTIVE_ALL_TO_ALL ? 1 : passes * ((double)parts.n / parts.inside - 1);
    const double outside_s = links->uplink.base_s + rounds * links->uplink.round_s +
                             sent.outside / links->uplink.nic_Bps;
    return fmax(inside_s, outside_s);
}
