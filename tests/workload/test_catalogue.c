#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "claims.h"
#include "config/hardware_file.h"
#include "config/model_file.h"
#include "published.h"

static const char HARDWARE[] = COLOSSIM_SOURCE_DIR "/topologies/hardware";
static const char MODELS[] = COLOSSIM_SOURCE_DIR "/jobs/models";

static Status read_file(void *context, const char *path, char **bytes, int64_t *size) {
    (void)context;
    FILE *file = fopen(path, "rb");
    REQUIRE(file, STATUS_INPUT, "cannot open");
    char *text = memory_alloc("config.text", 65537);
    *size = (int64_t)fread(text, 1, 65536, file);
    fclose(file);
    *bytes = memory_resize("config.text", text, 65537, (size_t)*size + 1);
    return status_ok();
}

/// Read entry `name` (without .yaml) of a folder into `data`; fails the test with the diagnostics.
static void load(const char *folder, const char *name, const Schema *schema, void *data) {
    Arena *arena = arena_create("test.catalogue", 1 << 16);
    Texts texts = {.n = 0};
    Diagnostics diagnostics = {.n = 0};
    const TextSource source = {.read = read_file};
    char base[600];
    snprintf(base, sizeof base, "%s/../x.yaml", folder);
    Reader reader = {base, &source, &texts, arena, &diagnostics};
    const bool good = reader_load_entry(&reader, strrchr(folder, '/') + 1, name,
                                        (Place){.text = NULL}, schema, data);
    if (!good || diagnostics.errors > 0) {
        TextBuffer out = {.n = 0};
        diagnostics_print(&diagnostics, &out);
        fail_msg("%s", out.bytes);
    }
    diagnostics_fini(&diagnostics);
    texts_fini(&texts);
    arena_destroy(arena);
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
    assert_true(load_all(MODELS) >= 32);
}

static void expect_same_table(const GemmTable *a, const GemmTable *b) {
    assert_close(a->peak_flop_per_s, b->peak_flop_per_s, 0);
    assert_close(a->best_flop_per_s, b->best_flop_per_s, 0);
    assert_close(a->sustained_share, b->sustained_share, 1e-12);
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
    for (int p = 0; p < PRECISION_N; ++p) expect_same_table(&gpu.gemm[p], &expected->gemm[p]);
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
    assert_close(gpu.sustained_share, expected->sustained_share, 1e-12);
    assert_close(gpu.scale_up_processor_share, expected->scale_up_processor_share, 1e-12);
    assert_close(gpu.network_processor_share, expected->network_processor_share, 1e-12);
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
    assert_close(domain.small_share, expected->small_share, 1e-12);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_catalogue_entry_is_read_without_error),
        cmocka_unit_test(the_tests_use_the_figures_of_the_catalogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
