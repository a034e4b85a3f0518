/// yaml.h: a YAML text as a tree of nodes that know their place.
///
/// Idea.    libyaml delivers events with marks; a small stack turns them into nodes. Scalars stay
///          text: the schema decides types, so YAML's guesses (NO is false, 012 is 10) never
///          happen.
/// Limits.  One document, depth at most YAML_DEPTH_MAX, at most YAML_KEYS_MAX keys in a mapping.
///          Refused with their place: anchors, aliases, tags, several
///          documents, keys that are not plain words, duplicate keys, text that is not UTF-8,
///          control characters.
/// Source.  YAML 1.1 as read by libyaml 0.2.
#ifndef COLOSSIM_CONFIG_YAML_H
#define COLOSSIM_CONFIG_YAML_H

#include "base/arena.h"
#include "config/diagnostics.h"
#include "config/text.h"

enum { YAML_DEPTH_MAX = 16, YAML_KEYS_MAX = 256 };

typedef enum NodeKind {
    NODE_SCALAR,
    NODE_LIST,
    NODE_MAPPING,
    NODE_REFUSED, ///< an alias or the like, already reported
} NodeKind;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    bool quoted; ///< scalar in quotes or a block
    Place place; ///< scalar: its span; collection: where it begins
    const char
        *text;   ///< scalar: its value, NUL-terminated, no NUL inside; refused: what was reported
    int32_t n;   ///< items of a list, pairs of a mapping
    Node **item; ///< [n] items, or values
    Node **key;  ///< [n] keys of a mapping, scalars
};

/// Parse a whole text. Nodes live in `arena`. Errors go to `diagnostics`; NULL after an error that
/// leaves the rest unknown (syntax, depth, encoding); after a refused alias or a duplicate key the
/// tree is still good for finding more errors. An empty text is an error.
Node *yaml_parse(const Text *text, Arena *arena, Diagnostics *diagnostics);
/// Parse `size` bytes of a text from byte `begin`, which stands at (line, column): the value of a
/// --set.
Node *yaml_parse_part(const Text *text, int64_t begin, int64_t size, int32_t line, int32_t column,
                      Arena *arena, Diagnostics *diagnostics);

/// Value of a key of a mapping, or NULL; `node` may be NULL or no mapping (then NULL).
Node *node_get(const Node *node, const char *key);
/// Node at "a.b.c" below `root`, or NULL; list items by number.
Node *node_find(const Node *root, const char *path);
/// Place of "a.b.c", or of the nearest ancestor that was written down (at least the root).
Place node_place(const Node *root, const char *path);
/// A scalar that was written nowhere: a default, or a path of a --set.
Node *node_scalar(const char *text, Place place, Arena *arena);
Node *node_mapping(Place place, Arena *arena);
/// Set the value of a key, keeping order; a new key goes to the end. Both nodes live in `arena`.
void node_set(Node *mapping, Node *key, Node *value, Arena *arena);

#endif
