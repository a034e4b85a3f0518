#include "workload/transformer.h"

#include "workload/attention.h"
#include "workload/mixture.h"
#include "workload/works.h"

TransformerShape transformer_shape(const ModelSpec *model, const ParallelSpec *parallel,
                                   const TrainingSpec *training) {
    const int32_t tp = parallel->size[DIM_TP];
    const bool gated = model->activation != ACTIVATION_GELU, latent = model->mla.kv_lora > 0;
    const int32_t heads = model->heads / tp, ffn = model->ffn / tp;
    const int32_t kv_heads = model->kv_heads > tp ? model->kv_heads / tp : 1;
    const int32_t vocab = (model->vocab + tp - 1) / tp, cp = parallel->size[DIM_CP];
    const double tokens = (double)training->sequence * parallel->microbatch / cp;
    const double tokens_norm = parallel->sequence_parallel ? tokens / tp : tokens;
    const double element = precision_activation_bytes(training->precision);
    TransformerShape shape = {
        .tokens = tokens,
        .tokens_norm = tokens_norm,
        .sequence = training->sequence,
        .batch = parallel->microbatch,
        .hidden = model->hidden,
        .heads = heads,
        .kv_heads = kv_heads,
        .head_dim = model->head_dim,
        .ffn = ffn,
        .ffn_in = (gated ? 2.0 : 1.0) * ffn,
        .vocab = vocab,
        .element = element,
        .operand = precision_bytes(training->precision),
        .scan = PRECISION_FORMATS[training->precision].scan,
        .one_scale = PRECISION_FORMATS[training->precision].one_scale,
        .gradient = precision_bytes(training->grad_precision),
        .gradient_fused = training->grad_fusion && !parallel_shards_layers(parallel),
        .gradient_kept = !parallel_shards_layers(parallel),
        .tp = tp,
        .cp = cp,
        .cp_algorithm = parallel->cp_algorithm,
        .sequence_parallel = parallel->sequence_parallel,
        .gated = gated,
        .flash = training->attention != ATTENTION_UNFUSED,
        .dropout = training->dropout,
        .parallel_block = model->parallel_block,
        .qk_norm = model->qk_norm,
        .bias = !gated || model->bias,
        .yarn = model->yarn,
        .clamp = model->clamp,
        .head_narrow = training->head_narrow,
        .fused_loss = training->fused_loss,
        .activation_kept = training->narrow_activation ? 1 : element,
        .swaps_heads = cp > 1 && parallel->cp_algorithm == CP_ALL_TO_ALL,
        .value_dim = latent ? model->mla.v : model->head_dim,
        .q_lora = model->mla.q_lora,
        .kv_lora = model->mla.kv_lora,
        .rope = model->mla.rope,
        .nope = model->mla.nope,
        .recompute = training->recompute,
        .window_of_model = model->window,
        .attention_fp8 = training->attention_fp8,
        .last = model_layer_kind(model, model->layers - 1),
    };
    mixture_shape(model, parallel, training, &shape);
    return shape;
}

/// One expert that every token passes is an MLP: there is nothing to route.
static TransformerShape single_expert(TransformerShape s) {
    s.ffn = s.expert_ffn * s.expert_tp / s.tp + s.shared_ffn;
    s.ffn_in = (s.gated ? 2 : 1) * s.ffn;
    return s;
}

TransformerShape transformer_of_kind(const TransformerShape *shape, LayerKind kind) {
    TransformerShape s = *shape;
    s.mtp = kind == LAYER_MTP;
    if (s.mtp) kind = s.last;
    s.window = kind == LAYER_DENSE_WINDOW || kind == LAYER_MIXTURE_WINDOW ? s.window_of_model : 0;
    s.mixture = kind == LAYER_MIXTURE || kind == LAYER_MIXTURE_WINDOW;
    if (!s.mixture || s.experts > 1) return s;
    s.mixture = false;
    return single_expert(s);
}

static void add_ffn(const TransformerShape *s, WorkList *list) {
    if (s->mixture)
        mixture_add(s, list);
    else
        works_add_mlp(s, list);
}

