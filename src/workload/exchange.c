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

/// Processors copy a row for each GPU, DeepEP beside that one for each domain, which costs it more on the way back. A row takes a
/// processor so long however narrow it is, and so many bytes a second: a dispatch, and what comes back and is added up.
typedef struct CopyRate {
    double row_s, Bps;
} CopyRate;
// DeepEP: 4 to 24 processors on 1 to 4 nodes of 8 H100, rows of 7392 and 14336 bytes; 8 B200 and B300, rows of 2112 to 14336
// (ai-dynamo/aiconfigurator systems/data). Hybrid-EP: 32 processors of 8 to 36 GB200 and 8 B300, rows of 14336 bytes, and of 8
// B200, rows of 1024 (deepseek-ai/DeepEP, Hybrid-EP_Implementation.md; harryzhou2000/megatron-lm-moe-experiments,
// notes/hybrid-ep-sparse-opt-new.md): it fetches rows that come back by few threads, which wait for each.
static const CopyRate COPY[DISPATCHER_N][2] = {
    [DISPATCH_NODE_DEDUP] = {{200e-9, 30e9}, {100e-9, 21e9}},
    [DISPATCH_HYBRID] = {{20e-9, 24e9}, {400e-9, 65e9}},
};
static const double COPIES_OF_DOMAIN[2] = {1, 2.2};
// They begin after so long: in one domain, among several.
static const double START_S[2][2] = {{36e-6, 50e-6}, {53e-6, 110e-6}};
// DeepEP asks for 20 of them, Megatron-Bridge for 32 of Hybrid-EP's (v0.5.0, scripts/performance: moe_hybridep_num_sms).
enum { PROCESSORS = 20, HYBRID_PROCESSORS = 32 };
static const double SHARE_MOST = 0.9;

static int32_t processors_of(Dispatcher dispatcher) {
    return dispatcher == DISPATCH_HYBRID ? HYBRID_PROCESSORS : PROCESSORS;
}

double exchange_processor_share(Dispatcher dispatcher, const GpuSpec *gpu) {
    if (dispatcher == DISPATCH_ALLTOALL || gpu->processors == 0)
        return gpu->scale_up_processor_share;
    return fmin(SHARE_MOST, (double)processors_of(dispatcher) / gpu->processors);
}

