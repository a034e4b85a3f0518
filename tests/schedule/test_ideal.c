// Laws of the ideal step. It is what the slow reference takes where transfers and exchanges take nothing, and gathers and
// reductions nothing or the same, for every schedule, overlap and way to cut chunks; whatever these take, a step is never shorter; and it is
// never shorter than the computing of any stage. All optimizers follow the norm of all stages.
#include "claims.h"
#include "play.h"
#include "schedule/ideal.h"

enum { STAGES = 8, CHUNKS = 3, EACH = 3, PLACES = STAGES * CHUNKS };

static int32_t first[PLACES + 1], nforward[PLACES], buckets[PLACES];
static ScheduleSegment segment[PLACES * 2 * EACH];

/// What a chunk is made of.
typedef enum Form { FORM_WHOLE, FORM_SHARDED, FORM_CUT, FORM_N } Form;

static PlayCosts costs_of(Form form) {
    return (PlayCosts){.forward = PLAY_UNIT,
                       .backward = 2 * PLAY_UNIT,
                       .weight = PLAY_UNIT,
                       .segments = form == FORM_WHOLE ? 0 : EACH,
                       .cut = form == FORM_CUT};
}

static ScheduleSpec make_spec(Schedule kind, int32_t pp, int32_t chunks, int32_t m, Form form,
                              bool overlap) {
    const int32_t each = form == FORM_CUT ? 2 * EACH : EACH;
    for (int32_t v = 0; v < pp * chunks; v++) {
        first[v + 1] = first[v] + each;
        nforward[v] = EACH;
        buckets[v] = 1 + v % 4;
        for (int32_t i = 0; i < each; i++)
            segment[first[v] + i] = (ScheduleSegment){
                .sharded = form == FORM_SHARDED,
                .exchange = form == FORM_CUT && i % EACH == 0 ? OP_DISPATCH : OP_KIND_N};
    }
    ScheduleSpec spec = {.kind = kind,
                         .pp = pp,
                         .chunks = chunks,
                         .microbatches = m,
                         .grad_overlap = overlap,
                         .param_overlap = overlap,
                         .pp_overlap = overlap,
                         .gathers = true,
                         .zero = form == FORM_SHARDED ? 3 : 1,
                         .data_parallel = true,
                         .tied_embeddings = form == FORM_WHOLE,
                         .buckets = buckets,
                         .prefetch = 1,
                         .prefetch_backward = 1};
    if (form != FORM_WHOLE) spec.first_segment = first, spec.segment = segment;
    if (form == FORM_CUT) spec.nforward = nforward;
    return spec;
}

enum { OPTIMIZER = 7 };

/// Of all stages but the first it takes twice as long.
static int64_t ticks(const void *context, int32_t stage, const Op *op) {
    const PlayCosts *costs = context;
    if (op->kind == OP_OPTIMIZER) return stage > 0 ? 2 * OPTIMIZER : OPTIMIZER;
    const int64_t parts = op->segment < 0 ? op->parts : costs->segments;
    if (op->kind == OP_PARAM_GATHER) return costs->gather;
    if (op->kind == OP_GRAD_REDUCE) return costs->reduce;
    switch (OP_KINDS[op->kind].pass) {
        case PASS_FORWARD: return costs->forward / parts;
        case PASS_BACKWARD: return costs->backward / parts;
        case PASS_BACKWARD_INPUT: return (costs->backward - costs->weight) / parts;
        case PASS_BACKWARD_WEIGHT: return costs->weight / parts;
        default: return 0;
    }
}

static int64_t ideal_ticks(const ScheduleSpec *spec, PlayCosts costs) {
    Program program[STAGES];
    for (int32_t s = 0; s < spec->pp; s++) {
        const Status status = schedule_program(spec, s, &program[s]);
        if (!status_is_ok(&status)) fail_msg("%s", status.text);
    }
    const int64_t end = ideal_step_ps(program, spec->pp, ticks, &costs);
    for (int32_t s = 0; s < spec->pp; s++) program_fini(&program[s]);
    return end;
}

static void claim_ideal(const ScheduleSpec *spec, Form form) {
    PlayCosts costs = costs_of(form);
    const int64_t optimizer = spec->pp > 1 ? 2 * OPTIMIZER : OPTIMIZER;
    const int64_t ideal = ideal_ticks(spec, costs),
                  played = play_schedule(spec, costs).end + optimizer;
    const int64_t work = 3 * PLAY_UNIT * (int64_t)spec->microbatches * spec->chunks;
    if (ideal != played || ideal < work)
        fail_msg(
            "schedule %d pp %d chunks %d microbatches %d form %d: %lld ticks, played %lld, "
            "computing %lld",
            (int)spec->kind, (int)spec->pp, (int)spec->chunks, (int)spec->microbatches, (int)form,
            (long long)ideal, (long long)played, (long long)work);
    costs.gather = costs.reduce = 5;
    const int64_t gathered = play_schedule(spec, costs).end + optimizer;
    assert_int_equal(ideal_ticks(spec, costs), gathered);
    costs.transfer = 2;
    costs.exchange = 5;
    assert_true(play_schedule(spec, costs).end + optimizer >= gathered);
}

static void the_ideal_step_is_that_of_the_reference(void **state) {
    (void)state;
    static const struct {
        Schedule kind;
        int32_t chunks;
        bool whole; ///< not of ZeRO-3
    } KINDS[] = {{SCHEDULE_NONE, 1, false},        {SCHEDULE_GPIPE, 1, false},
                 {SCHEDULE_1F1B, 1, false},        {SCHEDULE_INTERLEAVED, 2, false},
                 {SCHEDULE_INTERLEAVED, 3, false}, {SCHEDULE_ZERO_BUBBLE, 1, true},
                 {SCHEDULE_DUALPIPE, 2, true}};
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
        for (int32_t pp = 1; pp <= STAGES; pp++)
            for (int32_t m = pp; m <= 3 * pp; m += pp)
                for (int form = 0; form < FORM_N; form++) {
                    const Schedule kind = KINDS[k].kind;
                    if (kind == SCHEDULE_NONE ? pp > 1 : pp == 1 && KINDS[k].chunks > 1) continue;
                    if (KINDS[k].whole && form == FORM_SHARDED) continue;
                    if (kind == SCHEDULE_DUALPIPE && (pp % 2 != 0 || m < 2 * pp)) continue;
                    for (int overlap = 0; overlap < 2; overlap++) {
                        const ScheduleSpec spec =
                            make_spec(kind, pp, KINDS[k].chunks, m, (Form)form, overlap);
                        claim_ideal(&spec, (Form)form);
                    }
                }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_ideal_step_is_that_of_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
