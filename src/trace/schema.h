/// schema.h: every group, axis, part and dataset of the output file, declared once.
///
/// Idea.    X-macro tables. The writer creates the file from them, output/README.md is printed from them (and a test holds it to
///          them), and the driver names datasets by the enums. To add a column: one line in schema_table.h, one member in
///          the struct of trace.h that fills it, one line in its column list in trace.c; a part of the step: TRACE_PART_TABLE.
///          Columns, not compounds; times are int64 picoseconds with units "ps", their sums over links or transfers float64
///          (exact up to 2^53 ps, 2.5 hours). "No value" is NaN for floats, -1 for ids, and for amounts -1 or (signed times)
///          INT64_MIN + 2 with a _FillValue.
/// Source.  netCDF-4 data model over HDF5 (dimension scales) and CF-1.10 (units, long_name, flag_values, _FillValue,
///          coordinates); NeXus NXdata attributes for viewers.
#ifndef COLOSSIM_TRACE_SCHEMA_H
#define COLOSSIM_TRACE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TRACE_SCHEMA_VERSION = 2,
    TRACE_RANK_MAX = 4,       ///< axes of a dataset
    TRACE_TIERS_MAX = 8,      ///< scale-up domain and fabric tiers
    TRACE_DIRECTIONS = 2,     ///< 0 up, 1 down
    TRACE_BINS = 21,          ///< of link utilisation: idle, then twenty of 5 %
    TRACE_USERS = 4,          ///< named users of a hot link
    TRACE_QUEUE_BINS = 20,    ///< of queues: none, then up to 1 KiB, 2 KiB ... 128 MiB, more
    TRACE_VICTIMS = 256,      ///< named links that were paused longest
    TRACE_PHASES = 200,       ///< equal parts of a step, of the power in time
    TRACE_SITE_TIERS_MAX = 7, ///< node, rack, below switches of each tier but the last, site
    TRACE_EVENTS_MAX = 256,
    TRACE_CHANGES_MAX = 64, ///< of a step that is explained
    TRACE_NAME_CHARS = 64,  ///< of a link's name, padded with NUL
};

/// When a group or dataset exists.
typedef enum TraceWhen {
    TRACE_ALWAYS,
    TRACE_IF_TRAINING,   ///< a training job takes part
    TRACE_IF_TRAFFIC,    ///< a traffic job takes part
    TRACE_IF_SEVERAL,    ///< several jobs share the fabric
    TRACE_IF_EVENTS,     ///< something of the cluster changes by an event
    TRACE_IF_FULL_LINKS, ///< a full row of links per step was asked for
    TRACE_IF_PACKETS,    ///< the engine knows packets
    TRACE_IF_TIMELINE,   ///< operations of some GPUs were asked for
    TRACE_IF_EXPLAINED,  ///< a step of each training job is to be explained
    TRACE_IF_CHOSEN      ///< links were chosen to be kept in time
} TraceWhen;

/// Signed parts of a step: per GPU they sum to the step's duration exactly.  id, name, meaning
#define TRACE_PART_TABLE(P, X)                                                              \
    P(X, COMPUTE, "compute", "Work of the GPU itself at nominal speed.")                    \
    P(X, OWN_SLOW, "own_slow",                                                              \
      "Work beyond nominal speed: noise, stragglers and faults of this GPU, or of what "    \
      "kind it is; < 0 where its kind is quicker.")                                         \
    P(X, SHARING, "sharing",                                                                \
      "Work slowed by communication that takes a share of the GPU, and waiting for others " \
      "that were slowed so.")                                                               \
    P(X, BUBBLE, "bubble",                                                                  \
      "Idle even if communication were free and every GPU nominal: the pipeline's bubble.") \
    P(X, TP_EXPOSED, "tp_exposed",                                                          \
      "Tensor-parallel communication not hidden behind work, at its time alone.")           \
    P(X, CP_EXPOSED, "cp_exposed",                                                          \
      "Context-parallel communication not hidden behind work, at its time alone.")          \
    P(X, EP_EXPOSED, "ep_exposed",                                                          \
      "Expert-parallel communication not hidden behind work, at its time alone.")           \
    P(X, PP_EXPOSED, "pp_exposed",                                                          \
      "Pipeline communication not hidden behind work, at its time alone.")                  \
    P(X, DP_EXPOSED, "dp_exposed",                                                          \
      "Data-parallel communication not hidden behind work, at its time alone.")             \
    P(X, CONTENTION, "contention",                                                          \
      "Waiting because transfers took longer than alone: they shared links.")               \
    P(X, STRAGGLER, "straggler",                                                            \
      "Waiting for GPUs that were slow; 0 without noise where all are alike.")

