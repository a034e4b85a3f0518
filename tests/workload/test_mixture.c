#include <math.h>
#include <string.h>

#include "base/units.h"
#include "claims.h"
#include "draws.h"
#include "published.h"
#include "workload/exchange_plan.h"
#include "workload/memory_use.h"
#include "workload/mixture.h"
#include "workload/model_size.h"
#include "workload/transformer.h"

typedef struct Draw {
    uint64_t seed, n;
} Draw;

static int32_t below(Draw *draw, int32_t n) {
    return (int32_t)rng_below(draw->seed, 0, 1, draw->n++, n);
}

static int32_t power(Draw *draw, int32_t least, int32_t values) {
    return least << below(draw, values);
}

/// A model and a plan for it, both small: mixtures behind dense layers, latent attention or not, further tokens or not.
static PublishedRun drawn_run(uint64_t seed) {
    Draw draw = {.seed = seed};
    PublishedRun run = published_p1();
    const int32_t heads = power(&draw, 8, 3);
    run.model = (ModelSpec){.name = "drawn",
                            .layers = 4 + 2 * below(&draw, 4),
                            .hidden = 128 * (1 + below(&draw, 16)),
                            .heads = heads,
                            .kv_heads = power(&draw, 8, 1),
                            .head_dim = 32 * (1 + below(&draw, 4)),
                            .ffn = 64 * (1 + below(&draw, 64)),
                            .vocab = 1024 * (1 + below(&draw, 64)),
                            .activation = (Activation)below(&draw, 3),
                            .experts = power(&draw, 8, 3),
                            .shared_experts = below(&draw, 3),
                            .expert_ffn = 64 * (1 + below(&draw, 16)),
                            .first_dense = below(&draw, 3),
                            .mtp_layers = below(&draw, 2),
                            .qk_norm = below(&draw, 2) == 1,
                            .bias = below(&draw, 2) == 1,
                            .clamp = below(&draw, 2) == 1,
                            .yarn = below(&draw, 2) == 1,
                            .parallel_block = below(&draw, 2) == 1,
                            .window_every = 1};
    run.model.top_k = 1 + below(&draw, run.model.experts);
    if (below(&draw, 2) == 1) {
        run.model.mla = (MlaSpec){
            .q_lora = 64 * below(&draw, 3), .kv_lora = 128, .rope = 16, .nope = 48, .v = 80};
        run.model.head_dim = 64;
        run.model.kv_heads = heads;
    }
    const int32_t tp = power(&draw, 1, 3), replicas = 8;
    run.parallel = (ParallelSpec){.size = {tp, 1, 1, replicas, 1 + below(&draw, 2)},
                                  .order = {DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP},
                                  .ep = power(&draw, 1, 3),
                                  .expert_tp = power(&draw, 1, 2),
                                  .chunks = 1,
                                  .sequence_parallel = true,
                                  .zero = below(&draw, 2),
                                  .schedule = SCHEDULE_1F1B,
                                  .microbatch = power(&draw, 1, 2),
                                  .microbatches = 4};
    const Status status = parallel_deal_experts(&run.parallel);
    assert_int_equal(status.code, STATUS_OK);
    run.training = (TrainingSpec){.sequence = 512,
                                  .precision = PRECISION_BF16,
                                  .grad_precision = PRECISION_FP32,
                                  .param_precision = PRECISION_BF16,
                                  .attention = ATTENTION_UNFUSED};
    return run;
}

static StepCost priced(const PublishedRun *run) {
    StepCost cost;
    const Status status = step_cost_init(&cost, &run->model, &run->parallel, &run->training,
                                         &run->gpu, &run->scale_up, NULL);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return cost;
}

enum { RUNS = 200 };

// What GPUs execute without recomputation is what the model needs, however it is dealt.
static void gpus_together_do_the_flop_of_the_model(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        const PublishedRun run = drawn_run(seed);
        StepCost cost = priced(&run);
        if (fabs(cost.hardware_flop / cost.model_flop_full - 1) > 1e-12)
            fail_msg("seed %d: %.17g FLOP for %.17g", (int)seed, cost.hardware_flop,
                     cost.model_flop_full);
        step_cost_fini(&cost);
    }
}

