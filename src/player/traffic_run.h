/// traffic_run.h: plays a traffic job: flows or one collective, no program.
///
/// Idea.    Rank 0 plays: flows that share links are one system. The others wait, asleep, for the end of each repetition,
///          which all write together.
/// Limits.  One job; flows are independent of each other (a collective's phases follow each other).
#ifndef COLOSSIM_PLAYER_TRAFFIC_RUN_H
#define COLOSSIM_PLAYER_TRAFFIC_RUN_H

#include "driver/record.h"

/// Play run->job[0].  csv_text as in traffic_create.
///   MPI: collective over `comm`.
///   Fails: STATUS_NO_PATH, STATUS_STUCK (unfinished flows), STATUS_INPUT, STATUS_OUTPUT, STATUS_STOPPED.
Status traffic_play(const RunSpec *run, const Cluster *cluster, Comm *comm, const char *csv_text,
                    const char *command_line, Recorder *recorder, const volatile int *stop);

#endif
