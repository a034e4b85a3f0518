/// exchange_plan.h: the edges of an exchange among GPUs of a unit: tokens on their way to experts, and back.
///
/// Idea.    All of it is one transfer: between GPUs of equal places in their domains over the network, and from every GPU of a
///          domain to every other inside. exchange.h says how much goes either way, and what it takes alone; where all of it
///          stays in one domain, that is how long it takes.
#ifndef COLOSSIM_WORKLOAD_EXCHANGE_PLAN_H
#define COLOSSIM_WORKLOAD_EXCHANGE_PLAN_H

#include "workload/cost.h"

/// Exchanges of all units are alike. Between n GPUs, `inside` of them in each scale-up domain.
typedef struct ExchangePlan {
    int32_t groups; ///< of a unit, side by side; 0: exchanges are no operations
    int32_t n, inside;
    int32_t shares; ///< GPUs of a unit that share an expert: so many groups are interleaved
    bool
        timed; ///< they stay inside domains: nobody else is felt there, and no link is loaded; the latency is all
    int32_t outside_weight, inside_weight;
    int64_t bytes[EXCHANGES_N];      ///< progress
    int64_t latency_ps[EXCHANGES_N]; ///< before the first byte
} ExchangePlan;

/// From one GPU of a unit to another, by their numbers.
typedef struct ExchangeEdge {
    int32_t from, to, weight;
    bool outside; ///< of their domain
} ExchangeEdge;

ExchangePlan exchange_plan(const StepCost *cost, const ParallelSpec *parallel);
int64_t exchange_nedges(const ExchangePlan *plan);
ExchangeEdge exchange_edge(const ExchangePlan *plan, int64_t i);

#endif
