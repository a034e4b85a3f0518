/// par_assert.h: cmocka on several ranks without hanging.
///
/// Idea.    A cmocka assertion that fails on one rank jumps to the next test there, while the
///          others wait in MPI for ever. So the verdict is reduced first, and then all ranks assert
///          the same value. Between MPI calls use assert_all_ranks alone; plain cmocka assertions
///          only on values that are equal on all ranks.
#ifndef COLOSSIM_TESTS_PAR_ASSERT_H
#define COLOSSIM_TESTS_PAR_ASSERT_H

#include <mpi.h>
#include <stdio.h>

#include "claims.h"
#include "par/comm.h"

/// The verdict of all ranks; ranks that disagree name the place.
static inline int par_verdict(const Comm *comm, int good, const char *claim, const char *file,
                              int line) {
    int64_t verdict = good ? 1 : 0;
    if (!good)
        fprintf(stderr, "%s:%d: rank %d of %d: not true: %s\n", file, line, comm_rank(comm),
                comm_nranks(comm), claim);
    comm_min_i64(comm, &verdict, 1);
    return (int)verdict;
}

/// MPI: collective over `comm`.
#define assert_all_ranks(comm, condition)                                        \
    do {                                                                         \
        if (!par_verdict((comm), !!(condition), #condition, __FILE__, __LINE__)) \
            fail_msg("not true on every rank: %s", #condition);                  \
    } while (0)

/// Start MPI; ranks other than 0 keep their report to themselves. The communicator is each test's
/// state:
///     cmocka_unit_test_prestate(exchange_delivers, comm)      and there: const Comm *comm =
///     *state;
static inline Comm *par_begin(int *argc, char ***argv) {
    MPI_Init(argc, argv);
    Comm *comm = comm_create_world();
    if (comm_rank(comm) != 0 && !freopen("/dev/null", "w", stdout)) MPI_Abort(MPI_COMM_WORLD, 1);
    return comm;
}

/// Stop MPI; returns the exit code of the test program.
static inline int par_end(Comm *comm, int n_failed) {
    comm_destroy(comm);
    MPI_Finalize();
    return n_failed == 0 ? 0 : 1;
}

#endif
