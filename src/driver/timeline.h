/// timeline.h: when each operation of chosen GPUs was issued, could begin, and ended, and what it waited for.
///
/// Idea.    GPUs are chosen by number (TraceSpec.timeline); what is noted is of their units, which move as one. A unit that
///          another is played for (layout.h, LayoutFold) has the notes of the one that is played. Each operation has a
///          place, by its number in its program, once for even and once for odd steps: a step is told before any unit can
///          end the next. So a unit that is played anew, behind a window that was undone (player/island.h), writes over
///          what it had noted, and nothing has to be undone: no note is the sum of what two moments add.
///
///              compute   |-- waits --|=== forward ===|        issued: where the wait ends
///              receive   |.. posted ..|-latency-|==== bytes ====|
///                      issued       begun                      end
///
///          A wait has the parts of the account (account.h) that it added; so the operations and waits of the compute
///          stream hold all parts of the step.
/// Limits.  152 bytes an operation, twice, of up to TIMELINE_GPUS_MAX units. Nothing that is played looks at it.
#ifndef COLOSSIM_DRIVER_TIMELINE_H
#define COLOSSIM_DRIVER_TIMELINE_H

#include "driver/account.h"
#include "program/program.h"

struct Machine;
struct Unit;

typedef struct OpNote {
    int64_t issued_ps, begun_ps, end_ps;
    int64_t alone_ps; ///< of communication: from begun_ps to the end, had it been alone
    // Of compute operations:
    int64_t idle_ps;                        ///< before it was issued
    int64_t waited_ps[ACCOUNT_N];           ///< what that added to the parts
    int64_t before_ps[ACCOUNT_SHARING + 1], ///< own_slow and sharing of the step before it ...
        worked_ps[ACCOUNT_SHARING + 1];     ///< ... and what it added itself
    int32_t awaited; ///< operation whose end, of those waited for, was the last; -1: none
} OpNote;

typedef struct UnitNotes {
    int32_t nops;
    OpNote *step[2]; ///< [nops] by parity of the step
} UnitNotes;

typedef struct Timeline {
    UnitNotes *unit; ///< [n]; Unit.noted is a place in it, from 1
    int32_t n;
} Timeline;

/// Find the chosen units among those that have been placed here.
void timeline_place(struct Machine *machine);
/// Notes of a unit of this rank of a step, by operation; it is played here, or another for it. NULL: it is not chosen.
const OpNote *timeline_of(const struct Machine *machine, int64_t unit, int32_t step);

// Called by units that are noted. An operation is issued, before and after it is known what its wait was; ...
void timeline_issue(struct Machine *machine, const struct Unit *unit, int32_t op,
                    const Release release[], int32_t n, int64_t now_ps);
void timeline_waited(struct Machine *machine, const struct Unit *unit, int32_t op);
// ... what its stream carries begins: its other end, or the last member, is there; takes so long if it is alone, from
// start_ps on; and the operation ends.
void timeline_begin(struct Machine *machine, const struct Unit *unit, Stream stream,
                    int64_t begun_ps);
void timeline_move(struct Machine *machine, const struct Unit *unit, Stream stream,
                   int64_t start_ps, int64_t alone_ps);
void timeline_end(struct Machine *machine, const struct Unit *unit, int32_t op, int64_t now_ps);

#endif
