/// rounds.h: the rounds engine: shares as the flow engine has them, but collectives are played round by round.
///
/// Idea.    To the flow engine a collective is one variable: whatever slows one of its edges, at any time, slows all of it.
///          That is exact for what lasts. What is short costs less in a long ring, since an edge waits for the one before it
///          only: a delay goes on by a member a round, and of two that are far from each other only those add up that
///          such a wave meets.
///
///              member  0 1 2 3 4 5 6 7        x: a message comes in between, and costs its edge a round
///              round 0   x                    \: who waits for that
///                    1     \                  The second is met by nobody who is late already: they cost one round, not two.
///                    2       \ x
///
///          So here each edge of a transfer of several rounds is a transfer of the flow engine for each round. A GPU sends
///          round r + 1 on its edges when round r has come to it on all that lead to it, round_latency later: the same
///          dataflow as in the packet engine (packet/plays.h). The rounds of an edge are one queue, and follow each other
///          without a gap to others. Alone all edges are in step, and the transfer takes its time alone to some picoseconds.
///          Messages are handed on as they are.
/// Limits.  edges * rounds transfers for one: a ring of n members is n * n or 2 n * n of them. For runs in which who disturbs
///          whom is the question, not for a hundred thousand GPUs. Slowed is told of messages alone, and
///          what rounds of one transfer cost each other, where several of its edges use a link, counts as a delay of that link.
///          Links must carry the same at all times.
/// Source.  The wave: last-passage percolation of max-plus systems (Baccelli, Cohen, Olsder and Quadrat, "Synchronization and
///          linearity", 1992). Held against packets: tests/README.md, rings beside messages that come and go.
#ifndef COLOSSIM_ENGINE_ROUNDS_ROUNDS_H
#define COLOSSIM_ENGINE_ROUNDS_ROUNDS_H

#include "engine/engine.h"

#define ROUNDS_ENGINE_NAME "rounds"

extern const EngineOps ROUNDS_ENGINE;

#endif
