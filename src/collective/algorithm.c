#include "collective/algorithm.h"

#include "base/check.h"
#include "base/wide.h"

int64_t collective_share_bytes(int64_t bytes, int64_t numerator, int64_t denominator) {
    Wide share = ((Wide)bytes * numerator + denominator - 1) / denominator;
    CHECK(share <= INT64_MAX, "%lld bytes times %lld / %lld", (long long)bytes,
          (long long)numerator, (long long)denominator);
    return (int64_t)share;
}

bool collective_in_one_domain(const CollectivePlan *plan) { return plan->domains->n == 1; }

Phase collective_tuned_phase(const CollectivePlan *plan, int64_t nedges, int64_t bytes,
                             int64_t rounds) {
    return (Phase){
        .nedges = nedges,
        .bytes = bytes,
        .rounds = rounds,
        .round_latency_ps = plan->waits_ps / rounds,
        .fill_ps = plan->spec.base_ps + plan->waits_ps % rounds,
    };
}

int64_t collective_inside_edges(const CollectivePlan *plan) {
    return domains_together(plan->domains, plan->domains->n);
}

InsideEdge collective_inside_edge(const CollectivePlan *plan, int64_t i) {
    const Domains *domains = plan->domains;
    int64_t d = domains_find_together(domains, i), p = domains_size(domains, d);
    int64_t r = i - domains_together(domains, d);
    return (InsideEdge){.d = d, .p = p, .r = r, .next = r + 1 < p ? r + 1 : 0};
}

int64_t collective_switched(int64_t units, int64_t p) { return (units * (p + 1) + p - 1) / p; }

int64_t collective_switched_weight(const CollectivePlan *plan, int64_t units) {
    const Domains *domains = plan->domains;
    const int64_t different = domains->each > 0 ? 1 : domains->n; // of equal ones, one says all
    int64_t weight = 0;
    for (int64_t d = 0; d < different; d++) {
        const int64_t p = domains_size(domains, d);
        if (p > 1) weight += p * collective_switched(units, p);
    }
    return domains->each > 0 ? weight * domains->n : weight;
}
