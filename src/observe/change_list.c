/// What there is to be changed, and whether it can make a difference.
#include <stdio.h>

#include "observe/change.h"

static void add(WhatIf change[], int32_t *n, ChangeKind kind, int32_t of, const char *what,
                const char *name) {
    WhatIf *next = &change[(*n)++];
    *next = (WhatIf){.kind = kind, .of = of, .size = kind < CHANGE_EVEN_GPUS ? CHANGE_BIT : 1};
    snprintf(next->name, sizeof next->name, "%s%s", what, name);
}

static void add_tiers(const Cluster *cluster, WhatIf change[], int32_t *n) {
    for (int32_t t = 1; t <= cluster_spec(cluster)->ntiers; t++) {
        const char *name = cluster_tier_name(cluster, t);
        add(change, n, CHANGE_TIER_RATE, t, name, " rate");
        add(change, n, CHANGE_TIER_LATENCY, t, name, " latency");
    }
}

static void add_what_can_go(const Cluster *cluster, WhatIf change[], int32_t *n) {
    add(change, n, CHANGE_EVEN_GPUS, 0, "no slow GPUs", "");
    add(change, n, CHANGE_EVEN_EXPERTS, 0, "no uneven experts", "");
    add(change, n, CHANGE_NO_CAP, 0, "no power cap", "");
    add(change, n, CHANGE_HEALTHY, 0, "no degraded links", "");
    add(change, n, CHANGE_SPREAD, 0, "no hashed paths", "");
    add(change, n, CHANGE_NO_SHARING, 0, "no sharing of GPUs", "");
    add(change, n, CHANGE_ALONE, 0, "no contention", "");
    for (int32_t t = 0; t < cluster_ntiers(cluster); t++)
        add(change, n, CHANGE_ALONE_TIER, t, "no contention on ", cluster_tier_name(cluster, t));
    for (int d = 0; d < DIM_N; d++)
        add(change, n, CHANGE_FREE, d, "no communication of ", DIMENSION_NAMES[d]);
    add(change, n, CHANGE_FREE_ALL, 0, "no communication", "");
    add(change, n, CHANGE_KEEP_ALL, 0, "no recomputation", "");
    add(change, n, CHANGE_MICROBATCH, 0, "microbatches twice as large", "");
}

int32_t changes_list(const Cluster *cluster, WhatIf change[CHANGES_MAX]) {
    int32_t n = 0;
    add(change, &n, CHANGE_NOTHING, 0, "nothing", "");
    change[0].size = 0;
    add(change, &n, CHANGE_GPU, 0, "gpu", "");
    add(change, &n, CHANGE_PRODUCTS, 0, "gpu products", "");
    add(change, &n, CHANGE_MEMORY, 0, "gpu memory", "");
    add(change, &n, CHANGE_LAUNCHES, 0, "kernel launches", "");
    add(change, &n, CHANGE_SCALE_UP_RATE, 0, "scale-up rate", "");
    add(change, &n, CHANGE_SCALE_UP_LATENCY, 0, "scale-up latency", "");
    add_tiers(cluster, change, &n);
    add(change, &n, CHANGE_NIC_LATENCY, 0, "nic latency", "");
    add(change, &n, CHANGE_SOFTWARE_LATENCY, 0, "software latency", "");
    add_what_can_go(cluster, change, &n);
    return n;
}

bool change_is_degraded(const ClusterSpec *spec) {
    bool slow = spec->nfaults + spec->nevents > 0;
    for (int32_t i = 0; i < spec->nslow; i++) slow = slow || spec->slow[i].nic > 1;
    return slow;
}

bool change_is_hashed(const ClusterSpec *spec) {
    return spec->routing == ROUTING_ECMP || spec->routing == ROUTING_DMODK;
}

static bool is_capped(const ClusterSpec *spec) {
    bool capped = false;
    for (int32_t k = 0; k < cluster_ngpu_kinds(spec); k++)
        capped = capped || cluster_gpu_of_kind(spec, k)->capped > 0;
    return capped;
}

static bool is_slowed(const Slowed *slowed) {
    int64_t sum_ps = 0;
    for (int t = 0; t < ENGINE_TIERS_MAX; t++) sum_ps += slowed->tier_ps[t] > 0;
    return sum_ps > 0;
}

bool change_matters(const Machine *machine, const WhatIf *change, const Slowed *slowed) {
    const ClusterSpec *spec = cluster_spec(machine->cluster);
    const int32_t *size = machine->job->parallel.size;
    switch (change->kind) {
        case CHANGE_NOTHING: return false;
        case CHANGE_EVEN_GPUS: return !machine_is_even(machine);
        case CHANGE_EVEN_EXPERTS: return machine_routing_is_drawn(machine);
        case CHANGE_NO_CAP: return is_capped(spec);
        case CHANGE_SPREAD: return spec->fabric == FABRIC_TREE && change_is_hashed(spec);
        case CHANGE_HEALTHY: return change_is_degraded(spec);
        case CHANGE_ALONE: return is_slowed(slowed);
        case CHANGE_ALONE_TIER: return slowed->tier_ps[change->of] > 0;
        case CHANGE_FREE: return change->of == DIM_DP || size[change->of] > 1;
        default: return true;
    }
}
