#include <string.h>

#include "base/check.h"
#include "workload/model.h"

const char *const RECOMPUTE_NAMES[] = {
    [RECOMPUTE_CORE_ATTENTION] = "core_attn", [RECOMPUTE_MLP_ACTIVATION] = "mlp_act",
    [RECOMPUTE_LAYERNORM] = "layernorm",      [RECOMPUTE_MLP] = "mlp",
    [RECOMPUTE_MOE_ACTIVATION] = "moe_act",   [RECOMPUTE_MOE] = "moe",
    [RECOMPUTE_MLA_UP] = "mla_up_proj",       NULL};

/// Forward and backward of a microbatch on a virtual stage take about 500 bytes of programs.
enum { PROGRAM_PASSES_MAX = 1 << 20 };

const char *const BATCH_SHARES_NAMES[] = {[SHARES_EQUAL] = "equal",
                                          [SHARES_PROPORTIONAL] = "proportional",
                                          [SHARES_LISTED] = "listed",
                                          NULL};

const char *const CP_ALGORITHM_NAMES[] = {
    [CP_RING] = "ring", [CP_ALL_GATHER] = "all_gather", [CP_ALL_TO_ALL] = "all_to_all", NULL};

bool parallel_is_hybrid(const ParallelSpec *parallel) {
    return parallel->zero > 0 && parallel->shard_group > 0 &&
           parallel->shard_group < parallel_replicas(parallel);
}

int64_t parallel_shards(const ParallelSpec *parallel) {
    const int64_t holders = parallel_holders(parallel);
    if (!parallel_is_hybrid(parallel)) return holders;
    return holders / parallel_replicas(parallel) * parallel->shard_group;
}

bool parallel_shards_layers(const ParallelSpec *parallel) {
    return parallel->zero == 3 && parallel_holders(parallel) > 1;
}

int64_t parallel_nranks(const ParallelSpec *parallel) {
    int64_t n = 1;
    for (int d = 0; d < DIM_N; ++d) n *= parallel->size[d];
    return n;
}

/// Distance in job rank between neighbours along a dimension.
static int64_t dimension_stride(const ParallelSpec *parallel, Dimension dimension) {
    int64_t stride = 1;
    for (int i = 0; i < DIM_N && parallel->order[i] != dimension; ++i)
        stride *= parallel->size[parallel->order[i]];
    return stride;
}

int32_t parallel_coordinate(const ParallelSpec *parallel, int64_t job_rank, Dimension dimension) {
    return (int32_t)(job_rank / dimension_stride(parallel, dimension) % parallel->size[dimension]);
}

static bool has(DimensionSet dimensions, Dimension dimension) {
    return dimensions >> dimension & 1;
}

int64_t parallel_replicas(const ParallelSpec *parallel) {
    return (int64_t)parallel->size[DIM_EP] * parallel->size[DIM_DP];
}

int64_t parallel_replica(const ParallelSpec *parallel, int64_t job_rank) {
    return parallel_group_index(parallel, job_rank,
                                DIM_BIT(DIM_TP) | DIM_BIT(DIM_CP) | DIM_BIT(DIM_PP));
}

int64_t parallel_holders(const ParallelSpec *parallel) {
    return parallel_group_size(parallel, GROUPS[GROUP_DP].dimensions);
}

int64_t parallel_expert_span(const ParallelSpec *parallel) {
    return (int64_t)parallel->ep * parallel->expert_tp;
}

int64_t parallel_expert_replicas(const ParallelSpec *parallel) {
    const int64_t one = (int64_t)parallel->size[DIM_TP] * parallel->size[DIM_CP];
    const int64_t span = parallel_expert_span(parallel);
    return span > one ? span / one : 1;
}

bool parallel_experts_apart(const ParallelSpec *parallel, const ModelSpec *model) {
    if (model->experts == 0) return false;
    return parallel->ep > 1 || parallel->expert_tp != parallel->size[DIM_TP];
}

int64_t parallel_expert_holders(const ParallelSpec *parallel) {
    return parallel_nranks(parallel) / parallel->size[DIM_PP] / parallel_expert_span(parallel);
}

