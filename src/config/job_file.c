#include "config/job_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/idle_keys.h"
#include "config/job_parts.h"
#include "config/job_words.h"
#include "config/layout_text.h"
#include "config/model_file.h"
#include "config/packet_part.h"
#include "config/ranges.h"
#include "config/topology_file.h"

enum { SCHEDULE_AUTO = SCHEDULE_DUALPIPE + 1 };
static const char *const SCHEDULES[] = {[SCHEDULE_NONE] = "none",
                                        [SCHEDULE_GPIPE] = "gpipe",
                                        [SCHEDULE_1F1B] = "1f1b",
                                        [SCHEDULE_INTERLEAVED] = "interleaved",
                                        [SCHEDULE_ZERO_BUBBLE] = "zero_bubble",
                                        [SCHEDULE_DUALPIPE] = "dualpipe",
                                        [SCHEDULE_AUTO] = "auto",
                                        NULL};
static const char *const PATTERNS[] = {[TRAFFIC_PERMUTATION] = "permutation",
                                       [TRAFFIC_SHIFT] = "shift",
                                       [TRAFFIC_RING] = "ring",
                                       [TRAFFIC_INCAST] = "incast",
                                       [TRAFFIC_ALL_TO_ALL] = "all_to_all",
                                       [TRAFFIC_COLLECTIVE] = "collective",
                                       [TRAFFIC_FLOWS] = "flows",
                                       [TRAFFIC_OPERATIONS] = "operations",
                                       NULL};
enum { SIZE_MOST = 1 << 24, QUEUE_PAIRS_MOST = 64 };

// Parallelism

static const Field LAYERS_ELEMENT = ELEMENT_COUNT(int32_t, STORE_INT32, 0, 4096);
static const Field PARALLEL_FIELDS[] = {
    FIELD_COUNT_AT("tp", JobFile, job.parallel.size[DIM_TP], "1", 1, SIZE_MOST,
                   "tensor parallel size"),
    FIELD_COUNT_AT("pp", JobFile, job.parallel.size[DIM_PP], "1", 1, SIZE_MOST, "pipeline stages"),
    FIELD_COUNT_OR_WORD_AT("dp", JobFile, replicas, "auto", 0, "auto", 1, SIZE_MOST,
                           "replicas; auto: what fits on the cluster"),
    FIELD_COUNT_AT("cp", JobFile, job.parallel.size[DIM_CP], "1", 1, SIZE_MOST,
                   "GPUs that share each sequence"),
    FIELD_ENUM_AT("cp_algorithm", JobFile, job.parallel.cp_algorithm, CP_ALGORITHM_NAMES, "ring",
                  "how they come to the keys and values of the others"),
    FIELD_COUNT_AT("ep", JobFile, job.parallel.ep, "1", 1, SIZE_MOST,
                   "GPUs over which a layer's experts are dealt, among tp * cp * dp"),
    FIELD_COUNT_AT("expert_tp", JobFile, job.parallel.expert_tp, "1", 1, SIZE_MOST,
                   "GPUs that share each expert"),
    FIELD_COUNT_AT("chunks", JobFile, job.parallel.chunks, "1", 1, CHUNKS_MAX,
                   "model chunks per stage (virtual pipeline)"),
    FIELD_STRING_AT("order", JobFile, order, "tp-cp-ep-dp-pp",
                    "which dimension runs fastest over the ranks"),
    FIELD_COUNT_AT(
        "zero", JobFile, job.parallel.zero, "0", 0, 3,
        "0 plain, 1 optimizer sharded over dp, 2 gradients too, 3 parameters too (FSDP)"),
    FIELD_COUNT_OR_WORD_AT(
        "shard_group", JobFile, job.parallel.shard_group, "all", 0, "all", 1, SIZE_MOST,
        "consecutive replicas that share out what zero shards; all-reduce among groups"),
    FIELD_COUNT_AT("prefetch", JobFile, job.parallel.prefetch, "1", 0, SIZE_MOST,
                   "zero 3: layers gathered ahead of the one that is computed"),
    FIELD_COUNT_OR_WORD_AT("prefetch_backward", JobFile, job.parallel.prefetch_backward, "same", -1,
                           "same", 0, SIZE_MOST, "the same in backward passes"),
    FIELD_BOOL_AT("reshard", JobFile, job.parallel.reshard, "on",
                  "zero 3: parameters are dropped after a forward and gathered again"),
    FIELD_ENUM_AT("schedule", JobFile, job.parallel.schedule, SCHEDULES, "auto",
                  "auto: none, 1f1b with stages, interleaved with chunks; zero_bubble is ZB-H1"),
    FIELD_COUNT_AT("microbatch", JobFile, job.parallel.microbatch, "1", 1, SIZE_MOST,
                   "sequences per microbatch"),
    FIELD_COUNT_OR_WORD_AT("microbatches", JobFile, job.parallel.microbatches, "auto", 0, "auto", 1,
                           SIZE_MOST, "per replica and step; auto: from global_batch"),
    FIELD_COUNT_OR_WORD_AT("global_batch", JobFile, global_batch, "auto", 0, "auto", 1, SIZE_MOST,
                           "sequences per step; auto: dp * microbatch * microbatches"),
    FIELD_PART("batch_shares", JobFile, &batch_shares_schema, "",
               "microbatches of replicas on GPUs of several kinds"),
    FIELD_BOOL_AT("sequence_parallel", JobFile, job.parallel.sequence_parallel, "on",
                  "norms and dropout split over tp"),
    FIELD_BOOL_AT("embedding_as_layer", JobFile, job.parallel.embedding_as_layer, "off",
                  "embedding and head each take the place of one layer"),
    FIELD_LIST_AT("layers", JobFile, job.parallel.layers, job.parallel.nlayers, &LAYERS_ELEMENT, "",
                  "layers of each virtual stage; default: dealt evenly"),
    FIELD_STRING_AT(
        "layout", JobFile, layout, "",
        "the same as Megatron-LM writes it: E embedding, t layer, m prediction, L head; |, *n"),
};
static const Schema PARALLEL_SCHEMA = {.name = "parallel",
                                       .field = PARALLEL_FIELDS,
                                       .nfields = FIELDS_N(PARALLEL_FIELDS),
                                       .bytes = sizeof(JobFile)};

