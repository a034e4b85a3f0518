#include "workload/attention.h"

#include "workload/works.h"

/// One of the GEMMs of unfused attention: `batch` problems, 16-bit operands.
static void add_attention_gemm(const TransformerShape *s, WorkList *list, const char *name,
                               double n, double k) {
    works_add_wide_gemm(s, list, name, s->batch * s->heads, s->sequence / s->cp, n, k, 0);
    list->work[list->n - 1].attention = true;
    list->work[list->n - 1].wide = false;
}

// A fused kernel reads and writes queries and keys. A scaled embedding is none of its: for each of both a product with cosines,
// half of them negated, a copy that swaps halves, a product with sines, a sum and a copy (Megatron-LM
// core/models/common/embeddings/rope_utils.py, where mscale is not 1). Backward as many.
enum { ROTARY_PASSES = 2, SCALED_PASSES = 12, SCALED_KERNELS = 12 };

static void add_rotary(const TransformerShape *s, WorkList *list) {
    if (!s->gated) return;
    const double numbers = s->tokens * (s->heads + s->kv_heads) * s->head_dim;
    works_add_memory(list, "rotary",
                     (s->yarn ? SCALED_PASSES : ROTARY_PASSES) * s->element * numbers);
    if (s->yarn) list->work[list->n - 1].more_kernels = SCALED_KERNELS - 1;
}

/// FLOP of both attention GEMMs, forward, the part that a kernel runs: what the mask leaves, in pairs
/// of tokens, or all of it where scores are written out.
static double attention_flop(const TransformerShape *s) {
    const double t = s->sequence, w = s->window > 0 && s->window < t ? s->window : t;
    const double pairs = s->flash ? w * t - w * w / 2 : t * t;
    return 2 * s->batch * pairs * s->heads * (s->head_dim + s->value_dim) / s->cp;
}

/// Queries, keys, values and results of the attention core.
static double attention_numbers(const TransformerShape *s) {
    return (s->heads + s->kv_heads) * (s->head_dim + s->value_dim);
}

/// A kernel over causal attention: tokens of a sequence with as many pairs a token, and numbers of a head.
static void add_kernel(const TransformerShape *s, WorkList *list, const char *name, WorkKind kind,
                       double forwards, double passes) {
    Work *work = works_append(list, name, kind);
    work->flop = forwards * attention_flop(s);
    work->bytes = passes * s->element * s->tokens * attention_numbers(s);
    work->k = s->value_dim;
    work->latent = s->head_dim > s->value_dim;
    work->blocks = s->cp_algorithm == CP_RING ? s->cp : 1;
    work->n = attention_flop(s) / (s->tokens * s->heads * (s->head_dim + s->value_dim));
}

double attention_scores(const TransformerShape *s) {
    return s->batch * s->heads * s->sequence * s->sequence / s->cp;
}

/// Keys and values of a token.
static double kv_numbers(const TransformerShape *s) {
    return s->kv_heads * (s->head_dim + s->value_dim);
}

/// A collective among the GPUs that share a sequence, of so many numbers for each of its tokens that the result has
/// (gather), there were (scatter), or a GPU has (exchange).
static void add_shared(const TransformerShape *s, WorkList *list, const char *name, WorkKind kind,
                       double numbers) {
    Work *work = works_append(list, name, kind);
    work->bytes = s->element * s->tokens * numbers * (kind == WORK_EXCHANGE ? 1 : s->cp);
    work->along = DIM_CP;
    work->partner = -1;
}

/// Blocks of keys and values (backward also their gradients) go round behind the attention that was appended last.
static void add_ring(const TransformerShape *s, WorkList *list, const char *name, double numbers) {
    add_shared(s, list, name, WORK_GATHER, numbers);
    Work *work = &list->work[list->n - 1];
    if (!s->flash) return;
    work->hiding = HIDE_IN_RING;
    work->partner = list->n - 2;
}

// What Transformer Engine does to the blocks of a ring (context_parallel.py, AttnFuncWithCPAndKVP2P): keys and values are put
// into one buffer; the result of the first block is scaled, that of each other one scaled and added, by two kernels with its
// sums of exponentials. Backward the gradient of queries is copied, then added to; keys and values are put together and added
// to what came round.
static void add_merge(const TransformerShape *s, WorkList *list) {
    const double later = LATER_BLOCK * (s->cp - 1);
    works_add_memory(
        list, "merge of blocks",
        s->element * s->tokens * (2 * kv_numbers(s) + (2 + 3 * later) * s->heads * s->value_dim));
    list->work[list->n - 1].more_kernels = 2 * s->cp - 1;
}

static void add_merge_backward(const TransformerShape *s, WorkList *list) {
    const double later = LATER_BLOCK * (s->cp - 1);
    works_add_memory(
        list, "merge of blocks grad",
        s->element * s->tokens *
            ((4 + 5 * later) * kv_numbers(s) + (2 + 3 * later) * s->heads * s->head_dim));
    list->work[list->n - 1].more_kernels = 3 * s->cp - 1;
}

