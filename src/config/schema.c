#include "config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/shipped.h"
#include "hardware/hardware.h"

enum { NAMES_MAX = 64 };

void reader_error(Reader *reader, const Node *node, const char *path, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    diagnostics_report(reader->diagnostics, node_place(node, path), true, format, arguments);
    va_end(arguments);
}

void reader_mistake(Reader *reader, const Node *node, const char *path, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    diagnostics_report(reader->diagnostics, node_place(node, path), false, format, arguments);
    va_end(arguments);
}

static const char *kind_word(const Node *node) {
    return node->kind == NODE_LIST      ? "a list"
           : node->kind == NODE_MAPPING ? "a mapping"
                                        : "a value";
}

static void store_int(const Field *field, char *at, int64_t value) {
    switch (field->store) {
        case STORE_INT32: memcpy(at, &(int32_t){(int32_t)value}, sizeof(int32_t)); break;
        case STORE_INT64: memcpy(at, &value, sizeof value); break;
        case STORE_UINT64: memcpy(at, &(uint64_t){(uint64_t)value}, sizeof(uint64_t)); break;
        case STORE_DOUBLE: memcpy(at, &(double){(double)value}, sizeof(double)); break;
        case STORE_ENUM: memcpy(at, &(unsigned){(unsigned)value}, sizeof(unsigned)); break;
        case STORE_BOOL: memcpy(at, &(bool){value != 0}, sizeof(bool)); break;
        default: CHECK(false, "field '%s': its member is no number", field->key);
    }
}

/// Everything a value needs to be read and complained about.
typedef struct Value {
    Reader *reader;
    const Field *field;
    const char *label; ///< the key; for elements the key of the list
    const Node *node;
    char *at; ///< the member
} Value;

__attribute__((format(printf, 2, 3))) static void complain(const Value *value, const char *format,
                                                           ...) {
    char message[DIAGNOSTIC_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    diagnostics_error(value->reader->diagnostics, value->node->place, "%s %s", value->label,
                      message);
}

static void check_bounds(const Value *value, double number, bool whole) {
    const Field *field = value->field;
    double most = field->most > field->least ? field->most : quantity_most(field->quantity);
    bool low = number<field->least, high = most> 0 && number > most;
    if (!low && !high) return;
    double bound = low ? field->least : most;
    char text[QUANTITY_TEXT_BYTES];
    const char *shown = whole ? quantity_write_int(field->quantity, (int64_t)bound, text)
                              : quantity_write_real(field->quantity, bound, text);
    complain(value, "must be at %s %s, got '%.60s'", low ? "least" : "most", shown,
             value->node->text);
}

static void read_whole(const Value *value) {
    char reason[QUANTITY_REASON_BYTES];
    int64_t number;
    if (!quantity_parse_int(value->field->quantity, value->node->text, &number, reason)) {
        complain(value, "%s", reason);
        return;
    }
    if (value->field->store == STORE_INT32 && (number > INT32_MAX || number < INT32_MIN)) {
        complain(value, "is too large: '%.60s' is more than 2147483647", value->node->text);
        return;
    }
    check_bounds(value, (double)number, true);
    store_int(value->field, value->at, number);
}

static void read_real(const Value *value) {
    char reason[QUANTITY_REASON_BYTES];
    double number;
    if (!quantity_parse_real(value->field->quantity, value->node->text, &number, reason)) {
        complain(value, "%s", reason);
        return;
    }
    check_bounds(value, number, false);
    memcpy(value->at, &number, sizeof number);
}

/// The word that may stand instead of a number; true if it did.
static bool read_word(const Value *value) {
    if (!value->field->word || strcmp(value->node->text, value->field->word) != 0) return false;
    store_int(value->field, value->at, value->field->word_value);
    return true;
}

static void read_number(const Value *value) {
    const Field *field = value->field;
    if (read_word(value)) return;
    const char *text = value->node->text;
    bool digit =
        text[0] == '-' || text[0] == '+' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9');
    if (field->word && !digit) {
        complain(value, "wants %s or '%s', got '%.60s'", quantity_name(field->quantity),
                 field->word, text);
        return;
    }
    if (field->store == STORE_DOUBLE)
        read_real(value);
    else
        read_whole(value);
}

static void read_bool(const Value *value) {
    static const char *const WORDS[] = {"off", "on", "false", "true", "no", "yes"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(value->node->text, WORDS[i]) != 0) continue;
        store_int(value->field, value->at, i % 2);
        return;
    }
    complain(value, "wants on or off, got '%.60s'", value->node->text);
}

