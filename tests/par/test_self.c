// Law: a communicator of one rank works without MPI_Init and gives what one rank under mpirun
// gives.
#include <string.h>

#include "claims.h"
#include "par/comm.h"

static void self_needs_no_mpi(void **state) {
    (void)state;
    Comm *comm = comm_create_self();
    assert_int_equal(comm_rank(comm), 0);
    assert_int_equal(comm_nranks(comm), 1);
    int64_t values[2] = {5, -3};
    comm_min_i64(comm, values, 2);
    comm_sum_i64(comm, values, 2);
    assert_int_equal(values[1], -3);
    comm_broadcast(comm, values, sizeof values, 0);
    comm_barrier(comm);
    comm_check_same(comm, 4, "four");
    Gathered all = comm_gather(comm, "abc", 3);
    assert_int_equal(all.nranks, 1);
    assert_memory_equal(all.bytes, "abc", 3);
    gathered_free(&all);
    Status status = comm_agree(comm, status_make(STATUS_INPUT, "wrong"));
    assert_int_equal(status.code, STATUS_INPUT);
    assert_string_equal(status.text, "wrong");
    comm_destroy(comm);
    comm_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_needs_no_mpi),
    };
    return cmocka_run_group_tests_name("self", tests, NULL, NULL);
}
