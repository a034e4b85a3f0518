// A table of keys as a JSON Schema.
#include <inttypes.h>
#include <string.h>

#include "config/schema_say.h"

static void write_schema(const Schema *schema, bool file, TextBuffer *out);

/// YAML 1.1 reads some words as booleans, 1.2 does not: both forms are taken.
static void write_word(const char *word, TextBuffer *out) {
    text_put_quoted(out, word);
    for (int truth = 0; truth < 2; truth++) {
        static const char *const SAID[2][3] = {{"off", "no", "false"}, {"on", "yes", "true"}};
        for (int i = 0; i < 3; i++)
            if (strcmp(word, SAID[truth][i]) == 0)
                text_printf(out, ", %s", truth ? "true" : "false");
    }
}

static void write_names(const char *const names[], TextBuffer *out) {
    text_printf(out, "\"enum\": [");
    for (int i = 0; names[i]; i++) {
        if (i > 0) text_printf(out, ", ");
        write_word(names[i], out);
    }
    text_printf(out, "]");
}

static void write_limits(const Field *field, TextBuffer *out) {
    if (field->most <= field->least) {
        text_printf(out, ", \"minimum\": 0");
        return;
    }
    text_printf(out, ", \"minimum\": %.17g, \"maximum\": %.17g", field->least, field->most);
}

/// A number with its unit, or the word that may stand for it.
static void write_number(const Field *field, TextBuffer *out) {
    if (field->word) text_printf(out, "\"anyOf\": [{");
    if (field->quantity == QUANTITY_NONE) {
        text_printf(out, "\"type\": \"%s\"", field->kind == FIELD_COUNT ? "integer" : "number");
        write_limits(field, out);
    } else {
        text_printf(out, "\"type\": \"string\", \"pattern\": ");
        char pattern[QUANTITY_PATTERN_BYTES];
        text_put_quoted(out, quantity_pattern(field->quantity, pattern));
    }
    if (!field->word) return;
    text_printf(out, "}, {\"enum\": [");
    write_word(field->word, out);
    text_printf(out, "]}]");
}

static void write_field(const Field *field, TextBuffer *out);

static void write_list(const Field *field, TextBuffer *out) {
    const long long room = (long long)(field->size / field->element->size);
    const bool single = field->element->kind == FIELD_STRING;
    if (single) text_printf(out, "\"anyOf\": [{\"type\": \"string\"}, {");
    text_printf(out, "\"type\": \"array\", \"maxItems\": %lld", room);
    if (field->count_offset == FIELD_FIXED) text_printf(out, ", \"minItems\": %lld", room);
    text_printf(out, ", \"items\": {");
    write_field(field->element, out);
    text_printf(out, single ? "}}]" : "}");
}

static void write_struct(const Field *field, TextBuffer *out) {
    const Schema *table = field->table;
    const bool more = table->tuple || table->shorthand;
    if (more) text_printf(out, "\"anyOf\": [{");
    write_schema(table, false, out);
    if (table->tuple)
        text_printf(out, "}, {\"type\": \"array\", \"minItems\": %d, \"maxItems\": %d",
                    (int)table->nfields, (int)table->nfields);
    if (table->shorthand) {
        text_printf(out, "}, {");
        write_field(&table->field[0], out);
    }
    if (more) text_printf(out, "}]");
}

static void write_field(const Field *field, TextBuffer *out) {
    static const char *const BOOLS[] = {"on", "off", "yes", "no", "true", "false", NULL};
    if (field->help) {
        text_printf(out, "\"description\": ");
        text_put_quoted(out, field->help);
        text_printf(out, ", ");
    }
    if (field->fallback && field->fallback[0]) {
        text_printf(out, "\"default\": ");
        text_put_quoted(out, field->fallback);
        text_printf(out, ", ");
    }
    switch (field->kind) {
        case FIELD_COUNT:
        case FIELD_NUMBER:
        case FIELD_QUANTITY: write_number(field, out); break;
        case FIELD_BOOL: write_names(BOOLS, out); break;
        case FIELD_ENUM: write_names(field->names, out); break;
        case FIELD_STRING:
        case FIELD_REFERENCE: text_printf(out, "\"type\": \"string\""); break;
        case FIELD_TEXT: text_printf(out, "\"type\": [\"string\", \"array\"]"); break;
        case FIELD_LIST: write_list(field, out); break;
        case FIELD_STRUCT: write_struct(field, out); break;
    }
}

static void write_required(const Schema *schema, bool file, TextBuffer *out) {
    int n = 0;
    text_printf(out, ", \"required\": [%s", file ? "\"schema_version\", \"kind\"" : "");
    n += file;
    for (int32_t i = 0; i < schema->nfields; i++)
        if (!schema->field[i].fallback)
            text_printf(out, "%s\"%s\"", n++ ? ", " : "", schema->field[i].key);
    text_printf(out, "]");
}

static void write_schema(const Schema *schema, bool file, TextBuffer *out) {
    text_printf(out, "\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    if (file)
        text_printf(out,
                    "\n  \"schema_version\": {\"const\": 1},\n  \"kind\": {\"const\": \"%s\"},"
                    "\n  \"description\": {\"type\": [\"string\", \"array\"]},"
                    "\n  \"sources\": {\"type\": [\"string\", \"array\"]}",
                    schema->kind);
    for (int32_t i = 0; i < schema->nfields; i++) {
        text_printf(out, "%s\"%s\": {", file ? ",\n  " : i > 0 ? ", " : "", schema->field[i].key);
        write_field(&schema->field[i], out);
        text_printf(out, "}");
    }
    text_printf(out, "}");
    write_required(schema, file, out);
}

void schema_write_json(const Schema *schema, TextBuffer *out) {
    text_printf(
        out,
        "{\"$schema\": \"http://json-schema.org/draft-07/schema#\",\n\"title\": \"Colossim: "
        "%s\",\n",
        schema->name);
    write_schema(schema, true, out);
    text_printf(out, "}\n");
}
