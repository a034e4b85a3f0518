#include "observe/replay.h"

#include "base/check.h"
#include "base/memory.h"

static const char LABEL[] = "observe.path";

/// How far a unit has come.
typedef struct ReplayUnit {
    int32_t done[STREAM_N];
    uint8_t busy;                  ///< streams, as bits: an operation waits for another unit
    uint8_t waits;                 ///< sides, as bits: who came first waits there ...
    int64_t met_ps[CHANNEL_SIDES]; ///< ... since
} ReplayUnit;

static Unit *unit_at(const Replay *replay, int64_t slot) { return &replay->machine->unit[slot]; }

static const Program *program_of(const Replay *replay, int64_t slot) {
    return unit_program(replay->machine, unit_at(replay, slot));
}

static int64_t end_of(const Replay *replay, int64_t slot, int32_t op) {
    return replay->end_ps[replay->log->first[slot] + op];
}

static int64_t group_of(const Replay *replay, int64_t slot, const Op *op) {
    return units_group_of(&replay->machine->layout.units, unit_at(replay, slot)->id,
                          OP_KINDS[op->kind].group);
}

static int64_t meeting_index(const Replay *replay, int64_t group) {
    return units_meeting_index(&replay->machine->layout.units, group);
}

static int64_t ngroups(const Replay *replay) {
    return units_nmeeting(&replay->machine->layout.units);
}

/// Members of each group that are played, on all ranks.
static void count_members(Replay *replay) {
    const Machine *machine = replay->machine;
    const Units *units = &machine->layout.units;
    for (int64_t slot = 0; slot < replay->log->nslots; slot++)
        for (int kind = 0; kind < GROUP_KIND_N && path_log_has(replay->log, slot); kind++) {
            if (units_ngroups_of(units, (GroupKind)kind) == 0) continue;
            if (kind == GROUP_EMBEDDING && units->nidle > 0) continue;
            const int64_t group = units_group_of(units, machine->unit[slot].id, (GroupKind)kind);
            if (group >= 0 && units_rail_size(units, group) > 1)
                replay->members[meeting_index(replay, group)]++;
        }
    comm_sum_i64(machine->comm, replay->members, (int)ngroups(replay));
}

Replay *replay_open(const Machine *machine) {
    Replay *replay = memory_alloc(LABEL, sizeof *replay);
    const PathLog *log = machine->path_log;
    const size_t n = (size_t)log->nslots;
    *replay = (Replay){.machine = machine, .log = log};
    replay->begin_ps = memory_alloc(LABEL, n * sizeof *replay->begin_ps);
    replay->end_ps = memory_alloc(LABEL, (size_t)log->first[n] * sizeof *replay->end_ps);
    replay->unit = memory_alloc(LABEL, n * sizeof *replay->unit);
    replay->members = memory_alloc(LABEL, (size_t)ngroups(replay) * sizeof *replay->members);
    replay->news = memory_alloc(LABEL, 3 * (size_t)ngroups(replay) * sizeof *replay->news);
    count_members(replay);
    return replay;
}

void replay_close(Replay *replay) {
    const size_t n = (size_t)replay->log->nslots, groups = (size_t)ngroups(replay);
    array_free(&replay->meeting);
    array_free(&replay->ready);
    array_free(&replay->arrived);
    memory_free(LABEL, replay->news, 3 * groups * sizeof *replay->news);
    memory_free(LABEL, replay->members, groups * sizeof *replay->members);
    memory_free(LABEL, replay->unit, n * sizeof *replay->unit);
    memory_free(LABEL, replay->end_ps, (size_t)replay->log->first[n] * sizeof *replay->end_ps);
    memory_free(LABEL, replay->begin_ps, n * sizeof *replay->begin_ps);
    memory_free(LABEL, replay, sizeof *replay);
}

int64_t replay_ready_ps(const Replay *replay, int64_t slot, int32_t index) {
    const Program *program = program_of(replay, slot);
    const Op *op = &program->op[index];
    int64_t ready_ps = replay->begin_ps[slot];
    if (op->sequence > 0)
        ready_ps = end_of(replay, slot, program->stream_op[op->stream][op->sequence - 1]);
    for (int i = 0; i < PROGRAM_WAITS && op->wait[i] >= 0; i++)
        ready_ps = clock_later(ready_ps, end_of(replay, slot, op->wait[i]));
    return ready_ps;
}

static void look_at(Replay *replay, int64_t slot, int stream) {
    array_push(&replay->ready, slot * STREAM_N + stream);
}

static void finish(Replay *replay, int64_t slot, int32_t index, int64_t end_ps) {
    const Op *op = &program_of(replay, slot)->op[index];
    ReplayUnit *unit = &replay->unit[slot];
    replay->end_ps[replay->log->first[slot] + index] = end_ps;
    unit->done[op->stream]++;
    unit->busy &= (uint8_t) ~(1 << op->stream);
    look_at(replay, slot, (int)op->stream);
    for (int s = 0; s < STREAM_N; s++)
        if (op->wakes >> s & 1) look_at(replay, slot, s);
}

