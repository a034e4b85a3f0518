#include "workload/cost.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/units.h"
#include "base/wide.h"
#include "workload/memory_use.h"
#include "workload/mixture.h"
#include "workload/model_size.h"
#include "workload/pricing.h"
#include "workload/roofline.h"
#include "workload/transformer.h"

static const char LABEL[] = "workload.cost";

// Bytes through memory per parameter of the local shard in an Adam step on fp32 state, pass by pass: a 16-bit gradient is
// copied into fp32; that of fp16 is divided by the loss scale; the norm reads it, clipping reads and writes it; Adam reads
// it, and reads and writes weight and two moments; the fp32 weight is copied into the 16-bit one. Of the whole gradient
// buffer one pass may read the norm and one divide by the replicas before it is reduced; it is set to zero at the end.
// Megatron-LM core/optimizer/optimizer.py, clip_grads.py, core/distributed/param_and_grad_buffer.py (start_grad_sync); apex
// multi_tensor_adam.
static double optimizer_bytes(const Pricing *p, double gradients, double shard) {
    const TrainingSpec *training = p->training;
    const double gradient = p->shape.gradient, copied = gradient < 4 ? gradient + 4 : 0;
    const bool scaled = training->precision == PRECISION_FP16;
    const double passes = copied + (scaled ? 8 : 0) + 4 + 8 + 28 + 4 + p->shape.element;
    const bool divided = training->grad_scaling && parallel_holders(p->parallel) > 1;
    const double whole = 1 + training->grad_check + 2 * divided;
    return shard * passes + gradients * gradient * whole;
}

// What does not fit in a GPU, or in the time of a run, is clipped where it is counted, and refused where it is compared
// (step_cost_check_memory, step_cost_check_range): sums of a few such still fit 64 bits.
#define COUNT_CLIP 1e17
enum { BUCKETS_MOST = 4096 };
#define ROUTING_SIGMA_MOST 0.1 ///< three of them leave a step most of its time
/// Three of them leave a step all of its time but what it waits: nobody is faster than balanced.
#define ROUTING_SCATTER_MOST (1 / 3.0)
#define BYTES_MOST 9e18 ///< sums over the links of a tier in a step fit 63 bits

static int64_t clipped_count(double count) { return (int64_t)fmin(count, COUNT_CLIP); }

/// Add `times` runs of some works of a shape to a sum.
static void add_works(const Pricing *p, const TransformerShape *shape, AddWorks *works,
                      double times, PassCost *sum) {
    WorkList list = {.n = 0};
    works(shape, &list);
    if (p->pass != PASS_BACKWARD) works_keep(&list, p->pass == PASS_BACKWARD_WEIGHT);
    pricing_add_list(p, &list, times, sum);
}

static void add_pass(const Pricing *p, AddWorks *works, double times, PassCost *sum) {
    add_works(p, &p->shape, works, times, sum);
}

/// All wait in a mixture until the GPU with the most rows is done.
static void add_waiting(const Pricing *p, const TransformerShape *shape, AddWorks *works,
                        double times, PassCost *sum) {
    TransformerShape fullest = *shape;
    fullest.routed *= shape->fullest;
    PassCost mine = {0}, its = {0};
    add_works(p, shape, works, times, &mine);
    add_works(p, &fullest, works, times, &its);
    const double more_s =
        its.compute_s + its.exposed_s[DIM_EP] - mine.compute_s - mine.exposed_s[DIM_EP];
    sum->exposed_s[DIM_EP] += fmax(0, more_s);
    sum->waiting_s += fmax(0, more_s);
}

/// Add works of layers, so many of each kind.
static void add_layers(const Pricing *p, AddWorks *works, const int32_t n[LAYER_KIND_N],
                       PassCost *sum) {
    for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
        if (n[kind] == 0) continue;
        const TransformerShape shape = transformer_of_kind(&p->shape, (LayerKind)kind);
        add_works(p, &shape, works, n[kind], sum);
        if (shape.mixture && shape.fullest > 1) add_waiting(p, &shape, works, n[kind], sum);
    }
}

