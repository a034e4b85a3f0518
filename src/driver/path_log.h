/// path_log.h: when each operation of one step ended: what a critical path is found from afterwards.
///
/// Idea.    An operation begins when all that it waits for is over, so that ends alone say how long each took; what is
///          played twice (islands, which return) is noted twice, and the last note holds. Of transfers that ran below
///          their alone-rate it is noted on which tiers. Collectives are noted once, on all ranks that play, in the same
///          order; of each rank are the links that are its own.
/// Limits.  One step of a job: 12 bytes an operation of each unit that is played, only where RunSpec.trace.explain wants it.
#ifndef COLOSSIM_DRIVER_PATH_LOG_H
#define COLOSSIM_DRIVER_PATH_LOG_H

#include <stdbool.h>

#include "base/array.h"
#include "engine/engine.h"

typedef struct PathLog {
    int32_t step;
    int64_t nslots;
    int64_t *first;    ///< [nslots + 1] operations of the units of slots before
    int64_t *begin_ps; ///< [nslots] of the unit's step; -1: another is played for it
    int64_t *end_ps;   ///< [first[nslots]] by operation
    int32_t *
        slowed_at; ///< [first[nslots]] place in `slowed`, of a collective in `meeting`, + 1; 0: none
    ARRAY_OF(Slowed) slowed;
    ARRAY_OF(Slowed) meeting; ///< collectives, as they ended
    Slowed *rail;             ///< [rails of groups that meet] of the phases that have ended
    int64_t nrails;
} PathLog;

struct Machine;
/// Of a step of the units that are placed.
PathLog *path_log_open(const struct Machine *machine, int32_t step);
void path_log_close(PathLog *log); ///< NULL is legal
static inline bool path_log_has(const PathLog *log, int64_t slot) {
    return log->begin_ps[slot] >= 0;
}
/// Of an operation of a unit.
void path_log_slowed(PathLog *log, int64_t slot, int32_t op, const Slowed *slowed);
/// How an operation was slowed; `collective`: it is one. NULL: it was not.
static inline const Slowed *path_log_slowed_of(const PathLog *log, int64_t slot, int32_t op,
                                               bool collective) {
    const int32_t at = log->slowed_at[log->first[slot] + op];
    if (at == 0) return NULL;
    return collective ? &log->meeting.at[at - 1] : &log->slowed.at[at - 1];
}
/// Add up.
void path_log_add(Slowed *sum, const Slowed *slowed);

#endif
