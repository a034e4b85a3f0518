// Thousands of damaged configurations: each ends with a verdict. Nothing crashes, hangs, or fails
// without a word.
//
// The files that ship are damaged in memory (bytes, lines, tokens that mean something to YAML or to
// the schemas) and loaded whole; and every key of every schema is given the values at and beyond its
// edges, alone and with others. What is accepted is described as `check` and `show` do. Under
// AddressSanitizer and UndefinedBehaviorSanitizer this is the proof that no text can hurt.
// COLOSSIM_FUZZ in the environment is the number of trials of each kind (scripts/dev fuzz).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/check.h"
#include "app/show.h"
#include "base/memory.h"
#include "claims.h"
#include "config/hardware_file.h"
#include "config/job_file.h"
#include "config/model_file.h"
#include "config/run_file.h"
#include "config/topology_file.h"
#include "draws.h"
#include "extremes.h"

enum {
    TRIALS = 1500, // or what COLOSSIM_FUZZ says
    SEED = 20240907,
    DAMAGES_MOST = 4,
    CACHE_FILES = 64,
    SECONDS_MOST = 50, // of either kind, without COLOSSIM_FUZZ
    FILE_SECONDS_MOST = 20,
    KNOBS_TURNED_MOST = 4,
};
#define MEMORY_MOST (INT64_C(1) << 30)

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
    {"topologies/laptop-16.yaml", "tests/config/traffic-packets.yaml"},
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

/// What `check` and `show` say of good files.
static void describe(const RunSpec *run) {
    static FILE *nowhere = NULL;
    if (!nowhere) nowhere = fopen("/dev/null", "w");
    Cluster *cluster = NULL;
    Status status = cluster_create(&run->cluster, &cluster);
    assert_int_equal(status.code, STATUS_OK);
    show_cluster(cluster, nowhere);
    cluster_destroy(cluster);
    TextBuffer derived = {0};
    check_print_cluster(&run->cluster, &derived);
    status = check_print_job(run, &run->job[0], &derived);
    assert_int_equal(status.code, STATUS_OK);
    text_free(text_take(&derived));
}

/// Load one pair; true if it was accepted. A refusal must say something.
static bool load(Source *source, const char *topology, const char *job,
                 const char *const settings[], int nsettings) {
    RunRequest request = {topology, &job, 1, settings, nsettings, {read_source, source, ""}};
    RunSpec *run = memory_alloc("test.run", sizeof *run);
    char *errors = NULL;
    alarm(FILE_SECONDS_MOST);
    Status status = run_spec_load(&request, run, &errors);
    bool good = status_is_ok(&status);
    if (good) {
        assert_null(errors);
        describe(run);
        run_spec_fini(run);
    } else {
        assert_true(status.code == STATUS_INPUT || status.code == STATUS_RANGE);
        assert_non_null(strstr(errors, "error: "));
        text_free(errors);
    }
    alarm(0);
    memory_free("test.run", run, sizeof *run);
    return good;
}

static int trials_wanted(void) {
    const char *wanted = getenv("COLOSSIM_FUZZ");
    return wanted ? atoi(wanted) : TRIALS;
}

static bool time_is_up(time_t begin) {
    return !getenv("COLOSSIM_FUZZ") && time(NULL) - begin >= SECONDS_MOST;
}

static void forget_files(Source *source) {
    for (int i = 0; i < source->nfiles; i++)
        memory_free("config.text", source->file[i].bytes, (size_t)source->file[i].size + 1);
    source->nfiles = 0;
}

static void damaged_files_get_a_verdict(void **state) {
    (void)state;
    assert_int_equal(chdir(COLOSSIM_SOURCE_DIR), 0);
    static Source source;
    const time_t begin = time(NULL);
    int accepted = 0, refused = 0;
    for (int trial = 0; trial < trials_wanted() && !time_is_up(begin); trial++) {
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
        if (load(&source, pair[0], pair[1], NULL, 0))
            accepted++;
        else
            refused++;
        free(source.damaged);
    }
    forget_files(&source);
    print_message("%d accepted, %d refused\n", accepted, refused);
    // Damage in comments and free text is harmless; most of the rest is not.
    assert_true(accepted > 0 && refused > accepted / 2);
}

/// Write `path: value` over the line of a catalogue file that has the key, or behind its last line.
static char *set_in_file(char *text, int64_t *size, const char *path, const char *value) {
    char line[256];
    const char *inner = strchr(path, '.');
    snprintf(line, sizeof line, "\n%.*s:", inner ? (int)(inner - path) : (int)strlen(path), path);
    text[*size] = '\0';
    char *at = strstr(text, line);
    if (at && inner) {
        snprintf(line, sizeof line, "\n  %s:", inner + 1);
        at = strstr(at + 1, line);
    }
    if (inner && !at) return text;
    int64_t begin = at ? at - text + 1 : *size, end = begin;
    while (end < *size && text[end] != '\n') end++;
    snprintf(line, sizeof line, "%s%s: %s\n", inner ? "  " : "", inner ? inner + 1 : path, value);
    return splice(text, size, begin, end, line, (int64_t)strlen(line) - (end < *size));
}

