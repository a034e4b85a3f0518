#include "workload/mixture.h"

#include <math.h>

#include "workload/exchange.h"
#include "workload/works.h"

/// Moments of the largest of n standard normals: the integral of k x^(k - 1) times 1 - Phi(x)^n - (-1)^k Phi(-x)^n over
/// x > 0.
static double largest_moment(int32_t n, int k) {
    const double width = 1.0 / 64, end = 8, half_root = sqrt(0.5);
    double sum = 0;
    for (double x = width / 2; x < end; x += width) {
        const double above = pow(0.5 * erfc(-x * half_root), n);
        const double below = pow(0.5 * erfc(x * half_root), n);
        sum += k == 1 ? width * (1 - above - below) : width * 2 * x * (1 - above + below);
    }
    return sum;
}

double mixture_fullest(const TrainingSpec *training, int32_t ep) {
    if (training->routing != EXPERTS_DRAWN || ep == 1) return 1;
    return 1 + training->routing_scatter * largest_moment(ep, 1);
}

double mixture_scatter(int32_t ep) {
    const double mean = largest_moment(ep, 1), square = largest_moment(ep, 2);
    return sqrt(square - mean * mean) / mean;
}

void mixture_shape(const ModelSpec *model, const ParallelSpec *parallel,
                   const TrainingSpec *training, TransformerShape *shape) {
    const int32_t tp = parallel->size[DIM_TP], etp = parallel->expert_tp;
    const double fill = training->routing == EXPERTS_CAPACITY ? training->capacity_factor : 1;
    // A GPU that has all experts sends nothing, and sorts rows itself.
    const Dispatcher dispatcher = parallel->ep > 1 ? training->dispatcher : DISPATCH_ALLTOALL;
    shape->dispatched = exchange_number_bytes(parallel, training, false);
    shape->experts = model->experts;
    shape->top_k = model->top_k;
    shape->ep = parallel->ep;
    shape->expert_tp = etp;
    shape->dispatcher = dispatcher;
    shape->fused_experts = training->fused_experts;
    shape->dropless = training->routing != EXPERTS_CAPACITY;
    shape->fullest = mixture_fullest(training, parallel->ep);
    shape->experts_here = (double)model->experts / parallel->ep;
    shape->routed = fill * shape->tokens_norm * model->top_k * etp;
    shape->expert_ffn = (double)model->expert_ffn / etp;
    shape->shared_ffn = (double)model->shared_experts * model->expert_ffn / tp;
}

/// One product for each expert of the GPU: rows x k times k x n, or, of a weight gradient, n x rows
/// times rows x k.
static void add_grouped(const TransformerShape *s, WorkList *list, const char *name, double m,
                        double n, double k) {
    works_add_gemm(s, list, name, s->experts_here, m, n, k, 0);
    list->work[list->n - 1].grouped = true;
}

static void add_grouped_weight_grad(const TransformerShape *s, WorkList *list, const char *name,
                                    double m, double n, double k) {
    const int32_t product = list->n;
    works_add_weight_grad(s, list, name, s->experts_here, m, n, k);
    list->work[product].grouped = true;
}

/// Rows of one expert of this GPU.
static double expert_rows(const TransformerShape *s) { return s->routed / s->experts_here; }

/// Rows that a GPU sends out, and, where experts are balanced, gets.
static double exchanged_rows(const TransformerShape *s) { return s->routed / s->expert_tp; }

static double expert_ffn_in(const TransformerShape *s) {
    return (s->gated ? 2 : 1) * s->expert_ffn;
}

// Scores of a token for all experts, in fp32: read and written by a softmax or sigmoid, read by the choice of the best, by
// the balance loss, and turned into a map of tokens (Megatron-LM core/transformer/moe/moe_utils.py).
enum { ROUTER_FORWARD_BYTES = 24, ROUTER_BACKWARD_BYTES = 16 };
// Operations of router.py and moe_utils.py there, and of the dispatcher's preprocess, each a kernel that hardly moves bytes.
enum {
    ROUTER_FORWARD_KERNELS = 20,
    ROUTER_BACKWARD_KERNELS = 12,
    COUNTS_KERNELS = 10,
    TOKEN_BYTES = 8
};

static void add_small(WorkList *list, const char *name, double bytes, int32_t kernels) {
    works_add_memory(list, name, bytes);
    list->work[list->n - 1].more_kernels = kernels - 1;
}

static void add_router(const TransformerShape *s, WorkList *list) {
    works_add_wide_gemm(s, list, "router", 1, s->tokens_norm, s->experts, s->hidden, 0);
    add_small(list, "routing", ROUTER_FORWARD_BYTES * s->tokens_norm * s->experts,
              ROUTER_FORWARD_KERNELS);
}

/// How many rows come to each expert: the host sizes buffers and launches products by it, unless all have as many.
static void add_counts(const TransformerShape *s, WorkList *list) {
    add_small(list, "counts", TOKEN_BYTES * s->tokens_norm * s->top_k, COUNTS_KERNELS);
    list->work[list->n - 1].waits_for_host = s->dropless;
}