// Training

static const Field RECOMPUTE_ELEMENT = ELEMENT_STRING(RECOMPUTE_BYTES);
static const char *const ROUTINGS[] = {[EXPERTS_BALANCED] = "balanced",
                                       [EXPERTS_DRAWN] = "drawn",
                                       [EXPERTS_CAPACITY] = "capacity",
                                       NULL};
static const Field TRAINING_FIELDS[] = {
    FIELD_COUNT_AT("sequence", JobFile, job.training.sequence, NULL, 1, SIZE_MOST,
                   "tokens of a sequence"),
    FIELD_ENUM_AT("precision", JobFile, job.training.precision, PRECISION_NAMES, "bf16",
                  "of the matrix products"),
    FIELD_ENUM_AT("grad_precision", JobFile, job.training.grad_precision, PRECISION_NAMES, "fp32",
                  "of the gradient reduction"),
    FIELD_ENUM_AT("param_precision", JobFile, job.training.param_precision, PRECISION_NAMES, "bf16",
                  "of the parameter gather"),
    FIELD_ENUM_AT("attention", JobFile, job.training.attention, ATTENTION_NAMES, "flash2",
                  "kernel"),
    FIELD_BOOL_AT("attention_fp8", JobFile, job.training.attention_fp8, "off",
                  "attention products in fp8 too"),
    FIELD_LIST_AT(
        "recompute", JobFile, recompute, nrecompute, &RECOMPUTE_ELEMENT, "",
        "core_attn, mlp_act, layernorm, mlp, moe_act, moe, mla_up_proj, full:n (every n-th layer)"),
    FIELD_LIST_AT("offload", JobFile, offload, noffload, &RECOMPUTE_ELEMENT, "",
                  "to the host: activations:n (of n layers of each virtual stage)"),
    FIELD_ENUM_AT(
        "routing", JobFile, job.training.routing, ROUTINGS, "balanced",
        "tokens of experts: as many each, drawn, or up to capacity_factor times the mean"),
    FIELD_QUANTITY_AT("routing_scatter", JobFile, job.training.routing_scatter, QUANTITY_FRACTION,
                      "5 %", 0, 10,
                      "drawn: standard deviation of the tokens of a GPU, over their mean"),
    FIELD_NUMBER_AT("capacity_factor", JobFile, job.training.capacity_factor, "1", 0.01, 1000,
                    "capacity: tokens of an expert over their mean, padded to that"),
    FIELD_BOOL_AT("fused_loss", JobFile, job.training.fused_loss, "off",
                  "one kernel makes the loss, and gradients in place of logits"),
    FIELD_BOOL_AT("narrow_activation", JobFile, job.training.narrow_activation, "off",
                  "inputs of activations are kept in fp8 for the backward pass"),
    FIELD_BOOL_AT("fused_experts", JobFile, job.training.fused_experts, "off",
                  "one kernel for the products of all experts, with the activation and its cast"),
    FIELD_BOOL_AT("head_narrow", JobFile, job.training.head_narrow, "off",
                  "products of the head in precision too; off: in 16 bit"),
    FIELD_BOOL_AT("dropout", JobFile, job.training.dropout, "off",
                  "hidden and attention dropout: masks are written, kept and read"),
    FIELD_ENUM_AT("dispatcher", JobFile, job.training.dispatcher, DISPATCHER_NAMES, "alltoall",
                  "how tokens travel to their experts"),
    FIELD_BOOL_AT("ep_overlap", JobFile, job.training.ep_overlap, "off",
                  "exchanges of a microbatch run behind the computing of another"),
    FIELD_BOOL_AT("tp_overlap", JobFile, job.training.tp_overlap, "off",
                  "tensor-parallel collectives overlap the products they feed"),
    FIELD_BOOL_AT("tp_backward_overlap", JobFile, job.training.tp_backward_overlap, "on",
                  "those of the backward run beside products that they do not feed"),
    FIELD_LIST_AT("cuda_graph", JobFile, cuda_graph, ncuda_graph, &RECOMPUTE_ELEMENT, "",
                  "launched as graphs: attn, mlp, moe_router, moe_preprocess, mamba, layer (all of "
                  "it), full (the whole iteration), none"),
    FIELD_BOOL_AT("grad_fusion", JobFile, job.training.grad_fusion, "on",
                  "weight gradients are added up by the products that make them"),
    FIELD_BOOL_AT(
        "grad_scaling", JobFile, job.training.grad_scaling, "off",
        "a pass of its own divides gradients before they are reduced; off: the collective"),
    FIELD_BOOL_AT("grad_check", JobFile, job.training.grad_check, "off",
                  "the norm of each bucket of gradients is looked at before it is reduced"),
    FIELD_BOOL_AT("grad_overlap", JobFile, job.training.grad_overlap, "on",
                  "a bucket is reduced when its last gradient is there"),
    FIELD_BOOL_AT(
        "align_reductions", JobFile, job.training.align_reductions, "on",
        "in pipelines all stages begin the reductions of a chunk together (grad_overlap)"),
    FIELD_BOOL_AT("param_overlap", JobFile, job.training.param_overlap, "on",
                  "parameters of a chunk are gathered behind earlier forwards"),
    FIELD_BOOL_AT("pp_overlap", JobFile, job.training.pp_overlap, "on",
                  "stage hand-overs are asynchronous"),
    FIELD_BOOL_AT("pp_overlap_flush", JobFile, job.training.pp_overlap_flush, "off",
                  "with pp_overlap, of an interleaved pipeline also in warm-up and flush"),
    FIELD_COUNT_OR_WORD_AT("bucket_parameters", JobFile, job.training.bucket_parameters, "auto", 0,
                           "auto", 1, 0, "auto: max(40 M, 1 M * dp)"),
};
static const Schema TRAINING_SCHEMA = {.name = "training",
                                       .field = TRAINING_FIELDS,
                                       .nfields = FIELDS_N(TRAINING_FIELDS),
                                       .bytes = sizeof(JobFile)};

