#include "app/resume.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "build_info.h"
#include "config/run_file.h"

/// `read` of the texts that a trace holds.
static Status read_kept(void *context, const char *path, char **bytes, int64_t *size) {
    const TraceBegun *begun = context;
    int32_t i = 0;
    while (i < begun->nsources && strcmp(begun->path[i], path) != 0) i++;
    REQUIRE(i < begun->nsources, STATUS_INPUT, "the trace does not hold it");
    const char *text = begun->text[i] ? begun->text[i] : "";
    *size = (int64_t)strlen(text);
    *bytes = memory_alloc("config.text", (size_t)*size + 1);
    memcpy(*bytes, text, (size_t)*size + 1);
    return status_ok();
}

/// Cut a text into its lines, in place; how many, at most `most`.
static int32_t cut_lines(char *text, const char *line[], int32_t most) {
    int32_t n = 0;
    for (char *end; text && *text && n < most; text = end) {
        line[n++] = text;
        end = text + strcspn(text, "\n");
        if (*end) *end++ = '\0';
    }
    return n;
}

static Status check_open(const char *path, const TraceBegun *begun) {
    REQUIRE(strcmp(begun->status, "complete") != 0, STATUS_INPUT,
            "%s: its run is complete: there is nothing to go on with", path);
    return status_ok();
}

/// Whether this program does what that of the trace did.
static Status check_program(const char *path, const TraceBegun *begun) {
    REQUIRE(strcmp(begun->commit, BUILD_INFO_COMMIT) == 0, STATUS_INPUT,
            "%s: commit %s of the program wrote it, this is %s: results may differ, so run it anew",
            path, begun->commit, BUILD_INFO_COMMIT);
    return status_ok();
}

/// `more`: a setting on top of those of the run, or NULL.
static Status load_kept(const char *path, const char *more, TraceBegun *begun, RunSpec *spec) {
    enum { SETTINGS_MAX = 256 };
    const char *argument[2 + RUN_JOBS_MAX], *setting[SETTINGS_MAX + 1];
    char *settings = NULL;
    for (int32_t i = 0; i < begun->nsources; i++)
        if (strcmp(begun->path[i], "--set") == 0) settings = begun->text[i];
    char lines[1 << 16]; // what is cut stays as it was, to be freed by its length
    REQUIRE(strlen(begun->arguments) + 1 + (settings ? strlen(settings) : 0) + 1 < sizeof lines,
            STATUS_INPUT, "%s: its settings are longer than %zu bytes", path, sizeof lines);
    char *second = lines + snprintf(lines, sizeof lines, "%s", begun->arguments) + 1;
    snprintf(second, sizeof lines - (size_t)(second - lines), "%s", settings ? settings : "");
    // A share folder without a name is an empty line.
    char *rest = lines + strcspn(lines, "\n");
    if (*rest) *rest++ = '\0';
    const int32_t narguments = cut_lines(rest, argument, 1 + RUN_JOBS_MAX);
    REQUIRE(narguments >= 2, STATUS_INPUT, "%s: it names no topology and job", path);
    int32_t nsettings = cut_lines(second, setting, SETTINGS_MAX);
    if (more) setting[nsettings++] = more;
    const RunRequest request = {
        .topology_path = argument[0],
        .job_path = &argument[1],
        .njobs = narguments - 1,
        .setting = setting,
        .nsettings = nsettings,
        .source = {.read = read_kept, .context = begun, .share = lines},
    };
    char *errors = NULL;
    Status status = run_spec_load(&request, spec, &errors);
    if (!status_is_ok(&status))
        status = status_make(
            STATUS_INPUT, "%s: %s%.600s", path,
            more ? "" : "the files that it holds are not good: ", errors ? errors : status.text);
    text_free(errors);
    return status;
}

Status resume_load(const char *path, Comm *comm, TraceBegun *begun, RunSpec *spec) {
    REQUIRE(strlen(path) < sizeof spec->trace.path, STATUS_USAGE, "--resume: the path is too long");
    Status status = trace_begun_read(path, begun);
    if (status_is_ok(&status)) status = check_open(path, begun);
    if (status_is_ok(&status)) status = check_program(path, begun);
    TRY(comm_agree(comm, status));
    TRY(comm_agree(comm, load_kept(path, NULL, begun, spec)));
    snprintf(spec->trace.path, sizeof spec->trace.path, "%s", path);
    spec->trace.make_folder = false;
    spec->trace.begun = begun->fingerprint;
    spec->trace.nbegun = begun->committed;
    return status_ok();
}

Status resume_look(const char *path, const char *setting, TraceBegun *begun, RunSpec *spec) {
    TRY(trace_begun_read(path, begun));
    TRY(check_program(path, begun));
    return load_kept(path, setting, begun, spec);
}
