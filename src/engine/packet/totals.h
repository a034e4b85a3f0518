/// totals.h: what wires have carried and suffered: of all, of each step, and of sampling intervals.
///
/// Idea.    What happens to every packet is added up where it is sent, for its wire; what a wire has more than when the step
///          was begun whose packet it carried last belongs to that step (totals_settle). What happens to few (marks,
///          drops, pauses) stands in arrays of its own, which are made when the first of it happens. Intervals are
///          differences: what was told of a wire last is kept, and added up for the longer intervals (intervals.h), as
///          tally.h does. What waits in a queue over time is known of packets that have left; of those that still wait
///          it is counted when an interval ends. A pause has a cause: the port for which the packet came that was one
///          too many. Of several causes of a wire the one is kept that has more time than all others, if there is one
///          (Boyer and Moore's vote). Who costs whom. What a packet waited is shared by the jobs whose packets its port
///          has sent since it was idle last, in proportion to their bytes.
/// Limits.  A pause counts for the step of the packet that brought it about. While a port is paused, those who cost a packet
///          time are those before it at this port, not those at the port that the pause comes from.
#ifndef COLOSSIM_ENGINE_PACKET_TOTALS_H
#define COLOSSIM_ENGINE_PACKET_TOTALS_H

#include <stdbool.h>

#include "base/wide.h"
#include "engine/packet/ring.h"

enum { NET_TALLIES = 64 }; ///< steps that can be under way: three of each job
#define NET_TOTALS "packet.totals"

enum { TOTALS_AREA_BITS = 10 };

/// What a wire has carried, and what waited for it: packets' waits as parts of what their transfers lose (Net.parts), and how
/// long any waited.
typedef struct StepTotals {
    int64_t bytes, wait_ps, busy_wait_ps;
    int64_t
        area; ///< bytes that waited, over time: B * 2^TOTALS_AREA_BITS ps, of those that have left
} StepTotals;

/// Of all transfers since the beginning.
typedef struct WireTotals {
    StepTotals all;
    int64_t queue_most; ///< bytes, since it was told last
    int64_t spare[2];
    uint8_t tally; ///< whose packet it carried last
} WireTotals;

_Static_assert(sizeof(WireTotals) == 64, "one cache line");

/// What happens to few packets of a wire.
typedef struct PortEvents {
    int64_t paused_ps,
        cause_ps;       ///< for how long, and how much more for `cause` than for all others
    int64_t queue_most; ///< bytes; of a step, or an interval
    int32_t cause;      ///< wire; with paused_ps > 0
    int32_t marks, drops, trims, reordered;
} PortEvents;

/// The pause of a wire that is going on.
typedef struct PortPause {
    int64_t from_ps; ///< what was before has been added up
    int64_t since_ps;
    int32_t cause;
    uint8_t tally;
} PortPause;

typedef struct Totals {
    int64_t nlinks;
    int32_t njobs;
    WireTotals *wire;              ///< [nlinks], its owner's
    StepTotals *before;            ///< [nlinks] what is settled; NULL: nothing yet
    PortEvents *events;            ///< [nlinks] of all, since told last; NULL: none yet
    PortPause *pause;              ///< [nlinks]; NULL: none yet
    StepTotals *step[NET_TALLIES]; ///< [nlinks] of a step, by Packet.tally; NULL: none
    PortEvents *step_events[NET_TALLIES];
    int32_t job[NET_TALLIES];   ///< whose step it is
    int64_t *cost[NET_TALLIES]; ///< [nlinks * njobs] of a step: lost to each job; NULL: one job
    int64_t *busy;              ///< [nlinks * njobs] bytes of each since the port was idle last
} Totals;

void totals_init(Totals *totals, int64_t nlinks, int32_t njobs, WireTotals wire[]);
void totals_fini(Totals *totals);
/// A step of a job begins, is over.
void totals_begin_step(Totals *totals, int32_t tally, int32_t job);
void totals_end_step(Totals *totals, int32_t tally);

/// What a step has; [nlinks].
const StepTotals *totals_of_step(Totals *totals, int32_t tally);

/// Events of a wire, of all and of a step (NULL: it is over).
PortEvents *totals_events(Totals *totals, int32_t wire);
PortEvents *totals_step_events(Totals *totals, int32_t tally, int32_t wire);
void totals_mark(Totals *totals, int32_t wire, const Packet *packet);
void totals_drop(Totals *totals, int32_t wire, const Packet *packet);
void totals_trim(Totals *totals, int32_t wire, const Packet *packet);
void totals_reorder(Totals *totals, int32_t wire, const Packet *packet);
/// More waits at a port than since it was told last.
void totals_queue(Totals *totals, int32_t wire, const Packet *packet, int64_t queued_bytes);
/// A pause begins; what of one has passed is added up, and it goes on.
void totals_pause(Totals *totals, int32_t wire, int32_t cause, uint8_t tally, int64_t now_ps);
void totals_pause_until(Totals *totals, int32_t wire, int64_t now_ps);

/// One more vote for a cause.
static inline void events_vote(PortEvents *events, int32_t cause, int64_t cause_ps) {
    if (events->cause_ps > 0 && events->cause == cause) {
        events->cause_ps += cause_ps;
    } else if (events->cause_ps > cause_ps) {
        events->cause_ps -= cause_ps;
    } else {
        events->cause = cause;
        events->cause_ps = cause_ps - events->cause_ps;
    }
}

/// Of several jobs: a packet has waited so long, or not, and is sent.
void totals_charge(Totals *totals, int32_t wire, const Packet *packet, int64_t lost_ps,
                   bool waited);

/// Give the step of the last packet what is its own.
void totals_settle(Totals *totals, int64_t wire);

/// Where to add what a packet of data does to a wire: what is added from now on, until another is asked for, is of its step.
static inline WireTotals *totals_of(Totals *totals, int32_t wire, const Packet *packet) {
    WireTotals *total = &totals->wire[wire];
    if (total->tally != packet->tally) {
        totals_settle(totals, wire);
        total->tally = packet->tally;
    }
    return total;
}

#endif
