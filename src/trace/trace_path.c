#include "base/check.h"
#include "trace/slab.h"
#include "trace/trace.h"

Status trace_write_path(Trace *trace, int64_t n, const TraceSegment path[],
                        const int64_t step_ps[]) {
    static const Column column[] = {
        COLUMN(TRACE_PATH_KIND, TraceSegment, kind),
        COLUMN(TRACE_PATH_GPU, TraceSegment, gpu),
        COLUMN(TRACE_PATH_PEER, TraceSegment, peer),
        COLUMN(TRACE_PATH_MICROBATCH, TraceSegment, microbatch),
        COLUMN(TRACE_PATH_CHUNK, TraceSegment, chunk),
        COLUMN(TRACE_PATH_START, TraceSegment, start_ps),
        COLUMN(TRACE_PATH_END, TraceSegment, end_ps),
        COLUMN(TRACE_PATH_ALONE, TraceSegment, alone_ps),
        COLUMN(TRACE_PATH_SLOWED, TraceSegment, slowed_ps),
        COLUMN(TRACE_PATH_TIER, TraceSegment, tier),
        COLUMN(TRACE_PATH_LINK, TraceSegment, link),
        COLUMN_OF(TRACE_PATH_LINK_NAME, TraceSegment, link_name, TRACE_NAME_CHARS),
    };
    CHECK(trace->open && trace->info.nchanges > 0, "no step to be explained is open");
    const bool root = slab_on_root(trace);
    const int64_t rows = root ? n : 0, row = trace->step - 1;
    int64_t first = 0;
    Status status = slab_append_rows(trace, TRACE_AXIS_SEGMENT, TRACE_PATH_STEP, column,
                                     COUNT_OF(column), path, sizeof *path, rows, &first);
    if (trace->failed) return status;
    const int64_t end = first + rows;
    slab_keep(&status,
              slab_write_rows(trace, TRACE_GAINS_EXPLAINED, row, root, root ? &end : NULL));
    slab_keep(&status, slab_write_rows(trace, TRACE_GAINS_STEP, row, root, root ? step_ps : NULL));
    return slab_leave(trace, status);
}
