// Laws about what stands around the slots: transfers join neighbouring virtual stages and nothing
// else; gathers and reductions cover each bucket once; every step ends with norm and optimizer;
// waits are those of schedule.h.
#include <string.h>

#include "claims.h"
#include "schedule/schedule.h"

static const int32_t buckets[] = {1, 2, 3, 2, 1, 4, 3, 2, 2, 3, 1, 2};

static const ScheduleSpec base = {
    .kind = SCHEDULE_INTERLEAVED,
    .pp = 4,
    .chunks = 3,
    .microbatches = 8,
    .grad_overlap = true,
    .param_overlap = true,
    .pp_overlap = true,
    .pp_overlap_flush = true,
    .gathers = true,
    .zero = 1,
    .data_parallel = true,
    .buckets = buckets,
};

static Program build(const ScheduleSpec *spec, int32_t stage) {
    Program program;
    Status status = schedule_program(spec, stage, &program);
    if (status.code != STATUS_OK) fail_msg("%s", status.text);
    return program;
}

static int32_t count(const Program *program, OpKind kind) {
    int32_t n = 0;
    for (int32_t i = 0; i < program->nops; i++) n += program->op[i].kind == kind;
    return n;
}

static bool waits_for(const Op *op, int32_t index) {
    for (int32_t w = 0; w < PROGRAM_WAITS; w++) {
        if (op->wait[w] == index) return true;
    }
    return false;
}

/// Last part of a compute operation, or -1.
static int32_t find(const Program *program, OpKind kind, int32_t chunk, int32_t microbatch) {
    int32_t found = -1;
    for (int32_t i = 0; i < program->nops; i++) {
        const Op *op = &program->op[i];
        if (op->kind == kind && op->chunk == chunk && op->microbatch == microbatch) found = i;
    }
    return found;
}

// There are pp * chunks - 1 borders between virtual stages; each microbatch crosses each once
// forward, once backward.
static void transfers_join_neighbouring_virtual_stages(void **state) {
    (void)state;
    int32_t sends = 0, receives = 0, m = base.microbatches;
    for (int32_t stage = 0; stage < base.pp; stage++) {
        Program program = build(&base, stage);
        int32_t into_first = stage == 0, out_of_last = stage == base.pp - 1;
        assert_int_equal(program.stream_nops[STREAM_RECV_PREV], m * (base.chunks - into_first));
        assert_int_equal(program.stream_nops[STREAM_SEND_PREV], m * (base.chunks - into_first));
        assert_int_equal(program.stream_nops[STREAM_SEND_NEXT], m * (base.chunks - out_of_last));
        assert_int_equal(program.stream_nops[STREAM_RECV_NEXT], m * (base.chunks - out_of_last));
        sends += count(&program, OP_SEND);
        receives += count(&program, OP_RECV);
        program_fini(&program);
    }
    assert_int_equal(sends, 2 * m * (base.pp * base.chunks - 1));
    assert_int_equal(receives, sends);
}

static void one_stage_transfers_nothing(void **state) {
    (void)state;
    ScheduleSpec spec = base;
    spec.pp = 1;
    for (int kind = 0; kind < 2; kind++) {
        spec.kind = kind ? SCHEDULE_INTERLEAVED : SCHEDULE_NONE;
        Program program = build(&spec, 0);
        assert_int_equal(count(&program, OP_SEND) + count(&program, OP_RECV), 0);
        assert_true(programs_check_matching(&program, 1).code == STATUS_OK);
        program_fini(&program);
    }
}

// The first part waits for the receive, the send for the last part, one receive ahead of the
// compute.
static void waits_gate_the_first_part_and_follow_the_last(void **state) {
    (void)state;
    Program program = build(&base, 2); // chunk 0 of stage 2 has three buckets
    int32_t last = find(&program, OP_FORWARD, 0, 0);
    assert_int_equal(program.op[last].parts, 3);
    assert_int_equal(program.op[last].part, 2);
    assert_true(waits_for(&program.op[last - 2], program.stream_op[STREAM_RECV_PREV][0]));
    assert_true(waits_for(&program.op[program.stream_op[STREAM_SEND_NEXT][0]], last));
    // Slots 0, 1, 2 are microbatches 0, 1, 2 of chunk 0: receive 2 is posted when slot 0 has ended.
    const Op *receive = &program.op[program.stream_op[STREAM_RECV_PREV][2]];
    assert_true(waits_for(receive, last));
    for (int32_t i = 0; i < program.nops; i++) {
        if (program.op[i].kind == OP_SEND) assert_int_equal(program.op[i].nwaiters, 0);
    }
    program_fini(&program);

    ScheduleSpec blocking = base;
    blocking.pp_overlap = false;
    program = build(&blocking, 2);
    receive = &program.op[program.stream_op[STREAM_RECV_PREV][2]];
    assert_true(waits_for(receive, find(&program, OP_FORWARD, 0, 1)));
    assert_true(waits_for(&program.op[find(&program, OP_FORWARD, 0, 2)],
                          program.stream_op[STREAM_SEND_NEXT][1]));
    program_fini(&program);
}