static void add_context_before(const TransformerShape *s, WorkList *list) {
    if (s->cp == 1 || s->cp_algorithm == CP_RING) return;
    if (s->cp_algorithm == CP_ALL_GATHER)
        add_shared(s, list, "gather keys", WORK_GATHER, kv_numbers(s));
    else
        add_shared(s, list, "tokens for heads", WORK_EXCHANGE,
                   s->heads * s->head_dim + kv_numbers(s));
}

static void add_context_after(const TransformerShape *s, WorkList *list) {
    if (s->cp == 1) return;
    if (s->cp_algorithm == CP_RING) {
        add_ring(s, list, "ring of keys", kv_numbers(s));
        if (s->flash) add_merge(s, list);
    }
    if (s->cp_algorithm == CP_ALL_TO_ALL)
        add_shared(s, list, "heads for tokens", WORK_EXCHANGE, s->heads * s->value_dim);
}

static void add_context_before_backward(const TransformerShape *s, WorkList *list) {
    if (s->cp == 1 || s->cp_algorithm == CP_RING) return;
    if (s->cp_algorithm == CP_ALL_GATHER)
        add_shared(s, list, "gather keys", WORK_GATHER, kv_numbers(s));
    else
        add_shared(s, list, "tokens for heads grad", WORK_EXCHANGE, s->heads * s->value_dim);
}

static void add_context_after_backward(const TransformerShape *s, WorkList *list) {
    if (s->cp == 1) return;
    switch (s->cp_algorithm) {
        case CP_RING:
            add_ring(s, list, "ring of keys grad", 2 * kv_numbers(s));
            if (s->flash) add_merge_backward(s, list);
            break;
        case CP_ALL_GATHER:
            add_shared(s, list, "scatter keys grad", WORK_SCATTER, kv_numbers(s));
            break;
        case CP_ALL_TO_ALL:
            add_shared(s, list, "heads for tokens grad", WORK_EXCHANGE,
                       s->heads * s->head_dim + kv_numbers(s));
            break;
        case CP_ALGORITHM_N: break;
    }
}

static void add_core(const TransformerShape *s, WorkList *list) {
    if (s->flash) {
        add_kernel(s, list, "attention", WORK_ATTENTION, 1, 1);
        return;
    }
    const double scores = attention_scores(s);
    add_attention_gemm(s, list, "scores", s->sequence, s->head_dim);
    works_add_memory(list, "softmax", 2 * s->element * scores);
    if (s->dropout) works_add_memory(list, "attention dropout", (2 * s->element + 1) * scores);
    add_attention_gemm(s, list, "context", s->value_dim, s->sequence);
}

static void add_core_backward(const TransformerShape *s, WorkList *list) {
    if (s->flash) {
        // Five GEMMs where the forward has two: the scores are computed again (arXiv:2307.08691,
        // section 4.1). In fp8 they run over all keys before a token, whatever its window: with one of 128 tokens the
        // time of cuDNN 9.19 to 9.27 grows with the square of the sequence (NVIDIA/cudnn-frontend,
        // benchmark/attention_training, gpt_oss).
        TransformerShape swept = *s;
        if (s->attention_fp8) swept.window = 0;
        add_kernel(&swept, list, "attention backward", WORK_ATTENTION_BACKWARD, 2.5, 2);
        return;
    }
    const double scores = attention_scores(s);
    add_attention_gemm(s, list, "scores grad", s->sequence, s->value_dim);
    add_attention_gemm(s, list, "value grad", s->value_dim, s->sequence);
    if (s->dropout) works_add_memory(list, "attention dropout grad", (2 * s->element + 1) * scores);
    works_add_memory(list, "softmax grad", 3 * s->element * scores);
    add_attention_gemm(s, list, "query grad", s->head_dim, s->sequence);
    add_attention_gemm(s, list, "key grad", s->head_dim, s->sequence);
}

void attention_add_core(const TransformerShape *s, WorkList *list) {
    add_context_before(s, list);
    add_core(s, list);
    add_context_after(s, list);
}

void attention_add_core_backward(const TransformerShape *s, WorkList *list) {
    add_context_before_backward(s, list);
    add_core_backward(s, list);
    add_context_after_backward(s, list);
}

// Latent attention. The narrow projections are whole on every GPU of a tensor-parallel group, and see
// the tokens that a norm sees; what they give is gathered for the wide ones.

static double mla_narrow(const TransformerShape *s) { return s->q_lora + s->kv_lora + s->rope; }

static double mla_queries(const TransformerShape *s) { return s->heads * s->head_dim; }

static double mla_wide(const TransformerShape *s) { return s->heads * (s->nope + s->value_dim); }

