#include "extremes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *number_text(const Field *field, double value, char text[EXTREME_BYTES]);

/// A list of one item that has nothing but what is required, at its least.
static void write_base(const Field *list, const char *path, char base[], size_t size) {
    const Schema *table = list->element->table;
    char value[EXTREME_BYTES];
    size_t n = (size_t)snprintf(base, size, "%s=[{", path);
    for (int32_t i = 0; i < table->nfields && n < size; i++)
        if (!table->field[i].fallback)
            n += (size_t)snprintf(base + n, size - n, "%s%s: %s", base[n - 1] == '{' ? "" : ", ",
                                  table->field[i].key,
                                  number_text(&table->field[i], table->field[i].least, value));
    if (n < size) snprintf(base + n, size - n, "}]");
}

static int walk(const Schema *schema, const char *prefix, const char *base, Knob knob[], int n) {
    for (int32_t i = 0; i < schema->nfields; i++) {
        const Field *field = &schema->field[i], *inner = field;
        char path[sizeof knob->path], own_base[sizeof knob->base];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", field->key);
        snprintf(own_base, sizeof own_base, "%s", base);
        if (field->kind == FIELD_LIST) {
            inner = field->element;
            if (inner->kind == FIELD_STRUCT && field->fallback)
                write_base(field, path, own_base, sizeof own_base);
            if (inner->kind == FIELD_STRUCT)
                snprintf(path + strlen(path), sizeof path - strlen(path), ".0");
        }
        if (inner->kind == FIELD_STRUCT) {
            n = walk(inner->table, path, own_base, knob, n);
        } else if (inner->kind != FIELD_REFERENCE && inner->kind != FIELD_TEXT && n < KNOBS_MAX) {
            snprintf(knob[n].path, sizeof knob[n].path, "%s", path);
            snprintf(knob[n].base, sizeof knob[n].base, "%s", own_base);
            knob[n].listed = inner != field;
            knob[n++].field = inner;
        }
    }
    return n;
}

int knobs_of(const Schema *schema, Knob knob[KNOBS_MAX]) { return walk(schema, "", "", knob, 0); }

void knob_setting(const Knob *knob, int k, char text[], size_t size) {
    char value[EXTREME_BYTES];
    knob_extreme(knob, k, value);
    snprintf(text, size, knob->listed ? "%s=[%s]" : "%s=%s", knob->path, value);
}

/// A number in the unit that the reader would write it in.
static const char *number_text(const Field *field, double value, char text[EXTREME_BYTES]) {
    char written[QUANTITY_TEXT_BYTES];
    bool whole = field->store != STORE_DOUBLE && fabs(value) < 9.2e18;
    if (whole)
        quantity_write_int(field->quantity, (int64_t)value, written);
    else
        quantity_write_real(field->quantity, value, written);
    snprintf(text, EXTREME_BYTES, "%s", written);
    return text;
}

static const char *number_extreme(const Field *field, int k, char text[EXTREME_BYTES]) {
    double most = field->most > field->least ? field->most : quantity_most(field->quantity);
    if (!(most > 0)) most = 9.2e18;
    const double value[EXTREMES] = {0,
                                    1,
                                    2,
                                    3,
                                    7,
                                    -1,
                                    field->least,
                                    most,
                                    field->least - 1,
                                    most + 1,
                                    most / 2,
                                    sqrt(most),
                                    2147483647.0,
                                    2147483648.0,
                                    4e15,
                                    9.2e18};
    if (k == 4 && field->word) {
        snprintf(text, EXTREME_BYTES, "%s", field->word);
        return text;
    }
    return number_text(field, value[k], text);
}

const char *knob_extreme(const Knob *knob, int k, char text[EXTREME_BYTES]) {
    static const char *const TEXTS[] = {"a", "''",   "none", "auto",   "../a/b",
                                        "/", "x.h5", "tp",   "full:1", "full:4096"};
    const Field *field = knob->field;
    int n = 0;
    switch (field->kind) {
        case FIELD_BOOL: snprintf(text, EXTREME_BYTES, "%s", k % 2 ? "on" : "off"); return text;
        case FIELD_ENUM:
            while (field->names[n]) n++;
            snprintf(text, EXTREME_BYTES, "%s", field->names[k % n]);
            return text;
        case FIELD_STRING:
            n = sizeof TEXTS / sizeof TEXTS[0];
            if (k < n) {
                snprintf(text, EXTREME_BYTES, "%s", TEXTS[k]);
            } else { // just what fits, and a byte more
                n = field->size + 1 < EXTREME_BYTES ? (int)field->size - 1 + k % 2
                                                    : EXTREME_BYTES - 1;
                memset(text, 'x', (size_t)n);
                text[n] = '\0';
            }
            return text;
        default: return number_extreme(field, k, text);
    }
}