static void read_string(const Value *value) {
    size_t length = strlen(value->node->text);
    if (length >= value->field->size) {
        complain(value, "wants at most %zu bytes, got %zu", value->field->size - 1, length);
        return;
    }
    memcpy(value->at, value->node->text, length + 1);
}

/// "a, b or c", or as many as fit.
static void join_names(const char *const names[], int n, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 i == 0       ? ""
                                 : i == n - 1 ? " or "
                                              : ", ",
                                 names[i]);
}

static void read_enum(const Value *value) {
    const char *const *names = value->field->names;
    int n = 0;
    for (; names[n]; n++) {
        if (strcmp(names[n], value->node->text) != 0) continue;
        store_int(value->field, value->at, n);
        return;
    }
    char list[256];
    join_names(names, n, list, sizeof list);
    const char *close = diagnostics_closest(value->node->text, names, n);
    complain(value, "wants %s, got '%.60s'%s%s%s", list, value->node->text,
             close ? "; did you mean '" : "", close ? close : "", close ? "'?" : "");
}

static void read_mapping(Reader *reader, const Schema *schema, const Node *node, char *data,
                         const char *const skipped[]);
static void read_value(const Value *value);

static void read_tuple(const Value *value) {
    const Schema *schema = value->field->table;
    if (value->node->n != schema->nfields) {
        complain(value, "wants %d values in each %s, got %d", (int)schema->nfields, schema->name,
                 (int)value->node->n);
        return;
    }
    for (int32_t i = 0; i < schema->nfields; i++) {
        const Field *field = &schema->field[i];
        read_value(&(Value){value->reader, field, field->key, value->node->item[i],
                            value->at + field->offset});
    }
}

static void read_struct(const Value *value) {
    const Schema *schema = value->field->table;
    if (value->node->kind == NODE_LIST && schema->tuple) {
        read_tuple(value);
        return;
    }
    const Node *node = value->node;
    if (node->kind == NODE_SCALAR && schema->shorthand) {
        Node *whole = node_mapping(node->place, value->reader->arena);
        Node *key = node_scalar(schema->field[0].key, node->place, value->reader->arena);
        node_set(whole, key, (Node *)node, value->reader->arena);
        node = whole;
    }
    read_mapping(value->reader, schema, node, value->at, NULL);
}

static void store_count(const Value *value, int32_t n) {
    char *base = value->at - value->field->offset;
    memcpy(base + value->field->count_offset, &n, sizeof n);
}

/// A text for a list of texts is a list of one.
static void read_only_element(const Value *value) {
    const Field *element = value->field->element;
    read_value(&(Value){value->reader, element, value->label, value->node, value->at});
    store_count(value, 1);
}

static void read_list(const Value *value) {
    const Field *field = value->field, *element = field->element;
    if (value->node->kind == NODE_SCALAR && element->kind == FIELD_STRING) {
        read_only_element(value);
        return;
    }
    if (value->node->kind != NODE_LIST) {
        complain(value, "wants a list, such as [a, b], got %s", kind_word(value->node));
        return;
    }
    int32_t room = (int32_t)(field->size / element->size), n = value->node->n;
    if (n > room || (field->count_offset == FIELD_FIXED && n != room)) {
        complain(value, "wants %s %d elements, got %d",
                 n > room && field->count_offset != FIELD_FIXED ? "at most" : "exactly", (int)room,
                 (int)n);
        return;
    }
    for (int32_t i = 0; i < n; i++)
        read_value(&(Value){value->reader, element, value->label, value->node->item[i],
                            value->at + (size_t)i * element->size});
    if (field->count_offset != FIELD_FIXED) store_count(value, n);
}

static void read_text(const Value *value) {
    const Node *node = value->node;
    bool good = node->kind == NODE_SCALAR;
    if (node->kind == NODE_LIST) {
        good = true;
        for (int32_t i = 0; i < node->n; i++) good = good && node->item[i]->kind == NODE_SCALAR;
    }
    if (!good) complain(value, "wants a text or a list of texts");
}

