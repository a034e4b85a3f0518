#include "workload/works.h"

#include <math.h>

#include "base/check.h"

Work *works_append(WorkList *list, const char *name, WorkKind kind) {
    CHECK(list->n < WORK_MAX, "a pass has more than %d works", WORK_MAX);
    Work *work = &list->work[list->n++];
    *work = (Work){.name = name, .kind = kind, .part = list->part, .partner = -1};
    return work;
}

void works_add_memory(WorkList *list, const char *name, double bytes) {
    works_append(list, name, WORK_MEMORY)->bytes = bytes;
}

/// C[m,n] = A[m,k] B[k,n]; `accumulate` > 0: C is read and written with that many bytes a number.
void works_add_gemm(const TransformerShape *s, WorkList *list, const char *name, double batch,
                    double m, double n, double k, double accumulate) {
    Work *work = works_append(list, name, WORK_GEMM);
    work->batch = batch;
    work->m = m;
    work->n = n;
    work->k = k;
    work->flop = 2 * batch * m * n * k;
    const double result = accumulate > 0 ? 2 * accumulate : s->element;
    work->bytes = batch * (s->operand * (m * k + k * n) + result * m * n);
    work->accumulator_bytes = fmax(0, batch * (result - s->element) * m * n);
    work->weight = accumulate > 0;
}

void works_keep(WorkList *list, bool weight) {
    int32_t place[WORK_MAX], n = 0;
    for (int32_t i = 0; i < list->n; ++i) place[i] = list->work[i].weight == weight ? n++ : -1;
    for (int32_t i = 0; i < list->n; ++i) {
        if (place[i] < 0) continue;
        Work *work = &list->work[place[i]];
        *work = list->work[i];
        if (work->partner < 0) continue;
        work->partner = place[work->partner];
        if (work->partner < 0) work->hiding = HIDE_NEVER;
    }
    list->n = n;
}

void works_add_weight_grad(const TransformerShape *s, WorkList *list, const char *name,
                           double batch, double m, double n, double k) {
    works_add_gemm(s, list, name, batch, m, n, k, s->gradient_fused ? s->gradient : 0);
    if (s->gradient_kept && !s->gradient_fused)
        works_add_memory(list, "gradient sum", (s->element + 2 * s->gradient) * batch * m * n);
}

/// Its operands stay in 16 bit where those of the linear layers are narrower.
void works_add_wide_gemm(const TransformerShape *s, WorkList *list, const char *name, double batch,
                         double m, double n, double k, double accumulate) {
    TransformerShape wide = *s;
    wide.operand = s->element;
    works_add_gemm(&wide, list, name, batch, m, n, k, accumulate);
    list->work[list->n - 1].wide = true;
}

/// A collective over `width` numbers of each token of a microbatch. `partner_offset`: index of the
/// GEMM relative to this work.
void works_add_collective_of(const TransformerShape *s, WorkList *list, const char *name,
                             WorkKind kind, double width, Hiding hiding, int32_t partner_offset) {
    if (s->tp == 1) return;
    const int32_t index = list->n;
    Work *work = works_append(list, name, kind);
    work->bytes = s->tokens * width * s->element;
    work->hiding = hiding;
    work->partner = hiding == HIDE_NEVER ? -1 : index + partner_offset;
}

void works_add_collective(const TransformerShape *s, WorkList *list, const char *name,
                          WorkKind kind, Hiding hiding, int32_t partner_offset) {
    works_add_collective_of(s, list, name, kind, s->hidden, hiding, partner_offset);
}

void works_add_operand_gather(const TransformerShape *s, WorkList *list, const char *name,
                              Hiding hiding, int32_t partner_offset) {
    TransformerShape sent = *s;
    sent.element = fmin(s->element, s->operand);
    works_add_collective(&sent, list, name, WORK_GATHER, hiding, partner_offset);
}

