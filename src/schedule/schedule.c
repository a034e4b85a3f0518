#include "schedule/schedule.h"

#include "base/check.h"
#include "schedule/builder.h"

static const ScheduleOrder *const schedule_table[] = {
    [SCHEDULE_NONE] = &schedule_none,
    [SCHEDULE_GPIPE] = &schedule_gpipe,
    [SCHEDULE_1F1B] = &schedule_1f1b,
    [SCHEDULE_INTERLEAVED] = &schedule_interleaved,
    [SCHEDULE_ZERO_BUBBLE] = &schedule_zero_bubble,
    [SCHEDULE_DUALPIPE] = &schedule_dualpipe,
};

/// Above this a program no longer fits 32-bit indices with its transfers and buckets.
enum { SCHEDULE_SLOTS_MAX = 1 << 28 };

static Status schedule_check(const ScheduleSpec *spec) {
    REQUIRE(spec->pp >= 1 && spec->chunks >= 1 && spec->microbatches >= 1, STATUS_RANGE,
            "a schedule needs pp, chunks and microbatches of at least 1, not %d, %d and %d",
            (int)spec->pp, (int)spec->chunks, (int)spec->microbatches);
    REQUIRE(schedule_most_slots(spec) <= SCHEDULE_SLOTS_MAX, STATUS_RANGE,
            "%d chunks times %d microbatches are too many operations for one step",
            (int)spec->chunks, (int)spec->microbatches);
    return schedule_table[spec->kind]->check(spec);
}

Status schedule_slots(const ScheduleSpec *spec, int32_t stage, Slot slots[], int64_t *n) {
    TRY(schedule_check(spec));
    CHECK(stage >= 0 && stage < spec->pp, "stage %d of %d", (int)stage, (int)spec->pp);
    *n = schedule_table[spec->kind]->fill(spec, stage, slots);
    return status_ok();
}

static int32_t builder_buckets(const Builder *builder, int32_t chunk) {
    int32_t buckets = builder->spec->buckets[chunk * builder->spec->pp + builder->stage];
    CHECK(buckets >= 1, "chunk %d of stage %d has %d buckets", (int)chunk, (int)builder->stage,
          (int)buckets);
    return buckets;
}

/// ZeRO-2 keeps no full gradients, so it reduces a bucket when it is there even if nothing may
/// overlap.
static bool builder_reduces_early(const Builder *builder) {
    return builder->spec->grad_overlap || builder->spec->zero >= 2;
}

/// Does no bucket of the stage wait for less than its chunk?
static bool builder_aligns(const Builder *builder) {
    const ScheduleSpec *spec = builder->spec;
    const bool sharded = spec->first_segment && !spec->nforward;
    return spec->align && spec->grad_overlap && spec->zero < 2 && !sharded && spec->pp > 1 &&
           builder->order->aligns && (spec->chunks > 1 || builder->stage > 0);
}

/// Does slot i reduce buckets as they come?
static bool builder_reduces_in(const Builder *builder, int64_t i) {
    return builder->spec->data_parallel && builder_reduces_early(builder) &&
           !builder_aligns(builder) && i == builder->last_backward[builder->slots[i].chunk];
}

static bool builder_has_experts(const Builder *builder, int32_t chunk) {
    const bool *experts = builder->spec->experts;
    return experts && experts[chunk * builder->spec->pp + builder->stage];
}

static int32_t builder_add_bucket(Builder *builder, OpKind kind, int32_t chunk, int32_t bucket,
                                  int32_t after) {
    Op op = program_op(kind, STREAM_DP, chunk, -1);
    op.part = bucket;
    op.parts = builder_buckets(builder, chunk);
    op_add_wait(&op, after);
    return builder_add_both(builder, op, builder_has_experts(builder, chunk));
}

static void builder_add_chunk_gathers(Builder *builder, int32_t chunk) {
    const int32_t buckets = builder_buckets(builder, chunk);
    builder->gather[chunk] = builder->program->nops;
    for (int32_t bucket = 0; bucket < buckets; bucket++)
        builder->last_gather = builder_add_bucket(builder, OP_PARAM_GATHER, chunk, bucket, -1);
}

/// Chunks in the order in which they are needed: the far half of a bidirectional pipeline begins with its second.
static void builder_add_gathers(Builder *builder) {
    const ScheduleSpec *spec = builder->spec;
    if (!spec->gathers || !spec->data_parallel || (spec->first_segment && !spec->nforward)) return;
    for (int64_t i = 0; i < builder->nslots; i++) {
        const Slot *slot = &builder->slots[i];
        if (!slot->backward && slot->microbatch == 0)
            builder_add_chunk_gathers(builder, slot->chunk);
    }
}

