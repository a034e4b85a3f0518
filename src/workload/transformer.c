#include "workload/transformer.h"

#include "base/check.h"

TransformerShape transformer_shape(const ModelSpec *model, const ParallelSpec *parallel,
                                   const TrainingSpec *training) {
    const int32_t tp = parallel->size[DIM_TP];
    const bool gated = model->activation == ACTIVATION_SWIGLU;
    const int32_t heads = model->heads / tp, ffn = model->ffn / tp;
    const int32_t kv_heads = model->kv_heads > tp ? model->kv_heads / tp : 1;
    const int32_t vocab = (model->vocab + tp - 1) / tp;
    const double tokens = (double)training->sequence * parallel->microbatch;
    return (TransformerShape){
        .tokens = tokens,
        .tokens_norm = parallel->sequence_parallel ? tokens / tp : tokens,
        .sequence = training->sequence,
        .batch = parallel->microbatch,
        .hidden = model->hidden,
        .heads = heads,
        .kv_heads = kv_heads,
        .head_dim = model->head_dim,
        .ffn = ffn,
        .ffn_in = (gated ? 2.0 : 1.0) * ffn,
        .vocab = vocab,
        .element = training->precision == PRECISION_FP32 ? 4 : 2,
        .operand = precision_bytes(training->precision),
        .gradient = precision_bytes(training->grad_precision),
        .tp = tp,
        .sequence_parallel = parallel->sequence_parallel,
        .gated = gated,
        .flash = training->attention != ATTENTION_UNFUSED,
        .dropout = training->dropout,
        .recompute_core_attention = training->recompute_core_attention,
        .recompute_mlp_activation = training->recompute_mlp_activation,
        .recompute_layernorm = training->recompute_layernorm,
    };
}

static Work *append(WorkList *list, const char *name, WorkKind kind) {
    CHECK(list->n < WORK_MAX, "a pass has more than %d works", WORK_MAX);
    Work *work = &list->work[list->n++];
    *work = (Work){.name = name, .kind = kind, .partner = -1};
    return work;
}

static void add_memory(WorkList *list, const char *name, double bytes) {
    append(list, name, WORK_MEMORY)->bytes = bytes;
}

/// C[m,n] = A[m,k] B[k,n]; `accumulate` > 0: C is read and written with that many bytes a number.
static void add_gemm(const TransformerShape *s, WorkList *list, const char *name, double batch,
                     double m, double n, double k, double accumulate) {
    Work *work = append(list, name, WORK_GEMM);
    work->batch = batch;
    work->m = m;
    work->n = n;
    work->k = k;
    work->flop = 2 * batch * m * n * k;
    const double result = accumulate > 0 ? 2 * accumulate : s->element;
    work->bytes = batch * (s->operand * (m * k + k * n) + result * m * n);
}

/// One of the GEMMs of unfused attention: `batch` problems, 16-bit operands.
static void add_attention_gemm(const TransformerShape *s, WorkList *list, const char *name,
                               double n, double k) {
    TransformerShape wide = *s;
    wide.operand = s->element;
    add_gemm(&wide, list, name, s->batch * s->heads, s->sequence, n, k, 0);
    list->work[list->n - 1].attention = true;
}

/// A collective over the activations of a microbatch. `partner_offset`: index of the GEMM relative
/// to this work.
static void add_collective(const TransformerShape *s, WorkList *list, const char *name,
                           WorkKind kind, Hiding hiding, int32_t partner_offset) {
    if (s->tp == 1) return;
    const int32_t index = list->n;
    Work *work = append(list, name, kind);
    work->bytes = s->tokens * s->hidden * s->element;
    work->hiding = hiding;
    work->partner = hiding == HIDE_NEVER ? -1 : index + partner_offset;
}

/// Activations become operands of the tensor cores: fp8 needs a pass that scales and casts.
static void add_cast(const TransformerShape *s, WorkList *list, double width) {
    if (s->operand < s->element)
        add_memory(list, "cast", (s->element + 2 * s->operand) * s->tokens * width);
}

static void add_norm(const TransformerShape *s, WorkList *list) {
    add_memory(list, "norm", 2 * s->element * s->tokens_norm * s->hidden);
}

/// x + dropout(y + bias): reads two, writes one and the mask.
static void add_residual(const TransformerShape *s, WorkList *list) {
    add_memory(list, "residual",
               (3 * s->element + (s->dropout ? 1 : 0)) * s->tokens_norm * s->hidden);
}

static void add_rotary(const TransformerShape *s, WorkList *list) {
    if (s->gated)
        add_memory(list, "rotary",
                   2 * s->element * s->tokens * (s->heads + s->kv_heads) * s->head_dim);
}

static void add_activation(const TransformerShape *s, WorkList *list) {
    add_memory(list, "activation", s->element * s->tokens * (s->ffn_in + s->ffn));
}

/// FLOP of both attention GEMMs, forward, the part that a kernel runs.
static double attention_flop(const TransformerShape *s) {
    const double full = 4 * s->batch * s->sequence * s->sequence * s->heads * s->head_dim;
    return s->flash ? full / 2 : full;
}

