/// operations_csv.h: what ranks do, from comma-separated text, with every error at its place.
///
/// Idea.    One header line, then one operation a line, those of each rank numbered from 0 in this order:
///              rank,id,what,with,tag,bytes,time,resource,after
///              0,0,compute,,,,5 us,0,
///              0,1,send,1,7,1 MiB,,,0
///              1,0,receive,0,7,1 MiB,,,
///              1,1,all_reduce,1-2,,64 MiB,,0,0
///              2,0,all_reduce,1-2,,64 MiB,,0,
///          with      send, receive: the other rank; a collective: all, or ranks and ranges, `0 2 8-15 16-64/8`,
///                    in the order of its rings; all members write them alike
///          tag       0 if empty; of a collective it tells communicators of the same ranks apart
///          time      of a computation
///          resource  a number; empty: it needs none
///          after     numbers of operations of the same rank that end before, `0 3`; `4+`: that begin before
/// Limits.  No quotes; sizes and times carry a unit.
#ifndef COLOSSIM_WORKLOAD_OPERATIONS_CSV_H
#define COLOSSIM_WORKLOAD_OPERATIONS_CSV_H

#include "workload/operations.h"

/// Parse all of `text` for so many ranks, and finish. `file` is named in messages; `text` is borrowed by groups.
///   Fails: STATUS_INPUT listing file:line:column of the errors, as many as a Status holds.
///   MPI: local. Also on failure `operations` is the caller's to release.
Status operations_csv_parse(const char *file, const char *text, int64_t ranks, int64_t eager_bytes,
                            Operations *operations);

#endif
