/// replay.h: a step that was played, once more, as a graph: with what its operations take, or would take.
///
/// Idea.    An operation begins when all that it waits for is over: the one before it on its stream, those that its program
///          names, of a message its other end, of a collective its last member. So a step is a graph of maxima and sums, and
///          is worked off without a clock: whatever is ready, until nothing is. Ranks meet at collectives: each works off
///          what it can, then all say when their members came, and so on.
///
///              what is ready -> ends -> ... nothing is ready -> members' arrivals to all ranks -> collectives end -> ...
///
/// Limits.  Who waits for whom is as the programs say; what an operation takes does not depend on when it is.
/// Source.  What-if replay of dependency graphs: Zhu et al., Daydream, USENIX ATC'20; Hu et al., dPRO, MLSys'22.
#ifndef COLOSSIM_OBSERVE_REPLAY_H
#define COLOSSIM_OBSERVE_REPLAY_H

#include "driver/machine.h"

/// What an operation takes that begins at begin_ps. Of a message that of its receive is asked, of a collective that of any
/// member, which all are to agree.
typedef struct ReplayTimes {
    int64_t (*took_ps)(void *context, int64_t slot, int32_t op, int64_t begin_ps);
    void *context;
} ReplayTimes;

/// When the last member came to a collective, and the least of those that did then, as the graph came to it.
typedef struct ReplayMeeting {
    int64_t group, last_ps, last_unit;
} ReplayMeeting;

typedef struct Replay {
    const Machine *machine;
    const PathLog *log;
    int64_t *begin_ps;               ///< [slots] of the step of each
    int64_t *end_ps;                 ///< as PathLog.end_ps
    int64_t *members;                ///< [groups that meet] that are played, on all ranks
    ARRAY_OF(ReplayMeeting) meeting; ///< only if asked for
    bool keeps_meetings;
    struct ReplayUnit *unit;   ///< [slots]
    ARRAY_OF(int64_t) ready;   ///< slot * STREAM_N + stream, to be looked at
    ARRAY_OF(int64_t) arrived; ///< the same, of members that wait
    int64_t *news;             ///< [3 * groups that meet] scratch
} Replay;

/// Of the step that the machine's log holds.  MPI: collective, as all but replay_close.
Replay *replay_open(const Machine *machine);
void replay_close(Replay *replay);
/// Work the step off, units beginning at begin_ps. Returns when the last of all ranks has ended.
int64_t replay_step(Replay *replay, ReplayTimes times);

/// The operation that one began behind: of several the first, in the order of its own stream, of what its program names,
/// of its message's other end. slot -1: it began the step of its unit, or (op >= 0) behind the last member of a collective,
/// which may be elsewhere.
typedef struct ReplayCause {
    int64_t slot;
    int32_t op;
} ReplayCause;
ReplayCause replay_cause(const Replay *replay, int64_t slot, int32_t op, int64_t begin_ps);
/// When an operation of a unit could begin, whatever others do.
int64_t replay_ready_ps(const Replay *replay, int64_t slot, int32_t op);

#endif
