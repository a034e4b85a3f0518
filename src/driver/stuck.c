// A run that cannot go on: who waits for what.
#include <stdio.h>

#include "base/units.h"
#include "driver/machine.h"

/// The first unit of this rank that stands still because a GPU of it is dead; NULL: there is none.
static const Unit *dead_unit(const Machine *machine) {
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        if (unit->step < machine->steps && unit_is_busy(unit, STREAM_COMPUTE) &&
            unit->compute_end_ps == TIME_NEVER_PS)
            return unit;
    }
    return NULL;
}

/// Say what is under way at the first few units of this rank that cannot go on.
static void describe_blocked(const Machine *machine, char *text, size_t capacity) {
    enum { LINES = 8 };
    const Unit *dead = dead_unit(machine);
    size_t used = 0;
    if (dead)
        used = (size_t)snprintf(
            text, capacity, "\n  unit %lld (GPU %lld and on) has a GPU that is dead for good",
            (long long)dead->id, (long long)layout_gpu(&machine->layout, dead->id, 0));
    int lines = 0;
    for (int64_t slot = 0; slot < machine->layout.nslots; slot++) {
        const Unit *unit = &machine->unit[slot];
        if (unit->step >= machine->steps) continue;
        for (int s = 0; s < STREAM_N && lines < LINES && used < capacity; s++) {
            if (!unit_is_busy(unit, (Stream)s)) continue;
            char name[96];
            const Op *op =
                &unit_program(machine, unit)->op[unit_current_op(machine, unit, (Stream)s)];
            used += (size_t)snprintf(text + used, capacity - used,
                                     "\n  rank %d unit %lld stage %d step %d waits in %s: %s",
                                     machine->rank, (long long)unit->id, unit->stage, unit->step,
                                     STREAM_NAMES[s], program_op_name(op, name, sizeof name));
            lines++;
        }
    }
}

Status machine_stuck(Machine *machine) {
    char text[900] = "";
    describe_blocked(machine, text, sizeof text);
    Status mine = status_ok();
    if (text[0])
        mine =
            status_make(STATUS_STUCK, "the run cannot go on: nothing is under way, but:%s", text);
    return comm_agree(machine->comm, mine);
}
