/// traffic_run.h: a traffic job: flows, or what ranks do one after the other; no model behind it.
///
/// Idea.    What the job moves is an object behind a table: flows that do not wait for each other (traffic_flows.c), or a
///          graph of operations, of which one collective among all ranks is the simplest (traffic_graph.c). Here is
///          what all have in common: a repetition is over with the last move, and then the next begins; transfers are
///          made of edges between ranks of the job, which are one communicator. Rank 0 plays: what shares links is one
///          system.
/// Limits.  GPUs compute as fast as is written: neither noise nor slow parts of the cluster change that.
#ifndef COLOSSIM_PLAYER_TRAFFIC_RUN_H
#define COLOSSIM_PLAYER_TRAFFIC_RUN_H

#include "collective/collective.h"
#include "player/moments.h"

/// What the edges of a transfer are computed from.
typedef struct TrafficEdges {
    const struct TrafficRun *traffic;
    int64_t number; ///< of the transfer
} TrafficEdges;

/// A flow, message or collective of the step that has ended; times from its begin.
typedef struct TrafficMove {
    int64_t source, destination; ///< job ranks; of a collective the first member and the last
    int64_t bytes;
    int64_t begin_ps, end_ps; ///< end -1: not finished
    int64_t alone_ps;
    bool collective;
} TrafficMove;

/// One that is the whole job; and how it was run.
typedef struct TrafficCollective {
    CollectiveSpec spec; ///< algorithm and protocol: what was chosen
    int64_t n;           ///< members
} TrafficCollective;

typedef struct TrafficRun TrafficRun;

/// What a traffic job moves. All are called where it is played.
typedef struct TrafficOps {
    /// Make traffic->moves, and the estimate.  Fails: STATUS_INPUT, STATUS_RANGE.
    Status (*load)(TrafficRun *traffic);
    void (*unload)(TrafficRun *traffic); ///< also after a load that failed
    /// Begin a step, whose times are from traffic->now.begin_ps on.
    Status (*begin)(TrafficRun *traffic);
    /// Next event that is none of a transfer; TIME_NEVER_PS. What happens then, and begins because of transfers that have ended;
    /// sets traffic->now.end_ps if that is later.
    int64_t (*next_ps)(const TrafficRun *traffic);
    Status (*due)(TrafficRun *traffic, int64_t now_ps);
    Status (*complete)(TrafficRun *traffic, const Completion *done);
    int64_t (*nleft)(const TrafficRun *traffic); ///< of what has to end in this step
    /// Numbers of transfers that a step may have; fill in edges, sizes and times of one. Those that it has not have no edges.
    int64_t (*ntransfers)(const TrafficRun *traffic);
    void (*fill)(const TrafficRun *traffic, int64_t number, Transfer *transfer);
    int64_t (*nmoves)(const TrafficRun *traffic);
    TrafficMove (*move)(const TrafficRun *traffic, int64_t i);
    /// The collective that is all of the job; false: it is another.
    bool (*collective)(const TrafficRun *traffic, TrafficCollective *collective);
    /// Who cannot go on.
    Status (*stuck)(const TrafficRun *traffic);
} TrafficOps;

extern const TrafficOps TRAFFIC_FLOW_OPS, TRAFFIC_GRAPH_OPS;

/// What all ranks must know of a step.
typedef struct TrafficStep {
    int64_t begin_ps, end_ps;
    uint64_t moves;        ///< fingerprint of what ended in it, by the time since its begin
    uint64_t moves_before; ///< the same of the step before
    int32_t still_from;    ///< from this step on, none that has ended saw the cluster change
} TrafficStep;

struct TrafficRun {
    Fabric *fabric;
    int32_t number; ///< of the job
    const JobSpec *job;
    const Cluster *cluster;
    Placement placement;
    bool plays; ///< this rank; the others join the trace
    int64_t ranks;
    int64_t estimate_ps; ///< of a step, where it is played
    const TrafficOps *ops;
    void *moves;        ///< its state, where it is played
    TrafficEdges asked; ///< of the transfer that an engine has asked for last
    int32_t step;
    TrafficStep now;  ///< the step
    int64_t later_ps; ///< by which each step that follows is the last again; 0: it is played
    bool ended;       ///< the step
};

/// What job `number` of the fabric's run moves. *traffic is to be closed also after a failure.
///   MPI: collective.  Fails: STATUS_INPUT, STATUS_RANGE.
Status traffic_open(Fabric *fabric, int32_t number, TrafficRun **traffic);
void traffic_close(TrafficRun *traffic); ///< NULL is legal
/// Time the busiest GPU needs for what it sends or receives, alone, or the longest path through a graph: what sampling
/// intervals are cut from.  MPI: collective.
int64_t traffic_estimate_ps(const TrafficRun *traffic);
/// One of ops->ntransfers as the engine takes it; *edges are filled in and borrowed. What the ranks of one node send to those of
/// another progresses together; every pair carries the bytes of the flow, over the path that its GPUs have, by a relay if
/// that is of the job.
Transfer traffic_transfer(const TrafficRun *traffic, int64_t number, TrafficEdges *edges);
/// As a job of moments.h; borrows `traffic`.
Job traffic_job(TrafficRun *traffic);

// For those that implement ops.

/// Hand a transfer in.
Status traffic_submit(TrafficRun *traffic, int64_t number);
/// An edge as the communicator of the job sends it.
Edge traffic_edge(const TrafficRun *traffic, Edge edge);
/// Launch and path of a message, of several the longest path; nothing at all for the race scenarios.
int64_t traffic_latency_ps(const TrafficRun *traffic, const EdgeSet *edges);
/// Time a GPU needs for so many bytes, alone.
int64_t traffic_busy_ps(const TrafficRun *traffic, int64_t bytes);

#endif
