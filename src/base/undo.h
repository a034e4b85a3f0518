/// undo.h: old bytes of what is about to change, so that it can return to what it was.
///
/// Idea.    Whoever plays ahead and may have gone too far keeps what he touches, the first time he does, and undoes all of
///          it backwards. Bytes lie one behind the other: keeping is a copy, returning another.
/// Limits.  What is kept must still be there when it returns; blocks may have moved meanwhile (undo_keep_in).
#ifndef COLOSSIM_BASE_UNDO_H
#define COLOSSIM_BASE_UNDO_H

#include <stdbool.h>

#include "base/array.h"

/// Zero-initialise to use. While it is not `on`, nothing is kept.
typedef struct UndoLog {
    ARRAY_OF(char) old;
    bool on;
} UndoLog;

/// Keep `bytes` at an address that stays.
void undo_keep(UndoLog *log, void *at, size_t bytes);
/// Keep bytes of a block that may move.
///   block  address of the pointer to it, which stays
void undo_keep_in(UndoLog *log, void *block, size_t offset, size_t bytes);
/// Return to what was, from `end` of the log back to `first`: values that log->old.n had.
void undo_return(const UndoLog *log, int64_t first, int64_t end);

#endif
