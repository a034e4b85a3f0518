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
///          node_dedup and hybrid copy by processors of the GPU, a row for every GPU and, among several domains, for every
///          domain. A row takes a processor a while and its bytes: few processors are slower than the links, and so are
///          many narrow rows, most of all where Hybrid-EP adds up what comes back. Before the first row all tell each
///          other how many come.
///          Hybrid-EP also puts rows in the order of experts before it is done, and back before it begins (mixture.c).
///          Beside computing, DeepEP and Hybrid-EP take the processors that they ask for, and all-to-all what a collective
///          of the domain takes.
///          Other collectives of a layer are priced as collective/tuning.h has them.
/// Limits.  The links are the unit's own: what others do on NICs meanwhile is not felt. GPUs are taken as evenly loaded.
///          Routing limited to some groups of experts saves rows where a domain has experts of one group at most.
/// Source.  Megatron-LM core/transformer/moe/token_dispatcher.py; deepseek-ai/DeepEP, csrc/kernels/internode.cu;
///          NVIDIA Hybrid-EP. Held against measured times in tests/workload/dispatched.c.
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

static inline void exchange_rows_add(ExchangeRows *sum, double times, ExchangeRows rows) {
    sum->inside += times * rows.inside;
    sum->outside += times * rows.outside;
}

/// What layers communicate over.
typedef struct LayerLinks {
    const ScaleUpSpec *scale_up;
    Uplink uplink;      ///< nic_Bps 0: none
    Parts parts[DIM_N]; ///< of the groups along TP, CP and EP
    Dispatcher dispatcher;
    ExchangeRows of_rows; ///< of the bytes of all rows of a token, those sent
    double copied[2];     ///< of them, those that processors copy: on their way, and back
    double row_bytes[2];  ///< of a row: on its way, and back
    int32_t processors;   ///< that do; 0: none
} LayerLinks;

/// GPUs of `ep` that have some of the experts of a token.
double exchange_gpus(int32_t experts, int32_t top_k, int32_t ep);
/// Rows a token of a dispatch.
ExchangeRows exchange_rows(Dispatcher dispatcher, int32_t experts, int32_t top_k, Parts ep);

/// Bytes of a number on its way to an expert (combines false), and back.
double exchange_number_bytes(const ParallelSpec *parallel, const TrainingSpec *training,
                             bool combines);

/// Of the GPU, what an exchange takes from computing beside it.
double exchange_processor_share(Dispatcher dispatcher, const GpuSpec *gpu);

/// Fails: STATUS_RANGE where a group is in several domains and there is no way out, or no bandwidth inside.
///   scale_up, uplink  borrowed; uplink NULL: none
Status layer_links_init(LayerLinks *links, const ModelSpec *model, const ParallelSpec *parallel,
                        const TrainingSpec *training, const ScaleUpSpec *scale_up,
                        const Uplink *uplink);
/// Set how rows get to experts, of which each token passes top_k, from what parts along EP are.
///   domains  that the experts of a token can be in
void layer_links_route(LayerLinks *links, Dispatcher dispatcher, int32_t experts, int32_t top_k,
                       double domains);
/// What a collective of a layer takes, nobody else being there, and what each GPU sends: bytes, in the mean over GPUs.
typedef struct LayerTime {
    double alone_s;
    ExchangeRows sent;
} LayerTime;

/// Rows get to experts, or come back and are added up.   bytes: of all rows of a GPU's tokens, wherever they go
LayerTime layer_exchange(const LayerLinks *links, bool combines, double bytes);
/// Any other.   bytes: as collective_domain_s
LayerTime layer_collective(const LayerLinks *links, CollectiveKind kind, Dimension along,
                           double bytes);
/// Blocks, together so many bytes, go round from GPU to GPU: in every round some cross from one domain to the next, and all
/// wait for these.
LayerTime layer_ring(const LayerLinks *links, Dimension along, double bytes);

#endif
