#include "app/check.h"
#include "app/show.h"

#include <string.h>

#include "base/memory.h"
#include "cluster/cable_list.h"
#include "config/hardware_file.h"
#include "config/job_file.h"
#include "config/model_file.h"
#include "config/run_file.h"
#include "config/settings.h"
#include "config/topology_file.h"

enum { FILES_MAX = 64, ARENA_BYTES = 1 << 16 };

/// One file of the command line.
typedef struct CheckFile {
    const char *path;
    Node *root;
    const Schema *schema; ///< NULL after an error
    void *data;           ///< the struct of the schema
} CheckFile;

typedef struct Check {
    Reader reader;
    TextSource source;
    char room[TEXT_PATH_BYTES]; ///< of source.share
    Texts texts;
    Diagnostics diagnostics;
    CheckFile file[FILES_MAX];
    int nfiles;
    int nsettings;
    const char *const *settings;
} Check;

static bool is_job(const CheckFile *file) {
    return file->schema == &training_job_schema || file->schema == &traffic_job_schema;
}

static void read_all(Check *check) {
    SettingTarget target[FILES_MAX];
    int32_t ntargets = 0;
    for (int i = 0; i < check->nfiles; i++) {
        CheckFile *file = &check->file[i];
        file->root = run_file_open(&check->reader, file->path);
        if (!file->root) continue;
        file->path = file->root->place.text->path;
        file->schema = run_file_schema(&check->reader, file->root);
        bool topology = file->schema == &topology_schema;
        if (topology || is_job(file))
            target[ntargets++] =
                (SettingTarget){topology ? "topology" : "job", file->root, file->schema};
    }
    settings_apply(&check->reader, check->settings, check->nsettings, target, ntargets);
    for (int i = 0; i < check->nfiles; i++) {
        CheckFile *file = &check->file[i];
        if (!file->schema) continue;
        file->data = memory_alloc("check.file", file->schema->bytes);
        check->reader.base = file->path;
        reader_load_root(&check->reader, file->root, file->schema, file->data);
    }
}

static void print_errors(Check *check, FILE *err) {
    TextBuffer text = {0};
    diagnostics_print(&check->diagnostics, &text);
    char *bytes = text_take(&text);
    fputs(bytes, err);
    text_free(bytes);
}

static void print_file(const CheckFile *file, FILE *out) {
    TextBuffer text = {0};
    run_file_write(file->schema, file->data, file->root, 0, &text);
    char *bytes = text_take(&text);
    fprintf(out, "# %s\n%s", file->path, bytes);
    text_free(bytes);
    if (file->schema == &topology_schema) check_print_cluster(file->data, out);
    if (file->schema == &model_schema) check_print_model(file->data, out);
}

static void print_files(const Check *check, FILE *out) {
    for (int i = 0; i < check->nfiles; i++) {
        if (i > 0) fputs("---\n", out);
        print_file(&check->file[i], out);
    }
}

/// Machines in words; what has no words of its own as it was read. A job beside a topology is described with it later.
static void describe_files(const Check *check, FILE *out) {
    int ntopologies = 0;
    for (int i = 0; i < check->nfiles; i++)
        ntopologies += check->file[i].schema == &topology_schema;
    for (int i = 0; i < check->nfiles; i++) {
        const CheckFile *file = &check->file[i];
        if (file->schema != &topology_schema) {
            if (!is_job(file) || ntopologies != 1) print_file(file, out);
            continue;
        }
        Cluster *cluster = NULL;
        Status status = cluster_create(file->data, &cluster);
        if (!status_is_ok(&status)) continue; // reported when the file was read
        show_cluster(cluster, out);
        cluster_destroy(cluster);
    }
}

/// Of a topology; false, having said why, if they are no list.
static bool list_cables(const Check *check, FILE *out, FILE *err) {
    const CheckFile *file = &check->file[0];
    Cluster *cluster = NULL;
    Status status = file->schema == &topology_schema
                        ? cluster_create(file->data, &cluster)
                        : status_make(STATUS_INPUT, "a topology is wanted here");
    if (status_is_ok(&status)) status = cable_list_write(cluster, out);
    cluster_destroy(cluster);
    if (!status_is_ok(&status)) fprintf(err, "%s: error: %s\n", file->path, status.text);
    return status_is_ok(&status);
}

