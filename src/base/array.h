/// array.h: a growable array of any element type, as macros over one growth function.
///
///     ARRAY_OF(int64_t) times = {0};
///     array_push(&times, 5);           times.at[0] == 5, times.n == 1
///     array_free(&times);
/// Growth doubles at first, then goes by an eighth, of large arrays by a sixteenth; elements move, so keep indices, not
/// pointers. An array that deserves a row of its own in the report of memory.h gets its label before the first element:
/// times.label = "bench.times".
#ifndef COLOSSIM_BASE_ARRAY_H
#define COLOSSIM_BASE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_OF(T)        \
    struct {               \
        T *at;             \
        int64_t n;         \
        int64_t capacity;  \
        const char *label; \
    }

/// Capacity that follows. Blocks of the size where copying would cost get more pages instead (memory.h), all of them at
/// once: large arrays grow little by little.
static inline int64_t array_grown(int64_t capacity) {
    if (capacity < 32) return capacity < 8 ? 8 : 2 * capacity;
    return capacity + capacity / (capacity < 1024 ? 8 : 16);
}

/// Make room for at least `wanted` elements of `element_bytes` in *block of *capacity elements. `label` as in memory.h;
/// NULL: "array".
void array_grow(const char *label, void **block, int64_t *capacity, int64_t wanted,
                size_t element_bytes);
void array_release(const char *label, void **block, int64_t *n, int64_t *capacity,
                   size_t element_bytes);

#define array_reserve(a, wanted)                                                                   \
    do {                                                                                           \
        if ((wanted) > (a)->capacity)                                                              \
            array_grow((a)->label, (void **)&(a)->at, &(a)->capacity, (wanted), sizeof(*(a)->at)); \
    } while (0)
#define array_push(a, ...)                 \
    do {                                   \
        array_reserve((a), (a)->n + 1);    \
        (a)->at[(a)->n++] = (__VA_ARGS__); \
    } while (0)
#define array_resize(a, wanted)       \
    do {                              \
        array_reserve((a), (wanted)); \
        (a)->n = (wanted);            \
    } while (0)
#define array_clear(a) ((a)->n = 0)
#define array_free(a) \
    array_release((a)->label, (void **)&(a)->at, &(a)->n, &(a)->capacity, sizeof(*(a)->at))

#endif
