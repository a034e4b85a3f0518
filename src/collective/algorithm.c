#include "collective/algorithm.h"

#include "base/check.h"
#include "base/wide.h"

int64_t collective_share_bytes(int64_t bytes, int64_t numerator, int64_t denominator) {
    Wide share = ((Wide)bytes * numerator + denominator - 1) / denominator;
    CHECK(share <= INT64_MAX, "%lld bytes times %lld / %lld", (long long)bytes,
          (long long)numerator, (long long)denominator);
    return (int64_t)share;
}

int64_t collective_passes(CollectiveKind kind) { return kind == COLLECTIVE_ALL_REDUCE ? 2 : 1; }

bool collective_in_one_domain(const CollectivePlan *plan) { return plan->domains->n == 1; }

int64_t collective_any_latency_ps(const CollectivePlan *plan) {
    return collective_in_one_domain(plan) ? plan->spec.domain_latency_ps
                                          : plan->spec.round_latency_ps;
}
