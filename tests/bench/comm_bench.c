// Cost of an agreement between the ranks of a job: MPI_Allreduce of a few words.
// Prints CSV: what, ranks, record bytes to each rank (none), rounds, the median of the repetitions and the least,
// in microseconds a round. Run it on an idle machine with a core for each rank.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "par/comm.h"
#include "par/comm_mpi.h"

enum { N_REPEATS = 15, N_ROUNDS = 20000, WORDS = 4 };

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double round_us(Comm *comm) {
    comm_barrier(comm);
    double start = MPI_Wtime();
    for (int64_t round = 0; round < N_ROUNDS; round++) {
        int64_t words[WORDS] = {round};
        comm_min_i64(comm, words, WORDS);
    }
    return (MPI_Wtime() - start) / N_ROUNDS * 1e6;
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    Comm *comm = comm_create_world();
    double us[N_REPEATS];
    for (int repeat = 0; repeat < N_REPEATS; repeat++) us[repeat] = round_us(comm);
    qsort(us, N_REPEATS, sizeof us[0], compare_doubles);
    if (comm_rank(comm) == 0)
        printf("what,ranks,bytes,rounds,median_us,least_us\nallreduce,%d,0,%d,%.3f,%.3f\n",
               comm_nranks(comm), N_ROUNDS, us[N_REPEATS / 2], us[0]);
    comm_destroy(comm);
    MPI_Finalize();
    return 0;
}
