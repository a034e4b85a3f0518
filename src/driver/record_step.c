// A finished training step: columns per GPU, collectives, links, and the means of the report.
#include <stdlib.h>

#include "base/memory.h"
#include "base/wide.h"
#include "driver/crossing.h"
#include "driver/record.h"

/// One GPU of a unit: the unit's step, with the slowness that is its own told from that of its tensor-parallel peers.
static TraceGpuStep gpu_step(const Machine *machine, const StepResult *result, GpuId gpu,
                             int32_t step) {
    TraceGpuStep row = {.working = true, .duration_ps = result->end_ps - result->start_ps};
    for (int part = 0; part < TRACE_PART_N; part++) row.part_ps[part] = result->part_ps[part];
    int64_t factor = noise_factor(&machine->job->noise, gpu, step);
    int64_t compute_ps = row.part_ps[TRACE_PART_COMPUTE];
    int64_t own_ps = noise_apply(compute_ps, factor) - compute_ps;
    if (own_ps > result->part_ps[TRACE_PART_OWN_SLOW] || machine->layout.width == 1)
        own_ps = result->part_ps
                     [TRACE_PART_OWN_SLOW]; // the slowest: rounding of many operations against one
    row.part_ps[TRACE_PART_OWN_SLOW] = own_ps;
    row.part_ps[TRACE_PART_STRAGGLER] += result->part_ps[TRACE_PART_OWN_SLOW] - own_ps;
    return row;
}

static void fill_gpus(const Machine *machine, int32_t step, TraceGpuStep row[]) {
    int32_t width = machine->layout.width;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        for (int32_t rail = 0; rail < width; rail++) {
            int64_t i = slot * width + rail;
            row[i].working = unit->id >= 0;
            if (unit->id < 0) continue;
            row[i] = gpu_step(machine, &machine->result[slot], machine->layout.first_gpu + i, step);
        }
    }
}

enum { SUM_DURATION = TRACE_PART_N, SUM_N };

/// Exact sums over all GPUs of all ranks, as means: high and low halves are summed apart.
static void mean_parts(const Machine *machine, const TraceGpuStep row[], double mean[SUM_N]) {
    int64_t half[2 * SUM_N] = {0};
    for (int64_t i = 0; i < machine->layout.nslots * machine->layout.width; i++) {
        if (!row[i].working) continue;
        for (int k = 0; k < SUM_N; k++) {
            int64_t value = k == SUM_DURATION ? row[i].duration_ps : row[i].part_ps[k];
            half[2 * k] += value >> 32;
            half[2 * k + 1] += value & INT64_C(0xffffffff);
        }
    }
    comm_sum_i64(machine->comm, half, 2 * SUM_N);
    double gpus = (double)(machine->layout.nunits * machine->layout.width);
    for (int k = 0; k < SUM_N; k++) {
        Wide sum = (Wide)half[2 * k] * ((Wide)1 << 32) + half[2 * k + 1];
        mean[k] = (double)sum / gpus;
    }
}

static int64_t latest_end(const Machine *machine) {
    int64_t end_ps = 0;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        if (machine->unit[slot].id >= 0 && machine->result[slot].end_ps > end_ps)
            end_ps = machine->result[slot].end_ps;
    comm_max_i64(machine->comm, &end_ps, 1);
    return end_ps;
}

static TraceCollectiveKind kind_of(const Machine *machine, const CollectiveRow *row) {
    if (row->kind == OP_PARAM_GATHER) return TRACE_COLLECTIVE_ALL_GATHER;
    bool sharded = row->kind == OP_GRAD_REDUCE && machine->job->parallel.zero > 0;
    return sharded ? TRACE_COLLECTIVE_REDUCE_SCATTER : TRACE_COLLECTIVE_ALL_REDUCE;
}

