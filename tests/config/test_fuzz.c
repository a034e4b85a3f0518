// Thousands of damaged configurations: each ends with a verdict. Nothing crashes, hangs, or fails
// without a word.
//
// The files that ship are damaged in memory (bytes, lines, tokens that mean something to YAML or to
// the schemas) and loaded whole. Under AddressSanitizer and UndefinedBehaviorSanitizer this is the
// proof that no text can hurt.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/rng.h"
#include "claims.h"
#include "config/run_file.h"

enum {
    TRIALS = 4000,
    SEED = 20240907,
    DAMAGES_MOST = 4,
    CACHE_FILES = 64,
    SECONDS_MOST = 50,
    FILE_SECONDS_MOST = 5
};

typedef struct CachedFile {
    char path[TEXT_PATH_BYTES];
    char *bytes;
    int64_t size;
} CachedFile;

/// Files are read from disk once; one of them is served damaged.
typedef struct Source {
    CachedFile file[CACHE_FILES];
    int nfiles;
    const char *damaged_path;
    char *damaged;
    int64_t damaged_size;
} Source;

static const CachedFile *cached(Source *source, const char *path) {
    for (int i = 0; i < source->nfiles; i++)
        if (strcmp(source->file[i].path, path) == 0) return &source->file[i];
    char *bytes = NULL;
    int64_t size = 0;
    Status status = text_read_file(NULL, path, &bytes, &size);
    if (!status_is_ok(&status) || source->nfiles == CACHE_FILES) return NULL;
    CachedFile *file = &source->file[source->nfiles++];
    snprintf(file->path, sizeof file->path, "%s", path);
    file->bytes = bytes;
    file->size = size;
    return file;
}

static Status read_source(void *context, const char *path, char **bytes, int64_t *size) {
    Source *source = context;
    const char *from = source->damaged;
    *size = source->damaged_size;
    if (!source->damaged_path || strcmp(path, source->damaged_path) != 0) {
        const CachedFile *file = cached(source, path);
        if (!file) FAIL(STATUS_INPUT, "not there");
        from = file->bytes;
        *size = file->size;
    }
    *bytes = memory_alloc("config.text", (size_t)*size + 1);
    memcpy(*bytes, from, (size_t)*size);
    return status_ok();
}

static int64_t draw(int trial, int *n, int64_t below) {
    return rng_below(SEED, RNG_TEST, (uint64_t)trial, (uint64_t)(*n)++, below);
}

/// Replace bytes [begin, end) of a text; the result is a new block of *size bytes.
static char *splice(char *text, int64_t *size, int64_t begin, int64_t end, const char *insert,
                    int64_t ninsert) {
    int64_t grown = *size - (end - begin) + ninsert;
    char *out = malloc((size_t)grown + 1);
    memcpy(out, text, (size_t)begin);
    memcpy(out + begin, insert, (size_t)ninsert);
    memcpy(out + begin + ninsert, text + end, (size_t)(*size - end));
    free(text);
    *size = grown;
    return out;
}

/// Beginning of the line that holds byte `at`, and of the next one.
static void line_around(const char *text, int64_t size, int64_t at, int64_t *begin, int64_t *end) {
    *begin = at;
    while (*begin > 0 && text[*begin - 1] != '\n') --*begin;
    *end = at;
    while (*end < size && text[*end] != '\n') ++*end;
    if (*end < size) ++*end;
}

static char *damage(char *text, int64_t *size, int trial, int *n) {
    static const char *const TOKENS[] = {
        "%% ",      "\"",
        "'",        "[",
        "]",        "{",
        "}",        "&a ",
        "*a",       "!!int ",
        "---\n",    "...\n",
        "? ",       ": ",
        "- ",       "|\n",
        ">\n",      "#",
        "\t",       "\r",
        "\xFF",     "\xEF\xBB\xBF",
        "<<: ",     "-1",
        "0",        "1",
        "2",        "3",
        "7",        "999999999999999999",
        "1e9",      "0.0000001",
        "400 Gb/s", "5 m",
        "%",        " us",
        "auto",     "none",
        "all",      "off",
        "random",   "null",
        "\n",       "  ",
        "1048576",  "2147483647",
        "16777216",
    };
    const int ntokens = sizeof TOKENS / sizeof TOKENS[0];
    int64_t at = *size > 0 ? draw(trial, n, *size) : 0, begin, end;
    const char *token = TOKENS[draw(trial, n, ntokens)];
    switch (draw(trial, n, 7)) {
        case 0: { // a byte of any value
            char byte = (char)draw(trial, n, 256);
            return splice(text, size, at, *size > 0 ? at + 1 : at, &byte, 1);
        }
        case 1: return splice(text, size, at, at, token, (int64_t)strlen(token));
        case 2: // a word becomes a token
            for (begin = at; begin > 0 && !strchr(" \n:[],", text[begin - 1]); begin--) {
            }
            for (end = at; end < *size && !strchr(" \n:[],", text[end]); end++) {
            }
            return splice(text, size, begin, end, token, (int64_t)strlen(token));
        case 3: // a line is lost
            line_around(text, *size, at, &begin, &end);
            return splice(text, size, begin, end, "", 0);
        case 4: { // a line is written twice
            line_around(text, *size, at, &begin, &end);
            char line[512];
            int64_t length = end - begin < 500 ? end - begin : 500;
            memcpy(line, text + begin, (size_t)length);
            return splice(text, size, end, end, line, length);
        }
        case 5: return splice(text, size, at, *size, "", 0); // cut short
        default:                                             // indentation
            line_around(text, *size, at, &begin, &end);
            return splice(text, size, begin, begin, "  ", 2);
    }
}

