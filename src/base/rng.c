#include "base/rng.h"

#include <math.h>

// Random123's headers are not written for our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

#include "base/check.h"
#include "base/wide.h"

typedef struct RngBlock {
    uint64_t low, high;
} RngBlock;

/// The 128 bits of one Philox block. For one seed, purposes have different keys, since rng_mix is a
/// bijection of its second argument; (entity, draw) fill the counter.
static RngBlock block_of(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw) {
    uint64_t mixed = rng_mix(seed, (uint64_t)purpose);
    philox4x32_key_t key = {{(uint32_t)mixed, (uint32_t)(mixed >> 32)}};
    philox4x32_ctr_t counter = {
        {(uint32_t)entity, (uint32_t)(entity >> 32), (uint32_t)draw, (uint32_t)(draw >> 32)}};
    philox4x32_ctr_t out = philox4x32(counter, key);
    return (RngBlock){.low = (uint64_t)out.v[1] << 32 | out.v[0],
                      .high = (uint64_t)out.v[3] << 32 | out.v[2]};
}

static double unit_interval(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

uint64_t rng_bits(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw) {
    return block_of(seed, purpose, entity, draw).low;
}

double rng_uniform(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw) {
    return unit_interval(rng_bits(seed, purpose, entity, draw));
}

double rng_normal(uint64_t seed, RngPurpose purpose, uint64_t entity, uint64_t draw) {
    const double two_pi = 6.283185307179586;
    RngBlock block = block_of(seed, purpose, entity, draw);
    // 1 - u lies in (0, 1], so the logarithm is finite.
    double radius = sqrt(-2.0 * log(1.0 - unit_interval(block.low)));
    return radius * cos(two_pi * unit_interval(block.high));
}
