#include <string.h>

#include "claims.h"
#include "published.h"
#include "workload/model_size.h"
#include "workload/transformer.h"

static double pass_flop(const PublishedRun *run,
                        void (*pass)(const TransformerShape *, WorkList *)) {
    const TransformerShape shape = transformer_shape(&run->model, &run->parallel, &run->training);
    WorkList list = {.n = 0};
    pass(&shape, &list);
    return transformer_flop(&list);
}

// Narayanan et al., SC'21, appendix: a GPT step is 72 s L h^2 (1 + s / 6h + V / 12 h L) FLOP a
// sequence, and 96 s L h^2 (1 + s / 6h + V / 16 h L) when every layer is recomputed.
static void gpt_flop_equal_the_closed_form(void **state) {
    (void)state;
    const PublishedRun run = published_q();
    const double s = 2048, L = 96, h = 12288, V = 51200;
    assert_close(model_flop(&run.model, 2048, false) /
                     (72 * s * L * h * h * (1 + s / (6 * h) + V / (12 * h * L))),
                 1, 1e-12);
    PublishedRun plain = run;
    plain.training.recompute &= ~RECOMPUTE_BIT(RECOMPUTE_CORE_ATTENTION);
    StepCost cost;
    Status status = step_cost_init(&cost, &plain.model, &plain.parallel, &plain.training,
                                   &plain.gpu, &plain.scale_up, NULL);
    assert_int_equal(status.code, STATUS_OK);
    assert_close(cost.hardware_flop / cost.model_flop_full, 1, 1e-12);
    step_cost_fini(&cost);
    plain.training.recompute_full_every = 1;
    status = step_cost_init(&cost, &plain.model, &plain.parallel, &plain.training, &plain.gpu,
                            &plain.scale_up, NULL);
    assert_int_equal(status.code, STATUS_OK);
    assert_close(
        cost.hardware_flop / 64 / (96 * s * L * h * h * (1 + s / (6 * h) + V / (16 * h * L))), 1,
        1e-12);
    step_cost_fini(&cost);
}

// Llama-3.1-405B, s = 8192: 2.4225 TFLOP a token in the matrices (6 * 403.75e9) and 12 L h s =
// 0.2029 in attention, half of it causal: the terms behind the published MFU tables.
static void llama_flop_per_token_equal_the_published_convention(void **state) {
    (void)state;
    const PublishedRun run = published_p1();
    const double full = model_flop(&run.model, 8192, false) / 8192;
    const double causal = model_flop(&run.model, 8192, true) / 8192;
    assert_close(2 * causal - full, 2.4225e12, 0.00005e12);
    assert_close(2 * (full - causal), 0.2029e12, 0.00005e12);
}

// Tensor parallelism cuts work, it makes none: tp GPUs together do the FLOP of one.
static void tensor_parallel_flop_sum_to_the_whole(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.training.attention = ATTENTION_UNFUSED;
    double whole[2] = {0};
    for (int32_t tp = 1; tp <= 8; tp *= 2) {
        run.parallel.size[DIM_TP] = tp;
        const double forward = tp * pass_flop(&run, transformer_layer_forward);
        const double backward = tp * pass_flop(&run, transformer_layer_backward);
        if (tp == 1) {
            whole[0] = forward;
            whole[1] = backward;
        }
        assert_close(forward / whole[0], 1, 1e-12);
        assert_close(backward / whole[1], 1, 1e-12);
    }
    assert_close(whole[1] / whole[0], 2, 1e-12); // two GEMMs backward for each forward
}

// Fewer key and value heads save their share of one projection and nothing else.
static void grouped_query_attention_saves_the_projection_of_missing_heads(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    const double grouped = pass_flop(&run, transformer_layer_forward);
    run.model.kv_heads = run.model.heads;
    const double full = pass_flop(&run, transformer_layer_forward);
    const double saved = 2.0 * 8192 * 16384 * 2 * (128 - 8) * 128 / 8;
    assert_close((full - grouped) / saved, 1, 1e-12);
}