// What both kinds have, beside job_parts.h. Seeds: the word "run" stands for the job's seed.

#define SEED_AT(T, m) \
    FIELD_COUNT_OR_WORD_AT("seed", T, m, "run", -1, "run", 0, 0, "run: the seed of the run")
static const Field NETWORK_FIELDS[] = {
    FIELD_COUNT_AT("queue_pairs", NetworkSpec, queue_pairs, "1", 1, QUEUE_PAIRS_MOST,
                   "per connection; each takes its own path under ecmp"),
    FIELD_QUANTITY_AT("message_latency", NetworkSpec, message_latency_ps, QUANTITY_TIME, "10 us", 0,
                      0, "launch and protocol of a message, on top of the path"),
    FIELD_QUANTITY_AT("round_latency", NetworkSpec, round_latency_ps, QUANTITY_TIME, "10 us", 0, 0,
                      "per round of a collective, on top of the path"),
    FIELD_QUANTITY_AT("collective_base", NetworkSpec, collective_base_ps, QUANTITY_TIME, "8.4 us",
                      0, 0, "launch and protocol of a collective"),
    FIELD_QUANTITY_AT("eager", NetworkSpec, eager_bytes, QUANTITY_SIZE, "8 KiB", 0, 0,
                      "messages up to this size do not load links"),
    FIELD_QUANTITY_AT("reroute_delay", NetworkSpec, reroute_delay_ps, QUANTITY_TIME, "100 ms", 0, 0,
                      "until routing knows that a link is dead, or back"),
    FIELD_ENUM_AT("dp_algorithm", NetworkSpec, dp_algorithm, ALGORITHM_NAMES, "auto", "over dp"),
    FIELD_ENUM_AT("protocol", NetworkSpec, protocol, PROTOCOL_NAMES, "auto", "of collectives"),
};
static const Schema NETWORK_SCHEMA = {.name = "network",
                                      .field = NETWORK_FIELDS,
                                      .nfields = FIELDS_N(NETWORK_FIELDS),
                                      .bytes = sizeof(NetworkSpec)};