static void add_core_attention(const TransformerShape *s, WorkList *list) {
    if (s->flash) {
        Work *work = append(list, "attention", WORK_ATTENTION);
        work->flop = attention_flop(s);
        work->bytes = s->element * s->tokens * 2 * (s->heads + s->kv_heads) * s->head_dim;
        return;
    }
    const double scores = s->batch * s->heads * s->sequence * s->sequence;
    add_attention_gemm(s, list, "scores", s->sequence, s->head_dim);
    add_memory(list, "softmax", 2 * s->element * scores);
    if (s->dropout) add_memory(list, "attention dropout", (2 * s->element + 1) * scores);
    add_attention_gemm(s, list, "context", s->head_dim, s->sequence);
}

static void add_core_attention_backward(const TransformerShape *s, WorkList *list) {
    if (s->flash) {
        // Five GEMMs where the forward has two: the scores are computed again (arXiv:2307.08691,
        // section 4.1).
        Work *work = append(list, "attention backward", WORK_ATTENTION_BACKWARD);
        work->flop = 2.5 * attention_flop(s);
        work->bytes = s->element * s->tokens * 4 * (s->heads + s->kv_heads) * s->head_dim;
        return;
    }
    const double scores = s->batch * s->heads * s->sequence * s->sequence;
    add_attention_gemm(s, list, "scores grad", s->sequence, s->head_dim);
    add_attention_gemm(s, list, "value grad", s->head_dim, s->sequence);
    if (s->dropout) add_memory(list, "attention dropout grad", (2 * s->element + 1) * scores);
    add_memory(list, "softmax grad", 3 * s->element * scores);
    add_attention_gemm(s, list, "query grad", s->head_dim, s->sequence);
    add_attention_gemm(s, list, "key grad", s->head_dim, s->sequence);
}

/// Column-parallel layer: the whole width of tokens comes in, each GPU keeps a slice of the result.
static void add_column(const TransformerShape *s, WorkList *list, const char *name, double out) {
    if (s->sequence_parallel)
        add_collective(s, list, "gather", WORK_GATHER, HIDE_WITH_GEMM,
                       s->operand < s->element ? 2 : 1);
    add_cast(s, list, s->hidden);
    add_gemm(s, list, name, 1, s->tokens, out, s->hidden, 0);
}

/// Row-parallel layer: partial results of every GPU are summed.
static void add_row(const TransformerShape *s, WorkList *list, const char *name, double in) {
    add_cast(s, list, in);
    add_gemm(s, list, name, 1, s->tokens, s->hidden, in, 0);
    if (s->sequence_parallel)
        add_collective(s, list, "scatter", WORK_SCATTER, HIDE_WITH_GEMM, -1);
    else
        add_collective(s, list, "reduce", WORK_REDUCE, HIDE_NEVER, 0);
}

static void add_column_backward(const TransformerShape *s, WorkList *list, const char *grad,
                                const char *weight, double out) {
    add_cast(s, list, out);
    if (s->sequence_parallel) add_collective(s, list, "gather input", WORK_GATHER, HIDE_ALWAYS, 1);
    add_gemm(s, list, grad, 1, s->tokens, s->hidden, out, 0);
    add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                   s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_ALWAYS, 1);
    add_gemm(s, list, weight, 1, out, s->hidden, s->tokens, s->gradient);
    if (!s->gated) add_memory(list, "bias grad", s->element * s->tokens * out);
}

static void add_row_backward(const TransformerShape *s, WorkList *list, const char *grad,
                             const char *weight, double in) {
    if (s->sequence_parallel)
        add_collective(s, list, "gather", WORK_GATHER, HIDE_WITH_GEMM,
                       s->operand < s->element ? 2 : 1);
    add_cast(s, list, s->hidden);
    add_gemm(s, list, grad, 1, s->tokens, in, s->hidden, 0);
    add_gemm(s, list, weight, 1, s->hidden, in, s->tokens, s->gradient);
}

void transformer_layer_forward(const TransformerShape *s, WorkList *list) {
    add_norm(s, list);
    add_column(s, list, "qkv", (s->heads + 2 * s->kv_heads) * s->head_dim);
    add_rotary(s, list);
    add_core_attention(s, list);
    add_row(s, list, "proj", s->heads * s->head_dim);
    add_residual(s, list);
    add_norm(s, list);
    add_column(s, list, "fc1", s->ffn_in);
    add_activation(s, list);
    add_row(s, list, "fc2", s->ffn);
    add_residual(s, list);
}

/// Backward of x + dropout(y): the gradient goes two ways; where they meet again they are added.
static void add_residual_backward(const TransformerShape *s, WorkList *list) {
    const double numbers = s->tokens_norm * s->hidden;
    if (s->dropout) add_memory(list, "dropout grad", (2 * s->element + 1) * numbers);
    add_memory(list, "residual grad", 3 * s->element * numbers);
}

static void add_norm_backward(const TransformerShape *s, WorkList *list) {
    add_memory(list, "norm grad", 3 * s->element * s->tokens_norm * s->hidden);
}

