#include "workload/memory_use.h"

#include <math.h>

#include "workload/attention.h"
#include "workload/mixture.h"

/// Bytes of a number that stands in memory as the input of a linear layer.
static double operand(const TransformerShape *s) { return fmin(s->element, s->operand); }

static double attention_activation(const TransformerShape *s) {
    const double t = s->tokens, tn = s->tokens_norm, e = s->element;
    const double keys = s->kv_lora > 0 ? s->heads : s->kv_heads;
    double bytes = 0;
    if (s->kv_lora > 0) // narrow queries, keys and values, normalised and before
        bytes += e * tn * (s->q_lora + s->kv_lora + s->rope);
    if (s->kv_lora > 0 && !shape_recomputes(s, RECOMPUTE_MLA_UP))
        bytes += operand(s) * tn * (s->q_lora + s->kv_lora);
    if (s->kv_lora == 0 || !shape_recomputes(s, RECOMPUTE_MLA_UP))
        bytes += e * t * ((s->heads + keys) * s->head_dim + keys * s->value_dim);
    if (s->qk_norm) bytes += e * t * (s->heads + s->kv_heads) * s->head_dim;
    bytes += operand(s) * t * s->heads * s->value_dim; // input of proj
    // Transformer Engine keeps what attention gave before heads were exchanged for tokens again.
    if (s->swaps_heads) bytes += e * t * s->heads * s->value_dim;
    if (s->flash)
        bytes += 4 * t * s->heads; // logarithm of the softmax sum
    else if (!shape_recomputes(s, RECOMPUTE_CORE_ATTENTION))
        bytes += attention_scores(s) * (s->dropout ? 2 * e + 1 : e); // softmax, mask, dropped
    return bytes;
}

/// Bytes of a number that is kept once more for being clamped.
static double clamped(const TransformerShape *s) { return s->clamp ? s->element : 0; }

static double mlp_activation(const TransformerShape *s) {
    if (shape_recomputes(s, RECOMPUTE_MLP)) return 0;
    double bytes = s->activation_kept * s->tokens * s->ffn_in;
    if (!shape_recomputes(s, RECOMPUTE_MLP_ACTIVATION))
        bytes += s->tokens * (operand(s) * s->ffn + clamped(s) * s->ffn_in);
    return bytes;
}

/// Of each token its scores in fp32, their choice, and where its rows went.
enum { ROUTING_BYTES = 9, ROW_BYTES = 8 };

static double mixture_activation(const TransformerShape *s) {
    if (shape_recomputes(s, RECOMPUTE_MOE)) return 0;
    TransformerShape shared = works_with_ffn(s, s->shared_ffn);
    shared.recompute = 0;
    const double in = (s->gated ? 2 : 1) * s->expert_ffn;
    double bytes = s->tokens_norm * (ROUTING_BYTES * s->experts + ROW_BYTES * s->top_k) +
                   operand(s) * s->routed * s->hidden + s->activation_kept * s->routed * in;
    if (!shape_recomputes(s, RECOMPUTE_MOE_ACTIVATION))
        bytes +=
            s->routed * (operand(s) * s->expert_ffn + (s->fused_experts ? 0 : clamped(s) * in));
    return bytes + mlp_activation(&shared);
}

double memory_layer_activation(const TransformerShape *s, bool whole) {
    const double tn = s->tokens_norm, h = s->hidden, e = s->element;
    const double input = e * tn * h, norms = s->parallel_block ? 1 : 2;
    if (whole) return input;
    double bytes = norms * input; // of the norms
    if (!shape_recomputes(s, RECOMPUTE_LAYERNORM)) bytes += norms * operand(s) * tn * h;
    if (s->dropout) bytes += norms * tn * h; // masks of the residuals
    bytes += attention_activation(s);
    bytes += s->mixture ? mixture_activation(s) : mlp_activation(s);
    if (s->mtp) bytes += 3 * input + 2 * operand(s) * tn * h; // two inputs and the projection's
    return bytes;
}

/// Chunk of the k-th forward of the interleaved order; backwards go through the chunks from the
/// last.
static int32_t interleaved_chunk(const ParallelSpec *parallel, int64_t k, bool backward) {
    const int64_t round = (int64_t)parallel->size[DIM_PP] * parallel->chunks;
    const int32_t chunk = (int32_t)(k % round / parallel->size[DIM_PP]);
    return backward ? parallel->chunks - 1 - chunk : chunk;
}

