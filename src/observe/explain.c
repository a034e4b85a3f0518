#include "observe/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "observe/record.h"

static const char LABEL[] = "observe.path";

/// A step while it is explained.
typedef struct Explaining {
    const Machine *machine;
    PathLog *log;
    Replay *replay;
    Played played;
    Slowed total;    ///< of all transfers of all ranks
    int64_t last_ps; ///< when the last unit ended it
    Changed *as_is;
} Explaining;

// As it was.

static int64_t begin_of(const Explaining *work, int64_t slot, int32_t op) {
    const int64_t at = work->log->first[slot] + op;
    return work->log->end_ps[at] - work->played.took_ps[at];
}

static int32_t last_op(const Machine *machine, int64_t slot) {
    const Program *program = unit_program(machine, &machine->unit[slot]);
    return program->stream_op[STREAM_COMPUTE][program->stream_nops[STREAM_COMPUTE] - 1];
}

/// Ends as they were played, and what that took.
static int64_t as_played(void *context, int64_t slot, int32_t op, int64_t begin_ps) {
    Explaining *work = context;
    const int64_t at = work->log->first[slot] + op;
    const int64_t took_ps = work->log->end_ps[at] - begin_ps;
    work->played.took_ps[at] = took_ps;
    CHECK(took_ps >= 0, "unit %d: operation %d began at %lld ps and ended at %lld ps",
          work->machine->unit[slot].id, op, (long long)begin_ps, (long long)work->log->end_ps[at]);
    return took_ps;
}

/// A computing operation, and when it was.
typedef struct OpTimes {
    int64_t begin_ps, end_ps;
} OpTimes;

static OpTimes span_of(const Explaining *work, int64_t slot, int32_t op) {
    const int64_t end_ps = work->log->end_ps[work->log->first[slot] + op];
    return (OpTimes){begin_of(work, slot, op), end_ps};
}

static int64_t overlap_ps(OpTimes a, OpTimes b) {
    const int64_t from_ps = a.begin_ps > b.begin_ps ? a.begin_ps : b.begin_ps,
                  to_ps = a.end_ps < b.end_ps ? a.end_ps : b.end_ps;
    return to_ps - from_ps;
}

/// Does a unit compute at a moment, in its computing operation number `from` or one behind it?
static bool ends_covered(const Explaining *work, int64_t slot, int64_t at_ps, int32_t from) {
    const Program *program = unit_program(work->machine, &work->machine->unit[slot]);
    const int32_t *compute = program->stream_op[STREAM_COMPUTE];
    int32_t last = from;
    while (last + 1 < program->stream_nops[STREAM_COMPUTE] &&
           span_of(work, slot, compute[last]).end_ps < at_ps)
        last++;
    const OpTimes at_end = span_of(work, slot, compute[last]);
    return at_end.begin_ps < at_ps && at_ps <= at_end.end_ps;
}

/// Which of the transfers of a stream, in order, was beside each computing operation for longest; of several streams too.
static void find_beside_of(const Explaining *work, int64_t slot, Stream stream,
                           int64_t longest_ps[]) {
    const Program *program = unit_program(work->machine, &work->machine->unit[slot]);
    const int32_t n = program->stream_nops[stream], *ops = program->stream_op[stream],
                  ncompute = program->stream_nops[STREAM_COMPUTE],
                  *compute = program->stream_op[STREAM_COMPUTE];
    int32_t first = 0, judged = -1;
    bool covered = false;
    for (int32_t c = 0; c < ncompute; c++) {
        const OpTimes computing = span_of(work, slot, compute[c]);
        while (first < n && span_of(work, slot, ops[first]).end_ps <= computing.begin_ps) first++;
        for (int32_t i = first; i < n; i++) {
            const OpTimes moving = span_of(work, slot, ops[i]);
            const int64_t both_ps = overlap_ps(computing, moving);
            if (moving.begin_ps >= computing.end_ps) break;
            if (both_ps <= longest_ps[c]) continue;
            longest_ps[c] = both_ps;
            if (i != judged) covered = ends_covered(work, slot, moving.end_ps, c);
            judged = i;
            work->played.beside[work->log->first[slot] + compute[c]] =
                covered ? ops[i] + 1 : -(ops[i] + 1);
        }
    }
}