Status parallel_deal_experts(ParallelSpec *parallel) {
    const int64_t one = (int64_t)parallel->size[DIM_TP] * parallel->size[DIM_CP];
    const int64_t span = parallel_expert_span(parallel), replicas = parallel_replicas(parallel);
    REQUIRE(parallel->ep >= 1 && parallel->expert_tp >= 1, STATUS_RANGE,
            "ep = %d and expert_tp = %d, but both must be at least 1", parallel->ep,
            parallel->expert_tp);
    REQUIRE(
        one % span == 0 || span % one == 0, STATUS_RANGE,
        "ep * expert_tp = %lld GPUs hold the experts of a layer, and a replica has tp * cp = %lld "
        "on each stage: one must divide the other",
        (long long)span, (long long)one);
    const int64_t together = parallel_expert_replicas(parallel);
    REQUIRE(
        replicas % together == 0, STATUS_RANGE,
        "ep * expert_tp = %lld GPUs hold the experts of a layer: those of %lld replicas, of which "
        "dp = %lld makes no whole number; dp = %lld does",
        (long long)span, (long long)together, (long long)replicas,
        (long long)((replicas + together - 1) / together * together));
    parallel->size[DIM_EP] = (int32_t)together;
    parallel->size[DIM_DP] = (int32_t)(replicas / together);
    return status_ok();
}

int64_t parallel_group_size(const ParallelSpec *parallel, DimensionSet dimensions) {
    int64_t n = 1;
    for (int d = 0; d < DIM_N; ++d)
        if (has(dimensions, (Dimension)d)) n *= parallel->size[d];
    return n;
}

int64_t parallel_ngroups(const ParallelSpec *parallel, DimensionSet dimensions) {
    return parallel_nranks(parallel) / parallel_group_size(parallel, dimensions);
}

bool parallel_group_is_even(const ParallelSpec *parallel, DimensionSet dimensions) {
    bool begun = false, ended = false;
    for (int i = 0; i < DIM_N; ++i) {
        if (parallel->size[parallel->order[i]] == 1) continue;
        const bool in = has(dimensions, parallel->order[i]);
        if (in && ended) return false;
        ended = begun && !in;
        begun = begun || in;
    }
    return true;
}

/// Distance between neighbours along the fastest of the dimensions.
static int64_t group_stride(const ParallelSpec *parallel, DimensionSet dimensions) {
    int64_t stride = 1, found = 0;
    for (int i = 0; i < DIM_N; ++i) {
        const Dimension dimension = parallel->order[i];
        if (has(dimensions, dimension) && parallel->size[dimension] > 1) return stride;
        if (has(dimensions, dimension) && found == 0) found = stride;
        stride *= parallel->size[dimension];
    }
    return found > 0 ? found : 1;
}

Group parallel_group_at(const ParallelSpec *parallel, int64_t index, DimensionSet dimensions) {
    DCHECK(parallel_group_is_even(parallel, dimensions), "dimensions %x", dimensions);
    int64_t first = 0, stride = 1;
    for (int i = 0; i < DIM_N; ++i) {
        const int64_t size = parallel->size[parallel->order[i]];
        if (!has(dimensions, parallel->order[i])) {
            first += index % size * stride;
            index /= size;
        }
        stride *= size;
    }
    return (Group){.first = first,
                   .n = parallel_group_size(parallel, dimensions),
                   .stride = group_stride(parallel, dimensions)};
}

int64_t parallel_member(const ParallelSpec *parallel, int64_t index, DimensionSet dimensions,
                        int64_t i) {
    int64_t rank = 0, stride = 1;
    for (int d = 0; d < DIM_N; ++d) {
        const int64_t size = parallel->size[parallel->order[d]];
        int64_t *rest = has(dimensions, parallel->order[d]) ? &i : &index;
        rank += *rest % size * stride;
        *rest /= size;
        stride *= size;
    }
    return rank;
}

