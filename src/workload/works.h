/// works.h: what one GPU sees of a model, and what it does in a pass: a list of works, and the parts
/// that lists are made of.
///
/// Idea.    A Work is a kernel or a collective; roofline.c prices it. A part appends the works of a
///          norm, a linear layer, an MLP: sizes come from the shape. transformer.h says what passes
///          are made of.
/// Limits.  One kernel per step of a pass; fusions as in Megatron-LM.
#ifndef COLOSSIM_WORKLOAD_WORKS_H
#define COLOSSIM_WORKLOAD_WORKS_H

#include "workload/model.h"

typedef enum WorkKind {
    WORK_GEMM,      ///< batch * (m x k)(k x n)
    WORK_ATTENTION, ///< flash attention forward
    WORK_ATTENTION_BACKWARD,
    WORK_MEMORY,   ///< bytes through GPU memory
    WORK_GATHER,   ///< all-gather among the GPUs along a dimension; bytes: the gathered size
    WORK_SCATTER,  ///< reduce-scatter; bytes: the size before
    WORK_REDUCE,   ///< all-reduce
    WORK_EXCHANGE, ///< all-to-all; bytes: what one GPU has for all, itself included
    WORK_KIND_N,
} WorkKind;

/// What a collective may hide behind.
typedef enum Hiding {
    HIDE_NEVER,     ///< waits of both sides stand in the stream
    HIDE_WITH_GEMM, ///< only with tp_overlap: in pieces that alternate with those of the partner
    HIDE_BESIDE,    ///< only with tp_backward_overlap: beside the whole partner GEMM
    HIDE_IN_RING, ///< blocks go round behind the partner, an attention kernel on one block after the other
} Hiding;

typedef struct Work {
    const char *name; ///< string literal
    WorkKind kind;
    WorkPart part;
    double batch, m, n, k; ///< of a GEMM
    bool attention;        ///< GEMM of the attention core: 16-bit even where linear layers are fp8
    bool wide;             ///< another GEMM in 16 bit: router, head
    bool latent;           ///< attention whose keys are wider than its values
    int32_t blocks;        ///< attention: kernels, one for each block of keys that comes round
    bool weight;           ///< for the gradient of a weight alone
    /// Of a memory work: small ones beside it, each a launch and hardly bytes; of each expert, if it is grouped.
    int32_t more_kernels;
    bool waits_for_host; ///< which reads what the GPU found before it goes on launching
    bool grouped; ///< `batch` experts, m rows for each: a kernel for each, or one (fused_experts)
    double flop;  ///< executed
    double bytes; ///< memory traffic; of a collective its full size
    /// Of a pass over memory: for another layout of an operand with one scale (GpuSpec.fp8_any_layout: not done).
    double turned_bytes;
    /// Of them, those by which adding into an accumulator exceeds writing a 16-bit result.
    double accumulator_bytes;
    bool returns; ///< exchanges: rows come back from the experts
    /// Of an exchange: what its kernels pass over to put rows in the order of experts, or back, while it runs.
    double sorted_bytes;
    Dimension along; ///< collectives: who takes part; TP if nothing is said
    Hiding hiding;   ///< collectives
    int32_t partner; ///< collectives: index of the kernel in the same list, -1 none
} Work;

/// Of rows and keys of a causal ring, how many a block behind the first concerns: all on half of the GPUs, else half.
#define LATER_BLOCK 0.75

enum { WORK_MAX = 160 };

typedef struct WorkList {
    Work work[WORK_MAX];
    int32_t n;
    WorkPart part; ///< of the works that are appended next
} WorkList;

/// What one GPU sees of the model; filled by transformer_shape.
typedef struct TransformerShape {
    double tokens, tokens_norm;         ///< of a microbatch; of it, those a norm sees
    double sequence, batch;             ///< tokens of a sequence, sequences of a microbatch
    double hidden, head_dim;            ///< of the model
    double heads, kv_heads, ffn, vocab; ///< of this GPU
    double ffn_in;           ///< width of fc1's output on this GPU: ffn, or 2 ffn if gated
    double element, operand; ///< bytes of an activation in memory, and as a GEMM operand
    double dispatched;       ///< bytes of a number on its way to an expert
    double gradient;         ///< bytes of an accumulated weight gradient
    bool gradient_fused;     ///< the product that makes it adds it to those before
    bool gradient_kept;      ///< it is added to those of microbatches before at all, not sent away
    int32_t tp, cp;
    CpAlgorithm cp_algorithm;
    bool sequence_parallel, gated, flash, dropout;
    double
        activation_kept; ///< bytes of a number that is an activation's input, until the backward pass
    bool fused_experts, parallel_block, qk_norm, bias, clamp, yarn, head_narrow, fused_loss;
    bool swaps_heads; ///< context parallelism exchanges tokens for heads
    bool scan;        ///< narrow operands are scanned for their scale before they are cast
    bool one_scale;   ///< of a whole tensor
    double value_dim; ///< of a head
    double q_lora, kv_lora, rope, nope; ///< latent attention; kv_lora 0: none
    double window;                      ///< tokens; 0: none
    RecomputeSet recompute;
    // Of the kind of layer, see transformer_of_kind; before, a dense one.
    bool mixture, mtp;
    double window_of_model;
    bool attention_fp8;    ///< its backward runs over all keys, whatever the window
    double experts, top_k; ///< of the model
    int32_t ep, expert_tp;
    Dispatcher dispatcher;
    bool dropless;                 ///< experts take as many rows as come
    double experts_here;           ///< on this GPU
    double fullest;                ///< rows of the GPU that gets the most, over those of this one
    double routed;                 ///< rows that the experts of this GPU work on
    double expert_ffn, shared_ffn; ///< of this GPU: of one expert; of all shared experts
    LayerKind last; ///< kind of the model's last layer: that of multi-token prediction
} TransformerShape;

