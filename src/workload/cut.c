// A chunk cut at its exchanges: works in the order in which they are played, priced between one exchange and the next.
#include <math.h>
#include <stddef.h>

#include "workload/pricing.h"

typedef struct Pieces {
    const Pricing *p;
    Pass first, end; ///< passes that the works are of
    SegmentCost *at; ///< NULL: they are counted only
    int32_t n;
    PassCost sum[PASS_N]; ///< since the last exchange
} Pieces;

static void end_piece(Pieces *pieces, Exchange exchange) {
    if (pieces->at) pieces->at[pieces->n] = (SegmentCost){.exchange = exchange};
    for (int pass = (int)pieces->first; pass < (int)pieces->end; ++pass) {
        if (pieces->at) {
            pieces->at[pieces->n].pass[pass] = pricing_nominal(&pieces->sum[pass]);
            pieces->at[pieces->n].waiting_s += pricing_seen_waiting_s(&pieces->sum[pass]);
        }
        pieces->sum[pass] = (PassCost){0};
    }
    pieces->n++;
}

/// Works first .. end - 1 of a list that are of a pass.
static WorkList part_of(const WorkList *list, int32_t first, int32_t end, Pass pass) {
    WorkList part = {.n = end - first};
    for (int32_t i = 0; i < part.n; ++i) {
        part.work[i] = list->work[first + i];
        part.work[i].partner -= first;
    }
    if (pass > PASS_BACKWARD) works_keep(&part, pass == PASS_BACKWARD_WEIGHT);
    return part;
}

/// The same works of all GPUs (list) and of the one with the most rows, for which the others wait.
static void add_part(Pieces *pieces, const WorkList *list, const WorkList *fullest, int32_t first,
                     int32_t end) {
    for (int pass = (int)pieces->first; pass < (int)pieces->end; ++pass) {
        PassCost mine = {0}, its = {0}, *sum = &pieces->sum[pass];
        WorkList part = part_of(list, first, end, (Pass)pass);
        pricing_add_list(pieces->p, &part, 1, sum);
        if (!fullest) continue;
        pricing_add_list(pieces->p, &part, 1, &mine);
        part = part_of(fullest, first, end, (Pass)pass);
        pricing_add_list(pieces->p, &part, 1, &its);
        const double more_s = fmax(0, its.compute_s - mine.compute_s);
        sum->exposed_s[DIM_EP] += more_s;
        sum->waiting_s += more_s;
    }
}

static void cut_works(Pieces *pieces, const TransformerShape *shape, AddWorks *works) {
    WorkList list = {.n = 0}, full = {.n = 0}, *fullest = NULL;
    works(shape, &list);
    if (shape->mixture && shape->fullest > 1) {
        TransformerShape most = *shape;
        most.routed *= shape->fullest;
        works(&most, &full);
        fullest = &full;
    }
    int32_t first = 0;
    for (int32_t i = 0; i < list.n; ++i) {
        if (list.work[i].kind != WORK_EXCHANGE || list.work[i].along != DIM_EP) continue;
        add_part(pieces, &list, fullest, first, i);
        end_piece(pieces, list.work[i].returns ? EXCHANGE_COMBINE : EXCHANGE_DISPATCH);
        first = i + 1;
    }
    add_part(pieces, &list, fullest, first, list.n);
}

/// Number of the i-th layer.
static int32_t span_layer(const Pricing *p, const Span *span, int32_t i) {
    return i < span->n ? span->first + i : p->model->layers + i - span->n;
}

static bool is_whole(const Pricing *p, int32_t layer) {
    const int32_t every = p->training->recompute_full_every;
    return every > 0 && layer % every == 0;
}

static void cut_forward(Pieces *pieces, const Span *span) {
    const Pricing *p = pieces->p;
    cut_works(pieces, &p->shape,
              span->embedding ? transformer_embedding_forward : transformer_handover);
    for (int32_t i = 0; i < span->n + span->mtp; ++i) {
        const TransformerShape shape =
            transformer_of_kind(&p->shape, model_layer_kind(p->model, span_layer(p, span, i)));
        cut_works(pieces, &shape, transformer_layer_forward);
    }
    if (span->head) cut_works(pieces, &p->shape, transformer_head_forward);
    end_piece(pieces, EXCHANGES_N);
}

static void cut_backward(Pieces *pieces, const Span *span) {
    const Pricing *p = pieces->p;
    cut_works(pieces, &p->shape, span->head ? transformer_head_backward : transformer_handover);
    for (int32_t i = span->n + span->mtp - 1; i >= 0; --i) {
        const int32_t layer = span_layer(p, span, i);
        const TransformerShape shape =
            transformer_of_kind(&p->shape, model_layer_kind(p->model, layer));
        if (is_whole(p, layer)) cut_works(pieces, &shape, transformer_layer_forward);
        cut_works(pieces, &shape,
                  is_whole(p, layer) ? pricing_whole_backward : transformer_layer_backward);
    }
    if (span->embedding) cut_works(pieces, &p->shape, transformer_embedding_backward);
    end_piece(pieces, EXCHANGES_N);
}

int32_t pricing_cut_chunk(const Pricing *p, int32_t v, SegmentCost pieces[], int32_t *nforward) {
    const Span span = pricing_chunk_span(p, v);
    Pieces forward = {.p = p, .first = PASS_FORWARD, .end = PASS_BACKWARD, .at = pieces};
    cut_forward(&forward, &span);
    Pieces backward = {
        .p = p, .first = PASS_BACKWARD, .end = PASS_N, .at = pieces ? pieces + forward.n : NULL};
    cut_backward(&backward, &span);
    *nforward = forward.n;
    return forward.n + backward.n;
}
