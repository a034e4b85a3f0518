/// schema_say.h: what a table of keys says of itself: as a JSON Schema for editors, and as tables for people.
///
/// Idea.    The tables that files are read with hold every key, its unit, default, limits and meaning; both forms are written
///          from them, so that neither can differ from what is read.
/// Limits.  A JSON Schema knows nothing of what keys say about each other, and takes numbers with units by their spelling
///          alone.
/// Source.  JSON Schema draft-07 (json-schema.org), which editors know.
#ifndef COLOSSIM_CONFIG_SCHEMA_SAY_H
#define COLOSSIM_CONFIG_SCHEMA_SAY_H

#include "config/schema.h"

/// The JSON Schema of files of a kind (`schema` has one).
void schema_write_json(const Schema *schema, TextBuffer *out);
/// A Markdown table of each mapping of such files: keys with their paths, what they take, default and meaning.
void schema_write_keys(const Schema *schema, TextBuffer *out);

#endif
