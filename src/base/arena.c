#include "base/arena.h"

#include <stdalign.h>

#include "base/check.h"
#include "base/memory.h"

typedef struct Chunk {
    struct Chunk *before;
    size_t capacity_bytes, used_bytes;
    alignas(max_align_t) char bytes[];
} Chunk;

struct Arena {
    const char *label;
    size_t chunk_bytes;
    Chunk *latest;
};

Arena *arena_create(const char *label, size_t chunk_bytes) {
    CHECK(chunk_bytes > 0, "arena '%s' with empty chunks", label);
    Arena *arena = memory_alloc(label, sizeof *arena);
    arena->label = label;
    arena->chunk_bytes = chunk_bytes;
    return arena;
}

static void open_chunk(Arena *arena, size_t bytes) {
    size_t capacity = bytes > arena->chunk_bytes ? bytes : arena->chunk_bytes;
    Chunk *chunk = memory_alloc(arena->label, sizeof *chunk + capacity);
    chunk->capacity_bytes = capacity;
    chunk->before = arena->latest;
    arena->latest = chunk;
}

void *arena_alloc(Arena *arena, size_t bytes) {
    CHECK(bytes < SIZE_MAX / 2, "%zu bytes from arena '%s'", bytes, arena->label);
    size_t padded =
        (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (!arena->latest || arena->latest->capacity_bytes - arena->latest->used_bytes < padded)
        open_chunk(arena, padded);
    Chunk *chunk = arena->latest;
    chunk->used_bytes += padded;
    return chunk->bytes + chunk->used_bytes - padded;
}

void arena_destroy(Arena *arena) {
    if (!arena) return;
    for (Chunk *chunk = arena->latest; chunk;) {
        Chunk *before = chunk->before;
        memory_free(arena->label, chunk, sizeof *chunk + chunk->capacity_bytes);
        chunk = before;
    }
    memory_free(arena->label, arena, sizeof *arena);
}
