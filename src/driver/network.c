// Transfers of a training job: the rails of a stage hand-over, the rails of a collective, the exchanges of a unit, and their
// completions. Tags of channels come first, then those of rails, then those of exchanges.
#include "base/check.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/units.h"
#include "base/wide.h"
#include "driver/player.h"

/// Edge i of a message: by a relay if that is of the same pipeline.
static Edge hop_edge(const void *context, int64_t i) {
    const JobEdges *hop = context;
    const Layout *layout = &hop->machine->layout;
    const int32_t rail = (int32_t)i;
    Edge edge = {.src = layout_gpu(layout, hop->from, rail),
                 .dst = layout_gpu(layout, hop->to, rail),
                 .weight = 1};
    GpuId relay = routing_relay(layout->cluster, edge.src, edge.dst);
    edge.own_nic = relay != edge.src && !layout_same_pipeline(layout, hop->from, rail, relay);
    return edge;
}

/// The two ends of a channel.
static JobEdges name_hop(const Machine *machine, int64_t channel) {
    const int64_t to = channel / CHANNEL_SIDES;
    const int32_t back = channel % CHANNEL_SIDES == CHANNEL_FROM_PREV ? -1 : 1;
    return (JobEdges){.machine = machine,
                      .from = units_stage_neighbour(&machine->layout.units, to, back),
                      .to = to};
}

/// Keep the first failure, of those of one moment the one with the least tag.
static void keep_failure(Machine *machine, const Status *status, int64_t at_ps, int64_t tag) {
    if (status_is_ok(status)) return;
    bool kept = !status_is_ok(&machine->failure);
    if (kept &&
        (machine->failed_ps < at_ps || (machine->failed_ps == at_ps && machine->failed_tag <= tag)))
        return;
    machine->failure = *status;
    machine->failed_ps = at_ps;
    machine->failed_tag = tag;
}

void network_submit(Machine *machine, const Transfer *transfer, int64_t now_ps) {
    Status status = machine->player->submit(machine, transfer);
    keep_failure(machine, &status, now_ps, transfer->tag);
}

/// Transfer.connection of messages between stages; those of rails and exchanges follow.
enum { CONNECTION_MESSAGES = 1 };

/// What all transfers of a job have in common. Tag and keys are its own numbers; paths are those it takes alone.
static Transfer make_transfer(const Machine *machine, int64_t tag, uint64_t connection,
                              uint64_t queue, EdgeSet edges) {
    const int32_t job = machine->number;
    edges.key = fabric_key(job, edges.key);
    return (Transfer){.tag = fabric_tag(job, tag),
                      .edges = edges,
                      .job = job,
                      .queue_pairs = machine->job->network.queue_pairs,
                      .connection = connection,
                      .queue_key = fabric_key(job, queue),
                      .rounds = 1};
}

Transfer network_message(const Machine *machine, int64_t channel, JobEdges *edges) {
    const uint64_t key = rng_mix(1, (uint64_t)channel);
    *edges = name_hop(machine, channel);
    Transfer transfer = make_transfer(machine, channel, CONNECTION_MESSAGES, key,
                                      (EdgeSet){machine->layout.units.width, hop_edge, edges, key});
    const Edge first = hop_edge(edges, 0);
    transfer.bytes = machine->cost.boundary_bytes;
    transfer.start_ps = machine->job->network.message_latency_ps +
                        routing_latency_by_ps(machine->cluster, first.src,
                                              edge_sender(machine->cluster, &first), first.dst);
    return transfer;
}

static void log_slowed(Machine *machine, const Unit *unit, int32_t op, const Slowed *slowed) {
    PathLog *log = machine->path_log;
    if (log && unit->step == log->step) path_log_slowed(log, unit - machine->unit, op, slowed);
}

