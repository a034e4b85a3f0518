// A table of keys as tables for people.
#include <stdio.h>
#include <string.h>

#include "config/schema_say.h"

enum { PATH_BYTES = 200, VALUE_BYTES = 400 };

static void write_table(const Schema *schema, const char *path, TextBuffer *out);

/// A limit in the unit of its key.
static void write_limit(const Field *field, double limit, char out[QUANTITY_TEXT_BYTES]) {
    if (field->store == STORE_DOUBLE)
        quantity_write_real(field->quantity, limit, out);
    else
        quantity_write_int(field->quantity, (int64_t)limit, out);
}

static int add(char *out, int used, const char *format, const char *what) {
    return used < VALUE_BYTES
               ? used + snprintf(out + used, (size_t)(VALUE_BYTES - used), format, what)
               : used;
}

/// What a number may be: "a time, 0 to 10 s, or 'auto'".
static void say_number(const Field *field, char out[VALUE_BYTES]) {
    char least[QUANTITY_TEXT_BYTES] = "0", most[QUANTITY_TEXT_BYTES] = "";
    int used = add(out, 0, "%s",
                   field->quantity != QUANTITY_NONE ? quantity_name(field->quantity)
                   : field->kind == FIELD_COUNT     ? "a whole number"
                                                    : "a number");
    if (field->most > field->least) {
        write_limit(field, field->least, least);
        write_limit(field, field->most, most);
    } else if (quantity_most(field->quantity) > 0) {
        write_limit(field, quantity_most(field->quantity), most);
    }
    used = add(out, used, ", %s", least);
    used = most[0] ? add(out, used, " to %s", most) : add(out, used, "%s", " or more");
    if (field->word) add(out, used, ", or `%s`", field->word);
}

static void say_names(const char *const names[], char out[VALUE_BYTES]) {
    int used = 0;
    for (int i = 0; names[i]; i++) used = add(out, used, i ? ", `%s`" : "`%s`", names[i]);
}

static void say_value(const Field *field, char out[VALUE_BYTES]);

static void say_list(const Field *field, char out[VALUE_BYTES]) {
    char element[VALUE_BYTES] = "";
    say_value(field->element, element);
    char room[48];
    snprintf(room, sizeof room, "%s%zu of: ", field->count_offset == FIELD_FIXED ? "" : "up to ",
             field->size / field->element->size);
    add(out, add(out, 0, "a list, %s", room), "%s", element);
}

static void say_value(const Field *field, char out[VALUE_BYTES]) {
    out[0] = '\0';
    switch (field->kind) {
        case FIELD_COUNT:
        case FIELD_NUMBER:
        case FIELD_QUANTITY: say_number(field, out); break;
        case FIELD_BOOL: add(out, 0, "%s", "`on`, `off`"); break;
        case FIELD_ENUM: say_names(field->names, out); break;
        case FIELD_STRING: add(out, 0, "%s", "a text"); break;
        case FIELD_TEXT: add(out, 0, "%s", "a text, or a list of texts"); break;
        case FIELD_REFERENCE:
            add(out, 0, "a name in `%s/`, or a path with a `/`", field->folder);
            break;
        case FIELD_LIST: say_list(field, out); break;
        case FIELD_STRUCT: add(out, 0, "keys of `%s`, below", field->table->name); break;
    }
}

/// A cell: bars would end it.
static void write_cell(const char *text, TextBuffer *out) {
    text_printf(out, "| ");
    for (; *text; text++) {
        if (*text == '|') text_put(out, '\\');
        text_put(out, *text);
    }
    text_put(out, ' ');
}

static void write_key(const Field *field, const char *path, TextBuffer *out) {
    char words[VALUE_BYTES];
    snprintf(words, sizeof words, "`%s%s`", path, field->key);
    write_cell(words, out);
    say_value(field, words);
    write_cell(words, out);
    if (!field->fallback)
        snprintf(words, sizeof words, "required");
    else
        snprintf(words, sizeof words, field->fallback[0] ? "`%s`" : "none%s", field->fallback);
    write_cell(words, out);
    write_cell(field->help ? field->help : "", out);
    text_printf(out, "|\n");
}

/// The table that a key leads to, itself or by the elements of its list; NULL: it is a value.
static const Schema *inner_table(const Field *field) {
    if (field->kind == FIELD_STRUCT) return field->table;
    if (field->kind == FIELD_LIST && field->element->kind == FIELD_STRUCT)
        return field->element->table;
    return NULL;
}

static void write_table(const Schema *schema, const char *path, TextBuffer *out) {
    text_printf(out, "| key | takes | default | meaning |\n|---|---|---|---|\n");
    for (int32_t i = 0; i < schema->nfields; i++) write_key(&schema->field[i], path, out);
    for (int32_t i = 0; i < schema->nfields; i++) {
        const Field *field = &schema->field[i];
        const Schema *table = inner_table(field);
        if (!table) continue;
        char inner[PATH_BYTES];
        snprintf(inner, sizeof inner, "%s%s%s", path, field->key,
                 field->kind == FIELD_LIST ? "[]." : ".");
        text_printf(out, "\n`%.*s` (%s)%s%s\n\n", (int)strlen(inner) - 1, inner, table->name,
                    table->tuple       ? ", also as a list of values in this order"
                    : table->shorthand ? ", also as the value of the first alone"
                                       : "",
                    ":");
        write_table(table, inner, out);
    }
}

void schema_write_keys(const Schema *schema, TextBuffer *out) {
    text_printf(out,
                "Keys of files of `kind: %s`, beside `schema_version: 1`, `kind`, and free "
                "`description` and "
                "`sources`:\n\n",
                schema->kind);
    write_table(schema, "", out);
}
