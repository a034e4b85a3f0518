/// csv_cells.h: cells of tables that jobs name: ranks, and sizes and times with their unit.
///
/// Idea.    A bare number is refused, as in the YAML files; what is wrong is reported at its cell (base/csv.h).
/// Limits.  Whole bytes and picoseconds, no exponents.
#ifndef COLOSSIM_WORKLOAD_CSV_CELLS_H
#define COLOSSIM_WORKLOAD_CSV_CELLS_H

#include "base/csv.h"

typedef struct CsvUnit {
    const char *name;
    int64_t size;
} CsvUnit;

/// A kind of quantity: what messages call it, and its units in bytes or picoseconds.
typedef struct CsvQuantity {
    const char *wanted, *whole;
    const char *most_text; ///< of `most`
    int64_t most;
    CsvUnit unit[10];
} CsvQuantity;

extern const CsvQuantity csv_size, csv_time;

/// A rank below `ranks`; a size or time. -1 after an error has been reported. `name` is what messages call the cell.
int64_t csv_rank(Csv *csv, int64_t ranks, const CsvCell *field, const char *name);
int64_t csv_quantity(Csv *csv, const CsvCell *field, const char *name, const CsvQuantity *quantity);

#endif