static void builder_add_reduction(Builder *builder, int32_t chunk, int32_t bucket, int32_t after) {
    int32_t index = builder_add_bucket(builder, OP_GRAD_REDUCE, chunk, bucket, after);
    if (!builder->spec->grad_overlap) builder->reduced = index;
}

/// The gather a part of a forward waits for: its own bucket, or with no overlap all of them before
/// the first.
static int32_t builder_gather_of(const Builder *builder, int64_t i, int32_t part) {
    const Slot *slot = &builder->slots[i];
    if (builder->last_gather < 0) return -1;
    if (!builder->spec->param_overlap) return i == 0 ? builder->last_gather : -1;
    bool first_use = !slot->backward && slot->microbatch == 0;
    if (!first_use) return -1;
    const int32_t each = 1 + builder_has_experts(builder, slot->chunk);
    return builder->gather[slot->chunk] + each * (part + 1) - 1;
}

static int32_t builder_parts(const Builder *builder, int64_t i, bool reduces) {
    const Slot *slot = &builder->slots[i];
    bool gathered = builder->spec->param_overlap && builder_gather_of(builder, i, 0) >= 0;
    return reduces || gathered ? builder_buckets(builder, slot->chunk) : 1;
}

/// Compute slot i in its parts; buckets of gradients are ready from the last to the first.
static void builder_add_compute(Builder *builder, int64_t i, int32_t received) {
    const Slot *slot = &builder->slots[i];
    bool reduces = builder_reduces_in(builder, i);
    int32_t parts = builder_parts(builder, i, reduces), index = -1;
    for (int32_t part = 0; part < parts; part++) {
        Op compute = builder_compute(builder, slot);
        compute.part = part;
        compute.parts = parts;
        builder_gate(builder, &compute, part == 0, received, builder_gather_of(builder, i, part));
        index = program_add(builder->program, compute);
        if (reduces) builder_add_reduction(builder, slot->chunk, parts - 1 - part, index);
    }
    builder_end_slot(builder, index);
}

/// A slot of a chunk cut at exchanges, while its segments are added.
typedef struct Cut {
    int64_t slot;
    int32_t first, n, next;   ///< its segments, and how many are there
    int32_t received, waited; ///< before the first; the exchange before the next
    int32_t parts, reduced;   ///< buckets that its segments gather or reduce; reduced so far
    bool reduces;
} Cut;

static Cut cut_slot(const Builder *builder, int64_t i, int32_t received) {
    const Slot *slot = &builder->slots[i];
    const int32_t nforward =
        builder->spec->nforward[slot->chunk * builder->spec->pp + builder->stage];
    const int32_t n = builder_nsegments(builder, slot->chunk);
    bool reduces = builder_reduces_in(builder, i);
    return (Cut){.slot = i,
                 .first = slot->backward ? nforward : 0,
                 .n = slot->backward ? n - nforward : nforward,
                 .received = received,
                 .waited = -1,
                 .parts = builder_parts(builder, i, reduces),
                 .reduces = reduces};
}

/// Compute the next segment; returns its index. Of n segments the k-th needs the first (k + 1) / n of the buckets, and
/// completes as many.
static int32_t cut_compute(Builder *builder, Cut *cut) {
    const Slot *slot = &builder->slots[cut->slot];
    const int32_t k = cut->next++;
    Op compute = builder_compute(builder, slot);
    compute.segment = cut->first + k;
    const int32_t bucket = (int32_t)(((int64_t)(k + 1) * cut->parts - 1) / cut->n);
    builder_gate(builder, &compute, k == 0, cut->received,
                 k == 0 || builder->spec->param_overlap
                     ? builder_gather_of(builder, cut->slot, bucket)
                     : -1);
    op_add_wait(&compute, cut->waited);
    int32_t index = program_add(builder->program, compute);
    while (cut->reduces && cut->reduced < (int64_t)(k + 1) * cut->parts / cut->n)
        builder_add_reduction(builder, slot->chunk, cut->parts - 1 - cut->reduced++, index);
    const OpKind exchange = builder_segment(builder, slot->chunk, compute.segment)->exchange;
    cut->waited = -1;
    if (exchange == OP_KIND_N) return index;
    Op op = program_op(exchange, STREAM_EP, slot->chunk, slot->microbatch);
    op_add_wait(&op, index);
    cut->waited = program_add(builder->program, op);
    return index;
}

