/// traffic_run.h: a traffic job: flows or one collective, no program.
///
/// Idea.    A repetition hands all flows to the engine at once, a collective one phase after the other; it is over with
///          the last byte, and then the next begins. Rank 0 plays: flows that share links are one system.
/// Limits.  Flows are independent of each other (a collective's phases follow each other).
#ifndef COLOSSIM_PLAYER_TRAFFIC_RUN_H
#define COLOSSIM_PLAYER_TRAFFIC_RUN_H

#include "collective/spread.h"
#include "player/moments.h"

typedef struct FlowRow {
    TrafficFlow flow;
    GpuId src, dst;           ///< of the first ranks; a block is on one node, so the others follow
    int64_t end_ps, alone_ps; ///< end -1: not finished
} FlowRow;

/// What the edges of a transfer are computed from: a flow, or a phase of the collective.
typedef struct TrafficEdges {
    const struct TrafficRun *traffic;
    int64_t number;
} TrafficEdges;

/// What all ranks must know of a step.
typedef struct TrafficStep {
    int64_t begin_ps, end_ps;
    uint64_t moves;        ///< fingerprint of what ended in it, by the time since its begin
    uint64_t moves_before; ///< the same of the step before
    int32_t still_from;    ///< from this step on, none that has ended saw the cluster change
} TrafficStep;

typedef struct TrafficRun {
    Fabric *fabric;
    int32_t number; ///< of the job
    const JobSpec *job;
    const Cluster *cluster;
    Placement placement;
    bool plays; ///< this rank; the others join the trace
    int64_t ranks;
    int64_t estimate_ps; ///< of a step, where it is played
    FlowRow *row;        ///< [nrows]
    int64_t nrows;
    TrafficEdges asked; ///< of the transfer that an engine has asked for last
    Spread spread;      ///< of the members of a collective
    CollectivePlan plan;
    int32_t phase;
    int64_t phase_begin_ps, alone_ps;
    int32_t step;
    TrafficStep now;     ///< the step
    int64_t later_ps;    ///< by which each step that follows is the last again; 0: it is played
    int64_t nunfinished; ///< transfers of this step under way, or the phases of a collective
    bool ended;          ///< the step
} TrafficRun;

/// What job `number` of the fabric's run moves. *traffic is to be closed also after a failure.
///   MPI: collective.  Fails: STATUS_INPUT, STATUS_RANGE.
Status traffic_open(Fabric *fabric, int32_t number, TrafficRun **traffic);
void traffic_close(TrafficRun *traffic); ///< NULL is legal
/// Time the busiest GPU needs for what it sends or receives, alone: what sampling intervals are cut from.  MPI: collective.
int64_t traffic_estimate_ps(const TrafficRun *traffic);
bool traffic_is_collective(const TrafficRun *traffic);
/// Flows, or phases of the collective.
int64_t traffic_ntransfers(const TrafficRun *traffic);
/// One of them as the engine takes it; *edges are filled in and borrowed. What the ranks of one node send to those of
/// another progresses together; every pair carries the bytes of the flow, over the path that its GPUs have, by a relay if
/// that is of the job.
Transfer traffic_transfer(const TrafficRun *traffic, int64_t number, TrafficEdges *edges);
/// As a job of moments.h; borrows `traffic`.
Job traffic_job(TrafficRun *traffic);

#endif
