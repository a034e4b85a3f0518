/// none.c: no pipeline: each microbatch forward through all chunks, then backward (gradient
/// accumulation).
#include "schedule/order.h"

static Status none_check(const ScheduleSpec *spec) {
    REQUIRE(spec->pp == 1, STATUS_RANGE, "pp = %d needs a schedule: gpipe, 1f1b or interleaved",
            (int)spec->pp);
    return status_ok();
}

static Slot none_nth(const ScheduleSpec *spec, bool backward, int64_t k) {
    (void)spec;
    return (Slot){.backward = backward, .microbatch = (int32_t)k};
}

static int64_t none_warmup(const ScheduleSpec *spec, int32_t stage) {
    (void)spec;
    (void)stage;
    return 1;
}

static int64_t none_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    if (spec->ep_overlap && spec->chunks == 1)
        return schedule_merge(spec, none_warmup(spec, stage), none_nth, slots);
    int64_t n = 0;
    for (int32_t microbatch = 0; microbatch < spec->microbatches; microbatch++) {
        for (int32_t chunk = 0; chunk < spec->chunks; chunk++) {
            slots[n++] = (Slot){.chunk = chunk, .microbatch = microbatch};
        }
        for (int32_t chunk = spec->chunks - 1; chunk >= 0; chunk--) {
            slots[n++] = (Slot){.backward = true, .chunk = chunk, .microbatch = microbatch};
        }
    }
    return n;
}

const ScheduleOrder schedule_none = {
    .check = none_check,
    .fill = none_fill,
    .turns_from = none_warmup,
};