static void read_value(const Value *value) {
    if (value->node->kind == NODE_REFUSED) {
        // Known already; said again so that what holds it counts as bad.
        diagnostics_error(value->reader->diagnostics, value->node->place, "%s", value->node->text);
        return;
    }
    FieldKind kind = value->field->kind;
    bool collection = kind == FIELD_STRUCT || kind == FIELD_LIST || kind == FIELD_TEXT;
    if (!collection && value->node->kind != NODE_SCALAR) {
        complain(value, "wants one value, got %s", kind_word(value->node));
        return;
    }
    if (value->node->kind == NODE_SCALAR && value->node->text[0] == '\0' && !value->node->quoted) {
        complain(value, "has no value");
        return;
    }
    switch (kind) {
        case FIELD_STRUCT: read_struct(value); break;
        case FIELD_LIST: read_list(value); break;
        case FIELD_TEXT: read_text(value); break;
        case FIELD_COUNT:
        case FIELD_NUMBER:
        case FIELD_QUANTITY: read_number(value); break;
        case FIELD_BOOL: read_bool(value); break;
        case FIELD_STRING: read_string(value); break;
        case FIELD_ENUM: read_enum(value); break;
        case FIELD_REFERENCE:
            reader_load_entry(value->reader, value->field->folder, value->node->text,
                              value->node->place, value->field->table, value->at);
            break;
    }
}

static void refuse_unknown_keys(Reader *reader, const Schema *schema, const Node *node,
                                const char *const skipped[]) {
    const char *names[NAMES_MAX];
    CHECK(schema->nfields <= NAMES_MAX - 4, "schema '%s' has %d fields", schema->name,
          (int)schema->nfields);
    int32_t nnames = 0;
    for (; nnames < schema->nfields; nnames++) names[nnames] = schema->field[nnames].key;
    for (int i = 0; skipped && skipped[i]; i++) names[nnames++] = skipped[i];
    for (int32_t i = 0; i < node->n; i++) {
        const char *key = node->key[i]->text;
        bool known = false;
        for (int32_t j = 0; j < nnames && !known; j++) known = strcmp(names[j], key) == 0;
        if (known) continue;
        const char *close = diagnostics_closest(key, names, nnames);
        char list[360];
        join_names(names, nnames, list, sizeof list);
        if (close)
            diagnostics_error(reader->diagnostics, node->key[i]->place,
                              "unknown key '%.60s' in %s; did you mean '%s'?", key, schema->name,
                              close);
        else
            diagnostics_error(reader->diagnostics, node->key[i]->place,
                              "unknown key '%.60s' in %s; known are %s", key, schema->name, list);
    }
}

/// Read what the user would have written to get the default. An error in it can only be a required
/// key of an absent sub-table, which stands at the place where the table is missing.
static void read_default(Reader *reader, const Field *field, const Node *parent, char *data) {
    const bool optional = field->kind == FIELD_LIST || field->kind == FIELD_REFERENCE;
    if (field->kind == FIELD_TEXT || (optional && field->fallback[0] == '\0')) return;
    Node *node = field->kind == FIELD_STRUCT
                     ? node_mapping(parent->place, reader->arena)
                     : node_scalar(field->fallback, parent->place, reader->arena);
    node->quoted = true;
    read_value(&(Value){reader, field, field->key, node, data + field->offset});
}

static void read_mapping(Reader *reader, const Schema *schema, const Node *node, char *data,
                         const char *const skipped[]) {
    if (node->kind != NODE_MAPPING) {
        diagnostics_error(reader->diagnostics, node->place,
                          "%s wants a mapping of keys to values, got %s", schema->name,
                          kind_word(node));
        return;
    }
    int64_t before = reader->diagnostics->reports;
    refuse_unknown_keys(reader, schema, node, skipped);
    for (int32_t i = 0; i < schema->nfields; i++) {
        const Field *field = &schema->field[i];
        const Node *value = node_get(node, field->key);
        if (value)
            read_value(&(Value){reader, field, field->key, value, data + field->offset});
        else if (field->fallback)
            read_default(reader, field, node, data);
        else
            diagnostics_error(reader->diagnostics, node->place, "missing key '%s' in %s: %s",
                              field->key, schema->name, field->help);
    }
    if (schema->finish && reader->diagnostics->reports == before)
        schema->finish(reader, node, data);
}

const Field *schema_field(const Schema *schema, const char *key) {
    for (int32_t i = 0; schema && i < schema->nfields; i++)
        if (strcmp(schema->field[i].key, key) == 0) return &schema->field[i];
    return NULL;
}

bool schema_read(Reader *reader, const Schema *schema, const Node *node, void *data) {
    int64_t before = reader->diagnostics->reports;
    read_mapping(reader, schema, node, data, NULL);
    return reader->diagnostics->reports == before;
}

void reader_check_version(Reader *reader, const Node *node) {
    if (node->kind == NODE_SCALAR && strcmp(node->text, "1") == 0) return;
    diagnostics_error(reader->diagnostics, node->place,
                      "schema_version wants 1, the only version there is");
}

