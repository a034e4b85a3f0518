/// fabric.h: what the jobs of a run share: one cluster, one engine, one clock, one who keeps it.
///
/// Idea.    A run is a fabric and the jobs on it (player/moments.h). All their transfers go to one engine, where they share
///          links; each carries its job's number in its tag. Who keeps what is played, and speaks of it, listens: neither the
///          driver nor players know of files.
/// Limits.  One engine; it is opened when the sampling interval is known.
#ifndef COLOSSIM_DRIVER_FABRIC_H
#define COLOSSIM_DRIVER_FABRIC_H

#include "driver/run_spec.h"
#include "engine/engine.h"
#include "engine/intervals.h"
#include "par/comm.h"

/// What a signal asks of a run: a flag that its handler raises and never lowers. STOP_AFTER_STEP ends a run with the step
/// under way; STOP_NOW leaves that step: what is committed stays. Ranks see a signal at different moments, so they agree
/// before they leave: at the end of each step, and in it where whoever plays it has to speak to the others.
typedef enum StopRequest { STOP_NOT, STOP_AFTER_STEP, STOP_NOW } StopRequest;

/// What is told of a run as it goes; NULL: nobody listens.
typedef struct FabricListener {
    void *context;
    /// Called now and then, by each rank in its own time.
    void (*speak)(void *context);
    /// Sampling intervals end, also in the engine, which stands at this moment.
    void (*cut)(void *context, int64_t now_ps);
    /// A job has ended `step` on all ranks; later_ps > 0: it was not played, but is the one before, so much later.
    ///   MPI: collective.
    Status (*step)(void *context, int32_t job, int32_t step, int64_t later_ps);
} FabricListener;

typedef struct Fabric {
    const RunSpec *run;
    Cluster *cluster;
    Comm *comm;
    int rank, nranks;
    const EngineOps *ops;
    Engine *engine;
    Intervals intervals;
    int64_t change_ps; ///< when the cluster changes next
    FabricListener listener;
    int64_t speak_after_ps;
    const volatile int *stop; ///< flag; NULL: none
} Fabric;

/// `run`, `cluster` and `comm` are borrowed.
Fabric fabric_make(const RunSpec *run, Cluster *cluster, Comm *comm);
static inline int fabric_stop_asked(const Fabric *fabric) {
    return fabric->stop ? *fabric->stop : STOP_NOT;
}
/// Open the engine.
void fabric_open(Fabric *fabric);
/// Legal where it is not open.
void fabric_close(Fabric *fabric);
/// Sampling intervals end now, and begin anew.
void fabric_cut(Fabric *fabric, int64_t now_ps);
/// Time has come so far.
void fabric_tell_time(Fabric *fabric, int64_t now_ps);
/// To the listener.  MPI: collective.
Status fabric_tell_step(const Fabric *fabric, int32_t job, int32_t step, int64_t later_ps);
/// Ranks see a signal at different moments: fails with STATUS_STOPPED where any has seen one, unless all is `done` anyway.
///   step  the last that was told
///   MPI: collective.
Status fabric_check_stop(const Fabric *fabric, int32_t step, bool done);

/// Bits of a tag below the number of its job: jobs number their transfers as they like.
enum { FABRIC_TAG_BITS = 44 };
static inline int64_t fabric_tag(int32_t job, int64_t own) {
    return (int64_t)job << FABRIC_TAG_BITS | own;
}
static inline int32_t fabric_tag_job(int64_t tag) { return (int32_t)(tag >> FABRIC_TAG_BITS); }
static inline int64_t fabric_tag_own(int64_t tag) {
    return tag & ((INT64_C(1) << FABRIC_TAG_BITS) - 1);
}
/// Number under which an engine keeps the totals of a job's step.
static inline int32_t fabric_step(const Fabric *fabric, int32_t job, int32_t step) {
    return step * fabric->run->njobs + job;
}
/// Keys of a job's edge sets and queues: none of one job is another's, and the first job's are its own.
static inline uint64_t fabric_key(int32_t job, uint64_t own) {
    return own + (uint64_t)job * UINT64_C(0x9E3779B97F4A7C15);
}

#endif
