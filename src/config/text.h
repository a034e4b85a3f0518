/// text.h: the texts a run is configured from, and places in them.
///
/// Idea.    Every file is read once, through a callback: under MPI rank 0 reads and broadcasts, and
///          every rank parses the same bytes. Texts are kept whole, so that an error can show its
///          line and the trace can hold its source. The settings of the command line (`--set
///          key=value`) are a text too, one line each, called "--set".
/// Limits.  A configuration has at most TEXT_BYTES_MAX bytes, a table of flows TEXT_DATA_BYTES_MAX.
#ifndef COLOSSIM_CONFIG_TEXT_H
#define COLOSSIM_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    TEXT_BYTES_MAX = 1 << 20,
    TEXT_DATA_BYTES_MAX = 1 << 28,
    TEXT_PATH_BYTES = 1024,
    TEXTS_MAX = 256,
    TEXTS_RESERVED = 80
};

/// How to get the bytes of a file.
///   read   gives *bytes_read bytes in *bytes, allocated with memory_alloc("config.text",
///          *bytes_read + 1) and NUL-terminated; on failure a Status whose text is the reason alone
///          ("No such file or directory"). Called by all ranks with the same paths in the same
///          order. A path that ends in '/' is a folder: read as the sorted names of its .yaml files,
///          without ".yaml", one a line.
///   share  the installed share folder, holding topologies/ and jobs/; NULL or "" if there is none
typedef struct TextSource {
    Status (*read)(void *context, const char *path, char **bytes, int64_t *bytes_read);
    void *context;
    const char *share;
} TextSource;

/// A text: path as named by the user, bytes as read (bytes[size] == 0).
typedef struct Text {
    char path[TEXT_PATH_BYTES];
    char *bytes;
    int64_t size;
    bool file;      ///< its path leads to it
    int32_t order;  ///< position in Texts
    int32_t errors; ///< reported so far, shown or not
} Text;

/// A span of one line of a text; line and column count from 1, columns in characters (not bytes).
/// line 0: the text as a whole. text NULL: nowhere.
typedef struct Place {
    const Text *text;
    int32_t line, column, length;
} Place;

/// All texts of a run, in the order they were read; the addresses of texts do not change.
typedef struct Texts {
    Text *text[TEXTS_MAX];
    int32_t n;
} Texts;

/// A text being written. Zero-initialise to use; bytes is NUL-terminated once anything was written.
typedef struct TextBuffer {
    char *bytes;
    int64_t n, capacity;
} TextBuffer;

__attribute__((format(printf, 2, 3))) void text_printf(TextBuffer *buffer, const char *format, ...);
void text_put(TextBuffer *buffer, char character);
/// Hand the bytes over: a block of strlen + 1 bytes labelled "config.text" ("" if nothing was
/// written).
char *text_take(TextBuffer *buffer);
void text_free(char *bytes);

/// Read a regular file of the local file system, or a folder: the `read` of a process alone, and of rank 0.
/// `context` is unused.
Status text_read_file(void *context, const char *path, char **bytes, int64_t *bytes_read);
/// The share folder, which holds topologies/ and jobs/: environment COLOSSIM_SHARE; else what stands beside the program,
/// ../share/colossim as installed or .. as built; else the folder fixed at build time, else "".
/// `path` is room for it.
const char *text_share_folder(char path[TEXT_PATH_BYTES]);

/// Get a text, reading it if it is new. A text that cannot be read, or has more than `most_bytes`,
/// is NULL and *reason says why.
Text *texts_open(Texts *texts, const TextSource *source, const char *path, int64_t most_bytes,
                 Status *reason);
/// Add a text that is no file (settings, a file that cannot be read), for which TEXTS_RESERVED
/// places are kept; `size` bytes are copied.
Text *texts_add(Texts *texts, const char *path, const char *bytes, int64_t size);
void texts_fini(Texts *texts);

/// Bytes of the UTF-8 character at `at` (< end) and its code point; 0 if there is none.
int text_decode(const unsigned char *at, const unsigned char *end, uint32_t *code);

/// The file's name without folder and ".yaml", cut to `size` bytes: what a file without `name` is
/// called.
void text_stem(const char *path, char *out, size_t size);

/// The path of `name` as the file `base` means it: from the folder of that, unless it begins with '/'. Returns its length,
/// which may be more than fits.
int text_path_beside(const char *base, const char *name, char *out, size_t size);

/// Text between double quotes, as YAML and JSON read it.
void text_put_quoted(TextBuffer *buffer, const char *text);

/// `path:line:column`, for messages that name a second place; returns `out`.
const char *place_name(Place place, char out[TEXT_PATH_BYTES + 32]);

#endif
