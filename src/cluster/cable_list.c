#include "cluster/cable_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 4, DIGITS_MAX = 9, SHOWN_BYTES = 40, COUNT_MAX = 4096 };

static const char *const COLUMN[COLUMNS] = {"from", "to", "count", "tier"};

/// Text between two commas without the blanks around it.
typedef struct Cell {
    const char *at;
    int32_t length, column; ///< column from 1, in bytes
} Cell;

typedef struct End {
    int32_t level; ///< 0: a GPU
    int64_t number;
} End;

typedef struct RawCable {
    End a, b;
    int32_t tier, count;
} RawCable;

typedef struct Lines {
    const ClusterSpec *spec;
    const char *next;
    int32_t line, ncells;
    Cell cell[COLUMNS];
    ARRAY_OF(RawCable) raw;
    int64_t nerrors, used;
    char errors[STATUS_TEXT_BYTES - 40];
} Lines;

__attribute__((format(printf, 3, 4))) static void complain(Lines *lines, int32_t column,
                                                           const char *format, ...) {
    lines->nerrors++;
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t room = sizeof lines->errors - (size_t)lines->used;
    const int wrote =
        snprintf(lines->errors + lines->used, room, "%s%.200s:%d:%d: %s",
                 lines->used > 0 ? "\n" : "", lines->spec->cables, lines->line, column, text);
    if (wrote > 0 && (size_t)wrote < room)
        lines->used += wrote;
    else
        lines->errors[lines->used] = '\0';
}

static int shown(const Cell *cell) {
    return cell->length < SHOWN_BYTES ? cell->length : SHOWN_BYTES;
}

