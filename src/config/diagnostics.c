#include "config/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"

enum { EXCERPT_BEFORE = 60, EXCERPT_CHARACTERS = 120, WORD_BYTES = 64 };

static bool is_known(const Diagnostics *diagnostics, const Diagnostic *one) {
    for (int64_t i = 0; i < diagnostics->n; i++) {
        const Diagnostic *other = &diagnostics->at[i];
        if (other->place.text == one->place.text && other->place.line == one->place.line &&
            other->place.column == one->place.column && strcmp(other->message, one->message) == 0)
            return true;
    }
    return false;
}

static void keep(Diagnostics *diagnostics, const Diagnostic *diagnostic, bool conflict) {
    diagnostics->reports++;
    if (is_known(diagnostics, diagnostic)) return;
    diagnostics->errors++;
    diagnostics->conflicts += conflict;
    // A text that could not be read has a Place without text: those are few and all shown.
    if (diagnostic->place.text) {
        // Counts its own errors; everything else of it is constant.
        Text *text = (Text *)diagnostic->place.text;
        if (++text->errors > DIAGNOSTICS_PER_TEXT) return;
    }
    array_push(diagnostics, *diagnostic);
}

void diagnostics_report(Diagnostics *diagnostics, Place place, bool conflict, const char *format,
                        va_list arguments) {
    Diagnostic diagnostic = {.place = place};
    vsnprintf(diagnostic.message, sizeof diagnostic.message, format, arguments);
    keep(diagnostics, &diagnostic, conflict);
}

void diagnostics_error(Diagnostics *diagnostics, Place place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    diagnostics_report(diagnostics, place, false, format, arguments);
    va_end(arguments);
}

void diagnostics_conflict(Diagnostics *diagnostics, Place place, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    diagnostics_report(diagnostics, place, true, format, arguments);
    va_end(arguments);
}

static int compare_places(const void *left, const void *right) {
    const Place *a = &((const Diagnostic *)left)->place, *b = &((const Diagnostic *)right)->place;
    int32_t order_a = a->text ? a->text->order : -1, order_b = b->text ? b->text->order : -1;
    if (order_a != order_b) return order_a < order_b ? -1 : 1;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return strcmp(((const Diagnostic *)left)->message, ((const Diagnostic *)right)->message);
}

/// First byte of a line (counted from 1) and its length without the line break.
static const char *line_of(const Text *text, int32_t line, int64_t *length) {
    const char *begin = text->bytes, *end = text->bytes + text->size;
    if (text->size >= 3 && memcmp(begin, "\xEF\xBB\xBF", 3) == 0) begin += 3;
    for (int32_t i = 1; i < line; i++) {
        const char *next = memchr(begin, '\n', (size_t)(end - begin));
        if (!next) break;
        begin = next + 1;
    }
    const char *stop = memchr(begin, '\n', (size_t)(end - begin));
    if (!stop) stop = end;
    if (stop > begin && stop[-1] == '\r') stop--;
    *length = stop - begin;
    return begin;
}

/// Print characters [first, first + count) of a line, and count all of them; what a terminal would
/// obey or could not show becomes a blank or '?'. `out` may be NULL.
static int64_t print_characters(const char *line, int64_t length, int64_t first, int64_t count,
                                TextBuffer *out) {
    const unsigned char *at = (const unsigned char *)line, *end = at + length;
    int64_t character = 0;
    for (; at < end; character++) {
        uint32_t code = 0;
        int bytes = text_decode(at, end, &code);
        bool shown = bytes > 0 && code >= 0x20 && (code < 0x7F || code >= 0xA0);
        if (bytes == 0) bytes = 1;
        if (out && character >= first && character < first + count) {
            if (shown)
                text_printf(out, "%.*s", bytes, (const char *)at);
            else
                text_put(out, code == '\t' ? ' ' : '?');
        }
        at += bytes;
    }
    return character;
}

static void print_excerpt(const Place *place, TextBuffer *out) {
    int64_t length;
    const char *line = line_of(place->text, place->line, &length);
    int64_t characters = print_characters(line, length, 0, 0, NULL);
    int64_t column = place->column - 1;
    int64_t first = 0;
    if (column > EXCERPT_CHARACTERS - 20) first = column - EXCERPT_BEFORE;
    text_printf(out, "%6d | %s", (int)place->line, first > 0 ? "..." : "");
    print_characters(line, length, first, EXCERPT_CHARACTERS, out);
    text_printf(out, "%s\n       | ", first + EXCERPT_CHARACTERS < characters ? "..." : "");
    int64_t blanks = column - first + (first > 0 ? 3 : 0);
    for (int64_t i = 0; i < blanks; i++) text_put(out, ' ');
    text_put(out, '^');
    int64_t most = first + EXCERPT_CHARACTERS - column;
    for (int64_t i = 1; i < place->length && i < most; i++) text_put(out, '~');
    text_put(out, '\n');
}

void diagnostics_print(Diagnostics *diagnostics, TextBuffer *out) {
    if (diagnostics->n > 0)
        qsort(diagnostics->at, (size_t)diagnostics->n, sizeof diagnostics->at[0], compare_places);
    for (int64_t i = 0; i < diagnostics->n; i++) {
        const Diagnostic *one = &diagnostics->at[i];
        char place[TEXT_PATH_BYTES + 32];
        if (one->place.text)
            text_printf(out, "%s: error: %s\n", place_name(one->place, place), one->message);
        else
            text_printf(out, "error: %s\n", one->message);
        if (one->place.text && one->place.line > 0) print_excerpt(&one->place, out);
        const Text *text = one->place.text;
        bool last = i + 1 == diagnostics->n || diagnostics->at[i + 1].place.text != text;
        if (text && last && text->errors > DIAGNOSTICS_PER_TEXT)
            text_printf(out, "%s: %d more errors\n", text->path,
                        (int)text->errors - DIAGNOSTICS_PER_TEXT);
    }
}

void diagnostics_fini(Diagnostics *diagnostics) { array_free(diagnostics); }

/// Edit distance with transpositions of neighbours (optimal string alignment); words are cut at
/// WORD_BYTES.
static int edit_distance(const char *a, const char *b) {
    int rows[3][WORD_BYTES + 1];
    int *before = rows[0], *above = rows[1], *here = rows[2];
    int na = (int)strnlen(a, WORD_BYTES), nb = (int)strnlen(b, WORD_BYTES);
    for (int j = 0; j <= nb; j++) above[j] = j;
    for (int j = 0; j <= nb; j++) before[j] = j;
    for (int i = 1; i <= na; i++) {
        here[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (here[j - 1] + 1 < best) best = here[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            here[j] = best;
        }
        int *free_row = before;
        before = above;
        above = here;
        here = free_row;
    }
    return above[nb];
}

const char *diagnostics_closest(const char *word, const char *const names[], int n) {
    int length = (int)strnlen(word, WORD_BYTES);
    int limit = length / 3 > 1 ? length / 3 : 1;
    const char *best = NULL;
    int least = limit + 1;
    for (int i = 0; i < n; i++) {
        int distance = edit_distance(word, names[i]);
        if (distance < least && distance < (int)strlen(names[i])) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}