/// Its layers by kind; those that are recomputed whole, or the others.
static void count_layers(const Pricing *p, const Span *span, bool whole, int32_t n[LAYER_KIND_N]) {
    memory_count_layers(p->model, p->training, (LayerRange){span->first, span->n, span->mtp}, whole,
                        n);
}

/// Of everything but routed experts, and of these.
typedef struct Parameters {
    double rest, experts;
} Parameters;

/// Of the embedding. Multi-token prediction embeds tokens, too: from a copy of the matrix where that is on another GPU.
static double span_embedding(const Pricing *p, const Span *span) {
    const bool apart = p->parallel->size[DIM_PP] > 1 && p->parallel->schedule != SCHEDULE_DUALPIPE;
    const bool embeds = span->embedding || (span->mtp > 0 && apart);
    return embeds ? transformer_embedding_parameters(&p->shape) : 0;
}

static double span_head(const Pricing *p, const Span *span) {
    const bool tied_here = p->model->tied_embeddings && span->embedding;
    return span->head ? transformer_head_parameters(&p->shape, tied_here) : 0;
}

static Parameters span_parameters(const Pricing *p, const Span *span) {
    Parameters sum = {.rest = span_embedding(p, span) + span_head(p, span)};
    for (int whole = 0; whole < 2; ++whole) {
        int32_t n[LAYER_KIND_N];
        count_layers(p, span, whole == 1, n);
        for (int kind = 0; kind < LAYER_KIND_N; ++kind) {
            const TransformerShape shape = transformer_of_kind(&p->shape, (LayerKind)kind);
            const double experts = shape.mixture ? mixture_expert_parameters(&shape) : 0;
            sum.experts += n[kind] * experts;
            sum.rest += n[kind] * (transformer_layer_parameters(&shape) - experts);
        }
    }
    return sum;
}

static void price_forward(const Pricing *p, const Span *span, PassCost *sum) {
    if (span->embedding)
        add_pass(p, transformer_embedding_forward, 1, sum);
    else if (span->begins)
        add_pass(p, transformer_handover, 1, sum);
    for (int whole = 0; whole < 2; ++whole) {
        int32_t n[LAYER_KIND_N];
        count_layers(p, span, whole == 1, n);
        add_layers(p, transformer_layer_forward, n, sum);
    }
    if (span->head) add_pass(p, transformer_head_forward, 1, sum);
}

static void price_backward(const Pricing *p, const Span *span, PassCost *sum) {
    int32_t whole[LAYER_KIND_N], plain[LAYER_KIND_N];
    count_layers(p, span, true, whole);
    count_layers(p, span, false, plain);
    if (span->embedding) add_pass(p, transformer_embedding_backward, 1, sum);
    add_layers(p, transformer_layer_forward, whole, sum);
    add_layers(p, pricing_whole_backward, whole, sum);
    add_layers(p, transformer_layer_backward, plain, sum);
    if (span->head)
        add_pass(p, transformer_head_backward, 1, sum);
    else if (span->ends)
        add_pass(p, transformer_handover, 1, sum);
}

static int64_t stored_bytes(int64_t numbers, Precision precision) {
    return (int64_t)ceil((double)numbers * precision_bytes(precision));
}

