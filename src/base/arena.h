/// arena.h: a labelled bump allocator for things that are born and die together (a configuration, a program).
///
/// Idea.    Memory is cut from large chunks, which are given back all at once.
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

/// Cut zeroed bytes, aligned for any type; valid until arena_destroy. 0 is legal.
void *arena_alloc(Arena *arena, size_t bytes);

/// Cut a zeroed array: double *x = arena_array(arena, double, n).
#define arena_array(arena, T, n) ((T *)arena_alloc((arena), (size_t)(n) * sizeof(T)))

/// Release all; NULL is legal.
void arena_destroy(Arena *arena);

#endif
