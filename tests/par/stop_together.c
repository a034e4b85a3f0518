// Rank 1 fails a CHECK while the others wait for it; without the abort hook the job would hang.
#include <mpi.h>

#include "base/check.h"
#include "par/comm.h"

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    Comm *comm = comm_create_world();
    CHECK(comm_rank(comm) != 1, "rank %d stops", comm_rank(comm));
    comm_barrier(comm);
    comm_destroy(comm);
    MPI_Finalize();
    return 0;
}