static void set_parameters(const Pricing *p, const Span *span, SegmentCost *segment) {
    const Precision grad = p->training->grad_precision, gather = p->training->param_precision;
    const bool narrow = precision_bytes(gather) < p->shape.element;
    Parameters parameters = span_parameters(p, span);
    if (!parallel_experts_apart(p->parallel, p->model))
        parameters = (Parameters){.rest = parameters.rest + parameters.experts};
    segment->parameters = clipped_count(parameters.rest);
    // Matrices of words stay in 16 bits, but where the head is computed in fewer.
    const double head = narrow && !p->shape.head_narrow ? span_head(p, span) : 0;
    const double words = narrow || span->embedding ? span_embedding(p, span) : 0;
    segment->first_parameters = clipped_count(words + head);
    segment->expert_parameters = clipped_count(parameters.experts);
    segment->grad_bytes = stored_bytes(segment->parameters, grad);
    segment->first_gather_bytes =
        stored_bytes(segment->first_parameters, narrow ? PRECISION_BF16 : gather);
    segment->gather_bytes = segment->first_gather_bytes +
                            stored_bytes(segment->parameters - segment->first_parameters, gather);
    segment->expert_grad_bytes = stored_bytes(segment->expert_parameters, grad);
    segment->expert_gather_bytes = stored_bytes(segment->expert_parameters, gather);
}

static SegmentCost price_span(const Pricing *p, const Span *span, PassCost cost[PASS_N]) {
    memset(cost, 0, PASS_N * sizeof *cost);
    price_forward(p, span, &cost[PASS_FORWARD]);
    for (int pass = PASS_BACKWARD; pass < PASS_N; ++pass) {
        Pricing of = *p;
        of.pass = (Pass)pass;
        price_backward(&of, span, &cost[pass]);
    }
    SegmentCost segment = {.exchange = EXCHANGES_N};
    set_parameters(p, span, &segment);
    for (int pass = 0; pass < PASS_N; ++pass) {
        segment.pass[pass] = pricing_nominal(&cost[pass], pricing_host_waiting_s(&cost[pass]));
        segment.waiting_s += pricing_seen_waiting_s(&cost[pass]);
    }
    return segment;
}

static ChunkCost price_chunk(const Pricing *p, int32_t v) {
    const Span span = pricing_chunk_span(p, v);
    PassCost cost[PASS_N];
    ChunkCost chunk = {.layers = span.n, .embedding = span.embedding, .head = span.head};
    chunk.whole = price_span(p, &span, cost);
    const PassCost *forward = &cost[PASS_FORWARD], *backward = &cost[PASS_BACKWARD];
    chunk.forward_flop = forward->flop;
    chunk.backward_flop = backward->flop;
    for (int d = 0; d < DIM_N; ++d) {
        chunk.sent[d] = forward->sent[d];
        exchange_rows_add(&chunk.sent[d], 1, backward->sent[d]);
    }
    return chunk;
}

/// Layers, and what stands at the ends of the model, where each is gathered on its own.
static int32_t count_segments(const Pricing *p, int32_t v) {
    const Span span = pricing_chunk_span(p, v);
    return parallel_shards_layers(p->parallel) ? span.n + span.mtp + span.embedding + span.head : 0;
}

/// Segments of a virtual stage: the embedding, the layers, the head. Embedding and head of one chunk are gathered with
/// the embedding: they are the root of what is sharded (torch.distributed.fsdp, wrapped by layer).
static void price_segments(const Pricing *p, int32_t v, SegmentCost segment[]) {
    const Span all = pricing_chunk_span(p, v);
    const int32_t n = count_segments(p, v);
    for (int32_t i = 0; i < n; ++i) {
        const int32_t layer = i - all.embedding;
        const bool is_mtp = layer >= all.n && layer < all.n + all.mtp;
        const bool is_layer = (layer >= 0 && layer < all.n) || is_mtp;
        const Span span = {.first = all.first + layer,
                           .n = is_layer && !is_mtp,
                           .mtp = is_mtp,
                           .begins = i == 0,
                           .ends = i == n - 1,
                           .embedding = all.embedding && i == 0,
                           .head = all.head && i == n - 1};
        PassCost sums[PASS_N];
        segment[i] = price_span(p, &span, sums);
        segment[i].kept = !is_layer || !p->parallel->reshard;
    }
    if (n == 0 || !all.embedding || !all.head) return;
    Span root = {.embedding = true, .head = true};
    set_parameters(p, &root, &segment[0]);
    set_parameters(p, &(Span){0}, &segment[n - 1]);
}

