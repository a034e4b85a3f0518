/// schema.h: tables that say how a mapping fills a struct: the one place of a key, its unit, its
/// default, its range and its meaning.
///
/// Idea.    A Schema is a list of Fields; a Field names a key, a member of the struct, and what is
///          allowed. Reading walks the tree along the table: unknown keys, wrong types, wrong units
///          and missing keys become diagnostics with their place, all of them in one go. Defaults
///          are texts and take the same way as what the user wrote. Writing walks the same table
///          and gives YAML that reads back to the same struct; defaults are marked by a comment.
///
///     static const char *const WIRINGS[] = {"plain", "rail", NULL};       // enum values 0, 1
///     static const Field FABRIC_FIELDS[] = {
///         FIELD_ENUM_AT("wiring", FabricSpec, wiring, WIRINGS, "rail", "how NICs meet leaves"),
///         FIELD_QUANTITY_AT("rate", FabricSpec, rate_Bps, QUANTITY_RATE, NULL, 1, 0, "of a link"),
///     };
///     const Schema fabric_schema = {.name = "fabric", .field = FABRIC_FIELDS,
///         .nfields = FIELDS_N(FABRIC_FIELDS), .bytes = sizeof(FabricSpec), .kind = "fabric"};
///
///          A file is one mapping with `schema_version: 1` and `kind`, which names its schema. A
///          catalogue entry (topologies/hardware/NAME.yaml, jobs/models/NAME.yaml) gets its name,
///          the first member of its struct, from the file's.
/// Limits.  Members are int32_t, int64_t, uint64_t, double, bool, char[], enums, structs and arrays
///          of these.
#ifndef COLOSSIM_CONFIG_SCHEMA_H
#define COLOSSIM_CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/quantity.h"
#include "config/yaml.h"

typedef enum FieldKind {
    FIELD_COUNT,    ///< plain integer
    FIELD_NUMBER,   ///< plain decimal number, member double
    FIELD_BOOL,     ///< on, off, true, false, yes, no
    FIELD_STRING,   ///< text that fits the member
    FIELD_ENUM,     ///< one of `names`
    FIELD_QUANTITY, ///< number with unit, member int32_t, int64_t or double
    FIELD_STRUCT,   ///< a mapping by `table`; a list of values in table order if table->tuple
    FIELD_LIST, ///< a list of `element` (a Field without key; its offset is 0, its size the stride)
    FIELD_REFERENCE, ///< name of a file in `folder` beside the naming text; `table` describes it
    FIELD_TEXT,      ///< free text or list of texts, checked and not stored (sources, remarks)
} FieldKind;

typedef enum FieldStore {
    STORE_NONE,
    STORE_INT32,
    STORE_INT64,
    STORE_UINT64,
    STORE_DOUBLE,
    STORE_BOOL,
    STORE_STRING,
    STORE_ENUM,
} FieldStore;

typedef struct Schema Schema;
typedef struct Reader Reader;

typedef struct Field {
    const char *key;
    FieldKind kind;
    QuantityKind quantity;
    FieldStore store; ///< computed by the macros below from the member's type
    size_t offset;    ///< of the member in the struct
    size_t size;      ///< of the member; list: of the whole array
    const char
        *fallback; ///< default as text; NULL: required; "" of a struct, list or reference: left out
    double least, most;          ///< in base units, inclusive; unless most > least quantity_most()
    const char *word;            ///< a word allowed instead of a value ("auto", "none") or NULL
    int64_t word_value;          ///< what the word stores
    const char *const *names;    ///< enum: names of 0, 1, ..., NULL at the end
    const Schema *table;         ///< struct, reference
    const struct Field *element; ///< list
    size_t count_offset;         ///< list: int32_t member with the number of elements; FIELD_FIXED:
                                 ///< there is none, the list must be full
    const char *folder;          ///< reference: "hardware", "models"
    const char *help;            ///< one line: meaning. Sources: keys.md of topologies/, jobs/
} Field;

#define FIELD_FIXED ((size_t)-1)

struct Schema {
    const char *name; ///< what messages call it: "unknown key 'x' in tier"
    const Field *field;
    int32_t nfields;
    size_t bytes;     ///< sizeof the struct
    bool tuple;       ///< may be written as a list of values in table order
    bool shorthand;   ///< may be written as the value of the first field alone: `placement: random`
    const char *kind; ///< catalogue files: the value of `kind`
    /// Check and complete a struct whose fields are all read without error; report with
    /// reader_error. May be NULL.
    void (*finish)(Reader *reader, const Node *node, void *data);
};

