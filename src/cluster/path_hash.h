/// path_hash.h: the hashes by which a path is chosen, the same in every fabric.
#ifndef COLOSSIM_CLUSTER_PATH_HASH_H
#define COLOSSIM_CLUSTER_PATH_HASH_H

#include "base/rng.h"
#include "cluster/cluster_parts.h"

/// Hash of a queue pair's addresses. The three parts are spread by odd constants (fractional parts
/// of square roots of 2, 3 and 5), so that one mix is enough.
static inline uint64_t path_hash(GpuId src, GpuId dst, uint64_t flow_key, int32_t queue_pair) {
    const uint64_t addresses = (uint64_t)src * UINT64_C(0x6A09E667F3BCC909) +
                               (uint64_t)dst * UINT64_C(0xBB67AE8584CAA73B) +
                               (uint64_t)queue_pair * UINT64_C(0x3C6EF372FE94F82B);
    return rng_mix(flow_key, addresses);
}

/// Hash of a switch. Real switches hash alike when they share a seed; then a choice made at the
/// leaf repeats at the spine, and of the spine's uplinks a few carry all flows (polarisation).
static inline int64_t switch_hash(const Cluster *cluster, uint64_t key, int32_t level, int64_t id) {
    uint64_t seed = cluster->ecmp_key;
    if (!cluster->spec.shared_seed) seed += ((uint64_t)level << 56) + (uint64_t)id;
    return (int64_t)(rng_mix(seed, key) >> 32);
}

#endif
