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

/// DeepEP copies a row for each GPU, and beside that one for each domain, which costs it more on the way back; a processor
/// so many bytes a second of a dispatch, and of what comes back and is added up. It asks for 20 processors, and begins after
/// START_S. Measured with 4 to 24 on 1 to 4 nodes of 8 H100 (ai-dynamo/aiconfigurator systems/data).
static const double DISPATCH_Bps = 17e9, COMBINE_Bps = 15e9, DOMAIN_DISPATCH = 1,
                    DOMAIN_COMBINE = 1.5, START_S = 50e-6;
enum { PROCESSORS = 20 };
// Hybrid-EP, as Megatron-Bridge runs it (v0.5.0, scripts/performance: moe_hybridep_num_sms), copies as fast: with 32 on 8 and
// 16 GB200 616 and 521 GB/s of a dispatch, 520 and 443 of what comes back (deepseek-ai/DeepEP pull 420), here 544 and 480.
enum { HYBRID_PROCESSORS = 32 };
static const double SHARE_MOST = 0.9;

static int32_t processors_of(Dispatcher dispatcher) {
    return dispatcher == DISPATCH_HYBRID ? HYBRID_PROCESSORS : PROCESSORS;
}

double exchange_processor_share(Dispatcher dispatcher, const GpuSpec *gpu) {
    if (dispatcher == DISPATCH_ALLTOALL || gpu->processors == 0)
        return gpu->scale_up_processor_share;
    return fmin(SHARE_MOST, (double)processors_of(dispatcher) / gpu->processors);
}

/// Rows of a token if its experts are among those of `chosen` domains.
static ExchangeRows rows_within(Dispatcher dispatcher, double all, int32_t top_k, double chosen,
                                Parts ep) {
    const double n = ep.n, domains = n / ep.inside, share = chosen / domains, pool = all * share;
    if (dispatcher == DISPATCH_ALLTOALL)
        return (ExchangeRows){.inside = (double)top_k * (ep.inside - 1) / ep.inside,
                              .outside = top_k * (domains - 1) / domains};
    return (ExchangeRows){.inside = share * (n - domains) * chance(all / n, pool, top_k),
                          .outside = share * (domains - 1) * chance(all / domains, pool, top_k)};
}

ExchangeRows exchange_rows(Dispatcher dispatcher, int32_t experts, int32_t top_k, Parts ep) {
    return rows_within(dispatcher, experts, top_k, (double)ep.n / ep.inside, ep);
}

/// Rows that the processors of a GPU copy for each token it has.
static double copies(double all, int32_t top_k, double chosen, Parts ep, bool combines) {
    const double n = ep.n, domains = n / ep.inside, pool = all * chosen / domains;
    const double gpus = n * chosen / domains * chance(all / n, pool, top_k);
    if (domains <= 1) return gpus;
    return gpus + (combines ? DOMAIN_COMBINE : DOMAIN_DISPATCH) * chosen *
                      chance(all / domains, pool, top_k);
}

ExchangeBytes expert_exchange_bytes(const ExpertExchange *x) {
    const double domains = (double)x->ep.n / x->ep.inside, most = x->domains_most,
                 chosen = most > 0 && most < domains ? most : domains;
    const double row = x->tokens * x->hidden * x->element_bytes;
    const ExchangeRows rows = rows_within(x->dispatcher, x->experts, x->top_k, chosen, x->ep);
    const bool copied = x->dispatcher != DISPATCH_ALLTOALL;
    return (ExchangeBytes){
        .inside = rows.inside * row,
        .outside = rows.outside * row,
        .copied = copied ? row * copies(x->experts, x->top_k, chosen, x->ep, x->combines) : 0};
}

