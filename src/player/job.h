/// job.h: a job as the loop over moments sees it, whatever it does: a training job or a traffic job.
///
/// Idea.    Jobs on one fabric meet in its engine alone. A job says when its own next event is and does what is due; its
///          transfers come back to it when they have ended. When all of it has ended a step, that is told to whoever
///          listens (fabric.h), and then it may go on. Rank 0 plays; the others learn of each step what is told of it.
/// Limits.  Jobs of one moment are asked in the order of their numbers.
#ifndef COLOSSIM_PLAYER_JOB_H
#define COLOSSIM_PLAYER_JOB_H

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
    /// The cluster has changed.
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
    int32_t told; ///< steps
};

/// A step has ended; tell it.  MPI: collective.
Status job_tell(Job *job, int64_t later_ps);
/// All further steps are as the one that was told last.  MPI: collective.  Fails: STATUS_STOPPED too.
Status job_tell_rest(Job *job);

#endif
