#include "par/partition.h"

#include "base/check.h"

Partition partition_make(int64_t n, int64_t block, int nranks) {
    CHECK(n >= 0 && block >= 1 && nranks >= 1, "%lld items in blocks of %lld over %d ranks",
          (long long)n, (long long)block, nranks);
    return (Partition){.n = n, .block = block, .nranks = nranks};
}

static int64_t count_blocks(const Partition *partition) {
    return partition->n / partition->block + (partition->n % partition->block != 0);
}

int64_t partition_first(const Partition *partition, int rank) {
    DCHECK(rank >= 0 && rank <= partition->nranks, "rank %d of %d", rank, partition->nranks);
    int64_t n_blocks = count_blocks(partition);
    int64_t each = n_blocks / partition->nranks, rest = n_blocks % partition->nranks;
    int64_t first_block = rank * each + (rank < rest ? rank : rest);
    return first_block == n_blocks ? partition->n : first_block * partition->block;
}

int64_t partition_count(const Partition *partition, int rank) {
    return partition_first(partition, rank + 1) - partition_first(partition, rank);
}

int partition_owner(const Partition *partition, int64_t item) {
    DCHECK(item >= 0 && item < partition->n, "item %lld of %lld", (long long)item,
           (long long)partition->n);
    int64_t n_blocks = count_blocks(partition), at = item / partition->block;
    int64_t each = n_blocks / partition->nranks, rest = n_blocks % partition->nranks;
    int64_t of_larger_ranks = rest * (each + 1);
    if (at < of_larger_ranks) return (int)(at / (each + 1));
    return (int)(rest + (at - of_larger_ranks) / each);
}
