/// event_player.h: plays training jobs one moment after the other.
///
/// Idea.    Rank 0 has all units; moments.h is the loop. Several jobs on one fabric are played so.
/// Limits.  More ranks make no moment shorter.
#ifndef COLOSSIM_PLAYER_EVENT_PLAYER_H
#define COLOSSIM_PLAYER_EVENT_PLAYER_H

#include "driver/player.h"
#include "player/job.h"

/// Become the machine's player; the fabric's engine is to be opened by the caller.  MPI: local.
void event_player_open(Machine *machine);

/// A machine with this player as a job of moments.h.
Job event_job(Machine *machine);

#endif
