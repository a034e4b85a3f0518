#include "config/shipped.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"

enum { ENTRY_PLACES = 3, NAME_BYTES = 60, MOST_NAMES = 1024 };
typedef char EntryPath[2 * TEXT_PATH_BYTES];

static const char *const FILE_FOLDERS[] = {"topologies", "jobs", "jobs/models",
                                           "topologies/hardware"};
enum { NFILE_FOLDERS = sizeof FILE_FOLDERS / sizeof *FILE_FOLDERS };

bool shipped_is_name(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length >= NAME_BYTES || name[0] == '.') return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
           length;
}

static const Text *open_text(Reader *reader, const char *path, Status *reason) {
    return texts_open(reader->texts, reader->source, path, TEXT_BYTES_MAX, reason);
}

/// Up to MOST_NAMES names that stand in a folder as its text says, and stays, copied into the arena.
static int list_names(Arena *arena, const Text *text, const char *names[], int n) {
    for (const char *at = text->bytes; *at && n < MOST_NAMES;) {
        const size_t length = strcspn(at, "\n");
        char *name = arena_alloc(arena, length + 1);
        memcpy(name, at, length);
        names[n++] = name;
        at += length + (at[length] == '\n');
    }
    return n;
}

/// The name most like `word`, else the first that goes on where it ends; NULL: none.
static const char *closest(const char *word, const char *const names[], int n) {
    enum { LEAST_LETTERS = 3 };
    const size_t length = strlen(word);
    const char *close = diagnostics_closest(word, names, n);
    for (int i = 0; !close && length >= LEAST_LETTERS && i < n; i++)
        if (strncmp(names[i], word, length) == 0) close = names[i];
    return close;
}

/// "; did you mean 'x'?" of all names in the folders, or nothing.
static void suggest(Reader *reader, EntryPath folder[], int nfolders, const char *name, char *out,
                    size_t bytes) {
    const char *names[MOST_NAMES];
    int n = 0;
    for (int i = 0; i < nfolders; i++) {
        Status reason;
        const Text *text = open_text(reader, folder[i], &reason);
        if (text) n = list_names(reader->arena, text, names, n);
    }
    const char *close = closest(name, names, n);
    if (close) snprintf(out, bytes, "; did you mean '%s'?", close);
}

const Text *shipped_open_file(Reader *reader, const char *name, Status *reason) {
    const Text *text = open_text(reader, name, reason);
    const char *share = reader->source->share;
    if (text || !share || !share[0] || !shipped_is_name(name)) return text;
    EntryPath folder[NFILE_FOLDERS];
    for (int i = 0; i < NFILE_FOLDERS; i++) {
        EntryPath path;
        Status unknown;
        snprintf(folder[i], sizeof folder[i], "%s/%s/", share, FILE_FOLDERS[i]);
        snprintf(path, sizeof path, "%s/%s/%s.yaml", share, FILE_FOLDERS[i], name);
        text = open_text(reader, path, &unknown);
        if (text) return text;
    }
    char hint[NAME_BYTES + 32] = "";
    suggest(reader, folder, NFILE_FOLDERS, name, hint, sizeof hint);
    char words[STATUS_TEXT_BYTES];
    snprintf(words, sizeof words, "%.200s, and nothing of %.300s/ is called so%s", reason->text,
             share, hint);
    *reason = status_make(STATUS_INPUT, "%s", words);
    return NULL;
}

/// Folders where an entry may stand, each with its '/': beside the file that names it, one above, in the share folder.
static int entry_folders(const Reader *reader, const char *folder, EntryPath path[ENTRY_PLACES]) {
    for (int up = 0; up < 2; up++) {
        char name[TEXT_PATH_BYTES];
        snprintf(name, sizeof name, "%s%s/", up ? "../" : "", folder);
        text_path_beside(reader->base, name, path[up], sizeof path[up]);
    }
    const char *share = reader->source->share;
    if (!share || !share[0]) return 2;
    snprintf(path[2], sizeof path[2], "%s/%s/%s/", share,
             strcmp(folder, "models") == 0 ? "jobs" : "topologies", folder);
    return 3;
}

/// A path from the folder of the file that names it.
static const Text *open_path(Reader *reader, const char *name, char tried[DIAGNOSTIC_BYTES]) {
    EntryPath path;
    Status reason;
    text_path_beside(reader->base, name, path, sizeof path);
    const Text *text = open_text(reader, path, &reason);
    if (!text) snprintf(tried, DIAGNOSTIC_BYTES, "%.300s: %.60s", path, reason.text);
    return text;
}

const Text *shipped_open_entry(Reader *reader, const char *folder, const char *name,
                               char tried[DIAGNOSTIC_BYTES]) {
    if (strchr(name, '/')) return open_path(reader, name, tried);
    EntryPath place[ENTRY_PLACES];
    size_t used = 0;
    int nplaces = entry_folders(reader, folder, place);
    for (int i = 0; i < nplaces; i++) {
        EntryPath path;
        Status reason;
        snprintf(path, sizeof path, "%.*s%s.yaml", (int)sizeof path - NAME_BYTES - 6, place[i],
                 name);
        const Text *text = open_text(reader, path, &reason);
        if (text) return text;
        if (used < DIAGNOSTIC_BYTES)
            used += (size_t)snprintf(tried + used, DIAGNOSTIC_BYTES - used, "%s%.120s: %.60s",
                                     i > 0 ? "; " : "", path, reason.text);
    }
    if (used < DIAGNOSTIC_BYTES)
        suggest(reader, place, nplaces, name, tried + used, DIAGNOSTIC_BYTES - used);
    return NULL;
}