/// Who receives what a stream of sends or receives carries, and on which side.
typedef struct Hop {
    int64_t receiver, sender; ///< slots
    ChannelSide side;
    bool sends;
} Hop;

static Hop hop_of(const Replay *replay, int64_t slot, Stream stream) {
    const Machine *machine = replay->machine;
    const bool sends = stream == STREAM_SEND_NEXT || stream == STREAM_SEND_PREV;
    const bool forward = stream == STREAM_SEND_NEXT || stream == STREAM_RECV_PREV;
    const int32_t distance = forward == sends ? 1 : -1;
    const int64_t other = unit_neighbour(machine, &machine->unit[slot], distance) - machine->unit;
    return (Hop){.receiver = sends ? other : slot,
                 .sender = sends ? slot : other,
                 .side = forward ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT,
                 .sends = sends};
}

/// The operation that a stream of a unit is at.
static int32_t current_op(const Replay *replay, int64_t slot, Stream stream) {
    return program_of(replay, slot)->stream_op[stream][replay->unit[slot].done[stream]];
}

static void meet(Replay *replay, int64_t slot, Stream stream, int64_t ready_ps, ReplayTimes times) {
    const Hop hop = hop_of(replay, slot, stream);
    ReplayUnit *receiver = &replay->unit[hop.receiver];
    const uint8_t bit = (uint8_t)(1 << hop.side);
    if (!(receiver->waits & bit)) {
        receiver->waits |= bit;
        receiver->met_ps[hop.side] = ready_ps;
        return;
    }
    receiver->waits &= (uint8_t)~bit;
    const bool prev = hop.side == CHANNEL_FROM_PREV;
    const int32_t received =
        current_op(replay, hop.receiver, prev ? STREAM_RECV_PREV : STREAM_RECV_NEXT);
    const int32_t sent = current_op(replay, hop.sender, prev ? STREAM_SEND_NEXT : STREAM_SEND_PREV);
    const int64_t begin_ps = clock_later(ready_ps, receiver->met_ps[hop.side]);
    const int64_t end_ps =
        begin_ps + times.took_ps(times.context, hop.receiver, received, begin_ps);
    finish(replay, hop.receiver, received, end_ps);
    finish(replay, hop.sender, sent, end_ps);
}

static bool is_ready(const Replay *replay, int64_t slot, Stream stream) {
    const Program *program = program_of(replay, slot);
    const ReplayUnit *unit = &replay->unit[slot];
    if ((unit->busy >> stream & 1) || unit->done[stream] == program->stream_nops[stream])
        return false;
    const Op *op = &program->op[current_op(replay, slot, stream)];
    for (int i = 0; i < PROGRAM_WAITS && op->wait[i] >= 0; i++) {
        const Op *awaited = &program->op[op->wait[i]];
        if (unit->done[awaited->stream] <= awaited->sequence) return false;
    }
    return true;
}

static void issue(Replay *replay, int64_t slot, Stream stream, ReplayTimes times) {
    const int32_t index = current_op(replay, slot, stream);
    const Op *op = &program_of(replay, slot)->op[index];
    const OpForm form = OP_KINDS[op->kind].form;
    const int64_t ready_ps = replay_ready_ps(replay, slot, index);
    replay->unit[slot].busy |= (uint8_t)(1 << stream);
    if (form == FORM_SEND || form == FORM_RECEIVE) {
        meet(replay, slot, stream, ready_ps, times);
    } else if (form == FORM_COLLECTIVE &&
               units_rail_size(&replay->machine->layout.units, group_of(replay, slot, op)) > 1) {
        array_push(&replay->arrived, slot * STREAM_N + stream);
    } else {
        // A collective of one is through at once.
        finish(replay, slot, index,
               form == FORM_COLLECTIVE
                   ? ready_ps
                   : ready_ps + times.took_ps(times.context, slot, index, ready_ps));
    }
}

static void work_off(Replay *replay, ReplayTimes times) {
    while (replay->ready.n > 0) {
        const int64_t at = replay->ready.at[--replay->ready.n];
        const Stream stream = (Stream)(at % STREAM_N);
        if (is_ready(replay, at / STREAM_N, stream)) issue(replay, at / STREAM_N, stream, times);
    }
}

/// The members that wait, to all ranks: how many, when the last of them came, and who did.
static void tell_arrivals(Replay *replay) {
    const Comm *comm = replay->machine->comm;
    const int64_t n = ngroups(replay);
    int64_t *count = replay->news, *last_ps = count + n, *who = last_ps + n;
    for (int64_t g = 0; g < n; g++) {
        count[g] = 0;
        last_ps[g] = INT64_MIN;
        who[g] = INT64_MAX;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < replay->arrived.n; i++) {
            const int64_t slot = replay->arrived.at[i] / STREAM_N;
            const int32_t op = current_op(replay, slot, (Stream)(replay->arrived.at[i] % STREAM_N));
            const int64_t g =
                meeting_index(replay, group_of(replay, slot, &program_of(replay, slot)->op[op]));
            const int64_t ready_ps = replay_ready_ps(replay, slot, op),
                          unit = unit_at(replay, slot)->id;
            if (pass == 0) {
                count[g]++;
                last_ps[g] = clock_later(last_ps[g], ready_ps);
            } else if (ready_ps == last_ps[g] && unit < who[g]) {
                who[g] = unit;
            }
        }
        if (pass == 0) comm_sum_i64(comm, count, (int)n);
        if (pass == 0) comm_max_i64(comm, last_ps, (int)n);
    }
    comm_min_i64(comm, who, (int)n);
}

