#include "engine/runs.h"

#include "base/check.h"
#include "base/memory.h"

static int class_of(int64_t n) {
    if (n <= RUN_EXACT_MAX) return (int)n - 1;
    int class = RUN_EXACT_MAX;
    while ((int64_t)RUN_EXACT_MAX << (class - RUN_EXACT_MAX + 1) < n) class ++;
    return class;
}

static int64_t class_length(int class) {
    return class < RUN_EXACT_MAX ? class + 1
                                 : (int64_t)RUN_EXACT_MAX << (class - RUN_EXACT_MAX + 1);
}

void runs_init(Runs *runs, const char *label, size_t object_bytes) {
    *runs = (Runs){.label = label, .object_bytes = object_bytes};
}

void runs_fini(Runs *runs) {
    memory_free(runs->label, runs->at, (size_t)runs->capacity * runs->object_bytes);
    for (int class = 0; class < RUN_CLASSES; class ++) array_free(&runs->free_runs[class]);
}

static void runs_grow(Runs *runs, int64_t wanted) {
    int64_t capacity = runs_grown(runs->capacity);
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
    int class = class_of(n);
    if (runs->free_runs[class].n > 0) return runs->free_runs[class].at[--runs->free_runs[class].n];
    int64_t length = class_length(class);
    if (runs->n + length > runs->capacity) runs_grow(runs, runs->n + length);
    runs->n += length;
    return (int32_t)(runs->n - length);
}

void runs_give_back(Runs *runs, int32_t first, int64_t n) {
    array_push(&runs->free_runs[class_of(n)], first);
}
