#include "workload/roofline.h"

#include <math.h>

#include "base/check.h"
#include "base/units.h"
#include "collective/tuning.h"
#include "hardware/gpu_power.h"

// Tensor-core tiles of cuBLAS kernels are 128 wide on at least one side; a narrower side wastes the
// rest.
static const double TILE = 128;
// A measured point whose own memory time leaves less than this share of T^2 says nothing about the
// compute rate.
static const double LEAST_COMPUTE_SHARE = 0.05;

// A product that adds into fp32 reads and writes its accumulator at the end of a tile, where only half of the traffic hides
// behind other tiles: 12 weight gradients of 4096 tokens on A100 and 15 on B200 in the same files, against the products
// they belong to (medians 0.51 and 0.62).
static const double ACCUMULATOR_SHARE = 0.5;
// A product for each expert is a wave or two of tiles, which end together: of 12 grouped weight gradients of 20 to 128 experts
// on B200 in the same files the accumulators take 0.91 of their time, summed (of four on A100 0.43).
static const double GROUPED_ACCUMULATOR_SHARE = 0.9;
// Operations of the host behind a product of a linear layer, by the time Transformer Engine takes for one against a plain
// one: 99.7 to 37.1 us (GB200), 90.5 to 33.2 (GH200); NVIDIA/TransformerEngine issue 2053.
static const double LINEAR_CALLS = 2.7;
// Each expert of a grouped product is a kernel of its own, dealt over streams (Transformer Engine, cublas over four of them),
// so that about half of its gap hides behind others, launched in a loop that costs the host half of a framework's call: of
// 60 grouped products of 20 to 256 experts on B200 (MooreThreads/SimuMax, configs/system/b200_bf16_ceperm.json) the median is
// met within 5 %, half of them within 8 %.
static const double GROUPED_SHARE = 0.5;
// The products of so many experts fill the GPU together; one kernel of all experts does so with all.
static const double STREAMS = 4;

// Transformer Engine's userbuffers, as tuned for H100 (NVIDIA NeMo, tp_overlap_configs/userbuffers.py): a scattered result
// goes in 4 pieces, by 24 of 132 processors, which the product leaves free all the time (set_sm_margin).
enum { PIPELINE_PIECES = 4 };
static const double PIPELINE_SHARE = 24.0 / 132;
// Of what pieces could hide, 33 to 96 % is still seen in published runs, release by release (jobs/published): streams wait for
// each other by flags, pieces start late and unevenly. No release is told from another: this is what the middle of them hides.
static const double PIECES_REACH = 0.35;

Status roofline_supports(const GpuSpec *gpu, const TrainingSpec *training) {
    REQUIRE(gpu_gemm(gpu, training->precision), STATUS_RANGE,
            "GPU %s has no measured GEMM table for %s", gpu->name,
            PRECISION_NAMES[training->precision]);
    const AttentionKernel kernel = training->attention;
    REQUIRE(kernel == ATTENTION_UNFUSED || (gpu->attention_forward_flop_per_s[kernel] > 0 &&
                                            gpu->attention_backward_flop_per_s[kernel] > 0),
            STATUS_RANGE, "GPU %s has no measured rate for attention kernel %s", gpu->name,
            ATTENTION_NAMES[kernel]);
    REQUIRE(!training->attention_fp8 || gpu->attention_forward.fp8_gain > 0, STATUS_RANGE,
            "GPU %s has no measured rate for attention in fp8 (attention_fp8)", gpu->name);
    REQUIRE(!PRECISION_FORMATS[training->precision].cast || gpu_gemm(gpu, PRECISION_BF16),
            STATUS_RANGE, "GPU %s has no bf16 table for the 16-bit products beside %s", gpu->name,
            PRECISION_NAMES[training->precision]);
    return status_ok();
}

static double padded(double side) { return ceil(side / TILE) * TILE; }

/// FLOP of a product with what its tiles take to begin and to end.
static double filled_flop(const GemmTable *table, double mnk, double k) {
    return 2 * mnk * (1 + table->depth / k);
}

