/// model.h: the shape of a decoder transformer, how it is dealt over GPUs, and its groups.
///
/// Idea.    Layers of a model are of a few kinds: dense or mixtures of experts, with or without a
///          sliding window, and those that predict further tokens (multi-token prediction), which
///          stand behind the others. Grouped-query attention has fewer heads of keys and values,
///          latent attention (MLA) makes them from a narrow projection.
///          A job rank has coordinates (tp, cp, ep, dp, pp); `order` says which runs fastest.
///          Groups are products of dimensions, and arithmetic: {first, n, stride}. Layers are dealt to pp * vp chunks: chunk c
///          of stage s is virtual stage c * pp + s.
///          A job has tp * cp * pp * replicas ranks, and experts multiply none: those of a layer are dealt over `ep` times
///          `expert_tp` ranks of a stage that follow each other, of one replica, a part of one or several. So replicas
///          are EP * DP: the EP part (1 if one replica holds all experts) is those that hold a layer's experts
///          together, the DP part how often they are held.
/// Limits.  Routers, and latent attention before its projection, have no biases.
/// Source.  Narayanan et al., "Efficient large-scale language model training on GPU clusters using
///          Megatron-LM", SC'21 (interleaving, rank order); Korthikanti et al., arXiv:2205.05198
///          (sequence parallelism); DeepSeek-AI, arXiv:2412.19437 (MLA, shared experts, multi-token
///          prediction); Lepikhin et al., GShard, arXiv:2006.16668 (expert parallelism, capacity).
#ifndef COLOSSIM_WORKLOAD_MODEL_H
#define COLOSSIM_WORKLOAD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "hardware/hardware.h"
#include "program/kinds.h"

/// Names the family as well: GELU is GPT (LayerNorm, biases), SwiGLU and GeGLU are Llama (gated MLP,
/// RMSNorm, rotary embedding, biases where ModelSpec.bias says so).
typedef enum Activation { ACTIVATION_GELU, ACTIVATION_SWIGLU, ACTIVATION_GEGLU } Activation;

/// Multi-head latent attention: widths of the compressed queries and keys, and of the parts of a head.
typedef struct MlaSpec {
    int32_t q_lora;        ///< 0: queries are not compressed
    int32_t kv_lora;       ///< 0: the model has no latent attention
    int32_t rope, nope, v; ///< a key is nope + rope wide, rope shared by all heads; a value v
} MlaSpec;

typedef struct ModelSpec {
    char name[HARDWARE_NAME_BYTES];
    int32_t layers, hidden, heads, kv_heads, head_dim, ffn, vocab;
    Activation activation;
    bool tied_embeddings;
    int32_t experts;        ///< routed experts of a mixture; 0: every layer is dense
    int32_t top_k;          ///< of them, those that a token passes
    int32_t shared_experts; ///< that every token passes
    int32_t expert_groups;  ///< equal parts of the experts, one after the other ...
    int32_t token_groups;   ///< ... of which the experts of a token are in so many; 0: in any
    int32_t expert_ffn;     ///< width inside an expert
    int32_t first_dense;    ///< layers before the mixtures, with `ffn`
    int32_t mtp_layers;     ///< that predict further tokens, behind the others
    MlaSpec mla;
    int32_t window;       ///< tokens that a token attends to; 0: all before it
    int32_t window_every; ///< layers 0, n, 2n, ... have the window, the others none
    bool parallel_block;  ///< attention and MLP read the same norm and are added together
    bool qk_norm;         ///< queries and keys are normalised per head
    bool bias;            ///< linear layers add one; GPT's always do
    bool clamp;           ///< what goes into an activation is clamped
    bool yarn;            ///< rotary embeddings are stretched and scaled for longer sequences
} ModelSpec;

/// What distinguishes layers of one model.
typedef enum LayerKind {
    LAYER_DENSE,
    LAYER_DENSE_WINDOW,
    LAYER_MIXTURE,
    LAYER_MIXTURE_WINDOW,
    LAYER_MTP, ///< multi-token prediction: a projection and a layer like the model's last
    LAYER_KIND_N,
} LayerKind;

/// Kind of a layer, 0 .. layers - 1, then those of multi-token prediction.
LayerKind model_layer_kind(const ModelSpec *model, int32_t layer);

typedef enum Schedule {
    SCHEDULE_NONE,
    SCHEDULE_GPIPE,
    SCHEDULE_1F1B,
    SCHEDULE_INTERLEAVED,
    SCHEDULE_ZERO_BUBBLE,
    SCHEDULE_DUALPIPE,
} Schedule;