void transformer_layer_recompute(const TransformerShape *s, WorkList *list) {
    if (s->recompute_core_attention) add_core_attention(s, list);
    if (s->recompute_mlp_activation) add_activation(s, list);
    if (s->recompute_layernorm) {
        add_norm(s, list);
        add_norm(s, list);
    }
}

void transformer_layer_backward(const TransformerShape *s, WorkList *list) {
    transformer_layer_recompute(s, list);
    add_row_backward(s, list, "fc2 grad", "fc2 weight grad", s->ffn);
    add_memory(list, "activation grad", s->element * s->tokens * (2 * s->ffn_in + s->ffn));
    add_column_backward(s, list, "fc1 grad", "fc1 weight grad", s->ffn_in);
    add_norm_backward(s, list);
    add_residual_backward(s, list);
    add_row_backward(s, list, "proj grad", "proj weight grad", s->heads * s->head_dim);
    add_core_attention_backward(s, list);
    add_rotary(s, list);
    add_column_backward(s, list, "qkv grad", "qkv weight grad",
                        (s->heads + 2 * s->kv_heads) * s->head_dim);
    add_norm_backward(s, list);
    add_residual_backward(s, list);
}

void transformer_embedding_forward(const TransformerShape *s, WorkList *list) {
    add_memory(list, "embedding", 2 * s->element * s->tokens * s->hidden);
    add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                   s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_NEVER, 0);
    if (s->dropout) add_memory(list, "dropout", (2 * s->element + 1) * s->tokens_norm * s->hidden);
}

void transformer_embedding_backward(const TransformerShape *s, WorkList *list) {
    if (s->dropout)
        add_memory(list, "dropout grad", (2 * s->element + 1) * s->tokens_norm * s->hidden);
    if (s->sequence_parallel) add_collective(s, list, "gather", WORK_GATHER, HIDE_NEVER, 0);
    add_memory(list, "embedding grad", (s->element + 2 * s->gradient) * s->tokens * s->hidden);
}

// Cross entropy over a vocabulary cut among GPUs, passes over the logits in bytes per number as in
// Megatron-LM tensor_parallel/cross_entropy.py: cast to fp32 (2 + 4), maximum (4), subtract in
// place (8), exponential in place (8), sum (4), divide in place (8); backward: scale by the
// incoming gradient (8), cast (4 + 2).
enum { LOSS_FORWARD_BYTES = 38, LOSS_BACKWARD_BYTES = 14 };

void transformer_head_forward(const TransformerShape *s, WorkList *list) {
    add_norm(s, list);
    add_column(s, list, "head", s->vocab);
    add_memory(list, "loss", LOSS_FORWARD_BYTES * s->tokens * s->vocab);
}

void transformer_head_backward(const TransformerShape *s, WorkList *list) {
    add_memory(list, "loss grad", LOSS_BACKWARD_BYTES * s->tokens * s->vocab);
    if (s->sequence_parallel) add_collective(s, list, "gather input", WORK_GATHER, HIDE_ALWAYS, 1);
    add_gemm(s, list, "head grad", 1, s->tokens, s->hidden, s->vocab, 0);
    add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                   s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_ALWAYS, 1);
    add_gemm(s, list, "head weight grad", 1, s->vocab, s->hidden, s->tokens, s->gradient);
    add_norm_backward(s, list);
}

void transformer_handover(const TransformerShape *s, WorkList *list) {
    if (!s->sequence_parallel)
        add_collective(s, list, "hand-over gather", WORK_GATHER, HIDE_NEVER, 0);
}

double transformer_flop(const WorkList *list) {
    double flop = 0;
    for (int32_t i = 0; i < list->n; ++i) flop += list->work[i].flop;
    return flop;
}

double transformer_layer_parameters(const TransformerShape *s) {
    const double qkv = (s->heads + 2 * s->kv_heads) * s->head_dim;
    const double matrices = s->hidden * (qkv + s->heads * s->head_dim + s->ffn_in + s->ffn);
    // RMSNorm has a weight; LayerNorm a weight and a bias, and the linear layers have biases.
    const double vectors =
        s->gated ? 2 * s->hidden : 4 * s->hidden + qkv + s->ffn_in + 2 * s->hidden;
    return matrices + vectors;
}

double transformer_embedding_parameters(const TransformerShape *s) { return s->vocab * s->hidden; }

double transformer_head_parameters(const TransformerShape *s, bool tied_here) {
    return (tied_here ? 0 : s->vocab * s->hidden) + (s->gated ? 1 : 2) * s->hidden;
}

double transformer_model_flop(const ModelSpec *model, int32_t sequence, bool causal) {
    const double h = model->hidden, s = sequence;
    const double heads = (double)model->heads * model->head_dim;
    const double kv = (double)model->kv_heads * model->head_dim;
    const double ffn = (double)model->ffn * (model->activation == ACTIVATION_SWIGLU ? 3 : 2);
    const double layer = h * (2 * heads + 2 * kv + ffn);
    const double linear = 6 * s * (model->layers * layer + h * model->vocab);
    const double attention = 12 * s * s * heads * model->layers;
    return linear + (causal ? attention / 2 : attention);
}
