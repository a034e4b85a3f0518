/// comm_mpi.h: the MPI communicator behind a Comm, for *_dist.c and trace/ (HDF5 wants it).
#ifndef COLOSSIM_PAR_COMM_MPI_H
#define COLOSSIM_PAR_COMM_MPI_H

#include <mpi.h>

#include "par/comm.h"

/// The communicator; borrowed. MPI_COMM_SELF for comm_create_self. MPI: local.
MPI_Comm comm_mpi(const Comm *comm);

#endif
