#include <math.h>
#include <string.h>

#include "base/units.h"
#include "claims.h"
#include "published.h"
#include "workload/roofline.h"
#include "workload/transformer.h"

static const TrainingSpec BF16 = {.precision = PRECISION_BF16, .attention = ATTENTION_CUDNN};

/// A B200 alone and cool, as far as attention in bf16 goes (topologies/hardware/b200-sxm.yaml).
static GpuSpec b200(void) {
    GpuSpec gpu = published_h100();
    gpu.gemm[PRECISION_BF16].best_flop_per_s = 1e18;
    gpu.sustained_share = 0;
    gpu.memory_stream_Bps = 1e18;
    gpu.attention_ramp = 554;
    gpu.attention_forward_flop_per_s[ATTENTION_CUDNN] = 1063e12;
    gpu.attention_backward_flop_per_s[ATTENTION_CUDNN] = 851e12;
    gpu.attention_key_ps = 19500;
    return gpu;
}

/// Causal attention of heads of 128 over n tokens, in so many blocks.
static Work attention(WorkKind kind, double heads, double n, int32_t blocks) {
    const double flop = 2 * n * n * heads * 128;
    return (Work){.kind = kind,
                  .n = n,
                  .k = 128,
                  .blocks = blocks,
                  .flop = kind == WORK_ATTENTION ? flop : 2.5 * flop,
                  .partner = -1};
}

static double time_s(const Work *work, const GpuSpec *gpu) {
    return roofline_work_s(work, gpu, &BF16);
}

// Law: attention takes no less than one tile of queries along all keys, and than its FLOP at the rate of many heads; no more
// than both; and the walk is forgotten where there are many heads.
static void few_heads_wait_for_one_tile_of_queries(void **state) {
    (void)state;
    GpuSpec gpu = b200(), wide = b200();
    gpu.launch_ps = wide.launch_ps = 0;
    wide.attention_key_ps = 0;
    for (int pass = 0; pass < 2; ++pass)
        for (double n = 256; n <= 131072; n *= 2) {
            const double walk_s = 10e-6 + n * 19.5e-9;
            double before_s = 0;
            for (double heads = 1; heads <= 4096; heads *= 2) {
                const Work work =
                    attention(pass ? WORK_ATTENTION_BACKWARD : WORK_ATTENTION, heads, n, 1);
                const double rate_s = time_s(&work, &wide), all_s = time_s(&work, &gpu);
                assert_true(all_s >= walk_s && all_s >= rate_s && all_s <= walk_s + rate_s);
                assert_true(all_s > before_s);
                if (rate_s > 20 * walk_s) assert_close(all_s / rate_s, 1, 2e-3);
                before_s = all_s;
            }
        }
}

// Numbers: 4096 tokens on B200, forward, as measured in training (SimuMax, b200_bf16_ceperm.json).
static void few_heads_take_what_was_measured(void **state) {
    (void)state;
    static const double HEADS[] = {4, 8, 16, 32, 64}, US[] = {91.5, 98.5, 105.7, 167.1, 280.4};
    const GpuSpec gpu = b200();
    for (int i = 0; i < 5; ++i) {
        const Work work = attention(WORK_ATTENTION, HEADS[i], 4096, 1);
        assert_close(time_s(&work, &gpu) * 1e6 / US[i], 1, 0.1);
    }
}

// Law: a sequence in blocks is never attended to sooner than in one piece, and the more blocks the later. Forward two blocks
// run at a time: with few heads the walks of two blocks take as long as one of half the keys.
static void blocks_never_gain(void **state) {
    (void)state;
    GpuSpec gpu = b200();
    for (int pass = 0; pass < 2; ++pass)
        for (double heads = 1; heads <= 512; heads *= 8) {
            double before_s = 0;
            for (int32_t blocks = 1; blocks <= 16; blocks *= 2) {
                Work work = attention(pass ? WORK_ATTENTION_BACKWARD : WORK_ATTENTION, heads, 65536,
                                      blocks);
                work.flop /= blocks; // of one of the GPUs
                const double all_s = blocks * time_s(&work, &gpu);
                assert_true(all_s > before_s);
                before_s = all_s;
            }
        }
    gpu.launch_ps = 0;
    const Work one = attention(WORK_ATTENTION, 1e-9, 8192, 1),
               two = attention(WORK_ATTENTION, 1e-9, 8192, 2),
               back = attention(WORK_ATTENTION_BACKWARD, 1e-9, 8192, 2);
    assert_close(time_s(&one, &gpu), 10e-6 + 8192 * 19.5e-9, 1e-9);
    assert_close(time_s(&two, &gpu), 10e-6 + 4096 * 19.5e-9, 1e-9);
    assert_close(time_s(&back, &gpu), 2 * (10e-6 + 4096 * 19.5e-9), 1e-9);
}

