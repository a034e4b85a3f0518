#include "config/timeline_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int by_number(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

void timeline_check(Reader *reader, CrossCheck *files) {
    const JobEntry *first = &files->job[0];
    TimelineSpec *timeline = &first->file->trace.timeline;
    const Naming naming = {reader, first->root,
                           files->cluster->nodes * files->cluster->gpus_per_node, timeline};
    timeline->ngpus = 0;
    for (int32_t i = 0; i < timeline->ntexts; i++)
        if (!list_text(&naming, i)) return;
    qsort(timeline->gpu, (size_t)timeline->ngpus, sizeof *timeline->gpu, by_number);
    int32_t n = 0;
    for (int32_t i = 0; i < timeline->ngpus; i++)
        if (n == 0 || timeline->gpu[i] != timeline->gpu[n - 1])
            timeline->gpu[n++] = timeline->gpu[i];
    timeline->ngpus = n;
    bool trains = false;
    for (int32_t i = 0; i < files->njobs; i++)
        trains = trains || files->job[i].file->job.kind == JOB_TRAINING;
    if (n > 0 && !trains)
        reader_error(reader, first->root, "trace.timeline",
                     "timeline is given, but no job trains: flows have their own table");
}