/// Does the next computing wait for the k-th send of a stream?
static bool is_waited_for(const Program *program, Stream stream, int32_t k) {
    return program->op[program->stream_op[stream][k]].nwaiters > 0;
}

// Without overlap in warm-up and flush an interleaved stage waits there for what it sends, and posts what comes next when it
// has computed; in between nothing waits for a send. Of 12 pairs stage 2 has 9 before the turns begin and as many behind.
static void warm_up_and_flush_block(void **state) {
    (void)state;
    enum { STAGE = 2, WARMUP = 2 * (4 - 1 - STAGE) + (3 - 1) * 4, PAIRS = 3 * 8 };
    for (int flush = 0; flush < 2; flush++) {
        ScheduleSpec spec = base;
        spec.pp_overlap_flush = flush;
        Program program = build(&spec, STAGE);
        const Op *receive = &program.op[program.stream_op[STREAM_RECV_PREV][2]];
        assert_int_equal(waits_for(receive, find(&program, OP_FORWARD, 0, 1)), !flush);
        for (int32_t k = 0; k < PAIRS; k++) {
            const bool blocks = !flush && k < WARMUP;
            assert_int_equal(is_waited_for(&program, STREAM_SEND_NEXT, k), blocks);
            const bool flushes = !flush && k >= PAIRS - WARMUP && k < PAIRS - 1;
            assert_int_equal(is_waited_for(&program, STREAM_SEND_PREV, k), flushes);
        }
        program_fini(&program);
    }
}

// Part b of the first forward of a chunk waits for the gather of bucket b; without overlap the
// first operation of the step waits for the last gather.
static void gathers_come_first_and_in_chunk_order(void **state) {
    (void)state;
    for (int overlap = 0; overlap < 2; overlap++) {
        ScheduleSpec spec = base;
        spec.param_overlap = overlap;
        Program program = build(&spec, 1);
        const int32_t *dp = program.stream_op[STREAM_DP];
        int32_t at = 0;
        for (int32_t chunk = 0; chunk < spec.chunks; chunk++) {
            int32_t parts = buckets[chunk * spec.pp + 1];
            int32_t last = find(&program, OP_FORWARD, chunk, 0);
            assert_int_equal(program.op[last].parts, overlap ? parts : 1);
            for (int32_t bucket = 0; bucket < parts; bucket++, at++) {
                const Op *gather = &program.op[dp[at]];
                assert_int_equal(gather->kind, OP_PARAM_GATHER);
                assert_int_equal(gather->chunk, chunk);
                assert_int_equal(gather->part, bucket);
                if (overlap) assert_true(waits_for(&program.op[last - parts + 1 + bucket], dp[at]));
            }
        }
        if (!overlap) {
            int32_t first = program.stream_op[STREAM_COMPUTE][0];
            assert_true(waits_for(&program.op[first], dp[at - 1]));
        }
        program_fini(&program);
    }
}

// Reductions of a chunk: each bucket once, from the last to the first, each after its part of the
// last backward.
static void reductions_follow_the_parts_of_the_last_backward(void **state) {
    (void)state;
    for (int32_t stage = 0; stage < base.pp; stage++) {
        Program program = build(&base, stage);
        const int32_t *dp = program.stream_op[STREAM_DP];
        int32_t at = count(&program, OP_PARAM_GATHER);
        for (int32_t chunk = base.chunks - 1; chunk >= 0;
             chunk--) { // the order of the last backwards
            int32_t parts = buckets[chunk * base.pp + stage];
            int32_t last = find(&program, OP_BACKWARD, chunk, base.microbatches - 1);
            assert_int_equal(program.op[last].parts, parts);
            for (int32_t part = 0; part < parts; part++, at++) {
                const Op *reduce = &program.op[dp[at]];
                assert_int_equal(reduce->kind, OP_GRAD_REDUCE);
                assert_int_equal(reduce->chunk, chunk);
                assert_int_equal(reduce->part, parts - 1 - part);
                int32_t yields = -1;
                for (int32_t i = 0; i < program.nops; i++) {
                    const Op *op = &program.op[i];
                    if (op->kind == OP_BACKWARD && op->chunk == chunk && op->part == part &&
                        op->microbatch == base.microbatches - 1)
                        yields = i;
                }
                assert_true(waits_for(reduce, yields));
            }
        }
        assert_int_equal(program.op[dp[at]].kind, OP_GRAD_NORM);
        program_fini(&program);
    }
}

