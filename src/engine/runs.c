#include "engine/runs.h"

#include "base/check.h"
#include "base/memory.h"

int runs_class(int64_t n) {
    if (n <= RUN_EXACT_MAX) return (int)n - 1;
    int octave = 63 - __builtin_clzll((unsigned long long)(n - 1));
    int64_t quarter = INT64_C(1) << (octave - 2);
    return RUN_EXACT_MAX + 4 * (octave - RUN_EXACT_BITS) + (int)((n - 1 - 4 * quarter) / quarter);
}

int64_t runs_class_length(int class) {
    if (class < RUN_EXACT_MAX) return class + 1;
    int64_t quarter = INT64_C(1) << ((class - RUN_EXACT_MAX) / 4 + RUN_EXACT_BITS - 2);
    return (4 + (class - RUN_EXACT_MAX) % 4 + 1) * quarter;
}

void runs_init(Runs *runs, const char *label, size_t object_bytes) {
    *runs = (Runs){.label = label, .object_bytes = object_bytes};
}

void runs_fini(Runs *runs) {
    memory_free(runs->label, runs->at, (size_t)runs->capacity * runs->object_bytes);
    for (int class = 0; class < RUN_CLASSES; class ++) array_free(&runs->free_runs[class]);
}

static void runs_grow(Runs *runs, int64_t wanted) {
    int64_t capacity = array_grown(runs->capacity);
    if (capacity < wanted) capacity = wanted;
    CHECK(capacity < INT32_MAX, "'%s': more than 2^31 objects", runs->label);
    runs->at = memory_resize(runs->label, runs->at, (size_t)runs->capacity * runs->object_bytes,
                             (size_t)capacity * runs->object_bytes);
    runs->capacity = capacity;
}

void runs_reserve(Runs *runs, int64_t n) {
    if (runs->capacity == 0 && n > 0) runs_grow(runs, n);
}

int32_t runs_take(Runs *runs, int64_t n) {
    int class = runs_class(n);
    if (runs->free_runs[class].n > 0) return runs->free_runs[class].at[--runs->free_runs[class].n];
    int64_t length = runs_class_length(class);
    if (runs->n + length > runs->capacity) runs_grow(runs, runs->n + length);
    runs->n += length;
    return (int32_t)(runs->n - length);
}

void runs_give_back(Runs *runs, int32_t first, int64_t n) {
    array_push(&runs->free_runs[runs_class(n)], first);
}
