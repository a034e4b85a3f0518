/// mixture.h: works of a mixture of experts, in place of an MLP.
///
/// Idea.    router | permute | dispatch | sort | pad | grouped fc1 | activation | grouped fc2 | unpad | bias | sort |
///          combine | unpermute, and the shared experts as an MLP. Tokens are those that a norm sees:
///          each GPU of a tensor-parallel group routes its own. Dispatch and combine are all-to-all
///          exchanges of top_k rows a token among `ep` GPUs, or of one row for each GPU that has
///          some of its experts, which there is permuted; `expert_tp` GPUs share an expert, and
///          all rows that come to it.
/// Limits.  Experts are as full as the mean, or as their capacity; drawn routing lets a GPU wait for the fullest one
///          of its exchange (cost.c), but for what it sorts inside of it. Permutes of all-to-all and DeepEP take the whole
///          GPU, those too that a framework launches in the stream of its exchanges. The gather and the sum among
///          expert_tp GPUs are not priced: no published run has them.
/// Source.  Megatron-LM core/transformer/moe (order of kernels; activation weighted by the router in
///          one kernel); DeepSeek-AI, arXiv:2412.19437, section 2.1.2.
#ifndef COLOSSIM_WORKLOAD_MIXTURE_H
#define COLOSSIM_WORKLOAD_MIXTURE_H

#include "workload/works.h"

/// Fill what the shape of a GPU says of experts; tokens must be there.
void mixture_shape(const ModelSpec *model, const ParallelSpec *parallel,
                   const TrainingSpec *training, TransformerShape *shape);

void mixture_add(const TransformerShape *s, WorkList *list);
void mixture_add_backward(const TransformerShape *s, WorkList *list);
/// The activation inside the experts again.
void mixture_add_recomputed_activation(const TransformerShape *s, WorkList *list);

/// Rows of the GPU that gets the most, over the mean: the largest of `ep` normal draws of mean 1 and the given deviation.
/// Others wait for it in each layer, so that over many layers a step has this mean.
double mixture_fullest(const TrainingSpec *training, int32_t ep);
/// Standard deviation of the wait for it in one layer, over its mean.
double mixture_scatter(int32_t ep);

/// The exchange to the experts, or back, of a mixture that has one (ep > 1).
Work mixture_exchange(const TransformerShape *s, bool returns);

/// Parameters on one GPU: of the routed experts, and of all the mixture.
double mixture_expert_parameters(const TransformerShape *s);
double mixture_parameters(const TransformerShape *s);

#endif
