/// csv.h: comma-separated text line by line, with every error at its place.
///
/// Idea.    One header line, then one record a line. Empty lines and those that begin with # are skipped, blanks around cells
///          are no part of them, and the byte order mark that spreadsheets write is passed over. Errors are kept as lines
///          "file:line:column: what is wrong", as many as a Status holds.
/// Limits.  Quotes around a cell are no part of it, and may hold commas; quotes within it, and line breaks, may not be there.
#ifndef COLOSSIM_BASE_CSV_H
#define COLOSSIM_BASE_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { CSV_CELLS_MAX = 10 };

/// Text between two commas without blanks and quotes around it.
typedef struct CsvCell {
    const char *at;
    int64_t length, column; ///< column counts bytes from 1
} CsvCell;

typedef struct Csv {
    const char *file, *next; ///< the line that follows
    int64_t line;            ///< of the cells, from 1; at the end the one behind the last
    int64_t ncells;          ///< there are; the first CSV_CELLS_MAX are kept
    CsvCell cell[CSV_CELLS_MAX];
    int64_t nerrors, nshown, used;
    char errors[STATUS_TEXT_BYTES - 40]; ///< room is left for the count of those not shown
} Csv;

/// Begin; file and text are borrowed.
Csv csv_open(const char *file, const char *text);
/// The next line that has anything; false: there is none.
bool csv_next(Csv *csv);
/// Read the header: column[0 .. n - 1], least <= n <= most. False after reporting.
bool csv_header(Csv *csv, const char *const column[], int32_t least, int32_t most);
/// Report something at a column of the present line.
__attribute__((format(printf, 3, 4))) void csv_error(Csv *csv, int64_t column, const char *format,
                                                     ...);
/// Success, or STATUS_INPUT with the errors.
Status csv_status(const Csv *csv);

bool csv_is(const CsvCell *cell, const char *word);
/// Read a whole number >= 0 of at most 18 digits; false: it is none.
bool csv_count(const CsvCell *cell, int64_t *count);
/// Length of a cell for "%.*s" in a message.
int csv_shown(const CsvCell *cell);

#endif
