// ZeRO-3: chunks that are computed segment by segment, each gathered before it is used and reduced behind its backward.
#include "schedule/builder.h"

/// The segment of a use, in the order of the model: backwards come from the last.
static int32_t use_segment(const Builder *builder, Use use) {
    const Slot *slot = &builder->slots[use.slot];
    return slot->backward ? builder_nsegments(builder, slot->chunk) - 1 - use.nth : use.nth;
}

static bool use_gathers(const Builder *builder, Use use) {
    const Slot *slot = &builder->slots[use.slot];
    const ScheduleSegment *segment =
        builder_segment(builder, slot->chunk, use_segment(builder, use));
    if (slot->gradients == GRADIENTS_WEIGHT) return false;
    return segment->sharded && !(segment->kept && slot->backward);
}

static Use use_after(const Builder *builder, Use use) {
    if (use.nth + 1 < builder_nsegments(builder, builder->slots[use.slot].chunk))
        return (Use){use.slot, use.nth + 1};
    return (Use){use.slot + 1, 0};
}

/// Turn to the next use that gathers; false: there is no other.
static bool builder_find_gather(Builder *builder) {
    while (builder->next_use.slot < builder->nslots && !use_gathers(builder, builder->next_use))
        builder->next_use = use_after(builder, builder->next_use);
    return builder->next_use.slot < builder->nslots;
}

/// How many uses before its own the next gather may begin.
static int32_t builder_ahead(const Builder *builder) {
    const ScheduleSpec *spec = builder->spec;
    if (!spec->param_overlap) return 0;
    return builder->slots[builder->next_use.slot].backward ? spec->prefetch_backward
                                                           : spec->prefetch;
}

/// Issue the next gather of the step.
static void builder_gather_next(Builder *builder) {
    const int32_t ahead = builder_ahead(builder);
    const Slot *slot = &builder->slots[builder->next_use.slot];
    Op gather = program_op(OP_PARAM_GATHER, STREAM_DP, slot->chunk, slot->microbatch);
    gather.segment = use_segment(builder, builder->next_use);
    int32_t dropped = builder->ngathers - 1 - ahead;
    if (dropped >= 0) op_add_wait(&gather, builder->use_end[dropped]);
    const bool experts = builder_segment(builder, slot->chunk, gather.segment)->experts;
    builder->use_gather[builder->ngathers++] = builder_add_both(builder, gather, experts);
    builder->next_use = use_after(builder, builder->next_use);
}

/// A gather that waits for the end of the use just computed goes ahead of its reduction (PyTorch FSDP, BACKWARD_POST).
static void builder_gather_behind(Builder *builder) {
    if (builder->spec->param_overlap && builder_find_gather(builder) &&
        builder_ahead(builder) == 0 && builder->ngathers == builder->nuses)
        builder_gather_next(builder);
}

static void builder_reduce_segment(Builder *builder, const Slot *slot, int32_t segment,
                                   int32_t after) {
    if (!builder_segment(builder, slot->chunk, segment)->sharded) return;
    Op reduce = program_op(OP_GRAD_REDUCE, STREAM_DP, slot->chunk, slot->microbatch);
    reduce.segment = segment;
    op_add_wait(&reduce, after);
    const bool experts = builder_segment(builder, slot->chunk, segment)->experts;
    int32_t reduced = builder_add_both(builder, reduce, experts);
    if (!builder->spec->grad_overlap) builder->reduced = reduced;
}

void builder_add_segments(Builder *builder, int64_t i, int32_t received) {
    const Slot *slot = &builder->slots[i];
    int32_t n = builder_nsegments(builder, slot->chunk), index = -1;
    for (Use use = {i, 0}; use.nth < n; use.nth++) {
        bool gathers = use_gathers(builder, use);
        while (builder_find_gather(builder) &&
               builder->ngathers < builder->nuses + gathers + builder_ahead(builder))
            builder_gather_next(builder);
        Op compute = builder_compute(builder, slot);
        compute.segment = use_segment(builder, use);
        builder_gate(builder, &compute, use.nth == 0, received,
                     gathers ? builder->use_gather[builder->nuses] : -1);
        index = program_add(builder->program, compute);
        if (gathers) builder->use_end[builder->nuses++] = index;
        builder_gather_behind(builder);
        if (slot_ends_backward(slot)) builder_reduce_segment(builder, slot, compute.segment, index);
    }
    builder_end_slot(builder, index);
}

int64_t builder_count_uses(const Builder *builder) {
    int64_t n = 0;
    for (int64_t i = 0; i < builder->nslots; i++)
        n += builder_nsegments(builder, builder->slots[i].chunk);
    return n;
}
