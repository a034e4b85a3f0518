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

/// MPI: local.
Toll toll_begin(const Comm *comm);

/// Of all ranks.
typedef struct Bill {
    // Summed over them.
    int64_t agreement_bytes;          ///< handed to agreements
    int64_t islands, played, replays; ///< PlayerStats
    // The most; the same on all ranks, but for play_ns.
    int64_t agreements; ///< MPI-collective calls
    int64_t windows, repeated, play_ns;
    double least_share, most_share; ///< of its play time that a rank has waited
} Bill;

/// What was counted since then, also as attributes of /run (`trace` NULL: none):
///   agreements         MPI-collective calls of each rank
///   agreement_bytes    handed to them by all ranks together
///   play_s             wall time of the slowest rank, recording of steps included
///   wait_share[ranks]  part of its own play time that each rank was in agreements
///   islands            of all ranks (player/island.h); 0: played event by event
///   islands_played     of these, one for each that cannot but do the same
///   windows, replays   windows of time; islands that returned to a window's begin, over all ranks
///   MPI: collective.
Bill toll_settle(const Toll *toll, const Comm *comm, const PlayerStats *player, int64_t repeated,
                 Trace *trace);

#endif
