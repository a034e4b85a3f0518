/// model_size.h: what is said of a model before it is dealt: its parameters, and the FLOP of a token.
///
/// Idea.    Total: every number that is trained. Active: those that a token passes, all but the
///          routed experts that it does not; embedding and head count (of the published figures some
///          leave out the embedding: it stands apart). Layers of multi-token prediction are in all.
///          Model FLOP are 6 for each active parameter of a matrix product, and those of attention:
///          over the whole matrix of scores, as GPT papers and MLPerf count, or over what causal
///          masks and windows leave, as NVIDIA's tables do.
/// Limits.  Biases of SwiGLU models are not counted: 0.03 % of gpt-oss-120b.
/// Source.  Narayanan et al., SC'21, appendix: GPT is 72 s L h^2 (1 + s / 6h + V / 12 h L).
#ifndef COLOSSIM_WORKLOAD_MODEL_SIZE_H
#define COLOSSIM_WORKLOAD_MODEL_SIZE_H

#include "workload/model.h"

typedef struct ModelSize {
    double total, active; ///< parameters
    double embedding;     ///< of both
} ModelSize;
ModelSize model_size(const ModelSpec *model);

/// FLOP of the model for one sequence, forward and backward, no recompute; attention whole, or what
/// masks leave of it.
double model_flop(const ModelSpec *model, int32_t sequence, bool causal);

#endif