/// log of (m n k)^(1/3) and of the compute rate of a measured point, its memory time taken out.
static void point_logs(const GemmTable *table, int32_t i, double operand, double stream_Bps,
                       double *log_size, double *log_rate) {
    const GemmPoint *point = &table->point[i];
    const double mnk = point->m * point->n * point->k, flop = 2 * mnk;
    const double time_s = flop / point->rate_flop_per_s;
    const double bytes =
        operand * (point->m * point->k + point->k * point->n) + 2 * point->m * point->n;
    const double memory_s = bytes / stream_Bps;
    const double square = time_s * time_s - memory_s * memory_s;
    const double compute_s = sqrt(fmax(square, LEAST_COMPUTE_SHARE * time_s * time_s));
    *log_size = log(mnk) / 3;
    *log_rate = log(filled_flop(table, mnk, point->k) / compute_s);
}

/// A share of a rate; 0: not measured.
static double measured_or_1(double share) { return share > 0 ? share : 1; }

/// Compute rate for a size alone, in FLOP/s, and the highest of no greater size. Points are in order of size.
typedef struct GemmRate {
    double alone, highest;
} GemmRate;

static GemmRate gemm_rate(const GemmTable *table, double operand, double stream_Bps, double mnk) {
    const double x = log(mnk) / 3;
    double x0, y0, slope = 0;
    point_logs(table, 0, operand, stream_Bps, &x0, &y0);
    if (x <= x0) { // constant time
        const double rate = exp(y0 + 3 * (x - x0));
        return (GemmRate){rate, rate};
    }
    double highest = y0;
    for (int32_t i = 1; i < table->npoints; ++i) {
        double x1, y1;
        point_logs(table, i, operand, stream_Bps, &x1, &y1);
        slope = (y1 - y0) / (x1 - x0);
        if (x < x1) break;
        x0 = x1;
        y0 = y1;
        highest = fmax(highest, y0);
    }
    const double alone = y0 + slope * (x - x0);
    return (GemmRate){exp(alone), exp(fmax(highest, alone))};
}

static double gemm_s(const GpuSpec *gpu, Precision precision, const Work *work, bool fused) {
    const GemmTable *table = gpu_gemm(gpu, precision);
    const double stream_Bps = gpu->memory_stream_Bps;
    // A batched GEMM fills the GPU with the tiles of the whole batch, but each problem is as deep
    // as one.
    const double mnk = work->batch * padded(work->m) * padded(work->n) * work->k;
    const double given = gpu_sustained_share(gpu, table);
    const double share = measured_or_1(given);
    const double at_once = work->grouped && !fused ? fmin(1, STREAMS / work->batch) : 1;
    const GemmRate rate = gemm_rate(table, precision_bytes(precision), stream_Bps, at_once * mnk);
    // The largest products of a table take so long that they meet the power cap alone: what they lose to it is in `share`.
    const double kept = given > 0 ? given * rate.highest : rate.alone;
    const double most = fmin(share * table->best_flop_per_s, table->peak_flop_per_s);
    const double compute_s =
        fmax(filled_flop(table, mnk, work->k) / kept, 2 * mnk / most) / gpu_clock(gpu);
    const double memory_s = (work->bytes - work->accumulator_bytes) / stream_Bps;
    const double open = work->grouped ? GROUPED_ACCUMULATOR_SHARE : ACCUMULATOR_SHARE;
    const double tail_s = open * work->accumulator_bytes / stream_Bps;
    return fmax(sqrt(compute_s * compute_s + memory_s * memory_s) + tail_s,
                work->bytes / stream_Bps);
}

/// Is a work launched as part of a CUDA graph?
static bool in_graph(const Work *work, const TrainingSpec *training) {
    return training->cuda_graph >> work->part & 1;
}

static double launch_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training) {
    const bool quick = in_graph(work, training) && gpu->graph_launch_ps < gpu->launch_ps;
    return units_seconds_from_ps(quick ? gpu->graph_launch_ps : gpu->launch_ps);
}

// A host that waits for the GPU copies a few numbers, reads them and launches again before the GPU goes on: three calls.
static const double WAIT_CALLS = 3;

/// Kernels behind the first of a work, by what each costs of a whole one: small ones beside it, and those of other experts. A
/// product for each runs beside those on other streams; casts follow each other (Transformer Engine, split_quantize).
static double more_kernels(const Work *work, const TrainingSpec *training) {
    if (!work->grouped) return work->more_kernels;
    if (training->fused_experts) return 0;
    if (work->kind == WORK_GEMM) return GROUPED_SHARE * (work->batch - 1);
    return work->batch * (1 + work->more_kernels) - 1;
}

