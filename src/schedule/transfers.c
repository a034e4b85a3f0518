// Receives and sends of slots, of pipelines in one direction and in both.
#include "schedule/builder.h"

/// Does its microbatch come from the last stage?
static bool slot_is_reversed(const Builder *builder, const Slot *slot) {
    return builder->order->bidirectional && slot->chunk == 1;
}

/// Whether a slot's input comes from another stage (input) or its output goes to one (!input). Only
/// the two ends of the model have no neighbour; with one stage all chunks are at home.
static bool builder_has_transfer(const Builder *builder, Slot slot, bool input) {
    const ScheduleSpec *spec = builder->spec;
    if (spec->pp == 1 || slot.gradients == GRADIENTS_WEIGHT) return false;
    bool bidirectional = builder->order->bidirectional;
    int32_t last = spec->pp * (bidirectional ? 1 : spec->chunks) - 1;
    int32_t virtual_stage = slot_is_reversed(builder, &slot) ? last - builder->stage
                            : bidirectional                  ? builder->stage
                                            : slot.chunk * spec->pp + builder->stage;
    bool at_start = slot.backward != input; // a forward's input, a backward's output
    return at_start ? virtual_stage > 0 : virtual_stage < last;
}

int32_t builder_add_receive(Builder *builder, Slot slot, int32_t after) {
    if (!builder_has_transfer(builder, slot, true)) return -1;
    Stream stream = OP_KINDS[OP_RECV].stream[slot.backward != slot_is_reversed(builder, &slot)];
    Op receive = program_op(OP_RECV, stream, slot.chunk, slot.microbatch);
    op_add_wait(&receive, after);
    return program_add(builder->program, receive);
}

int32_t *builder_receive(const Builder *builder, const Slot *slot) {
    int64_t chunk = (slot->backward ? builder->spec->chunks : 0) + slot->chunk;
    return &builder->receive[chunk * builder->spec->microbatches + slot->microbatch];
}

/// A neighbour sends activations of one direction and gradients of the other: receive them as it does. What it computes
/// beside each other it sends in the order of its slots.
static void builder_add_receives_from(Builder *builder, int32_t neighbour, Slot slots[]) {
    const ScheduleSpec *spec = builder->spec;
    Builder from = *builder;
    from.stage = neighbour;
    int64_t n = builder->order->fill(spec, neighbour, slots);
    for (int64_t i = 0; i < n; i++) {
        bool to_next = slots[i].backward == slot_is_reversed(builder, &slots[i]);
        if (!builder_has_transfer(&from, slots[i], false)) continue;
        if (to_next != (builder->stage > neighbour)) continue;
        Slot mine = slots[i];
        mine.gradients = GRADIENTS_ALL;
        *builder_receive(builder, &mine) = builder_add_receive(builder, mine, -1);
    }
}

void builder_add_all_receives(Builder *builder, Arena *arena) {
    const ScheduleSpec *spec = builder->spec;
    int64_t n = 2 * (int64_t)spec->chunks * spec->microbatches;
    builder->receive = arena_array(arena, int32_t, n);
    for (int64_t i = 0; i < n; i++) builder->receive[i] = -1;
    Slot *slots = arena_array(arena, Slot, schedule_most_slots(spec));
    if (builder->stage > 0) builder_add_receives_from(builder, builder->stage - 1, slots);
    if (builder->stage < spec->pp - 1)
        builder_add_receives_from(builder, builder->stage + 1, slots);
}

int32_t builder_add_send(Builder *builder, Slot slot) {
    if (!builder_has_transfer(builder, slot, false)) return -1;
    Stream stream = OP_KINDS[OP_SEND].stream[slot.backward != slot_is_reversed(builder, &slot)];
    Op send = program_op(OP_SEND, stream, slot.chunk, slot.microbatch);
    op_add_wait(&send, builder->ended[0]);
    return program_add(builder->program, send);
}
