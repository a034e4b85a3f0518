// A chunk cut at its exchanges: works in the order in which they are played, priced between one exchange and the next.
#include <math.h>
#include <stddef.h>

#include "workload/pricing.h"

/// What host and GPU have to do for a whole pass, and hosts for the pieces of it.
typedef struct PassSum {
    double host_s, gpu_s, pieces_host_s;
} PassSum;

typedef struct Pieces {
    const Pricing *p;
    Pass first, end; ///< passes that the works are of
    SegmentCost *at; ///< NULL: they are counted only
    int32_t n;
    PassCost sum[PASS_N];  ///< since the last exchange
    PassSum whole[PASS_N]; ///< `at` NULL: of the pieces so far; else of all
    double exposed;        ///< share of exchanges that nothing is beside
} Pieces;

/// What a piece waits for its host, which launches ahead over the whole pass, exchanges included.
static double waiting_s(const PassSum *whole, const PassCost *piece) {
    const double sum_s = fmax(0, whole->host_s - whole->gpu_s);
    return whole->pieces_host_s > 0 ? sum_s * piece->host_s / whole->pieces_host_s : 0;
}

static void add_to_whole(PassSum *whole, const PassCost *cost, double exposed) {
    whole->host_s += cost->host_s;
    whole->gpu_s += exposed * pricing_gpu_s(cost);
}

static void end_piece(Pieces *pieces, Exchange exchange) {
    if (pieces->at) pieces->at[pieces->n] = (SegmentCost){.exchange = exchange};
    for (int pass = (int)pieces->first; pass < (int)pieces->end; ++pass) {
        const PassCost *sum = &pieces->sum[pass];
        if (pieces->at) {
            pieces->at[pieces->n].pass[pass] =
                pricing_nominal(sum, waiting_s(&pieces->whole[pass], sum));
            pieces->at[pieces->n].waiting_s += pricing_seen_waiting_s(sum);
        } else {
            add_to_whole(&pieces->whole[pass], sum, 1);
            pieces->whole[pass].pieces_host_s += sum->host_s;
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

/// The time of an exchange, in which the host launches ahead.
static void add_exchange(Pieces *pieces, const WorkList *list, int32_t at) {
    for (int pass = (int)pieces->first; pass < (int)pieces->end && !pieces->at; ++pass) {
        PassCost cost = {0};
        const WorkList part = part_of(list, at, at + 1, (Pass)pass);
        pricing_add_list(pieces->p, &part, 1, &cost);
        add_to_whole(&pieces->whole[pass], &cost, pieces->exposed);
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
        add_exchange(pieces, &list, i);
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

/// Share of a stage's passes that run beside no other: those before its first backward and behind its last forward.
static double lone_share(const Pricing *p, int32_t stage) {
    const int32_t behind = p->parallel->size[DIM_PP] - 1 - stage,
                  passes = p->parallel->microbatches * p->parallel->chunks;
    return p->training->ep_overlap ? fmin(1, (2.0 * behind + 1) / passes) : 1;
}

/// Twice: the pieces are priced when it is known what they sum to.
static int32_t cut(Pieces *pieces, void (*walk)(Pieces *pieces, const Span *span), const Span *span,
                   SegmentCost at[]) {
    walk(pieces, span);
    if (!at) return pieces->n;
    pieces->at = at;
    pieces->n = 0;
    walk(pieces, span);
    return pieces->n;
}

int32_t pricing_cut_chunk(const Pricing *p, int32_t v, SegmentCost pieces[], int32_t *nforward) {
    const Span span = pricing_chunk_span(p, v);
    const double exposed = lone_share(p, v % p->parallel->size[DIM_PP]);
    Pieces forward = {.p = p, .first = PASS_FORWARD, .end = PASS_BACKWARD, .exposed = exposed},
           backward = {.p = p, .first = PASS_BACKWARD, .end = PASS_N, .exposed = exposed};
    *nforward = cut(&forward, cut_forward, &span, pieces);
    return *nforward + cut(&backward, cut_backward, &span, pieces ? pieces + *nforward : NULL);
}
