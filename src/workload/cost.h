/// cost.h: from model, parallelism, training and hardware to times, bytes and memory of a step.
///
/// Idea.    Every GPU of one (stage, chunk) does the same work at nominal speed. transformer.c
///          lists its operations, roofline.c prices each on the GPU, and this module sums them per
///          chunk, so that the driver needs one number per operation of a program. Compute and
///          tensor-parallel communication stay apart: the parts of a step do.
/// Limits.  Nominal speed: noise, stragglers and shared SMs are the driver's. Tensor parallelism
///          inside one scale-up domain, priced in closed form on its idle ports (a port that serves
///          one transfer has no contention).
#ifndef COLOSSIM_WORKLOAD_COST_H
#define COLOSSIM_WORKLOAD_COST_H

#include "base/wide.h"
#include "program/program.h"
#include "workload/exchange.h"

/// Work at nominal speed.
typedef struct NominalWork {
    int64_t compute_ps; ///< recompute included
    /// Communication of a layer that no kernel hides: tensor and context parallel, among experts.
    int64_t tp_ps, cp_ps, ep_ps;
    int64_t sharing_ps; ///< taken from compute by what is hidden
} NominalWork;
static inline int64_t nominal_exposed_ps(NominalWork work) {
    return work.tp_ps + work.cp_ps + work.ep_ps;
}

/// Exchanges among experts, by kind of operation.
typedef enum Exchange { EXCHANGE_DISPATCH, EXCHANGE_COMBINE, EXCHANGES_N } Exchange;

/// What stands in a chunk between two points at which it communicates; one microbatch, one GPU.
typedef struct SegmentCost {
    NominalWork pass[PASS_N];
    int64_t parameters; ///< on this GPU
    /// Of these: gathered before, and reduced behind, all that is computed with the others. The embedding, with which nothing
    /// is computed; where others are gathered in less than 16 bits, all that are not (Megatron-Core, partition_buckets).
    int64_t first_parameters;
    int64_t expert_parameters;        ///< of experts that other GPUs hold, apart
    int64_t grad_bytes, gather_bytes; ///< full size of DP reduction and parameter gather ...
    int64_t first_gather_bytes;       ///< of these: of the first parameters
    int64_t expert_grad_bytes, expert_gather_bytes; ///< ... and of experts that are apart
    double waiting_s; ///< of ep_ps of both passes: for the GPU with the most rows, in the mean
    bool kept;        ///< ZeRO-3: gathered for the forward, its parameters stay until the backward
    /// Of a chunk cut at exchanges: by which it ends; EXCHANGES_N: by none. It is of one pass alone
    Exchange exchange;
} SegmentCost;

/// One virtual stage, one microbatch, one GPU.
typedef struct ChunkCost {
    int32_t layers;
    bool embedding, head;
    double forward_flop, backward_flop; ///< hardware FLOP, recompute included
    ExchangeRows sent[DIM_N];           ///< bytes of communication of layers, both passes
    SegmentCost whole;                  ///< all of it
    int32_t first_segment, nsegments;   ///< in StepCost.segment; 0: it is computed in one
    int32_t
        nforward; ///< cut at exchanges: the first of these are the forward pass, the others the backward pass; else 0
} ChunkCost;

/// Terms of the memory of the fullest moment of a GPU of one stage, bytes.
typedef struct MemoryUse {
    int64_t weights, gradients, optimizer, activations, logits, workspace, total;
} MemoryUse;

typedef struct StepCost {
    LayerLinks links;
    bool exchanges_apart; ///< those among experts are operations; else they are part of computing
    int64_t exchange_bytes[EXCHANGES_N]; ///< of a layer and microbatch: all rows of a GPU's tokens
    double exchange_sort_s[EXCHANGES_N]; ///< of it, to put rows in order
    int32_t pp, chunks;
    ChunkCost *chunk;     ///< [pp * chunks], index = virtual stage
    SegmentCost *segment; ///< [nsegments] of all chunks, in the order of the model
    int32_t nsegments;
    MemoryUse *memory;     ///< [pp]
    int64_t *optimizer_ps; ///< [pp]
    double *routing_sigma; ///< [pp] drawn routing: deviation of a step, over what is computed in it
    /// Activations a GPU sends to the next stage per microbatch (and as many gradients back).
    int64_t boundary_bytes;
    /// Tied embeddings: all-reduce between first and last stage, this GPU; else 0.
    int64_t embedding_grad_bytes;
    int64_t bucket_parameters;                 ///< resolved
    int64_t shards;                            ///< GPUs that share out what is sharded
    double model_flop_full, model_flop_causal; ///< whole job, one step, no recompute
    double hardware_flop;                      ///< whole job, one step, with recompute
    double tokens;                             ///< whole job, one step
    /// Bytes of layers' communication that is priced, not played: whole job, one step.
    ExchangeRows priced;
    double peak_flop_per_s; ///< of the GPU at the training precision
} StepCost;

/// Price one step.
///   Fails: STATUS_RANGE (precision or kernel without a table, sizes that do not divide).
///   uplink  NULL: GPUs of different scale-up domains do not share layers
///   MPI: local.  The result owns its arrays: step_cost_fini (legal after a failure, too).
Status step_cost_init(StepCost *cost, const ModelSpec *model, const ParallelSpec *parallel,
                      const TrainingSpec *training, const GpuSpec *gpu, const ScaleUpSpec *scale_up,
                      const Uplink *uplink);
void step_cost_fini(StepCost *cost);

/// Gradient buckets of a virtual stage, at least one. Megatron-LM cuts the first chunk of the first stage alone, where
/// reductions and gathers are on the critical path, and nothing without grad_overlap (DistributedDataParallel); who shards
/// gradients cuts every chunk, as it has no room for whole ones.
int64_t step_cost_buckets(const StepCost *cost, const ParallelSpec *parallel,
                          const TrainingSpec *training, int32_t v);

/// One pass forward and one back through each chunk of the slowest stage; at least 1.
Wide step_cost_round_ps(const StepCost *cost);

/// STATUS_RANGE, beginning with the name of the key, if a run cannot have the time of the steps or of an operation, or
/// links cannot count the bytes of a step: lower bounds, which a run passes before it ends with the same.
///   slowest  by which noise and collectives can stretch an operation, in times
Status step_cost_check_range(const StepCost *cost, const ParallelSpec *parallel,
                             const TrainingSpec *training, int32_t steps, double slowest);

/// What an operation of a stage is about: a segment, or a whole chunk.
static inline const SegmentCost *step_cost_segment(const StepCost *cost, int32_t stage,
                                                   const Op *op) {
    const ChunkCost *chunk = &cost->chunk[(op->chunk > 0 ? op->chunk : 0) * cost->pp + stage];
    return op->segment < 0 ? &chunk->whole : &cost->segment[chunk->first_segment + op->segment];
}

/// What a compute operation of a stage takes at nominal speed. The parts of a pass are as large as their buckets of
/// parameters, in the order of the model or back: the embedding comes first, is needed before anything is computed, and has
/// its gradient when all the others have theirs.
NominalWork step_cost_work(const StepCost *cost, int32_t stage, const Op *op);

/// Bytes that an operation of a stage moves, per GPU; 0 if it computes.
int64_t step_cost_bytes(const StepCost *cost, int32_t stage, const Op *op);

/// STATUS_RANGE with the terms of the sum if a stage needs more than the GPU has.
Status step_cost_check_memory(const StepCost *cost, const GpuSpec *gpu);

#endif