Group parallel_group(const ParallelSpec *parallel, int64_t job_rank, DimensionSet dimensions) {
    return parallel_group_at(parallel, parallel_group_index(parallel, job_rank, dimensions),
                             dimensions);
}

int64_t parallel_group_index(const ParallelSpec *parallel, int64_t job_rank,
                             DimensionSet dimensions) {
    int64_t index = 0, stride = 1;
    for (int i = 0; i < DIM_N; ++i) {
        const int64_t size = parallel->size[parallel->order[i]];
        if (!has(dimensions, parallel->order[i])) {
            index += job_rank % size * stride;
            stride *= size;
        }
        job_rank /= size;
    }
    return index;
}

bool parallel_units_are_consecutive(const ParallelSpec *parallel) {
    bool ended = false;
    for (int i = 0; i < DIM_N; ++i) {
        if (parallel->size[parallel->order[i]] == 1) continue;
        const bool inside = has(DIM_UNIT, parallel->order[i]);
        if (inside && ended) return false;
        ended = ended || !inside;
    }
    return true;
}

/// {members, ranks from one to the next} of a group along a dimension of units.
static Group exchange_group(const ParallelSpec *parallel, Dimension dimension) {
    if (dimension == DIM_EP) return (Group){.n = parallel->ep, .stride = parallel->expert_tp};
    return parallel_group(parallel, 0, DIM_BIT(dimension));
}

Status parallel_parts(const ParallelSpec *parallel, Dimension dimension, int32_t domain_gpus,
                      Parts *parts) {
    const Group group = exchange_group(parallel, dimension);
    const int64_t window = group.n * group.stride;
    *parts = (Parts){.n = (int32_t)group.n, .inside = (int32_t)group.n};
    if (group.n == 1) return status_ok();
    REQUIRE(
        dimension != DIM_EP || parallel_units_are_consecutive(parallel), STATUS_RANGE,
        "order: ep = %d GPUs that hold a layer's experts follow each other: tp, cp and ep must run "
        "fastest",
        parallel->ep);
    const bool fills = domain_gpus % group.stride == 0 && window % domain_gpus == 0;
    REQUIRE(domain_gpus % window == 0 || fills || group.stride % domain_gpus == 0, STATUS_RANGE,
            "%s = %d does not divide the %d GPUs of a scale-up domain", DIMENSION_NAMES[dimension],
            parts->n, domain_gpus);
    if (domain_gpus % window != 0)
        parts->inside = fills ? (int32_t)(domain_gpus / group.stride) : 1;
    return status_ok();
}

int32_t parallel_together(const ParallelSpec *parallel, int32_t domain_gpus) {
    int64_t most = 1;
    const Dimension dimensions[] = {DIM_TP, DIM_CP, DIM_EP};
    for (int i = 0; i < 3; ++i) {
        const Group group = exchange_group(parallel, dimensions[i]);
        if (group.n == 1 || group.stride >= domain_gpus) continue;
        const int64_t window = group.n * group.stride;
        const int64_t inside = window < domain_gpus ? window : domain_gpus;
        if (inside > most) most = inside;
    }
    return (int32_t)most;
}

int32_t parallel_round(const ParallelSpec *parallel) {
    if (parallel->schedule == SCHEDULE_INTERLEAVED) return parallel->size[DIM_PP];
    return parallel->schedule == SCHEDULE_DUALPIPE ? 2 : 1;
}

int32_t parallel_least_rounds(const ParallelSpec *parallel) {
    return parallel->schedule == SCHEDULE_DUALPIPE ? parallel->size[DIM_PP] : 1;
}

int32_t parallel_copies(const ParallelSpec *parallel) {
    return parallel->schedule == SCHEDULE_DUALPIPE ? 2 : 1;
}

int32_t parallel_stage_chunks(const ParallelSpec *parallel) {
    return parallel->chunks * parallel_copies(parallel);
}

int32_t parallel_part(const ParallelSpec *parallel, int32_t number) {
    const int32_t parts = parallel->size[DIM_PP] * parallel->chunks;
    return number < parts ? number : 2 * parts - 1 - number;
}

