#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims.h"

typedef struct Player {
    const Program *program;
    int32_t pp;
    PlayCosts costs;
    int32_t next[PLAY_STAGES_MAX][STREAM_N];
    int64_t stream_end[PLAY_STAGES_MAX][STREAM_N];
    int64_t *end[PLAY_STAGES_MAX]; ///< [nops], -1 before it is played
    int32_t activations[PLAY_STAGES_MAX];
    Play play;
} Player;

/// Operation at the head of a stream, or NULL; *ready is when it could start, -1 if it waits for
/// what is not over.
static const Op *head_of(const Player *player, int32_t stage, Stream stream, int64_t *ready) {
    const Program *program = &player->program[stage];
    *ready = -1;
    if (player->next[stage][stream] == program->stream_nops[stream]) return NULL;
    const Op *op = &program->op[program->stream_op[stream][player->next[stage][stream]]];
    int64_t start = player->stream_end[stage][stream];
    for (int32_t w = 0; w < PROGRAM_WAITS; w++) {
        if (op->wait[w] < 0) continue;
        int64_t end = player->end[stage][op->wait[w]];
        if (end < 0) return op;
        if (end > start) start = end;
    }
    *ready = start;
    return op;
}

static void finish_head(Player *player, int32_t stage, Stream stream, int64_t end) {
    const Program *program = &player->program[stage];
    int32_t index = program->stream_op[stream][player->next[stage][stream]++];
    const Op *op = &program->op[index];
    player->end[stage][index] = end;
    player->stream_end[stage][stream] = end;
    if (end > player->play.end) player->play.end = end;
    int32_t last = player->costs.segments - 1, ends_at = op->kind != OP_FORWARD ? 0 : last;
    if (player->costs.cut && op->kind != OP_FORWARD) ends_at = 2 * last + 1;
    bool last_part = op->segment < 0 ? op->part == op->parts - 1 : op->segment == ends_at;
    if (OP_KINDS[op->kind].pass != PASS_NONE && op->kind != OP_BACKWARD_INPUT) {
        if (end > player->play.compute_end) player->play.compute_end = end;
        if (last_part) player->activations[stage] += op->kind == OP_FORWARD ? 1 : -1;
        if (player->activations[stage] > player->play.activations_max[stage]) {
            player->play.activations_max[stage] = player->activations[stage];
        }
    }
}

static int64_t cost_of(const Player *player, const Op *op) {
    int32_t parts = op->segment < 0 ? op->parts : player->costs.segments;
    switch (op->kind) {
        case OP_FORWARD: return player->costs.forward / parts;
        case OP_BACKWARD: return player->costs.backward / parts;
        case OP_BACKWARD_INPUT: return (player->costs.backward - player->costs.weight) / parts;
        case OP_BACKWARD_WEIGHT: return player->costs.weight / parts;
        case OP_DISPATCH:
        case OP_COMBINE: return player->costs.exchange;
        case OP_PARAM_GATHER: return player->costs.gather;
        case OP_GRAD_REDUCE: return player->costs.reduce;
        default: return 0;
    }
}

static bool play_transfer(Player *player, int32_t stage, Stream stream, int64_t posted) {
    bool down = stream == STREAM_SEND_NEXT;
    int32_t peer = (stage + (down ? 1 : player->pp - 1)) % player->pp;
    Stream peer_stream = down ? STREAM_RECV_PREV : STREAM_RECV_NEXT;
    int64_t peer_posted;
    const Op *receive = head_of(player, peer, peer_stream, &peer_posted);
    if (!receive || peer_posted < 0) return false;
    int64_t end = (posted > peer_posted ? posted : peer_posted) + player->costs.transfer;
    finish_head(player, stage, stream, end);
    finish_head(player, peer, peer_stream, end);
    return true;
}

/// All of `stages[n]` must stand before an operation of this kind.
static bool play_barrier(Player *player, OpKind kind, const int32_t stages[], int32_t n) {
    int64_t end = 0, ready;
    for (int32_t i = 0; i < n; i++) {
        const Op *op = head_of(player, stages[i], STREAM_DP, &ready);
        if (!op || op->kind != kind || ready < 0) return false;
        if (ready > end) end = ready;
    }
    for (int32_t i = 0; i < n; i++) finish_head(player, stages[i], STREAM_DP, end);
    return true;
}

static bool play_head(Player *player, int32_t stage, Stream stream) {
    int64_t ready;
    const Op *op = head_of(player, stage, stream, &ready);
    if (!op || ready < 0) return false;
    int32_t stages[PLAY_STAGES_MAX];
    for (int32_t s = 0; s < player->pp; s++) stages[s] = s;
    switch (op->kind) {
        case OP_SEND: return play_transfer(player, stage, stream, ready);
        case OP_RECV: return false; // its send plays it
        case OP_GRAD_NORM: return play_barrier(player, OP_GRAD_NORM, stages, player->pp);
        case OP_EMBEDDING_REDUCE:
            stages[1] = player->pp - 1;
            return play_barrier(player, OP_EMBEDDING_REDUCE, stages, 2);
        default: finish_head(player, stage, stream, ready + cost_of(player, op)); return true;
    }
}

Play play_programs(const Program program[], int32_t pp, PlayCosts costs) {
    Player player = {.program = program, .pp = pp, .costs = costs};
    for (int32_t s = 0; s < pp; s++) {
        size_t bytes = (size_t)program[s].nops * sizeof(int64_t);
        player.end[s] = malloc(bytes);
        memset(player.end[s], -1, bytes);
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (int32_t s = 0; s < pp; s++) {
            for (Stream stream = 0; stream < STREAM_N; stream++) {
                while (play_head(&player, s, stream)) moved = true;
            }
        }
    }
    player.play.complete = true;
    for (int32_t s = 0; s < pp; s++) {
        free(player.end[s]);
        int64_t ready;
        const Op *op = head_of(&player, s, STREAM_COMPUTE, &ready);
        for (Stream stream = 0; stream < STREAM_N && !op; stream++) {
            op = player.next[s][stream] < program[s].stream_nops[stream]
                     ? &program[s].op[program[s].stream_op[stream][player.next[s][stream]]]
                     : NULL;
        }
        if (!op || !player.play.complete) continue;
        char name[120];
        player.play.complete = false;
        snprintf(player.play.stuck, sizeof player.play.stuck, "stage %d before %s", (int)s,
                 program_op_name(op, name, sizeof name));
    }
    return player.play;
}

Play play_schedule(const ScheduleSpec *spec, PlayCosts costs) {
    Program program[PLAY_STAGES_MAX];
    for (int32_t s = 0; s < spec->pp; s++) {
        Status status = schedule_program(spec, s, &program[s]);
        if (status.code != STATUS_OK) fail_msg("%s", status.text);
    }
    Status matching = programs_check_matching(program, spec->pp);
    if (matching.code != STATUS_OK) fail_msg("%s", matching.text);
    Play play = play_programs(program, spec->pp, costs);
    if (!play.complete) {
        fail_msg("pp %d chunks %d microbatches %d overlap %d/%d/%d zero %d: stuck, %s",
                 (int)spec->pp, (int)spec->chunks, (int)spec->microbatches, spec->pp_overlap,
                 spec->param_overlap, spec->grad_overlap, (int)spec->zero, play.stuck);
    }
    for (int32_t s = 0; s < spec->pp; s++) program_fini(&program[s]);
    return play;
}