// Recomputing a module adds exactly the forward FLOP of that module.
static void recompute_adds_the_forward_flop_of_the_listed_modules(void **state) {
    (void)state;
    PublishedRun run = published_q();
    const double with = pass_flop(&run, transformer_layer_backward);
    run.training.recompute &= ~RECOMPUTE_BIT(RECOMPUTE_CORE_ATTENTION);
    const double without = pass_flop(&run, transformer_layer_backward);
    const double core = 4.0 * 2048 * 2048 * 12288 / 8;
    assert_close((with - without) / core, 1, 1e-9);
    run.training.recompute |= RECOMPUTE_BIT(RECOMPUTE_MLP_ACTIVATION);
    run.training.recompute |= RECOMPUTE_BIT(RECOMPUTE_LAYERNORM);
    assert_close(pass_flop(&run, transformer_layer_backward) / without, 1, 1e-12);
}

// Korthikanti et al.: with sequence parallelism a layer makes two all-gathers and two
// reduce-scatters forward, as many backward, and gathers two inputs again; without, two all-reduces
// each way.
static void layers_make_the_published_number_of_collectives(void **state) {
    (void)state;
    for (int sequence_parallel = 0; sequence_parallel < 2; ++sequence_parallel) {
        PublishedRun run = published_q();
        run.parallel.sequence_parallel = sequence_parallel == 1;
        const TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
        int n[2][WORK_KIND_N] = {{0}};
        for (int pass = 0; pass < 2; ++pass) {
            WorkList list = {.n = 0};
            if (pass == 0)
                transformer_layer_forward(&s, &list);
            else
                transformer_layer_backward(&s, &list);
            for (int32_t i = 0; i < list.n; ++i) ++n[pass][list.work[i].kind];
        }
        assert_int_equal(n[0][WORK_GATHER], sequence_parallel ? 2 : 0);
        assert_int_equal(n[0][WORK_SCATTER], sequence_parallel ? 2 : 0);
        assert_int_equal(n[1][WORK_GATHER], sequence_parallel ? 4 : 0);
        assert_int_equal(n[1][WORK_SCATTER], sequence_parallel ? 2 : 0);
        assert_int_equal(n[0][WORK_REDUCE], sequence_parallel ? 0 : 2);
        assert_int_equal(n[1][WORK_REDUCE], sequence_parallel ? 0 : 2);
    }
}

static void one_gpu_makes_no_tensor_parallel_collective(void **state) {
    (void)state;
    PublishedRun run = published_q();
    run.parallel.size[DIM_TP] = 1;
    const TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
    WorkList list = {.n = 0};
    transformer_layer_forward(&s, &list);
    transformer_layer_backward(&s, &list);
    for (int32_t i = 0; i < list.n; ++i) assert_true(list.work[i].kind < WORK_GATHER);
}

// A collective that may hide names a GEMM of its own list, also when a cast stands between them.
static void hidden_collectives_name_a_gemm(void **state) {
    (void)state;
    const Precision precisions[] = {PRECISION_BF16, PRECISION_FP8};
    for (int i = 0; i < 2; ++i) {
        PublishedRun run = published_c07();
        run.training.precision = precisions[i];
        const TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
        WorkList list = {.n = 0};
        transformer_layer_forward(&s, &list);
        transformer_layer_backward(&s, &list);
        transformer_head_forward(&s, &list);
        transformer_head_backward(&s, &list);
        for (int32_t w = 0; w < list.n; ++w)
            if (list.work[w].kind >= WORK_GATHER && list.work[w].hiding != HIDE_NEVER)
                assert_int_equal(list.work[list.work[w].partner].kind, WORK_GEMM);
    }
}