static void price_chunks(StepCost *cost, const Pricing *p) {
    const int32_t nstages = cost->pp * cost->chunks;
    for (int32_t v = 0; v < nstages; ++v) {
        cost->chunk[v] = price_chunk(p, v);
        cost->chunk[v].first_segment = cost->nsegments;
        cost->chunk[v].nsegments = cost->exchanges_apart
                                       ? pricing_cut_chunk(p, v, NULL, &cost->chunk[v].nforward)
                                       : count_segments(p, v);
        cost->nsegments += cost->chunk[v].nsegments;
    }
    cost->segment = memory_alloc(LABEL, (size_t)cost->nsegments * sizeof *cost->segment);
    for (int32_t v = 0; v < nstages; ++v) {
        ChunkCost *chunk = &cost->chunk[v];
        SegmentCost *segments = &cost->segment[chunk->first_segment];
        if (cost->exchanges_apart)
            pricing_cut_chunk(p, v, segments, &chunk->nforward);
        else
            price_segments(p, v, segments);
    }
}

/// Exchanges of experts are operations where they load the network, or run behind the computing of another microbatch.
static void set_exchanges(StepCost *cost, const Pricing *p) {
    const Parts ep = p->links.parts[DIM_EP];
    cost->links = p->links;
    cost->exchanges_apart = p->model->experts > 0 && ep.n > 1 &&
                            (ep.inside < ep.n || p->training->ep_overlap) &&
                            !parallel_shards_layers(p->parallel);
    if (!cost->exchanges_apart) return;
    const TransformerShape shape = transformer_of_kind(&p->shape, LAYER_MIXTURE);
    for (int k = 0; k < EXCHANGES_N; ++k) {
        const Work exchange = mixture_exchange(&shape, k == EXCHANGE_COMBINE);
        cost->exchange_bytes[k] = clipped_count(exchange.bytes);
        cost->exchange_sort_s[k] = roofline_sort_s(&exchange, p->gpu, p->training);
    }
}

static int64_t resolve_bucket(const ParallelSpec *parallel, const TrainingSpec *training) {
    if (training->bucket_parameters > 0) return training->bucket_parameters;
    // Megatron-LM core/distributed/distributed_data_parallel.py: max(40 M, 1 M * data-parallel
    // size).
    const int64_t by_dp = INT64_C(1000000) * parallel_holders(parallel);
    return by_dp > INT64_C(40000000) ? by_dp : INT64_C(40000000);
}

/// ZeRO-3 holds what is kept from forward to backward, and of what is not the largest segment that is computed with as
/// many as are gathered ahead; gradients are reduced segment by segment.
static StageParameters stage_parameters(const StepCost *cost, const Pricing *p, int32_t stage) {
    StageParameters sum = {0};
    double kept = 0, passing = 0;
    for (int32_t c = 0; c < cost->chunks; ++c) {
        const ChunkCost *chunk = &cost->chunk[c * cost->pp + stage];
        sum.rest += (double)chunk->whole.parameters;
        sum.experts += (double)chunk->whole.expert_parameters;
        for (int32_t i = 0; i < chunk->nsegments; ++i) {
            const SegmentCost *segment = &cost->segment[chunk->first_segment + i];
            const double n = (double)(segment->parameters + segment->expert_parameters);
            sum.bucket = fmax(sum.bucket, n);
            if (segment->kept)
                kept += n;
            else
                passing = fmax(passing, n);
        }
    }
    const double all = sum.rest + sum.experts;
    const double at_once = 1 + p->training->param_overlap * (double)p->parallel->prefetch;
    const bool gathered = sum.bucket > 0;
    sum.whole = gathered ? fmin(all, kept + at_once * passing) : all;
    if (!gathered) sum.bucket = fmin(all, (double)cost->bucket_parameters);
    return sum;
}