/// Calls of the host behind the first.
static double more_calls(const Work *work, const TrainingSpec *training) {
    if (!work->grouped) return work->more_kernels;
    return training->fused_experts ? 0 : GROUPED_SHARE * (work->batch - 1);
}

/// Idle time of the GPU while the host reads what it found.
static double wait_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training) {
    const bool waits = work->waits_for_host && !in_graph(work, training);
    return waits ? WAIT_CALLS * units_seconds_from_ps(gpu->host_call_ps) : 0;
}

static const double PASS_SHARE = 0.91;

double roofline_pass_Bps(const GpuSpec *gpu) {
    return gpu->memory_pass_Bps > 0 ? gpu->memory_pass_Bps : PASS_SHARE * gpu->memory_stream_Bps;
}

/// Of a pass over memory.
static double passed_bytes(const Work *work, const GpuSpec *gpu) {
    return work->bytes - (gpu->fp8_any_layout ? work->turned_bytes : 0);
}

/// A pass that only lays an operand out anew, on a GPU that takes it as it is.
static bool left_out(const Work *work, const GpuSpec *gpu) {
    return work->turned_bytes > 0 && passed_bytes(work, gpu) == 0;
}

/// What the host needs to have a work launched.
static double host_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training) {
    if (in_graph(work, training) || left_out(work, gpu)) return 0;
    const bool linear = work->kind == WORK_GEMM && !work->attention;
    const double calls = (linear ? LINEAR_CALLS : 1) + more_calls(work, training);
    return calls * units_seconds_from_ps(gpu->host_call_ps);
}

/// Attention scores are never computed in fp8 here.
static Precision work_precision(const Work *work, const TrainingSpec *training) {
    const bool narrow = PRECISION_FORMATS[training->precision].cast;
    return (work->attention || work->wide) && narrow ? PRECISION_BF16 : training->precision;
}

/// Kernels of attention.
static double attention_kernels(const Work *work) { return fmax(1, work->blocks); }

/// Of these, those that follow each other: the forward pass of a ring has two streams (Transformer Engine,
/// context_parallel.py).
static double attention_turns(const Work *work) {
    const double kernels = attention_kernels(work);
    return work->kind == WORK_ATTENTION ? ceil(kernels / 2) : kernels;
}

/// How often a row of queries is taken up: whole with the first block, half the time half with the others.
static double attention_visits(const Work *work) {
    return 1 + LATER_BLOCK * (attention_kernels(work) - 1);
}

// One head takes 13 to 16 us beside what grows with its keys on Hopper and Blackwell, a gap between kernels among them; the rest
// is linear within 3 % from 1024 to 16384 tokens (aiconfigurator, systems/data).
static const double ATTENTION_START_S = 10e-6;

/// The least time of attention, however few heads: of a tile of queries along all its keys.
static double attention_walk_s(const Work *work, const GpuSpec *gpu) {
    if (gpu->attention_key_ps == 0) return 0;
    const double keys = work->n / attention_kernels(work);
    return attention_turns(work) *
           (ATTENTION_START_S + keys * units_seconds_from_ps(gpu->attention_key_ps));
}

/// Of a rate measured with 4096 tokens and a head of 128, what one with n tokens and a head of k reaches. The exponentials of
/// scores take as long for a narrow head: a power of its width that is `narrow` at 64.
static double attention_reached(const Work *work, const GpuSpec *gpu,
                                const AttentionShares *shares) {
    const double ramp = gpu->attention_ramp * attention_visits(work);
    const double tokens = (1 + gpu->attention_ramp / 4096) / (1 + ramp / work->n);
    const double width = pow(measured_or_1(shares->narrow), fmax(0, log2(128 / work->k)));
    return tokens * width * (work->latent ? measured_or_1(shares->latent) : 1);
}

