#include "schedule/builder.h"

const ScheduleSegment *builder_segment(const Builder *builder, int32_t chunk, int32_t segment) {
    const ScheduleSpec *spec = builder->spec;
    return &spec->segment[spec->first_segment[chunk * spec->pp + builder->stage] + segment];
}

int32_t builder_nsegments(const Builder *builder, int32_t chunk) {
    const int32_t *first = builder->spec->first_segment;
    int32_t v = chunk * builder->spec->pp + builder->stage;
    return first ? first[v + 1] - first[v] : 0;
}

/// What a reduction inside a shard group has left to each is reduced across groups: beside other collectives, or where
/// nothing is to overlap before the next.
static int32_t builder_add_across(Builder *builder, Op op, int32_t inside) {
    const Stream stream = OP_KINDS[OP_ACROSS_REDUCE].stream[!builder->spec->grad_overlap];
    Op across = program_op(OP_ACROSS_REDUCE, stream, op.chunk, op.microbatch);
    across.segment = op.segment;
    across.part = op.part;
    across.parts = op.parts;
    if (stream != op.stream) op_add_wait(&across, inside);
    int32_t index = program_add(builder->program, across);
    if (stream != op.stream) builder->last_across = index;
    return index;
}

int32_t builder_add_both(Builder *builder, Op op, bool experts) {
    const bool gather = op.kind == OP_PARAM_GATHER, hybrid = builder->spec->hybrid;
    if (hybrid) op.kind = gather ? OP_SHARD_GATHER : OP_SHARD_REDUCE;
    int32_t index = program_add(builder->program, op);
    if (!experts) return hybrid && !gather ? builder_add_across(builder, op, index) : index;
    op.kind = gather ? OP_EXPERT_GATHER : OP_EXPERT_REDUCE;
    return program_add(builder->program, op);
}

static OpKind slot_kind(const Slot *slot) {
    static const OpKind BACKWARD[] = {[GRADIENTS_ALL] = OP_BACKWARD,
                                      [GRADIENTS_INPUT] = OP_BACKWARD_INPUT,
                                      [GRADIENTS_WEIGHT] = OP_BACKWARD_WEIGHT};
    return slot->backward ? BACKWARD[slot->gradients] : OP_FORWARD;
}

Op builder_compute(const Builder *builder, const Slot *slot) {
    Op op = program_op(slot_kind(slot), STREAM_COMPUTE, slot->chunk, slot->microbatch);
    op.round = builder->round;
    return op;
}

void builder_gate(Builder *builder, Op *compute, bool first, int32_t received, int32_t gather) {
    if (first) {
        op_add_wait(compute, received);
        for (int32_t k = 0; k < EXCHANGE_SLOTS; k++) op_add_wait(compute, builder->sent[k]);
        for (int32_t k = 0; k < EXCHANGE_SLOTS; k++) builder->sent[k] = -1;
    }
    // Both are on STREAM_DP: who has waited for the later has waited for the other.
    op_add_wait(compute, gather > builder->reduced ? gather : builder->reduced);
    builder->reduced = -1;
}

void builder_end_slot(Builder *builder, int32_t last) {
    builder->ended[1] = builder->ended[0];
    builder->ended[0] = last;
}
