#include "published.h"

#include <stdio.h>

static GemmTable gemm_table(double peak, double best, const double point[][4], int32_t n) {
    GemmTable table = {.peak_flop_per_s = peak, .best_flop_per_s = best, .npoints = n};
    for (int32_t i = 0; i < n; ++i)
        table.point[i] = (GemmPoint){point[i][0], point[i][1], point[i][2], point[i][3] * 1e12};
    return table;
}

GpuSpec published_a100(void) {
    static const double fp16[][4] = {{1024, 1024, 1024, 119.4},   {2048, 2048, 2048, 221.8},
                                     {4096, 4096, 4096, 228.0},   {8192, 8192, 8192, 253.7},
                                     {6144, 12288, 12288, 250.8}, {16384, 16384, 16384, 256.5}};
    GpuSpec gpu = {.name = "a100-80g-sxm",
                   .memory_bytes = 84000000000,
                   .memory_Bps = 2.0e12,
                   .memory_stream_Bps = 1.61e12,
                   .launch_ps = 4300000,
                   .graph_launch_ps = 1800000,
                   .host_call_ps = 13500000,
                   .sustained_share = 1,
                   .scale_up_processor_share = 0.16,
                   .network_processor_share = 0.16,
                   .processors = 108,
                   .idle_W = 55,
                   .typical_W = 330,
                   .max_W = 400};
    gpu.gemm[PRECISION_FP16] = gemm_table(312e12, 271.2e12, fp16, 6);
    gpu.gemm[PRECISION_BF16] = gpu.gemm[PRECISION_FP16];
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH1] = 134e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH1] = 78e12;
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH2] = 187e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH2] = 157e12;
    return gpu;
}

GpuSpec published_h100(void) {
    static const double bf16[][4] = {{512, 512, 512, 40.7},     {1024, 512, 4096, 298.9},
                                     {1024, 1024, 4096, 470.1}, {2048, 1024, 4096, 653.1},
                                     {2048, 4096, 2048, 715.4}, {4096, 2048, 4096, 758.4}};
    static const double fp8[][4] = {{1024, 1024, 1024, 274.1},    {2048, 2048, 2048, 1011.3},
                                    {4096, 4096, 4096, 1216.9},   {8192, 8192, 8192, 1290.1},
                                    {6144, 12288, 12288, 1351.4}, {16384, 16384, 16384, 1377.3},
                                    {32768, 32768, 32768, 1382.2}};
    GpuSpec gpu = {.name = "h100-sxm",
                   .memory_bytes = 84000000000,
                   .memory_Bps = 3.35e12,
                   .memory_stream_Bps = 2.90e12,
                   .launch_ps = 4300000,
                   .graph_launch_ps = 1800000,
                   .host_call_ps = 13500000,
                   .sustained_share = 0.78,
                   .scale_up_processor_share = 0.16,
                   .network_processor_share = 0.16,
                   .processors = 132,
                   .idle_W = 85,
                   .typical_W = 600,
                   .max_W = 700};
    gpu.gemm[PRECISION_BF16] = gemm_table(989e12, 794.5e12, bf16, 6);
    gpu.gemm[PRECISION_FP16] = gpu.gemm[PRECISION_BF16];
    gpu.gemm[PRECISION_FP8] = gemm_table(1979e12, 1402.6e12, fp8, 7);
    gpu.gemm[PRECISION_FP8].sustained_share = 0.995;
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH1] = 228e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH1] = 134e12;
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH2] = 319e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH2] = 269e12;
    gpu.attention_forward_flop_per_s[ATTENTION_FLASH3] = 579e12;
    gpu.attention_backward_flop_per_s[ATTENTION_FLASH3] = 492e12;
    gpu.attention_forward_flop_per_s[ATTENTION_CUDNN] = 518e12;
    gpu.attention_backward_flop_per_s[ATTENTION_CUDNN] = 424e12;
    return gpu;
}

ScaleUpSpec published_nvlink_a100(void) {
    return (ScaleUpSpec){.name = "nvlink3-8",
                         .gpus = 8,
                         .line_Bps = 300000000000,
                         .goodput_Bps = 235000000000,
                         .reduce_chunk_bytes = 2 << 20,
                         .copy_Bps = 450000000000,
                         .exchange_Bps = 197000000000,
                         .exchange_copy_Bps = 860000000000,
                         .latency_ps = 850000,
                         .collective_base_ps = 9500000,
                         .bulk_latency_ps = 11600000,
                         .bulk_base_ps = 8400000,
                         .small_share = 0.37,
                         .medium_share = 0.68};
}

ScaleUpSpec published_nvlink_h100(void) {
    return (ScaleUpSpec){.name = "nvlink4-8",
                         .gpus = 8,
                         .line_Bps = 450000000000,
                         .goodput_Bps = 370000000000,
                         .reduce_Bps = 478900000000,
                         .reduce_chunk_bytes = 2 << 20,
                         .copy_Bps = 720000000000,
                         .exchange_Bps = 328000000000,
                         .exchange_copy_Bps = 1980000000000,
                         .latency_ps = 770000,
                         .collective_base_ps = 4900000,
                         .bulk_latency_ps = 3300000,
                         .bulk_base_ps = 10500000,
                         .small_share = 0.38,
                         .medium_share = 0.87};
}

