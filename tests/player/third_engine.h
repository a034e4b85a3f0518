/// third_engine.h: an engine written against engine/engine.h alone, the proof that the waist is one.
///
/// Idea.    Every transfer takes the time that its heaviest edge takes at the goodput of a NIC, and its rounds: nobody
///          shares anything. What is under way stands in one list by the time of its end, and bytes in one array of all
///          links a step.
/// Limits.  No intervals; bytes of an edge on a link are rounded down for each transfer. For small tests.
#ifndef COLOSSIM_TESTS_PLAYER_THIRD_ENGINE_H
#define COLOSSIM_TESTS_PLAYER_THIRD_ENGINE_H

#include "engine/engine.h"

extern const EngineOps THIRD_ENGINE;

#endif
