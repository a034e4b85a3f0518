#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "claims.h"
#include "par/comm.h"
#include "trace/trace.h"

static Status create(const Comm *comm, const char *path, Trace **trace) {
    static const TraceTier tier = {
        .name = "leaf", .links = 2, .capacity_Bps = 1, .first_link = {0, 2}};
    const TraceInfo info = {.path = path,
                            .ngpus = 2,
                            .gpus_per_node = 2,
                            .tier = &tier,
                            .ntiers = 1,
                            .site_tier = &(TraceSiteTier){"site", 1},
                            .nsite_tiers = 1,
                            .nlinks = 4,
                            .hot_links = 1};
    return trace_create(comm, &info, trace);
}

/// True on all ranks if it is on all: a failure of one rank alone would leave the others waiting.
static bool everywhere(const Comm *comm, bool here) {
    int64_t all = here;
    comm_min_i64(comm, &all, 1);
    return all == 1;
}

// Law: a file that cannot be made is STATUS_OUTPUT (exit code 3) on every rank, and the message names it.
static void a_missing_folder_fails_on_all_ranks(void **state) {
    const Comm *comm = *state;
    Trace *trace = NULL;
    Status status = create(comm, "/nonexistent-folder/x.h5", &trace);
    assert_true(everywhere(
        comm, status.code == STATUS_OUTPUT && status_exit_code(status.code) == 3 && !trace));
    assert_true(everywhere(comm, strstr(status.text, "/nonexistent-folder/x.h5") != NULL));
}

// Law: a trace without a step leaves no file; closing nothing is fine.
static void an_empty_trace_leaves_nothing(void **state) {
    const Comm *comm = *state;
    const char *path = "trace_test_failure.h5";
    for (int i = 0; i < 2; i++) {
        Trace *trace = NULL;
        Status created = create(comm, path, &trace);
        assert_true(everywhere(comm, status_is_ok(&created)));
        Status closed = trace_close(&trace, "complete", "");
        assert_true(everywhere(comm, status_is_ok(&closed) && !trace));
    }
    Trace *none = NULL;
    Status closed = trace_close(&none, "complete", "");
    assert_true(status_is_ok(&closed));
    comm_barrier(comm);
    assert_true(everywhere(comm, access(path, F_OK) != 0 && !trace_is_held()));
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    Comm *comm = comm_create_world();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_missing_folder_fails_on_all_ranks, comm),
        cmocka_unit_test_prestate(an_empty_trace_leaves_nothing, comm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    comm_destroy(comm);
    MPI_Finalize();
    return failed;
}
