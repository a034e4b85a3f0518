// Law: a communicator of one rank works without MPI_Init and gives what one rank under mpirun
// gives.
#include <string.h>

#include "claims.h"
#include "par/comm.h"
#include "par/exchange.h"

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

static void self_exchange_delivers_to_itself(void **state) {
    (void)state;
    Comm *comm = comm_create_self();
    Exchange *exchange = exchange_create(comm);
    int from;
    const void *bytes;
    size_t n;
    assert_false(exchange_next(exchange, &from, &bytes, &n));
    for (int64_t round = 0; round < 10; round++) {
        exchange_put_all(exchange, &round, sizeof round);
        exchange_put(exchange, 0, NULL, 0);
        exchange_run(exchange);
        assert_true(exchange_next(exchange, &from, &bytes, &n));
        assert_int_equal(n, sizeof round);
        assert_memory_equal(bytes, &round, sizeof round);
        assert_true(exchange_next(exchange, &from, &bytes, &n));
        assert_int_equal(n, 0);
        assert_false(exchange_next(exchange, &from, &bytes, &n));
    }
    assert_int_equal(exchange_stats(exchange).rounds, 10);
    assert_int_equal(exchange_stats(exchange).messages, 0);
    exchange_destroy(exchange);
    exchange_destroy(NULL);
    comm_destroy(comm);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_needs_no_mpi),
        cmocka_unit_test(self_exchange_delivers_to_itself),
    };
    return cmocka_run_group_tests_name("self", tests, NULL, NULL);
}