// Known totals: GPT-3 174.6 G (SC'21 gives 175.1 with positions), Llama-3.1-405B 405.85 G, Llama-3
// 8B 8.03 G.
static void parameters_equal_the_known_totals(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.parallel.size[DIM_TP] = 1;
    TransformerShape s = transformer_shape(&run.model, &run.parallel, &run.training);
    double n = 126 * transformer_layer_parameters(&s) + transformer_embedding_parameters(&s) +
               transformer_head_parameters(&s, false);
    assert_close(n, 405.85e9, 0.01e9);
    run.model = (ModelSpec){.layers = 32,
                            .hidden = 4096,
                            .heads = 32,
                            .kv_heads = 8,
                            .head_dim = 128,
                            .ffn = 14336,
                            .vocab = 128256,
                            .activation = ACTIVATION_SWIGLU};
    s = transformer_shape(&run.model, &run.parallel, &run.training);
    n = 32 * transformer_layer_parameters(&s) + transformer_embedding_parameters(&s) +
        transformer_head_parameters(&s, false);
    assert_close(n, 8.0303e9, 0.0001e9);
    run = published_q();
    run.parallel.size[DIM_TP] = 1;
    s = transformer_shape(&run.model, &run.parallel, &run.training);
    // 12 L h^2 (1 + 13 / 12h + V / 12 L h), SC'21 without positions, plus the final LayerNorm
    n = 96 * transformer_layer_parameters(&s) + transformer_embedding_parameters(&s) +
        transformer_head_parameters(&s, true);
    const double h = 12288;
    assert_close(n - 2 * h, 12 * 96 * h * h * (1 + 13 / (12 * h) + 51200 / (12 * 96 * h)), 1);
}

/// Bytes of the works of a layer, there and back, whose name begins with `name`.
static double layer_bytes(const PublishedRun *run, const char *name) {
    const TransformerShape shape = transformer_shape(&run->model, &run->parallel, &run->training);
    WorkList list = {.n = 0};
    transformer_layer_forward(&shape, &list);
    transformer_layer_backward(&shape, &list);
    double sum = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (strncmp(list.work[i].name, name, strlen(name)) == 0) sum += list.work[i].bytes;
    return sum;
}

// Sequence parallelism divides norms, residuals and dropout among the GPUs of a group, and moves no other byte of memory.
static void sequence_parallelism_divides_norms_and_residuals(void **state) {
    (void)state;
    PublishedRun run = published_q();
    static const char *const DIVIDED[] = {"norm", "residual", "dropout grad"}, *const WHOLE[] = {
                                                                                   "qkv",
                                                                                   "proj",
                                                                                   "fc1",
                                                                                   "fc2",
                                                                                   "activation",
                                                                                   "softmax"};
    PublishedRun whole = run;
    whole.parallel.sequence_parallel = false;
    for (int i = 0; i < 3; ++i)
        assert_close(layer_bytes(&whole, DIVIDED[i]) / layer_bytes(&run, DIVIDED[i]), 8, 1e-12);
    for (int i = 0; i < 6; ++i)
        assert_close(layer_bytes(&whole, WHOLE[i]) / layer_bytes(&run, WHOLE[i]), 1, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt_flop_equal_the_closed_form),
        cmocka_unit_test(llama_flop_per_token_equal_the_published_convention),
        cmocka_unit_test(tensor_parallel_flop_sum_to_the_whole),
        cmocka_unit_test(grouped_query_attention_saves_the_projection_of_missing_heads),
        cmocka_unit_test(recompute_adds_the_forward_flop_of_the_listed_modules),
        cmocka_unit_test(layers_make_the_published_number_of_collectives),
        cmocka_unit_test(one_gpu_makes_no_tensor_parallel_collective),
        cmocka_unit_test(hidden_collectives_name_a_gemm),
        cmocka_unit_test(parameters_equal_the_known_totals),
        cmocka_unit_test(sequence_parallelism_divides_norms_and_residuals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