/// `rate` in bf16. Slow kernels do not reach the power cap.
static double attention_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training,
                          const AttentionShares *shares, double rate) {
    const double cap =
        measured_or_1(gpu->sustained_share) * gpu->gemm[PRECISION_BF16].best_flop_per_s;
    const double gain = training->attention_fp8 ? measured_or_1(shares->fp8_gain) : 1;
    const double reached = fmin(attention_reached(work, gpu, shares) * rate, cap);
    return fmax(work->bytes / gpu->memory_stream_Bps,
                hypot(work->flop / (gain * reached), attention_walk_s(work, gpu)) / gpu_clock(gpu));
}

double roofline_work_s(const Work *work, const GpuSpec *gpu, const TrainingSpec *training) {
    const AttentionKernel kernel = training->attention;
    const double gap_s = launch_s(work, gpu, training);
    switch (work->kind) {
        case WORK_GEMM:
            return gap_s * (1 + more_kernels(work, training)) +
                   gemm_s(gpu, work_precision(work, training), work, training->fused_experts);
        case WORK_ATTENTION:
            return gap_s * attention_kernels(work) +
                   attention_s(work, gpu, training, &gpu->attention_forward,
                               gpu->attention_forward_flop_per_s[kernel]);
        case WORK_ATTENTION_BACKWARD:
            return gap_s * attention_kernels(work) +
                   attention_s(work, gpu, training, &gpu->attention_backward,
                               gpu->attention_backward_flop_per_s[kernel]);
        case WORK_MEMORY:
            if (left_out(work, gpu)) return 0;
            return gap_s * (1 + more_kernels(work, training)) + wait_s(work, gpu, training) +
                   passed_bytes(work, gpu) / roofline_pass_Bps(gpu);
        case WORK_GATHER:
        case WORK_SCATTER:
        case WORK_REDUCE:
        case WORK_EXCHANGE:
        case WORK_KIND_N: break;
    }
    return 0;
}

double roofline_sort_s(const Work *exchange, const GpuSpec *gpu, const TrainingSpec *training) {
    if (exchange->sorted_bytes == 0) return 0;
    return launch_s(exchange, gpu, training) + exchange->sorted_bytes / roofline_pass_Bps(gpu);
}

/// The partner GEMM cut into n pieces of m / n rows, together.
static double pieces_s(const Work *gemm, int32_t n, const GpuSpec *gpu,
                       const TrainingSpec *training) {
    Work piece = *gemm;
    piece.m = gemm->m / n;
    piece.flop = gemm->flop / n;
    piece.bytes = gemm->bytes / n; // the weights, read again by each piece, come from cache
    return n * roofline_work_s(&piece, gpu, training);
}

static CollectiveKind collective_of(WorkKind kind) {
    return kind == WORK_GATHER     ? COLLECTIVE_ALL_GATHER
           : kind == WORK_SCATTER  ? COLLECTIVE_REDUCE_SCATTER
           : kind == WORK_EXCHANGE ? COLLECTIVE_ALL_TO_ALL
                                   : COLLECTIVE_ALL_REDUCE;
}

/// Blocks go round while attention runs on the one before: n - 1 of them, each behind an n-th of it.
static void add_ring(const WorkList *list, const Work *work, const LayerLinks *links,
                     const GpuSpec *gpu, const TrainingSpec *training, WorkTime *time) {
    const int32_t n = links->parts[work->along].n;
    const Work *attention = &list->work[work->partner];
    const LayerTime ring = layer_ring(links, work->along, work->bytes);
    const double alone_s = ring.alone_s;
    const double behind_s = roofline_work_s(attention, gpu, training) * (n - 1) / n;
    const double covered_s = fmin(alone_s, behind_s);
    time->exposed_s[work->along] += alone_s - covered_s;
    time->sharing_s += gpu->scale_up_processor_share * covered_s;
    exchange_rows_add(&time->sent[work->along], 1, ring.sent);
}

/// What becomes of a collective and its partner GEMM when they run at once.
typedef struct Overlap {
    double covered_s; ///< of the collective
    double cut_s;     ///< by which the pieces of the GEMM take longer than the whole
    double taken_s;   ///< by which the GEMM takes longer for what the collective uses of the GPU
} Overlap;

/// Ring exchange: a GPU computes on the rows it has while copy engines bring those of the next.
static Overlap ring_exchange(double alone_s, const Work *gemm, int32_t n, const GpuSpec *gpu,
                             const TrainingSpec *training) {
    const double together_s = pieces_s(gemm, n, gpu, training);
    return (Overlap){.covered_s = PIECES_REACH * fmin(alone_s, together_s * (n - 1) / n),
                     .cut_s = fmax(0, together_s - roofline_work_s(gemm, gpu, training))};
}