// Parts of experts on GPUs are all experts, once for each GPU that holds the same ones.
static void gpus_together_hold_every_expert(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        const PublishedRun run = drawn_run(seed);
        const TransformerShape shape = transformer_shape(&run.model, &run.parallel, &run.training);
        const TransformerShape s = transformer_of_kind(&shape, LAYER_MIXTURE);
        PublishedRun alone = run;
        alone.parallel.size[DIM_TP] = alone.parallel.ep = alone.parallel.expert_tp = 1;
        const TransformerShape whole =
            transformer_shape(&alone.model, &alone.parallel, &alone.training);
        const TransformerShape all = transformer_of_kind(&whole, LAYER_MIXTURE);
        const double parts = run.parallel.ep * run.parallel.expert_tp;
        // Biases of rows stand on each GPU that shares an expert.
        const bool biased = (run.model.bias || run.model.activation == ACTIVATION_GELU) &&
                            run.parallel.expert_tp > 1;
        assert_close(parts * mixture_expert_parameters(&s) / mixture_expert_parameters(&all), 1,
                     biased ? 0.02 : 1e-12);
    }
}

// A mixture of one expert that every token passes is a dense layer, to the bit: in time, FLOP, parameters and memory.
static void one_expert_is_a_dense_layer(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun dense = drawn_run(seed);
        dense.model.experts = dense.model.top_k = dense.model.shared_experts =
            dense.model.expert_ffn = dense.model.first_dense = 0;
        dense.parallel.ep = dense.parallel.expert_tp = 1;
        dense.parallel.size[DIM_DP] *= dense.parallel.size[DIM_EP];
        dense.parallel.size[DIM_EP] = 1;
        PublishedRun single = dense;
        single.model.experts = single.model.top_k = 1;
        single.model.expert_ffn = dense.model.ffn;
        single.parallel.expert_tp = dense.parallel.size[DIM_TP];
        StepCost a = priced(&dense), b = priced(&single);
        for (int32_t v = 0; v < a.pp; ++v) {
            assert_memory_equal(&a.chunk[v].whole, &b.chunk[v].whole, sizeof a.chunk[v].whole);
            assert_memory_equal(&a.memory[v], &b.memory[v], sizeof a.memory[v]);
            assert_int_equal(a.optimizer_ps[v], b.optimizer_ps[v]);
        }
        assert_close(a.hardware_flop, b.hardware_flop, 0);
        assert_close(a.model_flop_full, b.model_flop_full, 0);
        step_cost_fini(&a);
        step_cost_fini(&b);
    }
}

/// Bytes of the works of a layer forward and backward of one kind.
static double layer_bytes(const TransformerShape *s, WorkKind kind) {
    WorkList list = {.n = 0};
    transformer_layer_forward(s, &list);
    transformer_layer_backward(s, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (list.work[i].kind == kind) bytes += list.work[i].bytes;
    return bytes;
}

// A GPU sends every row of its tokens four times: to the experts and back, forward and backward.
static void exchanges_carry_the_rows_of_all_tokens(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        const PublishedRun run = drawn_run(seed);
        if (run.parallel.ep == 1) continue;
        const TransformerShape shape = transformer_shape(&run.model, &run.parallel, &run.training);
        const TransformerShape s = transformer_of_kind(&shape, LAYER_MIXTURE);
        const double tokens = 512.0 * run.parallel.microbatch / run.parallel.size[DIM_TP];
        assert_close(
            layer_bytes(&s, WORK_EXCHANGE) / (4 * tokens * run.model.top_k * run.model.hidden * 2),
            1, 1e-12);
    }
}

