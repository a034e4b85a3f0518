/// joint.h: bytes of links that transfers of several ranks load, added up on rank 0.
///
/// Idea.    Replicas are dealt to ranks by what can bind; what cannot (cluster_can_bind: bundles of a full-bisection
///          tier) several of them load, and each rank knows its part. Bins and hottest links are of totals, so such links
///          are set aside, told to rank 0 when a row is written, and added up there. They hold nobody: bytes are all there
///          is to add.
/// Limits.  Whole bytes: messages load such links with whole units of progress.
#ifndef COLOSSIM_OBSERVE_JOINT_H
#define COLOSSIM_OBSERVE_JOINT_H

#include "base/array.h"
#include "observe/load.h"
#include "par/comm.h"

/// Bytes of a link in an interval or step.
typedef struct JointBytes {
    int64_t index, link, bytes;
} JointBytes;

typedef ARRAY_OF(JointBytes) JointList;

/// sample[n] of interval or step `index`: what is this rank's alone to the adder, the rest to the list.
void joint_add(JointList *list, const Cluster *cluster, int64_t index, const LinkSample sample[],
               int64_t n, LoadAdder *adder);
/// Take what is in the lists of all ranks, which are freed.
///   total  out; on rank 0 each index and link once, ascending; empty elsewhere. To be freed.
///   MPI: collective.
void joint_gather(const Comm *comm, JointList *list, JointList *total);

#endif
