// A finished repetition of traffic: rows of flows, links.
#include <math.h>
#include <stdlib.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/order.h"
#include "base/units.h"
#include "base/wide.h"
#include "observe/account.h"
#include "observe/crossing.h"
#include "observe/record.h"

/// Rows of /flows.
static Status write_flows(const TrafficRun *traffic, Recorder *recorder) {
    const int64_t n = traffic->plays ? traffic->ops->nmoves(traffic) : 0;
    TraceFlow *rows = memory_alloc("record.flows", sizeof(TraceFlow) * (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        const TrafficMove move = traffic->ops->move(traffic, i);
        const double took = (double)(move.end_ps - move.begin_ps);
        rows[i] = (TraceFlow){.source = move.source,
                              .destination = move.destination,
                              .bytes = move.bytes,
                              .start_ps = traffic->now.begin_ps + move.begin_ps,
                              .end_ps = traffic->now.begin_ps + move.end_ps,
                              .slowdown = move.alone_ps > 0 ? took / (double)move.alone_ps : 1};
    }
    Status status = trace_append_flows(recorder->trace, n, rows);
    memory_free("record.flows", rows, sizeof(TraceFlow) * (size_t)n);
    return status;
}

/// How it was run, and what nccl-tests would say of it.
static void name_collective(const TrafficCollective *of, StepSummary *summary) {
    const CollectiveSpec *spec = &of->spec;
    summary->collective = COLLECTIVE_NAMES[spec->kind];
    summary->algorithm = ALGORITHM_NAMES[spec->algorithm];
    summary->protocol = PROTOCOL_NAMES[spec->protocol];
    summary->algorithm_Bps =
        (double)spec->bytes / units_seconds_from_ps(summary->row.end_ps - summary->row.start_ps);
    summary->bus_Bps = summary->algorithm_Bps * collective_bus_factor(spec->kind, of->n);
}

/// The least time that `share` of the n sorted ones do not exceed.
static int64_t quantile(const int64_t time_ps[], int64_t n, double share) {
    const int64_t i = (int64_t)ceil(share * (double)n) - 1;
    return time_ps[i < 0 ? 0 : i];
}

/// Of flows and messages; collectives are told apart by no single rate.
static FlowSpread spread_flows(const TrafficRun *traffic) {
    const int64_t nmoves = traffic->ops->nmoves(traffic);
    FlowSpread spread = {.least_Bps = HUGE_VAL};
    int64_t *time_ps = memory_alloc("record.flows", (size_t)nmoves * sizeof *time_ps);
    for (int64_t i = 0; i < nmoves; i++) {
        const TrafficMove move = traffic->ops->move(traffic, i);
        if (move.collective) continue;
        const int64_t took_ps = time_ps[spread.n++] = move.end_ps - move.begin_ps;
        const double rate_Bps =
            took_ps > 0 ? (double)move.bytes / units_seconds_from_ps(took_ps) : 0;
        spread.mean_Bps += rate_Bps;
        spread.least_Bps = fmin(spread.least_Bps, rate_Bps);
    }
    if (spread.n > 0) {
        qsort(time_ps, (size_t)spread.n, sizeof *time_ps, order_i64);
        spread.mean_Bps /= (double)spread.n;
        spread.median_ps = quantile(time_ps, spread.n, 0.5);
        spread.high_ps = quantile(time_ps, spread.n, 0.99);
        spread.most_ps = time_ps[spread.n - 1];
    }
    memory_free("record.flows", time_ps, (size_t)nmoves * sizeof *time_ps);
    return spread;
}

/// Means over ranks; what is one collective or flows says itself all there is to say.
static void account_ranks(const TrafficRun *traffic, TraceStep *row) {
    double *mean_ps[RANK_STATE_N] = {[RANK_COMPUTES] = &row->computing_ps,
                                     [RANK_COMMUNICATES] = &row->communicating_ps,
                                     [RANK_WAITS] = &row->awaiting_ps,
                                     [RANK_IDLE] = &row->idle_ps};
    const bool has_operations =
        traffic->plays && traffic->job->traffic.pattern == TRAFFIC_OPERATIONS;
    Wide sum_ps[RANK_STATE_N] = {0};
    for (int64_t rank = 0; has_operations && rank < traffic->ranks; rank++) {
        const RankAccount account = account_rank(traffic, rank);
        for (int state = 0; state < RANK_STATE_N; state++) sum_ps[state] += account.ps[state];
    }
    for (int state = 0; state < RANK_STATE_N; state++)
        *mean_ps[state] = has_operations ? (double)sum_ps[state] / (double)traffic->ranks : NAN;
}

/// A step that is told again.
static void account_again(const TraceStep *before, TraceStep *row) {
    row->computing_ps = before->computing_ps;
    row->communicating_ps = before->communicating_ps;
    row->awaiting_ps = before->awaiting_ps;
    row->idle_ps = before->idle_ps;
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
        .detail = recorder_detail(recorder, traffic->number, traffic->step),
    };
    if (later_ps > 0)
        account_again(&recorder->step.at[recorder->step.n - 1].row, &summary.row);
    else
        account_ranks(traffic, &summary.row);
    TrafficCollective whole;
    if (traffic->plays && traffic->ops->collective(traffic, &whole))
        name_collective(&whole, &summary);
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
