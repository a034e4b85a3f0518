// Cost of one exchange round between the ranks of a job, beside an MPI_Allreduce of as many header words.
// Prints CSV: what, ranks, record bytes to each rank, rounds, the median of the repetitions and the least,
// in microseconds a round. Run it on an idle machine with a core for each rank.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "par/comm_mpi.h"
#include "par/exchange.h"

enum { N_REPEATS = 15, MOST_BYTES = 65536 };

typedef struct Bench {
    const Comm *comm;
    Exchange *exchange;
    char *block;
    size_t bytes;
} Bench;

static void one_exchange(Bench *bench, int64_t round) {
    exchange_set_header(bench->exchange, (int64_t[4]){round});
    if (bench->bytes > 0) exchange_put_all(bench->exchange, bench->block, bench->bytes);
    exchange_run(bench->exchange);
}

static void one_allreduce(Bench *bench, int64_t round) {
    int64_t header[EXCHANGE_HEADER_WORDS] = {round};
    comm_min_i64(bench->comm, header, EXCHANGE_HEADER_WORDS);
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(const char *what, Bench *bench, void (*one)(Bench *, int64_t), int rounds) {
    double us[N_REPEATS];
    for (int repeat = 0; repeat < N_REPEATS; repeat++) {
        comm_barrier(bench->comm);
        double start = MPI_Wtime();
        for (int64_t round = 0; round < rounds; round++) one(bench, round);
        us[repeat] = (MPI_Wtime() - start) / rounds * 1e6;
    }
    qsort(us, N_REPEATS, sizeof us[0], compare_doubles);
    if (comm_rank(bench->comm) == 0)
        printf("%s,%d,%zu,%d,%.3f,%.3f\n", what, comm_nranks(bench->comm), bench->bytes, rounds,
               us[N_REPEATS / 2], us[0]);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    Comm *comm = comm_create_world();
    Bench bench = {.comm = comm, .exchange = exchange_create(comm)};
    bench.block = memory_alloc("bench", MOST_BYTES);
    if (comm_rank(comm) == 0) printf("what,ranks,bytes,rounds,median_us,least_us\n");
    const size_t bytes[] = {0, 64, 1024, 3000, 8192, 16000, 65536};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        bench.bytes = bytes[i];
        measure("exchange", &bench, one_exchange, bytes[i] > 4096 ? 2000 : 20000);
    }
    bench.bytes = 0;
    measure("allreduce", &bench, one_allreduce, 20000);
    memory_free("bench", bench.block, MOST_BYTES);
    exchange_destroy(bench.exchange);
    comm_destroy(comm);
    MPI_Finalize();
    return 0;
}