void network_end_message(Machine *machine, const Completion *done, Unit *receiver,
                         ChannelSide side) {
    const bool from_prev = side == CHANNEL_FROM_PREV;
    const Stream receives = from_prev ? STREAM_RECV_PREV : STREAM_RECV_NEXT,
                 sends = from_prev ? STREAM_SEND_NEXT : STREAM_SEND_PREV;
    Unit *sender = unit_neighbour(machine, receiver, from_prev ? -1 : 1);
    int64_t took_ps = done->end_ps - done->start_ps;
    // Of when in the step it was, so that equal steps differ in the fingerprints of units alone.
    int64_t begin_ps = machine->cycle.begin.actual_ps;
    int64_t start_ps = done->start_ps - begin_ps, end_ps = done->end_ps - begin_ps;
    NominalClocks end =
        clocks_after_transfer(*unit_received(receiver, side), took_ps, done->alone_ps);
    machine->scope.count->fingerprint[receiver->step & 1] +=
        machine->player->fingerprint(machine, receiver, (int)side, start_ps, end_ps);
    if (receiver->noted) timeline_move(machine, receiver, receives, done->start_ps, done->alone_ps);
    if (sender->noted) timeline_move(machine, sender, sends, done->start_ps, done->alone_ps);
    const int32_t received = unit_current_op(machine, receiver, receives);
    log_slowed(machine, receiver, received, &done->slowed);
    unit_finish_op(machine, receiver, received, end, done->end_ps);
    unit_finish_op(machine, sender, unit_current_op(machine, sender, sends), end, done->end_ps);
}

static GroupState *group_of(const Machine *machine, int64_t group) {
    return &machine->group[units_meeting_index(&machine->layout.units, group)];
}

/// Of the phases that have ended.
static Slowed *rail_slowed(const Machine *machine, int64_t group, int32_t rail) {
    const int64_t index = units_meeting_index(&machine->layout.units, group);
    return &machine->path_log->rail[index * machine->layout.units.width + rail];
}

static GpuId rail_member(const JobEdges *edges, int64_t i) {
    return layout_rail_gpu(&edges->machine->layout, edges->group, edges->rail, i);
}

/// Edge i of a phase: by a relay if that is of the same group.
static Edge rail_edge(const void *context, int64_t i) {
    const JobEdges *edges = context;
    const Layout *layout = &edges->machine->layout;
    PhaseEdge planned = collective_edge(edges->plan, edges->phase, i);
    Edge edge = {.src = rail_member(edges, planned.src),
                 .dst = rail_member(edges, planned.dst),
                 .weight = planned.weight,
                 .own_nic = planned.own_nic};
    if (edge.own_nic) return edge;
    GpuId relay = routing_relay(layout->cluster, edge.src, edge.dst);
    edge.own_nic = relay != edge.src && !layout_on_rail(layout, edges->group, edges->rail, relay);
    return edge;
}

/// Where the members of a group are, by their first rail: units divide scale-up domains or fill them, all alike.
static GpuId first_rail_member(const void *context, int64_t i) { return rail_member(context, i); }

static const Spread *spread_of(const Machine *machine, int64_t group) {
    GroupState *state = group_of(machine, group);
    if (state->spread) return state->spread;
    const JobEdges first_rail = {.machine = machine, .group = group};
    state->spread = memory_alloc("driver.spreads", sizeof *state->spread);
    *state->spread = spread_make(machine->cluster, units_rail_size(&machine->layout.units, group),
                                 first_rail_member, &first_rail);
    return state->spread;
}

void network_forget(GroupState *group) {
    if (group->spread) spread_free(group->spread);
    memory_free("driver.spreads", group->spread, sizeof *group->spread);
    group->spread = NULL;
}

/// Of a collective.
static Stream stream_of(const Machine *machine, OpKind kind) {
    return OP_KINDS[kind].stream[!machine->job->training.grad_overlap];
}

