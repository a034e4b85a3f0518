#include "par/comm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/memory.h"
#include "par/comm_mpi.h"

struct Comm {
    MPI_Comm mpi;
    int rank, nranks;
    CommStats *stats; ///< behind a pointer: to count is no change of a communicator
};

static const char *const comm_label = "comm";

/// End all processes, and say who started it.
static void abort_all(void) {
    int running = 0, finished = 0, rank = 0;
    MPI_Initialized(&running);
    MPI_Finalized(&finished);
    if (!running || finished) return; // check_fail aborts this process
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    fprintf(stderr, "colossim: rank %d stops the run\n", rank);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

static Comm *comm_make(void) {
    Comm *comm = memory_alloc(comm_label, sizeof *comm);
    comm->stats = memory_alloc(comm_label, sizeof *comm->stats);
    return comm;
}

Comm *comm_create_world(void) {
    Comm *comm = comm_make();
    MPI_Comm_dup(MPI_COMM_WORLD, &comm->mpi);
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->nranks);
    check_set_abort_hook(abort_all);
    return comm;
}

Comm *comm_create_self(void) {
    Comm *comm = comm_make();
    comm->mpi = MPI_COMM_SELF;
    comm->nranks = 1;
    return comm;
}

void comm_destroy(Comm *comm) {
    if (!comm) return;
    if (comm->mpi != MPI_COMM_SELF) MPI_Comm_free(&comm->mpi);
    memory_free(comm_label, comm->stats, sizeof *comm->stats);
    memory_free(comm_label, comm, sizeof *comm);
}

int comm_rank(const Comm *comm) { return comm->rank; }

int comm_nranks(const Comm *comm) { return comm->nranks; }

MPI_Comm comm_mpi(const Comm *comm) { return comm->mpi; }

CommStats comm_stats(const Comm *comm) { return *comm->stats; }

int64_t comm_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double comm_clock_s(void) { return (double)comm_clock_ns() / 1e9; }

/// Enter one more agreement that began at begin_ns.
static void count_agreement(const Comm *comm, int64_t bytes, int64_t begin_ns) {
    comm->stats->agreements++;
    comm->stats->bytes += bytes;
    comm->stats->wait_ns += comm_clock_ns() - begin_ns;
}

void comm_check_same(const Comm *comm, int64_t value, const char *what) {
    if (comm->nranks == 1) return;
    // Greatest and, as the greatest complement, least value; a complement cannot overflow.
    int64_t ends[2] = {value, ~value};
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MAX, comm->mpi);
    CHECK(ends[0] == ~ends[1], "%s differs between ranks: %lld to %lld, here %lld", what,
          (long long)~ends[1], (long long)ends[0], (long long)value);
}

static void reduce(const Comm *comm, void *values, int n, MPI_Datatype type, MPI_Op op) {
    if (comm->nranks == 1) return;
#ifdef COLOSSIM_DEBUG
    comm_check_same(comm, n, "number of values to reduce");
#endif
    int64_t begin_ns = comm_clock_ns();
    MPI_Allreduce(MPI_IN_PLACE, values, n, type, op, comm->mpi);
    count_agreement(comm, n * (int64_t)sizeof(int64_t), begin_ns);
}

void comm_min_i64(const Comm *comm, int64_t *values, int n) {
    reduce(comm, values, n, MPI_INT64_T, MPI_MIN);
}

void comm_max_i64(const Comm *comm, int64_t *values, int n) {
    reduce(comm, values, n, MPI_INT64_T, MPI_MAX);
}

void comm_sum_i64(const Comm *comm, int64_t *values, int n) {
    reduce(comm, values, n, MPI_INT64_T, MPI_SUM);
}

void comm_sum_u64(const Comm *comm, uint64_t *values, int n) {
    reduce(comm, values, n, MPI_UINT64_T, MPI_SUM);
}

static int piece_of(int64_t bytes_left) {
    return bytes_left < COMM_PIECE_BYTES ? (int)bytes_left : COMM_PIECE_BYTES;
}

void comm_broadcast(const Comm *comm, void *bytes, int64_t n, int root) {
    if (comm->nranks == 1) return;
    int64_t begin_ns = comm_clock_ns();
    for (int64_t at = 0; at == 0 || at < n; at += COMM_PIECE_BYTES)
        MPI_Bcast((char *)bytes + at, piece_of(n - at), MPI_BYTE, root, comm->mpi);
    count_agreement(comm, comm->rank == root ? n : 0, begin_ns);
}

void comm_await(const Comm *comm, void *bytes, int64_t n, int root) {
    if (comm->nranks == 1) return;
    enum { FIRST_NS = 50 * 1000, LONGEST_NS = 2 * 1000 * 1000 };
    int64_t begin_ns = comm_clock_ns();
    MPI_Request request;
    MPI_Ibcast(bytes, (int)n, MPI_BYTE, root, comm->mpi, &request);
    struct timespec pause = {.tv_nsec = FIRST_NS};
    for (int arrived = 0; MPI_Test(&request, &arrived, MPI_STATUS_IGNORE), !arrived;) {
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < LONGEST_NS) pause.tv_nsec *= 2;
    }
    count_agreement(comm, comm->rank == root ? n : 0, begin_ns);
}

