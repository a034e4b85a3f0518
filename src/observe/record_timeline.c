#include "observe/record_timeline.h"

#include <string.h>

#include "base/memory.h"
#include "observe/parts.h"
#include "observe/record.h"
#include "par/partition.h"

static const char LABEL[] = "record.timeline";

static const TraceStream STREAMS[STREAM_N] = {
    [STREAM_COMPUTE] = TRACE_STREAM_COMPUTE,
    [STREAM_RECV_PREV] = TRACE_STREAM_RECEIVE_PREV,
    [STREAM_SEND_NEXT] = TRACE_STREAM_SEND_NEXT,
    [STREAM_RECV_NEXT] = TRACE_STREAM_RECEIVE_NEXT,
    [STREAM_SEND_PREV] = TRACE_STREAM_SEND_PREV,
    [STREAM_DP] = TRACE_STREAM_DP,
    [STREAM_EP] = TRACE_STREAM_EP,
    [STREAM_ACROSS] = TRACE_STREAM_ACROSS,
};
static const TraceOperationKind KINDS[OP_KIND_N] = {
    [OP_FORWARD] = TRACE_OPERATION_FORWARD,
    [OP_BACKWARD] = TRACE_OPERATION_BACKWARD,
    [OP_BACKWARD_INPUT] = TRACE_OPERATION_BACKWARD_INPUT,
    [OP_BACKWARD_WEIGHT] = TRACE_OPERATION_BACKWARD_WEIGHT,
    [OP_OPTIMIZER] = TRACE_OPERATION_OPTIMIZER,
    [OP_DISPATCH] = TRACE_OPERATION_DISPATCH,
    [OP_COMBINE] = TRACE_OPERATION_COMBINE,
    [OP_SEND] = TRACE_OPERATION_SEND,
    [OP_RECV] = TRACE_OPERATION_RECEIVE,
    [OP_PARAM_GATHER] = TRACE_OPERATION_PARAM_GATHER,
    [OP_GRAD_REDUCE] = TRACE_OPERATION_GRAD_REDUCE,
    [OP_EXPERT_GATHER] = TRACE_OPERATION_EXPERT_GATHER,
    [OP_EXPERT_REDUCE] = TRACE_OPERATION_EXPERT_REDUCE,
    [OP_SHARD_GATHER] = TRACE_OPERATION_SHARD_GATHER,
    [OP_SHARD_REDUCE] = TRACE_OPERATION_SHARD_REDUCE,
    [OP_ACROSS_REDUCE] = TRACE_OPERATION_ACROSS_REDUCE,
    [OP_EMBEDDING_REDUCE] = TRACE_OPERATION_EMBEDDING_REDUCE,
    [OP_GRAD_NORM] = TRACE_OPERATION_GRAD_NORM,
};

TraceOperationKind record_operation(OpKind kind) { return KINDS[kind]; }

/// What rows of a GPU are made from.
typedef struct Source {
    const Machine *machine;
    int64_t gpu, unit;
    int32_t member, stage;
    const Program *program;
    const OpNote *note;              ///< [program->nops]
    int64_t start_ps;                ///< of the step: times are since then
    const CollectiveRow *collective; ///< [ncollectives] of the step, by start
    int64_t ncollectives;
    int32_t *row_of; ///< [program->nops] rows of operations
} Source;

/// A chosen GPU of the job; false: another's, or idle.
static bool find_unit(const Machine *machine, int64_t gpu, Source *source) {
    const Units *units = &machine->layout.units;
    const int64_t job_rank = placement_job_rank(&machine->layout.placement, gpu);
    if (job_rank < 0) return false;
    source->machine = machine;
    source->gpu = gpu;
    source->unit = units_of_rank(units, job_rank);
    source->member = (int32_t)units_member(units, job_rank);
    source->stage = units_stage(units, source->unit);
    const int32_t role = machine_role(machine, units_replica(units, source->unit));
    source->program = machine_program(machine, role, source->stage);
    return true;
}

static bool is_wait(const OpNote *note) {
    if (note->idle_ps != 0) return true;
    for (int part = 0; part < ACCOUNT_N; part++)
        if (note->waited_ps[part] != 0) return true;
    return false;
}

/// Number the rows of the operations; returns how many rows there are.
static int64_t number_rows(const Source *source) {
    int32_t n = 0;
    for (int s = 0; s < STREAM_N; s++)
        for (int32_t i = 0; i < source->program->stream_nops[s]; i++) {
            const int32_t op = source->program->stream_op[s][i];
            n += s == STREAM_COMPUTE && is_wait(&source->note[op]);
            source->row_of[op] = n++;
        }
    return n;
}

