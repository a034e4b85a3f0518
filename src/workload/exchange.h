/// exchange.h: what the GPUs of a unit send each other in a layer, and how long that takes alone.
///
/// Idea.    Tokens go to their experts and come back. A token passes top_k of `experts`, drawn without preference, dealt
///          over ep GPUs, `inside` of them in each of D domains. A row is a token on its way to a GPU:
///              alltoall    a row for every expert, first inside to the GPU whose NIC is on the rail of its end (NCCL's
///                          PXN), from there on: top_k rows, of which (D - 1) / D leave
///              node_dedup  a row for every other domain that has any of the experts; there it is handed on to every GPU
///                          that has some. h = 1 - C(E - E / D, k) / C(E, k) is the chance that a domain has one of k
///                          out of E experts, g the same of a GPU: (D - 1) h rows leave, (ep - D) g are handed on inside
///              hybrid      as node_dedup
///          What leaves goes by the GPU's NIC, what stays by its port, both at once. The way back is the same backwards.
///          node_dedup and hybrid copy by processors of the GPU, each so many bytes a second: a row for every GPU and,
///          among several domains, for every domain; few of them are slower than the links.
///          Beside computing, DeepEP and Hybrid-EP take the processors that they ask for, and all-to-all what a collective
///          of the domain takes.
///          Other collectives of a layer are priced as collective/tuning.h has them.
/// Limits.  The links are the unit's own: what others do on NICs meanwhile is not felt. GPUs are taken as evenly loaded.
///          Routing limited to some groups of experts saves rows where a domain has experts of one group at most.
/// Source.  Megatron-LM core/transformer/moe/token_dispatcher.py; deepseek-ai/DeepEP, csrc/kernels/internode.cu;
///          NVIDIA Hybrid-EP. Held against DeepEP's measured times in tests/workload/test_exchange.c.
#ifndef COLOSSIM_WORKLOAD_EXCHANGE_H
#define COLOSSIM_WORKLOAD_EXCHANGE_H

#include "workload/model.h"

/// A GPU's way out of its scale-up domain.
typedef struct Uplink {
    double nic_Bps;
    double path_s;  ///< of round_s, cables and switches
    double base_s;  ///< before the first byte of a collective
    double round_s; ///< of each of its rounds
} Uplink;

/// What a GPU sends to others: by its port, by its NIC.
typedef struct ExchangeRows {
    double inside, outside;
} ExchangeRows;

/// An exchange of rows among GPUs of which each has `tokens`: a dispatch, or what comes back.
typedef struct ExpertExchange {
    Dispatcher dispatcher;
    double tokens, hidden, element_bytes;
    int32_t experts, top_k;
    int32_t domains_most; ///< in which the experts of a token may be; 0: any
    Parts ep;
    int32_t processors; ///< that copy, but for alltoall
    bool combines;      ///< rows are added up on their way back
} ExpertExchange;

/// Of each GPU: bytes by its port and by its NIC, and bytes that its processors copy.
typedef struct ExchangeBytes {
    double inside, outside, copied;
} ExchangeBytes;

/// What layers communicate over.
typedef struct LayerLinks {
    const ScaleUpSpec *scale_up;
    Uplink uplink;        ///< nic_Bps 0: none
    Parts parts[DIM_N];   ///< of the groups along TP, CP and EP
    ExchangeRows of_rows; ///< of the bytes of all rows of a token, those sent
    double copied_s; ///< seconds a byte, until processors have copied; 0: nobody waits for them
} LayerLinks;

/// Rows a token of a dispatch.
ExchangeRows exchange_rows(Dispatcher dispatcher, int32_t experts, int32_t top_k, Parts ep);

ExchangeBytes expert_exchange_bytes(const ExpertExchange *exchange);
/// Seconds of an exchange alone.
double expert_exchange_s(const ExpertExchange *exchange, const ScaleUpSpec *scale_up,
                         const Uplink *uplink);

/// Of the GPU, what an exchange takes from computing beside it.
double exchange_processor_share(Dispatcher dispatcher, const GpuSpec *gpu);

/// Fails: STATUS_RANGE where a group is in several domains and there is no way out, or no bandwidth inside.
///   scale_up, uplink  borrowed; uplink NULL: none
Status layer_links_init(LayerLinks *links, const ModelSpec *model, const ParallelSpec *parallel,
                        const TrainingSpec *training, const ScaleUpSpec *scale_up,
                        const Uplink *uplink);
/// Seconds of a collective of a layer, nobody else being there.
///   bytes  as collective_domain_s; all-to-all along EP: of all rows of a GPU's tokens, wherever they go
double layer_collective_s(const LayerLinks *links, CollectiveKind kind, Dimension along,
                          double bytes);

/// Seconds until blocks, together so many bytes, have gone round from GPU to GPU: in every round some cross from one domain
/// to the next, and all wait for these.
double layer_ring_s(const LayerLinks *links, Dimension along, double bytes);

#endif
