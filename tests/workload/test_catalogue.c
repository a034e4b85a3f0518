#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "claims.h"
#include "config/hardware_file.h"
#include "config/model_file.h"
#include "published.h"
#include "workload/model_size.h"
#include "workload/roofline.h"

static const char HARDWARE[] = COLOSSIM_SOURCE_DIR "/topologies/hardware";
static const char MODELS[] = COLOSSIM_SOURCE_DIR "/jobs/models";

/// Read entry `name` (without .yaml) of a folder into `data`; fails the test with the diagnostics.
static void load(const char *folder, const char *name, const Schema *schema, void *data) {
    TextBuffer why = {.n = 0};
    if (!catalogue_load(folder, strrchr(folder, '/') + 1, name, schema, data, &why))
        fail_msg("%s", why.bytes);
}

/// The value of `kind:` in a file.
static void kind_of(const char *folder, const char *file, char kind[32]) {
    char path[900], line[200];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    kind[0] = '\0';
    while (fgets(line, sizeof line, stream))
        if (sscanf(line, "kind: %31s", kind) == 1) break;
    fclose(stream);
}

typedef union AnySpec {
    GpuSpec gpu;
    NicSpec nic;
    SwitchSpec a_switch;
    ScaleUpSpec scale_up;
    ModelSpec model;
} AnySpec;

static int load_all(const char *folder) {
    static const Schema *const SCHEMAS[] = {&gpu_schema, &nic_schema, &switch_schema,
                                            &scale_up_schema, &model_schema};
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".yaml") != 0) continue;
        char kind[32], name[HARDWARE_NAME_BYTES];
        kind_of(folder, entry->d_name, kind);
        snprintf(name, sizeof name, "%.*s", (int)(dot - entry->d_name), entry->d_name);
        bool known = false;
        for (int i = 0; i < 5; ++i) {
            if (strcmp(SCHEMAS[i]->kind, kind) != 0) continue;
            AnySpec spec;
            memset(&spec, 0, sizeof spec);
            load(folder, name, SCHEMAS[i], &spec);
            known = true;
            ++n;
        }
        if (!known) fail_msg("%s has kind '%s'", entry->d_name, kind);
    }
    closedir(dir);
    return n;
}

static void every_catalogue_entry_is_read_without_error(void **state) {
    (void)state;
    assert_true(load_all(HARDWARE) >= 14);
    assert_true(load_all(MODELS) >= 44);
}

static void expect_same_table(const GemmTable *a, const GemmTable *b) {
    assert_close(a->peak_flop_per_s, b->peak_flop_per_s, 0);
    assert_close(a->best_flop_per_s, b->best_flop_per_s, 0);
    assert_int_equal(a->npoints, b->npoints);
    for (int32_t i = 0; i < a->npoints; ++i) {
        assert_close(a->point[i].m, b->point[i].m, 0);
        assert_close(a->point[i].n, b->point[i].n, 0);
        assert_close(a->point[i].k, b->point[i].k, 0);
        assert_close(a->point[i].rate_flop_per_s / b->point[i].rate_flop_per_s, 1, 1e-12);
    }
}

static void expect_same_gpu(const char *name, const GpuSpec *expected) {
    GpuSpec gpu;
    memset(&gpu, 0, sizeof gpu);
    load(HARDWARE, name, &gpu_schema, &gpu);
    assert_string_equal(gpu.name, expected->name);
    // Of the tables those that the tests use; shares of long runs are scripts/calibrate's.
    for (int p = 0; p < PRECISION_N; ++p)
        if (expected->gemm[p].npoints > 0) expect_same_table(&gpu.gemm[p], &expected->gemm[p]);
    for (int a = 0; a < ATTENTION_N; ++a) {
        assert_close(gpu.attention_forward_flop_per_s[a], expected->attention_forward_flop_per_s[a],
                     1);
        assert_close(gpu.attention_backward_flop_per_s[a],
                     expected->attention_backward_flop_per_s[a], 1);
    }
    assert_int_equal(gpu.memory_bytes, expected->memory_bytes);
    assert_close(gpu.memory_Bps, expected->memory_Bps, 1);
    assert_close(gpu.memory_stream_Bps, expected->memory_stream_Bps, 1);
    assert_int_equal(gpu.launch_ps, expected->launch_ps);
    assert_close(gpu.scale_up_processor_share, expected->scale_up_processor_share, 1e-12);
    assert_close(gpu.network_processor_share, expected->network_processor_share, 1e-12);
    assert_int_equal(gpu.processors, expected->processors);
}