/// Number of a collective of the unit's group among those of the step.
static int64_t find_collective(const Source *source, const Op *op, const OpNote *note) {
    const int64_t group =
        units_group_of(&source->machine->layout.units, source->unit, OP_KINDS[op->kind].group);
    int64_t low = 0, high = source->ncollectives;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (source->collective[middle].start_ps < note->begun_ps)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < source->ncollectives; low++) {
        const CollectiveRow *row = &source->collective[low];
        if (row->start_ps != note->begun_ps) break;
        if (row->group == group && row->kind == op->kind) return low;
    }
    return TRACE_NONE;
}

static int64_t find_peer(const Source *source, Stream stream) {
    const Layout *layout = &source->machine->layout;
    const int32_t distance = stream == STREAM_SEND_NEXT || stream == STREAM_RECV_NEXT ? 1 : -1;
    const int64_t peer = units_stage_neighbour(&layout->units, source->unit, distance);
    return layout_gpu(layout, peer, source->member);
}

static int64_t bytes_of(const Source *source, const Op *op) {
    const Machine *machine = source->machine;
    if (OP_KINDS[op->kind].form != FORM_COLLECTIVE)
        return step_cost_bytes(&machine->cost, source->stage, op);
    const int64_t group =
        units_group_of(&machine->layout.units, source->unit, OP_KINDS[op->kind].group);
    return network_bytes(machine, group, op->kind, op->sequence);
}

/// What an operation and a wait for it have in common.
static TraceOperation make_row(const Source *source, const Op *op, const OpNote *note) {
    TraceOperation row = {
        .gpu = source->gpu,
        .stream = STREAMS[op->stream],
        .kind = KINDS[op->kind],
        .microbatch = op->microbatch,
        .chunk = op->chunk,
        .segment = op->segment,
        .part = op->part,
        .start_ps = note->issued_ps - source->start_ps,
        .begun_ps = note->begun_ps - source->start_ps,
        .end_ps = note->end_ps - source->start_ps,
        .alone_ps = TRACE_NONE,
        .bytes = TRACE_NONE,
        .peer = TRACE_NONE,
        .collective = TRACE_NONE,
        .awaited = note->awaited >= 0 ? source->row_of[note->awaited] : (int64_t)TRACE_NONE};
    const bool computes = op->stream == STREAM_COMPUTE;
    for (int part = 0; part < TRACE_PART_N; part++)
        row.part_ps[part] = computes ? 0 : TRACE_NO_TIME_PS;
    return row;
}

static TraceOperation make_operation(const Source *source, const Op *op, const OpNote *note) {
    TraceOperation row = make_row(source, op, note);
    const OpForm form = OP_KINDS[op->kind].form;
    if (form == FORM_COMPUTE) {
        const NominalWork work = step_cost_work(
            machine_nominal(
                source->machine,
                machine_role(source->machine,
                             units_replica(&source->machine->layout.units, source->unit))),
            source->stage, op);
        int64_t parts[ACCOUNT_N] = {0};
        memcpy(parts, note->worked_ps, sizeof note->worked_ps);
        for (int part = 0; part < TRACE_PART_N; part++)
            row.part_ps[part] = record_part_ps(parts, work, (TracePart)part);
        return row;
    }
    row.alone_ps = note->alone_ps;
    row.bytes = bytes_of(source, op);
    if (form == FORM_COLLECTIVE)
        row.collective = find_collective(source, op, note);
    else if (form != FORM_EXCHANGE)
        row.peer = find_peer(source, op->stream);
    return row;
}

static TraceOperation make_wait(const Source *source, const Op *op, const OpNote *note) {
    TraceOperation row = make_row(source, op, note);
    row.kind = TRACE_OPERATION_WAIT;
    row.end_ps = row.start_ps;
    row.start_ps = row.begun_ps = row.end_ps - note->idle_ps;
    for (int part = 0; part < TRACE_PART_N; part++)
        row.part_ps[part] = record_part_ps(note->waited_ps, (NominalWork){0}, (TracePart)part);
    return row;
}

/// Append the rows of a GPU.
static void add_gpu(Source *source, TimelineRows *rows) {
    const Program *program = source->program;
    const size_t bytes = sizeof(int32_t) * (size_t)program->nops;
    source->row_of = memory_alloc(LABEL, bytes);
    const int64_t before = rows->n, n = number_rows(source);
    TraceOperation *at = memory_resize(LABEL, rows->at, sizeof *at * (size_t)before,
                                       sizeof *at * (size_t)(before + n));
    rows->at = at;
    rows->n += n;
    at += before;
    for (int s = 0; s < STREAM_N; s++)
        for (int32_t i = 0; i < program->stream_nops[s]; i++) {
            const int32_t index = program->stream_op[s][i];
            const Op *op = &program->op[index];
            const OpNote *note = &source->note[index];
            if (s == STREAM_COMPUTE && is_wait(note)) *at++ = make_wait(source, op, note);
            *at++ = make_operation(source, op, note);
        }
    for (int64_t i = before; i < rows->n; i++)
        if (rows->at[i].awaited >= 0) rows->at[i].awaited += before;
    memory_free(LABEL, source->row_of, bytes);
}