/// A file of another kind: all else that is wrong with it as this kind would hide that.
static bool is_other_kind(Reader *reader, const Node *root, const Schema *schema) {
    const Node *kind = root->kind == NODE_MAPPING ? node_get(root, "kind") : NULL;
    if (!kind || (kind->kind == NODE_SCALAR && strcmp(kind->text, schema->kind) == 0)) return false;
    diagnostics_error(reader->diagnostics, kind->place, "kind wants '%s' here, got '%.60s'",
                      schema->kind, kind->kind == NODE_SCALAR ? kind->text : kind_word(kind));
    return true;
}

bool reader_load_root(Reader *reader, const Node *root, const Schema *schema, void *data) {
    static const char *const ROOT_KEYS[] = {"schema_version", "kind", "description", "sources",
                                            NULL};
    static const Field FREE_TEXT = {.kind = FIELD_TEXT};
    if (is_other_kind(reader, root, schema)) return false;
    int64_t before = reader->diagnostics->reports;
    read_mapping(reader, schema, root, data, ROOT_KEYS);
    if (root->kind != NODE_MAPPING) return false;
    for (int i = 0; i < 2; i++)
        if (!node_get(root, ROOT_KEYS[i]))
            diagnostics_error(reader->diagnostics, root->place, "missing key '%s' in %s",
                              ROOT_KEYS[i], schema->name);
    const Node *node = node_get(root, "schema_version");
    if (node) reader_check_version(reader, node);
    for (int i = 2; i < 4; i++) {
        node = node_get(root, ROOT_KEYS[i]);
        if (node) read_value(&(Value){reader, &FREE_TEXT, ROOT_KEYS[i], node, NULL});
    }
    return reader->diagnostics->reports == before;
}

/// Parse a catalogue text; the struct's name (its first member) is the file's.
static bool load_text(Reader *reader, const Text *text, const Schema *schema, void *data) {
    const Node *root = yaml_parse(text, reader->arena, reader->diagnostics);
    if (!root) return false;
    if (!reader_load_root(reader, root, schema, data)) return false;
    text_stem(text->path, data, HARDWARE_NAME_BYTES);
    return true;
}

bool reader_load_entry(Reader *reader, const char *folder, const char *name, Place place,
                       const Schema *schema, void *data) {
    if (!shipped_is_name(name) && !strchr(name, '/')) {
        diagnostics_error(reader->diagnostics, place,
                          "'%.60s' is no name of a catalogue entry, nor a path with a '/'", name);
        return false;
    }
    char tried[DIAGNOSTIC_BYTES] = "";
    const Text *text = shipped_open_entry(reader, folder, name, tried);
    if (text) return load_text(reader, text, schema, data);
    diagnostics_error(reader->diagnostics, place, "unknown %s '%.300s': %s", schema->name, name,
                      tried);
    return false;
}

bool reader_load_shipped(Reader *reader, const char *folder, const char *name, const Schema *schema,
                         void *data) {
    char tried[DIAGNOSTIC_BYTES] = "";
    const Text *text = shipped_open_entry(reader, folder, name, tried);
    return !text || load_text(reader, text, schema, data);
}

const Text *reader_open_data(Reader *reader, const Node *root, const char *key, const char *base,
                             char *file, size_t bytes) {
    char path[2 * TEXT_PATH_BYTES];
    const int length = text_path_beside(base, file, path, sizeof path);
    Status reason = status_ok();
    const Text *table = NULL;
    if (length < (int)bytes)
        table = texts_open(reader->texts, reader->source, path, TEXT_DATA_BYTES_MAX, &reason);
    if (!table) {
        reader_error(reader, root, key, "%.300s cannot be read: %.200s", path, reason.text);
        return NULL;
    }
    if (strlen(table->bytes) != (size_t)table->size) {
        reader_error(reader, root, key, "%.300s is no text: it has a NUL byte", path);
        return NULL;
    }
    memcpy(file, path, (size_t)length + 1);
    return table;
}

void reader_report_data(Reader *reader, const Node *root, const char *key, const Text *table,
                        const Status *status) {
    const size_t path_bytes = strlen(table->path);
    for (const char *line = status->text; *line;) {
        const size_t length = strcspn(line, "\n");
        int at_line = 0, at_column = 0, used = 0;
        const bool placed =
            strncmp(line, table->path, path_bytes) == 0 &&
            sscanf(line + path_bytes, ":%d:%d: %n", &at_line, &at_column, &used) == 2 && used > 0;
        if (placed)
            diagnostics_error(reader->diagnostics, (Place){table, at_line, at_column, 1}, "%.*s",
                              (int)(length - path_bytes) - used, line + path_bytes + used);
        else
            reader_error(reader, root, key, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}