// A scan for the scale of a tensor sets a number to zero, finds the largest, and turns it into a scale (Transformer Engine,
// Float8CurrentScalingQuantizer).
enum { SCAN_KERNELS = 3 };

/// Activations become operands of the tensor cores, along their rows (and, `both`, along their columns): narrow formats need
/// a pass that scales and casts, those with one scale of the whole tensor another one before, for its largest number.
static void add_cast(const TransformerShape *s, WorkList *list, double numbers, bool both) {
    if (s->operand >= s->element) return;
    if (s->scan) {
        works_add_memory(list, "scan", s->element * numbers);
        list->work[list->n - 1].more_kernels = SCAN_KERNELS - 1;
    }
    works_add_memory(list, "cast", (s->element + (both ? 2 : 1) * s->operand) * numbers);
    if (both && s->one_scale) list->work[list->n - 1].turned_bytes = s->operand * numbers;
}

void works_add_cast_of(const TransformerShape *s, WorkList *list, double rows, double width) {
    add_cast(s, list, rows * width, true);
}

void works_add_cast(const TransformerShape *s, WorkList *list, double width) {
    works_add_cast_of(s, list, s->tokens, width);
}

void works_add_norm(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "norm", 2 * s->element * s->tokens_norm * s->hidden);
}

/// x + dropout(y + bias): reads two, writes one and the mask.
void works_add_residual(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "residual",
                     (3 * s->element + (s->dropout ? 1 : 0)) * s->tokens_norm * s->hidden);
}

// Both halves of what goes into a gated activation are clamped, each by a kernel, and joined again, before the fused kernel
// reads them; its constant is copied to the GPU, for which the host waits. Backward each clamp reads its gradient and what it
// clamped, and the halves are joined (Megatron-LM core/fusions/fused_bias_geglu.py, weighted_bias_quick_geglu_impl).
enum { CLAMP_PASSES = 4, CLAMP_BACKWARD_PASSES = 5, CLAMP_KERNELS = 3 };

static Work *add_clamp(const TransformerShape *s, WorkList *list, const char *name, double numbers,
                       double passes) {
    works_add_memory(list, name, passes * s->element * numbers);
    Work *work = &list->work[list->n - 1];
    work->more_kernels = CLAMP_KERNELS - 1;
    return work;
}

void works_add_clamp(const TransformerShape *s, WorkList *list, double rows, double width) {
    if (s->clamp) add_clamp(s, list, "clamp", rows * width, CLAMP_PASSES)->waits_for_host = true;
}

void works_add_clamp_backward(const TransformerShape *s, WorkList *list, double rows,
                              double width) {
    if (s->clamp) add_clamp(s, list, "clamp grad", rows * width, CLAMP_BACKWARD_PASSES);
}

void works_add_activation(const TransformerShape *s, WorkList *list) {
    works_add_clamp(s, list, s->tokens, s->ffn_in);
    works_add_memory(list, "activation", s->element * s->tokens * (s->ffn_in + s->ffn));
}

/// Column-parallel layer: the whole width of tokens comes in, each GPU keeps a slice of the result. It casts those tokens that
/// a norm saw, and gathers those of the others; what has one scale is gathered once, and laid out for the gradient of the
/// weight behind that (Transformer Engine, gather_along_first_dim).
void works_add_column(const TransformerShape *s, WorkList *list, const char *name, double out) {
    const bool gathers = s->sequence_parallel && s->tp > 1, turns = gathers && s->one_scale;
    add_cast(s, list, (gathers ? s->tokens_norm : s->tokens) * s->hidden, !turns);
    if (gathers) works_add_operand_gather(s, list, "gather", HIDE_WITH_GEMM, 1);
    works_add_gemm(s, list, name, 1, s->tokens, out, s->hidden, 0);
    if (!turns || s->operand >= s->element) return;
    works_add_memory(list, "turn", 2 * s->operand * s->tokens * s->hidden);
    list->work[list->n - 1].turned_bytes = list->work[list->n - 1].bytes;
}

