#include "trace/begun.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "trace/h5.h"

static const char LABEL[] = "trace";

static void free_text(char *text) {
    if (text) memory_free(LABEL, text, strlen(text) + 1);
}

static void read_sources(H5File *file, TraceBegun *begun) {
    for (int32_t i = 0; i < TRACE_BEGUN_SOURCES_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "config_path_%d", (int)i);
        char *path = h5_read_text(file, "/", name);
        if (!path) return;
        snprintf(name, sizeof name, "config_text_%d", (int)i);
        begun->path[i] = path;
        begun->text[i] = h5_read_text(file, "/", name);
        begun->nsources = i + 1;
    }
}

static Status read_all(H5File *file, const char *path, TraceBegun *begun) {
    begun->status = h5_read_text(file, "/", "status");
    begun->commit = h5_read_text(file, "/", "git_commit");
    begun->arguments = h5_read_text(file, "/run", "arguments");
    read_sources(file, begun);
    REQUIRE(begun->status && begun->commit && begun->nsources > 0, STATUS_INPUT,
            "%s: it is no trace of this program", path);
    REQUIRE(begun->arguments, STATUS_INPUT,
            "%s: it does not say what its run was asked for: an older program wrote it", path);
    TRY(h5_read(file, "/committed_steps", TRACE_I64, 1, &begun->committed));
    if (begun->committed == 0) return status_ok();
    begun->fingerprint = memory_alloc(LABEL, (size_t)begun->committed * sizeof *begun->fingerprint);
    return h5_read(file, "/steps/fingerprint", TRACE_U64, begun->committed, begun->fingerprint);
}

Status trace_begun_read(const char *path, TraceBegun *begun) {
    H5File *file = NULL;
    *begun = (TraceBegun){0};
    Status status = h5_open_to_read(path, path, &file);
    if (status_is_ok(&status)) status = read_all(file, path, begun);
    Status closed = h5_close(&file);
    if (status_is_ok(&status)) status = closed;
    if (!status_is_ok(&status)) {
        status.code = STATUS_INPUT;
        trace_begun_fini(begun);
    }
    return status;
}

void trace_begun_fini(TraceBegun *begun) {
    free_text(begun->status);
    free_text(begun->commit);
    free_text(begun->arguments);
    for (int32_t i = 0; i < begun->nsources; i++) {
        free_text(begun->path[i]);
        free_text(begun->text[i]);
    }
    if (begun->fingerprint)
        memory_free(LABEL, begun->fingerprint,
                    (size_t)begun->committed * sizeof *begun->fingerprint);
    *begun = (TraceBegun){0};
}
