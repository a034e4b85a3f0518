#include "config/model_file.h"

#include "workload/model.h"

static const char *const ACTIVATIONS[] = {
    [ACTIVATION_GELU] = "gelu", [ACTIVATION_SWIGLU] = "swiglu", NULL};

static const Field MODEL_FIELDS[] = {
    FIELD_COUNT_AT("layers", ModelSpec, layers, NULL, 1, 100000, "transformer layers"),
    FIELD_COUNT_AT("hidden", ModelSpec, hidden, NULL, 1, 10000000, "width of the residual stream"),
    FIELD_COUNT_AT("heads", ModelSpec, heads, NULL, 1, 1000000, "query heads"),
    FIELD_COUNT_AT("kv_heads", ModelSpec, kv_heads, "0", 0, 1000000,
                   "key and value heads (grouped-query attention); 0: as many as heads"),
    FIELD_COUNT_AT("head_dim", ModelSpec, head_dim, "0", 0, 1000000,
                   "width of a head; 0: hidden / heads"),
    FIELD_COUNT_AT("ffn", ModelSpec, ffn, NULL, 1, 100000000, "width inside the MLP"),
    FIELD_COUNT_AT("vocab", ModelSpec, vocab, NULL, 1, 100000000, "entries of the vocabulary"),
    FIELD_ENUM_AT("activation", ModelSpec, activation, ACTIVATIONS, NULL,
                  "gelu: GPT (LayerNorm, biases); swiglu: Llama (RMSNorm, rotary, gated MLP)"),
    FIELD_BOOL_AT("tied_embeddings", ModelSpec, tied_embeddings, NULL,
                  "head and embedding share one matrix"),
};

static void finish_model(Reader *reader, const Node *node, void *data) {
    ModelSpec *model = data;
    if (model->kv_heads == 0) model->kv_heads = model->heads;
    if (model->heads % model->kv_heads != 0)
        reader_error(reader, node, "kv_heads", "kv_heads %d does not divide heads = %d",
                     model->kv_heads, model->heads);
    if (model->head_dim == 0) {
        if (model->hidden % model->heads != 0)
            reader_error(reader, node, "heads",
                         "heads %d does not divide hidden = %d; give head_dim", model->heads,
                         model->hidden);
        model->head_dim = model->hidden / model->heads;
    }
}

const Schema model_schema = {.name = "model",
                             .field = MODEL_FIELDS,
                             .nfields = FIELDS_N(MODEL_FIELDS),
                             .bytes = sizeof(ModelSpec),
                             .kind = "model",
                             .finish = finish_model};
