/// rows.h: sums of links over spans behind each other: of one step, or of the sampling intervals of a cycle.
///
/// Idea.    Replicas are dealt to ranks by what can bind; what cannot (cluster_can_bind: bundles of a full-bisection
///          tier) several of them load, and each rank knows its part. Bins and hottest links are of totals, so such links
///          are set aside, told to rank 0 when rows are gathered, and added up there. They hold nobody: bytes are all
///          there is to add.
/// Limits.  Whole bytes: messages load such links with whole units of progress.
#ifndef COLOSSIM_OBSERVE_ROWS_H
#define COLOSSIM_OBSERVE_ROWS_H

#include "base/array.h"
#include "observe/load.h"
#include "par/comm.h"

/// Bytes of a link that other ranks load too, in a row.
typedef struct JointBytes {
    int64_t row, link, bytes;
} JointBytes;

typedef ARRAY_OF(JointBytes) JointList;

/// Zero-initialise to use.
typedef struct LoadRows {
    int64_t begin_ps;      ///< of the cycle, if they are its intervals
    LoadSum *first;        ///< each of load_sum_bytes(hot_links)
    TraceLinkLoad *chosen; ///< [n][nchosen] loads of chosen links
    int64_t n, capacity;
    int32_t hot_links, nchosen;
    JointList joint;
} LoadRows;

static inline LoadSum *rows_at(const LoadRows *rows, int64_t i) {
    return (LoadSum *)((char *)rows->first + (size_t)i * load_sum_bytes(rows->hot_links));
}
static inline TraceLinkLoad *rows_chosen(const LoadRows *rows, int64_t i) {
    return rows->chosen + i * rows->nchosen;
}
/// A row more, of nothing.
void rows_push(LoadRows *rows, const LoadAdder *adder, int64_t start_ps, int64_t end_ps);
void rows_free(LoadRows *rows);
/// Totals of links of this rank in a row, as load_add and load_add_alike.
void rows_add(LoadRows *rows, int64_t row, LoadAdder *adder, const LinkSample sample[], int64_t n);
void rows_add_alike(LoadRows *rows, int64_t row, LoadAdder *adder, const LinkSample *each,
                    const LinkId link[], int64_t listed, int64_t n);
/// Add those of all ranks up on rank 0; if the adder is not `divided`, they are there already.
///   MPI: collective; all ranks have as many rows.  Fails on a rank: as load_check.
Status rows_gather(LoadRows *rows, LoadAdder *adder, const Comm *comm);

/// Take the lists of all ranks, which are freed, to rank 0, added up; empty elsewhere.  MPI: collective.
JointList joint_gather(const Comm *comm, JointList *list);

#endif