int32_t parallel_layers(const ParallelSpec *parallel, const ModelSpec *model,
                        int32_t virtual_stage) {
    const int32_t nstages = parallel->size[DIM_PP] * parallel->chunks;
    DCHECK(virtual_stage >= 0 && virtual_stage < nstages, "virtual stage %d of %d", virtual_stage,
           nstages);
    if (parallel->nlayers > 0) return parallel->layers[virtual_stage];
    const int32_t ends = parallel->embedding_as_layer ? 1 : 0, places = model->layers + 2 * ends;
    const int32_t last = nstages - 1, more = places % nstages;
    return places / nstages + (virtual_stage >= last - more && virtual_stage < last) -
           ends * ((virtual_stage == 0) + (virtual_stage == last));
}

int32_t parallel_mtp_layers(const ParallelSpec *parallel, const ModelSpec *model,
                            int32_t virtual_stage) {
    return virtual_stage == parallel->size[DIM_PP] * parallel->chunks - 1 ? model->mtp_layers : 0;
}

LayerKind model_layer_kind(const ModelSpec *model, int32_t layer) {
    if (layer >= model->layers) return LAYER_MTP;
    const bool window = model->window > 0 && layer % model->window_every == 0;
    const bool mixture = model->experts > 0 && layer >= model->first_dense;
    return mixture ? (window ? LAYER_MIXTURE_WINDOW : LAYER_MIXTURE)
                   : (window ? LAYER_DENSE_WINDOW : LAYER_DENSE);
}

StageLayers parallel_stage_layers(const ParallelSpec *parallel, const ModelSpec *model,
                                  int32_t virtual_stage) {
    const int32_t nstages = parallel->size[DIM_PP] * parallel->chunks;
    StageLayers stage = {.embedding = virtual_stage == 0, .head = virtual_stage == nstages - 1};
    for (int32_t v = 0; v < virtual_stage; ++v) stage.first += parallel_layers(parallel, model, v);
    stage.layers = parallel_layers(parallel, model, virtual_stage);
    for (int32_t i = 0; i < stage.layers; ++i) ++stage.n[model_layer_kind(model, stage.first + i)];
    stage.n[LAYER_MTP] = parallel_mtp_layers(parallel, model, virtual_stage);
    return stage;
}

static Status validate_order(const ParallelSpec *parallel) {
    bool seen[DIM_N] = {false};
    for (int i = 0; i < DIM_N; ++i) {
        const int d = (int)parallel->order[i];
        REQUIRE(d >= 0 && d < DIM_N && !seen[d], STATUS_RANGE,
                "order must name each of tp, cp, ep, dp, pp once; position %d does not", i + 1);
        seen[d] = true;
    }
    return status_ok();
}