/// From step to step tokens prefer other experts, in each layer for itself.
static double routing_sigma(const StepCost *cost, const Pricing *p, int32_t stage) {
    double waiting_s = 0, compute_s = 0, mixtures = 0;
    for (int32_t c = 0; c < cost->chunks; ++c) {
        const int32_t v = c * cost->pp + stage;
        const ChunkCost *chunk = &cost->chunk[v];
        const StageLayers layers =
            parallel_stage_layers(p->parallel, p->model, parallel_part(p->parallel, v));
        mixtures += layers.n[LAYER_MIXTURE] + layers.n[LAYER_MIXTURE_WINDOW];
        const bool cut = chunk->nsegments > 0;
        for (int32_t i = 0; i < (cut ? chunk->nsegments : 1); ++i) {
            const SegmentCost *part =
                cut ? &cost->segment[chunk->first_segment + i] : &chunk->whole;
            waiting_s += part->waiting_s;
            for (int pass = 0; pass < PASS_N; ++pass)
                compute_s += units_seconds_from_ps(part->pass[pass].compute_ps);
        }
    }
    if (waiting_s == 0 || mixtures == 0) return 0;
    const double scatter = mixture_scatter(p->parallel->ep) / sqrt(mixtures);
    return fmin(ROUTING_SIGMA_MOST, fmin(scatter, ROUTING_SCATTER_MOST) * waiting_s / compute_s);
}

static void price_stage(StepCost *cost, const Pricing *p, int32_t stage) {
    cost->routing_sigma[stage] = routing_sigma(cost, p, stage);
    const StageParameters parameters = stage_parameters(cost, p, stage);
    cost->memory[stage] = memory_use(p->model, p->parallel, p->training, stage, &parameters);
    const double all = parameters.rest + parameters.experts;
    const double shard = p->parallel->zero >= 1
                             ? ceil(memory_shard(p->parallel, parameters.rest, parameters.experts))
                             : all;
    const double gradients = parallel_shards_layers(p->parallel) ? shard : all;
    cost->optimizer_ps[stage] =
        pricing_clipped_ps(units_seconds_from_ps(p->gpu->launch_ps) +
                           optimizer_bytes(p, gradients, shard) / roofline_pass_Bps(p->gpu));
}

/// GPUs of a stage.
static double stage_ranks(const ParallelSpec *parallel) {
    return (double)(parallel_nranks(parallel) / parallel->size[DIM_PP]);
}

static void total_step(StepCost *cost, const Pricing *p) {
    const double sequences = (double)parallel_replicas(p->parallel) * p->parallel->microbatch *
                             p->parallel->microbatches;
    cost->tokens = sequences * p->training->sequence;
    cost->model_flop_full = sequences * model_flop(p->model, p->training->sequence, false);
    cost->model_flop_causal = sequences * model_flop(p->model, p->training->sequence, true);
    const double times =
        (double)p->parallel->microbatches / parallel_copies(p->parallel) * stage_ranks(p->parallel);
    double flop = 0;
    for (int32_t v = 0; v < cost->pp * cost->chunks; ++v) {
        const ChunkCost *chunk = &cost->chunk[v];
        flop += chunk->forward_flop + chunk->backward_flop;
        for (int d = 0; d < DIM_N; ++d) {
            const Parts parts = p->links.parts[d];
            if (d == DIM_EP && cost->exchanges_apart && parts.inside < parts.n) continue; // played
            exchange_rows_add(&cost->priced, times, chunk->sent[d]);
        }
    }
    cost->hardware_flop = flop * times;
}

static Status validate(const ModelSpec *model, const ParallelSpec *parallel,
                       const TrainingSpec *training, const GpuSpec *gpu) {
    TRY(parallel_validate(parallel, model, training));
    TRY(roofline_supports(gpu, training));
    REQUIRE(gpu->memory_stream_Bps > 0, STATUS_RANGE, "GPU %s has no memory bandwidth", gpu->name);
    return status_ok();
}

