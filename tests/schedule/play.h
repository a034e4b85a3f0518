/// play.h: plays the programs of a pipeline with rendezvous semantics: the slow reference for
/// schedule tests.
///
/// Idea.    A send and its receive happen together once both stand at the head of their streams and
///          are free; the norm is a barrier of all stages, the embedding reduction one of the first
///          and the last. Dataflow without a clock: each operation starts at the maximum of what it
///          waits for, so the order of play does not matter.
#ifndef COLOSSIM_TESTS_SCHEDULE_PLAY_H
#define COLOSSIM_TESTS_SCHEDULE_PLAY_H

#include <stdbool.h>

#include "program/program.h"
#include "schedule/schedule.h"

/// ticks of a whole forward; divisible by the parts in use
enum { PLAY_STAGES_MAX = 16, PLAY_UNIT = 12 };

typedef struct PlayCosts {
    int64_t forward, backward; ///< ticks of a whole chunk
    int64_t transfer, gather, reduce;
    int64_t weight;   ///< of the backward: gradients of weights, where they are put off
    int32_t segments; ///< of a chunk that is computed in some
    bool cut;         ///< so many of each pass, exchanges between them
    int64_t exchange;
} PlayCosts;

typedef struct Play {
    bool complete;
    char stuck[200];     ///< if not complete: a stage and what it cannot start
    int64_t compute_end; ///< latest end of a forward or backward
    int64_t end;         ///< latest end of all
    /// most (chunk, microbatch) between forward and backward of a stage
    int32_t activations_max[PLAY_STAGES_MAX];
} Play;

Play play_programs(const Program program[], int32_t pp, PlayCosts costs);

/// Build, check matching, play and release; fails the cmocka test on any error.
Play play_schedule(const ScheduleSpec *spec, PlayCosts costs);

#endif
