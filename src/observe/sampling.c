#include "observe/sampling.h"

#include "base/check.h"

void sampling_init(Sampling *sampling, Intervals intervals, LoadAdder *adder) {
    *sampling = (Sampling){.intervals = intervals, .until_ps = INT64_MAX, .adder = adder};
}

/// Drop what can no longer become rows.
static void drop_levels(Sampling *sampling, int32_t below) {
    for (; sampling->lowest < below; sampling->lowest++)
        rows_free(&sampling->level[sampling->lowest]);
}

void sampling_fini(Sampling *sampling) {
    drop_levels(sampling, INTERVALS_LEVELS);
    for (int64_t i = 0; i < sampling->over.n; i++) rows_free(&sampling->over.at[i]);
    array_free(&sampling->over);
}

/// Intervals without traffic are skipped by the engine, but not in the file: what has none here may have some elsewhere.
static void fill(Sampling *sampling, int32_t level, int64_t n) {
    LoadRows *rows = &sampling->level[level];
    const int64_t width_ps = intervals_width_ps(&sampling->intervals, level);
    while (rows->n < n) {
        int64_t start_ps = sampling->intervals.origin_ps + rows->n * width_ps;
        bool cut = sampling->until_ps - start_ps < width_ps;
        rows_push(rows, sampling->adder, start_ps, cut ? sampling->until_ps : start_ps + width_ps);
    }
}

/// The rows that an interval is one of, filled up to it; what cannot become rows any more is dropped.
static LoadRows *rows_with(Sampling *sampling, int64_t name) {
    LoadRows *rows = &sampling->level[intervals_level_of(name)];
    const int64_t number = intervals_number_of(name);
    if (number >= rows->n) {
        fill(sampling, intervals_level_of(name), number + 1);
        drop_levels(sampling,
                    intervals_level(&sampling->intervals, rows_at(rows, number)->start_ps));
    }
    return rows;
}

static void put(void *context, int64_t name, const LinkSample sample[], int64_t n) {
    Sampling *sampling = context;
    rows_add(rows_with(sampling, name), intervals_number_of(name), sampling->adder, sample, n);
}

static void put_alike(void *context, int64_t name, const LinkSample *each, const LinkId link[],
                      int64_t listed, int64_t n) {
    Sampling *sampling = context;
    rows_add_alike(rows_with(sampling, name), intervals_number_of(name), sampling->adder, each,
                   link, listed, n);
}

LinkSink sampling_sink(Sampling *sampling) { return (LinkSink){put, sampling, put_alike}; }

void sampling_cut(Sampling *sampling, const EngineOps *ops, Engine *engine, int64_t now_ps) {
    Intervals *intervals = &sampling->intervals;
    bool samples = intervals->width_ps > 0;
    LoadRows *rows = &sampling->level[samples ? intervals_level(intervals, now_ps) : 0];
    sampling->until_ps = now_ps;
    if (ops->restart_intervals) ops->restart_intervals(engine); // which tells what is open
    if (samples)
        fill(sampling, (int32_t)(rows - sampling->level), intervals_number(intervals, now_ps));
    rows->begin_ps = intervals->origin_ps;
    array_push(&sampling->over, *rows);
    *rows = (LoadRows){0};
    drop_levels(sampling, INTERVALS_LEVELS);
    sampling->lowest = 0;
    intervals->origin_ps = now_ps;
    sampling->until_ps = INT64_MAX;
}

LoadRows sampling_take(Sampling *sampling) {
    CHECK(sampling->over.n > 0, "a step without sampling intervals");
    LoadRows rows = sampling->over.at[0];
    for (int64_t i = 1; i < sampling->over.n; i++) sampling->over.at[i - 1] = sampling->over.at[i];
    sampling->over.n--;
    return rows;
}
