/// isles.h: transfers played apart from the engine: each group of links far ahead of the others.
///
/// Idea.    An isle is a set of channels. A channel carries one transfer after the other, always the same, over links that
///          are its isle's alone as far as they can bind (cluster_can_bind). So the next milliseconds of an isle depend on
///          nothing but itself and the rings: transfers that cross isles, such as collectives. A ring progresses at the
///          rate of its slowest link, and the isles that hold it back are many: its level hardly ever moves. So
///            - a window of time is played isle by isle, at the levels that rings have now. A transfer alone on its
///              links costs two comparisons; others are solved with those they share links with, rings being users with
///              a cap at their present level (isle_solve);
///            - behind the window all ranks look at what isles say: would a ring have had to give way (its level was too
///              high), or was there a moment at which nothing held it (too low)? The earliest such moment ends the
///              window; isles that went past it return to what they were, and are played again up to it;
///            - at that moment the levels of all rings are solved anew, exactly (isles_solve_rings).
///          A window is right because levels are unique: if every link agrees with the assumed levels at all times of
///          the window, they are the max-min levels of flow/maxmin.h. So the outcome is that of the engine to the bit.
///
///              isles_begin_window -> [isle_begin_play, isle_due, isle_solve, ...] of each isle -> isles_lay
///                   ^                        ^------ isle_return, if too far ------'                  |
///                   '--- isles_rings_due, isles_solve_rings, isle_solve <--- isles_end_window <-------'
///
///          Routes, prices and totals of links are the engine's: what isles and rings have moved, and how long they were
///          held back, is entered there (isles_enter_totals), and asked for there.
/// Limits.  For an engine that is `apart`, which plays no transfers of its own beside; at most ISLE_CHANNELS_MAX channels an
///          isle. A channel's latency is not below the control delay: what is still felt of its transfer is over when the
///          next starts.
/// Ranks.   Each rank has isles of its own; all ranks have all rings, and play them alike. Local unless it is said.
#ifndef COLOSSIM_ENGINE_ISLES_H
#define COLOSSIM_ENGINE_ISLES_H

#include "base/undo.h"
#include "engine/engine.h"
#include "engine/routes.h"
#include "par/comm.h"

enum { ISLE_CHANNELS_MAX = 64 };

typedef struct IslesSpec {
    int64_t n;        ///< isles of this rank
    int32_t channels; ///< of each
    /// What a channel carries, but for step and start, and how long before the first byte it is asked for. False: nothing.
    bool (*channel)(void *context, int64_t isle, int32_t channel, Transfer *transfer,
                    int64_t *latency_ps);
    void *context;
    const LinkOwner *own; ///< links of this rank, where several have isles; NULL: all
    /// [channels] of an isle, borrowed: when something is due there next, kept up to date; TIME_NEVER_PS: nothing.
    int64_t *(*times)(void *context, int64_t isle);
    UndoLog *undo; ///< borrowed: what is played while it is on can return
    const int32_t *leader,
        *nlike; ///< [n] see isle_leader; borrowed for isles_create; NULL: each is played for itself
    Comm *comm;
    int64_t control_delay_ps;
} IslesSpec;

typedef struct Isles Isles; // opaque

/// NULL where channels do not fall into isles on some rank: a link that can bind is used by two, or is another rank's.
///   MPI: collective over spec->comm.
Isles *isles_create(Engine *engine, const IslesSpec *spec);
void isles_destroy(Isles *isles);
/// Channels and rings that are held.
int64_t isles_ntransfers(const Isles *isles);

// Channels.

