#include "config/model_file.h"

static const char *const ACTIVATIONS[] = {
    [ACTIVATION_GELU] = "gelu", [ACTIVATION_SWIGLU] = "swiglu", [ACTIVATION_GEGLU] = "geglu", NULL};

// Counts of a model: key, default, least, most, meaning. All of them may be changed by a job.
#define MODEL_COUNTS(X)                                                                      \
    X(layers, NULL, 1, 100000, "transformer layers")                                         \
    X(hidden, NULL, 1, 10000000, "width of the residual stream")                             \
    X(heads, NULL, 1, 1000000, "query heads")                                                \
    X(kv_heads, "0", 0, 1000000,                                                             \
      "key and value heads (grouped-query attention); 0: as many as heads")                  \
    X(head_dim, "0", 0, 1000000, "width of a head; 0: hidden / heads, with mla nope + rope") \
    X(ffn, "0", 0, 100000000, "width inside the MLP of dense layers; 0: there are none")     \
    X(vocab, NULL, 1, 100000000, "entries of the vocabulary")                                \
    X(experts, "0", 0, 100000, "routed experts of a mixture; 0: all layers are dense")       \
    X(top_k, "0", 0, 100000, "experts that a token passes")                                  \
    X(shared_experts, "0", 0, 1000, "experts that every token passes")                       \
    X(expert_groups, "1", 1, 100000, "equal parts of the experts that follow each other")    \
    X(token_groups, "0", 0, 100000, "of them, those that a token's experts are in; 0: any")  \
    X(expert_ffn, "0", 0, 100000000, "width inside an expert")                               \
    X(first_dense, "0", 0, 100000, "dense layers before the mixtures")                       \
    X(mtp_layers, "0", 0, 100, "layers behind the others that predict further tokens")       \
    X(window, "0", 0, 100000000, "tokens that a token attends to; 0: all before it")         \
    X(window_every, "1", 1, 100000, "layers 0, n, 2n, ... have the window, the others none")

static const Field MLA_FIELDS[] = {
    FIELD_COUNT_AT("q_lora", MlaSpec, q_lora, "0", 0, 1000000,
                   "width of the compressed queries; 0: they are not compressed"),
    FIELD_COUNT_AT("kv_lora", MlaSpec, kv_lora, "0", 0, 1000000,
                   "width of the compressed keys and values; 0: no latent attention"),
    FIELD_COUNT_AT("rope", MlaSpec, rope, "0", 0, 1000000,
                   "part of a head with positions; its key is shared by all heads"),
    FIELD_COUNT_AT("nope", MlaSpec, nope, "0", 0, 1000000, "part of a head without positions"),
    FIELD_COUNT_AT("v", MlaSpec, v, "0", 0, 1000000, "width of a value"),
};
static const Schema MLA_SCHEMA = {
    .name = "mla", .field = MLA_FIELDS, .nfields = FIELDS_N(MLA_FIELDS), .bytes = sizeof(MlaSpec)};

