#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { WORD_BYTES = 128, NAMES_MAX = 128 };

/// One setting being laid over the targets.
typedef struct Setting {
    Reader *reader;
    const Text *text;
    int32_t line;
    const char *bytes; ///< its line
    int32_t equals;    ///< position of '='
    int32_t begin;     ///< where the path begins: behind "topology." or "job."
    const Node *value;
} Setting;

/// A word of the path and what stands behind it.
typedef struct Word {
    char text[WORD_BYTES];
    Place place;
    int32_t next; ///< position of the next word; -1: this is the last
} Word;

static Place place_at(const Setting *setting, int32_t begin, int32_t length) {
    return (Place){setting->text, setting->line, begin + 1, length > 0 ? length : 1};
}

static bool word_at(const Setting *setting, int32_t begin, Word *word) {
    int32_t end = begin;
    while (end < setting->equals && setting->bytes[end] != '.') end++;
    word->next = end < setting->equals ? end + 1 : -1;
    int32_t length = end - begin;
    word->place = place_at(setting, begin, length);
    if (length == 0 || length >= WORD_BYTES) {
        diagnostics_error(
            setting->reader->diagnostics, word->place,
            length == 0 ? "a word of the key is empty" : "a word of the key is too long");
        return false;
    }
    memcpy(word->text, setting->bytes + begin, (size_t)length);
    word->text[length] = '\0';
    return true;
}

/// The item of a list by number or by name.
static Node **find_item(Node *list, const char *word) {
    char *rest;
    long i = strtol(word, &rest, 10);
    if (*rest == '\0' && i >= 0 && i < list->n) return &list->item[i];
    for (int32_t k = 0; k < list->n; k++) {
        const Node *name = node_get(list->item[k], "name");
        if (name && name->kind == NODE_SCALAR && strcmp(name->text, word) == 0)
            return &list->item[k];
    }
    return NULL;
}

/// What a setting descends into: the collection that stands there, what a shorthand means, or a new
/// mapping.
static Node *open_child(const Setting *setting, Node *child, const Word *word,
                        const Schema *schema) {
    Arena *arena = setting->reader->arena;
    if (child && child->kind != NODE_SCALAR) return child;
    Node *mapping = node_mapping(word->place, arena);
    if (child && schema && schema->shorthand)
        node_set(mapping, node_scalar(schema->field[0].key, child->place, arena), child, arena);
    return mapping;
}

/// What a setting puts where a child stands: its value, or, where that is the shorthand of a mapping that is there already,
/// the mapping with another first field: `placement=random` leaves placement.nodes alone.
static Node *put_value(const Setting *setting, Node *child, const Word *word,
                       const Schema *schema) {
    Node *value = (Node *)setting->value;
    const bool first_field = value->kind == NODE_SCALAR && schema && schema->shorthand && child &&
                             child->kind == NODE_MAPPING;
    if (!first_field) return value;
    Arena *arena = setting->reader->arena;
    node_set(child, node_scalar(schema->field[0].key, word->place, arena), value, arena);
    return child;
}

/// Walk to the parent of the last word, making mappings on the way, and put the value there.
static void graft(const Setting *setting, const SettingTarget *target) {
    Node *node = target->root;
    const Schema *schema = target->schema;
    Word word;
    for (int32_t at = setting->begin; at >= 0; at = word.next) {
        if (!word_at(setting, at, &word)) return;
        if (node->kind == NODE_LIST) {
            Node **item = find_item(node, word.text);
            if (!item) {
                diagnostics_error(setting->reader->diagnostics, word.place,
                                  "no item '%.60s' in a list of %d", word.text, (int)node->n);
                return;
            }
            *item =
                word.next < 0 ? (Node *)setting->value : open_child(setting, *item, &word, schema);
            node = *item;
            continue;
        }
        if (node->kind != NODE_MAPPING) {
            diagnostics_error(setting->reader->diagnostics, word.place,
                              "nothing can be set below a single value");
            return;
        }
        const Field *field = schema_field(schema, word.text);
        const Field *inner = field && field->kind == FIELD_LIST ? field->element : field;
        schema = inner && inner->kind == FIELD_STRUCT ? inner->table : NULL;
        Node *child = node_get(node, word.text);
        child = word.next < 0 ? put_value(setting, child, &word, schema)
                              : open_child(setting, child, &word, schema);
        node_set(node, node_scalar(word.text, word.place, setting->reader->arena), child,
                 setting->reader->arena);
        node = child;
    }
}

