/// zero_bubble.c: ZB-H1: 1F1B whose backwards are two, so that gradients of weights fill the bubble of the end.
///
/// Idea.    Forwards and backwards of inputs come as in 1F1B, but each backward is shorter; stage s puts off gradients of
///          weights by s microbatches, so that every stage has pp microbatches in flight, as the first of 1F1B has.
///          With forward F, backward of inputs B and of weights W: bubble (pp - 1) (F + B - min(W, B)).
/// Limits.  The step ends with the norm of all gradients and the optimizer: their place at the end of a bubble (section 4
///          of the paper, validation after the fact) is not modelled. ZB-H2 and ZB-V, which fill more, are not built.
/// Source.  Qi et al., "Zero Bubble Pipeline Parallelism", arXiv:2401.10241, section 2 and table 2.
#include "schedule/order.h"

static Status zero_bubble_check(const ScheduleSpec *spec) {
    REQUIRE(spec->chunks == 1, STATUS_RANGE,
            "schedule zero_bubble has one chunk per stage, not %d: use interleaved",
            (int)spec->chunks);
    return status_ok();
}

static int64_t zero_bubble_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    const int32_t m = spec->microbatches;
    int32_t forwards = 0, weights = 0;
    int64_t n = 0;
    while (forwards < spec->pp - 1 - stage && forwards < m)
        slots[n++] = (Slot){.microbatch = forwards++};
    for (int32_t backwards = 0; backwards < m; backwards++) {
        if (forwards < m) slots[n++] = (Slot){.microbatch = forwards++};
        slots[n++] =
            (Slot){.backward = true, .gradients = GRADIENTS_INPUT, .microbatch = backwards};
        if (backwards < stage) continue;
        slots[n++] =
            (Slot){.backward = true, .gradients = GRADIENTS_WEIGHT, .microbatch = weights++};
    }
    while (weights < m)
        slots[n++] =
            (Slot){.backward = true, .gradients = GRADIENTS_WEIGHT, .microbatch = weights++};
    return n;
}

const ScheduleOrder schedule_zero_bubble = {
    .check = zero_bubble_check,
    .fill = zero_bubble_fill,
};
