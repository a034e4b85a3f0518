// What the GPUs of a unit that hold a layer's experts send each other between parts of the layer: tokens on their way to
// experts and back. All of it is one transfer: between GPUs of equal places in their domains over the network, and from
// every GPU of a domain to every other inside. workload/exchange.h says how much goes either way, and what it takes alone;
// where all of it stays in one domain, that is how long it takes.
#include <math.h>

#include "base/rng.h"
#include "base/units.h"
#include "driver/player.h"

/// Weight of an edge between domains: those inside them weigh what they weigh to a thousandth.
enum { WEIGHT = 1000 };

/// Bytes of one edge between domains, and inside one, of so many bytes of all rows.
static double outside_bytes(const LayerLinks *links, double bytes) {
    const Parts ep = links->parts[DIM_EP];
    const double others = (double)ep.n / ep.inside - 1;
    return others > 0 ? bytes * links->of_rows.outside / others : 0;
}

static double inside_bytes(const LayerLinks *links, double bytes) {
    const Parts ep = links->parts[DIM_EP];
    return ep.inside > 1 ? bytes * links->of_rows.inside / (ep.inside - 1) : 0;
}

void exchange_plan(Machine *machine) {
    const StepCost *cost = &machine->cost;
    const LayerLinks *links = &cost->links;
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    ExchangePlan *plan = &machine->exchange_plan;
    const Parts ep = links->parts[DIM_EP];
    *plan = (ExchangePlan){.n = ep.n, .inside = ep.inside};
    if (!cost->exchanges_apart) return;
    plan->groups = machine->layout.units.width / ep.n;
    plan->timed = ep.inside == ep.n;
    const double outside = plan->timed ? 0 : outside_bytes(links, 1);
    if (!plan->timed) {
        plan->outside_weight = WEIGHT;
        plan->inside_weight = (int32_t)ceil(WEIGHT * inside_bytes(links, 1) / outside);
    }
    for (int k = 0; k < EXCHANGES_N; k++) {
        const double all = (double)cost->exchange_bytes[k];
        plan->bytes[k] = (int64_t)ceil(all * outside / WEIGHT);
        const double out_s = all * links->of_rows.outside / (double)spec->nic.goodput_Bps;
        const double in_s = all * links->of_rows.inside / (double)spec->scale_up.goodput_Bps;
        const double alone_s = layer_collective_s(links, COLLECTIVE_ALL_TO_ALL, DIM_EP, all);
        const double links_s = plan->timed ? 0 : fmax(out_s, in_s);
        plan->latency_ps[k] = units_ps_from_seconds(fmax(0, alone_s - links_s));
    }
}

/// Member m of group q of those of a unit that hold a layer's experts.
static GpuId member_of(const JobEdges *edges, int64_t q, int64_t m) {
    const Layout *layout = &edges->machine->layout;
    const int64_t shares = layout->units.parallel->expert_tp, n = edges->machine->exchange_plan.n;
    return layout_gpu(layout, edges->to,
                      (int32_t)(q / shares * n * shares + m * shares + q % shares));
}

/// The i-th of n - 1 others.
static int64_t other(int64_t of, int64_t i) { return i + (i >= of); }

static int64_t edges_outside(const ExchangePlan *plan) {
    const int64_t domains = plan->n / plan->inside;
    return plan->outside_weight > 0 ? plan->n * (domains - 1) : 0;
}

static int64_t edges_inside(const ExchangePlan *plan) {
    return plan->inside_weight > 0 ? (int64_t)plan->n * (plan->inside - 1) : 0;
}

static Edge edge_of(const void *context, int64_t i) {
    const JobEdges *edges = context;
    const ExchangePlan *plan = &edges->machine->exchange_plan;
    const int64_t outside = edges_outside(plan), each = outside + edges_inside(plan);
    const int64_t q = i / each, k = i % each, p = plan->inside;
    if (k < outside) {
        const int64_t others = plan->n / p - 1, from = k / others;
        const int64_t to = other(from / p, k % others) * p + from % p;
        return (Edge){.src = member_of(edges, q, from),
                      .dst = member_of(edges, q, to),
                      .weight = plan->outside_weight,
                      .own_nic = true};
    }
    const int64_t from = (k - outside) / (p - 1), place = other(from % p, (k - outside) % (p - 1));
    return (Edge){.src = member_of(edges, q, from),
                  .dst = member_of(edges, q, from / p * p + place),
                  .weight = plan->inside_weight};
}

/// Tags of exchanges follow those of rails.
static int64_t first_tag(const Machine *machine) {
    const Layout *layout = &machine->layout;
    return layout->units.n * CHANNEL_SIDES + units_ngroups(&layout->units) * layout->units.width;
}

bool exchange_owns_tag(const Machine *machine, int64_t tag) { return tag >= first_tag(machine); }

Transfer exchange_transfer(const Machine *machine, int64_t unit, Exchange which, JobEdges *edges) {
    const ExchangePlan *plan = &machine->exchange_plan;
    const Layout *layout = &machine->layout;
    const uint64_t key = fabric_key(machine->number, rng_mix(3, (uint64_t)unit));
    const uint64_t nrails = (uint64_t)(units_ngroups(&layout->units) * layout->units.width);
    *edges = (JobEdges){.machine = machine, .from = unit, .to = unit};
    return (Transfer){
        .tag =
            fabric_tag(machine->number, first_tag(machine) + unit * EXCHANGES_N + (int64_t)which),
        .edges = {.nedges = plan->groups * (edges_outside(plan) + edges_inside(plan)),
                  .edge = edge_of,
                  .context = edges,
                  .key = key},
        .queue_key = key,
        .job = machine->number,
        .queue_pairs = machine->job->network.queue_pairs,
        .connection =
            fabric_key(machine->number, nrails + (uint64_t)unit + CONNECTION_MESSAGES + 1),
        .bytes = plan->bytes[which],
        .rounds = 1,
    };
}

Transfer exchange_describe(Machine *machine, int64_t tag) {
    const int64_t number = tag - first_tag(machine);
    return exchange_transfer(machine, number / EXCHANGES_N, (Exchange)(number % EXCHANGES_N),
                             &machine->described);
}

void exchange_end(Machine *machine, const Completion *done, Unit *unit, Exchange which) {
    const int64_t begin_ps = machine->cycle.begin.actual_ps;
    const NominalClocks *began = unit_free(machine, unit, STREAM_EP);
    const NominalClocks end =
        clocks_after_transfer(*began, done->end_ps - done->start_ps, done->alone_ps);
    machine->scope.count->fingerprint[unit->step & 1] +=
        machine->player->fingerprint(machine, unit, CHANNEL_SIDES + (int)which,
                                     done->start_ps - begin_ps, done->end_ps - begin_ps);
    unit_share(machine, unit, SHARING_EXCHANGE, false, done->end_ps);
    unit_finish_op(machine, unit, unit_current_op(machine, unit, STREAM_EP), end, done->end_ps);
}

void exchange_due(Machine *machine, Unit *unit, int64_t now_ps) {
    const int32_t index = unit_current_op(machine, unit, STREAM_EP);
    const bool combines = unit_program(machine, unit)->op[index].kind == OP_COMBINE;
    const Completion done = {.start_ps = now_ps, .end_ps = now_ps};
    exchange_end(machine, &done, unit, combines ? EXCHANGE_COMBINE : EXCHANGE_DISPATCH);
}

void exchange_complete(Machine *machine, const Completion *done) {
    const int64_t number = done->tag - first_tag(machine);
    exchange_end(machine, done, machine_unit(machine, number / EXCHANGES_N),
                 (Exchange)(number % EXCHANGES_N));
}
