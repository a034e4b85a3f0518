/// repeat.h: a step that cannot differ from the one before is not played.
///
/// Idea.    The norm of gradients is a reduction over the whole job behind which nothing is under way: all that the next
///          step depends on is when each unit begins it, on its five clocks, and how fast it is. If all units began this
///          step and the next alike, on their clocks since the norm before, then the next is this one, later by the time
///          between the norms; and so are all that follow, as long as speeds stay. So the first step of a steady job is
///          played, the second, which begins behind a norm, and no more.
///          Alike is a sum over units of 64-bit fingerprints of their clocks and speed. Sampling intervals begin anew at
///          the norm (engine/intervals.h), so that the intervals of such steps are the same too.
/// Limits.  Speeds must not change from step to step: no jitter, no stragglers; a GPU may be slower than another.
///          A job of one unit has no norm and is played. Repetitions of traffic are told in traffic_run.c.
#ifndef COLOSSIM_PLAYER_REPEAT_H
#define COLOSSIM_PLAYER_REPEAT_H

#include "player/moments.h"

// JobOps of a job whose state is a Machine.
bool repeat_can_follow(Job *job);
/// What is under way is left as it is.
Status repeat_step(Job *job, int64_t *later_ps);

#endif