/// In the program of any role of the stage: they differ in microbatches alone.
static const Op *collective_at(const Machine *machine, int32_t stage, OpKind kind,
                               int32_t sequence) {
    const Program *program = machine_program(machine, 0, stage);
    return &program->op[program->stream_op[stream_of(machine, kind)][sequence]];
}

int64_t network_bytes(const Machine *machine, int64_t group, OpKind kind, int32_t sequence) {
    const Units *units = &machine->layout.units;
    int32_t stage = units_stage(units, units_group(units, group).first);
    // Members of several stages have programs of their own, in which it stands elsewhere; then its kind says it all.
    Op op = {.kind = kind, .segment = -1};
    if (group_is_of_stage(OP_KINDS[kind].group))
        op = *collective_at(machine, stage, kind, sequence);
    return step_cost_bytes(&machine->cost, stage, &op);
}

static int64_t nrails(const Machine *machine) {
    return units_ngroups(&machine->layout.units) * machine->layout.units.width;
}

static int64_t first_rail_tag(const Machine *machine) {
    return machine->layout.units.n * CHANNEL_SIDES;
}

static int64_t first_exchange_tag(const Machine *machine) {
    return first_rail_tag(machine) + nrails(machine);
}

/// Number of a rail among those of all groups.
static int64_t rail_number(const Machine *machine, int64_t group, int32_t rail) {
    return group * machine->layout.units.width + rail;
}

Transfer network_phase(const Machine *machine, const JobEdges *edges, int64_t after_ps) {
    const uint64_t rail = (uint64_t)rail_number(machine, edges->group, edges->rail);
    const CollectiveSpec *spec = &edges->plan->spec;
    const uint64_t shape =
        (uint64_t)spec->algorithm << 16 | (uint64_t)spec->kind << 8 | (uint64_t)edges->phase;
    Phase phase = collective_phase(edges->plan, edges->phase);
    Transfer transfer = make_transfer(
        machine, first_rail_tag(machine) + (int64_t)rail, rail + CONNECTION_MESSAGES + 1,
        rng_mix(2, rail), (EdgeSet){phase.nedges, rail_edge, edges, rng_mix(2 + shape, rail)});
    transfer.step =
        fabric_step(machine->fabric, machine->number, group_of(machine, edges->group)->step);
    transfer.bytes = phase.bytes;
    transfer.rounds = phase.rounds;
    transfer.round_latency_ps = phase.round_latency_ps;
    transfer.start_ps = after_ps + phase.fill_ps;
    return transfer;
}

static Rail *rail_of(const Machine *machine, int64_t group, int32_t rail) {
    int64_t index = units_meeting_index(&machine->layout.units, group);
    return &machine->rail[index * machine->layout.units.width + rail];
}

/// The phase that a rail of a collective under way is at.
static JobEdges name_phase(const Machine *machine, int64_t group, int32_t rail) {
    return (JobEdges){.machine = machine,
                      .plan = &group_of(machine, group)->plan,
                      .group = group,
                      .rail = rail,
                      .phase = rail_of(machine, group, rail)->phase};
}

static Edge exchange_edge_of(const void *context, int64_t i) {
    const JobEdges *edges = context;
    const Layout *layout = &edges->machine->layout;
    const ExchangeEdge edge = exchange_edge(&edges->machine->exchange_plan, i);
    return (Edge){.src = layout_gpu(layout, edges->to, edge.from),
                  .dst = layout_gpu(layout, edges->to, edge.to),
                  .weight = edge.weight,
                  .own_nic = edge.outside};
}

Transfer network_exchange(const Machine *machine, int64_t unit, Exchange which, JobEdges *edges) {
    const ExchangePlan *plan = &machine->exchange_plan;
    const uint64_t key = rng_mix(3, (uint64_t)unit);
    *edges = (JobEdges){.machine = machine, .from = unit, .to = unit};
    Transfer transfer =
        make_transfer(machine, first_exchange_tag(machine) + unit * EXCHANGES_N + (int64_t)which,
                      (uint64_t)(nrails(machine) + unit) + CONNECTION_MESSAGES + 1, key,
                      (EdgeSet){exchange_nedges(plan), exchange_edge_of, edges, key});
    transfer.bytes = plan->bytes[which];
    transfer.start_ps = plan->latency_ps[which];
    return transfer;
}

