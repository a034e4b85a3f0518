#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "trace/skeleton.h"
#include "trace/slab.h"

static const char LABEL[] = "trace";

int trace_bin(int64_t bytes, int64_t capacity_bytes) {
    if (bytes <= 0) return 0;
    if (bytes >= capacity_bytes) return TRACE_BINS - 1;
    int bin = (int)ceil((double)(TRACE_BINS - 1) * ((double)bytes / (double)capacity_bytes));
    return bin < 1 ? 1 : bin > TRACE_BINS - 1 ? TRACE_BINS - 1 : bin;
}

int trace_queue_bin(int64_t bytes) {
    int bin = bytes > 0;
    for (int64_t edge = 1024; bin > 0 && bin < TRACE_QUEUE_BINS - 1 && bytes > edge; edge *= 2)
        bin++;
    return bin;
}

static const Column STEP_TIER_COLUMN[] = {
    COLUMN(TRACE_LINKS_BYTES, TraceTierLoad, bytes),
    COLUMN(TRACE_LINKS_DELAY, TraceTierLoad, delay_ps),
    COLUMN(TRACE_LINKS_CONGESTED, TraceTierLoad, congested_ps),
    COLUMN(TRACE_LINKS_MEAN, TraceTierLoad, utilisation_mean),
    COLUMN(TRACE_LINKS_MAX, TraceTierLoad, utilisation_max),
    COLUMN_OF(TRACE_LINKS_HISTOGRAM, TraceTierLoad, histogram, TRACE_BINS),
    COLUMN(TRACE_LINKS_QUEUE_MEAN, TraceTierLoad, queue_mean),
    COLUMN(TRACE_LINKS_QUEUE_MOST, TraceTierLoad, queue_most),
    COLUMN(TRACE_LINKS_PAUSE, TraceTierLoad, pause_ps),
    COLUMN(TRACE_LINKS_MARKS, TraceTierLoad, marks),
    COLUMN(TRACE_LINKS_DROPS, TraceTierLoad, drops),
    COLUMN(TRACE_LINKS_TRIMS, TraceTierLoad, trims),
    COLUMN(TRACE_LINKS_REORDERED, TraceTierLoad, reordered),
    COLUMN_OF(TRACE_LINKS_QUEUE_HISTOGRAM, TraceTierLoad, queue_histogram, TRACE_QUEUE_BINS),
};
static const Column STEP_HOT_COLUMN[] = {
    COLUMN(TRACE_LINKS_HOT_LINK, TraceHotLink, link),
    COLUMN(TRACE_LINKS_HOT_TIER, TraceHotLink, tier),
    COLUMN(TRACE_LINKS_HOT_DIRECTION, TraceHotLink, direction),
    COLUMN(TRACE_LINKS_HOT_BYTES, TraceHotLink, bytes),
    COLUMN(TRACE_LINKS_HOT_DELAY, TraceHotLink, delay_ps),
    COLUMN(TRACE_LINKS_HOT_WIDTH, TraceHotLink, width),
    COLUMN(TRACE_LINKS_HOT_CONGESTED, TraceHotLink, congested_ps),
    COLUMN(TRACE_LINKS_HOT_UTILISATION, TraceHotLink, utilisation),
    COLUMN_OF(TRACE_LINKS_HOT_TRAFFIC, TraceHotLink, users.traffic_bytes, TRACE_TRAFFIC_N),
    COLUMN_OF(TRACE_LINKS_HOT_NAME, TraceHotLink, name, TRACE_NAME_CHARS),
    COLUMN(TRACE_LINKS_HOT_QUEUE_MEAN, TraceHotLink, port.queue_mean),
    COLUMN(TRACE_LINKS_HOT_QUEUE_MOST, TraceHotLink, port.queue_most),
    COLUMN(TRACE_LINKS_HOT_PAUSE, TraceHotLink, port.pause_ps),
    COLUMN(TRACE_LINKS_HOT_MARKS, TraceHotLink, port.marks),
    COLUMN(TRACE_LINKS_HOT_DROPS, TraceHotLink, port.drops),
};
static const Column STEP_USER_COLUMN[] = {
    COLUMN(TRACE_LINKS_USER_TRAFFIC, TraceLinkUser, traffic),
    COLUMN(TRACE_LINKS_USER_SOURCE, TraceLinkUser, source),
    COLUMN(TRACE_LINKS_USER_DESTINATION, TraceLinkUser, destination),
    COLUMN(TRACE_LINKS_USER_BYTES, TraceLinkUser, bytes),
};
static const Column INTERVAL_TIER_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_BYTES, TraceTierLoad, bytes),
    COLUMN(TRACE_INTERVALS_DELAY, TraceTierLoad, delay_ps),
    COLUMN(TRACE_INTERVALS_CONGESTED, TraceTierLoad, congested_ps),
    COLUMN_OF(TRACE_INTERVALS_HISTOGRAM, TraceTierLoad, histogram, TRACE_BINS),
    COLUMN(TRACE_INTERVALS_QUEUE_MEAN, TraceTierLoad, queue_mean),
    COLUMN(TRACE_INTERVALS_QUEUE_MOST, TraceTierLoad, queue_most),
    COLUMN(TRACE_INTERVALS_PAUSE, TraceTierLoad, pause_ps),
    COLUMN(TRACE_INTERVALS_MARKS, TraceTierLoad, marks),
    COLUMN(TRACE_INTERVALS_DROPS, TraceTierLoad, drops),
    COLUMN(TRACE_INTERVALS_TRIMS, TraceTierLoad, trims),
    COLUMN(TRACE_INTERVALS_REORDERED, TraceTierLoad, reordered),
    COLUMN_OF(TRACE_INTERVALS_QUEUE_HISTOGRAM, TraceTierLoad, queue_histogram, TRACE_QUEUE_BINS),
};
static const Column INTERVAL_HOT_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_HOT_LINK, TraceHotLink, link),
    COLUMN(TRACE_INTERVALS_HOT_TIER, TraceHotLink, tier),
    COLUMN(TRACE_INTERVALS_HOT_DIRECTION, TraceHotLink, direction),
    COLUMN(TRACE_INTERVALS_HOT_UTILISATION, TraceHotLink, utilisation),
    COLUMN(TRACE_INTERVALS_HOT_DELAY, TraceHotLink, delay_ps),
    COLUMN(TRACE_INTERVALS_HOT_WIDTH, TraceHotLink, width),
    COLUMN(TRACE_INTERVALS_HOT_QUEUE_MEAN, TraceHotLink, port.queue_mean),
    COLUMN(TRACE_INTERVALS_HOT_QUEUE_MOST, TraceHotLink, port.queue_most),
    COLUMN(TRACE_INTERVALS_HOT_PAUSE, TraceHotLink, port.pause_ps),
    COLUMN(TRACE_INTERVALS_HOT_MARKS, TraceHotLink, port.marks),
};
static const Column STEP_CHOSEN_COLUMN[] = {
    COLUMN(TRACE_LINKS_CHOSEN_BYTES, TraceLinkLoad, bytes),
    COLUMN(TRACE_LINKS_CHOSEN_DELAY, TraceLinkLoad, delay_ps),
    COLUMN(TRACE_LINKS_CHOSEN_CONGESTED, TraceLinkLoad, congested_ps),
};
static const Column CHOSEN_TRAFFIC_COLUMN[] = {
    COLUMN_OF(TRACE_LINKS_CHOSEN_TRAFFIC, TraceLinkUsers, traffic_bytes, TRACE_TRAFFIC_N),
};
static const Column CHOSEN_USER_COLUMN[] = {
    COLUMN(TRACE_LINKS_CHOSEN_USER_TRAFFIC, TraceLinkUser, traffic),
    COLUMN(TRACE_LINKS_CHOSEN_USER_SOURCE, TraceLinkUser, source),
    COLUMN(TRACE_LINKS_CHOSEN_USER_DESTINATION, TraceLinkUser, destination),
    COLUMN(TRACE_LINKS_CHOSEN_USER_BYTES, TraceLinkUser, bytes),
};
static const Column INTERVAL_CHOSEN_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_CHOSEN_BYTES, TraceLinkLoad, bytes),
    COLUMN(TRACE_INTERVALS_CHOSEN_DELAY, TraceLinkLoad, delay_ps),
    COLUMN(TRACE_INTERVALS_CHOSEN_CONGESTED, TraceLinkLoad, congested_ps),
};
static const Column STEP_PAUSE_COLUMN[] = {
    COLUMN(TRACE_LINKS_PAUSED_LINK, TracePause, link),
    COLUMN(TRACE_LINKS_PAUSED_TIME, TracePause, pause_ps),
    COLUMN(TRACE_LINKS_PAUSED_CAUSE, TracePause, cause),
    COLUMN_OF(TRACE_LINKS_PAUSED_NAME, TracePause, name, TRACE_NAME_CHARS),
    COLUMN_OF(TRACE_LINKS_PAUSED_CAUSE_NAME, TracePause, cause_name, TRACE_NAME_CHARS),
};
static const Column INTERVAL_PAUSE_COLUMN[] = {
    COLUMN(TRACE_INTERVALS_PAUSED_LINK, TracePause, link),
    COLUMN(TRACE_INTERVALS_PAUSED_TIME, TracePause, pause_ps),
    COLUMN(TRACE_INTERVALS_PAUSED_CAUSE, TracePause, cause),
};

