#include "schedule/job_programs.h"

#include "base/arena.h"
#include "schedule/schedule.h"

/// What virtual stages are made of.
static void list_chunks(const ParallelSpec *parallel, const TrainingSpec *training,
                        const StepCost *cost, Arena *arena, ScheduleSpec *spec) {
    const int32_t n = cost->pp * cost->chunks;
    int32_t *buckets = arena_array(arena, int32_t, n), *nforward = arena_array(arena, int32_t, n),
            *first = arena_array(arena, int32_t, n + 1);
    bool *experts = arena_array(arena, bool, n);
    for (int32_t v = 0; v < n; v++) {
        const ChunkCost *chunk = &cost->chunk[v];
        buckets[v] = (int32_t)step_cost_buckets(cost, parallel, training, v);
        nforward[v] = chunk->nforward;
        first[v + 1] = first[v] + chunk->nsegments;
        experts[v] = chunk->whole.expert_grad_bytes > 0;
    }
    spec->buckets = buckets;
    spec->experts = experts;
    if (cost->exchanges_apart) spec->nforward = nforward;
    if (cost->nsegments > 0) spec->first_segment = first;
}

static void list_segments(const StepCost *cost, Arena *arena, ScheduleSpec *spec) {
    static const OpKind EXCHANGES[] = {[EXCHANGE_DISPATCH] = OP_DISPATCH,
                                       [EXCHANGE_COMBINE] = OP_COMBINE,
                                       [EXCHANGES_N] = OP_KIND_N};
    ScheduleSegment *segment = arena_array(arena, ScheduleSegment, cost->nsegments);
    for (int32_t i = 0; i < cost->nsegments; i++)
        segment[i] = (ScheduleSegment){.exchange = EXCHANGES[cost->segment[i].exchange],
                                       .sharded = cost->segment[i].parameters > 0,
                                       .experts = cost->segment[i].expert_grad_bytes > 0,
                                       .kept = cost->segment[i].kept};
    spec->segment = segment;
}

Status job_programs(const ModelSpec *model, const ParallelSpec *parallel,
                    const TrainingSpec *training, const StepCost *cost, Program program[]) {
    ScheduleSpec spec = {
        .kind = parallel->schedule,
        .pp = cost->pp,
        .chunks = cost->chunks,
        .microbatches = parallel->microbatches / parallel_copies(parallel),
        .grad_overlap = training->grad_overlap,
        .align = training->align_reductions,
        .param_overlap = training->param_overlap,
        .pp_overlap = training->pp_overlap,
        .pp_overlap_flush = training->pp_overlap_flush,
        .ep_overlap = training->ep_overlap,
        .gathers = parallel->zero > 0,
        .zero = parallel->zero,
        .data_parallel = parallel_holders(parallel) > 1,
        .tied_embeddings = model->tied_embeddings && parallel->size[DIM_PP] > 1,
        .prefetch = parallel->prefetch,
        .prefetch_backward =
            parallel->prefetch_backward < 0 ? parallel->prefetch : parallel->prefetch_backward,
        .hybrid = parallel_is_hybrid(parallel),
    };
    Arena *arena = arena_create("schedule", 1 << 16);
    list_chunks(parallel, training, cost, arena, &spec);
    list_segments(cost, arena, &spec);
    Status status = status_ok();
    for (int32_t stage = 0; stage < spec.pp && status_is_ok(&status); stage++)
        status = schedule_program(&spec, stage, &program[stage]);
    if (status_is_ok(&status)) status = programs_check_matching(program, spec.pp);
    arena_destroy(arena);
    return status;
}
