#include "collective/tuning.h"

#include <math.h>
#include <stddef.h>

#include "base/units.h"

const char *const ALGORITHM_NAMES[] = {[ALGORITHM_AUTO] = "auto",
                                       [ALGORITHM_RING] = "ring",
                                       [ALGORITHM_TREE] = "tree",
                                       [ALGORITHM_PAT] = "pat",
                                       [ALGORITHM_NVLS] = "nvls",
                                       [ALGORITHM_NVLS_TREE] = "nvls_tree",
                                       [ALGORITHM_SHARP] = "sharp",
                                       [ALGORITHM_DIRECT] = "direct",
                                       [ALGORITHM_HALVING_DOUBLING] = "halving_doubling",
                                       [ALGORITHM_HIERARCHICAL] = "hierarchical",
                                       NULL};

const char *const PROTOCOL_NAMES[] = {[PROTOCOL_AUTO] = "auto",
                                      [PROTOCOL_LL] = "ll",
                                      [PROTOCOL_LL128] = "ll128",
                                      [PROTOCOL_SIMPLE] = "simple",
                                      NULL};

/// What a protocol does to hops and rates, and what the library believes of a ring in one domain. In a domain LL and LL128
/// have the shares of the hardware's file.
typedef struct ProtocolRow {
    double hop_times;  ///< latency of a hop inside a domain, in those of LL
    double start_s;    ///< beyond that of LL, in one domain
    double rate_share; ///< of the bandwidth
    double believed_base_s, believed_hop_s;
} ProtocolRow;
static const ProtocolRow PROTOCOLS[PROTOCOL_N] = {
    [PROTOCOL_LL] = {1, 0, 0.12, 6.6e-6, 0.6e-6}, // 35 to 45 GB/s over nodes of Hopper
    [PROTOCOL_LL128] = {2, 5e-6, 0.92, 14e-6, 1.9e-6},
    [PROTOCOL_SIMPLE] = {1, 0, 1, 8.4e-6, 3.4e-6},
};
/// Of the line rate, what the library searches its rings at: 240 of 300, 360 of 450, 720 of 900 GB/s.
static const double BELIEVED_SHARE = 0.8;

/// An algorithm over the network: what a protocol adds to the path, in what Simple adds to a hop of the ring (per hop the
/// library's table has, in us: ring 2.7, 4.0, 14; tree 5, 8.5, 14; pat 14 / 3.5; nvls_tree 20.9; collnet 31); 0 < share of
/// the bandwidth.
typedef struct AlgorithmRow {
    double round_share[PROTOCOL_N];
    bool protocol[PROTOCOL_N]; ///< has it
    double rate_share;
} AlgorithmRow;
#define ALL_PROTOCOLS \
    { [PROTOCOL_LL] = true, [PROTOCOL_LL128] = true, [PROTOCOL_SIMPLE] = true }
#define SIMPLE_ONLY \
    { [PROTOCOL_SIMPLE] = true }
static const AlgorithmRow ALGORITHMS[ALGORITHM_N] = {
    [ALGORITHM_RING] = {{0, 0, 0.1, 1}, ALL_PROTOCOLS, 1},
    [ALGORITHM_TREE] = {{0, 0.2, 0.5, 1}, ALL_PROTOCOLS, 0.92},
    [ALGORITHM_PAT] = {{0, 0, 0, 0.1}, SIMPLE_ONLY, 0.75},
    [ALGORITHM_NVLS] = {{0}, SIMPLE_ONLY, 1},
    [ALGORITHM_NVLS_TREE] = {{0, 0, 0, 1.7}, SIMPLE_ONLY, 1},
    [ALGORITHM_SHARP] = {{0, 0, 0, 2.7}, SIMPLE_ONLY, 1},
    [ALGORITHM_DIRECT] = {{0, 0, 0, 1}, SIMPLE_ONLY, 1},
};

