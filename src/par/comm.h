/// comm.h: the processes of the emulator: one duplicated communicator behind an opaque type.
///
/// Idea.    Simulation code sees ranks, exact reductions and agreement; MPI types stay in
///          comm_mpi.h. A communicator of one rank calls no MPI at all, so that everything runs
///          without mpirun and before MPI_Init.
/// Limits.  No reduction of doubles by sum: it would depend on the number of ranks.
#ifndef COLOSSIM_PAR_COMM_H
#define COLOSSIM_PAR_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct Comm Comm;

/// Most bytes of one MPI message: MPI counts in ints, and blocks may be of any size, so they travel in pieces.
enum { COMM_PIECE_BYTES = 1 << 24 };

/// Duplicate the communicator of all processes and point CHECK's abort hook at MPI_Abort.
/// MPI: collective over all processes, after MPI_Init.
Comm *comm_create_world(void);

/// A communicator of this process alone.
/// MPI: local; MPI need not be initialised.
Comm *comm_create_self(void);

/// MPI: collective (local for one rank), before MPI_Finalize. NULL is legal.
void comm_destroy(Comm *comm);

int comm_rank(const Comm *comm);
int comm_nranks(const Comm *comm);

/// Replace values[n] by the least, greatest or sum over all ranks. n must agree (verified in debug
/// builds).
///   comm_sum_i64  CHECKs nothing: the caller knows that the sum fits
///   comm_sum_u64  wraps around modulo 2^64 (fingerprints)
/// MPI: collective.
void comm_min_i64(const Comm *comm, int64_t *values, int n);
void comm_max_i64(const Comm *comm, int64_t *values, int n);
void comm_sum_i64(const Comm *comm, int64_t *values, int n);
void comm_sum_u64(const Comm *comm, uint64_t *values, int n);

/// Copy bytes[n] of `root` to all ranks. n must agree.
/// MPI: collective.
void comm_broadcast(const Comm *comm, void *bytes, int64_t n, int root);
/// The same, for a few bytes that may take seconds: whoever waits sleeps, and learns of it some milliseconds late.
/// MPI: collective.
void comm_await(const Comm *comm, void *bytes, int64_t n, int root);

/// Blocks of all ranks behind each other: that of rank r is bytes[first[r]] .. bytes[first[r + 1]].
typedef struct Gathered {
    char *
        bytes; ///< owned; aligned for any type at 0, at first[r] only if the blocks before allow it
    int64_t *first; ///< first[nranks + 1]
    int nranks;     ///< 0 where nothing was delivered
} Gathered;

/// Collect bytes[n] of every rank, n may differ, on rank 0 (comm_gather: the others get nranks = 0)
/// or on every rank (comm_allgather). Release with gathered_free.
/// MPI: collective.
Gathered comm_gather(const Comm *comm, const void *bytes, int64_t n);
Gathered comm_allgather(const Comm *comm, const void *bytes, int64_t n);
void gathered_free(Gathered *gathered);

/// MPI: collective.
void comm_barrier(const Comm *comm);

/// Ranks fail together: every rank gets the status of the lowest failing rank, or STATUS_OK.
/// MPI: collective.
Status comm_agree(const Comm *comm, Status status);

/// What this rank has done since creation. A call that needs two MPI calls (comm_allgather: lengths, then bytes) counts
/// as two; a communicator of one rank counts nothing.
typedef struct CommStats {
    int64_t agreements; ///< MPI-collective calls
    int64_t bytes;      ///< handed to them by this rank
    int64_t wait_ns;    ///< wall time in them: waiting for others, and the network
} CommStats;

CommStats comm_stats(const Comm *comm);

/// Wall clock for such stretches: two calls take some 50 ns, an agreement some 700 (tests/bench/par.comm.n2.csv).
int64_t comm_clock_ns(void);
/// The same in seconds, for what is told.
double comm_clock_s(void);

/// CHECK that all ranks pass the same value; call it in debug builds on arguments that must match.
/// MPI: collective.
void comm_check_same(const Comm *comm, int64_t value, const char *what);

#endif
