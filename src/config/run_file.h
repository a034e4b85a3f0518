/// run_file.h: a topology file, job files and settings to a RunSpec; what the files say about each
/// other is checked.
///
/// Idea.    Every rank parses the same texts, so every rank finds the same errors: rank 0 prints
///          them and all leave. Errors within files come first; contradictions between files are
///          looked for when each file is good alone, and name both places.
#ifndef COLOSSIM_CONFIG_RUN_FILE_H
#define COLOSSIM_CONFIG_RUN_FILE_H

#include "config/schema.h"
#include "driver/run_spec.h"

typedef struct RunRequest {
    const char *topology_path;
    const char *const *job_path; ///< [njobs]
    int32_t njobs;
    const char *const *setting; ///< [nsettings] "a.b=value"
    int32_t nsettings;
    TextSource source;
} RunRequest;

/// Load and check. On failure STATUS_INPUT with the number of errors, or STATUS_RANGE if all are conflicts
/// (diagnostics.h), and *errors holds them as
/// printed for people, to be freed with text_free; or STATUS_USAGE where there are too many jobs, and
/// *errors is NULL; on success *errors is NULL and run_spec_fini frees `spec`.
///   MPI: local, if source.read gives the same answers on all ranks.
Status run_spec_load(const RunRequest *request, RunSpec *spec, char **errors);

/// Read and parse a file named by the user; NULL after reporting.
Node *run_file_open(Reader *reader, const char *path);
/// The schema named by a file's `kind`, NULL after reporting that there is none.
const Schema *run_file_schema(Reader *reader, const Node *root);
/// The schema of a kind of files; NULL: there is none.
const Schema *run_file_schema_of(const char *kind);
/// Write a file's struct as YAML, with its schema_version and kind.
void run_file_write(const Schema *schema, const void *data, const Node *root, int indent,
                    TextBuffer *out);

#endif
