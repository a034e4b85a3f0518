#include "config/engine_check.h"

#include <string.h>

#include "config/job_parts.h"
#include "config/packet_part.h"

static bool check_changes(Reader *reader, const CrossCheck *files, const EngineOps *engine) {
    if (engine->refresh || cluster_spec_is_still(files->troubled)) return true;
    reader_error(reader, files->job[0].root, "engine.kind",
                 "the %s engine cannot let links change: events, and slow NICs with 'from' or "
                 "'until', want engine flow",
                 engine->name);
    return false;
}

/// What a sender says of ways is heard where routing sprays.
static bool check_multipath(Reader *reader, const CrossCheck *files) {
    const JobFile *job = files->job[0].file;
    if (job->engine.kind != ENGINE_PACKET || job->packet.multipath == MULTIPATH_RANDOM ||
        files->troubled->routing == ROUTING_SPRAY)
        return true;
    reader_error(reader, files->job[0].root, "packet.multipath",
                 "%s: senders choose where fabric.routing is spray, and it is %s",
                 MULTIPATH_NAMES[job->packet.multipath], ROUTING_NAMES[files->troubled->routing]);
    return false;
}

bool engine_check_cluster(Reader *reader, const CrossCheck *files) {
    const EngineOps *engine = engine_of(files->job[0].file->engine.kind);
    if (!check_changes(reader, files, engine) || !check_multipath(reader, files)) return false;
    if (!engine->check) return true;
    Cluster *cluster = NULL;
    Status status = cluster_create(files->troubled, &cluster);
    if (status_is_ok(&status)) status = engine->check(cluster);
    cluster_destroy(cluster);
    if (!status_is_ok(&status))
        reader_error(reader, files->job[0].root, "engine.kind", "%s", status.text);
    return status_is_ok(&status);
}

/// As they would be written.
static bool is_same(const Schema *schema, const void *a, const void *b) {
    TextBuffer text[2] = {{0}, {0}};
    schema_write(schema, a, NULL, 0, &text[0]);
    schema_write(schema, b, NULL, 0, &text[1]);
    char *const written[2] = {text_take(&text[0]), text_take(&text[1])};
    const bool same = strcmp(written[0], written[1]) == 0;
    text_free(written[0]);
    text_free(written[1]);
    return same;
}

void engine_check_agreement(Reader *reader, const CrossCheck *files, const JobEntry *job) {
    const JobEntry *first = &files->job[0];
    const struct {
        const char *key;
        const Schema *schema;
        const void *a, *b;
    } part[] = {{"engine", &engine_schema, &first->file->engine, &job->file->engine},
                {"packet", &packet_schema, &first->file->packet, &job->file->packet}};
    char place[TEXT_PATH_BYTES + 64];
    for (int i = 0; i < 2; i++)
        if (node_get(job->root, part[i].key) && !is_same(part[i].schema, part[i].a, part[i].b))
            reader_error(reader, job->root, part[i].key,
                         "another %s than %s: jobs of a run share one", part[i].key,
                         place_name(node_place(first->root, part[i].key), place));
}

bool engine_check_bytes(Reader *reader, const CrossCheck *files, const JobEntry *job,
                        const char *key, int64_t bytes, int32_t queue_pairs) {
    const JobFile *first = files->job[0].file;
    const int64_t packets = bytes / queue_pairs / first->packet.mtu_bytes;
    if (first->engine.kind != ENGINE_PACKET || packets < PACKET_NUMBERS_MOST) return true;
    reader_error(reader, job->root, key,
                 "%lld bytes are %lld packets of a queue pair: less than %d are allowed",
                 (long long)bytes, (long long)packets, PACKET_NUMBERS_MOST);
    return false;
}