enum { CHUNKS_MAX = 1024 };

/// How GPUs that share a sequence come to the keys and values of the others.
typedef enum CpAlgorithm {
    CP_RING, ///< blocks of them go round while attention runs on the block before (Megatron's p2p)
    CP_ALL_GATHER, ///< all of them before attention (Llama 3)
    CP_ALL_TO_ALL, ///< sequences for heads before attention, and back after it (DeepSpeed-Ulysses)
    CP_ALGORITHM_N,
} CpAlgorithm;
extern const char *const CP_ALGORITHM_NAMES[]; ///< [CP_ALGORITHM_N], then NULL

/// How many microbatches of a step replicas compute that are on GPUs of several kinds (driver/shares.h).
typedef enum BatchShares {
    SHARES_EQUAL,        ///< as many each
    SHARES_PROPORTIONAL, ///< those on quicker GPUs more, so that the step is shortest
    SHARES_LISTED,       ///< as listed
    BATCH_SHARES_N,
} BatchShares;
extern const char *const BATCH_SHARES_NAMES[]; ///< [BATCH_SHARES_N], then NULL

enum { SHARES_LISTED_MAX = 8 };
typedef struct ListedShare {
    char gpu[HARDWARE_NAME_BYTES];
    int32_t microbatches; ///< of each replica on them
} ListedShare;

typedef struct ParallelSpec {
    int32_t size[DIM_N];   ///< all >= 1; replicas are EP * DP, see parallel_deal_experts
    int32_t ep, expert_tp; ///< GPUs that hold a layer's experts, each some; that share each expert
    CpAlgorithm cp_algorithm;
    Dimension order[DIM_N]; ///< fastest first; dimensions of size 1 may stand anywhere
    bool dp_auto;           ///< dp is what fits on the cluster
    int32_t chunks;         ///< vp: model chunks per stage
    bool sequence_parallel;
    int32_t zero;        ///< 0 plain, 1 optimizer sharded, 2 also gradients, 3 also parameters
    int32_t shard_group; ///< replicas that share out what ZeRO shards, consecutive ones; 0: all
    int32_t prefetch;    ///< ZeRO-3: layers gathered ahead
    int32_t prefetch_backward; ///< the same in backward passes; -1: as prefetch
    bool reshard;              ///< ZeRO-3: parameters are dropped between forward and backward
    Schedule schedule;
    int32_t microbatch;        ///< sequences per microbatch
    int32_t microbatches;      ///< per replica and step; of uneven shares the mean
    int32_t most_microbatches; ///< of any replica on the GPUs in question; 0: as all
    BatchShares shares;
    int32_t nlisted;
    ListedShare listed[SHARES_LISTED_MAX];
    bool embedding_as_layer;    ///< embedding and head each take the place of one layer in the deal
    int32_t layers[CHUNKS_MAX]; ///< layers of virtual stage v, if nlayers > 0; else dealt evenly
    int32_t nlayers;            ///< 0 or pp * chunks
} ParallelSpec;

/// Parts of a layer whose results are not kept for the backward pass, but computed again in it.
typedef enum RecomputeModule {
    RECOMPUTE_CORE_ATTENTION,
    RECOMPUTE_MLP_ACTIVATION,
    RECOMPUTE_LAYERNORM,
    RECOMPUTE_MLP,            ///< the whole MLP of a dense layer
    RECOMPUTE_MOE_ACTIVATION, ///< inside the experts
    RECOMPUTE_MOE,            ///< a whole mixture: router, exchanges and experts
    RECOMPUTE_MLA_UP,         ///< queries, keys and values from the narrow ones of latent attention
    RECOMPUTE_N,
} RecomputeModule;
extern const char *const RECOMPUTE_NAMES[]; ///< [RECOMPUTE_N], then NULL
typedef uint32_t RecomputeSet;
#define RECOMPUTE_BIT(module) (1u << (module))

/// How tokens find their experts.
typedef enum ExpertRouting {
    EXPERTS_BALANCED, ///< as many to each
    EXPERTS_DRAWN,    ///< more to some, other ones each step
    EXPERTS_CAPACITY, ///< capacity_factor times the balanced number to each: padded, the rest dropped
} ExpertRouting;

/// How tokens travel to their experts, see exchange.h.
typedef enum Dispatcher {
    DISPATCH_ALLTOALL,
    DISPATCH_NODE_DEDUP, ///< DeepEP
    DISPATCH_HYBRID,     ///< Hybrid-EP
    DISPATCHER_N,
} Dispatcher;
extern const char *const DISPATCHER_NAMES[]; ///< [DISPATCHER_N], then NULL

