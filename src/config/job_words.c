#include "config/job_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/diagnostics.h"

/// A count from 1 behind `prefix`; 0: the text has not this form.
static int32_t count_behind(const char *text, const char *prefix) {
    const size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0 || text[n] < '0' || text[n] > '9') return 0;
    char *rest = NULL;
    const long count = strtol(text + n, &rest, 10);
    return *rest == '\0' && count >= 1 && count <= 4096 ? (int32_t)count : 0;
}

/// Has a model what this module of recomputation is about?
static bool has_module(const ModelSpec *model, int module) {
    if (module == RECOMPUTE_MLA_UP) return model->mla.kv_lora > 0;
    return model->experts > 0 || (module != RECOMPUTE_MOE && module != RECOMPUTE_MOE_ACTIVATION);
}

static bool read_recompute(Reader *reader, const Node *node, JobFile *file) {
    TrainingSpec *training = &file->job.training;
    bool good = true;
    for (int32_t i = 0; i < file->nrecompute; i++) {
        const char *text = file->recompute[i];
        int k = 0;
        while (k < RECOMPUTE_N && strcmp(RECOMPUTE_NAMES[k], text) != 0) k++;
        const int32_t every = count_behind(text, "full:");
        char path[64];
        snprintf(path, sizeof path, "training.recompute.%d", (int)i);
        if (k < RECOMPUTE_N && !has_module(&file->job.model, k)) {
            reader_error(reader, node, path, "recompute of %s: the model has none", text);
            good = false;
        } else if (k < RECOMPUTE_N) {
            training->recompute |= RECOMPUTE_BIT(k);
        } else if (every > 0) {
            training->recompute_full_every = every;
        } else {
            const char *close = diagnostics_closest(text, RECOMPUTE_NAMES, RECOMPUTE_N);
            reader_mistake(reader, node, path,
                           "recompute wants core_attn, mlp_act, layernorm, mlp, moe_act, moe, "
                           "mla_up_proj or full:n, got '%s'%s%s%s",
                           text, close ? "; did you mean '" : "", close ? close : "",
                           close ? "'?" : "");
            good = false;
        }
    }
    return good;
}

static bool read_offload(Reader *reader, const Node *node, JobFile *file) {
    TrainingSpec *training = &file->job.training;
    bool good = true;
    for (int32_t i = 0; i < file->noffload; i++) {
        const int32_t layers = count_behind(file->offload[i], "activations:");
        if (layers > 0) {
            training->offload_layers = layers;
        } else {
            char path[64];
            snprintf(path, sizeof path, "training.offload.%d", (int)i);
            reader_mistake(reader, node, path,
                           "offload wants activations:n (layers of a virtual stage), got '%s'",
                           file->offload[i]);
            good = false;
        }
    }
    return good;
}

static bool read_cuda_graph(Reader *reader, const Node *node, JobFile *file) {
    static const struct {
        const char *name;
        GraphSet set;
    } SETS[] = {{"attn", 1U << PART_ATTENTION},
                {"mlp", 1U << PART_MLP},
                {"moe_router", 1U << PART_MOE_ROUTER},
                {"moe_preprocess", 1U << PART_MOE_PREPROCESS},
                {"mamba", 1U << PART_MAMBA},
                {"layer", GRAPH_FULL & ~(1U << PART_OUTSIDE)},
                {"full", GRAPH_FULL},
                {"none", 0}};
    enum { N = sizeof SETS / sizeof SETS[0] };
    bool good = true;
    for (int32_t i = 0; i < file->ncuda_graph; i++) {
        int k = 0;
        while (k < N && strcmp(SETS[k].name, file->cuda_graph[i]) != 0) k++;
        if (k < N) {
            file->job.training.cuda_graph |= SETS[k].set;
            continue;
        }
        char path[64];
        snprintf(path, sizeof path, "training.cuda_graph.%d", (int)i);
        reader_mistake(
            reader, node, path,
            "cuda_graph wants attn, mlp, moe_router, moe_preprocess, mamba, layer, full or "
            "none, got '%s'",
            file->cuda_graph[i]);
        good = false;
    }
    return good;
}

bool job_words_read(Reader *reader, const Node *node, JobFile *file) {
    bool good = read_recompute(reader, node, file);
    good = read_offload(reader, node, file) && good;
    return read_cuda_graph(reader, node, file) && good;
}
