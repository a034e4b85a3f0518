/// players.h: who plays a training job: one moment after the other, or as islands; and which, by what it costs.
///
/// Idea.    Both give the same outcome (driver/player.h), so the cheaper one plays. Event by event (event_player.c) rank 0 has
///          all units, moments.h is the loop, and an operation costs more the less of the state stays in the cache; other
///          ranks cannot help. Several jobs on one fabric are played so. As islands (island_player.c, island.h) an operation
///          costs about the same at any size, what is played divides over ranks, and is played once for all that cannot
///          differ, but ranks meet at each window: that ends at the next event of a collective, at the end of a sampling
///          interval, or after a width that adapts to how far windows get; then what happens at that moment is played in
///          the order of the event player. Widths and the number of ranks change no result.
/// Limits.  Costs are measured on one machine (players.c) and may be off by a third on another.
#ifndef COLOSSIM_PLAYER_PLAYERS_H
#define COLOSSIM_PLAYER_PLAYERS_H

#include "driver/player.h"
#include "player/moments.h"

/// Give a machine its player and its engine.  MPI: collective.
void player_choose(Machine *machine);

/// Become the machine's player, event by event; the fabric's engine is to be opened by the caller.  MPI: local.
void event_player_open(Machine *machine);
/// A machine with this player as a job of moments.h.
Job event_job(Machine *machine);

/// Deal the replicas, open the engine and become the machine's player; false, and nothing is open, where the job has
/// no islands.  MPI: collective.
bool island_player_open(Machine *machine);

#endif