typedef enum TracePart {
#define TRACE_PART_ENUM(X, id, name, meaning) TRACE_PART_##id,
    TRACE_PART_TABLE(TRACE_PART_ENUM, _)
#undef TRACE_PART_ENUM
        TRACE_PART_N
} TracePart;

/// Parts of the energy of a step: they sum to it exactly.  id, name, meaning
#define TRACE_ENERGY_TABLE(P, X)                                                                 \
    P(X, GPU_COMPUTE, "gpu_compute", "GPUs, while they work: compute, own_slow, sharing.")       \
    P(X, GPU_COMMUNICATION, "gpu_communication",                                                 \
      "GPUs, while they wait for communication: what is exposed of it, contention; all of the "  \
      "time of a traffic job.")                                                                  \
    P(X, GPU_BUBBLE, "gpu_bubble", "GPUs in the pipeline's bubble.")                             \
    P(X, GPU_WAITING, "gpu_waiting", "GPUs that wait for slower ones.")                          \
    P(X, GPU_IDLE, "gpu_idle", "GPUs that no job has.")                                          \
    P(X, HOSTS, "hosts", "CPUs, memory, scale-up switches: a node without GPUs, NICs and fans.") \
    P(X, FANS, "fans", "Fans of nodes.")                                                         \
    P(X, NICS, "nics", "NICs.")                                                                  \
    P(X, SWITCHES, "switches", "Switches, by the load of their links.")                          \
    P(X, OPTICS, "optics", "Both ends of the cables that are too long for copper.")              \
    P(X, SERVICES, "services", "Storage and management.")                                        \
    P(X, LOSS, "loss", "Lost in power supplies, transformers and UPS.")                          \
    P(X, COOLING, "cooling", "Cooling, and what else the building takes.")

typedef enum TraceEnergy {
#define TRACE_ENERGY_ENUM(X, id, name, meaning) TRACE_ENERGY_##id,
    TRACE_ENERGY_TABLE(TRACE_ENERGY_ENUM, _)
#undef TRACE_ENERGY_ENUM
        TRACE_ENERGY_N
} TraceEnergy;

/// What a transfer is for.  id, name
#define TRACE_TRAFFIC_TABLE(X) \
    X(FLOW, "flow")            \
    X(TP, "tp")                \
    X(PP, "pp")                \
    X(CP, "cp")                \
    X(EP, "ep")                \
    X(DP, "dp")

typedef enum TraceTraffic {
#define TRACE_TRAFFIC_ENUM(id, name) TRACE_TRAFFIC_##id,
    TRACE_TRAFFIC_TABLE(TRACE_TRAFFIC_ENUM)
#undef TRACE_TRAFFIC_ENUM
        TRACE_TRAFFIC_N
} TraceTraffic;

/// What a collective does.  id, name
#define TRACE_COLLECTIVE_TABLE(X)       \
    X(ALL_REDUCE, "all_reduce")         \
    X(REDUCE_SCATTER, "reduce_scatter") \
    X(ALL_GATHER, "all_gather")         \
    X(ALL_TO_ALL, "all_to_all")         \
    X(BROADCAST, "broadcast")

typedef enum TraceCollectiveKind {
#define TRACE_COLLECTIVE_ENUM(id, name) TRACE_COLLECTIVE_##id,
    TRACE_COLLECTIVE_TABLE(TRACE_COLLECTIVE_ENUM)
#undef TRACE_COLLECTIVE_ENUM
        TRACE_COLLECTIVE_N
} TraceCollectiveKind;

/// What a GPU does on a stream of its own.  id, name
#define TRACE_STREAM_TABLE(X)       \
    X(COMPUTE, "compute")           \
    X(RECEIVE_PREV, "receive_prev") \
    X(SEND_NEXT, "send_next")       \
    X(RECEIVE_NEXT, "receive_next") \
    X(SEND_PREV, "send_prev")       \
    X(DP, "dp")                     \
    X(EP, "ep")                     \
    X(ACROSS, "across")

