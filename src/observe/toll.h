/// toll.h: what ranks have cost each other while a job was played: agreements, messages, time waited.
///
/// Idea.    Everything that makes ranks wait goes through par/: the counters of comm.h, taken before and
///          after the steps. They go into /run of the trace, where what may differ between equal runs belongs, and into
///          one line for a person beside the progress lines: the table on stdout is the same on any number of ranks.
/// Limits.  HDF5 writes collectively on its own account: that time is played, but not waited.
#ifndef COLOSSIM_OBSERVE_TOLL_H
#define COLOSSIM_OBSERVE_TOLL_H

#include <stdio.h>

#include "driver/player.h"
#include "trace/trace.h"

/// Counters at the beginning.
typedef struct Toll {
    int64_t begin_ns;
    CommStats comm;
} Toll;

/// MPI: local.
Toll toll_begin(const Comm *comm);

/// What was counted since then: attributes of /run (`trace` NULL: none), a line to `out` on rank 0 (NULL: none).
///   agreements         MPI-collective calls of each rank
///   agreement_bytes    handed to them by all ranks together
///   play_s             wall time of the slowest rank, recording of steps included
///   wait_share[ranks]  part of its own play time that each rank was in agreements
///   islands            of all ranks (island.h); 0: played event by event
///   islands_played     of these, one for each that cannot but do the same
///   windows, replays   windows of time; islands returned to a snapshot, over all ranks
///   MPI: collective.
void toll_note(const Toll *toll, const Fabric *fabric, const PlayerStats *player, int64_t repeated,
               Trace *trace, FILE *out);

#endif