/// Cells of the next line that has any; false: there is none. More than COLUMNS are counted, not kept.
static bool next_line(Lines *lines) {
    while (*lines->next) {
        const char *at = lines->next, *end = at + strcspn(at, "\n");
        const char *const line = at;
        lines->next = *end ? end + 1 : end;
        lines->line++;
        while (end > at && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t')) end--;
        if (at == end || *at == '#') continue;
        for (lines->ncells = 0;; lines->ncells++) {
            const char *comma = at;
            while (comma < end && *comma != ',') comma++;
            const char *first = at, *last = comma;
            while (first < last && (*first == ' ' || *first == '\t')) first++;
            while (last > first && (last[-1] == ' ' || last[-1] == '\t')) last--;
            if (lines->ncells < COLUMNS)
                lines->cell[lines->ncells] =
                    (Cell){first, (int32_t)(last - first), (int32_t)(first - line) + 1};
            if (comma == end) break;
            at = comma + 1;
        }
        lines->ncells++;
        return true;
    }
    return false;
}

static bool read_number(const char *at, int32_t length, int64_t *number) {
    if (length < 1 || length > DIGITS_MAX) return false;
    *number = 0;
    for (int32_t i = 0; i < length; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        *number = 10 * *number + (at[i] - '0');
    }
    return true;
}

static bool is_word(const char *at, int32_t length, const char *word) {
    return (int32_t)strlen(word) == length && memcmp(at, word, (size_t)length) == 0;
}

/// 1 .. ntiers, or 0.
static int32_t tier_of_word(const ClusterSpec *spec, const char *at, int32_t length) {
    for (int32_t t = 1; t <= spec->ntiers; t++)
        if (is_word(at, length, spec->tier[t - 1].name)) return t;
    return 0;
}

/// "gpu 17" or "leaf 3".
static bool read_end(Lines *lines, const Cell *cell, End *end) {
    const ClusterSpec *spec = lines->spec;
    int32_t word = cell->length;
    while (word > 0 && cell->at[word - 1] != ' ') word--;
    const int32_t digits = word;
    while (word > 0 && cell->at[word - 1] == ' ') word--;
    const bool gpu = is_word(cell->at, word, "gpu");
    end->level = gpu ? 0 : tier_of_word(spec, cell->at, word);
    if ((!gpu && end->level == 0) ||
        !read_number(cell->at + digits, cell->length - digits, &end->number)) {
        complain(lines, cell->column, "an end of a cable is 'gpu 17' or '%s 3', got '%.*s'",
                 spec->tier[0].name, shown(cell), cell->at);
        return false;
    }
    const int64_t gpus = spec->nodes * spec->gpus_per_node;
    const int64_t most = gpu ? gpus : GRAPH_CABLES_MAX;
    if (end->number < most) return true;
    complain(lines, cell->column, "'%.*s': at most %lld are there, counted from 0", shown(cell),
             cell->at, (long long)most);
    return false;
}

static bool read_tier(Lines *lines, RawCable *raw) {
    const Cell *cell = &lines->cell[3];
    const int32_t highest = raw->a.level > raw->b.level ? raw->a.level : raw->b.level;
    raw->tier = raw->a.level == raw->b.level ? highest + 1 : highest;
    if (lines->ncells > 3 && cell->length > 0) {
        raw->tier = tier_of_word(lines->spec, cell->at, cell->length);
        if (raw->tier == 0 || (raw->tier == 1) != (raw->a.level == 0)) {
            complain(lines, cell->column,
                     "'%.*s' is no tier for this cable: the first is that of NICs, the others of "
                     "switches",
                     shown(cell), cell->at);
            return false;
        }
    }
    if (raw->tier <= lines->spec->ntiers) return true;
    complain(lines, lines->cell[0].column,
             "a cable between two switches of the last tier wants a tier of its own behind it");
    return false;
}

static bool read_cable(Lines *lines, RawCable *raw) {
    int64_t count = 1;
    if (lines->ncells < 2 || lines->ncells > COLUMNS) {
        complain(lines, 1, "a cable wants from,to and perhaps count,tier; got %d columns",
                 lines->ncells);
        return false;
    }
    if (!read_end(lines, &lines->cell[0], &raw->a) || !read_end(lines, &lines->cell[1], &raw->b))
        return false;
    const Cell *cell = &lines->cell[2];
    if (lines->ncells > 2 && cell->length > 0 &&
        (!read_number(cell->at, cell->length, &count) || count < 1 || count > COUNT_MAX)) {
        complain(lines, cell->column, "count wants a number from 1 to %d, got '%.*s'", COUNT_MAX,
                 shown(cell), cell->at);
        return false;
    }
    raw->count = (int32_t)count;
    if (raw->a.level > raw->b.level) {
        const End swap = raw->a;
        raw->a = raw->b;
        raw->b = swap;
    }
    if (raw->b.level > 0 && (raw->a.level != raw->b.level || raw->a.number != raw->b.number))
        return read_tier(lines, raw);
    complain(lines, lines->cell[1].column, "a cable goes from a GPU or a switch to another switch");
    return false;
}

static void read_header(Lines *lines) {
    if (!next_line(lines)) {
        complain(lines, 1, "the first line wants the names of columns: from,to,count,tier");
        return;
    }
    bool good = lines->ncells >= 2 && lines->ncells <= COLUMNS;
    for (int32_t i = 0; i < lines->ncells && good; i++)
        good = is_word(lines->cell[i].at, lines->cell[i].length, COLUMN[i]);
    if (!good) complain(lines, 1, "the first line wants the names of columns: from,to,count,tier");
}

/// Count the switches of each level, and find numbers that none has.
static void count_switches(Lines *lines, ListedCables *list) {
    for (int64_t i = 0; i < lines->raw.n; i++) {
        const End end[2] = {lines->raw.at[i].a, lines->raw.at[i].b};
        for (int32_t k = 0; k < 2; k++)
            if (end[k].level > 0 && end[k].number >= list->nswitches[end[k].level])
                list->nswitches[end[k].level] = end[k].number + 1;
    }
    for (int32_t l = 1; l <= lines->spec->ntiers; l++) {
        ARRAY_OF(bool) there = {0};
        for (int64_t i = 0; i < list->nswitches[l]; i++) array_push(&there, false);
        for (int64_t i = 0; i < lines->raw.n; i++) {
            const RawCable *raw = &lines->raw.at[i];
            if (raw->a.level == l) there.at[raw->a.number] = true;
            if (raw->b.level == l) there.at[raw->b.number] = true;
        }
        int64_t lost = 0;
        while (lost < there.n && there.at[lost]) lost++;
        if (lost < there.n)
            complain(lines, 1,
                     "there is no cable at %s %lld, but one at %s %lld: numbers have no gaps",
                     lines->spec->tier[l - 1].name, (long long)lost, lines->spec->tier[l - 1].name,
                     (long long)there.n - 1);
        array_free(&there);
    }
}

static void list_cables(const Lines *lines, ListedCables *list) {
    int64_t first[FATTREE_LEVELS] = {0};
    for (int32_t l = 2; l < FATTREE_LEVELS; l++) first[l] = first[l - 1] + list->nswitches[l - 1];
    for (int64_t i = 0; i < lines->raw.n; i++) {
        const RawCable *raw = &lines->raw.at[i];
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
    Lines lines = {.spec = spec, .next = spec->cable_text ? spec->cable_text : ""};
    int64_t all = 0;
    read_header(&lines);
    if (lines.nerrors > 0) return status_make(STATUS_INPUT, "%s", lines.errors);
    while (all <= 2 * GRAPH_CABLES_MAX && next_line(&lines)) {
        RawCable raw = {0};
        if (!read_cable(&lines, &raw)) continue;
        array_push(&lines.raw, raw);
        all += raw.count;
    }
    if (all > 2 * GRAPH_CABLES_MAX)
        complain(&lines, 1, "more than %d cables", 2 * GRAPH_CABLES_MAX);
    if (lines.nerrors == 0) count_switches(&lines, list);
    if (lines.nerrors == 0) list_cables(&lines, list);
    array_free(&lines.raw);
    REQUIRE(lines.nerrors == 0, STATUS_INPUT, "%s", lines.errors);
    return status_ok();
}