static const char *const PAIRS[][2] = {
    {"topologies/laptop-16.yaml", "jobs/ddp-small.yaml"},
    {"topologies/laptop-16.yaml", "jobs/traffic-permutation.yaml"},
    {"topologies/laptop-16.yaml", "jobs/traffic-flows.yaml"},
    {"topologies/superpod-h100-1su.yaml", "jobs/traffic-all-reduce.yaml"},
    {"topologies/meta-24k-roce.yaml", "jobs/llama3.1-405b-8k.yaml"},
    {"topologies/colossus-100k.yaml", "jobs/llama3.1-405b-colossus.yaml"},
};
enum { PAIRS_N = sizeof PAIRS / sizeof PAIRS[0] };
static const char *const OTHERS[] = {
    "topologies/hardware/h100-sxm.yaml",
    "topologies/hardware/nvlink4-8.yaml",
    "topologies/hardware/quantum-2-qm9700.yaml",
    "jobs/models/llama3.1-405b.yaml",
    "jobs/models/gpt-1.7b.yaml",
};
enum { OTHERS_N = sizeof OTHERS / sizeof OTHERS[0] };

/// Load one pair; true if it was accepted. A refusal must say something.
static bool load(Source *source, const char *topology, const char *job) {
    RunRequest request = {topology, &job, 1, NULL, 0, {read_source, source, ""}};
    RunSpec *run = memory_alloc("test.run", sizeof *run);
    char *errors = NULL;
    Status status = run_spec_load(&request, run, &errors);
    bool good = status_is_ok(&status);
    if (good) {
        assert_null(errors);
        run_spec_fini(run);
    } else {
        assert_int_equal(status.code, STATUS_INPUT);
        assert_non_null(strstr(errors, "error: "));
        text_free(errors);
    }
    memory_free("test.run", run, sizeof *run);
    return good;
}

static void damaged_files_get_a_verdict(void **state) {
    (void)state;
    alarm(SECONDS_MOST + FILE_SECONDS_MOST);
    assert_int_equal(chdir(COLOSSIM_SOURCE_DIR), 0);
    static Source source;
    const time_t begin = time(NULL);
    int accepted = 0, refused = 0;
    for (int trial = 0; trial < TRIALS && time(NULL) - begin < SECONDS_MOST; trial++) {
        int n = 0;
        const char *const *pair = PAIRS[draw(trial, &n, PAIRS_N)];
        int64_t which = draw(trial, &n, 3);
        source.damaged_path = which < 2 ? pair[which] : OTHERS[draw(trial, &n, OTHERS_N)];
        const CachedFile *file = cached(&source, source.damaged_path);
        assert_non_null(file);
        source.damaged_size = file->size;
        source.damaged = malloc((size_t)file->size + 1);
        memcpy(source.damaged, file->bytes, (size_t)file->size);
        for (int64_t i = draw(trial, &n, DAMAGES_MOST); i >= 0; i--)
            source.damaged = damage(source.damaged, &source.damaged_size, trial, &n);
        if (load(&source, pair[0], pair[1]))
            accepted++;
        else
            refused++;
        free(source.damaged);
    }
    for (int i = 0; i < source.nfiles; i++)
        memory_free("config.text", source.file[i].bytes, (size_t)source.file[i].size + 1);
    print_message("%d accepted, %d refused\n", accepted, refused);
    // Damage in comments and free text is harmless; most of the rest is not.
    assert_true(accepted > 0 && refused > accepted / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_get_a_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