/// Parts of a layer that a CUDA graph may hold.
typedef enum WorkPart {
    PART_OUTSIDE, ///< of the layers: embedding, head
    PART_ATTENTION,
    PART_MLP,
    PART_MOE_ROUTER,
    PART_MOE_PREPROCESS, ///< counts and permutation of the routed tokens
    PART_MOE_EXPERTS,    ///< exchange, experts, and back
    PART_MAMBA,
    PART_N,
} WorkPart;

/// Parts (1 << WorkPart) that CUDA graphs hold; all bits: the whole iteration.
typedef uint32_t GraphSet;
#define GRAPH_FULL UINT32_MAX

/// What is computed and kept: precision, kernels, recompute list, overlap keys.
typedef struct TrainingSpec {
    int32_t sequence;          ///< tokens
    Precision precision;       ///< of GEMMs
    Precision grad_precision;  ///< of the gradient reduction: fp32, bf16 or fp16
    Precision param_precision; ///< of the parameter gather
    AttentionKernel attention;
    bool attention_fp8;     ///< its products in fp8, whatever those of the linear layers are in
    RecomputeSet recompute; ///< modules of every layer
    int32_t recompute_full_every; ///< 0 none; n: every n-th layer is recomputed whole
    bool tp_overlap;              ///< TP collectives overlap the GEMMs they feed
    bool tp_backward_overlap;     ///< those of the backward run beside GEMMs they do not feed
    GraphSet cuda_graph;          ///< what is launched as graphs, not kernel by kernel
    bool grad_fusion;             ///< weight gradients are added up by the products that make them
    bool grad_scaling;            ///< a pass of its own divides gradients, not the collective
    bool grad_check;              ///< the norm of a bucket is read before it is reduced
    bool grad_overlap;            ///< a bucket is reduced when its last gradient is there
    bool align_reductions;     ///< in pipelines all stages begin the reductions of a chunk together
    bool param_overlap;        ///< parameter gather of a chunk overlaps earlier forwards
    bool pp_overlap;           ///< sends and receives are asynchronous, receives posted early
    bool pp_overlap_flush;     ///< of an interleaved pipeline also in warm-up and flush
    int64_t bucket_parameters; ///< 0: Megatron's rule max(40 M, 1 M * dp)
    ExpertRouting routing;
    double
        routing_scatter; ///< drawn: standard deviation of the tokens of an expert, over their mean
    double capacity_factor; ///< capacity: tokens of an expert, over their mean
    Dispatcher dispatcher;
    bool ep_overlap;        ///< exchanges of a microbatch run behind the computing of another
    int32_t offload_layers; ///< of a virtual stage, whose activations wait on the host
    bool fused_loss; ///< one kernel makes of logits their loss and, in their place, their gradient
    bool narrow_activation; ///< inputs of activations wait for the backward pass in fp8
    bool fused_experts; ///< one kernel for the products of all experts, activation and cast in it
    bool head_narrow;   ///< head GEMMs in `precision` too, not in 16 bit
    bool dropout;       ///< hidden and attention: masks are written, kept and read
} TrainingSpec;

/// Ranks first, first + stride, ..., n of them.
typedef struct Group {
    int64_t first, n, stride;
} Group;

