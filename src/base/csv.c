#include "base/csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 40, ERRORS_SHOWN = 6, DIGITS_MAX = 18 };

Csv csv_open(const char *file, const char *text) {
    static const char BYTE_ORDER_MARK[] = "\xEF\xBB\xBF";
    if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        text += strlen(BYTE_ORDER_MARK);
    return (Csv){.file = file, .next = text};
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// A comma within quotes is one of the cell.
static int64_t cell_end(const char *line, int64_t begin, int64_t length) {
    bool quoted = false;
    int64_t end = begin;
    for (; end < length && (quoted || line[end] != ','); end++) quoted ^= line[end] == '"';
    return end;
}

/// Cut a line at its commas; blanks and quotes around a cell, as spreadsheets write them, are none of it.
static void split(Csv *csv, const char *line, int64_t length) {
    csv->ncells = 0;
    for (int64_t begin = 0; begin <= length; csv->ncells++) {
        const int64_t end = cell_end(line, begin, length);
        int64_t first = begin, last = end;
        while (first < last && is_blank(line[first])) first++;
        while (last > first && is_blank(line[last - 1])) last--;
        if (last - first > 1 && line[first] == '"' && line[last - 1] == '"') {
            first++;
            last--;
        }
        if (csv->ncells < CSV_CELLS_MAX)
            csv->cell[csv->ncells] = (CsvCell){line + first, last - first, first + 1};
        begin = end + 1;
    }
}

bool csv_next(Csv *csv) {
    csv->line++;
    for (; *csv->next != '\0'; csv->line++) {
        const char *line = csv->next, *end = strchr(line, '\n');
        const int64_t length = end ? end - line : (int64_t)strlen(line);
        csv->next = line + length + (end != NULL);
        split(csv, line, length);
        const CsvCell *first = &csv->cell[0];
        if ((csv->ncells > 1 || first->length > 0) && (first->length == 0 || first->at[0] != '#'))
            return true;
    }
    return false;
}

bool csv_header(Csv *csv, const char *const column[], int32_t least, int32_t most) {
    if (!csv_next(csv)) {
        csv->line = 1;
        csv_error(csv, 1, "the file is empty");
        return false;
    }
    bool good = csv->ncells >= least && csv->ncells <= most;
    for (int64_t i = 0; i < csv->ncells && good; i++) good = csv_is(&csv->cell[i], column[i]);
    if (good) return true;
    char all[128] = "";
    for (int32_t i = 0, n = 0; i < most && n < (int32_t)sizeof all; i++)
        n += snprintf(all + n, sizeof all - (size_t)n, "%s%s", i > 0 ? "," : "", column[i]);
    if (least < most)
        csv_error(csv, 1, "the first line must be '%s', of which the last %d may be left out", all,
                  most - least);
    else
        csv_error(csv, 1, "the first line must be '%s'", all);
    return false;
}

void csv_error(Csv *csv, int64_t column, const char *format, ...) {
    if (csv->nerrors++ > csv->nshown || csv->nshown == ERRORS_SHOWN) return;
    const size_t room = sizeof csv->errors - (size_t)csv->used;
    char *at = csv->errors + csv->used;
    int wrote = snprintf(at, room, "%s%.200s:%lld:%lld: ", csv->used > 0 ? "\n" : "", csv->file,
                         (long long)csv->line, (long long)column);
    va_list arguments;
    va_start(arguments, format);
    if ((size_t)wrote < room)
        wrote += vsnprintf(at + wrote, room - (size_t)wrote, format, arguments);
    va_end(arguments);
    if ((size_t)wrote < room) {
        csv->used += wrote;
        csv->nshown++;
    } else { // does not fit: neither this one nor later ones are shown
        *at = '\0';
    }
}

Status csv_status(const Csv *csv) {
    if (csv->nerrors == 0) return status_ok();
    const int64_t hidden = csv->nerrors - csv->nshown;
    if (hidden > 0) FAIL(STATUS_INPUT, "%s\n... and %lld more", csv->errors, (long long)hidden);
    FAIL(STATUS_INPUT, "%s", csv->errors);
}

bool csv_is(const CsvCell *cell, const char *word) {
    return (int64_t)strlen(word) == cell->length &&
           memcmp(word, cell->at, (size_t)cell->length) == 0;
}

bool csv_count(const CsvCell *cell, int64_t *count) {
    *count = 0;
    for (int64_t i = 0; i < cell->length; i++) {
        if (cell->at[i] < '0' || cell->at[i] > '9') return false;
        if (i < DIGITS_MAX) *count = 10 * *count + (cell->at[i] - '0');
    }
    return cell->length > 0 && cell->length <= DIGITS_MAX;
}

int csv_shown(const CsvCell *cell) {
    return (int)(cell->length < SHOWN_MAX ? cell->length : SHOWN_MAX);
}
