#include "workload/operations_csv.h"

#include <string.h>

#include "workload/csv_cells.h"

enum OperationColumn { RANK, ID, WHAT, WITH, TAG, BYTES, TIME, RESOURCE, AFTER, COLUMNS_N };
static const char *const COLUMN[COLUMNS_N] = {
    [RANK] = "rank",   [ID] = "id",     [WHAT] = "what",         [WITH] = "with",  [TAG] = "tag",
    [BYTES] = "bytes", [TIME] = "time", [RESOURCE] = "resource", [AFTER] = "after"};

typedef struct Reading {
    Csv csv;
    Operations *operations;
    ARRAY_OF(int32_t) listed; ///< [ranks] operations of each
} Reading;

enum { OPERATIONS_MAX = INT32_MAX - 1 };

/// What a word is; false: none.
static bool read_what(const CsvCell *cell, Operation *operation) {
    operation->what = csv_is(cell, "compute")   ? OPERATION_COMPUTE
                      : csv_is(cell, "send")    ? OPERATION_SEND
                      : csv_is(cell, "receive") ? OPERATION_RECEIVE
                                                : OPERATION_COLLECTIVE;
    if (operation->what != OPERATION_COLLECTIVE) return true;
    while (operation->kind < COLLECTIVE_KIND_N && !csv_is(cell, COLLECTIVE_NAMES[operation->kind]))
        operation->kind++;
    return operation->kind < COLLECTIVE_KIND_N;
}

/// A number at the begin of what is left of a cell, which is cut off; -1: none.
static int64_t take_count(CsvCell *left) {
    CsvCell digits = {left->at, 0, left->column};
    while (digits.length < left->length && left->at[digits.length] >= '0' &&
           left->at[digits.length] <= '9')
        digits.length++;
    int64_t count;
    if (!csv_count(&digits, &count)) return -1;
    *left = (CsvCell){left->at + digits.length, left->length - digits.length,
                      left->column + digits.length};
    return count;
}

static bool take_sign(CsvCell *left, char sign) {
    if (left->length == 0 || left->at[0] != sign) return false;
    *left = (CsvCell){left->at + 1, left->length - 1, left->column + 1};
    return true;
}

/// One rank, or a range; false: that is none.
static bool take_ranks(Operations *operations, int32_t group, CsvCell *left) {
    int64_t first = take_count(left), last = first, step = 1;
    if (first >= 0 && take_sign(left, '-')) last = take_count(left);
    if (last >= first && take_sign(left, '/')) step = take_count(left);
    if (first < 0 || last < first || last >= operations->nranks || step < 1) return false;
    if (left->length > 0 && left->at[0] != ' ') return false;
    for (int64_t rank = first; rank <= last; rank += step) {
        array_push(&operations->group_rank, (int32_t)rank);
        operations->group.at[group].n++;
    }
    while (take_sign(left, ' ')) continue;
    return true;
}

static bool holds_twice(const Operations *operations, int32_t group) {
    Table seen = {0};
    bool twice = false;
    for (int64_t m = 0; m < operations->group.at[group].n && !twice; m++)
        twice = !table_insert(&seen, operations_group_rank(operations, group, m), 1);
    table_free(&seen);
    return twice;
}

static int32_t read_group(Reading *reading, const CsvCell *cell) {
    Operations *operations = reading->operations;
    bool found;
    const int32_t group = operations_group(operations, cell->at, cell->length, &found);
    if (found || csv_is(cell, "all")) return group;
    CsvCell left = *cell;
    bool good = cell->length > 0;
    while (left.length > 0 && good) good = take_ranks(operations, group, &left);
    if (!good)
        csv_error(&reading->csv, cell->column,
                  "with wants all, or ranks from 0 to %lld and ranges, such as '0 2 8-15 16-64/8', "
                  "got '%.*s'",
                  (long long)operations->nranks - 1, csv_shown(cell), cell->at);
    else if (holds_twice(operations, group))
        csv_error(&reading->csv, cell->column, "a rank is twice in '%.*s'", csv_shown(cell),
                  cell->at);
    return group;
}

static void read_peer(Reading *reading, const CsvCell *cell, Operation *operation) {
    operation->with =
        (int32_t)csv_rank(&reading->csv, reading->operations->nranks, cell, COLUMN[WITH]);
    if (operation->with >= 0 && operation->with == operation->rank)
        csv_error(&reading->csv, cell->column, "rank %d has a message with itself",
                  (int)operation->rank);
}

/// A number that may be left out.
static int64_t read_optional(Reading *reading, enum OperationColumn column, int64_t missing,
                             int64_t most) {
    const CsvCell *cell = &reading->csv.cell[column];
    int64_t count = missing;
    if (cell->length > 0 && (!csv_count(cell, &count) || count > most))
        csv_error(&reading->csv, cell->column, "%s wants a number from 0 to %lld, got '%.*s'",
                  COLUMN[column], (long long)most, csv_shown(cell), cell->at);
    return count;
}

