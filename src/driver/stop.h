/// stop.h: what a signal asks of a run.
///
/// Idea.    A flag that a signal handler raises and never lowers. STOP_AFTER_STEP ends a run with the step under way;
///          STOP_NOW leaves that step: what is committed stays. Ranks see a signal at different moments, so they agree
///          before they leave: at the end of each step, and in it where whoever plays it has to speak to the others.
#ifndef COLOSSIM_DRIVER_STOP_H
#define COLOSSIM_DRIVER_STOP_H

#include <stdbool.h>
#include <stddef.h>

typedef enum StopRequest { STOP_NOT, STOP_AFTER_STEP, STOP_NOW } StopRequest;

/// `stop` is the flag, or NULL: never.
static inline int stop_requested(const volatile int *stop) { return stop ? *stop : STOP_NOT; }
static inline bool stop_is_now(const volatile int *stop) {
    return stop_requested(stop) == STOP_NOW;
}

#endif
