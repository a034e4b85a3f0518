#include "workload/traffic_csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/wide.h"

enum { CSV_COLUMNS = 4, CSV_SHOWN_MAX = 40, CSV_ERRORS_SHOWN = 6, CSV_DIGITS_MAX = 18 };

static const char *const csv_column[CSV_COLUMNS] = {"source", "destination", "bytes", "start"};

/// Text between two commas without the blanks around it.
typedef struct CsvField {
    const char *at;
    int64_t length, column; ///< column counts bytes from 1
} CsvField;

typedef struct Csv {
    const char *file;
    bool has_header;
    int64_t line, ranks, nerrors, nshown;
    char errors[STATUS_TEXT_BYTES - 40]; ///< room is left for the count of those not shown
    int64_t used;
} Csv;

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

static const CsvQuantity csv_size = {
    "a size with a unit, such as '1 MiB'",
    "bytes",
    "10000 TB",
    INT64_C(10000000000000000),
    {{"B", 1},
     {"kB", INT64_C(1000)},
     {"MB", INT64_C(1000000)},
     {"GB", INT64_C(1000000000)},
     {"TB", INT64_C(1000000000000)},
     {"KiB", INT64_C(1) << 10},
     {"MiB", INT64_C(1) << 20},
     {"GiB", INT64_C(1) << 30},
     {"TiB", INT64_C(1) << 40}},
};
static const CsvQuantity csv_time = {
    "a time with a unit, such as '3 us'",
    "picoseconds",
    "1000000 s",
    1000000 * PS_PER_S,
    {{"ps", 1}, {"ns", PS_PER_NS}, {"us", PS_PER_US}, {"ms", PS_PER_MS}, {"s", PS_PER_S}},
};

