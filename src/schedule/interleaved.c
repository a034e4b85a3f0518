/// interleaved.c: 1F1B over `chunks` model chunks per stage, which divides the bubble by `chunks`.
///
/// Idea.    Microbatches go through the chunks in groups of pp: pp of them through chunk 0, the
///          same pp through chunk 1, and so on, then the next group; backwards the same from the
///          last chunk down. Stage s warms up with 2 (pp - 1 - s) + (chunks - 1) pp forwards: until
///          the first backward has come back to it.
///          Bubble: (pp - 1) / (m * chunks).
/// Limits.  Microbatches in multiples of pp, as in Megatron-LM.
/// Source.  Narayanan et al., SC'21, section 2.2.2; Megatron-LM,
///          core/pipeline_parallel/schedules.py (forward_backward_pipelining_with_interleaving).
#include "schedule/order.h"

static Status interleaved_check(const ScheduleSpec *spec) {
    REQUIRE(spec->chunks >= 2, STATUS_RANGE,
            "schedule interleaved needs at least 2 chunks per stage, not %d: use 1f1b",
            (int)spec->chunks);
    REQUIRE(spec->microbatches % spec->pp == 0, STATUS_RANGE,
            "schedule interleaved needs microbatches in multiples of pp, but %d is not one of %d",
            (int)spec->microbatches, (int)spec->pp);
    return status_ok();
}

static Slot interleaved_nth(const ScheduleSpec *spec, bool backward, int64_t k) {
    int64_t per_group = (int64_t)spec->pp * spec->chunks;
    int32_t group = (int32_t)(k / per_group), within = (int32_t)(k % per_group);
    int32_t chunk = within / spec->pp;
    return (Slot){
        .backward = backward,
        .chunk = backward ? spec->chunks - 1 - chunk : chunk,
        .microbatch = group * spec->pp + within % spec->pp,
    };
}

static int64_t interleaved_warmup(const ScheduleSpec *spec, int32_t stage) {
    return 2 * ((int64_t)spec->pp - 1 - stage) + ((int64_t)spec->chunks - 1) * spec->pp +
           spec->ep_overlap;
}

static int64_t interleaved_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    return schedule_merge(spec, interleaved_warmup(spec, stage), interleaved_nth, slots);
}

const ScheduleOrder schedule_interleaved = {
    .check = interleaved_check,
    .fill = interleaved_fill,
    .pairs_from = interleaved_warmup,
    .turns_from = interleaved_warmup,
    .aligns = true,
};
