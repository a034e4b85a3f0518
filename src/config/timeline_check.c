#include "config/timeline_check.h"

#include <stdio.h>
#include <string.h>

#include "base/order.h"
#include "config/ranges.h"

typedef struct Naming {
    Reader *reader;
    const Node *root;
    int64_t ngpus; ///< of the cluster
    TimelineSpec *timeline;
} Naming;

/// The GPUs of a range behind those that are listed; false after reporting.
static bool list_range(const Naming *naming, const char *path, const NumberRange *range) {
    TimelineSpec *timeline = naming->timeline;
    if (range->last >= naming->ngpus) {
        reader_error(naming->reader, naming->root, path,
                     "timeline names GPU %lld, but the cluster has 0 to %lld",
                     (long long)range->last, (long long)naming->ngpus - 1);
        return false;
    }
    if (range_count(range) > TIMELINE_GPUS_MAX - timeline->ngpus) {
        reader_error(naming->reader, naming->root, path,
                     "timeline of more than %d GPUs; take every k-th, such as 0-1023/128",
                     (int)TIMELINE_GPUS_MAX);
        return false;
    }
    for (int64_t gpu = range->first; gpu <= range->last; gpu += range->step)
        timeline->gpu[timeline->ngpus++] = gpu;
    return true;
}

static bool list_text(const Naming *naming, int32_t i) {
    const char *text = naming->timeline->text[i];
    NumberRange range = {0, naming->ngpus - 1, 1};
    char path[48];
    snprintf(path, sizeof path, "trace.timeline.%d", (int)i);
    if (strcmp(text, "all") != 0 && !range_read(text, &range)) {
        reader_error(naming->reader, naming->root, path,
                     "timeline wants GPUs such as 0, 8-15, 0-1023/128 or all, got '%s'", text);
        return false;
    }
    return list_range(naming, path, &range);
}

void timeline_check(Reader *reader, CrossCheck *files) {
    const JobEntry *first = &files->job[0];
    TimelineSpec *timeline = &first->file->trace.timeline;
    const Naming naming = {reader, first->root, cluster_spec_ngpus(files->cluster), timeline};
    timeline->ngpus = 0;
    for (int32_t i = 0; i < timeline->ntexts; i++)
        if (!list_text(&naming, i)) return;
    timeline->ngpus = (int32_t)order_unique_i64(timeline->gpu, timeline->ngpus);
    bool trains = false;
    for (int32_t i = 0; i < files->njobs; i++)
        trains = trains || files->job[i].file->job.kind == JOB_TRAINING;
    if (timeline->ngpus > 0 && !trains)
        reader_error(reader, first->root, "trace.timeline",
                     "timeline is given, but no job trains: flows have their own table");
}
