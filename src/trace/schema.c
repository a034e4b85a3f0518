#include "trace/schema.h"

const TraceGroupRow TRACE_GROUPS[TRACE_GROUP_N] = {
#define GROUP_ROW(id, name, when, signal, meaning) {name, when, signal, meaning},
    TRACE_GROUP_TABLE(GROUP_ROW)
#undef GROUP_ROW
};

const TraceAxisRow TRACE_AXES[TRACE_AXIS_N] = {
#define AXIS_ROW(id, name, home, grows, meaning) {name, TRACE_GROUP_##home, grows, meaning},
    TRACE_AXIS_TABLE(AXIS_ROW)
#undef AXIS_ROW
};

const TraceDatasetRow TRACE_DATASETS[TRACE_DATASET_N] = {
#define DATASET_ROW(id, group, name, type, unit, flags, when, meaning, ...) \
    {TRACE_GROUP_##group, name,         TRACE_##type, unit,                 \
     TRACE_##flags,       TRACE_##when, meaning,      {__VA_ARGS__}},
    TRACE_DATASET_TABLE(DATASET_ROW)
#undef DATASET_ROW
};

int trace_dataset_rank(TraceDataset dataset) {
    int rank = 0;
    while (rank < TRACE_RANK_MAX && TRACE_DATASETS[dataset].axis[rank] != TRACE_AXIS_NONE) rank++;
    return rank;
}

int64_t trace_type_bytes(TraceType type) {
    switch (type) {
        case TRACE_I8:
        case TRACE_CHAR: return 1;
        case TRACE_I32: return 4;
        case TRACE_I64:
        case TRACE_U64:
        case TRACE_F64: return 8;
        case TRACE_TEXT: return (int64_t)sizeof(char *);
    }
    return 0;
}

#define NAME_ROW(id, name) name,
#define PART_NAME_ROW(X, id, name, meaning) name,
static const char *const PART_NAME[] = {TRACE_PART_TABLE(PART_NAME_ROW, _)};
static const char *const ENERGY_NAME[] = {TRACE_ENERGY_TABLE(PART_NAME_ROW, _)};
static const char *const TRAFFIC_NAME[] = {TRACE_TRAFFIC_TABLE(NAME_ROW)};

const char *trace_part_name(TracePart part) { return PART_NAME[part]; }
const char *trace_energy_name(TraceEnergy energy) { return ENERGY_NAME[energy]; }
const char *trace_traffic_name(TraceTraffic traffic) { return TRAFFIC_NAME[traffic]; }

#define FLAG_WORD(id, name) " " name
const char *trace_flag_meanings(TraceFlags flags, int *n) {
    // Each list starts with a blank, which is skipped.
    switch (flags) {
        case TRACE_KIND_FLAGS:
            *n = TRACE_COLLECTIVE_N;
            return (TRACE_COLLECTIVE_TABLE(FLAG_WORD)) + 1;
        case TRACE_TRAFFIC_FLAGS: *n = TRACE_TRAFFIC_N; return (TRACE_TRAFFIC_TABLE(FLAG_WORD)) + 1;
        case TRACE_OPERATION_FLAGS:
            *n = TRACE_OPERATION_N;
            return (TRACE_OPERATION_TABLE(FLAG_WORD)) + 1;
        case TRACE_DIRECTION_FLAGS: *n = TRACE_DIRECTIONS; return "up down";
        case TRACE_STREAM_FLAGS: *n = TRACE_STREAM_N; return (TRACE_STREAM_TABLE(FLAG_WORD)) + 1;
        case TRACE_PLAIN:
        case TRACE_MISSING:
        case TRACE_SIGNED: break;
    }
    *n = 0;
    return "";
}