/// What fills a place that no hot link takes.
static TraceHotLink no_link(void) {
    TraceHotLink none = {.link = TRACE_NONE,
                         .tier = TRACE_NONE,
                         .direction = TRACE_NONE,
                         .width = TRACE_NONE,
                         .utilisation = NAN,
                         .delay_ps = TRACE_NONE,
                         .bytes = TRACE_NONE,
                         .congested_ps = TRACE_NONE,
                         .port = {NAN, TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE, TRACE_NONE}};
    for (int t = 0; t < TRACE_TRAFFIC_N; t++) none.users.traffic_bytes[t] = TRACE_NONE;
    return none;
}

/// The hottest links of n loads, padded to the length of the axis; [n * hot].
static TraceHotLink *pad_hot(const Trace *trace, int32_t n, const TraceLoad load[]) {
    const int64_t hot = skeleton_axis_size(&trace->info, TRACE_AXIS_HOT);
    TraceHotLink *row = memory_alloc(LABEL, (size_t)(n * hot) * sizeof *row);
    for (int32_t i = 0; i < n; i++) {
        CHECK(load[i].nhot <= hot, "%d hot links, room for %lld", load[i].nhot, (long long)hot);
        for (int64_t k = 0; k < hot; k++)
            row[i * hot + k] = k < load[i].nhot ? load[i].hot[k] : no_link();
    }
    return row;
}

