// A finished training step: columns per GPU, collectives, links, and the means of the report.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/wide.h"
#include "driver/machine.h"
#include "observe/crossing.h"
#include "observe/explain.h"
#include "observe/parts.h"
#include "observe/power_tiers.h"
#include "observe/record.h"

/// A step's columns per GPU, and their exact sums. Rank 0 has the results of all units.
typedef struct GpuColumns {
    const Machine *machine;
    const StepResult *result; ///< of all ranks' slots
    const int32_t *place;     ///< among these of what is played for each GPU's unit, -1: idle
    int32_t step;
    PowerTiers *tiers; ///< NULL: the step is told
    Wide sum_ps[CLUSTER_GPU_KINDS_MAX][TRACE_GPU_COLUMNS];
} GpuColumns;

/// Of the unit at a place, nominal and on its GPUs of a kind; folded replicas have one role.
static NominalWork work_at(const Machine *machine, int64_t place) {
    const int32_t stages = machine->layout.units.stages;
    return machine_work(machine, machine_role(machine, place / stages), (int32_t)(place % stages));
}

static NominalWork work_on(const Machine *machine, int32_t kind, int64_t place) {
    const int32_t stages = machine->layout.units.stages;
    return machine_work_on(machine, kind, machine_role(machine, place / stages),
                           (int32_t)(place % stages));
}

/// The slowness of a unit that is one GPU's own, told from that of its tensor-parallel peers.
static int64_t own_slow_ps(const GpuColumns *columns, int64_t place, GpuId gpu) {
    const Machine *machine = columns->machine;
    int64_t unit_ps = columns->result[place].part_ps[ACCOUNT_OWN_SLOW];
    if (machine->layout.units.width == 1) return unit_ps;
    const int32_t kind = cluster_gpu_kind(cluster_spec(machine->cluster), gpu);
    const NominalWork work = work_at(machine, place), own = work_on(machine, kind, place);
    const int64_t nominal_ps = work.compute_ps + work.sharing_ps + nominal_exposed_ps(work);
    int64_t end_ps = columns->result[place].end_ps,
            start_ps = end_ps - account_sum_ps(columns->result[place].part_ps, work);
    int64_t factor = noise_apply(noise_factor(&machine->job->noise, gpu, columns->step),
                                 cluster_slowest_factor(machine->cluster, gpu, start_ps, end_ps));
    int64_t own_ps =
        noise_apply(own.compute_ps + own.sharing_ps, factor) + nominal_exposed_ps(own) - nominal_ps;
    // The slowest: rounding of many operations against one.
    return own_ps < unit_ps ? own_ps : unit_ps;
}

/// One GPU of a unit: the unit's step, but for what it waited for its peers.
static int64_t gpu_value_ps(const GpuColumns *columns, int64_t place, GpuId gpu, int column) {
    const Machine *machine = columns->machine;
    const int64_t *parts = columns->result[place].part_ps;
    NominalWork work = work_at(machine, place);
    if (column == TRACE_GPU_DURATION) return account_sum_ps(parts, work);
    if (column != TRACE_PART_OWN_SLOW && column != TRACE_PART_STRAGGLER)
        return record_part_ps(parts, work, (TracePart)column);
    int64_t own_ps = own_slow_ps(columns, place, gpu);
    if (column == TRACE_PART_OWN_SLOW) return own_ps;
    return parts[ACCOUNT_STRAGGLER] + parts[ACCOUNT_OWN_SLOW] - own_ps;
}

/// From results of all ranks, one rank's behind the other's, and of each replica the slot on its rank that is played for it.
static void find_places(const Machine *machine, const Gathered *results, const Gathered *slots,
                        int64_t ngpus, int32_t place[]) {
    const Units *units = &machine->layout.units;
    const int32_t *slot = (const int32_t *)(const void *)slots->bytes;
    for (GpuId gpu = 0; gpu < ngpus; gpu++) {
        const int64_t job_rank = placement_job_rank(&machine->layout.placement, gpu);
        place[gpu] = -1;
        if (job_rank < 0) continue;
        const int64_t unit = units_of_rank(units, job_rank), replica = units_replica(units, unit);
        const int rank = partition_owner(&machine->layout.replicas, replica);
        place[gpu] = slot[replica] + units_stage(units, unit) +
                     (int32_t)(results->first[rank] / (int64_t)sizeof(StepResult));
    }
}