/// A reduction in the switches of a domain, and what each member adds to the time of pat: as in the library's table.
static const double NVLS_S = 25e-6, PAT_MEMBER_S = 2.8e-6;
/// Messages between two GPUs of a domain: one channel's rate under LL, what Simple sets up, and its channels' first slices,
/// a sixth of all until they are full. On A100, Hopper and Blackwell alike (aiconfigurator, systems/data).
static const double PEER_LL_Bps = 6e9, PEER_SETUP_S = 5e-6, PEER_SLICE = 1 / 6.0,
                    PEER_FILL_S = 14e-6;
/// Four GPUs are as fast with and without switches (ml-engineering, network/README.md).
enum { NVLS_LEAST = 5 };

int64_t collective_passes(CollectiveKind kind) { return kind == COLLECTIVE_ALL_REDUCE ? 2 : 1; }

static int64_t log2_up(int64_t n) {
    int64_t log = 0;
    while (INT64_C(1) << log < n) log++;
    return log;
}

static CollectiveHops ring_hops(const CollectiveShape *shape) {
    const int64_t passes = collective_passes(shape->kind), rounds = passes * (shape->n - 1);
    const int64_t left_out = passes + 1 - shape->most;
    int64_t outside = passes * shape->domains - (left_out > 0 ? left_out : 0);
    if (shape->domains == 1) outside = 0;
    if (outside > rounds) outside = rounds;
    return (CollectiveHops){rounds - outside, outside};
}

CollectiveHops tuning_hops(const CollectiveShape *shape, CollectiveAlgorithm algorithm) {
    const int64_t passes = collective_passes(shape->kind), levels = log2_up(shape->domains);
    const bool one = shape->domains == 1;
    switch (algorithm) {
        case ALGORITHM_RING: return ring_hops(shape);
        case ALGORITHM_TREE: return (CollectiveHops){2 * (shape->most - 1), 2 * levels};
        case ALGORITHM_PAT: return (CollectiveHops){0, levels};
        case ALGORITHM_NVLS: return (CollectiveHops){1, 0};
        case ALGORITHM_NVLS_TREE: return (CollectiveHops){1, 2 * levels};
        case ALGORITHM_SHARP: return (CollectiveHops){1, 1};
        default: return (CollectiveHops){one ? passes : 0, one ? 0 : passes};
    }
}

double tuning_reduce_Bps(const ScaleUpSpec *scale_up) {
    const double n = scale_up->gpus;
    return n > 1 ? (double)scale_up->reduce_Bps * (n + 1) / (2 * (n - 1)) : 0;
}

bool tuning_offers(const CollectiveShape *shape, const CollectiveCosts *costs,
                   CollectiveAlgorithm algorithm) {
    const bool reduces = shape->kind == COLLECTIVE_ALL_REDUCE,
               many = shape->kind == COLLECTIVE_ALL_TO_ALL, apart = shape->domains > 1,
               switches = costs->scale_up->reduce_Bps > 0 && shape->most >= NVLS_LEAST;
    switch (algorithm) {
        case ALGORITHM_AUTO: return true;
        case ALGORITHM_RING: return !many;
        case ALGORITHM_TREE: return reduces && apart && (shape->most == 1 || shape->channels > 1);
        case ALGORITHM_PAT: return !reduces && !many && apart && shape->most == 1;
        case ALGORITHM_NVLS: return reduces && !apart && switches;
        case ALGORITHM_NVLS_TREE: return reduces && apart && switches;
        case ALGORITHM_SHARP: return reduces && apart && costs->in_network;
        case ALGORITHM_DIRECT: return many || !apart;
        default: return false;
    }
}

/// Bytes a second that n members of a domain get, of what a full one gives each: pairs that are joined by links of their own
/// have those to each other alone.
static double domain_share(const ScaleUpSpec *scale_up, int64_t n) {
    return scale_up->mesh && n < scale_up->gpus ? (double)(n - 1) / (scale_up->gpus - 1) : 1;
}

