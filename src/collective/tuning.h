/// tuning.h: what a collective costs alone, and by which algorithm and protocol it therefore runs.
///
/// Idea.    The library that runs collectives predicts the time of every algorithm and protocol that could serve, and takes
///          the least:
///              T = base + hops inside a domain * latency + hops between domains * latency + bytes / rate
///          Over the network what is predicted is what it takes. In one domain the library predicts by a table of its own,
///          and often changes to Simple early: its choice is taken, and what that costs in truth. A collective can
///          therefore take longer than it would by another protocol, and one of more bytes can be faster.
///          Algorithms, for P = 2 passes (all-reduce; else 1) of S bytes among n members in D domains of p, C ports each:
///              ring       S P (n - 1) / n through every port inside, a C-th of it through every NIC; P (n - 1) hops,
///                         about P D of them between domains
///              tree       double binary tree among the domains, chains inside: 2 S / C through every NIC (S / C of two
///                         domains, 1.5 S / C of three), 2 log2 D hops
///              pat        parallel trees among members that are alone in their domains: bytes as a ring, log2 n hops
///              nvls       the switches of a domain add up: S (1 + 1 / n) out of every GPU
///              nvls_tree  nvls inside, a double tree among the domains
///              sharp      nvls inside, the switches of the fabric add up: S / C out of every NIC
///              direct     everybody to everybody in one round: the only one of an all-to-all
///          Protocols: LL and LL128 send flags along with the data, which costs bandwidth (small_share, medium_share);
///          Simple sends bulk and waits bulk_latency a hop, which the rounds' bytes hide once they are many.
///          Inside a domain a GPU also copies its own n-th (copy_rate), and nvls fills its pipeline: the first chunk of
///          every GPU goes in before anything comes out.
/// Limits.  The time of the bytes is that of the slowest class of links. The others (halving_doubling, hierarchical) are
///          textbook algorithms that no library offers; they are never chosen and have no protocols.
/// Source.  NVIDIA/nccl src/graph/tuning.cc (rule, its table, steps, latencies over the network, efficiency of trees), measured
///          constants in the files of scale-up domains. Nvls: with rate R of the switches' reduction 8 H200 all-reduce at
///          R * 2 (n - 1) / (n + 1) from 5 to 8 GPUs within 1 % (ml-engineering, network/README.md).
#ifndef COLOSSIM_COLLECTIVE_TUNING_H
#define COLOSSIM_COLLECTIVE_TUNING_H

#include <stdbool.h>

#include "hardware/hardware.h"
#include "program/kinds.h"

typedef enum CollectiveAlgorithm {
    ALGORITHM_AUTO, ///< that of least time
    ALGORITHM_RING,
    ALGORITHM_TREE,
    ALGORITHM_PAT,
    ALGORITHM_NVLS,
    ALGORITHM_NVLS_TREE,
    ALGORITHM_SHARP,
    ALGORITHM_DIRECT,
    ALGORITHM_HALVING_DOUBLING,
    ALGORITHM_HIERARCHICAL,
    ALGORITHM_N,
} CollectiveAlgorithm;
extern const char *const ALGORITHM_NAMES[]; ///< [ALGORITHM_N], then NULL

typedef enum CollectiveProtocol {
    PROTOCOL_AUTO,
    PROTOCOL_LL,
    PROTOCOL_LL128,
    PROTOCOL_SIMPLE,
    PROTOCOL_N,
} CollectiveProtocol;
extern const char *const PROTOCOL_NAMES[]; ///< [PROTOCOL_N], then NULL

/// Who takes part: `domains` scale-up domains of up to `most` members, each with `channels` ports to the network.
typedef struct CollectiveShape {
    CollectiveKind kind;
    double bytes; ///< as collective_domain_s
    int64_t n, domains, most, channels;
} CollectiveShape;

typedef struct CollectiveCosts {
    const ScaleUpSpec *scale_up;
    double base_s;  ///< launch over the network
    double path_s;  ///< of a hop between domains: cables and switches
    double round_s; ///< what the Simple protocol of a ring adds to such a hop
    double nic_Bps;
    bool in_network; ///< the fabric can reduce
} CollectiveCosts;

typedef struct CollectivePrice {
    CollectiveAlgorithm algorithm; ///< none can be ALGORITHM_AUTO
    CollectiveProtocol protocol;
    double time_s;                     ///< alone
    double base_s;                     ///< of it, before the first byte
    double link_s;                     ///< of it, bytes at the full rate of the fullest link
    double inside_bytes, across_bytes; ///< that each port of a domain, and each NIC, sends
} CollectivePrice;

/// Hops of the longest chain of an algorithm.
typedef struct CollectiveHops {
    int64_t inside, outside;
} CollectiveHops;

/// Can the algorithm do this kind among members that stand so, with this hardware? AUTO can do all.
bool tuning_offers(const CollectiveShape *shape, const CollectiveCosts *costs,
                   CollectiveAlgorithm algorithm);
/// What the library takes of all that are offered, or of those named. What is named and not offered gives way to a choice.
/// n >= 2; named halving_doubling and hierarchical have no price.
CollectivePrice tuning_choose(const CollectiveShape *shape, const CollectiveCosts *costs,
                              CollectiveAlgorithm algorithm, CollectiveProtocol protocol);
CollectiveHops tuning_hops(const CollectiveShape *shape, CollectiveAlgorithm algorithm);
/// How often the vector goes around: 2 for all-reduce (reduce-scatter, then all-gather), else 1.
int64_t collective_passes(CollectiveKind kind);
/// Bytes a second of the reduction in the switches of a domain, out of each GPU; 0: none.
double tuning_reduce_Bps(const ScaleUpSpec *scale_up);

/// Time in seconds of a collective among n GPUs of an otherwise idle scale-up domain; 0 if n is 1.
///   bytes  all-reduce: vector; reduce-scatter: input; all-gather: output; all-to-all: what a member has for all, itself
///          included
double collective_domain_s(CollectiveKind kind, double bytes, int32_t n,
                           const ScaleUpSpec *scale_up);

#endif