static Status validate_sizes(const ParallelSpec *parallel) {
    for (int d = 0; d < DIM_N; ++d)
        REQUIRE(parallel->size[d] >= 1, STATUS_RANGE, "%s = %d, but it must be at least 1",
                DIMENSION_NAMES[d], parallel->size[d]);
    REQUIRE(parallel->ep >= 1 && parallel->expert_tp >= 1, STATUS_RANGE,
            "ep = %d and expert_tp = %d, but both must be at least 1", parallel->ep,
            parallel->expert_tp);
    REQUIRE(parallel->size[DIM_EP] == parallel_expert_replicas(parallel), STATUS_RANGE,
            "ep = %d: the experts of a layer are not dealt over the replicas", parallel->ep);
    REQUIRE(parallel->microbatch >= 1, STATUS_RANGE, "microbatch = %d sequences, at least 1 needed",
            parallel->microbatch);
    REQUIRE(parallel->microbatches >= 1, STATUS_RANGE, "microbatches = %d, at least 1 needed",
            parallel->microbatches);
    REQUIRE(parallel->zero >= 0 && parallel->zero <= 3, STATUS_RANGE,
            "zero = %d, but only 0 to 3 are modelled", parallel->zero);
    REQUIRE(
        parallel->shard_group >= 0 && (!parallel_is_hybrid(parallel) ||
                                       (parallel_replicas(parallel) % parallel->shard_group == 0 &&
                                        parallel->shard_group % parallel->size[DIM_EP] == 0)),
        STATUS_RANGE,
        "shard_group = %d, but it must divide the %lld replicas, and be whole groups of %d that "
        "hold all experts",
        parallel->shard_group, (long long)parallel_replicas(parallel), parallel->size[DIM_EP]);
    REQUIRE(parallel->prefetch >= 0, STATUS_RANGE, "prefetch = %d layers", parallel->prefetch);
    REQUIRE(parallel->chunks >= 1, STATUS_RANGE, "chunks = %d, but it must be at least 1",
            parallel->chunks);
    REQUIRE((int64_t)parallel->size[DIM_PP] * parallel->chunks <= CHUNKS_MAX, STATUS_RANGE,
            "pp * chunks = %lld, but at most %d virtual stages are supported",
            (long long)parallel->size[DIM_PP] * parallel->chunks, CHUNKS_MAX);
    REQUIRE(
        (int64_t)parallel->size[DIM_PP] * parallel->chunks * parallel->microbatches <=
            PROGRAM_PASSES_MAX,
        STATUS_RANGE,
        "microbatches = %d on each of %d virtual stages; at most %d passes in all are supported",
        parallel->microbatches, parallel->size[DIM_PP] * parallel->chunks, PROGRAM_PASSES_MAX);
    return status_ok();
}

static Status validate_schedule(const ParallelSpec *parallel) {
    const int32_t pp = parallel->size[DIM_PP];
    switch (parallel->schedule) {
        case SCHEDULE_NONE:
            REQUIRE(pp == 1, STATUS_RANGE, "schedule none needs pp = 1, but pp = %d", pp);
            break;
        case SCHEDULE_INTERLEAVED:
            REQUIRE(parallel->chunks >= 2, STATUS_RANGE,
                    "schedule interleaved needs chunks >= 2, but chunks = %d", parallel->chunks);
            REQUIRE(parallel->microbatches % pp == 0, STATUS_RANGE,
                    "schedule interleaved needs microbatches divisible by pp, but %d %% %d = %d",
                    parallel->microbatches, pp, parallel->microbatches % pp);
            return status_ok();
        case SCHEDULE_DUALPIPE:
            REQUIRE(pp % 2 == 0, STATUS_RANGE,
                    "schedule dualpipe needs an even number of stages, but pp = %d", pp);
            REQUIRE(parallel->microbatches % 2 == 0 && parallel->microbatches / 2 >= pp,
                    STATUS_RANGE,
                    "schedule dualpipe needs microbatches in pairs, at least 2 * pp = %d, but has "
                    "%d",
                    2 * pp, parallel->microbatches);
            break;
        case SCHEDULE_GPIPE:
        case SCHEDULE_1F1B:
        case SCHEDULE_ZERO_BUBBLE: break;
    }
    REQUIRE(parallel->chunks == 1, STATUS_RANGE,
            "chunks = %d needs schedule interleaved (a stage has one part elsewhere)",
            parallel->chunks);
    return status_ok();
}

static Status validate_given_layers(const ParallelSpec *parallel, const ModelSpec *model) {
    const int32_t nstages = parallel->size[DIM_PP] * parallel->chunks;
    REQUIRE(parallel->nlayers == nstages, STATUS_RANGE,
            "layers or layout list %d virtual stages, but pp * chunks = %d * %d = %d",
            parallel->nlayers, parallel->size[DIM_PP], parallel->chunks, nstages);
    int64_t sum = 0;
    for (int32_t v = 0; v < nstages; ++v) {
        const bool ends = v == 0 || v == nstages - 1; // embedding and head stand there
        REQUIRE(parallel->layers[v] >= (ends ? 0 : 1), STATUS_RANGE,
                "layers of virtual stage %d = %d, but it must hold something", v,
                parallel->layers[v]);
        sum += parallel->layers[v];
    }
    REQUIRE(sum == model->layers, STATUS_RANGE,
            "the virtual stages hold %lld layers by layers or layout, but the model has %d",
            (long long)sum, model->layers);
    return status_ok();
}