// Law: what kernels of many heads take beside their pairs of tokens, the ramp, is of rows of queries: all are taken up with the
// first block, and half the time half of them with each other one.
static void later_blocks_take_up_three_quarters_of_the_rows(void **state) {
    (void)state;
    GpuSpec gpu = b200();
    gpu.launch_ps = gpu.attention_key_ps = 0;
    const double n = 32768, ramp = gpu.attention_ramp / n;
    for (int pass = 0; pass < 2; ++pass) {
        const WorkKind kind = pass ? WORK_ATTENTION_BACKWARD : WORK_ATTENTION;
        const Work one = attention(kind, 64, n, 1);
        const double pairs_s = time_s(&one, &gpu) / (1 + ramp);
        for (int32_t blocks = 1; blocks <= 16; ++blocks) {
            const Work work = attention(kind, 64, n, blocks);
            assert_close((time_s(&work, &gpu) / pairs_s - 1) / ramp, 1 + 0.75 * (blocks - 1), 1e-9);
        }
    }
}

/// Bytes of the works of a name in a pass over a layer, by what a GPU takes of them.
static double named_bytes(const PublishedRun *run,
                          void (*pass)(const TransformerShape *, WorkList *), const char *name,
                          bool any_layout) {
    const TransformerShape shape = transformer_shape(&run->model, &run->parallel, &run->training);
    WorkList list = {.n = 0};
    pass(&shape, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (strcmp(list.work[i].name, name) == 0)
            bytes += list.work[i].bytes - (any_layout ? list.work[i].turned_bytes : 0);
    return bytes;
}

// Numbers: Llama 405B, 8192 tokens over 2 GPUs and no tensor parallelism: 128 heads and 8 of keys, of 128. Forward keys and values
// are copied, results scaled (the first block) and three quarters of them scaled and added (the second).
static void blocks_of_a_ring_are_merged(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.parallel.size[DIM_TP] = 1;
    run.parallel.size[DIM_CP] = 2;
    const double token = 2 * 4096.0, keys = token * 2 * 8 * 128, queries = token * 128 * 128;
    assert_close(named_bytes(&run, transformer_layer_forward, "merge of blocks", false),
                 2 * keys + 2 * queries + 0.75 * 3 * queries, 1);
    assert_close(named_bytes(&run, transformer_layer_backward, "merge of blocks grad", false),
                 4 * keys + 0.75 * 5 * keys + 2 * queries + 0.75 * 3 * queries, 1);
    run.parallel.cp_algorithm = CP_ALL_GATHER;
    assert_close(named_bytes(&run, transformer_layer_forward, "merge of blocks", false), 0, 0);
    run.parallel.cp_algorithm = CP_RING;
    run.parallel.size[DIM_CP] = 1;
    assert_close(named_bytes(&run, transformer_layer_forward, "merge of blocks", false), 0, 0);
}

/// Bytes of a pass over a layer that GPUs which share a sequence tell each other.
static double shared_bytes(const TransformerShape *shape,
                           void (*pass)(const TransformerShape *, WorkList *)) {
    WorkList list = {.n = 0};
    pass(shape, &list);
    double bytes = 0;
    for (int32_t i = 0; i < list.n; ++i)
        if (list.work[i].kind != WORK_MEMORY && list.work[i].along == DIM_CP)
            bytes += list.work[i].bytes;
    return bytes;
}

// Law: of shared sequences every GPU sees all keys and values forward; backward it sees them again, and their gradients
// find their way back: twice the bytes. Tokens that were changed for heads change back: as many.
static void gradients_of_keys_go_the_way_of_keys(void **state) {
    (void)state;
    for (int algorithm = 0; algorithm < CP_ALGORITHM_N; ++algorithm)
        for (int32_t cp = 2; cp <= 8; cp *= 2)
            for (int latent = 0; latent < 2; ++latent)
                for (int flash = 0; flash < 2; ++flash) {
                    PublishedRun run = published_p1();
                    run.training.attention = flash ? ATTENTION_CUDNN : ATTENTION_UNFUSED;
                    run.parallel.size[DIM_TP] = 1;
                    run.parallel.size[DIM_CP] = cp;
                    run.parallel.cp_algorithm = (CpAlgorithm)algorithm;
                    if (latent)
                        run.model.mla = (MlaSpec){
                            .q_lora = 1536, .kv_lora = 512, .rope = 64, .nope = 128, .v = 128};
                    const TransformerShape shape =
                        transformer_shape(&run.model, &run.parallel, &run.training);
                    const double numbers = shape.kv_heads * (shape.head_dim + shape.value_dim),
                                 keys = 2 * 8192.0 * numbers;
                    const double forward = shared_bytes(&shape, transformer_layer_forward),
                                 backward = shared_bytes(&shape, transformer_layer_backward);
                    const bool changed = algorithm == CP_ALL_TO_ALL;
                    if (!changed) assert_close(forward, keys, 1e-9 * keys);
                    assert_close(backward, (changed ? 1 : 2) * forward, 1e-9 * forward);
                }
}

// Law: what is gathered is cast once among the GPUs of a group, and laid out anew by each of them, but not where products take
// any layout. What is cut by its width is cast by each GPU in its own part, so that forward all casts of a group are those of
// one GPU.
static void gathered_operands_are_cast_once(void **state) {
    (void)state;
    PublishedRun run = published_p1();
    run.training.precision = PRECISION_FP8;
    run.parallel.sequence_parallel = true;
    const double gathered = 2 * 8192.0 * 16384;
    double whole = 0;
    for (int32_t tp = 1; tp <= 8; tp *= 2) {
        run.parallel.size[DIM_TP] = tp;
        const double casts = tp * named_bytes(&run, transformer_layer_forward, "cast", true);
        if (tp == 1) whole = casts;
        assert_close(casts / whole, 1, 1e-12);
        const double turns = named_bytes(&run, transformer_layer_forward, "turn", false);
        assert_close(turns, tp == 1 ? 0 : 2 * gathered, 1);
        assert_close(named_bytes(&run, transformer_layer_forward, "turn", true), 0, 0);
    }
    run.training.precision =
        PRECISION_MXFP8; // rows and columns have scales of their own: two casts
    assert_close(named_bytes(&run, transformer_layer_forward, "turn", false), 0, 0);
    assert_close(named_bytes(&run, transformer_layer_forward, "cast", true),
                 named_bytes(&run, transformer_layer_forward, "cast", false), 0);
}

// A GPU that takes any layout makes no second copy, and launches nothing for it.
static void any_layout_saves_a_copy(void **state) {
    (void)state;
    GpuSpec gpu = published_h100();
    const Work cast = {.kind = WORK_MEMORY, .bytes = 4e9, .turned_bytes = 1e9, .partner = -1};
    const Work turn = {.kind = WORK_MEMORY, .bytes = 2e9, .turned_bytes = 2e9, .partner = -1};
    const double gap_s = units_seconds_from_ps(gpu.launch_ps);
    const double Bps = roofline_pass_Bps(&gpu);
    assert_close(time_s(&cast, &gpu), gap_s + 4e9 / Bps, 1e-12);
    assert_close(time_s(&turn, &gpu), gap_s + 2e9 / Bps, 1e-12);
    gpu.fp8_any_layout = true;
    assert_close(time_s(&cast, &gpu), gap_s + 3e9 / Bps, 1e-12);
    assert_close(time_s(&turn, &gpu), 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_heads_wait_for_one_tile_of_queries),
        cmocka_unit_test(few_heads_take_what_was_measured),
        cmocka_unit_test(blocks_never_gain),
        cmocka_unit_test(later_blocks_take_up_three_quarters_of_the_rows),
        cmocka_unit_test(blocks_of_a_ring_are_merged),
        cmocka_unit_test(gradients_of_keys_go_the_way_of_keys),
        cmocka_unit_test(gathered_operands_are_cast_once),
        cmocka_unit_test(any_layout_saves_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
