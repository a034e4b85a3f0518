/// event_player.h: plays a job one moment after the other.
///
/// Idea.    Rank 0 has all units; the others wait, asleep, for the end of each step, which all write together.
/// Limits.  More ranks make no moment shorter: exact sharing of links is one system.
#ifndef COLOSSIM_PLAYER_EVENT_PLAYER_H
#define COLOSSIM_PLAYER_EVENT_PLAYER_H

#include "driver/player.h"

/// Deal the units, open the engine and become the machine's player.  MPI: local.
void event_player_open(Machine *machine);

#endif