/// What one configuration is read with.
struct Reader {
    const char *base; ///< path of the file being read: catalogue folders are looked for beside it
    const TextSource *source;
    Texts *texts;
    Arena *arena;
    Diagnostics *diagnostics;
};

#define FIELDS_N(fields) ((int32_t)(sizeof(fields) / sizeof((fields)[0])))
#define FIELD_STORE_OF(T, member) \
    _Generic(((T *)0)->member,                                           \
             int32_t: STORE_INT32, int64_t: STORE_INT64, uint64_t: STORE_UINT64, \
             double: STORE_DOUBLE, bool: STORE_BOOL, char *: STORE_STRING,       \
             unsigned: STORE_ENUM, default: STORE_NONE)
#define FIELD_MEMBER(T, member)                                        \
    .store = FIELD_STORE_OF(T, member), .offset = offsetof(T, member), \
    .size = sizeof(((T *)0)->member)

// One macro a kind. `default_text` NULL means required; lo = hi = 0 means any value that is not
// negative, up to quantity_most().
#define FIELD_COUNT_AT(k, T, m, default_text, lo, hi, text)                              \
    {                                                                                    \
        .key = (k), .kind = FIELD_COUNT, FIELD_MEMBER(T, m), .fallback = (default_text), \
        .least = (lo), .most = (hi), .help = (text)                                      \
    }
#define FIELD_COUNT_OR_WORD_AT(k, T, m, w, wv, default_text, lo, hi, text)                    \
    {                                                                                         \
        .key = (k), .kind = FIELD_COUNT, FIELD_MEMBER(T, m), .word = (w), .word_value = (wv), \
        .fallback = (default_text), .least = (lo), .most = (hi), .help = (text)               \
    }
#define FIELD_NUMBER_AT(k, T, m, default_text, lo, hi, text)                              \
    {                                                                                     \
        .key = (k), .kind = FIELD_NUMBER, FIELD_MEMBER(T, m), .fallback = (default_text), \
        .least = (lo), .most = (hi), .help = (text)                                       \
    }
#define FIELD_NUMBER_OR_WORD_AT(k, T, m, w, wv, default_text, lo, hi, text)                    \
    {                                                                                          \
        .key = (k), .kind = FIELD_NUMBER, FIELD_MEMBER(T, m), .word = (w), .word_value = (wv), \
        .fallback = (default_text), .least = (lo), .most = (hi), .help = (text)                \
    }
#define FIELD_BOOL_AT(k, T, m, default_text, text)                                      \
    {                                                                                   \
        .key = (k), .kind = FIELD_BOOL, FIELD_MEMBER(T, m), .fallback = (default_text), \
        .help = (text)                                                                  \
    }
#define FIELD_STRING_AT(k, T, m, default_text, text)                                      \
    {                                                                                     \
        .key = (k), .kind = FIELD_STRING, FIELD_MEMBER(T, m), .fallback = (default_text), \
        .help = (text)                                                                    \
    }
#define FIELD_ENUM_AT(k, T, m, enum_names, default_text, text)                     \
    {                                                                              \
        .key = (k), .kind = FIELD_ENUM, FIELD_MEMBER(T, m), .names = (enum_names), \
        .fallback = (default_text), .help = (text)                                 \
    }
#define FIELD_QUANTITY_AT(k, T, m, q, default_text, lo, hi, text)                \
    {                                                                            \
        .key = (k), .kind = FIELD_QUANTITY, .quantity = (q), FIELD_MEMBER(T, m), \
        .fallback = (default_text), .least = (lo), .most = (hi), .help = (text)  \
    }
#define FIELD_QUANTITY_OR_WORD_AT(k, T, m, q, w, wv, default_text, lo, hi, text)              \
    {                                                                                         \
        .key = (k), .kind = FIELD_QUANTITY, .quantity = (q), FIELD_MEMBER(T, m), .word = (w), \
        .word_value = (wv), .fallback = (default_text), .least = (lo), .most = (hi),          \
        .help = (text)                                                                        \
    }
#define FIELD_STRUCT_AT(k, T, m, schema, default_text, text)                     \
    {                                                                            \
        .key = (k), .kind = FIELD_STRUCT, FIELD_MEMBER(T, m), .table = (schema), \
        .fallback = (default_text), .help = (text)                               \
    }
