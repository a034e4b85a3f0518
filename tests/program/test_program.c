// Laws: a finished program knows, for each operation, its place in its stream, who waits for it and
// on which streams; what cannot be played is refused by name; the k-th send of a stage is the k-th
// receive of its neighbour.
#include <stdbool.h>
#include <string.h>

#include "base/expect_check.h"
#include "program/program.h"

static int32_t add(Program *program, OpKind kind, Stream stream, int32_t wait0, int32_t wait1) {
    Op op = program_op(kind, stream, 0, 0);
    op_add_wait(&op, wait0);
    op_add_wait(&op, wait1);
    return program_add(program, op);
}

static void assert_refused(Status status, const char *expected) {
    assert_int_equal(status.code, STATUS_RANGE);
    if (!strstr(status.text, expected)) fail_msg("'%s' does not say '%s'", status.text, expected);
}

static void program_finish_computes_order_and_waiters(void **state) {
    (void)state;
    Program program;
    program_init(&program);
    int32_t receive = add(&program, OP_RECV, STREAM_RECV_PREV, -1, -1);
    int32_t forward = add(&program, OP_FORWARD, STREAM_COMPUTE, receive, -1);
    int32_t send = add(&program, OP_SEND, STREAM_SEND_NEXT, forward, -1);
    int32_t backward = add(&program, OP_BACKWARD, STREAM_COMPUTE, -1, -1);
    int32_t reduce = add(&program, OP_GRAD_REDUCE, STREAM_DP, backward, forward);
    assert_true(program_finish(&program).code == STATUS_OK);

    assert_int_equal(program.op[forward].sequence, 0);
    assert_int_equal(program.op[backward].sequence, 1);
    assert_int_equal(program.stream_nops[STREAM_COMPUTE], 2);
    assert_int_equal(program.stream_op[STREAM_COMPUTE][1], backward);
    assert_int_equal(program.stream_nops[STREAM_RECV_NEXT], 0);
    assert_int_equal(program.op[receive].wakes, 1u << STREAM_COMPUTE);
    assert_int_equal(program.op[forward].wakes, 1u << STREAM_SEND_NEXT | 1u << STREAM_DP);
    assert_int_equal(program.op[forward].nwaiters, 2);
    assert_int_equal(program.op[send].nwaiters, 0);
    assert_int_equal(program.op[reduce].wakes, 0);
    program_fini(&program);
}

static void program_of_no_operations_is_finished(void **state) {
    (void)state;
    Program program;
    program_init(&program);
    assert_true(program_finish(&program).code == STATUS_OK);
    for (int s = 0; s < STREAM_N; s++) assert_int_equal(program.stream_nops[s], 0);
    program_fini(&program);
}

static void program_refuses_waits_for_nothing(void **state) {
    (void)state;
    Program program;
    program_init(&program);
    add(&program, OP_FORWARD, STREAM_COMPUTE, 7, -1);
    assert_refused(program_finish(&program), "waits for operation 7, but there are 1");
    program_fini(&program);
}

static void program_refuses_waits_of_its_own_stream_and_twice(void **state) {
    (void)state;
    Program program;
    program_init(&program);
    int32_t first = add(&program, OP_FORWARD, STREAM_COMPUTE, -1, -1);
    add(&program, OP_BACKWARD, STREAM_COMPUTE, first, -1);
    assert_refused(program_finish(&program), "of its own stream");
    program_fini(&program);

    program_init(&program);
    first = add(&program, OP_FORWARD, STREAM_COMPUTE, -1, -1);
    add(&program, OP_SEND, STREAM_SEND_NEXT, first, first);
    assert_refused(program_finish(&program), "waits twice");
    program_fini(&program);
}

// The cycle runs through stream order: the receive stands behind one that waits for what the
// receive releases.
static void program_names_the_operations_of_a_cycle(void **state) {
    (void)state;
    Program program;
    program_init(&program);
    add(&program, OP_FORWARD, STREAM_COMPUTE, -1, -1);
    Op backward = program_op(OP_BACKWARD, STREAM_COMPUTE, 2, 5);
    op_add_wait(&backward, 3);
    program_add(&program, backward);
    add(&program, OP_RECV, STREAM_RECV_NEXT, 1, -1);
    add(&program, OP_RECV, STREAM_RECV_NEXT, -1, -1);
    Status status = program_finish(&program);
    assert_refused(status, "wait for each other");
    assert_refused(status, "1 (backward chunk 2 microbatch 5) waits for ");
    assert_refused(status, "3 (receive gradients chunk 0 microbatch 0) waits for ");
    assert_null(strstr(status.text, "0 (forward"));
    program_fini(&program);
}

static void program_names_operations_for_people(void **state) {
    (void)state;
    char text[100];
    Op op = program_op(OP_FORWARD, STREAM_COMPUTE, 3, 7);
    assert_string_equal(program_op_name(&op, text, sizeof text), "forward chunk 3 microbatch 7");
    op.part = 1;
    op.parts = 4;
    assert_string_equal(program_op_name(&op, text, sizeof text),
                        "forward chunk 3 microbatch 7 part 2 of 4");
    assert_string_equal(program_op_name(&op, text, 8), "forward");
    op = program_op(OP_GRAD_NORM, STREAM_DP, -1, -1);
    assert_string_equal(program_op_name(&op, text, sizeof text), "gradient norm");
}