typedef enum TraceStream {
#define TRACE_STREAM_ENUM(id, name) TRACE_STREAM_##id,
    TRACE_STREAM_TABLE(TRACE_STREAM_ENUM)
#undef TRACE_STREAM_ENUM
        TRACE_STREAM_N
} TraceStream;

/// Operations, and waiting for some.  id, name
#define TRACE_OPERATION_TABLE(X)            \
    X(WAIT, "wait")                         \
    X(FORWARD, "forward")                   \
    X(BACKWARD, "backward")                 \
    X(BACKWARD_INPUT, "backward_input")     \
    X(BACKWARD_WEIGHT, "backward_weight")   \
    X(OPTIMIZER, "optimizer")               \
    X(DISPATCH, "dispatch")                 \
    X(COMBINE, "combine")                   \
    X(SEND, "send")                         \
    X(RECEIVE, "receive")                   \
    X(PARAM_GATHER, "param_gather")         \
    X(GRAD_REDUCE, "grad_reduce")           \
    X(EXPERT_GATHER, "expert_gather")       \
    X(EXPERT_REDUCE, "expert_reduce")       \
    X(SHARD_GATHER, "shard_gather")         \
    X(SHARD_REDUCE, "shard_reduce")         \
    X(ACROSS_REDUCE, "across_reduce")       \
    X(EMBEDDING_REDUCE, "embedding_reduce") \
    X(GRAD_NORM, "grad_norm")

typedef enum TraceOperationKind {
#define TRACE_OPERATION_ENUM(id, name) TRACE_OPERATION_##id,
    TRACE_OPERATION_TABLE(TRACE_OPERATION_ENUM)
#undef TRACE_OPERATION_ENUM
        TRACE_OPERATION_N
} TraceOperationKind;

/// Groups.  id, name, when, signal and axes of the plot a viewer draws unasked, meaning
#define TRACE_GROUP_TABLE(X)                                                                       \
    X(ROOT, "", TRACE_ALWAYS, "", "What produced the file, and how much of it is committed.")      \
    X(STEPS, "steps", TRACE_ALWAYS, "duration_ps",                                                 \
      "One row a step: how long, where it went, how efficient.")                                   \
    X(GPUS, "gpus", TRACE_ALWAYS, "duration_ps",                                                   \
      "Where each GPU stands, and the parts of its steps.")                                        \
    X(COLLECTIVES, "collectives", TRACE_IF_TRAINING, "bus_Bps",                                    \
      "One row a collective, of GPUs that move as one those side by side; by start, then group.")  \
    X(TIMELINE, "timeline", TRACE_IF_TIMELINE, "end_ps",                                           \
      "One row an operation of a chosen GPU (trace.timeline), and one a wait between two of its "  \
      "compute operations: by step, GPU, stream, and in the order of the stream, on which no two " \
      "overlap. Waits and operations of the compute stream hold the step of the GPU without a "    \
      "gap, and their parts sum to those of /gpus, but that own_slow and straggler are those of "  \
      "the GPUs that move as one (tp, cp, ep) together. Steps that differ in nothing stand once: " \
      "/steps/timeline_step.")                                                                     \
    X(FLOWS, "flows", TRACE_IF_TRAFFIC, "slowdown",                                                \
      "One row a flow, message or collective of a traffic job, in its order.")                     \
    X(LINKS, "links", TRACE_ALWAYS, "utilisation_max",                                             \
      "Load and congestion of the links, per step: tiers, and the hottest links by name. "         \
      "Tensor and context parallelism, and experts inside one domain, are priced alone and are "   \
      "in none of this: /steps/priced_scale_up_bytes, priced_nic_bytes.")                          \
    X(JOBS, "jobs", TRACE_IF_SEVERAL, "delay_ps",                                                  \
      "What jobs that share the fabric cost each other.")                                          \
    X(POWER, "power", TRACE_ALWAYS, "site_W",                                                      \
      "What the site draws in a step, and why; src/observe/power.h says how it adds up. Of "       \
      "several jobs, each counts its own GPUs, and of all else the share of its GPUs among those " \
      "of all jobs. The parts sum to energy_J exactly, and so do site_W and gpus_W in time.")      \
    X(EVENTS, "events", TRACE_IF_EVENTS, "to",                                                     \
      "What degrades, dies and returns, by time, whether the run comes so far or not.")            \
    X(PATH, "path", TRACE_IF_EXPLAINED, "end_ps",                                                  \
      "The critical path of one step of each training job (/gains/explained): operations that "    \
      "follow each other without a gap, each begun when the one before it ended, up to the end "   \
      "of the step; the first begins with the step of its GPU, or of its peer.")                   \
    X(GAINS, "gains", TRACE_IF_EXPLAINED, "step_ps",                                               \
      "What that step would take if something were other than it is; src/observe/change.h says "   \
      "how that is found from the one run, and what it leaves out.")                               \
    X(INTERVALS, "intervals", TRACE_ALWAYS, "delay_ps",                                            \
      "Load and congestion of the links in time, per sampling interval. Those of a step begin "    \
      "behind the gradient norm of the step before (or with the repetition of traffic) and end "   \
      "with its own, behind which nothing moves: what a step moves lies in them. They follow "     \
      "each other without gaps and are equally wide but for the last: interval_ps of the root, "   \
      "or, where a step would have more than twice the wanted number, 4, 16, 64 ... times as "     \
      "much. A step that repeats another has none of its own: /steps/links_step. "                 \
      "The closed engine knows no time within a step, and has none.")

