/// builder.h: a program while the slots of its schedule are played in order; inside schedule/ only.
///
/// Idea.    schedule.c adds round after round: what it receives, what it computes, what it sends. transfers.c knows who
///          hands what to whom, sharded.c computes chunks whose layers are gathered one by one, builder.c is what these share.
#ifndef COLOSSIM_SCHEDULE_BUILDER_H
#define COLOSSIM_SCHEDULE_BUILDER_H

#include "base/arena.h"
#include "schedule/order.h"

/// Slots whose transfers go out together.
enum { EXCHANGE_SLOTS = 2 };

/// A segment in a slot: the `nth` that the slot comes to.
typedef struct Use {
    int64_t slot;
    int32_t nth;
} Use;

/// A program while its slots are played in order; operation indices are -1 where there is none.
typedef struct Builder {
    const ScheduleSpec *spec;
    const ScheduleOrder *order;
    Program *program;
    int32_t stage;
    int64_t nslots;
    const Slot *slots;
    int64_t *last_backward; ///< [chunks] slot after which the gradients of a chunk are complete
    int64_t *reduce_from;   ///< [chunks] with reductions aligned: backward after which they begin
    int64_t nbackward;      ///< backwards that are added
    /// [chunks] gather of bucket 0, the others follow it; set if last_gather >= 0
    int32_t *gather;
    int32_t last_gather;
    int32_t round;    ///< of the operations that are added
    int32_t ended[2]; ///< last compute operation of the slots i-1 and i-2
    /// sends that the next compute operation waits for (where an exchange blocks)
    int32_t sent[EXCHANGE_SLOTS];
    /// reduction that the next compute operation waits for (ZeRO-2 without overlap)
    int32_t reduced;
    int32_t last_across; ///< reduction across shard groups that runs beside other collectives
    // ZeRO-3: uses of sharded segments that gather, in the order of the step.
    Use next_use;                  ///< that may gather next
    int32_t ngathers, nuses;       ///< so far: issued, computed
    int32_t *use_gather, *use_end; ///< [uses] the gather of each, and its compute operation
    int32_t *receive;              ///< of a bidirectional pipeline, see builder_receive; -1: none
} Builder;

// builder.c
const ScheduleSegment *builder_segment(const Builder *builder, int32_t chunk, int32_t segment);
/// Segments of a chunk; 0: it is computed in one.
int32_t builder_nsegments(const Builder *builder, int32_t chunk);
/// A collective of parameters, and behind it one of the experts among them, or of shares across shard groups; returns the
/// last.
int32_t builder_add_both(Builder *builder, Op op, bool experts);
Op builder_compute(const Builder *builder, const Slot *slot);
/// What a compute operation waits for beside gathers; `received` and sends only before the first of a slot.
void builder_gate(Builder *builder, Op *compute, bool first, int32_t received, int32_t gather);
void builder_end_slot(Builder *builder, int32_t last);
/// Are all gradients of its microbatch there behind it?
static inline bool slot_ends_backward(const Slot *slot) {
    return slot->backward && slot->gradients != GRADIENTS_INPUT;
}

// transfers.c
/// What a slot comes from, posted behind operation `after`; -1: at once.
int32_t builder_add_receive(Builder *builder, Slot slot, int32_t after);
void builder_add_all_receives(Builder *builder, Arena *arena);
/// The receive of a slot of a bidirectional pipeline.
int32_t *builder_receive(const Builder *builder, const Slot *slot);
int32_t builder_add_send(Builder *builder, Slot slot);

// sharded.c
/// Compute slot i segment by segment.
void builder_add_segments(Builder *builder, int64_t i, int32_t received);
/// Segments that all slots come to.
int64_t builder_count_uses(const Builder *builder);

#endif