static void want_empty(Reading *reading, enum OperationColumn column, const char *what) {
    const CsvCell *cell = &reading->csv.cell[column];
    if (cell->length > 0)
        csv_error(&reading->csv, cell->column, "%s has no %s, got '%.*s'", what, COLUMN[column],
                  csv_shown(cell), cell->at);
}

static void read_amount(Reading *reading, Operation *operation) {
    const CsvCell *cell = reading->csv.cell;
    if (operation->what == OPERATION_COMPUTE) {
        operation->amount = csv_quantity(&reading->csv, &cell[TIME], COLUMN[TIME], &csv_time);
        want_empty(reading, WITH, "a computation");
        want_empty(reading, TAG, "a computation");
        want_empty(reading, BYTES, "a computation");
        return;
    }
    operation->amount = csv_quantity(&reading->csv, &cell[BYTES], COLUMN[BYTES], &csv_size);
    want_empty(reading, TIME, "a message or collective");
    if (operation->what == OPERATION_COLLECTIVE && operation->amount == 0)
        csv_error(&reading->csv, cell[BYTES].column, "a collective of 0 bytes");
}

static void read_waits(Reading *reading) {
    const CsvCell *cell = &reading->csv.cell[AFTER];
    CsvCell left = *cell;
    while (left.length > 0) {
        const int64_t on = take_count(&left);
        const bool begin = take_sign(&left, '+');
        if (on < 0 || on > OPERATIONS_MAX || (left.length > 0 && left.at[0] != ' ')) {
            csv_error(&reading->csv, cell->column,
                      "after wants numbers of operations, such as '0 3 4+', got '%.*s'",
                      csv_shown(cell), cell->at);
            return;
        }
        operations_add_wait(reading->operations, (OperationWait){(int32_t)on, begin});
        while (take_sign(&left, ' ')) continue;
    }
}

/// Those of a rank are numbered as they stand there.
static void read_number(Reading *reading, int32_t rank) {
    const CsvCell *cell = &reading->csv.cell[ID];
    int64_t id;
    const int32_t next = reading->listed.at[rank]++;
    if (!csv_count(cell, &id) || id != next)
        csv_error(&reading->csv, cell->column,
                  "id wants %d, as this is operation %d of rank %d, got '%.*s'", (int)next,
                  (int)next, (int)rank, csv_shown(cell), cell->at);
}

static void read_row(Reading *reading) {
    Csv *csv = &reading->csv;
    if (csv->ncells != COLUMNS_N) {
        csv_error(csv, 1, "an operation has %d fields, got %lld", COLUMNS_N,
                  (long long)csv->ncells);
        return;
    }
    Operation operation = {.line = (int32_t)csv->line, .with = -1};
    operation.rank =
        (int32_t)csv_rank(csv, reading->operations->nranks, &csv->cell[RANK], COLUMN[RANK]);
    if (operation.rank < 0) return;
    read_number(reading, operation.rank);
    const CsvCell *what = &csv->cell[WHAT];
    if (!read_what(what, &operation)) {
        csv_error(csv, what->column,
                  "what wants compute, send, receive, all_reduce, reduce_scatter, all_gather or "
                  "all_to_all, got '%.*s'",
                  csv_shown(what), what->at);
        return;
    }
    read_amount(reading, &operation);
    if (operation.what == OPERATION_COLLECTIVE)
        operation.with = read_group(reading, &csv->cell[WITH]);
    else if (operation.what != OPERATION_COMPUTE)
        read_peer(reading, &csv->cell[WITH], &operation);
    operation.tag = read_optional(reading, TAG, 0, INT64_C(1) << 53);
    operation.resource = (int32_t)read_optional(reading, RESOURCE, -1, INT32_MAX);
    operations_add(reading->operations, operation);
    read_waits(reading);
}

Status operations_csv_parse(const char *file, const char *text, int64_t ranks, int64_t eager_bytes,
                            Operations *operations) {
    operations->nranks = ranks;
    Reading reading = {.csv = csv_open(file, text), .operations = operations};
    array_resize(&reading.listed, ranks);
    memset(reading.listed.at, 0, (size_t)ranks * sizeof(int32_t));
    Csv *csv = &reading.csv;
    if (csv_header(csv, COLUMN, COLUMNS_N, COLUMNS_N)) {
        while (csv_next(csv)) read_row(&reading);
        if (csv->nerrors == 0 && operations->op.n == 0)
            csv_error(csv, 1, "no operation after the header");
    }
    if (csv->nerrors == 0) operations_finish(operations, eager_bytes, csv);
    array_free(&reading.listed);
    return csv_status(csv);
}