// Traffic

static const Field TRAFFIC_FIELDS[] = {
    FIELD_ENUM_AT("pattern", JobFile, job.traffic.pattern, PATTERNS, NULL, "who sends to whom"),
    FIELD_COUNT_OR_WORD_AT("ranks", JobFile, job.traffic.ranks, "all", 0, "all", 2, 0,
                           "GPUs that take part"),
    FIELD_QUANTITY_AT("bytes", JobFile, job.traffic.bytes, QUANTITY_SIZE, "1 GB", 1, 0,
                      "of each flow (all_to_all: of each pair of ranks), or of the collective"),
    FIELD_COUNT_OR_WORD_AT("group", JobFile, job.traffic.group, "all", 0, "all", 2, 0,
                           "consecutive ranks that exchange, for all_to_all"),
    FIELD_COUNT_OR_WORD_AT("shift", JobFile, job.traffic.shift, "half", 0, "half", 1, 0,
                           "rank i sends to i + shift"),
    FIELD_COUNT_AT("fan_in", JobFile, job.traffic.fan_in, "16", 2, 0,
                   "senders to one receiver, for incast"),
    SEED_AT(JobFile, job.traffic.seed),
    FIELD_COUNT_AT("queue_pairs", JobFile, job.traffic.queue_pairs, "1", 1, QUEUE_PAIRS_MOST,
                   "per flow"),
    FIELD_QUANTITY_OR_WORD_AT("latency", JobFile, job.traffic.latency_ps, QUANTITY_TIME, "none", -1,
                              "0 us", 0, 0,
                              "start-up of a flow on top of the path; none: not even the path's"),
    FIELD_STRING_AT("file", JobFile, job.traffic.file, "",
                    "CSV of flows or operations, beside the job file"),
    FIELD_QUANTITY_OR_WORD_AT("eager", JobFile, job.traffic.eager_bytes, QUANTITY_SIZE, "all", -1,
                              "0 B", 0, 0, "operations: larger messages wait for their receives"),
    FIELD_ENUM_AT("collective", JobFile, job.collective.kind, COLLECTIVE_NAMES, "all_reduce",
                  "for pattern collective"),
    FIELD_ENUM_AT("algorithm", JobFile, job.collective.algorithm, ALGORITHM_NAMES, "auto",
                  "of collectives"),
};
static const Schema TRAFFIC_SCHEMA = {.name = "traffic",
                                      .field = TRAFFIC_FIELDS,
                                      .nfields = FIELDS_N(TRAFFIC_FIELDS),
                                      .bytes = sizeof(JobFile)};