// Law: every row a GPU sends is counted once, with what is priced or where it is played: all of them in one domain, those of
// tensor parallelism alone where exchanges load the network.
static void rows_are_counted_where_they_are_played(void **state) {
    (void)state;
    const Uplink uplink = {.nic_Bps = 46e9, .base_s = 8e-6, .round_s = 14e-6};
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        if (run.parallel.ep == 1) continue;
        run.scale_up.gpus = 64;
        for (int apart = 0; apart < 2; ++apart) {
            StepCost cost;
            const Status status = step_cost_init(&cost, &run.model, &run.parallel, &run.training,
                                                 &run.gpu, &run.scale_up, &uplink);
            assert_int_equal(status.code, STATUS_OK);
            const Parts ep = cost.links.parts[DIM_EP];
            assert_true(apart || ep.inside == ep.n);
            double rows = 0, others = 0;
            for (int32_t v = 0; v < cost.pp * cost.chunks; ++v)
                for (int d = 0; d < DIM_N; ++d)
                    *(d == DIM_EP ? &rows : &others) +=
                        cost.chunk[v].sent[d].inside + cost.chunk[v].sent[d].outside;
            const double times = run.parallel.microbatches * 8.0 * run.parallel.size[DIM_TP];
            const double counted = cost.priced.inside + cost.priced.outside,
                         wanted = times * (others + (ep.inside == ep.n ? rows : 0));
            assert_true(rows > 0);
            assert_close(counted, wanted, 1e-9 * wanted);
            step_cost_fini(&cost);
            run.scale_up.gpus = run.parallel.size[DIM_TP]; // and of a domain, no two replicas
        }
    }
}

/// Bytes of the works of a mixture, forward and backward, whose names hold a word.
static double mixture_bytes(const TransformerShape *s, const char *word) {
    WorkList list = {.n = 0};
    mixture_add(s, &list);
    mixture_add_backward(s, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (strstr(list.work[i].name, word)) bytes += list.work[i].bytes;
    return bytes;
}

// Rows of experts are copied four times where narrow products want them in multiples: not in 16 bit, not where experts take a
// fixed number of rows, not where the exchange leaves room. Biases of second products cost 14 passes, unless they are fused.
static void rows_are_copied_where_they_must(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        const PublishedRun run = drawn_run(seed);
        const TransformerShape shape = transformer_shape(&run.model, &run.parallel, &run.training);
        TransformerShape s = transformer_of_kind(&shape, LAYER_MIXTURE);
        if (!s.mixture) continue;
        const double pass = s.element * s.routed * s.hidden;
        const bool biased = run.model.bias || run.model.activation == ACTIVATION_GELU;
        assert_close(mixture_bytes(&s, "expert bias"), biased ? 14 * pass : 0, 1e-9 * pass);
        s.fused_experts = true;
        assert_close(mixture_bytes(&s, "expert bias"), 0, 0);
        assert_close(mixture_bytes(&s, "pad rows"), 0, 0);
        s.operand = 1;
        for (int d = 0; d < DISPATCHER_N; ++d)
            for (int dropless = 0; dropless < 2; ++dropless) {
                s.dispatcher = (Dispatcher)d;
                s.dropless = dropless == 1;
                const bool copied = s.dropless && d != DISPATCH_HYBRID;
                assert_close(mixture_bytes(&s, "pad rows"), copied ? 8 * pass : 0, 1e-9 * pass);
            }
    }
}

/// Bytes that exchanges of a mixture sort, forward and backward.
static double sorted_bytes(const TransformerShape *s) {
    WorkList list = {.n = 0};
    mixture_add(s, &list);
    mixture_add_backward(s, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i) bytes += list.work[i].sorted_bytes;
    return bytes;
}