static void find_beside(const Explaining *work) {
    static const Stream STREAMS[] = {STREAM_DP, STREAM_EP, STREAM_ACROSS};
    ARRAY_OF(int64_t) longest_ps = {0};
    for (int64_t slot = 0; slot < work->log->nslots; slot++) {
        const Program *program = unit_program(work->machine, &work->machine->unit[slot]);
        const int32_t n = program->stream_nops[STREAM_COMPUTE];
        if (!path_log_has(work->log, slot)) continue;
        array_resize(&longest_ps, n);
        for (int32_t i = 0; i < n; i++) longest_ps.at[i] = 0;
        for (int s = 0; s < 3; s++) find_beside_of(work, slot, STREAMS[s], longest_ps.at);
    }
    array_free(&longest_ps);
}

/// Each rank has noted how collectives were slowed by its links.
static void join_meetings(const Explaining *work) {
    const Comm *comm = work->machine->comm;
    int64_t n = work->log->meeting.n;
    comm_max_i64(comm, &n, 1);
    CHECK(work->log->meeting.n == n || work->log->nslots == 0, "%lld of %lld collectives are noted",
          (long long)work->log->meeting.n, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        Slowed none = {{0}, 0, 0},
               *slowed = i < work->log->meeting.n ? &work->log->meeting.at[i] : &none;
        int64_t longest_ps = slowed->longest_ps;
        comm_sum_i64(comm, slowed->tier_ps, ENGINE_TIERS_MAX);
        comm_max_i64(comm, &longest_ps, 1);
        int64_t link = slowed->longest_ps == longest_ps ? slowed->link : INT64_MAX;
        comm_min_i64(comm, &link, 1);
        slowed->longest_ps = longest_ps;
        slowed->link = link;
    }
}

static void sum_slowed(Explaining *work) {
    const PathLog *log = work->log;
    for (int64_t i = 0; i < log->slowed.n; i++) path_log_add(&work->total, &log->slowed.at[i]);
    for (int64_t i = 0; i < log->meeting.n; i++) path_log_add(&work->total, &log->meeting.at[i]);
    comm_max_i64(work->machine->comm, work->total.tier_ps, ENGINE_TIERS_MAX);
}

// The path.

/// Where ranks look for the next operation on the path: the same on all.
typedef struct PathPlace {
    int64_t unit; ///< -1: the path begins
    int64_t
        kind; ///< it came last to a collective of this kind, at at_ps; -1: it ended its step last
    int64_t at_ps;
} PathPlace;

/// The last operation of the last unit of all ranks, of several the least.
static PathPlace find_end(const Explaining *work) {
    const PathLog *log = work->log;
    PathPlace end = {.unit = INT64_MAX, .kind = -1, .at_ps = work->last_ps};
    for (int64_t slot = 0; slot < log->nslots; slot++)
        if (path_log_has(log, slot) && work->machine->unit[slot].id < end.unit &&
            log->end_ps[log->first[slot] + last_op(work->machine, slot)] == work->last_ps)
            end.unit = work->machine->unit[slot].id;
    comm_min_i64(work->machine->comm, &end.unit, 1);
    return end;
}

/// A message is one operation: that of its receiver.
static void take_receive(const Explaining *work, int64_t *slot, int32_t *op) {
    const Machine *machine = work->machine;
    const Op *sent = &unit_program(machine, &machine->unit[*slot])->op[*op];
    if (OP_KINDS[sent->kind].form != FORM_SEND) return;
    const bool next = sent->stream == STREAM_SEND_NEXT;
    Unit *receiver = unit_neighbour(machine, &machine->unit[*slot], next ? 1 : -1);
    *slot = receiver - machine->unit;
    *op = unit_program(machine, receiver)
              ->stream_op[next ? STREAM_RECV_PREV : STREAM_RECV_NEXT][sent->sequence];
}

static GpuId gpu_of(const Machine *machine, int64_t unit) {
    return layout_gpu(&machine->layout, unit, 0);
}

static int64_t peer_of(const Machine *machine, int64_t slot, const Op *op) {
    if (OP_KINDS[op->kind].form != FORM_RECEIVE) return TRACE_NONE;
    const int32_t distance = op->stream == STREAM_RECV_PREV ? -1 : 1;
    return gpu_of(machine,
                  units_stage_neighbour(&machine->layout.units, machine->unit[slot].id, distance));
}