/// Compute slots that are cut in turn: of two each has its exchanges behind segments of the other.
static void builder_add_cuts(Builder *builder, int64_t i, int32_t nslots,
                             const int32_t received[]) {
    Cut cut[EXCHANGE_SLOTS];
    int32_t ended[EXCHANGE_SLOTS] = {-1, -1};
    for (int32_t k = 0; k < nslots; k++) cut[k] = cut_slot(builder, i + k, received[k]);
    for (bool more = true; more;) {
        more = false;
        for (int32_t k = 0; k < nslots; k++) {
            if (cut[k].next == cut[k].n) continue;
            ended[k] = cut_compute(builder, &cut[k]);
            more = true;
        }
    }
    for (int32_t k = 0; k < nslots; k++) builder_end_slot(builder, ended[k]);
}

/// Is a slot computed in segments of a chunk cut at exchanges? Gradients of weights exchange nothing.
static bool is_cut(const Builder *builder, int64_t i) {
    return builder->spec->nforward && builder->slots[i].gradients != GRADIENTS_WEIGHT;
}

/// Do slot i and the next take turns?
static bool builder_takes_turns(const Builder *builder, int64_t i) {
    const ScheduleSpec *spec = builder->spec;
    const ScheduleOrder *order = builder->order;
    const Slot *slot = &builder->slots[i];
    if (i + 1 >= builder->nslots || !is_cut(builder, i) || !is_cut(builder, i + 1)) return false;
    if (slot->with_next) return true;
    return spec->ep_overlap && order->turns_from && i >= order->turns_from(spec, builder->stage) &&
           !slot->backward && slot[1].backward;
}

/// Slots from i on that exchange together. Blocking transfers of an interleaved pipeline go out
/// after a forward and a backward, all four at once: if each slot waited for its own send, two
/// neighbours could wait for each other's receives for ever (tried: pp 2, 2 chunks, 4
/// microbatches). Megatron-LM does the same (send_forward_backward_recv_forward_backward).
static int32_t builder_exchange(const Builder *builder, int64_t i) {
    const ScheduleOrder *order = builder->order;
    const ScheduleSpec *spec = builder->spec;
    const Slot *slot = &builder->slots[i];
    if (slot->with_next) return 2;
    if (builder_takes_turns(builder, i)) return 2;
    if (spec->pp_overlap || !order->pairs_from) return 1;
    if (i < order->pairs_from(spec, builder->stage)) return 1;
    return slot->backward ? 1 : 2;
}

static void builder_add_slots(Builder *builder, int64_t i, int32_t nslots,
                              const int32_t received[]) {
    if (nslots == 2 && builder_takes_turns(builder, i)) {
        builder_add_cuts(builder, i, nslots, received);
        return;
    }
    for (int32_t k = 0; k < nslots; k++) {
        if (is_cut(builder, i + k))
            builder_add_cuts(builder, i + k, 1, &received[k]);
        else if (builder->spec->first_segment && !builder->spec->nforward)
            builder_add_segments(builder, i + k, received[k]);
        else
            builder_add_compute(builder, i + k, received[k]);
    }
}

static void builder_add_chunk_reductions(Builder *builder, int32_t chunk) {
    for (int32_t bucket = builder_buckets(builder, chunk) - 1; bucket >= 0; bucket--)
        builder_add_reduction(builder, chunk, bucket, builder->ended[0]);
}

/// Behind slot i: chunks whose turn has come.
static void builder_add_aligned_reductions(Builder *builder, int64_t i) {
    if (!builder->spec->data_parallel || !builder_aligns(builder)) return;
    if (!slot_ends_backward(&builder->slots[i])) return;
    for (int32_t chunk = 0; chunk < builder->spec->chunks; chunk++)
        if (builder->reduce_from[chunk] == builder->nbackward)
            builder_add_chunk_reductions(builder, chunk);
    builder->nbackward++;
}

/// Does a stage wait, behind slot i, for what it sends then and for what the next slot comes from?
static bool builder_blocks(const Builder *builder, int64_t i) {
    const ScheduleSpec *spec = builder->spec;
    if (!spec->pp_overlap) return true;
    if (spec->pp_overlap_flush || !builder->order->pairs_from) return false;
    const int64_t warmup = builder->order->pairs_from(spec, builder->stage);
    return i < warmup || i >= builder->nslots - warmup;
}

