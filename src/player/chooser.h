/// chooser.h: which player plays a job, by what it costs.
///
/// Idea.    Both give the same outcome (driver/player.h), so the cheaper one plays: event by event an operation costs more
///          the less of the state stays in the cache, and other ranks cannot help; as islands it costs about the same at
///          any size, divides over ranks, and is played once for all that cannot differ, but ranks meet at each window.
/// Limits.  Costs are measured on one machine (cost_of_operations in chooser.c) and may be off by a third on another.
#ifndef COLOSSIM_PLAYER_CHOOSER_H
#define COLOSSIM_PLAYER_CHOOSER_H

#include "driver/player.h"

/// Give a machine that has been prepared its player and its engine.  MPI: collective.
void player_choose(Machine *machine);

#endif