/// Users of a link, padded to the length of the axis.
static void pad_users(const TraceLinkUsers *users, TraceLinkUser user[TRACE_USERS]) {
    static const TraceLinkUser none = {(TraceTraffic)TRACE_NONE, TRACE_NONE, TRACE_NONE,
                                       TRACE_NONE};
    for (int u = 0; u < TRACE_USERS; u++) user[u] = u < users->n ? users->user[u] : none;
}

/// Pack `n` rows of a column and write them as `nrows` rows of its growing axis from `first` on.
static Status write_packed(Trace *trace, const Column *column, const void *rows, size_t stride,
                           int64_t n, int64_t first, int64_t nrows) {
    int64_t bytes = column_bytes(column, n);
    void *packed = memory_alloc(LABEL, (size_t)bytes);
    column_pack(column, rows, stride, n, packed);
    Status status = slab_write_rows(trace, column->dataset, first, nrows, packed);
    memory_free(LABEL, packed, (size_t)bytes);
    return status;
}

/// The same of several columns of one struct.
static Status write_all_packed(Trace *trace, const Column column[], int ncolumns, const void *rows,
                               size_t stride, int64_t n, int64_t first, int64_t nrows) {
    Status status = status_ok();
    for (int c = 0; c < ncolumns; c++)
        slab_keep(&status, write_packed(trace, &column[c], rows, stride, n, first, nrows));
    return status;
}

/// The tiers of n loads behind each other, [n * ntiers * directions].
static TraceTierLoad *gather_tiers(const Trace *trace, int32_t n, const TraceLoad load[]) {
    const size_t per_load = (size_t)trace->info.ntiers * TRACE_DIRECTIONS;
    TraceTierLoad *row = memory_alloc(LABEL, (size_t)n * per_load * sizeof *row);
    for (int32_t i = 0; i < n; i++)
        memcpy(row + (size_t)i * per_load, load[i].tier, per_load * sizeof *row);
    return row;
}

