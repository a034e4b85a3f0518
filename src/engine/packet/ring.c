#include "engine/packet/ring.h"

#include "base/array.h"
#include "base/check.h"
#include "base/memory.h"

#define LABEL "packet.queues"

void ring_pool_grow(RingPool *pool) {
    const int64_t old = pool->nchunks, now = array_grown(old > 32 ? old : 32);
    CHECK(now < INT32_MAX / RING_CHUNK, "%lld packets at once", (long long)now * RING_CHUNK);
    pool->at = memory_resize(LABEL, pool->at, (size_t)old * RING_CHUNK * sizeof *pool->at,
                             (size_t)now * RING_CHUNK * sizeof *pool->at);
    pool->after = memory_resize(LABEL, pool->after, (size_t)old * sizeof *pool->after,
                                (size_t)now * sizeof *pool->after);
    for (int64_t chunk = now - 1; chunk >= old; chunk--) {
        pool->after[chunk] = pool->first_free;
        pool->first_free = (int32_t)chunk;
    }
    pool->nchunks = (int32_t)now;
}

void ring_pool_fini(RingPool *pool) {
    memory_free(LABEL, pool->at, (size_t)pool->nchunks * RING_CHUNK * sizeof *pool->at);
    memory_free(LABEL, pool->after, (size_t)pool->nchunks * sizeof *pool->after);
}
