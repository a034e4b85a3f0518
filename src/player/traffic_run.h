/// traffic_run.h: a traffic job: flows or one collective, no program.
///
/// Idea.    A repetition hands all flows to the engine at once, a collective one phase after the other; it is over with
///          the last byte, and then the next begins. Rank 0 plays: flows that share links are one system.
/// Limits.  Flows are independent of each other (a collective's phases follow each other).
#ifndef COLOSSIM_PLAYER_TRAFFIC_RUN_H
#define COLOSSIM_PLAYER_TRAFFIC_RUN_H

#include "player/job.h"

typedef struct TrafficRun TrafficRun; // opaque

/// What job `number` of the fabric's run moves. *traffic is to be closed also after a failure.
///   MPI: collective.  Fails: STATUS_INPUT, STATUS_RANGE.
Status traffic_open(Fabric *fabric, int32_t number, TrafficRun **traffic);
void traffic_close(TrafficRun *traffic); ///< NULL is legal
/// Time the busiest GPU needs for what it sends or receives, alone: what sampling intervals are cut from.  MPI: collective.
int64_t traffic_estimate_ps(const TrafficRun *traffic);
const Placement *traffic_placement(const TrafficRun *traffic);
/// Repetitions that were told, not played.
int64_t traffic_nrepeated(const TrafficRun *traffic);
/// As a job of moments.h; borrows `traffic`.
Job traffic_job(TrafficRun *traffic);

#endif
