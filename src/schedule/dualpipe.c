/// dualpipe.c: DualPipe: microbatches enter a pipeline at both ends, and a forward of one direction runs beside a backward
/// of the other.
///
/// Idea.    Stage s holds two parts of the model: chunk 0 is part s, for microbatches that come from stage 0, chunk 1 part
///          pp - 1 - s, for those from the last. Half of the microbatches go each way. In the middle of the step a forward
///          and a backward are one operation, in which the exchanges of one hide behind the other; before it and behind it
///          gradients of weights fill what is left:
///              1 forwards near | 2 forwards near and far | 3 B W far, forward far | 4 near F with far B, far F with near
///              B | 5 B far, far F with near B | 6 B far, B near | 7 W, B near | 8 W
///          With a pair that takes P, a whole backward B and W of weights: bubble (pp / 2 - 1) (P + B - 3 W).
///          In flight: pp + 1 microbatches.
/// Limits.  Even pp, microbatches in pairs and at least two for each stage. The two copies of a part are reduced each
///          among its own replicas: that they are also added to each other (1 / dp of the bytes more) is not played.
/// Source.  DeepSeek-V3, arXiv:2412.19437, section 3.2.1, figure 5, table 2; deepseek-ai/DualPipe, dualpipe.py (the eight
///          parts, and where gradients of weights are put off).
#include "schedule/order.h"

static Status dualpipe_check(const ScheduleSpec *spec) {
    REQUIRE(spec->chunks == 2 && spec->pp % 2 == 0, STATUS_RANGE,
            "schedule dualpipe needs an even number of stages, each with two parts of the model, "
            "not pp = %d with %d",
            (int)spec->pp, (int)spec->chunks);
    REQUIRE(spec->microbatches >= spec->pp, STATUS_RANGE,
            "schedule dualpipe needs two microbatches for each stage: %d, not %d",
            2 * (int)spec->pp, 2 * (int)spec->microbatches);
    return status_ok();
}

/// The order of a stage while it is written. Directions: `near` comes from the end that the stage is nearer to.
typedef struct Dual {
    Slot *slots;
    int64_t n;
    int32_t near;                      ///< chunk
    int32_t forwards[2], backwards[2]; ///< microbatches of each chunk so far
    int64_t weights;                   ///< slots before this one have had theirs
} Dual;

static void dual_forward(Dual *dual, bool far, bool with_next) {
    const int32_t chunk = dual->near ^ far;
    dual->slots[dual->n++] =
        (Slot){.chunk = chunk, .microbatch = dual->forwards[chunk]++, .with_next = with_next};
}

static void dual_backward(Dual *dual, bool far, bool split) {
    const int32_t chunk = dual->near ^ far;
    dual->slots[dual->n++] = (Slot){.backward = true,
                                    .gradients = split ? GRADIENTS_INPUT : GRADIENTS_ALL,
                                    .chunk = chunk,
                                    .microbatch = dual->backwards[chunk]++};
}

/// Gradients of weights of the first backward that put them off.
static void dual_weights(Dual *dual) {
    while (dual->slots[dual->weights].gradients != GRADIENTS_INPUT) dual->weights++;
    Slot slot = dual->slots[dual->weights++];
    slot.gradients = GRADIENTS_WEIGHT;
    dual->slots[dual->n++] = slot;
}

static void dual_pair(Dual *dual, bool far_forward, bool beside) {
    dual_forward(dual, far_forward, beside);
    dual_backward(dual, !far_forward, false);
}

static void dual_drain(Dual *dual, int32_t depth) {
    bool split = false;
    for (int32_t i = 0; i <= depth; i++) {
        split = split || (i == (depth + 1) / 2 && depth % 2 == 1);
        dual_backward(dual, true, split);
        split = split || (i == (depth + 1) / 2 && depth % 2 == 0);
        dual_backward(dual, false, split);
    }
}

static int64_t dualpipe_fill(const ScheduleSpec *spec, int32_t stage, Slot slots[]) {
    const int32_t half = spec->pp / 2, second = stage >= half;
    const int32_t depth = second ? spec->pp - 1 - stage : stage, rest = half - 1 - depth;
    Dual dual = {.slots = slots, .near = second};
    for (int32_t i = 0; i < 2 * rest; i++) dual_forward(&dual, false, false);
    for (int32_t i = 0; i <= depth; i++) {
        dual_forward(&dual, false, false);
        dual_forward(&dual, true, false);
    }
    for (int32_t i = 0; i < rest; i++) {
        dual_backward(&dual, true, true);
        dual_weights(&dual);
        dual_forward(&dual, true, false);
    }
    for (int32_t i = 0; i < spec->microbatches - spec->pp + depth + 1; i++) {
        dual_pair(&dual, false,
                  i > 0 || rest > 0); // the two in the middle begin one after the other
        dual_pair(&dual, true, true);
    }
    for (int32_t i = 0; i < rest; i++) {
        dual_backward(&dual, true, false);
        dual_pair(&dual, true, true);
    }
    dual_drain(&dual, depth);
    for (int32_t i = 0; i < rest; i++) {
        dual_weights(&dual);
        dual_backward(&dual, false, true);
    }
    for (int32_t i = 0; i <= depth; i++) dual_weights(&dual);
    return dual.n;
}

const ScheduleOrder schedule_dualpipe = {
    .check = dualpipe_check,
    .fill = dualpipe_fill,
    .bidirectional = true,
};
