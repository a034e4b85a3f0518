/// transformer.h: kernels and tensor-parallel collectives of a transformer layer on one GPU, in
/// order.
///
/// Idea.    A pass (forward or backward) is a list of Work: GEMMs with their shapes, attention
///          kernels, kernels bound by memory, and collectives inside the tensor-parallel group.
///          roofline.c prices a list; its FLOP are exact. Sizes are those of one GPU.
///              norm | gather | qkv | rotary | attention | proj | scatter | residual
///              norm | gather | fc1 | activation | fc2 | scatter | residual
///          With sequence parallelism norm and residual see T / tp tokens, gather and scatter are
///          all-gather and reduce-scatter; without, gather is nothing and scatter an all-reduce
///          (conjugate in the backward pass). The backward of Y = X W is two GEMMs, dX = dY W' and
///          dW += X' dY, the second adding into the gradient buffer.
/// Limits.  One kernel per step of the pass; fusions as in Megatron-LM (scale-mask-softmax,
///          bias-GELU, bias-dropout-add, rotary in one kernel). Position embeddings are not
///          counted. Flash attention runs the causal half.
/// Source.  Korthikanti et al., arXiv:2205.05198 (which collectives, what is recomputed);
///          Megatron-LM tensor_parallel/layers.py: in the backward of a column-parallel layer the
///          input is gathered again during the input-gradient GEMM, and the reduce-scatter runs
///          during the weight-gradient GEMM.
#ifndef COLOSSIM_WORKLOAD_TRANSFORMER_H
#define COLOSSIM_WORKLOAD_TRANSFORMER_H

#include "workload/model.h"

typedef enum WorkKind {
    WORK_GEMM,      ///< batch * (m x k)(k x n)
    WORK_ATTENTION, ///< flash attention forward
    WORK_ATTENTION_BACKWARD,
    WORK_MEMORY,  ///< bytes through GPU memory
    WORK_GATHER,  ///< all-gather in the tensor-parallel group; bytes: the gathered size
    WORK_SCATTER, ///< reduce-scatter; bytes: the size before
    WORK_REDUCE,  ///< all-reduce
    WORK_KIND_N,
} WorkKind;

/// What a collective may hide behind.
typedef enum Hiding {
    HIDE_NEVER,     ///< waits of both sides stand in the stream
    HIDE_WITH_GEMM, ///< only with tp_overlap: in pieces that alternate with those of the partner
    HIDE_ALWAYS,    ///< asynchronous in any case: beside the whole partner GEMM
} Hiding;

typedef struct Work {
    const char *name; ///< string literal
    WorkKind kind;
    double batch, m, n, k; ///< of a GEMM
    bool attention;        ///< GEMM of the attention core: 16-bit even where linear layers are fp8
    double flop;           ///< executed
    double bytes;          ///< memory traffic; of a collective its full size
    Hiding hiding;         ///< collectives
    int32_t partner;       ///< collectives: index of the GEMM in the same list, -1 none
} Work;

enum { WORK_MAX = 64 };

typedef struct WorkList {
    Work work[WORK_MAX];
    int32_t n;
} WorkList;

/// What one GPU sees of the model; filled by transformer_shape.
typedef struct TransformerShape {
    double tokens, tokens_norm;         ///< of a microbatch; of it, those a norm sees
    double sequence, batch;             ///< tokens of a sequence, sequences of a microbatch
    double hidden, head_dim;            ///< of the model
    double heads, kv_heads, ffn, vocab; ///< of this GPU
    double ffn_in;           ///< width of fc1's output on this GPU: ffn, or 2 ffn if gated
    double element, operand; ///< bytes of an activation in memory, and as a GEMM operand
    double gradient;         ///< bytes of an accumulated weight gradient
    int32_t tp;
    bool sequence_parallel, gated, flash, dropout;
    bool recompute_core_attention, recompute_mlp_activation, recompute_layernorm;
} TransformerShape;

/// Sizes per GPU. The specs must have passed parallel_validate.
TransformerShape transformer_shape(const ModelSpec *model, const ParallelSpec *parallel,
                                   const TrainingSpec *training);

/// Append the works of a pass to `list`. Backward includes the recomputation of the listed modules.
void transformer_layer_forward(const TransformerShape *shape, WorkList *list);
void transformer_layer_backward(const TransformerShape *shape, WorkList *list);
void transformer_layer_recompute(const TransformerShape *shape, WorkList *list);
void transformer_embedding_forward(const TransformerShape *shape, WorkList *list);
void transformer_embedding_backward(const TransformerShape *shape, WorkList *list);
void transformer_head_forward(const TransformerShape *shape, WorkList *list);
void transformer_head_backward(const TransformerShape *shape, WorkList *list);
/// Without sequence parallelism a stage sends 1 / tp of its activations per GPU: the gather after.
void transformer_handover(const TransformerShape *shape, WorkList *list);

/// Sum of executed FLOP.
double transformer_flop(const WorkList *list);

/// Parameters on one GPU: of a layer, the embedding, the head with the final norm.
///   tied_here  the head shares the matrix of an embedding on the same GPU
double transformer_layer_parameters(const TransformerShape *shape);
double transformer_embedding_parameters(const TransformerShape *shape);
double transformer_head_parameters(const TransformerShape *shape, bool tied_here);

/// FLOP of the model for one sequence, forward and backward, no recompute; attention whole or its
/// causal half.
///   Source. Narayanan et al., SC'21, appendix: GPT is 72 s L h^2 (1 + s / 6h + V / 12 h L).
double transformer_model_flop(const ModelSpec *model, int32_t sequence, bool causal);

#endif