typedef enum TraceGroup {
#define TRACE_GROUP_ENUM(id, name, when, signal, meaning) TRACE_GROUP_##id,
    TRACE_GROUP_TABLE(TRACE_GROUP_ENUM)
#undef TRACE_GROUP_ENUM
        TRACE_GROUP_N
} TraceGroup;

/// Axes (dimension scales; the dataset of the same name holds the labels, and every group that uses the
/// axis has a hard link to it).  id, name, home group, grows, meaning
#define TRACE_AXIS_TABLE(X)                                                                       \
    X(STEP, "step", STEPS, true, "Number of the step, from 0.")                                   \
    X(GPU, "gpu", GPUS, false, "Physical GPU: node * GPUs per node + slot.")                      \
    X(COLLECTIVE, "collective", COLLECTIVES, true, "Number of the collective, from 0.")           \
    X(OPERATION, "operation", TIMELINE, true, "Number of the row, from 0.")                       \
    X(FLOW, "flow", FLOWS, true, "Number of the flow, from 0.")                                   \
    X(SEGMENT, "segment", PATH, true, "Number of the operation on the paths, from 0.")            \
    X(CHANGE, "change", GAINS, false,                                                             \
      "What is changed: that is a hundredth faster or shorter; or, as its name says, that is "    \
      "not there, or otherwise.")                                                                 \
    X(EVENT, "event", EVENTS, false, "Number of the event, from 0.")                              \
    X(JOB, "job", JOBS, false, "Number of the job, in the order of the command line.")            \
    X(CULPRIT, "culprit", JOBS, false, "Number of the job whose transfers cost others time.")     \
    X(INTERVAL, "interval", INTERVALS, true, "Number of the sampling interval, from 0.")          \
    X(TIER, "tier", LINKS, false,                                                                 \
      "Tier of links: the scale-up domain, then the fabric from the GPUs upwards.")               \
    X(DIRECTION, "direction", LINKS, false, "Away from the GPUs (up) or towards them (down).")    \
    X(PHASE, "phase", POWER, false,                                                               \
      "Part of the step in time, from 0: as long as all others, a 200th of duration_ps.")         \
    X(SITE_TIER, "site_tier", POWER, false,                                                       \
      "Tier of the site: node, rack (the nodes of a scale-up domain that holds several, else "    \
      "those that share their leaves), larger groups by the tier of the switches that hold them " \
      "together, site.")                                                                          \
    X(BIN, "utilisation_bin", INTERVALS, false,                                                   \
      "Upper edge of a bin of utilisation; the first bin holds idle links only.")                 \
    X(HOT, "hot", LINKS, false,                                                                   \
      "Place among the hottest links, 0 the hottest (most delay, then highest utilisation, "      \
      "then lowest id; a bundle is one place, and as hot as each of its links).")                 \
    X(CHOSEN, "chosen", LINKS, false, "Place among the chosen links (trace.links), by id.")       \
    X(QUEUE_BIN, "queue_bin", INTERVALS, false,                                                   \
      "Upper edge of a bin of queue length in bytes; the first bin holds ports where nothing "    \
      "waits, the last what is more.")                                                            \
    X(VICTIM, "victim", LINKS, false,                                                             \
      "Place among the links that were paused longest, 0 the longest (then the least id).")       \
    X(TRAFFIC, "traffic", LINKS, false,                                                           \
      "What bytes are for: a flow of a traffic job, or a dimension of parallelism.")              \
    X(USER, "user", LINKS, false,                                                                 \
      "Place among the users of a hot or chosen link, 0 the one with most bytes.")                \
    X(LINK, "link", LINKS, false, "Directed link; first_link says which tier and direction.")     \
    X(CHAR, "name_char", LINKS, false, "Character of a name; has no labels.")