static void add_router_backward(const TransformerShape *s, WorkList *list) {
    add_small(list, "routing grad", ROUTER_BACKWARD_BYTES * s->tokens_norm * s->experts,
              ROUTER_BACKWARD_KERNELS);
    works_add_wide_gemm(s, list, "router grad", 1, s->tokens_norm, s->hidden, s->experts, 0);
    works_add_wide_gemm(s, list, "router weight grad", 1, s->experts, s->hidden, s->tokens_norm,
                        s->gradient_fused ? s->gradient : 0);
}

// Scattered rows reach three quarters of the rate of a copy: 0.50 against 0.67 of the peak on B200 (MooreThreads/SimuMax,
// configs/system/b200_bf16_ceperm.json).
static const double SCATTERED_SHARE = 0.75;

/// Every row is read by token and written by expert, or the other way, where its copies are added: before an exchange that has
/// a row for each expert.
static void add_permute(const TransformerShape *s, WorkList *list, const char *name) {
    if (s->dispatcher != DISPATCH_ALLTOALL) return;
    works_add_memory(
        list, name,
        s->element * (s->tokens_norm + exchanged_rows(s)) * s->hidden / SCATTERED_SHARE);
}

// Hybrid-EP's kernels reach the rate of a copy (892 MB in 142 and 154 us on 8 B300), but look for each row at all experts of a
// GPU: with 32 instead of 16 of them 43,300 rows take 257 instead of 154 us to permute and 127 instead of 104 to put back, as
// long as copying so many bytes takes a B200 (harryzhou2000/megatron-lm-moe-experiments, notes/hybrid_ep_rebased_bw_results.md
// and notes/hybrid-ep-sparse-opt-new.md, upstream branch).
enum { LOOK_BYTES = 840, LOOK_BACK_BYTES = 190 };

/// Rows from GPUs are put in the order of experts, and back: as they come, or, where a token travels once to each GPU, copied to
/// all their experts there and added up.
///   arriving  rows from GPUs
static double sorted_bytes(const TransformerShape *s, double arriving) {
    return s->element * (arriving + exchanged_rows(s)) * s->hidden;
}

/// Rows that come to a GPU where a token travels once to each.
static double arriving_once(const TransformerShape *s) {
    const double gpus = exchange_gpus((int32_t)s->experts, (int32_t)s->top_k, s->ep);
    return exchanged_rows(s) / s->top_k * gpus;
}

/// Hybrid-EP sorts in its own stream, as part of an exchange; others leave it to a kernel behind it.
static void add_sort(const TransformerShape *s, WorkList *list, const char *name) {
    const bool plain = s->dispatcher == DISPATCH_ALLTOALL;
    if (s->ep == 1 || s->dispatcher == DISPATCH_HYBRID || (plain && s->experts_here == 1)) return;
    const double arriving = plain ? exchanged_rows(s) : arriving_once(s);
    works_add_memory(list, name, sorted_bytes(s, arriving) / SCATTERED_SHARE);
}

static double sorted_by_exchange(const TransformerShape *s, bool returns) {
    if (s->dispatcher != DISPATCH_HYBRID) return 0;
    const double looks = returns ? LOOK_BACK_BYTES : LOOK_BYTES, arriving = arriving_once(s);
    return sorted_bytes(s, arriving) + looks * arriving * s->experts_here;
}

static void set_exchange(const TransformerShape *s, bool returns, Work *work) {
    work->bytes = (returns ? s->element : s->dispatched) * exchanged_rows(s) * s->hidden;
    work->sorted_bytes = sorted_by_exchange(s, returns);
    work->returns = returns;
    work->along = DIM_EP;
}

Work mixture_exchange(const TransformerShape *s, bool returns) {
    Work work = {.kind = WORK_EXCHANGE, .partner = -1};
    set_exchange(s, returns, &work);
    return work;
}

static void add_exchange(const TransformerShape *s, WorkList *list, const char *name,
                         bool returns) {
    if (s->ep > 1) set_exchange(s, returns, works_append(list, name, WORK_EXCHANGE));
}

static void add_activation(const TransformerShape *s, WorkList *list) {
    works_add_clamp(s, list, s->routed, expert_ffn_in(s));
    works_add_memory(list, "expert activation",
                     s->element * s->routed * (expert_ffn_in(s) + s->expert_ffn));
}

static void add_activation_backward(const TransformerShape *s, WorkList *list) {
    works_add_memory(list, "expert activation grad",
                     s->element * s->routed * (2 * expert_ffn_in(s) + s->expert_ffn));
    works_add_clamp_backward(s, list, s->routed, expert_ffn_in(s));
}

/// Operands of grouped products: a cast for each expert.
static void add_expert_cast(const TransformerShape *s, WorkList *list, double width) {
    const int32_t first = list->n;
    works_add_cast_of(s, list, s->routed, width);
    for (int32_t i = first; i < list->n; ++i) {
        list->work[i].grouped = true;
        list->work[i].batch = s->experts_here;
    }
}