static void add_mla_norm(const TransformerShape *s, WorkList *list, const char *name,
                         double passes) {
    works_add_memory(list, name, passes * s->element * s->tokens_norm * (s->q_lora + s->kv_lora));
}

/// Rotary embedding, and keys put together from their two parts.
static void add_mla_rotary(const TransformerShape *s, WorkList *list) {
    const double keys = s->heads * (s->head_dim + s->value_dim);
    works_add_memory(
        list, "rotary",
        s->element * s->tokens * (2 * s->heads * s->rope + mla_wide(s) + s->rope + keys));
}

void attention_add_up(const TransformerShape *s, WorkList *list) {
    add_mla_norm(s, list, "latent norm", 2);
    if (s->sequence_parallel)
        works_add_collective_of(s, list, "gather", WORK_GATHER, mla_narrow(s), HIDE_NEVER, 0);
    if (s->q_lora > 0) {
        works_add_cast_of(s, list, s->tokens, s->q_lora);
        works_add_gemm(s, list, "q up", 1, s->tokens, mla_queries(s), s->q_lora, 0);
    }
    works_add_cast_of(s, list, s->tokens, s->kv_lora);
    works_add_gemm(s, list, "kv up", 1, s->tokens, mla_wide(s), s->kv_lora, 0);
    add_mla_rotary(s, list);
}

static void add_mla(const TransformerShape *s, WorkList *list) {
    works_add_cast_of(s, list, s->tokens_norm, s->hidden);
    if (s->q_lora > 0)
        works_add_gemm(s, list, "q down", 1, s->tokens_norm, s->q_lora, s->hidden, 0);
    else
        works_add_column(s, list, "q", mla_queries(s));
    works_add_gemm(s, list, "kv down", 1, s->tokens_norm, s->kv_lora + s->rope, s->hidden, 0);
    attention_add_up(s, list);
}

static void add_mla_backward(const TransformerShape *s, WorkList *list) {
    add_mla_rotary(s, list);
    works_add_linear_backward(s, list, "kv up grad", "kv up weight grad", s->tokens, mla_wide(s),
                              s->kv_lora);
    if (s->q_lora > 0)
        works_add_linear_backward(s, list, "q up grad", "q up weight grad", s->tokens,
                                  mla_queries(s), s->q_lora);
    if (s->sequence_parallel)
        works_add_collective_of(s, list, "scatter", WORK_SCATTER, mla_narrow(s), HIDE_NEVER, 0);
    add_mla_norm(s, list, "latent norm grad", 3);
    works_add_linear_backward(s, list, "kv down grad", "kv down weight grad", s->tokens_norm,
                              s->kv_lora + s->rope, s->hidden);
    if (s->q_lora > 0)
        works_add_linear_backward(s, list, "q down grad", "q down weight grad", s->tokens_norm,
                                  s->q_lora, s->hidden);
    else
        works_add_column_backward(s, list, "q grad", "q weight grad", mla_queries(s));
    works_add_memory(list, "input grad", 3 * s->element * s->tokens_norm * s->hidden);
}

// Attention: from a norm to its residual.

static double qkv_width(const TransformerShape *s) {
    return (s->heads + 2 * s->kv_heads) * s->head_dim;
}

static void add_qk_norm(const TransformerShape *s, WorkList *list, const char *name,
                        double passes) {
    if (s->qk_norm)
        works_add_memory(list, name,
                         passes * s->element * s->tokens * (s->heads + s->kv_heads) * s->head_dim);
}

void attention_add_qkv(const TransformerShape *s, WorkList *list) {
    if (s->kv_lora > 0) {
        add_mla(s, list);
        return;
    }
    works_add_column(s, list, "qkv", qkv_width(s));
    add_qk_norm(s, list, "norm of heads", 2);
    add_rotary(s, list);
}

void attention_add_qkv_backward(const TransformerShape *s, WorkList *list) {
    if (s->kv_lora > 0) {
        add_mla_backward(s, list);
        return;
    }
    add_rotary(s, list);
    add_qk_norm(s, list, "norm of heads grad", 3);
    works_add_column_backward(s, list, "qkv grad", "qkv weight grad", qkv_width(s));
}

double attention_parameters(const TransformerShape *s) {
    const double proj = works_linear_parameters(s, s->heads * s->value_dim, s->hidden);
    const double heads = s->qk_norm ? 2 * s->head_dim : 0;
    if (s->kv_lora == 0) return works_linear_parameters(s, s->hidden, qkv_width(s)) + proj + heads;
    const double queries =
        s->q_lora > 0 ? s->q_lora * (s->hidden + 1 + mla_queries(s)) : s->hidden * mla_queries(s);
    return queries + s->hidden * (s->kv_lora + s->rope) + s->kv_lora * (1 + mla_wide(s)) + proj;
}
