#include "config/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/check.h"
#include "base/memory.h"

#ifndef COLOSSIM_SHARE
#define COLOSSIM_SHARE ""
#endif

static const char LABEL[] = "config.text";

enum { FOLDER_NAMES_MAX = 1000, FOLDER_NAME_BYTES = 64 };
typedef char FolderName[FOLDER_NAME_BYTES];

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

/// Names of the .yaml files of a folder without that, as many as there is room for; not sorted.
static int list_folder(DIR *folder, FolderName names[]) {
    int n = 0;
    const struct dirent *entry;
    while (n < FOLDER_NAMES_MAX && (entry = readdir(folder))) {
        const size_t length = strlen(entry->d_name);
        if (length < 6 || length - 5 >= FOLDER_NAME_BYTES) continue;
        if (strcmp(entry->d_name + length - 5, ".yaml") != 0) continue;
        snprintf(names[n++], FOLDER_NAME_BYTES, "%.*s", (int)length - 5, entry->d_name);
    }
    return n;
}

static Status read_folder(const char *path, char **bytes, int64_t *bytes_read) {
    DIR *folder = opendir(path);
    REQUIRE(folder, STATUS_INPUT, "%s", strerror(errno));
    FolderName *names = memory_alloc(LABEL, FOLDER_NAMES_MAX * sizeof *names);
    const int n = list_folder(folder, names);
    closedir(folder);
    qsort(names, (size_t)n, sizeof *names, compare_names);
    TextBuffer text = {0};
    for (int i = 0; i < n; i++) text_printf(&text, "%s\n", names[i]);
    memory_free(LABEL, names, FOLDER_NAMES_MAX * sizeof *names);
    *bytes_read = text.n;
    *bytes = text_take(&text);
    return status_ok();
}

Status text_read_file(void *context, const char *path, char **bytes, int64_t *bytes_read) {
    (void)context;
    if (path[0] && path[strlen(path) - 1] == '/') return read_folder(path, bytes, bytes_read);
    // A folder, a pipe or a device could be opened, and the last two never end.
    struct stat about;
    if (stat(path, &about) != 0) FAIL(STATUS_INPUT, "%s", strerror(errno));
    REQUIRE(!S_ISDIR(about.st_mode), STATUS_INPUT, "it is a folder");
    REQUIRE(S_ISREG(about.st_mode), STATUS_INPUT, "it is not a regular file");
    REQUIRE(about.st_size <= TEXT_DATA_BYTES_MAX, STATUS_INPUT,
            "it has %lld bytes, at most %d are read", (long long)about.st_size,
            TEXT_DATA_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    if (!file) FAIL(STATUS_INPUT, "%s", strerror(errno));
    size_t size = (size_t)about.st_size;
    char *block = memory_alloc(LABEL, size + 1);
    size_t got = fread(block, 1, size, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || got != size) {
        memory_free(LABEL, block, size + 1);
        FAIL(STATUS_INPUT, "only %zu of %zu bytes could be read", got, size);
    }
    *bytes = block;
    *bytes_read = (int64_t)size;
    return status_ok();
}

/// A folder beside the program that has topologies and jobs; NULL: there is none.
static const char *folder_beside(const char *place, char out[TEXT_PATH_BYTES]) {
    const ssize_t n = readlink("/proc/self/exe", out, TEXT_PATH_BYTES - 1);
    if (n <= 0) return NULL;
    out[n] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(out, '/');
        if (!slash) return NULL;
        *slash = '\0';
    }
    const size_t used = strlen(out);
    char jobs[TEXT_PATH_BYTES + 64];
    if (used + strlen(place) >= TEXT_PATH_BYTES) return NULL;
    memcpy(out + used, place, strlen(place) + 1);
    snprintf(jobs, sizeof jobs, "%s/jobs/models", out);
    return access(jobs, R_OK) == 0 ? out : NULL;
}

const char *text_share_folder(char path[TEXT_PATH_BYTES]) {
    const char *folder = getenv("COLOSSIM_SHARE");
    if (folder && folder[0]) return folder;
    folder = folder_beside("/share/colossim", path);
    if (!folder) folder = folder_beside("", path);
    return folder ? folder : COLOSSIM_SHARE;
}

static Text *find_text(const Texts *texts, const char *path) {
    for (int32_t i = 0; i < texts->n; i++)
        if (texts->text[i]->file && strcmp(texts->text[i]->path, path) == 0) return texts->text[i];
    return NULL;
}

static Text *append_text(Texts *texts, const char *path, char *bytes, int64_t size) {
    CHECK(texts->n < TEXTS_MAX, "more than %d texts", TEXTS_MAX);
    Text *text = memory_alloc("config.texts", sizeof *text);
    snprintf(text->path, sizeof text->path, "%s", path);
    text->bytes = bytes;
    text->size = size;
    text->order = texts->n;
    texts->text[texts->n++] = text;
    return text;
}

