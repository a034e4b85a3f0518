#include "collective/collective.h"

#include <math.h>
#include <stddef.h>

#include "base/check.h"
#include "base/units.h"
#include "base/wide.h"
#include "collective/algorithm.h"

static const CollectiveMethod *const collective_table[ALGORITHM_N] = {
    [ALGORITHM_RING] = &collective_ring,
    [ALGORITHM_TREE] = &collective_tree,
    [ALGORITHM_PAT] = &collective_pat,
    [ALGORITHM_NVLS] = &collective_nvls,
    [ALGORITHM_NVLS_TREE] = &collective_tree,
    [ALGORITHM_SHARP] = &collective_nvls,
    [ALGORITHM_DIRECT] = &collective_direct,
    [ALGORITHM_HALVING_DOUBLING] = &collective_halving_doubling,
    [ALGORITHM_HIERARCHICAL] = &collective_hierarchical,
};

enum { COLLECTIVE_PASSES_MAX = 2 };

static Wide collective_total(const CollectivePlan *plan) {
    const CollectiveMethod *method = collective_table[plan->spec.algorithm];
    Wide total = 0;
    for (int32_t phase = 0; phase < plan->nphases; phase++) {
        total += (Wide)method->phase(plan, phase).bytes * method->phase_weight(plan, phase);
    }
    return total;
}

/// By nothing: the algorithm as named, or one that can do it, at the latencies of its rounds.
static void stay_untuned(CollectivePlan *plan, const CollectiveShape *shape) {
    CollectiveSpec *spec = &plan->spec;
    const ScaleUpSpec none = {0};
    const CollectiveCosts costs = {.scale_up = &none};
    const bool all = spec->kind == COLLECTIVE_ALL_TO_ALL;
    const bool textbook = spec->algorithm >= ALGORITHM_DIRECT;
    if (spec->algorithm == ALGORITHM_AUTO ||
        !(textbook || tuning_offers(shape, &costs, spec->algorithm)))
        spec->algorithm = all ? ALGORITHM_DIRECT : ALGORITHM_RING;
    const CollectiveHops hops = tuning_hops(shape, spec->algorithm);
    spec->protocol = PROTOCOL_AUTO;
    plan->waits_ps = hops.inside * spec->domain_latency_ps + hops.outside * spec->round_latency_ps;
}

static void tune(CollectivePlan *plan, const CollectiveTuning *tuning) {
    CollectiveSpec *spec = &plan->spec;
    const CollectiveShape shape = {.kind = spec->kind,
                                   .bytes = (double)spec->bytes,
                                   .n = plan->n,
                                   .domains = plan->domains->n,
                                   .most = plan->domains->most,
                                   .channels = plan->domains->least};
    if (!tuning || spec->algorithm > ALGORITHM_DIRECT) {
        stay_untuned(plan, &shape);
        return;
    }
    const CollectiveCosts costs = {
        .scale_up = tuning->scale_up,
        .base_s = units_seconds_from_ps(spec->base_ps),
        .path_s = units_seconds_from_ps(tuning->path_latency_ps),
        .round_s = units_seconds_from_ps(spec->round_latency_ps - tuning->path_latency_ps),
        .nic_Bps = (double)tuning->nic_Bps,
        .in_network = tuning->in_network};
    const CollectivePrice price = tuning_choose(&shape, &costs, spec->algorithm, spec->protocol);
    spec->algorithm = price.algorithm;
    spec->protocol = price.protocol;
    spec->base_ps = units_ps_from_seconds(price.base_s);
    plan->waits_ps = units_ps_from_seconds(fmax(0, price.time_s - price.base_s - price.link_s));
}

Status collective_plan(CollectivePlan *plan, const CollectiveSpec *spec,
                       const CollectiveTuning *tuning, const Domains *domains) {
    int64_t nmembers = domains->nmembers;
    REQUIRE(nmembers >= 1, STATUS_RANGE, "a collective needs at least 1 member, not %lld",
            (long long)nmembers);
    REQUIRE(spec->bytes >= 0 && spec->bytes <= INT64_MAX / 4, STATUS_RANGE,
            "a collective of %lld bytes", (long long)spec->bytes);
    const Wide waits_ps = (Wide)2 * COLLECTIVE_PASSES_MAX * nmembers *
                          ((Wide)spec->round_latency_ps + spec->domain_latency_ps);
    REQUIRE(waits_ps + spec->base_ps < TIME_END_PS, STATUS_RANGE,
            "a collective among %lld members would wait longer than a run can last",
            (long long)nmembers);
    *plan = (CollectivePlan){.spec = *spec, .n = nmembers, .domains = domains};
    if (nmembers == 1) return status_ok(); // alone: nothing to do, no phases
    REQUIRE(spec->kind != COLLECTIVE_ALL_TO_ALL || spec->algorithm == ALGORITHM_AUTO ||
                spec->algorithm == ALGORITHM_DIRECT,
            STATUS_RANGE, "%s does not do %s: use direct", ALGORITHM_NAMES[spec->algorithm],
            COLLECTIVE_NAMES[spec->kind]);
    tune(plan, tuning);
    TRY(collective_table[plan->spec.algorithm]->plan(plan));
    CHECK(plan->nphases <= COLLECTIVE_PHASES_MAX, "%d phases", (int)plan->nphases);
    REQUIRE(collective_total(plan) <= INT64_MAX, STATUS_RANGE,
            "%s of %lld bytes among %lld members moves more than 2^63 bytes",
            COLLECTIVE_NAMES[spec->kind], (long long)spec->bytes, (long long)nmembers);
    return status_ok();
}

Phase collective_phase(const CollectivePlan *plan, int32_t phase) {
    DCHECK(phase >= 0 && phase < plan->nphases, "phase %d of %d", (int)phase, (int)plan->nphases);
    return collective_table[plan->spec.algorithm]->phase(plan, phase);
}

int64_t collective_waits_ps(const CollectivePlan *plan) {
    int64_t waits_ps = 0;
    for (int32_t p = 0; p < plan->nphases; p++) {
        const Phase phase = collective_phase(plan, p);
        waits_ps += phase.fill_ps + phase.rounds * phase.round_latency_ps;
    }
    return waits_ps;
}

PhaseEdge collective_edge(const CollectivePlan *plan, int32_t phase, int64_t i) {
    PhaseEdge edge = collective_table[plan->spec.algorithm]->edge(plan, phase, i);
    edge.src = domains_member(plan->domains, edge.src);
    edge.dst = domains_member(plan->domains, edge.dst);
    return edge;
}

bool collective_same_edges(const CollectivePlan *a, const CollectivePlan *b) {
    bool same_way = a->spec.kind == b->spec.kind || a->domains->each > 0;
    return a->spec.algorithm == b->spec.algorithm && a->nphases == b->nphases && same_way &&
           a->spec.algorithm != ALGORITHM_HALVING_DOUBLING;
}

int64_t collective_total_bytes(const CollectivePlan *plan) {
    return (int64_t)collective_total(plan);
}

double collective_bus_factor(CollectiveKind kind, int64_t n) {
    return (double)collective_passes(kind) * (double)(n - 1) / (double)n;
}