/// Storage for blocks of `sizes[nranks]` bytes; fills first[].
static Gathered gathered_make(int nranks, const int64_t *sizes) {
    Gathered all = {.nranks = nranks};
    all.first = memory_alloc(comm_label, ((size_t)nranks + 1) * sizeof *all.first);
    for (int r = 0; r < nranks; r++) all.first[r + 1] = all.first[r] + sizes[r];
    all.bytes = memory_alloc(comm_label, (size_t)all.first[nranks]);
    return all;
}

void gathered_free(Gathered *gathered) {
    if (gathered->nranks > 0) {
        size_t n = (size_t)gathered->nranks;
        memory_free(comm_label, gathered->bytes, (size_t)gathered->first[n]);
        memory_free(comm_label, gathered->first, (n + 1) * sizeof *gathered->first);
    }
    *gathered = (Gathered){0};
}

/// All blocks in one MPI call.
static void collect_at_once(const Comm *comm, const void *bytes, const int64_t *sizes,
                            Gathered *all, bool everywhere) {
    size_t table_bytes = (size_t)comm->nranks * sizeof(int);
    int *counts = memory_alloc(comm_label, table_bytes);
    int *starts = memory_alloc(comm_label, table_bytes);
    for (int r = 0; r < comm->nranks; r++) {
        counts[r] = (int)sizes[r];
        starts[r] = r == 0 ? 0 : starts[r - 1] + counts[r - 1];
    }
    int mine = counts[comm->rank];
    if (everywhere)
        MPI_Allgatherv(bytes, mine, MPI_BYTE, all->bytes, counts, starts, MPI_BYTE, comm->mpi);
    else
        MPI_Gatherv(bytes, mine, MPI_BYTE, all->bytes, counts, starts, MPI_BYTE, 0, comm->mpi);
    memory_free(comm_label, counts, table_bytes);
    memory_free(comm_label, starts, table_bytes);
}

/// Block after block, each in pieces: to all ranks, or to rank 0.
static void collect_in_pieces(const Comm *comm, const void *bytes, const int64_t *sizes,
                              Gathered *all, bool everywhere) {
    for (int r = 0; r < comm->nranks; r++) {
        char *place = all->nranks > 0 ? all->bytes + all->first[r] : NULL;
        if (r == comm->rank && place && sizes[r] > 0) memcpy(place, bytes, (size_t)sizes[r]);
        for (int64_t at = 0; at < sizes[r]; at += COMM_PIECE_BYTES) {
            int n = piece_of(sizes[r] - at);
            if (everywhere)
                MPI_Bcast(place + at, n, MPI_BYTE, r, comm->mpi);
            else if (r > 0 && comm->rank == 0)
                MPI_Recv(place + at, n, MPI_BYTE, r, 0, comm->mpi, MPI_STATUS_IGNORE);
            else if (r > 0 && comm->rank == r)
                MPI_Send((const char *)bytes + at, n, MPI_BYTE, 0, 0, comm->mpi);
        }
    }
}

static Gathered collect(const Comm *comm, const void *bytes, int64_t n, bool everywhere) {
    int nranks = comm->nranks;
    if (nranks == 1) {
        Gathered own = gathered_make(1, &n);
        if (n > 0) memcpy(own.bytes, bytes, (size_t)n);
        return own;
    }
    Gathered all = {0};
    int64_t *sizes = memory_alloc(comm_label, (size_t)nranks * sizeof *sizes), total = 0;
    int64_t begin_ns = comm_clock_ns();
    MPI_Allgather(&n, 1, MPI_INT64_T, sizes, 1, MPI_INT64_T, comm->mpi);
    count_agreement(comm, sizeof n, begin_ns);
    for (int r = 0; r < nranks; r++) total += sizes[r];
    if (everywhere || comm->rank == 0) all = gathered_make(nranks, sizes);
    begin_ns = comm_clock_ns();
    (total <= COMM_PIECE_BYTES ? collect_at_once : collect_in_pieces)(comm, bytes, sizes, &all,
                                                                      everywhere);
    count_agreement(comm, n, begin_ns);
    memory_free(comm_label, sizes, (size_t)nranks * sizeof *sizes);
    return all;
}

Gathered comm_allgather(const Comm *comm, const void *bytes, int64_t n) {
    return collect(comm, bytes, n, true);
}

Gathered comm_gather(const Comm *comm, const void *bytes, int64_t n) {
    return collect(comm, bytes, n, false);
}

void comm_barrier(const Comm *comm) {
    if (comm->nranks == 1) return;
    int64_t begin_ns = comm_clock_ns();
    MPI_Barrier(comm->mpi);
    count_agreement(comm, 0, begin_ns);
}

Status comm_agree(const Comm *comm, Status status) {
    if (comm->nranks == 1) return status;
    int64_t failing = status_is_ok(&status) ? comm->nranks : comm->rank;
    comm_min_i64(comm, &failing, 1);
    if (failing < comm->nranks) comm_broadcast(comm, &status, sizeof status, (int)failing);
    return status;
}
