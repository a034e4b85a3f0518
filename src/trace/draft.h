/// draft.h: the file of a run while nobody may lose anything by it: a draft beside its place, under one lock.
///
/// Idea.    A run that replaces PLACE/NAME writes PLACE/.NAME.part and moves it to its name once a step of it is
///          committed; until then what stood there is whole, also for those who have it open, and after a failure or a
///          kill it stands there still. One lock is taken before anything is touched and held to the end: a lock on
///          PLACE/.NAME.lock, and not on the trace itself, where it would keep readers out while the run goes on (those
///          that open files with the serial driver of HDF5 take one). The name is resolved first, so that links and
///          spellings of one place meet in one lock.
///
///              draft_begin      what is there may be replaced; lock; an empty draft
///              draft_reserve    room for what comes next
///              draft_publish    the draft gets its name
///              draft_check      the file is still where it was put
///              draft_end        an unpublished draft goes; unlock
///
/// Limits.  Where the file system knows no locks (some parallel ones are mounted so), two runs for one file are not
///          told apart. What a kill leaves of a draft goes with the next run for the same file.
/// Errors.  All are STATUS_OUTPUT, name the file as the user did, and say what the system said.
#ifndef COLOSSIM_TRACE_DRAFT_H
#define COLOSSIM_TRACE_DRAFT_H

#include <stdint.h>

#include "base/status.h"

typedef struct Draft Draft; // opaque

enum { DRAFT_PATH_BYTES = 4200 };

/// Whether what stands at a path is a trace, which a run may replace; `said` is its name for the message.
typedef Status (*DraftKind)(const char *path, const char *said);

/// Lock the place and make an empty draft. Nothing else is touched if this fails.
///   path          as the user wrote it
///   make_folder   make missing folders on the way to it
///   input[n]      paths of files that must not be replaced; those that do not exist are passed over
///   MPI: local.
Status draft_begin(const char *path, bool make_folder, const char *const input[], int ninputs,
                   DraftKind is_trace, Draft **draft);

/// Where the file is now; borrowed.
const char *draft_path(const Draft *draft);

/// Room for `bytes` more of rows, and some for what HDF5 notes of them, where the file system can set it aside. The
/// file is that long at once, so that a reader never finds it shorter than its first page says; HDF5 cuts it to what it
/// needs when it flushes.
Status draft_reserve(Draft *draft, int64_t bytes);

/// Give the draft its name, in one move; nothing happens the second time.
Status draft_publish(Draft *draft);
bool draft_is_published(const Draft *draft);

/// Fails if the file has been removed or another stands in its place.
Status draft_check(const Draft *draft);

/// Remove an unpublished draft, unlock and free. *draft becomes NULL; NULL is legal.
void draft_end(Draft **draft);

#endif