// Checks

static bool read_order(Reader *reader, const Node *node, JobFile *file) {
    ParallelSpec *parallel = &file->job.parallel;
    bool seen[DIM_N] = {false};
    int32_t n = 0;
    for (const char *at = file->order; *at;) {
        size_t length = strcspn(at, "-");
        int d = 0;
        while (d < DIM_N && (strlen(DIMENSION_NAMES[d]) != length ||
                             strncmp(DIMENSION_NAMES[d], at, length) != 0))
            d++;
        if (d == DIM_N || seen[d]) {
            reader_mistake(
                reader, node, "parallel.order",
                "order wants tp, cp, ep, dp, pp joined by '-', each at most once, got '%s'",
                file->order);
            return false;
        }
        seen[d] = true;
        parallel->order[n++] = (Dimension)d;
        at += length;
        if (*at == '-') at++;
    }
    bool good = true;
    for (int d = 0; d < DIM_N; d++) {
        if (seen[d]) continue;
        // Left out is fine for a dimension of size 1; auto may become anything.
        if (parallel->size[d] != 1 || (d == DIM_EP && parallel->ep > 1)) {
            reader_error(reader, node, "parallel.order", "order '%s' leaves out %s", file->order,
                         DIMENSION_NAMES[d]);
            good = false;
        }
        parallel->order[n++] = (Dimension)d;
    }
    return good;
}

/// A layout is another way to list layers.
static void read_layout(Reader *reader, const Node *node, JobFile *file) {
    ParallelSpec *parallel = &file->job.parallel;
    const char *const key = "parallel.layout";
    if (!file->layout[0]) return;
    PipelineLayout layout;
    Status status = layout_read(file->layout, &layout);
    char other[TEXT_PATH_BYTES + 32];
    if (!status_is_ok(&status))
        reader_mistake(reader, node, key, "%s", status.text);
    else if (parallel->nlayers > 0)
        reader_error(reader, node, key,
                     "layout and layers (%s) say the same: one of them is enough",
                     place_name(node_place(node, "parallel.layers"), other));
    else if (layout.mtp_layers != file->job.model.mtp_layers)
        reader_error(reader, node, key,
                     "layout has %d layers of multi-token prediction (m), but the model has %d",
                     (int)layout.mtp_layers, (int)file->job.model.mtp_layers);
    else if (layout.n != parallel->size[DIM_PP] * parallel->chunks)
        reader_error(reader, node, key,
                     "layout has %d virtual stages, but pp * chunks = %d * %d = %d", (int)layout.n,
                     (int)parallel->size[DIM_PP], (int)parallel->chunks,
                     (int)(parallel->size[DIM_PP] * parallel->chunks));
    else
        memcpy(parallel->layers, layout.layers, sizeof parallel->layers);
    parallel->nlayers = layout.n;
}

/// "fp8-delayed" is the whole name of fp8.
static void resolve_precisions(TrainingSpec *training) {
    Precision *const given[] = {&training->precision, &training->grad_precision,
                                &training->param_precision};
    for (int i = 0; i < 3; i++)
        if (*given[i] == PRECISION_N) *given[i] = PRECISION_FP8;
}