// Where a token travels once to each GPU, its row is copied there to all its experts and the copies are added up again, and
// nothing is permuted before: no fewer rows come than tokens leave, no more than experts are asked, as many where each expert has
// a GPU of its own. Hybrid-EP does so inside its exchange, reads and writes as fast as a copy, but looks at all experts of a GPU
// for every row.
static void rows_are_permuted_where_they_arrive(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        const PublishedRun run = drawn_run(seed);
        const TransformerShape shape = transformer_shape(&run.model, &run.parallel, &run.training);
        TransformerShape s = transformer_of_kind(&shape, LAYER_MIXTURE);
        if (!s.mixture || s.ep == 1) continue;
        const double row = s.element * s.hidden, rows = s.routed / s.expert_tp;
        const double gpus = exchange_gpus((int32_t)s.experts, (int32_t)s.top_k, s.ep);
        assert_true(gpus >= 1 - 1e-9 && gpus <= fmin(s.top_k, s.ep) + 1e-9);
        if (s.ep == (int32_t)s.experts) assert_close(gpus, s.top_k, 1e-9);
        const double passes = 4 * row * (rows / s.top_k * gpus + rows);
        s.dispatcher = DISPATCH_NODE_DEDUP;
        assert_close(mixture_bytes(&s, "permute"), 0, 0);
        assert_close(mixture_bytes(&s, "sort"), passes / 0.75, 1e-9 * passes);
        assert_close(sorted_bytes(&s), 0, 0);
        s.dispatcher = DISPATCH_HYBRID;
        assert_close(mixture_bytes(&s, "permute"), 0, 0);
        assert_close(mixture_bytes(&s, "sort"), 0, 0);
        const double looks = 2 * (840 + 190) * s.experts_here * rows / s.top_k * gpus;
        assert_close(sorted_bytes(&s), passes + looks, 1e-9 * passes);
    }
}

/// What the exchanges of a chunk take that are operations of their own, one pass.
static int64_t exchanges_ps(const StepCost *cost, const ParallelSpec *parallel, Pass pass) {
    const ExchangePlan plan = exchange_plan(cost, parallel);
    const int32_t n = cost->chunk->nsegments, nforward = cost->chunk->nforward;
    const int32_t first = pass == PASS_FORWARD ? 0 : nforward;
    const int32_t end = pass == PASS_FORWARD ? nforward : n;
    int64_t sum_ps = 0;
    for (int32_t i = first; i < end; ++i)
        if (cost->segment[i].exchange != EXCHANGES_N)
            sum_ps += plan.latency_ps[cost->segment[i].exchange];
    return sum_ps;
}

// Inside a domain an exchange takes as long behind the computing of another microbatch as in the way of its own, with all that
// its kernels sort.
static void exchanges_take_as_long_apart(void **state) {
    (void)state;
    int32_t exchanging = 0;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.training.dispatcher = (Dispatcher)(seed % DISPATCHER_N);
        run.parallel.chunks = 1;
        StepCost within = priced(&run);
        run.training.ep_overlap = true;
        StepCost apart = priced(&run);
        exchanging += apart.exchanges_apart;
        if (apart.exchanges_apart)
            for (int pass = PASS_FORWARD; pass <= PASS_BACKWARD; ++pass) {
                const double ep_ps = (double)within.chunk->whole.pass[pass].ep_ps;
                assert_close((double)exchanges_ps(&apart, &run.parallel, (Pass)pass), ep_ps,
                             1e-6 * ep_ps);
            }
        step_cost_fini(&within);
        step_cost_fini(&apart);
    }
    assert_true(exchanging > RUNS / 2);
}

static int64_t nominal_ps(const SegmentCost *of, Pass pass) {
    const NominalWork *work = &of->pass[pass];
    return work->compute_ps + work->tp_ps + work->cp_ps + work->ep_ps + work->sharing_ps;
}

/// A chunk's pass between its exchanges.
static int64_t between_exchanges_ps(const StepCost *cost, Pass pass) {
    const int32_t n = cost->chunk->nsegments, nforward = cost->chunk->nforward;
    int64_t sum_ps = 0;
    for (int32_t i = pass == PASS_FORWARD ? 0 : nforward; i < (pass == PASS_FORWARD ? nforward : n);
         ++i)
        sum_ps += nominal_ps(&cost->segment[i], pass);
    return sum_ps;
}

