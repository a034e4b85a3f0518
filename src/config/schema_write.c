#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/schema.h"

static int64_t load_int(const Field *field, const char *at) {
    int32_t small;
    int64_t large;
    unsigned choice;
    bool flag;
    switch (field->store) {
        case STORE_INT32: memcpy(&small, at, sizeof small); return small;
        case STORE_ENUM: memcpy(&choice, at, sizeof choice); return (int64_t)choice;
        case STORE_BOOL: memcpy(&flag, at, sizeof flag); return flag;
        default: memcpy(&large, at, sizeof large); return large;
    }
}

/// Plain where YAML and the reader take it as it is, else in double quotes.
static void write_string(const char *text, TextBuffer *out) {
    bool plain = text[0] != '\0' &&
                 strspn(text,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "-_./") == strlen(text) &&
                 text[0] != '-';
    if (plain) {
        text_printf(out, "%s", text);
        return;
    }
    text_put_quoted(out, text);
}

static void write_number(const Field *field, const char *at, TextBuffer *out) {
    char text[QUANTITY_TEXT_BYTES];
    double real = 0;
    if (field->store == STORE_DOUBLE) memcpy(&real, at, sizeof real);
    bool word =
        field->word && (field->store == STORE_DOUBLE ? real == (double)field->word_value
                                                     : load_int(field, at) == field->word_value);
    if (word)
        text_printf(out, "%s", field->word);
    else if (field->store == STORE_DOUBLE)
        text_printf(out, "%s", quantity_write_real(field->quantity, real, text));
    else
        text_printf(out, "%s", quantity_write_int(field->quantity, load_int(field, at), text));
}

static bool is_block(const Field *field) {
    return (field->kind == FIELD_STRUCT && !field->table->tuple) ||
           (field->kind == FIELD_LIST && field->element->kind == FIELD_STRUCT);
}

static void write_inline(const Field *field, const char *at, const char *base, TextBuffer *out);

static int32_t list_count(const Field *field, const char *base) {
    int32_t n = (int32_t)(field->size / field->element->size);
    if (field->count_offset != FIELD_FIXED) memcpy(&n, base + field->count_offset, sizeof n);
    return n;
}

static void write_flow(const Field *field, const char *at, const char *base, TextBuffer *out) {
    text_put(out, '[');
    if (field->kind == FIELD_STRUCT) {
        for (int32_t i = 0; i < field->table->nfields; i++) {
            const Field *part = &field->table->field[i];
            if (i > 0) text_printf(out, "%s", ", ");
            write_inline(part, at + part->offset, at, out);
        }
    } else {
        int32_t n = list_count(field, base);
        for (int32_t i = 0; i < n; i++) {
            if (i > 0) text_printf(out, "%s", ", ");
            write_inline(field->element, at + (size_t)i * field->element->size, at, out);
        }
    }
    text_put(out, ']');
}

/// One value on its line. `base` is the struct the member is in.
static void write_inline(const Field *field, const char *at, const char *base, TextBuffer *out) {
    switch (field->kind) {
        case FIELD_COUNT:
        case FIELD_NUMBER:
        case FIELD_QUANTITY: write_number(field, at, out); break;
        case FIELD_BOOL: text_printf(out, "%s", load_int(field, at) ? "on" : "off"); break;
        case FIELD_ENUM: text_printf(out, "%s", field->names[load_int(field, at)]); break;
        // The name of a catalogue entry is its first member.
        case FIELD_REFERENCE:
        case FIELD_STRING: write_string(at, out); break;
        case FIELD_STRUCT:
        case FIELD_LIST: write_flow(field, at, base, out); break;
        case FIELD_TEXT: break;
    }
}

/// How a mapping is written: what it was read from, whether defaults are marked, where it stands.
typedef struct Style {
    const Node *node;
    bool mark, dash;
    int indent;
} Style;

static void write_fields(const Schema *schema, const char *data, const Style *layout,
                         TextBuffer *out);

static void write_block(const Field *field, const char *at, const char *base, const Style *layout,
                        TextBuffer *out) {
    const Node *node = layout->node;
    if (field->kind == FIELD_STRUCT) {
        text_printf(out, "\n");
        write_fields(field->table, at, &(Style){node, layout->mark, false, layout->indent + 2},
                     out);
        return;
    }
    int32_t n = list_count(field, base);
    text_printf(out, "%s", n == 0 ? " []\n" : "\n");
    for (int32_t i = 0; i < n; i++) {
        const char *element = at + (size_t)i * field->element->size;
        const Node *item = node && node->kind == NODE_LIST && i < node->n ? node->item[i] : NULL;
        if (field->element->table->tuple) {
            text_printf(out, "%*s- ", layout->indent + 2, "");
            write_flow(field->element, element, base, out);
            text_put(out, '\n');
        } else {
            write_fields(field->element->table, element,
                         &(Style){item, layout->mark, true, layout->indent + 4}, out);
        }
    }
}

/// Bits beside bytes: data sheets of networks use the ones, those of memory the others.
static void write_remark(const Field *field, const char *at, bool is_default, TextBuffer *out) {
    char bytes[QUANTITY_TEXT_BYTES] = "";
    if (field->kind == FIELD_QUANTITY && field->quantity == QUANTITY_RATE) {
        double rate = 0;
        if (field->store == STORE_DOUBLE)
            memcpy(&rate, at, sizeof rate);
        else
            rate = (double)load_int(field, at);
        snprintf(bytes, sizeof bytes, "%.6g GB/s", rate / 1e9);
    }
    if (bytes[0] || is_default)
        text_printf(out, "  # %s%s%s", bytes, bytes[0] && is_default ? ", " : "",
                    is_default ? "default" : "");
    text_put(out, '\n');
}

static void write_fields(const Schema *schema, const char *data, const Style *layout,
                         TextBuffer *out) {
    bool dash = layout->dash;
    for (int32_t i = 0; i < schema->nfields; i++) {
        const Field *field = &schema->field[i];
        if (field->kind == FIELD_TEXT) continue;
        const char *at = data + field->offset;
        const Node *value = node_get(layout->node, field->key);
        // A mapping written as a single value gives its first field.
        bool given = value || (layout->node && layout->node->kind == NODE_SCALAR && i == 0);
        text_printf(out, "%*s%s%s:", dash ? layout->indent - 2 : layout->indent, "",
                    dash ? "- " : "", field->key);
        dash = false;
        if (is_block(field)) {
            write_block(field, at, data, &(Style){value, layout->mark, false, layout->indent}, out);
            continue;
        }
        text_put(out, ' ');
        write_inline(field, at, data, out);
        write_remark(field, at, layout->mark && !given, out);
    }
}

void schema_write(const Schema *schema, const void *data, const Node *node, int indent,
                  TextBuffer *out) {
    write_fields(schema, data, &(Style){node, node != NULL, false, indent}, out);
}
