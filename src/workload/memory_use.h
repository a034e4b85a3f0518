/// memory_use.h: what the fullest moment of a pipeline stage keeps in GPU memory, term by term.
///
/// Idea.    weights + gradients + optimizer are per parameter; activations are those of the
///          microbatches in flight when they are most, found by playing the order of forwards and
///          backwards of the stage; logits on the last stage; workspace: gathered tensors in use,
///          one layer under recomputation, one gradient bucket under ZeRO-2 and 3.
///          Under ZeRO-3 a GPU keeps its shard in fp32, in the optimizer's term, and 16-bit weights of what is gathered.
///          Per layer and token, in bytes (h: hidden, 16 bit):
///              norm inputs 4h + norm outputs 4h + qkv + attention output + fc1 output +
///              activation output (+ masks)
///          = 34 h for GPT (Korthikanti's 34 s b h), all divided by tp with sequence parallelism;
///          inputs of linear layers in fp8 where products are. A mixture keeps the rows that came to
///          its experts instead, and how it routed them.
///          The largest memory allocated by 19 plans of 8 B200 (SimuMax v1.2) is met within 1.3 %.
/// Limits.  Fragmentation and NCCL buffers are in GpuSpec.memory_bytes, not here. Activations that
///          wait on the host take no time to go there and back: behind NVLink-C2C (GB200, GB300) they
///          hardly do, behind PCIe they may.
/// Source.  Korthikanti et al., arXiv:2205.05198, section 4; Rajbhandari et al., ZeRO, SC'20 (16
///          bytes a parameter); Megatron-LM core/pipeline_parallel/schedules.py (warm-up of the
///          interleaved schedule); Transformer Engine (what layers keep for their backward pass).
#ifndef COLOSSIM_WORKLOAD_MEMORY_USE_H
#define COLOSSIM_WORKLOAD_MEMORY_USE_H

#include "workload/cost.h"
#include "workload/transformer.h"

/// Activation bytes that one layer keeps for the backward of one microbatch.
///   whole  the layer is recomputed whole
double memory_layer_activation(const TransformerShape *shape, bool whole);

/// The largest sum over chunks of microbatches in flight times chunk_bytes on stage `stage`.
///   chunk_bytes[chunks]  in
double memory_in_flight(const ParallelSpec *parallel, int32_t stage, const double chunk_bytes[]);

/// Parameters of all chunks of a stage, those of its GPU.
typedef struct StageParameters {
    double rest, experts; ///< routed experts apart
    double whole;         ///< at once, not a shard: all, or with ZeRO-3 what is gathered
    double bucket;        ///< whose gradients are reduced together
} StageParameters;

/// Terms of stage `stage`.
MemoryUse memory_use(const ModelSpec *model, const ParallelSpec *parallel,
                     const TrainingSpec *training, int32_t stage,
                     const StageParameters *parameters);

/// Layers first .. first + n - 1 of the model, and the first `mtp` of multi-token prediction.
typedef struct LayerRange {
    int32_t first, n, mtp;
} LayerRange;

/// Of these the ones that are recomputed whole (every n-th of the model is, from the first), or the others, by kind.
void memory_count_layers(const ModelSpec *model, const TrainingSpec *training, LayerRange range,
                         bool whole, int32_t n[LAYER_KIND_N]);

/// What one of the GPUs that share them has of parameters: experts are held by fewer.
double memory_shard(const ParallelSpec *parallel, double rest, double experts);

#endif