static ModelSpec gpt(const char *name, int32_t layers, int32_t hidden, int32_t heads, int32_t vocab,
                     bool tied) {
    ModelSpec model = {.layers = layers,
                       .hidden = hidden,
                       .heads = heads,
                       .kv_heads = heads,
                       .head_dim = hidden / heads,
                       .ffn = 4 * hidden,
                       .vocab = vocab,
                       .activation = ACTIVATION_GELU,
                       .tied_embeddings = tied};
    snprintf(model.name, sizeof model.name, "%s", name);
    return model;
}

static ModelSpec llama_405b(void) {
    return (ModelSpec){.name = "llama3.1-405b",
                       .layers = 126,
                       .hidden = 16384,
                       .heads = 128,
                       .kv_heads = 8,
                       .head_dim = 128,
                       .ffn = 53248,
                       .vocab = 128256,
                       .activation = ACTIVATION_SWIGLU};
}

static ParallelSpec plan(int32_t tp, int32_t pp, int32_t vp, int32_t dp, int32_t microbatches,
                         int32_t zero) {
    return (ParallelSpec){
        .size = {[DIM_TP] = tp, [DIM_CP] = 1, [DIM_EP] = 1, [DIM_DP] = dp, [DIM_PP] = pp},
        .ep = 1,
        .expert_tp = 1,
        .order = {DIM_TP, DIM_CP, DIM_EP, DIM_PP, DIM_DP},
        .chunks = vp,
        .sequence_parallel = true,
        .zero = zero,
        .schedule = SCHEDULE_INTERLEAVED,
        .microbatch = 1,
        .microbatches = microbatches};
}

PublishedRun published_q(void) {
    return (PublishedRun){.name = "Q-gpt3-175b-selective",
                          .model = gpt("gpt3-175b", 96, 12288, 96, 51200, true),
                          .parallel = plan(8, 8, 3, 1, 64, 0),
                          .training = {.sequence = 2048,
                                       .precision = PRECISION_FP16,
                                       .grad_precision = PRECISION_FP16,
                                       .param_precision = PRECISION_FP16,
                                       .attention = ATTENTION_UNFUSED,
                                       .tp_backward_overlap = true,
                                       .grad_fusion = true,
                                       .recompute = RECOMPUTE_BIT(RECOMPUTE_CORE_ATTENTION),
                                       .dropout = true},
                          .gpu = published_a100(),
                          .scale_up = published_nvlink_a100(),
                          .nic_Bps = 23e9,
                          .step_lo_s = 13.75,
                          .step_hi_s = 13.75};
}

PublishedRun published_c07(void) {
    return (PublishedRun){.name = "C07",
                          .model = gpt("gpt-177b-v131k", 96, 12288, 96, 131072, false),
                          .parallel = plan(8, 6, 16, 48, 24, 1),
                          .training = {.sequence = 4096,
                                       .precision = PRECISION_BF16,
                                       .grad_precision = PRECISION_FP32,
                                       .param_precision = PRECISION_BF16,
                                       .attention = ATTENTION_CUDNN,
                                       .tp_backward_overlap = true,
                                       .grad_fusion = true,
                                       .tp_overlap = true,
                                       .grad_overlap = true,
                                       .param_overlap = true,
                                       .pp_overlap = true,
                                       .dropout = true},
                          .gpu = published_h100(),
                          .scale_up = published_nvlink_h100(),
                          .nic_Bps = 47e9,
                          .step_lo_s = 5.259,
                          .step_hi_s = 5.259};
}

PublishedRun published_p1(void) {
    PublishedRun run = {.name = "P1",
                        .model = llama_405b(),
                        .parallel = plan(8, 16, 8, 64, 32, 2),
                        .training = {.sequence = 8192,
                                     .precision = PRECISION_BF16,
                                     .grad_precision = PRECISION_FP32,
                                     .param_precision = PRECISION_BF16,
                                     .attention = ATTENTION_FLASH2,
                                     .tp_backward_overlap = true,
                                     .grad_fusion = true,
                                     .grad_overlap = true,
                                     .param_overlap = true,
                                     .pp_overlap = true},
                        .gpu = published_h100(),
                        .scale_up = published_nvlink_h100(),
                        .nic_Bps = 47e9,
                        .step_lo_s = 12.02,
                        .step_hi_s = 12.50};
    run.parallel.embedding_as_layer = true;
    return run;
}

PublishedRun published_colossus(void) {
    PublishedRun run = published_p1();
    run.name = "colossus";
    run.parallel.size[DIM_DP] = 780;
    run.parallel.zero = 1;
    run.parallel.microbatches = 16;
    run.training.recompute |= RECOMPUTE_BIT(RECOMPUTE_MLP_ACTIVATION);
    run.step_lo_s = 6.2;
    run.step_hi_s = 7.2;
    return run;
}