static TraceSegment describe(const Explaining *work, int64_t slot, int32_t index) {
    const Machine *machine = work->machine;
    const PathLog *log = work->log;
    const Op *op = &unit_program(machine, &machine->unit[slot])->op[index];
    const int64_t at = log->first[slot] + index;
    TraceSegment segment = {.kind = record_operation(op->kind),
                            .gpu = gpu_of(machine, machine->unit[slot].id),
                            .peer = peer_of(machine, slot, op),
                            .microbatch = op->microbatch,
                            .chunk = op->chunk,
                            .start_ps = begin_of(work, slot, index),
                            .end_ps = log->end_ps[at],
                            .alone_ps = change_alone_ps(work->as_is, slot, index),
                            .tier = TRACE_NONE,
                            .link = TRACE_NONE};
    const Slowed *slowed =
        path_log_slowed_of(log, slot, index, OP_KINDS[op->kind].form == FORM_COLLECTIVE);
    if (!slowed || slowed->longest_ps == 0) return segment;
    char name[CLUSTER_NAME_BYTES];
    segment.link = slowed->link;
    segment.tier = cluster_link_tier(machine->cluster, slowed->link);
    for (int t = 0; t < ENGINE_TIERS_MAX; t++) segment.slowed_ps += slowed->tier_ps[t];
    snprintf(segment.link_name, sizeof segment.link_name, "%.*s", (int)sizeof segment.link_name - 1,
             cluster_link_name(machine->cluster, slowed->link, name));
    return segment;
}

/// Who came last to a collective that began at a moment.
static int64_t last_member(const Explaining *work, int64_t slot, int32_t index, int64_t begin_ps) {
    const Machine *machine = work->machine;
    const Units *units = &machine->layout.units;
    const Op *op = &unit_program(machine, &machine->unit[slot])->op[index];
    const int64_t g = units_meeting_index(
        units, units_group_of(units, machine->unit[slot].id, OP_KINDS[op->kind].group));
    for (int64_t i = 0; i < work->replay->meeting.n; i++) {
        const ReplayMeeting *meeting = &work->replay->meeting.at[i];
        if (meeting->group == g && meeting->last_ps == begin_ps) return meeting->last_unit;
    }
    CHECK(false, "nobody came to group %lld at %lld ps", (long long)g, (long long)begin_ps);
    return -1;
}

/// From an operation of this rank back, to where another unit that may be elsewhere goes on.
static PathPlace walk(const Explaining *work, int64_t slot, int32_t op, Segments *path) {
    const Machine *machine = work->machine;
    for (;;) {
        take_receive(work, &slot, &op);
        const TraceSegment segment = describe(work, slot, op);
        array_push(path, segment);
        const ReplayCause cause = replay_cause(work->replay, slot, op, segment.start_ps);
        if (cause.slot < 0 && cause.op < 0) return (PathPlace){.unit = -1};
        if (cause.slot < 0) {
            const int64_t unit = last_member(work, slot, op, segment.start_ps);
            path->at[path->n - 1].peer = gpu_of(machine, unit);
            const OpKind kind = unit_program(machine, &machine->unit[slot])->op[op].kind;
            return (PathPlace){.unit = unit, .kind = (int64_t)kind, .at_ps = segment.start_ps};
        }
        slot = cause.slot;
        op = cause.op;
    }
}

/// What the last member did that let it come to a collective at a moment. Its program may be another: it is found by time.
static int32_t op_before(const Explaining *work, int64_t slot, OpKind kind, int64_t begin_ps) {
    const Program *program = unit_program(work->machine, &work->machine->unit[slot]);
    for (int32_t i = 0; i < program->nops; i++)
        if (program->op[i].kind == kind && begin_of(work, slot, i) == begin_ps &&
            replay_ready_ps(work->replay, slot, i) == begin_ps)
            return replay_cause(work->replay, slot, i, begin_ps).op;
    return -1;
}

static PathPlace follow(const Explaining *work, PathPlace place, Segments *path) {
    const Machine *machine = work->machine;
    const int64_t slot = layout_slot(&machine->layout, place.unit);
    const int32_t op = place.kind < 0 ? last_op(machine, slot)
                                      : op_before(work, slot, (OpKind)place.kind, place.at_ps);
    return op < 0 ? (PathPlace){.unit = -1} : walk(work, slot, op, path);
}

static int latest_first(const void *a, const void *b) {
    const TraceSegment *x = a, *y = b;
    return (x->start_ps > y->start_ps) - (x->start_ps < y->start_ps);
}

