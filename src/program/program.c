#include "program/program.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"

static const char *const program_memory = "program.ops";

void program_init(Program *program) { *program = (Program){0}; }

void program_fini(Program *program) {
    memory_free(program_memory, program->op, (size_t)program->capacity * sizeof(Op));
    memory_free(program_memory, program->stream_op[0], (size_t)program->nops * sizeof(int32_t));
    program_init(program);
}

Op program_op(OpKind kind, Stream stream, int32_t chunk, int32_t microbatch) {
    Op op = {.kind = kind,
             .stream = stream,
             .chunk = chunk,
             .microbatch = microbatch,
             .segment = -1,
             .parts = 1,
             .round = -1};
    for (int32_t i = 0; i < PROGRAM_WAITS; i++) op.wait[i] = -1;
    return op;
}

void op_add_wait(Op *op, int32_t on) {
    if (on < 0) return;
    for (int32_t i = 0; i < PROGRAM_WAITS; i++) {
        if (op->wait[i] >= 0) continue;
        op->wait[i] = on;
        return;
    }
    CHECK(false, "an operation waits for more than %d others", PROGRAM_WAITS);
}

int32_t program_add(Program *program, Op op) {
    CHECK(program->stream_op[0] == NULL, "program_add after program_finish");
    if (program->nops == program->capacity) {
        int32_t capacity = program->capacity ? 2 * program->capacity : 64;
        program->op =
            memory_resize(program_memory, program->op, (size_t)program->capacity * sizeof(Op),
                          (size_t)capacity * sizeof(Op));
        program->capacity = capacity;
    }
    program->op[program->nops] = op;
    return program->nops++;
}

/// What a transfer carries follows from its stream.
static const char *op_payload(const Op *op) {
    const Stream *stream = OP_KINDS[op->kind].stream;
    if (stream[0] == stream[1] || OP_KINDS[op->kind].form == FORM_COLLECTIVE) return "";
    return op->stream == stream[0] ? " activations" : " gradients";
}

const char *program_op_name(const Op *op, char *text, int32_t capacity) {
    char chunk[32] = "", microbatch[32] = "", segment[32] = "", part[48] = "";
    if (op->chunk >= 0) snprintf(chunk, sizeof chunk, " chunk %d", (int)op->chunk);
    if (op->microbatch >= 0) {
        snprintf(microbatch, sizeof microbatch, " microbatch %d", (int)op->microbatch);
    }
    if (op->segment >= 0) snprintf(segment, sizeof segment, " segment %d", (int)op->segment);
    if (op->parts > 1) {
        snprintf(part, sizeof part, " part %d of %d", (int)op->part + 1, (int)op->parts);
    }
    snprintf(text, (size_t)capacity, "%s%s%s%s%s%s", OP_KINDS[op->kind].name, op_payload(op), chunk,
             segment, microbatch, part);
    return text;
}

enum { OP_NAME_BYTES = 120 };

static Status program_check_waits(const Program *program, int32_t index) {
    const Op *op = &program->op[index];
    char name[OP_NAME_BYTES];
    const Stream *stream = OP_KINDS[op->kind].stream;
    REQUIRE(op->stream == stream[0] || op->stream == stream[1], STATUS_RANGE,
            "operation %d (%s) is on stream %d", (int)index, program_op_name(op, name, sizeof name),
            (int)op->stream);
    for (int32_t i = 0; i < PROGRAM_WAITS; i++) {
        int32_t on = op->wait[i];
        if (on == -1) continue;
        REQUIRE(on >= 0 && on < program->nops, STATUS_RANGE,
                "operation %d (%s) waits for operation %d, but there are %d", (int)index,
                program_op_name(op, name, sizeof name), (int)on, (int)program->nops);
        REQUIRE(program->op[on].stream != op->stream, STATUS_RANGE,
                "operation %d (%s) waits for operation %d of its own stream", (int)index,
                program_op_name(op, name, sizeof name), (int)on);
        for (int32_t j = 0; j < i; j++) {
            REQUIRE(op->wait[j] != on, STATUS_RANGE,
                    "operation %d (%s) waits twice for operation %d", (int)index,
                    program_op_name(op, name, sizeof name), (int)on);
        }
    }
    return status_ok();
}

/// Deal the operations to their streams and count who waits for whom.
static void program_index(Program *program) {
    int32_t start[STREAM_N + 1] = {0};
    for (int32_t i = 0; i < program->nops; i++) {
        Op *op = &program->op[i];
        op->sequence = start[op->stream + 1]++;
        op->wakes = 0;
        op->nwaiters = 0;
    }
    int32_t *list = memory_alloc(program_memory, (size_t)program->nops * sizeof(int32_t));
    for (int32_t s = 0; s < STREAM_N; s++) {
        program->stream_nops[s] = start[s + 1];
        start[s + 1] += start[s];
        program->stream_op[s] = list + start[s];
    }
    for (int32_t i = 0; i < program->nops; i++) {
        const Op *op = &program->op[i];
        program->stream_op[op->stream][op->sequence] = i;
        for (int32_t w = 0; w < PROGRAM_WAITS; w++) {
            if (op->wait[w] < 0) continue;
            Op *awaited = &program->op[op->wait[w]];
            awaited->wakes |= 1u << op->stream;
            awaited->nwaiters++;
        }
    }
}

