// Replicas that cannot but do the same: without noise, wired alike, met alike by collectives.
#include "base/fingerprint.h"
#include "base/rng.h"
#include "player/island.h"

/// Links listed of those that are alike: as many as may be among the hottest, one at least, which says what they are, or all
/// where all are written.
static int64_t links_listed(const TraceSpec *trace) {
    if (trace->full_links || trace->links.n > 0) return INT64_MAX;
    return trace->hot_links > 0 ? trace->hot_links : 1;
}

/// All phases and rails of a collective of a group.
static void fold_collective(const Machine *machine, int64_t group, OpKind kind, int64_t bytes,
                            IslesFold *fold) {
    CollectivePlan plan;
    Status status = network_plan(machine, group, kind, bytes, &plan);
    if (!status_is_ok(&status) || bytes <= machine->job->network.eager_bytes) return;
    for (int32_t r = 0; r < units_rails(&machine->layout.units, group)->n; r++)
        for (int32_t p = 0; p < plan.nphases; p++) {
            const JobEdges edges = {
                .machine = machine, .plan = &plan, .group = group, .rail = r, .phase = p};
            const Transfer transfer = network_phase(machine, &edges, 0);
            isles_fold_ring(fold, &transfer);
        }
}

/// All collectives of a stage that replicas share, for one of the groups that run them.
static void fold_group(const Machine *machine, int64_t group, IslesFold *fold) {
    const Units *units = &machine->layout.units;
    const GroupKind among = units_group_kind(units, group);
    const int32_t stage = units_stage(units, units_group(units, group).first);
    if (!(GROUPS[among].dimensions & DIM_BIT(DIM_DP))) return;
    const Program *program = machine_program(machine, 0, stage);
    for (int32_t i = 0; i < program->nops; i++) {
        const Op *op = &program->op[i];
        if (OP_KINDS[op->kind].group == among)
            fold_collective(machine, group, op->kind,
                            network_bytes(machine, group, op->kind, op->sequence), fold);
    }
}

/// The groups that meet a replica.
static uint64_t groups_of(const void *context, int64_t island) {
    const Islands *islands = context;
    const Layout *layout = &islands->machine->layout;
    uint64_t groups = 0;
    for (int32_t s = 0; s < islands->stages; s++)
        for (int kind = 0; kind < GROUP_KIND_N; kind++)
            if (GROUPS[kind].dimensions & DIM_BIT(DIM_DP))
                groups = rng_mix(groups, (uint64_t)units_group_of(
                                             &layout->units,
                                             layout_unit_at(layout, island * islands->stages + s),
                                             (GroupKind)kind));
    return groups;
}

void islands_fold(Islands *islands, const IslesSpec *isles) {
    Machine *machine = islands->machine;
    if (!machine_is_even(machine)) return;
    IslesFold *fold = isles_fold_begin(machine->fabric->engine, isles, groups_of,
                                       links_listed(&machine->run->trace));
    for (int64_t g = 0; g < units_nmeeting(&machine->layout.units); g++)
        fold_group(machine, units_meeting_group(&machine->layout.units, g), fold);
    FoldedIsles folded = isles_fold_end(fold);
    layout_fold(&machine->layout, folded.leader, folded.kept);
    isles_folded_free(&folded);
}

uint64_t island_fingerprint(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps) {
    const Layout *layout = &machine->layout;
    const int64_t slot = unit - machine->unit;
    uint64_t sum = 0;
    for (int64_t i = 0; i < layout_nalike(layout, slot); i++) {
        const int64_t id = layout_alike(layout, slot, i);
        sum += fingerprint_of(side < 0 ? id : id * CHANNEL_SIDES + side, start_ps, end_ps);
    }
    return sum;
}
