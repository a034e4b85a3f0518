/// schedule.h: from (stages, chunks, microbatches, overlap keys) to the Program of each pipeline
/// rank.
///
/// Idea.    A schedule orders forwards and backwards of one rank; everything around them (receives,
///          sends, gathers, reductions, norm, optimizer) is the same for all schedules and lives in
///          schedule.c. One file a schedule; gpipe.c is the one to copy.
/// Source.  GPipe: Huang et al., arXiv:1811.06965. 1F1B and interleaved: Narayanan et al., SC'21. Zero bubble: Qi et
///          al., arXiv:2401.10241. DualPipe: DeepSeek-V3, arXiv:2412.19437.
#ifndef COLOSSIM_SCHEDULE_SCHEDULE_H
#define COLOSSIM_SCHEDULE_SCHEDULE_H

#include <stdbool.h>

#include "program/program.h"
#include "workload/model.h"

/// A segment of a chunk whose parameters are sharded (ZeRO-3), or of one pass of a chunk cut at exchanges.
typedef struct ScheduleSegment {
    bool sharded; ///< it has parameters: gathered before it is used, its gradients reduced behind
    bool
        experts; ///< some of them of experts that are held by other GPUs than the rest, see ScheduleSpec
    OpKind exchange; ///< that follows it, and that the next segment waits for; OP_KIND_N: none
    bool kept;       ///< from its forward until its backward, which needs no other gather
} ScheduleSegment;

typedef struct ScheduleSpec {
    Schedule kind;
    int32_t pp, chunks;
    int32_t microbatches; ///< that each chunk computes
    bool grad_overlap, param_overlap, pp_overlap;
    /// Of an interleaved pipeline, with pp_overlap: in warm-up and flush, too. Megatron-LM's overlap_p2p_comm_warmup_flush, off
    /// there: a stage that warms up waits for what it has sent and for what it computes next.
    bool pp_overlap_flush;
    /// Reductions of a chunk begin on all stages at about the same time, stage s waits for s backwards more: what they take
    /// of GPUs is lost once, not stage after stage. Megatron-LM's align_grad_reduce (core/pipeline_parallel/schedules.py):
    /// with one chunk stage 0 reduces buckets as they come, the others behind their last backward.
    bool align;
    bool gathers; ///< ZeRO >= 1: parameters are gathered at the beginning of a step
    /// stage; 2 shards gradients: reduction of a bucket cannot be put off to the end of the step
    int32_t zero;
    bool data_parallel;   ///< dp > 1: gradients are reduced
    bool tied_embeddings; ///< with pp > 1: embedding reduce between first and last stage
    /// [pp * chunks], by virtual stage: gradient buckets of a chunk, >= 1
    const int32_t *buckets;
    /// [pp * chunks] those with experts that are held by other GPUs than the rest: each bucket has a collective more, of
    /// what it has of them; NULL: none
    const bool *experts;
    /// Segments of virtual stage v: first_segment[v] .. first_segment[v + 1] - 1; NULL: chunks are computed in one.
    const int32_t *first_segment;
    const ScheduleSegment *segment;
    bool hybrid; ///< shard groups: gathers and reductions inside, and a reduction of shares across
    /// [pp * chunks] Cut at exchanges: so many of them are the forward pass, in the order in which they are computed, the
    /// others the backward pass; NULL: all are of both, in the order of the model
    const int32_t *nforward;
    /// A forward and the backward beside it are computed segment by segment in turn, one while the other exchanges; a
    /// stage warms up with a forward more
    bool ep_overlap;
    /// ZeRO-3: gathers ahead of the segment that is computed, in forward and in backward passes
    int32_t prefetch, prefetch_backward;
} ScheduleSpec;

/// Which gradients a backward computes: those of the weights may be put off.
typedef enum Gradients { GRADIENTS_ALL, GRADIENTS_INPUT, GRADIENTS_WEIGHT } Gradients;

/// One compute operation in the order of a rank.
typedef struct Slot {
    bool backward;
    bool with_next; ///< beside the next slot: both begin and end together
    Gradients gradients;
    int32_t chunk, microbatch;
} Slot;

/// Most slots of a stage.
static inline int64_t schedule_most_slots(const ScheduleSpec *spec) {
    return 3 * (int64_t)spec->chunks * spec->microbatches;
}

/// Order of the *n slots of pipeline rank `stage`.
///   slots[schedule_most_slots] out
///   Fails: STATUS_RANGE (interleaved needs microbatches divisible by pp and chunks >= 2; gpipe, 1f1b and zero_bubble
///   have one chunk, dualpipe two; no schedule at all needs pp == 1).
Status schedule_slots(const ScheduleSpec *spec, int32_t stage, Slot slots[], int64_t *n);

/// Build the finished program of pipeline rank `stage`; program_fini releases it.
///   Order on STREAM_DP: gathers in the order of first use, reductions as the last backwards of the chunks
///   come (last bucket first), embedding reduce, norm; the optimizer ends the step. A chunk whose
///   buckets matter is computed in as many parts: its first forward with param_overlap, its last
///   backward with grad_overlap or zero 2 (which, without overlap, makes the next part wait for
///   each reduction). Gathers are there if gathers and data_parallel.
///   A backward in two parts sends behind the first, and the second completes its gradients.
///   With pp_overlap (but see pp_overlap_flush) the receive of a slot is posted when the slot two before it has ended, and
///   nothing waits for a send. Without it, when the slot before it has ended, and a slot also waits
///   for the send of the one before; an interleaved pipeline then exchanges once for each pair of a
///   forward and a backward. Of a bidirectional pipeline receives stand in the order in which neighbours send, and wait
///   for nothing.
///   ZeRO-3: chunks are computed segment by segment. Each use of a sharded one waits for a gather of its own, each
///   backward is followed by its reduction, all in one order on STREAM_DP, as issued: before a use the gathers up to
///   `prefetch` uses on, behind it the reduction. A gather waits until the use 1 + prefetch before its own has ended
///   and dropped its parameters. One stream, since gathers and reductions share a communicator (Zhao et al., PyTorch
///   FSDP, VLDB'23, 3.3.2). With none ahead in the backward a gather waits for the use before its own, and goes ahead
///   of the reduction of that. Without param_overlap nothing is gathered ahead; without grad_overlap the next segment
///   waits for each reduction.
///   Fails: STATUS_RANGE as schedule_slots.
Status schedule_program(const ScheduleSpec *spec, int32_t stage, Program *program);

#endif