/// A TraceGpuFill.
static void fill_column(void *context, int column, int64_t first, int64_t n, int64_t value_ps[]) {
    GpuColumns *columns = context;
    const ClusterSpec *spec = cluster_spec(columns->machine->cluster);
    for (int64_t i = 0; i < n; i++) {
        const int64_t place = columns->place[first + i];
        value_ps[i] = TRACE_NO_TIME_PS;
        if (place < 0) continue;
        value_ps[i] = gpu_value_ps(columns, place, first + i, column);
        columns->sum_ps[cluster_gpu_kind(spec, first + i)][column] += value_ps[i];
    }
}

/// What a GPU spent, for its unit of the site with what its host spent while it worked.
static double spend_J(const GpuColumns *columns, GpuId gpu, const double part_W[TRACE_PART_N]) {
    const Machine *machine = columns->machine;
    const int64_t place = columns->place[gpu];
    const double host_W = cluster_spec(machine->cluster)->power.host_active_W;
    double all_J = 0, shape_J[POWER_SHAPES] = {0};
    for (int part = 0; part < TRACE_PART_N; part++) {
        const double time_s = (double)gpu_value_ps(columns, place, gpu, part) / 1e12,
                     J = part_W[part] * time_s;
        const PowerShape shape = power_shape_of((TracePart)part);
        all_J += J;
        shape_J[shape] += shape == SHAPE_WORK ? J + host_W * time_s : J;
    }
    if (columns->tiers)
        power_tiers_add(columns->tiers, (int32_t)(place % machine->layout.units.stages), shape_J);
    return all_J;
}

/// A TraceEnergyFill, once all columns have been summed up.
static void fill_energy(const void *context, int64_t first, int64_t n, double value_J[]) {
    const GpuColumns *columns = context;
    const ClusterSpec *spec = cluster_spec(columns->machine->cluster);
    double part_W[CLUSTER_GPU_KINDS_MAX][TRACE_PART_N];
    power_of_parts(columns->machine, columns->sum_ps, part_W);
    for (GpuId gpu = first; gpu < first + n; gpu++) {
        const bool works = columns->place[gpu] >= 0;
        if (!works && columns->tiers) power_tiers_add(columns->tiers, -1, NULL);
        value_J[gpu - first] =
            works ? spend_J(columns, gpu, part_W[cluster_gpu_kind(spec, gpu)]) : NAN;
    }
}

/// To the trace, or only into the sums.
static Status fill_columns(const Recorder *recorder, GpuColumns *columns, int64_t ngpus) {
    enum { TOGETHER = 1024 };
    if (recorder->trace) {
        TRY(trace_write_gpus(recorder->trace, 0, ngpus, fill_column, columns));
        return trace_write_gpu_energy(recorder->trace, 0, ngpus, fill_energy, columns);
    }
    int64_t value_ps[TOGETHER];
    for (int column = 0; column < TRACE_GPU_COLUMNS; column++)
        for (int64_t i = 0; i < ngpus; i += TOGETHER)
            fill_column(columns, column, i, ngpus - i < TOGETHER ? ngpus - i : TOGETHER, value_ps);
    return status_ok();
}

/// The slot that is played for each replica of this rank, to rank 0: replicas are dealt to ranks in order.
static Gathered gather_slots(const Machine *machine) {
    const Layout *layout = &machine->layout;
    const size_t bytes = sizeof(int32_t) * (size_t)layout->nreplicas;
    int32_t *slot = memory_alloc("record.gpus", bytes);
    for (int64_t i = 0; i < layout->nreplicas; i++)
        slot[i] = (int32_t)layout_played_slot(layout, i);
    Gathered all = comm_gather(machine->comm, slot, (int64_t)bytes);
    memory_free("record.gpus", slot, bytes);
    return all;
}