double memory_in_flight(const ParallelSpec *parallel, int32_t stage, const double chunk_bytes[]) {
    const int64_t pp = parallel->size[DIM_PP], m = parallel_most_microbatches(parallel);
    if (parallel->schedule == SCHEDULE_NONE) return chunk_bytes[0];
    if (parallel->schedule == SCHEDULE_GPIPE) return (double)m * chunk_bytes[0];
    if (parallel->schedule == SCHEDULE_1F1B)
        return (double)(m < pp - stage ? m : pp - stage) * chunk_bytes[0];
    // Zero bubble puts off gradients of weights, and with them lets go, so that all stages keep what the first does.
    if (parallel->schedule == SCHEDULE_ZERO_BUBBLE)
        return (double)(m < pp ? m : pp) * chunk_bytes[0];
    if (parallel->schedule == SCHEDULE_DUALPIPE) { // most where the first pair begins
        const int64_t depth = stage < pp / 2 ? stage : pp - 1 - stage;
        const int32_t near = stage >= pp / 2;
        return (double)(pp - depth) * chunk_bytes[near] +
               (double)(depth + 1) * chunk_bytes[1 - near];
    }
    const int64_t total = m * parallel->chunks;
    const int64_t wanted = (pp - stage - 1) * 2 + (parallel->chunks - 1) * pp;
    const int64_t warm = wanted < total ? wanted : total;
    double live = 0, high = 0;
    // Behind the warm-up a round takes as much as it gives back: the first shows the most.
    const int64_t round = pp * parallel->chunks;
    const int64_t end = total < warm + round ? total : warm + round;
    for (int64_t k = 0; k < end; ++k) {
        live += chunk_bytes[interleaved_chunk(parallel, k, false)];
        high = fmax(high, live);
        if (k >= warm) live -= chunk_bytes[interleaved_chunk(parallel, k - warm, true)];
    }
    return high;
}

void memory_count_layers(const ModelSpec *model, const TrainingSpec *training, LayerRange range,
                         bool whole, int32_t n[LAYER_KIND_N]) {
    const int32_t every = training->recompute_full_every;
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) n[kind] = 0;
    for (int32_t i = 0; i < range.n + range.mtp; ++i) {
        const int32_t layer = i < range.n ? range.first + i : model->layers + i - range.n;
        const bool is_whole = every > 0 && layer % every == 0;
        if (is_whole == whole) ++n[model_layer_kind(model, layer)];
    }
}

/// What layers of a virtual stage keep, those offloaded to the host apart.
static double chunk_activation(const ModelSpec *model, const ParallelSpec *parallel,
                               const TrainingSpec *training, const TransformerShape *shape,
                               int32_t v) {
    const LayerRange range = {.first = parallel_stage_layers(parallel, model, v).first,
                              .n = parallel_layers(parallel, model, v),
                              .mtp = parallel_mtp_layers(parallel, model, v)};
    double bytes = 0;
    for (int whole = 0; whole < 2; ++whole) {
        int32_t n[LAYER_KIND_N];
        memory_count_layers(model, training, range, whole == 1, n);
        for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
            const TransformerShape s = transformer_of_kind(shape, (LayerKind)kind);
            bytes += n[kind] * memory_layer_activation(&s, whole == 1);
        }
    }
    const int32_t layers = range.n + range.mtp;
    const double kept = layers > training->offload_layers ? layers - training->offload_layers : 0;
    return layers > 0 ? bytes * kept / layers : 0;
}

/// While the fullest layer goes back: what is recomputed for it, and the gradients of its widest part.
static double passing_bytes(const TransformerShape *s, const TrainingSpec *training) {
    TransformerShape kept = *s;
    kept.recompute = 0;
    const bool whole = training->recompute_full_every > 0;
    const double again =
        memory_layer_activation(&kept, false) - (whole ? 0 : memory_layer_activation(s, false));
    const double in = (s->gated ? 2 : 1) * s->expert_ffn;
    const double widest = s->mixture ? s->routed * (in + s->expert_ffn + s->hidden)
                                     : s->tokens * (s->ffn_in + s->ffn);
    return again + s->element * (widest + s->tokens_norm * s->hidden);
}

/// Transformer Engine adds weight gradients into the buffer, and gives the framework for each shape of
/// a weight one tensor in 16 bit that nobody reads (module/base.py, get_dummy_wgrad); so does
/// Megatron-LM for the head. Where gradients are sharded there is no such buffer: they are those of the
/// bucket that is reduced.
static double dummy_bytes(const TransformerShape *shape, const bool has[LAYER_KIND_N], bool head) {
    double dense = 0, mixture = 0, attention = 0;
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
        if (!has[kind]) continue;
        const TransformerShape s = transformer_of_kind(shape, (LayerKind)kind);
        attention = attention_parameters(&s);
        if (s.mixture)
            mixture =
                mixture_parameters(&s) - mixture_expert_parameters(&s) * (1 - 1 / s.experts_here);
        else
            dense = works_mlp_parameters(&s);
    }
    const double of_head = head ? shape->vocab * shape->hidden : 0;
    return shape->element * (attention + dense + mixture + of_head);
}

static bool has_head(const ParallelSpec *parallel, int32_t stage) {
    return stage == parallel->size[DIM_PP] - 1 ||
           (stage == 0 && parallel->schedule == SCHEDULE_DUALPIPE);
}

typedef struct Workspace {
    double passing, standing;
} Workspace;

