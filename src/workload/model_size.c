#include "workload/model_size.h"

#include <math.h>

#include "workload/mixture.h"
#include "workload/transformer.h"

/// The model on a single GPU.
static TransformerShape whole_shape(const ModelSpec *model) {
    const ParallelSpec alone = {
        .size = {1, 1, 1, 1, 1}, .ep = 1, .expert_tp = 1, .chunks = 1, .microbatch = 1};
    return transformer_shape(model, &alone, &(TrainingSpec){.sequence = 1});
}

static void count_kinds(const ModelSpec *model, double n[LAYER_KIND_N]) {
    for (int32_t i = 0; i < model->layers + model->mtp_layers; ++i)
        n[model_layer_kind(model, i)] += 1;
}

ModelSize model_size(const ModelSpec *model) {
    const TransformerShape whole = whole_shape(model);
    double n[LAYER_KIND_N] = {0};
    count_kinds(model, n);
    ModelSize size = {.embedding = transformer_embedding_parameters(&whole)};
    size.total = size.embedding + transformer_head_parameters(&whole, model->tied_embeddings);
    double idle = 0;
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
        const TransformerShape s = transformer_of_kind(&whole, (LayerKind)kind);
        size.total += n[kind] * transformer_layer_parameters(&s);
        if (s.mixture) idle += n[kind] * mixture_expert_parameters(&s) * (1 - s.top_k / s.experts);
    }
    size.active = size.total - idle;
    return size;
}

/// Of a token, forward: numbers of the matrices it passes.
static double layer_matrices(const TransformerShape *s) {
    const double gates = s->gated ? 3 : 2;
    double n = s->heads * s->value_dim * s->hidden;
    if (s->kv_lora > 0)
        n += (s->q_lora > 0 ? s->q_lora * (s->hidden + s->heads * s->head_dim)
                            : s->hidden * s->heads * s->head_dim) +
             s->hidden * (s->kv_lora + s->rope) + s->kv_lora * s->heads * (s->nope + s->value_dim);
    else
        n += s->hidden * (s->heads + 2 * s->kv_heads) * s->head_dim;
    if (s->mixture)
        n += s->hidden * (s->experts + gates * (s->top_k * s->expert_ffn + s->shared_ffn));
    else
        n += s->hidden * gates * s->ffn;
    return n + (s->mtp ? 2 * s->hidden * s->hidden + s->hidden * s->vocab : 0);
}

/// Pairs of tokens that attention joins.
static double attended(const TransformerShape *s, double sequence, bool causal) {
    if (!causal) return sequence * sequence;
    const double w = s->window > 0 ? fmin(s->window, sequence) : sequence;
    return w * sequence - w * w / 2;
}

double model_flop(const ModelSpec *model, int32_t sequence, bool causal) {
    const TransformerShape whole = whole_shape(model);
    double n[LAYER_KIND_N] = {0}, matrices = whole.hidden * whole.vocab, attention = 0;
    count_kinds(model, n);
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
        const TransformerShape s = transformer_of_kind(&whole, (LayerKind)kind);
        matrices += n[kind] * layer_matrices(&s);
        attention +=
            n[kind] * s.heads * (s.head_dim + s.value_dim) * attended(&s, sequence, causal);
    }
    return 6 * (sequence * matrices + attention);
}
