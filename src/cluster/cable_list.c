#include "cluster/cable_list.h"

#include <string.h>

#include "base/csv.h"

enum { COLUMNS = 4 };

static const char *const COLUMN[COLUMNS] = {"from", "to", "count", "tier"};

typedef struct End {
    int32_t level; ///< 0: a GPU
    int64_t number;
} End;

typedef struct RawCable {
    End a, b;
    int32_t tier, count;
} RawCable;

typedef ARRAY_OF(RawCable) RawCables;

/// 1 .. ntiers, or 0.
static int32_t tier_of_word(const ClusterSpec *spec, const CsvCell *cell) {
    for (int32_t t = 1; t <= spec->ntiers; t++)
        if (csv_is(cell, spec->tier[t - 1].name)) return t;
    return 0;
}

/// "gpu 17" or "leaf 3".
static bool read_end(Csv *csv, const ClusterSpec *spec, const CsvCell *cell, End *end) {
    CsvCell word = *cell;
    while (word.length > 0 && word.at[word.length - 1] != ' ') word.length--;
    const CsvCell number = {cell->at + word.length, cell->length - word.length, 0};
    while (word.length > 0 && word.at[word.length - 1] == ' ') word.length--;
    const bool gpu = csv_is(&word, "gpu");
    end->level = gpu ? 0 : tier_of_word(spec, &word);
    if ((!gpu && end->level == 0) || !csv_count(&number, &end->number)) {
        csv_error(csv, cell->column, "an end of a cable is 'gpu 17' or '%s 3', got '%.*s'",
                  spec->tier[0].name, csv_shown(cell), cell->at);
        return false;
    }
    const int64_t most = gpu ? cluster_spec_ngpus(spec) : GRAPH_CABLES_MAX;
    if (end->number < most) return true;
    csv_error(csv, cell->column, "'%.*s': at most %lld are there, counted from 0", csv_shown(cell),
              cell->at, (long long)most);
    return false;
}

static bool read_tier(Csv *csv, const ClusterSpec *spec, RawCable *raw) {
    const CsvCell *cell = &csv->cell[3];
    raw->tier = raw->a.level == raw->b.level ? raw->b.level + 1 : raw->b.level; // b is the higher
    if (csv->ncells > 3 && cell->length > 0) {
        raw->tier = tier_of_word(spec, cell);
        if (raw->tier == 0 || (raw->tier == 1) != (raw->a.level == 0)) {
            csv_error(csv, cell->column,
                      "'%.*s' is no tier for this cable: the first is that of NICs, the others of "
                      "switches",
                      csv_shown(cell), cell->at);
            return false;
        }
    }
    if (raw->tier <= spec->ntiers) return true;
    csv_error(csv, csv->cell[0].column,
              "a cable between two switches of the last tier wants a tier of its own behind it");
    return false;
}

static bool read_count(Csv *csv, RawCable *raw) {
    const CsvCell *cell = &csv->cell[2];
    int64_t count = 1;
    if (csv->ncells > 2 && cell->length > 0 &&
        (!csv_count(cell, &count) || count < 1 || count > CABLE_COUNT_MAX)) {
        csv_error(csv, cell->column, "count wants a number from 1 to %d, got '%.*s'",
                  CABLE_COUNT_MAX, csv_shown(cell), cell->at);
        return false;
    }
    raw->count = (int32_t)count;
    return true;
}

static bool read_cable(Csv *csv, const ClusterSpec *spec, RawCable *raw) {
    if (csv->ncells < 2 || csv->ncells > COLUMNS) {
        csv_error(csv, 1, "a cable wants from,to and perhaps count,tier; got %lld columns",
                  (long long)csv->ncells);
        return false;
    }
    if (!read_end(csv, spec, &csv->cell[0], &raw->a) ||
        !read_end(csv, spec, &csv->cell[1], &raw->b) || !read_count(csv, raw))
        return false;
    if (raw->a.level > raw->b.level) {
        const End swap = raw->a;
        raw->a = raw->b;
        raw->b = swap;
    }
    if (raw->b.level > 0 && (raw->a.level != raw->b.level || raw->a.number != raw->b.number))
        return read_tier(csv, spec, raw);
    csv_error(csv, csv->cell[1].column, "a cable goes from a GPU or a switch to another switch");
    return false;
}

/// Count the switches of each level.
static void count_switches(const RawCables *raw, ListedCables *list) {
    for (int64_t i = 0; i < raw->n; i++) {
        const End end[2] = {raw->at[i].a, raw->at[i].b};
        for (int32_t k = 0; k < 2; k++)
            if (end[k].level > 0 && end[k].number >= list->nswitches[end[k].level])
                list->nswitches[end[k].level] = end[k].number + 1;
    }
}

/// Find numbers that no switch of a level has.
static void find_gaps(Csv *csv, const ClusterSpec *spec, const RawCables *raw, int32_t level,
                      int64_t nswitches) {
    ARRAY_OF(bool) there = {0};
    for (int64_t i = 0; i < nswitches; i++) array_push(&there, false);
    for (int64_t i = 0; i < raw->n; i++) {
        if (raw->at[i].a.level == level) there.at[raw->at[i].a.number] = true;
        if (raw->at[i].b.level == level) there.at[raw->at[i].b.number] = true;
    }
    int64_t lost = 0;
    while (lost < nswitches && there.at[lost]) lost++;
    const char *name = spec->tier[level - 1].name;
    if (lost < nswitches)
        csv_error(csv, 1, "there is no cable at %s %lld, but one at %s %lld: numbers have no gaps",
                  name, (long long)lost, name, (long long)nswitches - 1);
    array_free(&there);
}

static void list_cables(const RawCables *raws, ListedCables *list) {
    int64_t first[FATTREE_LEVELS] = {0};
    for (int32_t l = 2; l < FATTREE_LEVELS; l++) first[l] = first[l - 1] + list->nswitches[l - 1];
    for (int64_t i = 0; i < raws->n; i++) {
        const RawCable *raw = &raws->at[i];
        const GraphCable cable = {raw->tier, (int32_t)(first[raw->a.level] + raw->a.number),
                                  (int32_t)(first[raw->b.level] + raw->b.number)};
        for (int32_t k = 0; k < raw->count; k++) {
            if (raw->tier == 1)
                array_push(&list->nics, cable);
            else
                array_push(&list->cables, cable);
        }
    }
}

Status cable_list_read(const ClusterSpec *spec, ListedCables *list) {
    Csv csv = csv_open(spec->cables, spec->cable_text ? spec->cable_text : "");
    RawCables raws = {0};
    int64_t all = 0;
    const bool begun = csv_header(&csv, COLUMN, 2, COLUMNS);
    while (begun && all <= 2 * GRAPH_CABLES_MAX && csv_next(&csv)) {
        RawCable raw = {0};
        if (!read_cable(&csv, spec, &raw)) continue;
        array_push(&raws, raw);
        all += raw.count;
    }
    if (all > 2 * GRAPH_CABLES_MAX) csv_error(&csv, 1, "more than %d cables", 2 * GRAPH_CABLES_MAX);
    if (csv.nerrors == 0) count_switches(&raws, list);
    for (int32_t l = 1; l <= spec->ntiers && csv.nerrors == 0; l++)
        find_gaps(&csv, spec, &raws, l, list->nswitches[l]);
    if (csv.nerrors == 0) list_cables(&raws, list);
    array_free(&raws);
    return csv_status(&csv);
}