Text *texts_open(Texts *texts, const TextSource *source, const char *path, int64_t most_bytes,
                 Status *reason) {
    *reason = status_ok();
    Text *known = find_text(texts, path);
    if (known) return known;
    if (strlen(path) >= TEXT_PATH_BYTES) {
        *reason =
            status_make(STATUS_INPUT, "the path is longer than %d bytes", TEXT_PATH_BYTES - 1);
        return NULL;
    }
    if (texts->n >= TEXTS_MAX - TEXTS_RESERVED) {
        *reason = status_make(STATUS_INPUT, "more than %d files", TEXTS_MAX - TEXTS_RESERVED);
        return NULL;
    }
    char *bytes = NULL;
    int64_t size = 0;
    *reason = source->read(source->context, path, &bytes, &size);
    if (!status_is_ok(reason)) return NULL;
    if (size > most_bytes) {
        memory_free(LABEL, bytes, (size_t)size + 1);
        *reason = status_make(STATUS_INPUT, "it has %lld bytes, at most %lld are allowed",
                              (long long)size, (long long)most_bytes);
        return NULL;
    }
    Text *text = append_text(texts, path, bytes, size);
    text->file = true;
    return text;
}

Text *texts_add(Texts *texts, const char *path, const char *bytes, int64_t size) {
    char *copy = memory_alloc(LABEL, (size_t)size + 1);
    if (size > 0) memcpy(copy, bytes, (size_t)size);
    return append_text(texts, path, copy, size);
}

void texts_fini(Texts *texts) {
    for (int32_t i = 0; i < texts->n; i++) {
        memory_free(LABEL, texts->text[i]->bytes, (size_t)texts->text[i]->size + 1);
        memory_free("config.texts", texts->text[i], sizeof(Text));
    }
    texts->n = 0;
}

const char *place_name(Place place, char out[TEXT_PATH_BYTES + 32]) {
    const char *path = place.text ? place.text->path : "?";
    if (place.line < 1)
        snprintf(out, TEXT_PATH_BYTES + 32, "%s", path);
    else
        snprintf(out, TEXT_PATH_BYTES + 32, "%s:%d:%d", path, (int)place.line, (int)place.column);
    return out;
}

void text_stem(const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t length = strlen(base);
    if (length > 5 && strcmp(base + length - 5, ".yaml") == 0) length -= 5;
    snprintf(out, size, "%.*s", (int)length, base);
}

int text_path_beside(const char *base, const char *name, char *out, size_t size) {
    const char *slash = strrchr(base, '/');
    const int folder = slash && name[0] != '/' ? (int)(slash - base) + 1 : 0;
    return snprintf(out, size, "%.*s%s", folder, base, name);
}

void text_put_quoted(TextBuffer *buffer, const char *text) {
    text_put(buffer, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') text_put(buffer, '\\');
        text_put(buffer, *text);
    }
    text_put(buffer, '"');
}

void text_printf(TextBuffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(length >= 0, "cannot format '%s'", format);
    if (buffer->n + length + 1 > buffer->capacity)
        array_grow("config.text", (void **)&buffer->bytes, &buffer->capacity,
                   buffer->n + length + 1, 1);
    vsnprintf(buffer->bytes + buffer->n, (size_t)length + 1, format, again);
    va_end(again);
    buffer->n += length;
}

void text_put(TextBuffer *buffer, char character) {
    if (buffer->n + 2 > buffer->capacity)
        array_grow("config.text", (void **)&buffer->bytes, &buffer->capacity, buffer->n + 2, 1);
    buffer->bytes[buffer->n++] = character;
    buffer->bytes[buffer->n] = '\0';
}

char *text_take(TextBuffer *buffer) {
    char *exact = memory_alloc(LABEL, (size_t)buffer->n + 1);
    if (buffer->n > 0) memcpy(exact, buffer->bytes, (size_t)buffer->n);
    array_release("config.text", (void **)&buffer->bytes, &buffer->n, &buffer->capacity, 1);
    return exact;
}

void text_free(char *bytes) {
    if (bytes) memory_free(LABEL, bytes, strlen(bytes) + 1);
}

int text_decode(const unsigned char *at, const unsigned char *end, uint32_t *code) {
    static const uint32_t LEAST[5] = {0, 0, 0x80, 0x800, 0x10000};
    int length = *at < 0x80             ? 1
                 : (*at & 0xE0) == 0xC0 ? 2
                 : (*at & 0xF0) == 0xE0 ? 3
                 : (*at & 0xF8) == 0xF0 ? 4
                                        : 0;
    if (length == 0 || end - at < length) return 0;
    uint32_t value = length == 1 ? *at : *at & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (at[i] & 0x3Fu);
    }
    bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < LEAST[length] || surrogate || value > 0x10FFFF) return 0;
    *code = value;
    return length;
}
