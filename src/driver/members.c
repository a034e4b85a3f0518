// The local members of groups. Those of DP groups are listed; the others are arithmetic.
#include "base/memory.h"
#include "driver/machine.h"

#define LABEL "driver.members"

static int64_t list_of(const Layout *layout, int64_t group) {
    return group - layout->first_group[GROUP_DP];
}

/// Sort local units by DP group (counting sort), so that a group's local members are a range.
void members_list(Machine *machine) {
    const Layout *layout = &machine->layout;
    int64_t n = layout_ngroups_of(layout, GROUP_DP);
    machine->member_first = memory_alloc(LABEL, sizeof(int32_t) * (size_t)(n + 1));
    machine->member_slot = memory_alloc(LABEL, sizeof(int32_t) * (size_t)machine->nlocal);
    int32_t *first = machine->member_first;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t slot = layout->nslots - 1; slot >= 0; slot--) {
            int64_t id = machine->unit[slot].id;
            if (id < 0) continue;
            int64_t list = list_of(layout, layout_group_of(layout, id, GROUP_DP));
            if (pass == 0)
                first[list]++;
            else
                machine->member_slot[--first[list]] = (int32_t)slot;
        }
        for (int64_t list = 1; list <= n && pass == 0; list++) first[list] += first[list - 1];
    }
}

void members_release(Machine *machine) {
    if (!machine->member_first) return;
    int64_t n = layout_ngroups_of(&machine->layout, GROUP_DP);
    memory_free(LABEL, machine->member_first, sizeof(int32_t) * (size_t)(n + 1));
    memory_free(LABEL, machine->member_slot, sizeof(int32_t) * (size_t)machine->nlocal);
}

/// Slots of the two units of an EMBEDDING group, the lesser first; -1: elsewhere.
static void pair_slots(const Layout *layout, int64_t group, int64_t slot[2]) {
    Group units = layout_group_units(layout, group);
    int64_t a = layout_slot(layout, units.first);
    int64_t b = layout_slot(layout, units.first + units.stride);
    slot[0] = a < b ? a : b;
    slot[1] = a < b ? b : a;
}

int64_t members_count(const Machine *machine, int64_t group) {
    const Layout *layout = &machine->layout;
    GroupKind kind = layout_group_kind(layout, group);
    if (kind == GROUP_ALL) return machine->nlocal;
    if (kind == GROUP_DP) {
        const int32_t *first = &machine->member_first[list_of(layout, group)];
        return first[1] - first[0];
    }
    int64_t slot[2];
    pair_slots(layout, group, slot);
    return (slot[0] >= 0) + (slot[1] >= 0);
}

Unit *members_next(Machine *machine, int64_t group, int64_t *cursor) {
    const Layout *layout = &machine->layout;
    GroupKind kind = layout_group_kind(layout, group);
    if (kind == GROUP_DP) {
        const int32_t *first = &machine->member_first[list_of(layout, group)];
        if (*cursor == first[1] - first[0]) return NULL;
        return &machine->unit[machine->member_slot[first[0] + (*cursor)++]];
    }
    if (kind == GROUP_ALL) {
        while (*cursor < layout->nslots && machine->unit[*cursor].id < 0) ++*cursor;
        return *cursor < layout->nslots ? &machine->unit[(*cursor)++] : NULL;
    }
    int64_t slot[2];
    pair_slots(layout, group, slot);
    while (*cursor < 2 && slot[*cursor] < 0) ++*cursor;
    return *cursor < 2 ? &machine->unit[slot[(*cursor)++]] : NULL;
}
