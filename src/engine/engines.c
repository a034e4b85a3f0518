#include "engine/engines.h"

#include <stddef.h>

#include "base/check.h"
#include "engine/closed/closed.h"
#include "engine/flow/flow.h"
#include "engine/packet/packet_engine.h"
#include "engine/rounds/rounds.h"

const char *const ENGINE_NAMES[] = {[ENGINE_CLOSED] = CLOSED_NAME,
                                    [ENGINE_FLOW] = FLOW_NAME,
                                    [ENGINE_PACKET] = PACKET_NAME,
                                    [ENGINE_ROUNDS] = ROUNDS_ENGINE_NAME,
                                    [ENGINE_KIND_N] = NULL};

const EngineOps *engine_of(EngineKind kind) {
    static const EngineOps *const ENGINES[ENGINE_KIND_N] = {[ENGINE_CLOSED] = &CLOSED_ENGINE,
                                                            [ENGINE_FLOW] = &FLOW_ENGINE,
                                                            [ENGINE_PACKET] = &PACKET_ENGINE,
                                                            [ENGINE_ROUNDS] = &ROUNDS_ENGINE};
    CHECK(kind >= 0 && kind < ENGINE_KIND_N, "engine %d", (int)kind);
    return ENGINES[kind];
}
