/// arena.h: a labelled bump allocator for things that are born and die together (a run, a step).
///
/// Idea.    Memory is cut from large chunks; arena_reset forgets everything at once and keeps the
///          chunks, so that a step that needs as much as the last one allocates nothing.
/// Limits.  Nothing can be given back alone. A request above the chunk size gets a chunk of its
///          own.
#ifndef COLOSSIM_BASE_ARENA_H
#define COLOSSIM_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct Arena Arena;

/// Make an empty arena. `label` is a string literal; chunk_bytes > 0 is the least size asked of
/// memory.h.
Arena *arena_create(const char *label, size_t chunk_bytes);

/// Cut zeroed bytes, aligned for any type; valid until arena_reset or arena_destroy. 0 is legal.
void *arena_alloc(Arena *arena, size_t bytes);

/// Cut a zeroed array: double *x = arena_array(arena, double, n).
#define arena_array(arena, T, n) ((T *)arena_alloc((arena), (size_t)(n) * sizeof(T)))

/// Forget all allocations; chunks are kept for the next use.
void arena_reset(Arena *arena);

/// Bytes cut since creation or the last reset (with padding), and the most there ever were.
int64_t arena_used_bytes(const Arena *arena);
int64_t arena_high_bytes(const Arena *arena);

/// Release all; NULL is legal.
void arena_destroy(Arena *arena);

#endif