double expert_exchange_s(const ExpertExchange *exchange, const ScaleUpSpec *scale_up,
                         const Uplink *uplink) {
    const ExchangeBytes bytes = expert_exchange_bytes(exchange);
    const double each_Bps = exchange->combines ? COMBINE_Bps : DISPATCH_Bps;
    // Where processors copy, a GPU's rows to itself take their turn among those to others.
    const Parts ep = exchange->ep;
    const double own = bytes.copied > 0 && ep.inside > 1 ? ep.inside / (ep.inside - 1.0) : 1;
    const double inside_s = bytes.inside * own / (double)scale_up->goodput_Bps;
    const double outside_s = bytes.outside > 0 ? bytes.outside / uplink->nic_Bps : 0;
    const double copy_s = bytes.copied > 0 ? bytes.copied / (exchange->processors * each_Bps) : 0;
    const double start_s = exchange->dispatcher == DISPATCH_ALLTOALL ? uplink->base_s : START_S;
    return start_s + fmax(inside_s, fmax(outside_s, copy_s));
}

/// Domains that the experts of a token can be in, where each domain has experts of one group.
static double chosen_domains(const ModelSpec *model, double domains) {
    const int32_t groups = model->expert_groups, used = model->token_groups;
    return used > 0 && used < groups && domains >= groups ? domains * used / groups : domains;
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
    const Parts ep = links->parts[DIM_EP];
    const double chosen = chosen_domains(model, (double)ep.n / ep.inside);
    const ExchangeRows rows =
        rows_within(training->dispatcher, model->experts, model->top_k, chosen, ep);
    links->of_rows = (ExchangeRows){rows.inside / model->top_k, rows.outside / model->top_k};
    if (training->dispatcher == DISPATCH_ALLTOALL) return status_ok();
    links->copied_s = copies(model->experts, model->top_k, chosen, ep, true) / model->top_k /
                      (processors_of(training->dispatcher) * COMBINE_Bps);
    return status_ok();
}

/// As anybody runs it: among the parts of each domain, over the NICs of all.
static double tuned_s(const LayerLinks *links, CollectiveKind kind, Parts parts, double bytes) {
    const CollectiveShape shape = {.kind = kind,
                                   .bytes = bytes,
                                   .n = parts.n,
                                   .domains = parts.n / parts.inside,
                                   .most = parts.inside,
                                   .channels = parts.inside};
    const CollectiveCosts costs = {.scale_up = links->scale_up,
                                   .base_s = links->uplink.base_s,
                                   .path_s = links->uplink.path_s,
                                   .round_s = links->uplink.round_s - links->uplink.path_s,
                                   .nic_Bps = links->uplink.nic_Bps};
    return tuning_choose(&shape, &costs, ALGORITHM_AUTO, PROTOCOL_AUTO).time_s;
}

/// Rows of tokens on their way to experts: they leave by NICs, and go on or stay inside.
static double rows_s(const LayerLinks *links, Parts parts, double bytes) {
    const double inside = bytes * links->of_rows.inside, outside = bytes * links->of_rows.outside,
                 p = parts.inside, copy_s = bytes * links->copied_s;
    // Of a vector that puts these bytes on the ports of a domain alone.
    const double inside_s = p > 1 ? collective_domain_s(COLLECTIVE_ALL_TO_ALL, inside * p / (p - 1),
                                                        parts.inside, links->scale_up)
                                  : 0;
    if (parts.inside == parts.n) return fmax(inside_s, copy_s);
    const double outside_s =
        links->uplink.base_s + links->uplink.round_s + outside / links->uplink.nic_Bps;
    return fmax(copy_s, fmax(inside_s, outside_s));
}

double layer_collective_s(const LayerLinks *links, CollectiveKind kind, Dimension along,
                          double bytes) {
    const Parts parts = links->parts[along];
    if (parts.n == 1) return 0;
    if (along == DIM_EP && kind == COLLECTIVE_ALL_TO_ALL) return rows_s(links, parts, bytes);
    return tuned_s(links, kind, parts, bytes);
}

double layer_ring_s(const LayerLinks *links, Dimension along, double bytes) {
    const Parts parts = links->parts[along];
    const bool leaves = parts.inside < parts.n;
    const double start_s =
        leaves ? links->uplink.base_s : units_seconds_from_ps(links->scale_up->collective_base_ps);
    const double hop_s =
        leaves ? links->uplink.round_s : units_seconds_from_ps(links->scale_up->latency_ps);
    const double rate_Bps = leaves ? links->uplink.nic_Bps : (double)links->scale_up->goodput_Bps;
    return parts.n == 1 ? 0 : start_s + (parts.n - 1) * (hop_s + bytes / parts.n / rate_Bps);
}
