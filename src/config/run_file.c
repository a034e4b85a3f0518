#include "config/run_file.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "config/certainty_file.h"
#include "config/cross_check.h"
#include "config/hardware_file.h"
#include "config/job_file.h"
#include "config/model_file.h"
#include "config/settings.h"
#include "config/shipped.h"
#include "config/topology_file.h"
#include "config/trace_path.h"

enum { ARENA_BYTES = 1 << 16 };

static const Schema *const SCHEMAS[] = {&topology_schema, &training_job_schema, &traffic_job_schema,
                                        &gpu_schema,      &nic_schema,          &switch_schema,
                                        &scale_up_schema, &model_schema,        &certainty_schema};
enum { SCHEMAS_N = sizeof SCHEMAS / sizeof SCHEMAS[0] };

Node *run_file_open(Reader *reader, const char *path) {
    Status reason;
    const Text *text = shipped_open_file(reader, path, &reason);
    if (text) return yaml_parse(text, reader->arena, reader->diagnostics);
    text = texts_add(reader->texts, path, "", 0);
    diagnostics_error(reader->diagnostics, (Place){.text = text}, "cannot be read: %.500s",
                      reason.text);
    return NULL;
}

const Schema *run_file_schema_of(const char *kind) {
    for (int i = 0; i < SCHEMAS_N; i++)
        if (strcmp(SCHEMAS[i]->kind, kind) == 0) return SCHEMAS[i];
    return NULL;
}

const Schema *run_file_schema(Reader *reader, const Node *root) {
    const char *kinds[SCHEMAS_N];
    const Node *kind = node_get(root, "kind");
    for (int i = 0; i < SCHEMAS_N; i++) {
        kinds[i] = SCHEMAS[i]->kind;
        if (kind && kind->kind == NODE_SCALAR && strcmp(kind->text, kinds[i]) == 0)
            return SCHEMAS[i];
    }
    const char *close = kind && kind->kind == NODE_SCALAR
                            ? diagnostics_closest(kind->text, kinds, SCHEMAS_N)
                            : NULL;
    if (root->kind == NODE_MAPPING && kind)
        diagnostics_error(reader->diagnostics, kind->place,
                          "kind wants topology, training, traffic, gpu, nic, switch, scale_up, "
                          "model or residuals, got '%.60s'%s%s%s",
                          kind->kind == NODE_SCALAR ? kind->text : "a collection",
                          close ? "; did you mean '" : "", close ? close : "", close ? "'?" : "");
    else
        diagnostics_error(reader->diagnostics, root->place,
                          "the file wants a key 'kind': topology, training, traffic, gpu, nic, "
                          "switch, scale_up, model or residuals");
    return NULL;
}

void run_file_write(const Schema *schema, const void *data, const Node *root, int indent,
                    TextBuffer *out) {
    text_printf(out, "%*sschema_version: 1\n%*skind: %s\n", indent, "", indent, "", schema->kind);
    schema_write(schema, data, root, indent, out);
}

/// A RunSpec being loaded.
typedef struct Load {
    const RunRequest *request;
    Reader reader;
    Texts texts;
    Diagnostics diagnostics;
    CrossCheck files;
    CertaintySpec *certainty;
} Load;

/// The path that a file of the command line was read from.
static const char *read_path(const Node *root, const char *named) {
    return root ? root->place.text->path : named;
}

static void open_files(Load *load) {
    const RunRequest *request = load->request;
    Reader *reader = &load->reader;
    load->files.topology_root = run_file_open(reader, request->topology_path);
    load->files.topology_path = read_path(load->files.topology_root, request->topology_path);
    for (int32_t i = 0; i < request->njobs; i++) {
        JobEntry *job = &load->files.job[i];
        job->root = run_file_open(reader, request->job_path[i]);
        job->path = read_path(job->root, request->job_path[i]);
        if (!job->root) continue;
        job->schema = run_file_schema(reader, job->root);
        if (!job->schema || job->schema == &training_job_schema ||
            job->schema == &traffic_job_schema)
            continue;
        diagnostics_error(reader->diagnostics, node_place(job->root, "kind"),
                          "a job is wanted here, of kind training or traffic, got '%s'",
                          job->schema->kind);
        job->schema = NULL;
    }
}