static int by_start(const void *a, const void *b) {
    const CollectiveRow *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    if (x->start_ps != y->start_ps) return x->start_ps < y->start_ps ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

static TraceCollective describe(const Machine *machine, const CollectiveRow *row) {
    TraceCollectiveKind kind = kind_of(machine, row);
    double n = (double)row->units.n;
    double factor = (n - 1) / n * (kind == TRACE_COLLECTIVE_ALL_REDUCE ? 2 : 1);
    double duration_s = (double)(row->end_ps - row->start_ps) / 1e12;
    return (TraceCollective){
        .kind = kind,
        .traffic = TRACE_TRAFFIC_DP,
        .group_first = row->units.first * machine->layout.width,
        .group_stride = row->units.stride * machine->layout.width,
        .group_size = row->units.n,
        .bytes = row->bytes,
        .start_ps = row->start_ps,
        .end_ps = row->end_ps,
        .bus_Bps = duration_s > 0 ? (double)row->bytes * factor / duration_s : 0,
        .slowdown = row->alone_ps > 0 ? duration_s * 1e12 / (double)row->alone_ps : 1,
    };
}

/// Rows of this step, ordered by start, then group; those of the next step stay.
static Status write_collectives(Recorder *recorder, Machine *machine, int32_t step) {
    qsort(machine->row.at, (size_t)machine->row.n, sizeof(CollectiveRow), by_start);
    int64_t n = 0;
    while (n < machine->row.n && machine->row.at[n].step <= step) n++;
    TraceCollective *rows = memory_alloc("record.collectives", sizeof(TraceCollective) * (size_t)n);
    for (int64_t i = 0; i < n; i++) rows[i] = describe(machine, &machine->row.at[i]);
    Status status = status_ok();
    if (recorder->trace) status = trace_append_collectives(recorder->trace, n, rows);
    memory_free("record.collectives", rows, sizeof(TraceCollective) * (size_t)n);
    for (int64_t i = n; i < machine->row.n; i++) machine->row.at[i - n] = machine->row.at[i];
    machine->row.n -= n;
    return status;
}

static TraceStep summarise(const Machine *machine, const double mean[SUM_N], StepSummary *summary) {
    const StepCost *cost = &machine->cost;
    double gpus = (double)(machine->layout.nunits * machine->layout.width);
    TraceStep row = {
        .start_ps = summary->start_ps,
        .end_ps = summary->end_ps,
        .fingerprint = summary->fingerprint,
        .working_gpus = (int64_t)gpus,
        .mean_duration_ps = mean[SUM_DURATION],
        .tokens = (int64_t)cost->tokens,
        .model_flop_full = cost->model_flop_full,
        .model_flop_causal = cost->model_flop_causal,
        .hardware_flop = cost->hardware_flop,
        .peak_flop_per_s = cost->peak_flop_per_s,
    };
    double duration_s = (double)(summary->end_ps - summary->start_ps) / 1e12;
    for (int k = 0; k < TRACE_PART_N; k++) summary->mean_part_ps[k] = row.mean_part_ps[k] = mean[k];
    summary->tokens_per_s_gpu = cost->tokens / duration_s / gpus;
    summary->mfu_full = cost->model_flop_full / (duration_s * gpus * cost->peak_flop_per_s);
    summary->mfu_causal = cost->model_flop_causal / (duration_s * gpus * cost->peak_flop_per_s);
    return row;
}

static Status write_step(Recorder *recorder, Machine *machine, int32_t step,
                         const TraceGpuStep row[], StepSummary *summary) {
    bool last = step + 1 == machine->steps;
    recorder_finish_intervals(recorder, summary->end_ps, last);
    double mean[SUM_N];
    mean_parts(machine, row, mean);
    TraceStep trace_step = summarise(machine, mean, summary);
    if (recorder->trace) {
        TRY(trace_begin_step(recorder->trace));
        TRY(trace_write_gpus(recorder->trace, machine->layout.first_gpu,
                             machine->layout.nslots * machine->layout.width, row));
    }
    TRY(write_collectives(recorder, machine, step));
    TRY(recorder_write_links(recorder, step, summary->start_ps, summary->end_ps, last,
                             crossing_name_users, machine, summary));
    if (!recorder->trace) return status_ok();
    TRY(trace_write_step(recorder->trace, machine->rank == 0 ? &trace_step : NULL));
    return trace_commit(recorder->trace, last, &recorder->committed);
}

Status record_training_step(void *context, Machine *machine, int32_t step) {
    Recorder *recorder = context;
    int64_t n = machine->layout.nslots * machine->layout.width;
    TraceGpuStep *row = memory_alloc("record.gpus", sizeof(TraceGpuStep) * (size_t)n);
    fill_gpus(machine, step, row);
    uint64_t fingerprint = machine->fingerprint[step & 1];
    comm_sum_u64(machine->comm, &fingerprint, 1);
    StepSummary summary = {.start_ps = recorder->last_end_ps,
                           .end_ps = latest_end(machine),
                           .fingerprint = fingerprint};
    Status status = write_step(recorder, machine, step, row, &summary);
    recorder->last_end_ps = summary.end_ps;
    array_push(&recorder->step, summary);
    memory_free("record.gpus", row, sizeof(TraceGpuStep) * (size_t)n);
    return status;
}
