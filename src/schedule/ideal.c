#include "schedule/ideal.h"

#include "base/arena.h"
#include "base/check.h"

enum { NOT_YET = -1, CHUNK_BYTES = 1 << 16 };

typedef struct Stage {
    const Program *program;
    int32_t next[STREAM_N];    ///< position within the stream
    int64_t free_ps[STREAM_N]; ///< end of the operation before
    int64_t *end_ps;           ///< [nops], or NOT_YET
} Stage;

typedef struct IdealWalk {
    Stage *stage; ///< [pp]
    int32_t pp;
    IdealTime time;
    const void *context;
    int64_t end_ps; ///< of the last operation so far
} IdealWalk;

/// The operation at the head of a stream; NULL: there is none.
static const Op *head(const Stage *stage, Stream stream) {
    const Program *program = stage->program;
    if (stage->next[stream] == program->stream_nops[stream]) return NULL;
    return &program->op[program->stream_op[stream][stage->next[stream]]];
}

/// When the head of a stream can begin; NOT_YET where something it waits for has not ended.
static int64_t begin_ps(const Stage *stage, Stream stream) {
    const Op *op = head(stage, stream);
    if (!op) return NOT_YET;
    int64_t begin = stage->free_ps[stream];
    for (int i = 0; i < PROGRAM_WAITS && op->wait[i] >= 0; i++) {
        const int64_t end = stage->end_ps[op->wait[i]];
        if (end == NOT_YET) return NOT_YET;
        if (end > begin) begin = end;
    }
    return begin;
}

static void end_head(IdealWalk *walk, Stage *stage, Stream stream, int64_t end_ps) {
    stage->end_ps[head(stage, stream) - stage->program->op] = end_ps;
    stage->free_ps[stream] = end_ps;
    stage->next[stream]++;
    if (end_ps > walk->end_ps) walk->end_ps = end_ps;
}

/// A send goes when its receive is posted, too.
static bool hand_over(IdealWalk *walk, int32_t from, Stream stream, int64_t sent_ps) {
    const bool down = stream == STREAM_SEND_NEXT;
    Stage *to = &walk->stage[(from + (down ? 1 : walk->pp - 1)) % walk->pp];
    const Stream receives = down ? STREAM_RECV_PREV : STREAM_RECV_NEXT;
    const int64_t posted_ps = begin_ps(to, receives);
    if (posted_ps == NOT_YET) return false;
    const int64_t end_ps = sent_ps > posted_ps ? sent_ps : posted_ps;
    end_head(walk, &walk->stage[from], stream, end_ps);
    end_head(walk, to, receives, end_ps);
    return true;
}

/// A collective of several stages ends when all of them have come to it.
static bool meet(IdealWalk *walk, const Op *op) {
    const bool ends_only = GROUPS[OP_KINDS[op->kind].group].ends_only;
    int64_t end_ps = 0;
    for (int32_t s = 0; s < walk->pp; s++) {
        if (ends_only && s > 0 && s < walk->pp - 1) continue;
        const Op *other = head(&walk->stage[s], op->stream);
        const int64_t come_ps = begin_ps(&walk->stage[s], op->stream);
        if (come_ps == NOT_YET || other->kind != op->kind) return false;
        if (come_ps > end_ps) end_ps = come_ps;
    }
    const Stream stream = op->stream;
    for (int32_t s = 0; s < walk->pp; s++)
        if (!ends_only || s == 0 || s == walk->pp - 1)
            end_head(walk, &walk->stage[s], stream, end_ps);
    return true;
}

/// End the head of a stream if all it needs is there.
static bool advance(IdealWalk *walk, int32_t s, Stream stream) {
    Stage *stage = &walk->stage[s];
    const int64_t at_ps = begin_ps(stage, stream);
    if (at_ps == NOT_YET) return false;
    const Op *op = head(stage, stream);
    const OpKindRow *kind = &OP_KINDS[op->kind];
    if (kind->form == FORM_RECEIVE) return false; // its send ends it
    if (kind->form == FORM_SEND) return hand_over(walk, s, stream, at_ps);
    if (kind->form == FORM_COLLECTIVE && !group_is_of_stage(kind->group)) return meet(walk, op);
    const bool timed = kind->form == FORM_COMPUTE || kind->form == FORM_COLLECTIVE;
    end_head(walk, stage, stream, at_ps + (timed ? walk->time(walk->context, s, op) : 0));
    return true;
}

static bool is_over(const IdealWalk *walk) {
    for (int32_t s = 0; s < walk->pp; s++)
        for (int stream = 0; stream < STREAM_N; stream++)
            if (head(&walk->stage[s], (Stream)stream)) return false;
    return true;
}

int64_t ideal_step_ps(const Program program[], int32_t pp, IdealTime time, const void *context) {
    Arena *arena = arena_create("schedule.ideal", CHUNK_BYTES);
    IdealWalk walk = {
        .stage = arena_array(arena, Stage, pp), .pp = pp, .time = time, .context = context};
    for (int32_t s = 0; s < pp; s++) {
        walk.stage[s].program = &program[s];
        walk.stage[s].end_ps = arena_array(arena, int64_t, program[s].nops);
        for (int32_t i = 0; i < program[s].nops; i++) walk.stage[s].end_ps[i] = NOT_YET;
    }
    for (bool moved = true; moved;) {
        moved = false;
        for (int32_t s = 0; s < pp; s++)
            for (int stream = 0; stream < STREAM_N; stream++)
                while (advance(&walk, s, (Stream)stream)) moved = true;
    }
    CHECK(is_over(&walk), "programs of %d stages do not come to their ends", (int)pp);
    arena_destroy(arena);
    return walk.end_ps;
}