/// A sub-table whose fields are members of the same struct.
#define FIELD_PART(k, T, schema, default_text, text)                            \
    {                                                                           \
        .key = (k), .kind = FIELD_STRUCT, .size = sizeof(T), .table = (schema), \
        .fallback = (default_text), .help = (text)                              \
    }
#define FIELD_LIST_AT(k, T, m, count_member, element_field, default_text, text)               \
    {                                                                                         \
        .key = (k), .kind = FIELD_LIST, FIELD_MEMBER(T, m), .element = (element_field),       \
        .count_offset = offsetof(T, count_member), .fallback = (default_text), .help = (text) \
    }
/// A list that must have exactly as many elements as the array member.
#define FIELD_ARRAY_AT(k, T, m, element_field, default_text, text)                      \
    {                                                                                   \
        .key = (k), .kind = FIELD_LIST, FIELD_MEMBER(T, m), .element = (element_field), \
        .count_offset = FIELD_FIXED, .fallback = (default_text), .help = (text)         \
    }
#define FIELD_REFERENCE_AT(k, T, m, folder_name, schema, text)                            \
    {                                                                                     \
        .key = (k), .kind = FIELD_REFERENCE, FIELD_MEMBER(T, m), .folder = (folder_name), \
        .table = (schema), .help = (text)                                                 \
    }
/// The same, left empty where it is not written.
#define FIELD_REFERENCE_OR_NONE_AT(k, T, m, folder_name, schema, text)                    \
    {                                                                                     \
        .key = (k), .kind = FIELD_REFERENCE, FIELD_MEMBER(T, m), .folder = (folder_name), \
        .table = (schema), .fallback = "", .help = (text)                                 \
    }
#define FIELD_TEXT_AT(k, text) \
    { .key = (k), .kind = FIELD_TEXT, .fallback = "", .help = (text) }
// Elements of lists: no key, offset 0.
#define ELEMENT_STRUCT(T, schema) \
    { .kind = FIELD_STRUCT, .size = sizeof(T), .table = (schema) }
#define ELEMENT_COUNT(T, s, lo, hi) \
    { .kind = FIELD_COUNT, .store = (s), .size = sizeof(T), .least = (lo), .most = (hi) }
#define ELEMENT_STRING(bytes) \
    { .kind = FIELD_STRING, .store = STORE_STRING, .size = (bytes) }

/// The field of a key, or NULL; `schema` may be NULL.
const Field *schema_field(const Schema *schema, const char *key);
/// Fill a zeroed struct from a mapping; false if anything was reported. `data` is then partly
/// filled.
bool schema_read(Reader *reader, const Schema *schema, const Node *node, void *data);
/// Write a struct as YAML, `indent` spaces in. `node` is what it was read from: keys that are not
/// in it get the comment "# default"; NULL: nothing is marked.
void schema_write(const Schema *schema, const void *data, const Node *node, int indent,
                  TextBuffer *out);

/// Report that the value of "a.b" below `node` does not go with others, or not here.
__attribute__((format(printf, 4, 5))) void reader_error(Reader *reader, const Node *node,
                                                        const char *path, const char *format, ...);
/// Report that it is wrong whatever goes with it: a word that there is not.
__attribute__((format(printf, 4, 5))) void reader_mistake(Reader *reader, const Node *node,
                                                          const char *path, const char *format,
                                                          ...);
/// Read the entry `name` of a catalogue folder, or of the path that it is, as named at `place` (config/shipped.h says where
/// it is looked for). False if anything was reported.
bool reader_load_entry(Reader *reader, const char *folder, const char *name, Place place,
                       const Schema *schema, void *data);
/// The same of an entry that no file names: without it the struct stays as it is, and true.
bool reader_load_shipped(Reader *reader, const char *folder, const char *name, const Schema *schema,
                         void *data);
/// Open the table of data that `file`, the value of a key, names beside `base`; file becomes its path. NULL after reporting.
///   file[bytes]  in and out
const Text *reader_open_data(Reader *reader, const Node *root, const char *key, const char *base,
                             char *file, size_t bytes);
/// Report the lines "file:line:column: message" of a status at their places in the table, others at the key.
void reader_report_data(Reader *reader, const Node *root, const char *key, const Text *table,
                        const Status *status);
/// Report anything but 1.
void reader_check_version(Reader *reader, const Node *node);
/// Read the root of a file: `schema_version: 1`, `kind` as the schema's, free `description` and
/// `sources`, and the fields of the schema. All files are read through this.
bool reader_load_root(Reader *reader, const Node *root, const Schema *schema, void *data);

#endif