static Status write_gpus(const Recorder *recorder, GpuColumns *columns) {
    const Machine *machine = columns->machine;
    Gathered all = comm_gather(machine->comm, machine->result,
                               machine->layout.nslots * (int64_t)sizeof(StepResult));
    Gathered slots = gather_slots(machine);
    columns->result = (const StepResult *)(const void *)all.bytes;
    const int64_t ngpus = machine->rank == 0 ? cluster_ngpus(machine->cluster) : 0;
    int32_t *place = memory_alloc("record.gpus", (size_t)ngpus * sizeof *place);
    find_places(machine, &all, &slots, ngpus, place);
    columns->place = place;
    Status status = fill_columns(recorder, columns, ngpus);
    memory_free("record.gpus", place, (size_t)ngpus * sizeof *place);
    gathered_free(&slots);
    gathered_free(&all);
    return status;
}

/// Means over the GPUs of the job; of rank 0, which has their sums, to all.
static void mean_columns(GpuColumns *columns, double mean[TRACE_GPU_COLUMNS]) {
    const Machine *machine = columns->machine;
    comm_broadcast(machine->comm, columns->sum_ps, sizeof columns->sum_ps, 0);
    double gpus = (double)(machine->layout.units.n * machine->layout.units.width);
    for (int k = 0; k < TRACE_GPU_COLUMNS; k++) {
        Wide sum_ps = 0;
        for (int kind = 0; kind < CLUSTER_GPU_KINDS_MAX; kind++) sum_ps += columns->sum_ps[kind][k];
        mean[k] = (double)sum_ps / gpus;
    }
}

static int64_t latest_end(const Machine *machine) {
    int64_t end_ps = 0;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++)
        if (machine->result[slot].end_ps > end_ps) end_ps = machine->result[slot].end_ps;
    comm_max_i64(machine->comm, &end_ps, 1);
    return end_ps;
}

static CollectiveKind kind_of(const Machine *machine, const CollectiveRow *row) {
    return OP_KINDS[row->kind].collective[machine->job->parallel.zero > 0];
}

static int by_start(const void *a, const void *b) {
    const CollectiveRow *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    if (x->start_ps != y->start_ps) return x->start_ps < y->start_ps ? -1 : 1;
    return x->group < y->group ? -1 : x->group > y->group;
}

static TraceCollective describe(const Machine *machine, const CollectiveRow *row) {
    static const TraceCollectiveKind KINDS[COLLECTIVE_KIND_N] = {
        [COLLECTIVE_ALL_REDUCE] = TRACE_COLLECTIVE_ALL_REDUCE,
        [COLLECTIVE_REDUCE_SCATTER] = TRACE_COLLECTIVE_REDUCE_SCATTER,
        [COLLECTIVE_ALL_GATHER] = TRACE_COLLECTIVE_ALL_GATHER,
        [COLLECTIVE_ALL_TO_ALL] = TRACE_COLLECTIVE_ALL_TO_ALL,
    };
    CollectiveKind kind = kind_of(machine, row);
    const int64_t n = units_rail_size(&machine->layout.units, row->group);
    const int64_t first = units_rail_job_rank(&machine->layout.units, row->group, 0, 0),
                  second = units_rail_job_rank(&machine->layout.units, row->group, 0, 1),
                  last = units_rail_job_rank(&machine->layout.units, row->group, 0, n - 1);
    const bool even = last - first == (n - 1) * (second - first);
    double factor = collective_bus_factor(kind, n);
    double duration_s = (double)(row->end_ps - row->start_ps) / 1e12;
    return (TraceCollective){
        .kind = KINDS[kind],
        .traffic = TRACE_TRAFFIC_DP,
        .group_first = first,
        .group_stride = even ? second - first : 0,
        .group_size = n,
        .bytes = row->bytes,
        .start_ps = row->start_ps,
        .end_ps = row->end_ps,
        .bus_Bps = duration_s > 0 ? (double)row->bytes * factor / duration_s : 0,
        .slowdown = row->alone_ps > 0 ? duration_s * 1e12 / (double)row->alone_ps : 1,
    };
}

/// Rows of this step, which come first, ordered by start, then group; returns how many.
static int64_t sort_collectives(Machine *machine, int32_t step) {
    if (machine->row.n > 0) // only rank 0 keeps rows
        qsort(machine->row.at, (size_t)machine->row.n, sizeof(CollectiveRow), by_start);
    int64_t n = 0;
    while (n < machine->row.n && machine->row.at[n].step <= step) n++;
    return n;
}