static Workspace workspace(const ModelSpec *model, const ParallelSpec *parallel,
                           const TrainingSpec *training, const TransformerShape *shape,
                           int32_t stage) {
    const int32_t pp = parallel->size[DIM_PP];
    bool has[LAYER_KIND_N] = {false};
    for (int32_t c = 0; c < parallel_stage_chunks(parallel); ++c) {
        const StageLayers layers =
            parallel_stage_layers(parallel, model, parallel_part(parallel, c * pp + stage));
        for (int kind = 0; kind < LAYER_KIND_N; ++kind) has[kind] = has[kind] || layers.n[kind];
    }
    Workspace work = {0};
    if (parallel->zero < 2) work.standing = dummy_bytes(shape, has, has_head(parallel, stage));
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
        if (!has[kind]) continue;
        const TransformerShape s = transformer_of_kind(shape, (LayerKind)kind);
        work.passing = fmax(work.passing, passing_bytes(&s, training));
    }
    // Gathered input and gradient of a linear layer.
    if (shape->sequence_parallel && shape->tp > 1)
        work.standing += 2 * shape->element * shape->tokens * shape->hidden;
    return work;
}

/// Logits and in their place their gradient; or both in turn beside the softmax in fp32 (Megatron-LM
/// tensor_parallel/cross_entropy.py). Multi-token prediction has its own.
static double logits_bytes(const ModelSpec *model, const TrainingSpec *training,
                           const TransformerShape *s) {
    const double number = training->fused_loss ? s->element : s->element + 4;
    return (1 + model->mtp_layers) * number * s->tokens * s->vocab;
}

/// Of one parameter. fp8 holds two casts, one per operand layout, beside the 16-bit weight; where the
/// gather brings fp8, the casts are all there is (Transformer Engine, fp8_model_init), and with mxfp8,
/// whose parameters travel in 16 bit through the gradient buffer (Megatron-LM
/// --reuse-grad-buf-for-mxfp8-param-ag).
static double weight_bytes(const TransformerShape *s, const TrainingSpec *training) {
    if (!PRECISION_FORMATS[training->precision].cast) return s->element;
    const bool primary =
        PRECISION_FORMATS[training->param_precision].cast || training->precision == PRECISION_MXFP8;
    return (primary ? 0 : s->element) + 2 * s->operand;
}

/// No GPU has an exabyte: what needs more is refused all the same, and the sum of all terms fits.
static int64_t whole_bytes(double bytes) { return (int64_t)fmin(bytes, 1e18); }

/// Where two microbatches take turns, more are in flight (schedule/one_f_one_b.c); while one goes forward the other goes back,
/// layer by layer, so that of the last one only a layer is there.
static double ahead_bytes(const ModelSpec *model, const ParallelSpec *parallel,
                          const TransformerShape *shape, int32_t stage,
                          const double chunk_bytes[]) {
    const int32_t more = parallel->schedule == SCHEDULE_1F1B ? parallel->size[DIM_PP] - stage : 1;
    const int32_t most = parallel_most_microbatches(parallel), ahead = more < most ? more : most;
    double chunk = 0;
    for (int32_t c = 0; c < parallel_stage_chunks(parallel); ++c)
        chunk = fmax(chunk, chunk_bytes[c]);
    const LayerKind last = model_layer_kind(model, model->layers - 1);
    const TransformerShape layer = transformer_of_kind(shape, last);
    return (ahead - 1) * chunk + memory_layer_activation(&layer, false);
}

MemoryUse memory_use(const ModelSpec *model, const ParallelSpec *parallel,
                     const TrainingSpec *training, int32_t stage,
                     const StageParameters *parameters) {
    TransformerShape s = transformer_shape(model, parallel, training);
    s.routed *= s.fullest;
    const int32_t pp = parallel->size[DIM_PP];
    double chunk_bytes[CHUNKS_MAX] = {0};
    for (int32_t c = 0; c < parallel_stage_chunks(parallel); ++c)
        chunk_bytes[c] = chunk_activation(model, parallel, training, &s,
                                          parallel_part(parallel, c * pp + stage));
    const double all = parameters->rest + parameters->experts;
    const double shard = memory_shard(parallel, parameters->rest, parameters->experts);
    const double ahead =
        training->ep_overlap ? ahead_bytes(model, parallel, &s, stage, chunk_bytes) : 0;
    const double logits = has_head(parallel, stage) ? logits_bytes(model, training, &s) : 0;
    const Workspace work = workspace(model, parallel, training, &s, stage);
    MemoryUse use = {
        .weights = whole_bytes(weight_bytes(&s, training) * parameters->whole),
        .gradients = whole_bytes(s.gradient * (parallel->zero >= 2 ? shard : all)),
        // fp32 weight and two moments of Adam
        .optimizer = whole_bytes(12 * (parallel->zero >= 1 ? shard : all)),
        .activations = whole_bytes(memory_in_flight(parallel, stage, chunk_bytes) + ahead),
        .logits = whole_bytes(logits),
        // Logits are gone when the first layer goes back.
        .workspace = whole_bytes(work.standing + fmax(0, work.passing - logits) +
                                 (parallel->zero >= 2 ? s.gradient * parameters->bucket : 0)),
    };
    use.total =
        use.weights + use.gradients + use.optimizer + use.activations + use.logits + use.workspace;
    return use;
}

double memory_shard(const ParallelSpec *parallel, double rest, double experts) {
    return (rest / (double)parallel_shards(parallel) +
            experts / (double)parallel_expert_holders(parallel)) /
           parallel_copies(parallel);
}