static bool program_op_is_free(const Program *program, int32_t index, const bool done[]) {
    const Op *op = &program->op[index];
    for (int32_t w = 0; w < PROGRAM_WAITS; w++) {
        if (op->wait[w] >= 0 && !done[op->wait[w]]) return false;
    }
    return true;
}

/// An operation that is not done and keeps `index` from being done.
static int32_t program_blocker(const Program *program, int32_t index, const bool done[]) {
    const Op *op = &program->op[index];
    for (int32_t w = 0; w < PROGRAM_WAITS; w++) {
        if (op->wait[w] >= 0 && !done[op->wait[w]]) return op->wait[w];
    }
    return program->stream_op[op->stream][op->sequence - 1];
}

/// Walk from blocker to blocker: after nops steps the walk is inside a cycle; name it once around.
static Status program_name_cycle(const Program *program, const bool done[], int32_t blocked) {
    for (int32_t i = 0; i < program->nops; i++) blocked = program_blocker(program, blocked, done);
    char text[STATUS_TEXT_BYTES / 2], name[OP_NAME_BYTES];
    int32_t used = 0, at = blocked;
    do {
        int32_t room = (int32_t)sizeof text - used;
        int32_t wrote = snprintf(text + used, (size_t)room, "%d (%s) waits for ", (int)at,
                                 program_op_name(&program->op[at], name, sizeof name));
        if (wrote >= room) break;
        used += wrote;
        at = program_blocker(program, at, done);
    } while (at != blocked);
    FAIL(STATUS_RANGE, "operations wait for each other: %s%d", text, (int)blocked);
}

/// Play the streams without time until nothing moves.
static Status program_check_cycles(const Program *program) {
    bool *done = memory_alloc(program_memory, (size_t)program->nops * sizeof(bool));
    int32_t next[STREAM_N] = {0}, ndone = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int32_t s = 0; s < STREAM_N; s++) {
            while (next[s] < program->stream_nops[s] &&
                   program_op_is_free(program, program->stream_op[s][next[s]], done)) {
                done[program->stream_op[s][next[s]++]] = true;
                ndone++;
                moved = true;
            }
        }
    }
    Status status = status_ok();
    for (int32_t s = 0; s < STREAM_N && ndone < program->nops; s++) {
        if (next[s] == program->stream_nops[s]) continue;
        status = program_name_cycle(program, done, program->stream_op[s][next[s]]);
        break;
    }
    memory_free(program_memory, done, (size_t)program->nops * sizeof(bool));
    return status;
}

Status program_finish(Program *program) {
    CHECK(program->stream_op[0] == NULL, "program_finish twice");
    for (int32_t i = 0; i < program->nops; i++) TRY(program_check_waits(program, i));
    program_index(program);
    return program_check_cycles(program);
}

/// Compare one stream of senders with one of receivers.
///   chunk_step  what is added to the sender's chunk to get the receiver's
static Status program_match(const Program *from, int32_t from_stage, Stream sends,
                            const Program *to, int32_t to_stage, Stream receives,
                            int32_t chunk_step) {
    int32_t nsends = from->stream_nops[sends], nreceives = to->stream_nops[receives];
    for (int32_t i = 0; i < nsends && i < nreceives; i++) {
        const Op *send = &from->op[from->stream_op[sends][i]];
        const Op *receive = &to->op[to->stream_op[receives][i]];
        char sent[OP_NAME_BYTES], received[OP_NAME_BYTES];
        REQUIRE(send->kind == OP_SEND && receive->kind == OP_RECV &&
                    receive->chunk == send->chunk + chunk_step &&
                    receive->microbatch == send->microbatch,
                STATUS_RANGE, "transfer %d of stage %d (%s) meets stage %d's %s", (int)i,
                (int)from_stage, program_op_name(send, sent, sizeof sent), (int)to_stage,
                program_op_name(receive, received, sizeof received));
    }
    REQUIRE(nsends == nreceives, STATUS_RANGE,
            "stage %d sends %d times to stage %d, which receives %d times", (int)from_stage,
            (int)nsends, (int)to_stage, (int)nreceives);
    return status_ok();
}

Status programs_check_matching(const Program program[], int32_t pp) {
    for (int32_t s = 0; s < pp; s++) {
        int32_t next = (s + 1) % pp, step = next == 0 ? 1 : 0;
        TRY(program_match(&program[s], s, STREAM_SEND_NEXT, &program[next], next, STREAM_RECV_PREV,
                          step));
        TRY(program_match(&program[next], next, STREAM_SEND_PREV, &program[s], s, STREAM_RECV_NEXT,
                          -step));
    }
    return status_ok();
}
