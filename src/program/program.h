/// program.h: the first waist: what a role does in one step, as operations on streams with waits.
///
/// Idea.    A role is a pipeline rank; all units (GPUs that share layers) of a role share one
///          Program. Operations of one stream run in order, one at a time; an operation also waits
///          for up to PROGRAM_WAITS operations of other streams (kinds.h says what kinds mean). A program holds structure only:
///          time and bytes come from a cost function when an operation is issued. It is cyclic:
///          step k runs from the end of optimizer k-1 to the end of optimizer k; parameter gathers
///          of step k stand at its beginning.
///              COMPUTE    ......[F0][F1]....[B0]......[optimizer]
///              RECV_PREV  [r0][r1]
///              SEND_NEXT          [s0]
///              DP         [gather]          [reduce][norm]
///          The k-th receive on RECV_PREV matches the k-th send on the previous stage's SEND_NEXT,
///          and so for RECV_NEXT and SEND_PREV.
/// Limits.  Written out per role (thousands of operations), never per GPU.
#ifndef COLOSSIM_PROGRAM_PROGRAM_H
#define COLOSSIM_PROGRAM_PROGRAM_H

#include <stdint.h>

#include "base/status.h"
#include "program/kinds.h"

enum { PROGRAM_WAITS = 4 };

typedef struct Op {
    OpKind kind;
    Stream stream;
    int32_t chunk;      ///< 0 .. chunks-1; -1 if none
    int32_t microbatch; ///< -1 if none
    int32_t segment;    ///< of the chunk, in the order of the model; -1: all of it
    /// compute: this share of it (buckets become ready inside); gather, reduce: bucket `part` of
    /// `parts`
    int32_t part, parts;
    int32_t round;               ///< compute operations that are done together; -1: on its own
    int32_t wait[PROGRAM_WAITS]; ///< indices of operations of other streams; -1: no more
    int32_t sequence;            ///< computed: position within its stream
    /// computed: bit mask of streams that have an operation waiting for this one
    uint32_t wakes;
    int32_t nwaiters; ///< computed: operations of other streams that wait for this one
} Op;

typedef struct Program {
    Op *op;
    int32_t nops, capacity;
    int32_t *stream_op[STREAM_N]; ///< computed: op indices of a stream in order
    int32_t stream_nops[STREAM_N];
} Program;

void program_init(Program *program);
void program_fini(Program *program);

/// An operation without waits, in one part; `chunk` and `microbatch` are -1 if none.
Op program_op(OpKind kind, Stream stream, int32_t chunk, int32_t microbatch);
/// Make `op` wait for the operation at index `on`; -1 is nothing to wait for.
void op_add_wait(Op *op, int32_t on);

/// Append; returns its index. Waits must name operations of other streams (those of its own stream
/// are implied). Not after program_finish.
int32_t program_add(Program *program, Op op);
/// Compute sequence, wakes, nwaiters and the stream lists.
///   Fails: STATUS_RANGE if an operation is not on a stream of its kind, if a wait names no operation, one of its own
///   stream or one twice, or if waits and stream order have a cycle (naming the operations). A program that failed can
///   only be thrown away.
Status program_finish(Program *program);
/// Name of an operation for people, e.g. "forward chunk 3 microbatch 7"; returns `text`.
const char *program_op_name(const Op *op, char *text, int32_t capacity);

/// Check that the sends of each stage match the receives of its neighbours in number, order, chunk
/// and microbatch. A send carries the sender's chunk, a receive the receiver's: they are equal but
/// between the last stage and the first, where activations of chunk c arrive as chunk c + 1, and
/// gradients the other way.
///   program[pp], finished, one per pipeline rank.
///   Fails: STATUS_RANGE naming both stages and the first pair that differs.
Status programs_check_matching(const Program program[], int32_t pp);

#endif