__attribute__((format(printf, 3, 4))) static void csv_error(Csv *csv, int64_t column,
                                                            const char *format, ...) {
    if (csv->nerrors++ > csv->nshown || csv->nshown == CSV_ERRORS_SHOWN) return;
    size_t room = sizeof csv->errors - (size_t)csv->used;
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

/// Length of the field for "%.*s".
static int csv_shown(const CsvField *field) {
    return (int)(field->length < CSV_SHOWN_MAX ? field->length : CSV_SHOWN_MAX);
}

static bool csv_is_digit(char c) { return c >= '0' && c <= '9'; }

static int64_t csv_rank(Csv *csv, const CsvField *field, const char *name) {
    int64_t rank = 0;
    bool good = field->length > 0 && field->length <= CSV_DIGITS_MAX;
    for (int64_t i = 0; i < field->length && good; i++) {
        good = csv_is_digit(field->at[i]);
        rank = 10 * rank + (field->at[i] - '0');
    }
    if (good && rank < csv->ranks) return rank;
    csv_error(csv, field->column, "%s wants a rank from 0 to %lld, got '%.*s'", name,
              (long long)csv->ranks - 1, csv_shown(field), field->at);
    return -1;
}

/// Read digits with at most one point; returns how many bytes, 0 if there is no number.
static int64_t csv_decimal(const CsvField *field, int64_t *digits, int64_t *scale) {
    bool point = false;
    int64_t i = 0, ndigits = 0;
    *digits = 0;
    *scale = 1;
    for (; i < field->length; i++) {
        char c = field->at[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!csv_is_digit(c)) break;
        if (++ndigits > CSV_DIGITS_MAX) return 0;
        *digits = 10 * *digits + (c - '0');
        if (point) *scale *= 10;
    }
    return ndigits > 0 ? i : 0;
}

static const CsvUnit *csv_unit(const CsvQuantity *quantity, const char *name, int64_t length) {
    for (const CsvUnit *unit = quantity->unit; unit->name; unit++) {
        if ((int64_t)strlen(unit->name) == length &&
            memcmp(unit->name, name, (size_t)length) == 0) {
            return unit;
        }
    }
    return NULL;
}

static int64_t csv_quantity(Csv *csv, const CsvField *field, const char *name,
                            const CsvQuantity *quantity) {
    int64_t digits, scale, used = csv_decimal(field, &digits, &scale);
    int64_t blanks = used;
    while (blanks < field->length && field->at[blanks] == ' ') blanks++;
    const CsvUnit *unit =
        used > 0 ? csv_unit(quantity, field->at + blanks, field->length - blanks) : NULL;
    if (!unit) {
        csv_error(csv, field->column, "%s wants %s, got '%.*s'", name, quantity->wanted,
                  csv_shown(field), field->at);
        return -1;
    }
    Wide value = (Wide)digits * unit->size;
    if (value % scale != 0 || value / scale > INT64_MAX) {
        csv_error(csv, field->column, "%s wants whole %s below 2^63, got '%.*s'", name,
                  quantity->whole, csv_shown(field), field->at);
        return -1;
    }
    if (value / scale > quantity->most) {
        csv_error(csv, field->column, "%s must be at most %s, got '%.*s'", name,
                  quantity->most_text, csv_shown(field), field->at);
        return -1;
    }
    return (int64_t)(value / scale);
}

static bool csv_is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// Cut a line at its commas. Returns the number of fields, of which the first CSV_COLUMNS are
/// stored.
static int64_t csv_split(const char *line, int64_t length, CsvField field[CSV_COLUMNS]) {
    int64_t n = 0;
    for (int64_t begin = 0; begin <= length; n++) {
        int64_t end = begin;
        while (end < length && line[end] != ',') end++;
        int64_t first = begin, last = end;
        while (first < last && csv_is_blank(line[first])) first++;
        while (last > first && csv_is_blank(line[last - 1])) last--;
        if (n < CSV_COLUMNS) field[n] = (CsvField){line + first, last - first, first + 1};
        begin = end + 1;
    }
    return n;
}

static void csv_check_header(Csv *csv, const CsvField field[CSV_COLUMNS], int64_t nfields) {
    bool good = nfields == CSV_COLUMNS;
    for (int32_t i = 0; i < CSV_COLUMNS && good; i++) {
        good = (int64_t)strlen(csv_column[i]) == field[i].length &&
               memcmp(csv_column[i], field[i].at, (size_t)field[i].length) == 0;
    }
    csv->has_header = good;
    if (!good) csv_error(csv, 1, "the first line must be 'source,destination,bytes,start'");
}

static void csv_add_flow(Csv *csv, const CsvField field[CSV_COLUMNS], int64_t nfields,
                         TrafficFlows *flows) {
    if (nfields != CSV_COLUMNS) {
        csv_error(csv, 1, "a flow has %d fields (source,destination,bytes,start), got %lld",
                  CSV_COLUMNS, (long long)nfields);
        return;
    }
    int64_t errors = csv->nerrors;
    TrafficFlow flow = {
        .nsrc = 1,
        .ndst = 1,
        .src = csv_rank(csv, &field[0], csv_column[0]),
        .dst = csv_rank(csv, &field[1], csv_column[1]),
        .bytes = csv_quantity(csv, &field[2], csv_column[2], &csv_size),
        .start_ps = csv_quantity(csv, &field[3], csv_column[3], &csv_time),
    };
    if (flow.src >= 0 && flow.src == flow.dst) {
        csv_error(csv, field[1].column, "destination is the source, rank %lld",
                  (long long)flow.dst);
    }
    if (flow.bytes == 0) csv_error(csv, field[2].column, "a flow of 0 bytes");
    if (csv->nerrors == errors) array_push(flows, flow);
}

static void csv_add_line(Csv *csv, const char *line, int64_t length, TrafficFlows *flows) {
    CsvField field[CSV_COLUMNS] = {0};
    int64_t nfields = csv_split(line, length, field);
    if (nfields == 1 && field[0].length == 0) return;
    if (field[0].length > 0 && field[0].at[0] == '#') return;
    if (csv->has_header) {
        csv_add_flow(csv, field, nfields, flows);
    } else {
        csv_check_header(csv, field, nfields);
    }
}

Status traffic_csv_parse(const char *file, const char *text, int64_t ranks, TrafficFlows *flows) {
    static const char BYTE_ORDER_MARK[] = "\xEF\xBB\xBF"; // spreadsheets write it
    Csv csv = {.file = file, .line = 1, .ranks = ranks};
    if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
        text += strlen(BYTE_ORDER_MARK);
    for (const char *line = text; *line != '\0'; csv.line++) {
        const char *end = strchr(line, '\n');
        int64_t length = end ? end - line : (int64_t)strlen(line);
        csv_add_line(&csv, line, length, flows);
        if (!csv.has_header && csv.nerrors > 0) break; // all that follows would be wrong as well
        line += end ? length + 1 : length;
    }
    if (csv.nerrors == 0 && !csv.has_header) csv_error(&csv, 1, "the file is empty");
    if (csv.nerrors == 0 && flows->n == 0) csv_error(&csv, 1, "no flow after the header");
    if (csv.nerrors == 0) return status_ok();
    int64_t hidden = csv.nerrors - csv.nshown;
    if (hidden > 0) FAIL(STATUS_INPUT, "%s\n... and %lld more", csv.errors, (long long)hidden);
    FAIL(STATUS_INPUT, "%s", csv.errors);
}