static const struct {
    const char *path;
    const Schema *schema;
} CATALOGUE[] = {
    {"topologies/hardware/h100-sxm.yaml", &gpu_schema},
    {"topologies/hardware/nvlink4-8.yaml", &scale_up_schema},
    {"topologies/hardware/quantum-2-qm9700.yaml", &switch_schema},
    {"topologies/hardware/connectx-7-ndr400.yaml", &nic_schema},
    {"jobs/models/llama3.1-405b.yaml", &model_schema},
    {"jobs/models/gpt-1.7b.yaml", &model_schema},
};
enum { CATALOGUE_N = sizeof CATALOGUE / sizeof CATALOGUE[0] };

/// Load a pair with knob `k` of its files turned to extreme `e`, and `more` others at random.
typedef struct Extremes {
    Source source;
    Knob knob[KNOBS_MAX]; ///< of one topology, job or catalogue file
    int nknobs, trial;
    int accepted, refused;
} Extremes;

static void try_settings(Extremes *x, const char *const pair[2], int k, int e, int more) {
    char text[1 + KNOBS_TURNED_MOST][sizeof x->knob->path + EXTREME_BYTES + 4];
    const char *setting[2 * (1 + KNOBS_TURNED_MOST)];
    int draws = 0, nsettings = 0;
    for (int n = 0; n <= more; n++) {
        if (n > 0) {
            k = (int)draw(x->trial, &draws, x->nknobs);
            e = (int)draw(x->trial, &draws, EXTREMES);
        }
        if (x->knob[k].base[0]) setting[nsettings++] = x->knob[k].base;
        knob_setting(&x->knob[k], e, text[n], sizeof text[n]);
        setting[nsettings++] = text[n];
    }
    x->source.damaged_path = NULL;
    *(load(&x->source, pair[0], pair[1], setting, nsettings) ? &x->accepted : &x->refused) += 1;
}

static void try_catalogue(Extremes *x, int file, const char *const pair[2], int k, int e,
                          int more) {
    const CachedFile *whole = cached(&x->source, CATALOGUE[file].path);
    char value[EXTREME_BYTES];
    int draws = 0;
    x->source.damaged_path = whole->path;
    x->source.damaged_size = whole->size;
    x->source.damaged = malloc((size_t)whole->size + 1);
    memcpy(x->source.damaged, whole->bytes, (size_t)whole->size);
    for (int n = 0; n <= more; n++) {
        if (n > 0) {
            k = (int)draw(x->trial, &draws, x->nknobs);
            e = (int)draw(x->trial, &draws, EXTREMES);
        }
        x->source.damaged = set_in_file(x->source.damaged, &x->source.damaged_size, x->knob[k].path,
                                        knob_extreme(&x->knob[k], e, value));
    }
    *(load(&x->source, pair[0], pair[1], NULL, 0) ? &x->accepted : &x->refused) += 1;
    free(x->source.damaged);
}

static void turn(Extremes *x, int what, const char *const pair[2], int k, int e, int more) {
    if (what < 2)
        try_settings(x, pair, k, e, more);
    else
        try_catalogue(x, what - 2, pair, k, e, more);
    x->trial++;
}

static void list_knobs(Extremes *x, int what, const char *const pair[2]) {
    const Schema *job = strstr(pair[1], "traffic-") ? &traffic_job_schema : &training_job_schema;
    const Schema *schema = what == 0   ? &topology_schema
                           : what == 1 ? job
                                       : CATALOGUE[what - 2].schema;
    x->nknobs = knobs_of(schema, x->knob);
}

static int64_t memory_high(void) {
    MemoryRow row[128];
    int64_t sum = 0;
    int n = memory_report(row, 128);
    for (int i = 0; i < n && i < 128; i++) sum += row[i].high_bytes;
    return sum;
}

/// Every day each extreme of a key meets a third of the pairs.
static bool is_wanted(int pair, int knob, int extreme) {
    return getenv("COLOSSIM_FUZZ") || (pair + knob + extreme) % 3 == 0;
}

static void extremes_of_every_key_get_a_verdict(void **state) {
    (void)state;
    assert_int_equal(chdir(COLOSSIM_SOURCE_DIR), 0);
    static Extremes x;
    const time_t begin = time(NULL);
    for (int p = 0; p < PAIRS_N; p++)
        for (int what = 0; what < (p == 0 || p == 5 ? 2 + CATALOGUE_N : 2); what++) {
            list_knobs(&x, what, PAIRS[p]);
            for (int k = 0; k < x.nknobs; k++)
                for (int e = 0; e < EXTREMES; e++)
                    if (is_wanted(p, k, e)) turn(&x, what, PAIRS[p], k, e, 0);
        }
    for (int trial = 0; trial < trials_wanted() && !time_is_up(begin); trial++) {
        int n = 1000;
        int p = (int)draw(x.trial, &n, PAIRS_N), what = (int)draw(x.trial, &n, 2 + CATALOGUE_N);
        list_knobs(&x, what, PAIRS[p]);
        turn(&x, what, PAIRS[p], (int)draw(x.trial, &n, x.nknobs), (int)draw(x.trial, &n, EXTREMES),
             (int)draw(x.trial, &n, KNOBS_TURNED_MOST));
    }
    forget_files(&x.source);
    print_message("%d accepted, %d refused, %lld MB at most\n", x.accepted, x.refused,
                  (long long)(memory_high() >> 20));
    assert_true(x.accepted > x.refused / 20);
    assert_true(memory_high() < MEMORY_MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_get_a_verdict),
                                       cmocka_unit_test(extremes_of_every_key_get_a_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
