/// catalogue.h: entries of the catalogue (topologies/hardware, jobs/models) as tests need them, by folder and name.
#ifndef COLOSSIM_TESTS_CATALOGUE_H
#define COLOSSIM_TESTS_CATALOGUE_H

#include <stdio.h>

#include "base/arena.h"
#include "config/diagnostics.h"
#include "config/schema.h"
#include "config/text.h"

/// Read entry `name` (without .yaml) of a folder into `data`; false: *why says what is wrong with it.
///   kind  of entries that the folder holds, which is its name: hardware or models
static inline bool catalogue_load(const char *folder, const char *kind, const char *name,
                                  const Schema *schema, void *data, TextBuffer *why) {
    Arena *arena = arena_create("test.catalogue", 1 << 16);
    Texts texts = {.n = 0};
    Diagnostics diagnostics = {.n = 0};
    const TextSource source = {.read = text_read_file};
    char base[600];
    snprintf(base, sizeof base, "%s/../x.yaml", folder);
    Reader reader = {base, &source, &texts, arena, &diagnostics};
    const bool good = reader_load_entry(&reader, kind, name, (Place){.text = NULL}, schema, data) &&
                      diagnostics.errors == 0;
    if (!good) diagnostics_print(&diagnostics, why);
    diagnostics_fini(&diagnostics);
    texts_fini(&texts);
    arena_destroy(arena);
    return good;
}

#endif
