// Islands that cannot but do the same: without noise, wired alike, met alike by collectives.
#include <string.h>

#include "base/fingerprint.h"
#include "base/memory.h"
#include "player/rings.h"

/// Are all links of a leader before those of an island it would stand for? Then it names the same bottlenecks.
static bool stands_before(const Islands *islands, const Island *leader, const Island *island) {
    const Routes *routes = ledger_routes(islands->ledger);
    for (int32_t l = 0; l < leader->shape->nlanes; l++)
        if (routes->link[leader->slot[l]] >= routes->link[island->slot[l]]) return false;
    return true;
}

/// Let the first island of each shape stand for the others.
static void choose_leaders(Islands *islands) {
    for (int64_t s = 0; s < islands->shape.n; s++) {
        int32_t leader = -1, last = -1;
        for (int32_t i = 0; i < islands->n; i++) {
            Island *island = &islands->at[i];
            if (island->shape != islands->shape.at[s]) continue;
            if (leader < 0) leader = last = i;
            if (i == leader || !stands_before(islands, &islands->at[leader], island)) continue;
            island->leader = leader;
            islands->at[last].next_like = i;
            islands->at[leader].nlike++;
            last = i;
        }
    }
}

static void unfold(Islands *islands) {
    for (int32_t i = 0; i < islands->n; i++) {
        islands->at[i].leader = i;
        islands->at[i].nlike = 1;
        islands->at[i].next_like = -1;
    }
}

/// Does a route weigh on each island as on its leader?
static bool route_is_even(const Islands *islands, int32_t r) {
    const Routes *routes = ledger_routes(islands->ledger);
    const Route *route = &routes->at[r];
    const RouteUse *uses = routes_uses(routes, route);
    size_t bytes = sizeof(int32_t) * (size_t)routes->nslots;
    int32_t *weight = memory_alloc("driver.fold", bytes);
    for (int32_t u = 0; u < route->nuses; u++) weight[uses[u].slot] = uses[u].weight;
    bool even = true;
    for (int32_t i = 0; i < islands->n && even; i++) {
        const Island *island = &islands->at[i], *leader = &islands->at[island->leader];
        if (island == leader) continue;
        for (int32_t l = 0; l < island->shape->nlanes && even; l++)
            even = weight[island->slot[l]] == weight[leader->slot[l]];
    }
    memory_free("driver.fold", weight, bytes);
    return even;
}

/// The same for all phases and rails of a group's collective.
static bool collective_is_even(const Islands *islands, int64_t group, OpKind kind) {
    const Machine *machine = islands->machine;
    RunningCollective *active = &machine_group(machine, group)->active;
    Status status =
        network_plan(machine, group, kind, machine->job->network.eager_bytes + 1, &active->plan);
    bool even = status_is_ok(&status);
    for (int32_t r = 0; r < machine->layout.width && even; r++)
        for (int32_t p = 0; p < active->plan.nphases && even; p++) {
            RailEdges edges = {.machine = machine, .group = group, .rail = r, .phase = p};
            Transfer transfer = network_phase(machine, &edges, 0);
            Price price;
            int32_t route;
            status = ledger_open(islands->ledger, &transfer, islands->own, &route, &price);
            if (!status_is_ok(&status)) return false;
            even = route_is_even(islands, route);
            ledger_close(islands->ledger, route);
        }
    return even;
}

/// The same for all collectives of a kind that replicas share.
static bool kind_is_even(const Islands *islands, OpKind kind) {
    const Machine *machine = islands->machine;
    const int64_t *first = machine->layout.first_group;
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

/// Do messages of an island load links that hold nobody, and that other islands load too?
static bool loads_common_links(const Islands *islands, const Island *island) {
    const Routes *routes = ledger_routes(islands->ledger);
    for (int32_t c = 0; c < islands->channels; c++)
        if (island->route[c] >= 0 &&
            routes->at[island->route[c]].nuses > routes->at[island->route[c]].nbind)
            return true;
    return false;
}

/// Let the lanes of the first that an island is played for, its echo, stand for those of the others. The leader has
/// totals of its own: it is the one that is named where all hold a collective back.
static void share_totals_of(Islands *islands, Island *leader) {
    if (leader->nlike < 3 || loads_common_links(islands, leader)) return;
    int64_t n = leader->nlike - 1;
    int32_t *slot = memory_alloc("driver.fold", sizeof(int32_t) * (size_t)n);
    for (int32_t l = 0; l < leader->shape->nlanes; l++) {
        int64_t i = 0;
        for (int32_t like = leader->next_like; like >= 0; like = islands->at[like].next_like)
            slot[i++] = islands->at[like].slot[l];
        ledger_stand_for(islands->ledger, slot, n);
    }
    memory_free("driver.fold", slot, sizeof(int32_t) * (size_t)n);
    leader->echoes_all = true;
}

static void share_totals(Islands *islands) {
    for (int32_t i = 0; i < islands->n; i++)
        if (islands->at[i].leader == i) share_totals_of(islands, &islands->at[i]);
    ledger_forget_idle(islands->ledger);
}

void islands_fold(Islands *islands) {
    const Machine *machine = islands->machine;
    if (!machine_is_even(machine)) return;
    choose_leaders(islands);
    bool even = true;
    for (int kind = 0; kind < OP_KIND_N && even; kind++) even = kind_is_even(islands, (OpKind)kind);
    if (even)
        share_totals(islands);
    else
        unfold(islands);
}

uint64_t island_fingerprint(const Machine *machine, const Unit *unit, int side, int64_t start_ps,
                            int64_t end_ps) {
    const Islands *islands = islands_of(machine);
    const Island *leader = islands->current;
    int64_t stage = unit - leader->unit;
    uint64_t sum = 0;
    for (int32_t like = leader->leader; like >= 0; like = islands->at[like].next_like) {
        int64_t id = islands->at[like].unit[stage].id;
        sum += fingerprint_of(side < 0 ? id : id * CHANNEL_SIDES + side, start_ps, end_ps);
    }
    return sum;
}

void islands_copy_results(Islands *islands) {
    StepResult *result = islands->machine->result;
    size_t bytes = sizeof(StepResult) * (size_t)islands->stages;
    for (int32_t i = 0; i < islands->n; i++)
        if (islands->at[i].leader != i)
            memcpy(&result[i * islands->stages], &result[islands->at[i].leader * islands->stages],
                   bytes);
}