static void add_ffn_backward(const TransformerShape *s, WorkList *list) {
    if (s->mixture)
        mixture_add_backward(s, list);
    else
        works_add_mlp_backward(s, list);
}

// Multi-token prediction: the embedding of the next token beside what the layer before gave, both
// normalised, through a projection; behind the layer a head of its own that shares the matrix.

static void add_mtp_input(const TransformerShape *s, WorkList *list) {
    transformer_embedding_forward(s, list);
    works_add_norm(s, list);
    works_add_norm(s, list);
    works_add_memory(list, "concatenate", 4 * s->element * s->tokens_norm * s->hidden);
    works_add_cast_of(s, list, s->tokens_norm, 2 * s->hidden);
    works_add_gemm(s, list, "projection", 1, s->tokens_norm, s->hidden, 2 * s->hidden, 0);
}

static void add_mtp_input_backward(const TransformerShape *s, WorkList *list) {
    works_add_linear_backward(s, list, "projection grad", "projection weight grad", s->tokens_norm,
                              s->hidden, 2 * s->hidden);
    works_add_memory(list, "concatenate grad", 4 * s->element * s->tokens_norm * s->hidden);
    works_add_norm_backward(s, list);
    works_add_norm_backward(s, list);
    transformer_embedding_backward(s, list);
}

void transformer_layer_forward(const TransformerShape *s, WorkList *list) {
    if (s->mtp) add_mtp_input(s, list);
    list->part = PART_ATTENTION;
    works_add_norm(s, list);
    attention_add_qkv(s, list);
    attention_add_core(s, list);
    works_add_row(s, list, "proj", s->heads * s->value_dim);
    list->part = s->mixture ? PART_MOE_ROUTER : PART_MLP;
    if (!s->parallel_block) {
        works_add_residual(s, list);
        works_add_norm(s, list);
    }
    add_ffn(s, list);
    works_add_residual(s, list);
    list->part = PART_OUTSIDE;
    if (s->mtp) transformer_head_forward(s, list);
}

void transformer_layer_recompute(const TransformerShape *s, WorkList *list) {
    list->part = PART_ATTENTION;
    if (shape_recomputes(s, RECOMPUTE_MLA_UP) && s->kv_lora > 0) attention_add_up(s, list);
    if (shape_recomputes(s, RECOMPUTE_CORE_ATTENTION)) attention_add_core(s, list);
    list->part = s->mixture ? PART_MOE_EXPERTS : PART_MLP;
    if (s->mixture && shape_recomputes(s, RECOMPUTE_MOE))
        mixture_add(s, list);
    else if (s->mixture && shape_recomputes(s, RECOMPUTE_MOE_ACTIVATION))
        mixture_add_recomputed_activation(s, list);
    if (!s->mixture && shape_recomputes(s, RECOMPUTE_MLP))
        works_add_mlp(s, list);
    else if (!s->mixture && shape_recomputes(s, RECOMPUTE_MLP_ACTIVATION))
        works_add_activation(s, list);
    if (shape_recomputes(s, RECOMPUTE_LAYERNORM)) {
        works_add_norm(s, list);
        if (!s->parallel_block) works_add_norm(s, list);
    }
}

void transformer_layer_backward(const TransformerShape *s, WorkList *list) {
    if (s->mtp) transformer_head_backward(s, list);
    transformer_layer_recompute(s, list);
    list->part = PART_MLP;
    add_ffn_backward(s, list);
    if (!s->parallel_block) {
        works_add_norm_backward(s, list);
        works_add_residual_backward(s, list);
    }
    list->part = PART_ATTENTION;
    works_add_row_backward(s, list, "proj grad", "proj weight grad", s->heads * s->value_dim);
    attention_add_core_backward(s, list);
    attention_add_qkv_backward(s, list);
    works_add_norm_backward(s, list);
    works_add_residual_backward(s, list);
    list->part = PART_OUTSIDE;
    if (s->mtp) add_mtp_input_backward(s, list);
}

void transformer_embedding_forward(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "embedding", 2 * s->element * s->tokens * s->hidden);
    works_add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                         s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_NEVER, 0);
    if (s->dropout)
        works_add_memory(list, "dropout", (2 * s->element + 1) * s->tokens_norm * s->hidden);
}

