/// island_player.h: plays a job that falls into islands, window after window, on all ranks.
///
/// Idea.    island.h. A window ends at the next event of a collective, at the end of a sampling interval, or after a
///          width that adapts to how far windows get; then what happens at that moment is played in the order of the
///          event player. Widths and the number of ranks change no result.
#ifndef COLOSSIM_PLAYER_ISLAND_PLAYER_H
#define COLOSSIM_PLAYER_ISLAND_PLAYER_H

#include "player/island.h"

/// Deal the replicas, open the engine and become the machine's player; false, and nothing is open, where the job has
/// no islands.  MPI: collective.
bool island_player_open(Machine *machine);

#endif