int64_t isle_latency_ps(const Isles *isles, int64_t isle, int32_t channel);
/// Both ends of a channel are there: its transfer starts at start_ps, a latency later.
void isle_start(Isles *isles, int64_t isle, int32_t channel, int64_t start_ps, int32_t step);
/// Transfers of now_ps begin, end and vanish; returns the channels, as bits, whose transfer has ended.
///   channel  the only one with something due; -1: look
uint64_t isle_due(Isles *isles, int64_t isle, int32_t channel, int64_t now_ps);
/// Of the last transfer of a channel, which has ended at now_ps; tag 0.
Completion isle_completion(const Isles *isles, int64_t isle, int32_t channel, int64_t now_ps);
/// Has its set of transfers changed, so that isle_solve has something to do?
bool isle_has_changed(const Isles *isles, int64_t isle);
/// Bring the levels of what has changed to the definition. False: a ring would have to give way.
bool isle_solve(Isles *isles, int64_t isle, int64_t now_ps);

// Rings.

/// Fails: as an engine's submit.
Status isles_submit(Isles *isles, const Transfer *transfer);
/// Earliest start, end, or end of a ghost.
int64_t isles_next_ring_ps(const Isles *isles);
/// Apply what starts, ends and vanishes now.
void isles_rings_due(Isles *isles, int64_t now_ps);
/// Completions of rings, ordered by tag; borrowed until isles_rings_due.
const Completion *isles_take_rings(Isles *isles, int64_t *n);
/// Are there rings on links?
bool isles_have_rings(const Isles *isles);
/// Has their set changed since they were solved?
bool isles_rings_have_changed(const Isles *isles);
/// Bring the levels of all rings to the definition; isles with rings whose level moved have changed.  MPI: collective.
void isles_solve_rings(Isles *isles, int64_t now_ps);

// Windows.

void isles_begin_window(Isles *isles);
/// Play an isle in this window, so that it can return to what it is now; and let it return.
void isle_begin_play(Isles *isles, int64_t isle);
void isle_return(Isles *isles, int64_t isle, int64_t undo_first, int64_t undo_end);
/// Bytes that the log of the window holds, beside the undo log.
int64_t isles_log_bytes(const Isles *isles);
/// Earliest moment of the window [from, to) at which nothing held some ring below its cap at its level, or to_ps.
///   MPI: collective.
int64_t isles_lay(Isles *isles, int64_t from_ps, int64_t to_ps);
/// The window has ended: what held rings back in it is for good.
void isles_end_window(Isles *isles, int64_t end_ps);
/// Enter into the engine's totals what has been moved and held back until now. Nothing before `step` is under way.
///   sample  also what is under way, at the end of a sampling interval
void isles_enter_totals(Isles *isles, int64_t now_ps, int32_t step, bool sample);

// Isles that are alike: where all that happens to them is alike, one is played for many, and few of them are built.

/// Which isles are alike, found before any is built: `spec` as for isles_create, of all that there could be.
typedef struct IslesFold IslesFold; // opaque
/// What a fold has found of isles [0, n).
typedef struct FoldedIsles {
    int32_t *
        leader; ///< [n] the isle that is played for one, the first of its kind; itself, if it is played
    bool *kept; ///< [n] isles_create wants it: it leads, or totals of its links are needed
    int64_t n;
} FoldedIsles;

///   kind    what else tells isles apart: those of different kinds are not alike
///   listed  of links that are alike so many are listed (LinkSink.put_alike), or all that there are
IslesFold *isles_fold_begin(Engine *engine, const IslesSpec *spec,
                            uint64_t (*kind)(const void *context, int64_t isle), int64_t listed);
/// A ring that they will meet, with edges that have a key; once more is legal.
void isles_fold_ring(IslesFold *fold, const Transfer *ring);
/// Links that are alike are known to the engine from now on. Where channels do not fall into isles nothing is alike.
///   Cost: O(edges of all channels of all isles); of the rings, O(edges) each.
FoldedIsles isles_fold_end(IslesFold *fold);
void isles_folded_free(FoldedIsles *folded);
/// The isle that is played for one; itself, if it is played.
int32_t isle_leader(const Isles *isles, int64_t isle);
/// How many one is played for, itself and those that are not kept included.
int32_t isle_nlike(const Isles *isles, int64_t isle);

#endif
