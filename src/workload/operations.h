/// operations.h: what every rank of a job does, one operation after the other: the graph that an execution trace is.
///
/// Idea.    A rank computes for so long, sends, receives, or takes part in a collective, when the operations that it names have
///          ended (or begun), and when what it needs of its rank is free: operations that name the same resource of a
///          rank (a stream, a core) are done one at a time, whoever can begin first first.
///          What several operations do together is a joint: a message of a send and a receive, a collective of one
///          operation of each member. The k-th send from a to b with a tag goes to the k-th receive of b from a with that
///          tag, and the k-th collectives of a group with a tag are one, as in MPI and NCCL: by the order in which
///          ranks list them, not by when they come to them, so that who meets whom is known before anything is played.
///
///              rank 0   [compute]--[send 1]             joint 0: send and receive
///              rank 1            [receive 0]--[all_reduce]
///              rank 2   [compute]-------------[all_reduce]   joint 1: both members of group "1 2"
///
///          A message of at most `eager` bytes is buffered: its send ends when it has begun. Larger ones begin when both
///          their ends are there, as NCCL's do.
/// Limits.  No receives from anybody; less than 2^31 operations. Resources may lock each other out, which shows when it happens.
/// Source.  Hoefler, Siebert, Lumsdaine, "Group Operation Assembly Language", ICPP 2009 (labels, requires, irequires,
///          cpu); MLCommons Chakra, arXiv:2305.14516 (compute, send, receive and collective nodes with dependencies).
#ifndef COLOSSIM_WORKLOAD_OPERATIONS_H
#define COLOSSIM_WORKLOAD_OPERATIONS_H

#include "base/array.h"
#include "base/csv.h"
#include "base/table.h"
#include "program/kinds.h"

typedef enum OperationWhat {
    OPERATION_COMPUTE,
    OPERATION_SEND,
    OPERATION_RECEIVE,
    OPERATION_COLLECTIVE,
    OPERATION_WHAT_N
} OperationWhat;

typedef struct Operation {
    int64_t amount;     ///< of a computation picoseconds, else bytes, as Joint has them
    int64_t tag;        ///< >= 0
    int32_t rank, line; ///< of the table; 0: of none
    int32_t with;       ///< the other rank of a message, the group of a collective, -1
    int32_t
        resource; ///< as the table numbers them on each rank, -1: none; then among those of all ranks
    int32_t first_wait, nwaits;
    int32_t joint; ///< computed; -1: it computes
    int8_t what;
    int8_t kind; ///< CollectiveKind
} Operation;

/// For an operation of the same rank: for its end, or its begin.
typedef struct OperationWait {
    int32_t on; ///< number on its rank; then among all
    bool begin;
} OperationWait;

/// What operations do together.
typedef struct Joint {
    int64_t bytes;    ///< of a collective as CollectiveSpec has them
    int32_t first, n; ///< of Operations.member: of a message send and receive
    int32_t group;    ///< -1: a message
    int8_t kind;      ///< of a collective
    bool eager;       ///< the send of a message does not wait
} Joint;

typedef struct OperationGroup {
    const char *text; ///< as written; borrowed
    int64_t length;
    int64_t first, n; ///< of Operations.group_rank, in the order of the group; first -1: all ranks
} OperationGroup;

/// Zero-initialise, set nranks, add, finish.
typedef struct Operations {
    int64_t nranks;
    ARRAY_OF(Operation) op; ///< finished: by rank, and of a rank in the order of the table
    ARRAY_OF(OperationWait) wait;
    ARRAY_OF(OperationGroup) group;
    ARRAY_OF(int32_t) group_rank;
    Table group_of_text; ///< by a hash, the last of such groups
    // computed by operations_finish
    ARRAY_OF(int32_t) rank_first;   ///< [nranks + 1] its operations
    ARRAY_OF(Joint) joint;          ///< by the first operation that takes part
    ARRAY_OF(int32_t) member;       ///< operations of joints
    ARRAY_OF(int32_t) waiter_first; ///< [op.n + 1] of waiter: who waits for it
    ARRAY_OF(OperationWait) waiter; ///< [wait.n] `on` is who waits
    ARRAY_OF(int32_t) order; ///< [op.n] one in which they can begin, if none needs a resource
    int32_t nresources;
} Operations;

void operations_free(Operations *operations);
/// Append one, in the order of its rank; waits that are pushed afterwards are its own.
void operations_add(Operations *operations, Operation operation);
void operations_add_wait(Operations *operations, OperationWait wait);
/// The group that is written so; *found false: it is new, and its ranks are for the caller to push, all of them if
/// there are none.
int32_t operations_group(Operations *operations, const char *text, int64_t length, bool *found);
int64_t operations_group_size(const Operations *operations, int32_t group);
int64_t operations_group_rank(const Operations *operations, int32_t group, int64_t member);

/// Compute the rest.
///   csv          where errors go, at the lines of operations
///   eager_bytes  above this messages wait for their receives; -1: none does
///   Errors: waits for what is not there; a send without a receive, or of another size; collectives that not all members
///   take part in alike; operations that wait for each other, the first of them in a circle.
void operations_finish(Operations *operations, int64_t eager_bytes, Csv *csv);
/// For people: "receive 3 of rank 7 (line 12)"; returns `text`.
const char *operations_name(const Operations *operations, int64_t op, char *text, size_t capacity);
/// What its number on its rank is.
static inline int64_t operations_id(const Operations *operations, int64_t op) {
    return op - operations->rank_first.at[operations->op.at[op].rank];
}
static inline const Operation *joint_operation(const Operations *operations, const Joint *joint,
                                               int32_t i) {
    return &operations->op.at[operations->member.at[joint->first + i]];
}

#endif