/// Row-parallel layer: partial results of every GPU are summed.
void works_add_row(const TransformerShape *s, WorkList *list, const char *name, double in) {
    works_add_cast(s, list, in);
    works_add_gemm(s, list, name, 1, s->tokens, s->hidden, in, 0);
    if (s->sequence_parallel)
        works_add_collective(s, list, "scatter", WORK_SCATTER, HIDE_WITH_GEMM, -1);
    else
        works_add_collective(s, list, "reduce", WORK_REDUCE, HIDE_NEVER, 0);
}

void works_add_column_backward(const TransformerShape *s, WorkList *list, const char *grad,
                               const char *weight, double out) {
    works_add_cast(s, list, out);
    if (s->sequence_parallel) works_add_operand_gather(s, list, "gather input", HIDE_BESIDE, 1);
    works_add_gemm(s, list, grad, 1, s->tokens, s->hidden, out, 0);
    works_add_collective(s, list, s->sequence_parallel ? "scatter" : "reduce",
                         s->sequence_parallel ? WORK_SCATTER : WORK_REDUCE, HIDE_BESIDE, 1);
    works_add_weight_grad(s, list, weight, 1, out, s->hidden, s->tokens);
    if (s->bias) works_add_memory(list, "bias grad", s->element * s->tokens * out);
}

void works_add_row_backward(const TransformerShape *s, WorkList *list, const char *grad,
                            const char *weight, double in) {
    works_add_column(s, list, grad, in);
    works_add_weight_grad(s, list, weight, 1, s->hidden, in, s->tokens);
}

/// Backward of x + dropout(y): the gradient goes two ways; where they meet again they are added.
void works_add_residual_backward(const TransformerShape *s, WorkList *list) {
    const double numbers = s->tokens_norm * s->hidden;
    if (s->dropout) works_add_memory(list, "dropout grad", (2 * s->element + 1) * numbers);
    works_add_memory(list, "residual grad", 3 * s->element * numbers);
}

void works_add_norm_backward(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "norm grad", 3 * s->element * s->tokens_norm * s->hidden);
}

void works_add_linear_backward(const TransformerShape *s, WorkList *list, const char *grad,
                               const char *weight, double tokens, double out, double in) {
    works_add_cast_of(s, list, tokens, out);
    works_add_gemm(s, list, grad, 1, tokens, in, out, 0);
    works_add_weight_grad(s, list, weight, 1, out, in, tokens);
}

// An MLP of a width that stands in the shape: dense, or the shared experts.

TransformerShape works_with_ffn(const TransformerShape *s, double ffn) {
    TransformerShape other = *s;
    other.ffn = ffn;
    other.ffn_in = (s->gated ? 2 : 1) * ffn;
    return other;
}

void works_add_mlp(const TransformerShape *s, WorkList *list) {
    works_add_column(s, list, "fc1", s->ffn_in);
    works_add_activation(s, list);
    works_add_row(s, list, "fc2", s->ffn);
}

void works_add_mlp_backward(const TransformerShape *s, WorkList *list) {
    works_add_row_backward(s, list, "fc2 grad", "fc2 weight grad", s->ffn);
    works_add_memory(list, "activation grad", s->element * s->tokens * (2 * s->ffn_in + s->ffn));
    works_add_clamp_backward(s, list, s->tokens, s->ffn_in);
    works_add_column_backward(s, list, "fc1 grad", "fc1 weight grad", s->ffn_in);
}

/// Of a norm: RMSNorm has a weight, LayerNorm a weight and a bias.
double works_norm_parameters(const TransformerShape *s, double width) {
    return (s->gated ? 1 : 2) * width;
}

/// Of a linear layer.
double works_linear_parameters(const TransformerShape *s, double in, double out) {
    return in * out + (s->bias ? out : 0);
}

double works_mlp_parameters(const TransformerShape *s) {
    return works_linear_parameters(s, s->hidden, s->ffn_in) +
           works_linear_parameters(s, s->ffn, s->hidden);
}