/// Backwards of a program in their order: which chunk each is of, and its operation. Returns how many; each is in one part.
static int32_t list_backwards(const Program *program, int32_t chunk[], int32_t index[]) {
    int32_t n = 0;
    for (int32_t i = 0; i < program->stream_nops[STREAM_COMPUTE]; i++) {
        const Op *op = &program->op[program->stream_op[STREAM_COMPUTE][i]];
        if (op->kind != OP_BACKWARD) continue;
        assert_int_equal(op->parts, 1);
        chunk[n] = op->chunk;
        index[n++] = program->stream_op[STREAM_COMPUTE][i];
    }
    return n;
}

// Aligned: stage s reduces a chunk s backwards after its last one, or behind the last of all; each bucket once, from the
// last to the first.
static void aligned_reductions_wait_for_the_stages_before(void **state) {
    (void)state;
    ScheduleSpec spec = base;
    spec.align = true;
    for (int32_t stage = 0; stage < spec.pp; stage++) {
        Program program = build(&spec, stage);
        int32_t chunk_of[64], index[64], last[3] = {0}, left[3];
        const int32_t n = list_backwards(&program, chunk_of, index);
        assert_int_equal(n, spec.chunks * spec.microbatches);
        for (int32_t i = 0; i < n; i++) last[chunk_of[i]] = i;
        for (int32_t chunk = 0; chunk < spec.chunks; chunk++)
            left[chunk] = buckets[chunk * spec.pp + stage];
        for (int32_t i = 0; i < program.nops; i++) {
            const Op *op = &program.op[i];
            if (op->kind != OP_GRAD_REDUCE) continue;
            const int32_t turn = last[op->chunk] + stage;
            assert_true(waits_for(op, index[turn < n ? turn : n - 1]));
            assert_int_equal(op->part, --left[op->chunk]);
        }
        for (int32_t chunk = 0; chunk < spec.chunks; chunk++) assert_int_equal(left[chunk], 0);
        program_fini(&program);
    }
}

// With one chunk stage 0 reduces in its last backward, the others behind theirs.
static void aligned_without_chunks_only_the_first_stage_overlaps(void **state) {
    (void)state;
    ScheduleSpec spec = base;
    spec.align = true;
    spec.chunks = 1;
    spec.kind = SCHEDULE_1F1B;
    static const int32_t several[] = {3, 2, 4, 2};
    spec.buckets = several;
    for (int32_t stage = 0; stage < spec.pp; stage++) {
        Program program = build(&spec, stage);
        int32_t last = find(&program, OP_BACKWARD, 0, spec.microbatches - 1);
        assert_int_equal(program.op[last].parts, stage == 0 ? several[0] : 1);
        for (int32_t i = 0; i < program.nops; i++)
            if (program.op[i].kind == OP_GRAD_REDUCE && stage > 0)
                assert_true(waits_for(&program.op[i], last));
        program_fini(&program);
    }
}

/// May an operation add to the gradients that a reduction of its chunk sends? Part by part a backward has them from the last
/// bucket to the first.
static bool adds_to(const Op *compute, const Op *reduce) {
    if (compute->kind != OP_BACKWARD && compute->kind != OP_BACKWARD_WEIGHT) return false;
    if (compute->chunk != reduce->chunk) return false;
    return compute->parts == 1 || compute->part <= compute->parts - 1 - reduce->part;
}

/// The last operation of computing that one waits for; -1: none.
static int32_t last_waited(const Program *program, const Op *op) {
    int32_t last = -1;
    for (int32_t w = 0; w < PROGRAM_WAITS; w++)
        if (op->wait[w] > last && program->op[op->wait[w]].stream == STREAM_COMPUTE)
            last = op->wait[w];
    return last;
}