Status step_cost_init(StepCost *cost, const ModelSpec *model, const ParallelSpec *parallel,
                      const TrainingSpec *training, const GpuSpec *gpu, const ScaleUpSpec *scale_up,
                      const Uplink *uplink) {
    *cost = (StepCost){0};
    TRY(validate(model, parallel, training, gpu));
    LayerLinks links;
    TRY(layer_links_init(&links, model, parallel, training, scale_up, uplink));
    const Pricing p = {model,        parallel, training,
                       gpu,          links,    transformer_shape(model, parallel, training),
                       PASS_BACKWARD};
    const int32_t pp = parallel->size[DIM_PP], nstages = pp * parallel_stage_chunks(parallel);
    cost->pp = pp;
    cost->chunks = parallel_stage_chunks(parallel);
    cost->chunk = memory_alloc(LABEL, (size_t)nstages * sizeof *cost->chunk);
    cost->memory = memory_alloc(LABEL, (size_t)pp * sizeof *cost->memory);
    cost->optimizer_ps = memory_alloc(LABEL, (size_t)pp * sizeof *cost->optimizer_ps);
    cost->routing_sigma = memory_alloc(LABEL, (size_t)pp * sizeof *cost->routing_sigma);
    cost->bucket_parameters = resolve_bucket(parallel, training);
    cost->shards = parallel_shards(parallel);
    // A hand-over sends each number once: GPU i of a tensor-parallel group its 1 / tp (SC'21,
    // scatter/gather).
    cost->boundary_bytes =
        clipped_count(ceil(p.shape.tokens * p.shape.hidden * p.shape.element / p.shape.tp));
    if (model->tied_embeddings && pp > 1)
        cost->embedding_grad_bytes =
            clipped_count(transformer_embedding_parameters(&p.shape) * p.shape.gradient);
    cost->peak_flop_per_s = gpu_gemm(gpu, training->precision)->peak_flop_per_s;
    set_exchanges(cost, &p);
    price_chunks(cost, &p);
    for (int32_t stage = 0; stage < pp; ++stage) price_stage(cost, &p, stage);
    total_step(cost, &p);
    return status_ok();
}

void step_cost_fini(StepCost *cost) {
    const size_t pp = (size_t)cost->pp, nstages = pp * (size_t)cost->chunks;
    memory_free(LABEL, cost->chunk, nstages * sizeof *cost->chunk);
    memory_free(LABEL, cost->segment, (size_t)cost->nsegments * sizeof *cost->segment);
    memory_free(LABEL, cost->memory, pp * sizeof *cost->memory);
    memory_free(LABEL, cost->optimizer_ps, pp * sizeof *cost->optimizer_ps);
    memory_free(LABEL, cost->routing_sigma, pp * sizeof *cost->routing_sigma);
    *cost = (StepCost){0};
}

static double pass_seconds(const NominalWork *work) {
    return units_seconds_from_ps(work->compute_ps + nominal_exposed_ps(*work)) +
           units_seconds_from_ps(work->sharing_ps);
}

Wide step_cost_round_ps(const StepCost *cost) {
    Wide slowest_ps = 1;
    for (int32_t stage = 0; stage < cost->pp; ++stage) {
        Wide stage_ps = 0;
        for (int32_t c = 0; c < cost->chunks; ++c) {
            const NominalWork *pass = cost->chunk[c * cost->pp + stage].whole.pass;
            for (int k = PASS_FORWARD; k <= PASS_BACKWARD; ++k)
                stage_ps +=
                    (Wide)pass[k].compute_ps + nominal_exposed_ps(pass[k]) + pass[k].sharing_ps;
        }
        if (stage_ps > slowest_ps) slowest_ps = stage_ps;
    }
    return slowest_ps;
}

