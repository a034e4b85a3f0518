/// job.h: a job as the loop over moments sees it, whatever it does: a training job or a traffic job.
///
/// Idea.    Jobs on one fabric meet in its engine alone. A job says when its own next event is and does what is due; its
///          transfers come back to it when they have ended. When all of it has ended a step, that is written, and then it
///          may go on. Rank 0 plays; the others are told of each step what they need to write it with.
/// Limits.  Jobs of one moment are asked in the order of their numbers.
#ifndef COLOSSIM_PLAYER_JOB_H
#define COLOSSIM_PLAYER_JOB_H

#include "driver/fabric.h"
#include "observe/record.h"

typedef struct Job Job;

/// The first seven are called where the job is played; of the others all are MPI-collective.
typedef struct JobOps {
    Status (*begin)(Job *job, int64_t now_ps);
    /// Own next event; TIME_NEVER_PS.
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
    /// The last step was told to all: what they must know of it.
    void (*share)(Job *job);
    /// Will all further steps be the one that has just ended? Asked only of a job that has the fabric to itself.
    bool (*repeats)(Job *job);
    /// To the trace; `later`: not played, but the one before, later.
    Status (*record)(Job *job, Recorder *recorder, int32_t step, bool later);
    /// Go on after a step has been written.
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
    int32_t recorded; ///< steps
};

#endif
