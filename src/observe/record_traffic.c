// A finished repetition of traffic: rows of flows, links.
#include "base/fingerprint.h"
#include "base/memory.h"
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
    summary->bus_Bps = (double)spec->bytes * collective_bus_factor(spec->kind, traffic->ranks) /
                       units_seconds_from_ps(summary->row.end_ps - summary->row.start_ps);
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
