#include "config/idle_keys.h"

#include <string.h>

/// A key and when it is idle.
typedef struct IdleKey {
    const char *path;
    bool (*is_idle)(const JobFile *file);
    const char *reason; ///< behind "KEY is given, but "
} IdleKey;

static bool is_dense(const JobFile *file) { return file->job.model.experts == 0; }
static bool is_whole(const JobFile *file) { return file->job.parallel.zero == 0; }
static bool keeps_parameters(const JobFile *file) { return file->job.parallel.zero < 3; }
static bool lists_layers(const JobFile *file) { return file->job.parallel.nlayers > 0; }
static bool draws_none(const JobFile *file) { return file->job.training.routing != EXPERTS_DRAWN; }
static bool cuts_none(const JobFile *file) {
    return file->job.training.routing != EXPERTS_CAPACITY;
}
static bool is_wide(const JobFile *file) { return file->job.training.precision <= PRECISION_BF16; }
static bool takes_no_turns(const JobFile *file) {
    return file->job.parallel.schedule != SCHEDULE_INTERLEAVED;
}
static bool is_not_strided(const JobFile *file) {
    return file->job.placement.kind != PLACEMENT_STRIDED;
}
static bool is_no_shift(const JobFile *file) { return file->job.traffic.pattern != TRAFFIC_SHIFT; }
static bool is_no_incast(const JobFile *file) {
    return file->job.traffic.pattern != TRAFFIC_INCAST;
}
static bool is_no_all_to_all(const JobFile *file) {
    return file->job.traffic.pattern != TRAFFIC_ALL_TO_ALL;
}
static bool has_table(const JobFile *file) { return file->job.traffic.pattern == TRAFFIC_FLOWS; }
static bool has_no_table(const JobFile *file) { return !has_table(file); }
static bool is_collective(const JobFile *file) {
    return file->job.traffic.pattern == TRAFFIC_COLLECTIVE;
}
static bool is_no_collective(const JobFile *file) { return !is_collective(file); }

#define DENSE "the model has no experts"
#define NOT_GATHERED "zero is below 3: no layer is gathered by itself"
static const IdleKey TRAINING_KEYS[] = {
    {"parallel.ep", is_dense, DENSE},
    {"parallel.expert_tp", is_dense, DENSE},
    {"parallel.shard_group", is_whole, "zero is 0: nothing is sharded"},
    {"parallel.prefetch", keeps_parameters, NOT_GATHERED},
    {"parallel.prefetch_backward", keeps_parameters, NOT_GATHERED},
    {"parallel.embedding_as_layer", lists_layers, "what each stage holds is written, too"},
    {"training.routing", is_dense, DENSE},
    {"training.routing_scatter", draws_none, "routing is not drawn"},
    {"training.capacity_factor", cuts_none, "routing is not capacity"},
    {"training.fused_experts", is_dense, DENSE},
    {"training.dispatcher", is_dense, DENSE},
    {"training.ep_overlap", is_dense, DENSE},
    {"training.head_narrow", is_wide, "precision is no narrower than the head's"},
    {"training.pp_overlap_flush", takes_no_turns, "the schedule is not interleaved"},
    {"placement.stride", is_not_strided, "the placement is not strided"},
    {0},
};
static const IdleKey TRAFFIC_KEYS[] = {
    {"traffic.shift", is_no_shift, "the pattern is not shift"},
    {"traffic.fan_in", is_no_incast, "the pattern is not incast"},
    {"traffic.group", is_no_all_to_all, "the pattern is not all_to_all"},
    {"traffic.file", has_no_table, "the pattern is not flows"},
    {"traffic.bytes", has_table, "each flow of the table has its own"},
    {"traffic.queue_pairs", is_collective, "a collective takes network.queue_pairs"},
    {"traffic.collective", is_no_collective, "the pattern is not collective"},
    {"traffic.algorithm", is_no_collective, "the pattern is not collective"},
    {"placement.stride", is_not_strided, "the placement is not strided"},
    {0},
};

/// The field of a path of keys.
static const Field *field_of(const Schema *schema, const char *path) {
    const Field *field = NULL;
    for (const char *at = path; schema; schema = field ? field->table : NULL) {
        char key[64];
        const size_t length = strcspn(at, ".");
        memcpy(key, at, length);
        key[length] = '\0';
        field = schema_field(schema, key);
        at += length;
        if (*at++ == '\0') return field;
    }
    return NULL;
}

/// Does a value ask for nothing: what is so anyway, or that something be not done?
static bool asks_nothing(const Field *field, const char *text) {
    static const char *const DENIALS[] = {"off", "false", "no", "none", "0"};
    for (size_t i = 0; i < sizeof DENIALS / sizeof DENIALS[0]; i++)
        if (strcmp(text, DENIALS[i]) == 0) return true;
    return field->fallback && strcmp(text, field->fallback) == 0;
}

void idle_keys_report(Reader *reader, const Schema *schema, const Node *node, const JobFile *file) {
    const bool trains = file->job.kind == JOB_TRAINING;
    for (const IdleKey *key = trains ? TRAINING_KEYS : TRAFFIC_KEYS; key->path; key++) {
        const Node *value = node_find(node, key->path);
        if (!value || value->kind != NODE_SCALAR || !key->is_idle(file)) continue;
        const Field *field = field_of(schema, key->path);
        if (asks_nothing(field, value->text)) continue;
        reader_error(reader, node, key->path, "%s is given, but %s", field->key, key->reason);
    }
}
