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
static bool has_table(const JobFile *file) { return traffic_has_table(file->job.traffic.pattern); }
static bool has_no_table(const JobFile *file) { return !has_table(file); }
static bool is_collective(const JobFile *file) {
    return file->job.traffic.pattern == TRAFFIC_COLLECTIVE;
}
static bool is_no_graph(const JobFile *file) {
    return !traffic_is_graph(file->job.traffic.pattern);
}
static bool is_no_list(const JobFile *file) {
    return file->job.traffic.pattern != TRAFFIC_OPERATIONS;
}
static bool is_no_collective(const JobFile *file) { return !is_collective(file); }
static bool sends_packets(const JobFile *file) { return file->engine.kind == ENGINE_PACKET; }
static bool sends_no_packets(const JobFile *file) { return !sends_packets(file); }
static bool pauses_nobody(const JobFile *file) {
    return sends_packets(file) && file->packet.flow_control != FLOW_PFC;
}
static bool has_no_credits(const JobFile *file) {
    return sends_packets(file) && file->packet.flow_control != FLOW_CREDITS;
}
static bool has_credits(const JobFile *file) {
    return sends_packets(file) && file->packet.flow_control == FLOW_CREDITS;
}
static bool drops_nothing(const JobFile *file) {
    return sends_packets(file) && file->packet.flow_control != FLOW_NONE;
}
static bool draws_paths(const JobFile *file) {
    return sends_packets(file) && file->packet.multipath == MULTIPATH_RANDOM;
}
static bool loses_packets(const JobFile *file) {
    return sends_packets(file) &&
           (file->packet.flow_control == FLOW_NONE || file->packet.loss_share > 0);
}
static bool has_no_window(const JobFile *file) {
    return sends_packets(file) && CONTROL_KEYS[file->packet.control] != CONTROL_KEYS_WINDOW;
}
static bool has_no_dcqcn(const JobFile *file) {
    return sends_packets(file) && CONTROL_KEYS[file->packet.control] != CONTROL_KEYS_DCQCN;
}

#define DENSE "the model has no experts"
static const IdleKey COMMON_KEYS[] = {
    {"placement.stride", is_not_strided, "the placement is not strided"},
    {"engine.control_delay", sends_packets, "packets react as packet.control says"},
    {"packet", sends_no_packets, "the engine of the job is not packet"},
    {"packet.paths", draws_paths, "multipath is random: switches draw for each packet"},
    {"packet.pfc_share", pauses_nobody, "the flow control is not pfc"},
    {"packet.credits", has_no_credits, "the flow control is not credits"},
    {"packet.buffer", has_credits, "with credits each link has its own"},
    {"packet.drop_share", drops_nothing, "with flow control nothing is dropped"},
    {"packet.trim", drops_nothing, "with flow control nothing is dropped"},
    {"packet.skip", loses_packets, "packets may be lost: that is never steady"},
    {"packet.dcqcn", has_no_dcqcn, "the control is not dcqcn"},
    {"packet.window", has_no_window, "the control is neither window nor nscc"},
    {0},
};
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
    {0},
};
static const IdleKey TRAFFIC_KEYS[] = {
    {"traffic.shift", is_no_shift, "the pattern is not shift"},
    {"traffic.fan_in", is_no_incast, "the pattern is not incast"},
    {"traffic.group", is_no_all_to_all, "the pattern is not all_to_all"},
    {"traffic.file", has_no_table, "the pattern is neither flows nor operations"},
    {"traffic.bytes", has_table, "each line of the table has its own"},
    {"traffic.queue_pairs", is_collective, "a collective takes network.queue_pairs"},
    {"traffic.collective", is_no_collective, "the pattern is not collective"},
    {"traffic.algorithm", is_no_graph, "the pattern has no collectives"},
    {"traffic.eager", is_no_list, "the pattern is not operations"},
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

/// Numbers may be written in several ways.
static bool is_default(const Field *field, const char *text) {
    if (!field->fallback) return false;
    if (strcmp(text, field->fallback) == 0) return true;
    const bool number =
        field->kind == FIELD_COUNT || field->kind == FIELD_NUMBER || field->kind == FIELD_QUANTITY;
    char reason[QUANTITY_REASON_BYTES];
    int64_t whole[2];
    double real[2];
    if (!number) return false;
    if (field->store == STORE_DOUBLE)
        return quantity_parse_real(field->quantity, text, &real[0], reason) &&
               quantity_parse_real(field->quantity, field->fallback, &real[1], reason) &&
               real[0] == real[1];
    return quantity_parse_int(field->quantity, text, &whole[0], reason) &&
           quantity_parse_int(field->quantity, field->fallback, &whole[1], reason) &&
           whole[0] == whole[1];
}

/// Does a value ask for nothing: what is so anyway, or that something be not done?
static bool asks_nothing(const Field *field, const char *text) {
    static const char *const DENIALS[] = {"off", "false", "no", "none", "0"};
    for (size_t i = 0; i < sizeof DENIALS / sizeof DENIALS[0]; i++)
        if (strcmp(text, DENIALS[i]) == 0) return true;
    return is_default(field, text);
}

/// What is asked for at a path of the job: a value, or the values of a mapping.
static void report(Reader *reader, const Field *field, const Node *value, const char *reason) {
    for (int32_t i = 0; value->kind == NODE_MAPPING && i < value->n; i++) {
        const Field *inner = schema_field(field->table, value->key[i]->text);
        if (inner) report(reader, inner, value->item[i], reason);
    }
    if (value->kind != NODE_SCALAR || asks_nothing(field, value->text)) return;
    diagnostics_conflict(reader->diagnostics, value->place, "%s is given, but %s", field->key,
                         reason);
}

static void report_keys(Reader *reader, const Schema *schema, const Node *node, const JobFile *file,
                        const IdleKey *key) {
    for (; key->path; key++) {
        const Node *value = node_find(node, key->path);
        if (value && key->is_idle(file))
            report(reader, field_of(schema, key->path), value, key->reason);
    }
}

void idle_keys_report(Reader *reader, const Schema *schema, const Node *node, const JobFile *file) {
    const bool trains = file->job.kind == JOB_TRAINING;
    report_keys(reader, schema, node, file, trains ? TRAINING_KEYS : TRAFFIC_KEYS);
    report_keys(reader, schema, node, file, COMMON_KEYS);
}
