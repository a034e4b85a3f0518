#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { MEMORY_LABELS = 256 };

// Bookkeeping of the allocator, in no order that a result could see. A program-wide table like the
// allocator it counts: passing it along would put a parameter on every container.
static MemoryRow rows_by_use[MEMORY_LABELS];
static int n_rows;

static MemoryRow *find_row(const char *label) {
    CHECK(label, "an allocation needs a label");
    // The same literal usually has the same address; only its first use from another file compares
    // text.
    for (int i = 0; i < n_rows; i++)
        if (rows_by_use[i].label == label) return &rows_by_use[i];
    for (int i = 0; i < n_rows; i++)
        if (strcmp(rows_by_use[i].label, label) == 0) return &rows_by_use[i];
    CHECK(n_rows < MEMORY_LABELS, "more than %d memory labels at '%s'", MEMORY_LABELS, label);
    rows_by_use[n_rows] = (MemoryRow){.label = label};
    return &rows_by_use[n_rows++];
}

static void count(const char *label, size_t old_bytes, size_t new_bytes) {
    MemoryRow *row = find_row(label);
    row->live_bytes += (int64_t)new_bytes - (int64_t)old_bytes;
    CHECK(row->live_bytes >= 0, "'%s' gave back %lld bytes more than it took", label,
          (long long)-row->live_bytes);
    if (row->live_bytes > row->high_bytes) row->high_bytes = row->live_bytes;
}

void *memory_alloc(const char *label, size_t bytes) {
    void *block = calloc(bytes ? bytes : 1, 1);
    CHECK(block, "out of memory: %zu bytes for '%s'", bytes, label);
    count(label, 0, bytes);
    return block;
}

void *memory_resize(const char *label, void *block, size_t old_bytes, size_t new_bytes) {
    if (!block) {
        CHECK(old_bytes == 0, "'%s': no block, but %zu bytes", label, old_bytes);
        return memory_alloc(label, new_bytes);
    }
    char *grown = realloc(block, new_bytes ? new_bytes : 1);
    CHECK(grown, "out of memory: %zu bytes for '%s'", new_bytes, label);
    if (new_bytes > old_bytes) memset(grown + old_bytes, 0, new_bytes - old_bytes);
    count(label, old_bytes, new_bytes);
    return grown;
}

void memory_free(const char *label, void *block, size_t bytes) {
    if (!block) return;
    count(label, bytes, 0);
    free(block);
}

static int compare_labels(const void *left, const void *right) {
    return strcmp(((const MemoryRow *)left)->label, ((const MemoryRow *)right)->label);
}

int memory_report(MemoryRow *rows, int capacity) {
    MemoryRow sorted[MEMORY_LABELS];
    memcpy(sorted, rows_by_use, sizeof sorted);
    qsort(sorted, (size_t)n_rows, sizeof sorted[0], compare_labels);
    for (int i = 0; i < n_rows && i < capacity; i++) rows[i] = sorted[i];
    return n_rows;
}
