#include "program/kinds.h"

#include <stddef.h>

const char *const STREAM_NAMES[STREAM_N] = {
    "compute", "receive-prev", "send-next", "receive-next", "send-prev", "dp", "ep", "across"};

const char *const DIMENSION_NAMES[] = {
    [DIM_TP] = "tp", [DIM_CP] = "cp", [DIM_EP] = "ep", [DIM_DP] = "dp", [DIM_PP] = "pp", NULL};

const char *const COLLECTIVE_NAMES[] = {[COLLECTIVE_ALL_REDUCE] = "all_reduce",
                                        [COLLECTIVE_REDUCE_SCATTER] = "reduce_scatter",
                                        [COLLECTIVE_ALL_GATHER] = "all_gather",
                                        [COLLECTIVE_ALL_TO_ALL] = "all_to_all",
                                        NULL};

const GroupRow GROUPS[GROUP_KIND_N] = {
    [GROUP_DP] = {.dimensions = DIM_BIT(DIM_CP) | DIM_BIT(DIM_EP) | DIM_BIT(DIM_DP)},
    [GROUP_EMBEDDING] = {.dimensions = DIM_BIT(DIM_PP), .ends_only = true},
    [GROUP_ALL] = {.dimensions =
                       DIM_BIT(DIM_CP) | DIM_BIT(DIM_EP) | DIM_BIT(DIM_DP) | DIM_BIT(DIM_PP)},
    [GROUP_SHARD] = {.dimensions = DIM_BIT(DIM_CP) | DIM_BIT(DIM_EP) | DIM_BIT(DIM_DP),
                     .part = PART_SHARD},
    [GROUP_ACROSS] = {.dimensions = DIM_BIT(DIM_DP), .part = PART_ACROSS},
    [GROUP_EXPERT_DP] = {.dimensions = DIM_BIT(DIM_DP), .experts = true},
};

#define COMPUTE(called, of)                                                                     \
    .name = (called), .form = FORM_COMPUTE, .pass = (of), .group = GROUP_NONE, .serves = DIM_N, \
    .stream = {STREAM_COMPUTE, STREAM_COMPUTE}
#define MESSAGE(called, end, forward, backward)                                                \
    .name = (called), .form = (end), .pass = PASS_NONE, .group = GROUP_NONE, .serves = DIM_PP, \
    .stream = {(forward), (backward)}, .bytes = BYTES_BOUNDARY
#define EXCHANGE(called, size)                                                       \
    .name = (called), .form = FORM_EXCHANGE, .pass = PASS_NONE, .group = GROUP_NONE, \
    .serves = DIM_EP, .stream = {STREAM_EP, STREAM_EP}, .bytes = (size)
#define COLLECTIVE(called, among, size)                                             \
    .name = (called), .form = FORM_COLLECTIVE, .pass = PASS_NONE, .group = (among), \
    .serves = DIM_DP, .stream = {STREAM_DP, STREAM_DP}, .bytes = (size)

const OpKindRow OP_KINDS[OP_KIND_N] = {
    [OP_FORWARD] = {COMPUTE("forward", PASS_FORWARD)},
    [OP_BACKWARD] = {COMPUTE("backward", PASS_BACKWARD)},
    [OP_BACKWARD_INPUT] = {COMPUTE("backward of inputs", PASS_BACKWARD_INPUT)},
    [OP_BACKWARD_WEIGHT] = {COMPUTE("backward of weights", PASS_BACKWARD_WEIGHT)},
    [OP_OPTIMIZER] = {COMPUTE("optimizer", PASS_NONE), .ends_step = true},
    [OP_DISPATCH] = {EXCHANGE("dispatch", BYTES_DISPATCH)},
    [OP_COMBINE] = {EXCHANGE("combine", BYTES_COMBINE)},
    [OP_SEND] = {MESSAGE("send", FORM_SEND, STREAM_SEND_NEXT, STREAM_SEND_PREV)},
    [OP_RECV] = {MESSAGE("receive", FORM_RECEIVE, STREAM_RECV_PREV, STREAM_RECV_NEXT)},
    [OP_PARAM_GATHER] = {COLLECTIVE("parameter gather", GROUP_DP, BYTES_PARAMETERS),
                         .collective = {COLLECTIVE_ALL_GATHER, COLLECTIVE_ALL_GATHER}},
    [OP_GRAD_REDUCE] = {COLLECTIVE("gradient reduction", GROUP_DP, BYTES_GRADIENTS),
                        .collective = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_REDUCE_SCATTER}},
    [OP_EXPERT_GATHER] = {COLLECTIVE("expert parameter gather", GROUP_EXPERT_DP,
                                     BYTES_EXPERT_PARAMETERS),
                          .collective = {COLLECTIVE_ALL_GATHER, COLLECTIVE_ALL_GATHER}},
    [OP_EXPERT_REDUCE] = {COLLECTIVE("expert gradient reduction", GROUP_EXPERT_DP,
                                     BYTES_EXPERT_GRADIENTS),
                          .collective = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_REDUCE_SCATTER}},
    [OP_SHARD_GATHER] = {COLLECTIVE("shard parameter gather", GROUP_SHARD, BYTES_PARAMETERS),
                         .collective = {COLLECTIVE_ALL_GATHER, COLLECTIVE_ALL_GATHER}},
    [OP_SHARD_REDUCE] = {COLLECTIVE("shard gradient reduction", GROUP_SHARD, BYTES_GRADIENTS),
                         .collective = {COLLECTIVE_REDUCE_SCATTER, COLLECTIVE_REDUCE_SCATTER}},
    [OP_ACROSS_REDUCE] = {.name = "gradient reduction across shards",
                          .form = FORM_COLLECTIVE,
                          .pass = PASS_NONE,
                          .group = GROUP_ACROSS,
                          .serves = DIM_DP,
                          .stream = {STREAM_ACROSS, STREAM_DP},
                          .bytes = BYTES_SHARE,
                          .collective = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_ALL_REDUCE}},
    [OP_EMBEDDING_REDUCE] = {COLLECTIVE("embedding reduction", GROUP_EMBEDDING, BYTES_EMBEDDING),
                             .collective = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_ALL_REDUCE}},
    [OP_GRAD_NORM] = {COLLECTIVE("gradient norm", GROUP_ALL, BYTES_NORM),
                      .collective = {COLLECTIVE_ALL_REDUCE, COLLECTIVE_ALL_REDUCE},
                      .ends_cycle = true},
};
