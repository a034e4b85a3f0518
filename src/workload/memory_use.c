#include "workload/memory_use.h"

#include <math.h>

double memory_layer_activation(const TransformerShape *s, bool whole) {
    const double t = s->tokens, tn = s->tokens_norm, h = s->hidden, e = s->element;
    if (whole) return e * tn * h;  // the input of the layer
    double bytes = 2 * e * tn * h; // inputs of both norms
    if (!shape_recomputes(s, RECOMPUTE_LAYERNORM)) bytes += 2 * e * tn * h; // inputs of qkv and fc1
    if (s->dropout) bytes += 2 * tn * h;                         // masks of both residuals
    bytes += e * t * (s->heads + 2 * s->kv_heads) * s->head_dim; // query, key, value
    bytes += e * t * s->heads * s->head_dim;                     // input of proj
    bytes += e * t * s->ffn_in;                                  // input of the activation
    if (!shape_recomputes(s, RECOMPUTE_MLP_ACTIVATION)) bytes += e * t * s->ffn; // input of fc2
    const double scores = s->batch * s->heads * s->sequence * s->sequence;
    if (s->flash)
        bytes += 4 * t * s->heads; // logarithm of the softmax sum
    else if (!shape_recomputes(s, RECOMPUTE_CORE_ATTENTION))
        bytes += scores * (s->dropout ? 2 * e + 1 : e); // softmax, mask, dropped
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
    const int64_t pp = parallel->size[DIM_PP], m = parallel->microbatches;
    if (parallel->schedule == SCHEDULE_NONE) return chunk_bytes[0];
    if (parallel->schedule == SCHEDULE_GPIPE) return (double)m * chunk_bytes[0];
    if (parallel->schedule == SCHEDULE_1F1B)
        return (double)(m < pp - stage ? m : pp - stage) * chunk_bytes[0];
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

int32_t memory_whole_layers(const TrainingSpec *training, int32_t first, int32_t n) {
    const int64_t every = training->recompute_full_every;
    if (every == 0) return 0;
    const int64_t end = (int64_t)first + n;
    return (int32_t)((end + every - 1) / every - (first + every - 1) / every);
}

/// Gathered tensors in use: input and gradient of a linear layer, and a layer under recomputation.
static double workspace_bytes(const TransformerShape *s, const TrainingSpec *training) {
    double bytes = s->sequence_parallel ? 2 * s->element * s->tokens * s->hidden : 0;
    if (training->recompute_full_every > 0) {
        TransformerShape plain = *s;
        plain.recompute = 0;
        return bytes + memory_layer_activation(&plain, false);
    }
    TransformerShape kept = *s;
    kept.recompute = 0;
    return bytes + memory_layer_activation(&kept, false) - memory_layer_activation(s, false);
}

/// Of one parameter. fp8 holds two casts, one per operand layout, beside the 16-bit weight; where the
/// gather brings fp8, the casts are all there is (Transformer Engine, fp8_model_init).
static double weight_bytes(const TransformerShape *s, const TrainingSpec *training) {
    if (training->precision != PRECISION_FP8) return s->element;
    return training->param_precision == PRECISION_FP8 ? 2 : s->element + 2;
}

/// No GPU has an exabyte: what needs more is refused all the same, and the sum of all terms fits.
static int64_t whole_bytes(double bytes) { return (int64_t)fmin(bytes, 1e18); }

MemoryUse memory_use(const ModelSpec *model, const ParallelSpec *parallel,
                     const TrainingSpec *training, int32_t stage,
                     const StageParameters *parameters) {
    const TransformerShape s = transformer_shape(model, parallel, training);
    const int32_t pp = parallel->size[DIM_PP];
    const double dp = (double)parallel_holders(parallel);
    double chunk_bytes[CHUNKS_MAX] = {0};
    for (int32_t c = 0; c < parallel->chunks; ++c) {
        const int32_t v = c * pp + stage;
        const int32_t layers = parallel_layers(parallel, model, v);
        const int32_t whole =
            memory_whole_layers(training, parallel_stage_layers(parallel, model, v).first, layers);
        const int32_t plain = layers - whole;
        chunk_bytes[c] =
            plain * memory_layer_activation(&s, false) + whole * memory_layer_activation(&s, true);
    }
    const double p = parameters->all;
    const double share = parallel->zero >= 1 ? p / dp : p;
    const double weight = weight_bytes(&s, training);
    MemoryUse use = {
        .weights = whole_bytes(weight * parameters->whole),
        .gradients = whole_bytes(s.gradient * (parallel->zero >= 2 ? p / dp : p)),
        .optimizer = whole_bytes(12 * share), // fp32 weight and two moments of Adam
        .activations = whole_bytes(memory_in_flight(parallel, stage, chunk_bytes)),
        // Logits in the training precision, in fp32, and their gradient.
        .logits = stage == pp - 1 ? whole_bytes((2 * s.element + 4) * s.tokens * s.vocab) : 0,
        .workspace = whole_bytes(workspace_bytes(&s, training) +
                                 (parallel->zero >= 2 ? s.gradient * parameters->bucket : 0)),
    };
    use.total =
        use.weights + use.gradients + use.optimizer + use.activations + use.logits + use.workspace;
    return use;
}