// However slow its host, a pass that is cut at its exchanges takes no longer between them than in one with them, and with
// them no less: the host launches ahead over the whole of it.
static void a_cut_pass_waits_no_longer_for_its_host(void **state) {
    (void)state;
    int32_t waiting = 0;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.parallel.chunks = 1;
        run.gpu.host_call_ps = rng_below(17, 0, seed, 0, 60) * PS_PER_US;
        StepCost within = priced(&run);
        run.training.ep_overlap = true;
        StepCost apart = priced(&run);
        for (int pass = PASS_FORWARD; pass <= PASS_BACKWARD && apart.exchanges_apart; ++pass) {
            const int64_t whole_ps = nominal_ps(&within.chunk->whole, (Pass)pass),
                          cut_ps = between_exchanges_ps(&apart, (Pass)pass),
                          apart_ps = exchanges_ps(&apart, &run.parallel, (Pass)pass);
            assert_in_range(cut_ps, 0, whole_ps + whole_ps / 1000000);
            assert_in_range(whole_ps, 0, (cut_ps + apart_ps) + whole_ps / 1000000);
            waiting += cut_ps + apart_ps > whole_ps + whole_ps / 1000;
        }
        step_cost_fini(&within);
        step_cost_fini(&apart);
    }
    assert_true(waiting > 0);
}

// What goes into activations of experts is clamped in 4 passes, which its host waits for, and backward in 5, unless they are
// fused; again where activations are computed again; and is kept once more where they are not.
static void clamps_take_passes_of_their_own(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.model.shared_experts = 0;
        const TransformerShape shape = transformer_shape(&run.model, &run.parallel, &run.training);
        TransformerShape s = transformer_of_kind(&shape, LAYER_MIXTURE);
        if (!s.mixture) continue;
        const double pass = s.element * s.routed * s.expert_ffn * (s.gated ? 2 : 1);
        assert_close(mixture_bytes(&s, "clamp"), s.clamp ? 9 * pass : 0, 1e-9 * pass);
        WorkList again = {.n = 0};
        mixture_add_recomputed_activation(&s, &again);
        assert_int_equal(again.n, s.clamp ? 2 : 1);
        assert_int_equal(again.work[0].waits_for_host, s.clamp);
        s.clamp = true;
        const double kept = memory_layer_activation(&s, false);
        s.clamp = false;
        const bool drops =
            shape_recomputes(&s, RECOMPUTE_MOE) || shape_recomputes(&s, RECOMPUTE_MOE_ACTIVATION);
        assert_close(kept - memory_layer_activation(&s, false), drops ? 0 : pass, 1e-9 * kept);
        s.clamp = s.fused_experts = true;
        assert_close(mixture_bytes(&s, "clamp"), 0, 0);
    }
}

// Where nothing is dispatched it does not matter how.
static void all_experts_on_a_gpu_need_no_dispatcher(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        if (run.parallel.ep > 1) continue;
        run.training.precision = PRECISION_FP8_BLOCK;
        double bytes[DISPATCHER_N];
        for (int d = 0; d < DISPATCHER_N; ++d) {
            run.training.dispatcher = (Dispatcher)d;
            const TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
            const TransformerShape mixture = transformer_of_kind(&s, LAYER_MIXTURE);
            bytes[d] = mixture_bytes(&mixture, "");
            assert_close(bytes[d], bytes[0], 0);
        }
    }
}

/// Bytes of rotary embeddings in a layer, forward and backward.
static double rotary_bytes(const PublishedRun *run) {
    const TransformerShape s = transformer_shape(&run->model, &run->parallel, &run->training);
    WorkList list = {.n = 0};
    transformer_layer_forward(&s, &list);
    transformer_layer_backward(&s, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (strcmp(list.work[i].name, "rotary") == 0) bytes += list.work[i].bytes;
    return bytes;
}

// Scaled embeddings move six times the bytes of a fused kernel; those of latent attention have one that scales.
static void scaled_embeddings_take_more_passes(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.model.yarn = false;
        const double plain = rotary_bytes(&run);
        run.model.yarn = true;
        const double scaled = rotary_bytes(&run);
        assert_close(scaled, (run.model.mla.kv_lora > 0 ? 1 : 6) * plain, 1e-9 * scaled);
    }
}

