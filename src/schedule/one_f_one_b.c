/// one_f_one_b.c: 1F1B (PipeDream-Flush): a stage warms up just enough to keep the next one busy.
///
/// Idea.    Stage s starts with pp - 1 - s forwards, then runs one forward and one backward in
///          turn, so that at most pp - s microbatches keep activations. Bubble as GPipe: (pp - 1) /
///          m.
/// Source.  Narayanan et al., SC'21, section 2.2.1.
#include "schedule/order.h"

static Status one_f_one_b_check(const ScheduleSpec *spec) {
    REQUIRE(spec->chunks == 1, STATUS_RANGE,
            "schedule 1f1b has one chunk per stage, not %d: use interleaved", (int)spec->chunks);
    return status_ok();
}

static Slot one_f_one_b_nth(const ScheduleSpec *spec, bool backward, int64_t k) {
    (void)spec;
    return (Slot){.backward = backward, .microbatch = (int32_t)k};
}

// What a forward and a backward in turn pass on is there at the end of both: to come back takes two of them a stage.
static int64_t one_f_one_b_warmup(const ScheduleSpec *spec, int32_t stage) {
    const int64_t behind = (int64_t)spec->pp - 1 - stage;
    return spec->ep_overlap ? 2 * behind + 1 : behind;
}

static int64_t one_f_one_b_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    return schedule_merge(spec, one_f_one_b_warmup(spec, stage), one_f_one_b_nth, slots);
}

const ScheduleOrder schedule_1f1b = {
    .check = one_f_one_b_check,
    .fill = one_f_one_b_fill,
    .turns_from = one_f_one_b_warmup,
    .aligns = true,
};