/// Notes of the chosen GPUs of this rank, in the order of GPUs, to rank 0.
static Gathered gather_notes(const Machine *machine, int32_t step) {
    const TimelineSpec *chosen = &machine->run->trace.timeline;
    ARRAY_OF(char) mine = {.label = LABEL};
    for (int32_t i = 0; i < chosen->ngpus; i++) {
        Source source;
        if (!find_unit(machine, chosen->gpu[i], &source)) continue;
        const OpNote *note = timeline_of(machine, source.unit, step);
        if (!note) continue;
        const int64_t bytes = source.program->nops * (int64_t)sizeof *note, before = mine.n;
        array_resize(&mine, before + bytes);
        memcpy(mine.at + before, note, (size_t)bytes);
    }
    Gathered all = comm_gather(machine->comm, mine.at, mine.n);
    array_free(&mine);
    return all;
}

static void free_rows(TimelineRows *rows) {
    memory_free(LABEL, rows->at, sizeof *rows->at * (size_t)rows->n);
    *rows = (TimelineRows){0};
}

void record_timeline_free(StepTimeline *timeline) {
    free_rows(&timeline->last);
    free_rows(&timeline->stands);
}

/// Rows of a step that was played, on rank 0.
static void make_rows(const Machine *machine, const TraceStep *row, int32_t step,
                      const CollectiveRow collective[], int64_t n, TimelineRows *rows) {
    const TimelineSpec *chosen = &machine->run->trace.timeline;
    Gathered notes = gather_notes(machine, step);
    int64_t *used = memory_alloc(LABEL, sizeof *used * (size_t)(notes.nranks + 1));
    free_rows(rows);
    for (int32_t i = 0; i < chosen->ngpus && notes.nranks > 0; i++) {
        Source source = {.start_ps = row->start_ps, .collective = collective, .ncollectives = n};
        if (!find_unit(machine, chosen->gpu[i], &source)) continue;
        const Layout *layout = &machine->layout;
        const int owner =
            partition_owner(&layout->replicas, units_replica(&layout->units, source.unit));
        source.note =
            (const OpNote *)(const void *)(notes.bytes + notes.first[owner] + used[owner]);
        used[owner] += source.program->nops * (int64_t)sizeof(OpNote);
        add_gpu(&source, rows);
    }
    memory_free(LABEL, used, sizeof *used * (size_t)(notes.nranks + 1));
    gathered_free(&notes);
}

static bool are_equal(const TimelineRows *a, const TimelineRows *b) {
    return a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, sizeof *a->at * (size_t)a->n) == 0);
}

/// Write rows into the open step, with times of the run and numbers of the file.
static Status write_rows(Trace *trace, const TimelineRows *rows, int64_t start_ps) {
    const size_t bytes = sizeof *rows->at * (size_t)rows->n;
    TraceOperation *out = memory_alloc(LABEL, bytes);
    const int64_t ncollectives = trace_ncollectives(trace), nrows = trace_noperations(trace);
    for (int64_t i = 0; i < rows->n; i++) {
        out[i] = rows->at[i];
        out[i].start_ps += start_ps;
        out[i].begun_ps += start_ps;
        out[i].end_ps += start_ps;
        if (out[i].collective >= 0) out[i].collective += ncollectives;
        if (out[i].awaited >= 0) out[i].awaited += nrows;
    }
    Status status = trace_append_operations(trace, rows->n, out);
    memory_free(LABEL, out, bytes);
    return status;
}

/// The rows stand from now on.
static void keep_rows(StepTimeline *timeline, int64_t step) {
    free_rows(&timeline->stands);
    const size_t bytes = sizeof *timeline->last.at * (size_t)timeline->last.n;
    timeline->stands = (TimelineRows){memory_alloc(LABEL, bytes), timeline->last.n};
    timeline->step = step;
    timeline->any = true;
    if (bytes > 0) memcpy(timeline->stands.at, timeline->last.at, bytes);
}

Status record_timeline(Trace *trace, StepTimeline *timeline, const Machine *machine,
                       const TraceStep *row, int64_t step, const CollectiveRow collective[],
                       int64_t n, bool told, int64_t *stands) {
    const TimelineSpec *chosen = &machine->run->trace.timeline;
    *stands = TRACE_NONE;
    if (chosen->ngpus == 0) return status_ok();
    const bool kept = row->job_step % chosen->every == 0;
    // A step that is not kept may be told again as one that is.
    if (!told && (kept || machine->later_ps > 0))
        make_rows(machine, row, (int32_t)row->job_step, collective, n, &timeline->last);
    if (!kept) return status_ok();
    int8_t again = timeline->any && are_equal(&timeline->last, &timeline->stands);
    comm_broadcast(machine->comm, &again, sizeof again, 0);
    if (!again) {
        TRY(write_rows(trace, &timeline->last, row->start_ps));
        keep_rows(timeline, step);
    }
    *stands = timeline->step;
    return status_ok();
}