/// Computing of a stage in one step; its longest operation goes into *longest_s.
static double stage_seconds(const StepCost *cost, int32_t stage, int32_t microbatches,
                            double *longest_s) {
    double sum_s = units_seconds_from_ps(cost->optimizer_ps[stage]);
    *longest_s = fmax(*longest_s, sum_s);
    for (int32_t c = 0; c < cost->chunks; ++c) {
        const ChunkCost *chunk = &cost->chunk[c * cost->pp + stage];
        const double forward_s = pass_seconds(&chunk->whole.pass[PASS_FORWARD]);
        const double backward_s = pass_seconds(&chunk->whole.pass[PASS_BACKWARD]);
        *longest_s = fmax(*longest_s, fmax(forward_s, backward_s));
        sum_s += microbatches * (forward_s + backward_s);
    }
    return sum_s;
}

/// What all GPUs send in a step, at most.
static double step_bytes(const StepCost *cost, const ParallelSpec *parallel) {
    const double times = parallel_shards_layers(parallel) ? parallel->microbatches : 1;
    double bytes = (double)cost->embedding_grad_bytes;
    for (int32_t v = 0; v < cost->pp * cost->chunks; ++v)
        bytes += 2.0 * parallel->microbatches * (double)cost->boundary_bytes +
                 2.0 * times *
                     (double)(cost->chunk[v].whole.grad_bytes + cost->chunk[v].whole.gather_bytes);
    return bytes * stage_ranks(parallel);
}

int64_t step_cost_buckets(const StepCost *cost, const ParallelSpec *parallel,
                          const TrainingSpec *training, int32_t v) {
    const bool whole = parallel->zero < 2 && (v > 0 || !training->grad_overlap);
    const int64_t n = cost->chunk[v].whole.parameters, bucket = cost->bucket_parameters;
    return whole || n <= bucket ? 1 : (n + bucket - 1) / bucket;
}

Status step_cost_check_range(const StepCost *cost, const ParallelSpec *parallel,
                             const TrainingSpec *training, int32_t steps, double slowest) {
    const double end_s = units_seconds_from_ps(TIME_END_PS);
    double step_s = 0, longest_s = 0;
    for (int32_t stage = 0; stage < cost->pp; ++stage)
        step_s = fmax(
            step_s, stage_seconds(cost, stage,
                                  parallel_most_microbatches(parallel) / parallel_copies(parallel),
                                  &longest_s));
    REQUIRE(
        step_s * steps < end_s, STATUS_RANGE,
        "steps = %d, each at least %.3g s of computing: a run can have 53 days of simulated time",
        steps, step_s);
    REQUIRE(longest_s * slowest < end_s, STATUS_RANGE,
            "an operation of %.3g s, stretched up to %.3g times by noise and collectives, may last "
            "longer than the 53 days of simulated time that a run can have",
            longest_s, slowest);
    for (int32_t v = 0; v < cost->pp * cost->chunks; ++v)
        REQUIRE(step_cost_buckets(cost, parallel, training, v) <= BUCKETS_MOST, STATUS_RANGE,
                "bucket_parameters = %lld cuts the %lld parameters of a virtual stage into more "
                "than %d buckets",
                (long long)cost->bucket_parameters, (long long)cost->chunk[v].whole.parameters,
                BUCKETS_MOST);
    REQUIRE(
        step_bytes(cost, parallel) < BYTES_MOST, STATUS_RANGE,
        "microbatches = %d: the GPUs would send %.3g bytes in a step; at most %.3g are supported",
        parallel->microbatches, step_bytes(cost, parallel), BYTES_MOST);
    return status_ok();
}

Status step_cost_check_memory(const StepCost *cost, const GpuSpec *gpu) {
    int32_t worst = 0;
    for (int32_t stage = 1; stage < cost->pp; ++stage)
        if (cost->memory[stage].total > cost->memory[worst].total) worst = stage;
    const MemoryUse *use = &cost->memory[worst];
    REQUIRE(use->total <= gpu->memory_bytes, STATUS_RANGE,
            "pipeline stage %d needs %.2f GB, but GPU %s has %.2f GB: weights %.2f + gradients "
            "%.2f + optimizer %.2f + activations %.2f + logits %.2f + workspace %.2f",
            worst, (double)use->total / 1e9, gpu->name, (double)gpu->memory_bytes / 1e9,
            (double)use->weights / 1e9, (double)use->gradients / 1e9, (double)use->optimizer / 1e9,
            (double)use->activations / 1e9, (double)use->logits / 1e9,
            (double)use->workspace / 1e9);
    return status_ok();
}