/// The first n rows; those of the next step stay.
static Status write_collectives(Recorder *recorder, Machine *machine, int64_t n) {
    memory_free("record.collectives", recorder->collective,
                sizeof(TraceCollective) * (size_t)recorder->ncollectives);
    recorder->ncollectives = n;
    recorder->collective = memory_alloc("record.collectives", sizeof(TraceCollective) * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        recorder->collective[i] = describe(machine, &machine->row.at[i]);
    Status status = status_ok();
    if (recorder->trace)
        status = trace_append_collectives(recorder->trace, n, recorder->collective);
    for (int64_t i = n; i < machine->row.n; i++) machine->row.at[i - n] = machine->row.at[i];
    machine->row.n -= n;
    return status;
}

/// Those of the step before, once more.
static Status repeat_collectives(Recorder *recorder, int64_t later_ps) {
    for (int64_t i = 0; i < recorder->ncollectives; i++) {
        recorder->collective[i].start_ps += later_ps;
        recorder->collective[i].end_ps += later_ps;
    }
    if (!recorder->trace) return status_ok();
    return trace_append_collectives(recorder->trace, recorder->ncollectives, recorder->collective);
}

/// Between what bounds the step is likely to lie.
static void bound_step(const Machine *machine, StepSummary *summary) {
    TraceStep *row = &summary->row;
    const bool experts = machine->job->model.experts > 0;
    const GpuSpec *gpu =
        cluster_gpu_of_kind(cluster_spec(machine->cluster), machine_nominal_kind(machine));
    const CertaintyClass *class =
        certainty_class(&machine->run->certainty, experts, gpu->name, row->working_gpus);
    double duration_ps = (double)(row->end_ps - row->start_ps);
    summary->certainty = class;
    row->likely_least_ps = class ? duration_ps * class->least : NAN;
    row->likely_most_ps = class ? duration_ps * class->most : NAN;
    row->likely_runs = class ? class->runs : 0;
    row->largest_run_gpus = certainty_largest(&machine->run->certainty, experts);
}

/// Of the GPUs of the job, in the mean.
static double peak_flop_per_s(const Machine *machine) {
    double sum = 0, gpus = 0;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(cluster_spec(machine->cluster)); kind++) {
        if (machine->gpus_of[kind] == 0) continue;
        sum += (double)machine->gpus_of[kind] * machine_cost(machine, kind)->peak_flop_per_s;
        gpus += (double)machine->gpus_of[kind];
    }
    return sum / gpus;
}

/// What only a training step says of itself.
static void describe_work(const Machine *machine, const double mean[TRACE_GPU_COLUMNS],
                          TraceStep *row) {
    const StepCost *cost = &machine->cost;
    row->working_gpus = machine->layout.units.n * machine->layout.units.width;
    row->mean_duration_ps = mean[TRACE_GPU_DURATION];
    row->tokens = (int64_t)cost->tokens;
    row->model_flop_full = cost->model_flop_full;
    row->model_flop_causal = cost->model_flop_causal;
    row->hardware_flop = cost->hardware_flop;
    row->priced_scale_up_bytes = cost->priced.inside;
    row->priced_nic_bytes = cost->priced.outside;
    row->peak_flop_per_s = peak_flop_per_s(machine);
    memcpy(row->mean_part_ps, mean, sizeof row->mean_part_ps);
}

/// What the site drew, and its tiers, where that stands in a row of its own.
static Status write_power(Recorder *recorder, const GpuColumns *columns, int64_t later_ps,
                          const PowerShapes shapes[], const TraceStep *row) {
    const Machine *machine = columns->machine;
    const PowerUse use = power_use_training(machine, row, columns->sum_ps);
    TRY(recorder_write_power(recorder, later_ps, &use, shapes, machine->layout.units.stages, row));
    if (!recorder->trace || later_ps > 0) return status_ok();
    const bool stands = columns->tiers && recorder->power[row->job].wave_step == recorder->step.n;
    return trace_write_tier_power(recorder->trace, stands ? power_tiers_end(columns->tiers) : NULL);
}

static Status write_path(const Recorder *recorder, Machine *machine, const TraceStep *row) {
    Explained explained = {0};
    explain_step(machine, row->end_ps - row->start_ps, &explained);
    const Status status =
        trace_write_path(recorder->trace, explained.path.n, explained.path.at, explained.step_ps);
    explained_free(&explained);
    return status;
}

