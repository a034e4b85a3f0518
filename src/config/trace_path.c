#include "config/trace_path.h"

#include <stdio.h>
#include <string.h>

#include "base/fingerprint.h"

static const char KEY[] = "trace.path", FOLDER[] = "output/", SETTINGS[] = "--set";
/// Longer settings and names are cut; names of files end at 255 bytes.
enum { NAMED_BYTES = 100, NAMES_BYTES = 2 * HARDWARE_NAME_BYTES, CHECKSUM_BYTES = 17 };

/// Fit for the name of a file and for a shell; true if nothing had to be changed.
static bool clean(char *text) {
    static const char FIT[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+=-%";
    bool same = true;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x80 && !strchr(FIT, *c)) {
            *c = '-';
            same = false;
        }
    return same;
}

/// "-seed=2-steps=3"; what cannot be said in full, or not in these characters, ends with a checksum.
static void name_settings(const Texts *texts, char *out, size_t size) {
    out[0] = '\0';
    for (int32_t i = 0; i < texts->n; i++) {
        const Text *text = texts->text[i];
        if (strcmp(text->path, SETTINGS) != 0 || text->size < 2) continue;
        int64_t bytes = text->size - 1; // without the last line break
        snprintf(out, size, "-%.*s", (int)(bytes < NAMED_BYTES ? bytes : NAMED_BYTES), text->bytes);
        for (char *c = out; *c; c++)
            if (*c == '\n') *c = '-';
        bool whole = clean(out) && bytes <= NAMED_BYTES;
        size_t used = strlen(out);
        if (!whole)
            snprintf(out + used, size - used, "~%016llx",
                     (unsigned long long)fingerprint_bytes(text->bytes, (size_t)text->size));
    }
}

/// "TOPOLOGY-JOB-JOB"; what is too long ends with a checksum of all.
static void name_files(const CrossCheck *files, char out[NAMES_BYTES]) {
    TextBuffer buffer = {0};
    text_printf(&buffer, "%s", files->cluster->name);
    for (int32_t i = 0; i < files->njobs; i++)
        text_printf(&buffer, "-%s", files->job[i].file->job.name);
    char *all = text_take(&buffer);
    const bool whole = strlen(all) < NAMES_BYTES;
    snprintf(out, NAMES_BYTES, "%.*s", NAMES_BYTES - 1 - (whole ? 0 : CHECKSUM_BYTES), all);
    clean(out);
    const size_t used = strlen(out);
    if (!whole)
        snprintf(out + used, NAMES_BYTES - used, "~%016llx",
                 (unsigned long long)fingerprint_bytes(all, strlen(all)));
    text_free(all);
}

/// Whether a path of a file stays below the folder it is laid in.
static bool stays_below(const char *path) {
    if (path[0] == '/') return false;
    for (const char *word = path; word; word = strchr(word, '/')) {
        word += *word == '/';
        if (strncmp(word, "..", 2) == 0 && (word[2] == '/' || word[2] == '\0')) return false;
    }
    return true;
}

static void lay_below(const char *path, char out[], size_t size) {
    bool there = strncmp(path, FOLDER, strlen(FOLDER)) == 0;
    snprintf(out, size, "%s%s", there ? "" : FOLDER, path);
}

void trace_path_resolve(Reader *reader, const CrossCheck *files) {
    const JobEntry *first = &files->job[0];
    TraceSpec *trace = &first->file->trace;
    char path[sizeof trace->path], settings[NAMED_BYTES + 32], name[NAMES_BYTES];
    snprintf(path, sizeof path, "%s", trace->path);
    Place place = node_place(first->root, KEY);
    if (strcmp(path, "none") == 0) {
        trace->path[0] = '\0';
    } else if (strcmp(path, "auto") == 0) {
        name_settings(reader->texts, settings, sizeof settings);
        name_files(files, name);
        snprintf(trace->path, sizeof trace->path, "%s%s%s.h5", FOLDER, name, settings);
        trace->make_folder = true;
    } else if (path[0] == '\0') {
        reader_error(reader, first->root, KEY, "wants a file, auto or none");
    } else if (!place.text || strcmp(place.text->path, SETTINGS) != 0) {
        trace->make_folder = true;
        if (!stays_below(path) || strlen(FOLDER) + strlen(path) >= sizeof trace->path)
            reader_error(reader, first->root, KEY,
                         "leads out of %s; --output on the command line may", FOLDER);
        else
            lay_below(path, trace->path, sizeof trace->path);
    }
}