static inline bool shape_recomputes(const TransformerShape *shape, RecomputeModule module) {
    return (shape->recompute & RECOMPUTE_BIT(module)) != 0;
}

Work *works_append(WorkList *list, const char *name, WorkKind kind);
/// Keep the works of weight gradients alone, or all others. What hid behind a work that is gone shows.
void works_keep(WorkList *list, bool weight);
void works_add_memory(WorkList *list, const char *name, double bytes);
/// C[m,n] = A[m,k] B[k,n], `batch` times; `accumulate` > 0: C is read and written with that many bytes
/// a number. Wide: operands stay in 16 bit where those of the linear layers are narrower.
void works_add_gemm(const TransformerShape *s, WorkList *list, const char *name, double batch,
                    double m, double n, double k, double accumulate);
void works_add_wide_gemm(const TransformerShape *s, WorkList *list, const char *name, double batch,
                         double m, double n, double k, double accumulate);
/// A weight gradient: m x n, summed over k rows, and over microbatches.
void works_add_weight_grad(const TransformerShape *s, WorkList *list, const char *name,
                           double batch, double m, double n, double k);
/// A collective over the activations of a microbatch, or over `width` numbers of each of its tokens.
///   partner_offset  index of the GEMM it hides behind, relative to this work
void works_add_collective(const TransformerShape *s, WorkList *list, const char *name,
                          WorkKind kind, Hiding hiding, int32_t partner_offset);
void works_add_collective_of(const TransformerShape *s, WorkList *list, const char *name,
                             WorkKind kind, double width, Hiding hiding, int32_t partner_offset);
/// The gather of an operand: what is cast is cast before it travels (Transformer Engine).
void works_add_operand_gather(const TransformerShape *s, WorkList *list, const char *name,
                              Hiding hiding, int32_t partner_offset);
/// Activations become operands of the tensor cores; nothing where these take what stands in memory.
void works_add_cast(const TransformerShape *s, WorkList *list, double width);
void works_add_cast_of(const TransformerShape *s, WorkList *list, double rows, double width);
void works_add_norm(const TransformerShape *s, WorkList *list);
void works_add_norm_backward(const TransformerShape *s, WorkList *list);
/// x + dropout(y + bias), and the gradients where they meet again.
void works_add_residual(const TransformerShape *s, WorkList *list);
void works_add_residual_backward(const TransformerShape *s, WorkList *list);
/// Linear layers cut by columns (the whole width of tokens comes in, each GPU keeps a slice of the
/// result), by rows (partial results are summed), and not at all.
void works_add_column(const TransformerShape *s, WorkList *list, const char *name, double out);
void works_add_row(const TransformerShape *s, WorkList *list, const char *name, double in);
void works_add_column_backward(const TransformerShape *s, WorkList *list, const char *grad,
                               const char *weight, double out);
void works_add_row_backward(const TransformerShape *s, WorkList *list, const char *grad,
                            const char *weight, double in);
void works_add_linear_backward(const TransformerShape *s, WorkList *list, const char *grad,
                               const char *weight, double tokens, double out, double in);
/// Clamps of what goes into an activation: `rows` of `width` numbers.
void works_add_clamp(const TransformerShape *s, WorkList *list, double rows, double width);
void works_add_clamp_backward(const TransformerShape *s, WorkList *list, double rows, double width);
/// An MLP of the shape's ffn; works_with_ffn: of another.
void works_add_activation(const TransformerShape *s, WorkList *list);
void works_add_mlp(const TransformerShape *s, WorkList *list);
void works_add_mlp_backward(const TransformerShape *s, WorkList *list);
TransformerShape works_with_ffn(const TransformerShape *s, double ffn);
/// Parameters on one GPU.
double works_norm_parameters(const TransformerShape *s, double width);
double works_linear_parameters(const TransformerShape *s, double in, double out);
double works_mlp_parameters(const TransformerShape *s);

#endif