/// Columns by tier, for `nrows` rows of which this rank has `n` (all or none).
static Status write_tiers(Trace *trace, const Column column[], int ncolumns, int64_t first,
                          int32_t nrows, int32_t n, const TraceLoad load[]) {
    const int64_t tiers = n * (int64_t)trace->info.ntiers * TRACE_DIRECTIONS;
    TraceTierLoad *tier = gather_tiers(trace, n, load);
    Status status =
        write_all_packed(trace, column, ncolumns, tier, sizeof *tier, tiers, first, nrows);
    memory_free(LABEL, tier, (size_t)tiers * sizeof *tier);
    return status;
}

/// Columns of hot links, likewise.
static Status write_hot(Trace *trace, const Column column[], int ncolumns, int64_t first,
                        int32_t nrows, int32_t n, const TraceLoad load[]) {
    const int64_t hots = n * skeleton_axis_size(&trace->info, TRACE_AXIS_HOT);
    TraceHotLink *hot = pad_hot(trace, n, load);
    Status status = write_all_packed(trace, column, ncolumns, hot, sizeof *hot, hots, first, nrows);
    memory_free(LABEL, hot, (size_t)hots * sizeof *hot);
    return status;
}

/// Columns of paused links, likewise.
static Status write_pauses(Trace *trace, const Column column[], int ncolumns, int64_t first,
                           int32_t nrows, int32_t n, const TraceLoad load[]) {
    const int64_t places = n * (int64_t)TRACE_VICTIMS;
    if (!trace->info.packets) return status_ok();
    TracePause *pause = memory_alloc(LABEL, (size_t)places * sizeof *pause);
    for (int64_t i = 0; i < places; i++) {
        const TraceLoad *of = &load[i / TRACE_VICTIMS];
        const int64_t k = i % TRACE_VICTIMS;
        pause[i] = k < of->npaused ? of->paused[k]
                                   : (TracePause){TRACE_NONE, TRACE_NONE, TRACE_NONE, "", ""};
    }
    Status status =
        write_all_packed(trace, column, ncolumns, pause, sizeof *pause, places, first, nrows);
    memory_free(LABEL, pause, (size_t)places * sizeof *pause);
    return status;
}

static Status write_users(Trace *trace, int64_t first, int32_t n, const TraceLoad *load) {
    const int64_t hots = n * skeleton_axis_size(&trace->info, TRACE_AXIS_HOT),
                  users = hots * TRACE_USERS;
    TraceHotLink *hot = pad_hot(trace, n, load);
    TraceLinkUser *user = memory_alloc(LABEL, (size_t)users * sizeof *user);
    for (int64_t k = 0; k < hots; k++) pad_users(&hot[k].users, user + k * TRACE_USERS);
    Status status = write_all_packed(trace, STEP_USER_COLUMN, COUNT_OF(STEP_USER_COLUMN), user,
                                     sizeof *user, users, first, n);
    memory_free(LABEL, user, (size_t)users * sizeof *user);
    memory_free(LABEL, hot, (size_t)hots * sizeof *hot);
    return status;
}

/// Chosen links, `nrows` rows of which this rank has `n` (all or none): those of a step, or of intervals.
static Status write_chosen(Trace *trace, const Column column[], int ncolumns, int64_t first,
                           int32_t nrows, int32_t n, const TraceLoad load[]) {
    const int64_t chosen = trace->info.nchosen, links = n * chosen;
    if (chosen == 0) return status_ok();
    TraceLinkLoad *row = memory_alloc(LABEL, (size_t)links * sizeof *row);
    for (int32_t i = 0; i < n; i++)
        memcpy(row + i * chosen, load[i].chosen, (size_t)chosen * sizeof *row);
    Status status =
        write_all_packed(trace, column, ncolumns, row, sizeof *row, links, first, nrows);
    memory_free(LABEL, row, (size_t)links * sizeof *row);
    return status;
}

