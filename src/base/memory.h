/// memory.h: the only place that asks for memory and gives it back; labelled, counted, never returns NULL.
///
/// Idea.    Each allocation carries a static label ("flow.links"). Live and high-water bytes per
///          label are kept, so that `--memory` can print bytes per GPU, link and transfer. Out of
///          memory is a CHECK. Blocks of a MiB and more are not copied to grow, but get more pages (memory.c).
#ifndef COLOSSIM_BASE_MEMORY_H
#define COLOSSIM_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/// Allocate zeroed bytes (0 is legal and gives a pointer that may be freed). `label` is a string
/// literal.
void *memory_alloc(const char *label, size_t bytes);

/// Grow or shrink; new bytes are zero. `block` may be NULL.
void *memory_resize(const char *label, void *block, size_t old_bytes, size_t new_bytes);

/// Release; NULL is legal. `bytes` and `label` as at allocation.
void memory_free(const char *label, void *block, size_t bytes);

/// One row of the report.
typedef struct MemoryRow {
    const char *label;
    int64_t live_bytes, high_bytes;
} MemoryRow;

/// Copy up to `capacity` rows sorted by label; returns the number of labels in use.
int memory_report(MemoryRow *rows, int capacity);

#endif