static Status validate_layers(const ParallelSpec *parallel, const ModelSpec *model) {
    REQUIRE(
        !parallel_shards_layers(parallel) ||
            (int64_t)parallel->microbatches * (model->layers + 2) <= PROGRAM_PASSES_MAX,
        STATUS_RANGE,
        "microbatches = %d of %d layers, each computed on its own; at most %d in all are supported",
        parallel->microbatches, model->layers, PROGRAM_PASSES_MAX);
    const int32_t nstages = parallel->size[DIM_PP] * parallel->chunks;
    if (parallel->nlayers > 0) return validate_given_layers(parallel, model);
    const int32_t extra = parallel->embedding_as_layer ? 2 : 0;
    REQUIRE(model->layers + extra >= nstages, STATUS_RANGE,
            "%d layers%s are too few for pp * chunks = %d * %d = %d virtual stages: each holds "
            "something",
            model->layers + extra, extra ? " (embedding and head counted)" : "",
            parallel->size[DIM_PP], parallel->chunks, nstages);
    return status_ok();
}

static Status validate_tensor(const ParallelSpec *parallel, const ModelSpec *model,
                              const TrainingSpec *training) {
    const int32_t tp = parallel->size[DIM_TP];
    const struct {
        const char *name;
        int64_t value;
    } divided[] = {
        {"heads", model->heads},
        {"hidden", model->hidden},
        {"ffn", model->ffn},
        {"shared_experts * expert_ffn", (int64_t)model->shared_experts * model->expert_ffn}};
    for (size_t i = 0; i < sizeof divided / sizeof divided[0]; ++i)
        REQUIRE(divided[i].value % tp == 0, STATUS_RANGE, "%s = %lld does not divide by tp = %d",
                divided[i].name, (long long)divided[i].value, tp);
    REQUIRE(model->kv_heads % tp == 0 || tp % model->kv_heads == 0, STATUS_RANGE,
            "kv_heads = %d and tp = %d: one must divide the other", model->kv_heads, tp);
    const int64_t tokens =
        (int64_t)training->sequence * parallel->microbatch / parallel->size[DIM_CP];
    REQUIRE(!parallel->sequence_parallel || tokens % tp == 0, STATUS_RANGE,
            "sequence parallelism: %lld tokens of a microbatch do not divide by tp = %d",
            (long long)tokens, tp);
    return status_ok();
}

static Status validate_context(const ParallelSpec *parallel, const ModelSpec *model,
                               const TrainingSpec *training) {
    const int32_t tp = parallel->size[DIM_TP], cp = parallel->size[DIM_CP];
    if (cp == 1) return status_ok();
    // Each GPU has a part from the beginning and one from the end of a sequence, so that the causal mask leaves all alike.
    REQUIRE(training->sequence % (2 * (int64_t)cp) == 0, STATUS_RANGE,
            "sequence = %d tokens does not divide by 2 * cp = %lld", training->sequence,
            2 * (long long)cp);
    REQUIRE(
        parallel->cp_algorithm != CP_ALL_TO_ALL || model->heads / tp % cp == 0, STATUS_RANGE,
        "cp_algorithm all_to_all exchanges tokens for heads, but the heads / tp = %d of a GPU do "
        "not divide by cp = %d",
        model->heads / tp, cp);
    return status_ok();
}

static Status validate_mixture(const ModelSpec *model) {
    const bool dense = model->experts == 0 || model->first_dense > 0;
    REQUIRE(model->ffn >= (dense ? 1 : 0), STATUS_RANGE,
            "model %s: ffn = %d, but it has dense layers", model->name, model->ffn);
    REQUIRE(model->first_dense <= model->layers, STATUS_RANGE,
            "model %s: first_dense = %d of %d layers", model->name, model->first_dense,
            model->layers);
    if (model->experts == 0) {
        REQUIRE(
            model->top_k == 0 && model->shared_experts == 0 && model->expert_ffn == 0, STATUS_RANGE,
            "model %s: top_k, shared_experts or expert_ffn is given, but experts = 0", model->name);
        return status_ok();
    }
    REQUIRE(model->top_k >= 1 && model->top_k <= model->experts, STATUS_RANGE,
            "model %s: top_k = %d, but a token passes 1 to experts = %d", model->name, model->top_k,
            model->experts);
    REQUIRE(model->expert_ffn >= 1, STATUS_RANGE, "model %s: expert_ffn = %d", model->name,
            model->expert_ffn);
    return status_ok();
}

