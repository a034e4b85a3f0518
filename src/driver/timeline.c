#include "driver/timeline.h"

#include "driver/machine.h"

static OpNote *note_of(const Machine *machine, const Unit *unit, int32_t op) {
    return &machine->timeline.unit[unit->noted - 1].step[unit->step & 1][op];
}

static OpNote *note_on(const Machine *machine, const Unit *unit, Stream stream) {
    return note_of(machine, unit, unit_current_op(machine, unit, stream));
}

/// The unit that is played here for one; NULL: it is another rank's.
static Unit *played_for(const Machine *machine, int64_t unit) {
    const Layout *layout = &machine->layout;
    const int64_t replica = units_replica(&layout->units, unit) - layout->first_replica;
    if (replica < 0 || replica >= layout->nreplicas) return NULL;
    return &machine->unit[layout_played_slot(layout, replica) + units_stage(&layout->units, unit)];
}

void timeline_place(Machine *machine) {
    const TimelineSpec *chosen = &machine->run->trace.timeline;
    Timeline *timeline = &machine->timeline;
    *timeline = (Timeline){.unit = arena_array(machine->dealt, UnitNotes, chosen->ngpus)};
    for (int32_t i = 0; i < chosen->ngpus; i++) {
        const int64_t job_rank = placement_job_rank(&machine->layout.placement, chosen->gpu[i]);
        if (job_rank < 0) continue;
        Unit *unit = played_for(machine, units_of_rank(&machine->layout.units, job_rank));
        if (!unit || unit->noted > 0) continue;
        UnitNotes *notes = &timeline->unit[timeline->n++];
        unit->noted = (uint16_t)timeline->n;
        notes->nops = unit_program(machine, unit)->nops;
        for (int parity = 0; parity < 2; parity++)
            notes->step[parity] = arena_array(machine->dealt, OpNote, notes->nops);
    }
}

const OpNote *timeline_of(const Machine *machine, int64_t id, int32_t step) {
    const Unit *unit = played_for(machine, id);
    return unit && unit->noted > 0 ? machine->timeline.unit[unit->noted - 1].step[step & 1] : NULL;
}

void timeline_issue(Machine *machine, const Unit *unit, int32_t op, const Release release[],
                    int32_t n, int64_t now_ps) {
    const Op *issued = &unit_program(machine, unit)->op[op];
    OpNote *note = note_of(machine, unit, op);
    *note = (OpNote){.issued_ps = now_ps, .begun_ps = now_ps, .awaited = -1};
    for (int32_t i = 0, last = -1; i < n; i++) {
        if (last >= 0 && release[i].at.actual_ps <= release[last].at.actual_ps) continue;
        last = i;
        note->awaited = issued->wait[i];
    }
    if (issued->stream != STREAM_COMPUTE) return;
    note->idle_ps = now_ps - unit->compute_end_ps;
    for (int part = 0; part < ACCOUNT_N; part++) note->waited_ps[part] = -unit->part_ps[part];
}

void timeline_waited(Machine *machine, const Unit *unit, int32_t op) {
    OpNote *note = note_of(machine, unit, op);
    for (int part = 0; part < ACCOUNT_N; part++) note->waited_ps[part] += unit->part_ps[part];
    for (int part = 0; part <= ACCOUNT_SHARING; part++) note->before_ps[part] = unit->part_ps[part];
}

void timeline_begin(Machine *machine, const Unit *unit, Stream stream, int64_t begun_ps) {
    note_on(machine, unit, stream)->begun_ps = begun_ps;
}

void timeline_move(Machine *machine, const Unit *unit, Stream stream, int64_t start_ps,
                   int64_t alone_ps) {
    OpNote *note = note_on(machine, unit, stream);
    note->alone_ps = start_ps - note->begun_ps + alone_ps;
}

void timeline_end(Machine *machine, const Unit *unit, int32_t op, int64_t now_ps) {
    OpNote *note = note_of(machine, unit, op);
    note->end_ps = now_ps;
    if (unit_program(machine, unit)->op[op].stream != STREAM_COMPUTE) return;
    for (int part = 0; part <= ACCOUNT_SHARING; part++)
        note->worked_ps[part] = unit->part_ps[part] - note->before_ps[part];
}