static void expect_same_domain(const char *name, const ScaleUpSpec *expected) {
    ScaleUpSpec domain;
    memset(&domain, 0, sizeof domain);
    load(HARDWARE, name, &scale_up_schema, &domain);
    assert_int_equal(domain.gpus, expected->gpus);
    assert_int_equal(domain.line_Bps, expected->line_Bps);
    assert_int_equal(domain.goodput_Bps, expected->goodput_Bps);
    assert_int_equal(domain.reduce_Bps, expected->reduce_Bps);
    assert_int_equal(domain.latency_ps, expected->latency_ps);
    assert_int_equal(domain.collective_base_ps, expected->collective_base_ps);
    assert_int_equal(domain.bulk_latency_ps, expected->bulk_latency_ps);
    assert_int_equal(domain.bulk_base_ps, expected->bulk_base_ps);
    assert_int_equal(domain.reduce_chunk_bytes, expected->reduce_chunk_bytes);
    assert_int_equal(domain.copy_Bps, expected->copy_Bps);
    assert_int_equal(domain.exchange_Bps, expected->exchange_Bps);
    assert_int_equal(domain.exchange_copy_Bps, expected->exchange_copy_Bps);
    assert_close(domain.small_share, expected->small_share, 1e-12);
    assert_close(domain.medium_share, expected->medium_share, 1e-12);
}

// The tests of the workload layer hold what users run.
static void the_tests_use_the_figures_of_the_catalogue(void **state) {
    (void)state;
    const GpuSpec a100 = published_a100(), h100 = published_h100();
    expect_same_gpu("a100-80g-sxm", &a100);
    expect_same_gpu("h100-sxm", &h100);
    const ScaleUpSpec nvlink3 = published_nvlink_a100(), nvlink4 = published_nvlink_h100();
    expect_same_domain("nvlink3-8", &nvlink3);
    expect_same_domain("nvlink4-8", &nvlink4);
    const PublishedRun runs[] = {published_q(), published_c07(), published_p1()};
    for (int i = 0; i < 3; ++i) {
        ModelSpec model;
        memset(&model, 0, sizeof model);
        load(MODELS, runs[i].model.name, &model_schema, &model);
        const ModelSpec *expected = &runs[i].model;
        assert_int_equal(model.layers, expected->layers);
        assert_int_equal(model.hidden, expected->hidden);
        assert_int_equal(model.heads, expected->heads);
        assert_int_equal(model.kv_heads, expected->kv_heads);
        assert_int_equal(model.head_dim, expected->head_dim);
        assert_int_equal(model.ffn, expected->ffn);
        assert_int_equal(model.vocab, expected->vocab);
        assert_int_equal(model.activation, expected->activation);
        assert_int_equal(model.tied_embeddings, expected->tied_embeddings);
    }
}

// Parameters in billions as published: total, active with the embedding or without it.
static void models_have_the_published_parameters(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double total, active, tolerance;
        bool embedding;
    } PUBLISHED[] = {
        {"deepseek-v3", 671.0, 37.0, 0.02, true},     // arXiv:2412.19437
        {"deepseek-v2", 236.0, 21.0, 0.02, true},     // arXiv:2405.04434
        {"mixtral-8x7b", 46.7, 12.9, 0.005, true},    // arXiv:2401.04088
        {"mixtral-8x22b", 141.0, 39.0, 0.005, true},  // mistral.ai
        {"grok-1", 314.0, 86.0, 0.03, true},          // xai-org/grok-1: a quarter of the weights
        {"kimi-k2", 1040.0, 32.6, 0.02, true},        // arXiv:2507.20534
        {"qwen3-235b-a22b", 235.0, 22.0, 0.02, true}, // arXiv:2505.09388
        {"qwen3-30b-a3b", 30.5, 3.3, 0.02, true},
        {"gpt-oss-120b", 116.83, 5.13, 0.005, false}, // arXiv:2508.10925, table 1
        {"gpt-oss-20b", 20.91, 3.61, 0.005, false},
        {"qwen2.5-32b", 32.76, 32.76, 0.001, true}, // arXiv:2412.15115
        {"llama3.1-405b", 405.85, 405.85, 0.001, true},
        {"gpt3-175b", 174.6, 174.6, 0.001, true},
    };
    for (size_t i = 0; i < sizeof PUBLISHED / sizeof PUBLISHED[0]; ++i) {
        ModelSpec model;
        memset(&model, 0, sizeof model);
        load(MODELS, PUBLISHED[i].name, &model_schema, &model);
        const ModelSize size = model_size(&model);
        const double active = size.active - (PUBLISHED[i].embedding ? 0 : size.embedding);
        if (fabs(size.total / 1e9 / PUBLISHED[i].total - 1) > PUBLISHED[i].tolerance ||
            fabs(active / 1e9 / PUBLISHED[i].active - 1) > PUBLISHED[i].tolerance)
            fail_msg("%s: %.2f B, active %.2f B", model.name, size.total / 1e9, active / 1e9);
    }
}

