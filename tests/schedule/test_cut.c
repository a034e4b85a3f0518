// Laws of chunks that are cut at the exchanges of their experts, each pass into three segments: attention, experts, the rest.
// Programs never stand still; exchanges that take no time change no bubble; those that take some cost their time where
// nothing hides them; and a forward and a backward that take turns hide what is shorter than their segments.
#include "claims.h"
#include "play.h"

enum { STAGES = 8, CHUNKS = 3, EACH = 3 };

static int32_t first[STAGES * CHUNKS + 1], nforward[STAGES * CHUNKS], buckets[STAGES * CHUNKS];
static ScheduleSegment segment[STAGES * CHUNKS * 2 * EACH];

static ScheduleSpec make_spec(Schedule kind, int32_t pp, int32_t chunks, int32_t m, bool overlap) {
    for (int32_t v = 0; v < pp * chunks; v++) {
        first[v + 1] = first[v] + 2 * EACH;
        nforward[v] = EACH;
        buckets[v] = 1 + v % 4;
        for (int32_t i = 0; i < 2 * EACH; i++) {
            segment[first[v] + i].exchange = i % EACH == 0   ? OP_DISPATCH
                                             : i % EACH == 1 ? OP_COMBINE
                                                             : OP_KIND_N;
        }
    }
    return (ScheduleSpec){.kind = kind,
                          .pp = pp,
                          .chunks = chunks,
                          .microbatches = m,
                          .grad_overlap = overlap,
                          .param_overlap = overlap,
                          .pp_overlap = overlap,
                          .gathers = true,
                          .zero = 1,
                          .data_parallel = true,
                          .buckets = buckets,
                          .first_segment = first,
                          .segment = segment,
                          .nforward = nforward};
}

static PlayCosts costs_of(int64_t exchange) {
    return (PlayCosts){.forward = PLAY_UNIT,
                       .backward = 2 * PLAY_UNIT,
                       .weight = PLAY_UNIT,
                       .segments = EACH,
                       .cut = true,
                       .exchange = exchange};
}

static const struct {
    Schedule kind;
    int32_t chunks;
    bool turns; ///< it can
} KINDS[] = {{SCHEDULE_NONE, 1, true},         {SCHEDULE_GPIPE, 1, false},
             {SCHEDULE_1F1B, 1, true},         {SCHEDULE_INTERLEAVED, 2, true},
             {SCHEDULE_ZERO_BUBBLE, 1, false}, {SCHEDULE_DUALPIPE, 2, true}};

/// Call with every schedule that can be, of up to eight stages.
static void for_all(void (*claim)(const ScheduleSpec *spec, bool turns)) {
    for (size_t k = 0; k < sizeof KINDS / sizeof *KINDS; k++)
        for (int32_t pp = 1; pp <= STAGES; pp++)
            for (int32_t m = pp; m <= 3 * pp; m += pp)
                for (int overlap = 0; overlap < 2; overlap++) {
                    ScheduleSpec spec =
                        make_spec(KINDS[k].kind, pp, KINDS[k].chunks, m, overlap == 1);
                    Slot slots[3 * CHUNKS * 3 * STAGES];
                    int64_t n;
                    Status status = schedule_slots(&spec, 0, slots, &n);
                    if (status_is_ok(&status)) claim(&spec, KINDS[k].turns);
                }
}

static void exchanges_without_time_change_nothing(const ScheduleSpec *spec, bool turns) {
    (void)turns;
    if (spec->kind == SCHEDULE_DUALPIPE) return; // there they take turns in any case
    ScheduleSpec whole = *spec;
    whole.first_segment = whole.nforward = NULL;
    const Play cut = play_schedule(spec, costs_of(0)), plain = play_schedule(&whole, costs_of(0));
    assert_int_equal(cut.compute_end, plain.compute_end);
    for (int32_t s = 0; s < spec->pp; s++)
        assert_int_equal(cut.activations_max[s], plain.activations_max[s]);
}

static void exchanges_cost_their_time_on_one_stage(const ScheduleSpec *spec, bool turns) {
    (void)turns;
    if (spec->pp > 1) return;
    const Play play = play_schedule(spec, costs_of(5));
    const int64_t slots = (int64_t)spec->microbatches * spec->chunks;
    assert_int_equal(play.compute_end, slots * (3 * PLAY_UNIT + 4 * 5));
}

static void turns_hide_what_is_shorter_than_segments(const ScheduleSpec *spec, bool turns) {
    if (!turns) return;
    ScheduleSpec in_turn = *spec;
    in_turn.ep_overlap = true;
    for (int64_t exchange = 0; exchange <= 12; exchange += 4) {
        const Play apart = play_schedule(spec, costs_of(exchange));
        const Play play = play_schedule(&in_turn, costs_of(exchange));
        if (spec->pp == 1 && spec->kind != SCHEDULE_DUALPIPE) {
            // The first forwards and the last backwards have nobody; a third of a forward hides 4.
            const int64_t slots = (int64_t)spec->microbatches * spec->chunks, least = 36 * slots;
            const int64_t alone = spec->chunks * 4 * exchange;
            const int64_t more = exchange > 4 ? (slots - spec->chunks) * 4 * (exchange - 4) : 0;
            assert_true(play.compute_end >= least + alone);
            assert_true(play.compute_end <= least + alone + more);
        }
        if (exchange >= 4 && spec->microbatches >= 3 * spec->pp && spec->pp > 1)
            assert_true(play.compute_end < apart.compute_end || spec->kind == SCHEDULE_DUALPIPE);
    }
}

static void cut_schedules_hold_their_laws(void **state) {
    (void)state;
    for_all(exchanges_without_time_change_nothing);
    for_all(exchanges_cost_their_time_on_one_stage);
    for_all(turns_hide_what_is_shorter_than_segments);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_schedules_hold_their_laws),
    };
    return cmocka_run_group_tests_name("cut", tests, NULL, NULL);
}
