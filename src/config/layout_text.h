/// layout_text.h: a pipeline layout written as Megatron-LM writes it, to layers of virtual stages.
///
/// Idea.    "Et*3|(t*4|)*30t*3L": E the embedding, t a layer, m one of multi-token prediction, L the head and the loss;
///          | begins the next virtual stage, in the order in which a microbatch comes to them (chunk by chunk, stage by
///          stage); x*n and (...)*n repeat; commas and spaces part nothing.
/// Limits.  The embedding stands on the first virtual stage, head and layers of prediction on the last.
/// Source.  Megatron-LM, core/transformer/pipeline_parallel_layer_layout.py.
#ifndef COLOSSIM_CONFIG_LAYOUT_TEXT_H
#define COLOSSIM_CONFIG_LAYOUT_TEXT_H

#include "base/status.h"
#include "workload/model.h"

typedef struct PipelineLayout {
    int32_t n;                  ///< virtual stages
    int32_t layers[CHUNKS_MAX]; ///< of each
    int32_t mtp_layers;
} PipelineLayout;

///   Fails: STATUS_RANGE, saying which letter of the text is not what could stand there.
Status layout_read(const char *text, PipelineLayout *layout);

#endif