static void apply_settings(Load *load) {
    SettingTarget target[1 + RUN_JOBS_MAX];
    target[0] = (SettingTarget){"topology", load->files.topology_root, &topology_schema};
    for (int32_t i = 0; i < load->request->njobs; i++)
        target[i + 1] = (SettingTarget){"job", load->files.job[i].root, load->files.job[i].schema};
    settings_apply(&load->reader, load->request->setting, load->request->nsettings, target,
                   load->request->njobs + 1);
}

static void read_files(Load *load) {
    Reader *reader = &load->reader;
    CrossCheck *files = &load->files;
    reader->base = files->topology_path;
    if (files->topology_root)
        reader_load_root(reader, files->topology_root, &topology_schema, files->cluster);
    for (int32_t i = 0; i < files->njobs; i++) {
        JobEntry *job = &files->job[i];
        reader->base = job->path;
        if (job->schema) reader_load_root(reader, job->root, job->schema, job->file);
    }
}

static void write_resolved(const CrossCheck *files, TextBuffer *out) {
    const ClusterSpec *cluster = files->cluster;
    text_printf(out, "topology:\n");
    run_file_write(&topology_schema, cluster, files->topology_root, 2, out);
    text_printf(out, "jobs:\n");
    for (int32_t i = 0; i < files->njobs; i++) {
        text_printf(out, "  -\n");
        run_file_write(files->job[i].schema, files->job[i].file, files->job[i].root, 4, out);
    }
    text_printf(out, "catalogue:\n");
    const struct {
        const Schema *schema;
        const void *data;
    } entry[] = {{&nic_schema, &cluster->nic}, {&scale_up_schema, &cluster->scale_up}};
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(cluster); kind++) {
        const GpuSpec *gpu = cluster_gpu_of_kind(cluster, kind);
        bool known = false;
        for (int32_t before = 0; before < kind; before++)
            known = known || strcmp(cluster_gpu_of_kind(cluster, before)->name, gpu->name) == 0;
        if (known) continue;
        text_printf(out, "  %s:\n", gpu->name);
        run_file_write(&gpu_schema, gpu, NULL, 4, out);
    }
    for (int i = 0; i < 2; i++) {
        // The name of an entry is its first member.
        text_printf(out, "  %s:\n", (const char *)entry[i].data);
        run_file_write(entry[i].schema, entry[i].data, NULL, 4, out);
    }
    for (int32_t t = 0; t < cluster->ntiers; t++) {
        bool known = false;
        for (int32_t below = 0; below < t; below++)
            known = known || strcmp(cluster->tier[below].switch_spec.name,
                                    cluster->tier[t].switch_spec.name) == 0;
        if (known) continue;
        text_printf(out, "  %s:\n", cluster->tier[t].switch_spec.name);
        run_file_write(&switch_schema, &cluster->tier[t].switch_spec, NULL, 4, out);
    }
    for (int32_t i = 0; i < files->njobs; i++) {
        const JobSpec *job = &files->job[i].file->job;
        bool known = job->kind != JOB_TRAINING;
        for (int32_t other = 0; other < i; other++)
            known = known || strcmp(files->job[other].file->model.name, job->model.name) == 0;
        if (known) continue;
        text_printf(out, "  %s:\n", job->model.name);
        run_file_write(&model_schema, &files->job[i].file->model, NULL, 4, out);
    }
}