void network_end_exchange(Machine *machine, const Completion *done, Unit *unit, Exchange which) {
    const int64_t begin_ps = machine->cycle.begin.actual_ps;
    const NominalClocks *began = unit_free(machine, unit, STREAM_EP);
    const NominalClocks end =
        clocks_after_transfer(*began, done->end_ps - done->start_ps, done->alone_ps);
    machine->scope.count->fingerprint[unit->step & 1] +=
        machine->player->fingerprint(machine, unit, CHANNEL_SIDES + (int)which,
                                     done->start_ps - begin_ps, done->end_ps - begin_ps);
    unit_share(machine, unit, SHARING_EXCHANGE, false, done->end_ps);
    if (unit->noted) timeline_move(machine, unit, STREAM_EP, done->start_ps, done->alone_ps);
    const int32_t op = unit_current_op(machine, unit, STREAM_EP);
    log_slowed(machine, unit, op, &done->slowed);
    unit_finish_op(machine, unit, op, end, done->end_ps);
}

void network_exchange_due(Machine *machine, Unit *unit, int64_t now_ps) {
    const int32_t index = unit_current_op(machine, unit, STREAM_EP);
    const bool combines = unit_program(machine, unit)->op[index].kind == OP_COMBINE;
    const Completion done = {.start_ps = now_ps, .end_ps = now_ps};
    network_end_exchange(machine, &done, unit, combines ? EXCHANGE_COMBINE : EXCHANGE_DISPATCH);
}

Transfer network_describe(Machine *machine, int64_t tag) {
    JobEdges *edges = &machine->described;
    const int64_t rail = tag - first_rail_tag(machine),
                  exchange = tag - first_exchange_tag(machine);
    if (rail < 0) return network_message(machine, tag, edges);
    if (exchange >= 0)
        return network_exchange(machine, exchange / EXCHANGES_N, (Exchange)(exchange % EXCHANGES_N),
                                edges);
    *edges = name_phase(machine, rail / machine->layout.units.width,
                        (int32_t)(rail % machine->layout.units.width));
    return network_phase(machine, edges, 0);
}

static void submit_phase(Machine *machine, int64_t group, int32_t r, int64_t after_ps) {
    JobEdges edges = name_phase(machine, group, r);
    Transfer transfer = network_phase(machine, &edges, after_ps);
    rail_of(machine, group, r)->alone_ps += transfer.start_ps - after_ps;
    network_submit(machine, &transfer, after_ps);
}

/// Too small to load a link: it ends when all it waits for is over.
static void start_small(Machine *machine, int64_t group) {
    GroupState *active = group_of(machine, group);
    active->alone_ps = collective_waits_ps(&active->plan);
    active->start_ps = active->begin.actual_ps;
    active->plan.nphases = 0;
    machine_schedule(machine, active->start_ps + active->alone_ps, EVENT_SMALL, group,
                     group_order(group));
}

static void start_rails(Machine *machine, int64_t group) {
    GroupState *active = group_of(machine, group);
    active->start_ps = active->begin.actual_ps + collective_phase(&active->plan, 0).fill_ps;
    const int32_t nrails = units_rails(&machine->layout.units, group)->n;
    active->rails_left = nrails;
    for (int32_t r = 0; r < nrails; r++) {
        *rail_of(machine, group, r) = (Rail){0};
        if (machine->path_log) *rail_slowed(machine, group, r) = (Slowed){0};
        submit_phase(machine, group, r, active->begin.actual_ps);
    }
    machine_schedule(machine, active->start_ps, EVENT_SHARE, group, group_order(group));
}

