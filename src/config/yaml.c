#include "config/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/check.h"

/// One collection being filled.
typedef struct Frame {
    Node *node;
    Node *key; ///< mapping: key that waits for its value
    int32_t capacity;
} Frame;

/// One parse. Marks of libyaml count from 0 within the part; (line, column) is where the part
/// stands in the text.
typedef struct Parse {
    const Text *text;
    int32_t line, column; ///< of the first character, from 1
    Arena *arena;
    Diagnostics *diagnostics;
    Frame frame[YAML_DEPTH_MAX];
    int32_t depth;
    Node *root;
    bool stop;    ///< the rest is unknown
    bool crowded; ///< too many keys were reported
} Parse;

static Place place_of_mark(const Parse *parse, const yaml_mark_t *mark) {
    Place place = {.text = parse->text, .length = 1};
    place.line = parse->line + (int32_t)mark->line;
    place.column = (int32_t)mark->column + (mark->line == 0 ? parse->column : 1);
    return place;
}

static Place place_of_event(const Parse *parse, const yaml_event_t *event) {
    Place place = place_of_mark(parse, &event->start_mark);
    bool one_line = event->end_mark.line == event->start_mark.line;
    if (one_line && event->end_mark.column > event->start_mark.column)
        place.length = (int32_t)(event->end_mark.column - event->start_mark.column);
    return place;
}

static char *copy_text(Arena *arena, const char *bytes, size_t size) {
    char *copy = arena_alloc(arena, size + 1);
    if (size > 0) memcpy(copy, bytes, size);
    return copy;
}

Node *node_scalar(const char *text, Place place, Arena *arena) {
    Node *node = arena_alloc(arena, sizeof *node);
    node->kind = NODE_SCALAR;
    node->place = place;
    node->text = copy_text(arena, text, strlen(text));
    return node;
}

Node *node_mapping(Place place, Arena *arena) {
    Node *node = arena_alloc(arena, sizeof *node);
    node->kind = NODE_MAPPING;
    node->place = place;
    return node;
}

static void grow(Node ***list, int32_t n, int32_t capacity, Arena *arena) {
    Node **grown = arena_array(arena, Node *, capacity);
    if (n > 0) memcpy(grown, *list, (size_t)n * sizeof(Node *));
    *list = grown;
}

static void append_pair(Node *node, Node *key, Node *value, int32_t *capacity, Arena *arena) {
    if (node->n == *capacity) {
        *capacity = *capacity > 0 ? 2 * *capacity : 8;
        grow(&node->item, node->n, *capacity, arena);
        if (node->kind == NODE_MAPPING) grow(&node->key, node->n, *capacity, arena);
    }
    if (node->kind == NODE_MAPPING) node->key[node->n] = key;
    node->item[node->n++] = value;
}

static int32_t find_key(const Node *mapping, const char *key) {
    for (int32_t i = 0; i < mapping->n; i++)
        if (strcmp(mapping->key[i]->text, key) == 0) return i;
    return -1;
}

static void attach_key(Parse *parse, Frame *frame, Node *key) {
    if (key->kind != NODE_SCALAR) {
        if (key->kind != NODE_REFUSED)
            diagnostics_error(parse->diagnostics, key->place, "a key must be a word");
        parse->stop = true;
        return;
    }
    frame->key = key;
}

static void attach_value(Parse *parse, Frame *frame, Node *value) {
    Node *key = frame->key;
    frame->key = NULL;
    int32_t first = find_key(frame->node, key->text);
    if (first >= 0) {
        diagnostics_error(parse->diagnostics, key->place,
                          "duplicate key '%.60s', first given in line %d", key->text,
                          (int)frame->node->key[first]->place.line);
        return;
    }
    // Looking for duplicates is quadratic: a bound keeps a hostile file from taking minutes.
    if (frame->node->n >= YAML_KEYS_MAX) {
        if (!parse->crowded)
            diagnostics_error(parse->diagnostics, key->place, "more than %d keys in one mapping",
                              YAML_KEYS_MAX);
        parse->crowded = true;
        return;
    }
    append_pair(frame->node, key, value, &frame->capacity, parse->arena);
}

/// Put a node where the parse stands: root, list item, key or value.
static void attach(Parse *parse, Node *node) {
    if (parse->depth == 0) {
        parse->root = node;
        return;
    }
    Frame *frame = &parse->frame[parse->depth - 1];
    if (frame->node->kind == NODE_LIST)
        append_pair(frame->node, NULL, node, &frame->capacity, parse->arena);
    else if (!frame->key)
        attach_key(parse, frame, node);
    else
        attach_value(parse, frame, node);
}