// Attention kernels are those of latent attention where keys are wider than values, forward and backward, and nowhere else.
static void attention_is_latent_where_keys_are_wider(void **state) {
    (void)state;
    int32_t kernels[2] = {0};
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.training.attention = ATTENTION_CUDNN;
        const bool wider = run.model.mla.kv_lora > 0 && seed % 2 == 0;
        if (wider) run.model.mla.v = 32;
        const TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
        WorkList list = {.n = 0};
        transformer_layer_forward(&s, &list);
        transformer_layer_backward(&s, &list);
        for (int32_t i = 0; i < list.n; ++i) {
            const WorkKind kind = list.work[i].kind;
            if (kind != WORK_ATTENTION && kind != WORK_ATTENTION_BACKWARD) continue;
            assert_int_equal(list.work[i].latent, wider);
            kernels[wider]++;
        }
    }
    assert_true(kernels[false] > 0 && kernels[true] > 0);
}

/// FLOP of an attention kernel in the first layer, which has the model's window.
static double attention_kernel_flop(const PublishedRun *run, WorkKind kind) {
    const TransformerShape shape = transformer_shape(&run->model, &run->parallel, &run->training);
    const TransformerShape s = transformer_of_kind(&shape, model_layer_kind(&run->model, 0));
    WorkList list = {.n = 0};
    transformer_layer_forward(&s, &list);
    transformer_layer_backward(&s, &list);
    double flop = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (list.work[i].kind == kind) flop += list.work[i].flop;
    return flop;
}

// A window saves both passes work; in fp8 it saves the forward alone: the backward runs over all keys.
static void windows_save_no_backward_in_fp8(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.training.attention = ATTENTION_CUDNN;
        double flop[2][2][2]; // [fp8][windowed][backward]
        for (int fp8 = 0; fp8 < 2; ++fp8)
            for (int windowed = 0; windowed < 2; ++windowed) {
                run.training.attention_fp8 = fp8;
                run.model.window = windowed ? run.training.sequence / 8 : 0;
                flop[fp8][windowed][0] = attention_kernel_flop(&run, WORK_ATTENTION);
                flop[fp8][windowed][1] = attention_kernel_flop(&run, WORK_ATTENTION_BACKWARD);
            }
        for (int backward = 0; backward < 2; ++backward) {
            assert_true(flop[0][1][backward] < flop[0][0][backward] / 3);
            assert_true(flop[1][0][backward] == flop[0][0][backward]);
        }
        assert_true(flop[1][1][0] == flop[0][1][0] && flop[1][1][1] == flop[1][0][1]);
    }
}

// Recomputing more keeps less, never more, and takes more time; all of a layer takes the most.
static void every_module_recomputed_keeps_less(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        StepCost none = priced(&run);
        for (int module = 0; module < RECOMPUTE_N; ++module) {
            run.training.recompute = RECOMPUTE_BIT(module);
            StepCost some = priced(&run);
            for (int32_t v = 0; v < none.pp; ++v) {
                assert_true(some.memory[v].activations <= none.memory[v].activations);
                const NominalWork *before = &none.chunk[v].whole.pass[PASS_BACKWARD],
                                  *after = &some.chunk[v].whole.pass[PASS_BACKWARD];
                assert_true(after->compute_ps >= before->compute_ps);
                // What is kept less is what is computed again.
                assert_int_equal(some.memory[v]
                                     .activations<none.memory[v].activations, after->compute_ps>
                                         before->compute_ps);
            }
            step_cost_fini(&some);
        }
        step_cost_fini(&none);
    }
}

