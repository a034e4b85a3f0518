#include "observe/sampling.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

static const char LABEL[] = "record.intervals";

static void sums_reserve(LoadSums *sums, int32_t hot_links, int64_t wanted) {
    if (wanted <= sums->capacity) return;
    size_t each = load_sum_bytes(hot_links);
    int64_t capacity = wanted + wanted / 2 + 8;
    sums->first =
        memory_resize(LABEL, sums->first, (size_t)sums->capacity * each, (size_t)capacity * each);
    sums->capacity = capacity;
}

void sums_free(LoadSums *sums, int32_t hot_links) {
    if (sums->first)
        memory_free(LABEL, sums->first, (size_t)sums->capacity * load_sum_bytes(hot_links));
    *sums = (LoadSums){0};
}

void sampling_init(Sampling *sampling, Intervals intervals, int32_t hot_links, LoadAdder *adder,
                   bool divided) {
    *sampling = (Sampling){.intervals = intervals,
                           .hot_links = hot_links,
                           .until_ps = INT64_MAX,
                           .adder = adder,
                           .divided = divided};
}

/// Drop what can no longer become rows.
static void drop_levels(Sampling *sampling, int32_t below) {
    if (below <= sampling->lowest) return;
    for (int32_t level = sampling->lowest; level < below; level++)
        sums_free(&sampling->level[level], sampling->hot_links);
    sampling->lowest = below;
    int64_t kept = 0;
    for (int64_t i = 0; i < sampling->joint.n; i++)
        if (intervals_level_of(sampling->joint.at[i].index) >= below)
            sampling->joint.at[kept++] = sampling->joint.at[i];
    sampling->joint.n = kept;
}

void sampling_fini(Sampling *sampling) {
    drop_levels(sampling, INTERVALS_LEVELS);
    array_free(&sampling->joint);
    for (int64_t i = 0; i < sampling->over.n; i++) {
        sums_free(&sampling->over.at[i].rows, sampling->hot_links);
        array_free(&sampling->over.at[i].joint);
    }
    array_free(&sampling->over);
}

/// Intervals without traffic are skipped by the engine, but not in the file: what has none here may have some elsewhere.
static void fill(Sampling *sampling, int32_t level, int64_t n) {
    LoadSums *sums = &sampling->level[level];
    const Intervals *intervals = &sampling->intervals;
    int64_t width_ps = intervals_width_ps(intervals, level);
    sums_reserve(sums, sampling->hot_links, n);
    for (; sums->n < n; sums->n++) {
        LoadSum *sum = sums_at(sums, sampling->hot_links, sums->n);
        memset(sum, 0, load_sum_bytes(sampling->hot_links));
        sum->start_ps = intervals->origin_ps + sums->n * width_ps;
        sum->end_ps = sampling->until_ps - sum->start_ps < width_ps ? sampling->until_ps
                                                                    : sum->start_ps + width_ps;
    }
}

/// The sum of an interval; what cannot become rows any more is dropped.
static LoadSum *sum_of(Sampling *sampling, int64_t name) {
    int32_t level = intervals_level_of(name);
    int64_t number = intervals_number_of(name);
    LoadSums *sums = &sampling->level[level];
    if (number >= sums->n) {
        fill(sampling, level, number + 1);
        int64_t begin_ps = sums_at(sums, sampling->hot_links, number)->start_ps;
        drop_levels(sampling, intervals_level(&sampling->intervals, begin_ps));
    }
    return sums_at(sums, sampling->hot_links, number);
}

static void put(void *context, int64_t name, const LinkSample sample[], int64_t n) {
    Sampling *sampling = context;
    load_adder_into(sampling->adder, sum_of(sampling, name));
    if (sampling->divided)
        joint_add(&sampling->joint, sampling->adder->cluster, name, sample, n, sampling->adder);
    else
        load_add(sampling->adder, sample, n);
}

static void put_alike(void *context, int64_t name, const LinkSample *each, const int32_t link[],
                      int64_t n) {
    Sampling *sampling = context;
    load_adder_into(sampling->adder, sum_of(sampling, name));
    load_add_alike(sampling->adder, each, link, n);
}

LinkSink sampling_sink(Sampling *sampling) { return (LinkSink){put, sampling, put_alike}; }

void sampling_cut(Sampling *sampling, const EngineOps *ops, Engine *engine, int64_t now_ps) {
    Intervals *intervals = &sampling->intervals;
    bool samples = intervals->width_ps > 0;
    int32_t level = samples ? intervals_level(intervals, now_ps) : 0;
    sampling->until_ps = now_ps;
    if (ops->restart_intervals) ops->restart_intervals(engine); // which tells what is open
    if (samples) fill(sampling, level, intervals_number(intervals, now_ps));
    SampledCycle cycle = {.begin_ps = intervals->origin_ps, .rows = sampling->level[level]};
    for (int64_t i = 0; i < sampling->joint.n; i++) {
        JointBytes joint = sampling->joint.at[i];
        if (intervals_level_of(joint.index) != level) continue;
        joint.index = intervals_number_of(joint.index);
        array_push(&cycle.joint, joint);
    }
    array_push(&sampling->over, cycle);
    sampling->level[level] = (LoadSums){0};
    drop_levels(sampling, INTERVALS_LEVELS);
    sampling->lowest = 0;
    intervals->origin_ps = now_ps;
    sampling->until_ps = INT64_MAX;
}

SampledCycle sampling_take(Sampling *sampling) {
    CHECK(sampling->over.n > 0, "a step without sampling intervals");
    SampledCycle cycle = sampling->over.at[0];
    for (int64_t i = 1; i < sampling->over.n; i++) sampling->over.at[i - 1] = sampling->over.at[i];
    sampling->over.n--;
    return cycle;
}