/// Is what is sharded held once by each of several shard groups? GPUs that hold it once.
bool parallel_is_hybrid(const ParallelSpec *parallel);
int64_t parallel_shards(const ParallelSpec *parallel);
/// Are layers gathered before each use and their gradients reduced behind each backward?
bool parallel_shards_layers(const ParallelSpec *parallel);
/// Ranks of the job: product of all sizes.
int64_t parallel_nranks(const ParallelSpec *parallel);
/// Of the model: what Megatron calls dp.
int64_t parallel_replicas(const ParallelSpec *parallel);
/// The replica that a job rank is of.
int64_t parallel_replica(const ParallelSpec *parallel, int64_t job_rank);
/// GPUs that hold the same parameters, experts' apart: all replicas and their parts of sequences.
int64_t parallel_holders(const ParallelSpec *parallel);
/// GPUs that hold the experts of a layer once, and the replicas (1 if one has room for them) they are of.
int64_t parallel_expert_span(const ParallelSpec *parallel);
int64_t parallel_expert_replicas(const ParallelSpec *parallel);
/// Are experts held by other GPUs than the rest of a layer?
bool parallel_experts_apart(const ParallelSpec *parallel, const ModelSpec *model);
/// GPUs that hold the same experts.
int64_t parallel_expert_holders(const ParallelSpec *parallel);
/// Divide the replicas (all of them in one of EP and DP, or divided before) into EP and DP.
///   Fails: STATUS_RANGE where the GPUs of a layer's experts are no whole parts or whole numbers of replicas.
Status parallel_deal_experts(ParallelSpec *parallel);
/// Coordinate of a job rank along a dimension.
int32_t parallel_coordinate(const ParallelSpec *parallel, int64_t job_rank, Dimension dimension);
/// Groups of ranks that differ in the coordinates of a set of dimensions alone.  Of `job_rank`; number `index`, its
/// members in the order of job ranks. parallel_group_is_even: they are evenly spaced, since the dimensions (those of size
/// 1 apart) stand side by side in the order; the two others need that.
Group parallel_group(const ParallelSpec *parallel, int64_t job_rank, DimensionSet dimensions);
Group parallel_group_at(const ParallelSpec *parallel, int64_t index, DimensionSet dimensions);
bool parallel_group_is_even(const ParallelSpec *parallel, DimensionSet dimensions);
/// Member number `i`, in the order of job ranks, of group number `index`; of any set of dimensions.
int64_t parallel_member(const ParallelSpec *parallel, int64_t index, DimensionSet dimensions,
                        int64_t i);
/// Members of one; how many there are; the index of a rank's group (dense, 0-based).
int64_t parallel_group_size(const ParallelSpec *parallel, DimensionSet dimensions);
int64_t parallel_ngroups(const ParallelSpec *parallel, DimensionSet dimensions);
int64_t parallel_group_index(const ParallelSpec *parallel, int64_t job_rank,
                             DimensionSet dimensions);
/// How GPUs that exchange in every layer are spread over scale-up domains: n of them, `inside` in each.
typedef struct Parts {
    int32_t n, inside;
} Parts;
/// Of those along TP or CP, or (EP) of those that hold a layer's experts once, each a part of each.
///   Fails: STATUS_RANGE where they neither divide domains of so many GPUs nor fill some.
Status parallel_parts(const ParallelSpec *parallel, Dimension dimension, int32_t domain_gpus,
                      Parts *parts);
/// Consecutive job ranks that are to share a domain; 1: no matter.
int32_t parallel_together(const ParallelSpec *parallel, int32_t domain_gpus);
/// Do the dimensions of a unit run fastest?
bool parallel_units_are_consecutive(const ParallelSpec *parallel);
/// Microbatches that memory and time must do for: the most of any replica.
static inline int32_t parallel_most_microbatches(const ParallelSpec *parallel) {
    return parallel->most_microbatches > 0 ? parallel->most_microbatches : parallel->microbatches;
}
/// Microbatches come in rounds of so many, and a replica has so many rounds at least.
int32_t parallel_round(const ParallelSpec *parallel);
int32_t parallel_least_rounds(const ParallelSpec *parallel);
/// Chunks of a stage: those of the virtual pipeline, or the two parts of the model of a DualPipe, which holds each part
/// twice; the part (a virtual stage as below) that chunk c of stage s = number c * pp + s has.
int32_t parallel_stage_chunks(const ParallelSpec *parallel);
int32_t parallel_copies(const ParallelSpec *parallel);
int32_t parallel_part(const ParallelSpec *parallel, int32_t number);
/// What stands on a virtual stage.
typedef struct StageLayers {
    bool embedding, head;
    int32_t first;           ///< index of its first layer
    int32_t layers;          ///< those of multi-token prediction apart
    int32_t n[LAYER_KIND_N]; ///< of each kind
} StageLayers;
StageLayers parallel_stage_layers(const ParallelSpec *parallel, const ModelSpec *model,
                                  int32_t virtual_stage);
/// Layers of a virtual stage (0 .. pp*chunks-1), given or dealt; embedding on 0, head on the last. Where they do not divide,
/// the last but one and those before it have one more: the last computes the head, the first keep more activations.
int32_t parallel_layers(const ParallelSpec *parallel, const ModelSpec *model,
                        int32_t virtual_stage);
/// Layers of multi-token prediction on a virtual stage: all stand before the head.
int32_t parallel_mtp_layers(const ParallelSpec *parallel, const ModelSpec *model,
                            int32_t virtual_stage);
/// Check sizes against the model (heads, layers, hidden divisible ...) and each other.
///   Fails: STATUS_RANGE with both numbers.
Status parallel_validate(const ParallelSpec *parallel, const ModelSpec *model,
                         const TrainingSpec *training);

#endif
