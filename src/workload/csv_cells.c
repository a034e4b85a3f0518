#include "workload/csv_cells.h"

#include <string.h>

#include "base/units.h"
#include "base/wide.h"

enum { CSV_DIGITS_MAX = 18 };

const CsvQuantity csv_size = {
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
const CsvQuantity csv_time = {
    "a time with a unit, such as '3 us'",
    "picoseconds",
    "1000000 s",
    1000000 * PS_PER_S,
    {{"ps", 1}, {"ns", PS_PER_NS}, {"us", PS_PER_US}, {"ms", PS_PER_MS}, {"s", PS_PER_S}},
};

int64_t csv_rank(Csv *csv, int64_t ranks, const CsvCell *field, const char *name) {
    int64_t rank;
    if (csv_count(field, &rank) && rank < ranks) return rank;
    csv_error(csv, field->column, "%s wants a rank from 0 to %lld, got '%.*s'", name,
              (long long)ranks - 1, csv_shown(field), field->at);
    return -1;
}

/// Read digits with at most one point; returns how many bytes, 0 if there is no number.
static int64_t csv_decimal(const CsvCell *field, int64_t *digits, int64_t *scale) {
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
        if (c < '0' || c > '9') break;
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

int64_t csv_quantity(Csv *csv, const CsvCell *field, const char *name,
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