/// In a scale-up domain that the job has GPUs in.
static int64_t least_inside_base_ps(const Machine *machine) {
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    int64_t least_ps = INT64_MAX;
    for (int32_t kind = 0; kind < cluster_ngpu_kinds(spec); kind++) {
        const int64_t own_ps = cluster_scale_up_of_kind(spec, kind)->collective_base_ps;
        if (machine->gpus_of[kind] > 0 && own_ps < least_ps) least_ps = own_ps;
    }
    return least_ps;
}

int64_t network_least_base_ps(const Machine *machine) {
    const int64_t across_ps = machine->job->network.collective_base_ps,
                  inside_ps = least_inside_base_ps(machine);
    return inside_ps < across_ps ? inside_ps : across_ps;
}

Status network_plan(const Machine *machine, int64_t group, OpKind kind, int64_t bytes,
                    CollectivePlan *plan) {
    const Spread *spread = spread_of(machine, group);
    // The norm is summed over all units, whatever replicas reduce by.
    const bool norm = OP_KINDS[kind].bytes == BYTES_NORM;
    const CollectiveSpec wanted = {
        .kind = OP_KINDS[kind].collective[machine->job->parallel.zero > 0],
        .algorithm = norm ? ALGORITHM_AUTO : machine->job->network.dp_algorithm,
        .bytes = bytes};
    return run_spec_plan(plan, machine->job, cluster_spec(machine->cluster), &wanted, spread->kind,
                         spread->latency_ps, &spread->domains);
}

bool network_meet(Machine *machine, Meeting *meeting, int64_t count) {
    int64_t wanted = units_group(&machine->layout.units, meeting->group).n;
    GroupState *group = group_of(machine, meeting->group);
    CHECK(group->arrived == 0 || group->kind == meeting->kind,
          "group %lld: members disagree on the collective", (long long)meeting->group);
    if (group->arrived == 0) group->begin = meeting->at;
    clocks_raise(&group->begin, &meeting->at);
    group->kind = meeting->kind;
    group->arrived += count;
    if (group->arrived < wanted) return false;
    group->arrived = 0;
    meeting->at = group->begin;
    return true;
}

void network_collective(Machine *machine, const Meeting *meeting) {
    int64_t bytes = network_bytes(machine, meeting->group, meeting->kind, meeting->sequence);
    GroupState *active = group_of(machine, meeting->group);
    *active = (GroupState){.spread = active->spread,
                           .kind = meeting->kind,
                           .step = meeting->step,
                           .begin = meeting->at,
                           .bytes = bytes};
    Status status = network_plan(machine, meeting->group, meeting->kind, bytes, &active->plan);
    if (!status_is_ok(&status))
        keep_failure(machine, &status, meeting->at.actual_ps, meeting->group);
    else if (bytes <= machine->job->network.eager_bytes)
        start_small(machine, meeting->group);
    else
        start_rails(machine, meeting->group);
}

void network_share_due(Machine *machine, int64_t group, int64_t now_ps) {
    const CollectivePlan *plan = &group_of(machine, group)->plan;
    const int sharing = stream_of(machine, group_of(machine, group)->kind) == STREAM_ACROSS
                            ? SHARING_ACROSS
                        : collective_in_one_domain(plan) ? SHARING_SCALE_UP
                                                         : SHARING_NETWORK;
    int64_t cursor = 0;
    for (Unit *unit;
         (unit = machine->player->next_member(machine, group, &cursor, now_ps)) != NULL;)
        unit_share(machine, unit, sharing, true, now_ps);
}

/// A collective of the step that is logged has ended: how it was slowed, of the rail that ended last. Returns its number
/// from 1; 0: it is not logged.
static int32_t log_meeting(Machine *machine, int64_t group) {
    PathLog *log = machine->path_log;
    const GroupState *active = group_of(machine, group);
    if (!log || active->step != log->step) return 0;
    const bool played = active->plan.nphases > 0; // else it loads no link
    array_push(&log->meeting,
               played ? *rail_slowed(machine, group, active->last_rail) : (Slowed){0});
    return (int32_t)log->meeting.n;
}

