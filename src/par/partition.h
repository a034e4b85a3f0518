/// partition.h: n items over ranks, by arithmetic alone.
///
/// Idea.    Items come in blocks (all hosts of a leaf, all leaves of a pod) that are never cut. The
///          blocks are dealt in order, the first ranks taking one more where they do not divide
///          evenly; ranks beyond the number of blocks get nothing. Every rank knows every rank's
///          share.
///
///              n = 10, block = 2, 3 ranks:   |0 1 2 3|4 5 6 7|8 9|
/// Limits.  All blocks weigh the same.
#ifndef COLOSSIM_PAR_PARTITION_H
#define COLOSSIM_PAR_PARTITION_H

#include <stdint.h>

/// Set by partition_make.
typedef struct Partition {
    int64_t n;     ///< items
    int64_t block; ///< items per block; the last may be short
    int nranks;
} Partition;

/// n >= 0, block >= 1, nranks >= 1. MPI: local.
Partition partition_make(int64_t n, int64_t block, int nranks);

/// First item of a rank; `rank` may be nranks, which gives n. MPI: local.
int64_t partition_first(const Partition *partition, int rank);

/// Number of items of a rank, possibly 0. MPI: local.
int64_t partition_count(const Partition *partition, int rank);

/// The rank that has item 0 <= item < n. MPI: local.
int partition_owner(const Partition *partition, int64_t item);

#endif
