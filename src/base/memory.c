#define _GNU_SOURCE // mremap, madvise
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

enum {
    MEMORY_LABELS = 256,
    PAGE_BYTES = 4096, ///< or a part of one
    LINE_BYTES = 64,   ///< of the cache
};

#define LARGE_FROM ((size_t)1 << 20)   ///< bytes of a block that says where it comes from
#define MAPPED_FROM ((size_t)32 << 20) ///< malloc too gives such blocks pages of their own

/// In front of a large block. Those that malloc gives, it keeps for the next to ask when they are given back. One that
/// grows moves to pages of its own, with addresses to grow into: what it gets is clear, and nothing is copied again.
typedef struct Large {
    size_t mapped_bytes;  ///< 0: it is malloc's
    size_t fetched_bytes; ///< the rest was never touched
    char line[LINE_BYTES - 2 * sizeof(size_t)];
} Large;

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

static bool is_large(size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    (void)bytes;
    return false; // let it see the bounds
#else
    return bytes >= LARGE_FROM;
#endif
}

static size_t pages_of(size_t bytes) {
    return (bytes + sizeof(Large) + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

/// Fetch the pages of a block of `bytes` at once: one by one, as they are touched, costs half as much more.
static void fetch(Large *large, size_t bytes) {
    size_t fetched = pages_of(bytes);
    if (fetched <= large->fetched_bytes) return;
#ifdef MADV_POPULATE_WRITE // what fails is fetched when it is touched
    (void)madvise((char *)large + large->fetched_bytes, fetched - large->fetched_bytes,
                  MADV_POPULATE_WRITE);
#endif
    large->fetched_bytes = fetched;
}

/// A large block on pages of its own, with addresses for as many as `room` takes, if there are so many.
static void *map(size_t bytes, size_t room) {
    Large *large =
        mmap(NULL, pages_of(room), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (large == MAP_FAILED) return room > bytes ? map(bytes, bytes) : NULL;
    fetch(large, bytes);
    large->mapped_bytes = pages_of(room);
    return large + 1;
}

/// Cleared memory; NULL if there is none.
static void *take(size_t bytes) {
    if (!is_large(bytes)) return calloc(bytes ? bytes : 1, 1);
    if (bytes >= MAPPED_FROM) return map(bytes, bytes);
    Large *large = calloc(bytes + sizeof *large, 1);
    return large ? large + 1 : NULL;
}

static void give_back(void *block, size_t bytes) {
    Large *large = (Large *)block - 1;
    if (!is_large(bytes))
        free(block);
    else if (large->mapped_bytes == 0)
        free(large);
    else
        (void)munmap(large, large->mapped_bytes);
}

/// Let a block on pages of its own grow.
static void *remap(Large *large, size_t bytes) {
    if (pages_of(bytes) > large->mapped_bytes) {
        size_t room = pages_of(2 * bytes);
        void *moved = mremap(large, large->mapped_bytes, room, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED) {
            room = pages_of(bytes);
            moved = mremap(large, large->mapped_bytes, room, MREMAP_MAYMOVE);
        }
        if (moved == MAP_FAILED) return NULL;
        large = moved;
        large->mapped_bytes = room;
    }
    fetch(large, bytes);
    return large + 1;
}

/// Move to where a block of the new size belongs.
static void *move(void *block, size_t old_bytes, size_t new_bytes) {
    bool grows = new_bytes > old_bytes;
    void *moved = grows && is_large(new_bytes) ? map(new_bytes, 2 * new_bytes) : take(new_bytes);
    if (!moved) return NULL;
    memcpy(moved, block, grows ? old_bytes : new_bytes);
    give_back(block, old_bytes);
    return moved;
}

static void *resize(char *block, size_t old_bytes, size_t new_bytes) {
    if (is_large(old_bytes) && new_bytes > old_bytes && ((Large *)block - 1)->mapped_bytes > 0)
        return remap((Large *)block - 1, new_bytes);
    if (is_large(old_bytes) || is_large(new_bytes)) return move(block, old_bytes, new_bytes);
    char *grown = realloc(block, new_bytes ? new_bytes : 1);
    if (grown && new_bytes > old_bytes) memset(grown + old_bytes, 0, new_bytes - old_bytes);
    return grown;
}

void *memory_alloc(const char *label, size_t bytes) {
    void *block = take(bytes);
    CHECK(block, "out of memory: %zu bytes for '%s'", bytes, label);
    count(label, 0, bytes);
    return block;
}

void *memory_resize(const char *label, void *block, size_t old_bytes, size_t new_bytes) {
    if (!block) {
        CHECK(old_bytes == 0, "'%s': no block, but %zu bytes", label, old_bytes);
        return memory_alloc(label, new_bytes);
    }
    char *grown = resize(block, old_bytes, new_bytes);
    CHECK(grown, "out of memory: %zu bytes for '%s'", new_bytes, label);
    count(label, old_bytes, new_bytes);
    return grown;
}

void memory_free(const char *label, void *block, size_t bytes) {
    if (!block) return;
    count(label, bytes, 0);
    give_back(block, bytes);
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
