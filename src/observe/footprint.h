/// footprint.h: bytes per GPU, per touched link and per active transfer, against what each may cost.
///
/// Idea.    memory.h knows how much each label has held at most; a table here says what a label grows with. Divided by how
///          many there are, that is what a larger machine or job will need:
///
///              GPUs       units, their last step, the operations that wait for them, groups
///              links      that some transfer touches: their slots in engines, islands and rings
///              transfers  the most at once: their own state
///              uses       a link in a route: a collective over a machine has as many as links, so they are no part of
///                         what a transfer costs by itself; routes, users of links, the system that is solved
///              totals     of a link, for the trace
///
///          Everything else does not grow with them, or is bounded: configuration, programs, the rows of the trace that
///          are being packed, the log that windows are undone from (32 MiB, island_player.c).
/// Limits.  Sums over ranks: what every rank holds counts once for each. Labels reach their most at different times, so the
///          sum is an upper bound. An island holds a place for each message that it can send: its transfers are counted
///          so, under way or not. Links and transfers that several ranks know count on each.
#ifndef COLOSSIM_OBSERVE_FOOTPRINT_H
#define COLOSSIM_OBSERVE_FOOTPRINT_H

#include "engine/engine.h"
#include "par/comm.h"
#include "trace/trace.h"

typedef enum FootprintKind {
    FOOTPRINT_GPU,
    FOOTPRINT_LINK,
    FOOTPRINT_TRANSFER,
    FOOTPRINT_USE,
    FOOTPRINT_TOTALS,
    FOOTPRINT_N
} FootprintKind;

/// Budgets were set when the project began; a benchmark holds runs to them. 0: none.
typedef struct FootprintRow {
    const char *name, *attribute;
    int64_t budget_bytes;
} FootprintRow;

extern const FootprintRow FOOTPRINT_ROWS[FOOTPRINT_N];

typedef struct Footprint {
    int64_t count[FOOTPRINT_N];
    int64_t bytes[FOOTPRINT_N]; ///< the most
} Footprint;

/// How many of each this rank has, before its engine is destroyed; `bytes` are left alone.  MPI: local.
void footprint_count(Footprint *footprint, int64_t ngpus, EngineSizes sizes);
/// Fill in bytes, and sum over ranks.  MPI: collective.
void footprint_gather(Footprint *footprint, const Comm *comm);
/// Attributes of /run: bytes_per_gpu, bytes_per_link, bytes_per_transfer, bytes_per_use, bytes_per_link_totals.  MPI: collective.
void footprint_note(const Footprint *footprint, Trace *trace);
/// Bytes for each of a kind.
double footprint_each(const Footprint *footprint, FootprintKind kind);

#endif