/// Out of each GPU inside its domain, and out of each NIC.
typedef struct Volume {
    double inside, across;
} Volume;

/// How often the fullest domain sends its vector in a double tree: up once, down to two in one of the trees; of three,
/// nobody is above two, and of two, each hangs once from the other.
static double tree_passes(int64_t domains) {
    if (domains <= 2) return 1;
    return domains == 3 ? 1.5 : 2;
}

static Volume volume_of(const CollectiveShape *shape, CollectiveAlgorithm algorithm) {
    const double n = (double)shape->n, p = (double)shape->most, ports = (double)shape->channels,
                 bytes = shape->bytes, passes = (double)collective_passes(shape->kind),
                 around = bytes * passes * (n - 1) / n;
    const bool one = shape->domains == 1;
    const double trees = tree_passes(shape->domains) * bytes / ports;
    switch (algorithm) {
        case ALGORITHM_TREE: return (Volume){2 * bytes * (p - 1) / p, trees};
        case ALGORITHM_NVLS: return (Volume){bytes * (1 + 1 / p), 0};
        case ALGORITHM_NVLS_TREE: return (Volume){bytes * (1 + 1 / p), trees};
        case ALGORITHM_SHARP: return (Volume){p > 1 ? bytes * (1 + 1 / p) : 0, bytes / ports};
        case ALGORITHM_DIRECT:
            return (Volume){passes * bytes * (p - 1) / n, passes * bytes * (n - p) / n};
        default:
            if (one) return (Volume){around, 0};
            return (Volume){around * (p - 1) / p, around / ports};
    }
}

static bool uses_switches(CollectiveAlgorithm algorithm) {
    return algorithm == ALGORITHM_NVLS || algorithm == ALGORITHM_NVLS_TREE ||
           algorithm == ALGORITHM_SHARP;
}

/// What a reduction in the switches takes, and the part of it in which its pipeline fills.
static double switches_s(const CollectiveShape *shape, const CollectiveCosts *costs, double volume,
                         double *fill_s) {
    const double rate_Bps = tuning_reduce_Bps(costs->scale_up);
    if (rate_Bps == 0 || volume == 0) return 0;
    const double chunks = (double)(shape->most * costs->scale_up->reduce_chunk_bytes);
    const double fills = shape->domains > 1 ? 2 : 1; // on the way up and on the way down
    *fill_s = fills * fmin(shape->bytes, chunks) / rate_Bps;
    return volume / rate_Bps;
}

/// Hops between domains.
static double outside_s(const CollectiveShape *shape, const CollectiveCosts *costs,
                        CollectiveAlgorithm algorithm, CollectiveProtocol protocol) {
    const double hops = (double)tuning_hops(shape, algorithm).outside;
    const double members_s = algorithm == ALGORITHM_PAT ? (double)shape->n * PAT_MEMBER_S : 0;
    return hops * (costs->path_s + ALGORITHMS[algorithm].round_share[protocol] * costs->round_s) +
           members_s;
}

/// Hops inside a domain, in which the first members of a chain also start a protocol. Simple sends a chunk in two slices:
/// while the second is under way the first goes on, so that of all hops but one only what takes longer than half a
/// round's bytes is waited for.
static double inside_s(const CollectiveShape *shape, const ScaleUpSpec *scale_up,
                       CollectiveAlgorithm algorithm, CollectiveProtocol protocol, double bytes_s) {
    const CollectiveHops along = tuning_hops(shape, algorithm);
    const double hops = (double)along.inside;
    const bool bulk = protocol == PROTOCOL_SIMPLE, one = shape->domains == 1;
    if (along.inside == 0) return 0;
    if (uses_switches(algorithm)) return NVLS_S;
    const double start_s = one ? PROTOCOLS[protocol].start_s : 0;
    const double hop_s =
        units_seconds_from_ps(scale_up->latency_ps) * PROTOCOLS[protocol].hop_times;
    if (!bulk) return start_s + hops * hop_s;
    const double once_s = one ? units_seconds_from_ps(scale_up->bulk_base_ps) : 0;
    const double bulk_s = hop_s + units_seconds_from_ps(scale_up->bulk_latency_ps);
    const double slice_s =
        algorithm == ALGORITHM_RING ? bytes_s / (2 * (double)(along.inside + along.outside)) : 0;
    return start_s + once_s + bulk_s + (hops - 1) * fmax(0, bulk_s - slice_s);
}