typedef enum TraceAxis {
    TRACE_AXIS_NONE = -1,
#define TRACE_AXIS_ENUM(id, name, home, grows, meaning) TRACE_AXIS_##id,
    TRACE_AXIS_TABLE(TRACE_AXIS_ENUM)
#undef TRACE_AXIS_ENUM
        TRACE_AXIS_N
} TraceAxis;

typedef enum TraceType {
    TRACE_I8,
    TRACE_I32,
    TRACE_I64,
    TRACE_U64,
    TRACE_F64,
    TRACE_CHAR,
    TRACE_TEXT
} TraceType;

/// What the integers of a column mean.
typedef enum TraceFlags {
    TRACE_PLAIN,
    TRACE_MISSING, ///< amounts that may have "no value": carries _FillValue, so readers decode it to NaN
    TRACE_SIGNED,          ///< as TRACE_MISSING, for times that may be negative
    TRACE_KIND_FLAGS,      ///< TRACE_COLLECTIVE_TABLE
    TRACE_TRAFFIC_FLAGS,   ///< TRACE_TRAFFIC_TABLE
    TRACE_DIRECTION_FLAGS, ///< 0 up, 1 down, -1 none
    TRACE_STREAM_FLAGS,    ///< TRACE_STREAM_TABLE
    TRACE_OPERATION_FLAGS, ///< TRACE_OPERATION_TABLE
} TraceFlags;

#include "trace/schema_table.h"

typedef enum TraceDataset {
#define TRACE_DATASET_ENUM(id, ...) TRACE_##id,
    TRACE_DATASET_TABLE(TRACE_DATASET_ENUM)
#undef TRACE_DATASET_ENUM
        TRACE_DATASET_N
} TraceDataset;

typedef struct TraceGroupRow {
    const char *name;
    TraceWhen when;
    const char *signal;
    const char *meaning;
} TraceGroupRow;

typedef struct TraceAxisRow {
    const char *name;
    TraceGroup home;
    bool grows;
    const char *meaning;
} TraceAxisRow;

typedef struct TraceDatasetRow {
    TraceGroup group;
    const char *name;
    TraceType type;
    const char *unit;
    TraceFlags flags;
    TraceWhen when;
    const char *meaning;
    TraceAxis axis[TRACE_RANK_MAX]; ///< slowest first; TRACE_AXIS_NONE ends the list
} TraceDatasetRow;

extern const TraceGroupRow TRACE_GROUPS[TRACE_GROUP_N];
extern const TraceAxisRow TRACE_AXES[TRACE_AXIS_N];
extern const TraceDatasetRow TRACE_DATASETS[TRACE_DATASET_N];

/// Number of axes of a dataset, 0 for a scalar.
int trace_dataset_rank(TraceDataset dataset);
/// Bytes of one element of a type.
int64_t trace_type_bytes(TraceType type);
const char *trace_part_name(TracePart part);
const char *trace_energy_name(TraceEnergy energy);
const char *trace_traffic_name(TraceTraffic traffic);
/// "flag_values"-ordered names, separated by blanks, and their number; "" and 0 for columns without flags.
const char *trace_flag_meanings(TraceFlags flags, int *n);

#endif
