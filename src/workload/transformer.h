/// transformer.h: kernels and tensor-parallel collectives of a transformer layer on one GPU, in
/// order.
///
/// Idea.    A pass (forward or backward) is a list of Work: GEMMs with their shapes, attention
///          kernels, kernels bound by memory, and collectives inside the tensor-parallel group.
///          roofline.c prices a list; its FLOP are exact. Sizes are those of one GPU.
///              norm | gather | qkv | rotary | attention | proj | scatter | residual
///              norm | gather | fc1 | activation | fc2 | scatter | residual
///          With sequence parallelism norm and residual see T / tp tokens, gather and scatter are
///          all-gather and reduce-scatter; without, gather is nothing and scatter an all-reduce
///          (conjugate in the backward pass). The backward of Y = X W is two GEMMs, dX = dY W' and
///          dW += X' dY, the second adding into the gradient buffer.
///          Latent attention (MLA) makes qkv in two steps: narrow projections of all tokens of a GPU,
///          a norm, and wide ones cut among tp. A mixture of experts has instead of the MLP
///              norm | router | permute | dispatch | grouped fc1 | activation | grouped fc2 |
///              combine | unpermute, beside it the shared experts, | residual
///          dispatch and combine are all-to-all exchanges among the `ep` GPUs over which experts are
///          dealt; grouped products are one problem for each expert of the GPU. A context-parallel
///          GPU has 1 / cp of each sequence, cut so that all have as much of the causal half.
/// Limits.  One kernel per step of the pass; fusions as in Megatron-LM (scale-mask-softmax,
///          bias-GELU, bias-dropout-add, rotary in one kernel, if it is not scaled). Position embeddings are not
///          counted. Flash attention runs the causal half. Experts are as full as the mean, or as
///          their capacity; what drawn routing adds is cost.c's.
/// Source.  Korthikanti et al., arXiv:2205.05198 (which collectives, what is recomputed);
///          Megatron-LM tensor_parallel/layers.py: in the backward of a column-parallel layer the
///          input is gathered again during the input-gradient GEMM, and the reduce-scatter runs
///          during the weight-gradient GEMM. core/transformer/moe and multi_latent_attention.py of
///          the same: order of kernels, what recomputing a module repeats.
#ifndef COLOSSIM_WORKLOAD_TRANSFORMER_H
#define COLOSSIM_WORKLOAD_TRANSFORMER_H

#include "workload/works.h"

/// Sizes per GPU. The specs must have passed parallel_validate.
TransformerShape transformer_shape(const ModelSpec *model, const ParallelSpec *parallel,
                                   const TrainingSpec *training);

/// The same for one kind of layer.
TransformerShape transformer_of_kind(const TransformerShape *shape, LayerKind kind);

/// Append the works of a pass to `list`. Backward includes the recomputation of the listed modules.
void transformer_layer_forward(const TransformerShape *shape, WorkList *list);
void transformer_layer_backward(const TransformerShape *shape, WorkList *list);
void transformer_layer_recompute(const TransformerShape *shape, WorkList *list);
void transformer_embedding_forward(const TransformerShape *shape, WorkList *list);
void transformer_embedding_backward(const TransformerShape *shape, WorkList *list);
void transformer_head_forward(const TransformerShape *shape, WorkList *list);
void transformer_head_backward(const TransformerShape *shape, WorkList *list);
/// Without sequence parallelism a stage sends 1 / tp of its activations per GPU: the gather after.
void transformer_handover(const TransformerShape *shape, WorkList *list);

/// Sum of executed FLOP.
double transformer_flop(const WorkList *list);

/// Parameters on one GPU: of a layer, the embedding, the head with the final norm.
///   tied_here  the head shares the matrix of an embedding on the same GPU
double transformer_layer_parameters(const TransformerShape *shape);
double transformer_embedding_parameters(const TransformerShape *shape);
double transformer_head_parameters(const TransformerShape *shape, bool tied_here);

#endif
