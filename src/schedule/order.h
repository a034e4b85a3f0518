/// order.h: the table of schedules: how each puts the slots of one pipeline rank in order; inside
/// schedule/ only.
///
/// Idea.    A schedule is two functions, one file and one line of the table in schedule.c. Every
///          stage must run the same sequence of forwards and the same sequence of backwards
///          (interleaved as it likes): that is what makes the k-th send of a stage the k-th receive
///          of its neighbour; of a bidirectional one, of each chunk.
#ifndef COLOSSIM_SCHEDULE_ORDER_H
#define COLOSSIM_SCHEDULE_ORDER_H

#include "schedule/schedule.h"

typedef struct ScheduleOrder {
    /// What the schedule asks of pp, chunks and microbatches (all >= 1).  Fails: STATUS_RANGE.
    Status (*check)(const ScheduleSpec *spec);
    /// Write all slots of `stage`; returns how many.
    int64_t (*fill)(const ScheduleSpec *spec, int32_t stage, Slot slots[]);
    /// Chunk 1 goes from the last stage to the first.
    bool bidirectional;
    /// Stages can begin their reductions together (ScheduleSpec.align).
    bool aligns;
    /// First slot from which, if transfers block, a forward and the backward after it exchange
    /// together; NULL: never.
    int64_t (*pairs_from)(const ScheduleSpec *spec, int32_t stage);
    /// First slot from which, with ep_overlap, a forward takes turns with the backward after it: the forwards before it
    /// bring that backward about. NULL: never.
    int64_t (*turns_from)(const ScheduleSpec *spec, int32_t stage);
} ScheduleOrder;

extern const ScheduleOrder schedule_none, schedule_gpipe, schedule_1f1b, schedule_interleaved,
    schedule_zero_bubble, schedule_dualpipe;

/// Merge a sequence of forwards with one of backwards: `warmup` forwards, then one of each in turn,
/// then the backwards that are left. Shared by the schedules that differ in the two sequences only. Returns how many.
///   nth(spec, backward, k)  the k-th forward (backward) of any stage
int64_t schedule_merge(const ScheduleSpec *spec, int64_t warmup,
                       Slot (*nth)(const ScheduleSpec *spec, bool backward, int64_t k),
                       Slot slots[]);

#endif
