/// gpipe.c: all forwards, then all backwards.
///
/// Idea.    The backwards run in reverse, as the stack of saved activations gives them back.
///          Bubble: (pp - 1) / m of the compute time. Memory: activations of all m microbatches.
/// Source.  Huang et al., "GPipe", arXiv:1811.06965, figure 2c.
#include "schedule/order.h"

static Status gpipe_check(const ScheduleSpec *spec) {
    REQUIRE(spec->chunks == 1, STATUS_RANGE,
            "schedule gpipe has one chunk per stage, not %d: use interleaved", (int)spec->chunks);
    return status_ok();
}

static Slot gpipe_nth(const ScheduleSpec *spec, bool backward, int64_t k) {
    int32_t microbatch = (int32_t)k;
    if (backward) microbatch = spec->microbatches - 1 - microbatch;
    return (Slot){.backward = backward, .microbatch = microbatch};
}

static int64_t gpipe_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    (void)stage;
    return schedule_merge(spec, spec->microbatches, gpipe_nth, slots);
}

const ScheduleOrder schedule_gpipe = {
    .check = gpipe_check,
    .fill = gpipe_fill,
    .aligns = true,
};
