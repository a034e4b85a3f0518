/// toll.h: what ranks have cost each other while a job was played: agreements, messages, time waited.
///
/// Idea.    Everything that makes ranks wait goes through par/: the counters of comm.h, taken before and
///          after the steps. They go into /run of the trace, where what may differ between equal runs belongs.
/// Limits.  HDF5 writes collectively on its own account: that time is played, but not waited.
#ifndef COLOSSIM_OBSERVE_TOLL_H
#define COLOSSIM_OBSERVE_TOLL_H

#include "driver/player.h"
#include "trace/trace.h"

/// Counters at the beginning.
typedef struct Toll {
    int64_t begin_ns;
    CommStats comm;
} Toll;

/// Of all ranks: summed over them, or the most. Each but the last is an attribute of /run of its name.
typedef enum BillRow {
    BILL_AGREEMENTS,      ///< MPI-collective calls of each rank
    BILL_AGREEMENT_BYTES, ///< handed to them by all ranks together
    BILL_ISLANDS,         ///< of all ranks (player/island.h); 0: played event by event
    BILL_ISLANDS_PLAYED,  ///< of these, one for each that cannot but do the same
    BILL_WINDOWS,         ///< of time
    BILL_REPLAYS,         ///< islands that returned to a window's begin, over all ranks
    BILL_STEPS_REPEATED,
    BILL_PLAY_NS, ///< wall time of the slowest rank, recording of steps included
    BILL_N
} BillRow;

typedef struct Bill {
    int64_t row[BILL_N];
    double least_share, most_share; ///< of its play time that a rank has waited
} Bill;

/// MPI: local.
Toll toll_begin(const Comm *comm);
/// What was counted since then, also as attributes of /run (`trace` NULL: none), with these beside those above:
///   play_s             BILL_PLAY_NS
///   wait_share[ranks]  part of its own play time that each rank was in agreements
///   MPI: collective.
Bill toll_settle(const Toll *toll, const Comm *comm, const PlayerStats *player, int64_t repeated,
                 Trace *trace);

#endif