/// In one domain a GPU copies its own part.
static double own_s(const CollectiveShape *shape, int64_t copy_Bps) {
    if (copy_Bps == 0 || shape->domains > 1) return 0;
    return shape->bytes / (double)shape->n / (double)copy_Bps;
}

/// An exchange inside a domain: by one channel a peer under LL, or in bulk, a GPU's own part by channels of its own.
static CollectivePrice exchange_price(const CollectiveShape *shape, const ScaleUpSpec *scale_up,
                                      CollectivePrice price) {
    const double n = (double)shape->n, peer = shape->bytes / n,
                 passes = (double)collective_passes(shape->kind);
    const double rate_Bps =
        domain_share(scale_up, shape->most) *
        (double)(scale_up->exchange_Bps > 0 ? scale_up->exchange_Bps : scale_up->goodput_Bps);
    const double start_s = price.base_s + 2 * units_seconds_from_ps(scale_up->latency_ps);
    const double small_s = start_s + passes * peer / PEER_LL_Bps;
    const double fill_s = fmin(shape->bytes * PEER_SLICE / rate_Bps, PEER_FILL_S);
    const double bulk_s = start_s + own_s(shape, scale_up->exchange_copy_Bps) +
                          passes * (PEER_SETUP_S + peer * (n - 1) / rate_Bps) + fill_s;
    price.protocol = small_s < bulk_s ? PROTOCOL_LL : PROTOCOL_SIMPLE;
    price.time_s = fmax(fmin(small_s, bulk_s), start_s + price.link_s);
    return price;
}

/// Of the links of a domain, what a protocol reaches.
static double inside_share(const CollectiveShape *shape, const ScaleUpSpec *scale_up,
                           CollectiveProtocol protocol) {
    if (protocol == PROTOCOL_LL && shape->domains == 1) return scale_up->small_share;
    if (protocol == PROTOCOL_LL128 && scale_up->medium_share > 0) return scale_up->medium_share;
    return PROTOCOLS[protocol].rate_share;
}

static CollectivePrice price_of(const CollectiveShape *shape, const CollectiveCosts *costs,
                                CollectiveAlgorithm algorithm, CollectiveProtocol protocol) {
    const ScaleUpSpec *scale_up = costs->scale_up;
    const Volume volume = volume_of(shape, algorithm);
    const double inside_Bps = (double)scale_up->goodput_Bps * domain_share(scale_up, shape->most) *
                              inside_share(shape, scale_up, protocol);
    const double nic_s = volume.across > 0 ? volume.across / costs->nic_Bps : 0;
    double fill_s = 0, bytes_s = volume.inside / inside_Bps;
    if (uses_switches(algorithm)) bytes_s = switches_s(shape, costs, volume.inside, &fill_s);
    CollectivePrice price = {
        .algorithm = algorithm,
        .protocol = protocol,
        .base_s = shape->domains == 1 ? units_seconds_from_ps(scale_up->collective_base_ps)
                                      : costs->base_s,
        .link_s = fmax(nic_s, volume.inside / (double)scale_up->goodput_Bps),
        .inside_bytes = volume.inside,
        .across_bytes = volume.across,
    };
    if (algorithm == ALGORITHM_DIRECT && shape->domains == 1)
        return exchange_price(shape, scale_up, price);
    bytes_s =
        fmax(bytes_s, nic_s / (PROTOCOLS[protocol].rate_share * ALGORITHMS[algorithm].rate_share));
    bytes_s = fmax(bytes_s, price.link_s);
    price.time_s = price.base_s + inside_s(shape, scale_up, algorithm, protocol, bytes_s) +
                   outside_s(shape, costs, algorithm, protocol) + bytes_s + fill_s +
                   own_s(shape, scale_up->copy_Bps);
    return price;
}