void network_end_collective(Machine *machine, int64_t group, int64_t now_ps) {
    const GroupState done = *group_of(machine, group); // members may go on to the next
    NominalClocks end =
        clocks_after_transfer(done.begin.nominal, now_ps - done.begin.actual_ps, done.alone_ps);
    if (machine->rank == 0) {
        CollectiveRow row = {.step = done.step,
                             .kind = done.kind,
                             .group = group,
                             .bytes = done.bytes,
                             .start_ps = done.begin.actual_ps,
                             .end_ps = now_ps,
                             .alone_ps = done.alone_ps};
        array_push(&machine->row, row);
        machine->count.fingerprint[done.step & 1] +=
            fingerprint_of(-1 - group, done.begin.actual_ps - machine->cycle.begin.actual_ps,
                           now_ps - machine->cycle.begin.actual_ps);
    }
    if (OP_KINDS[done.kind].ends_cycle)
        machine->cycle = (Cycle){.begin = clocks_at(now_ps, end),
                                 .period_ps = now_ps - machine->cycle.begin.actual_ps,
                                 .ended = true,
                                 .nquiet = machine->cycle.nquiet};
    const int32_t noted = log_meeting(machine, group);
    bool shared = done.rails_left == 0 && done.plan.nphases > 0;
    const Stream stream = stream_of(machine, done.kind);
    const int sharing =
        stream == STREAM_ACROSS ? SHARING_ACROSS : SHARING_SCALE_UP | SHARING_NETWORK;
    int64_t cursor = 0;
    for (Unit *unit;
         (unit = machine->player->next_member(machine, group, &cursor, now_ps)) != NULL;) {
        if (shared) unit_share(machine, unit, sharing, false, now_ps);
        if (unit->noted) {
            timeline_begin(machine, unit, stream, done.begin.actual_ps);
            timeline_move(machine, unit, stream, done.begin.actual_ps, done.alone_ps);
        }
        const int32_t op = unit_current_op(machine, unit, stream);
        if (noted > 0)
            machine->path_log->slowed_at[machine->path_log->first[unit - machine->unit] + op] =
                noted;
        unit_finish_op(machine, unit, op, end, now_ps);
    }
}

static void complete_phase(Machine *machine, const Completion *done) {
    int64_t number = done->tag - first_rail_tag(machine);
    int64_t group = number / machine->layout.units.width;
    int32_t r = (int32_t)(number % machine->layout.units.width);
    Rail *rail = rail_of(machine, group, r);
    GroupState *active = group_of(machine, group);
    rail->alone_ps += done->alone_ps;
    active->last_rail = r;
    if (machine->path_log) path_log_add(rail_slowed(machine, group, r), &done->slowed);
    if (++rail->phase < active->plan.nphases) {
        submit_phase(machine, group, r, done->end_ps);
        return;
    }
    if (rail->alone_ps > active->alone_ps) active->alone_ps = rail->alone_ps;
    if (--active->rails_left == 0) network_end_collective(machine, group, done->end_ps);
}

void network_complete(Machine *machine, const Completion *completion) {
    const int64_t tag = completion->tag, exchange = tag - first_exchange_tag(machine);
    if (tag < first_rail_tag(machine))
        network_end_message(machine, completion, machine_unit(machine, tag / CHANNEL_SIDES),
                            (ChannelSide)(tag % CHANNEL_SIDES));
    else if (exchange < 0)
        complete_phase(machine, completion);
    else
        network_end_exchange(machine, completion, machine_unit(machine, exchange / EXCHANGES_N),
                             (Exchange)(exchange % EXCHANGES_N));
}
