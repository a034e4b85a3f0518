/// pricing.h: how cost.c prices parts of a model; inside workload/ only.
///
/// Idea.    A pass over layers is lists of works (transformer.h), priced one after the other into sums. A chunk that is cut
///          at its exchanges has a sum for what stands between one and the next, in the order in which it is played.
#ifndef COLOSSIM_WORKLOAD_PRICING_H
#define COLOSSIM_WORKLOAD_PRICING_H

#include "workload/cost.h"
#include "workload/transformer.h"

typedef struct Pricing {
    const ModelSpec *model;
    const ParallelSpec *parallel;
    const TrainingSpec *training;
    const GpuSpec *gpu;
    LayerLinks links;
    TransformerShape shape;
    Pass pass; ///< which of the works of a backward count: PASS_BACKWARD all
} Pricing;

typedef struct PassCost {
    double compute_s, sharing_s, exposed_s[DIM_N], flop, host_s;
    double waiting_s;         ///< of what is exposed, for the GPU with the most rows
    ExchangeRows sent[DIM_N]; ///< bytes
} PassCost;

typedef void AddWorks(const TransformerShape *shape, WorkList *list);

/// Layers first .. first + n - 1 of the model, with what stands before and behind those of a chunk.
typedef struct Span {
    int32_t first, n;
    int32_t mtp;       ///< layers of multi-token prediction behind them
    bool begins, ends; ///< the chunk
    bool embedding, head;
} Span;

/// What does not fit in the time of a run is clipped, and refused where it is compared (step_cost_check_range).
int64_t pricing_clipped_ps(double seconds);
/// Add `times` runs of a list to a sum.
void pricing_add_list(const Pricing *p, const WorkList *list, double times, PassCost *sum);
/// Backward works of layers recomputed whole, which do not recompute their modules once more.
void pricing_whole_backward(const TransformerShape *shape, WorkList *list);
/// What a GPU has to do, idle times included.
double pricing_gpu_s(const PassCost *cost);
/// What a pass waits for a host that is slower than the GPU: the host launches ahead, so only sums
/// meet.
double pricing_host_waiting_s(const PassCost *cost);
/// What a pass takes that waits so long.
NominalWork pricing_nominal(const PassCost *cost, double waiting_s);
/// Of what a pass waits for the GPU with the most rows, what its host does not take anyway.
double pricing_seen_waiting_s(const PassCost *cost);
Span pricing_chunk_span(const Pricing *p, int32_t number);

/// cut.c. Cut a chunk at its exchanges; returns into how many pieces, those of the forward pass first.
///   pieces    out; NULL: they are counted only
///   nforward  out; of the forward pass
int32_t pricing_cut_chunk(const Pricing *p, int32_t v, SegmentCost pieces[], int32_t *nforward);

#endif