/// What the library compares: in one domain its own table, which knows of the links what their data sheet says; else the
/// price.
static double believed_s(const CollectiveShape *shape, const CollectiveCosts *costs,
                         const CollectivePrice *price) {
    const ScaleUpSpec *scale_up = costs->scale_up;
    const ProtocolRow *row = &PROTOCOLS[price->protocol];
    if (shape->domains > 1 || price->algorithm == ALGORITHM_DIRECT) return price->time_s;
    if (price->algorithm == ALGORITHM_NVLS)
        return NVLS_S + price->inside_bytes / tuning_reduce_Bps(scale_up);
    const double small_Bps = scale_up->small_share * (double)scale_up->goodput_Bps,
                 large_Bps = BELIEVED_SHARE * (double)scale_up->line_Bps * row->rate_share;
    const double rate_Bps = (price->protocol == PROTOCOL_LL ? small_Bps : large_Bps) *
                            domain_share(scale_up, shape->most);
    return row->believed_base_s +
           (double)tuning_hops(shape, price->algorithm).inside * row->believed_hop_s +
           price->inside_bytes / rate_Bps;
}

static bool runs(const CollectiveShape *shape, const ScaleUpSpec *scale_up,
                 CollectiveAlgorithm algorithm, CollectiveProtocol protocol) {
    if (protocol == PROTOCOL_LL128 && shape->domains == 1 && scale_up->medium_share == 0)
        return false;
    return ALGORITHMS[algorithm].protocol[protocol];
}

CollectivePrice tuning_choose(const CollectiveShape *shape, const CollectiveCosts *costs,
                              CollectiveAlgorithm algorithm, CollectiveProtocol protocol) {
    CollectivePrice best = {.algorithm = ALGORITHM_AUTO};
    double least_s = INFINITY;
    const bool named = algorithm != ALGORITHM_AUTO && tuning_offers(shape, costs, algorithm);
    for (int a = ALGORITHM_AUTO + 1; a < ALGORITHM_N; a++) {
        // Direct serves an all-to-all, or who names it.
        const bool asked = named ? a == (int)algorithm
                                 : a != ALGORITHM_DIRECT || shape->kind == COLLECTIVE_ALL_TO_ALL;
        if (!asked || !tuning_offers(shape, costs, (CollectiveAlgorithm)a)) continue;
        for (int p = PROTOCOL_AUTO + 1; p < PROTOCOL_N; p++) {
            const CollectiveAlgorithm by = (CollectiveAlgorithm)a;
            const bool other = protocol != PROTOCOL_AUTO && p != (int)protocol &&
                               runs(shape, costs->scale_up, by, protocol);
            if (other || !runs(shape, costs->scale_up, by, (CollectiveProtocol)p)) continue;
            const CollectivePrice price = price_of(shape, costs, by, (CollectiveProtocol)p);
            const double time_s = believed_s(shape, costs, &price);
            if (best.algorithm != ALGORITHM_AUTO && time_s >= least_s) continue;
            best = price;
            least_s = time_s;
        }
    }
    return best;
}

double collective_domain_s(CollectiveKind kind, double bytes, int32_t n,
                           const ScaleUpSpec *scale_up) {
    if (n == 1) return 0;
    const CollectiveShape shape = {
        .kind = kind, .bytes = bytes, .n = n, .domains = 1, .most = n, .channels = n};
    const CollectiveCosts costs = {.scale_up = scale_up};
    return tuning_choose(&shape, &costs, ALGORITHM_AUTO, PROTOCOL_AUTO).time_s;
}
