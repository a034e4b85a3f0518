/// moments.h: the loop over moments: all jobs of a fabric, one moment after the other, on rank 0.
///
/// Idea.    The earliest event of the engine and of all jobs is the next moment. In it transfers end and begin, their jobs
///          are told, then jobs do what is due, until nothing of the moment is left. A job is a training job or a traffic
///          job, whatever it does: it says when its own next event is and does what is due. Jobs on one fabric meet in its
///          engine alone. A step that has ended is told by all ranks together to whoever listens (fabric.h), before time
///          goes on. The other ranks wait for that, asleep, or serve an engine that divides its work (engine.h).
/// Limits.  Of other engines more ranks make no moment shorter: exact sharing of links is one system. Jobs of one moment are
///          asked in the order of their numbers.
#ifndef COLOSSIM_PLAYER_MOMENTS_H
#define COLOSSIM_PLAYER_MOMENTS_H

#include "driver/fabric.h"

typedef struct Job Job;

/// The first seven are called where the job is played; the others on all ranks together.
typedef struct JobOps {
    Status (*begin)(Job *job, int64_t now_ps);
    /// Own next event; TIME_NEVER_PS. NULL, and so the next: it has none but its transfers.
    int64_t (*next_ps)(const Job *job);
    /// All own events of this moment; transfers that ended then have been told.
    Status (*due)(Job *job, int64_t now_ps);
    /// A transfer, by its own tag.
    Status (*complete)(Job *job, const Completion *done);
    /// One that is under way, by its own tag, as it was handed over; what it refers to lasts until the next is asked for.
    Transfer (*describe)(Job *job, int64_t tag);
    /// The cluster has changed. NULL: its transfers alone go on otherwise.
    void (*change)(Job *job, int64_t now_ps);
    /// Steps that have ended.
    int32_t (*steps)(const Job *job);
    /// A step has ended: what all ranks must know of it. NULL: nothing.
    void (*share)(Job *job);
    /// Will all further steps be the one that has just ended? Asked only of a job that has the fabric to itself.
    bool (*repeats)(Job *job);
    /// Make the step that was told last the next one, later by what is said.  Fails: STATUS_FAILED where time ends.
    Status (*again)(Job *job, int64_t *later_ps);
    /// Go on after a step has been told.
    Status (*go_on)(Job *job, int64_t now_ps);
    /// Nothing is under way: who waits for what. Fails with that, or is fine if nobody does.
    Status (*stuck)(Job *job);
} JobOps;

struct Job {
    const JobOps *ops;
    void *state;
    Fabric *fabric;
    const JobSpec *spec;
    int32_t number;
    int32_t told;       ///< steps
    int32_t still_step; ///< from this step on, none that has ended saw the cluster change
};

/// A step has ended; tell it.  MPI: collective.
Status job_tell(Job *job, int64_t later_ps);
/// All further steps are as the one that was told last.  MPI: collective.  Fails: STATUS_STOPPED too.
Status job_tell_rest(Job *job);
/// Play job[n] of one fabric to their ends. The fabric's `stop` is polled: rank 0 leaves a step where it sees STOP_NOW, and
/// the run ends after the step in which any rank sees it set.
///   MPI: collective over the fabric's communicator.
///   Fails: what a job fails with; STATUS_STUCK saying who waits for what; STATUS_STOPPED.
Status moments_play(Job *const job[], int32_t n);

#endif
