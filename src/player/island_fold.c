// Islands that cannot but do the same: without noise, wired alike, met alike by collectives.
#include <string.h>

#include "base/fingerprint.h"
#include "player/island.h"

/// Do all phases and rails of a group's collective weigh on islands alike?
static bool collective_is_even(const Islands *islands, int64_t group, OpKind kind) {
    const Machine *machine = islands->machine;
    CollectivePlan plan;
    Status status =
        network_plan(machine, group, kind, machine->job->network.eager_bytes + 1, &plan);
    bool even = status_is_ok(&status);
    for (int32_t r = 0; r < units_rails(&machine->layout.units, group)->n && even; r++)
        for (int32_t p = 0; p < plan.nphases && even; p++) {
            JobEdges edges = {
                .machine = machine, .plan = &plan, .group = group, .rail = r, .phase = p};
            Transfer transfer = network_phase(machine, &edges, 0);
            even = isles_are_alike_to(islands->isles, &transfer);
        }
    return even;
}

/// The same for all collectives of a kind that replicas share.
static bool kind_is_even(const Islands *islands, OpKind kind) {
    const Machine *machine = islands->machine;
    const int64_t *first = machine->layout.units.first_group;
    GroupKind among = OP_KINDS[kind].group;
    bool shared = among != GROUP_NONE && GROUPS[among].dimensions & DIM_BIT(DIM_DP);
    if (!shared) return true;
    // The norm of gradients is too small to load links unless nothing is.
    if (OP_KINDS[kind].bytes == BYTES_NORM && machine->job->network.eager_bytes >= GRAD_NORM_BYTES)
        return true;
    for (int64_t g = first[among]; g < first[among + 1]; g++)
        if (!collective_is_even(islands, g, kind)) return false;
    return true;
}

void islands_fold(Islands *islands) {
    const Machine *machine = islands->machine;
    // Those of another shard group meet others than their leader.
    if (!machine_is_even(machine) || machine->more[STREAM_ACROSS]) return;
    isles_choose_leaders(islands->isles);
    bool even = true;
    for (int kind = 0; kind < OP_KIND_N && even; kind++) even = kind_is_even(islands, (OpKind)kind);
    if (even)
        isles_share_totals(islands->isles);
    else
        isles_drop_leaders(islands->isles);
}

uint64_t island_fingerprint(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps) {
    const Islands *islands = islands_of(machine);
    const Island *leader = islands->current;
    int64_t stage = unit - leader->unit;
    uint64_t sum = 0;
    for (int64_t like = island_index(islands, leader); like >= 0;
         like = isle_next_like(islands->isles, like)) {
        int64_t id = islands->at[like].unit[stage].id;
        sum += fingerprint_of(side < 0 ? id : id * CHANNEL_SIDES + side, start_ps, end_ps);
    }
    return sum;
}

void islands_copy_results(Islands *islands) {
    StepResult *result = islands->machine->result;
    size_t bytes = sizeof(StepResult) * (size_t)islands->stages;
    for (int64_t i = 0; i < islands->n; i++) {
        int64_t leader = isle_leader(islands->isles, i);
        if (leader != i)
            memcpy(&result[i * islands->stages], &result[leader * islands->stages], bytes);
    }
}
