/// kinds.h: what an operation kind means: one table, and one of the groups that collectives are among.
///
/// Idea.    An operation computes, sends, receives, or is a collective of a group. What differs from kind to kind stands in
///          a row of OP_KINDS; a new one (an exchange among experts, a gather of a sharded layer) is a row, the schedule
///          that puts it into programs, and, if its size is new, a line in step_cost_bytes.
///          A group is a product of dimensions: ranks that differ in the coordinates of its dimensions alone
///          (workload/model.h has the arithmetic). Gradients are summed over all but tp and pp: replicas, whatever divides
///          them. Groups stand in the order in which they are numbered.
///          Ranks of one stage that exchange in every layer (the parts of a matrix, of a sequence, of a layer's experts)
///          are never apart by more than a layer: they are a unit, which walks through one program. Groups are of units,
///          and a collective runs between the GPUs of these that hold the same, side by side.
/// Limits.  A collective is among one group; those of a unit are in order.
#ifndef COLOSSIM_PROGRAM_KINDS_H
#define COLOSSIM_PROGRAM_KINDS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum Stream {
    STREAM_COMPUTE,
    STREAM_RECV_PREV, ///< activations from the previous stage (cyclic: stage 0 from the last)
    STREAM_SEND_NEXT,
    STREAM_RECV_NEXT, ///< gradients from the next stage
    STREAM_SEND_PREV,
    STREAM_DP,
    STREAM_EP,     ///< exchanges inside a unit
    STREAM_ACROSS, ///< reductions across shard groups, whose communicators are their own
    STREAM_N,
} Stream;

extern const char *const STREAM_NAMES[STREAM_N];

/// Dimensions of parallelism; a set of them is DIM_BIT(...) | DIM_BIT(...).
typedef enum Dimension { DIM_TP, DIM_CP, DIM_EP, DIM_DP, DIM_PP, DIM_N } Dimension;
extern const char *const DIMENSION_NAMES[]; ///< [DIM_N], then NULL
typedef uint32_t DimensionSet;
#define DIM_BIT(dimension) (1u << (dimension))
/// GPUs that differ along these alone exchange in every layer, so that they move as one, a unit.
#define DIM_UNIT (DIM_BIT(DIM_TP) | DIM_BIT(DIM_CP) | DIM_BIT(DIM_EP))

typedef enum GroupKind {
    GROUP_DP,        ///< units that hold the same parameters
    GROUP_EMBEDDING, ///< first and last stage of a replica
    GROUP_ALL,       ///< all units of the job
    GROUP_EXPERT_DP, ///< units that hold the same parameters: of each those GPUs that hold the same experts
    GROUP_SHARD, ///< of GROUP_DP, consecutive replicas that share out what they hold (hybrid sharding) ...
    GROUP_ACROSS, ///< ... and those that hold the same share
    GROUP_KIND_N,
    GROUP_NONE = GROUP_KIND_N,
} GroupKind;

/// Of the replicas in a product of dimensions: all, as many as follow each other in a shard group, or one of each.
typedef enum GroupPart { PART_ALL, PART_SHARD, PART_ACROSS } GroupPart;

typedef struct GroupRow {
    DimensionSet dimensions;
    GroupPart part;
    bool ends_only; ///< of the pipeline, the first and the last stage alone
    bool
        experts; ///< between GPUs that hold the same experts, not all that differ along the dimensions
} GroupRow;

extern const GroupRow GROUPS[GROUP_KIND_N];
/// Are all members of one stage, so that they run one program?
static inline bool group_is_of_stage(GroupKind kind) {
    return kind < GROUP_KIND_N && !(GROUPS[kind].dimensions >> DIM_PP & 1);
}

typedef enum CollectiveKind {
    COLLECTIVE_ALL_REDUCE,
    COLLECTIVE_REDUCE_SCATTER,
    COLLECTIVE_ALL_GATHER,
    COLLECTIVE_ALL_TO_ALL,
    COLLECTIVE_KIND_N,
} CollectiveKind;
extern const char *const COLLECTIVE_NAMES[]; ///< [COLLECTIVE_KIND_N], then NULL

typedef enum OpKind {
    OP_FORWARD,
    OP_BACKWARD,
    OP_BACKWARD_INPUT,
    OP_BACKWARD_WEIGHT,
    OP_OPTIMIZER,
    OP_DISPATCH, ///< of one layer: rows of tokens (backward: their gradients) to the experts
    OP_COMBINE,  ///< and back
    OP_SEND,
    OP_RECV,
    OP_PARAM_GATHER,  ///< all-gather over DP of one bucket
    OP_GRAD_REDUCE,   ///< reduce-scatter (ZeRO) or all-reduce over DP of one bucket
    OP_EXPERT_GATHER, ///< the same of what it holds of experts
    OP_EXPERT_REDUCE,
    OP_SHARD_GATHER, ///< the same inside a shard group
    OP_SHARD_REDUCE,
    OP_ACROSS_REDUCE,    ///< all-reduce of a share of the gradients among shard groups
    OP_EMBEDDING_REDUCE, ///< tied embeddings: all-reduce between first and last stage
    OP_GRAD_NORM,        ///< small all-reduce over the whole job
    OP_KIND_N,
} OpKind;

/// Which work of a segment a compute operation does.
typedef enum Pass {
    PASS_FORWARD,
    PASS_BACKWARD,        ///< of both gradients
    PASS_BACKWARD_INPUT,  ///< of that of the input, which the stage before waits for, ...
    PASS_BACKWARD_WEIGHT, ///< ... and of those of the weights, which nobody does
    PASS_N,
    PASS_NONE = PASS_N,
} Pass;

typedef enum OpForm {
    FORM_COMPUTE,
    FORM_SEND,
    FORM_RECEIVE,
    FORM_COLLECTIVE,
    FORM_EXCHANGE
} OpForm;

/// Which size of the cost of a step a transfer has, see step_cost_bytes.
typedef enum OpBytes {
    BYTES_NONE,
    BYTES_DISPATCH, ///< of a microbatch, all rows of a GPU's tokens
    BYTES_COMBINE,
    BYTES_BOUNDARY,   ///< activations or gradients of a microbatch between stages
    BYTES_PARAMETERS, ///< of a part of a chunk
    BYTES_GRADIENTS,
    BYTES_EXPERT_PARAMETERS, ///< of experts in it
    BYTES_EXPERT_GRADIENTS,
    BYTES_SHARE,     ///< of gradients, that a GPU of a shard group has
    BYTES_EMBEDDING, ///< gradients of the tied embedding
    BYTES_NORM,
} OpBytes;

enum { GRAD_NORM_BYTES = 4 }; ///< what all units of a training job reduce each step: one fp32

typedef struct OpKindRow {
    const char *name;
    OpForm form;
    Pass pass; ///< of a segment that it computes
    Stream stream
        [2]; ///< on which it stands: of the forward pass, of the backward pass; of a collective, if it is to run beside others, or never
    GroupKind group;              ///< of a collective, else GROUP_NONE
    CollectiveKind collective[2]; ///< whole; where optimizer states are sharded
    OpBytes bytes;
    Dimension
        serves; ///< what waiting for it is charged to, and its traffic; DIM_N: none, it computes
    bool ends_step;  ///< of its unit
    bool ends_cycle; ///< when it ends, no transfer of its job is under way
} OpKindRow;

extern const OpKindRow OP_KINDS[OP_KIND_N];

#endif
