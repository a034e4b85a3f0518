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
    fflush(stdout); // where both go to one file, errors stand behind what was printed before them
    TextBuffer text = {0};
    diagnostics_print(&check->diagnostics, &text);
    char *bytes = text_take(&text);
    fputs(bytes, err);
    text_free(bytes);
}

/// `text` line by line, `lead` before each.
static void print_led(const char *lead, const char *text, FILE *out) {
    while (*text) {
        const int length = (int)strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", lead, length, text);
        text += length + (text[length] == '\n');
    }
}

/// Before a derived number: a comment where it stands in YAML.
static const char *lead_of(CheckView view) { return view == CHECK_RESOLVED ? "#   " : "  "; }

/// What was written, before each line what the view wants.
static void print_derived(TextBuffer *derived, CheckView view, FILE *out) {
    char *text = text_take(derived);
    print_led(lead_of(view), text, out);
    text_free(text);
}

static void derive(const CheckFile *file, CheckView view, FILE *out) {
    TextBuffer derived = {0};
    if (file->schema == &topology_schema) check_print_cluster(file->data, &derived);
    if (file->schema == &model_schema) check_print_model(file->data, &derived);
    print_derived(&derived, view, out);
}

static void print_file(const CheckFile *file, FILE *out) {
    TextBuffer text = {0};
    run_file_write(file->schema, file->data, file->root, 0, &text);
    char *bytes = text_take(&text);
    fprintf(out, "# %s\n%s", file->path, bytes);
    text_free(bytes);
    if (file->schema == &topology_schema) fputs("# derived:\n", out);
    derive(file, CHECK_RESOLVED, out);
}

static void print_good(const Check *check, FILE *out) {
    for (int i = 0; i < check->nfiles; i++) {
        fprintf(out, "%s: good\n", check->file[i].path);
        derive(&check->file[i], CHECK_DERIVED, out);
    }
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
        case CHECK_DERIVED: print_good(check, out); return true;
        case CHECK_RESOLVED: print_files(check, out); return true;
        case CHECK_DESCRIBED: describe_files(check, out); return true;
        case CHECK_CABLES: return list_cables(check, out, err);
    }
    return false;
}

/// What is said of files together: apart from the files, and in YAML a comment.
static void print_heading(CheckView view, FILE *out) {
    if (view != CHECK_DERIVED) fputs("---\n", out);
    if (view == CHECK_RESOLVED) fputs("# ", out);
}

/// A job with the one topology; false if they contradict each other.
static bool check_pair(const Check *check, const char *topology, const char *job, CheckView view,
                       FILE *out, FILE *err) {
    RunRequest request = {topology, &job, 1, check->settings, check->nsettings, check->source};
    RunSpec run;
    char *errors = NULL;
    Status status = run_spec_load(&request, &run, &errors);
    if (!status_is_ok(&status)) {
        fputs(errors, err);
        text_free(errors);
        return false;
    }
    print_heading(view, out);
    fprintf(out, "%s on %s\n", job, topology);
    TextBuffer derived = {0};
    status = check_print_job(&run, &run.job[0], &derived);
    print_derived(&derived, view, out);
    if (!status_is_ok(&status)) fprintf(err, "%s: error: %s\n", job, status.text);
    run_spec_fini(&run);
    return status_is_ok(&status);
}

/// Whether `run` would play all jobs at once, and if not, why: they may as well be meant one by one, so that it is no error.
static void check_together(const Check *check, const char *topology, CheckView view, FILE *out) {
    const char *jobs[FILES_MAX];
    int njobs = 0;
    for (int i = 0; i < check->nfiles; i++)
        if (is_job(&check->file[i])) jobs[njobs++] = check->file[i].path;
    if (njobs < 2) return;
    RunRequest request = {topology, jobs, njobs, check->settings, check->nsettings, check->source};
    RunSpec run;
    char *errors = NULL;
    Status status = run_spec_load(&request, &run, &errors);
    print_heading(view, out);
    fprintf(out, "all %d jobs on %s at once: %s\n", njobs, topology,
            status_is_ok(&status) ? "run plays them" : "run refuses them");
    if (status_is_ok(&status)) {
        run_spec_fini(&run);
        return;
    }
    print_led(lead_of(view), errors ? errors : status.text, out);
    text_free(errors);
}

static bool check_pairs(const Check *check, CheckView view, FILE *out, FILE *err) {
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
            good = check_pair(check, topology->path, check->file[i].path, view, out, err) && good;
    if (good) check_together(check, topology->path, view, out);
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
        good = print_view(check, view, out, err) && check_pairs(check, view, out, err);
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
