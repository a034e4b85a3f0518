#include "base/undo.h"

#include <string.h>

/// Behind the old bytes, so that the log is read backwards.
typedef struct UndoEntry {
    void *block;   ///< address of the pointer to it; NULL: none
    void *at;      ///< without a block
    size_t offset; ///< in the block
    size_t bytes;
} UndoEntry;

/// Entries are aligned.
static size_t padded(size_t bytes) {
    return (bytes + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
}

static char *block_at(void *block) {
    char *at;
    memcpy(&at, block, sizeof at);
    return at;
}

/// Keep bytes; returns their entry, to be filled in.
static UndoEntry *keep(UndoLog *log, const void *old, size_t bytes) {
    size_t size = padded(bytes) + sizeof(UndoEntry);
    array_reserve(&log->old, log->old.n + (int64_t)size);
    char *to = log->old.at + log->old.n;
    memcpy(to, old, bytes);
    log->old.n += (int64_t)size;
    return (UndoEntry *)(void *)(to + padded(bytes));
}

void undo_keep(UndoLog *log, void *at, size_t bytes) {
    if (!log->on || bytes == 0) return;
    *keep(log, at, bytes) = (UndoEntry){.at = at, .bytes = bytes};
}

void undo_keep_in(UndoLog *log, void *block, size_t offset, size_t bytes) {
    if (!log->on || bytes == 0) return;
    *keep(log, block_at(block) + offset, bytes) =
        (UndoEntry){.block = block, .offset = offset, .bytes = bytes};
}

void undo_return(const UndoLog *log, int64_t first, int64_t end) {
    while (end > first) {
        const UndoEntry *entry = (const UndoEntry *)(void *)(log->old.at + end) - 1;
        end -= (int64_t)(padded(entry->bytes) + sizeof *entry);
        char *to = entry->block ? block_at(entry->block) + entry->offset : entry->at;
        memcpy(to, log->old.at + end, entry->bytes);
    }
}