void transformer_embedding_backward(const TransformerShape *s, WorkList *list) {
    if (s->dropout)
        works_add_memory(list, "dropout grad", (2 * s->element + 1) * s->tokens_norm * s->hidden);
    if (s->sequence_parallel) works_add_collective(s, list, "gather", WORK_GATHER, HIDE_NEVER, 0);
    works_add_memory(list, "embedding grad",
                     (s->element + 2 * s->gradient) * s->tokens * s->hidden);
    list->work[list->n - 1].weight = true;
}

// Cross entropy over a vocabulary cut among GPUs, passes over the logits in bytes per number as in
// Megatron-LM tensor_parallel/cross_entropy.py: cast to fp32 (2 + 4), maximum (4), subtract in
// place (8), exponential in place (8), sum (4), divide in place (8); backward: scale by the
// incoming gradient (8), cast (4 + 2).
// Fused (Transformer Engine triton/cross_entropy.py): read for maximum and sum, read and written for the gradient in the
// forward; read and written when scaled by the incoming gradient.
typedef struct LossBytes {
    double forward, backward;
} LossBytes;
static LossBytes loss_bytes(const TransformerShape *s) {
    return s->fused_loss ? (LossBytes){3 * s->element, 2 * s->element} : (LossBytes){38, 14};
}

/// The head is no layer of Transformer Engine: its products stay in 16 bit.
static TransformerShape head_shape(const TransformerShape *s) {
    TransformerShape head = *s;
    if (!s->head_narrow) head.operand = s->element;
    return head;
}

/// Works from `first` on are products of the head.
static void mark_head(const TransformerShape *s, WorkList *list, int32_t first) {
    for (int32_t i = first; i < list->n; ++i)
        list->work[i].wide = list->work[i].kind == WORK_GEMM && !s->head_narrow;
}

void transformer_head_forward(const TransformerShape *s, WorkList *list) {
    const int32_t first = list->n;
    const TransformerShape head = head_shape(s);
    works_add_norm(s, list);
    works_add_column(&head, list, "head", s->vocab);
    mark_head(s, list, first);
    works_add_memory(list, "loss", loss_bytes(s).forward * s->tokens * s->vocab);
}

void transformer_head_backward(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "loss grad", loss_bytes(s).backward * s->tokens * s->vocab);
    const int32_t first = list->n;
    const TransformerShape head = head_shape(s);
    works_add_cast(&head, list, s->vocab);
    if (s->sequence_parallel) works_add_operand_gather(&head, list, "gather input", HIDE_BESIDE, 1);
    works_add_gemm(&head, list, "head grad", 1, s->tokens, s->hidden, s->vocab, 0);
    works_add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                         s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_BESIDE, 1);
    works_add_weight_grad(&head, list, "head weight grad", 1, s->vocab, s->hidden, s->tokens);
    mark_head(s, list, first);
    works_add_norm_backward(s, list);
}

void transformer_handover(const TransformerShape *s, WorkList *list) {
    if (!s->sequence_parallel)
        works_add_collective(s, list, "hand-over gather", WORK_GATHER, HIDE_NEVER, 0);
}

double transformer_flop(const WorkList *list) {
    double flop = 0;
    for (int32_t i = 0; i < list->n; ++i) flop += list->work[i].flop;
    return flop;
}

double transformer_layer_parameters(const TransformerShape *s) {
    double n =
        attention_parameters(s) + (s->parallel_block ? 1 : 2) * works_norm_parameters(s, s->hidden);
    n += s->mixture ? mixture_parameters(s) : works_mlp_parameters(s);
    if (s->mtp) n += 2 * s->hidden * s->hidden + 3 * works_norm_parameters(s, s->hidden);
    return n;
}

double transformer_embedding_parameters(const TransformerShape *s) { return s->vocab * s->hidden; }

double transformer_head_parameters(const TransformerShape *s, bool tied_here) {
    return (tied_here ? 0 : s->vocab * s->hidden) + (s->gated ? 1 : 2) * s->hidden;
}
