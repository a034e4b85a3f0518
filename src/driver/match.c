// Sends meet receives, members of a collective meet.
#include "base/check.h"
#include "driver/player.h"

/// A send or a receive comes to a channel; the message starts a latency after both are there.
void match_message(Machine *machine, int64_t receiver, ChannelSide side, bool is_send,
                   const Clocks *at) {
    Unit *unit = machine_unit(machine, receiver);
    Clocks begin;
    if (!channel_meet(unit, side, is_send, at, &begin)) return;
    int64_t channel = receiver * CHANNEL_SIDES + (int64_t)side;
    int64_t latency_ps =
        network_message_latency_ps(machine, network_sender(machine, channel), receiver);
    begin = clocks_at(begin.actual_ps + latency_ps, clocks_later(begin.nominal, latency_ps));
    network_message(machine, &(Message){.channel = channel, .step = unit->step, .begin = begin});
}

bool match_members(Machine *machine, Meeting *meeting, int64_t count) {
    int64_t wanted = layout_group_units(&machine->layout, meeting->group).n;
    Arrival *arrival = &machine_group(machine, meeting->group)->arrival;
    CHECK(arrival->count == 0 || arrival->kind == (int32_t)meeting->kind,
          "group %lld: members disagree on the collective", (long long)meeting->group);
    if (arrival->count == 0) arrival->at = meeting->at;
    clocks_raise(&arrival->at, &meeting->at);
    arrival->kind = (int32_t)meeting->kind;
    arrival->count += count;
    if (arrival->count < wanted) return false;
    arrival->count = 0;
    meeting->at = arrival->at;
    return true;
}
