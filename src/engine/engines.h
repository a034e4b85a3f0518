/// engines.h: the engines there are, by the names that configuration files have for them.
#ifndef COLOSSIM_ENGINE_ENGINES_H
#define COLOSSIM_ENGINE_ENGINES_H

#include "engine/engine.h"

/// For configuration alone: everyone else has the EngineOps.
typedef enum EngineKind {
    ENGINE_CLOSED,
    ENGINE_FLOW,
    ENGINE_PACKET,
    ENGINE_ROUNDS,
    ENGINE_KIND_N
} EngineKind;

extern const char *const ENGINE_NAMES[]; ///< [ENGINE_KIND_N], then NULL
const EngineOps *engine_of(EngineKind kind);

#endif
