// Sends meet receives at the receiver's rank; members of a collective meet at the group's home rank.
#include "base/check.h"
#include "base/rng.h"
#include "driver/island.h"

static void put(Machine *machine, int to_rank, const Wire *wire) {
    if (to_rank == machine->rank) {
        match_apply(machine, wire);
        return;
    }
    exchange_put(machine->exchange, to_rank, wire, sizeof *wire);
    machine->sent++;
}

static void put_others(Machine *machine, const void *bytes, size_t n) {
    for (int rank = 0; rank < machine->nranks; rank++)
        if (rank != machine->rank) exchange_put(machine->exchange, rank, bytes, n);
    machine->sent += machine->nranks > 1;
}

/// Hand a transfer to the engines of all ranks.
static void announce(Machine *machine, const Wire *wire) {
    match_apply(machine, wire);
    put_others(machine, wire, sizeof *wire);
}

/// An EXPOSED wire and what follows it.
typedef struct ExposedWire {
    Wire wire;
    TransferState state;
} ExposedWire;

void match_expose(Machine *machine) {
    enum { BATCH = 64 };
    TransferState state[BATCH];
    int64_t n;
    while ((n = machine->ops->take_exposed(machine->engine, state, BATCH)) > 0)
        for (int64_t i = 0; i < n; i++) {
            Unit *receiver = machine_unit(machine, state[i].tag / CHANNEL_SIDES);
            CHECK(receiver, "message %lld was exposed where it was not known",
                  (long long)state[i].tag);
            ChannelSide side = (ChannelSide)(state[i].tag % CHANNEL_SIDES);
            ExposedWire exposed = {
                .wire = {.type = WIRE_EXPOSED,
                         .step = receiver->step,
                         .id = state[i].tag,
                         .at = clocks_at(state[i].start_ps, *unit_received(receiver, side)),
                         .bytes = machine->cost.boundary_bytes},
                .state = state[i],
            };
            put_others(machine, &exposed, sizeof exposed);
        }
}

/// A send or a receive comes to a channel of a unit here.
static void meet(Machine *machine, Unit *unit, ChannelSide side, bool is_send, Clocks begin,
                 int64_t bytes) {
    if (!channel_meet(unit, side, is_send, &begin)) return;
    int64_t id = unit->id * CHANNEL_SIDES + (int64_t)side;
    int64_t latency_ps =
        network_message_latency_ps(machine, network_sender(machine, id), id / CHANNEL_SIDES);
    begin = clocks_at(begin.actual_ps + latency_ps, clocks_later(begin.nominal, latency_ps));
    Wire wire = {.type = WIRE_MESSAGE, .step = unit->step, .id = id, .at = begin, .bytes = bytes};
    if (machine->nranks == 1 || network_is_private(machine, &wire)) {
        network_message(machine, &wire, false);
    } else {
        announce(machine, &wire);
    }
}

void match_send(Machine *machine, Unit *unit, const Op *op, Clocks at) {
    bool next = op->stream == STREAM_SEND_NEXT;
    if (machine->islands) {
        island_send(machine->islands, unit, next, at);
        return;
    }
    int64_t to = layout_stage_neighbour(&machine->layout, unit->id, next ? 1 : -1);
    Wire wire = {.type = WIRE_READY,
                 .step = unit->step,
                 .id = to * CHANNEL_SIDES + (next ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT),
                 .at = at,
                 .bytes = machine->cost.boundary_bytes};
    put(machine, layout_owner(&machine->layout, to), &wire);
}

void match_receive(Machine *machine, Unit *unit, const Op *op, Clocks at) {
    ChannelSide side = op->stream == STREAM_RECV_PREV ? CHANNEL_FROM_PREV : CHANNEL_FROM_NEXT;
    if (machine->islands) {
        island_receive(machine->islands, unit, side, at);
        return;
    }
    meet(machine, unit, side, false, at, machine->cost.boundary_bytes);
}

static void apply_ready(Machine *machine, const Wire *wire) {
    Unit *unit = machine_unit(machine, wire->id / CHANNEL_SIDES);
    CHECK(unit, "a send for unit %lld reached the wrong rank",
          (long long)(wire->id / CHANNEL_SIDES));
    meet(machine, unit, (ChannelSide)(wire->id % CHANNEL_SIDES), true, wire->at, wire->bytes);
}

static int64_t group_of_op(const Machine *machine, const Unit *unit, OpKind kind) {
    if (kind == OP_GRAD_NORM) return layout_group_of(&machine->layout, unit->id, GROUP_ALL);
    if (kind == OP_EMBEDDING_REDUCE)
        return layout_group_of(&machine->layout, unit->id, GROUP_EMBEDDING);
    return layout_group_of(&machine->layout, unit->id, GROUP_DP);
}

/// Any rank can keep the count; a hash spreads the groups.
static int home_of(const Machine *machine, int64_t group) {
    return (int)(rng_mix(0, (uint64_t)group) % (uint64_t)machine->nranks);
}

void match_arrive(Machine *machine, Unit *unit, int32_t index, Clocks at) {
    const Op *op = &unit_program(machine, unit)->op[index];
    int64_t group = group_of_op(machine, unit, op->kind);
    CHECK(group >= 0, "unit %lld has no group for %s", (long long)unit->id, op_kind_name(op->kind));
    if (layout_group_units(&machine->layout, group).n == 1) {
        unit_finish_op(machine, unit, index, at.nominal, at.actual_ps);
        return;
    }
    if (machine->islands) {
        island_arrive(machine->islands, unit, group, index, op->kind, at);
        return;
    }
    CHECK(machine->nranks == 1 || at.actual_ps >= machine->promised_ps,
          "unit %lld reaches %s at %lld ps, but the others were told not before %lld ps",
          (long long)unit->id, op_kind_name(op->kind), (long long)at.actual_ps,
          (long long)machine->promised_ps);
    Arrival *arrival = &machine_group(machine, group)->arrival;
    arrival->local_at = arrival->local_count == 0 ? at : clocks_max(arrival->local_at, at);
    int64_t members = members_count(machine, group);
    if (++arrival->local_count < members) return;
    arrival->local_count = 0;
    Wire wire = {.type = WIRE_ARRIVAL,
                 .step = unit->step,
                 .id = group,
                 .count = members,
                 .at = arrival->local_at,
                 .op = index,
                 .kind = (int32_t)op->kind};
    put(machine, home_of(machine, group), &wire);
}

static void apply_arrival(Machine *machine, const Wire *wire) {
    Arrival *arrival = &machine_group(machine, wire->id)->arrival;
    CHECK(arrival->count == 0 || arrival->kind == wire->kind,
          "group %lld: members disagree on the collective", (long long)wire->id);
    arrival->at = arrival->count == 0 ? wire->at : clocks_max(arrival->at, wire->at);
    arrival->kind = wire->kind;
    arrival->count += wire->count;
    if (arrival->count < layout_group_units(&machine->layout, wire->id).n) return;
    Wire start = *wire;
    start.type = WIRE_COLLECTIVE;
    start.count = arrival->count;
    start.at = arrival->at;
    arrival->count = 0;
    announce(machine, &start);
}

void match_apply(Machine *machine, const Wire *wire) {
    switch ((WireType)wire->type) {
        case WIRE_READY: apply_ready(machine, wire); break;
        case WIRE_ARRIVAL: apply_arrival(machine, wire); break;
        case WIRE_MESSAGE: network_message(machine, wire, true); break;
        case WIRE_COLLECTIVE: network_collective(machine, wire); break;
        case WIRE_EXPOSED: network_adopt(machine, wire, &((const ExposedWire *)wire)->state); break;
    }
}