/// DeepEP casts blocks before it dispatches them (arXiv:2412.19437, section 3.3.2).
double exchange_number_bytes(const ParallelSpec *parallel, const TrainingSpec *training,
                             bool combines) {
    const Precision precision = training->precision;
    const bool narrow = !combines && parallel->ep > 1 &&
                        training->dispatcher == DISPATCH_NODE_DEDUP &&
                        precision == PRECISION_FP8_BLOCK;
    return narrow ? precision_bytes(precision) : precision_activation_bytes(precision);
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

double exchange_gpus(int32_t experts, int32_t top_k, int32_t ep) {
    return ep * chance((double)experts / ep, experts, top_k);
}

ExchangeRows exchange_rows(Dispatcher dispatcher, int32_t experts, int32_t top_k, Parts ep) {
    return rows_within(dispatcher, experts, top_k, (double)ep.n / ep.inside, ep);
}

/// Rows that the processors of a GPU copy for each token it has.
static double copies(double all, int32_t top_k, double chosen, Parts ep, int combines) {
    const double n = ep.n, domains = n / ep.inside, pool = all * chosen / domains;
    const double gpus = n * chosen / domains * chance(all / n, pool, top_k);
    if (domains <= 1) return gpus;
    return gpus + COPIES_OF_DOMAIN[combines] * chosen * chance(all / domains, pool, top_k);
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
    const double domains = chosen_domains(model, (double)ep.n / ep.inside);
    layer_links_route(links, training->dispatcher, model->experts, model->top_k, domains);
    for (int way = 0; way < 2; ++way)
        links->row_bytes[way] = model->hidden * exchange_number_bytes(parallel, training, way);
    return status_ok();
}

void layer_links_route(LayerLinks *links, Dispatcher dispatcher, int32_t experts, int32_t top_k,
                       double domains) {
    const Parts ep = links->parts[DIM_EP];
    const ExchangeRows rows = rows_within(dispatcher, experts, top_k, domains, ep);
    links->dispatcher = dispatcher;
    links->of_rows = (ExchangeRows){rows.inside / top_k, rows.outside / top_k};
    links->processors = dispatcher == DISPATCH_ALLTOALL ? 0 : processors_of(dispatcher);
    for (int way = 0; way < 2; way++)
        links->copied[way] = copies(experts, top_k, domains, ep, way) / top_k;
}

/// As anybody runs it: among the parts of each domain, over the NICs of all.
static LayerTime tuned(const LayerLinks *links, CollectiveKind kind, Parts parts, double bytes) {
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
    const CollectivePrice price = tuning_choose(&shape, &costs, ALGORITHM_AUTO, PROTOCOL_AUTO);
    return (LayerTime){price.time_s, {price.inside_bytes, price.across_bytes}};
}

/// A row for every expert, by collectives: in a domain, and by NICs.
static double plain_s(const LayerLinks *links, double inside, double outside_s) {
    const Parts ep = links->parts[DIM_EP];
    const double p = ep.inside;
    // Of a vector that puts these bytes on the ports of a domain alone.
    const double inside_s = p > 1 ? collective_domain_s(COLLECTIVE_ALL_TO_ALL, inside * p / (p - 1),
                                                        ep.inside, links->scale_up)
                                  : 0;
    if (ep.inside == ep.n) return inside_s;
    return fmax(inside_s, links->uplink.base_s + links->uplink.round_s + outside_s);
}

/// Of a processor, for a byte of rows so wide.
static double byte_s(Dispatcher dispatcher, bool combines, double row_bytes) {
    const CopyRate rate = COPY[dispatcher][combines];
    return rate.row_s / row_bytes + 1 / rate.Bps;
}

static double exchange_s(const LayerLinks *links, bool combines, double bytes) {
    const Parts ep = links->parts[DIM_EP];
    const bool apart = ep.inside < ep.n;
    const double inside = bytes * links->of_rows.inside,
                 outside_s = apart ? bytes * links->of_rows.outside / links->uplink.nic_Bps : 0;
    if (links->dispatcher == DISPATCH_ALLTOALL) return plain_s(links, inside, outside_s);
    // A GPU's rows to itself take their turn among those to others.
    const double own = ep.inside > 1 ? ep.inside / (ep.inside - 1.0) : 0,
                 inside_s = own > 0 ? inside * own / (double)links->scale_up->goodput_Bps : 0,
                 copy_s = bytes * links->copied[combines] *
                          byte_s(links->dispatcher, combines, links->row_bytes[combines]) /
                          links->processors;
    return START_S[combines][apart] + fmax(copy_s, fmax(inside_s, outside_s));
}

LayerTime layer_exchange(const LayerLinks *links, bool combines, double bytes) {
    if (links->parts[DIM_EP].n == 1) return (LayerTime){0};
    return (LayerTime){exchange_s(links, combines, bytes),
                       {bytes * links->of_rows.inside, bytes * links->of_rows.outside}};
}

LayerTime layer_collective(const LayerLinks *links, CollectiveKind kind, Dimension along,
                           double bytes) {
    const Parts parts = links->parts[along];
    return parts.n == 1 ? (LayerTime){0} : tuned(links, kind, parts, bytes);
}

LayerTime layer_ring(const LayerLinks *links, Dimension along, double bytes) {
    const Parts parts = links->parts[along];
    if (parts.n == 1) return (LayerTime){0};
    const bool leaves = parts.inside < parts.n;
    const double start_s =
        leaves ? links->uplink.base_s : units_seconds_from_ps(links->scale_up->collective_base_ps);
    const double hop_s =
        leaves ? links->uplink.round_s : units_seconds_from_ps(links->scale_up->latency_ps);
    const double rate_Bps = leaves ? links->uplink.nic_Bps : (double)links->scale_up->goodput_Bps;
    const double rounds = parts.n - 1, block = bytes / parts.n,
                 crosses = leaves ? 1.0 / parts.inside : 0;
    return (LayerTime){start_s + rounds * (hop_s + block / rate_Bps),
                       {rounds * block * (1 - crosses), rounds * block * crosses}};
}