// Law: nothing that adds to the gradients of a bucket comes behind what its reduction waits for, be it gradients of weights
// on their own, whatever schedule and overlap.
static void reductions_wait_for_all_that_adds_to_them(void **state) {
    (void)state;
    static const Schedule KINDS[] = {SCHEDULE_GPIPE, SCHEDULE_1F1B, SCHEDULE_ZERO_BUBBLE,
                                     SCHEDULE_DUALPIPE, SCHEDULE_INTERLEAVED};
    static const int32_t CHUNKS[] = {1, 1, 1, 2, 3};
    for (int keys = 0; keys < 8; keys++)
        for (int kind = 0; kind < 5; kind++)
            for (int32_t stage = 0; stage < base.pp; stage++) {
                ScheduleSpec spec = base;
                spec.kind = KINDS[kind];
                spec.chunks = CHUNKS[kind];
                spec.align = keys & 1;
                spec.grad_overlap = keys & 2;
                spec.zero = keys & 4 ? 2 : 1;
                Program program = build(&spec, stage);
                int32_t nreductions = 0;
                for (int32_t i = 0; i < program.nops; i++) {
                    const Op *reduce = &program.op[i];
                    if (reduce->kind != OP_GRAD_REDUCE) continue;
                    nreductions++;
                    for (int32_t k = last_waited(&program, reduce) + 1; k < program.nops; k++)
                        assert_false(adds_to(&program.op[k], reduce));
                }
                for (int32_t chunk = 0; chunk < spec.chunks; chunk++)
                    nreductions -= buckets[chunk * spec.pp + stage];
                assert_int_equal(nreductions, 0);
                program_fini(&program);
            }
}

static void put_off_reductions_wait_for_the_last_compute(void **state) {
    (void)state;
    ScheduleSpec spec = base;
    spec.grad_overlap = false;
    Program program = build(&spec, 1);
    // The last operation of COMPUTE is the optimizer.
    int32_t last = program.stream_op[STREAM_COMPUTE][program.stream_nops[STREAM_COMPUTE] - 2];
    assert_int_equal(program.op[last].parts, 1);
    for (int32_t i = 0; i < program.nops; i++) {
        if (program.op[i].kind == OP_GRAD_REDUCE) assert_true(waits_for(&program.op[i], last));
    }
    program_fini(&program);
}

// A step always ends: norm after all of STREAM_DP, optimizer after the norm, even on one GPU.
static void every_step_ends_with_norm_and_optimizer(void **state) {
    (void)state;
    ScheduleSpec alone = {
        .kind = SCHEDULE_NONE, .pp = 1, .chunks = 1, .microbatches = 1, .buckets = buckets};
    Program program = build(&alone, 0);
    assert_int_equal(program.nops, 4); // forward, backward, norm, optimizer
    assert_int_equal(program.op[2].kind, OP_GRAD_NORM);
    assert_true(waits_for(&program.op[2], 1));
    assert_int_equal(program.op[3].kind, OP_OPTIMIZER);
    assert_true(waits_for(&program.op[3], 2));
    program_fini(&program);

    ScheduleSpec gathers_without_dp = base;
    gathers_without_dp.data_parallel = false;
    program = build(&gathers_without_dp, 0);
    assert_int_equal(count(&program, OP_PARAM_GATHER) + count(&program, OP_GRAD_REDUCE), 0);
    assert_int_equal(program.stream_nops[STREAM_DP], 1);
    program_fini(&program);
}

static void tied_embeddings_meet_on_the_first_and_last_stage(void **state) {
    (void)state;
    ScheduleSpec spec = base;
    spec.tied_embeddings = true;
    for (int32_t stage = 0; stage < spec.pp; stage++) {
        Program program = build(&spec, stage);
        bool outer = stage == 0 || stage == spec.pp - 1;
        assert_int_equal(count(&program, OP_EMBEDDING_REDUCE), outer);
        const int32_t *dp = program.stream_op[STREAM_DP];
        int32_t before_norm = dp[program.stream_nops[STREAM_DP] - 2];
        assert_int_equal(program.op[before_norm].kind == OP_EMBEDDING_REDUCE, outer);
        int32_t last = program.stream_op[STREAM_COMPUTE][program.stream_nops[STREAM_COMPUTE] - 2];
        if (outer) assert_true(waits_for(&program.op[before_norm], last));
        program_fini(&program);
    }
    spec.pp = 1;
    Program program = build(&spec, 0);
    assert_int_equal(count(&program, OP_EMBEDDING_REDUCE), 0);
    program_fini(&program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_join_neighbouring_virtual_stages),
        cmocka_unit_test(one_stage_transfers_nothing),
        cmocka_unit_test(waits_gate_the_first_part_and_follow_the_last),
        cmocka_unit_test(warm_up_and_flush_block),
        cmocka_unit_test(gathers_come_first_and_in_chunk_order),
        cmocka_unit_test(reductions_follow_the_parts_of_the_last_backward),
        cmocka_unit_test(aligned_reductions_wait_for_the_stages_before),
        cmocka_unit_test(aligned_without_chunks_only_the_first_stage_overlaps),
        cmocka_unit_test(reductions_wait_for_all_that_adds_to_them),
        cmocka_unit_test(put_off_reductions_wait_for_the_last_compute),
        cmocka_unit_test(every_step_ends_with_norm_and_optimizer),
        cmocka_unit_test(tied_embeddings_meet_on_the_first_and_last_stage),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
