#include "trace/columns.h"

#include <string.h>

#include "base/check.h"

int64_t column_bytes(const Column *column, int64_t n) {
    return n * column->width * trace_type_bytes(TRACE_DATASETS[column->dataset].type);
}

static void pack_narrow(const char *in, int8_t *out) {
    int32_t value;
    memcpy(&value, in, sizeof value);
    CHECK(value >= INT8_MIN && value <= INT8_MAX, "%d does not fit one byte", value);
    *out = (int8_t)value;
}

void column_pack(const Column *column, const void *rows, size_t stride, int64_t n, void *out) {
    const TraceType type = TRACE_DATASETS[column->dataset].type;
    const size_t bytes = (size_t)trace_type_bytes(type);
    const bool narrow = type == TRACE_I8 && column->bytes == sizeof(int32_t);
    CHECK(narrow || column->bytes == bytes, "%s: %zu bytes in memory, %zu in the file",
          TRACE_DATASETS[column->dataset].name, column->bytes, bytes);
    char *to = out;
    for (int64_t i = 0; i < n; i++) {
        const char *from = (const char *)rows + (size_t)i * stride + column->offset;
        if (narrow) {
            for (int w = 0; w < column->width; w++)
                pack_narrow(from + (size_t)w * column->bytes, (int8_t *)to + w);
        } else {
            memcpy(to, from, bytes * (size_t)column->width);
        }
        to += bytes * (size_t)column->width;
    }
}