/// All of it to rank 0; what takes no time stays out.
static void gather_path(const Explaining *work, Segments *mine, Segments *path) {
    int64_t n = 0;
    for (int64_t i = 0; i < mine->n; i++)
        if (mine->at[i].end_ps > mine->at[i].start_ps) mine->at[n++] = mine->at[i];
    Gathered all = comm_gather(work->machine->comm, mine->at, n * (int64_t)sizeof(TraceSegment));
    if (all.nranks > 0) {
        array_resize(path, all.first[all.nranks] / (int64_t)sizeof(TraceSegment));
        if (path->n > 0) memcpy(path->at, all.bytes, (size_t)path->n * sizeof *path->at);
        if (path->n > 0) qsort(path->at, (size_t)path->n, sizeof *path->at, latest_first);
    }
    gathered_free(&all);
}

static void find_path(const Explaining *work, Segments *path) {
    const Machine *machine = work->machine;
    Segments mine = {0};
    PathPlace place = find_end(work);
    do {
        const bool here = layout_slot(&machine->layout, place.unit) >= 0;
        PathPlace next = {INT64_MIN, INT64_MIN, INT64_MIN};
        if (here) next = follow(work, place, &mine);
        comm_max_i64(machine->comm, (int64_t *)&next, sizeof next / sizeof(int64_t));
        place = next;
    } while (place.unit >= 0);
    gather_path(work, &mine, path);
    array_free(&mine);
}

// What it would take.

/// Units begin a step when they have ended the one before. Returns how much later the last does so than it did.
static int64_t begin_units(const Explaining *work, Changed *changed) {
    const PathLog *log = work->log;
    int64_t last_ps[2] = {INT64_MIN, INT64_MIN};
    for (int64_t slot = 0; slot < log->nslots; slot++) {
        if (!path_log_has(log, slot)) continue;
        const int64_t more_ps = change_later_ps(changed, slot, last_op(work->machine, slot));
        work->replay->begin_ps[slot] = log->begin_ps[slot] + more_ps;
        last_ps[0] = clock_later(last_ps[0], log->begin_ps[slot]);
        last_ps[1] = clock_later(last_ps[1], log->begin_ps[slot] + more_ps);
    }
    comm_max_i64(work->machine->comm, last_ps, 2);
    return last_ps[1] - last_ps[0];
}

static int64_t step_with(Explaining *work, const WhatIf *change, int64_t duration_ps) {
    if (!change_matters(work->machine, change, &work->total)) return duration_ps;
    Changed *changed = change_make(work->machine, change, &work->played, work->as_is);
    int64_t impossible = changed == NULL;
    comm_max_i64(work->machine->comm, &impossible, 1);
    if (impossible) {
        change_free(changed);
        return TRACE_NONE;
    }
    const int64_t later_ps = begin_units(work, changed);
    const int64_t last_ps = replay_step(work->replay, change_times(changed));
    change_free(changed);
    return duration_ps + last_ps - work->last_ps - later_ps;
}

void explain_step(Machine *machine, int64_t duration_ps, Explained *explained) {
    WhatIf change[CHANGES_MAX];
    const int32_t n = changes_list(machine->cluster, change);
    PathLog *log = machine->path_log;
    const size_t slots = (size_t)log->nslots, nops = (size_t)log->first[slots];
    Explaining work = {.machine = machine, .log = log, .replay = replay_open(machine)};
    work.played.took_ps = memory_alloc(LABEL, nops * sizeof *work.played.took_ps);
    work.played.beside = memory_alloc(LABEL, nops * sizeof *work.played.beside);
    join_meetings(&work);
    sum_slowed(&work);
    memcpy(work.replay->begin_ps, log->begin_ps, slots * sizeof *log->begin_ps);
    work.replay->keeps_meetings = true;
    work.last_ps = replay_step(work.replay, (ReplayTimes){as_played, &work});
    find_beside(&work);
    work.as_is = change_make(machine, &change[0], &work.played, NULL);
    CHECK(work.as_is, "the job cannot be priced as it is");
    find_path(&work, &explained->path);
    work.replay->keeps_meetings = false;
    for (int32_t i = 0; i < n; i++)
        explained->step_ps[i] = step_with(&work, &change[i], duration_ps);
    change_free(work.as_is);
    replay_close(work.replay);
    memory_free(LABEL, work.played.beside, nops * sizeof *work.played.beside);
    memory_free(LABEL, work.played.took_ps, nops * sizeof *work.played.took_ps);
}

void explained_free(Explained *explained) { array_free(&explained->path); }
