#include "app/describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "config/hardware_file.h"
#include "config/model_file.h"
#include "config/run_file.h"
#include "config/schema_say.h"
#include "config/shipped.h"
#include "config/topology_file.h"
#include "workload/model_size.h"

/// Folders of the share folder, as `list` calls them.
static const struct {
    const char *word, *folder;
} SHIPPED[] = {{"topologies", "topologies"},
               {"jobs", "jobs"},
               {"models", "jobs/models"},
               {"hardware", "topologies/hardware"}};
enum { NSHIPPED = sizeof SHIPPED / sizeof *SHIPPED };

/// What files are listed with.
typedef struct Catalogue {
    Reader reader;
    TextSource source;
    Texts texts;
    Diagnostics diagnostics;
    char room[TEXT_PATH_BYTES]; ///< of source.share
} Catalogue;

enum { ARENA_BYTES = 1 << 16, WORDS_BYTES = 160 };

static void reset(Catalogue *catalogue) {
    diagnostics_fini(&catalogue->diagnostics);
    texts_fini(&catalogue->texts);
    arena_destroy(catalogue->reader.arena);
    catalogue->diagnostics = (Diagnostics){0};
    catalogue->reader.arena = arena_create("config", ARENA_BYTES);
}

/// The first sentence of a description, else of the comment that a file begins with.
static void first_sentence(const Node *root, char out[WORDS_BYTES]) {
    const Node *said = node_get(root, "description");
    const char *text = root->place.text->bytes;
    if (said && said->kind == NODE_SCALAR)
        text = said->text;
    else if (*text == '#')
        text += strspn(text, "# ");
    else
        text = "";
    size_t n = 0;
    for (; text[n] && text[n] != '\n' && n + 1 < WORDS_BYTES; n++)
        if (text[n] == '.' && (text[n + 1] == ' ' || text[n + 1] == '\n' || !text[n + 1])) break;
    snprintf(out, WORDS_BYTES, "%.*s", (int)n, text);
}

/// "1.5 B parameters" or "131,072 GPUs": what a file is first asked for; false: nothing.
static bool say_size(Catalogue *catalogue, const Node *root, const Schema *schema,
                     char out[WORDS_BYTES]) {
    if (schema != &topology_schema && schema != &model_schema) return false;
    void *data = memory_alloc("list.file", schema->bytes);
    const bool good = reader_load_root(&catalogue->reader, root, schema, data);
    if (good && schema == &model_schema) {
        const ModelSize size = model_size(data);
        int n = snprintf(out, WORDS_BYTES, "%.4g B parameters", size.total / 1e9);
        if (size.active < size.total)
            snprintf(out + n, (size_t)(WORDS_BYTES - n), ", %.4g B active", size.active / 1e9);
    } else if (good) {
        snprintf(out, WORDS_BYTES, "%" PRId64 " GPUs", cluster_spec_ngpus(data));
    }
    memory_free("list.file", data, schema->bytes);
    return good;
}

static void print_entry(Catalogue *catalogue, const char *folder, const char *name) {
    char path[2 * TEXT_PATH_BYTES], size[WORDS_BYTES] = "", words[WORDS_BYTES] = "";
    snprintf(path, sizeof path, "%s/%s/%s.yaml", catalogue->source.share, folder, name);
    catalogue->reader.base = path;
    const Node *root = run_file_open(&catalogue->reader, path);
    const Schema *schema = root ? run_file_schema(&catalogue->reader, root) : NULL;
    if (schema) {
        if (!say_size(catalogue, root, schema, size))
            snprintf(size, sizeof size, "%s", schema->kind);
        first_sentence(root, words);
    }
    printf("  %-26s %-18s%s%s\n", name, size, words[0] ? " " : "", words);
    reset(catalogue);
}

static int list_folder(Catalogue *catalogue, int which) {
    char path[TEXT_PATH_BYTES + 64];
    char *names = NULL;
    int64_t bytes = 0;
    snprintf(path, sizeof path, "%s/%s/", catalogue->source.share, SHIPPED[which].folder);
    Status status = text_read_file(NULL, path, &names, &bytes);
    if (!status_is_ok(&status)) {
        fprintf(stderr, "colossim: error: %s: %s\n", path, status.text);
        return status_exit_code(STATUS_INPUT);
    }
    printf("%s (%s)\n", SHIPPED[which].word, path);
    for (char *at = names, *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        print_entry(catalogue, SHIPPED[which].folder, at);
        *end = '\n';
    }
    text_free(names);
    return 0;
}

/// All that is shipped, or what `word` says of it.
static int list(const char *word) {
    int which = -1, code = 0;
    for (int i = 0; word && i < NSHIPPED; i++)
        if (strcmp(word, SHIPPED[i].word) == 0) which = i;
    if (word && which < 0)
        return cli_usage("list knows topologies, jobs, models and hardware, not '%s'", word);
    Catalogue *catalogue = memory_alloc("list", sizeof *catalogue);
    catalogue->source = (TextSource){text_read_file, NULL, text_share_folder(catalogue->room)};
    catalogue->reader = (Reader){"", &catalogue->source, &catalogue->texts,
                                 arena_create("config", ARENA_BYTES), &catalogue->diagnostics};
    for (int i = 0; i < NSHIPPED && !code; i++)
        if (which < 0 || which == i) code = list_folder(catalogue, i);
    diagnostics_fini(&catalogue->diagnostics);
    texts_fini(&catalogue->texts);
    arena_destroy(catalogue->reader.arena);
    memory_free("list", catalogue, sizeof *catalogue);
    return code;
}

/// Keys of a kind of files, written by one of the two forms.
static int say_schema(const char *kind, void (*write)(const Schema *, TextBuffer *)) {
    const Schema *schema = run_file_schema_of(kind);
    if (!schema)
        return cli_usage(
            "kinds of files are topology, training, traffic, model, gpu, nic, switch, scale_up and "
            "residuals, not '%s'",
            kind);
    TextBuffer text = {0};
    write(schema, &text);
    char *bytes = text_take(&text);
    fputs(bytes, stdout);
    text_free(bytes);
    return 0;
}

int describe_command(const CommandLine *line) {
    switch (line->command) {
        case COMMAND_LIST: return list(line->file[0]);
        case COMMAND_KEYS: return say_schema(line->file[0], schema_write_keys);
        case COMMAND_SCHEMA: return say_schema(line->file[0], schema_write_json);
        case COMMAND_COMPLETION:
            if (cli_write_completion(line->file[0], stdout)) return 0;
            return cli_usage("completion knows bash and zsh, not '%s'", line->file[0]);
        case COMMAND_MAN: cli_write_man(stdout); return 0;
        default: return 2;
    }
}