static void resolve_schedule(ParallelSpec *parallel) {
    if ((int)parallel->schedule != SCHEDULE_AUTO) return;
    parallel->schedule = parallel->size[DIM_PP] == 1 ? SCHEDULE_NONE
                         : parallel->chunks > 1      ? SCHEDULE_INTERLEAVED
                                                     : SCHEDULE_1F1B;
}

/// "all" or a range.
static bool take_nodes(PlacementSpec *placement) {
    NumberRange range;
    placement->first_node = placement->node_count = 0;
    placement->node_step = 1;
    if (strcmp(placement->nodes, "all") == 0) return true;
    if (!range_read(placement->nodes, &range)) return false;
    placement->first_node = range.first;
    placement->node_step = range.step;
    placement->node_count = range_count(&range);
    return true;
}

static void finish_common(Reader *reader, const Node *node, JobFile *file) {
    JobSpec *job = &file->job;
    if (!take_nodes(&job->placement))
        reader_mistake(
            reader, node, "placement.nodes",
            "nodes is '%s'; wanted all, a range such as 0-511, or every k-th of one such "
            "as 1-1023/2",
            job->placement.nodes);
    if (!job->name[0]) text_stem(reader->base, job->name, sizeof job->name);
    if (job->placement.seed == UINT64_MAX) job->placement.seed = file->seed;
    if (job->noise.seed == UINT64_MAX) job->noise.seed = file->seed;
    if (job->traffic.seed == UINT64_MAX) job->traffic.seed = file->seed;
    // A job that does not mention noise has none; one that names a single figure gets the others'
    // defaults.
    if (!node_get(node, "noise")) file->noise_on = false;
    if (!file->noise_on) {
        uint64_t seed = job->noise.seed;
        job->noise = (NoiseSpec){.seed = seed};
    }
}

static void finish_training(Reader *reader, const Node *node, void *data) {
    JobFile *file = data;
    ParallelSpec *parallel = &file->job.parallel;
    file->job.kind = JOB_TRAINING;
    file->job.model = file->model;
    model_file_change(reader, node, &file->model_changes, &file->job.model);
    parallel->size[DIM_DP] = file->replicas;
    parallel->dp_auto = file->replicas == 0;
    parallel->size[DIM_EP] = 1;
    finish_common(reader, node, file);
    resolve_schedule(parallel);
    read_layout(reader, node, file);
    resolve_precisions(&file->job.training);
    idle_keys_report(reader, &training_job_schema, node, file);
    bool good = read_order(reader, node, file);
    good = job_words_read(reader, node, file) && good;
    if (parallel->microbatches == 0 && file->global_batch == 0)
        reader_error(reader, node, "parallel", "parallel wants microbatches or global_batch");
    else if (good && !parallel->dp_auto)
        job_file_resolve_batch(reader, node, file);
}

static void finish_traffic(Reader *reader, const Node *node, void *data) {
    JobFile *file = data;
    JobSpec *job = &file->job;
    job->kind = JOB_TRAFFIC;
    finish_common(reader, node, file);
    job->collective.bytes = job->traffic.bytes;
    if (traffic_has_table(job->traffic.pattern) && !job->traffic.file[0])
        reader_error(reader, node, "traffic.pattern", "pattern %s wants a file: the CSV of the %s",
                     traffic_pattern_name(job->traffic.pattern),
                     traffic_pattern_name(job->traffic.pattern));
    idle_keys_report(reader, &traffic_job_schema, node, file);
}

bool job_file_resolve_batch(Reader *reader, const Node *node, JobFile *file) {
    ParallelSpec *parallel = &file->job.parallel;
    int64_t one = parallel_replicas(parallel) * parallel->microbatch;
    if (parallel->microbatches == 0) {
        if (file->global_batch % one != 0) {
            reader_error(reader, node, "parallel.global_batch",
                         "global_batch %d is no multiple of dp * microbatch = %lld",
                         (int)file->global_batch, (long long)one);
            return false;
        }
        parallel->microbatches = (int32_t)(file->global_batch / one);
        return true;
    }
    if (one > INT32_MAX / parallel->microbatches) {
        reader_error(reader, node, "parallel.microbatches",
                     "dp * microbatch * microbatches = %lld * %d sequences are more than 2^31",
                     (long long)one, (int)parallel->microbatches);
        return false;
    }
    int64_t batch = one * parallel->microbatches;
    if (file->global_batch != 0 && file->global_batch != batch) {
        char other[TEXT_PATH_BYTES + 32];
        reader_error(
            reader, node, "parallel.global_batch",
            "global_batch is %d, but dp * microbatch * microbatches = %lld (microbatches at %s)",
            (int)file->global_batch, (long long)batch,
            place_name(node_place(node, "parallel.microbatches"), other));
        return false;
    }
    file->global_batch = (int32_t)batch;
    return true;
}

