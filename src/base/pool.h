/// pool.h: fixed-size objects by index, with a free list and an owner tag on each.
///
/// Idea.    Objects live in blocks of POOL_BLOCK that never move: pointers stay valid while the
///          object is live, and indices (dense, small, the same on every machine) are what other
///          structures keep. Each live object carries the tag of its owner; giving back with
///          another tag, twice, or touching a free object is our own mistake and a CHECK.
/// Limits.  Indices are reused last-in first-out: they depend on history, so no result may depend
///          on them.
#ifndef COLOSSIM_BASE_POOL_H
#define COLOSSIM_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { POOL_BLOCK_BITS = 10, POOL_BLOCK = 1 << POOL_BLOCK_BITS };
/// Owner of an object nobody has; live objects have tags > 0.
enum { POOL_FREE = 0 };
#define POOL_NONE INT64_C(-1)

/// Read-only for users but for pool_at.
typedef struct Pool {
    const char *label;   ///< set at init
    size_t object_bytes; ///< set at init, rounded up for alignment
    char **blocks;       ///< blocks[n_blocks], each POOL_BLOCK objects
    int32_t *owner;      ///< owner[capacity]; POOL_FREE or a tag > 0
    int64_t *next_free;  ///< next_free[capacity]; free list by index
    int64_t first_free, n_blocks, n_live, high;
} Pool;

/// Make an empty pool in the caller's storage. `label` is a string literal.
void pool_init(Pool *pool, const char *label, size_t object_bytes);

/// Take a zeroed object for `owner` > 0; returns its index.
int64_t pool_take(Pool *pool, int32_t owner);

/// Give an object back; `owner` must be the tag it was taken with.
void pool_give_back(Pool *pool, int64_t index, int32_t owner);

/// Number of the owner of a live object, POOL_FREE for a free one.
int32_t pool_owner(const Pool *pool, int64_t index);

/// Release everything, live or not.
void pool_fini(Pool *pool);

/// The live object at `index`; borrowed, does not move until it is given back.
static inline void *pool_at(const Pool *pool, int64_t index) {
    DCHECK(pool_owner(pool, index) != POOL_FREE, "pool '%s': object %lld is free", pool->label,
           (long long)index);
    return pool->blocks[index >> POOL_BLOCK_BITS] +
           (size_t)(index & (POOL_BLOCK - 1)) * pool->object_bytes;
}

#endif
