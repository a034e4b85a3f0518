#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

typedef struct Chunk {
    struct Chunk *next;
    size_t capacity_bytes, used_bytes;
    alignas(max_align_t) char bytes[];
} Chunk;

struct Arena {
    const char *label;
    size_t chunk_bytes;
    Chunk *first, *current; ///< chunks after `current` are empty, waiting for use
    int64_t used_bytes, high_bytes;
};

Arena *arena_create(const char *label, size_t chunk_bytes) {
    CHECK(chunk_bytes > 0, "arena '%s' with empty chunks", label);
    Arena *arena = memory_alloc(label, sizeof *arena);
    arena->label = label;
    arena->chunk_bytes = chunk_bytes;
    return arena;
}

/// Put a chunk with room for `bytes` behind the current one and make it current.
static void open_chunk(Arena *arena, size_t bytes) {
    Chunk **slot = arena->current ? &arena->current->next : &arena->first;
    if (!*slot || (*slot)->capacity_bytes < bytes) {
        size_t capacity = bytes > arena->chunk_bytes ? bytes : arena->chunk_bytes;
        Chunk *chunk = memory_alloc(arena->label, sizeof *chunk + capacity);
        chunk->capacity_bytes = capacity;
        chunk->next = *slot;
        *slot = chunk;
    }
    arena->current = *slot;
    arena->current->used_bytes = 0;
}

void *arena_alloc(Arena *arena, size_t bytes) {
    CHECK(bytes < SIZE_MAX / 2, "%zu bytes from arena '%s'", bytes, arena->label);
    size_t padded =
        (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    Chunk *chunk = arena->current;
    if (!chunk || chunk->capacity_bytes - chunk->used_bytes < padded) {
        open_chunk(arena, padded);
        chunk = arena->current;
    }
    void *block = chunk->bytes + chunk->used_bytes;
    chunk->used_bytes += padded;
    arena->used_bytes += (int64_t)padded;
    if (arena->used_bytes > arena->high_bytes) arena->high_bytes = arena->used_bytes;
    return memset(block, 0, bytes);
}

void arena_reset(Arena *arena) {
    arena->current = arena->first;
    if (arena->first) arena->first->used_bytes = 0;
    arena->used_bytes = 0;
}

int64_t arena_used_bytes(const Arena *arena) { return arena->used_bytes; }

int64_t arena_high_bytes(const Arena *arena) { return arena->high_bytes; }

void arena_destroy(Arena *arena) {
    if (!arena) return;
    for (Chunk *chunk = arena->first; chunk;) {
        Chunk *next = chunk->next;
        memory_free(arena->label, chunk, sizeof *chunk + chunk->capacity_bytes);
        chunk = next;
    }
    memory_free(arena->label, arena, sizeof *arena);
}