/// What is asked of good files.
static bool print_view(const Check *check, CheckView view, FILE *out, FILE *err) {
    switch (view) {
        case CHECK_RESOLVED: print_files(check, out); return true;
        case CHECK_DESCRIBED: describe_files(check, out); return true;
        case CHECK_CABLES: return list_cables(check, out, err);
    }
    return false;
}

/// A job with the one topology; false if they contradict each other.
static bool check_pair(const Check *check, const char *topology, const char *job, FILE *out,
                       FILE *err) {
    RunRequest request = {topology, &job, 1, check->settings, check->nsettings, check->source};
    RunSpec run;
    char *errors = NULL;
    Status status = run_spec_load(&request, &run, &errors);
    if (!status_is_ok(&status)) {
        fputs(errors, err);
        text_free(errors);
        return false;
    }
    fprintf(out, "---\n# %s on %s\n", job, topology);
    status = check_print_job(&run, &run.job[0], out);
    if (!status_is_ok(&status)) fprintf(err, "%s: error: %s\n", job, status.text);
    run_spec_fini(&run);
    return status_is_ok(&status);
}

/// Whether `run` would play all jobs at once, and if not, why: they may as well be meant one by one, so that it is no error.
static void check_together(const Check *check, const char *topology, FILE *out) {
    const char *jobs[FILES_MAX];
    int njobs = 0;
    for (int i = 0; i < check->nfiles; i++)
        if (is_job(&check->file[i])) jobs[njobs++] = check->file[i].path;
    if (njobs < 2) return;
    RunRequest request = {topology, jobs, njobs, check->settings, check->nsettings, check->source};
    RunSpec run;
    char *errors = NULL;
    Status status = run_spec_load(&request, &run, &errors);
    fprintf(out, "---\n# all %d jobs on %s at once: %s\n", njobs, topology,
            status_is_ok(&status) ? "run plays them" : "run refuses them");
    if (status_is_ok(&status)) {
        run_spec_fini(&run);
        return;
    }
    for (const char *line = errors ? errors : status.text; *line;) {
        const int length = (int)strcspn(line, "\n");
        fprintf(out, "#   %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
    text_free(errors);
}

static bool check_pairs(const Check *check, FILE *out, FILE *err) {
    const CheckFile *topology = NULL;
    int ntopologies = 0;
    for (int i = 0; i < check->nfiles; i++) {
        if (check->file[i].schema != &topology_schema) continue;
        topology = &check->file[i];
        ntopologies++;
    }
    // With several topologies nothing says which job is meant for which.
    if (ntopologies != 1) return true;
    bool good = true;
    for (int i = 0; i < check->nfiles; i++)
        if (is_job(&check->file[i]))
            good = check_pair(check, topology->path, check->file[i].path, out, err) && good;
    if (good) check_together(check, topology->path, out);
    return good;
}

int check_files(int nfiles, const char *const files[], int nsettings, const char *const settings[],
                CheckView view, FILE *out, FILE *err) {
    if (nfiles < 1 || nfiles > FILES_MAX) {
        fprintf(err, "error: %d files; wanted 1 to %d\n", nfiles, FILES_MAX);
        return status_exit_code(STATUS_USAGE);
    }
    Check *check = memory_alloc("check", sizeof *check);
    check->source = (TextSource){text_read_file, NULL, text_share_folder(check->room)};
    check->reader = (Reader){files[0], &check->source, &check->texts,
                             arena_create("config", ARENA_BYTES), &check->diagnostics};
    check->nfiles = nfiles;
    check->nsettings = nsettings;
    check->settings = settings;
    for (int i = 0; i < nfiles; i++) check->file[i].path = files[i];
    read_all(check);
    bool good = check->diagnostics.errors == 0;
    if (good) {
        good = print_view(check, view, out, err) && check_pairs(check, out, err);
    } else {
        print_errors(check, err);
    }
    for (int i = 0; i < nfiles; i++)
        if (check->file[i].data)
            memory_free("check.file", check->file[i].data, check->file[i].schema->bytes);
    diagnostics_fini(&check->diagnostics);
    texts_fini(&check->texts);
    arena_destroy(check->reader.arena);
    memory_free("check", check, sizeof *check);
    return good ? 0 : status_exit_code(STATUS_INPUT);
}