/// Parameters among which computing is dealt: without the first, but where there is nothing else.
static int64_t computed_with(const SegmentCost *segment) {
    const int64_t others = segment->parameters - segment->first_parameters;
    return others > 0 ? others : segment->parameters;
}

/// Of these, as many as stand in the first k of `parts` parts of all, from the end that a pass begins with.
static Wide computed_before(const SegmentCost *segment, Pass pass, int64_t k, int64_t parts) {
    const Wide before = (Wide)segment->parameters * k / parts, most = computed_with(segment);
    const Wide idle = pass == PASS_FORWARD ? segment->parameters - most : 0;
    const Wide computed = before > idle ? before - idle : 0;
    return computed < most ? computed : most;
}

NominalWork step_cost_work(const StepCost *cost, int32_t stage, const Op *op) {
    if (op->kind == OP_OPTIMIZER) return (NominalWork){.compute_ps = cost->optimizer_ps[stage]};
    const SegmentCost *segment = step_cost_segment(cost, stage, op);
    const Pass pass = OP_KINDS[op->kind].pass;
    const NominalWork *all = &segment->pass[pass];
    if (op->parts == 1) return *all;
    const int64_t n = computed_with(segment);
    const Wide from = computed_before(segment, pass, op->part, op->parts);
    const Wide to = computed_before(segment, pass, op->part + 1, op->parts);
#define PART(member) .member = (int64_t)(all->member * to / n - all->member * from / n)
    return (NominalWork){PART(compute_ps), PART(tp_ps), PART(cp_ps), PART(ep_ps), PART(sharing_ps)};
#undef PART
}

/// Bytes that are gathered for the first k of `parts` parts of all parameters.
static Wide gathered_before(const SegmentCost *segment, int64_t k, int64_t parts) {
    const Wide before = (Wide)segment->parameters * k / parts, first = segment->first_parameters;
    const Wide rest = segment->gather_bytes - segment->first_gather_bytes;
    if (before <= first) return first > 0 ? segment->first_gather_bytes * before / first : 0;
    return segment->first_gather_bytes + rest * (before - first) / (segment->parameters - first);
}

int64_t step_cost_bytes(const StepCost *cost, int32_t stage, const Op *op) {
    const SegmentCost *segment = step_cost_segment(cost, stage, op);
    switch (OP_KINDS[op->kind].bytes) {
        case BYTES_NONE: return 0;
        case BYTES_DISPATCH: return cost->exchange_bytes[EXCHANGE_DISPATCH];
        case BYTES_COMBINE: return cost->exchange_bytes[EXCHANGE_COMBINE];
        case BYTES_BOUNDARY: return cost->boundary_bytes;
        case BYTES_PARAMETERS:
            return (int64_t)(gathered_before(segment, op->part + 1, op->parts) -
                             gathered_before(segment, op->part, op->parts));
        case BYTES_GRADIENTS: return wide_part(segment->grad_bytes, op->part, op->parts);
        case BYTES_EXPERT_PARAMETERS:
            return wide_part(segment->expert_gather_bytes, op->part, op->parts);
        case BYTES_EXPERT_GRADIENTS:
            return wide_part(segment->expert_grad_bytes, op->part, op->parts);
        case BYTES_SHARE:
            return (wide_part(segment->grad_bytes, op->part, op->parts) + cost->shards - 1) /
                   cost->shards;
        case BYTES_EMBEDDING: return cost->embedding_grad_bytes;
        case BYTES_NORM: return GRAD_NORM_BYTES;
    }
    CHECK(false, "operation kind %d", (int)op->kind);
}