// The mean of the largest of n normals (Harter, Biometrika 48, 1961): 0.56419 of 2, 1.42360 of 8, 2.35 of 64. Drawn experts
// are never faster than balanced ones, wait longer the more they scatter, and want more room.
static void drawn_experts_wait_for_the_fullest(void **state) {
    (void)state;
    const TrainingSpec drawn = {.routing = EXPERTS_DRAWN, .routing_scatter = 1};
    assert_close(mixture_fullest(&drawn, 1), 1, 0);
    assert_close(mixture_fullest(&drawn, 2), 1.56419, 1e-5);
    assert_close(mixture_fullest(&drawn, 8), 2.42360, 1e-5);
    assert_close(mixture_fullest(&drawn, 64), 3.35, 0.01);
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        StepCost before = priced(&run);
        run.training.routing = EXPERTS_DRAWN;
        for (run.training.routing_scatter = 0; run.training.routing_scatter < 0.5;
             run.training.routing_scatter += 0.1) {
            StepCost after = priced(&run);
            for (int32_t v = 0; v < before.pp; ++v)
                for (int pass = 0; pass < PASS_N; ++pass) {
                    const NominalWork *a = &before.chunk[v].whole.pass[pass],
                                      *b = &after.chunk[v].whole.pass[pass];
                    assert_true(a->ep_ps <= b->ep_ps);
                    // A host that is late has caught up a little while GPUs waited.
                    assert_true(a->compute_ps >= b->compute_ps);
                    assert_true(a->compute_ps + a->ep_ps <= b->compute_ps + b->ep_ps + 2);
                    assert_true(before.memory[v].total <= after.memory[v].total);
                }
            step_cost_fini(&before);
            before = after;
        }
        step_cost_fini(&before);
    }
}

/// In all passes of a stage that is one chunk.
static double computed_s(const StepCost *cost, int32_t stage) {
    double sum_s = 0;
    for (int pass = 0; pass < PASS_N; ++pass)
        sum_s += units_seconds_from_ps(cost->chunk[stage].whole.pass[pass].compute_ps);
    return sum_s;
}

// Experts are drawn anew for each layer: a stage of a pipeline in both directions has the layers of two parts, so what it
// waits scatters less than that of one part, by the root of two. Three deviations are never more than what is waited.
static void layers_of_both_directions_scatter_apart(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < RUNS; ++seed) {
        PublishedRun run = drawn_run(seed);
        run.model.layers = 128; // of fewer, three deviations would be more than they wait
        run.model.first_dense = run.model.mtp_layers = 0;
        run.gpu.host_call_ps = run.gpu.launch_ps = 0; // and a host would hide some
        run.parallel.size[DIM_PP] = 4;
        run.parallel.microbatches = 8;
        run.training.routing = EXPERTS_DRAWN;
        run.training.routing_scatter = 0.01;
        StepCost one = priced(&run);
        run.parallel.schedule = SCHEDULE_DUALPIPE;
        StepCost both = priced(&run);
        for (int32_t stage = 1; stage < 3; ++stage) // without embedding and head
            assert_close(both.routing_sigma[stage], one.routing_sigma[stage] / sqrt(2), 1e-6);
        assert_true(run.parallel.ep == 1 || one.routing_sigma[1] > 0);
        for (int32_t stage = 0; stage < 4; ++stage)
            assert_true(3 * one.routing_sigma[stage] * computed_s(&one, stage) <=
                        one.chunk[stage].whole.waiting_s * (1 + 1e-9));
        step_cost_fini(&one);
        step_cost_fini(&both);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_together_do_the_flop_of_the_model),
        cmocka_unit_test(gpus_together_hold_every_expert),
        cmocka_unit_test(one_expert_is_a_dense_layer),
        cmocka_unit_test(exchanges_carry_the_rows_of_all_tokens),
        cmocka_unit_test(rows_are_counted_where_they_are_played),
        cmocka_unit_test(rows_are_copied_where_they_must),
        cmocka_unit_test(rows_are_permuted_where_they_arrive),
        cmocka_unit_test(exchanges_take_as_long_apart),
        cmocka_unit_test(a_cut_pass_waits_no_longer_for_its_host),
        cmocka_unit_test(clamps_take_passes_of_their_own),
        cmocka_unit_test(all_experts_on_a_gpu_need_no_dispatcher),
        cmocka_unit_test(scaled_embeddings_take_more_passes),
        cmocka_unit_test(attention_is_latent_where_keys_are_wider),
        cmocka_unit_test(windows_save_no_backward_in_fp8),
        cmocka_unit_test(every_module_recomputed_keeps_less),
        cmocka_unit_test(drawn_experts_wait_for_the_fullest),
        cmocka_unit_test(layers_of_both_directions_scatter_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
