/// columns.h: from arrays of structs to the columns of a file.
#ifndef COLOSSIM_TRACE_COLUMNS_H
#define COLOSSIM_TRACE_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "trace/schema.h"

/// Where a dataset's elements stand in a struct: `width` of them side by side, `bytes` each.
typedef struct Column {
    TraceDataset dataset;
    size_t offset, bytes;
    int width;
} Column;

#define COLUMN(dataset, Struct, member) \
    { dataset, offsetof(Struct, member), sizeof(((Struct *)0)->member), 1 }
#define COLUMN_OF(dataset, Struct, member, n) \
    { dataset, offsetof(Struct, member), sizeof(((Struct *)0)->member[0]), n }

/// Bytes that n rows take in the type of the dataset.
int64_t column_bytes(const Column *column, int64_t n);

/// Pack the members of rows[n], `stride` bytes apart, into out[n * width] of the dataset's type. An int may
/// become narrower (CHECKed); otherwise sizes are equal.
void column_pack(const Column *column, const void *rows, size_t stride, int64_t n, void *out);

#endif