static Status validate_experts(const ParallelSpec *parallel, const ModelSpec *model) {
    const int32_t tp = parallel->size[DIM_TP], ep = parallel->ep, etp = parallel->expert_tp;
    REQUIRE(ep >= 1 && etp >= 1, STATUS_RANGE, "ep = %d, expert_tp = %d; at least 1 each", ep, etp);
    if (model->experts == 0) {
        REQUIRE(ep == 1 && etp == 1, STATUS_RANGE,
                "ep = %d, expert_tp = %d, but model %s has no experts", ep, etp, model->name);
        return status_ok();
    }
    REQUIRE(model->experts % ep == 0, STATUS_RANGE, "experts = %d does not divide by ep = %d",
            model->experts, ep);
    REQUIRE(model->expert_ffn % etp == 0, STATUS_RANGE,
            "expert_ffn = %d does not divide by expert_tp = %d", model->expert_ffn, etp);
    REQUIRE(
        tp == 1 || parallel->sequence_parallel, STATUS_RANGE,
        "tp = %d without sequence_parallel: every GPU of a tensor-parallel group would route the "
        "same tokens of a mixture of experts",
        tp);
    return status_ok();
}

static Status validate_model(const ModelSpec *model, const TrainingSpec *training) {
    REQUIRE(model->layers >= 1 && model->hidden >= 1 && model->heads >= 1 && model->kv_heads >= 1 &&
                model->head_dim >= 1 && model->vocab >= 1,
            STATUS_RANGE, "model %s: every size must be at least 1", model->name);
    TRY(validate_mixture(model));
    REQUIRE(model->window == 0 || model->window_every >= 1, STATUS_RANGE,
            "model %s: window_every = %d", model->name, model->window_every);
    REQUIRE(model->heads % model->kv_heads == 0, STATUS_RANGE,
            "model %s: heads = %d does not divide by kv_heads = %d", model->name, model->heads,
            model->kv_heads);
    REQUIRE(training->sequence >= 1, STATUS_RANGE, "sequence = %d tokens", training->sequence);
    REQUIRE(training->recompute_full_every >= 0, STATUS_RANGE, "recompute full:%d",
            training->recompute_full_every);
    return status_ok();
}

Status parallel_validate(const ParallelSpec *parallel, const ModelSpec *model,
                         const TrainingSpec *training) {
    TRY(validate_order(parallel));
    TRY(validate_sizes(parallel));
    TRY(validate_model(model, training));
    TRY(validate_experts(parallel, model));
    const Schedule kind = parallel->schedule;
    REQUIRE(
        !training->ep_overlap || (kind != SCHEDULE_GPIPE && kind != SCHEDULE_ZERO_BUBBLE),
        STATUS_RANGE,
        "ep_overlap: a forward takes turns with a backward in the schedules 1f1b, interleaved and "
        "dualpipe, and without a pipeline");
    TRY(validate_context(parallel, model, training));
    REQUIRE(!parallel_is_hybrid(parallel) || !parallel_experts_apart(parallel, model), STATUS_RANGE,
            "shard_group = %d: hybrid sharding of experts that are dealt over GPUs is not modelled",
            parallel->shard_group);
    TRY(validate_schedule(parallel));
    REQUIRE(
        parallel->schedule != SCHEDULE_DUALPIPE || !model->tied_embeddings, STATUS_RANGE,
        "schedule dualpipe has both ends of the model on one GPU, for which tied embeddings are "
        "not modelled");
    TRY(validate_layers(parallel, model));
    return validate_tensor(parallel, model, training);
}
