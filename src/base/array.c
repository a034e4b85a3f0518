#include "base/array.h"

#include "base/check.h"
#include "base/memory.h"

static const char *label_or_any(const char *label) { return label ? label : "array"; }

void array_grow(const char *label, void **block, int64_t *capacity, int64_t wanted,
                size_t element_bytes) {
    if (wanted <= *capacity) return;
    int64_t grown = array_grown(*capacity);
    if (grown < wanted) grown = wanted;
    CHECK(grown <= INT64_MAX / (int64_t)element_bytes, "array of %lld elements of %zu bytes",
          (long long)grown, element_bytes);
    *block = memory_resize(label_or_any(label), *block, (size_t)*capacity * element_bytes,
                           (size_t)grown * element_bytes);
    *capacity = grown;
}

void array_release(const char *label, void **block, int64_t *n, int64_t *capacity,
                   size_t element_bytes) {
    memory_free(label_or_any(label), *block, (size_t)*capacity * element_bytes);
    *block = NULL;
    *n = 0;
    *capacity = 0;
}