static const char NO_ANCHORS[] = "anchors are not supported; write the value out";
static const char NO_ALIASES[] = "aliases are not supported; write the value out";
static const char NO_TAGS[] = "tags are not supported; write the value out";

static Node *refuse(Parse *parse, const yaml_event_t *event, const char *what) {
    Node *node = arena_alloc(parse->arena, sizeof *node);
    node->kind = NODE_REFUSED;
    node->place = place_of_event(parse, event);
    node->text = what;
    diagnostics_error(parse->diagnostics, node->place, "%s", what);
    return node;
}

static void take_scalar(Parse *parse, const yaml_event_t *event) {
    const yaml_char_t *value = event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (event->data.scalar.anchor || event->data.scalar.tag) {
        attach(parse, refuse(parse, event, event->data.scalar.anchor ? NO_ANCHORS : NO_TAGS));
        return;
    }
    Node *node = arena_alloc(parse->arena, sizeof *node);
    node->kind = NODE_SCALAR;
    node->place = place_of_event(parse, event);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = copy_text(parse->arena, (const char *)value, size);
    for (size_t i = 0; i < size; i++) {
        if (value[i] >= 0x20 && value[i] != 0x7F) continue;
        node->kind = NODE_REFUSED;
        node->text = "a value may not hold control characters or line breaks";
        diagnostics_error(parse->diagnostics, node->place, "%s", node->text);
        break;
    }
    attach(parse, node);
}

static void open_collection(Parse *parse, const yaml_event_t *event, NodeKind kind) {
    const yaml_char_t *anchor =
        kind == NODE_LIST ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    const yaml_char_t *tag =
        kind == NODE_LIST ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    Place place = place_of_event(parse, event);
    if (anchor || tag)
        diagnostics_error(parse->diagnostics, place, "%s", anchor ? NO_ANCHORS : NO_TAGS);
    bool is_key = parse->depth > 0 && parse->frame[parse->depth - 1].node->kind == NODE_MAPPING &&
                  !parse->frame[parse->depth - 1].key;
    if (is_key || parse->depth == YAML_DEPTH_MAX) {
        if (is_key)
            diagnostics_error(parse->diagnostics, place, "a key must be a word");
        else
            diagnostics_error(parse->diagnostics, place, "nested more than %d deep",
                              YAML_DEPTH_MAX);
        parse->stop = true;
        return;
    }
    Node *node = arena_alloc(parse->arena, sizeof *node);
    node->kind = kind;
    node->place = place;
    parse->frame[parse->depth++] = (Frame){.node = node};
}

static void close_collection(Parse *parse) {
    Node *node = parse->frame[--parse->depth].node;
    attach(parse, node);
}

static void take_event(Parse *parse, const yaml_event_t *event, int *documents) {
    switch (event->type) {
        case YAML_DOCUMENT_START_EVENT:
            if (++*documents > 1) {
                diagnostics_error(parse->diagnostics, place_of_event(parse, event),
                                  "a second document begins; a file holds one");
                parse->stop = true;
            }
            break;
        case YAML_ALIAS_EVENT: attach(parse, refuse(parse, event, NO_ALIASES)); break;
        case YAML_SCALAR_EVENT: take_scalar(parse, event); break;
        case YAML_SEQUENCE_START_EVENT: open_collection(parse, event, NODE_LIST); break;
        case YAML_MAPPING_START_EVENT: open_collection(parse, event, NODE_MAPPING); break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: close_collection(parse); break;
        default: break;
    }
}

/// The character at a mark is a tab: libyaml's own words do not say so.
static bool tab_at(const char *bytes, int64_t size, const yaml_mark_t *mark) {
    const char *at = bytes, *end = bytes + size;
    for (size_t line = 0; line < mark->line && at; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at) at++;
    }
    for (; at && at < end && *at != '\n'; at++)
        if (*at != ' ') return *at == '\t';
    return false;
}

static void report_syntax(Parse *parse, const yaml_parser_t *parser, const char *bytes,
                          int64_t size) {
    CHECK(parser->error != YAML_MEMORY_ERROR, "out of memory in libyaml");
    Place place = place_of_mark(parse, &parser->problem_mark);
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    // What is never closed is best shown where it was opened, not at the end of the file.
    if (parser->context && parser->problem_mark.index + 1 >= (size_t)size)
        place = place_of_mark(parse, &parser->context_mark);
    if (tab_at(bytes, size, &parser->problem_mark))
        diagnostics_error(parse->diagnostics, place, "a tab in the indentation; use spaces");
    else if (parser->context)
        diagnostics_error(parse->diagnostics, place, "not YAML: %s %s in line %d", problem,
                          parser->context, (int)place_of_mark(parse, &parser->context_mark).line);
    else
        diagnostics_error(parse->diagnostics, place, "not YAML: %s", problem);
    parse->stop = true;
}