static void adds_to_finished(void) {
    Program program;
    program_init(&program);
    (void)program_finish(&program);
    add(&program, OP_FORWARD, STREAM_COMPUTE, -1, -1);
}

static void waits_for_too_many(void) {
    Op op = program_op(OP_FORWARD, STREAM_COMPUTE, 0, 0);
    for (int32_t i = 0; i <= PROGRAM_WAITS; i++) op_add_wait(&op, i);
}

static void program_stops_on_misuse(void **state) {
    (void)state;
    assert_stops(adds_to_finished);
    assert_stops(waits_for_too_many);
}

/// Three stages that pass `n` activations on, stage 0 with chunk `first_chunk`; cyclic if `around`.
static void make_chain(Program program[3], int32_t n, bool around) {
    for (int32_t s = 0; s < 3; s++) {
        program_init(&program[s]);
        for (int32_t i = 0; i < n; i++) {
            Op receive = program_op(OP_RECV, STREAM_RECV_PREV, s == 0 ? 1 : 0, i);
            Op send = program_op(OP_SEND, STREAM_SEND_NEXT, 0, i);
            if (around || s > 0) program_add(&program[s], receive);
            if (around || s < 2) program_add(&program[s], send);
        }
    }
}

static Status finish_and_match(Program program[3]) {
    for (int32_t s = 0; s < 3; s++) assert_true(program_finish(&program[s]).code == STATUS_OK);
    Status status = programs_check_matching(program, 3);
    for (int32_t s = 0; s < 3; s++) program_fini(&program[s]);
    return status;
}

static void matching_accepts_a_chain_and_a_cycle(void **state) {
    (void)state;
    Program program[3];
    make_chain(program, 4, false);
    assert_true(finish_and_match(program).code == STATUS_OK);
    make_chain(program, 4, true);
    assert_true(finish_and_match(program).code == STATUS_OK);
}

static void matching_refuses_number_order_and_chunk(void **state) {
    (void)state;
    Program program[3];
    make_chain(program, 4, false);
    program_add(&program[1], program_op(OP_SEND, STREAM_SEND_NEXT, 0, 4));
    assert_refused(finish_and_match(program), "stage 1 sends 5 times to stage 2, which receives 4");

    make_chain(program, 4, false);
    Op *swapped = program[2].op;
    swapped[1].microbatch = 2;
    swapped[2].microbatch = 1;
    assert_refused(finish_and_match(program),
                   "transfer 1 of stage 1 (send activations chunk 0 microbatch 1)");

    make_chain(program, 4, true);
    program[0].op[0].chunk = 0; // from the last stage it must be the next chunk
    assert_refused(finish_and_match(program), "transfer 0 of stage 2");
}

// The table of kinds: what is of a group is a collective and the other way round, what moves bytes serves a dimension,
// one kind ends a step and one its cycle; and a program holds no operation on a stream that its kind does not know.
static void kinds_agree_with_themselves_and_their_streams(void **state) {
    (void)state;
    int ends_step = 0, ends_cycle = 0;
    for (int kind = 0; kind < OP_KIND_N; kind++) {
        const OpKindRow *row = &OP_KINDS[kind];
        assert_true(row->name && (row->form == FORM_COLLECTIVE) == (row->group < GROUP_NONE));
        assert_true((row->form == FORM_COMPUTE) == (row->bytes == BYTES_NONE));
        assert_true((row->form == FORM_COMPUTE) == (row->serves == DIM_N));
        ends_step += row->ends_step;
        ends_cycle += row->ends_cycle;
        for (int stream = 0; stream < STREAM_N; stream++) {
            Program program;
            program_init(&program);
            add(&program, (OpKind)kind, (Stream)stream, -1, -1);
            bool known = row->stream[0] == (Stream)stream || row->stream[1] == (Stream)stream;
            assert_int_equal(program_finish(&program).code, known ? STATUS_OK : STATUS_RANGE);
            program_fini(&program);
        }
    }
    assert_int_equal(ends_step, 1);
    assert_int_equal(ends_cycle, 1);
    for (int group = 0; group < GROUP_KIND_N; group++)
        assert_true(GROUPS[group].dimensions && !(GROUPS[group].dimensions & DIM_BIT(DIM_TP)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_agree_with_themselves_and_their_streams),
        cmocka_unit_test(program_finish_computes_order_and_waiters),
        cmocka_unit_test(program_of_no_operations_is_finished),
        cmocka_unit_test(program_refuses_waits_for_nothing),
        cmocka_unit_test(program_refuses_waits_of_its_own_stream_and_twice),
        cmocka_unit_test(program_names_the_operations_of_a_cycle),
        cmocka_unit_test(program_names_operations_for_people),
        cmocka_unit_test(program_stops_on_misuse),
        cmocka_unit_test(matching_accepts_a_chain_and_a_cycle),
        cmocka_unit_test(matching_refuses_number_order_and_chunk),
    };
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