// Model FLOP of a token behind the two columns (tokens and FLOP per second) of NVIDIA's tables of Megatron-Bridge, which
// count what causal masks and windows leave, in TFLOP.
static void models_have_the_published_flop(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int32_t sequence;
        double tflop;
    } PUBLISHED[] = {
        {"llama3-8b", 8192, 0.0515},       {"llama3-70b", 8192, 0.449},
        {"llama3.1-405b", 8192, 2.524},    {"deepseek-v3", 4096, 0.2497},
        {"deepseek-v3-mtp", 4096, 0.2602}, {"qwen3-235b-a22b", 4096, 0.148},
        {"qwen3-30b-a3b", 4096, 0.0230},   {"gpt-oss-120b", 4096, 0.0326},
        {"kimi-k2", 4096, 0.2046},
    };
    for (size_t i = 0; i < sizeof PUBLISHED / sizeof PUBLISHED[0]; ++i) {
        ModelSpec model;
        memset(&model, 0, sizeof model);
        load(MODELS, PUBLISHED[i].name, &model_schema, &model);
        const int32_t s = PUBLISHED[i].sequence;
        const double tflop = model_flop(&model, s, true) / s / 1e12;
        if (fabs(tflop / PUBLISHED[i].tflop - 1) > 0.015)
            fail_msg("%s: %.4f TFLOP a token, published %.4f", model.name, tflop,
                     PUBLISHED[i].tflop);
    }
}

// Grouped products of 20 to 128 experts as measured on B200, shares of 2250 TFLOP/s: rows x k times k x n, the gradient of
// the rows, and that of the weights, added in fp32 (MooreThreads/SimuMax, configs/system/b200_bf16_ceperm.json,
// main_grad_dtype fp32).
static const struct {
    double experts, m, n, k, share[3];
} GROUPED[] = {
    {20, 1232, 3072, 5120, {0.513, 0.422, 0.328}}, {20, 1232, 5120, 1536, {0.397, 0.389, 0.320}},
    {40, 616, 3072, 5120, {0.462, 0.321, 0.258}},  {40, 616, 5120, 1536, {0.326, 0.281, 0.272}},
    {80, 308, 3072, 5120, {0.387, 0.304, 0.162}},  {80, 308, 5120, 1536, {0.235, 0.250, 0.178}},
    {32, 1024, 4096, 7168, {0.457, 0.435, 0.289}}, {32, 1024, 7168, 2048, {0.384, 0.430, 0.274}},
    {64, 512, 4096, 7168, {0.367, 0.405, 0.219}},  {64, 512, 7168, 2048, {0.427, 0.294, 0.215}},
    {128, 256, 4096, 7168, {0.271, 0.333, 0.147}}, {128, 256, 7168, 2048, {0.303, 0.233, 0.141}}};

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double grouped_s(const GpuSpec *gpu, int i, int product) {
    const double e = GROUPED[i].experts, m = GROUPED[i].m, n = GROUPED[i].n, k = GROUPED[i].k;
    const double a = product == 2 ? n : m, b = product == 0 ? n : k,
                 c = product == 0   ? k
                     : product == 1 ? n
                                    : m;
    Work work = {.kind = WORK_GEMM, .batch = e, .m = a, .n = b, .k = c, .grouped = true};
    work.flop = 2 * e * a * b * c;
    work.accumulator_bytes = product == 2 ? 6 * e * a * b : 0;
    work.bytes = 2 * e * (a * c + c * b + a * b) + work.accumulator_bytes;
    return roofline_work_s(&work, gpu, &(TrainingSpec){.precision = PRECISION_BF16});
}

// The median of each of the three within 9 %.
static void grouped_products_are_met(void **state) {
    (void)state;
    GpuSpec gpu;
    memset(&gpu, 0, sizeof gpu);
    load(HARDWARE, "b200-sxm", &gpu_schema, &gpu);
    for (int product = 0; product < 3; ++product) {
        double off[12];
        for (int i = 0; i < 12; ++i) {
            const double flop = 2 * GROUPED[i].experts * GROUPED[i].m * GROUPED[i].n * GROUPED[i].k;
            off[i] = grouped_s(&gpu, i, product) / (flop / (GROUPED[i].share[product] * 2250e12));
        }
        qsort(off, 12, sizeof *off, by_size);
        assert_close((off[5] + off[6]) / 2, 1, 0.09);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_catalogue_entry_is_read_without_error),
        cmocka_unit_test(the_tests_use_the_figures_of_the_catalogue),
        cmocka_unit_test(models_have_the_published_parameters),
        cmocka_unit_test(models_have_the_published_flop),
        cmocka_unit_test(grouped_products_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