/// Collectives whose members are all there end. Returns whether there were any, on any rank.
static bool end_collectives(Replay *replay, ReplayTimes times) {
    const int64_t n = ngroups(replay);
    const int64_t *count = replay->news, *last_ps = count + n, *who = last_ps + n;
    bool any = false;
    for (int64_t g = 0; g < n; g++) {
        if (count[g] == 0 || count[g] < replay->members[g]) continue;
        any = true;
        const ReplayMeeting meeting = {g, last_ps[g], who[g]};
        if (replay->keeps_meetings) array_push(&replay->meeting, meeting);
    }
    int64_t left = 0;
    const int64_t all = replay->arrived.n;
    for (int64_t i = 0; i < all; i++) {
        const int64_t at = replay->arrived.at[i], slot = at / STREAM_N;
        const int32_t op = current_op(replay, slot, (Stream)(at % STREAM_N));
        const int64_t g =
            meeting_index(replay, group_of(replay, slot, &program_of(replay, slot)->op[op]));
        if (count[g] < replay->members[g])
            replay->arrived.at[left++] = at;
        else
            finish(replay, slot, op,
                   last_ps[g] + times.took_ps(times.context, slot, op, last_ps[g]));
    }
    replay->arrived.n = left;
    return any;
}

int64_t replay_step(Replay *replay, ReplayTimes times) {
    const int64_t n = replay->log->nslots;
    array_clear(&replay->ready);
    array_clear(&replay->arrived);
    array_clear(&replay->meeting);
    for (int64_t slot = 0; slot < n; slot++) {
        replay->unit[slot] = (ReplayUnit){.waits = 0};
        for (int s = STREAM_N - 1; s >= 0 && path_log_has(replay->log, slot); s--)
            look_at(replay, slot, s);
    }
    do {
        work_off(replay, times);
        tell_arrivals(replay);
    } while (end_collectives(replay, times));
    int64_t last_ps = INT64_MIN;
    for (int64_t slot = 0; slot < n; slot++) {
        const Program *program = program_of(replay, slot);
        if (!path_log_has(replay->log, slot)) continue;
        for (int s = 0; s < STREAM_N; s++)
            CHECK(replay->unit[slot].done[s] == program->stream_nops[s],
                  "replay: stream %d of unit %d stands at %d of %d", s, unit_at(replay, slot)->id,
                  replay->unit[slot].done[s], program->stream_nops[s]);
        const int32_t ends = program->stream_nops[STREAM_COMPUTE] - 1;
        last_ps =
            clock_later(last_ps, end_of(replay, slot, program->stream_op[STREAM_COMPUTE][ends]));
    }
    comm_max_i64(replay->machine->comm, &last_ps, 1);
    return last_ps;
}

/// Of one unit: what ended at begin_ps of what an operation waits for; op -1: nothing.
static int32_t own_cause(const Replay *replay, int64_t slot, int32_t index, int64_t begin_ps) {
    const Program *program = program_of(replay, slot);
    const Op *op = &program->op[index];
    if (op->sequence > 0) {
        const int32_t before = program->stream_op[op->stream][op->sequence - 1];
        if (end_of(replay, slot, before) == begin_ps) return before;
    }
    for (int i = 0; i < PROGRAM_WAITS && op->wait[i] >= 0; i++)
        if (end_of(replay, slot, op->wait[i]) == begin_ps) return op->wait[i];
    return -1;
}

ReplayCause replay_cause(const Replay *replay, int64_t slot, int32_t index, int64_t begin_ps) {
    const Op *op = &program_of(replay, slot)->op[index];
    const OpForm form = OP_KINDS[op->kind].form;
    const ReplayCause own = {slot, own_cause(replay, slot, index, begin_ps)};
    if (own.op >= 0) return own;
    if (form == FORM_COLLECTIVE && replay_ready_ps(replay, slot, index) < begin_ps)
        return (ReplayCause){-1, index};
    if (form != FORM_SEND && form != FORM_RECEIVE) return (ReplayCause){-1, -1};
    const Hop hop = hop_of(replay, slot, op->stream);
    const int64_t other = hop.sends ? hop.receiver : hop.sender;
    const bool prev = hop.side == CHANNEL_FROM_PREV;
    const Stream stream = hop.sends ? (prev ? STREAM_RECV_PREV : STREAM_RECV_NEXT)
                                    : (prev ? STREAM_SEND_NEXT : STREAM_SEND_PREV);
    const int32_t matched = program_of(replay, other)->stream_op[stream][op->sequence];
    if (replay_ready_ps(replay, other, matched) < begin_ps) return (ReplayCause){-1, -1};
    const int32_t cause = own_cause(replay, other, matched, begin_ps);
    return (ReplayCause){cause < 0 ? -1 : other, cause};
}
