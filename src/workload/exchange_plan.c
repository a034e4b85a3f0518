#include "workload/exchange_plan.h"

#include <math.h>

#include "base/units.h"

/// Weight of an edge between domains: those inside them weigh what they weigh to a thousandth.
enum { WEIGHT = 1000 };

/// Bytes of one edge between domains, and inside one, of a byte of all rows.
static double outside_bytes(const LayerLinks *links) {
    const Parts ep = links->parts[DIM_EP];
    const double others = (double)ep.n / ep.inside - 1;
    return others > 0 ? links->of_rows.outside / others : 0;
}

static double inside_bytes(const LayerLinks *links) {
    const Parts ep = links->parts[DIM_EP];
    return ep.inside > 1 ? links->of_rows.inside / (ep.inside - 1) : 0;
}

ExchangePlan exchange_plan(const StepCost *cost, const ParallelSpec *parallel) {
    const LayerLinks *links = &cost->links;
    const Parts ep = links->parts[DIM_EP];
    ExchangePlan plan = {.n = ep.n, .inside = ep.inside, .shares = parallel->expert_tp};
    if (!cost->exchanges_apart) return plan;
    plan.groups = (int32_t)parallel_group_size(parallel, DIM_UNIT) / ep.n;
    plan.timed = ep.inside == ep.n;
    const double outside = plan.timed ? 0 : outside_bytes(links);
    if (!plan.timed) {
        plan.outside_weight = WEIGHT;
        plan.inside_weight = (int32_t)ceil(WEIGHT * inside_bytes(links) / outside);
    }
    for (int k = 0; k < EXCHANGES_N; k++) {
        const double all = (double)cost->exchange_bytes[k];
        plan.bytes[k] = (int64_t)ceil(all * outside / WEIGHT);
        const double out_s = all * links->of_rows.outside / links->uplink.nic_Bps;
        const double in_s = all * links->of_rows.inside / (double)links->scale_up->goodput_Bps;
        const double alone_s = layer_exchange(links, k == EXCHANGE_COMBINE, all).alone_s;
        const double links_s = plan.timed ? 0 : fmax(out_s, in_s);
        plan.latency_ps[k] =
            units_ps_from_seconds(fmax(0, alone_s - links_s) + cost->exchange_sort_s[k]);
    }
    return plan;
}

static int64_t edges_outside(const ExchangePlan *plan) {
    const int64_t domains = plan->n / plan->inside;
    return plan->outside_weight > 0 ? plan->n * (domains - 1) : 0;
}

static int64_t edges_inside(const ExchangePlan *plan) {
    return plan->inside_weight > 0 ? (int64_t)plan->n * (plan->inside - 1) : 0;
}

int64_t exchange_nedges(const ExchangePlan *plan) {
    return plan->groups * (edges_outside(plan) + edges_inside(plan));
}

/// GPU of a unit that is member m of group q of those that hold a layer's experts.
static int32_t member_of(const ExchangePlan *plan, int64_t q, int64_t m) {
    const int64_t shares = plan->shares;
    return (int32_t)(q / shares * plan->n * shares + m * shares + q % shares);
}

/// The i-th of n - 1 others.
static int64_t other(int64_t of, int64_t i) { return i + (i >= of); }

ExchangeEdge exchange_edge(const ExchangePlan *plan, int64_t i) {
    const int64_t outside = edges_outside(plan), each = outside + edges_inside(plan);
    const int64_t q = i / each, k = i % each, p = plan->inside;
    if (k < outside) {
        const int64_t others = plan->n / p - 1, from = k / others;
        const int64_t to = other(from / p, k % others) * p + from % p;
        return (ExchangeEdge){.from = member_of(plan, q, from),
                              .to = member_of(plan, q, to),
                              .weight = plan->outside_weight,
                              .outside = true};
    }
    const int64_t from = (k - outside) / (p - 1), place = other(from % p, (k - outside) % (p - 1));
    return (ExchangeEdge){.from = member_of(plan, q, from),
                          .to = member_of(plan, q, from / p * p + place),
                          .weight = plan->inside_weight};
}