static void builder_add_round(Builder *builder, int64_t i, int32_t nslots) {
    int32_t received[EXCHANGE_SLOTS];
    // One receive ahead where nothing blocks: posted while the slot before is still computing.
    const int32_t after = builder->ended[builder_blocks(builder, i - 1) ? 0 : 1];
    for (int32_t k = 0; k < nslots; k++) {
        const Slot *slot = &builder->slots[i + k];
        received[k] = builder->receive ? *builder_receive(builder, slot)
                                       : builder_add_receive(builder, *slot, after);
    }
    builder_add_slots(builder, i, nslots, received);
    builder->round++;
    for (int32_t k = 0; k < nslots; k++) builder_add_aligned_reductions(builder, i + k);
    for (int32_t k = 0; k < nslots; k++) {
        int32_t sent = builder_add_send(builder, builder->slots[i + k]);
        if (builder_blocks(builder, i + k)) builder->sent[k] = sent;
    }
}

static void builder_add_late_reductions(Builder *builder) {
    if (!builder->spec->data_parallel || builder_reduces_early(builder)) return;
    for (int64_t i = 0; i < builder->nslots; i++) {
        int32_t chunk = builder->slots[i].chunk;
        if (i == builder->last_backward[chunk]) builder_add_chunk_reductions(builder, chunk);
    }
}

/// The tied embeddings are reduced after their data-parallel reduction, the norm needs all
/// gradients, and the optimizer the norm (Megatron-LM: finalize_model_grads, then clip_grad_norm).
static void builder_add_tail(Builder *builder) {
    const ScheduleSpec *spec = builder->spec;
    bool outer = builder->stage == 0 || builder->stage == spec->pp - 1;
    if (spec->tied_embeddings && spec->pp > 1 && outer) {
        Op embedding = program_op(OP_EMBEDDING_REDUCE, STREAM_DP, -1, -1);
        op_add_wait(&embedding, builder->ended[0]);
        program_add(builder->program, embedding);
    }
    Op norm = program_op(OP_GRAD_NORM, STREAM_DP, -1, -1);
    op_add_wait(&norm, builder->ended[0]);
    op_add_wait(&norm, builder->last_across);
    Op optimizer = program_op(OP_OPTIMIZER, STREAM_COMPUTE, -1, -1);
    op_add_wait(&optimizer, program_add(builder->program, norm));
    program_add(builder->program, optimizer);
}

/// When the gradients of chunks are complete, and when they are reduced.
static void builder_find_last_backwards(Builder *builder) {
    int64_t nbackward = 0;
    for (int64_t i = 0; i < builder->nslots; i++) {
        if (!slot_ends_backward(&builder->slots[i])) continue;
        builder->last_backward[builder->slots[i].chunk] = i;
        builder->reduce_from[builder->slots[i].chunk] = nbackward++ + builder->stage;
    }
    for (int32_t chunk = 0; chunk < builder->spec->chunks; chunk++)
        if (builder->reduce_from[chunk] >= nbackward) builder->reduce_from[chunk] = nbackward - 1;
}

static Status builder_build(Builder *builder) {
    builder_find_last_backwards(builder);
    builder_add_gathers(builder);
    for (int64_t i = 0; i < builder->nslots; i += builder_exchange(builder, i)) {
        builder_add_round(builder, i, builder_exchange(builder, i));
    }
    builder_add_late_reductions(builder);
    builder_add_tail(builder);
    return program_finish(builder->program);
}

Status schedule_program(const ScheduleSpec *spec, int32_t stage, Program *program) {
    program_init(program);
    TRY(schedule_check(spec));
    Arena *arena = arena_create("schedule", 1 << 16);
    Slot *slots = arena_array(arena, Slot, schedule_most_slots(spec));
    int64_t nslots = 0;
    Status status = schedule_slots(spec, stage, slots, &nslots);
    CHECK(status_is_ok(&status), "%s", status.text);
    Builder builder = {
        .spec = spec,
        .order = schedule_table[spec->kind],
        .program = program,
        .stage = stage,
        .nslots = nslots,
        .slots = slots,
        .last_backward = arena_array(arena, int64_t, spec->chunks),
        .reduce_from = arena_array(arena, int64_t, spec->chunks),
        .gather = arena_array(arena, int32_t, spec->chunks),
        .last_gather = -1,
        .ended = {-1, -1},
        .sent = {-1, -1},
        .reduced = -1,
        .last_across = -1,
    };
    int64_t nuses = builder_count_uses(&builder);
    builder.use_gather = arena_array(arena, int32_t, nuses);
    builder.use_end = arena_array(arena, int32_t, nuses);
    if (builder.order->bidirectional) builder_add_all_receives(&builder, arena);
    status = builder_build(&builder);
    arena_destroy(arena);
    return status;
}