#define COMMON_FIELDS                                                                              \
    FIELD_STRUCT_AT("placement", JobFile, job.placement, &placement_schema, "",                    \
                    "which GPU carries which rank"),                                               \
        FIELD_STRUCT_AT("network", JobFile, job.network, &NETWORK_SCHEMA, "",                      \
                        "how messages meet the network"),                                          \
        FIELD_LIST_AT("slow", JobFile, slow, nslow, &topology_slow_element, "",                    \
                      "as in a topology: GPUs, nodes and racks of the cluster"),                   \
        FIELD_LIST_AT("events", JobFile, event, nevents, &topology_event_element, "",              \
                      "as in a topology"),                                                         \
        FIELD_QUANTITY_AT("start", JobFile, job.start_ps, QUANTITY_TIME, "0 s", 0, 0,              \
                          "when the job begins"),                                                  \
        FIELD_COUNT_AT("seed", JobFile, seed, "1", 0, 0, "of the run"),                            \
        FIELD_STRUCT_AT("engine", JobFile, engine, &engine_schema, "", "how long transfers take"), \
        FIELD_STRUCT_AT("packet", JobFile, packet, &packet_schema, "",                             \
                        "switches, NICs and transport of engine packet"),                          \
        FIELD_STRUCT_AT("trace", JobFile, trace, &trace_schema, "", "what is written")

static const Field TRAINING_JOB_FIELDS[] = {
    FIELD_STRING_AT("name", JobFile, job.name, "", "for people; default: the file's name"),
    FIELD_REFERENCE_AT("model", JobFile, model, "models", &model_schema,
                       "catalogue entry of the model"),
    FIELD_STRUCT_AT("model_changes", JobFile, model_changes, &model_changes_schema, "",
                    "counts that the job puts over those of the entry: cut to so many layers"),
    FIELD_PART("parallel", JobFile, &PARALLEL_SCHEMA, NULL, "how the model is dealt over GPUs"),
    FIELD_PART("training", JobFile, &TRAINING_SCHEMA, NULL, "what is computed and kept"),
    FIELD_COUNT_AT("steps", JobFile, job.steps, "3", 1, 1000000, "training steps"),
    FIELD_PART("noise", JobFile, &noise_schema, "", "how much slower than nominal GPUs compute"),
    COMMON_FIELDS,
};
const Schema training_job_schema = {.name = "training job",
                                    .field = TRAINING_JOB_FIELDS,
                                    .nfields = FIELDS_N(TRAINING_JOB_FIELDS),
                                    .bytes = sizeof(JobFile),
                                    .kind = "training",
                                    .finish = finish_training};

static const Field TRAFFIC_JOB_FIELDS[] = {
    FIELD_STRING_AT("name", JobFile, job.name, "", "for people; default: the file's name"),
    FIELD_PART("traffic", JobFile, &TRAFFIC_SCHEMA, NULL, "who sends what to whom"),
    FIELD_COUNT_AT("steps", JobFile, job.steps, "1", 1, 1000000, "repetitions"),
    COMMON_FIELDS,
};
const Schema traffic_job_schema = {.name = "traffic job",
                                   .field = TRAFFIC_JOB_FIELDS,
                                   .nfields = FIELDS_N(TRAFFIC_JOB_FIELDS),
                                   .bytes = sizeof(JobFile),
                                   .kind = "traffic",
                                   .finish = finish_traffic};