#define COUNT_FIELD(k, fallback, least, most, text) \
    FIELD_COUNT_AT(#k, ModelSpec, k, fallback, least, most, text),
static const Field MODEL_FIELDS[] = {
    MODEL_COUNTS(COUNT_FIELD) FIELD_ENUM_AT(
        "activation", ModelSpec, activation, ACTIVATIONS, NULL,
        "gelu: GPT (LayerNorm, biases); swiglu, geglu: Llama (RMSNorm, rotary, gated)"),
    FIELD_BOOL_AT("tied_embeddings", ModelSpec, tied_embeddings, NULL,
                  "head and embedding share one matrix"),
    FIELD_STRUCT_AT("mla", ModelSpec, mla, &MLA_SCHEMA, "",
                    "multi-head latent attention: queries, keys and values from narrow ones"),
    FIELD_BOOL_AT("parallel_block", ModelSpec, parallel_block, "off",
                  "attention and MLP read the same norm and are added together"),
    FIELD_BOOL_AT("qk_norm", ModelSpec, qk_norm, "off", "queries and keys are normalised per head"),
    FIELD_BOOL_AT("bias", ModelSpec, bias, "off", "linear layers add a bias; with gelu they do"),
    FIELD_BOOL_AT("clamp", ModelSpec, clamp, "off",
                  "what goes into a gated activation is clamped, which no fused kernel does"),
    FIELD_BOOL_AT("yarn", ModelSpec, yarn, "off",
                  "rotary embeddings are scaled, which no fused kernel does"),
};

static void finish_heads(Reader *reader, const Node *node, ModelSpec *model) {
    if (model->kv_heads == 0) model->kv_heads = model->heads;
    if (model->heads % model->kv_heads != 0)
        reader_error(reader, node, "kv_heads", "kv_heads %d does not divide heads = %d",
                     model->kv_heads, model->heads);
    if (model->head_dim == 0 && model->mla.kv_lora > 0)
        model->head_dim = model->mla.nope + model->mla.rope;
    if (model->head_dim == 0) {
        if (model->hidden % model->heads != 0)
            reader_error(reader, node, "heads",
                         "heads %d does not divide hidden = %d; give head_dim", model->heads,
                         model->hidden);
        model->head_dim = model->hidden / model->heads;
    }
    if (model->mla.kv_lora > 0 && model->head_dim != model->mla.nope + model->mla.rope)
        reader_error(reader, node, "head_dim", "head_dim %d is not mla.nope + mla.rope = %d",
                     model->head_dim, model->mla.nope + model->mla.rope);
    if (model->mla.kv_lora > 0 && (model->mla.v == 0 || model->mla.nope == 0))
        reader_error(reader, node, "mla", "latent attention wants widths of nope and v");
}

static void finish_mixture(Reader *reader, const Node *node, const ModelSpec *model) {
    if (model->experts == 0 &&
        (model->top_k > 0 || model->shared_experts > 0 || model->expert_ffn > 0))
        reader_error(reader, node, "experts",
                     "top_k, shared_experts or expert_ffn is given, but experts is 0");
    if (model->experts > 0 && (model->top_k < 1 || model->top_k > model->experts))
        reader_error(reader, node, "top_k",
                     "top_k %d, but a token passes 1 to experts = %d of them", model->top_k,
                     model->experts);
    if (model->experts > 0 && model->expert_ffn == 0)
        reader_error(reader, node, "expert_ffn",
                     "a mixture wants expert_ffn, the width of an expert");
    if (model->experts % model->expert_groups != 0)
        reader_error(reader, node, "expert_groups", "expert_groups %d does not divide experts = %d",
                     model->expert_groups, model->experts);
    else if (model->token_groups > model->expert_groups)
        reader_error(reader, node, "token_groups", "token_groups %d of expert_groups = %d",
                     model->token_groups, model->expert_groups);
    else if (model->token_groups > 0 &&
             (int64_t)model->experts / model->expert_groups * model->token_groups < model->top_k)
        reader_error(reader, node, "token_groups",
                     "token_groups %d hold less experts than top_k = %d", model->token_groups,
                     model->top_k);
    if (model->ffn == 0 && (model->experts == 0 || model->first_dense > 0))
        reader_error(reader, node, "ffn", "ffn is 0, but the model has dense layers");
    if (model->first_dense > model->layers)
        reader_error(reader, node, "first_dense", "first_dense %d of layers = %d",
                     model->first_dense, model->layers);
}

static void finish_model(Reader *reader, const Node *node, void *data) {
    const ModelSpec *model = data;
    finish_heads(reader, node, data);
    finish_mixture(reader, node, data);
    if (model->clamp && model->activation == ACTIVATION_GELU)
        reader_error(reader, node, "clamp",
                     "clamp is of what goes into a gated activation, and gelu is none");
    if (model->yarn && model->activation == ACTIVATION_GELU && model->mla.kv_lora == 0)
        reader_error(reader, node, "yarn",
                     "yarn scales rotary embeddings, and a model with activation gelu has none");
}

const Schema model_schema = {.name = "model",
                             .field = MODEL_FIELDS,
                             .nfields = FIELDS_N(MODEL_FIELDS),
                             .bytes = sizeof(ModelSpec),
                             .kind = "model",
                             .finish = finish_model};

#define CHANGE_FIELD(k, fallback, least, most, text) \
    FIELD_COUNT_OR_WORD_AT(#k, ModelSpec, k, "kept", MODEL_KEPT, "kept", least, most, text),
static const Field CHANGE_FIELDS[] = {MODEL_COUNTS(CHANGE_FIELD)};
const Schema model_changes_schema = {.name = "model_changes",
                                     .field = CHANGE_FIELDS,
                                     .nfields = FIELDS_N(CHANGE_FIELDS),
                                     .bytes = sizeof(ModelSpec)};

void model_file_change(Reader *reader, const Node *node, const ModelSpec *changes,
                       ModelSpec *model) {
    const Node *changed = node_get(node, "model_changes");
    if (!changed) return;
#define CHANGE(k, fallback, least, most, text) \
    if (changes->k != MODEL_KEPT) model->k = changes->k;
    MODEL_COUNTS(CHANGE)
#undef CHANGE
    finish_model(reader, changed, model);
}