// The bias of an expert's second product, times the weight of the row, is added expert by expert: a product of rows and
// bias, a sum, and one copy that joins all; backward two products and two sums for each (Megatron-LM
// core/transformer/moe/experts.py, TEGroupedMLP._apply_bias). The fused kernel adds it on its way.
enum { BIAS_PASSES = 6, BIAS_KERNELS = 2, BIAS_BACKWARD_PASSES = 8, BIAS_BACKWARD_KERNELS = 4 };

static void add_expert_bias(const TransformerShape *s, WorkList *list, const char *name,
                            double passes, int32_t kernels) {
    if (!s->bias || s->fused_experts) return;
    add_small(list, name, passes * s->element * s->routed * s->hidden,
              1 + (int32_t)(kernels * s->experts_here));
}

/// Narrow products want rows of an expert in multiples of 16 or 32, for which all rows are copied, unless experts take as many
/// as they hold or the exchange has left room (Megatron-LM core/transformer/moe/experts.py, Fp8Padding).
static void add_padding(const TransformerShape *s, WorkList *list, const char *name) {
    const bool arrives_wide = s->dispatched >= s->element && s->dispatcher != DISPATCH_HYBRID;
    if (s->operand < s->element && s->dropless && arrives_wide)
        works_add_memory(list, name, 2 * s->element * s->routed * s->hidden);
}

static void add_experts(const TransformerShape *s, WorkList *list) {
    const double rows = expert_rows(s), in = expert_ffn_in(s);
    add_padding(s, list, "pad rows");
    add_expert_cast(s, list, s->hidden);
    add_grouped(s, list, "expert fc1", rows, in, s->hidden);
    if (!s->fused_experts) {
        add_activation(s, list);
        add_expert_cast(s, list, s->expert_ffn);
    }
    add_grouped(s, list, "expert fc2", rows, s->hidden, s->expert_ffn);
    add_padding(s, list, "unpad rows");
    add_expert_bias(s, list, "expert bias", BIAS_PASSES, BIAS_KERNELS);
}

static void add_experts_backward(const TransformerShape *s, WorkList *list) {
    const double rows = expert_rows(s), in = expert_ffn_in(s);
    add_expert_bias(s, list, "expert bias grad", BIAS_BACKWARD_PASSES, BIAS_BACKWARD_KERNELS);
    add_padding(s, list, "unpad rows grad");
    add_expert_cast(s, list, s->hidden);
    add_grouped(s, list, "expert fc2 grad", rows, s->expert_ffn, s->hidden);
    add_grouped_weight_grad(s, list, "expert fc2 weight grad", s->hidden, s->expert_ffn, rows);
    if (!s->fused_experts) {
        add_activation_backward(s, list);
        add_expert_cast(s, list, in);
    }
    add_grouped(s, list, "expert fc1 grad", rows, s->hidden, in);
    add_grouped_weight_grad(s, list, "expert fc1 weight grad", in, s->hidden, rows);
    add_padding(s, list, "pad rows grad");
}

void mixture_add(const TransformerShape *s, WorkList *list) {
    const TransformerShape shared = works_with_ffn(s, s->shared_ffn);
    list->part = PART_MOE_ROUTER;
    add_router(s, list);
    if (s->shared_ffn > 0) works_add_mlp(&shared, list);
    list->part = PART_MOE_PREPROCESS;
    add_permute(s, list, "permute");
    list->part = PART_MOE_EXPERTS;
    add_counts(s, list);
    add_exchange(s, list, "dispatch", false);
    add_sort(s, list, "sort");
    add_experts(s, list);
    add_sort(s, list, "sort back");
    add_exchange(s, list, "combine", true);
    add_permute(s, list, "unpermute");
    if (s->shared_ffn > 0)
        works_add_memory(list, "shared sum", 3 * s->element * s->tokens_norm * s->hidden);
}

void mixture_add_backward(const TransformerShape *s, WorkList *list) {
    const TransformerShape shared = works_with_ffn(s, s->shared_ffn);
    list->part = PART_MOE_EXPERTS;
    add_permute(s, list, "unpermute grad");
    add_exchange(s, list, "combine grad", false);
    add_sort(s, list, "sort back grad");
    add_experts_backward(s, list);
    add_sort(s, list, "sort grad");
    add_exchange(s, list, "dispatch grad", true);
    list->part = PART_MOE_PREPROCESS;
    add_permute(s, list, "permute grad");
    list->part = PART_MOE_ROUTER;
    if (s->shared_ffn > 0) {
        works_add_mlp_backward(&shared, list);
        works_add_memory(list, "shared sum grad", 3 * s->element * s->tokens_norm * s->hidden);
    }
    add_router_backward(s, list);
}

void mixture_add_recomputed_activation(const TransformerShape *s, WorkList *list) {
    add_activation(s, list);
}

double mixture_expert_parameters(const TransformerShape *s) {
    return s->experts_here * (works_linear_parameters(s, s->hidden, expert_ffn_in(s)) +
                              works_linear_parameters(s, s->expert_ffn, s->hidden));
}

double mixture_parameters(const TransformerShape *s) {
    const TransformerShape shared = works_with_ffn(s, s->shared_ffn);
    return s->experts * s->hidden + mixture_expert_parameters(s) +
           (s->shared_ffn > 0 ? works_mlp_parameters(&shared) : 0);
}