/// Texts move from the load to the spec.
static void take_sources(Texts *texts, RunSpec *spec) {
    // A topology, its entries, and a job, model and table each for RUN_JOBS_MAX jobs.
    CHECK(texts->n <= RUN_SOURCES_MAX, "%d texts for one run", (int)texts->n);
    for (int32_t i = 0; i < texts->n; i++) {
        SourceText *source = &spec->source[spec->nsources++];
        snprintf(source->path, sizeof source->path, "%s", texts->text[i]->path);
        source->text = texts->text[i]->bytes;
        source->bytes = texts->text[i]->size;
        memory_free("config.texts", texts->text[i], sizeof(Text));
    }
    texts->n = 0;
}

/// What the files were found by, to find them again.
static char *list_arguments(const Load *load) {
    TextBuffer text = {0};
    const char *share = load->request->source.share;
    text_printf(&text, "%s\n%s", share ? share : "", load->files.topology_path);
    for (int32_t i = 0; i < load->files.njobs; i++)
        text_printf(&text, "\n%s", load->files.job[i].path);
    return text_take(&text);
}

static void fill_spec(Load *load, RunSpec *spec) {
    const JobFile *first = load->files.job[0].file;
    spec->njobs = load->files.njobs;
    spec->job = memory_alloc("run_spec.jobs", (size_t)spec->njobs * sizeof(JobSpec));
    for (int32_t i = 0; i < spec->njobs; i++) spec->job[i] = load->files.job[i].file->job;
    spec->engine = engine_of(first->engine.kind);
    spec->control_delay_ps = first->engine.control_delay_ps;
    spec->packet = first->packet;
    spec->repeat = true;
    spec->seed = first->seed;
    spec->trace = first->trace;
    TextBuffer resolved = {0};
    write_resolved(&load->files, &resolved);
    spec->resolved = text_take(&resolved);
    spec->arguments = list_arguments(load);
    take_sources(&load->texts, spec);
    spec->cluster = *load->files.troubled;
}

static void load_all(Load *load) {
    open_files(load);
    apply_settings(load);
    read_files(load);
    if (load->diagnostics.errors == 0) {
        cross_check(&load->reader, &load->files);
        trace_path_resolve(&load->reader, &load->files);
        load->reader.base = load->files.topology_path;
        reader_load_shipped(&load->reader, "residuals", "published", &certainty_schema,
                            load->certainty);
    }
}

Status run_spec_load(const RunRequest *request, RunSpec *spec, char **errors) {
    *errors = NULL;
    REQUIRE(request->njobs >= 1 && request->njobs <= RUN_JOBS_MAX, STATUS_USAGE,
            "%d job files; wanted 1 to %d", (int)request->njobs, RUN_JOBS_MAX);
    memset(spec, 0, sizeof *spec);
    Load load = {.request = request};
    load.reader = (Reader){request->topology_path, &load.request->source, &load.texts,
                           arena_create("config", ARENA_BYTES), &load.diagnostics};
    load.certainty = &spec->certainty;
    load.files.cluster = &spec->cluster;
    load.files.njobs = request->njobs;
    load.files.troubled = memory_alloc("config.troubled", sizeof(ClusterSpec));
    JobFile *job_files = memory_alloc("config.jobs", (size_t)request->njobs * sizeof(JobFile));
    for (int32_t i = 0; i < request->njobs; i++) load.files.job[i].file = &job_files[i];
    load_all(&load);
    Status status = status_ok();
    if (load.diagnostics.errors == 0) {
        fill_spec(&load, spec);
    } else {
        TextBuffer text = {0};
        diagnostics_print(&load.diagnostics, &text);
        *errors = text_take(&text);
        const bool conflicts = load.diagnostics.conflicts == load.diagnostics.errors;
        status = status_make(conflicts ? STATUS_RANGE : STATUS_INPUT, "%lld error%s in the input",
                             (long long)load.diagnostics.errors,
                             load.diagnostics.errors == 1 ? "" : "s");
    }
    memory_free("config.troubled", load.files.troubled, sizeof(ClusterSpec));
    memory_free("config.jobs", job_files, (size_t)request->njobs * sizeof(JobFile));
    diagnostics_fini(&load.diagnostics);
    texts_fini(&load.texts);
    arena_destroy(load.reader.arena);
    return status;
}
