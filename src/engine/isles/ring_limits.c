#include "engine/isles/ring_limits.h"

#include <string.h>

#include "base/fingerprint.h"
#include "base/rng.h"

void limits_clear(RingLimits *limits) {
    array_clear(&limits->at);
    array_clear(&limits->use);
    table_clear(&limits->by_content);
}

void limits_free(RingLimits *limits) {
    array_free(&limits->at);
    array_free(&limits->use);
    table_free(&limits->by_content);
}

static bool same_kind(const RingLimits *limits, const RingLimit *limit, int64_t capacity,
                      const LimitUse use[], int64_t n) {
    return limit->capacity == capacity && limit->n == n &&
           memcmp(&limits->use.at[limit->first], use, sizeof(LimitUse) * (size_t)n) == 0;
}

void limits_add(RingLimits *limits, int64_t capacity, int64_t link, const LimitUse use[],
                int64_t n) {
    uint64_t content = fingerprint_bytes(use, sizeof(LimitUse) * (size_t)n);
    // The table has no room for INT64_MIN; the top bit can go, as contents are compared anyway.
    int64_t key = (int64_t)(rng_mix(content, (uint64_t)capacity) >> 1);
    const int64_t *known = table_find(&limits->by_content, key);
    if (known && same_kind(limits, &limits->at.at[*known], capacity, use, n)) {
        RingLimit *limit = &limits->at.at[*known];
        if (link < limit->link) limit->link = link;
        return;
    }
    if (!known) table_insert(&limits->by_content, key, limits->at.n);
    array_push(&limits->at, (RingLimit){capacity, link, limits->use.n, n});
    for (int64_t u = 0; u < n; u++) array_push(&limits->use, use[u]);
}

void limits_share(RingLimits *limits, const Comm *comm) {
    int nranks = comm_nranks(comm);
    if (nranks == 1) return;
    Gathered at = comm_allgather(comm, limits->at.at, (int64_t)sizeof(RingLimit) * limits->at.n);
    Gathered use = comm_allgather(comm, limits->use.at, (int64_t)sizeof(LimitUse) * limits->use.n);
    limits_clear(limits);
    for (int rank = 0; rank < nranks; rank++) {
        const RingLimit *limit = (const RingLimit *)(const void *)(at.bytes + at.first[rank]);
        const LimitUse *uses = (const LimitUse *)(const void *)(use.bytes + use.first[rank]);
        int64_t n = (at.first[rank + 1] - at.first[rank]) / (int64_t)sizeof(RingLimit);
        for (int64_t i = 0; i < n; i++)
            limits_add(limits, limit[i].capacity, limit[i].link, &uses[limit[i].first], limit[i].n);
    }
    gathered_free(&at);
    gathered_free(&use);
}
