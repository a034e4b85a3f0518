#include "base/pool.h"

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"

void pool_init(Pool *pool, const char *label, size_t object_bytes) {
    CHECK(object_bytes > 0, "pool '%s' of empty objects", label);
    size_t alignment =
        object_bytes < alignof(max_align_t) ? alignof(int64_t) : alignof(max_align_t);
    *pool = (Pool){.label = label,
                   .object_bytes = (object_bytes + alignment - 1) / alignment * alignment,
                   .first_free = POOL_NONE};
}

static void add_block(Pool *pool) {
    int64_t first = pool->n_blocks * POOL_BLOCK, capacity = first + POOL_BLOCK;
    size_t n_blocks = (size_t)pool->n_blocks;
    pool->blocks = memory_resize(pool->label, pool->blocks, n_blocks * sizeof *pool->blocks,
                                 (n_blocks + 1) * sizeof *pool->blocks);
    pool->blocks[n_blocks] = memory_alloc(pool->label, POOL_BLOCK * pool->object_bytes);
    pool->owner = memory_resize(pool->label, pool->owner, (size_t)first * sizeof *pool->owner,
                                (size_t)capacity * sizeof *pool->owner);
    pool->next_free =
        memory_resize(pool->label, pool->next_free, (size_t)first * sizeof *pool->next_free,
                      (size_t)capacity * sizeof *pool->next_free);
    // Chained backwards, so that indices are handed out in ascending order.
    for (int64_t index = capacity - 1; index >= first; index--) {
        pool->next_free[index] = pool->first_free;
        pool->first_free = index;
    }
    pool->n_blocks++;
}

int64_t pool_take(Pool *pool, int32_t owner) {
    CHECK(owner > POOL_FREE, "pool '%s': owner tag %d", pool->label, (int)owner);
    if (pool->first_free == POOL_NONE) add_block(pool);
    int64_t index = pool->first_free;
    pool->first_free = pool->next_free[index];
    pool->owner[index] = owner;
    if (++pool->n_live > pool->high) pool->high = pool->n_live;
    memset(pool_at(pool, index), 0, pool->object_bytes);
    return index;
}

void pool_give_back(Pool *pool, int64_t index, int32_t owner) {
    CHECK(pool_owner(pool, index) == owner && owner != POOL_FREE,
          "pool '%s': object %lld given back by %d belongs to %d", pool->label, (long long)index,
          (int)owner, (int)pool_owner(pool, index));
    pool->owner[index] = POOL_FREE;
    pool->next_free[index] = pool->first_free;
    pool->first_free = index;
    pool->n_live--;
}

int32_t pool_owner(const Pool *pool, int64_t index) {
    CHECK(index >= 0 && index < pool->n_blocks * POOL_BLOCK, "pool '%s' has no object %lld",
          pool->label, (long long)index);
    return pool->owner[index];
}

void pool_fini(Pool *pool) {
    size_t n_blocks = (size_t)pool->n_blocks, capacity = n_blocks * POOL_BLOCK;
    for (size_t block = 0; block < n_blocks; block++)
        memory_free(pool->label, pool->blocks[block], POOL_BLOCK * pool->object_bytes);
    memory_free(pool->label, pool->blocks, n_blocks * sizeof *pool->blocks);
    memory_free(pool->label, pool->owner, capacity * sizeof *pool->owner);
    memory_free(pool->label, pool->next_free, capacity * sizeof *pool->next_free);
    *pool = (Pool){0};
}
