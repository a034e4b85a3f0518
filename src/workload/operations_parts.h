/// operations_parts.h: what operations_finish is made of; inside workload/ only.
///
/// Idea.    Each part leaves to the next what it needs, and reports through `csv` what is wrong; after an error the
///          next is not called.
#ifndef COLOSSIM_WORKLOAD_OPERATIONS_PARTS_H
#define COLOSSIM_WORKLOAD_OPERATIONS_PARTS_H

#include "workload/operations.h"

/// operations_match.c: find out who meets whom.   Cost: O(n log n).
void operations_match(Operations *operations, int64_t eager_bytes, Csv *csv);
/// operations_order.c: let them begin one after the other; those that never can wait in a circle.   Cost: O(n).
void operations_put_in_order(Operations *operations, Csv *csv);

#endif