/// Results are sent piece by piece, the last one behind the GEMM, by processors that it leaves free.
static Overlap pipelined(double alone_s, const Work *gemm, const GpuSpec *gpu,
                         const TrainingSpec *training) {
    const double n = PIPELINE_PIECES, together_s = pieces_s(gemm, PIPELINE_PIECES, gpu, training);
    const double slowed_s = together_s / (1 - PIPELINE_SHARE);
    return (Overlap){.covered_s = PIECES_REACH * fmin(alone_s, slowed_s) * (n - 1) / n,
                     .cut_s = fmax(0, together_s - roofline_work_s(gemm, gpu, training)),
                     .taken_s = slowed_s - together_s};
}

/// A product with a block for each processor ends by those that found theirs taken by the collective: they begin when it ends or
/// when the other blocks do, and take as long as these (pytorch issue 143988: twice as long on H100). Userbuffers tell it to
/// leave some free.
static Overlap beside(double alone_s, const Work *gemm, const GpuSpec *gpu,
                      const TrainingSpec *training) {
    const double product_s = roofline_work_s(gemm, gpu, training);
    if (gpu->persistent_products && !training->tp_overlap)
        return (Overlap){.covered_s = fmin(product_s, fmax(0, alone_s - product_s))};
    const double covered_s = fmin(alone_s, product_s);
    return (Overlap){.covered_s = covered_s, .taken_s = gpu->scale_up_processor_share * covered_s};
}

/// Nothing is covered where the GEMM is waited for, or where the job says so.
static Overlap overlap_of(const Work *work, const WorkList *list, double alone_s, int32_t tp,
                          const GpuSpec *gpu, const TrainingSpec *training) {
    const bool wanted = (work->hiding == HIDE_BESIDE && training->tp_backward_overlap) ||
                        (work->hiding == HIDE_WITH_GEMM && training->tp_overlap);
    if (!wanted) return (Overlap){0};
    const Work *gemm = &list->work[work->partner];
    CHECK(gemm->kind == WORK_GEMM, "%s hides behind %s, which is no GEMM", work->name, gemm->name);
    if (work->hiding == HIDE_BESIDE) return beside(alone_s, gemm, gpu, training);
    return work->kind == WORK_GATHER ? ring_exchange(alone_s, gemm, tp, gpu, training)
                                     : pipelined(alone_s, gemm, gpu, training);
}

/// Add a collective to the sums; its partner GEMM is in them already or will be.
static void add_collective(const WorkList *list, const Work *work, const LayerLinks *links,
                           const GpuSpec *gpu, const TrainingSpec *training, WorkTime *time) {
    const bool rows = work->kind == WORK_EXCHANGE && work->along == DIM_EP;
    const LayerTime its =
        rows ? layer_exchange(links, work->returns, work->bytes)
             : layer_collective(links, collective_of(work->kind), work->along, work->bytes);
    const double alone_s = its.alone_s + roofline_sort_s(work, gpu, training);
    exchange_rows_add(&time->sent[work->along], 1, its.sent);
    Overlap o = overlap_of(work, list, alone_s, links->parts[DIM_TP].n, gpu, training);
    if (o.covered_s <= o.cut_s + o.taken_s) o = (Overlap){0}; // better one after the other
    time->exposed_s[work->along] += alone_s - o.covered_s;
    time->compute_s += o.cut_s;
    time->sharing_s += o.taken_s;
}

WorkTime roofline_list(const WorkList *list, const LayerLinks *links, const GpuSpec *gpu,
                       const TrainingSpec *training) {
    WorkTime time = {0};
    for (int32_t i = 0; i < list->n; ++i) {
        const Work *work = &list->work[i];
        time.host_s += host_s(work, gpu, training);
        if (work->kind >= WORK_GATHER)
            (work->hiding == HIDE_IN_RING ? add_ring : add_collective)(list, work, links, gpu,
                                                                       training, &time);
        else
            time.compute_s += roofline_work_s(work, gpu, training);
    }
    return time;
}
