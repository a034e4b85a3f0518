/// attention.h: works of attention, from the output of a norm to the input of its projection.
///
/// Idea.    Queries, keys and values come from one linear layer, or, in latent attention (MLA), from
///          narrow projections that are whole on every GPU of a tensor-parallel group, a norm, and
///          wide ones. The core is one flash kernel, or GEMMs and a softmax that write the scores.
/// Limits.  A window saves work in flash kernels alone. Context parallelism divides the work evenly.
/// Source.  DeepSeek-AI, arXiv:2405.04434, section 2.1; Megatron-LM
///          core/transformer/multi_latent_attention.py (rotary and the joining of keys in one kernel).
#ifndef COLOSSIM_WORKLOAD_ATTENTION_H
#define COLOSSIM_WORKLOAD_ATTENTION_H

#include "workload/works.h"

void attention_add_core(const TransformerShape *s, WorkList *list);
void attention_add_core_backward(const TransformerShape *s, WorkList *list);
void attention_add_qkv(const TransformerShape *s, WorkList *list);
void attention_add_qkv_backward(const TransformerShape *s, WorkList *list);
/// Of latent attention: from the narrow queries, keys and values to the wide ones.
void attention_add_up(const TransformerShape *s, WorkList *list);

/// Scores of a microbatch on this GPU, the whole matrix.
double attention_scores(const TransformerShape *s);
/// With the projection behind it.
double attention_parameters(const TransformerShape *s);

#endif