static void run_parser(Parse *parse, const char *bytes, int64_t size) {
    yaml_parser_t parser;
    CHECK(yaml_parser_initialize(&parser), "out of memory in libyaml");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, (size_t)size);
    int documents = 0;
    for (bool done = false; !done && !parse->stop;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            report_syntax(parse, &parser, bytes, size);
            break;
        }
        take_event(parse, &event, &documents);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

/// Why a character may not stand in a text, or NULL. The line breaks of other systems would make
/// libyaml and us count lines differently.
static const char *refused_character(uint32_t code, uint32_t next) {
    if (code == '\r') return next == '\n' ? NULL : "a carriage return without a line feed";
    if (code == 0) return "a NUL byte: this is not a text";
    if (code == 0x85 || code == 0x2028 || code == 0x2029)
        return "a line break that is no line feed";
    if (code == 0xFEFF || code == 0xFFFE || code == 0xFFFF)
        return "a byte order mark inside the text";
    if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0))
        return "a control character";
    return NULL;
}

static bool check_characters(Parse *parse, const char *bytes, int64_t size) {
    const unsigned char *at = (const unsigned char *)bytes, *end = at + size;
    Place place = {parse->text, parse->line, parse->column, 1};
    while (at < end) {
        uint32_t code = 0;
        int length = text_decode(at, end, &code);
        const char *why = length == 0 ? "a byte that is not UTF-8" : NULL;
        if (!why) why = refused_character(code, at + 1 < end ? at[1] : 0);
        if (why) {
            diagnostics_error(parse->diagnostics, place, "%s", why);
            return false;
        }
        place.column++;
        if (code == '\n') {
            place.line++;
            place.column = 1;
        }
        at += length;
    }
    return true;
}

Node *yaml_parse_part(const Text *text, int64_t begin, int64_t size, int32_t line, int32_t column,
                      Arena *arena, Diagnostics *diagnostics) {
    Parse parse = {
        .text = text, .line = line, .column = column, .arena = arena, .diagnostics = diagnostics};
    if (!check_characters(&parse, text->bytes + begin, size)) return NULL;
    run_parser(&parse, text->bytes + begin, size);
    if (parse.stop) return NULL;
    if (!parse.root)
        diagnostics_error(diagnostics, (Place){text, line, column, 1}, "nothing is written here");
    return parse.root;
}

Node *yaml_parse(const Text *text, Arena *arena, Diagnostics *diagnostics) {
    int64_t begin = text->size >= 3 && memcmp(text->bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    return yaml_parse_part(text, begin, text->size - begin, 1, 1, arena, diagnostics);
}

Node *node_get(const Node *node, const char *key) {
    if (!node || node->kind != NODE_MAPPING) return NULL;
    int32_t i = find_key(node, key);
    return i >= 0 ? node->item[i] : NULL;
}

/// The child named by the first `length` bytes of `name`.
static const Node *child_of(const Node *node, const char *name, size_t length) {
    char word[128];
    if (length >= sizeof word) return NULL;
    memcpy(word, name, length);
    word[length] = '\0';
    if (node->kind == NODE_MAPPING) return node_get(node, word);
    if (node->kind != NODE_LIST) return NULL;
    char *rest;
    long i = strtol(word, &rest, 10);
    return *rest == '\0' && rest != word && i >= 0 && i < node->n ? node->item[i] : NULL;
}

/// Walk down as far as the path is written; *whole tells if all of it was.
static const Node *walk_path(const Node *root, const char *path, bool *whole) {
    const Node *node = root;
    while (node && *path) {
        size_t length = strcspn(path, ".");
        const Node *child = child_of(node, path, length);
        if (!child) break;
        node = child;
        path += length;
        if (*path == '.') path++;
    }
    *whole = *path == '\0';
    return node;
}

Node *node_find(const Node *root, const char *path) {
    bool whole;
    const Node *node = walk_path(root, path, &whole);
    return whole ? (Node *)node : NULL;
}

Place node_place(const Node *root, const char *path) {
    bool whole;
    const Node *node = walk_path(root, path, &whole);
    return node ? node->place : (Place){0};
}

void node_set(Node *mapping, Node *key, Node *value, Arena *arena) {
    int32_t i = find_key(mapping, key->text);
    if (i >= 0) {
        mapping->key[i] = key;
        mapping->item[i] = value;
        return;
    }
    // Settings are few: growing by one each time is enough, and needs no capacity in the node.
    grow(&mapping->item, mapping->n, mapping->n + 1, arena);
    grow(&mapping->key, mapping->n, mapping->n + 1, arena);
    mapping->key[mapping->n] = key;
    mapping->item[mapping->n++] = value;
}