/// Users of the chosen links of `n` steps (1, or 0: this rank has none).
static Status write_chosen_users(Trace *trace, int64_t first, int32_t n, const TraceLoad *load) {
    const int64_t links = n * (int64_t)trace->info.nchosen, users = links * TRACE_USERS;
    if (trace->info.nchosen == 0) return status_ok();
    TraceLinkUser *user = memory_alloc(LABEL, (size_t)users * sizeof *user);
    for (int64_t k = 0; k < links; k++) pad_users(&load->chosen_users[k], user + k * TRACE_USERS);
    Status status = write_all_packed(trace, CHOSEN_TRAFFIC_COLUMN, COUNT_OF(CHOSEN_TRAFFIC_COLUMN),
                                     links > 0 ? load->chosen_users : NULL,
                                     sizeof *load->chosen_users, links, first, n);
    slab_keep(&status, write_all_packed(trace, CHOSEN_USER_COLUMN, COUNT_OF(CHOSEN_USER_COLUMN),
                                        user, sizeof *user, users, first, n));
    memory_free(LABEL, user, (size_t)users * sizeof *user);
    return status;
}

Status trace_write_links(Trace *trace, const TraceLoad *load, bool hot) {
    CHECK(trace->open, "no step is open");
    const int32_t n = slab_on_root(trace) ? 1 : 0, nhot = hot ? n : 0;
    const int64_t row = trace->step - 1;
    Status status =
        write_tiers(trace, STEP_TIER_COLUMN, COUNT_OF(STEP_TIER_COLUMN), row, n, n, load);
    slab_keep(&status,
              write_hot(trace, STEP_HOT_COLUMN, COUNT_OF(STEP_HOT_COLUMN), row, nhot, nhot, load));
    slab_keep(&status, write_users(trace, row, nhot, load));
    slab_keep(&status, write_pauses(trace, STEP_PAUSE_COLUMN, COUNT_OF(STEP_PAUSE_COLUMN), row,
                                    nhot, nhot, load));
    slab_keep(&status, write_chosen(trace, STEP_CHOSEN_COLUMN, COUNT_OF(STEP_CHOSEN_COLUMN), row,
                                    nhot, nhot, load));
    slab_keep(&status, write_chosen_users(trace, row, nhot, load));
    return slab_leave(trace, status);
}

Status trace_write_job_costs(Trace *trace, const double delay_ps[]) {
    CHECK(trace->open && trace->info.njobs > 1, "no step of one of several jobs is open");
    const int64_t n = slab_on_root(trace) ? 1 : 0;
    return slab_leave(trace,
                      slab_write_rows(trace, TRACE_JOBS_DELAY, trace->step - 1, n, delay_ps));
}

Status trace_append_intervals(Trace *trace, int32_t n, const TraceLoad load[]) {
    static const Column time_column[] = {
        COLUMN(TRACE_INTERVALS_START, TraceLoad, start_ps),
        COLUMN(TRACE_INTERVALS_END, TraceLoad, end_ps),
    };
    CHECK(trace->open, "no step is open");
    int32_t rows = n;
    comm_broadcast(trace->comm, &rows, sizeof rows, 0);
    if (rows == 0) return status_ok();
    const int32_t mine = slab_on_root(trace) ? rows : 0;
    const int64_t first = trace->rows[TRACE_AXIS_INTERVAL];
    TRY(slab_grow(trace, TRACE_AXIS_INTERVAL, rows));
    Status status = write_all_packed(trace, time_column, COUNT_OF(time_column), load, sizeof *load,
                                     mine, first, rows);
    slab_keep(&status, write_tiers(trace, INTERVAL_TIER_COLUMN, COUNT_OF(INTERVAL_TIER_COLUMN),
                                   first, rows, mine, load));
    slab_keep(&status, write_hot(trace, INTERVAL_HOT_COLUMN, COUNT_OF(INTERVAL_HOT_COLUMN), first,
                                 rows, mine, load));
    slab_keep(&status, write_pauses(trace, INTERVAL_PAUSE_COLUMN, COUNT_OF(INTERVAL_PAUSE_COLUMN),
                                    first, rows, mine, load));
    slab_keep(&status, write_chosen(trace, INTERVAL_CHOSEN_COLUMN, COUNT_OF(INTERVAL_CHOSEN_COLUMN),
                                    first, rows, mine, load));
    return slab_leave(trace, status);
}

Status trace_write_full_links(Trace *trace, int64_t first, int64_t n, const int64_t bytes[]) {
    CHECK(trace->open && trace->info.full_links,
          "no step is open, or full rows of links were not asked for");
    const Column column = {TRACE_LINKS_FULL, 0, sizeof(int64_t), 1};
    return slab_leave(trace, slab_write_column(trace, &column, bytes, sizeof *bytes, 1, first, n));
}