static bool knows(const SettingTarget *target, const char *word) {
    static const char *const ROOT_KEYS[] = {"schema_version", "kind", "description", "sources"};
    for (int i = 0; i < 4; i++)
        if (strcmp(ROOT_KEYS[i], word) == 0) return true;
    return schema_field(target->schema, word) != NULL;
}

static void report_unknown(const Setting *setting, const Word *first, const SettingTarget targets[],
                           int32_t ntargets) {
    const char *names[NAMES_MAX];
    int n = 0;
    for (int32_t t = 0; t < ntargets; t++)
        for (int32_t i = 0; targets[t].schema && i < targets[t].schema->nfields && n < NAMES_MAX;
             i++)
            names[n++] = targets[t].schema->field[i].key;
    const char *close = diagnostics_closest(first->text, names, n);
    diagnostics_error(setting->reader->diagnostics, first->place,
                      "unknown key '%.60s' in a setting%s%s%s", first->text,
                      close ? "; did you mean '" : "", close ? close : "", close ? "'?" : "");
}

/// Decide which targets a setting is for, and lay it over them.
static void apply(Setting *setting, const SettingTarget targets[], int32_t ntargets) {
    Word first;
    if (!word_at(setting, 0, &first)) return;
    const char *only = NULL;
    if (first.next >= 0 &&
        (strcmp(first.text, "topology") == 0 || strcmp(first.text, "job") == 0)) {
        only = first.text[0] == 't' ? "topology" : "job";
        setting->begin = first.next;
        if (!word_at(setting, setting->begin, &first)) return;
    }
    const SettingTarget *chosen = NULL;
    bool several = false;
    for (int32_t t = 0; t < ntargets; t++) {
        if ((only && strcmp(targets[t].name, only) != 0) || !knows(&targets[t], first.text))
            continue;
        several = several || (chosen && strcmp(chosen->name, targets[t].name) != 0);
        chosen = &targets[t];
    }
    if (!chosen)
        report_unknown(setting, &first, targets, ntargets);
    else if (several)
        diagnostics_error(setting->reader->diagnostics, first.place,
                          "both topology and job have a key '%s'; write topology.%s or job.%s",
                          first.text, first.text, first.text);
    if (!chosen || several) return;
    for (int32_t t = 0; t < ntargets; t++)
        if (strcmp(targets[t].name, chosen->name) == 0 && knows(&targets[t], first.text) &&
            targets[t].root && targets[t].root->kind == NODE_MAPPING)
            graft(setting, &targets[t]);
}

/// Parse one line "path=value"; false if anything was reported.
static bool parse_setting(Setting *setting, int64_t offset, const char *source) {
    const char *equals = strchr(source, '=');
    if (!equals || equals == source) {
        diagnostics_error(setting->reader->diagnostics,
                          place_at(setting, 0, (int32_t)strlen(source)),
                          "a setting wants KEY=VALUE, such as 'parallel.dp=4'");
        return false;
    }
    setting->equals = (int32_t)(equals - source);
    for (int32_t i = 0; i < setting->equals; i++) {
        if (source[i] > 0x20 && source[i] < 0x7F) continue;
        diagnostics_error(setting->reader->diagnostics, place_at(setting, i, 1),
                          "a key is made of letters, digits, '_' and '.'");
        return false;
    }
    int64_t size = (int64_t)strlen(equals + 1);
    setting->value =
        yaml_parse_part(setting->text, offset + setting->equals + 1, size, setting->line,
                        setting->equals + 2, setting->reader->arena, setting->reader->diagnostics);
    return setting->value != NULL;
}

void settings_apply(Reader *reader, const char *const settings[], int32_t nsettings,
                    const SettingTarget targets[], int32_t ntargets) {
    if (nsettings == 0) return;
    TextBuffer joined = {0};
    for (int32_t i = 0; i < nsettings; i++) {
        // One line each: a line break in a setting would shift the others.
        for (const char *c = settings[i]; *c; c++)
            text_put(&joined, *c == '\n' || *c == '\r' ? ' ' : *c);
        text_put(&joined, '\n');
    }
    const Text *text = texts_add(reader->texts, "--set", joined.bytes, joined.n);
    text_free(text_take(&joined));
    int64_t offset = 0;
    for (int32_t i = 0; i < nsettings; i++) {
        Setting setting = {
            .reader = reader, .text = text, .line = i + 1, .bytes = text->bytes + offset};
        if (parse_setting(&setting, offset, settings[i])) apply(&setting, targets, ntargets);
        offset += (int64_t)strlen(settings[i]) + 1;
    }
}
