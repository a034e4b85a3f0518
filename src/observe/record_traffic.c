// A finished repetition of traffic: rows of flows, links.
#include <math.h>
#include <stdlib.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/order.h"
#include "base/units.h"
#include "observe/crossing.h"
#include "observe/record.h"

/// Rows of /flows; one for a collective, from its first member to its last. Ends of a flow are the
/// first ranks of its blocks.
static Status write_flows(const TrafficRun *traffic, Recorder *recorder) {
    bool root = recorder->fabric->rank == 0, one = traffic_is_collective(traffic);
    int64_t n = !root ? 0 : one ? 1 : traffic->nrows;
    TraceFlow *rows = memory_alloc("record.flows", sizeof(TraceFlow) * (size_t)n);
    for (int64_t i = 0; i < n && !one; i++) {
        const FlowRow *row = &traffic->row[i];
        int64_t start_ps = traffic->now.begin_ps + row->flow.start_ps;
        double took = (double)(row->end_ps - start_ps);
        rows[i] = (TraceFlow){.source = row->flow.src,
                              .destination = row->flow.dst,
                              .bytes = row->flow.bytes * traffic_flow_npairs(&row->flow),
                              .start_ps = start_ps,
                              .end_ps = row->end_ps,
                              .slowdown = row->alone_ps > 0 ? took / (double)row->alone_ps : 1};
    }
    if (n > 0 && one)
        rows[0] = (TraceFlow){.source = 0,
                              .destination = traffic->ranks - 1,
                              .bytes = traffic->job->collective.bytes,
                              .start_ps = traffic->now.begin_ps,
                              .end_ps = traffic->now.end_ps,
                              .slowdown = (double)(traffic->now.end_ps - traffic->now.begin_ps) /
                                          (double)traffic->alone_ps};
    Status status = trace_append_flows(recorder->trace, n, rows);
    memory_free("record.flows", rows, sizeof(TraceFlow) * (size_t)n);
    return status;
}

/// How it was run, and what nccl-tests would say of it.
static void name_collective(const TrafficRun *traffic, StepSummary *summary) {
    const CollectiveSpec *spec = &traffic->plan.spec;
    summary->collective = COLLECTIVE_NAMES[spec->kind];
    summary->algorithm = ALGORITHM_NAMES[spec->algorithm];
    summary->protocol = PROTOCOL_NAMES[spec->protocol];
    summary->algorithm_Bps =
        (double)spec->bytes / units_seconds_from_ps(summary->row.end_ps - summary->row.start_ps);
    summary->bus_Bps = summary->algorithm_Bps * collective_bus_factor(spec->kind, traffic->ranks);
}

/// The least time that `share` of the n sorted ones do not exceed.
static int64_t quantile(const int64_t time_ps[], int64_t n, double share) {
    const int64_t i = (int64_t)ceil(share * (double)n) - 1;
    return time_ps[i < 0 ? 0 : i];
}

static FlowSpread spread_flows(const TrafficRun *traffic) {
    const int64_t n = traffic->nrows;
    if (n == 0 || traffic_is_collective(traffic)) return (FlowSpread){0};
    FlowSpread spread = {.n = n, .least_Bps = HUGE_VAL};
    int64_t *time_ps = memory_alloc("record.flows", (size_t)n * sizeof *time_ps);
    for (int64_t i = 0; i < n; i++) {
        const FlowRow *row = &traffic->row[i];
        time_ps[i] = row->end_ps - traffic->now.begin_ps - row->flow.start_ps;
        const double bytes = (double)(row->flow.bytes * traffic_flow_npairs(&row->flow));
        const double rate_Bps = time_ps[i] > 0 ? bytes / units_seconds_from_ps(time_ps[i]) : 0;
        spread.mean_Bps += rate_Bps / (double)n;
        spread.least_Bps = fmin(spread.least_Bps, rate_Bps);
    }
    qsort(time_ps, (size_t)n, sizeof *time_ps, order_i64);
    spread.median_ps = quantile(time_ps, n, 0.5);
    spread.high_ps = quantile(time_ps, n, 0.99);
    spread.most_ps = time_ps[n - 1];
    memory_free("record.flows", time_ps, (size_t)n * sizeof *time_ps);
    return spread;
}

Status record_traffic_step(Recorder *recorder, const TrafficRun *traffic, int64_t later_ps) {
    int64_t begin_ps = traffic->now.begin_ps, end_ps = traffic->now.end_ps;
    StepSummary summary = {
        .row = {.job = traffic->number,
                .job_step = traffic->step,
                .start_ps = begin_ps,
                .end_ps = end_ps,
                .timeline_step = TRACE_NONE,
                .fingerprint = traffic->now.moves + fingerprint_of(-1, begin_ps, end_ps)},
    };
    if (traffic_is_collective(traffic) && traffic->plays) name_collective(traffic, &summary);
    if (traffic->step == 0 && traffic->plays) summary.flows = spread_flows(traffic);
    recorder->keeps = traffic->later_ps > 0;
    if (recorder->trace) {
        TRY(trace_begin_step(recorder->trace));
        TRY(write_flows(traffic, recorder));
    }
    TRY(recorder_write_links(recorder, later_ps, crossing_of_traffic, traffic, &summary));
    const PowerUse use = power_use_traffic(recorder->fabric, &summary.row);
    TRY(recorder_write_power(recorder, later_ps, &use, NULL, 0, &summary.row));
    return recorder_end_step(recorder, &summary);
}