static Status write_columns(Recorder *recorder, Machine *machine, int64_t later_ps,
                            const PowerShapes shapes[], PowerTiers *tiers, StepSummary *summary) {
    const int32_t step = (int32_t)summary->row.job_step;
    GpuColumns columns = {.machine = machine, .step = step, .tiers = tiers};
    TRY(write_gpus(recorder, &columns));
    double mean[TRACE_GPU_COLUMNS];
    mean_columns(&columns, mean);
    describe_work(machine, mean, &summary->row);
    bound_step(machine, summary);
    const int64_t n = later_ps > 0 ? 0 : sort_collectives(machine, step);
    if (recorder->trace)
        TRY(record_timeline(recorder->trace, &recorder->timeline[machine->number], machine,
                            &summary->row, recorder->step.n, machine->row.at, n, later_ps > 0,
                            &summary->row.timeline_step));
    TRY(later_ps > 0 ? repeat_collectives(recorder, later_ps)
                     : write_collectives(recorder, machine, n));
    // A job of one unit moves nothing, and has no norm to end its sampling intervals.
    if (later_ps == 0 && recorder->trace && recorder_has_loads(recorder) &&
        recorder->sampling.over.n == 0)
        recorder_cut_interval(recorder, summary->row.end_ps);
    if (later_ps == 0 && recorder->trace && explain_wanted(machine, step))
        TRY(write_path(recorder, machine, &summary->row));
    TRY(recorder_write_links(recorder, later_ps, crossing_of_training, machine, summary));
    return write_power(recorder, &columns, later_ps, shapes, &summary->row);
}

/// Power in time is that of the step before where a step is told.
static Status write_step(Recorder *recorder, Machine *machine, int64_t later_ps,
                         StepSummary *summary) {
    recorder->keeps = machine->later_ps > 0;
    if (recorder->trace) TRY(trace_begin_step(recorder->trace));
    const int32_t stages = later_ps == 0 ? machine->layout.units.stages : 0;
    const TraceStep *row = &summary->row;
    const size_t bytes = (size_t)stages * sizeof(PowerShapes);
    PowerShapes *shapes = memory_alloc("record.power", bytes);
    PowerTiers *tiers = NULL;
    if (stages > 0) power_shapes(machine, row, shapes);
    if (stages > 0 && recorder->trace && machine->rank == 0)
        tiers = power_tiers_create(machine->cluster, shapes, stages,
                                   (double)(row->end_ps - row->start_ps) / 1e12,
                                   machine->run->njobs == 1);
    const Status status = write_columns(recorder, machine, later_ps, shapes, tiers, summary);
    power_tiers_destroy(tiers);
    memory_free("record.power", shapes, bytes);
    TRY(status);
    return recorder_end_step(recorder, summary);
}

/// A step that is told from the one before has its passes.
static PassTimes tell_passes(const Recorder *recorder, const Machine *machine, int64_t later_ps,
                             const TraceStep *row) {
    PassTimes pass = {0};
    if (later_ps == 0)
        passes_sum(machine, (int32_t)row->job_step, &pass);
    else
        pass = recorder->detail[row->job][row->job_step > 1].pass;
    return pass;
}

Status record_training_step(Recorder *recorder, Machine *machine, int32_t step, int64_t later_ps) {
    uint64_t fingerprint = machine->count.fingerprint[step & 1];
    comm_sum_u64(machine->comm, &fingerprint, 1);
    int64_t *last_end_ps = &recorder->last_end_ps[machine->number];
    StepSummary summary = {
        .row = {.job = machine->number,
                .computing_ps = NAN,
                .communicating_ps = NAN,
                .awaiting_ps = NAN,
                .idle_ps = NAN,
                .job_step = step,
                .start_ps = step == 0 ? machine->job->start_ps : *last_end_ps,
                .end_ps = latest_end(machine),
                .fingerprint = fingerprint},
    };
    *last_end_ps = summary.row.end_ps;
    PassTimes pass = {0};
    if (machine->rank == 0) pass = tell_passes(recorder, machine, later_ps, &summary.row);
    summary.detail = recorder_detail(recorder, machine->number, step);
    summary.detail->pass = pass;
    return write_step(recorder, machine, later_ps, &summary);
}
