// What finished operations leave to those that wait for them.
//
// Most ends are one unit's own. A data-parallel collective ends for all its members at once, so what it leaves is kept
// once a group: members run one program, so the operation names it, and all have served their waits before any can come
// to that operation in the next step.
#include "base/check.h"
#include "driver/player.h"

/// A record is about to change: it may have to return.
static void touch(Machine *machine, int32_t index) {
    if (machine->player->touch_done) machine->player->touch_done(machine, index);
}

static bool ends_for_all(const Op *op) {
    const GroupKind group = OP_KINDS[op->kind].group;
    return group_is_of_stage(group) && GROUPS[group].part == PART_ALL;
}

/// Where a collective of a unit's DP group, or of the same units' experts, leaves when it ended.
static Clocks *end_of(const Machine *machine, const Unit *unit, const Op *op) {
    const Layout *layout = &machine->layout;
    const Outcomes *outcomes = &machine->outcomes;
    int64_t group =
        units_group_of(&layout->units, unit->id, GROUP_DP) - layout->units.first_group[GROUP_DP];
    return &outcomes->at[outcomes->first[group] + outcomes->place[unit->stage][op->sequence]];
}

/// What waiting for an operation is charged to.
static AccountPart part_of(OpKind kind) {
    Dimension serves = OP_KINDS[kind].serves;
    if (serves == DIM_N) return ACCOUNT_BUBBLE;
    if (serves == DIM_EP) return ACCOUNT_EP_EXPOSED;
    return serves == DIM_PP ? ACCOUNT_PP_EXPOSED : ACCOUNT_DP_EXPOSED;
}

/// The unit's own record of an operation, -1: none; *before: the one before it in its list, -1: it is the first.
static int32_t find_own(const DonePool *pool, const Unit *unit, int32_t op, int32_t *before) {
    int32_t place = unit->first_done;
    *before = -1;
    while (place >= 0 && pool->at.at[place].op != op) {
        *before = place;
        place = pool->at.at[place].next;
    }
    return place;
}

/// A record nobody uses.
static int32_t new_record(Machine *machine, DonePool *pool) {
    int32_t place = pool->free;
    if (place >= 0) {
        touch(machine, place);
        pool->free = pool->at.at[place].next;
        return place;
    }
    array_push(&pool->at, (Done){.next = -1});
    return (int32_t)pool->at.n - 1;
}

void done_keep(Machine *machine, Unit *unit, int32_t index, Clocks end) {
    const Op *op = &unit_program(machine, unit)->op[index];
    if (ends_for_all(op)) {
        *end_of(machine, unit, op) = end;
        return;
    }
    DonePool *pool = machine->scope.done;
    int32_t place = new_record(machine, pool);
    pool->at.at[place] =
        (Done){.at = end, .op = index, .next = unit->first_done, .waiters = op->nwaiters};
    unit->first_done = place;
}

/// Take from the unit's own record; the last waiter frees it.
static Clocks take_own(Machine *machine, Unit *unit, int32_t op) {
    DonePool *pool = machine->scope.done;
    int32_t before, place = find_own(pool, unit, op, &before);
    CHECK(place >= 0, "unit %d: operation %d left no record", unit->id, op);
    touch(machine, place);
    Done *done = &pool->at.at[place];
    Clocks end = done->at;
    if (--done->waiters > 0) return end;
    if (before >= 0) touch(machine, before);
    *(before < 0 ? &unit->first_done : &pool->at.at[before].next) = done->next;
    done->next = pool->free;
    pool->free = place;
    return end;
}

int32_t done_take(Machine *machine, Unit *unit, const Op *op, Release release[PROGRAM_WAITS]) {
    const Program *program = unit_program(machine, unit);
    int32_t n = 0;
    for (; n < PROGRAM_WAITS && op->wait[n] >= 0; n++) {
        const Op *awaited = &program->op[op->wait[n]];
        release[n].kind = part_of(awaited->kind);
        release[n].at = ends_for_all(awaited) ? *end_of(machine, unit, awaited)
                                              : take_own(machine, unit, op->wait[n]);
    }
    return n;
}

/// Number the collectives of a stage that are waited for, which are the same in all roles.
static int32_t *number_places(const Program *program, Arena *arena) {
    const int32_t n = program->stream_nops[STREAM_DP];
    int32_t *before = arena_array(arena, int32_t, n + 1);
    for (int32_t i = 0; i < n; i++) {
        const Op *op = &program->op[program->stream_op[STREAM_DP][i]];
        before[i + 1] = before[i] + (ends_for_all(op) && op->nwaiters > 0);
    }
    return before;
}

/// Outcomes of all collectives of a stage.
static int32_t nplaces(const Machine *machine, int32_t stage) {
    return machine->outcomes
        .place[stage][machine_program(machine, 0, stage)->stream_nops[STREAM_DP]];
}

void done_open(Machine *machine) {
    const Layout *layout = &machine->layout;
    Outcomes *outcomes = &machine->outcomes;
    int64_t n = units_ngroups_of(&layout->units, GROUP_DP);
    array_free(&machine->done.at);
    machine->done.free = -1;
    machine->done.at.label = "driver.done";
    outcomes->place = arena_array(machine->dealt, int32_t *, layout->units.stages);
    for (int32_t stage = 0; stage < layout->units.stages; stage++)
        outcomes->place[stage] = number_places(machine_program(machine, 0, stage), machine->dealt);
    outcomes->first = arena_array(machine->dealt, int64_t, n + 1);
    for (int64_t g = 0; g < n; g++) {
        int64_t group = layout->units.first_group[GROUP_DP] + g;
        int32_t stage = units_stage(&layout->units, units_group(&layout->units, group).first);
        bool here = layout_group_slots(layout, group).n > 0;
        outcomes->first[g + 1] = outcomes->first[g] + (here ? nplaces(machine, stage) : 0);
    }
    outcomes->at = arena_array(machine->dealt, Clocks, outcomes->first[n]);
}
